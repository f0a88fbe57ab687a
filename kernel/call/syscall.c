/* The system call dispatcher. Message calls have their own path; all others one form: calls.h. */
#include <calls.h>
#include <channel.h>
#include <thread.h>
#include <unit.h>

call_handler *const call_handlers[SYSCALL_COUNT] = {
    [SYS_REPLY_SAVE] = sys_reply_save,
    [SYS_CHANNEL_CREATE] = sys_channel_create,
    [SYS_EVENT_CREATE] = sys_event_create,
    [SYS_EVENT_SIGNAL] = sys_event_signal,
    [SYS_EVENT_WAIT] = sys_event_wait,
    [SYS_EVENT_BIND] = sys_event_bind,
    [SYS_EVENT_TIMER] = sys_event_timer,
    [SYS_CAP_COPY] = sys_cap_copy,
    [SYS_CAP_DELETE] = sys_cap_delete,
    [SYS_CAP_REVOKE] = sys_cap_revoke,
    [SYS_CAP_INFO] = sys_cap_info,
    [SYS_UNIT_CREATE] = sys_unit_create,
    [SYS_UNIT_DESTROY] = sys_unit_destroy,
    [SYS_UNIT_INFO] = sys_unit_info,
    [SYS_UNIT_EXTEND] = sys_unit_extend,
    [SYS_UNIT_GRANT] = sys_unit_grant,
    [SYS_UNIT_FREEZE] = sys_unit_freeze,
    [SYS_UNIT_EXIT] = sys_unit_exit,
    [SYS_MEMORY_CREATE] = sys_memory_create,
    [SYS_MEMORY_CLONE] = sys_memory_clone,
    [SYS_MEMORY_RESIZE] = sys_memory_resize,
    [SYS_MEMORY_DISCARD] = sys_memory_discard,
    [SYS_MEMORY_SUPPLY] = sys_memory_supply,
    [SYS_MEMORY_WANTED] = sys_memory_wanted,
    [SYS_MEMORY_DIRTY] = sys_memory_dirty,
    [SYS_MEMORY_INFO] = sys_memory_info,
    [SYS_MEMORY_LABEL] = sys_memory_label,
    [SYS_MEMORY_FIND] = sys_memory_find,
    [SYS_SPACE_CREATE] = sys_space_create,
    [SYS_SPACE_MAP] = sys_space_map,
    [SYS_SPACE_UNMAP] = sys_space_unmap,
    [SYS_SPACE_PROTECT] = sys_space_protect,
    [SYS_THREAD_CREATE] = sys_thread_create,
    [SYS_THREAD_SET] = sys_thread_set,
    [SYS_THREAD_STATE] = sys_thread_state,
    [SYS_THREAD_STOP] = sys_thread_stop,
    [SYS_THREAD_START] = sys_thread_start,
    [SYS_THREAD_CANCEL] = sys_thread_cancel,
    [SYS_THREAD_EXIT] = sys_thread_exit,
    [SYS_THREAD_YIELD] = sys_thread_yield,
    [SYS_BUDGET_CREATE] = sys_budget_create,
    [SYS_BUDGET_CONFIGURE] = sys_budget_configure,
    [SYS_BUDGET_INFO] = sys_budget_info,
    [SYS_GUEST_BIND] = sys_guest_bind,
    [SYS_GUEST_SPACE] = sys_guest_space,
    [SYS_GUEST_ENTER] = sys_guest_enter,
    [SYS_GUEST_KICK] = sys_guest_kick,
    [SYS_IRQ_CREATE] = sys_irq_create,
    [SYS_IRQ_BIND] = sys_irq_bind,
    [SYS_IRQ_ACK] = sys_irq_ack,
    [SYS_IOPORT_CREATE] = sys_ioport_create,
    [SYS_IOPORT_IN] = sys_ioport_in,
    [SYS_IOPORT_OUT] = sys_ioport_out,
    [SYS_SYSTEM_INFO] = sys_system_info,
    [SYS_SYSTEM_CONTROL] = sys_system_control,
    [SYS_LOG_WRITE] = sys_log_write,
    [SYS_CLOCK] = sys_clock,
};

/* Calls whose purpose is to end objects: they also work off what others left. */
static bool call_destroys(uint64_t number)
{
	return number == SYS_CAP_DELETE || number == SYS_CAP_REVOKE || number == SYS_UNIT_DESTROY ||
	       number == SYS_SPACE_UNMAP;
}

/* Sets the result RESULT, SECOND of SELF's call and, where the call is what ended objects of its unit (DUTY),
 * works those off first, in slices: until then the call runs again, but only to come here. So nobody else
 * pays for it, above all no thread of higher priority. */
static void call_finish(struct thread *self, int64_t result, uint64_t second, bool duty)
{
	/* Not once the thread waits, since reaping may wait for other CPUs; and not where its registers hold
	 * more than a result already: a guest that was just entered would make its own last call again. */
	if (duty && result != CALL_BLOCKED && !cpu_self()->blocked && !unit_reap(self->unit) &&
	    preemption_pending()) {
		self->reaping = true;
		self->reap_result = result;
		self->reap_second = second;
		arch_syscall_restart(self);
		return;
	}
	if (result != CALL_BLOCKED)
		arch_set_result(self, result, second);
	self->reaping = false;
}

static __attribute__((noinline)) void call_other(struct thread *self, uint64_t number)
{
	bool others = unit_has_doomed(self->unit);
	uint64_t args[6], second = 0;
	int64_t result = E_CALL;

	if (self->reaping) {
		call_finish(self, self->reap_result, self->reap_second, others);
		return;
	}
	for (unsigned index = 0; index < 6; index++)
		args[index] = arch_argument(self, index);
	thread_resumes_call(self, number);
	if (number < SYSCALL_COUNT && call_handlers[number])
		result = call_handlers[number](self, args, &second);
	if (result == CALL_RESTART) {
		arch_syscall_restart(self);
		return;
	}
	self->progress = 0;
	if (self->building) {
		object_release(self->building);
		self->building = 0;
	}
	call_finish(self, result, second, unit_has_doomed(self->unit) && (!others || call_destroys(number)));
}

void kernel_syscall(struct thread *self, uint64_t number)
{
	switch (number) {
	case SYS_CHANNEL_CALL:
		channel_call(self);
		break;
	case SYS_CHANNEL_REPLY_RECEIVE:
		channel_reply_receive(self);
		break;
	case SYS_CHANNEL_RECEIVE:
		channel_receive(self);
		break;
	case SYS_CHANNEL_REPLY:
		channel_reply(self);
		break;
	default:
		call_other(self, number);
	}
}
