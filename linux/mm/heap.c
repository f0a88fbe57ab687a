/* The personality's heap.
 *
 * One large anonymous memory object, the arena, is mapped at a place that is random like the unit's others (abi/holon/start.h); its pages come on demand and go
 * back by discarding them. Small blocks come from 64 KiB chunks of one size class each, found from a block's
 * address; larger blocks are chunks of their own. Fresh pages are probed, so that a used-up quota is a failed
 * allocation and not a fault.
 */
#include "text.h"
#include "internal.h"
#include "list.h"
#include "mm/heap.h"
#include "mm/ranges.h"

#define ARENA_LOWEST  (NATIVE_BASE + (64ull << 30))
#define ARENA_BYTES   (64ull << 30)
#define WINDOW_LOWEST (NATIVE_BASE + (256ull << 30))
#define PLACE_BYTES   (64ull << 30) /* each begins in so much behind its lowest place */
#define CHUNK_BYTES   65536ull
#define CHUNK_MAGIC   0x6b6e7568u
#define CLASS_COUNT   18
#define CLASS_LARGE   0xffffu
#define EMPTY_CHUNKS  4 /* kept of each class: a lone block that comes and goes costs no page work */

struct chunk {
	struct list link; /* in its class's list while it has free blocks */
	uint32_t magic;
	uint16_t class_index, used;
	void *free;     /* list through the blocks' first word */
	uint32_t fresh; /* offset of the first block that was never used */
	uint64_t bytes; /* of a large block's chunk */
	uint64_t padding;
};
_Static_assert(sizeof(struct chunk) == 64 - 8, "blocks are 16-byte aligned behind it");
#define CHUNK_HEADER 64u

static const uint16_t class_bytes[CLASS_COUNT] = {16,  32,  48,   64,   96,   128,  192,  256,  384,
                                                  512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 16256};
static uint8_t class_of_16[1024 / 16 + 1];
static struct list partial[CLASS_COUNT];
static uint32_t empty_chunks[CLASS_COUNT];
static struct ranges arena_ranges, window_ranges;
static handle_t arena;
static uint64_t arena_base;
static struct lock heap_lock = LOCK_INIT(LOCK_HEAP);

int64_t heap_init(handle_t space, const uint64_t places[2])
{
	int64_t object = memory_create(MEMORY_ANONYMOUS, ARENA_BYTES, 0, 0);
	if (object < 0)
		return object;
	arena = (handle_t)object;
	arena_base = ARENA_LOWEST + places[0] % (PLACE_BYTES / CHUNK_BYTES) * CHUNK_BYTES;
	ranges_init(&arena_ranges, arena_base, arena_base + ARENA_BYTES);
	ranges_init(&window_ranges,
	            WINDOW_LOWEST + places[1] % (PLACE_BYTES / PAGE_SIZE_BYTES) * PAGE_SIZE_BYTES,
	            NATIVE_END - (1ull << 30));
	unsigned class_index = 0;
	for (unsigned i = 0; i <= 1024 / 16; i++) {
		while (class_bytes[class_index] < i * 16)
			class_index++;
		class_of_16[i] = (uint8_t)class_index;
	}
	for (unsigned i = 0; i < CLASS_COUNT; i++)
		list_init(&partial[i]);
	return space_map(space, arena_base, arena, 0, ARENA_BYTES, MAP_READ | MAP_WRITE);
}

static void arena_put(uint64_t start, uint64_t bytes)
{
	memory_discard(arena, start - arena_base, bytes);
	ranges_put(&arena_ranges, start, bytes);
}

static void *arena_take(uint64_t bytes, uint64_t alignment)
{
	uint64_t start = ranges_take(&arena_ranges, bytes, alignment);
	if (!start)
		return 0;
	for (uint64_t at = start; at < start + bytes; at += PAGE_SIZE_BYTES) {
		if (probe_write(at)) {
			arena_put(start, bytes);
			return 0;
		}
	}
	return (void *)start;
}

void *pages_allocate(size_t count)
{
	if (count > ARENA_BYTES / PAGE_SIZE_BYTES)
		return 0;
	lock_acquire(&heap_lock);
	void *pages = arena_take(count * PAGE_SIZE_BYTES, PAGE_SIZE_BYTES);
	lock_release(&heap_lock);
	return pages;
}

void pages_free(void *pointer, size_t count)
{
	if (!pointer)
		return;
	lock_acquire(&heap_lock);
	arena_put((uint64_t)pointer, count * PAGE_SIZE_BYTES);
	lock_release(&heap_lock);
}

uint64_t window_take(uint64_t bytes, uint64_t alignment)
{
	lock_acquire(&heap_lock);
	uint64_t address = ranges_take(&window_ranges, bytes, alignment);
	lock_release(&heap_lock);
	return address;
}

void window_put(uint64_t address, uint64_t bytes)
{
	lock_acquire(&heap_lock);
	ranges_put(&window_ranges, address, bytes);
	lock_release(&heap_lock);
}

static unsigned class_for(size_t bytes)
{
	if (bytes <= 1024)
		return class_of_16[(bytes + 15) / 16];
	unsigned index = class_of_16[64];
	while (class_bytes[index] < bytes)
		index++;
	return index;
}

static struct chunk *chunk_of(void *pointer)
{
	return (struct chunk *)((uint64_t)pointer & ~(CHUNK_BYTES - 1));
}

static void *allocate_large(size_t bytes)
{
	uint64_t total = (bytes + CHUNK_HEADER + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	if (total < bytes)
		return 0;
	struct chunk *chunk = arena_take(total, CHUNK_BYTES);
	if (!chunk)
		return 0;
	chunk->magic = CHUNK_MAGIC;
	chunk->class_index = CLASS_LARGE;
	chunk->bytes = total;
	return (char *)chunk + CHUNK_HEADER;
}

static struct chunk *chunk_create(unsigned index)
{
	/* Probing 16 pages at once would charge memory that small sub-kernels never use: pages of a chunk are
	 * probed one by one, as their blocks are first handed out. */
	uint64_t start = ranges_take(&arena_ranges, CHUNK_BYTES, CHUNK_BYTES);
	if (!start)
		return 0;
	if (probe_write(start)) {
		arena_put(start, CHUNK_BYTES);
		return 0;
	}
	struct chunk *chunk = (struct chunk *)start;
	chunk->magic = CHUNK_MAGIC;
	chunk->class_index = (uint16_t)index;
	chunk->fresh = CHUNK_HEADER;
	list_append(&partial[index], &chunk->link);
	empty_chunks[index]++;
	return chunk;
}

/* A block of CHUNK that was never used before, already zero; 0 when the quota lacks its pages. */
static void *chunk_fresh(struct chunk *chunk, uint32_t size)
{
	uint64_t block = (uint64_t)chunk + chunk->fresh;
	uint64_t last = block + size - 1;
	for (uint64_t page = (block - 1) / PAGE_SIZE_BYTES + 1; page <= last / PAGE_SIZE_BYTES; page++)
		if (probe_write(page * PAGE_SIZE_BYTES))
			return 0;
	chunk->fresh += size;
	return (void *)block;
}

static void *allocate(size_t bytes)
{
	if (bytes > class_bytes[CLASS_COUNT - 1])
		return allocate_large(bytes);
	unsigned index = class_for(bytes);
	uint32_t size = class_bytes[index];
	struct chunk *chunk;
	if (list_empty(&partial[index])) {
		chunk = chunk_create(index);
		if (!chunk)
			return 0;
	} else {
		chunk = list_first(&partial[index], struct chunk, link);
	}
	void *block = chunk->free;
	if (block) {
		chunk->free = *(void **)block;
		memset(block, 0, size);
	} else {
		block = chunk_fresh(chunk, size);
		if (!block)
			return 0;
	}
	if (chunk->used++ == 0)
		empty_chunks[index]--;
	if (!chunk->free && chunk->fresh + size > CHUNK_BYTES)
		list_remove(&chunk->link);
	return block;
}

void *block_allocate(size_t bytes)
{
	lock_acquire(&heap_lock);
	void *block = allocate(bytes);
	lock_release(&heap_lock);
	return block;
}

static void free_block(void *pointer)
{
	struct chunk *chunk = chunk_of(pointer);
	if (chunk->class_index == CLASS_LARGE) {
		arena_put((uint64_t)chunk, chunk->bytes);
		return;
	}
	unsigned index = chunk->class_index;
	if (!chunk->free && chunk->fresh + class_bytes[index] > CHUNK_BYTES)
		list_push(&partial[index], &chunk->link);
	*(void **)pointer = chunk->free;
	chunk->free = pointer;
	if (--chunk->used)
		return;
	if (++empty_chunks[index] > EMPTY_CHUNKS) {
		empty_chunks[index]--;
		list_remove(&chunk->link);
		arena_put((uint64_t)chunk, CHUNK_BYTES);
	}
}

void block_free(void *pointer)
{
	if (!pointer)
		return;
	lock_acquire(&heap_lock);
	free_block(pointer);
	lock_release(&heap_lock);
}

size_t block_bytes(void *pointer)
{
	const struct chunk *chunk = chunk_of(pointer);
	return chunk->class_index == CLASS_LARGE ? chunk->bytes - CHUNK_HEADER
	                                         : class_bytes[chunk->class_index];
}

char *heap_string(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = heap_allocate(bytes);
	if (copy)
		memcpy(copy, text, bytes);
	return copy;
}
