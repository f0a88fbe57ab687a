/* See inputs.h. */
#include "inputs.h"

#include <holon/device.h>
#include <text.h>
#include "device.interface.h"
#include "input.interface.h"
#include "keyboard.h"

#define CALL_NS      200000000ull   /* a terminal does not wait long for a driver */
#define FIRST_NS     200000000ull   /* devmgr has started by then */
#define LOOK_NS      2000000000ull  /* devmgr itself may have started anew, and knows of no watcher */
#define SELDOM_NS    60000000000ull /* without a screen; devmgr tells of one that comes */
#define SOON_NS      100000000ull
#define REPEAT_NS    500000000ull
#define AGAIN_NS     33000000ull
#define DEVICES_MAX  64u
#define READS_MAX    16u
#define MODIFIERS_AT 0xe0u

#define SCREEN_DRIVER "virtio-gpu"

static void timer_set(const struct inputs *inputs);

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

static void key(struct inputs *inputs, uint16_t usage, bool pressed)
{
	uint8_t codes[KEYBOARD_CODES_MAX];
	uint32_t count = keyboard_codes(usage, pressed, codes);

	for (uint32_t i = 0; i < count; i++)
		inputs->take(inputs->context, codes[i]);
}

static void event_take(struct inputs *inputs, const struct input_event *event)
{
	inputs->tell(inputs->context, event);
	switch (event->type) {
	case INPUT_LOST:
		inputs->held = 0;
		for (uint16_t usage = MODIFIERS_AT; usage < MODIFIERS_AT + 8; usage++)
			key(inputs, usage, false);
		break;
	case INPUT_KEY:
		key(inputs, event->code, event->value);
		if (event->value && event->code < MODIFIERS_AT) {
			inputs->held = event->code;
			inputs->repeat_at = clock_ns() + REPEAT_NS;
		} else if (event->code == inputs->held) {
			inputs->held = 0;
		}
		break;
	default:
		break;
	}
}

/* All that the INDEXth has to tell. False: it does not answer any more. */
static bool read_all(struct inputs *inputs, unsigned index)
{
	struct input_event events[INPUT_AT_ONCE];
	const void *data;
	uint32_t bytes = sizeof(events);

	for (unsigned i = 0; i < READS_MAX && bytes; i++) {
		if (input_read(inputs->list[index].channel, inputs->page, &data, &bytes, deadline()) < 0 ||
		    bytes > sizeof(events))
			return false;
		memcpy(events, data, bytes);
		for (uint32_t k = 0; k < bytes / sizeof(*events); k++)
			event_take(inputs, &events[k]);
	}
	return true;
}

static handle_t signal_of(const struct inputs *inputs, uint64_t bits)
{
	int64_t copy = cap_copy(inputs->event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, bits);

	return copy < 0 ? 0 : (handle_t)copy;
}

/* Asks the INDEXth to tell of keys: its driver may be another than before. */
static void watch(struct inputs *inputs, unsigned index)
{
	handle_t event = signal_of(inputs, inputs->input_bit);

	if (event &&
	    input_watch(inputs->list[index].channel, inputs->page, event, inputs->input_bit, deadline()) < 0)
		cap_delete(event);
	if (event && read_all(inputs, index))
		return;
	cap_delete(inputs->list[index].channel);
	inputs->list[index].channel = 0;
}

static void add(struct inputs *inputs, const char *name)
{
	unsigned index = 0;

	for (unsigned i = 0; i < INPUTS_MAX; i++)
		if (inputs->list[i].channel && strcmp(inputs->list[i].name, name) == 0)
			return;
	while (index < INPUTS_MAX && inputs->list[index].channel)
		index++;
	if (index == INPUTS_MAX ||
	    device_open(inputs->devices, inputs->page, name, &inputs->list[index].channel, deadline()) < 0)
		return;
	text_copy(inputs->list[index].name, sizeof(inputs->list[index].name), name);
	watch(inputs, index);
}

/* The INDEXth device. False: there is none. */
static bool device_at(const struct inputs *inputs, uint32_t index, struct device_info *info)
{
	const void *data;
	uint64_t count;
	uint32_t bytes;

	if (device_list(inputs->devices, inputs->page, index, &count, &data, &bytes, deadline()) < 0 ||
	    bytes != sizeof(*info))
		return false;
	memcpy(info, data, sizeof(*info));
	info->name[sizeof(info->name) - 1] = 0;
	info->driver[sizeof(info->driver) - 1] = 0;
	return true;
}

bool inputs_screen_comes(struct inputs *inputs)
{
	struct device_info info;

	for (uint32_t i = 0; i < DEVICES_MAX && device_at(inputs, i, &info); i++)
		if (info.kind == DEVICE_SCREEN || strcmp(info.driver, SCREEN_DRIVER) == 0)
			return true;
	return false;
}

void inputs_look_soon(struct inputs *inputs)
{
	uint64_t soon = clock_ns() + SOON_NS;

	if (inputs->look_at > soon)
		inputs->look_at = soon;
	timer_set(inputs);
}

static void look(struct inputs *inputs)
{
	handle_t event = signal_of(inputs, inputs->devices_bit);

	if (event &&
	    device_watch(inputs->devices, inputs->page, event, inputs->devices_bit, 0, deadline()) < 0)
		cap_delete(event);
	for (unsigned i = 0; i < INPUTS_MAX; i++)
		if (inputs->list[i].channel)
			watch(inputs, i);
	for (uint32_t i = 0; i < DEVICES_MAX; i++) {
		struct device_info info;

		if (!device_at(inputs, i, &info))
			break;
		if (info.kind == DEVICE_INPUT && inputs->wanted)
			add(inputs, info.name);
		if (info.kind != DEVICE_INPUT && info.kind != DEVICE_NONE)
			inputs->found(inputs->context, info.kind, info.name);
	}
	inputs->look_at = clock_ns() + (inputs->wanted ? LOOK_NS : SELDOM_NS);
	inputs->looked(inputs->context);
}

static void timer_set(const struct inputs *inputs)
{
	uint64_t next = inputs->look_at;

	if (inputs->held && inputs->repeat_at < next)
		next = inputs->repeat_at;
	if (inputs->wake_at && inputs->wake_at < next)
		next = inputs->wake_at;
	event_timer(inputs->event, next, inputs->timer_bit);
}

void inputs_wake(struct inputs *inputs, uint64_t at)
{
	inputs->wake_at = at;
	timer_set(inputs);
}

void inputs_start(struct inputs *inputs)
{
	inputs->look_at = clock_ns() + FIRST_NS;
	timer_set(inputs);
}

void inputs_work(struct inputs *inputs, uint64_t bits)
{
	if (!(bits & (inputs->input_bit | inputs->devices_bit | inputs->timer_bit)))
		return;
	for (unsigned i = 0; i < INPUTS_MAX && bits & inputs->input_bit; i++)
		if (inputs->list[i].channel && !read_all(inputs, i))
			inputs->look_at = 0;
	uint64_t now = clock_ns();
	if (now >= inputs->wake_at)
		inputs->wake_at = 0;
	if (inputs->held && now >= inputs->repeat_at) {
		key(inputs, inputs->held, true);
		inputs->repeat_at = now + AGAIN_NS;
	}
	if (bits & inputs->devices_bit || now >= inputs->look_at)
		look(inputs);
	timer_set(inputs);
}
