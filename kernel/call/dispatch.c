/* The way into and out of the system calls. Message calls have their own path (ipc/); all others one form:
 * calls.h. What calls there are, and what each one's handles must be, is generated from
 * abi/substrate.interface. */
#include <channel.h>
#include "dispatch.h"

/* Its purpose is to end objects. */
static bool call_reaps(uint64_t number)
{
	return number < SYSCALL_COUNT && calls_reaping[number / 64] >> number % 64 & 1;
}

/* The result of SELF's call, once it has worked off, in slices, what it ended: until then the call runs again, but only to
 * come here. So nobody else pays for it, above all no thread of higher priority. */
static void call_reap(struct thread *self, int64_t result, uint64_t second)
{
	/* Not once the thread waits, since reaping may wait for other CPUs; and not where its registers hold
	 * more than a result already: a guest that was just entered would make its own last call again. */
	if (result != CALL_BLOCKED && !cpu_self()->blocked &&
	    (preemption_pending() || (!unit_reap(self->unit) && preemption_pending()))) {
		self->reaping = true;
		self->reap_result = result;
		self->reap_second = second;
		arch_syscall_restart(self);
	} else if (result != CALL_BLOCKED) {
		arch_set_result(self, result, second);
	}
}

int64_t call_run(struct call *call, uint64_t number)
{
	struct thread *self = call->self;
	int64_t result;

	thread_resumes_call(self, number);
	do {
		call->second = 0;
		result = call_dispatch(call, number);
	} while (result == CALL_RESTART && !preemption_pending());
	if (result == CALL_RESTART || result == CALL_LEAVE)
		return CALL_RESTART;
	self->progress = 0;
	thread_build(self, 0);
	return result;
}

static __attribute__((noinline)) void call_other(struct thread *self, uint64_t number)
{
	bool others = unit_has_doomed(self->unit);
	struct call call;
	int64_t result;

	if (self->reaping) {
		self->reaping = false;
		call_reap(self, self->reap_result, self->reap_second);
		return;
	}
	call.self = self;
	result = call_run(&call, number);
	if (result == CALL_RESTART) {
		arch_syscall_restart(self);
		return;
	}
	if (__builtin_expect(unit_has_doomed(self->unit), 0) && (!others || call_reaps(number)))
		call_reap(self, result, call.second);
	else if (result != CALL_BLOCKED)
		arch_set_result(self, result, call.second);
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
