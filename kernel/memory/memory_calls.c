/* System calls on memory objects. Ranges are in bytes, page aligned. */
#include "bytes.h"
#include "calls.h"
#include "memory.h"
#include "thread.h"
#include "unit.h"

#define DIRTY_PAGES_MAX (MESSAGE_BYTES_MAX * 8ull)
#define INFO_SLICE      12u
#define SUPPLY_SLICE    2u
#define PHYSICAL_END    (1ull << 52)

bool page_range(uint64_t offset, uint64_t bytes, uint64_t *first, uint64_t *count)
{
	*first = offset / PAGE_SIZE_BYTES;
	*count = bytes / PAGE_SIZE_BYTES;
	return !(offset % PAGE_SIZE_BYTES) && !(bytes % PAGE_SIZE_BYTES) && bytes &&
	       *first <= MEMORY_PAGES_MAX && *count <= MEMORY_PAGES_MAX &&
	       *first + *count <= MEMORY_PAGES_MAX;
}

static bool is_device(const struct memory *memory)
{
	return memory->kind == MEMORY_DEVICE || memory->kind == MEMORY_DEVICE_WC;
}

int64_t sys_memory_create(struct call *call, uint64_t kind, uint64_t bytes, uint64_t base,
                          struct object *system, struct unit *unit, struct event *pager)
{
	bool device = kind == MEMORY_DEVICE || kind == MEMORY_DEVICE_WC;
	uint64_t pages, none;
	struct memory *memory;
	int64_t status;

	if (!page_range(0, bytes, &none, &pages) ||
	    (!device && kind != MEMORY_ANONYMOUS && kind != MEMORY_PAGER))
		return E_ARGUMENT;
	if ((device && !system) || (kind == MEMORY_PAGER && !pager))
		return E_HANDLE;
	if (device && (base % PAGE_SIZE_BYTES || base > PHYSICAL_END || bytes > PHYSICAL_END - base ||
	               memory_is_ram(base, bytes)))
		return E_ARGUMENT;
	memory = memory_create(unit, (uint32_t)kind, pages, &status);
	if (!memory)
		return status;
	if (kind == MEMORY_PAGER && (status = cap_attach(&memory->bound, &call->caps[5], 0, 0)) < 0) {
		object_release(&memory->object);
		return status;
	}
	if (device)
		memory->device_base = base;
	return call_result_object(call, &memory->object, RIGHT_ALL);
}

/* A part of the same registers: no more rights than to the whole, and no longer life. */
static int64_t clone_device(struct call *call, struct unit *unit, struct memory *source, uint64_t first,
                            uint64_t count)
{
	struct memory *clone;
	int64_t status;

	if (source->depth == MEMORY_DEPTH_MAX)
		return E_SUPPORT;
	clone = memory_create(unit, source->kind, count, &status);
	if (!clone)
		return status;
	clone->device_base = source->device_base + first * PAGE_SIZE_BYTES;
	clone->depth = (uint8_t)(source->depth + 1);
	status = cap_attach(&clone->bound, &call->caps[0], CAP_LEASH, (uint64_t)&clone->object);
	if (status == E_OK)
		return call_result_object(call, &clone->object, call->caps[0].rights);
	object_release(&clone->object);
	return status;
}

/* The clone that the running call has begun; without one, begins it. */
static struct memory *clone_building(struct thread *self, struct unit *unit, struct memory *source,
                                     uint64_t first, uint64_t count, int64_t *error)
{
	struct memory *clone = (struct memory *)self->building;

	if (clone && clone->object.type == OBJECT_MEMORY && clone->source == &source->object &&
	    clone->source_page == first && clone->pages == count && clone->object.owner == unit)
		return clone;
	clone = memory_create(unit, MEMORY_ANONYMOUS, count, error);
	if (!clone)
		return 0;
	clone->source_page = first;
	if (object_reference(&source->object))
		clone->source = &source->object;
	thread_build(self, &clone->object);
	self->progress = 0;
	*error = CALL_RESTART; /* a slice of its own */
	return 0;
}

int64_t sys_memory_clone(struct call *call, struct memory *source, uint64_t offset, uint64_t bytes,
                         struct unit *unit)
{
	uint16_t rights = call->caps[0].rights;
	struct thread *self = call->self;
	struct memory *clone;
	uint64_t first, count;
	int64_t status;

	if (!page_range(offset, bytes, &first, &count) || first + count > source->pages)
		return E_ARGUMENT;
	if (source->kind == MEMORY_PHYSICAL && !memory_is_module(source->device_base + offset, bytes))
		return E_SUPPORT;
	if (is_device(source))
		return clone_device(call, unit, source, first, count);
	clone = clone_building(self, unit, source, first, count, &status);
	if (!clone)
		return status;
	status = memory_clone_slice(clone, source, first, &self->progress);
	if (status == CALL_RESTART)
		return CALL_RESTART;
	self->building = 0;
	if (clone->source)
		object_release(clone->source);
	clone->source = 0;
	if (status == E_OK)
		/* What may not be executed does not become so by being copied. */
		return call_result_object(call, &clone->object,
		                          (uint16_t)(RIGHT_ALL & ~(~rights & RIGHT_EXECUTE)));
	object_release(&clone->object);
	return status;
}

/* Discards pages [first, end), a slice from where the call was. */
static int64_t discard_range(struct thread *self, struct memory *memory, uint64_t first, uint64_t end)
{
	if (first + self->progress >= end)
		return E_OK;
	self->progress = memory_discard_slice(memory, first + self->progress, end) - first;
	return first + self->progress < end ? CALL_RESTART : E_OK;
}

int64_t sys_memory_resize(struct call *call, struct memory *memory, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE_SIZE_BYTES, *progress = &call->self->progress, pass;
	int64_t status = E_OK;
	bool done;

	if (bytes % PAGE_SIZE_BYTES || pages > MEMORY_PAGES_MAX || !memory_has_frames(memory))
		return E_ARGUMENT;
	lock_take(&memory->lock);
	if (memory->object.dead)
		status = E_HANDLE;
	else
		status = radix_grow(memory, pages);
	if (status == E_OK)
		memory->pages = pages;
	lock_release(&memory->lock);
	if (status < 0)
		return status;
	status =
	    *progress >> 63 ? E_OK : discard_range(call->self, memory, pages, 1ull << (9 * memory->height));
	if (status != E_OK || memory->kind != MEMORY_PAGER)
		return status;
	/* Whoever waits for a page that is no more finds out by faulting again. */
	pass = *progress >> 63 ? *progress & UINT32_MAX : 0;
	done = memory_wake(memory, pages, UINT64_MAX, PAGER_ALLOW, &pass);
	*progress = 1ull << 63 | pass;
	return done ? E_OK : CALL_RESTART;
}

int64_t sys_memory_discard(struct call *call, struct memory *memory, uint64_t offset, uint64_t bytes)
{
	uint64_t first, count;

	if (!page_range(offset, bytes, &first, &count) || first + count > memory->pages)
		return E_ARGUMENT;
	return discard_range(call->self, memory, first, first + count);
}

int64_t sys_memory_supply(struct call *call, struct memory *memory, uint64_t offset, struct memory *source,
                          uint64_t source_offset, uint64_t bytes)
{
	/* Progress: pages done, and above them the number of the waking for the next ones. */
	uint64_t first, source_first, count, *progress = &call->self->progress, part, moved = 0;
	uint64_t done = *progress & (MEMORY_PAGES_MAX - 1), pass = *progress >> 36;
	int64_t status;

	if (memory->kind != MEMORY_PAGER || source->kind != MEMORY_ANONYMOUS || memory == source)
		return E_TYPE;
	if (!page_range(offset, bytes, &first, &count) ||
	    !page_range(source_offset, bytes, &source_first, &count))
		return E_ARGUMENT;
	part = least(count - done, SUPPLY_SLICE);
	if (!pass) {
		status = memory_supply_slice(memory, first + done, source, source_first + done, part, &moved);
		if (!moved && status != E_OK)
			return status;
		if (!moved)
			done += part;
	}
	/* Before an error, too: it comes again when those that wait for what came before are awake. */
	if ((moved || pass) && memory_wake(memory, first + done, first + done + part, PAGER_ALLOW, &pass))
		pass = 0;
	*progress = done | pass << 36;
	return done < count ? CALL_RESTART : E_OK;
}

int64_t sys_memory_dirty(struct call *call, struct memory *memory, uint64_t offset, uint64_t bytes,
                         uint64_t mark)
{
	struct thread *self = call->self;
	struct flush flush = {0};
	uint64_t first, count, at, end, *entry;
	bool done = true;

	if (!page_range(offset, bytes, &first, &count) || count > DIRTY_PAGES_MAX ||
	    !memory_has_frames(memory))
		return E_ARGUMENT;
	if (!self->progress) {
		memset(self->page->bytes, 0, (count + 7) / 8);
		self->progress = 1; /* behind the page reached */
	}
	at = first + self->progress - 1;
	end = first + count;
	lock_take(&memory->lock);
	memory->tracked |= ENTRY_MARK(mark);
	if (memory->object.dead) {
		lock_release(&memory->lock);
		return E_HANDLE;
	}
	at = memory->resident ? radix_next(memory, at, least(end, memory->pages)) : end;
	if (at < least(end, memory->pages)) {
		uint64_t stop = least(least(end, memory->pages), least((at | 511) + 1, at + UNMAP_PAGES));

		done = memory_unmap(memory, at, stop, true, &flush);
		entry = radix_find(memory, at);
		if (!entry)
			at = stop;
		for (; done && at < stop; at++, entry++) {
			if (!(*entry & ENTRY_MARK(mark)))
				continue;
			self->page->bytes[(at - first) / 8] |= (uint8_t)(1u << (at - first) % 8);
			/* The kernel writes to pinned pages past all translations. */
			if (!frame_of(ENTRY_FRAME(*entry))->pins)
				*entry &= ~ENTRY_MARK(mark);
		}
	} else {
		at = end;
	}
	lock_release(&memory->lock);
	flush_finish(&flush);
	self->progress = at - first + 1;
	return at < end ? CALL_RESTART : E_OK;
}

int64_t sys_memory_info(struct call *call, struct memory *memory)
{
	/* Progress: pages passed in the low 37 bits, shared ones among them above. */
	const uint64_t page_mask = (1ull << 37) - 1;
	struct thread *self = call->self;
	uint64_t page = self->progress & page_mask, shared = self->progress >> 37;
	struct memory_info info;
	bool counted = !memory_has_frames(memory);

	memset(&info, 0, sizeof(info));
	lock_take(&memory->lock);
	counted |= memory->object.dead; /* its tree may be going */
	for (unsigned step = 0; step < INFO_SLICE && page < memory->pages && !counted; step++) {
		uint64_t *entry;

		page = radix_next(memory, page, memory->pages);
		entry = page < memory->pages ? radix_find(memory, page) : 0;
		if (!entry)
			break; /* a search was a slice */
		page++;
		if (*entry && frame_of(ENTRY_FRAME(*entry))->references > 1)
			shared++;
	}
	self->progress = page | shared << 37;
	counted = counted || page >= memory->pages;
	info.bytes = memory->pages * PAGE_SIZE_BYTES;
	info.resident_bytes = memory->resident * PAGE_SIZE_BYTES;
	info.shared_bytes = shared * PAGE_SIZE_BYTES;
	info.kind = memory->kind == MEMORY_PHYSICAL ? MEMORY_DEVICE : memory->kind;
	info.mapping_count = memory->mapping_count;
	if (memory->label)
		info.label = *memory->label;
	lock_release(&memory->lock);
	if (!counted)
		return CALL_RESTART;
	memcpy(self->page->bytes, &info, sizeof(info));
	return E_OK;
}

int64_t sys_memory_label(struct call *call, struct memory *memory)
{
	struct label label, *spare;
	bool dead;

	call_input(call, &label, sizeof(label));
	if (label.zone > ZONE_PERSISTENT || label.reserved)
		return E_ARGUMENT;
	label.owner[sizeof(label.owner) - 1] = 0;
	label.kind[sizeof(label.kind) - 1] = 0;
	label.name[sizeof(label.name) - 1] = 0;
	spare = unit_allocate(memory->object.owner, sizeof(label));
	if (!spare)
		return E_QUOTA_MEMORY;
	*spare = label;
	lock_take(&memory->lock);
	dead = memory->object.dead;
	if (!dead) {
		struct label *old = memory->label;

		memory->label = spare;
		spare = old;
	}
	lock_release(&memory->lock);
	if (spare)
		unit_free(spare);
	return dead ? E_HANDLE : E_OK;
}
