/* Scan codes of set 1 (what the i8042 delivers with translation on) to the bytes a terminal sends; US layout.
 * Function and cursor keys are sent as xterm does. Unknown codes are ignored.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define KEYBOARD_BYTES_MAX 8
#define KEYBOARD_CODES_MAX 2
#define KEYBOARD_RELEASE   0x80 /* in a scan code: the key was let go */

/* What came before a scan code. */
struct keyboard_prefix {
	bool extended; /* 0xe0 seen */
	uint8_t skip;  /* bytes left of a sequence that starts with 0xe1 (the pause key) */
};

struct keyboard {
	bool shift[2], control[2], alt[2]; /* left, right */
	bool caps_lock, num_lock;
	struct keyboard_prefix prefix;
};

/* Takes one byte from the controller: whether it is a key's scan code, EXTENDED: behind 0xe0. The pause key has none. */
bool keyboard_prefix_take(struct keyboard_prefix *prefix, uint8_t code, bool *extended);
void keyboard_init(struct keyboard *keyboard);
/* Takes one byte from the controller; returns how many bytes the key sends (often 0). CURSOR_KEYS: the
 * terminal's application mode. */
uint32_t keyboard_take(struct keyboard *keyboard, uint8_t code, bool cursor_keys,
                       uint8_t bytes[KEYBOARD_BYTES_MAX]);
/* The scan codes of a key with that number in the HID Usage Tables 1.4, 10 (keyboard page); how many, 0 for keys that terminals do
 * not have. */
uint32_t keyboard_codes(uint16_t usage, bool pressed, uint8_t codes[KEYBOARD_CODES_MAX]);
/* The other way: the key with the scan code CODE, EXTENDED: behind 0xe0; 0: it has no number. */
uint16_t keyboard_usage(uint8_t code, bool extended);
