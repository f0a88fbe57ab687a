/* Events in Linux' numbers: keys both ways, buttons, ways and places, and what is left out. */
#include <stdio.h>
#include "evdev.h"
#include "keys.h"

static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok evdev numbers: %s\n" : "not ok evdev numbers: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static struct evdev evdev;
static struct input_event event;

static bool told(uint16_t type, uint16_t code, int32_t value, uint16_t as, uint16_t number, int32_t amount)
{
	return evdev_take(&evdev, type, code, value, &event) && event.type == as && event.code == number &&
	       event.value == amount;
}

static bool nothing(uint16_t type, uint16_t code, int32_t value)
{
	return !evdev_take(&evdev, type, code, value, &event);
}

static bool keys_agree(void)
{
	for (unsigned usage = 0; usage <= UINT16_MAX; usage++) {
		uint16_t code = keys_linux((uint16_t)usage);
		if (code && keys_linux(keys_usage(code)) != code)
			return false;
		if (usage > 0xff && code)
			return false;
	}
	/* a, enter, escape, left shift, the keypad's enter */
	return keys_linux(0x04) == 30 && keys_usage(28) == 0x28 && keys_usage(1) == 0x29 &&
	       keys_linux(0xe1) == 42 && keys_usage(96) == 0x58 && !keys_usage(0) && !keys_usage(0x110) &&
	       !keys_usage(UINT16_MAX);
}

int main(void)
{
	evdev_init(&evdev);
	check("every key has one number there, and it comes back", keys_agree());
	check("a key is pressed, and let go",
	      told(EVDEV_KEY, 30, 1, INPUT_KEY, 0x04, 1) && told(EVDEV_KEY, 30, 0, INPUT_KEY, 0x04, 0));
	check("what says nothing new of a key is left out",
	      nothing(EVDEV_KEY, 30, 0) && told(EVDEV_KEY, 30, 1, INPUT_KEY, 0x04, 1) &&
	          nothing(EVDEV_KEY, 30, 1) && nothing(EVDEV_KEY, 30, 2) && nothing(EVDEV_KEY, 30, -1) &&
	          told(EVDEV_KEY, 30, 0, INPUT_KEY, 0x04, 0));
	check("buttons: left, right, middle, a touch", told(EVDEV_KEY, 0x110, 1, INPUT_BUTTON, 1, 1) &&
	                                                   told(EVDEV_KEY, 0x111, 1, INPUT_BUTTON, 2, 1) &&
	                                                   told(EVDEV_KEY, 0x112, 1, INPUT_BUTTON, 3, 1) &&
	                                                   nothing(EVDEV_KEY, 0x14a, 1) &&
	                                                   told(EVDEV_KEY, 0x110, 0, INPUT_BUTTON, 1, 0) &&
	                                                   told(EVDEV_KEY, 0x14a, 1, INPUT_BUTTON, 1, 1));
	check("ways and the wheel", told(EVDEV_RELATIVE, 0, 5, INPUT_MOVE, INPUT_X, 5) &&
	                                told(EVDEV_RELATIVE, 1, -7, INPUT_MOVE, INPUT_Y, -7) &&
	                                told(EVDEV_RELATIVE, 8, -1, INPUT_MOVE, INPUT_WHEEL, -1) &&
	                                nothing(EVDEV_RELATIVE, 0, 0) && nothing(EVDEV_RELATIVE, 2, 5));
	check("no places before their range is known", nothing(EVDEV_ABSOLUTE, 0, 5));
	evdev_range(&evdev, INPUT_X, 0, 0x7fff);
	evdev_range(&evdev, INPUT_Y, INT32_MIN, INT32_MAX);
	check("places, from 0 to 65535",
	      told(EVDEV_ABSOLUTE, 0, 0, INPUT_PLACE, INPUT_X, 0) &&
	          told(EVDEV_ABSOLUTE, 0, 0x7fff, INPUT_PLACE, INPUT_X, INPUT_PLACE_MAX) &&
	          told(EVDEV_ABSOLUTE, 0, 16384, INPUT_PLACE, INPUT_X, 32768) &&
	          told(EVDEV_ABSOLUTE, 1, INT32_MIN, INPUT_PLACE, INPUT_Y, 0) &&
	          told(EVDEV_ABSOLUTE, 1, INT32_MAX, INPUT_PLACE, INPUT_Y, INPUT_PLACE_MAX));
	check("a place outside the range, the same again, another axis are left out",
	      nothing(EVDEV_ABSOLUTE, 0, -1) && nothing(EVDEV_ABSOLUTE, 0, 0x8000) &&
	          nothing(EVDEV_ABSOLUTE, 0, 16384) && nothing(EVDEV_ABSOLUTE, 2, 5));
	evdev_range(&evdev, INPUT_X, 7, 7);
	check("a range of nothing has no places", nothing(EVDEV_ABSOLUTE, 0, 7));
	check("other types are left out", nothing(0, 0, 0) && nothing(4, 4, 30) && nothing(UINT16_MAX, 0, 1));
	return failures != 0;
}
