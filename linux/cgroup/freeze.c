/* Frozen groups: their tasks wait on the way to their guests until they are thawed, killed or moved elsewhere. A group says that
 * it is frozen when every task of it and below it rests: who is stopped or waits for a child of vfork's rests, too.
 */
#include "../internal.h"
#include "cgroup.h"

static bool all_rest(const struct cgroup *group)
{
	return group->freezing && group->resting == group->tasks &&
	       group->children_frozen == group->child_count;
}

void cgroup_settle(struct cgroup *group)
{
	for (; group->parent && !group->gone; group = group->parent) {
		bool frozen = all_rest(group);
		if (frozen == group->frozen)
			return;
		group->frozen = frozen;
		group->parent->children_frozen += frozen ? 1u : -1u;
		cgroup_notify(group, EVENT_GROUP);
	}
}

void cgroup_rest_slow(struct task *task, bool rest)
{
	struct cgroup *group = task->cgroup;
	if (task->resting == rest)
		return;
	task->resting = rest;
	group->resting += rest ? 1u : -1u;
	if (group->freezing)
		cgroup_settle(group);
}

void cgroup_set_freeze(struct cgroup *group, bool freeze)
{
	group->freeze = freeze;
	for (struct cgroup *at = group; at; at = cgroup_next(at, group))
		at->freezing = at->freeze || at->parent->freezing;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct task *task;
		list_for_each(task, &process->threads, thread_link)
		{
			if (!task->cgroup || !cgroup_within(task->cgroup, group))
				continue;
			if (task->cgroup->freezing)
				task_kick(task, TASK_WORK_FREEZE);
			else
				(void)task_wake(task);
		}
	}
	for (struct cgroup *at = group; at; at = cgroup_next(at, group))
		cgroup_settle(at);
}

void cgroup_freeze_wait(void)
{
	struct task *task = current_task();
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_FREEZE, __ATOMIC_SEQ_CST);
	if (!cgroup_of(task)->freezing)
		return;
	cgroup_rest(task, true);
	while (cgroup_of(task)->freezing && !(task->work & TASK_WORK_EXIT))
		(void)wait_sleep_killable(DEADLINE_NEVER);
	cgroup_rest(task, false);
}
