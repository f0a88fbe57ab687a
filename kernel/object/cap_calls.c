/* System calls on capabilities: copy, delete, revoke, info. */
#include "bytes.h"
#include "calls.h"
#include "thread.h"
#include "unit.h"

int64_t call_result_object(struct call *call, struct object *object, uint16_t rights)
{
	int64_t handle = cap_insert(call->self->unit, object, rights, 0, 0);

	object_release(object);
	return handle;
}

void call_input(const struct call *call, void *to, uint32_t bytes)
{
	memcpy(to, call->self->page->bytes, bytes);
}

/* A capability of UNIT derived from what argument INDEX names, as RIGHTS and BADGE ask. */
static int64_t derive(struct call *call, unsigned index, struct unit *unit, uint64_t rights, uint64_t badge)
{
	const struct cap_view *from = &call->caps[index];

	if (rights & ~(uint64_t)from->rights)
		return E_RIGHTS;
	if (from->badge && badge && badge != from->badge)
		return E_ARGUMENT; /* a badge is set once */
	return cap_insert(unit, from->object, (uint16_t)rights, badge, from);
}

int64_t sys_cap_copy(struct call *call, struct object *handle, uint64_t rights, uint64_t badge)
{
	return derive(call, 0, call->self->unit, rights, badge);
}

int64_t sys_unit_grant(struct call *call, struct unit *unit, struct object *handle, uint64_t rights,
                       uint64_t badge)
{
	return derive(call, 1, unit, rights, badge);
}

int64_t sys_cap_delete(struct call *call, struct object *handle)
{
	return cap_delete(&call->caps[0]);
}

int64_t sys_cap_revoke(struct call *call, struct object *handle)
{
	return cap_revoke_slice(&call->caps[0]) ? E_OK : CALL_RESTART;
}

int64_t sys_cap_info(struct call *call, struct object *handle)
{
	call->second = call->caps[0].badge;
	return (int64_t)(handle->type | (uint64_t)call->caps[0].rights << 16);
}
