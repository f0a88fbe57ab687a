/* The PC's keyboard controller (Intel 8042; IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"). Delivers the keyboard's bytes as scan code set 1, and those of a mouse; a missing controller is
 * noticed.
 */
#pragma once

#include <holon.h>

struct i8042 {
	handle_t data, command; /* I/O ports 0x60 and 0x64 */
	bool present;
	unsigned packet_bytes; /* of a mouse */
};

/* Turns the keyboard, a mouse and their interrupts on. Takes at most some tens of milliseconds, whatever the controller
 * does. */
void i8042_init(struct i8042 *controller, handle_t data, handle_t command);
/* One byte, of the keyboard or (FROM_MOUSE) of the mouse; -1: there is none. */
int i8042_read(struct i8042 *controller, bool *from_mouse);
