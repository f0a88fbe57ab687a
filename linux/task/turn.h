/* Whose turn it is on a processor, as scheduling policies and nice values say: sched(7).
 *
 * The substrate runs a sub-kernel's threads in turn, at the one priority that is its ceiling. Which of them take part is
 * decided here, where a thread is about to enter its guest: one that has to let others go first waits there, where it holds
 * no lock, so that nobody ever waits for a thread that is kept from running.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "task.h"

/* Threads that are real-time, or whose weight is not that of nice 0; and control groups that have the controller cpu. While there are none all this costs a look. */
extern uint32_t turns_unequal;

void turn_awake_slow(struct thread_area *area);
void turn_asleep_slow(struct thread_area *area);

/* AREA's task, bound to it, begins to run; it ends, and AREA goes to the pool. The common lock is held alone. */
void turn_begin(struct thread_area *area);
void turn_end(struct thread_area *area);
/* AREA's task sleeps in a call; it wants to run again. */
static inline void turn_asleep(struct thread_area *area)
{
	__atomic_store_n(&area->turn.runnable, false, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&turns_unequal, __ATOMIC_SEQ_CST))
		turn_asleep_slow(area);
}
static inline void turn_awake(struct thread_area *area)
{
	__atomic_store_n(&area->turn.runnable, true, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&turns_unequal, __ATOMIC_SEQ_CST))
		turn_awake_slow(area);
}
/* The current thread, without any lock and on its way into the guest, waits until it may run. */
void turn_gate(void);
/* It lets those of its own priority go first: sched_yield(2). */
void turn_yield(void);
/* TASK's policy, priority or nice value is another. The common lock is held alone. */
void turn_changed(struct task *task);
/* AREA goes from processor FROM to another. */
void turn_moved(struct thread_area *area, uint32_t from);
/* The weight of a thread of the nice value NICE; that of 0 is 1024. */
uint32_t turn_nice_weight(int nice);
/* One group more, or less, that competes with others or may be held. */
void turn_groups(bool more);
/* Which groups are held (cgroup_held) has changed; and to which one TASK belongs. The common lock is held alone. */
void turn_hold_groups(void);
void turn_regrouped(struct task *task);
/* A quota is new: it is looked at. */
void turn_look(void);
/* Does TASK want to run? */
static inline bool turn_wanted(const struct task *task)
{
	return task->area && (task->area->turn.runnable || task->area->turn.waiting);
}
/* TASK counts as of real-time priority LEVEL at least, since one of that waits for a lock that it has (0: no more). */
void turn_lend(struct task *task, uint32_t level);
static inline uint32_t turn_level(const struct task *task)
{
	return task->area ? __atomic_load_n(&task->area->turn.level, __ATOMIC_RELAXED) : 0;
}
