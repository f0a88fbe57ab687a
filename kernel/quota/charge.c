/* Charges of memory: one atomic addition on one word of the unit that pays, never a walk of the tree. */
#include <log.h>
#include <unit.h>

bool unit_charge(struct unit *unit, uint64_t bytes)
{
	uint64_t used = __atomic_add_fetch(&unit->memory_used, bytes, __ATOMIC_RELAXED);
	uint64_t quota = unit->memory_quota;

	if (__builtin_expect(used <= quota || (!unit->parent && !quota), 1))
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
