/* Taking back the translations of a memory object's pages in every space.
 *
 * An unmapping goes through the object's mappings a slice at a time and is kept in the object (struct unmapping), so
 * that whoever needs the pages goes on with it. Which CPUs may hold what was taken back is noted under the
 * object's lock and flushed after its release: see sched/flush.c. Until then the object counts the flush.
 */
#include "space.h"

#define UNMAP_MAPPINGS 10u
#define UNMAP_PATIENCE 16u /* faults */

/* Passes the first mapping of MEMORY's list. */
static void unmap_next(struct memory *memory, struct flush *flush)
{
	struct unmapping *u = &memory->unmapping;
	struct mapping *mapping = container_of(memory->mappings.next, struct mapping, memory_node);
	uint64_t first = u->first, end = u->end;
	uint64_t pages = (mapping->end - mapping->start) >> 12;
	uint64_t from = first > mapping->page ? first - mapping->page : 0;
	uint64_t to = end > mapping->page ? end - mapping->page : 0;

	if (to > pages)
		to = pages;
	list_move(&memory->mappings, &mapping->memory_node);
	u->left--;
	if (from < to)
		space_clear(mapping->space, mapping->start + (from << 12), mapping->start + (to << 12),
		            u->only_write, flush);
}

/* Whether an entry of [first, end) has FLAGS, which it loses where CLEAR. */
static bool entries_have(struct memory *memory, uint64_t first, uint64_t end, uint64_t flags, bool clear)
{
	uint64_t *entry = radix_find(memory, first), found = 0;

	for (; entry && first < end; first++, entry++) {
		found |= *entry;
		if (clear)
			*entry &= ~flags;
	}
	return found & flags;
}

static uint64_t unmap_flags(bool only_write)
{
	return only_write ? ENTRY_WRITABLE : ENTRY_WRITABLE | ENTRY_MAPPED;
}

/* Goes on with MEMORY's unmapping; true when it is done but for what FLUSH says. */
static bool unmap_slice(struct memory *memory, struct flush *flush)
{
	struct unmapping *u = &memory->unmapping;
	bool counted = flush->memory == memory, done;

	for (unsigned i = 0; i < UNMAP_MAPPINGS && u->left && flush->count < SPACE_SLICE_PAGES; i++)
		if (list_empty(&memory->mappings))
			u->left = 0;
		else
			unmap_next(memory, flush);
	/* The slices of others are done when they are flushed. */
	done = !u->left && u->flushing == counted;
	flush_count(memory, flush);
	return done;
}

/* What is unmapped may be shown again. */
static void unmap_end(struct memory *memory)
{
	struct unmapping *u = &memory->unmapping;

	if (u->active)
		entries_have(memory, u->first, u->end, unmap_flags(u->only_write), true);
	u->active = false;
}

bool memory_unmap(struct memory *memory, uint64_t first, uint64_t end, bool only_write, struct flush *flush)
{
	struct unmapping *u = &memory->unmapping;

	if (!u->active && !u->flushing && list_empty(&memory->mappings))
		return true;
	if (!u->active && entries_have(memory, first, end, unmap_flags(only_write), false))
		*u = (struct unmapping){first, end, true, only_write, memory->mapping_count, u->flushing, 0};
	if (!unmap_slice(memory, flush))
		return false;
	unmap_end(memory);
	return !entries_have(memory, first, end, unmap_flags(only_write), false);
}

void memory_unmap_help(struct memory *memory, struct flush *flush)
{
	if (unmap_slice(memory, flush) && memory->unmapping.waited++ == UNMAP_PATIENCE)
		unmap_end(memory);
}

/* A write to PAGE of MEMORY, which others share, began an unmapping that ended without it, so that its own
 * page is not shown any more. A read now, as processors and emulators make it before the write of the same
 * instruction, would show it again, and the write would begin the unmapping again, for ever: the read gets
 * the page that the write wants. */
bool memory_write_follows(struct memory *memory, uint64_t page)
{
	struct unmapping *u = &memory->unmapping;

	if (memory->kind != MEMORY_ANONYMOUS || u->active || u->only_write || u->waited <= UNMAP_PATIENCE ||
	    u->first != page)
		return false;
	u->waited = 0;
	return true;
}
