/* System calls on spaces. */
#include "calls.h"
#include "space.h"
#include "thread.h"
#include "unit.h"

#define MAP_ACCESS (MAP_READ | MAP_WRITE | MAP_EXECUTE)

static int64_t space_of(struct thread *self, handle_t handle, struct space **space)
{
	struct cap_view view;
	int64_t status = cap_lookup(self->unit, handle, OBJECT_SPACE, RIGHT_MANAGE, &view);

	*space = (struct space *)view.object;
	return status;
}

/* [address, address + bytes) is aligned, not empty and in SPACE's half. */
static bool in_space(const struct space *space, uint64_t address, uint64_t bytes)
{
	uint64_t end = address + bytes;

	if ((address | bytes) % PAGE_SIZE_BYTES || !bytes || end < address || end > USER_END)
		return false;
	if (space->kind == SPACE_NATIVE)
		return address >= NATIVE_BASE && end <= NATIVE_END;
	return address && (end <= NATIVE_BASE || address >= NATIVE_END);
}

static int64_t check_access(const struct space *space, uint64_t access)
{
	if ((access & (MAP_WRITE | MAP_EXECUTE)) == (MAP_WRITE | MAP_EXECUTE) &&
	    (space->kind == SPACE_NATIVE || !(space->object.owner->flags & UNIT_WX)))
		return E_WX;
	/* No processor here writes or executes what it may not read. */
	return access && !(access & MAP_READ) ? E_ARGUMENT : E_OK;
}

int64_t sys_space_create(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct space *space, *native = 0;
	struct unit *unit;
	int64_t status = call_charged_unit(self, args[1], &unit);

	(void)second;
	if (status < 0)
		return status;
	if (args[0] != SPACE_NATIVE && args[0] != SPACE_GUEST)
		return E_ARGUMENT;
	if (args[0] == SPACE_GUEST) {
		/* It shows its personality's native half, so it must not outlive that. */
		if (!unit_within(unit, self->space->object.owner))
			return E_STATE;
		native = self->space;
	}
	space = space_create(unit, (enum space_kind)args[0], native, &status);
	return space ? call_result_object(self, &space->object, RIGHT_ALL) : status;
}

int64_t sys_space_map(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	uint64_t address = args[1], bytes = args[4], flags = args[5], page;
	struct space *space;
	struct memory *memory;
	struct cap_view view;
	uint16_t need = 0;
	int64_t status = space_of(self, args[0], &space);

	(void)second;
	if (status == E_OK)
		status = cap_lookup(self->unit, args[2], OBJECT_MEMORY, 0, &view);
	if (status != E_OK)
		return status;
	memory = (struct memory *)view.object;
	if (flags & ~(uint64_t)(MAP_ACCESS | MAP_POPULATE | MAP_REPLACE) ||
	    !in_space(space, address, bytes) || args[3] % PAGE_SIZE_BYTES)
		return E_ARGUMENT;
	status = check_access(space, flags & MAP_ACCESS);
	if (status < 0)
		return status;
	need |= flags & MAP_READ ? RIGHT_READ : 0;
	need |= flags & MAP_WRITE ? RIGHT_WRITE : 0;
	need |= flags & MAP_EXECUTE ? RIGHT_EXECUTE : 0;
	if ((view.rights & need) != need)
		return E_RIGHTS;
	page = args[3] / PAGE_SIZE_BYTES;
	/* Beyond the end is allowed, for objects that grow: there it faults. But a page number must not wrap.
	 */
	if (page > MEMORY_PAGES_MAX)
		return E_ARGUMENT;
	while (self->progress < bytes) {
		status = space_map_slice(
		    space, address, memory, page, bytes / PAGE_SIZE_BYTES, (uint32_t)flags,
		    view.rights & (RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE), &self->progress);
		if (status < 0 && status != CALL_RESTART)
			return status;
		if (status == CALL_RESTART && preemption_pending())
			return CALL_RESTART;
	}
	if (flags & MAP_POPULATE) {
		/* Progress goes on behind the range's end. */
		while (self->progress < 2 * bytes) {
			self->progress +=
			    space_populate(space, address + (self->progress - bytes), address + bytes);
			if (self->progress < 2 * bytes && preemption_pending())
				return CALL_RESTART;
		}
	}
	return E_OK;
}

int64_t sys_space_unmap(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct space *space;
	int64_t status = space_of(self, args[0], &space);

	(void)second;
	if (status < 0)
		return status;
	if (!in_space(space, args[1], args[2]))
		return E_ARGUMENT;
	do {
		status = space_unmap_slice(space, args[1], args[1] + args[2]);
	} while (status == CALL_RESTART && !preemption_pending());
	return status;
}

int64_t sys_space_protect(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct space *space;
	int64_t status = space_of(self, args[0], &space);

	(void)second;
	if (status < 0)
		return status;
	if (!in_space(space, args[1], args[2]) || args[3] & ~(uint64_t)MAP_ACCESS)
		return E_ARGUMENT;
	status = check_access(space, args[3]);
	if (status < 0)
		return status;
	do {
		status = space_protect_slice(space, args[1], args[1] + args[2], (uint32_t)args[3],
		                             &self->progress);
	} while (status == CALL_RESTART && !preemption_pending());
	return status;
}
