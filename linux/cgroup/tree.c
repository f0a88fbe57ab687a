/* Control groups as a tree: which there are, who is in them, which controllers they have, how many tasks they may have. */
#include "../internal.h"
#include "../fs/name.h"
#include "../proc/proc.h"
#include "../task/turn.h"
#include "cgroup.h"

const char *const controller_names[] = {"cpu", "memory", "pids", 0};

struct cgroup cgroup_root = {
    .references = 1,
    .children = LIST_INIT(cgroup_root.children),
    .sibling = LIST_INIT(cgroup_root.sibling),
    .number = 1,
    .descendants_max = UINT32_MAX,
    .depth_max = UINT32_MAX,
    .vnodes = LIST_INIT(cgroup_root.vnodes),
    .wait = WAIT_QUEUE_INIT(cgroup_root.wait),
    .cpu = {.quota_us = CGROUP_UNLIMITED, .limited = LIST_INIT(cgroup_root.cpu.limited)},
    .memory = {.limited = LIST_INIT(cgroup_root.memory.limited)},
};
static uint32_t groups;

/* ---- Groups ---- */

bool cgroup_within(const struct cgroup *inner, const struct cgroup *outer)
{
	while (inner->level > outer->level)
		inner = inner->parent;
	return inner == outer;
}

struct cgroup *cgroup_child(const struct cgroup *parent, const char *name, uint32_t length)
{
	struct cgroup *child;
	list_for_each(child, &parent->children,
	              sibling) if (strlen(child->name) == length &&
	                           memcmp(child->name, name, length) == 0) return child;
	return 0;
}

struct cgroup *cgroup_next(struct cgroup *at, const struct cgroup *top)
{
	if (!list_empty(&at->children))
		return list_first(&at->children, struct cgroup, sibling);
	while (at != top && at->sibling.next == &at->parent->children)
		at = at->parent;
	return at == top ? 0 : list_first(&at->sibling, struct cgroup, sibling);
}

/* What a group that has CONTROLLERS begins with. */
static void reset(struct cgroup *group, uint32_t controllers)
{
	if (controllers & CONTROLLER_PIDS) {
		group->pids_max = CGROUP_UNLIMITED;
		group->pids_peak = group->pids;
		group->pids_refused = 0;
	}
	if (controllers & CONTROLLER_MEMORY) {
		group->memory.max = group->memory.high = CGROUP_UNLIMITED;
		group->memory.swap_max = group->memory.swap_high = CGROUP_UNLIMITED;
		group->memory.min = group->memory.low = group->memory.peak = 0;
		group->memory.oom_group = false;
		memset(group->memory.events, 0, sizeof(group->memory.events));
		memset(group->memory.events_local, 0, sizeof(group->memory.events_local));
	}
	if (controllers & CONTROLLER_CPU) {
		group->cpu.shares = SHARES_DEFAULT;
		group->cpu.periods = group->cpu.throttled_periods = group->cpu.throttled_ns = 0;
		cgroup_cpu_limit(group, CGROUP_UNLIMITED, CPU_PERIOD_US);
	}
}

static void give(struct cgroup *group, uint32_t controllers, bool given)
{
	if (!given)
		reset(group, controllers);
	if (controllers & CONTROLLER_CPU)
		cgroup_cpu_given(group, given);
	if (controllers & CONTROLLER_MEMORY)
		cgroup_memory_given(group, given);
	if (given)
		reset(group, controllers);
}

/* What the limits of GROUP and those above say to one group more, DEPTH below the first. */
static bool room_below(const struct cgroup *group)
{
	for (uint32_t depth = 1; group; group = group->parent, depth++)
		if (group->descendants >= group->descendants_max || depth > group->depth_max)
			return false;
	return true;
}

struct cgroup *cgroup_create(struct cgroup *parent, const char *name, uint32_t length, uint32_t mode,
                             int *error)
{
	static uint64_t numbers = 1;
	*error = parent->gone ? -ENOENT : memchr(name, '\n', length) ? -EINVAL : 0;
	if (!*error && (!room_below(parent) || parent->level >= CGROUP_DEPTH_MAX || groups >= CGROUPS_MAX))
		*error = -EAGAIN;
	if (*error)
		return 0;
	struct cgroup *group = heap_allocate(sizeof(*group));
	char *copy = group ? heap_allocate(length + 1) : 0;
	if (!copy) {
		heap_free(group);
		*error = -ENOMEM;
		return 0;
	}
	memcpy(copy, name, length);
	group->name = copy;
	group->references = 1;
	group->parent = cgroup_reference(parent);
	group->level = parent->level + 1;
	group->number = ++numbers;
	group->descendants_max = group->depth_max = UINT32_MAX;
	list_init(&group->children);
	list_init(&group->vnodes);
	list_init(&group->cpu.limited);
	list_init(&group->memory.limited);
	wait_queue_init(&group->wait);
	const struct credentials *own = &current_task()->credentials;
	group->rights[0] = (struct cgroup_rights){own->fsuid, own->fsgid, mode};
	for (uint32_t i = 1; cgroup_controls[i].name; i++)
		group->rights[i] = (struct cgroup_rights){own->fsuid, own->fsgid, cgroup_controls[i].mode};
	reset(group, CONTROLLERS_ALL);
	group->freezing = group->frozen = parent->freezing;
	parent->child_count++;
	parent->children_frozen += group->frozen;
	list_append(&parent->children, &group->sibling);
	for (struct cgroup *above = parent; above; above = above->parent)
		above->descendants++;
	groups++;
	give(group, parent->subtree, true);
	return group;
}

void cgroup_release(struct cgroup *group)
{
	while (group && !--group->references) {
		struct cgroup *parent = group->parent;
		for (struct cgroup *above = parent; above; above = above->parent)
			above->dying--;
		groups--;
		wait_queue_close(&group->wait);
		heap_free(group->name);
		heap_free(group);
		group = parent;
	}
}

int cgroup_remove(struct cgroup *group)
{
	if (group->members || !list_empty(&group->children))
		return -EBUSY;
	give(group, cgroup_controllers(group), false);
	list_remove(&group->sibling);
	group->gone = true;
	group->parent->child_count--;
	group->parent->children_frozen -= group->frozen;
	for (struct cgroup *above = group->parent; above; above = above->parent) {
		above->descendants--;
		above->dying++;
	}
	wake_all(&group->wait, 0);
	cgroup_settle(group->parent);
	cgroup_release(group);
	return 0;
}

int cgroup_set_subtree(struct cgroup *group, uint32_t enable, uint32_t disable)
{
	struct cgroup *child;
	enable &= ~group->subtree;
	disable &= group->subtree;
	if (enable & ~cgroup_controllers(group))
		return -ENOENT;
	list_for_each(child, &group->children, sibling) if (child->subtree & disable) return -EBUSY;
	/* Children do not compete with processes of their parent's. */
	if (enable && group->parent && group->tasks)
		return -EBUSY;
	group->subtree = (group->subtree | enable) & ~disable;
	list_for_each(child, &group->children, sibling)
	{
		give(child, disable, false);
		give(child, enable, true);
	}
	return 0;
}

void cgroup_notify(struct cgroup *group, enum cgroup_event event)
{
	group->changes[event]++;
	wake_all(&group->wait, 0);
	for (uint32_t i = 1; cgroup_controls[i].name; i++)
		if (cgroup_controls[i].event == (int)event)
			cgroup_tell_watches(group, i);
}

static void path_down(struct proc_text *text, const struct cgroup *group, const struct cgroup *root)
{
	const struct cgroup *chain[CGROUP_DEPTH_MAX + 1];
	uint32_t count = 0;
	for (; group != root; group = group->parent)
		chain[count++] = group;
	while (count--) {
		proc_print(text, "/");
		proc_append(text, chain[count]->name, (uint32_t)strlen(chain[count]->name));
	}
}

void cgroup_path(struct proc_text *text, const struct cgroup *group, const struct cgroup *root)
{
	uint32_t before = text->length;
	while (!cgroup_within(group, root)) {
		proc_print(text, "/..");
		root = root->parent;
	}
	path_down(text, group, root);
	if (text->length == before)
		proc_print(text, "/");
	if (group->gone)
		proc_print(text, " (deleted)");
}

void cgroup_kill(struct cgroup *group)
{
	for (struct process *process = process_next(0); process; process = process_next(process))
		if (!process->zombie && process->leader && cgroup_within(cgroup_of(process->leader), group))
			(void)signal_send_process(process, SIGKILL, 0);
}

/* ---- Who is in them ---- */

/* A member more or less, up to where others had some before. */
static void count_member(struct cgroup *group, bool more)
{
	for (; group->parent; group = group->parent) {
		bool before = group->members;
		group->members += more ? 1u : -1u;
		if (before == !!group->members)
			return;
		cgroup_notify(group, EVENT_GROUP);
		if (more)
			cgroup_memory_watch(group);
	}
}

static void count_number(struct cgroup *group, bool more)
{
	for (; group->parent; group = group->parent) {
		group->pids += more ? 1u : -1ull;
		if (group->pids > group->pids_peak)
			group->pids_peak = group->pids;
	}
}

static void enter(struct task *task, struct cgroup *group)
{
	if (!group->parent)
		return;
	task->cgroup = cgroup_reference(group);
	group->tasks++;
	count_member(group, true);
	count_number(group, true);
}

/* The reference is the caller's from here on. */
static void leave(struct task *task)
{
	struct cgroup *group = task->cgroup;
	cgroup_rest(task, false);
	cgroup_cpu_leave(task);
	task->cgroup = 0;
	group->tasks--;
	count_member(group, false);
	cgroup_settle(group);
}

int cgroup_task_start(struct task *child, struct cgroup *group)
{
	for (const struct cgroup *at = group; at->parent; at = at->parent)
		if (at->pids >= at->pids_max) {
			group->pids_refused++;
			cgroup_notify(group, EVENT_PIDS);
			return -EAGAIN;
		}
	enter(child, group);
	cgroup_settle(group);
	if (group->freezing)
		child->work |= TASK_WORK_FREEZE;
	return 0;
}

void cgroup_task_end(struct task *task, bool last)
{
	struct cgroup *group = task->cgroup;
	if (!group)
		return;
	leave(task);
	if (last) {
		task->process->cgroup = group;
		return;
	}
	count_number(group, false);
	cgroup_release(group);
}

void cgroup_process_gone(struct process *process)
{
	struct cgroup *group = process->cgroup;
	if (!group)
		return;
	process->cgroup = 0;
	count_number(group, false);
	cgroup_release(group);
}

static void task_move(struct task *task, struct cgroup *to)
{
	struct cgroup *from = cgroup_of(task);
	bool rested = task->resting;
	if (from == to || task->exiting)
		return;
	/* What both have in common never sees it gone, nor twice. */
	struct cgroup *held = task->cgroup;
	cgroup_rest(task, false);
	cgroup_cpu_leave(task);
	count_number(from, false);
	task->cgroup = 0;
	enter(task, to);
	if (held) {
		from->tasks--;
		count_member(from, false);
		cgroup_settle(from);
	}
	if (rested)
		cgroup_rest(task, true);
	cgroup_settle(to);
	if (to->freezing)
		task_kick(task, TASK_WORK_FREEZE);
	else if (from->freezing)
		task_wake(task);
	turn_regrouped(task);
	if (held)
		cgroup_release(held);
}

void cgroup_move(struct process *process, struct cgroup *group)
{
	struct task *task;
	list_for_each(task, &process->threads, thread_link) task_move(task, group);
}

int cgroup_may_have_tasks(const struct cgroup *to)
{
	return to->gone ? -ENODEV : to->parent && to->subtree ? -EBUSY : 0;
}

int cgroup_may_write(const struct cgroup *group)
{
	const struct cgroup_rights *rights = &group->rights[CONTROL_PROCS];
	struct vnode file = {.mode = S_IFREG | rights->mode, .uid = rights->uid, .gid = rights->gid};
	return access_check(&file, 2);
}

int cgroup_may_move(const struct cgroup *from, const struct cgroup *to, const struct cgroup *root)
{
	if (cgroup_delegates && (!cgroup_within(from, root) || !cgroup_within(to, root)))
		return -ENOENT;
	while (!cgroup_within(from, to))
		to = to->parent;
	return cgroup_may_write(to);
}
