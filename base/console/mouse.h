/* Packets of a PS/2 mouse (IBM PS/2 Hardware Interface Technical Reference, "Mouse": stream mode; a fourth byte for the wheel as Microsoft's
 * IntelliMouse has it) as events of abi/holon/input.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <holon/input.h>

#define MOUSE_EVENTS_MAX 6u /* of a packet: three buttons, two ways, the wheel */

struct mouse {
	uint8_t packet[4];
	unsigned count;
	uint8_t buttons; /* those that are pressed */
};

/* BYTE is the next of packets of BYTES (3 or 4): how many EVENTS it completes. A byte that cannot begin a packet is left out, so that a
 * lost one does no harm for long. */
unsigned mouse_take(struct mouse *mouse, uint8_t byte, unsigned bytes,
                    struct input_event events[MOUSE_EVENTS_MAX]);
