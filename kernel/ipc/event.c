/* Events. event->lock guards the waiters and the binding; the bits are one atomic word.
 *
 * A signal ors its bits in first and then looks for somebody to wake; a waiter publishes its wait first and
 * then looks at the bits again. On both sides the locked operation and the look after it are sequentially
 * consistent, so no signal is lost: one of them sees the other (tests/memory-order).
 */
#include <calls.h>
#include "channel.h"
#include "event.h"
#include "sched.h"

static void event_timer_expired(struct timer *timer, uint64_t bits)
{
	event_signal(container_of(timer, struct event, timer), bits);
}

bool event_take(struct event *event, struct thread *thread, bool bound)
{
	uint64_t bits = event->bits ? __atomic_exchange_n(&event->bits, 0, __ATOMIC_SEQ_CST) : 0;

	if (bits && bound) {
		arch_message_deliver(thread, E_OK, 0, INFO_EVENT);
		arch_message_word_set(thread, 0, bits);
	} else if (bits) {
		arch_set_result(thread, E_OK, bits);
	}
	return bits;
}

/* Takes all bits for THREAD, whose wait was claimed, or lets it ask again when somebody else has had them. */
static void event_deliver(struct event *event, struct thread *thread, bool bound)
{
	if (!event_take(event, thread, bound))
		arch_syscall_restart(thread);
}

void event_signal(struct event *event, uint64_t bits)
{
	struct thread *woken, *bound;
	bool received = false;

	__atomic_fetch_or(&event->bits, bits, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&event->waiters.next, __ATOMIC_SEQ_CST) == &event->waiters && !event->bound)
		return;
	lock_take(&event->lock);
	woken = wait_claim_first(&event->waiters, THREAD_EVENT);
	bound = event->bound;
	if (!woken && bound) {
		uint64_t word = __atomic_load_n(&bound->wait, __ATOMIC_SEQ_CST);

		received = WAIT_STATE(word) == THREAD_RECEIVING && wait_claim(bound, word);
		woken = received ? bound : 0;
	}
	lock_release(&event->lock);
	if (!woken)
		return;
	if (received)
		wait_leave(woken);
	timer_disarm(&woken->timeout);
	event_deliver(event, woken, received);
	sched_wake(woken);
}

/* THREAD's binding becomes EVENT, whose reference goes over to it. Atomic: each old one is undone by one
 * alone. */
static void event_rebind(struct thread *thread, struct event *event)
{
	struct event *old = __atomic_exchange_n(&thread->event_bound, event, __ATOMIC_SEQ_CST);

	if (!old)
		return;
	lock_take(&old->lock);
	if (old->bound == thread)
		old->bound = 0;
	lock_release(&old->lock);
	object_release(&old->object);
}

void event_unbind(struct thread *thread)
{
	event_rebind(thread, 0);
}

int64_t sys_event_create(struct call *call)
{
	int64_t error;
	struct event *event =
	    (struct event *)object_create(call->self->unit, OBJECT_EVENT, sizeof *event, &error);

	if (!event)
		return error;
	list_init(&event->waiters);
	event->timer.expire = event_timer_expired;
	return call_result_object(call, &event->object, RIGHT_ALL);
}

/* BITS as far as the badge of the event's capability allows them. */
static uint64_t bits_allowed(const struct call *call, uint64_t bits)
{
	return call->caps[0].badge ? bits & call->caps[0].badge : bits;
}

int64_t sys_event_signal(struct call *call, struct event *event, uint64_t bits)
{
	bits = bits_allowed(call, bits);
	if (!bits)
		return E_ARGUMENT;
	event_signal(event, bits);
	return E_OK;
}

int64_t sys_event_wait(struct call *call, struct event *event, uint64_t deadline)
{
	struct thread *self = call->self;
	uint64_t word;

	call->second = __atomic_exchange_n(&event->bits, 0, __ATOMIC_SEQ_CST);
	if (call->second)
		return E_OK;
	if (deadline <= arch_clock_ns())
		return E_TIMEOUT;
	lock_take(&event->lock);
	if (event->object.dead) {
		lock_release(&event->lock);
		return E_HANDLE;
	}
	self->queue_lock = &event->lock;
	list_append(&event->waiters, &self->queue_node);
	wait_begin(self, THREAD_EVENT, deadline);
	lock_release(&event->lock);
	word = self->wait;
	if (__atomic_load_n(&event->bits, __ATOMIC_SEQ_CST) && WAIT_STATE(word) == THREAD_EVENT &&
	    wait_claim(self, word)) {
		wait_leave(self);
		timer_disarm(&self->timeout);
		event_deliver(event, self, false);
		sched_wake(self);
	}
	return CALL_BLOCKED;
}

int64_t sys_event_bind(struct call *call, struct event *event, struct thread *thread)
{
	int64_t error = E_OK;

	/* event_bound is the thread's own: another one's may be changed only while that is stopped. */
	if (thread != call->self && thread_state(thread) != THREAD_STOPPED)
		return E_STATE;
	if (event) {
		if (event->bound == thread)
			return E_OK;
		if (!object_reference(&event->object))
			return E_HANDLE;
		lock_take(&event->lock);
		if (event->bound || event->object.dead)
			error = E_STATE;
		else
			event->bound = thread;
		lock_release(&event->lock);
		if (error) {
			object_release(&event->object);
			return error;
		}
	}
	/* Point of no return. */
	event_rebind(thread, event);
	if (thread_state(thread) == THREAD_DEAD) /* it died meanwhile: see thread_teardown */
		event_unbind(thread);
	return E_OK;
}

int64_t sys_event_timer(struct call *call, struct event *event, uint64_t deadline, uint64_t bits)
{
	int64_t error = E_OK;

	bits = bits_allowed(call, bits);
	if (!bits && deadline != DEADLINE_NEVER)
		return E_ARGUMENT;
	lock_take(&event->lock);
	if (event->object.dead)
		error = E_HANDLE;
	else
		timer_arm(&event->timer, deadline, bits);
	lock_release(&event->lock);
	return error;
}

bool event_teardown(struct object *object)
{
	struct event *event = (struct event *)object, *expected = event;
	struct thread *bound;

	/* sys_event_timer and sys_event_bind look at dead under the lock. */
	lock_take(&event->lock);
	timer_disarm(&event->timer);
	bound = event->bound;
	event->bound = 0;
	lock_release(&event->lock);
	if (bound && __atomic_compare_exchange_n(&bound->event_bound, &expected, 0, false, __ATOMIC_SEQ_CST,
	                                         __ATOMIC_SEQ_CST))
		object_release(object);
	for (unsigned count = 0; count < 3; count++)
		if (!wait_end_first(&event->lock, &event->waiters, E_HANDLE))
			return true;
	return false;
}
