/* The controller cpu: what a group has used, and its quota.
 *
 * The worker of task/turn.c looks at all quotas at once. What a group has used beyond its quota is taken from its next periods',
 * so that over some periods it has what it may have, however seldom the worker looks. A group whose quota is used up is
 * throttled: its threads wait where those without a turn do.
 */
#include "../internal.h"
#include "../task/turn.h"
#include "../time/account.h"
#include "cgroup.h"

#define LOOK_NS  10000000ull
#define LOOK_MIN 1000000ull

uint32_t cgroup_cpu_groups;
static struct list limited = LIST_INIT(limited);

static struct cpu_times since(struct task *task)
{
	struct cpu_times now = task_times(task);
	now.user_ns -= task->cgroup_told.user_ns;
	now.system_ns -= task->cgroup_told.system_ns;
	return now;
}

void cgroup_cpu_leave(struct task *task)
{
	struct cpu_times used = since(task);
	for (struct cgroup *at = cgroup_of(task); at->parent; at = at->parent) {
		at->cpu.gone.user_ns += used.user_ns;
		at->cpu.gone.system_ns += used.system_ns;
	}
	task->cgroup_told.user_ns += used.user_ns;
	task->cgroup_told.system_ns += used.system_ns;
}

struct cpu_times cgroup_cpu_times(struct cgroup *group)
{
	struct cpu_times sum = group->cpu.gone;
	if (!group->parent) {
		struct unit_info info;
		struct cpu_times times[CPU_MAX];
		if (unit_info(current_page(), machine.unit, &info) < 0)
			return sum;
		cpu_times_of_machine(times, info.cpu_time);
		for (uint32_t cpu = 0; cpu < machine.cpu_count; cpu++) {
			sum.user_ns += times[cpu].user_ns;
			sum.system_ns += times[cpu].system_ns;
		}
		return sum;
	}
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct task *task;
		list_for_each(task, &process->threads, thread_link)
		{
			if (!task->cgroup || !cgroup_within(task->cgroup, group))
				continue;
			struct cpu_times used = since(task);
			sum.user_ns += used.user_ns;
			sum.system_ns += used.system_ns;
		}
	}
	return sum;
}

void cgroup_cpu_given(struct cgroup *group, bool given)
{
	(void)group;
	cgroup_cpu_groups += given ? 1u : -1u;
	turn_groups(given);
}

/* ---- Quotas ---- */

bool cgroup_held(const struct task *task)
{
	for (const struct cgroup *at = task->cgroup; at; at = at->parent)
		if (at->cpu.throttled || at->memory.braked)
			return true;
	return false;
}

static void set_throttled(struct cgroup *group, bool throttled, uint64_t now)
{
	if (group->cpu.throttled == throttled)
		return;
	group->cpu.throttled = throttled;
	if (throttled) {
		group->cpu.throttled_since = now;
		group->cpu.was_throttled = true;
	} else {
		group->cpu.throttled_ns += now - group->cpu.throttled_since;
	}
}

/* Sums up what those with a quota have used, and which of them want to run. */
static void sum_up(void)
{
	struct cgroup *group;
	list_for_each(group, &limited, cpu.limited)
	{
		group->cpu.used_ns = group->cpu.gone.user_ns + group->cpu.gone.system_ns;
		group->cpu.active = false;
	}
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		list_for_each(task, &process->threads, thread_link)
		{
			if (!task->cgroup || !task->area)
				continue;
			uint64_t told = task->cgroup_told.user_ns + task->cgroup_told.system_ns;
			uint64_t used = task_cpu_ns(task);
			used = used > told ? used - told : 0;
			for (struct cgroup *at = task->cgroup; at->parent; at = at->parent) {
				at->cpu.used_ns += used;
				at->cpu.active = at->cpu.active || turn_wanted(task);
			}
		}
	}
}

/* GROUP's state at NOW; when to look at it again. */
static uint64_t look_at(struct cgroup *group, uint64_t now)
{
	uint64_t period = group->cpu.period_us * 1000, quota = group->cpu.quota_us * 1000;
	uint64_t used = group->cpu.used_ns;
	if (group->cpu.base_ns > used)
		group->cpu.base_ns = used;
	if (now >= group->cpu.start_ns + period) {
		uint64_t count = (now - group->cpu.start_ns) / period, over = used - group->cpu.base_ns;
		uint64_t paid = over / quota < count ? over : count * quota;
		if (used != group->cpu.seen_ns || group->cpu.throttled)
			group->cpu.periods++;
		if (group->cpu.was_throttled)
			group->cpu.throttled_periods++;
		group->cpu.was_throttled = false;
		group->cpu.base_ns += paid;
		group->cpu.start_ns += count * period;
		group->cpu.seen_ns = used;
	}
	uint64_t over = used - group->cpu.base_ns, end = group->cpu.start_ns + period;
	set_throttled(group, over >= quota, now);
	if (group->cpu.throttled) {
		group->cpu.was_throttled = true;
		return end;
	}
	if (!group->cpu.active)
		return DEADLINE_NEVER;
	uint64_t left = (quota - over) / machine.cpu_count;
	left = left < LOOK_MIN ? LOOK_MIN : left > LOOK_NS ? LOOK_NS : left;
	return now + left < end ? now + left : end;
}

uint64_t cgroup_cpu_look(void)
{
	uint64_t next = DEADLINE_NEVER, now = clock_monotonic();
	bool changed = false;
	struct cgroup *group;
	if (list_empty(&limited))
		return next;
	sum_up();
	list_for_each(group, &limited, cpu.limited)
	{
		bool throttled = group->cpu.throttled;
		uint64_t again = look_at(group, now);
		next = again < next ? again : next;
		changed = changed || throttled != group->cpu.throttled;
	}
	if (changed)
		turn_hold_groups();
	return next;
}

void cgroup_cpu_limit(struct cgroup *group, uint64_t quota_us, uint64_t period_us)
{
	uint64_t now = clock_monotonic();
	bool throttled = group->cpu.throttled;
	struct cpu_times used = {0};
	if (quota_us != CGROUP_UNLIMITED)
		used = cgroup_cpu_times(group);
	if (quota_us == group->cpu.quota_us && period_us == group->cpu.period_us)
		return;
	list_remove(&group->cpu.limited);
	set_throttled(group, false, now);
	group->cpu.quota_us = quota_us;
	group->cpu.period_us = period_us;
	group->cpu.start_ns = now;
	group->cpu.base_ns = group->cpu.seen_ns = used.user_ns + used.system_ns;
	if (quota_us != CGROUP_UNLIMITED)
		list_append(&limited, &group->cpu.limited);
	if (throttled)
		turn_hold_groups();
	turn_look();
}
