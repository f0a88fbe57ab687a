/* What a source of abi/input.interface keeps for its one reader, and tells the reader of. What nobody reads is dropped, which the
 * reader hears of (INPUT_LOST), as it does at its start. Native, one thread. */
#pragma once

#include <holon.h>
#include <holon/input.h>

#define INPUT_QUEUE_EVENTS 256u /* a power of two */

struct input_queue {
	struct input_event events[INPUT_QUEUE_EVENTS];
	uint32_t put, taken;
	bool whole;       /* the reader knows of all that was dropped, and of its start */
	handle_t watcher; /* 0: nobody */
	uint64_t bits;
	bool told; /* since it read all */
};

void input_queue_put(struct input_queue *queue, const struct input_event *event);
/* The watcher hears that there is something to read, where it has not. */
void input_queue_tell(struct input_queue *queue);
/* The operations of abi/input.interface. EVENT is the queue's from then on, where this succeeds. */
int64_t input_queue_watch(struct input_queue *queue, handle_t event, uint64_t bits);
int64_t input_queue_read(struct input_queue *queue, const void **events, uint32_t *bytes);
