/* Spaces: creation, page faults, and the page tables as a cache of the mappings.
 *
 * A fault finds the mapping, gets the frame from the memory object and enters it, with resident neighbours.
 * Entries are changed under the lock of the memory object that the mapping shows, so that the object can take
 * its pages back without any space's lock (memory_unmap). W^X: no native mapping is writable and executable;
 * guests' only if the space's owner has UNIT_WX.
 */
#include "calls.h"
#include "memory.h"
#include "space.h"
#include "unit.h"

#define AROUND_PAGES     16u
#define PROTECT_MAPPINGS 2u

struct space *space_create(struct unit *owner, enum space_kind kind, struct space *native, int64_t *error)
{
	struct space *space = (struct space *)object_create(owner, OBJECT_SPACE, sizeof(*space), error);

	if (!space)
		return 0;
	space->kind = kind;
	if (native && !object_reference(&native->object)) {
		*error = E_HANDLE;
		object_release(&space->object);
		return 0;
	}
	space->native = native;
	if (arch_space_init(space))
		return space;
	*error = E_QUOTA_MEMORY;
	object_release(&space->object);
	return 0;
}

static uint32_t table_flags(const struct memory *memory, uint32_t map_flags, bool writable)
{
	uint32_t flags = map_flags & (MAP_READ | MAP_EXECUTE);

	if (map_flags & MAP_WRITE && writable)
		flags |= MAP_WRITE;
	if (memory->kind == MEMORY_DEVICE)
		flags |= ARCH_MAP_DEVICE;
	if (memory->kind == MEMORY_DEVICE_WC)
		flags |= ARCH_MAP_WRITE_COMBINE;
	return flags;
}

/* Enters the resident pages of PLACE's lowest radix node that lie around ADDRESS. Locks as in space_resolve.
 */
static void enter_around(struct mapping *mapping, uint64_t address, uint64_t *leaf, uint64_t *place,
                         bool write)
{
	struct memory *memory = mapping->memory;
	uint64_t page = mapping->page + ((address - mapping->start) >> 12);
	uint64_t first = address & ~(AROUND_PAGES * PAGE_SIZE_BYTES - 1);
	uint64_t end = first + AROUND_PAGES * PAGE_SIZE_BYTES;
	uint64_t node_first =
	    address - (page & 511) * PAGE_SIZE_BYTES; /* address of the node's page 0; may wrap */
	uint32_t flags = table_flags(memory, mapping->flags, false);
	bool may_write = mapping->flags & MAP_WRITE;

	if (first < mapping->start)
		first = mapping->start;
	if (end > mapping->end)
		end = mapping->end;
	if ((int64_t)(first - node_first) < 0)
		first = node_first;
	if ((int64_t)(end - node_first) > 512 * (int64_t)PAGE_SIZE_BYTES)
		end = node_first + 512 * PAGE_SIZE_BYTES;
	place -= (address - first) >> 12;
	leaf += leaf_index(first);
	for (uint64_t count = (end - first) >> 12; count; count--, place++, leaf++) {
		bool writable;

		if (!*place || (*leaf && (!write || arch_entry_writable(*leaf))))
			continue;
		writable = may_write && memory_entry_writable(memory, place, false);
		if (*leaf && !writable)
			continue;
		*place |= ENTRY_MAPPED;
		*leaf = arch_entry(ENTRY_FRAME(*place), writable ? flags | MAP_WRITE : flags);
	}
}

void space_clear(struct space *space, uint64_t start, uint64_t end, bool only_write, struct flush *flush)
{
	while (start < end) {
		uint64_t *entry = arch_space_leaf(space, start, false);
		uint64_t stop = (start | (512 * PAGE_SIZE_BYTES - 1)) + 1;

		if (!entry) {
			start = arch_space_next(space, start, end);
			continue;
		}
		entry += leaf_index(start);
		if (stop > end)
			stop = end;
		for (; start < stop; start += PAGE_SIZE_BYTES, entry++) {
			if (!*entry || (only_write && !arch_entry_writable(*entry)))
				continue;
			__atomic_store_n(entry, only_write ? arch_entry_read_only(*entry) : 0,
			                 __ATOMIC_SEQ_CST);
			if (flush->count < FLUSH_PAGES)
				flush->pages[flush->count] = start;
			flush->count++;
		}
	}
	/* Read after the entries were changed: see flush.c. */
	if (flush->count)
		flush->cpus |= __atomic_load_n(&space->active_cpus, __ATOMIC_SEQ_CST);
}

enum space_fault space_resolve(struct space *space, uint64_t address, bool write, bool execute,
                               struct memory **memory, uint64_t *page)
{
	uint32_t need = (write ? MAP_WRITE : 0) | (execute ? MAP_EXECUTE : 0);
	enum space_fault result = SPACE_FAULT_ACCESS;
	struct unsettled unsettled;
	struct mapping *mapping;
	struct memory *object;
	uint64_t *place, *leaf, *entry, translation;
	physical_t frame;
	uint64_t resident, used;
	int64_t status;
	bool stale;

	lock_take(&space->lock);
	mapping = space->object.dead ? 0 : mapping_find(space, address);
	if (!mapping || (mapping->flags & need) != need || !mapping->flags) {
		lock_release(&space->lock);
		return SPACE_FAULT_ACCESS;
	}
	address &= ~(PAGE_SIZE_BYTES - 1);
	unsettled_init(&unsettled);
	object = mapping->memory;
	lock_take(&object->lock);
	*memory = object;
	*page = mapping->page + ((address - mapping->start) >> 12);
	if (object->unmapping.active && memory_has_frames(object)) {
		memory_unmap_help(object, &unsettled.flush);
		result = SPACE_FAULT_RESOLVED;
		goto out;
	}
	if (!write && (mapping->flags & MAP_WRITE) && memory_write_follows(object, *page))
		write = true;
	resident = object->resident;
	used = object->object.owner->memory_used;
	status = memory_frame(object, *page, write, &frame, &place, &unsettled);
	if (status == CALL_RESTART)
		result = SPACE_FAULT_RESOLVED; /* comes again */
	if (status == E_FAULT)
		result = SPACE_FAULT_PAGER;
	if (status == E_QUOTA_MEMORY)
		result = SPACE_FAULT_MEMORY;
	if (status < 0)
		goto out;
	if (object->object.owner->memory_used > used + PAGE_SIZE_BYTES) {
		/* Nodes were made, and zeroed: enough for one fault. The next one makes the tables. */
		result = SPACE_FAULT_RESOLVED;
		goto out;
	}
	leaf = arch_space_leaf(space, address, true);
	if (!leaf) {
		result = SPACE_FAULT_MEMORY;
		goto out;
	}
	translation = arch_entry(frame, table_flags(object, mapping->flags,
	                                            !place || ((mapping->flags & MAP_WRITE) &&
	                                                       memory_entry_writable(object, place, write))));
	if (place)
		*place |= ENTRY_MAPPED;
	entry = &leaf[leaf_index(address)];
	stale = *entry != 0; /* widened, or another frame: CPUs may hold the old one */
	__atomic_store_n(entry, translation, __ATOMIC_SEQ_CST);
	if (stale)
		flush_add(&unsettled.flush, space, address);
	/* Not around a page just made or copied: its neighbours are not there, or shared like it was. */
	if (place && object->height && object->resident == resident && !unsettled.entry)
		enter_around(mapping, address, leaf, place, write);
	result = SPACE_FAULT_RESOLVED;
out:
	lock_release(&object->lock);
	lock_release(&space->lock);
	if (unsettled.flush.cpus || unsettled.flush.memory || unsettled.entry)
		memory_settle(&unsettled);
	return result;
}

uint64_t space_populate(struct space *space, uint64_t address, uint64_t end)
{
	uint64_t count = least((end - address) >> 12, AROUND_PAGES - (address >> 12) % AROUND_PAGES);
	uint64_t page, stop, first;
	struct mapping *mapping;
	struct memory *memory;
	bool there = false;

	lock_take(&space->lock);
	mapping = space->object.dead ? 0 : mapping_find(space, address);
	if (mapping) {
		memory = mapping->memory;
		page = mapping->page + ((address - mapping->start) >> 12);
		count = least(least(count, (mapping->end - address) >> 12), 512 - page % 512);
		lock_take(&memory->lock);
		if (!memory_has_frames(memory))
			count = 1;
		stop = least(page + count, memory->pages);
		if (page < stop && !memory->object.dead) {
			first = memory_has_frames(memory) ? radix_used(memory, page, stop) : page;
			there = first < stop;
			address += (first - page) << 12;
		}
		lock_release(&memory->lock);
	}
	lock_release(&space->lock);
	/* A fault's work, which brings what is there around it. */
	if (there)
		(void)space_resolve(space, address, false, false, &memory, &page);
	return count << 12;
}

/* ---- Mappings ---- */

static void mapping_detach(struct mapping *mapping)
{
	list_remove(&mapping->memory_node);
	mapping->memory->mapping_count--;
}

/* BEFORE: what it was cut from, or 0. */
static void mapping_attach(struct mapping *mapping, struct mapping *before)
{
	struct memory *memory = mapping->memory;

	if (before) /* has as much translated as that, so an unmapping passes both or none */
		list_prepend(&before->memory_node, &mapping->memory_node);
	else
		list_append(&memory->mappings, &mapping->memory_node);
	memory->unmapping.left += before && memory->unmapping.active;
	memory->mapping_count++;
}

static struct mapping *mapping_create(struct space *space, uint64_t start, uint64_t end, uint64_t page,
                                      uint32_t flags)
{
	struct mapping *mapping = unit_allocate(space->object.owner, sizeof(*mapping));

	if (!mapping)
		return 0;
	mapping->start = start;
	mapping->end = end;
	mapping->page = page;
	mapping->flags = flags;
	return mapping;
}

/* Cuts MAPPING at ADDRESS, inside of it: it keeps the lower part. space->lock held. */
static struct mapping *mapping_split(struct mapping *mapping, uint64_t address)
{
	struct memory *memory = mapping->memory;
	struct mapping *upper =
	    mapping_create(mapping->space, address, mapping->end,
	                   mapping->page + ((address - mapping->start) >> 12), mapping->flags);

	if (!upper)
		return 0;
	cap_split(&upper->cap, &mapping->cap);
	lock_take(&memory->lock);
	mapping->end = address;
	mapping_attach(upper, mapping);
	lock_release(&memory->lock);
	mapping_insert(mapping->space, upper);
	return upper;
}

/* Work of one slice that is left for after the lock's release. */
struct leftovers {
	struct flush flush;
	struct memory
	    *released[SPACE_SLICE_MAPPINGS + 1]; /* what was removed, and what could not be put there */
	uint32_t count;
};

/* A slice on SPACE begins, with its lock taken. */
static inline void slice_begin(struct space *space, struct leftovers *left)
{
	flush_init(&left->flush);
	left->count = 0;
	lock_take(&space->lock);
}

static inline void slice_finish(struct space *space, struct leftovers *left)
{
	lock_release(&space->lock);
	flush_finish(&left->flush);
	for (uint32_t i = 0; i < left->count; i++)
		object_release(&left->released[i]->object);
}

/* Ends MAPPING, detached and shown nowhere, but for what LEFT does. space->lock held. */
static void mapping_end(struct mapping *mapping, struct leftovers *left)
{
	left->released[left->count++] = mapping->memory;
	mapping_remove(mapping->space, mapping);
	cap_drop(&mapping->cap);
	unit_free(mapping);
}

/* Removes the first part of MAPPING, up to END; all of it: the mapping itself. space->lock held. */
static void mapping_shorten(struct mapping *mapping, uint64_t end, struct leftovers *left)
{
	struct memory *memory = mapping->memory;
	bool all = end >= mapping->end;

	lock_take(&memory->lock);
	space_clear(mapping->space, mapping->start, all ? mapping->end : end, false, &left->flush);
	flush_count(memory, &left->flush);
	if (all) {
		mapping_detach(mapping);
	} else {
		mapping->page += (end - mapping->start) >> 12;
		mapping->start = end;
	}
	lock_release(&memory->lock);
	if (all)
		mapping_end(mapping, left);
}

/* Removes the part of MAPPING from ADDRESS on, a slice at most; returns where it ended. space->lock held. */
static uint64_t mapping_trim(struct mapping *mapping, uint64_t address, struct leftovers *left)
{
	uint64_t end = mapping->end;

	lock_take(&mapping->memory->lock);
	space_clear(mapping->space, address, end, false, &left->flush);
	flush_count(mapping->memory, &left->flush);
	mapping->end = address;
	lock_release(&mapping->memory->lock);
	return end;
}

/* The end of what of [start, end) a slice may take on: SPACE_SLICE_PAGES translations, holes in the tables
 * for free. */
static uint64_t slice_end(struct space *space, uint64_t start, uint64_t end)
{
	uint64_t first;

	if (end - start <= SPACE_SLICE_PAGES * PAGE_SIZE_BYTES)
		return end;
	first = arch_space_next(space, start, end);
	if (first < end && !arch_space_leaf(space, first, false))
		return first;
	if (first < end && end - first > SPACE_SLICE_PAGES * PAGE_SIZE_BYTES)
		return (first + SPACE_SLICE_PAGES * PAGE_SIZE_BYTES) & ~(PAGE_SIZE_BYTES - 1);
	return end;
}

/* Clears a slice of [address, end), of WORK pages, a mapping being MAPPING_PAGES. E_OK: all of it was done. space->lock
 * held. */
static int64_t unmap_locked(struct space *space, uint64_t address, uint64_t end, uint64_t work,
                            struct leftovers *left, uint64_t *reached)
{
	for (uint64_t spent = 0; spent < work; spent += MAPPING_PAGES) {
		struct mapping *mapping = mapping_after(space, address);
		uint64_t start, stop, part;

		if (!mapping || mapping->start >= end) {
			*reached = end;
			return E_OK;
		}
		if (left->flush.memory && left->flush.memory != mapping->memory)
			break; /* a flush is counted at one object */
		if (mapping->start < address) {
			if (mapping->end <= end &&
			    mapping->end - address <= SPACE_SLICE_PAGES * PAGE_SIZE_BYTES) {
				spent += (mapping->end - address) >> 12;
				*reached = address = mapping_trim(mapping, address, left);
				continue;
			}
			/* The lower part stays; what is above it becomes a mapping of its own. */
			if ((mapping->end > end && !mapping_split(mapping, end)) ||
			    !(mapping = mapping_split(mapping, address)))
				return E_QUOTA_MEMORY;
		}
		stop = mapping->end < end ? mapping->end : end;
		start = mapping->start;
		part = slice_end(space, start, stop);
		mapping_shorten(mapping, part, left);
		*reached = part;
		if (part == end)
			return E_OK;
		/* Holes in the tables cost a search. */
		spent += stop - start > SPACE_SLICE_PAGES * PAGE_SIZE_BYTES ? work : (part - start) >> 12;
	}
	return CALL_RESTART;
}

/* space_unmap_slice, of a space that is dead or (DEAD false) is not: of a dead one less at a time, since every call may
 * have to do that. */
static inline int64_t unmap_range(struct space *space, uint64_t address, uint64_t end, bool dead)
{
	struct leftovers left;
	uint64_t reached;
	int64_t status = E_HANDLE;

	slice_begin(space, &left);
	if (space->object.dead == dead)
		status = unmap_locked(space, address, end, dead ? MAPPING_PAGES : 3 * MAPPING_PAGES, &left,
		                      &reached);
	slice_finish(space, &left);
	return status;
}

int64_t space_unmap_slice(struct space *space, uint64_t address, uint64_t end)
{
	return unmap_range(space, address, end, false);
}

/* MAPPING and the one after it become one where they fit. space->lock held. */
static void mapping_merge(struct space *space, struct mapping *mapping, struct leftovers *left)
{
	struct mapping *next = mapping_after(space, mapping->end);
	struct memory *memory = mapping->memory;

	if (!next || next->start != mapping->end || next->memory != memory || next->flags != mapping->flags ||
	    next->page != mapping->page + ((mapping->end - mapping->start) >> 12) ||
	    left->count == SPACE_SLICE_MAPPINGS || !cap_same_origin(&mapping->cap, &next->cap))
		return;
	lock_take(&memory->lock);
	if (memory->unmapping.active) { /* it may have passed only one of them */
		lock_release(&memory->lock);
		return;
	}
	mapping->end = next->end;
	mapping_detach(next);
	lock_release(&memory->lock);
	mapping_end(next, left);
}

/* Whether BEFORE, which ends (or will be cut) at START, goes on there with what is to be mapped. */
static bool mapping_continues(const struct mapping *before, uint64_t start, const struct cap_view *view,
                              uint64_t page, uint32_t flags)
{
	return before && before->flags == flags && before->page + ((start - before->start) >> 12) == page &&
	       cap_made_with(&before->cap, view);
}

/* Makes [start, end), which is free, part of BEFORE or the new mapping FRESH. space->lock held. */
static int64_t insert_locked(struct space *space, struct mapping *before, struct mapping *fresh, uint64_t end,
                             struct leftovers *left)
{
	struct mapping *mapping = fresh ? fresh : before;
	struct memory *memory = mapping->memory;
	bool dead;

	lock_take(&memory->lock);
	dead = memory->object.dead;
	if (!dead)
		mapping->end = end;
	if (!dead && fresh)
		mapping_attach(fresh, 0);
	lock_release(&memory->lock);
	if (dead)
		return E_HANDLE;
	if (fresh)
		mapping_insert(space, fresh);
	mapping_merge(space, mapping, left);
	return E_OK;
}

int64_t space_map_slice(struct space *space, uint64_t address, const struct cap_view *view, uint64_t page,
                        uint64_t pages, uint32_t flags, uint64_t *progress)
{
	uint64_t end = address + pages * PAGE_SIZE_BYTES, start = address + *progress, reached = end;
	struct mapping *next, *before, *fresh = 0;
	bool replace = flags & MAP_REPLACE;
	struct leftovers left;
	int64_t status = E_OK, inserted;

	flags &= MAP_READ | MAP_WRITE | MAP_EXECUTE;
	page += *progress >> 12;
	slice_begin(space, &left);
	next = mapping_after(space, start - 1); /* that ends at START or later */
	before = next && next->start < start ? next : 0;
	if (before && before->end <= start)
		next = mapping_after(space, start);
	if (space->object.dead) {
		status = E_HANDLE;
	} else if (next && next->start < end && !replace) {
		status = E_EXISTS;
	} else if (!mapping_continues(before, start, view, page, flags)) {
		/* A region that grows (heap, stack, a replacement in slices) stays one mapping; this is a new
		 * one. */
		fresh = mapping_create(space, start, end, page, flags);
		status = fresh ? cap_attach(&fresh->cap, view, CAP_MAPPING, (uint64_t)space) : E_QUOTA_MEMORY;
	}
	/* Point of no return, but for a cut in the middle of another mapping. What goes is replaced in the
	 * same slice, so no fault finds a hole. */
	if (status == E_OK && next && next->start < end)
		status = unmap_locked(space, start, end, MAPPING_PAGES, &left, &reached);
	if (status == E_OK || status == CALL_RESTART) {
		inserted = insert_locked(space, before, fresh, reached, &left);
		if (inserted < 0)
			status = inserted;
		else
			*progress = reached - address;
	}
	if (fresh && status < 0 && status != CALL_RESTART) {
		cap_detach(&fresh->cap);
		unit_free(fresh);
	}
	slice_finish(space, &left);
	return status;
}

/* Page tables after MAPPING's flags changed from BEFORE, for [start, end) of it. space->lock held. */
static void protect_tables(struct mapping *mapping, uint32_t before, uint64_t start, uint64_t end,
                           struct flush *flush)
{
	uint32_t changed = before ^ mapping->flags;

	/* Only more write permission: the next write fault brings it. */
	if (changed == 0 || (changed == MAP_WRITE && mapping->flags & MAP_WRITE))
		return;
	lock_take(&mapping->memory->lock);
	space_clear(mapping->space, start, end, changed == MAP_WRITE, flush);
	flush_count(mapping->memory, flush);
	lock_release(&mapping->memory->lock);
}

int64_t space_protect_slice(struct space *space, uint64_t address, uint64_t end, uint32_t flags,
                            uint64_t *progress)
{
	struct leftovers left;
	uint64_t at = address + *progress;
	struct mapping *mapping, *before;
	int64_t status = E_OK;
	unsigned count = 0;
	bool changed = false;

	slice_begin(space, &left);
	if (space->object.dead)
		status = E_HANDLE;
	/* Decode: as far as a slice goes, all is there and allows it. */
	for (uint64_t seen = at; seen < end && status == E_OK && count < PROTECT_MAPPINGS; count++) {
		mapping = mapping_find(space, seen);
		if (!mapping)
			status = E_NOT_FOUND;
		else if (flags & ~(uint32_t)mapping->cap.rights)
			status = E_RIGHTS;
		else
			seen = mapping->end;
	}
	for (count = 0; status == E_OK && at < end; count++) {
		uint64_t stop;
		uint32_t old;

		if (count == PROTECT_MAPPINGS || changed) {
			status = CALL_RESTART;
			break;
		}
		mapping = mapping_find(space, at);
		changed = mapping->flags != flags;
		stop = mapping->end < end ? mapping->end : end;
		if (mapping->flags == flags) {
			at = stop;
			continue;
		}
		/* The part that changes becomes a mapping of its own, one slice long. */
		stop = slice_end(space, at, stop);
		if ((mapping->start < at && !(mapping = mapping_split(mapping, at))) ||
		    (mapping->end > stop && !mapping_split(mapping, stop))) {
			status = E_QUOTA_MEMORY;
			break;
		}
		old = mapping->flags;
		mapping->flags = flags;
		protect_tables(mapping, old, at, stop, &left.flush);
		mapping_merge(space, mapping, &left);
		before = at ? mapping_find(space, at - 1) : 0;
		if (before)
			mapping_merge(space, before, &left);
		at = stop;
	}
	slice_finish(space, &left);
	*progress = at - address;
	return status;
}

/* ---- Ends ---- */

void space_unmap_first(const struct cap_view *view)
{
	struct leftovers left;
	uint64_t place, again;
	struct cap *cap = cap_first_mapping(view, &place);
	struct space *space = (struct space *)place;
	struct mapping *mapping = (struct mapping *)cap; /* its first member */

	if (!cap)
		return;
	/* The space is not freed while this CPU is in the kernel; whether the mapping is still there, and still
	 * to be removed, is looked up again. */
	slice_begin(space, &left);
	if (cap_first_mapping(view, &again) == cap && again == place)
		mapping_shorten(mapping, slice_end(space, mapping->start, mapping->end), &left);
	slice_finish(space, &left);
}

bool space_teardown(struct object *object)
{
	struct space *space = container_of(object, struct space, object);
	struct flush flush;

	if (space->root) {
		(void)unmap_range(space, 0, USER_END, true);
		return false;
	}
	if (space->active_cpus) {
		/* CPUs that are idle on it leave it; its threads are dead. */
		flush_init(&flush);
		flush.cpus = space->active_cpus;
		flush.count = FLUSH_PAGES + 1;
		flush_finish(&flush);
	}
	if (space->native_root && !arch_space_deinit_slice(space))
		return false;
	if (space->native)
		object_release(&space->native->object);
	space->native = 0;
	return true;
}
