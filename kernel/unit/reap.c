/* The reaper: works off a unit's doomed objects, and frees what nothing refers to once every CPU has forgotten it. See
 * object.h for the life of an object.
 */
#include <calls.h>
#include <cpu.h>
#include <heap.h>
#include <thread.h>
#include "unit.h"

#define GRAVE_BATCH 12u

uint32_t graves_kept;
object_teardown *const *object_teardowns; /* by type */

struct object *object_first(struct unit *unit, struct list *list)
{
	struct object *object = 0;

	lock_take(&unit->life_lock);
	if (!list_empty(list))
		object = container_of(list->next, struct object, owned);
	lock_release(&unit->life_lock);
	return object;
}

/* After all CPUs have left the paths on which they could find the threads in BATCH: puts back those that are
 * in a mailbox still. What a CPU has just taken out of its mailbox it lets go of before it answers again. */
static void spare_threads(struct unit *unit, struct list *batch)
{
	struct list *node, *next;
	bool threads = false;

	lock_take(&unit->life_lock);
	for (node = batch->next; node != batch; node = next) {
		struct object *object = container_of(node, struct object, owned);

		next = node->next;
		if (object->type != OBJECT_THREAD)
			continue;
		threads = true;
		if (((struct thread *)object)->requests)
			object_entomb(unit, object);
	}
	lock_release(&unit->life_lock);
	if (threads)
		cpu_quiesce();
}

/* Frees a batch of the graveyard once every CPU has forgotten it. reap_lock held. */
static void bury(struct unit *unit)
{
	struct list batch;
	uint32_t count = 0;

	list_init(&batch);
	lock_take(&unit->life_lock);
	for (; count < GRAVE_BATCH && !list_empty(&unit->graveyard); count++)
		list_move(&batch, unit->graveyard.next);
	unit->grave_count -= count;
	lock_release(&unit->life_lock);
	if (!count)
		return;
	if (cpu_count > 1) {
		cpu_quiesce();
		spare_threads(unit, &batch);
	}
	while (!list_empty(&batch)) {
		struct object *object = container_of(batch.next, struct object, owned);

		list_remove(&object->owned);
		unit_free(object);
	}
}

/* After teardown: nothing of OBJECT is left but its memory, for as long as it is referenced. */
static void object_torn(struct unit *unit, struct object *object)
{
	lock_take(&unit->life_lock);
	if (object->references) {
		object->life = OBJECT_TORN;
		list_move(&unit->torn, &object->owned);
	} else {
		object_entomb(unit, object);
	}
	lock_release(&unit->life_lock);
}

/* Goes on with OBJECT, the first doomed one; false when it waits for another CPU. */
static bool reap_step(struct unit *unit, struct object *object)
{
	if (object->root) {
		cap_revoke_all_slice(object); /* a slice of its own */
	} else if (cap_revoke_all_slice(object) && object_teardowns[object->type](object)) {
		object_torn(unit, object);
	} else if (object->type == OBJECT_THREAD || object->type == OBJECT_BUDGET) {
		lock_take(&unit->life_lock);
		list_move(&unit->doomed, &object->owned); /* the others first */
		lock_release(&unit->life_lock);
		cpu_serve(cpu_self());
		return false;
	}
	return true;
}

bool unit_reap(struct unit *unit)
{
	struct object *object;
	bool preempted = false;

	if (!lock_try(&unit->reap_lock))
		return false;
	graves_kept = cpu_count > 1 ? GRAVE_BATCH - 1 : 0;
	for (unsigned stuck = 0; stuck < 2 && !preempted; preempted = preemption_pending()) {
		object = object_first(unit, &unit->doomed);
		if (unit->grave_count >= GRAVE_BATCH ||
		    (!object && unit->grave_count && (unit->grave_count > graves_kept || unit->object.dead)))
			bury(unit);
		else if (!object)
			break;
		else
			stuck += !reap_step(unit, object);
	}
	lock_release(&unit->reap_lock);
	return !unit_has_doomed(unit);
}

bool object_adopt_slice(struct unit *unit, struct unit *parent)
{
	struct object *object;

	/* Both life_locks, the child's first: the only place that takes two. */
	lock_take(&unit->life_lock);
	object = list_empty(&unit->torn) ? 0 : container_of(unit->torn.next, struct object, owned);
	if (object) {
		lock_take(&parent->life_lock);
		/* What was carved out for the child is now the parent's own use. */
		if (heap_adopt(parent, object)) {
			unit_uncharge(unit, PAGE_SIZE_BYTES);
			unit->memory_quota -= PAGE_SIZE_BYTES;
			parent->memory_children -= PAGE_SIZE_BYTES;
		}
		__atomic_store_n(&object->owner, parent, __ATOMIC_RELEASE);
		list_move(&parent->torn, &object->owned);
		lock_release(&parent->life_lock);
	}
	lock_release(&unit->life_lock);
	return !object;
}
