/* See evdev.h. */
#include "evdev.h"
#include "keys.h"

enum { ABS_X = 0, ABS_Y = 1, REL_X = 0, REL_Y = 1, REL_WHEEL = 8 };
enum { BTN_LEFT = 0x110, BTN_TOUCH = 0x14a };
enum { LET_GO = 0, PRESSED = 1 }; /* other values: it is held, and repeats */

void evdev_init(struct evdev *evdev)
{
	*evdev = (struct evdev){.places = {{.last = -1}, {.last = -1}}};
}

void evdev_range(struct evdev *evdev, unsigned axis, int32_t low, int32_t high)
{
	evdev->places[axis].low = low;
	evdev->places[axis].high = high;
}

static bool key(struct evdev *evdev, uint16_t code, int32_t value, struct input_event *event)
{
	uint16_t button = code == BTN_TOUCH ? 1
	                  : code >= BTN_LEFT && code < BTN_LEFT + (int)EVDEV_BUTTONS
	                      ? (uint16_t)(code - BTN_LEFT + 1)
	                      : 0;
	uint16_t usage = button ? 0 : keys_usage(code);
	bool pressed = value == PRESSED;

	if ((!button && !usage) || (value != PRESSED && value != LET_GO))
		return false;
	*event = (struct input_event){
	    .type = button ? INPUT_BUTTON : INPUT_KEY, .code = button ? button : usage, .value = pressed};
	if (button) {
		bool before = evdev->buttons >> button & 1;
		evdev->buttons ^= (uint32_t)(before != pressed) << button;
		return before != pressed;
	}
	uint64_t *word = &evdev->keys[usage / 64], bit = 1ull << usage % 64;
	if (!(*word & bit) == !pressed)
		return false;
	*word ^= bit;
	return true;
}

static bool place(struct evdev *evdev, uint16_t axis, int32_t value, struct input_event *event)
{
	int64_t low = evdev->places[axis].low, range = evdev->places[axis].high - low;

	if (range <= 0 || value < low || value > low + range)
		return false;
	*event = (struct input_event){
	    .type = INPUT_PLACE, .code = axis, .value = (int32_t)((value - low) * INPUT_PLACE_MAX / range)};
	if (event->value == evdev->places[axis].last)
		return false;
	evdev->places[axis].last = event->value;
	return true;
}

bool evdev_take(struct evdev *evdev, uint16_t type, uint16_t code, int32_t value, struct input_event *event)
{
	if (type == EVDEV_KEY)
		return key(evdev, code, value, event);
	if (type == EVDEV_RELATIVE && value && (code == REL_X || code == REL_Y || code == REL_WHEEL)) {
		uint16_t axis = code == REL_X ? INPUT_X : code == REL_Y ? INPUT_Y : INPUT_WHEEL;
		*event = (struct input_event){.type = INPUT_MOVE, .code = axis, .value = value};
		return true;
	}
	if (type == EVDEV_ABSOLUTE && (code == ABS_X || code == ABS_Y))
		return place(evdev, code == ABS_X ? INPUT_X : INPUT_Y, value, event);
	return false;
}
