/* See source.h. */
#include "source.h"

#include "input.interface.h"

/* Whether EVENT says something new of a key. */
static bool key_changes(struct source *source, const struct input_event *event)
{
	if (event->code >= sizeof(source->pressed) * 8)
		return false;
	uint64_t *word = &source->pressed[event->code / 64], bit = 1ull << event->code % 64;
	if (!(*word & bit) == !event->value)
		return false;
	*word ^= bit;
	return true;
}

void source_event(struct source *source, const struct input_event *event)
{
	if (event->type == INPUT_KEY && !key_changes(source, event))
		return;
	if (event->type == INPUT_LOST)
		memset(source->pressed, 0, sizeof(source->pressed));
	input_queue_put(&source->queue, event);
}

void source_scan_code(struct source *source, uint8_t code)
{
	bool extended;
	if (!keyboard_prefix_take(&source->prefix, code, &extended))
		return;
	struct input_event event = {
	    .type = INPUT_KEY, .code = keyboard_usage(code, extended), .value = !(code & KEYBOARD_RELEASE)};
	if (event.code)
		source_event(source, &event);
}

void source_mouse_byte(struct source *source, uint8_t byte, unsigned bytes)
{
	struct input_event events[MOUSE_EVENTS_MAX];
	unsigned count = mouse_take(&source->mouse, byte, bytes, events);
	for (unsigned i = 0; i < count; i++)
		source_event(source, &events[i]);
}

static int64_t serve_watch(void *context, uint64_t badge, handle_t event, uint64_t bits)
{
	struct source *source = context;
	(void)badge;
	return input_queue_watch(&source->queue, event, bits);
}

static int64_t serve_read(void *context, uint64_t badge, const void **events, uint32_t *bytes)
{
	struct source *source = context;
	(void)badge;
	return input_queue_read(&source->queue, events, bytes);
}

void source_serve(struct source *source, struct message *message, struct thread_page *page)
{
	static const struct input_operations operations = {.watch = serve_watch, .read = serve_read};
	input_serve(&operations, source, message, page);
}

int64_t source_give(handle_t channel, handle_t *given)
{
	int64_t copy = cap_copy(channel, RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, SOURCE_BADGE);
	if (copy < 0)
		return copy;
	*given = (handle_t)copy;
	return E_OK;
}
