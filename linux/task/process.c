/* The tables: tasks and processes by number, process groups, sessions; creation and release of their
 * structures.
 *
 * One name space of numbers for threads, processes, groups and sessions. A number is free when none of them
 * uses it.
 */
#include "internal.h"

#define PID_MAX 32768

struct process *init_process;
static struct task *task_table[PID_MAX];
static struct process *process_table[PID_MAX];
static struct list group_table[PID_MAX]; /* heads; next 0 = never used */
static uint32_t session_members[PID_MAX];
static struct list all_processes = LIST_INIT(all_processes);
static int32_t pid_last;
static uint32_t processes, tasks;

static bool group_empty(int32_t pgid)
{
	return !group_table[pgid].next || list_empty(&group_table[pgid]);
}

int32_t pid_allocate(void)
{
	for (int32_t tries = 0; tries < PID_MAX; tries++) {
		if (++pid_last >= PID_MAX)
			pid_last = init_process ? 300 : 1;
		if (!task_table[pid_last] && !process_table[pid_last] && group_empty(pid_last) &&
		    !session_members[pid_last])
			return pid_last;
	}
	return -EAGAIN;
}

struct task *task_find(int32_t tid)
{
	return tid > 0 && tid < PID_MAX ? task_table[tid] : 0;
}

struct process *process_find(int32_t pid)
{
	return pid > 0 && pid < PID_MAX ? process_table[pid] : 0;
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
	if (--process->references == 0)
		heap_free(process);
}

struct process *process_next(struct process *previous)
{
	struct list *next = previous ? previous->all_link.next : all_processes.next;
	return next == &all_processes ? 0 : list_entry(next, struct process, all_link);
}

struct process *process_group_first(int32_t pgid)
{
	if (pgid <= 0 || pgid >= PID_MAX || group_empty(pgid))
		return 0;
	return list_first(&group_table[pgid], struct process, group_link);
}

struct process *process_group_next(struct process *process)
{
	struct list *next = process->group_link.next;
	return next == &group_table[process->pgid] ? 0 : list_entry(next, struct process, group_link);
}

void process_enter_group(struct process *process, int32_t pgid)
{
	list_remove(&process->group_link);
	if (!group_table[pgid].next)
		list_init(&group_table[pgid]);
	list_append(&group_table[pgid], &process->group_link);
	process->pgid = pgid;
}

void process_enter_session(struct process *process, int32_t sid)
{
	if (process->sid)
		session_members[process->sid]--;
	process->sid = sid;
	if (sid)
		session_members[sid]++;
}

bool group_in_session(int32_t pgid, int32_t sid)
{
	struct process *first = process_group_first(pgid);
	return first && first->sid == sid;
}

bool process_group_orphaned(int32_t pgid)
{
	for (struct process *p = process_group_first(pgid); p; p = process_group_next(p)) {
		if (p->zombie || !p->parent || p->parent == init_process)
			continue;
		if (p->parent->pgid != pgid && p->parent->sid == p->sid)
			return false;
	}
	return true;
}

struct process *process_create(void)
{
	struct process *process = heap_allocate(sizeof(*process));
	int32_t pid = process ? pid_allocate() : -EAGAIN;
	if (pid < 0) {
		heap_free(process);
		return 0;
	}
	process->pid = pid;
	process->references = 1;
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
	process_table[pid] = process;
	list_append(&all_processes, &process->all_link);
	processes++;
	return process;
}

/* Takes PROCESS out of all tables; its structure lives on while referenced. */
void process_unlink(struct process *process)
{
	list_remove(&process->sibling);
	list_remove(&process->group_link);
	list_remove(&process->all_link);
	process_enter_session(process, 0);
	signal_queue_flush(&process->pending, ~0ull);
	process_table[process->pid] = 0;
	process->parent = 0;
	processes--;
	process_release(process);
}

/* A thread of PROCESS; the first one has the process's number. */
struct task *task_create(struct process *process)
{
	struct task *task = heap_allocate(sizeof(*task));
	int32_t tid = !task ? -EAGAIN : process->thread_count ? pid_allocate() : process->pid;
	if (tid < 0) {
		heap_free(task);
		return 0;
	}
	task->tid = tid;
	task->process = process;
	task->affinity = (1ull << machine.cpu_count) - 1;
	task->timer_slack_ns = 50000;
	task->start_ns = clock_monotonic();
	signal_queue_init(&task->pending);
	list_init(&task->futex_link);
	task_table[tid] = task;
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
	if (task_table[task->tid] == task)
		task_table[task->tid] = 0;
	list_remove(&task->thread_link);
	process->thread_count--;
	if (process->leader == task)
		process->leader =
		    process->thread_count ? list_first(&process->threads, struct task, thread_link) : 0;
	tasks--;
	if (task->vector)
		pages_free(task->vector, (machine.vector_bytes + 4095) / 4096);
	heap_free(task);
	process_release(process);
}

/* exec by a thread that is not the leader: it becomes the leader. */
void task_become_leader(struct task *task)
{
	if (task->tid != task->process->pid) {
		task_table[task->tid] = 0;
		task->tid = task->process->pid;
		task_table[task->tid] = task;
	}
	task->process->leader = task;
}

bool process_permitted(const struct process *process)
{
	const struct credentials *own = &current_task()->credentials;
	if (!process->leader || process == current_task()->process || capable(CAP_KILL))
		return true;
	const struct credentials *other = &process->leader->credentials;
	return own->euid == other->uid || own->euid == other->suid || own->uid == other->uid ||
	       own->uid == other->suid;
}

/* ---- Groups and sessions: setpgid(2), setsid(2) ---- */

SYSCALL_HANDLER(getpid, void)
{
	return current_task()->process->pid;
}

SYSCALL_HANDLER(gettid, void)
{
	return current_task()->tid;
}

SYSCALL_HANDLER(getppid, void)
{
	const struct process *parent = current_task()->process->parent;
	return parent ? parent->pid : 0;
}

static struct process *process_or_self(int pid)
{
	return pid == 0 ? current_task()->process : process_find(pid);
}

SYSCALL_HANDLER(getpgid, int pid)
{
	struct process *process = process_or_self(pid);
	return process ? process->pgid : -ESRCH;
}

SYSCALL_HANDLER(getpgrp, void)
{
	return current_task()->process->pgid;
}

SYSCALL_HANDLER(getsid, int pid)
{
	struct process *process = process_or_self(pid);
	return process ? process->sid : -ESRCH;
}

SYSCALL_HANDLER(setpgid, int pid, int pgid)
{
	struct process *self = current_task()->process, *process = process_or_self(pid);
	if (!process || process->zombie || (process != self && process->parent != self))
		return -ESRCH;
	if (pgid < 0)
		return -EINVAL;
	if (pgid == 0)
		pgid = process->pid;
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
	if (process_group_first(process->pid))
		return -EPERM;
	process_enter_group(process, process->pid);
	process_enter_session(process, process->pid);
	process->tty = 0;
	return process->sid;
}
