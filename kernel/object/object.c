/* The life of kernel objects: created from a unit's heap, doomed, torn down, freed. See object.h.
 *
 * An object is always in exactly one list of its owner: objects, doomed, torn or graveyard, guarded by the owner's
 * life_lock (its doomed have a list for each CPU), or buried, which is the reap_lock's. The owner changes only when a dead unit's referenced remains go to its parent; who
 * follows object->owner therefore looks again once it has the lock.
 */
#include <cpu.h>
#include "object.h"
#include "unit.h"

static struct unit *owner_lock(struct object *object)
{
	for (;;) {
		struct unit *owner = __atomic_load_n(&object->owner, __ATOMIC_ACQUIRE);

		lock_take(&owner->life_lock);
		if (object->owner == owner)
			return owner;
		lock_release(&owner->life_lock);
	}
}

struct object *object_create(struct unit *owner, enum object_type type, uint32_t size, int64_t *error)
{
	struct object *object = unit_allocate(owner, size);
	bool refused;

	if (!object) {
		*error = E_QUOTA_MEMORY;
		return 0;
	}
	object->type = (uint8_t)type;
	object->bytes = size;
	object->owner = owner;
	object->references = 1;
	lock_take(&owner->life_lock);
	refused = owner->object.dead;
	if (!refused)
		list_append(&owner->objects, &object->owned);
	lock_release(&owner->life_lock);
	if (refused) {
		unit_free(object);
		*error = E_HANDLE;
		return 0;
	}
	return object;
}

bool object_reference(struct object *object)
{
	uint32_t count = __atomic_load_n(&object->references, __ATOMIC_RELAXED);

	while (count && !object->dead)
		if (__atomic_compare_exchange_n(&object->references, &count, count + 1, true,
		                                __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return true;
	return false;
}

void object_entomb(struct unit *owner, struct object *object)
{
	object->life = OBJECT_GRAVE;
	list_move(&owner->graveyard, &object->owned);
	owner->grave_count++;
}

void object_doom(struct object *object)
{
	struct unit *owner;

	object->dead = 1;
	owner = owner_lock(object);
	if (object->life == OBJECT_LIVE) {
		object->life = OBJECT_DOOMED;
		list_move(&owner->reapers[cpu_self()->index].doomed, &object->owned);
		owner->doomed_count++;
	} else if (object->life == OBJECT_TORN && !object->references) {
		object_entomb(owner, object);
	}
	lock_release(&owner->life_lock);
}

void object_release(struct object *object)
{
	if (!__atomic_sub_fetch(&object->references, 1, __ATOMIC_ACQ_REL))
		object_doom(object);
}
