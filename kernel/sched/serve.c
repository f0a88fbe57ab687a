/* What a server runs on while it works for a caller.
 *
 * A donating call takes the caller's budget along, and the hot paths move nothing else. Here is what keeps a
 * request that was once begun from depending on that budget: where the server would have to wait for a CPU,
 * it goes on with the best of
 *   - the donor's budget, while it has time,
 *   - its own, the reserve (its priority is the server's floor): always where the donor's is used up or
 * lower,
 *   - one that a waiting caller of higher priority has lent it.
 * So its priority is the highest of its floor, its donor's and its waiting callers'; nothing is paid for that
 * while it runs undisturbed. What its caller lent goes back to the caller, which gets it again with the
 * reply.
 *
 * Where it waits for a server itself, it has the place among the callers there that the best of these has, and lends that
 * one.
 *
 * Servers are the first in the queue of a lent budget, so they do not wait for the donor's own threads; one whose turn on it
 * ends, while others have theirs, goes on with its own if that is no lower. A budget that is used up or configured anew gives them
 * up (serve_rescue), a few at a time, by its replenishment timer. A server without a budget of its own has no floor: it depends on
 * its callers.
 */
#include "sched.h"

#define RESCUE_SLICE 8u

void serve_on(struct thread *thread, struct budget *budget)
{
	struct thread *caller = thread->caller;

	/* As in reply_save: the claim makes the caller ours; whoever ended its wait meanwhile has left us the
	 * budget. */
	if (thread->donated && caller && wait_claim(caller, thread->caller_wait)) {
		uint64_t word = WAIT_NEXT(caller->wait, THREAD_REPLY);

		if (thread->lent_for == thread->caller_wait)
			thread->lent_for = word;
		thread->caller_wait = word;
		caller->budget_current = thread->budget_current;
		thread->budget_current = 0;
		holder_add(caller);
		wait_resume(caller, word);
	}
	thread->donated = false;
	budget_drop(thread);
	budget_take(thread, budget);
	sched_wake(thread);
}

static bool usable(const struct budget *budget)
{
	return budget && !budget->object.dead;
}

struct budget *serve_lent(const struct thread *thread)
{
	struct budget *lent = __atomic_load_n(&thread->lent, __ATOMIC_SEQ_CST);

	return lent && thread->lent_for == thread->caller_wait && usable(lent) ? lent : 0;
}

struct budget *serve_best(struct thread *thread)
{
	struct budget *best = thread->budget_current, *lent = serve_lent(thread);

	if (usable(thread->budget) && thread->budget->priority > best->priority)
		best = thread->budget;
	return lent && lent->priority > best->priority ? lent : best;
}

struct budget *serve_better(struct cpu *cpu, struct thread *thread)
{
	struct budget *now = thread->budget_current, *own = thread->budget, *lent = serve_lent(thread);

	if (lent && !lent->throttled && lent->priority > now->priority &&
	    (!usable(own) || lent->priority > own->priority))
		return lent;
	if (!thread_away(thread, now))
		return 0;
	/* Where its turn is over and others have theirs on this budget, it takes turns with the budget instead. */
	if (now->throttled || (thread->rotate && !list_empty(&now->ready) && own->priority >= now->priority))
		return own;
	return own->priority > now->priority && sched_highest(cpu) != now ? own : 0;
}

bool serve_rescue(struct budget *budget)
{
	struct list *node = budget->ready.next, *next;
	bool moved = false;
	unsigned count;

	for (count = 0; count < RESCUE_SLICE && node != &budget->ready; count++, node = next) {
		struct thread *thread = container_of(node, struct thread, queue_node);

		next = node->next;
		if (!thread_away(thread, budget)) {
			if (!thread->donated)
				return false;
			continue;
		}
		list_remove(node);
		thread->queued = false;
		serve_on(thread, thread->budget);
		moved = true;
	}
	if (moved || count < RESCUE_SLICE)
		return count == RESCUE_SLICE;
	/* All of these are servers without budgets of their own: next time those behind them are looked at. */
	while (count--)
		list_move(&budget->ready, budget->ready.next);
	return false;
}

void serve_lend(struct thread *thread, struct budget *budget)
{
	const struct budget *now = thread->budget_current;
	struct budget *old;

	if ((now && now->priority >= budget->priority) || budget->object.type != OBJECT_BUDGET ||
	    !object_reference(&budget->object))
		return;
	thread->lent_for = thread->caller_wait;
	old = __atomic_exchange_n(&thread->lent, budget, __ATOMIC_SEQ_CST);
	if (old)
		object_release(&old->object);
	if (thread_state(thread) == THREAD_DEAD) /* it died meanwhile: see thread_end */
		serve_forget(thread);
	thread_nudge(thread);
}

void serve_forget(struct thread *thread)
{
	struct budget *lent = __atomic_exchange_n(&thread->lent, 0, __ATOMIC_SEQ_CST);

	if (lent)
		object_release(&lent->object);
}
