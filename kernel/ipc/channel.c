/* Channels: call, receive, reply.
 *
 * A call finds a receiver or waits among the callers; a receive finds a caller or waits among the receivers:
 * one of the two queues is always empty. channel->lock guards both; who is in them is decided by wait_claim
 * (sched/wait.c), so a thread found there that cannot be claimed is skipped.
 *
 * While a call is served: server->caller names the caller, server->caller_wait the very wait that a reply
 * ends. The right to answer is the success of wait_claim(caller, caller_wait), hence one-shot. Who ends that
 * wait otherwise (cancel, stop, kill) clears server->caller before the caller goes on. Both are in
 * THREAD_REPLY and kernel memory is freed only after all CPUs left the kernel, so neither pointer can dangle.
 *
 * On a donating channel the server runs on the caller's budget_current, which moves there and back. A call's
 * deadline bounds the time until it is received; from then on the caller waits for the server, or the
 * server's death. A caller that is cancelled or killed meanwhile leaves the budget with the server until that
 * receives again.
 *
 * The hot paths (a receiver waits; a caller waits for the reply; nobody else does) touch no run queue and no
 * timer.
 */
#include <calls.h>
#include "channel.h"
#include "event.h"
#include "message.h"
#include "reply.h"
#include "slow.h"
#include "sched.h"

/* Puts SELF among the callers of CHANNEL, behind those of its priority. channel->lock held. */
static void caller_insert(struct channel *channel, struct thread *self, uint32_t priority)
{
	self->call_node.deadline = (uint64_t)(PRIORITY_COUNT - priority) << 48 | channel->arrivals++;
	heap_insert(&channel->callers, &self->call_node);
}

#define CHAIN_MAX 8u /* servers behind one another that a waiting caller's priority reaches */

/* A caller of BUDGET's priority has begun to wait on CHANNEL: who serves there gets on with it, and whom that
 * one waits for in turn. */
static void callers_lend(struct channel *channel, struct budget *budget)
{
	struct thread *server = 0;

	for (unsigned depth = 0; depth < CHAIN_MAX; depth++) {
		enum thread_state_kind state;

		if (!server) {
			lock_take(&channel->lock);
			if (!list_empty(&channel->servers))
				server = container_of(channel->servers.next, struct thread, serves_node);
			lock_release(&channel->lock);
			if (!server)
				return;
		}
		serve_lend(server, budget);
		state = WAIT_STATE(__atomic_load_n(&server->wait, __ATOMIC_SEQ_CST));
		if (state == THREAD_REPLY) {
			server = server->server;
			if (!server)
				return;
		} else if (state == THREAD_CALLING) {
			channel = server->channel;
			lock_take(&channel->lock);
			/* It may wait elsewhere by now: in this order, as it names the channel before it joins the queue. */
			if (__atomic_load_n(&server->call_node.rank, __ATOMIC_ACQUIRE) &&
			    __atomic_load_n(&server->channel, __ATOMIC_ACQUIRE) == channel &&
			    server->call_node.deadline >> 48 > PRIORITY_COUNT - budget->priority) {
				heap_remove(&channel->callers, &server->call_node);
				caller_insert(channel, server, budget->priority);
			}
			lock_release(&channel->lock);
			server = 0;
		} else {
			return;
		}
	}
}

void channel_leave(struct thread *thread)
{
	struct channel *channel = thread->serves;

	if (!channel)
		return;
	lock_take(&channel->lock);
	if (thread->serves) /* else the channel has just gone */
		list_remove(&thread->serves_node);
	thread->serves = 0;
	lock_release(&channel->lock);
}

void channel_call_slow(struct thread *self)
{
	struct cpu *cpu = cpu_self();
	uint64_t info = arch_argument(self, 1), deadline = arch_argument(self, 2), word;
	int64_t error;
	struct budget *budget = 0, *lent;
	struct cap_view cap;
	struct channel *channel;
	struct thread *server;
	struct transfer transfer;

	error = cap_lookup(self->unit, arch_argument(self, 0), OBJECT_CHANNEL, RIGHT_CALL, &cap);
	if (error)
		return arch_set_status(self, error);
	if (!info_valid(info))
		return arch_set_status(self, E_ARGUMENT);
	channel = (struct channel *)cap.object;
	lock_take(&channel->lock);
	server = wait_claim_first(&channel->receivers, THREAD_RECEIVING);
	if (!server) {
		if (channel->object.dead) {
			error = E_HANDLE;
		} else if (deadline <= arch_clock_ns()) {
			error = E_TIMEOUT;
		} else {
			self->badge = cap.badge;
			self->info = info;
			self->channel = channel;
			self->queue_lock = &channel->lock;
			self->queue_ranked = &channel->callers;
			budget = serve_best(self);
			caller_insert(channel, self, budget->priority);
			wait_begin(self, THREAD_CALLING, deadline);
			/* Whoever has lent it more meanwhile saw either that it waits, or nothing to mend. */
			lent = serve_lent(self);
			if (lent && lent->priority > budget->priority) {
				budget = lent;
				heap_remove(&channel->callers, &self->call_node);
				caller_insert(channel, self, budget->priority);
			}
			error = 0;
		}
		lock_release(&channel->lock);
		if (error)
			arch_set_status(self, error);
		else
			callers_lend(channel, budget);
		return;
	}
	lock_release(&channel->lock);
	if (server->timeout.armed)
		timer_disarm(&server->timeout);
	error = transfer_prepare(&transfer, self, server, info);
	if (error) {
		/* The receiver has noticed nothing yet: it asks again. */
		arch_syscall_restart(server);
		sched_wake(server);
		return arch_set_status(self, error);
	}
	thread_await_cpu(server); /* it may just have begun to wait on another CPU */
	/* Point of no return. */
	message_send(&transfer, self, server, cap.badge, info);
	word = WAIT_NEXT(self->wait, THREAD_REPLY);
	server->caller_wait = word;
	server->caller = self;
	self->server = server;
	self->reply = 0;
	if (channel->flags & CHANNEL_DONATING) {
		bool direct = !thread_held_back(server) && cpu->budget == self->budget_current;

		server->budget_current = self->budget_current;
		server->donated = true;
		self->budget_current = 0;
		__atomic_store_n(&self->wait, word, __ATOMIC_RELEASE);
		if (direct) {
			switch_to(cpu, self, server);
			return;
		}
	} else {
		holder_add(self);
		__atomic_store_n(&self->wait, word, __ATOMIC_RELEASE);
	}
	cpu->blocked = cpu->reschedule = true;
	sched_wake(server);
}

#define CALLS_SLICE 2u

/* Gives the first waiting call that can be to SELF, the current thread. channel->lock held; false: there is none, or callers
 * are left and a slice of them could not be. On true the lock is released. */
static bool call_take(struct channel *channel, struct thread *self)
{
	for (unsigned count = 0; channel->callers && count < CALLS_SLICE; count++) {
		struct thread *caller = container_of(channel->callers, struct thread, call_node);
		struct transfer transfer;
		uint64_t word = caller->wait;
		int64_t error;

		heap_remove(&channel->callers, &caller->call_node);
		if (WAIT_STATE(word) != THREAD_CALLING || !wait_claim(caller, word))
			continue; /* who ends its wait finds it out of the queue */
		lock_release(&channel->lock);
		timer_disarm(&caller->timeout);
		error = transfer_prepare(&transfer, caller, self, caller->info);
		if (error) {
			arch_set_result(caller, error, 0);
			sched_wake(caller);
			lock_take(&channel->lock);
			continue;
		}
		/* Point of no return. */
		message_send(&transfer, caller, self, caller->badge, caller->info);
		word = WAIT_NEXT(caller->wait, THREAD_REPLY);
		self->caller = caller;
		self->caller_wait = word;
		caller->server = self;
		caller->reply = 0;
		holder_remove(caller);
		if (channel->flags & CHANNEL_DONATING && caller->budget_current) {
			budget_drop(self);
			self->budget_current = caller->budget_current;
			self->donated = true;
			caller->budget_current = 0;
		} else {
			holder_add(caller);
		}
		wait_resume(caller, word);
		sched_wake(self); /* goes on here, or where its new budget is */
		return true;
	}
	return false;
}

/* The slow way out of a receive that does not wait: SELF goes on with what is in its registers. */
static void receive_end(struct channel *channel, struct thread *self, struct thread *answered)
{
	lock_release(&channel->lock);
	if (answered)
		sched_wake(answered);
	sched_wake(self); /* on a budget again, where the reply gave it away */
}

/* Receives on CHANNEL. ANSWERED, which SELF has just replied to and which is the caller's to wake, or 0. */
static inline void receive(struct channel *channel, struct thread *self, uint64_t deadline,
                           struct thread *answered)
{
	struct cpu *cpu = cpu_self();
	struct event *event = self->event_bound;
	uint64_t word;

	if (self->serves != channel)
		channel_leave(self);
	if (self->lent)
		serve_forget(self);
	lock_take(&channel->lock);
	if (!self->serves && !channel->object.dead) {
		list_append(&channel->servers, &self->serves_node);
		self->serves = channel;
	}
	if (channel->callers && call_take(channel, self)) {
		if (answered)
			sched_wake(answered);
		return;
	}
	if (channel->callers) {
		arch_syscall_restart(self);
		return receive_end(channel, self, answered);
	}
	if (channel->object.dead) {
		arch_set_status(self, E_HANDLE);
		return receive_end(channel, self, answered);
	}
	if (event && event_take(event, self, true))
		return receive_end(channel, self, answered);
	word = WAIT_NEXT(self->wait, THREAD_RECEIVING);
	if (deadline != DEADLINE_NEVER) {
		if (deadline <= arch_clock_ns()) {
			arch_set_status(self, E_TIMEOUT);
			return receive_end(channel, self, answered);
		}
		timer_arm(&self->timeout, deadline, word);
	}
	self->queue_lock = &channel->lock;
	list_append(&channel->receivers, &self->queue_node);
	if (self->budget_current)
		budget_drop(self);
	cpu->blocked = true;
	__atomic_exchange_n(&self->wait, word, __ATOMIC_SEQ_CST);
	lock_release(&channel->lock);
	/* Bits that came before the exchange found no receiver to wake; later ones do. */
	if (event && __atomic_load_n(&event->bits, __ATOMIC_SEQ_CST) && wait_claim(self, word)) {
		lock_take(&channel->lock);
		list_remove(&self->queue_node);
		timer_disarm(&self->timeout);
		if (!event_take(event, self, true))
			arch_syscall_restart(self);
		return receive_end(channel, self, answered);
	}
	if (answered && answered->budget_current == cpu->budget && cpu->budget && !answered->on_cpu &&
	    !thread_held_back(answered)) {
		cpu->blocked = false;
		holder_remove(answered);
		switch_to(cpu, self, answered);
		return;
	}
	cpu->reschedule = true;
	if (answered)
		sched_wake(answered);
}

void channel_reply_receive_slow(struct thread *self)
{
	struct cap_view cap;
	struct thread *answered;
	int64_t error = cap_lookup(self->unit, arch_argument(self, 0), OBJECT_CHANNEL, RIGHT_RECEIVE, &cap);

	if (!error)
		error = answer(self, 0, arch_argument(self, 1), &answered);
	if (error)
		return arch_set_status(self, error);
	self->donated = false;
	receive((struct channel *)cap.object, self, arch_argument(self, 2), answered);
}

void channel_receive(struct thread *self)
{
	struct cap_view cap;
	int64_t error = cap_lookup(self->unit, arch_argument(self, 0), OBJECT_CHANNEL, RIGHT_RECEIVE, &cap);

	if (error)
		return arch_set_status(self, error);
	if (self->caller) /* an unanswered call is answered by this */
		channel_fail_caller(self);
	self->donated = false;
	receive((struct channel *)cap.object, self, arch_argument(self, 2), 0);
}

void channel_reply(struct thread *self)
{
	handle_t handle = arch_argument(self, 0);
	struct thread *answered;
	int64_t error;

	if (handle) {
		reply_use(self, handle, arch_argument(self, 1));
		return;
	}
	error = self->caller ? answer(self, 0, arch_argument(self, 1), &answered) : E_STATE;
	arch_set_status(self, !error && !answered ? E_PEER : error);
	if (error)
		return;
	if (answered)
		sched_wake(answered);
	self->donated = false;
	if (!self->budget_current)
		sched_wake(self);
}

int64_t sys_channel_create(struct call *call, uint64_t flags)
{
	struct channel *channel;
	int64_t error;

	if (flags & ~(uint64_t)CHANNEL_DONATING)
		return E_ARGUMENT;
	channel = (struct channel *)object_create(call->self->unit, OBJECT_CHANNEL, sizeof *channel, &error);
	if (!channel)
		return error;
	channel->flags = (uint32_t)flags;
	list_init(&channel->receivers);
	list_init(&channel->servers);
	return call_result_object(call, &channel->object, RIGHT_ALL);
}

bool channel_teardown(struct object *object)
{
	struct channel *channel = (struct channel *)object;

	for (unsigned count = 0; count < 3; count++) {
		struct thread *caller = 0, *server = 0;
		uint64_t word = 0;

		if (wait_end_first(&channel->lock, &channel->receivers, E_HANDLE))
			continue;
		lock_take(&channel->lock);
		if (channel->callers) {
			caller = container_of(channel->callers, struct thread, call_node);
			word = caller->wait;
		} else if (!list_empty(&channel->servers)) {
			server = container_of(channel->servers.next, struct thread, serves_node);
			list_remove(&server->serves_node);
			server->serves = 0;
		}
		lock_release(&channel->lock);
		if (caller)
			thread_end_this_wait(caller, word, E_PEER);
		else if (!server)
			return true;
	}
	return false;
}
