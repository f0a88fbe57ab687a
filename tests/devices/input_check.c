/* See input_check.h. */
#include "input_check.h"

#include <text.h>
#include "device.interface.h"
#include "holon/device.h"
#include "holon/input.h"
#include "input.interface.h"

#define CALL_NS 10000000000ull
#define WAIT_NS 120000000000ull
#define BIT     4ull
#define ESCAPE  0x29u

static bool find(handle_t devices, struct thread_page *page, handle_t *channel)
{
	struct device_info info;
	const void *data;
	uint64_t count;
	uint32_t bytes;

	for (uint32_t i = 0;
	     device_list(devices, page, i, &count, &data, &bytes, clock_ns() + CALL_NS) >= 0 &&
	     bytes == sizeof(info);
	     i++) {
		memcpy(&info, data, sizeof(info));
		if (info.kind == DEVICE_INPUT)
			return device_open(devices, page, info.name, channel, clock_ns() + CALL_NS) >= 0;
	}
	return false;
}

bool input_check(handle_t devices, handle_t log, struct thread_page *page)
{
	static const char *const words[] = {"lost", "key", "button", "move", "place"};
	uint64_t end = clock_ns() + WAIT_NS, bits;
	struct input_event events[INPUT_AT_ONCE];
	const void *data;
	uint32_t bytes;
	handle_t channel = 0;
	int64_t event = event_create();

	while (!find(devices, page, &channel) && clock_ns() < end)
		event_wait((handle_t)event, clock_ns() + 20000000, &bits);
	int64_t copy = cap_copy((handle_t)event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, BIT);
	if (!channel || copy < 0 || input_watch(channel, page, (handle_t)copy, BIT, clock_ns() + CALL_NS) < 0)
		return false;
	log_print(log, page, "input: ready\n");
	while (clock_ns() < end) {
		if (input_read(channel, page, &data, &bytes, clock_ns() + CALL_NS) < 0 ||
		    bytes > sizeof(events))
			return false;
		memcpy(events, data, bytes);
		for (uint32_t i = 0; i < bytes / sizeof(*events); i++) {
			const struct input_event *at = &events[i];
			log_print(log, page, "input: %s %u %d\n", at->type < 5 ? words[at->type] : "unknown",
			          at->code, at->value);
			if (at->type == INPUT_KEY && at->code == ESCAPE && !at->value)
				return true;
		}
		if (!bytes)
			event_wait((handle_t)event, end, &bits);
	}
	return false;
}
