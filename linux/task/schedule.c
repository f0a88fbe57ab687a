/* Scheduling as programs ask for it: nice values, policies, processors: setpriority(2), sched(7), ioprio_set(2).
 * What they mean for who runs: turn.c.
 */
#include "internal.h"
#include "task/turn.h"

enum {
	SCHED_OTHER = 0,
	SCHED_FIFO = 1,
	SCHED_RR = 2,
	SCHED_BATCH = 3,
	SCHED_IDLE = 5,
	SCHED_DEADLINE = 6,
	SCHED_RESET_ON_FORK = 0x40000000,
	RT_PRIORITY_MAX = 99,
};
#define RR_INTERVAL_NS   100000000ull
#define FAIR_INTERVAL_NS 4000000ull

static struct task *task_or_self(int tid)
{
	return tid ? task_find(tid) : current_task();
}

static bool is_real_time(int32_t policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* Is TASK of the current task's user? */
static bool same_owner(const struct task *task)
{
	const struct credentials *own = &current_task()->credentials, *other = &task->credentials;
	return own->euid == other->euid || own->euid == other->uid;
}

static bool may_nice(const struct task *task, int32_t nice)
{
	uint64_t limit = task->process->limits[RLIMIT_NICE].current;
	return nice >= task->nice || (uint64_t)(20 - nice) <= limit || capable(CAP_SYS_NICE);
}

/* ---- Nice values ---- */

enum { PRIO_PROCESS = 0, PRIO_PGRP, PRIO_USER };

/* Calls EACH for every thread that WHICH and WHO name: setpriority(2). */
static void each_of(int which, int who, void (*each)(struct task *task, void *argument), void *argument)
{
	struct task *self = current_task(), *task;
	if (which == PRIO_PROCESS) {
		task = task_or_self(who);
		if (task)
			each(task, argument);
		return;
	}
	uint32_t uid = who ? uid_named((uint32_t)who) : self->credentials.uid;
	int32_t group = who ? pid_named(who) : self->process->pgid;
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		if (which == PRIO_PGRP && process->pgid != group)
			continue;
		list_for_each(task, &process->threads, thread_link)
		{
			if (which == PRIO_PGRP || task->credentials.uid == uid)
				each(task, argument);
		}
	}
}

struct priority_call {
	int32_t nice;
	int64_t result;
};

static void get_one(struct task *task, void *argument)
{
	struct priority_call *call = argument;
	int64_t value = 20 - task->nice;
	call->result = value > call->result ? value : call->result;
}

SYSCALL_HANDLER(getpriority, int which, int who)
{
	struct priority_call call = {.result = -ESRCH};
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	each_of(which, who, get_one, &call);
	return call.result;
}

static void set_one(struct task *task, void *argument)
{
	struct priority_call *call = argument;
	const struct credentials *own = &current_task()->credentials, *other = &task->credentials;
	if (own->euid != other->uid && own->euid != other->euid && !capable(CAP_SYS_NICE)) {
		call->result = -EPERM;
	} else if (!may_nice(task, call->nice)) {
		call->result = -EACCES;
	} else {
		task->nice = call->nice;
		turn_changed(task);
		call->result = call->result == -ESRCH ? 0 : call->result;
	}
}

SYSCALL_HANDLER(setpriority, int which, int who, int nice)
{
	struct priority_call call = {.nice = nice < -20 ? -20 : nice > 19 ? 19 : nice, .result = -ESRCH};
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	each_of(which, who, set_one, &call);
	return call.result;
}

/* ---- Policies ---- */

static bool policy_known(int32_t policy)
{
	return policy >= 0 && policy <= SCHED_DEADLINE && policy != 4;
}

/* What an unprivileged task may do: sched(7), "Privileges and resource limits". */
static bool may_set(const struct task *task, int32_t policy, uint32_t priority, int32_t nice, bool reset)
{
	uint64_t limit = task->process->limits[RLIMIT_RTPRIO].current;
	if (capable(CAP_SYS_NICE))
		return true;
	if (is_real_time(policy)) {
		if ((policy != task->policy && !limit) || (priority > task->rt_priority && priority > limit))
			return false;
	} else if (!may_nice(task, nice)) {
		return false;
	}
	if (task->policy == SCHED_IDLE && policy != SCHED_IDLE && !may_nice(task, task->nice - 1))
		return false;
	return same_owner(task) && (!task->reset_on_fork || reset);
}

static int64_t set_policy(struct task *task, int32_t policy, uint32_t priority, int32_t nice, bool reset)
{
	if (!policy_known(policy))
		return -EINVAL;
	if (priority > RT_PRIORITY_MAX || is_real_time(policy) != (priority != 0))
		return -EINVAL;
	if (policy == SCHED_DEADLINE)
		return -EBUSY; /* nothing is set aside for it */
	if (!may_set(task, policy, priority, nice, reset))
		return -EPERM;
	task->policy = policy;
	task->rt_priority = priority;
	task->reset_on_fork = reset;
	if (!is_real_time(policy))
		task->nice = nice;
	turn_changed(task);
	return 0;
}

void schedule_inherit(struct task *child, const struct task *parent)
{
	child->nice = parent->nice;
	child->policy = parent->policy;
	child->rt_priority = parent->rt_priority;
	child->io_priority = parent->io_priority;
	if (!parent->reset_on_fork)
		return;
	if (is_real_time(child->policy)) {
		child->policy = SCHED_OTHER;
		child->rt_priority = 0;
		child->nice = 0;
	} else if (child->nice < 0) {
		child->nice = 0;
	}
}

SYSCALL_HANDLER(sched_setscheduler, int tid, int policy, uint64_t address)
{
	uint32_t priority;
	if (tid < 0 || !address || policy < 0)
		return -EINVAL;
	if (get_user_u32(&priority, address))
		return -EFAULT;
	struct task *task = task_or_self(tid);
	if (!task)
		return -ESRCH;
	return set_policy(task, policy & ~SCHED_RESET_ON_FORK, priority, task->nice,
	                  policy & SCHED_RESET_ON_FORK);
}

SYSCALL_HANDLER(sched_setparam, int tid, uint64_t address)
{
	uint32_t priority;
	if (tid < 0 || !address)
		return -EINVAL;
	if (get_user_u32(&priority, address))
		return -EFAULT;
	struct task *task = task_or_self(tid);
	return task ? set_policy(task, task->policy, priority, task->nice, task->reset_on_fork) : -ESRCH;
}

SYSCALL_HANDLER(sched_getscheduler, int tid)
{
	const struct task *task = tid < 0 ? 0 : task_or_self(tid);
	if (!task)
		return tid < 0 ? -EINVAL : -ESRCH;
	return task->policy | (task->reset_on_fork ? SCHED_RESET_ON_FORK : 0);
}

SYSCALL_HANDLER(sched_getparam, int tid, uint64_t address)
{
	if (tid < 0 || !address)
		return -EINVAL;
	const struct task *task = task_or_self(tid);
	return task ? put_user_u32(address, task->rt_priority) : -ESRCH;
}

SYSCALL_HANDLER(sched_get_priority_max, int policy)
{
	return is_real_time(policy) ? RT_PRIORITY_MAX : policy_known(policy) ? 0 : -EINVAL;
}

SYSCALL_HANDLER(sched_get_priority_min, int policy)
{
	return is_real_time(policy) ? 1 : policy_known(policy) ? 0 : -EINVAL;
}

SYSCALL_HANDLER(sched_rr_get_interval, int tid, uint64_t address)
{
	const struct task *task = tid < 0 ? 0 : task_or_self(tid);
	if (!task)
		return tid < 0 ? -EINVAL : -ESRCH;
	return put_user_timespec(address, task->policy == SCHED_FIFO ? 0
	                                  : task->policy == SCHED_RR ? RR_INTERVAL_NS
	                                                             : FAIR_INTERVAL_NS);
}

struct linux_sched_attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};
_Static_assert(sizeof(struct linux_sched_attr) == 48, "struct sched_attr");

SYSCALL_HANDLER(sched_setattr, int tid, uint64_t address, uint32_t flags)
{
	struct linux_sched_attr attr;
	enum { FLAG_RESET_ON_FORK = 1, FLAG_KEEP_POLICY = 8, FLAG_KEEP_PARAMS = 16, FLAGS_KNOWN = 0x7f };
	if (tid < 0 || !address || flags)
		return -EINVAL;
	if (copy_from_user(&attr, address, sizeof(attr)))
		return -EFAULT;
	if (attr.size && (attr.size < sizeof(attr) || attr.size > 4096))
		return put_user_u32(address, sizeof(attr) + 8) ? -EFAULT : -E2BIG;
	for (uint32_t at = sizeof(attr); at < attr.size; at++) {
		char byte;
		if (copy_from_user(&byte, address + at, 1))
			return -EFAULT;
		if (byte && at >= sizeof(attr) + 8)
			return put_user_u32(address, sizeof(attr) + 8) ? -EFAULT : -E2BIG;
	}
	if ((int32_t)attr.policy < 0 || (attr.flags & ~(uint64_t)FLAGS_KNOWN))
		return -EINVAL;
	struct task *task = task_or_self(tid);
	if (!task)
		return -ESRCH;
	int32_t policy = attr.flags & FLAG_KEEP_POLICY ? task->policy : (int32_t)attr.policy;
	bool keep = attr.flags & FLAG_KEEP_PARAMS;
	int32_t nice = keep ? task->nice : attr.nice < -20 ? -20 : attr.nice > 19 ? 19 : attr.nice;
	return set_policy(task, policy, keep ? task->rt_priority : attr.priority,
	                  is_real_time(policy) ? task->nice : nice, attr.flags & FLAG_RESET_ON_FORK);
}

SYSCALL_HANDLER(sched_getattr, int tid, uint64_t address, uint32_t size, uint32_t flags)
{
	if (tid < 0 || !address || flags || size < sizeof(struct linux_sched_attr) || size > 4096)
		return -EINVAL;
	const struct task *task = task_or_self(tid);
	if (!task)
		return -ESRCH;
	struct linux_sched_attr attr = {.size = sizeof(attr),
	                                .policy = (uint32_t)task->policy,
	                                .flags = task->reset_on_fork,
	                                .nice = is_real_time(task->policy) ? 0 : task->nice,
	                                .priority = task->rt_priority};
	return copy_to_user(address, &attr, sizeof(attr));
}

/* ---- Processors ---- */

SYSCALL_HANDLER(sched_yield, void)
{
	turn_yield();
	thread_yield();
	return 0;
}

SYSCALL_HANDLER(sched_setaffinity, int tid, uint32_t bytes, uint64_t address)
{
	uint64_t mask = 0;
	if (copy_from_user(&mask, address, bytes < 8 ? bytes : 8))
		return -EFAULT;
	struct task *task = tid < 0 ? 0 : task_or_self(tid);
	if (!task)
		return -ESRCH;
	if (!same_owner(task) && !capable(CAP_SYS_NICE))
		return -EPERM;
	return thread_set_affinity(task, mask);
}

SYSCALL_HANDLER(sched_getaffinity, int tid, uint32_t bytes, uint64_t address)
{
	if (bytes < 8 || (bytes & 7))
		return -EINVAL;
	const struct task *task = tid < 0 ? 0 : task_or_self(tid);
	if (!task)
		return -ESRCH;
	uint64_t mask = task->affinity & ((1ull << machine.cpu_count) - 1);
	return put_user_u64(address, mask) ? -EFAULT : 8;
}

/* ---- Priorities of input and output: kept as numbers ---- */

enum { IOPRIO_PROCESS = 1, IOPRIO_PGRP, IOPRIO_USER };
enum { IOPRIO_NONE = 0, IOPRIO_REAL_TIME, IOPRIO_BEST_EFFORT, IOPRIO_IDLE };

struct io_priority_call {
	uint32_t value;
	int64_t result;
};

static void io_get_one(struct task *task, void *argument)
{
	struct io_priority_call *call = argument;
	int64_t value = task->io_priority;
	call->result = call->result < 0 || value < call->result ? value : call->result;
}

static void io_set_one(struct task *task, void *argument)
{
	struct io_priority_call *call = argument;
	if (!same_owner(task) && !capable(CAP_SYS_NICE)) {
		call->result = -EPERM;
		return;
	}
	task->io_priority = call->value;
	call->result = call->result == -ESRCH ? 0 : call->result;
}

SYSCALL_HANDLER(ioprio_get, int which, int who)
{
	struct io_priority_call call = {.result = -ESRCH};
	if (which < IOPRIO_PROCESS || which > IOPRIO_USER)
		return -EINVAL;
	each_of(which - IOPRIO_PROCESS, who, io_get_one, &call);
	return call.result;
}

int io_priority_check(uint32_t value)
{
	uint32_t class = value >> 13, level = value & 0x1fff;
	if (class > IOPRIO_IDLE || (class == IOPRIO_NONE && level))
		return -EINVAL;
	bool real_time = class == IOPRIO_REAL_TIME;
	return real_time && !capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE) ? -EPERM : 0;
}

SYSCALL_HANDLER(ioprio_set, int which, int who, uint32_t value)
{
	struct io_priority_call call = {.value = value, .result = -ESRCH};
	int error = io_priority_check(value);
	if (error)
		return error;
	if (which < IOPRIO_PROCESS || which > IOPRIO_USER)
		return -EINVAL;
	each_of(which - IOPRIO_PROCESS, who, io_set_one, &call);
	return call.result;
}
