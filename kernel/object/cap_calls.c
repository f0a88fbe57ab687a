/* System calls on capabilities: copy, delete, revoke, info. */
#include "calls.h"
#include "thread.h"
#include "unit.h"

int64_t sys_cap_copy(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view view;
	int64_t status = cap_lookup(self->unit, args[0], OBJECT_NONE, RIGHT_COPY, &view);

	(void)second;
	if (status < 0)
		return status;
	if (args[1] & ~(uint64_t)view.rights)
		return E_RIGHTS;
	if (view.badge && args[2] && args[2] != view.badge)
		return E_ARGUMENT; /* a badge is set once */
	return cap_insert(self->unit, view.object, (uint16_t)args[1], args[2], &view);
}

int64_t sys_cap_delete(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view view;
	int64_t status = cap_lookup_dead(self->unit, args[0], OBJECT_NONE, 0, &view);

	(void)second;
	return status < 0 ? status : cap_delete(&view);
}

int64_t sys_cap_revoke(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view view;
	int64_t status = cap_lookup(self->unit, args[0], OBJECT_NONE, RIGHT_REVOKE, &view);

	(void)second;
	if (status < 0)
		return status;
	while (!cap_revoke_slice(&view))
		if (preemption_pending())
			return CALL_RESTART;
	return E_OK;
}

int64_t sys_cap_info(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view view;
	int64_t status = cap_lookup(self->unit, args[0], OBJECT_NONE, 0, &view);

	if (status < 0)
		return status;
	*second = view.badge;
	return (int64_t)(view.object->type | (uint64_t)view.rights << 16);
}
