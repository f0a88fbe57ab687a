/* The heap of the debug build: a red zone before and behind every block, freed blocks full of poison and kept
 * aside for a while. A write out of bounds, a second free, or a write to freed memory ends the personality
 * with a line that says so; a pointer read from freed memory faults. */
#include <text.h>
#include "internal.h"
#include "mm/heap.h"

#define FRONT_MAGIC     0x6865617066726f6eull
#define FREED_MAGIC     0x6865617066726565ull
#define RED_ZONE        16u /* behind the block, at least */
#define RED_BYTE        0xa5u
#define POISON_BYTE     0xddu /* eight of them are an address that no processor takes */
#define QUARANTINE      2048u /* freed blocks kept */
#define QUARANTINE_MOST 4096u /* larger ones are not kept: they would eat up the quota */

struct front {
	uint64_t bytes;
	uint64_t check; /* FRONT_MAGIC, or FREED_MAGIC, with the block's address */
};
_Static_assert(sizeof(struct front) == 16, "blocks are 16-byte aligned behind it");

static struct front *quarantine[QUARANTINE];
static uint32_t quarantine_next;

static _Noreturn void broken(const struct front *front, const char *what, const void *caller)
{
	linux_log("linux: heap: %s, block %lx of %lu bytes, caller %lx\n", what, (uint64_t)(front + 1),
	          front->bytes, (uint64_t)caller);
	unit_exit(E_FAULT);
}

static bool filled(const uint8_t *from, const uint8_t *to, uint8_t with)
{
	while (from < to && *from == with)
		from++;
	return from == to;
}

static uint8_t *block_end(struct front *front)
{
	return (uint8_t *)front + block_bytes(front);
}

void *heap_allocate(size_t bytes)
{
	struct front *front = bytes > SIZE_MAX / 2 ? 0 : block_allocate(sizeof(*front) + bytes + RED_ZONE);
	if (!front)
		return 0;
	front->bytes = bytes;
	front->check = FRONT_MAGIC ^ (uint64_t)front;
	uint8_t *behind = (uint8_t *)(front + 1) + bytes;
	memset(behind, RED_BYTE, (size_t)(block_end(front) - behind));
	return front + 1;
}

static struct front *front_of(void *pointer, const void *caller)
{
	struct front *front = (struct front *)pointer - 1;
	if (front->check == (FREED_MAGIC ^ (uint64_t)front))
		broken(front, "freed twice", caller);
	if (front->check != (FRONT_MAGIC ^ (uint64_t)front))
		broken(front, "not a block, or written before its begin", caller);
	if (!filled((uint8_t *)pointer + front->bytes, block_end(front), RED_BYTE))
		broken(front, "written behind its end", caller);
	return front;
}

void heap_free(void *pointer)
{
	const void *caller = __builtin_return_address(0);
	if (!pointer)
		return;
	struct front *front = front_of(pointer, caller);
	if (front->bytes > QUARANTINE_MOST) {
		front->check = 0;
		block_free(front);
		return;
	}
	front->check = FREED_MAGIC ^ (uint64_t)front;
	memset(pointer, POISON_BYTE, (size_t)(block_end(front) - (uint8_t *)pointer));
	uint32_t at = __atomic_fetch_add(&quarantine_next, 1, __ATOMIC_RELAXED) % QUARANTINE;
	struct front *oldest = __atomic_exchange_n(&quarantine[at], front, __ATOMIC_ACQ_REL);
	if (!oldest)
		return;
	if (oldest->check != (FREED_MAGIC ^ (uint64_t)oldest) ||
	    !filled((uint8_t *)(oldest + 1), block_end(oldest), POISON_BYTE))
		broken(oldest, "written after it was freed (the caller is another's)", caller);
	oldest->check = 0;
	block_free(oldest);
}

void *heap_resize(void *pointer, size_t bytes)
{
	if (!pointer)
		return heap_allocate(bytes);
	const struct front *front = front_of(pointer, __builtin_return_address(0));
	void *copy = heap_allocate(bytes);
	if (!copy)
		return 0;
	memcpy(copy, pointer, bytes < front->bytes ? bytes : front->bytes);
	heap_free(pointer);
	return copy;
}
