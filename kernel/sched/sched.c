/* The scheduler: what runs next on this CPU.
 *
 * Each CPU has its own queues, touched by nobody else. The run queue holds budgets: by priority (bitmap and
 * lists, O(1)), those at PRIORITY_EDF in a heap by deadline. A budget is queued from the time it gets a ready
 * thread until it is found without one, or is used up; while it runs it stays queued. Its ready threads are
 * first in, first out; the running thread is in no queue. So a call on a donated budget, and its reply,
 * change nothing here but cpu->current.
 *
 * The timer is programmed only to come earlier than it is already set: an interrupt that finds nothing to do
 * costs less than programming on each switch.
 */
#include "sched.h"

#define CANDIDATES_MAX 8 /* threads and budgets one choice looks at before it lets interrupts in */

struct cpu *cpus[CPU_MAX];
uint32_t cpu_count;

void sched_init(struct cpu *cpu)
{
	cpu->self = cpu;
	for (unsigned priority = 0; priority < PRIORITY_COUNT; priority++)
		list_init(&cpu->run[priority]);
	list_init(&cpu->parked);
	cpu->programmed = cpu->slice_end = DEADLINE_NEVER;
}

/* ---- Run queue ---- */

/* A thread waits in BUDGET's queue, and could go on with a budget of its own. */
static bool serving(const struct budget *budget)
{
	return !list_empty(&budget->ready) &&
	       thread_away(container_of(budget->ready.next, struct thread, queue_node), budget);
}

static void run_insert(struct cpu *cpu, struct budget *budget)
{
	budget->queued = true;
	cpu->run_bitmap[budget->priority / 64] |= 1ull << budget->priority % 64;
	if (budget->edf)
		heap_insert(&cpu->edf, &budget->edf_node);
	else
		list_append(&cpu->run[budget->priority], &budget->run_node);
}

static void run_remove(struct cpu *cpu, struct budget *budget)
{
	bool empty;

	if (budget->edf)
		heap_remove(&cpu->edf, &budget->edf_node);
	else
		list_remove(&budget->run_node);
	/* Last: an unused fallback that is in no queue may be set up for another CPU (budget_settle). */
	__atomic_store_n(&budget->queued, false, __ATOMIC_RELEASE);
	empty = budget->priority == PRIORITY_EDF ? !cpu->edf : list_empty(&cpu->run[budget->priority]);
	if (empty)
		cpu->run_bitmap[budget->priority / 64] &= ~(1ull << budget->priority % 64);
}

struct budget *sched_highest(struct cpu *cpu)
{
	for (int word = RUN_WORDS - 1; word >= 0; word--) {
		uint64_t bits = cpu->run_bitmap[word];
		int priority;

		if (!bits)
			continue;
		priority = word * 64 + 63 - __builtin_clzll(bits);
		if (priority == PRIORITY_EDF)
			return container_of(cpu->edf, struct budget, edf_node);
		return container_of(cpu->run[priority].next, struct budget, run_node);
	}
	return 0;
}

/* BUDGET is used up until its next refill. Servers that wait on it do so no longer: at once by the timer. */
static void throttle(struct budget *budget)
{
	budget->throttled = true;
	timer_arm(&budget->replenish, serving(budget) ? 0 : refills_next(&budget->refills), 0);
}

/* BUDGET has work and is not queued: queues it, or, used up, arms its replenishment. */
static void budget_activate(struct cpu *cpu, struct budget *budget, uint64_t now)
{
	if (budget->best_effort) {
		run_insert(cpu, budget);
		return;
	}
	refills_activate(&budget->refills, now);
	if (!refills_available(&budget->refills, now)) {
		throttle(budget);
		return;
	}
	if (budget->edf)
		budget->edf_node.deadline = refills_next(&budget->refills) + budget->deadline_relative;
	run_insert(cpu, budget);
}

/* True when BUDGET should run before the one that runs now. */
static bool budget_beats(const struct budget *budget, const struct budget *running)
{
	if (!running || budget->priority != running->priority)
		return !running || budget->priority > running->priority;
	return budget->edf && budget->edf_node.deadline < running->edf_node.deadline;
}

void budget_unthrottle(struct budget *budget)
{
	struct cpu *cpu = cpu_self();

	if (!budget->throttled)
		return;
	if (serve_rescue(budget) || arch_clock_ns() < refills_next(&budget->refills)) {
		throttle(budget);
		return;
	}
	budget->throttled = false;
	if (list_empty(&budget->ready))
		return;
	budget_activate(cpu, budget, arch_clock_ns());
	if (budget->queued && budget_beats(budget, cpu->budget))
		cpu->reschedule = true;
}

void budget_reconfigure(struct budget *budget, const struct budget_spec *spec)
{
	struct cpu *cpu = cpu_self();
	uint64_t now = arch_clock_ns();

	cpu_charge(cpu, now);
	if (budget->queued)
		run_remove(cpu, budget);
	timer_disarm(&budget->replenish);
	budget->throttled = false;
	budget_configure(budget, spec, now);
	if (!list_empty(&budget->ready) || cpu->budget == budget)
		budget_activate(cpu, budget, now);
	/* Its place may be worse now: servers that wait on it look again. */
	if (serving(budget) && !budget->throttled) {
		if (budget->queued)
			run_remove(cpu, budget);
		throttle(budget);
	}
	cpu->reschedule = true;
}

/* Accounts the time since the last charge to the running budget. Used up: admitted ones leave the run queue
 * until their replenishment, best-effort ones go to the back of their priority. */
void cpu_charge(struct cpu *cpu, uint64_t now)
{
	struct budget *budget = cpu->budget;
	uint64_t used = now - cpu->charged_to;

	cpu->charged_to = now;
	if (!budget || !used || (int64_t)used < 0)
		return;
	budget->consumed += used;
	__atomic_fetch_add(&budget->object.owner->cpu_time, used, __ATOMIC_RELAXED);
	if (budget->best_effort) {
		budget->slice_left -= (int64_t)used;
		if (budget->slice_left > 0)
			return;
		budget->slice_left = (int64_t)budget->quota;
		if (cpu->current)
			cpu->current->rotate = true;
		if (budget->queued) {
			run_remove(cpu, budget);
			run_insert(cpu, budget);
		}
		return;
	}
	refills_charge(&budget->refills, used);
	if (!refills_available(&budget->refills, now) && budget->queued) {
		run_remove(cpu, budget);
		throttle(budget);
	}
}

/* ---- Threads ---- */

/* Puts READY thread into its budget's queue on this CPU. */
static void ready_insert(struct cpu *cpu, struct thread *thread, bool front)
{
	struct budget *budget = thread->budget_current;

	if (front)
		list_prepend(&budget->ready, &thread->queue_node);
	else
		list_append(&budget->ready, &thread->queue_node);
	thread->queued = true;
	if (!budget->queued && !budget->throttled)
		budget_activate(cpu, budget, arch_clock_ns());
}

/* THREAD, ready and in no queue, may not run: it dies with its unit, stops, or is parked until the thaw. */
static void hold_back(struct cpu *cpu, struct thread *thread)
{
	if (thread->unit->state > UNIT_RUNNING)
		thread->halt = HALT_KILL;
	if (thread->halt) {
		thread_halted(thread);
		return;
	}
	thread->queued = thread->parked = true;
	list_append(&cpu->parked, &thread->queue_node);
	holder_add(thread);
}

void sched_enqueue(struct cpu *cpu, struct thread *thread)
{
	struct budget *budget = thread->budget_current, *better;
	bool front;

	if (thread->halt) {
		hold_back(cpu, thread);
		return;
	}
	if (thread->kicked)
		thread_kicked(thread);
	if (!budget || budget->object.dead) {
		budget_drop(thread);
		sched_wake(thread);
		return;
	}
	if (thread_held_back(thread)) {
		hold_back(cpu, thread);
		return;
	}
	better = serve_better(cpu, thread);
	if (better) {
		serve_on(thread, better);
		return;
	}
	front = thread->donated || thread_away(thread, budget);
	ready_insert(cpu, thread, front);
	if (!budget->queued)
		return;
	/* Before the donor's own thread, but not before a server: that one would have to wait for the donor's. */
	if (front && budget == cpu->budget && cpu->current &&
	    (budget->best_effort || !thread_away(cpu->current, budget))) {
		cpu->current->rotate = true;
		cpu->reschedule = true;
	}
	if (budget_beats(budget, cpu->budget)) {
		cpu->reschedule = true;
	} else if (budget->priority == cpu->budget->priority && cpu->slice_end == DEADLINE_NEVER) {
		/* A competitor at the same level: the slice of the one that runs has an end. */
		cpu->slice_end = cpu->charged_to + (uint64_t)cpu->budget->slice_left;
		timer_program(cpu, cpu->slice_end);
	}
}

void sched_dequeue(struct cpu *cpu, struct thread *thread)
{
	struct budget *budget = thread->budget_current;

	list_remove(&thread->queue_node);
	thread->queued = false;
	if (thread->parked) {
		thread->parked = false;
		holder_remove(thread);
	} else if (budget->queued && budget != cpu->budget && list_empty(&budget->ready)) {
		run_remove(cpu, budget);
	}
}

/* Takes BUDGET, dead and of this CPU, from some of its users; sets budget->evicted when it is done. */
void budget_evict_here(struct cpu *cpu, struct budget *budget)
{
	struct thread *current = cpu->current;

	timer_disarm(&budget->replenish);
	/* The running thread leaves it in sched_choose: this may be called while a call of it waits for
	 * another CPU, which must not be made to wait for the thread in turn. */
	if (current && current->budget_current == budget)
		cpu->reschedule = true;
	for (unsigned count = 0; count < CANDIDATES_MAX && !list_empty(&budget->ready); count++) {
		struct thread *thread = container_of(budget->ready.next, struct thread, queue_node);

		list_remove(&thread->queue_node);
		thread->queued = false;
		budget_drop(thread);
		sched_wake(thread);
	}
	holders_drop(budget, CANDIDATES_MAX);
	if (budget->queued && list_empty(&budget->ready))
		run_remove(cpu, budget);
	budget->evicted = !budget->users && !budget->queued;
}

/* The next thread to run, out of its queue; 0: none. *MORE: candidates are left but it is time to let
 * interrupts in. */
static struct thread *choose(struct cpu *cpu, bool *more)
{
	for (unsigned count = 0; count < CANDIDATES_MAX; count++) {
		struct budget *budget = sched_highest(cpu);
		struct thread *thread;

		if (!budget)
			return 0;
		if (list_empty(&budget->ready)) {
			run_remove(cpu, budget);
			continue;
		}
		thread = container_of(budget->ready.next, struct thread, queue_node);
		list_remove(&thread->queue_node);
		thread->queued = false;
		if (!thread_held_back(thread))
			return thread;
		hold_back(cpu, thread);
	}
	*more = true;
	return 0;
}

/* When the running budget must be stopped: an admitted one at the end of what it has; a best-effort one only
 * if others wait at its level. */
static uint64_t slice_end(struct cpu *cpu, const struct budget *budget, uint64_t now)
{
	if (!budget->best_effort)
		return now + refills_available(&budget->refills, now);
	if (list_empty(&budget->ready) && budget->run_node.next == budget->run_node.previous &&
	    budget->run_node.next == &cpu->run[budget->priority])
		return DEADLINE_NEVER;
	return now + (uint64_t)budget->slice_left;
}

void cpu_program(struct cpu *cpu)
{
	const struct timer *first = cpu->timers;

	timer_program(cpu, first && first->deadline < cpu->slice_end ? first->deadline : cpu->slice_end);
}

void sched_choose(struct cpu *cpu)
{
	struct thread *previous = cpu->current, *next;
	struct budget *better;
	uint64_t now = arch_clock_ns();
	bool more = false;

	cpu_charge(cpu, now);
	if (previous && !cpu->blocked && previous->budget_current->object.dead) {
		budget_drop(previous);
		sched_wake(previous); /* on another budget, perhaps of another CPU */
	}
	if (previous && !cpu->blocked && (better = serve_better(cpu, previous)))
		serve_on(previous, better);
	if (previous && !cpu->blocked) {
		if (thread_held_back(previous))
			hold_back(cpu, previous);
		else
			ready_insert(cpu, previous, !previous->rotate);
	}
	if (previous)
		previous->rotate = false;
	next = choose(cpu, &more);
	cpu->budget = next ? next->budget_current : 0;
	cpu->slice_end = next ? slice_end(cpu, cpu->budget, now) : DEADLINE_NEVER;
	cpu->blocked = false;
	cpu->reschedule = more;
	if (more) /* idles with interrupts on for a moment, then comes back */
		cpu->slice_end = now;
	cpu_program(cpu);
	if (next != previous) {
		cpu->current = next;
		arch_switch(cpu, previous, next);
		if (next)
			next->on_cpu = 1;
		if (previous)
			__atomic_store_n(&previous->on_cpu, 0, __ATOMIC_RELEASE);
	}
	quiesce_serve(cpu);
}

bool preemption_pending(void)
{
	struct cpu *cpu = cpu_self();

	return cpu->reschedule || cpu->mailbox || arch_interrupt_pending();
}
