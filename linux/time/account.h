/* CPU time of tasks, processes and the machine; what is measured and what estimated, account.c says. Times are ns. */
#pragma once

#include "task.h"

/* TASK's thread is ready to run from now on, on its area's CPU; it sleeps from now on. In turns, by the thread itself, or
 * by who starts it. After its end both do nothing. */
void account_ready(struct task *task);
void account_asleep(struct task *task);
/* How many tasks are ready on CPU. */
uint32_t account_ready_on(uint32_t cpu);
/* The current task's area has another CPU now. (Another task that was moved is counted there from its next sleep on.) */
void account_moved(void);
/* The current task ends: what it used is its process's, and no longer its own. */
void account_gone(struct task *task);

/* User and system time; each grows only. With the common lock held alone. */
struct cpu_times task_times(struct task *task);
struct cpu_times process_times(const struct process *process);
/* How long TASK was ready and did not run. */
uint64_t task_wait_ns(const struct task *task);
/* Of each CPU, when all of them together have used USED. With the common lock held alone. */
void cpu_times_of_machine(struct cpu_times times[CPU_MAX], uint64_t used);
/* For how long, since the start, some thread had to wait for a processor. With the common lock held alone. */
uint64_t cpu_stalled_ns(void);
