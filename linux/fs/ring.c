/* See ring.h. */
#include "ring.h"

static uint32_t ring_index(const struct ring *ring, uint64_t number)
{
	return (uint32_t)((number - ring->base) & (ring->room - 1));
}

/* Moves what RING holds into ROOM new bytes; false: out of memory. */
static bool ring_grow(struct ring *ring, uint32_t room)
{
	uint8_t *grown = pages_allocate(room / 4096);
	if (!grown)
		return false;
	uint64_t held = ring_held(ring);
	if (held) {
		uint32_t at = ring_index(ring, ring->tail);
		uint64_t first = ring->room - at < held ? ring->room - at : held;
		memcpy(grown, ring->bytes + at, first);
		memcpy(grown + first, ring->bytes, held - first);
	}
	ring_free(ring);
	ring->bytes = grown;
	ring->room = room;
	ring->base = ring->tail;
	return true;
}

uint32_t ring_room(struct ring *ring, uint64_t bytes)
{
	uint64_t held = ring_held(ring);
	uint64_t want = bytes < ring->capacity - held ? held + bytes : ring->capacity;
	if (held > ring->capacity)
		return 0;
	if (want > ring->room) {
		uint32_t room = ring->room ? ring->room : 4096;
		while (room < want)
			room *= 2;
		/* Under pressure less is taken; a ring of one page at least can be written to. */
		while (!ring_grow(ring, room) && room > 4096 && room / 2 > ring->room)
			room /= 2;
	}
	uint64_t limit = ring->room < ring->capacity ? ring->room : ring->capacity;
	return limit > held ? (uint32_t)(limit - held) : 0;
}

int64_t ring_take(struct ring *ring, struct io *io, uint64_t bytes)
{
	int64_t total = 0;
	if (ring->head == ring->tail)
		ring->base = ring->head;
	while (bytes && io->remaining) {
		uint32_t at = ring_index(ring, ring->head);
		uint64_t part = bytes < ring->room - at ? bytes : ring->room - at;
		int64_t done = io_take(io, ring->bytes + at, part);
		if (done <= 0)
			return total ? total : done;
		ring->head += (uint64_t)done;
		bytes -= (uint64_t)done;
		total += done;
	}
	return total;
}

int64_t ring_put(struct ring *ring, struct io *io, uint64_t bytes, uint64_t skip, bool peek)
{
	int64_t total = 0;
	uint64_t from = ring->tail + skip;
	while (bytes && io->remaining && from != ring->head) {
		uint32_t at = ring_index(ring, from);
		uint64_t part = ring->head - from < bytes ? ring->head - from : bytes;
		if (part > ring->room - at)
			part = ring->room - at;
		int64_t done = io_put(io, ring->bytes + at, part);
		if (done <= 0)
			return total ? total : done;
		from += (uint64_t)done;
		bytes -= (uint64_t)done;
		total += done;
		if (!peek)
			ring->tail = from;
	}
	return total;
}
