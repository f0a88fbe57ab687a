/* Threads: made, set, stopped, ended.
 *
 * A thread that is not dead holds a reference to itself: it goes on when the last capability to it is
 * deleted, and ends by its exit or its unit's end. Its space, its guest space and its own budget belong to
 * its unit or one above, so they outlive it.
 */
#include <bytes.h>
#include <calls.h>
#include <channel.h>
#include <event.h>
#include <memory.h>
#include <space.h>
#include "sched.h"

#define STOP_LOOKS 10000u /* of thread_stop at a thread on another CPU */

/* Looks up the budget HANDLE, which a thread of UNIT shall run on. */
static int64_t budget_for(struct call *call, handle_t handle, const struct unit *unit, struct budget **budget)
{
	struct cap_view cap;
	int64_t error = cap_lookup(call->self->unit, handle, OBJECT_BUDGET, RIGHT_MANAGE, &cap);

	*budget = (struct budget *)cap.object;
	return error ? error : unit_within(unit, cap.object->owner) ? E_OK : E_ARGUMENT;
}

struct thread *thread_new(struct unit *unit, struct space *space, struct budget *budget,
                          struct memory *page_memory, uint64_t page, const struct thread_spec *spec,
                          int64_t *error)
{
	struct thread *thread = (struct thread *)object_create(unit, OBJECT_THREAD, sizeof *thread, error);
	uint64_t argument[3] = {spec->argument[0], spec->argument[1], spec->page_address};
	physical_t frame;

	if (!thread)
		return 0;
	list_init(&thread->unit_node);
	list_init(&thread->queue_node);
	list_init(&thread->holder_node);
	list_init(&thread->serves_node);
	list_init(&thread->fallback.ready);
	thread->timeout.expire = thread_timeout;
	thread->cpu = budget ? budget->cpu : cpu_self();
	thread->unit = unit;
	thread->vector = unit_allocate(unit, arch_vector_bytes());
	*error = E_QUOTA_MEMORY;
	if (thread->vector)
		*error = memory_pin(page_memory, page, unit, &frame);
	if (!*error) {
		thread->page = frame_map(frame);
		if (!object_reference(&space->object))
			*error = E_HANDLE;
		else
			thread->space = space;
	}
	if (!*error && budget) {
		if (!object_reference(&budget->object))
			*error = E_HANDLE;
		else
			thread->budget = budget;
	}
	if (!*error && !unit_thread_add(unit, &thread->unit_node))
		*error = E_STATE;
	if (*error) {
		/* It has never been anywhere: its teardown finds it dead. */
		thread->wait = THREAD_DEAD;
		object_release(&thread->object);
		return 0;
	}
	arch_vector_init(thread->vector);
	arch_thread_init(thread, spec->entry, spec->stack, argument);
	memcpy(thread->name, spec->name, sizeof thread->name - 1);
	return thread;
}

int64_t sys_thread_create(struct call *call, struct unit *unit, struct space *space, struct memory *memory,
                          uint64_t offset)
{
	struct thread_spec spec;
	struct budget *budget = 0;
	struct thread *thread;
	physical_t frame;
	int64_t result;

	call_input(call, &spec, sizeof spec);
	result = spec.budget ? budget_for(call, spec.budget, unit, &budget) : E_OK;
	if (result)
		return result;
	if (!unit_within(unit, space->object.owner) || space->kind != SPACE_NATIVE ||
	    offset % PAGE_SIZE_BYTES || !native_address(spec.entry) || !native_address(spec.stack) ||
	    spec.page_address >= USER_END)
		return E_ARGUMENT;
	/* Making the page, or copying it, is a slice of its own. */
	if (!call->self->progress) {
		result = memory_pin(memory, offset / PAGE_SIZE_BYTES, unit, &frame);
		if (result)
			return result;
		memory_unpin(frame, unit);
		call->self->progress = 1;
		return CALL_RESTART;
	}
	thread = thread_new(unit, space, budget, memory, offset / PAGE_SIZE_BYTES, &spec, &result);
	if (!thread)
		return result;
	result = cap_insert(call->self->unit, &thread->object, RIGHT_ALL, 0, 0);
	if (result < 0) /* gives the thread's own reference back by ending it */
		thread_halt(thread, HALT_KILL);
	return result;
}

void thread_end(struct thread *thread)
{
	channel_fail_caller(thread);
	channel_leave(thread);
	event_unbind(thread);
	timer_disarm(&thread->timeout);
	if (unit_thread_remove(thread->unit, &thread->unit_node) && thread->exits)
		unit_end(thread->unit, UNIT_STOPPED, 0, 0);
	__atomic_exchange_n(&thread->wait, WAIT_NEXT(thread->wait, THREAD_DEAD), __ATOMIC_SEQ_CST);
	serve_forget(thread); /* who lends from now on finds it dead */
	object_release(&thread->object);
}

bool thread_teardown(struct object *object)
{
	struct thread *thread = (struct thread *)object;

	if (thread_state(thread) != THREAD_DEAD)
		thread_halt(thread, HALT_KILL);
	if (thread_state(thread) != THREAD_DEAD || thread->on_cpu || thread->requests)
		return false;
	/* Calls it made on its fallback budget may still be served. */
	if (thread->fallback.cpu && !budget_evict(&thread->fallback))
		return false;
	event_unbind(thread); /* one that was bound while the thread ended */
	thread_build(thread, 0);
	if (thread->page)
		memory_unpin(frame_unmap(thread->page), thread->unit);
	if (thread->guest)
		memory_unpin(frame_unmap(thread->guest), thread->unit);
	if (thread->vector)
		unit_free(thread->vector);
	if (thread->space)
		object_release(&thread->space->object);
	if (thread->guest_space)
		object_release(&thread->guest_space->object);
	if (thread->budget)
		object_release(&thread->budget->object);
	thread->page = 0;
	thread->guest = 0;
	thread->vector = 0;
	thread->space = thread->guest_space = 0;
	thread->budget = 0;
	return true;
}

static bool thread_still(struct thread *thread)
{
	return thread_state(thread) == THREAD_STOPPED && !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE);
}

static int64_t set_budget(struct call *call, struct thread *thread, handle_t handle)
{
	struct object *old = thread->budget ? &thread->budget->object : 0;
	struct budget *budget;
	int64_t error = budget_for(call, handle, thread->unit, &budget);

	if (error)
		return error;
	if (!object_reference(&budget->object))
		return E_HANDLE;
	/* Point of no return. */
	thread->budget = budget;
	if (thread == call->self && !thread->donated) {
		budget_drop(thread);
		sched_wake(thread); /* goes on where the new budget is */
	}
	if (old)
		object_release(old);
	return E_OK;
}

int64_t sys_thread_set(struct call *call, struct thread *thread, uint64_t what, uint64_t value)
{
	if (thread != call->self && !thread_still(thread))
		return E_STATE;
	switch (what) {
	case THREAD_SET_BUDGET:
		return set_budget(call, thread, value);
	case THREAD_SET_FAULT_ENTRY:
		if (value && !native_address(value))
			return E_ARGUMENT;
		thread->fault_entry = value;
		return E_OK;
	case THREAD_SET_FS_BASE:
	case THREAD_SET_GS_BASE:
		return arch_thread_set_base(thread, what == THREAD_SET_GS_BASE, value) ? E_OK : E_ARGUMENT;
	default:
		return E_ARGUMENT;
	}
}

int64_t sys_thread_state(struct call *call, struct thread *thread, uint64_t set)
{
	struct thread_state *state = (struct thread_state *)call->self->page->bytes;
	uint64_t word = thread->wait;
	bool valid = set < 2;

	_Static_assert(sizeof *state <= MESSAGE_BYTES_MAX, "thread state fits the thread page");
	/* Claimed, so that it neither goes on nor ends, and its vector state stays. */
	if (!thread_still(thread) || WAIT_STATE(word) != THREAD_STOPPED || !wait_claim(thread, word))
		return E_STATE;
	if (set == 0)
		arch_thread_state_get(thread, state);
	else
		valid = valid && arch_thread_state_set(thread, state);
	wait_resume(thread, WAIT_NEXT(word, THREAD_STOPPED));
	return valid ? E_OK : E_ARGUMENT;
}

int64_t sys_thread_stop(struct call *call, struct thread *thread)
{
	uint64_t *looks = &call->self->progress;

	if (thread_state(thread) == THREAD_DEAD)
		return *looks ? E_OK : E_STATE;
	if (!*looks && !thread_still(thread))
		thread_halt(thread, HALT_STOP);
	if (thread == call->self || thread_still(thread))
		return E_OK;
	/* Its CPU stops it when it serves its mailbox; so does this one meanwhile, it may be told to stop
	 * itself. Bounded, then the caller asks again: the thread may be on the way between two CPUs. */
	if (++*looks > STOP_LOOKS)
		return E_BUSY;
	arch_pause();
	cpu_serve(cpu_self());
	return CALL_RESTART;
}

int64_t sys_thread_start(struct call *call, struct thread *thread)
{
	if (thread_state(thread) != THREAD_STOPPED || thread->unit->state > UNIT_RUNNING)
		return E_STATE;
	thread_start(thread);
	return E_OK;
}

int64_t sys_thread_cancel(struct call *call, struct thread *thread)
{
	return thread_end_wait(thread, E_CANCELLED) ? E_OK : E_STATE;
}

int64_t sys_thread_exit(struct call *call)
{
	call->self->exits = true;
	thread_halt(call->self, HALT_KILL);
	return CALL_BLOCKED;
}

int64_t sys_thread_yield(struct call *call)
{
	call->self->rotate = true;
	cpu_self()->reschedule = true;
	return E_OK;
}
