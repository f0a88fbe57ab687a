/* Invariants of units: see check.h. */
#include "check.h"
#include "log.h"
#include "thread.h"

static uint32_t check_list(struct unit *unit, const struct list *list, enum object_life life)
{
	uint32_t count = 0;

	for (const struct list *node = list->next; node != list; node = node->next, count++) {
		const struct object *object = container_of(node, const struct object, owned);

		check(node->next->previous == node);
		check(object->owner == unit);
		check(object->life == life);
		check(life == OBJECT_LIVE || object->dead);
		check(life != OBJECT_LIVE || object->references);
	}
	return count;
}

void unit_check(struct unit *unit)
{
	uint64_t memory = 0;
	uint32_t caps = 0, threads = 0, doomed = 0;
	uint64_t share = 0;

	check_list(unit, &unit->objects, OBJECT_LIVE);
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
		doomed += check_list(unit, &unit->reapers[cpu].doomed, OBJECT_DOOMED);
	check(doomed == unit->doomed_count);
	check_list(unit, &unit->torn, OBJECT_TORN);
	check(check_list(unit, &unit->graveyard, OBJECT_GRAVE) == unit->grave_count);
	check_list(unit, &unit->buried[0], OBJECT_GRAVE);
	check_list(unit, &unit->buried[1], OBJECT_GRAVE);
	for (struct list *node = unit->children.next; node != &unit->children; node = node->next) {
		struct unit *child = container_of(node, struct unit, sibling);

		check(child->parent == unit && child->depth == unit->depth + 1);
		check(child->priority_max <= unit->priority_max);
		check(!(child->flags & ~unit->flags));
		check(child->object.dead ||
		      (child->frozen & UNIT_FROZEN) == (child->frozen_self || unit->frozen & UNIT_FROZEN));
		memory += child->memory_quota;
		caps += child->caps_quota;
		share += child->cpu_share;
	}
	for (struct list *node = unit->threads.next; node != &unit->threads; node = node->next) {
		check(container_of(node, struct thread, unit_node)->unit == unit);
		threads++;
	}
	check(threads == unit->live_threads);
	check(memory == unit->memory_children);
	check(caps == unit->caps_children);
	check(unit->memory_used <= unit->memory_quota);
	check(unit->memory_used >= memory);
	for (unsigned i = 0; i < CPU_MAX; i++)
		check(unit->cpu_share_used[i] >= share && unit->cpu_share_used[i] <= unit->cpu_share);
}
