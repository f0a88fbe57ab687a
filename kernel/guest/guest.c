/* Guests: binding, the choice of space, entering, kicks. The crossings themselves are the architecture's.
 *
 * A kick is a flag that only its consumption clears: guest_enter (here and on the short way in) looks at it
 * with interrupts off, and the request that follows the flag interrupts a guest that was entered before. So a
 * kick is never lost, whenever it comes. It also ends a wait of the thread, other than for a reply.
 */
#include <calls.h>
#include <memory.h>
#include <space.h>
#include "sched.h"

int64_t sys_guest_bind(struct call *call, struct memory *memory, uint64_t offset)
{
	struct thread *self = call->self;
	physical_t frame;
	int64_t error = offset % PAGE_SIZE_BYTES
	                    ? E_ARGUMENT
	                    : memory_pin(memory, offset / PAGE_SIZE_BYTES, self->unit, &frame);

	if (error)
		return error;
	/* Point of no return. */
	if (self->guest)
		memory_unpin(frame_unmap(self->guest), self->unit);
	self->guest = frame_map(frame);
	return E_OK;
}

int64_t sys_guest_space(struct call *call, struct space *space)
{
	struct thread *self = call->self;
	struct space *old = self->guest_space;

	if (space) {
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

int64_t sys_guest_enter(struct call *call)
{
	struct thread *self = call->self;

	if (!self->guest || !self->guest_space)
		return E_STATE;
	if (self->kicked) {
		self->kicked = false;
		self->guest->exit = GUEST_EXIT_KICK;
		return GUEST_EXIT_KICK;
	}
	return arch_guest_enter(self) ? CALL_BLOCKED : E_ARGUMENT;
}

int64_t sys_guest_kick(struct call *call, struct thread *thread)
{
	__atomic_store_n(&thread->kicked, true, __ATOMIC_SEQ_CST);
	if (thread != call->self)
		thread_nudge(thread);
	return E_OK;
}
