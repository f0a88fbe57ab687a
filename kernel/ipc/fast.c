/* The hot paths: a call whose receiver waits, and an answer whose caller waits while nobody else does, both
 * on one CPU, on a donated budget, with words alone. The same protocol as channel.c, which does all that is
 * refused here: each function only reads until its point of no return, and leaves anything unusual to the
 * slow one.
 *
 * Written to be short in instructions: one lock without contention, one compare-and-swap, no call but the
 * switch. The arithmetic on wait words relies on the current thread being in THREAD_READY.
 */
#include "channel.h"
#include "event.h"
#include "slow.h"
#include "sched.h"

#define SLOW(condition) __builtin_expect(!!(condition), 0)

/* The channel that HANDLE names with RIGHT, alive, and *BADGE, or 0. As cap_lookup: all is read once, and the
 * generation after it, because the slot may be given back or used again meanwhile. */
static inline struct channel *cap_channel(const struct unit *unit, handle_t handle, uint16_t right,
                                          uint64_t *badge)
{
	uint32_t index = HANDLE_INDEX(handle), wanted = right | (uint32_t)CAP_LIVE << 16;
	const struct cap *cap;
	struct object *object;

	cap = unit->directory[index / CAP_PAGE_SLOTS % CAP_DIRECTORY]; /* as slot_at */
	if (SLOW(!cap))
		return 0;
	cap += index % CAP_PAGE_SLOTS;
	object = __atomic_load_n(&cap->object, __ATOMIC_ACQUIRE);
	*badge = __atomic_load_n(&cap->badge, __ATOMIC_ACQUIRE);
	/* rights and flags lie side by side, as type and dead do. */
	if (SLOW(!object || (*(const volatile uint32_t *)&cap->rights & wanted) != wanted ||
	         *(const volatile uint16_t *)&object->type != OBJECT_CHANNEL || object->owner->object.dead ||
	         __atomic_load_n(&cap->handle, __ATOMIC_ACQUIRE) != handle))
		return 0;
	return (struct channel *)object;
}
_Static_assert(offsetof(struct cap, flags) == offsetof(struct cap, rights) + 2, "cap_channel");
_Static_assert(offsetof(struct object, dead) == offsetof(struct object, type) + 1, "cap_channel");

/* The first word of a thread's wait in STATE after THREAD_READY, and back. */
#define WAIT_BEGIN(word, state) ((word) + 0x100 + (state)-THREAD_READY)
#define WAIT_END(word, state)   ((word) - (state) + THREAD_READY)

void channel_call(struct thread *self)
{
	struct cpu *cpu = cpu_self();
	uint64_t word, badge;
	struct channel *channel = cap_channel(self->unit, arch_argument(self, 0), RIGHT_CALL, &badge);
	struct budget *budget = self->budget_current;
	struct thread *server;
	struct list *first;

	if (SLOW(!channel || arch_argument(self, 1) || budget != cpu->budget))
		return channel_call_slow(self);
	if (SLOW(!(channel->flags & CHANNEL_DONATING) || !lock_try(&channel->lock)))
		return channel_call_slow(self);
	first = channel->receivers.next;
	server = container_of(first, struct thread, queue_node);
	if (SLOW(first == &channel->receivers || server->timeout.armed || server->on_cpu ||
	         thread_held_back(server)))
		goto slow;
	word = server->wait;
	if (SLOW((uint8_t)word != THREAD_RECEIVING ||
	         !__atomic_compare_exchange_n(&server->wait, &word, WAIT_END(word, THREAD_RECEIVING), false,
	                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)))
		goto slow;
	/* Point of no return. */
	list_take_first(&channel->receivers, first);
	lock_release(&channel->lock);
	arch_message_copy(server, self);
	arch_message_deliver(server, E_OK, badge, 0);
	word = WAIT_BEGIN(self->wait, THREAD_REPLY);
	server->caller_wait = word;
	server->caller = self;
	server->budget_current = budget;
	server->donated = true;
	self->server = server;
	self->reply = 0;
	self->budget_current = 0;
	__atomic_store_n(&self->wait, word, __ATOMIC_RELEASE);
	switch_to(cpu, self, server);
	return;
slow:
	lock_release(&channel->lock);
	channel_call_slow(self);
}

void channel_reply_receive(struct thread *self)
{
	struct cpu *cpu = cpu_self();
	uint64_t word, badge;
	struct channel *channel = cap_channel(self->unit, arch_argument(self, 0), RIGHT_RECEIVE, &badge);
	struct thread *caller = self->caller;
	struct budget *budget = self->budget_current;

	if (SLOW(!channel || !caller || arch_argument(self, 1) || ~arch_argument(self, 2) || !self->donated ||
	         self->event_bound || budget != cpu->budget || caller->on_cpu || thread_held_back(caller)))
		return channel_reply_receive_slow(self);
	if (SLOW(!lock_try(&channel->lock)))
		return channel_reply_receive_slow(self);
	word = self->caller_wait;
	if (SLOW(channel->callers || channel->object.dead ||
	         !__atomic_compare_exchange_n(&caller->wait, &word, WAIT_END(word, THREAD_REPLY), false,
	                                      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))) {
		lock_release(&channel->lock);
		return channel_reply_receive_slow(self);
	}
	/* Point of no return. */
	list_append(&channel->receivers, &self->queue_node);
	caller->budget_current = budget;
	arch_message_copy(caller, self);
	arch_message_deliver(caller, E_OK, 0, 0);
	self->caller = 0;
	self->donated = false;
	self->budget_current = 0;
	self->queue_lock = &channel->lock;
	__atomic_store_n(&self->wait, WAIT_BEGIN(self->wait, THREAD_RECEIVING), __ATOMIC_RELEASE);
	lock_release(&channel->lock);
	switch_to(cpu, self, caller);
}
