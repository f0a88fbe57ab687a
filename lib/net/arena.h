/* The stack's memory: a buddy allocator over one given region (Knuth, TAOCP 1, 2.5).
 *
 * Blocks are powers of two from 128 bytes to 128 KiB, aligned to their size within the region; one byte for
 * each 128 bytes tells a block's order and whether it is free. Allocating and freeing take at most 11 steps.
 * Low addresses are not preferred, so memory once touched stays touched. With a grow function the region is
 * taken into use by 128 KiB at a time, as it is needed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "list.h"

enum { ARENA_UNIT = 128, ARENA_ORDERS = 11 };

struct arena {
	uint8_t *base;
	uint8_t *orders; /* a byte a unit: order + 1 of the block that starts there, | 0x80 when it is free;
	                    else 0 */
	size_t units, ready; /* in all; in use so far */
	size_t used;         /* bytes in blocks given out */
	uint8_t *orders_ready;
	bool (*grow)(void *context, void *at, size_t bytes);
	void *grow_context;
	struct net_list free[ARENA_ORDERS];
};

/* Takes the 4,096-byte aligned REGION for *ARENA, which may itself stand outside or anywhere but in it. GROW
 * (or 0: all of it is memory already) is called before a part of the region is touched for the first time: it
 * makes [AT, AT + BYTES), whole pages, zeroed memory, or answers false. */
void arena_init(struct arena *arena, void *region, size_t bytes,
                bool (*grow)(void *context, void *at, size_t bytes), void *grow_context);
/* A block of at least BYTES, not zeroed, or 0. */
void *arena_allocate(struct arena *arena, size_t bytes);
void *arena_allocate_zeroed(struct arena *arena, size_t bytes);
/* BLOCK from arena_allocate, or 0. */
void arena_free(struct arena *arena, void *block);
/* The bytes that BLOCK really has. */
size_t arena_capacity(const struct arena *arena, const void *block);
/* No more than an eighth is left: it is for packets that arrive, and for a little of each connection's. */
static inline bool arena_scarce(const struct arena *arena)
{
	return arena->used >= arena->units * (ARENA_UNIT / 8) * 7;
}
