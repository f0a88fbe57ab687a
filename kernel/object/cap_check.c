/* Invariants of capabilities: see check.h. */
#include "check.h"
#include "log.h"
#include "table.h"

static const struct cap *next_in_tree(const struct cap *cap)
{
	if (cap->child)
		return cap->child;
	while (cap && !cap->next)
		cap = cap->parent;
	return cap ? cap->next : 0;
}

void cap_check(const struct object *object)
{
	uint32_t count = 0;

	for (const struct cap *cap = object->root; cap; cap = next_in_tree(cap), count++) {
		const struct cap *first = cap->parent ? cap->parent->child : object->root;

		check(cap->object == object);
		check(cap->generation != 0);
		check(!cap->next || cap->next->previous == cap);
		check(!cap->next || cap->next->parent == cap->parent);
		check(cap->previous->next == (cap == first ? 0 : cap));
		check(!cap->child || cap->child->parent == cap);
		check(!(cap->flags & CAP_INTERNAL) || !cap->child);
		if (cap->parent) {
			check(!(cap->rights & ~cap->parent->rights));
			/* What revocation leaves stands behind all else. */
			check(!cap->next || (cap->flags & (CAP_MAPPING | CAP_PASSED)) != CAP_MAPPING ||
			      (cap->next->flags & (CAP_MAPPING | CAP_PASSED)) == CAP_MAPPING);
			check(!cap->parent->badge || cap->badge == cap->parent->badge ||
			      cap->flags & CAP_INTERNAL);
		}
		if (!(cap->flags & CAP_INTERNAL))
			check(slot_at(slot_unit(cap), cap->index) == cap);
	}
	check(object->references >= count);
}

void table_check(struct unit *unit)
{
	uint32_t used = 0, unused = 0, links = 0;

	for (uint32_t page = 0; page < unit->cap_pages; page++) {
		const struct cap *header = slot_at(unit, page * CAP_PAGE_SLOTS);

		check(!header->object && header->badge == (uint64_t)unit && !header->generation);
		for (uint32_t slot = 1; slot < CAP_PAGE_SLOTS; slot++) {
			const struct cap *cap = header + slot;

			if (cap->object)
				used++;
			else
				unused++;
			check(!cap->object || cap->index == page * CAP_PAGE_SLOTS + slot);
		}
	}
	check(unused == unit->cap_free_count);
	for (uint32_t index = unit->cap_free; index; index = slot_at(unit, index)->next_free) {
		check(!slot_at(unit, index)->object);
		check(++links <= unused);
	}
	check(unit->cap_reserved <= unused);
	check(unit->caps_used == used + unit->cap_reserved + unit->caps_children);
	check(unit->caps_used <= unit->caps_quota);
}
