/* Areas: counting, splitting and joining, and what each is in the substrate's space. */
#include "mm/area.h"
#include "mm/userfault.h"

#define PROTECTION (AREA_READ | AREA_WRITE | AREA_EXECUTE)

void area_insert(struct mm *mm, struct area *area)
{
	area_tree_insert(&mm->root, area);
	mm->area_count++;
	mm->total_pages += (area->end - area->start) / PAGE_SIZE_BYTES;
}

void area_remove(struct mm *mm, struct area *area)
{
	area_tree_remove(&mm->root, area);
	mm->area_count--;
	mm->total_pages -= (area->end - area->start) / PAGE_SIZE_BYTES;
}

static void set_end(struct mm *mm, struct area *area, uint64_t end)
{
	mm->total_pages += end / PAGE_SIZE_BYTES - area->end / PAGE_SIZE_BYTES;
	area->end = end;
	area_tree_update(&mm->root, area);
}

struct area *mm_find(struct mm *mm, uint64_t address)
{
	return area_tree_find(mm->root, address);
}

struct area *mm_next(struct mm *mm, const struct area *area)
{
	return mm_find(mm, area->end);
}

struct area *area_before(struct mm *mm, uint64_t address)
{
	return area_tree_before(mm->root, address);
}

void area_maps(struct file *file, uint32_t more)
{
	if (file->vnode)
		__atomic_fetch_add(&file->vnode->maps, more, __ATOMIC_RELAXED);
}

struct area *area_copy(const struct area *area)
{
	struct area *copy = heap_allocate(sizeof(*copy));
	if (!copy)
		return 0;
	*copy = *area;
	if (copy->object)
		memory_object_reference(copy->object);
	if (copy->file)
		area_maps(file_reference(copy->file), 1);
	if (copy->userfault)
		userfault_reference(copy->userfault);
	return copy;
}

void area_free(struct area *area)
{
	if (area->object)
		memory_object_release(area->object);
	if (area->file) {
		area_maps(area->file, -1u);
		file_release(area->file);
	}
	if (area->userfault)
		userfault_release(area->userfault);
	heap_free(area);
}

static int split_at(struct mm *mm, uint64_t address)
{
	struct area *area = mm_find(mm, address);
	if (!area || area->start >= address)
		return 0;
	struct area *high = mm->area_count < MAP_COUNT_MAX ? area_copy(area) : 0;
	if (!high)
		return -ENOMEM;
	uint64_t below = address - area->start;
	set_end(mm, area, address);
	high->start = address;
	high->offset += below;
	high->file_offset += below;
	area_insert(mm, high);
	return 0;
}

int area_split_range(struct mm *mm, uint64_t start, uint64_t end)
{
	int error = split_at(mm, start);
	return error ? error : split_at(mm, end);
}

static bool continues(const struct area *low, const struct area *high)
{
	uint64_t bytes = low->end - low->start;
	return low->end == high->start && low->flags == high->flags && low->object == high->object &&
	       low->file == high->file && low->userfault == high->userfault &&
	       low->offset + bytes == high->offset &&
	       (!low->file || low->file_offset + bytes == high->file_offset);
}

void area_join(struct mm *mm, struct area *area)
{
	struct area *low = area_before(mm, area->start);
	if (low && continues(low, area)) {
		area_remove(mm, area);
		set_end(mm, low, area->end);
		area_free(area);
		area = low;
	}
	struct area *high = mm_next(mm, area);
	if (high && continues(area, high)) {
		area_remove(mm, high);
		set_end(mm, area, high->end);
		area_free(high);
	}
}

/* Substrate protection of an area: what is not there at all for PROT_NONE, readable wherever anything is
 * allowed. */
static uint32_t map_flags(const struct area *area)
{
	uint32_t flags = area->flags & PROTECTION;
	if (area->flags & (AREA_PRIVATE_FILE | AREA_CLEAN))
		flags &= ~(uint32_t)AREA_WRITE;
	return area->flags & PROTECTION ? flags | MAP_READ : 0;
}

int area_enter(struct mm *mm, struct area *area, uint64_t start, uint64_t end, bool replace)
{
	uint32_t flags = area->userfault ? 0 : map_flags(area); /* its pages come one by one */
	const struct memory_object *object = area->object ? area->object : mm->heap;
	uint64_t offset = area->offset + (start - area->start);
	if (!flags) {
		if (replace)
			space_unmap(mm->space, start, end - start);
		return 0;
	}
	/* What lies behind the object's end is left out: a touch there is a bus error, or finds a grown
	 * object. */
	uint64_t there = object->bytes > offset ? page_up(object->bytes) - offset : 0;
	if (end - start > there) {
		if (replace)
			space_unmap(mm->space, start, end - start);
		end = start + there;
	}
	if (start == end)
		return 0;
	int64_t result = space_map(mm->space, start, object->handle, offset, end - start,
	                           flags | (replace ? MAP_REPLACE : 0));
	if (result >= 0)
		return 0;
	return result == E_WX || result == E_RIGHTS ? -EACCES : -ENOMEM;
}

int area_enter_page(struct mm *mm, struct area *area, uint64_t address, bool writable)
{
	const struct memory_object *object = area->object ? area->object : mm->heap;
	uint32_t flags = map_flags(area) & ~(writable ? 0u : MAP_WRITE);
	int64_t result = space_map(mm->space, address, object->handle, area->offset + (address - area->start),
	                           PAGE_SIZE_BYTES, flags | MAP_REPLACE);
	if (result >= 0)
		return 0;
	return result == E_WX || result == E_RIGHTS ? -EACCES : -ENOMEM;
}

int area_page_writable(struct mm *mm, struct area *area, uint64_t address)
{
	uint32_t flags = map_flags(area) | MAP_WRITE;
	int64_t result = space_protect(mm->space, address, PAGE_SIZE_BYTES, flags);
	if (result == E_NOT_FOUND) /* the file has grown since it was mapped */
		result =
		    space_map(mm->space, address, area->object->handle,
		              area->offset + (address - area->start), PAGE_SIZE_BYTES, flags | MAP_REPLACE);
	return result < 0 ? -ENOMEM : 0;
}

void area_clean(struct mm *mm, struct area *area)
{
	uint64_t there = area->object->bytes > area->offset ? page_up(area->object->bytes) - area->offset : 0;
	uint64_t bytes = area->end - area->start < there ? area->end - area->start : there;
	uint32_t flags = map_flags(area);
	if (flags && bytes && space_protect(mm->space, area->start, bytes, flags) < 0 &&
	    area_enter(mm, area, area->start, area->end, true))
		space_unmap(mm->space, area->start, area->end - area->start); /* a touch enters it again */
}

int area_make_private(struct mm *mm, struct area *area)
{
	uint64_t bytes = area->end - area->start;
	uint64_t there = page_up(area->object->bytes);
	uint64_t cloned = there > area->offset ? there - area->offset : 0;
	if (cloned > bytes)
		cloned = bytes;
	int64_t handle = cloned ? memory_clone(area->object->handle, area->offset, cloned) : E_ARGUMENT;
	if (handle < 0)
		return handle == E_ARGUMENT ? -EFAULT : -ENOMEM;
	struct memory_object *clone = memory_object_adopt((handle_t)handle, cloned);
	if (!clone)
		return -ENOMEM;
	memory_object_release(area->object);
	area->object = clone;
	area->offset = 0;
	area->flags &= ~(uint32_t)AREA_PRIVATE_FILE;
	return area_enter(mm, area, area->start, area->end, true);
}

uint64_t heap_offset(struct mm *mm, uint64_t address, uint64_t bytes)
{
	if (address >= mm->moved_end || address + bytes <= mm->moved_start)
		return address;
	for (struct area *area = mm_find(mm, 0); area; area = mm_next(mm, area)) {
		uint64_t area_bytes = area->end - area->start;
		if (!area->object && area->offset < address + bytes && address < area->offset + area_bytes) {
			uint64_t offset = mm->moved_offset;
			mm->moved_offset += bytes;
			return offset;
		}
	}
	return address;
}

int mm_protect(struct mm *mm, uint64_t start, uint64_t bytes, uint32_t protection)
{
	uint64_t end = start + bytes;
	struct area *area = mm_find(mm, start);
	/* Linux changes what comes before a hole and then fails; programs cannot rely on that, so check
	 * first. */
	uint64_t at = start;
	for (; area && at < end; at = area->end, area = mm_next(mm, area)) {
		if (area->start > at)
			return -ENOMEM;
		if ((protection & AREA_WRITE) && (area->flags & AREA_SHARED) && area->file &&
		    !(area->flags & AREA_MAY_WRITE))
			return -EACCES;
		if ((protection & AREA_EXECUTE) && area->file && !file_may_run(area->file))
			return -EACCES;
	}
	if (at < end)
		return -ENOMEM;
	int error = area_split_range(mm, start, end);
	if (error)
		return error;
	for (area = mm_find(mm, start); area && area->start < end; area = mm_find(mm, at)) {
		uint32_t old = map_flags(area);
		at = area->end;
		area->flags = (area->flags & ~(uint32_t)PROTECTION) | protection;
		uint32_t new = map_flags(area);
		int64_t result = 0;
		if (area->userfault) /* a touch enters them again */
			result = space_unmap(mm->space, area->start, area->end - area->start);
		else if (old == new &&
		         !(area->flags & AREA_CLEAN)) /* of which single pages may be writable */
			result = 0;
		else if (!new)
			result = space_unmap(mm->space, area->start, area->end - area->start);
		else if (!old || (area->object &&
		                  page_up(area->object->bytes) < area->offset + (area->end - area->start)))
			result = area_enter(mm, area, area->start, area->end, true);
		else
			result = space_protect(mm->space, area->start, area->end - area->start, new);
		if (result < 0) {
			area->flags = (area->flags & ~(uint32_t)PROTECTION) | (old & PROTECTION);
			return result == E_WX || result == -EACCES ? -EACCES : -ENOMEM;
		}
		area_join(mm, area);
	}
	return 0;
}
