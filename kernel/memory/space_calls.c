/* System calls on spaces. */
#include "calls.h"
#include "space.h"
#include "thread.h"
#include "unit.h"

#define MAP_ACCESS (MAP_READ | MAP_WRITE | MAP_EXECUTE)

/*@ requires \valid_read(space);
    assigns \nothing;
    ensures \result ==> address % PAGE_SIZE_BYTES == 0 && bytes % PAGE_SIZE_BYTES == 0 && 0 < bytes;
    ensures \result && space->kind == SPACE_NATIVE ==> NATIVE_BASE <= address && address + bytes <= NATIVE_END;
    ensures \result && space->kind != SPACE_NATIVE ==>
      0 < address && (address + bytes <= NATIVE_BASE || NATIVE_END <= address && address + bytes <= USER_END);
*/
/* [address, address + bytes) is aligned, not empty and in SPACE's half. */
static bool in_space(const struct space *space, uint64_t address, uint64_t bytes)
{
	uint64_t end;

	if (address % PAGE_SIZE_BYTES || bytes % PAGE_SIZE_BYTES || !bytes || address > USER_END ||
	    bytes > USER_END - address)
		return false;
	end = address + bytes;
	if (space->kind == SPACE_NATIVE)
		return address >= NATIVE_BASE && end <= NATIVE_END;
	return address && (end <= NATIVE_BASE || address >= NATIVE_END);
}

/*@ requires \valid_read(space) && \valid_read(space->object.owner);
    assigns \nothing;
    ensures \result == E_OK && space->kind == SPACE_NATIVE ==> (access & (MAP_WRITE | MAP_EXECUTE)) != (MAP_WRITE | MAP_EXECUTE);
    ensures \result == E_OK && access != 0 ==> (access & MAP_READ) != 0;
*/
static int64_t check_access(const struct space *space, uint64_t access)
{
	if ((access & (MAP_WRITE | MAP_EXECUTE)) == (MAP_WRITE | MAP_EXECUTE) &&
	    (space->kind == SPACE_NATIVE || !(space->object.owner->flags & UNIT_WX)))
		return E_WX;
	/* No processor here writes or executes what it may not read. */
	return access && !(access & MAP_READ) ? E_ARGUMENT : E_OK;
}

int64_t sys_space_create(struct call *call, uint64_t kind, struct unit *unit)
{
	struct space *space, *native = 0;
	int64_t status;

	if (kind != SPACE_NATIVE && kind != SPACE_GUEST)
		return E_ARGUMENT;
	if (kind == SPACE_GUEST) {
		/* It shows its personality's native half, so it must not outlive that. */
		native = call->self->space;
		if (!unit_within(unit, native->object.owner))
			return E_STATE;
	}
	space = space_create(unit, (enum space_kind)kind, native, &status);
	return space ? call_result_object(call, &space->object, RIGHT_ALL) : status;
}

int64_t sys_space_map(struct call *call, struct space *space, uint64_t address, struct memory *memory,
                      uint64_t offset, uint64_t bytes, uint64_t flags)
{
	uint64_t page = offset / PAGE_SIZE_BYTES, *progress = &call->self->progress;
	uint16_t rights = call->caps[2].rights;
	int64_t status;

	/* Beyond the end is allowed, for objects that grow: there it faults. But a page number must not wrap.
	 */
	if (flags & ~(uint64_t)(MAP_ACCESS | MAP_POPULATE | MAP_REPLACE) ||
	    !in_space(space, address, bytes) || offset % PAGE_SIZE_BYTES || page > MEMORY_PAGES_MAX)
		return E_ARGUMENT;
	status = check_access(space, flags & MAP_ACCESS);
	if (status < 0)
		return status;
	if (flags & MAP_ACCESS & ~(uint64_t)rights)
		return E_RIGHTS;
	if (*progress < bytes) {
		status = space_map_slice(space, address, &call->caps[2], page, bytes / PAGE_SIZE_BYTES,
		                         (uint32_t)flags, progress);
		if (status < 0 && status != CALL_RESTART)
			return status;
		return *progress < bytes || flags & MAP_POPULATE ? CALL_RESTART : E_OK;
	}
	/* MAP_POPULATE: progress goes on behind the range's end. */
	*progress += space_populate(space, address + (*progress - bytes), address + bytes);
	return *progress < 2 * bytes ? CALL_RESTART : E_OK;
}
_Static_assert(MAP_READ == RIGHT_READ && MAP_WRITE == RIGHT_WRITE && MAP_EXECUTE == RIGHT_EXECUTE,
               "mapping needs the rights of the same names");

int64_t sys_space_unmap(struct call *call, struct space *space, uint64_t address, uint64_t bytes)
{
	return in_space(space, address, bytes) ? space_unmap_slice(space, address, address + bytes)
	                                       : E_ARGUMENT;
}

int64_t sys_space_protect(struct call *call, struct space *space, uint64_t address, uint64_t bytes,
                          uint64_t flags)
{
	int64_t status;

	if (!in_space(space, address, bytes) || flags & ~(uint64_t)MAP_ACCESS)
		return E_ARGUMENT;
	status = check_access(space, flags);
	return status < 0 ? status
	                  : space_protect_slice(space, address, address + bytes, (uint32_t)flags,
	                                        &call->self->progress);
}
