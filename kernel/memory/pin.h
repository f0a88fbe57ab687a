/* Pins: frames of a memory object that stay where they are while a device may write to them. */
#pragma once

#include "memory.h"

#define PIN_PAGES_MAX 448u /* as many addresses as a thread page holds */

/* Owned by the first unit, so that no other unit's end releases it: only its last capability's does. The
 * frames are paid by the memory object's owner and, after that unit's end, by its nearest living ancestor. */
struct pin {
	struct object object;
	struct unit *payer; /* in whose list it is; guarded, with the lists, by a lock of pin.c */
	struct list payer_node;
	struct object *memory; /* while it is being made: referenced, and compared when the call goes on */
	uint32_t first, count; /* the range; count: pinned so far */
	uint32_t passed;       /* of them, already the next payer's */
	physical_t frames[PIN_PAGES_MAX];
};

/* Makes UNIT's parent pay for a slice of what UNIT, dead and without memory objects, pays for pins; false when
 * nothing is left. *BYTES: how much changed hands. */
bool pins_pass_slice(struct unit *unit, uint64_t *bytes);
