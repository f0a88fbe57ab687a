/* Fuzzes what a device tells in Linux' numbers: two ranges, then events of eight bytes. What is made of it keeps to the limits of
 * abi/holon/input.h, and tells of a key only what is new. */
#include <stdlib.h>
#include <string.h>
#include "evdev.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t pressed[2][EVDEV_USAGES] = {0};
	struct evdev evdev;
	int32_t ranges[4];

	if (size < sizeof(ranges))
		return 0;
	memcpy(ranges, data, sizeof(ranges));
	evdev_init(&evdev);
	evdev_range(&evdev, INPUT_X, ranges[0], ranges[1]);
	evdev_range(&evdev, INPUT_Y, ranges[2], ranges[3]);
	for (size_t at = sizeof(ranges); size - at >= 8; at += 8) {
		struct input_event event;
		uint16_t numbers[2];
		int32_t value;

		memcpy(numbers, data + at, sizeof(numbers));
		memcpy(&value, data + at + sizeof(numbers), sizeof(value));
		if (!evdev_take(&evdev, numbers[0], numbers[1], value, &event))
			continue;
		switch (event.type) {
		case INPUT_KEY:
		case INPUT_BUTTON:
			if (!event.code ||
			    event.code >= (event.type == INPUT_KEY ? EVDEV_USAGES : EVDEV_BUTTONS + 1) ||
			    event.value != !pressed[event.type == INPUT_BUTTON][event.code])
				abort();
			pressed[event.type == INPUT_BUTTON][event.code] ^= 1;
			break;
		case INPUT_PLACE:
			if (event.code >= EVDEV_PLACES || event.value < 0 || event.value > INPUT_PLACE_MAX)
				abort();
			break;
		case INPUT_MOVE:
			if (event.code >= INPUT_AXES || !event.value)
				abort();
			break;
		default:
			abort();
		}
	}
	return 0;
}
