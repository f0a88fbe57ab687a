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
#include "../sched/sched.h"

static bool native_address(uint64_t address)
{
	return address >= NATIVE_BASE && address < NATIVE_END;
}

/* Looks up a space or budget that a thread of UNIT may use. */
static int64_t lookup_for(struct thread *self, handle_t handle, enum object_type type,
                          const struct unit *unit, struct object **object)
{
	struct cap_view cap;
	int64_t error = cap_lookup(self->unit, handle, type, RIGHT_MANAGE, &cap);

	if (error)
		return error;
	if (!unit_within(unit, cap.object->owner))
		return E_ARGUMENT;
	*object = cap.object;
	return E_OK;
}

static void thread_name(struct thread *thread, const char *name)
{
	memcpy(thread->name, name, sizeof thread->name - 1);
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
	list_init(&thread->fallback.ready);
	thread->timeout.expire = thread_timeout;
	thread->cpu = budget ? budget->cpu : cpu_self();
	thread->unit = unit;
	thread->vector = unit_allocate(unit, arch_vector_bytes());
	*error = E_QUOTA_MEMORY;
	if (thread->vector)
		*error = memory_pin(page_memory, page, &frame);
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
	thread_name(thread, spec->name);
	return thread;
}

int64_t sys_thread_create(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread_spec spec = *(const struct thread_spec *)self->page->bytes;
	struct object *space, *budget = 0;
	struct cap_view unit, memory;
	struct thread *thread;
	int64_t result = cap_lookup(self->unit, args[0], OBJECT_UNIT, RIGHT_MANAGE, &unit);

	(void)second;
	if (!result)
		result = lookup_for(self, args[1], OBJECT_SPACE, (struct unit *)unit.object, &space);
	if (!result)
		result = cap_lookup(self->unit, args[2], OBJECT_MEMORY, RIGHT_READ | RIGHT_WRITE, &memory);
	if (!result && spec.budget)
		result = lookup_for(self, spec.budget, OBJECT_BUDGET, (struct unit *)unit.object, &budget);
	if (result)
		return result;
	if (((struct space *)space)->kind != SPACE_NATIVE || args[3] % PAGE_SIZE_BYTES ||
	    !native_address(spec.entry) || !native_address(spec.stack) || spec.page_address >= USER_END)
		return E_ARGUMENT;
	thread = thread_new((struct unit *)unit.object, (struct space *)space, (struct budget *)budget,
	                    (struct memory *)memory.object, args[3] / PAGE_SIZE_BYTES, &spec, &result);
	if (!thread)
		return result;
	result = cap_insert(self->unit, &thread->object, RIGHT_ALL, 0, 0);
	if (result < 0) /* gives the thread's own reference back by ending it */
		thread_halt(thread, HALT_KILL);
	return result;
}

/* THREAD is claimed, unlinked and has no budget: the end of it but for its memory. */
void thread_finish(struct thread *thread)
{
	channel_fail_caller(thread);
	event_unbind(thread);
	timer_disarm(&thread->timeout);
	unit_thread_remove(thread->unit, &thread->unit_node);
	__atomic_exchange_n(&thread->wait, WAIT_NEXT(thread->wait, THREAD_DEAD), __ATOMIC_SEQ_CST);
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
	for (uint32_t index = 0; index < cpu_count; index++) {
		struct thread *expected = thread;

		__atomic_compare_exchange_n(&cpus[index]->vector_owner, &expected, 0, false, __ATOMIC_SEQ_CST,
		                            __ATOMIC_SEQ_CST);
	}
	event_unbind(thread); /* one that was bound while the thread ended */
	if (thread->building)
		object_release(thread->building);
	if (thread->page)
		memory_unpin(frame_unmap(thread->page));
	if (thread->guest)
		memory_unpin(frame_unmap(thread->guest));
	if (thread->vector)
		unit_free(thread->vector);
	if (thread->space)
		object_release(&thread->space->object);
	if (thread->guest_space)
		object_release(&thread->guest_space->object);
	if (thread->budget)
		object_release(&thread->budget->object);
	thread->building = 0;
	thread->page = 0;
	thread->guest = 0;
	thread->vector = 0;
	thread->space = thread->guest_space = 0;
	thread->budget = 0;
	return true;
}

/* The thread named by HANDLE, or SELF for 0. */
static int64_t thread_named(struct thread *self, handle_t handle, struct thread **thread)
{
	struct cap_view cap;
	int64_t error = E_OK;

	*thread = self;
	if (handle) {
		error = cap_lookup(self->unit, handle, OBJECT_THREAD, RIGHT_MANAGE, &cap);
		if (!error)
			*thread = (struct thread *)cap.object;
	}
	return error;
}

static bool thread_still(struct thread *thread)
{
	return thread_state(thread) == THREAD_STOPPED && !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE);
}

static int64_t set_budget(struct thread *self, struct thread *thread, handle_t handle)
{
	struct object *object, *old = thread->budget ? &thread->budget->object : 0;
	int64_t error = lookup_for(self, handle, OBJECT_BUDGET, thread->unit, &object);

	if (error)
		return error;
	if (!object_reference(object))
		return E_HANDLE;
	/* Point of no return. */
	thread->budget = (struct budget *)object;
	if (thread == self && !thread->donated) {
		budget_drop(thread);
		sched_wake(thread); /* goes on where the new budget is */
	}
	if (old)
		object_release(old);
	return E_OK;
}

int64_t sys_thread_set(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread *thread;
	int64_t error = thread_named(self, args[0], &thread);
	uint64_t value = args[2];

	(void)second;
	if (error)
		return error;
	if (thread != self && !thread_still(thread))
		return E_STATE;
	switch (args[1]) {
	case THREAD_SET_BUDGET:
		return set_budget(self, thread, value);
	case THREAD_SET_FAULT_ENTRY:
		if (value && !native_address(value))
			return E_ARGUMENT;
		thread->fault_entry = value;
		return E_OK;
	case THREAD_SET_FS_BASE:
	case THREAD_SET_GS_BASE:
		return arch_thread_set_base(thread, args[1] == THREAD_SET_GS_BASE, value) ? E_OK : E_ARGUMENT;
	default:
		return E_ARGUMENT;
	}
}

int64_t sys_thread_state(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread_state *state = (struct thread_state *)self->page->bytes;
	struct thread *thread;
	int64_t error = thread_named(self, args[0], &thread);

	_Static_assert(sizeof *state <= MESSAGE_BYTES_MAX, "thread state fits the thread page");
	(void)second;
	if (error)
		return error;
	if (thread == self || !thread_still(thread))
		return E_STATE;
	if (args[1] == 0) {
		arch_thread_state_get(thread, state);
		return E_OK;
	}
	return args[1] == 1 && arch_thread_state_set(thread, state) ? E_OK : E_ARGUMENT;
}

int64_t sys_thread_stop(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread *thread;
	int64_t error = thread_named(self, args[0], &thread);

	(void)second;
	if (error)
		return error;
	if (thread_state(thread) == THREAD_DEAD)
		return E_STATE;
	if (!thread_still(thread))
		thread_halt(thread, HALT_STOP);
	if (thread == self)
		return E_OK;
	/* Its CPU stops it when it serves its mailbox; so does this one meanwhile, it may be told to stop
	 * itself. Bounded tries, then the caller asks again: the thread may be on the way between two CPUs.
	 */
	for (unsigned tries = 0; tries < 10000 && !cpu_self()->blocked && !self->halt; tries++) {
		if (thread_still(thread) || thread_state(thread) == THREAD_DEAD)
			return E_OK;
		arch_pause();
		cpu_serve(cpu_self());
		error =
		    thread_named(self, args[0], &thread); /* it may be freed where this CPU has been served */
		if (error)
			return error;
	}
	return E_BUSY;
}

int64_t sys_thread_start(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread *thread;
	int64_t error = thread_named(self, args[0], &thread);

	(void)second;
	if (error)
		return error;
	if (thread_state(thread) != THREAD_STOPPED || thread->unit->state > UNIT_RUNNING)
		return E_STATE;
	if (thread->unit->state == UNIT_CREATED) {
		lock_take(&thread->unit->lock);
		if (thread->unit->state == UNIT_CREATED)
			thread->unit->state = UNIT_RUNNING;
		lock_release(&thread->unit->lock);
	}
	thread_start(thread);
	return E_OK;
}

int64_t sys_thread_cancel(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct thread *thread;
	int64_t error = thread_named(self, args[0], &thread);

	(void)second;
	if (error)
		return error;
	return thread_end_wait(thread, E_CANCELLED) ? E_OK : E_STATE;
}

int64_t sys_thread_exit(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct unit *unit = self->unit;

	(void)args;
	(void)second;
	thread_halt(self, HALT_KILL);
	if (unit->live_threads == 1)
		unit_end(unit, UNIT_STOPPED, 0, 0);
	return CALL_BLOCKED;
}

int64_t sys_thread_yield(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	(void)args;
	(void)second;
	self->rotate = true;
	cpu_self()->reschedule = true;
	return E_OK;
}
