/* What the scheduler's files share. Not for others. All on the CPU's own behalf, without locks held. */
#pragma once

#include "thread.h"
#include "unit.h"

/* THREAD must not reach user mode now. */
static inline bool thread_held_back(const struct thread *thread)
{
	return thread->halt || thread->unit->frozen || thread->unit->state > UNIT_RUNNING;
}

void cpu_charge(struct cpu *cpu, uint64_t now);
void cpu_program(struct cpu *cpu);
void quiesce_serve(struct cpu *cpu);
/* THREAD, ready and in no queue, joins this CPU's: its budget's, or the parked, or it is halted. */
void sched_enqueue(struct cpu *cpu, struct thread *thread);
void sched_dequeue(struct cpu *cpu, struct thread *thread);
/* THREAD is the caller's alone (claimed, or taken from its queue on its CPU) and has thread->halt set: obeys
 * it. */
void thread_halted(struct thread *thread);
/* THREAD is claimed, unlinked and has no budget: the end of it but for its memory. thread/ stands above, and is told by
 * call/. */
extern void (*thread_finish)(struct thread *thread);
void thread_timeout(struct timer *timer, uint64_t mark);
/* Publishes that THREAD, which this CPU has claimed, waits after all, by the number WORD. */
void wait_resume(struct thread *thread, uint64_t word);

/* THREAD, which runs on BUDGET, could go on with one of its own. */
static inline bool thread_away(const struct thread *thread, const struct budget *budget)
{
	return thread->budget && thread->budget != budget && !thread->budget->object.dead;
}

/* What a server runs on: see serve.c. All for threads that are ready or current, on their CPU. */
/* THREAD goes on with BUDGET instead of the one that its caller lent, which goes back to the caller;
 * sched_wake. */
void serve_on(struct thread *thread, struct budget *budget);
/* The budget that THREAD should go on with instead of its current one, now that it would wait for a CPU; or
 * 0. */
struct budget *serve_better(struct cpu *cpu, struct thread *thread);
/* What a waiting caller has lent THREAD for what it works on, or 0. Any CPU. */
struct budget *serve_lent(const struct thread *thread);
/* The best of the budgets that THREAD, which is current, has for what it works on: with this it waits for others. */
struct budget *serve_best(struct thread *thread);
/* Moves threads that serve and wait on BUDGET to their own, a few; true: perhaps more are left. */
bool serve_rescue(struct budget *budget);
/* A caller that waits for THREAD lends it BUDGET, for the request it works on. Any CPU; no lock held. */
void serve_lend(struct thread *thread, struct budget *budget);
void serve_forget(struct thread *thread);
/* The budget that would run next on CPU; 0: none. */
struct budget *sched_highest(struct cpu *cpu);

/* thread->budget_current and its count of users. */
void budget_take(struct thread *thread, struct budget *budget);
void budget_drop(struct thread *thread);
void budget_evict_here(struct cpu *cpu, struct budget *budget);
void holder_add(struct thread *thread);
void holder_remove(struct thread *thread);
void holders_drop(struct budget *budget, unsigned count);
