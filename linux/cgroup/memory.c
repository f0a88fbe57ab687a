/* The controller memory: what the processes of a group have, and what happens where that is more than they may.
 *
 * Pages come without the personality's knowledge, when they are touched first. So a worker looks, a hundred times a second
 * (less often where that costs it much: worker_pace) while a group with a limit has processes, at what those have of their own;
 * pages that are shared with a parent or a child since a fork count half for each. Where it is more than memory.max, the process
 * of the group that has most is killed, and no other until it has gone. Where it is more than memory.high, the group's threads
 * run for one look of ten.
 */
#include "../internal.h"
#include "../mm/area.h"
#include "../proc/proc.h"
#include "../task/turn.h"
#include "cgroup.h"

#define LOOK_NS     10000000ull
#define PATIENCE_NS (NS_PER_SECOND / 2)
#define BRAKE_LOOKS 10u
#define ADJUST_NONE (-1000) /* of oom_score_adj: never chosen */

static struct list limited = LIST_INIT(limited);
static struct task *worker;
static bool worker_idle;

/* What the current process space of PROCESS has; of what it shares with a parent since vfork: nothing. */
static uint64_t process_bytes(const struct process *process)
{
	const struct task *leader = process->leader;
	if (!leader || !leader->mm || (leader->vfork_parent && leader->vfork_parent->mm == leader->mm))
		return 0;
	return pressure_resident(leader->mm);
}

static uint64_t within_bytes(const struct cgroup *group)
{
	uint64_t sum = 0;
	for (struct process *process = process_next(0); process; process = process_next(process))
		if (process->leader && cgroup_within(cgroup_of(process->leader), group))
			sum += process_bytes(process);
	return sum;
}

uint64_t cgroup_memory(struct cgroup *group)
{
	uint64_t bytes = within_bytes(group);
	if (bytes > group->memory.peak)
		group->memory.peak = bytes;
	return bytes;
}

static void tell(struct cgroup *group, enum memory_event event)
{
	group->memory.events_local[event]++;
	cgroup_notify(group, EVENT_MEMORY_LOCAL);
	for (struct cgroup *at = group; at->parent; at = at->parent) {
		at->memory.events[event]++;
		cgroup_notify(at, EVENT_MEMORY);
	}
}

/* Who has most of GROUP's, as oom_score_adj has it. */
static struct process *choose(const struct cgroup *group)
{
	struct process *chosen = 0;
	int64_t most = INT64_MIN;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		if (process->exiting || process == init_process || process->oom_adjust <= ADJUST_NONE ||
		    !process->leader || !cgroup_within(cgroup_of(process->leader), group))
			continue;
		int64_t points = (int64_t)(process_bytes(process) / PAGE_SIZE_BYTES) +
		                 process->oom_adjust * (int64_t)(group->memory.max / PAGE_SIZE_BYTES / 1000);
		if (points >= most) {
			most = points;
			chosen = process;
		}
	}
	return chosen;
}

static void end(struct process *process)
{
	tell(cgroup_of(process->leader), MEMORY_OOM_KILL);
	signal_end_process(process, SIGKILL);
}

/* memory.oom.group: the highest group from the victim's up to LIMIT that wants to go as a whole. */
static struct cgroup *goes_whole(struct cgroup *group, const struct cgroup *limit)
{
	struct cgroup *found = 0;
	for (; group->parent; group = group->parent) {
		if (group->memory.oom_group)
			found = group;
		if (group == limit)
			break;
	}
	return found;
}

static void out_of_memory(struct cgroup *group, uint64_t now)
{
	struct process *victim = group->memory.victim;
	if (victim && !victim->zombie && victim->thread_count &&
	    now < group->memory.victim_since + PATIENCE_NS)
		return;
	if (victim)
		process_release(victim);
	victim = group->memory.victim = choose(group);
	tell(group, MEMORY_MAX);
	tell(group, MEMORY_OOM);
	if (!victim)
		return;
	process_reference(victim);
	group->memory.victim_since = now;
	linux_log("linux: a control group is out of memory: %s (process %d) is killed\n",
	          victim->leader->name, victim->pid);
	struct cgroup *whole = goes_whole(cgroup_of(victim->leader), group);
	end(victim);
	if (!whole)
		return;
	tell(whole, MEMORY_OOM_GROUP_KILL);
	for (struct process *process = process_next(0); process; process = process_next(process))
		if (!process->exiting && process->leader && process != init_process &&
		    process->oom_adjust > ADJUST_NONE && cgroup_within(cgroup_of(process->leader), whole))
			end(process);
}

static void set_braked(struct cgroup *group, bool braked)
{
	if (group->memory.braked == braked)
		return;
	group->memory.braked = braked;
	turn_groups(braked);
	turn_hold_groups();
}

/* What all limited groups have, in one go over the processes. True: there are some in them. */
static bool sum_up(void)
{
	struct cgroup *group;
	bool some = false;
	list_for_each(group, &limited, memory.limited) group->memory.sum = 0;
	for (const struct process *process = process_next(0); process;
	     process = process_next((struct process *)process)) {
		bool known = false;
		uint64_t bytes = 0;
		if (!process->leader || !process->leader->cgroup)
			continue;
		for (struct cgroup *at = process->leader->cgroup; at->parent; at = at->parent) {
			if (list_empty(&at->memory.limited))
				continue;
			bytes = known ? bytes : process_bytes(process);
			known = some = true;
			at->memory.sum += bytes;
		}
	}
	return some;
}

static void look_at(struct cgroup *group, uint64_t now, uint64_t count)
{
	uint64_t bytes = group->memory.sum;
	if (bytes > group->memory.peak)
		group->memory.peak = bytes < group->memory.max ? bytes : group->memory.max;
	bool high = bytes > group->memory.high;
	if (high && !group->memory.braked)
		tell(group, MEMORY_HIGH);
	set_braked(group, high && count % BRAKE_LOOKS);
	if (bytes > group->memory.max)
		out_of_memory(group, now);
}

static void worker_run(void *argument)
{
	(void)argument;
	for (uint64_t count = 0;; count++) {
		struct cgroup *group;
		uint64_t now = clock_monotonic();
		worker_idle = !sum_up();
		list_for_each(group, &limited, memory.limited) look_at(group, now, count);
		(void)worker_wait(worker_idle ? DEADLINE_NEVER : worker_pace(now, now + LOOK_NS));
	}
}

void cgroup_memory_watch(struct cgroup *group)
{
	bool limits = group->memory.max != CGROUP_UNLIMITED || group->memory.high != CGROUP_UNLIMITED;
	if (limits && list_empty(&group->memory.limited))
		list_append(&limited, &group->memory.limited);
	if (!limits && !list_empty(&group->memory.limited)) {
		list_remove(&group->memory.limited);
		set_braked(group, false);
	}
	if (limits && !worker)
		worker = worker_create("memory", worker_run, 0);
	else if (limits && worker_idle)
		event_signal(worker_event(worker), 1);
}

void cgroup_memory_given(struct cgroup *group, bool given)
{
	if (given)
		return;
	cgroup_memory_watch(group);
	if (group->memory.victim)
		process_release(group->memory.victim);
	group->memory.victim = 0;
}
