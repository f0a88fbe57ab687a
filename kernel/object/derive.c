/* Derivation: the tree of an object's capabilities, and what makes and ends them.
 *
 * Guarded by object->cap_lock. A capability that ends passes its children on to its parent, CAP_SLICE of them
 * at a time; until that is done it stays in the tree without CAP_LIVE. Revocation ends the first child until
 * there is none: each descendant moves up once and is then ended, so n descendants cost O(n), whatever the
 * shape of the tree, and no recursion. Capabilities without a parent hang from object->root.
 */
#include "calls.h"
#include "table.h"
#include "unit.h"

static struct cap **children_of(struct object *object, struct cap *parent)
{
	return parent ? &parent->child : &object->root;
}

static void link_cap(struct object *object, struct cap *cap, struct cap *parent)
{
	struct cap **first = children_of(object, parent);

	cap->parent = parent;
	cap->previous = 0;
	cap->next = *first;
	if (*first)
		(*first)->previous = cap;
	*first = cap;
}

static void unlink_cap(struct object *object, struct cap *cap)
{
	if (cap->previous)
		cap->previous->next = cap->next;
	else
		*children_of(object, cap->parent) = cap->next;
	if (cap->next)
		cap->next->previous = cap->previous;
	cap->parent = cap->next = cap->previous = 0;
}

/* Goes on with the end of CAP: true when it is gone. *BUDGET: links that may be touched. cap_lock held. */
static bool end_cap(struct object *object, struct cap *cap, uint32_t *budget)
{
	cap->flags &= (uint16_t)~CAP_LIVE;
	while (cap->child && *budget) {
		struct cap *child = cap->child;

		unlink_cap(object, child);
		link_cap(object, child, cap->parent);
		--*budget;
	}
	if (cap->child || !*budget)
		return false;
	--*budget;
	unlink_cap(object, cap);
	if (cap->flags & CAP_INTERNAL)
		__atomic_store_n(&cap->object, 0, __ATOMIC_RELEASE);
	else
		slot_give_back(cap);
	return true;
}

static bool still(const struct cap_view *view)
{
	const struct cap *cap = view->cap;

	return cap->object == view->object && cap->generation == view->generation;
}

/* Fills and links the free slot CAP; false when PARENT is no longer what was looked up, or the object is
 * dead. */
static bool fill_slot(struct cap *cap, struct object *object, uint16_t rights, uint64_t badge,
                      const struct cap_view *parent)
{
	bool valid;

	lock_take(&object->cap_lock);
	valid = !object->dead && (!parent || (still(parent) && parent->cap->flags & CAP_LIVE));
	if (valid) {
		cap->rights = parent ? rights & parent->cap->rights : rights;
		cap->badge = parent && parent->cap->badge ? parent->cap->badge : badge;
		cap->flags = (uint16_t)((cap->flags & CAP_INTERNAL) | CAP_LIVE);
		cap->child = 0;
		link_cap(object, cap, parent ? parent->cap : 0);
		__atomic_add_fetch(&object->references, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&cap->object, object, __ATOMIC_RELEASE);
	}
	lock_release(&object->cap_lock);
	return valid;
}

handle_t cap_insert_reserved(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge,
                             const struct cap_view *parent)
{
	struct cap *cap = slot_take(unit);

	if (unit->object.dead || !fill_slot(cap, object, rights, badge, parent)) {
		slot_give_back(cap);
		return 0;
	}
	return (handle_t)cap->generation << 32 | cap->index;
}

int64_t cap_insert(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge,
                   const struct cap_view *parent)
{
	int64_t status = slots_reserve(unit, 1);
	handle_t handle;

	if (status < 0)
		return status;
	handle = cap_insert_reserved(unit, object, rights, badge, parent);
	return handle ? (int64_t)handle : E_HANDLE;
}

int64_t cap_reserve(struct unit *unit, uint32_t count)
{
	return slots_reserve(unit, count);
}

void cap_unreserve(struct unit *unit, uint32_t count)
{
	if (count)
		slots_unreserve(unit, count);
}

/* At most CAP_SLICE children. cap_lock held. */
static bool few_children(const struct cap *cap)
{
	uint32_t count = 0;

	for (const struct cap *child = cap->child; child && count <= CAP_SLICE; child = child->next)
		count++;
	return count <= CAP_SLICE;
}

bool cap_movable(const struct cap_view *view)
{
	bool movable;

	lock_take(&view->object->cap_lock);
	movable = still(view) && few_children(view->cap);
	lock_release(&view->object->cap_lock);
	return movable;
}

handle_t cap_move_reserved(struct unit *unit, const struct cap_view *view)
{
	struct object *object = view->object;
	struct cap *to = slot_take(unit), *from = view->cap;
	bool valid;

	lock_take(&object->cap_lock);
	valid = !unit->object.dead && !object->dead && still(view) && from->flags & CAP_LIVE &&
	        few_children(from);
	if (valid) {
		to->rights = from->rights;
		to->badge = from->badge;
		to->flags = CAP_LIVE;
		to->child = from->child;
		for (struct cap *child = to->child; child; child = child->next)
			child->parent = to;
		link_cap(object, to, from->parent);
		__atomic_store_n(&to->object, object, __ATOMIC_RELEASE);
		from->child = 0;
		unlink_cap(object, from);
		slot_give_back(from);
	}
	lock_release(&object->cap_lock);
	if (!valid) {
		slot_give_back(to);
		return 0;
	}
	return (handle_t)to->generation << 32 | to->index;
}

int64_t cap_delete(const struct cap_view *view)
{
	struct object *object = view->object;
	uint32_t budget = CAP_SLICE;
	int64_t status = E_HANDLE;

	lock_take(&object->cap_lock);
	if (still(view))
		status = end_cap(object, view->cap, &budget) ? E_OK : CALL_RESTART;
	lock_release(&object->cap_lock);
	if (status == E_OK)
		object_release(object);
	return status;
}

/* Ends what hangs from *FIRST, a slice; the references go after the lock. True when there is nothing left. */
static bool end_children(struct object *object, struct cap **first)
{
	uint32_t budget = CAP_SLICE, ended = 0;
	bool done;

	while (*first && budget)
		ended += end_cap(object, *first, &budget);
	done = !*first;
	lock_release(&object->cap_lock);
	while (ended--)
		object_release(object);
	return done;
}

bool cap_revoke_slice(const struct cap_view *view)
{
	lock_take(&view->object->cap_lock);
	if (!still(view)) {
		lock_release(&view->object->cap_lock);
		return true;
	}
	return end_children(view->object, &view->cap->child);
}

bool cap_revoke_all_slice(struct object *object)
{
	lock_take(&object->cap_lock);
	return end_children(object, &object->root);
}

int64_t cap_attach(struct cap *internal, const struct cap_view *view)
{
	*internal = (struct cap){.flags = CAP_INTERNAL, .generation = 1};
	return fill_slot(internal, view->object, 0, 0, view) ? E_OK : E_HANDLE;
}

void cap_detach(struct cap *internal)
{
	struct object *object = __atomic_load_n(&internal->object, __ATOMIC_ACQUIRE);
	uint32_t budget = 1;
	bool ended = false;

	if (!object)
		return;
	lock_take(&object->cap_lock);
	if (internal->object == object)
		ended = end_cap(object, internal, &budget);
	lock_release(&object->cap_lock);
	if (ended)
		object_release(object);
}

struct object *cap_target(const struct cap *internal)
{
	struct object *object = __atomic_load_n(&internal->object, __ATOMIC_ACQUIRE);

	return object && !object->dead && !object->owner->object.dead ? object : 0;
}
