/* Answers, and saved replies: the implicit right to answer the current caller, made into a capability.
 *
 * Of a saved call the caller gets its donated budget back (it stays blocked on it); the server runs on, on the same budget,
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

/* Takes the answer of SELF to its caller out of the way: returns the caller, claimed and with the budget it
 * lent, or 0 when nobody waits for an answer any more. */
static struct thread *caller_claim(struct thread *self)
{
	struct thread *caller = self->caller;

	self->caller = 0;
	if (!caller || !wait_claim(caller, self->caller_wait))
		return 0;
	if (self->donated) {
		caller->budget_current = self->budget_current;
		self->budget_current = 0;
		self->donated = false;
	}
	return caller;
}

/* The caller that REPLY answers, claimed; 0: it is gone. */
static struct thread *reply_claim(struct reply *reply)
{
	struct thread *caller = __atomic_exchange_n(&reply->caller, 0, __ATOMIC_SEQ_CST);

	return caller && wait_claim(caller, reply->caller_wait) ? caller : 0;
}

int64_t answer(struct thread *self, struct reply *reply, uint64_t info, struct thread **answered)
{
	struct thread *caller = reply ? reply->caller : self->caller;
	struct transfer transfer;
	int64_t error = E_OK;

	if (!info_valid(info))
		error = E_ARGUMENT;
	else if (caller)
		error = transfer_prepare(&transfer, self, caller, info);
	if (error)
		return error;
	/* Point of no return. */
	*answered = reply ? reply_claim(reply) : caller_claim(self);
	if (*answered)
		message_send(&transfer, self, caller, 0, info);
	else if (caller)
		transfer_cancel(&transfer, caller);
	return E_OK;
}

void reply_use(struct thread *self, handle_t handle, uint64_t info)
{
	struct cap_view cap;
	struct thread *answered;
	int64_t error = cap_lookup(self->unit, handle, OBJECT_REPLY, 0, &cap);

	if (!error)
		error = answer(self, (struct reply *)cap.object, info, &answered);
	if (!error) {
		if (answered)
			sched_wake(answered);
		error = answered ? E_OK : E_PEER;
		(void)cap_delete(&cap);
	}
	arch_set_status(self, error);
}

/* CALLER, 0 or claimed, has no answer to wait for any more. */
static void caller_fail(struct thread *caller)
{
	if (!caller)
		return;
	arch_set_result(caller, E_PEER, 0);
	sched_wake(caller);
}

void channel_fail_caller(struct thread *server)
{
	caller_fail(caller_claim(server));
}

bool reply_teardown(struct object *object)
{
	caller_fail(reply_claim((struct reply *)object));
	return true;
}
