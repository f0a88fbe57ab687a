/* Kernel objects and the capabilities that name them.
 *
 * Every object begins with a struct object. Its memory comes from the heap of one unit, its owner. It lives
 * while something refers to it: capabilities, mappings, waiting threads. Its end comes in three steps: doomed
 * the last reference went, or the owner dies: `dead` is set, it is queued on owner's doomed; torn unit_reap
 * has killed its capabilities and run its type's teardown, in slices; free     no reference is left and every
 * CPU has left the kernel path it was on (graveyard, buried).
 *
 * All capabilities of one object form one tree: derived below what they were derived from. The tree is
 * guarded by the object's cap_lock. A capability is dead when its object is, or when its object's owner is.
 *
 * An object pointer got from a lookup stays valid until the CPU leaves the kernel or passes a preemption
 * point. Hot paths therefore take no references. Whoever stores the pointer for longer takes one
 * (object_reference), which fails on an object that has begun to go.
 */
#pragma once

#include <holon/types.h>
#include "list.h"
#include "lock.h"

struct unit;

enum object_life { OBJECT_LIVE = 0, OBJECT_DOOMED, OBJECT_TORN, OBJECT_GRAVE };

struct object {
	uint8_t type;          /* enum object_type */
	volatile uint8_t dead; /* no new use; set before teardown begins */
	uint8_t life;          /* enum object_life, guarded by owner->life_lock */
	struct lock cap_lock;
	uint32_t bytes; /* as allocated */
	struct unit *owner;
	struct list owned;            /* in owner->objects, doomed, torn, graveyard or buried: see object.c */
	struct cap *root;             /* the capabilities without a parent: siblings; 0 when none is left */
	volatile uint32_t references; /* capabilities + kernel-internal references */
};

/* One slot of a unit's capability table, or a capability the kernel itself holds (cap_attach). */
struct cap {
	struct object *object; /* 0: free slot */
	uint64_t badge;
	union {
		struct {
			uint32_t index;      /* of this slot in its table */
			uint32_t generation; /* of the slot: bumped on every release, never 0 */
		};
		handle_t handle; /* the two as a handle has them */
	};
	uint16_t rights;
	uint16_t flags;                               /* enum cap_flags */
	uint32_t next_free;                           /* free slots: index of the next */
	struct cap *parent, *child, *next, *previous; /* derivation: first child, siblings */
};
_Static_assert(sizeof(struct cap) == 64, "a capability slot is one cache line");

enum cap_flags {
	CAP_LIVE = 1,     /* may be looked up and derived from */
	CAP_INTERNAL = 2, /* embedded in a kernel object: not in a table; its badge is the kernel's to use */
	CAP_MAPPING = 4,  /* internal: a mapping, badge: struct space; ends when it is unmapped */
	CAP_PASSED = 8,   /* a mapping whose maker's capability has ended */
	CAP_LEASH = 16,   /* internal: the object in its badge ends with it */
};

/* What a lookup found: a copy, so that it stays what was checked even if the slot changes meanwhile. */
struct cap_view {
	struct object *object;
	uint64_t badge;
	struct cap *cap;
	uint32_t generation;
	uint16_t rights;
};

/* Looks up HANDLE in the table of UNIT: E_OK with *VIEW filled if the object lives, has TYPE (OBJECT_NONE:
 * any) and the capability all of RIGHTS; else E_HANDLE, E_TYPE or E_RIGHTS. O(1), no lock: the slot's
 * generation is checked before and after. */
int64_t cap_lookup(struct unit *unit, handle_t handle, enum object_type type, uint16_t rights,
                   struct cap_view *view);
/* As above; also finds capabilities to dead objects and those half deleted (to go on with their end). */
int64_t cap_lookup_dead(struct unit *unit, handle_t handle, enum object_type type, uint16_t rights,
                        struct cap_view *view);

/* Allocates an object of SIZE bytes from OWNER's heap, zeroed, with one reference: the creator's, which
 * cap_insert with parent 0 does not take over (so: create, insert, release). 0 and *ERROR when the quota
 * lacks it or OWNER is dead. */
struct object *object_create(struct unit *owner, enum object_type type, uint32_t size, int64_t *error);
/* Takes a reference; false: the object has begun to go. */
bool object_reference(struct object *object);
/* Drops one; the last one dooms the object. Any lock but a unit's life_lock and heap_lock may be held. */
void object_release(struct object *object);
/* Sets dead and queues the object on its owner's doomed list, or, torn and unreferenced, on its graveyard; unless it is
 * there or further. */
void object_doom(struct object *object);
/* Nothing refers to OBJECT any more, and it is torn. OWNER's life_lock held. */
void object_entomb(struct unit *owner, struct object *object);

/* Puts a new capability into UNIT's table; PARENT 0 makes it the object's root. Returns the handle or an
 * error: E_HANDLE when the parent was revoked since it was looked up, E_QUOTA_CAPS, E_QUOTA_MEMORY. BADGE is
 * set where the parent has none, else the parent's stays. RIGHTS are cut to the parent's. */
int64_t cap_insert(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge,
                   const struct cap_view *parent);
/* Reserve-then-commit for paths that must not fail after their point of no return: takes COUNT from UNIT's
 * quota and promises as many slots. E_OK, E_QUOTA_CAPS, E_QUOTA_MEMORY, E_HANDLE (UNIT is dead). */
int64_t cap_reserve(struct unit *unit, uint32_t count);
void cap_unreserve(struct unit *unit, uint32_t count);
/* As cap_insert, out of the reserve. 0 when the parent was revoked meanwhile or UNIT died (its slot is
 * unreserved). */
handle_t cap_insert_reserved(struct unit *unit, struct object *object, uint16_t rights, uint64_t badge,
                             const struct cap_view *parent);
/* Moves the capability VIEW (of another unit or the same) into UNIT's reserve, keeping its place in the
 * derivation tree; rights as they are. 0 as above, or when it has more than CAP_SLICE children. */
#define CAP_SLICE 20u
handle_t cap_move_reserved(struct unit *unit, const struct cap_view *view);
/* Deletes one capability; its children become its parent's. E_OK, CALL_RESTART while there are many children
 * (it can no longer be used, but be found by cap_lookup_dead), E_HANDLE when it is gone already. */
int64_t cap_delete(const struct cap_view *view);
/* Ends all that was derived from VIEW, mappings made with it and objects on a leash to it included, at most a
 * slice of that; what VIEW's holder mapped with VIEW stays. True when nothing is left. */
bool cap_revoke_slice(const struct cap_view *view);
/* Ends any capabilities and mappings of a dead object, at most a slice of them; true when none is left. */
bool cap_revoke_all_slice(struct object *object);
/* The kernel's own use of a capability for longer than a call: INTERNAL becomes a child of VIEW and dies with
 * it. KIND: 0, CAP_MAPPING or CAP_LEASH. cap_target: the object, or 0 when it was revoked, deleted or died; guarded
 * like a lookup. */
int64_t cap_attach(struct cap *internal, const struct cap_view *view, enum cap_flags kind, uint64_t badge);
void cap_detach(struct cap *internal);
struct object *cap_target(const struct cap *internal);

/* Mappings. The space's lock is held, so they stay, but may be passed on. UPPER becomes a second one of the same
 * origin. */
void cap_split(struct cap *upper, const struct cap *mapping);
bool cap_same_origin(const struct cap *mapping, const struct cap *other); /* of one object */
bool cap_made_with(const struct cap *mapping, const struct cap_view *view);
/* Takes the mapping out; its reference to the object is the caller's now. */
void cap_drop(struct cap *mapping);
/* The mapping, and its space, that cap_revoke_slice of VIEW has come to; 0 none. May be gone at once. */
struct cap *cap_first_mapping(const struct cap_view *view, uint64_t *space);
/* Unmaps a slice of it: memory/ stands above, and is told by call/. */
extern void (*cap_unmap_first)(const struct cap_view *view);
