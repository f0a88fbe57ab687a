/* The tables: tasks and processes by number, process groups, sessions; creation and release of their
 * structures.
 *
 * One name space of numbers for threads, processes, groups and sessions. A number is free when none of them
 * uses it.
 */
#include "internal.h"
#include "cgroup/cgroup.h"
#include "core/core.h"
#include "keys/keys.h"
#include "proc/proc.h"
#include "task/number.h"
#include "task/seccomp.h"
#include "trace/trace.h"

#define BUCKETS 512u

struct process *init_process;
static struct number *buckets[BUCKETS];
static struct list all_processes = LIST_INIT(all_processes);
static int32_t pid_last;
static uint32_t processes, tasks;

struct number *number_find(int32_t id)
{
	struct number *number = id > 0 ? buckets[(uint32_t)id % BUCKETS] : 0;
	while (number && number->id != id)
		number = number->next;
	return number;
}

static void number_settle(struct number *number)
{
	if (number->task || number->process || number->session_members || number->holders ||
	    !list_empty(&number->members))
		return;
	struct number **at = &buckets[(uint32_t)number->id % BUCKETS];
	while (*at != number)
		at = &(*at)->next;
	*at = number->next;
	number_leave(number);
	heap_free(number);
}

/* A number of the first namespace that nothing uses; 0: none is left. */
static int32_t number_free(void)
{
	for (int32_t tries = 0; tries < PID_MAX; tries++) {
		if (++pid_last >= PID_MAX)
			pid_last = PID_RESERVED;
		if (!number_find(pid_last))
			return pid_last;
	}
	return 0;
}

/* A number in PIDS, as WISH says; it is given back by number_settle. 0: none left, or no memory. */
static struct number *number_allocate(struct pid_namespace *pids, const struct number_wish *wish)
{
	int32_t id = number_wished(wish, pids, &pid_namespace_first);
	if (!id)
		id = number_free();
	struct number *number = id ? heap_allocate(sizeof(*number)) : 0;
	if (!number || !number_enter(number, pids, wish)) {
		heap_free(number);
		return 0;
	}
	number->id = id;
	number->next = buckets[(uint32_t)id % BUCKETS];
	buckets[(uint32_t)id % BUCKETS] = number;
	list_init(&number->members);
	return number;
}

void number_hold(int32_t id)
{
	number_find(id)->holders++;
}

void number_drop(int32_t id)
{
	struct number *number = number_find(id);
	number->holders--;
	number_settle(number);
}

struct task *task_by_id(int32_t id)
{
	struct number *number = number_find(id);
	return number ? number->task : 0;
}

struct process *process_by_id(int32_t id)
{
	struct number *number = number_find(id);
	return number ? number->process : 0;
}

struct task *task_find(int32_t tid)
{
	return task_by_id(pid_named(tid));
}

struct process *process_find(int32_t pid)
{
	return process_by_id(pid_named(pid));
}

uint32_t process_count(void)
{
	return processes;
}

uint32_t task_count(void)
{
	return tasks;
}

struct process *process_reference(struct process *process)
{
	process->references++;
	return process;
}

void process_release(struct process *process)
{
	if (--process->references)
		return;
	/* A signalfd may be watched longer than the process lives that added it to an epoll. */
	wait_queue_close(&process->signal_wait);
	heap_free(process);
}

struct process *process_next(struct process *previous)
{
	struct list *next = previous ? previous->all_link.next : all_processes.next;
	return next == &all_processes ? 0 : list_entry(next, struct process, all_link);
}

struct process *process_group_first(int32_t pgid)
{
	return group_first(pid_named(pgid));
}

struct process *group_first(int32_t pgid)
{
	struct number *number = number_find(pgid);
	if (!number || list_empty(&number->members))
		return 0;
	return list_first(&number->members, struct process, group_link);
}

struct process *process_group_next(struct process *process)
{
	struct list *next = process->group_link.next;
	return next == &number_find(process->pgid)->members ? 0
	                                                    : list_entry(next, struct process, group_link);
}

static void leave_group(struct process *process)
{
	struct number *number = number_find(process->pgid);
	list_remove(&process->group_link);
	process->pgid = 0;
	if (number)
		number_settle(number);
}

void process_enter_group(struct process *process, int32_t pgid)
{
	struct number *number = number_find(pgid);
	list_remove(&process->group_link);
	list_append(&number->members, &process->group_link);
	struct number *old = number_find(process->pgid);
	process->pgid = pgid;
	if (old)
		number_settle(old);
}

void process_enter_session(struct process *process, int32_t sid)
{
	struct number *old = number_find(process->sid), *new = number_find(sid);
	process->sid = sid;
	if (new)
		new->session_members++;
	if (old) {
		old->session_members--;
		number_settle(old);
	}
}

bool group_in_session(int32_t pgid, int32_t sid)
{
	struct process *first = group_first(pgid);
	return first && first->sid == sid;
}

bool process_group_orphaned(int32_t pgid)
{
	for (struct process *p = group_first(pgid); p; p = process_group_next(p)) {
		if (p->zombie || !p->parent)
			continue;
		if (p->parent->pgid != pgid && p->parent->sid == p->sid)
			return false;
	}
	return true;
}

struct process *process_create(struct pid_namespace *pids, const struct number_wish *wish)
{
	struct process *process = pids->ended ? 0 : heap_allocate(sizeof(*process));
	struct number *number = process ? number_allocate(pids, wish) : 0;
	if (!number) {
		heap_free(process);
		return 0;
	}
	number->process = process;
	process->pid = number->id;
	process->pids = pids;
	process->number = pid_in(pids, number->id);
	process->references = 1;
	process->core_filter = CORE_FILTER_DEFAULT;
	list_init(&process->children);
	list_init(&process->sibling);
	list_init(&process->group_link);
	list_init(&process->threads);
	list_init(&process->posix_timers);
	signal_queue_init(&process->pending);
	wait_queue_init(&process->child_wait);
	wait_queue_init(&process->signal_wait);
	wait_queue_init(&process->exit_wait);
	process->start_ns = clock_monotonic();
	list_append(&all_processes, &process->all_link);
	processes++;
	pid_namespace_arrive(process);
	return process;
}

/* Takes PROCESS out of all tables; its structure lives on while referenced. */
void process_unlink(struct process *process)
{
	struct number *number = number_find(process->pid);
	list_remove(&process->sibling);
	list_remove(&process->all_link);
	signal_queue_flush(&process->pending, ~0ull);
	leave_group(process);
	process_enter_session(process, 0);
	pid_namespace_depart(process);
	cgroup_process_gone(process);
	number->process = 0;
	number_settle(number);
	process->parent = 0;
	processes--;
	process_release(process);
}

/* A thread of PROCESS; the first one has the process's number. */
struct task *task_create(struct process *process, const struct number_wish *wish)
{
	struct task *task = heap_allocate(sizeof(*task));
	struct number *number = !task                   ? 0
	                        : process->thread_count ? number_allocate(process->pids, wish)
	                                                : number_find(process->pid);
	if (!number) {
		heap_free(task);
		return 0;
	}
	number->task = task;
	task->tid = number->id;
	task->number = pid_in(process->pids, number->id);
	task->process = process;
	task->credentials.user = &user_namespace_first;
	(void)namespace_reference(&user_namespace_first.common);
	task->affinity = (1ull << machine.cpu_count) - 1;
	task->timer_slack_ns = task->timer_slack_default_ns = 50000;
	task->start_ns = clock_monotonic();
	signal_queue_init(&task->pending);
	list_init(&task->futex_link);
	list_init(&task->tracees);
	list_init(&task->counters);
	task->syscall_number = -1;
	tasks++;
	if (!process->thread_count)
		process->leader = task;
	process->thread_count++;
	list_append(&process->threads, &task->thread_link);
	process_reference(process);
	return task;
}

/* The last thing that happens to a task's structure. */
void task_destroy(struct task *task)
{
	struct process *process = task->process;
	signal_queue_flush(&task->pending, ~0ull);
	cgroup_task_end(task, false);
	seccomp_exit(task);
	task_keyrings_exit(task);
	trace_discard(task);
	struct number *number = number_find(task->tid);
	if (number && number->task == task) {
		number->task = 0;
		number_settle(number);
	}
	list_remove(&task->thread_link);
	process->thread_count--;
	if (process->leader == task)
		process->leader =
		    process->thread_count ? list_first(&process->threads, struct task, thread_link) : 0;
	tasks--;
	if (task->namespaces)
		namespaces_release(task->namespaces);
	namespace_release(&task->credentials.user->common);
	if (task->vector)
		pages_free(task->vector, (machine.vector_bytes + 4095) / 4096);
	heap_free(task);
	process_release(process);
}

/* exec by a thread that is not the leader: it becomes the leader. */
void task_become_leader(struct task *task)
{
	if (task->tid != task->process->pid) {
		struct number *old = number_find(task->tid), *new = number_find(task->process->pid);
		old->task = 0;
		number_settle(old);
		new->task = task;
		task->tid = task->process->pid;
		task->number = task->process->number;
	}
	trace_become_leader(task);
	task->process->leader = task;
}

bool process_permitted(const struct process *process)
{
	const struct credentials *own = &current_task()->credentials;
	if (!process->leader || process == current_task()->process)
		return true;
	const struct credentials *other = &process->leader->credentials;
	if (capable_in(other->user, CAP_KILL))
		return true;
	return own->euid == other->uid || own->euid == other->suid || own->uid == other->uid ||
	       own->uid == other->suid;
}

bool process_may_trace(const struct process *process)
{
	const struct credentials *own = &current_task()->credentials;
	if (process == current_task()->process)
		return true;
	if (!process->leader)
		return capable(CAP_SYS_PTRACE);
	const struct credentials *other = &process->leader->credentials;
	if (capable_in(other->user, CAP_SYS_PTRACE))
		return true;
	return !process->dumpable_off && own->uid == other->euid && own->uid == other->suid &&
	       own->uid == other->uid && own->gid == other->egid && own->gid == other->sgid &&
	       own->gid == other->gid && own->user == other->user &&
	       !(other->cap_permitted & ~own->cap_permitted);
}

enum { SCOPE_ALL, SCOPE_RELATED, SCOPE_ADMIN, SCOPE_NONE };

bool process_may_attach(const struct process *process)
{
	const struct process *self = current_task()->process, *ancestor = process;
	if (sysctl_trace_scope.value == SCOPE_ALL)
		return true;
	if (sysctl_trace_scope.value == SCOPE_NONE)
		return false;
	if (process->leader ? capable_in(process->leader->credentials.user, CAP_SYS_PTRACE)
	                    : capable(CAP_SYS_PTRACE))
		return true;
	if (sysctl_trace_scope.value == SCOPE_ADMIN)
		return false;
	if (process->tracer_chosen == -1 || process->tracer_chosen == self->pid)
		return true;
	while (ancestor && ancestor != self)
		ancestor = ancestor->parent;
	return ancestor == self;
}

/* ---- Groups and sessions: setpgid(2), setsid(2) ---- */

SYSCALL_HANDLER(getpid, void)
{
	return current_task()->process->number;
}

SYSCALL_HANDLER(gettid, void)
{
	return current_task()->number;
}

SYSCALL_HANDLER(getppid, void)
{
	const struct process *process = current_task()->process, *parent;
	if (!process->pids->level)
		return (parent = process->parent) != 0 ? parent->pid : 0;
	personality_lock(); /* other numbers are looked up */
	parent = process->parent;
	int64_t number = parent ? pid_seen(parent->pid) : 0;
	personality_unlock();
	return number;
}

static struct process *process_or_self(int pid)
{
	return pid == 0 ? current_task()->process : process_find(pid);
}

SYSCALL_HANDLER(getpgid, int pid)
{
	struct process *process = process_or_self(pid);
	return process ? pid_seen(process->pgid) : -ESRCH;
}

SYSCALL_HANDLER(getpgrp, void)
{
	return pid_seen(current_task()->process->pgid);
}

SYSCALL_HANDLER(getsid, int pid)
{
	struct process *process = process_or_self(pid);
	return process ? pid_seen(process->sid) : -ESRCH;
}

SYSCALL_HANDLER(setpgid, int pid, int pgid)
{
	struct process *self = current_task()->process, *process = process_or_self(pid);
	if (pgid < 0 || (pgid == 0 && pid < 0))
		return -EINVAL;
	if (!process || process->zombie || (process != self && process->parent != self))
		return -ESRCH;
	pgid = pgid ? pid_named(pgid) : process->pid;
	if (process != self && process->did_exec)
		return -EACCES;
	if (process->sid != self->sid || process->sid == process->pid)
		return -EPERM;
	if (pgid != process->pid && !group_in_session(pgid, process->sid))
		return -EPERM;
	if (pgid != process->pgid)
		process_enter_group(process, pgid);
	return 0;
}

SYSCALL_HANDLER(setsid, void)
{
	struct process *process = current_task()->process;
	if (group_first(process->pid))
		return -EPERM;
	process_enter_group(process, process->pid);
	process_enter_session(process, process->pid);
	process->tty = 0;
	return process->number;
}

/* ---- Comparing what two processes have: kcmp(2) ---- */

enum { KCMP_FILE = 0, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM };

static const void *kcmp_file(const struct task *task, uint64_t fd)
{
	return task->files && fd < task->files->capacity ? task->files->slots[fd] : 0;
}

SYSCALL_HANDLER(kcmp, int first, int second, int kind, uint64_t a, uint64_t b)
{
	const struct task *one = task_find(first), *two = task_find(second);
	const void *x, *y;
	if (!one || !two)
		return -ESRCH;
	if (!process_may_trace(one->process) || !process_may_trace(two->process))
		return -EPERM;
	switch (kind) {
	case KCMP_FILE:
		x = kcmp_file(one, a);
		y = kcmp_file(two, b);
		if (!x || !y)
			return -EBADF;
		break;
	case KCMP_VM:
		x = one->mm;
		y = two->mm;
		break;
	case KCMP_FILES:
		x = one->files;
		y = two->files;
		break;
	case KCMP_FS:
		x = one->fs;
		y = two->fs;
		break;
	case KCMP_SIGHAND:
		x = one->handlers;
		y = two->handlers;
		break;
	case KCMP_IO:
	case KCMP_SYSVSEM:
		x = one->process;
		y = two->process;
		break;
	default:
		return -EINVAL;
	}
	/* An order of its own, so that addresses stay inside. */
	const uint64_t salt = 0x9e3779b97f4a7c15ull;
	uint64_t p = (uint64_t)x * salt, q = (uint64_t)y * salt;
	return p == q ? 0 : p < q ? 1 : 2;
}
