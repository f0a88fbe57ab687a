/* Charges of memory: one atomic addition on one word of the unit that pays, never a walk of the tree. */
#include <log.h>
#include <memory.h>
#include <unit.h>

struct unit root_unit;

bool unit_within(const struct unit *unit, const struct unit *ancestor)
{
	while (unit && unit != ancestor && unit->depth > ancestor->depth)
		unit = unit->parent;
	return unit == ancestor;
}

bool unit_charge(struct unit *unit, uint64_t bytes)
{
	uint64_t used = __atomic_add_fetch(&unit->memory_used, bytes, __ATOMIC_RELAXED);
	uint64_t quota = unit->memory_quota;

	if (__builtin_expect(used <= quota, 1))
		return true;
	__atomic_sub_fetch(&unit->memory_used, bytes, __ATOMIC_RELAXED);
	unit->lacked_memory = used - quota;
	return false;
}

void unit_uncharge(struct unit *unit, uint64_t bytes)
{
	check_debug(unit->memory_used >= bytes);
	__atomic_sub_fetch(&unit->memory_used, bytes, __ATOMIC_RELAXED);
}

physical_t unit_frame(struct unit *unit, bool zeroed)
{
	physical_t frame;

	if (!unit_charge(unit, PAGE_SIZE_BYTES))
		return 0;
	frame = zeroed ? frame_allocate() : frame_allocate_dirty();
	if (!frame)
		unit_uncharge(unit, PAGE_SIZE_BYTES);
	return frame;
}

void unit_frame_free(struct unit *unit, physical_t frame)
{
	frame_free(frame);
	unit_uncharge(unit, PAGE_SIZE_BYTES);
}
