/* Kernel objects and the capabilities that name them.
 *
 * Every object begins with a struct object. It is charged to one unit, its owner, and lives while something refers to
 * it: capabilities, mappings, waiting threads. When its owner dies its epoch is bumped at once, so that every
 * capability to it is dead, and the memory follows in slices.
 *
 * All capabilities of one object form one tree: derived below what they were derived from. The tree is guarded by the
 * object's cap_lock.
 *
 * An object pointer got from a lookup stays valid until the CPU leaves the kernel or passes a preemption point: an
 * object's memory is freed only after every CPU has done so since it became unreachable (object_free_deferred). Hot
 * paths therefore take no references.
 */
#pragma once

#include <holon/types.h>
#include "list.h"
#include "lock.h"

struct unit;

struct object {
	uint8_t type;           /* enum object_type */
	volatile uint8_t dead;  /* no new use; set before teardown begins */
	struct lock cap_lock;
	uint32_t bytes;         /* charged to the owner when created */
	struct unit *owner;
	struct list owned;      /* in owner->objects, guarded by owner->lock */
	struct cap *root;       /* the first capability: the tree's root; 0 when none is left */
	volatile uint32_t references; /* capabilities + kernel-internal references */
	struct object *next_free;     /* deferred freeing */
};

/* One slot of a unit's capability table; 64 bytes. */
struct cap {
	struct object *object; /* 0: free slot */
	uint64_t badge;
	uint32_t generation; /* of the slot: bumped on every release, never 0 */
	uint16_t rights;
	uint16_t flags;
	struct cap *parent, *child, *next, *previous; /* derivation: first child, siblings */
	uint32_t index;      /* of this slot in its table */
	uint32_t next_free;  /* free slots: index of the next */
};
_Static_assert(sizeof(struct cap) <= 72, "a capability slot stays small");

/* Looks up HANDLE in the table of UNIT: the object if it has TYPE and all of RIGHTS. On failure returns 0 and sets
 * *ERROR. Reads only; O(1); no lock (a slot's generation is checked before and after). */
struct cap *cap_lookup(struct unit *unit, handle_t handle, enum object_type type, uint16_t rights, int64_t *error);

/* Allocates an object of SIZE bytes charged to OWNER, zeroed, with one reference. 0 and *ERROR when the quota lacks it. */
struct object *object_create(struct unit *owner, enum object_type type, uint32_t size, int64_t *error);
void object_reference(struct object *object);
/* Drops one; the last one destroys the object (its type's *_destroy) and defers the freeing of its memory. */
void object_release(struct object *object);
/* Frees OBJECT's memory once every CPU has left whatever kernel path it was on. */
void object_free_deferred(struct object *object);

/* Puts a new capability into UNIT's table; PARENT 0 makes it the object's root. Returns the handle or an error. */
int64_t cap_insert(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge, struct cap *parent);
/* Reserve-then-commit for paths that must not fail after their point of no return: takes N free slots of UNIT. */
int64_t cap_reserve(struct unit *unit, uint32_t count);
void cap_unreserve(struct unit *unit, uint32_t count);
/* As cap_insert, out of the reserve; cannot fail. */
handle_t cap_insert_reserved(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge, struct cap *parent);
/* Moves CAP (of another unit or the same) into UNIT's reserve, keeping its place in the derivation tree. */
handle_t cap_move_reserved(struct unit *unit, struct cap *cap);
void cap_delete(struct unit *unit, struct cap *cap);
/* Kills descendants, at most a slice of them; true when none is left. */
bool cap_revoke_slice(struct cap *cap);
