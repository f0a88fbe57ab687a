/* System calls on units. */
#include "bytes.h"
#include "calls.h"
#include "memory.h"
#include "thread.h"
#include "unit.h"

/* More memory than any machine has. Far below 2^64, because charges that will be refused are added for a
 * moment, by all CPUs at once. */
#define QUOTA_MAX (1ull << 52)

/* The caller's new capability to OBJECT, whose creator's reference goes over to it. */
int64_t call_result_object(struct thread *self, struct object *object, uint16_t rights)
{
	int64_t handle = cap_insert(self->unit, object, rights, 0, 0);

	object_release(object);
	return handle;
}

/* The unit that a call charges: the caller's own, or the one HANDLE names with RIGHT_MANAGE. */
int64_t call_charged_unit(struct thread *self, handle_t handle, struct unit **unit)
{
	struct cap_view view;
	int64_t status = E_OK;

	*unit = self->unit;
	if (handle) {
		status = cap_lookup(self->unit, handle, OBJECT_UNIT, RIGHT_MANAGE, &view);
		*unit = (struct unit *)view.object;
	}
	return status;
}

static int64_t unit_of(struct thread *self, handle_t handle, uint16_t rights, struct unit **unit)
{
	struct cap_view view;
	int64_t status = cap_lookup(self->unit, handle, OBJECT_UNIT, rights, &view);

	*unit = (struct unit *)view.object;
	return status;
}

int64_t sys_unit_create(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *parent, *unit;
	struct unit_spec spec;
	struct cap_view event;
	int64_t status = unit_of(self, args[0], RIGHT_MANAGE, &parent);

	(void)second;
	if (status < 0)
		return status;
	memcpy(&spec, self->page->bytes, sizeof(spec));
	if (spec.memory_bytes % PAGE_SIZE_BYTES || spec.memory_bytes < 4 * PAGE_SIZE_BYTES ||
	    spec.memory_bytes > QUOTA_MAX || spec.caps > CAPS_MAX || spec.priority_max >= PRIORITY_COUNT ||
	    spec.flags & ~(uint32_t)UNIT_WX || spec.reserved || parent->depth >= UNIT_DEPTH_MAX)
		return E_ARGUMENT;
	spec.name[sizeof(spec.name) - 1] = 0;
	if (spec.priority_max > parent->priority_max || spec.cpu_share > parent->cpu_share)
		return E_QUOTA_CPU;
	if (spec.flags & UNIT_WX && !(parent->flags & UNIT_WX))
		return E_WX;
	if (spec.event) {
		status = cap_lookup(self->unit, spec.event, OBJECT_EVENT, RIGHT_SIGNAL, &event);
		if (status < 0)
			return status;
		if (event.badge)
			spec.event_bits &= event.badge;
	}
	unit = unit_create(parent, &spec, spec.event ? &event : 0, &status);
	return unit ? call_result_object(self, &unit->object, RIGHT_ALL) : status;
}

int64_t sys_unit_destroy(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view view;
	struct unit *unit;
	int64_t status = cap_lookup_dead(self->unit, args[0], OBJECT_UNIT, RIGHT_MANAGE, &view);

	(void)second;
	if (status < 0)
		return status;
	unit = (struct unit *)view.object;
	if (unit_within(self->unit, unit))
		return E_STATE; /* a unit leaves by unit_exit */
	while (!unit_destroy_slice(unit))
		if (preemption_pending() || cpu_count > 1)
			return CALL_RESTART;
	/* The struct and the capabilities to it, this one among them, go with the parent's doomed objects. */
	unit_reap(unit->parent);
	return E_OK;
}

int64_t sys_unit_info(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *unit;
	struct unit_info info;
	int64_t status = unit_of(self, args[0], RIGHT_READ, &unit);

	(void)second;
	if (status < 0)
		return status;
	memset(&info, 0, sizeof(info));
	info.id = unit->id;
	info.parent_id = unit->parent ? unit->parent->id : 0;
	info.state = unit->state;
	info.frozen = unit->frozen & UNIT_FROZEN;
	info.exit_status = unit->exit_status;
	info.fault = unit->fault;
	info.memory_quota = unit->memory_quota;
	info.memory_used = unit->memory_used;
	info.memory_children = unit->memory_children;
	info.caps_quota = unit->caps_quota;
	info.caps_used = unit->caps_used;
	info.caps_children = unit->caps_children;
	info.cpu_share = unit->cpu_share;
	for (unsigned i = 0; i < CPU_MAX; i++)
		if (unit->cpu_share_used[i] > info.cpu_share_used)
			info.cpu_share_used = unit->cpu_share_used[i];
	info.thread_count = unit->live_threads;
	for (struct list *node = unit->children.next; node != &unit->children && info.child_count < 64;
	     node = node->next)
		info.child_count++;
	info.cpu_time = unit->cpu_time;
	info.lacked_memory = unit->lacked_memory;
	info.lacked_caps = unit->lacked_caps;
	info.priority_max = unit->priority_max;
	info.flags = unit->flags;
	memcpy(info.name, unit->name, sizeof(info.name));
	memcpy(self->page->bytes, &info, sizeof(info));
	return E_OK;
}

int64_t sys_unit_extend(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *unit;
	int64_t status = unit_of(self, args[0], RIGHT_MANAGE, &unit);

	(void)second;
	if (status < 0)
		return status;
	if (args[1] % PAGE_SIZE_BYTES || args[1] > QUOTA_MAX || args[2] > CAPS_MAX)
		return E_ARGUMENT;
	if (unit->parent != self->unit || unit->caps_quota + args[2] > CAPS_MAX)
		return E_STATE;
	status = E_OK;
	unit_extend(unit, self->unit, args[1], (uint32_t)args[2], &status);
	return status;
}

int64_t sys_unit_grant(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *unit;
	struct cap_view view;
	int64_t status = unit_of(self, args[0], RIGHT_MANAGE, &unit);

	(void)second;
	if (status == E_OK)
		status = cap_lookup(self->unit, args[1], OBJECT_NONE, RIGHT_COPY | RIGHT_MOVE, &view);
	if (status != E_OK)
		return status;
	if (args[2] & ~(uint64_t)view.rights)
		return E_RIGHTS;
	if (view.badge && args[3] && args[3] != view.badge)
		return E_ARGUMENT;
	return cap_insert(unit, view.object, (uint16_t)args[2], args[3], &view);
}

int64_t sys_unit_freeze(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *unit;
	int64_t status = unit_of(self, args[0], RIGHT_MANAGE, &unit);

	(void)second;
	if (status < 0)
		return status;
	if (args[1] > 1)
		return E_ARGUMENT;
	if (unit_within(self->unit, unit))
		return E_STATE;
	while (!unit_freeze_slice(unit, args[1], &self->progress))
		if (preemption_pending())
			return CALL_RESTART;
	return E_OK;
}

int64_t sys_unit_exit(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	(void)second;
	unit_end(self->unit, UNIT_STOPPED, (int64_t)args[0], 0);
	return CALL_BLOCKED;
}
