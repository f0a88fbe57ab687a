/* The controller cpu: a thread's part of a processor beside others.
 *
 * Threads of one processor compete group by group: a thread's part is its group's part among its siblings, of which the thread
 * has its own weight's part, and so on up to the root, whose own threads compete with the groups in it.
 */
#include "cgroup.h"

#define PART_WHOLE (1u << 24)

/* The group that TASK competes in: the lowest that has the controller. */
static struct cgroup *competes_in(struct cgroup *group)
{
	while (group->parent && !(cgroup_controllers(group) & CONTROLLER_CPU))
		group = group->parent;
	return group;
}

void cgroup_compete(const struct task *task, uint32_t weight, uint64_t stamp)
{
	uint64_t more = weight;
	for (struct cgroup *at = competes_in(cgroup_of(task)); at;
	     at = at->parent ? competes_in(at->parent) : 0) {
		bool known = at->cpu.stamp == stamp;
		if (!known)
			at->cpu.sum = 0;
		at->cpu.stamp = stamp;
		at->cpu.sum += more;
		if (known)
			return;
		more = at->cpu.shares;
	}
}

uint32_t cgroup_part(const struct task *task, uint32_t weight)
{
	uint64_t part = PART_WHOLE, own = weight;
	for (const struct cgroup *at = competes_in(cgroup_of(task)); at;
	     at = at->parent ? competes_in(at->parent) : 0) {
		/* Who wants to run since the look is in no sum yet. */
		part = part * own / (at->cpu.sum > own ? at->cpu.sum : own);
		own = at->cpu.shares;
	}
	return part ? (uint32_t)part : 1;
}
