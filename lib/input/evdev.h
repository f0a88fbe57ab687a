/* What a device tells in the numbers of the Linux API (include/uapi/linux/input-event-codes.h), as virtio's input devices do (VIRTIO 1.2,
 * 5.8), made into events of abi/input.interface. The device is hostile: what this system does not know, and what says nothing new of a
 * key, is left out. No I/O, no allocation. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/input.h>

#define EVDEV_PLACES  2u /* INPUT_X and INPUT_Y */
#define EVDEV_USAGES  256u
#define EVDEV_BUTTONS 5u

enum evdev_type { EVDEV_KEY = 1, EVDEV_RELATIVE = 2, EVDEV_ABSOLUTE = 3 };

struct evdev {
	struct {
		int32_t low, high; /* LOW < HIGH: the device tells of places */
		int32_t last;      /* as it was told; negative: not yet */
	} places[EVDEV_PLACES];
	uint64_t keys[EVDEV_USAGES / 64]; /* that are pressed, by bits */
	uint32_t buttons;
};

void evdev_init(struct evdev *evdev);
/* The device's places on AXIS go from LOW to HIGH. */
void evdev_range(struct evdev *evdev, unsigned axis, int32_t low, int32_t high);
/* Makes *EVENT of what the device told. False: there is nothing to tell. */
bool evdev_take(struct evdev *evdev, uint16_t type, uint16_t code, int32_t value, struct input_event *event);
