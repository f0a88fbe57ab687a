/* Guests: binding, the choice of space, entering, kicks. The crossings themselves are the architecture's.
 *
 * A kick is a flag that only its consumption clears: guest_enter (here and on the short way in) looks at it
 * with interrupts off, and the request that follows the flag interrupts a guest that was entered before. So a
 * kick is never lost, whenever it comes. It also ends a wait of the thread, other than for a reply.
 */
#include <calls.h>
#include <memory.h>
#include <space.h>
#include "../sched/sched.h"

int64_t sys_guest_bind(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	physical_t frame;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_MEMORY, RIGHT_READ | RIGHT_WRITE, &cap);

	(void)second;
	if (error)
		return error;
	if (args[1] % PAGE_SIZE_BYTES)
		return E_ARGUMENT;
	error = memory_pin((struct memory *)cap.object, args[1] / PAGE_SIZE_BYTES, &frame);
	if (error)
		return error;
	/* Point of no return. */
	if (self->guest)
		memory_unpin(frame_unmap(self->guest));
	self->guest = frame_map(frame);
	return E_OK;
}

int64_t sys_guest_space(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	struct space *space = 0, *old = self->guest_space;

	(void)second;
	if (args[0]) {
		int64_t error = cap_lookup(self->unit, args[0], OBJECT_SPACE, RIGHT_MANAGE, &cap);

		if (error)
			return error;
		space = (struct space *)cap.object;
		if (space->kind != SPACE_GUEST || space->native != self->space ||
		    !unit_within(self->unit, space->object.owner))
			return E_ARGUMENT;
		if (space == old)
			return E_OK;
		if (!object_reference(&space->object))
			return E_HANDLE;
	}
	/* Point of no return. */
	self->guest_space = space;
	arch_space_load(space ? space : self->space, false);
	if (old)
		object_release(&old->object);
	return E_OK;
}

int64_t sys_guest_enter(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	(void)args;
	(void)second;
	if (!self->guest || !self->guest_space)
		return E_STATE;
	if (self->kicked) {
		self->kicked = false;
		self->guest->exit = GUEST_EXIT_KICK;
		return GUEST_EXIT_KICK;
	}
	return arch_guest_enter(self) ? CALL_BLOCKED : E_ARGUMENT;
}

void thread_kicked(struct thread *thread)
{
	uint64_t word = thread->wait;
	enum thread_state_kind state = WAIT_STATE(word);

	/* While it waits nobody may touch its registers: the end of the wait decides who may. For a thread
	 * that is not current, sched_enqueue comes back here. */
	if (state == THREAD_RECEIVING || state == THREAD_CALLING || state == THREAD_EVENT ||
	    state == THREAD_PAGER) {
		if (!thread_end_this_wait(thread, word, E_CANCELLED) || thread != cpu_self()->current)
			return;
		state = THREAD_READY;
	}
	if (!thread->in_guest || state != THREAD_READY)
		return;
	thread->kicked = false;
	arch_guest_exit(thread, GUEST_EXIT_KICK, 0, 0, 0);
}

int64_t sys_guest_kick(struct thread *self, const uint64_t args[6], uint64_t *second)
{
	struct cap_view cap;
	struct thread *thread;
	int64_t error = cap_lookup(self->unit, args[0], OBJECT_THREAD, RIGHT_MANAGE, &cap);

	(void)second;
	if (error)
		return error;
	thread = (struct thread *)cap.object;
	__atomic_store_n(&thread->kicked, true, __ATOMIC_SEQ_CST);
	if (thread != self)
		thread_nudge(thread);
	return E_OK;
}
