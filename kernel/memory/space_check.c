/* Invariants of spaces: see check.h. */
#include "check.h"
#include "cpu.h"
#include "log.h"

/* What the tables show of MAPPING is what its memory object holds, with no more permission than both allow.
 */
static void check_tables(struct mapping *mapping)
{
	struct memory *memory = mapping->memory;

	for (uint64_t at = mapping->start; at < mapping->end; at += PAGE_SIZE_BYTES) {
		uint64_t *leaf = arch_space_leaf(mapping->space, at, false), *place;
		uint64_t page = mapping->page + ((at - mapping->start) >> 12), entry;

		if (!leaf) {
			at = arch_space_next(mapping->space, at, mapping->end) - PAGE_SIZE_BYTES;
			continue;
		}
		entry = leaf[at >> 12 & 511];
		if (!entry)
			continue;
		check(mapping->flags);
		check(!arch_entry_writable(entry) || mapping->flags & MAP_WRITE);
		check(page < memory->pages || memory->object.dead);
		if (!memory_has_frames(memory)) {
			check(arch_entry_frame(entry) == memory->device_base + page * PAGE_SIZE_BYTES);
			continue;
		}
		place = radix_find(memory, page);
		check(place && arch_entry_frame(entry) == ENTRY_FRAME(*place));
		check(*place & ENTRY_MAPPED);
		if (arch_entry_writable(entry)) {
			check(frame_of(ENTRY_FRAME(*place))->references == 1);
			check(!(memory->tracked & ~*place) && *place & ENTRY_WRITABLE);
		}
	}
}

static uint64_t check_subtree(struct space *space, struct mapping *mapping, uint64_t low, uint64_t high)
{
	bool listed = false;

	if (!mapping)
		return 0;
	check(mapping->space == space);
	check(low <= mapping->start && mapping->start < mapping->end && mapping->end <= high);
	check(!((mapping->start | mapping->end) % PAGE_SIZE_BYTES));
	check(!mapping->left || mapping->left->priority <= mapping->priority);
	check(!mapping->right || mapping->right->priority <= mapping->priority);
	check(!(mapping->flags & (MAP_WRITE | MAP_EXECUTE)) || mapping->flags & MAP_READ);
	check((mapping->flags & 6) != 6 ||
	      (space->kind == SPACE_GUEST && space->object.owner->flags & UNIT_WX));
	check(!(mapping->flags & ~(uint32_t)mapping->cap.rights));
	check((mapping->cap.flags & ~CAP_PASSED) == (CAP_LIVE | CAP_INTERNAL | CAP_MAPPING));
	for (struct list *node = mapping->memory->mappings.next;
	     node != &mapping->memory->mappings && !listed; node = node->next)
		listed = node == &mapping->memory_node;
	check(listed);
	check_tables(mapping);
	return 1 + check_subtree(space, mapping->left, low, mapping->start) +
	       check_subtree(space, mapping->right, mapping->end, high);
}

void space_check(struct space *space, uint64_t *mappings)
{
	uint64_t end = space->kind == SPACE_NATIVE ? NATIVE_END : USER_END;
	uint64_t start = space->kind == SPACE_NATIVE ? NATIVE_BASE : 0;

	*mappings = check_subtree(space, space->root, start, end);
	check(*mappings == space->mapping_count);
	if (!space->native_root)
		return;
	/* Nothing is shown outside of mappings. */
	for (uint64_t at = arch_space_next(space, start, end); at < end;
	     at = arch_space_next(space, at, end)) {
		uint64_t *leaf = arch_space_leaf(space, at, false);
		uint64_t table = at & ~(512 * PAGE_SIZE_BYTES - 1);

		at = table + 512 * PAGE_SIZE_BYTES;
		if (!leaf)
			continue;
		if (space->kind == SPACE_GUEST && table >= NATIVE_BASE && table < NATIVE_END)
			continue;
		for (unsigned i = 0; i < 512; i++)
			if (leaf[i])
				check(mapping_find(space, table + i * PAGE_SIZE_BYTES));
	}
}
