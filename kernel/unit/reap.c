/* The reaper: works off a unit's doomed objects, and frees what nothing refers to once every CPU has forgotten it. See
 * object.h for the life of an object.
 */
#include <calls.h>
#include <cpu.h>
#include <heap.h>
#include <thread.h>
#include "unit.h"

#define GRAVE_BATCH 12u
#define GRAVE_STEP  4u /* freed between two looks for an interrupt: a thread takes over 100 units of work */

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

static void free_some(struct list *graves)
{
	for (uint32_t count = 0; count < GRAVE_STEP && !list_empty(graves); count++) {
		struct object *object = container_of(graves->next, struct object, owned);

		list_remove(&object->owned);
		unit_free(object);
	}
}

/* The next step on the way of UNIT's graves, a batch each time: out of the graveyard into buried[0], from there to buried[1], and
 * freed, a few at a time. Before each step every CPU has left the paths that it was on at the step before; in a round that finds
 * that so nobody waits. After the first, nobody can find a thread any more to put it into a mailbox; those that are in one still
 * begin anew. What a CPU had just taken out of its mailbox then it has let go of after the second. reap_lock held. */
static void bury(struct unit *unit)
{
	cpu_await(unit->grave_ticket);
	free_some(&unit->buried[1]);
	if (!list_empty(&unit->buried[1]))
		return;
	lock_take(&unit->life_lock);
	while (!list_empty(&unit->buried[0])) {
		struct object *object = container_of(unit->buried[0].next, struct object, owned);

		if (object->type == OBJECT_THREAD && ((struct thread *)object)->requests)
			object_entomb(unit, object);
		else
			list_move(&unit->buried[1], &object->owned);
	}
	for (uint32_t count = 0; count < GRAVE_BATCH && !list_empty(&unit->graveyard); count++) {
		list_move(&unit->buried[cpu_count == 1], unit->graveyard.next);
		unit->grave_count--;
	}
	lock_release(&unit->life_lock);
	if (cpu_count > 1)
		unit->grave_ticket = cpu_ticket();
}

/* Whether it is time for that: for a dead unit, and where there is no other CPU, until nothing is left. */
static bool graves_due(const struct unit *unit)
{
	return unit->grave_count > graves_kept ||
	       ((unit->object.dead || cpu_count == 1) &&
	        (unit->grave_count || !list_empty(&unit->buried[0]) || !list_empty(&unit->buried[1])));
}

/* After teardown: nothing of OBJECT is left but its memory, for as long as it is referenced. */
static void object_torn(struct unit *unit, struct object *object)
{
	lock_take(&unit->life_lock);
	unit->doomed_count--;
	if (object->references) {
		object->life = OBJECT_TORN;
		list_move(&unit->torn, &object->owned);
	} else {
		object_entomb(unit, object);
	}
	lock_release(&unit->life_lock);
}

/* Goes on with OBJECT, REAPER's first doomed one; false when it waits for another CPU. */
static bool reap_step(struct unit *unit, struct reaper *reaper, struct object *object)
{
	if (object->root) {
		cap_revoke_all_slice(object); /* a slice of its own */
	} else if (cap_revoke_all_slice(object) && object_teardowns[object->type](object)) {
		object_torn(unit, object);
	} else if (object->type == OBJECT_THREAD || object->type == OBJECT_BUDGET) {
		lock_take(&unit->life_lock);
		list_move(&reaper->doomed, &object->owned); /* the others first */
		lock_release(&unit->life_lock);
		return false; /* what that one asks of this CPU meanwhile comes with an interrupt: unit_reap looks */
	}
	return true;
}

/* Buries while that is due, unless another CPU does; true when preemption is pending. */
static bool bury_all(struct unit *unit)
{
	bool preempted = false;

	if (!lock_try(&unit->reap_lock))
		return false;
	for (; !preempted && graves_due(unit); preempted = preemption_pending())
		bury(unit);
	lock_release(&unit->reap_lock);
	return preempted;
}

bool unit_reap(struct unit *unit)
{
	uint32_t self = cpu_self()->index;
	bool preempted = false;

	graves_kept = cpu_count > 1 ? GRAVE_BATCH - 1 : 0;
	for (uint32_t i = 0; i < CPU_MAX && !preempted; i++) {
		struct reaper *reaper = &unit->reapers[(self + i) % CPU_MAX];
		struct object *object;
		unsigned stuck = 0;

		if (list_empty(&reaper->doomed))
			continue;
		/* Looked at again without the lock: who found it taken has left to this CPU what it doomed since. */
		while (stuck < 2 && !preempted && object_first(unit, &reaper->doomed) &&
		       lock_try(&reaper->lock)) {
			while (stuck < 2 && !preempted && (object = object_first(unit, &reaper->doomed))) {
				stuck += !reap_step(unit, reaper, object);
				preempted = preemption_pending() ||
				            (unit->grave_count >= GRAVE_BATCH && bury_all(unit));
			}
			lock_release(&reaper->lock);
		}
	}
	return !preempted && !bury_all(unit) && !unit->doomed_count && !graves_due(unit);
}

bool object_adopt_slice(struct unit *unit, struct unit *parent)
{
	struct object *object;
	bool none;

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
	/* What another CPU has let go of since the graves were looked at is one; and it may be about to free the last. */
	none = !object && !graves_due(unit) && lock_idle(&unit->reap_lock);
	lock_release(&unit->life_lock);
	return none;
}
