/* See input_check.h. */
#include "input_check.h"

#include <text.h>
#include "device.interface.h"
#include "holon/device.h"
#include "holon/input.h"
#include "input.interface.h"

#define CALL_NS     10000000000ull
#define WAIT_NS     120000000000ull
#define LOOK_NS     1000000000ull /* a driver may have started anew, and knows of no reader */
#define BIT         4ull
#define ESCAPE      0x29u
#define SOURCES_MAX 8u

static struct {
	handle_t devices, log, event;
	struct thread_page *page;
	handle_t sources[SOURCES_MAX];
	unsigned count;
} check;

static uint64_t deadline(void)
{
	return clock_ns() + CALL_NS;
}

/* Opens all sources of input, once there are COUNT. */
static bool find(unsigned count)
{
	char names[SOURCES_MAX][sizeof(((struct device_info *)0)->name)];
	struct device_info info;
	const void *data;
	uint64_t devices;
	uint32_t bytes;
	unsigned found = 0;

	for (uint32_t i = 0;
	     device_list(check.devices, check.page, i, &devices, &data, &bytes, deadline()) >= 0 &&
	     bytes == sizeof(info) && found < SOURCES_MAX;
	     i++) {
		memcpy(&info, data, sizeof(info));
		if (info.kind == DEVICE_INPUT)
			memcpy(names[found++], info.name, sizeof(info.name));
	}
	if (found < count)
		return false;
	for (; check.count < found; check.count++)
		if (device_open(check.devices, check.page, names[check.count], &check.sources[check.count],
		                deadline()) < 0)
			return false;
	return true;
}

static bool watch(void)
{
	for (unsigned i = 0; i < check.count; i++) {
		int64_t copy = cap_copy(check.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, BIT);
		if (copy < 0)
			return false;
		if (input_watch(check.sources[i], check.page, (handle_t)copy, BIT, deadline()) < 0)
			cap_delete((handle_t)copy); /* its driver died just now */
	}
	return true;
}

/* Tells what a source has to tell. True: the escape key was let go. */
static bool tell(handle_t source)
{
	static const char *const words[] = {"lost", "key", "button", "move", "place"};
	struct input_event events[INPUT_AT_ONCE];
	const void *data;
	uint32_t bytes;
	bool ended = false;

	while (input_read(source, check.page, &data, &bytes, deadline()) >= 0 && bytes &&
	       bytes <= sizeof(events)) {
		memcpy(events, data, bytes);
		for (uint32_t i = 0; i < bytes / sizeof(*events); i++) {
			const struct input_event *at = &events[i];
			log_print(check.log, check.page, "input: %s %u %d\n",
			          at->type < 5 ? words[at->type] : "unknown", at->code, at->value);
			ended = ended || (at->type == INPUT_KEY && at->code == ESCAPE && !at->value);
		}
	}
	return ended;
}

bool input_check(handle_t devices, handle_t log, struct thread_page *page, unsigned count)
{
	uint64_t end = clock_ns() + WAIT_NS, bits;
	bool ended = false;
	int64_t event = event_create();

	if (event < 0)
		return false;
	check.devices = devices;
	check.log = log;
	check.page = page;
	check.event = (handle_t)event;
	while (!find(count) && clock_ns() < end)
		event_wait(check.event, clock_ns() + 20000000, &bits);
	if (check.count < count || !watch())
		return false;
	log_print(log, page, "input: ready\n");
	while (!ended && clock_ns() < end) {
		for (unsigned i = 0; i < check.count; i++)
			ended = tell(check.sources[i]) || ended;
		if (!ended && event_wait(check.event, clock_ns() + LOOK_NS, &bits) < 0 && !watch())
			return false;
	}
	return ended;
}
