/* Waiting, waking, stopping: who may touch a thread, across CPUs.
 *
 * thread->wait is (number of the wait << 8 | state). The states from RECEIVING to PAGER, and STOPPED, are
 * waits. A thread begins a wait itself, on its own CPU, with one full-fence exchange (wait_begin). A wait
 * ends exactly once: timer, signal, message, cancel, stop and kill all try to swap the very word they saw for
 * THREAD_READY (wait_claim); the winner owns the thread alone, takes it out of the queue it waited in under
 * that queue's lock, writes the results and calls sched_wake. Losers do nothing. Who meets a thread in a
 * queue that it cannot claim skips it: its owner is about to unlink it. The number makes a stale timer or
 * reply miss. (Modelled in tests/spin/call_reply_donation.pml.)
 *
 * thread->on_cpu is 1 from when a CPU makes the thread current until it has switched away from it entirely.
 * Only then may another CPU run it: whoever makes a woken thread run waits for that. A call that wakes its
 * server may simply wait: the server's CPU clears on_cpu without waiting for anybody. The mailbox may not,
 * and leaves such a thread for later: a thread that moves because its budget died may be in the midst of a
 * call that waits for all CPUs.
 *
 * Work for another CPU: requests are or-ed into thread->requests; who finds 0 there pushes the thread on the
 * mailbox of thread->cpu. The receiver takes all requests at once and forwards what is no longer its own. So
 * a thread is in at most one mailbox, and none needs memory. (Modelled in tests/spin/mailbox.pml and mailbox_rounds.pml.)
 */
#include <calls.h>
#include <channel.h>
#include <event.h>
#include <memory.h>
#include "sched.h"

#define MAILBOX_SLICE 12u

void (*thread_finish)(struct thread *thread);

/* ---- Mailbox ---- */

static void mailbox_push(struct cpu *cpu, struct thread *thread)
{
	struct thread *first = cpu->mailbox;

	do {
		thread->mailbox_next = first;
	} while (!__atomic_compare_exchange_n(&cpu->mailbox, &first, thread, false, __ATOMIC_SEQ_CST,
	                                      __ATOMIC_SEQ_CST));
	if (!first)
		arch_ipi(cpu);
}

static void request(struct thread *thread, uint32_t bits)
{
	if (!__atomic_fetch_or(&thread->requests, bits, __ATOMIC_SEQ_CST))
		mailbox_push(thread->cpu, thread);
}

void thread_nudge(struct thread *thread)
{
	request(thread, REQUEST_LOOK);
}

/* Something about THREAD changed: obey a halt, a freeze or thaw, a kick. */
static void thread_look(struct cpu *cpu, struct thread *thread)
{
	uint64_t word = thread->wait;

	if (thread == cpu->current) {
		if (thread->kicked)
			thread_kicked(thread);
		cpu->reschedule = true;
		return;
	}
	if (WAIT_STATE(word) != THREAD_READY) { /* whose it is the claim decides */
		if (thread->halt)
			thread_halt(thread, thread->halt);
		else if (thread->kicked)
			thread_kicked(thread);
		return;
	}
	/* Claimed, in no queue of a CPU yet (perhaps in that of what it waited for still), or in another
	 * CPU's by now: thread->cpu was set before. Again a little later, or there. */
	if (!thread->queued || __atomic_load_n(&thread->cpu, __ATOMIC_SEQ_CST) != cpu) {
		request(thread, REQUEST_LOOK);
		return;
	}
	if (thread->kicked)
		thread_kicked(thread);
	if (thread->halt) {
		sched_dequeue(cpu, thread);
		thread_halted(thread);
	} else if (thread->parked ? !thread_held_back(thread) : serve_better(cpu, thread) != 0) {
		sched_dequeue(cpu, thread);
		sched_enqueue(cpu, thread);
	}
}

void thread_await_cpu(const struct thread *thread)
{
	while (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE))
		arch_pause();
}

/* Whether the CPU that THREAD comes from has switched away from it; waits a moment for that, PATIENCE in
 * all. Not without end: a thread whose budget dies moves while its CPU may still wait for others in cpu_await or flush_all. */
static bool left_cpu(const struct thread *thread, unsigned *patience)
{
	while (__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE)) {
		if (!*patience)
			return false;
		--*patience;
		arch_pause();
	}
	return true;
}

/* Serves requests of other CPUs. */
static void sched_mailbox(struct cpu *cpu)
{
	struct thread *thread;
	unsigned patience = 64;

	for (unsigned count = 0; count < MAILBOX_SLICE; count++) {
		uint32_t bits;

		if (!cpu->mail)
			cpu->mail = __atomic_exchange_n(&cpu->mailbox, 0, __ATOMIC_SEQ_CST);
		thread = cpu->mail;
		if (!thread)
			break;
		cpu->mail = thread->mailbox_next;
		bits = __atomic_exchange_n(&thread->requests, 0, __ATOMIC_SEQ_CST);
		if (WAIT_STATE(thread->wait) == THREAD_DEAD) /* its memory may go: see object.c */
			continue;
		if (thread->cpu != cpu) {
			request(thread, bits);
			continue;
		}
		if (bits & REQUEST_WAKE) {
			if (!left_cpu(thread, &patience)) { /* later: it may be waiting for this one */
				request(thread, bits);
				continue;
			}
			sched_enqueue(cpu, thread);
		}
		if (bits & REQUEST_LOOK)
			thread_look(cpu, thread);
	}
	/* The rest at the next interrupt. What was pushed meanwhile came with one of its own, which may have been merged
	 * with the one that is being served. */
	if (cpu->mail || cpu->mailbox)
		arch_ipi(cpu);
	if (cpu->evict) {
		budget_evict_here(cpu, cpu->evict);
		cpu->evict = 0;
	}
}

void cpu_serve(struct cpu *cpu)
{
	if (cpu->mailbox || cpu->mail || cpu->evict)
		sched_mailbox(cpu);
	if (cpu->current && thread_held_back(cpu->current)) /* its unit has ended: unit_end */
		cpu->reschedule = true;
	flush_serve(cpu);
	quiesce_serve(cpu);
}

void kernel_interrupt_ipi(void)
{
	cpu_serve(cpu_self());
}

/* ---- Budgets of threads ---- */

void budget_take(struct thread *thread, struct budget *budget)
{
	__atomic_fetch_add(&budget->users, 1, __ATOMIC_SEQ_CST);
	thread->budget_current = budget;
}

void budget_drop(struct thread *thread)
{
	struct budget *budget = thread->budget_current;

	thread->budget_current = 0;
	if (budget)
		__atomic_fetch_sub(&budget->users, 1, __ATOMIC_SEQ_CST);
}

/* THREAD, which stops being ready, stays findable for budget_evict while it keeps a budget not its own. */
void holder_add(struct thread *thread)
{
	struct budget *budget = thread->budget_current;

	if (!budget || budget == thread->budget || budget == &thread->fallback)
		return;
	lock_take(&budget->lock);
	list_append(&budget->holders, &thread->holder_node);
	lock_release(&budget->lock);
}

void holder_remove(struct thread *thread)
{
	struct budget *budget = thread->budget_current;

	if (!budget || budget == thread->budget || budget == &thread->fallback)
		return;
	/* Not only where it is in the list: holders_drop takes it out first and its budget then. */
	lock_take(&budget->lock);
	list_remove(&thread->holder_node);
	lock_release(&budget->lock);
}

void holders_drop(struct budget *budget, unsigned count)
{
	lock_take(&budget->lock);
	for (; count && !list_empty(&budget->holders); count--) {
		struct thread *thread = container_of(budget->holders.next, struct thread, holder_node);

		list_remove(&thread->holder_node);
		budget_drop(thread);
	}
	lock_release(&budget->lock);
}

bool budget_evict(struct budget *budget)
{
	struct budget *none = 0;

	budget->object.dead = 1;
	if (budget->evicted)
		return budget->cpu->evict != budget;
	if (budget->cpu == cpu_self())
		budget_evict_here(budget->cpu, budget);
	else if (__atomic_compare_exchange_n(&budget->cpu->evict, &none, budget, false, __ATOMIC_SEQ_CST,
	                                     __ATOMIC_SEQ_CST))
		arch_ipi(budget->cpu);
	return false;
}

/* Gives THREAD a budget to run on where it has none: its own while that lives, else its fallback. */
static void budget_settle(struct thread *thread)
{
	struct budget *own = thread->budget, *fallback = &thread->fallback;

	if (thread->budget_current)
		return;
	if (own && !own->object.dead) {
		budget_take(thread, own);
		return;
	}
	if (!fallback->users &&
	    !__atomic_load_n(&fallback->queued,
	                     __ATOMIC_ACQUIRE)) { /* nobody runs on it: it may change its CPU */
		struct budget_spec spec = {.quota_ns = BUDGET_FALLBACK_SLICE,
		                           .priority = thread->unit->best_effort_max};

		fallback->object.owner = thread->unit;
		budget_setup(fallback, cpu_self(), &spec, 0);
	}
	budget_take(thread, fallback);
}

/* ---- Waking ---- */

void sched_wake(struct thread *thread)
{
	struct cpu *self = cpu_self();

	holder_remove(thread);
	budget_settle(thread);
	thread->cpu = thread->budget_current->cpu;
	if (thread == self->current) {
		/* It has not left this CPU yet: it stays, or goes where its budget is. */
		self->reschedule = true;
		self->blocked = thread->cpu != self;
		if (self->blocked)
			request(thread, REQUEST_WAKE);
	} else if (thread->cpu == self && !__atomic_load_n(&thread->on_cpu, __ATOMIC_ACQUIRE)) {
		sched_enqueue(self, thread);
	} else {
		request(thread, REQUEST_WAKE);
	}
}

void wait_begin(struct thread *thread, enum thread_state_kind state, uint64_t deadline)
{
	struct cpu *cpu = cpu_self();
	uint64_t word = WAIT_NEXT(thread->wait, state);

	cpu->blocked = cpu->reschedule = true;
	if (thread->budget_current != thread->budget)
		holder_add(thread);
	if (deadline != DEADLINE_NEVER)
		timer_arm(&thread->timeout, deadline, word);
	__atomic_exchange_n(&thread->wait, word, __ATOMIC_SEQ_CST);
}

void wait_resume(struct thread *thread, uint64_t word)
{
	__atomic_exchange_n(&thread->wait, word, __ATOMIC_SEQ_CST);
	/* A halt that came while it was claimed found nobody to tell. */
	if (__atomic_load_n(&thread->halt, __ATOMIC_SEQ_CST))
		thread_halt(thread, thread->halt);
}

static bool is_wait(enum thread_state_kind state)
{
	return state >= THREAD_RECEIVING && state <= THREAD_PAGER;
}

void wait_leave(struct thread *thread)
{
	lock_take(thread->queue_lock);
	if (thread->call_node.rank)
		heap_remove(thread->queue_ranked, &thread->call_node);
	list_remove(&thread->queue_node);
	lock_release(thread->queue_lock);
}

/* CALLER was cancelled or ends while its call is served: nobody may answer it any more. */
static void call_forget(struct thread *caller)
{
	struct thread *expected = caller, *server = caller->server, *volatile *place = caller->reply;

	if (!place && server)
		place = &server->caller;
	caller->server = 0;
	caller->reply = 0;
	if (place)
		__atomic_compare_exchange_n(place, &expected, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* THREAD was claimed out of the wait STATE: takes it out of what it waited in. */
static void wait_unlink(struct thread *thread, enum thread_state_kind state)
{
	if (thread->timeout.armed)
		timer_disarm(&thread->timeout);
	if (state == THREAD_REPLY)
		call_forget(thread);
	else if (is_wait(state))
		wait_leave(thread);
}

struct thread *wait_claim_first(struct list *queue, enum thread_state_kind state)
{
	for (struct list *node = queue->next; node != queue; node = node->next) {
		struct thread *thread = container_of(node, struct thread, queue_node);
		uint64_t word = thread->wait;

		if (WAIT_STATE(word) == state && wait_claim(thread, word)) {
			list_remove(node);
			return thread;
		}
	}
	return 0;
}

bool wait_end_first(struct lock *lock, struct list *queue, int64_t result)
{
	struct thread *thread;
	uint64_t word;

	lock_take(lock);
	thread = list_empty(queue) ? 0 : container_of(queue->next, struct thread, queue_node);
	word = thread ? thread->wait : 0;
	lock_release(lock);
	if (thread)
		thread_end_this_wait(thread, word, result);
	return thread;
}

bool thread_end_this_wait(struct thread *thread, uint64_t word, int64_t result)
{
	enum thread_state_kind state = WAIT_STATE(word);

	if (!is_wait(state) || !wait_claim(thread, word))
		return false;
	wait_unlink(thread, state);
	if (state != THREAD_PAGER) /* that one was in no system call: its instruction runs again */
		arch_set_result(thread, result, 0);
	sched_wake(thread);
	return true;
}

bool thread_end_wait(struct thread *thread, int64_t result)
{
	return thread_end_this_wait(thread, thread->wait, result);
}

void thread_timeout(struct timer *timer, uint64_t mark)
{
	thread_end_this_wait(container_of(timer, struct thread, timeout), mark, E_TIMEOUT);
}

void thread_kicked(struct thread *thread)
{
	uint64_t word = thread->wait;
	enum thread_state_kind state = WAIT_STATE(word);

	/* While it waits nobody may touch its registers: the end of the wait decides who may. For a thread
	 * that is not current, sched_enqueue comes back here. */
	if (is_wait(state) && state != THREAD_REPLY) {
		if (!thread_end_this_wait(thread, word, E_CANCELLED) || thread != cpu_self()->current)
			return;
		state = THREAD_READY;
	}
	if (!thread->in_guest || state != THREAD_READY)
		return;
	thread->kicked = false;
	arch_guest_exit(thread, GUEST_EXIT_KICK, 0, 0, 0);
}

/* ---- Stopping ---- */

void thread_halt(struct thread *thread, enum thread_halt halt)
{
	uint8_t before = thread->halt;
	uint64_t word;

	while (before < halt && !__atomic_compare_exchange_n(&thread->halt, &before, halt, false,
	                                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	word = __atomic_load_n(&thread->wait, __ATOMIC_SEQ_CST);
	if (WAIT_STATE(word) == THREAD_DEAD)
		return;
	if (WAIT_STATE(word) == THREAD_STOPPED && halt == HALT_STOP) {
		uint8_t stop = HALT_STOP;

		__atomic_compare_exchange_n(&thread->halt, &stop, HALT_NONE, false, __ATOMIC_SEQ_CST,
		                            __ATOMIC_SEQ_CST);
		return;
	}
	if (WAIT_STATE(word) != THREAD_READY && wait_claim(thread, word)) {
		wait_unlink(thread, WAIT_STATE(word));
		if (is_wait(WAIT_STATE(word)) && WAIT_STATE(word) != THREAD_PAGER)
			arch_set_result(thread, E_CANCELLED, 0);
		holder_remove(thread);
		thread_halted(thread);
	} else if (thread == cpu_self()->current) {
		cpu_self()->reschedule = true;
	} else {
		request(thread, REQUEST_LOOK);
	}
}

void thread_halted(struct thread *thread)
{
	uint64_t word = thread->wait;

	if (thread == cpu_self()->current)
		cpu_self()->blocked = cpu_self()->reschedule = true;
	holder_remove(thread);
	budget_drop(thread);
	if (__atomic_exchange_n(&thread->halt, HALT_NONE, __ATOMIC_SEQ_CST) == HALT_KILL) {
		thread_finish(thread);
		return;
	}
	/* A kill that comes in between sees THREAD_READY and sends a request: its CPU looks again after this.
	 */
	__atomic_exchange_n(&thread->wait, WAIT_NEXT(word, THREAD_STOPPED), __ATOMIC_SEQ_CST);
}

void thread_start(struct thread *thread)
{
	uint64_t word = thread->wait;

	if (WAIT_STATE(word) == THREAD_STOPPED && wait_claim(thread, word))
		sched_wake(thread);
}

void thread_review(struct thread *thread)
{
	if (thread->unit->object.dead || thread->unit->state > UNIT_RUNNING)
		thread_halt(thread, HALT_KILL);
	else if (thread == cpu_self()->current)
		cpu_self()->reschedule = true;
	else
		request(thread, REQUEST_LOOK);
}

/* ---- Interrupts ---- */

void kernel_interrupt_timer(void)
{
	struct cpu *cpu = cpu_self();
	uint64_t now = arch_clock_ns();

	cpu->programmed = DEADLINE_NEVER;
	lock_take(&cpu->timer_lock);
	for (unsigned count = 0; count < MAILBOX_SLICE; count++) {
		struct timer *timer = cpu->timers;
		uint64_t mark;

		if (!timer || timer->deadline > now)
			break;
		heap_remove(&cpu->timers, timer);
		mark = timer->mark;
		timer->armed = false;
		lock_release(&cpu->timer_lock);
		timer->expire(timer, mark);
		lock_take(&cpu->timer_lock);
	}
	if (cpu->slice_end <= now)
		cpu->reschedule = true;
	/* Nothing is programmed now, so the first timer must be the first: another CPU may be disarming it.
	 */
	cpu_program(cpu);
	lock_release(&cpu->timer_lock);
}
