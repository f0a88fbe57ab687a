/* See turn.h.
 *
 * Real time: on each processor a thread waits while one of higher priority wants to run, and a SCHED_FIFO one while another
 * of its priority does that came before. Who becomes runnable kicks those that have to wait out of their guests. So that a
 * loop at real-time priority does not end everything else, ordinary threads take part for a tenth of each second in which it
 * lasts (Linux gives them a twentieth to themselves).
 *
 * Nice values: a worker looks every 10 ms, while threads of different weights want the same processor, at what each has
 * used. What it was due by its weight and what it had make its credit; with debts it waits until it has none. The weights are
 * Linux' (each step is a factor of 1.25): sched(7), "The nice value".
 *
 * Control groups: where they have the controller cpu, threads compete group by group (cgroup_part), and the threads of a group
 * that is held wait until it is not.
 *
 * Areas are never freed, so that their list may be walked without a lock; what is read of them is only a hint to look:
 * turn_gate decides, and looks again whenever it is told.
 */
#include "task/turn.h"
#include "cgroup/cgroup.h"
#include "internal.h"
#include "time/account.h"

#define LOOK_NS       10000000ll
#define CREDIT_LEAST  (-1000000000ll)
#define WEIGHT_NORMAL 1024u
#define WEIGHT_IDLE   3u
/* Of 100 ticks with a real-time thread, those in which ordinary ones wait. */
#define ALONE_TICKS 90u
#define ALL_TICKS   100u

enum { POLICY_FIFO = 1, POLICY_RR = 2, POLICY_IDLE = 5 };

uint32_t turns_unequal;
/* Threads with a level: while there are none, nobody goes before another by priority. */
static uint32_t turns_real_time;
static struct thread_area *areas;
static int64_t arrivals;
static struct task *worker;
static bool worker_idle;
static bool relaxed[CPU_MAX]; /* ordinary threads take part */
static uint32_t real_time_ticks[CPU_MAX];

static const uint32_t weights[40] = {88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916,
                                     9548,  7620,  6100,  4904,  3906,  3121,  2501,  1991,  1586,  1277,
                                     1024,  820,   655,   526,   423,   335,   272,   215,   172,   137,
                                     110,   87,    70,    56,    45,    36,    29,    23,    18,    15};

static uint32_t weight_of(const struct task *task)
{
	return task->policy == POLICY_IDLE ? WEIGHT_IDLE : weights[task->nice + 20];
}

uint32_t turn_nice_weight(int nice)
{
	return weights[nice + 20];
}

static bool wants(const struct thread_area *area, uint32_t cpu)
{
	return area->turn.guest && area->cpu == cpu &&
	       (__atomic_load_n(&area->turn.runnable, __ATOMIC_SEQ_CST) ||
	        __atomic_load_n(&area->turn.waiting, __ATOMIC_SEQ_CST));
}

static struct thread_area *first_area(void)
{
	return __atomic_load_n(&areas, __ATOMIC_ACQUIRE);
}

/* Does somebody on CPU, where AREA wants to run, go before it by priority? */
static bool preceded(const struct thread_area *area, uint32_t cpu)
{
	const struct turn *turn = &area->turn;
	if (!__atomic_load_n(&turns_real_time, __ATOMIC_SEQ_CST))
		return false;
	for (const struct thread_area *other = first_area(); other; other = other->all_next) {
		if (other == area || !other->turn.level || !wants(other, cpu))
			continue;
		if (other->turn.level > turn->level ||
		    (other->turn.level == turn->level && turn->fifo && other->turn.fifo &&
		     other->turn.arrival < turn->arrival))
			return true;
	}
	return false;
}

static bool must_wait(const struct thread_area *area)
{
	if (__atomic_load_n(&area->turn.held, __ATOMIC_SEQ_CST) ||
	    (!area->turn.level && __atomic_load_n(&area->turn.grouped, __ATOMIC_SEQ_CST)))
		return true;
	if (!area->turn.level && __atomic_load_n(&relaxed[area->cpu], __ATOMIC_SEQ_CST))
		return false;
	return preceded(area, area->cpu);
}

/* Those that run on CPU and may have to wait find out, and those that wait look again. */
static void review(uint32_t cpu)
{
	uint32_t highest = 0;
	for (const struct thread_area *area = first_area(); area; area = area->all_next)
		if (area->turn.level > highest && wants(area, cpu))
			highest = area->turn.level;
	for (struct thread_area *area = first_area(); area; area = area->all_next) {
		if (!wants(area, cpu))
			continue;
		if (area->turn.waiting)
			event_signal(area->event, 1);
		else if (area->turn.level < highest || area->turn.fifo || area->turn.held ||
		         area->turn.grouped)
			guest_kick(area->thread);
	}
}

void turn_asleep_slow(struct thread_area *area)
{
	if (area->turn.level)
		review(area->cpu);
}

static void worker_wake(void)
{
	if (worker && __atomic_exchange_n(&worker_idle, false, __ATOMIC_SEQ_CST))
		event_signal(worker_event(worker), 1);
}

void turn_awake_slow(struct thread_area *area)
{
	if (area->turn.level) {
		area->turn.arrival = __atomic_add_fetch(&arrivals, 1, __ATOMIC_SEQ_CST);
		review(area->cpu);
	} else if (must_wait(area)) {
		guest_kick(area->thread);
	}
	worker_wake();
}

static void set_level(struct thread_area *area, uint32_t level)
{
	if (!level != !area->turn.level)
		__atomic_add_fetch(&turns_real_time, level ? 1u : -1u, __ATOMIC_SEQ_CST);
	area->turn.level = level;
}

/* What AREA's task's policy and nice value mean. */
static void apply(struct thread_area *area)
{
	const struct task *task = area->task;
	bool real_time = task->policy == POLICY_FIFO || task->policy == POLICY_RR;
	uint32_t level = real_time ? task->rt_priority : 0;
	bool unequal = level || task->lent_level || weight_of(task) != WEIGHT_NORMAL;
	area->turn.fifo = task->policy == POLICY_FIFO;
	set_level(area, level > task->lent_level ? level : task->lent_level);
	if (area->turn.level)
		area->turn.held = false;
	if (unequal != area->turn.unequal)
		__atomic_add_fetch(&turns_unequal, unequal ? 1u : -1u, __ATOMIC_SEQ_CST);
	area->turn.unequal = unequal;
}

void turn_begin(struct thread_area *area)
{
	if (!area->turn.listed) {
		area->turn.listed = true;
		area->all_next = areas;
		__atomic_store_n(&areas, area, __ATOMIC_RELEASE);
	}
	area->turn.held = area->turn.waiting = false;
	area->turn.credit = 0;
	area->turn.tick = 0;
	area->turn.guest = area->task->process != 0;
	area->turn.grouped = cgroup_held(area->task);
	if (!area->turn.guest)
		return;
	apply(area);
	turn_awake(area);
}

void turn_end(struct thread_area *area)
{
	uint32_t level = area->turn.level;
	area->turn.guest = area->turn.runnable = false;
	if (area->turn.unequal)
		__atomic_sub_fetch(&turns_unequal, 1, __ATOMIC_SEQ_CST);
	area->turn.unequal = false;
	set_level(area, 0);
	if (level)
		review(area->cpu);
}

/* ---- Waiting for a turn ---- */

/* To a processor where nobody goes before the current task, if there is one that it may use. */
static void move_away(struct thread_area *area)
{
	struct task *task = area->task;
	for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
		if (cpu == area->cpu || !(task->affinity >> cpu & 1) || preceded(area, cpu))
			continue;
		personality_lock();
		if (task->affinity >> cpu & 1)
			thread_move(area, cpu);
		personality_unlock();
		return;
	}
}

void turn_gate(void)
{
	struct thread_area *area = current_area();
	struct task *task = area->task;
	const uint32_t interrupts = TASK_WORK_EXIT | TASK_WORK_STOP | TASK_WORK_TRAP | TASK_WORK_FREEZE;
	if (!__atomic_load_n(&turns_unequal, __ATOMIC_SEQ_CST) || !must_wait(area))
		return;
	if (!area->turn.held && !area->turn.grouped && machine.cpu_count > 1) {
		move_away(area);
		if (!must_wait(area))
			return;
	}
	__atomic_store_n(&task->sleeping, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&area->turn.waiting, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&area->turn.runnable, false, __ATOMIC_SEQ_CST);
	account_asleep(task);
	while (must_wait(area) && !(__atomic_load_n(&task->work, __ATOMIC_SEQ_CST) & interrupts))
		(void)event_wait(area->event, DEADLINE_NEVER, 0);
	account_ready(task);
	__atomic_store_n(&area->turn.runnable, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&area->turn.waiting, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&task->sleeping, false, __ATOMIC_SEQ_CST);
}

void turn_yield(void)
{
	struct thread_area *area = current_area();
	if (!__atomic_load_n(&turns_unequal, __ATOMIC_SEQ_CST) || !area->turn.level)
		return;
	area->turn.arrival = __atomic_add_fetch(&arrivals, 1, __ATOMIC_SEQ_CST);
	review(area->cpu);
}

/* ---- Shares by weight, and what real-time threads leave ---- */

/* AREA's use of its processor since the last tick, ns; 0 at its first. */
static uint64_t used_since(struct thread_area *area, uint64_t tick)
{
	uint64_t now = task_cpu_ns(area->task);
	uint64_t used = area->turn.tick + 1 == tick && now > area->turn.seen ? now - area->turn.seen : 0;
	area->turn.tick = tick;
	area->turn.seen = now;
	return used;
}

static void hold(struct thread_area *area, bool held)
{
	if (area->turn.held == held)
		return;
	__atomic_store_n(&area->turn.held, held, __ATOMIC_SEQ_CST);
	if (held)
		guest_kick(area->thread);
	else
		event_signal(area->event, 1);
}

struct totals {
	uint64_t used, weight;
	uint32_t count, least, most;
	bool real_time;
};

/* Divides what passed since the last tick among the ordinary threads of CPU. */
static void divide(uint32_t cpu, const struct totals *totals)
{
	struct thread_area *best = 0;
	bool some = false;
	for (struct thread_area *area = first_area(); area; area = area->all_next) {
		struct turn *turn = &area->turn;
		if (turn->level || turn->grouped || !wants(area, cpu))
			continue;
		if (totals->least == totals->most) {
			turn->credit = 0;
			hold(area, false);
			continue;
		}
		turn->credit += (int64_t)(totals->used * turn->weight / totals->weight) - (int64_t)turn->used;
		turn->credit = turn->credit > LOOK_NS        ? LOOK_NS
		               : turn->credit < CREDIT_LEAST ? CREDIT_LEAST
		                                             : turn->credit;
		if (!best || turn->credit > best->turn.credit)
			best = area;
		if (turn->held ? turn->credit >= 0 : turn->credit < -LOOK_NS / 2)
			hold(area, !turn->held);
		some = some || !turn->held;
	}
	if (best && !some)
		hold(best, false);
}

/* Those that want CPU compete, group by group. */
static void compete(uint32_t cpu)
{
	static uint64_t stamp;
	stamp++;
	for (const struct thread_area *area = first_area(); area; area = area->all_next)
		if (!area->turn.level && !area->turn.grouped && wants(area, cpu))
			cgroup_compete(area->task, weight_of(area->task), stamp);
}

/* CPU's tick; false: there is nothing to watch on it. */
static bool tick_cpu(uint32_t cpu, uint64_t tick)
{
	struct totals totals = {.least = UINT32_MAX};
	if (cgroup_cpu_groups)
		compete(cpu);
	for (struct thread_area *area = first_area(); area; area = area->all_next) {
		if (!wants(area, cpu))
			continue;
		if (area->turn.level) {
			totals.real_time = true;
			continue;
		}
		if (area->turn.grouped)
			continue;
		uint32_t weight = weight_of(area->task);
		if (cgroup_cpu_groups)
			weight = cgroup_part(area->task, weight);
		area->turn.weight = weight;
		area->turn.used = used_since(area, tick);
		totals.used += area->turn.used;
		totals.weight += weight;
		totals.count++;
		totals.least = weight < totals.least ? weight : totals.least;
		totals.most = weight > totals.most ? weight : totals.most;
	}
	if (totals.count)
		divide(cpu, &totals);
	uint32_t ticks = totals.real_time && totals.count ? (real_time_ticks[cpu] + 1) % ALL_TICKS : 0;
	bool relax = ticks >= ALONE_TICKS;
	real_time_ticks[cpu] = ticks;
	if (relax != relaxed[cpu]) {
		__atomic_store_n(&relaxed[cpu], relax, __ATOMIC_SEQ_CST);
		review(cpu);
	}
	return totals.real_time || (totals.count && totals.least != totals.most);
}

/* Holds the common lock alone, so that no area's task goes meanwhile. */
static void worker_run(void *argument)
{
	(void)argument;
	bool extra = false;
	for (uint64_t tick = 2;; tick++) {
		bool watching = false;
		__atomic_store_n(&worker_idle, true, __ATOMIC_SEQ_CST);
		uint64_t now = clock_monotonic(), look = cgroup_cpu_look();
		for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++)
			watching = tick_cpu(cpu, tick) || watching;
		/* It looks once more before it waits to be woken: threads that wake others do so often. */
		bool soon = watching || look < now + LOOK_NS;
		if (soon) {
			extra = true;
		} else {
			soon = extra;
			extra = !extra;
		}
		if (soon)
			__atomic_store_n(&worker_idle, false, __ATOMIC_SEQ_CST);
		worker_wait(worker_pace(now, !soon || look < now + LOOK_NS ? look : now + LOOK_NS));
	}
}

static void worker_begin(void)
{
	if (turns_unequal && !worker)
		worker = worker_create("turns", worker_run, 0);
}

void turn_groups(bool more)
{
	__atomic_add_fetch(&turns_unequal, more ? 1u : -1u, __ATOMIC_SEQ_CST);
	worker_begin();
	worker_wake();
}

static void set_grouped(struct thread_area *area)
{
	bool grouped = cgroup_held(area->task);
	if (grouped == area->turn.grouped)
		return;
	__atomic_store_n(&area->turn.grouped, grouped, __ATOMIC_SEQ_CST);
	if (grouped)
		guest_kick(area->thread);
	else
		event_signal(area->event, 1);
}

void turn_hold_groups(void)
{
	for (struct thread_area *area = first_area(); area; area = area->all_next)
		if (area->turn.guest)
			set_grouped(area);
}

void turn_look(void)
{
	worker_wake();
}

void turn_regrouped(struct task *task)
{
	if (task->area)
		set_grouped(task->area);
	worker_wake();
}

void turn_changed(struct task *task)
{
	struct thread_area *area = task->area;
	if (!area)
		return;
	uint32_t level = area->turn.level;
	apply(area);
	/* sched(7): raised, it comes after those of its new priority; lowered, before them. */
	if (area->turn.level != level) {
		int64_t arrival = __atomic_add_fetch(&arrivals, 1, __ATOMIC_SEQ_CST);
		area->turn.arrival = area->turn.level < level ? -arrival : arrival;
	}
	worker_begin();
	review(area->cpu);
	worker_wake();
}

void turn_moved(struct thread_area *area, uint32_t from)
{
	if (!__atomic_load_n(&turns_unequal, __ATOMIC_SEQ_CST))
		return;
	area->turn.held = false;
	review(from);
	review(area->cpu);
}

void turn_lend(struct task *task, uint32_t level)
{
	if (!task->area || (level && level <= task->lent_level) || (!level && !task->lent_level))
		return;
	task->lent_level = level;
	apply(task->area);
	review(task->area->cpu);
}
