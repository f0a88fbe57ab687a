/* What people do, as abi/input.interface tells of it. Keys and buttons have the numbers of the HID Usage Tables 1.4: keyboard page (10),
 * button page (12). */
#pragma once

#include <stdint.h>

enum input_type {
	INPUT_LOST = 0,   /* events were lost, or there were none before: nothing is pressed */
	INPUT_KEY = 1,    /* CODE: a key; VALUE: 1 pressed, 0 let go */
	INPUT_BUTTON = 2, /* CODE: a button, from 1 on; VALUE as of a key */
	INPUT_MOVE = 3,   /* CODE: an axis; VALUE: by how much, as the device counts */
	INPUT_PLACE = 4,  /* CODE: an axis; VALUE: where, from 0 to INPUT_PLACE_MAX */
};
enum input_axis { INPUT_X = 0, INPUT_Y = 1, INPUT_WHEEL = 2, INPUT_AXES = 3 };

#define INPUT_PLACE_MAX 65535
#define INPUT_AT_ONCE   64u /* events of one answer */

struct input_event {
	uint16_t type; /* enum input_type */
	uint16_t code;
	int32_t value;
};

_Static_assert(sizeof(struct input_event) == 8, "input_event is fixed");
