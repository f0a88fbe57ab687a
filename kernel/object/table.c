/* Capability tables: where slots come from, and the lookup.
 *
 * A table is a directory page of pointers to pages of 64 slots. Slot 0 of each page is its header: it names
 * the unit (badge) and can never be looked up, because its object is 0. Pages are added when needed and stay
 * until the unit dies, so the lookup reads without a lock: a slot's generation changes whenever it is given
 * back, and is read again at the end. An index that is too large wraps, without a branch that a processor could guess wrong,
 * and the slot found there has another index.
 */
#include "calls.h"
#include "memory.h"
#include "table.h"
#include "unit.h"

/*@ predicate table_good{L}(struct unit *unit) =
      \valid_read(unit) && \valid_read(unit->directory + (0 .. CAP_DIRECTORY - 1)) &&
      \forall integer i; 0 <= i < CAP_DIRECTORY ==>
        unit->directory[i] == \null || \valid(unit->directory[i] + (0 .. CAP_PAGE_SLOTS - 1));
*/

/*@ requires table_good(unit);
    assigns \nothing;
    ensures \result == \null || \valid(\result);
    ensures \result != \null ==> unit->directory[index / CAP_PAGE_SLOTS % CAP_DIRECTORY] != \null &&
      \result == unit->directory[index / CAP_PAGE_SLOTS % CAP_DIRECTORY] + index % CAP_PAGE_SLOTS;
*/
struct cap *slot_at(struct unit *unit, uint32_t index)
{
	struct cap *page =
	    __atomic_load_n(&unit->directory[index / CAP_PAGE_SLOTS % CAP_DIRECTORY], __ATOMIC_ACQUIRE);

	return page ? page + index % CAP_PAGE_SLOTS : 0;
}

/*@ requires table_good(unit) && \valid(view) && \valid(flags);
    requires \separated(view, flags, unit, unit->directory + (0 .. CAP_DIRECTORY - 1));
    requires \forall integer i, j; 0 <= i < CAP_DIRECTORY && 0 <= j < CAP_PAGE_SLOTS && unit->directory[i] != \null ==>
      \separated(unit->directory[i] + j, view, flags);
    assigns *view, *flags;
    ensures \result == E_OK ==> \valid(view->cap) && view->cap->handle == handle;
    ensures \result == E_OK ==> view->object == view->cap->object && view->object != \null;
    ensures \result == E_OK ==> view->rights == view->cap->rights && view->badge == view->cap->badge;
    ensures \result == E_OK ==> view->cap->generation == view->generation;
*/
static int64_t view_of(struct unit *unit, handle_t handle, struct cap_view *view, uint16_t *flags)
{
	struct cap *cap = slot_at(unit, HANDLE_INDEX(handle));

	if (!cap || __atomic_load_n(&cap->handle, __ATOMIC_ACQUIRE) != handle)
		return E_HANDLE;
	view->object = __atomic_load_n(&cap->object, __ATOMIC_ACQUIRE);
	view->badge = __atomic_load_n(&cap->badge, __ATOMIC_ACQUIRE);
	view->rights = __atomic_load_n(&cap->rights, __ATOMIC_ACQUIRE);
	*flags = __atomic_load_n(&cap->flags, __ATOMIC_ACQUIRE);
	view->cap = cap;
	view->generation = HANDLE_GENERATION(handle);
	if (!view->object || __atomic_load_n(&cap->generation, __ATOMIC_ACQUIRE) != view->generation)
		return E_HANDLE;
	return E_OK;
}

/*@ requires \valid_read(view) && \valid_read(view->object);
    assigns \nothing;
    ensures \result == E_OK <==> (type == OBJECT_NONE || view->object->type == type) && (view->rights & rights) == rights;
*/
static inline int64_t view_check(const struct cap_view *view, enum object_type type, uint16_t rights)
{
	if (type != OBJECT_NONE && view->object->type != type)
		return E_TYPE;
	return (view->rights & rights) == rights ? E_OK : E_RIGHTS;
}

int64_t cap_lookup(struct unit *unit, handle_t handle, enum object_type type, uint16_t rights,
                   struct cap_view *view)
{
	uint16_t flags;

	if (view_of(unit, handle, view, &flags) < 0 || view->object->dead ||
	    view->object->owner->object.dead || !(flags & CAP_LIVE))
		return E_HANDLE;
	return view_check(view, type, rights);
}

int64_t cap_lookup_dead(struct unit *unit, handle_t handle, enum object_type type, uint16_t rights,
                        struct cap_view *view)
{
	uint16_t flags;

	return view_of(unit, handle, view, &flags) < 0 ? E_HANDLE : view_check(view, type, rights);
}

struct unit *slot_unit(const struct cap *cap)
{
	const struct cap *header = (const struct cap *)((uintptr_t)cap & ~(PAGE_SIZE_BYTES - 1));

	return (struct unit *)header->badge;
}

bool table_init(struct unit *unit)
{
	physical_t frame = unit_frame(unit, true);

	unit->directory = frame ? frame_map(frame) : 0;
	unit->cap_fresh = 1;
	return frame != 0;
}

void table_deinit(struct unit *unit)
{
	if (!unit->directory)
		return;
	unit_frame_free(unit, frame_unmap(unit->directory));
	unit->directory = 0;
}

bool table_drop_page(struct unit *unit)
{
	struct cap **place;

	if (!unit->cap_pages)
		return false;
	place = &unit->directory[--unit->cap_pages];
	/* Who gave back the last of its slots, on another CPU, writes to it no more. */
	lock_take(&unit->slot_lock);
	lock_release(&unit->slot_lock);
	unit_frame_free(unit, frame_unmap(*place));
	*place = 0;
	return true;
}

/* slot_lock held. */
static bool table_grow(struct unit *unit)
{
	physical_t frame;
	struct cap *page;

	if (unit->cap_pages == CAP_DIRECTORY || !(frame = unit_frame(unit, true)))
		return false;
	page = frame_map(frame);
	page->badge = (uint64_t)unit;
	__atomic_store_n(&unit->directory[unit->cap_pages++], page, __ATOMIC_RELEASE);
	unit->cap_free_count += CAP_PAGE_SLOTS - 1;
	return true;
}

int64_t cap_reserve(struct unit *unit, uint32_t count)
{
	int64_t status = E_OK;

	if (!unit_charge_caps(unit, count))
		return E_QUOTA_CAPS;
	lock_take(&unit->slot_lock);
	if (unit->object.dead)
		status = E_HANDLE;
	while (status == E_OK && unit->cap_free_count - unit->cap_reserved < count)
		if (!table_grow(unit))
			status = E_QUOTA_MEMORY;
	if (status == E_OK)
		unit->cap_reserved += count;
	lock_release(&unit->slot_lock);
	if (status < 0)
		unit_uncharge_caps(unit, count);
	return status;
}

void cap_unreserve(struct unit *unit, uint32_t count)
{
	lock_take(&unit->slot_lock);
	unit->cap_reserved -= count;
	lock_release(&unit->slot_lock);
	unit_uncharge_caps(unit, count);
}

struct cap *slot_take(struct unit *unit)
{
	struct cap *cap;
	uint32_t index;

	lock_take(&unit->slot_lock);
	index = unit->cap_free;
	if (index) {
		cap = slot_at(unit, index);
		unit->cap_free = cap->next_free;
	} else {
		index = unit->cap_fresh++;
		if (unit->cap_fresh % CAP_PAGE_SLOTS == 0)
			unit->cap_fresh++;
		cap = slot_at(unit, index);
		cap->index = index;
		cap->generation = 1;
	}
	unit->cap_free_count--;
	unit->cap_reserved--;
	lock_release(&unit->slot_lock);
	return cap;
}

void slot_give_back(struct cap *cap)
{
	struct unit *unit = slot_unit(cap);

	lock_take(&unit->slot_lock);
	__atomic_store_n(&cap->object, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&cap->generation, cap->generation + 1 ? cap->generation + 1 : 1, __ATOMIC_RELEASE);
	cap->rights = cap->flags = 0;
	cap->badge = 0;
	cap->next_free = unit->cap_free;
	unit->cap_free = cap->index;
	unit->cap_free_count++;
	lock_release(&unit->slot_lock);
	unit_uncharge_caps(unit, 1);
}
