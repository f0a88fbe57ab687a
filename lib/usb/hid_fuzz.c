/* Fuzzes report descriptors and reports: the first byte says how long the descriptor is, each byte behind it how long the next
 * report. What is told keeps to its limits, and in the end nothing is pressed. */
#include <stdlib.h>
#include <string.h>
#include "hid.h"

static uint8_t pressed[2][HID_KEYS];

static void emit(void *context, const struct input_event *event)
{
	(void)context;
	switch (event->type) {
	case INPUT_KEY:
	case INPUT_BUTTON: {
		uint8_t *now = &pressed[event->type == INPUT_BUTTON][event->code % HID_KEYS];
		if (event->code >= (event->type == INPUT_KEY ? HID_KEYS : HID_BUTTONS_MAX + 1) ||
		    event->value != !*now)
			abort(); /* what is told differs from before */
		*now = event->value;
		break;
	}
	case INPUT_PLACE:
		if (event->code >= INPUT_AXES || event->value < 0 || event->value > INPUT_PLACE_MAX)
			abort();
		break;
	case INPUT_MOVE:
		if (event->code >= INPUT_AXES || !event->value)
			abort();
		break;
	default:
		abort();
	}
}

/* From a copy of just that size. */
static void report(struct hid *hid, const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	memcpy(copy, data, bytes);
	hid_report(hid, copy, bytes, emit, 0);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hid hid;
	size_t length = size ? (data[0] ? data[0] * 4u : 0) : 0;

	if (!size || length > size - 1)
		return 0;
	data++;
	size--;
	uint8_t *copy = malloc(length ? length : 1);
	memcpy(copy, data, length);
	bool known = hid_describe(&hid, copy, length);
	free(copy);
	if (hid.field_count > HID_FIELDS_MAX)
		abort();
	for (unsigned i = 0; i < hid.field_count; i++)
		if (!hid.fields[i].bits || hid.fields[i].bits > 32 ||
		    hid.fields[i].bit + (size_t)hid.fields[i].bits * hid.fields[i].count >
		        HID_REPORT_BYTES * 8)
			abort();
	memset(pressed, 0, sizeof(pressed));
	for (size_t at = length; known && at < size;) {
		size_t bytes = data[at++] % (HID_REPORT_BYTES + 1);
		bytes = bytes < size - at ? bytes : size - at;
		report(&hid, data + at, bytes);
		at += bytes;
	}
	hid_release(&hid, emit, 0);
	for (unsigned i = 0; i < HID_KEYS; i++)
		if (pressed[0][i] || pressed[1][i])
			abort();
	return 0;
}
