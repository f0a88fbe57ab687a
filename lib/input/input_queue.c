/* See input_queue.h. */
#include "input_queue.h"

static bool anything(const struct input_queue *queue)
{
	return queue->put != queue->taken || !queue->whole;
}

void input_queue_put(struct input_queue *queue, const struct input_event *event)
{
	if (queue->put - queue->taken == INPUT_QUEUE_EVENTS) { /* nobody reads */
		queue->taken = queue->put;
		queue->whole = false;
	}
	queue->events[queue->put++ % INPUT_QUEUE_EVENTS] = *event;
}

void input_queue_tell(struct input_queue *queue)
{
	if (!queue->watcher || queue->told || !anything(queue))
		return;
	queue->told = true;
	if (event_signal(queue->watcher, queue->bits) >= 0)
		return;
	cap_delete(queue->watcher); /* it is gone */
	queue->watcher = 0;
}

int64_t input_queue_watch(struct input_queue *queue, handle_t event, uint64_t bits)
{
	if (!bits)
		return E_ARGUMENT;
	if (queue->watcher)
		cap_delete(queue->watcher);
	queue->watcher = event;
	queue->bits = bits;
	queue->told = false;
	input_queue_tell(queue);
	return E_OK;
}

int64_t input_queue_read(struct input_queue *queue, const void **events, uint32_t *bytes)
{
	static struct input_event answer[INPUT_AT_ONCE];
	unsigned count = 0;

	if (!queue->whole)
		answer[count++] = (struct input_event){.type = INPUT_LOST};
	queue->whole = true;
	while (count < INPUT_AT_ONCE && queue->taken != queue->put)
		answer[count++] = queue->events[queue->taken++ % INPUT_QUEUE_EVENTS];
	queue->told = queue->taken != queue->put;
	*events = answer;
	*bytes = count * sizeof(*answer);
	return E_OK;
}
