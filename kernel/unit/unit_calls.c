/* System calls on units. */
#include "bytes.h"
#include "calls.h"
#include "memory.h"
#include "thread.h"
#include "unit.h"
#include "table.h"

/* More memory than any machine has. Far below 2^64, because charges that will be refused are added for a
 * moment, by all CPUs at once. */
#define QUOTA_MAX (1ull << 52)

bool unit_dma_confined;

int64_t sys_unit_create(struct call *call, struct unit *parent)
{
	struct unit_spec spec;
	struct unit *unit;
	struct cap_view event;
	int64_t status;

	call_input(call, &spec, sizeof(spec));
	if (spec.memory_bytes % PAGE_SIZE_BYTES || spec.memory_bytes < 4 * PAGE_SIZE_BYTES ||
	    spec.memory_bytes > QUOTA_MAX || spec.caps > CAPS_MAX || spec.priority_max >= PRIORITY_COUNT ||
	    spec.flags & ~(uint32_t)UNIT_WX || parent->depth >= UNIT_DEPTH_MAX)
		return E_ARGUMENT;
	spec.name[sizeof(spec.name) - 1] = 0;
	if (spec.priority_max > parent->priority_max || spec.best_effort_max > parent->best_effort_max ||
	    spec.cpu_share > parent->cpu_share)
		return E_QUOTA_CPU;
	if (spec.flags & UNIT_WX && !(parent->flags & UNIT_WX))
		return E_WX;
	if (spec.event) {
		status = cap_lookup(call->self->unit, spec.event, OBJECT_EVENT, RIGHT_SIGNAL, &event);
		if (status < 0)
			return status;
		if (event.badge)
			spec.event_bits &= event.badge;
	}
	unit = unit_create(parent, &spec, spec.event ? &event : 0, &status);
	return unit ? call_result_object(call, &unit->object, RIGHT_ALL) : status;
}

int64_t sys_unit_destroy(struct call *call, struct unit *unit)
{
	if (unit_within(call->self->unit, unit))
		return E_STATE; /* a unit leaves by unit_exit */
	if (!unit_destroy_slice(unit))
		return cpu_count > 1 ? CALL_LEAVE : CALL_RESTART; /* a thread may run on another CPU */
	/* The struct and the capabilities to it, this one among them, go with the parent's doomed objects. */
	unit_reap(unit->parent);
	return E_OK;
}

int64_t sys_unit_info(struct call *call, struct unit *unit)
{
	struct unit_info info;

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
	info.best_effort_max = unit->best_effort_max;
	info.flags = unit->flags;
	info.dma_confined = unit_dma_confined;
	memcpy(info.name, unit->name, sizeof(info.name));
	memcpy(call->self->page->bytes, &info, sizeof(info));
	return E_OK;
}

int64_t sys_unit_cap(struct call *call, struct unit *unit, uint64_t index)
{
	bool manages = call->caps[0].rights & RIGHT_MANAGE;
	const struct cap *cap = index < CAP_DIRECTORY * CAP_PAGE_SLOTS ? slot_at(unit, (uint32_t)index) : 0;
	struct cap_view view;
	int64_t error =
	    !cap ? E_NOT_FOUND
	         : cap_lookup(unit, (handle_t)cap->generation << 32 | index,
	                      manages ? OBJECT_NONE : OBJECT_MEMORY, RIGHT_COPY | RIGHT_MOVE, &view);

	/* Who may not manage the unit may look, no more. */
	if (!error && !manages)
		view.rights &= RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY | RIGHT_MOVE;
	return error ? error : cap_insert(call->self->unit, view.object, view.rights, 0, &view);
}

int64_t sys_unit_extend(struct call *call, struct unit *unit, uint64_t bytes, uint64_t caps)
{
	if (bytes % PAGE_SIZE_BYTES || bytes > QUOTA_MAX || caps > CAPS_MAX)
		return E_ARGUMENT;
	if (unit->parent != call->self->unit || unit->caps_quota + caps > CAPS_MAX)
		return E_STATE;
	return unit_extend(unit, bytes, (uint32_t)caps);
}

int64_t sys_unit_freeze(struct call *call, struct unit *unit, uint64_t freeze)
{
	if (freeze > 1)
		return E_ARGUMENT;
	if (unit_within(call->self->unit, unit))
		return E_STATE;
	return unit_freeze_slice(unit, freeze, &call->self->progress) ? E_OK : CALL_RESTART;
}

int64_t sys_unit_exit(struct call *call, uint64_t status)
{
	unit_end(call->self->unit, UNIT_STOPPED, (int64_t)status, 0);
	thread_halt(call->self, HALT_KILL);
	return CALL_BLOCKED;
}
