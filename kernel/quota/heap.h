/* Inside of unit heaps: for unit destruction and invariant checks. The heap's interface is in unit.h. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "list.h"

struct unit;

/* Header of a slab's frame; places follow. */
struct slab {
	struct unit *unit;
	struct list node;                    /* in unit->slabs[class], while a place is free */
	void *free;                          /* places given back, linked through their first word */
	uint16_t class, places, used, fresh; /* fresh: places ever used */
	uint64_t reserved[3];
};
_Static_assert(sizeof(struct slab) == 64, "places are aligned to 64");

/* Gives back the empty slabs of UNIT. */
void heap_trim(struct unit *unit);
/* Moves the slab that POINTER is in, with all that is in it, to the unit TO (a dead unit's parent), which
 * must already be charged for it. False if it is there already. */
bool heap_adopt(struct unit *to, void *pointer);
