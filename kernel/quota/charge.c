/* Charges of memory: one atomic addition on one word of the unit that pays, never a walk of the tree. */
#include <log.h>
#include <memory.h>
#include <unit.h>

struct unit root_unit;

bool unit_within(const struct unit *unit, const struct unit *ancestor)
{
	if (!unit || unit->depth < ancestor->depth)
		return false;
	for (uint32_t levels = unit->depth - ancestor->depth; levels; levels--)
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

bool unit_charge_caps(struct unit *unit, uint32_t count)
{
	uint32_t used = __atomic_add_fetch(&unit->caps_used, count, __ATOMIC_RELAXED);

	if (used <= unit->caps_quota)
		return true;
	unit_uncharge_caps(unit, count);
	unit->lacked_caps = used - unit->caps_quota;
	return false;
}

void unit_uncharge_caps(struct unit *unit, uint32_t count)
{
	__atomic_sub_fetch(&unit->caps_used, count, __ATOMIC_RELAXED);
}

bool unit_charge_share(struct unit *unit, uint32_t first, uint32_t end, int64_t change)
{
	bool fits = true;

	lock_take(&unit->lock);
	for (uint32_t cpu = first; cpu < end; cpu++)
		fits = fits && unit->cpu_share_used[cpu] + change <= unit->cpu_share;
	for (uint32_t cpu = first; cpu < end && fits; cpu++)
		unit->cpu_share_used[cpu] += (uint32_t)change;
	lock_release(&unit->lock);
	return fits;
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
