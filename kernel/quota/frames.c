/* Frames of RAM: who has which, and that nobody sees what another left in them.
 *
 * Free frames are on two lists, clean (zeroed) and dirty, of which every CPU keeps a small cache so that the
 * common allocation takes no lock. RAM that was never handed out stays in regions: its struct frame is set up
 * when it is first taken, so that booting does not depend on the amount of RAM. The idle loop turns dirty
 * frames into clean ones. Page 0 and the rest of the first mebibyte are never handed out; physical address 0
 * means "none".
 */
#include <holon/handoff.h>
#include "bytes.h"
#include "cpu.h"
#include "log.h"
#include "memory.h"
#include "unit.h"

#define BATCH        16u
#define CLEAN_TARGET 2048u /* frames the idle loop keeps clean of those never used, unless it wipes all */
#define LOW_MEMORY   0x100000ull

struct frame_list {
	struct frame *first;
	uint64_t count;
};

/* A range of RAM: what lies from NEXT on was never handed out. */
struct region {
	physical_t base, next, end;
	uint32_t kind; /* enum handoff_memory_kind */
};

static struct {
	struct lock lock;
	struct frame_list clean, dirty;
	struct region regions[HANDOFF_MEMORY_MAX];
	uint32_t region_count, fresh_count; /* fresh: only before this one frames are left */
	uint64_t region_frames;             /* never handed out */
	uint64_t total;                     /* frames, ever */
} pool;

static struct {
	struct frame_list clean, dirty;
} caches[CPU_MAX];

struct frame *frame_table;
static uint64_t clean_target = CLEAN_TARGET;

static physical_t frame_address(const struct frame *frame)
{
	return (physical_t)(frame - frame_table) << 12;
}

/*@ requires \valid(list) && \valid(frame) && \separated(list, frame) && list->count < 0xffffffffffffffff;
    assigns *list, frame->next;
    ensures list->first == frame && frame->next == \old(list->first) && list->count == \old(list->count) + 1;
*/
static void push(struct frame_list *list, struct frame *frame)
{
	frame->next = list->first;
	list->first = frame;
	list->count++;
}

/*@ requires \valid(list) && (list->first == \null <==> list->count == 0);
    requires list->first != \null ==> \valid_read(list->first) && \separated(list, list->first);
    assigns *list;
    ensures \result == \old(list->first);
    ensures \result != \null ==> list->first == \result->next && list->count == \old(list->count) - 1;
    ensures \result == \null ==> list->count == \old(list->count);
*/
static struct frame *pop(struct frame_list *list)
{
	struct frame *frame = list->first;

	if (frame) {
		list->first = frame->next;
		list->count--;
	}
	return frame;
}

/* What lies from BASE on in REGION, above the first mebibyte, may be handed out. Pool lock held, or alone. */
static void region_open(struct region *region, physical_t base)
{
	if (base < LOW_MEMORY)
		base = LOW_MEMORY;
	if (base >= region->end)
		return;
	region->next = base;
	pool.fresh_count = pool.region_count;
	pool.region_frames += (region->end - base) >> 12;
	pool.total += (region->end - base) >> 12;
}

/* The next frame of a region, or 0. Pool lock held. */
static struct frame *region_take(void)
{
	for (; pool.fresh_count; pool.fresh_count--) {
		struct region *region = &pool.regions[pool.fresh_count - 1];
		struct frame *frame = frame_of(region->next);

		if (region->next == region->end)
			continue;
		region->next += PAGE_SIZE_BYTES;
		pool.region_frames--;
		*frame = (struct frame){0};
		return frame;
	}
	return 0;
}

/* Puts up to BATCH frames of the pool into FROM's cache: of the kind asked for, or (dirty) whatever there is.
 */
static void refill(struct frame_list *cache, bool clean)
{
	lock_take(&pool.lock);
	for (unsigned i = 0; i < BATCH; i++) {
		struct frame *frame = pop(clean ? &pool.clean : &pool.dirty);

		if (!frame && !clean)
			frame = region_take();
		if (!frame && !clean)
			frame = pop(&pool.clean);
		if (!frame)
			break;
		push(cache, frame);
	}
	lock_release(&pool.lock);
}

physical_t frame_allocate_dirty(void)
{
	uint32_t cpu = cpu_self()->index;
	struct frame *frame = pop(&caches[cpu].dirty);

	if (!frame) /* all were wiped meanwhile */
		frame = pop(&caches[cpu].clean);
	if (!frame) {
		refill(&caches[cpu].dirty, false);
		frame = pop(&caches[cpu].dirty);
	}
	if (!frame)
		return 0;
	check_debug(frame_unpoison(frame, false));
	return frame_address(frame);
}

physical_t frame_allocate(void)
{
	uint32_t cpu = cpu_self()->index;
	struct frame *frame = pop(&caches[cpu].clean);
	physical_t address;

	if (!frame && pool.clean.count) {
		refill(&caches[cpu].clean, true);
		frame = pop(&caches[cpu].clean);
	}
	if (frame) {
		check_debug(frame_unpoison(frame, true));
		return frame_address(frame);
	}
	address = frame_allocate_dirty();
	if (address)
		memset(frame_map(address), 0, PAGE_SIZE_BYTES);
	return address;
}

void frame_free(physical_t address)
{
	struct frame_list *cache = &caches[cpu_self()->index].dirty;
	struct frame *frame = frame_of(address);

	check_debug(!frame->references && !frame->payer_references && !frame->pins);
	check_debug(frame_poison(frame));
	push(cache, frame);
	if (cache->count < FRAME_CACHE_MAX)
		return;
	lock_take(&pool.lock);
	while (cache->count > FRAME_CACHE_MAX - BATCH)
		push(&pool.dirty, pop(cache));
	lock_release(&pool.lock);
}

void frame_free_batch(struct frame_batch *batch)
{
	struct frame_list *list = &caches[cpu_self()->index].dirty;
	bool shared = list->count + batch->count > FRAME_CACHE_MAX;

	if (!batch->count)
		return;
	if (shared) {
		list = &pool.dirty;
		lock_take(&pool.lock);
	}
	check_debug(frame_poison_batch(batch));
	batch->last->next = list->first;
	list->first = batch->first;
	list->count += batch->count;
	if (shared)
		lock_release(&pool.lock);
}

/* At the frames of the pool one CPU at a time: idle CPUs must not make others wait for the lock, nor for each other. */
bool frame_zero_one(void)
{
	static const char wiped[] = "memory: all that was never handed out is wiped\n";
	static struct lock zeroing;
	struct frame_list *clean = &caches[cpu_self()->index].clean;
	struct frame *frame = pop(&caches[cpu_self()->index].dirty);
	bool pooled = !frame, last = false;

	if (pooled) {
		if ((!pool.dirty.count && (pool.clean.count >= clean_target || !pool.region_frames)) ||
		    !lock_try(&zeroing))
			return false;
		lock_take(&pool.lock);
		frame = pop(&pool.dirty);
		if (!frame && pool.clean.count < clean_target) {
			frame = region_take();
			last = frame && !pool.region_frames;
		}
		lock_release(&pool.lock);
	}
	if (frame) {
		check_debug(frame_unpoison(frame, false));
		memset(frame_map(frame_address(frame)), 0, PAGE_SIZE_BYTES);
	}
	if (!pooled && clean->count < FRAME_CACHE_MAX) {
		push(clean, frame);
	} else if (frame) {
		lock_take(&pool.lock);
		push(&pool.clean, frame);
		lock_release(&pool.lock);
	}
	if (pooled)
		lock_release(&zeroing);
	if (last)
		log_write(0, wiped, sizeof wiped - 1);
	return frame != 0;
}

uint64_t frame_free_bytes(void)
{
	uint64_t count = pool.clean.count + pool.dirty.count + pool.region_frames;

	for (unsigned i = 0; i < CPU_MAX; i++)
		count += caches[i].clean.count + caches[i].dirty.count;
	return count << 12;
}

uint64_t frame_total_bytes(void)
{
	return pool.total << 12;
}

static bool is_ram(uint32_t kind)
{
	return kind == HANDOFF_MEMORY_FREE || kind == HANDOFF_MEMORY_LOADER ||
	       kind == HANDOFF_MEMORY_MODULE || kind == HANDOFF_MEMORY_KERNEL ||
	       kind == HANDOFF_MEMORY_TABLES;
}

void memory_init(const struct handoff *handoff)
{
	struct region none = {0}, *place = &none;
	physical_t limit = 0;
	uint64_t bytes;

	if (handoff->trust.flags & (HANDOFF_TRUST_WIPE | HANDOFF_TRUST_WIPE_FIRST))
		clean_target = ~0ull;

	for (uint32_t i = 0; i < handoff->memory_count; i++) {
		const struct handoff_memory *range = &handoff->memory[i];
		struct region *region = &pool.regions[pool.region_count];
		physical_t end = range->base + range->size;

		if (!is_ram(range->kind))
			continue;
		*region = (struct region){range->base, end, end, range->kind};
		pool.region_count++;
		limit = end > limit ? end : limit;
		if (range->kind == HANDOFF_MEMORY_FREE && range->base >= LOW_MEMORY &&
		    range->size > place->end - place->base)
			place = region;
	}
	bytes = ((limit >> 12) * sizeof(struct frame) + 4095) & ~4095ull;
	if (place->end - place->base < bytes)
		panic("no room for the table of frames: %lu bytes needed, largest free range %lu", bytes,
		      place->end - place->base);
	frame_table = frame_map(place->base);
	for (struct region *region = pool.regions; region < pool.regions + pool.region_count; region++) {
		if (region->kind == HANDOFF_MEMORY_FREE)
			region_open(region, region == place ? region->base + bytes : region->base);
		/* A module's frames are shared copy-on-write by clones; the kernel's own reference keeps
		 * them. */
		if (region->kind == HANDOFF_MEMORY_MODULE)
			for (physical_t page = region->base; page < region->end; page += PAGE_SIZE_BYTES)
				*frame_of(page) = (struct frame){.references = 1};
	}
}

void memory_init_loader(uint32_t cpus)
{
	uint64_t before = pool.total;

	lock_take(&pool.lock);
	for (uint32_t i = 0; i < pool.region_count; i++)
		if (pool.regions[i].kind == HANDOFF_MEMORY_LOADER)
			region_open(&pool.regions[i], pool.regions[i].base);
	lock_release(&pool.lock);
	root_unit.memory_quota += (pool.total - before - cpus * 2ull * FRAME_CACHE_MAX) << 12;
}

bool memory_is_ram(physical_t base, uint64_t bytes)
{
	for (uint32_t i = 0; i < pool.region_count; i++)
		if (base < pool.regions[i].end && base + bytes > pool.regions[i].base)
			return true;
	return false;
}

bool memory_is_module(physical_t base, uint64_t bytes)
{
	for (uint32_t i = 0; i < pool.region_count; i++)
		if (pool.regions[i].kind == HANDOFF_MEMORY_MODULE && base >= pool.regions[i].base &&
		    base + bytes <= pool.regions[i].end)
			return true;
	return false;
}

void memory_wipe(void)
{
	for (uint32_t i = 0; i < pool.region_count; i++) {
		const struct region *region = &pool.regions[i];

		if (region->kind != HANDOFF_MEMORY_KERNEL && region->kind != HANDOFF_MEMORY_TABLES)
			memset(frame_map(region->base), 0, region->next - region->base);
	}
}
