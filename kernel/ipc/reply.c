/* Saved replies: the implicit right to answer the current caller, made into a capability.
 *
 * The caller gets its donated budget back (it stays blocked on it); the server runs on, on the same budget,
 * until it next receives. reply->caller and caller->reply name each other until the caller's wait ends, by
 * whoever claims it.
 */
#include <calls.h>
#include "message.h"
#include "reply.h"
#include "sched.h"

int64_t sys_reply_save(struct call *call)
{
	struct thread *self = call->self, *caller = self->caller;
	struct reply *reply;
	uint64_t word;
	int64_t result;

	if (!caller)
		return E_STATE;
	reply = (struct reply *)object_create(self->unit, OBJECT_REPLY, sizeof *reply, &result);
	if (!reply)
		return result;
	result = cap_reserve(self->unit, 1);
	if (result < 0) {
		object_release(&reply->object);
		return result;
	}
	/* Point of no return. A caller that is gone meanwhile leaves a reply that answers nobody. */
	self->caller = 0;
	if (wait_claim(caller, self->caller_wait)) {
		word = WAIT_NEXT(caller->wait, THREAD_REPLY);
		caller->server = 0;
		caller->reply = &reply->caller;
		reply->caller_wait = word;
		reply->caller = caller;
		if (self->donated && self->budget_current) {
			budget_take(caller, self->budget_current);
			holder_add(caller);
		}
		self->donated = false;
		wait_resume(caller, word);
	}
	/* Last: a handle can be guessed, and what it names be used or deleted by another thread at once. */
	result = (int64_t)cap_insert_reserved(self->unit, &reply->object, RIGHT_ALL & ~RIGHT_COPY, 0, 0);
	object_release(&reply->object);
	return result ? result : E_HANDLE;
}

/* The caller that REPLY answers, claimed; 0: it is gone. */
static struct thread *reply_claim(struct reply *reply)
{
	struct thread *caller = __atomic_exchange_n(&reply->caller, 0, __ATOMIC_SEQ_CST);

	return caller && wait_claim(caller, reply->caller_wait) ? caller : 0;
}

void reply_use(struct thread *self, handle_t handle, uint64_t info)
{
	struct cap_view cap;
	struct transfer transfer;
	struct reply *reply;
	struct thread *caller;
	int64_t error = cap_lookup(self->unit, handle, OBJECT_REPLY, 0, &cap);

	reply = (struct reply *)cap.object;
	if (!error && !info_valid(info))
		error = E_ARGUMENT;
	if (!error) {
		caller = reply->caller;
		if (caller && info)
			error = transfer_prepare(&transfer, self, caller, info);
	}
	if (error) {
		arch_set_status(self, error);
		return;
	}
	/* Point of no return. */
	if (reply_claim(reply)) {
		arch_message_copy(caller, self);
		if (info)
			transfer_commit(&transfer, self, caller, info);
		arch_message_deliver(caller, E_OK, 0, info);
		sched_wake(caller);
	} else {
		if (caller && info)
			transfer_cancel(&transfer, caller);
		error = E_PEER;
	}
	(void)cap_delete(&cap);
	arch_set_status(self, error);
}

bool reply_teardown(struct object *object)
{
	struct thread *caller = reply_claim((struct reply *)object);

	if (caller) {
		arch_set_result(caller, E_PEER, 0);
		sched_wake(caller);
	}
	return true;
}
