/* perf_event_open(2): counters of what the personality itself knows of tasks. The common lock is held alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "task.h"

void perf_settle_slow(struct task *task);
void perf_rebase_slow(struct task *task);
void perf_exec_slow(struct task *task);
bool perf_inherit_slow(struct task *child, struct task *parent, bool thread);

/* TASK is about to have another address space; it has it now. */
static inline void perf_settle(struct task *task)
{
	if (!list_empty(&task->counters))
		perf_settle_slow(task);
}
static inline void perf_rebase(struct task *task)
{
	if (!list_empty(&task->counters))
		perf_rebase_slow(task);
}
/* TASK has become another program. */
static inline void perf_exec(struct task *task)
{
	if (!list_empty(&task->counters))
		perf_exec_slow(task);
}
/* CHILD, which is not visible yet, is counted where its PARENT is and children are asked for. False: no memory. */
static inline bool perf_inherit(struct task *child, struct task *parent, bool thread)
{
	return list_empty(&parent->counters) || perf_inherit_slow(child, parent, thread);
}
/* TASK ends, or never began: what was counted of it is its events'. */
void perf_task_end(struct task *task);
/* prctl(2): all counters that TASK has made begin or stop. */
void perf_switch_owned(const struct task *task, bool on);
