/* The PC's keyboard controller (Intel 8042; IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"). Delivers the keyboard's bytes as scan code set 1; a missing controller is
 * noticed.
 */
#pragma once

#include <holon.h>

struct i8042 {
	handle_t data, command; /* I/O ports 0x60 and 0x64 */
	bool present;
};

/* Turns the keyboard and its interrupt on. Takes at most a few milliseconds, whatever the controller does. */
void i8042_init(struct i8042 *controller, handle_t data, handle_t command);
/* One byte from the keyboard, or -1. Bytes of a mouse are dropped. */
int i8042_read(struct i8042 *controller);
