/* Control groups, version 2: cgroups(7), and the kernel's cgroup-v2 document.
 *
 * A group is a directory of the file system "cgroup2" (files.c), whose files read and change it (control.c). The common lock
 * is held alone wherever a group is made, changed, left or let go. A task in the root has no group: it costs nothing
 * there. What a controller counts it counts from the moment that a task has a group, whether or not the controller is given to
 * it; what is limited is limited only where it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "../include/namespace.h"
#include "../include/task.h"
#include "../include/vnode.h"

enum controllers { CONTROLLER_CPU = 1, CONTROLLER_MEMORY = 2, CONTROLLER_PIDS = 4, CONTROLLERS_ALL = 7 };
extern const char *const controller_names[]; /* in the order of the bits; 0 at the end */

#define CGROUP_UNLIMITED UINT64_MAX
#define CGROUPS_MAX      16384u
#define CGROUP_DEPTH_MAX 128u
#define CGROUP_CONTROLS  48u /* more than there are files in a group, the directory counted */
#define WEIGHT_DEFAULT   100u
#define SHARES_DEFAULT   1024u
#define CPU_PERIOD_US    100000u

/* Files that tell of events: poll(2) and inotify(7). */
enum cgroup_event { EVENT_GROUP, EVENT_MEMORY, EVENT_MEMORY_LOCAL, EVENT_PIDS, CGROUP_EVENTS };

enum memory_event {
	MEMORY_LOW,
	MEMORY_HIGH,
	MEMORY_MAX,
	MEMORY_OOM,
	MEMORY_OOM_KILL,
	MEMORY_OOM_GROUP_KILL,
	MEMORY_EVENTS
};

struct cgroup_rights {
	uint32_t uid, gid, mode;
};

struct cgroup {
	uint32_t references;
	struct cgroup *parent; /* a reference; 0 of the root */
	struct list children, sibling;
	char *name;
	uint32_t level;
	uint64_t number; /* no other has had it */
	bool gone;
	uint32_t child_count;
	uint32_t subtree;                    /* controllers that its children have */
	uint32_t descendants, dying;         /* below it; of those that have gone, some are still held */
	uint32_t descendants_max, depth_max; /* UINT32_MAX: no limit */
	uint32_t tasks, members;             /* in itself; those and the children that have members */
	struct cgroup_rights rights[CGROUP_CONTROLS]; /* of the directory, then of each control */
	struct list vnodes;
	struct wait_queue wait; /* who polls its files */
	uint64_t changes[CGROUP_EVENTS];

	/* freeze.c */
	bool freeze, freezing, frozen; /* asked for; here or above it; and all of its tasks rest */
	uint32_t resting, children_frozen;

	uint64_t pids, pids_max, pids_peak, pids_refused;

	struct {
		struct cpu_times gone; /* of tasks that have left, or ended, below it too */
		uint64_t shares;       /* weight, in 1/1024 of that of one thread */
		uint64_t stamp, sum;   /* of who competes in it, at the look of that number */
		uint64_t quota_us, period_us;
		struct list limited; /* in the list of those with a quota */
		uint64_t start_ns, base_ns, used_ns, seen_ns;
		uint64_t periods, throttled_periods, throttled_ns, throttled_since;
		bool throttled, was_throttled, active;
	} cpu;

	struct {
		uint64_t max, high, low, min, peak, swap_max, swap_high;
		struct list limited;
		uint64_t sum; /* at the last look */
		uint64_t events[MEMORY_EVENTS], events_local[MEMORY_EVENTS];
		struct process *victim; /* a reference: who is to make room */
		uint64_t victim_since;
		bool oom_group, braked;
	} memory;
};
extern struct cgroup cgroup_root;

/* ---- Groups (tree.c) ---- */

static inline struct cgroup *cgroup_of(const struct task *task)
{
	return task->cgroup ? task->cgroup : &cgroup_root;
}
static inline struct cgroup *cgroup_reference(struct cgroup *group)
{
	group->references++;
	return group;
}
void cgroup_release(struct cgroup *group);
/* A child of PARENT's without a reference, or 0 with *ERROR. */
struct cgroup *cgroup_create(struct cgroup *parent, const char *name, uint32_t length, uint32_t mode,
                             int *error);
/* 0, or -EBUSY. */
int cgroup_remove(struct cgroup *group);
struct cgroup *cgroup_child(const struct cgroup *parent, const char *name, uint32_t length);
/* The next of TOP's tree behind AT, parents first; 0 at the end. */
struct cgroup *cgroup_next(struct cgroup *at, const struct cgroup *top);
bool cgroup_within(const struct cgroup *inner, const struct cgroup *outer);
static inline uint32_t cgroup_controllers(const struct cgroup *group)
{
	return group->parent ? group->parent->subtree : CONTROLLERS_ALL;
}
/* Children get or lose controllers: 0 or an error, with nothing changed. */
int cgroup_set_subtree(struct cgroup *group, uint32_t enable, uint32_t disable);
/* Its event files have something new. */
void cgroup_notify(struct cgroup *group, enum cgroup_event event);
/* Where GROUP is, seen from ROOT, for /proc/PID/cgroup. */
void cgroup_path(struct proc_text *text, const struct cgroup *group, const struct cgroup *root);
/* All of the processes in GROUP and below get SIGKILL. */
void cgroup_kill(struct cgroup *group);

/* ---- Tasks ---- */

/* CHILD, new, begins in GROUP: 0, or -EAGAIN where pids.max says no. */
int cgroup_task_start(struct task *child, struct cgroup *group);
/* TASK, going or never seen, leaves; LAST of its process: whose number stays counted until cgroup_process_gone. */
void cgroup_task_end(struct task *task, bool last);
void cgroup_process_gone(struct process *process);
/* PROCESS with all its threads goes to GROUP. */
void cgroup_move(struct process *process, struct cgroup *group);
/* May the current task write to GROUP's cgroup.procs? */
int cgroup_may_write(const struct cgroup *group);
/* May it move one from FROM to TO, by a namespace whose root is ROOT? */
int cgroup_may_move(const struct cgroup *from, const struct cgroup *to, const struct cgroup *root);
/* May TO have processes at all? */
int cgroup_may_have_tasks(const struct cgroup *to);

/* ---- Freezing (freeze.c) ---- */

void cgroup_set_freeze(struct cgroup *group, bool freeze);
/* The current task, on its way to its guest, waits while its group is frozen. */
void cgroup_freeze_wait(void);
/* TASK does nothing until somebody else has it go on. */
void cgroup_rest_slow(struct task *task, bool rest);
static inline void cgroup_rest(struct task *task, bool rest)
{
	if (task->cgroup)
		cgroup_rest_slow(task, rest);
	else
		task->resting = rest;
}
/* Is GROUP, whose tasks or children are others now, frozen? */
void cgroup_settle(struct cgroup *group);

/* ---- Processors (cpu.c) ---- */

struct cpu_times cgroup_cpu_times(struct cgroup *group);
/* What TASK has used since it came is its groups'. */
void cgroup_cpu_leave(struct task *task);
/* GROUP has the controller from now on, or not. */
void cgroup_cpu_given(struct cgroup *group, bool given);
void cgroup_cpu_limit(struct cgroup *group, uint64_t quota_us, uint64_t period_us);
/* Must TASK wait for its group's next period, or because it has too much memory? */
bool cgroup_held(const struct task *task);
/* The worker's look at quotas (task/turn.c): when it is to look again, ns. */
uint64_t cgroup_cpu_look(void);
/* Are there groups that compete? */
extern uint32_t cgroup_cpu_groups;

/* ---- Parts of a processor (share.c) ---- */

/* A thread of WEIGHT competes at the look STAMP; and, after all have, its part of 2^24: from 1 to the whole, also of one that
 * has not competed. */
void cgroup_compete(const struct task *task, uint32_t weight, uint64_t stamp);
uint32_t cgroup_part(const struct task *task, uint32_t weight);

/* ---- Memory (memory.c) ---- */

uint64_t cgroup_memory(struct cgroup *group);
/* Its limits have changed, or it has tasks again. */
void cgroup_memory_watch(struct cgroup *group);
void cgroup_memory_given(struct cgroup *group, bool given);

/* ---- Files ---- */

/* Those that show what is below ROOT. */
struct filesystem *cgroup_filesystem(struct cgroup *root);
/* The group whose directory FILE has open; 0: it is none. */
struct cgroup *cgroup_of_file(const struct file *file);
/* Of the vnode. */
struct cgroup *cgroup_of_vnode(const struct vnode *vnode);
/* Who watches this control of GROUP's hears that it has changed. */
void cgroup_tell_watches(struct cgroup *group, uint32_t control);
/* A file of a group. */
struct control {
	const char *name;
	uint32_t mode;
	uint32_t controller; /* 0: of every group */
	bool not_root, delegated;
	int event; /* enum cgroup_event, or -1 */
	int (*text)(struct cgroup *group, struct proc_text *text);
	/* A line without its newline; 0 or an error. */
	int (*write)(struct cgroup *group, const char *line);
	/* The same of what moves tasks, by a namespace whose root is ROOT. */
	int (*move)(struct cgroup *group, const char *line, const struct cgroup *root);
};
extern const struct control cgroup_controls[]; /* from 1 on; a name of 0 ends them */
enum group_controls { CONTROL_PROCS = 1, CONTROL_THREADS = 2 };
static inline bool control_there(const struct cgroup *group, const struct control *control)
{
	return !(control->not_root && !group->parent) && !(control->controller & ~cgroup_controllers(group));
}

/* ---- Namespaces ---- */

struct cgroup_namespace {
	struct namespace common;
	struct cgroup *root; /* a reference */
};
extern struct cgroup_namespace cgroup_namespace_first;
struct namespace *cgroup_namespace_copy(struct namespace *from, struct user_namespace *owner, int *error);
void cgroup_namespace_free(struct namespace *namespace);
struct cgroup_namespace *cgroup_namespace_current(void);
/* mount(2), nsdelegate: a namespace's root is a limit of what may be moved and changed. */
extern bool cgroup_delegates;
