/* Byte streams over shared memory; see abi/holon/stream.h.
 *
 * Lost wake-ups: a side that comes up short sets its wait flag, then looks once more; the other side moves
 * its position, then looks at the flag. Sequentially consistent stores between the two make one of them see
 * the other.
 */
#include "holon.h"
#include "text.h"

static uint8_t *ring_bytes(const struct stream *stream, unsigned ring)
{
	return (uint8_t *)stream->header + 4096 + ring * STREAM_RING_BYTES;
}

void stream_init(struct stream *stream, void *memory, unsigned side, handle_t peer, bool create)
{
	stream->header = memory;
	stream->side = side;
	stream->peer = peer;
	if (create) {
		stream->header->magic = STREAM_MAGIC;
		stream->header->ring_bytes = STREAM_RING_BYTES;
	}
}

static uint32_t load(const volatile uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void store(volatile uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* Bytes in the ring; a peer's nonsense is clamped. */
static uint32_t ring_used(const struct stream_ring *ring)
{
	uint32_t used = load(&ring->head) - load(&ring->tail);
	return used > STREAM_RING_BYTES ? STREAM_RING_BYTES : used;
}

static void ring_copy(uint8_t *ring, uint32_t position, void *buffer, uint32_t bytes, bool into_ring)
{
	uint32_t at = position % STREAM_RING_BYTES;
	uint32_t first = STREAM_RING_BYTES - at < bytes ? STREAM_RING_BYTES - at : bytes;
	uint8_t *user = buffer;
	if (into_ring) {
		memcpy(ring + at, user, first);
		memcpy(ring, user + first, bytes - first);
	} else {
		memcpy(user, ring + at, first);
		memcpy(user + first, ring, bytes - first);
	}
}

uint32_t stream_available(struct stream *stream)
{
	struct stream_ring *ring = &stream->header->ring[!stream->side];
	uint32_t used = ring_used(ring);
	if (!used) {
		store(&ring->reader_waits, 1);
		used = ring_used(ring);
	}
	return used;
}

uint32_t stream_room(struct stream *stream)
{
	struct stream_ring *ring = &stream->header->ring[stream->side];
	uint32_t used = ring_used(ring);
	if (used == STREAM_RING_BYTES) {
		store(&ring->writer_waits, 1);
		used = ring_used(ring);
	}
	return STREAM_RING_BYTES - used;
}

uint32_t stream_read(struct stream *stream, void *buffer, uint32_t bytes)
{
	unsigned number = !stream->side;
	struct stream_ring *ring = &stream->header->ring[number];
	uint32_t used = ring_used(ring);
	if (used < bytes) {
		store(&ring->reader_waits, 1);
		used = ring_used(ring);
	}
	if (used > bytes)
		used = bytes;
	if (!used)
		return 0;
	uint32_t tail = load(&ring->tail);
	ring_copy(ring_bytes(stream, number), tail, buffer, used, false);
	store(&ring->tail, tail + used);
	if (__atomic_exchange_n(&ring->writer_waits, 0, __ATOMIC_SEQ_CST))
		event_signal(stream->peer, STREAM_WRITABLE);
	return used;
}

uint32_t stream_write(struct stream *stream, const void *buffer, uint32_t bytes)
{
	struct stream_ring *ring = &stream->header->ring[stream->side];
	uint32_t room = STREAM_RING_BYTES - ring_used(ring);
	if (room < bytes) {
		store(&ring->writer_waits, 1);
		room = STREAM_RING_BYTES - ring_used(ring);
	}
	if (room > bytes)
		room = bytes;
	if (!room)
		return 0;
	uint32_t head = load(&ring->head);
	ring_copy(ring_bytes(stream, stream->side), head, (void *)(uintptr_t)buffer, room, true);
	store(&ring->head, head + room);
	if (__atomic_exchange_n(&ring->reader_waits, 0, __ATOMIC_SEQ_CST))
		event_signal(stream->peer, STREAM_READABLE);
	return room;
}

bool stream_ended(const struct stream *stream)
{
	const struct stream_ring *ring = &stream->header->ring[!stream->side];
	return load(&ring->closed) && ring_used(ring) == 0;
}

void stream_close(struct stream *stream)
{
	store(&stream->header->ring[stream->side].closed, 1);
	event_signal(stream->peer, STREAM_READABLE | STREAM_CLOSED);
}
