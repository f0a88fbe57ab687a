/* A ring of bytes in pages, which starts at one page and grows to its capacity when a writer needs it: the
 * contents of pipes and stream sockets. It starts anew at its first byte whenever it runs empty, so that
 * small transfers touch the same page again and again.
 */
#pragma once

#include "../internal.h"

struct ring {
	uint8_t *bytes;
	uint32_t room;       /* of bytes: a power of two, or 0 */
	uint32_t capacity;   /* limit of what is held */
	uint64_t head, tail; /* bytes ever written and read; HEAD - TAIL are held */
	uint64_t base;       /* the byte number at bytes[0], modulo room */
};

static inline uint64_t ring_held(const struct ring *ring)
{
	return ring->head - ring->tail;
}

static inline void ring_free(struct ring *ring)
{
	if (ring->bytes)
		pages_free(ring->bytes, ring->room / 4096);
	ring->bytes = 0;
	ring->room = 0;
}

/* Makes room for BYTES more, as far as the capacity and memory allow; the bytes that fit now. */
uint32_t ring_room(struct ring *ring, uint64_t bytes);
/* Moves up to BYTES, which must fit, from the iterator into the ring, or out of it starting SKIP bytes behind
 * its first byte (PEEK: they stay). Bytes moved, or -EFAULT when there was none. */
int64_t ring_take(struct ring *ring, struct io *io, uint64_t bytes);
int64_t ring_put(struct ring *ring, struct io *io, uint64_t bytes, uint64_t skip, bool peek);
