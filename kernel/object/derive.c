/* Derivation: the tree of an object's capabilities, and what makes and ends them.
 *
 * Guarded by object->cap_lock. A capability that ends passes its children on to its parent, CAP_SLICE of them
 * at a time; until that is done it stays in the tree without CAP_LIVE. Revocation ends the first child until
 * there is none: each descendant moves up once and is then ended, so n descendants cost O(n), whatever the
 * shape of the tree, and no recursion. Capabilities without a parent hang from object->root.
 *
 * A mapping is a child of the capability it was made with. Among siblings, those stand last: they are what the
 * parent's holder mapped itself, and revocation, which goes on from the front, leaves them. One that is passed
 * on stands in front like any descendant (CAP_PASSED).
 */
#include "calls.h"
#include "table.h"
#include "unit.h"

/*@ requires \valid(object) && (parent == \null || \valid(parent));
    assigns \nothing;
    ensures \valid(\result) && \result == (parent != \null ? &parent->child : &object->root);
*/
static struct cap **children_of(struct object *object, struct cap *parent)
{
	return parent ? &parent->child : &object->root;
}

/* A mapping made with PARENT itself, not passed on to it. */
/*@ requires \valid_read(cap);
    assigns \nothing;
    ensures \result <==> (cap->flags & (CAP_MAPPING | CAP_PASSED)) == CAP_MAPPING;
*/
static bool is_own_mapping(const struct cap *cap)
{
	return (cap->flags & (CAP_MAPPING | CAP_PASSED)) == CAP_MAPPING;
}

/* In a list of siblings the first one's `previous` is the last. */
static void link_cap(struct object *object, struct cap *cap, struct cap *parent)
{
	struct cap **first = children_of(object, parent), *head = *first;

	cap->parent = parent;
	cap->previous = head ? head->previous : cap;
	cap->next = 0;
	if (head)
		head->previous = cap;
	if (head && is_own_mapping(cap)) {
		cap->previous->next = cap;
	} else {
		cap->next = head;
		*first = cap;
	}
}

static void unlink_cap(struct object *object, struct cap *cap)
{
	struct cap **first = children_of(object, cap->parent);

	if (*first == cap)
		*first = cap->next;
	else
		cap->previous->next = cap->next;
	if (cap->next)
		cap->next->previous = cap->previous;
	else if (*first)
		(*first)->previous = cap->previous;
	cap->parent = cap->next = cap->previous = 0;
}

/* Goes on with the end of CAP: true when it is gone. *BUDGET: links that may be touched. cap_lock held. */
static bool end_cap(struct object *object, struct cap *cap, uint32_t *budget)
{
	cap->flags &= (uint16_t)~CAP_LIVE;
	while (cap->child && *budget) {
		struct cap *child = cap->child;

		unlink_cap(object, child);
		if (child->flags & CAP_MAPPING)
			child->flags |= CAP_PASSED;
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

/*@ requires \valid_read(view) && (view->cap == \null || \valid_read(view->cap));
    assigns \nothing;
    ensures \result <==> view->cap == \null || view->cap->object == view->object && view->cap->generation == view->generation;
*/
/* The capability is what was looked up; without one, VIEW is the object's root. */
static bool still(const struct cap_view *view)
{
	const struct cap *cap = view->cap;

	return !cap || (cap->object == view->object && cap->generation == view->generation);
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
		if (!(cap->flags & CAP_INTERNAL))
			cap->badge = parent && parent->cap->badge ? parent->cap->badge : badge;
		cap->flags |= CAP_LIVE;
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
	int64_t status = cap_reserve(unit, 1);
	handle_t handle;

	if (status < 0)
		return status;
	handle = cap_insert_reserved(unit, object, rights, badge, parent);
	return handle ? (int64_t)handle : E_HANDLE;
}

/* At most CAP_SLICE children. cap_lock held. */
static bool few_children(const struct cap *cap)
{
	uint32_t count = 0;

	for (const struct cap *child = cap->child; child && count <= CAP_SLICE; child = child->next)
		count++;
	return count <= CAP_SLICE;
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

void (*cap_unmap_first)(const struct cap_view *view);

/* What stands first below VIEW and has to go; 0: nothing. cap_lock held. */
static struct cap *first_below(const struct cap_view *view)
{
	struct cap *first = still(view) ? *children_of(view->object, view->cap) : 0;

	return first && view->cap && is_own_mapping(first) ? 0 : first;
}

struct cap *cap_first_mapping(const struct cap_view *view, uint64_t *badge)
{
	struct cap *first;

	lock_take(&view->object->cap_lock);
	first = first_below(view);
	first = first && first->flags & CAP_MAPPING ? first : 0;
	*badge = first ? first->badge : 0;
	lock_release(&view->object->cap_lock);
	return first;
}

/* A slice of the end of OBJECT, which lives by LEASH, a capability of another one. Calls itself where more are on a
 * leash to it: MEMORY_DEPTH_MAX times at most. */
static void end_leashed(struct object *object, struct cap *leash)
{
	object_doom(object);
	if (cap_revoke_all_slice(object))
		cap_detach(leash);
}

bool cap_revoke_slice(const struct cap_view *view)
{
	struct object *object = view->object, *leashed = 0;
	uint32_t budget = CAP_SLICE, ended = 0;
	struct cap *first;

	lock_take(&object->cap_lock);
	while ((first = first_below(view)) && budget && !(first->flags & (CAP_MAPPING | CAP_LEASH)))
		ended += end_cap(object, first, &budget);
	if (first && first->flags & CAP_LEASH)
		leashed = (struct object *)first->badge;
	lock_release(&object->cap_lock);
	while (ended--)
		object_release(object);
	if (leashed)
		end_leashed(leashed, first);
	else if (first && first->flags & CAP_MAPPING)
		cap_unmap_first(view);
	return !first;
}

bool cap_revoke_all_slice(struct object *object)
{
	return cap_revoke_slice(&(struct cap_view){.object = object});
}

int64_t cap_attach(struct cap *internal, const struct cap_view *view, enum cap_flags kind, uint64_t badge)
{
	*internal = (struct cap){.flags = (uint16_t)(CAP_INTERNAL | kind), .generation = 1, .badge = badge};
	return fill_slot(internal, view->object, view->rights, 0, view->cap ? view : 0) ? E_OK : E_HANDLE;
}

void cap_split(struct cap *upper, const struct cap *mapping)
{
	struct object *object = mapping->object;

	lock_take(&object->cap_lock);
	*upper = *mapping;
	link_cap(object, upper, mapping->parent);
	__atomic_add_fetch(&object->references, 1, __ATOMIC_RELAXED);
	lock_release(&object->cap_lock);
}

bool cap_same_origin(const struct cap *mapping, const struct cap *other)
{
	struct object *object = mapping->object;
	bool same;

	lock_take(&object->cap_lock);
	same = mapping->parent == other->parent && mapping->rights == other->rights &&
	       is_own_mapping(mapping) == is_own_mapping(other);
	lock_release(&object->cap_lock);
	return same;
}

bool cap_made_with(const struct cap *mapping, const struct cap_view *view)
{
	struct object *object = mapping->object;
	bool made;

	lock_take(&object->cap_lock);
	made = view->cap && object == view->object && still(view) && mapping->parent == view->cap &&
	       is_own_mapping(mapping);
	lock_release(&object->cap_lock);
	return made;
}

void cap_drop(struct cap *mapping)
{
	struct object *object = mapping->object;

	lock_take(&object->cap_lock);
	unlink_cap(object, mapping);
	lock_release(&object->cap_lock);
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
