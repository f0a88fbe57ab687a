/* How threads and processes end, and how parents learn of it: exit(2), exit_group(2), wait4(2), waitid(2). */
#include "../fs/backing.h"
#include "async/async.h"
#include "cgroup/cgroup.h"
#include "core/core.h"
#include "event/perf.h"
#include "internal.h"
#include "ipc/ipc.h"
#include "native/native.h"
#include "time/account.h"
#include "trace/trace.h"

void vfork_release(struct task *task)
{
	struct task *parent = task->vfork_parent;
	if (!parent)
		return;
	task->vfork_parent = 0;
	parent->vfork_child = 0;
	task_wake(parent);
}

struct mm *task_change_mm(struct task *task, struct mm *to)
{
	struct mm *old = task->mm;
	if (old) {
		futex_exit(task);
		if (task->clear_tid && old->references > 1 && !put_user_u32(task->clear_tid, 0))
			futex_wake(task->clear_tid, 1, ~0u, true);
	}
	task->clear_tid = 0;
	perf_settle(task);
	task->mm = to;
	perf_rebase(task);
	thread_use_mm(to);
	return old;
}

/* A task that ends. */
static void leave_mm(struct task *task)
{
	struct mm *mm = task_change_mm(task, 0);
	if (!mm)
		return;
	mm_release(mm, true);
	vfork_release(task);
}

void process_notify_parent(struct process *process, int code, int status)
{
	struct process *parent = process->parent;
	if (!parent)
		return;
	bool exited = code == CLD_EXITED || code == CLD_KILLED || code == CLD_DUMPED;
	int signal = exited ? process->exit_signal : SIGCHLD;
	const struct task *leader = process->leader;
	struct linux_siginfo info = {
	    .si_signo = signal, .si_code = code, .pid = pid_seen_by(parent, process->pid)};
	info.uid = process->thread_count && leader ? leader->credentials.uid : 0;
	if (parent->leader)
		info.uid = uid_seen_in(parent->leader->credentials.user, info.uid);
	info.status = status;
	struct cpu_times times = process_times(process);
	info.user_ticks = (int64_t)(times.user_ns / TICK_NS);
	info.system_ticks = (int64_t)(times.system_ns / TICK_NS);
	bool wanted = signal != 0 && parent->thread_count;
	if (!exited && wanted)
		wanted = !(parent->leader->handlers->actions[SIGCHLD - 1].flags & SA_NOCLDSTOP);
	if (wanted)
		(void)signal_send_process(parent, signal, &info);
	wake_all(&parent->child_wait, 0);
}

/* True when PARENT does not want to hear of its children's ends: they leave no zombie. */
static bool ignores_children(const struct process *parent)
{
	if (!parent || !parent->leader || !parent->thread_count)
		return false;
	if (parent->unkillable && parent->pids->ended) /* it waits for all of them at once */
		return true;
	const struct linux_sigaction *action = &parent->leader->handlers->actions[SIGCHLD - 1];
	return action->handler == SIG_IGN || (action->flags & SA_NOCLDWAIT);
}

static struct process *reaper_of(struct process *process)
{
	struct process *init = process->pids->init;
	for (struct process *p = process->parent; p && p != init; p = p->parent)
		if (p->subreaper && !p->exiting && p->thread_count && p->pids == process->pids)
			return p;
	return init && init != process ? init : init_process;
}

/* A group that lost its last tie to its session and has stopped members: POSIX wants them told. */
static void check_orphaned(int32_t pgid)
{
	if (!process_group_orphaned(pgid))
		return;
	bool stopped = false;
	for (struct process *p = group_first(pgid); p; p = process_group_next(p))
		stopped |= p->stopped;
	if (stopped) {
		signal_send_group(pgid, SIGHUP, 0);
		signal_send_group(pgid, SIGCONT, 0);
	}
}

static void reap(struct process *process)
{
	if (process->trace)
		trace_reaped(process);
	process_unlink(process);
}

static void children_leave(struct process *process)
{
	struct process *reaper = reaper_of(process), *child, *next;
	if (reaper == process)
		reaper = init_process;
	list_for_each_safe(child, next, &process->children, sibling)
	{
		list_remove(&child->sibling);
		child->parent = reaper;
		child->exit_signal = SIGCHLD; /* whatever clone asked for: it was meant for another parent */
		list_append(&reaper->children, &child->sibling);
		if (child->parent_death_signal)
			(void)signal_send_process(child, child->parent_death_signal, 0);
		if (child->pgid != process->pgid && child->sid == process->sid)
			check_orphaned(child->pgid);
		if (!child->zombie || (child->trace && !trace_by_parent(child)))
			continue; /* or its tracer has not done with it */
		if (ignores_children(reaper))
			reap(child);
		else
			process_notify_parent(child, CLD_EXITED, child->exit_status >> 8);
	}
}

/* The first process is gone, and with it the sub-kernel: its wait status is the unit's. */
static _Noreturn void system_end(int32_t status)
{
	(void)backing_sync_all();
	unit_exit(status & 0xff7f); /* who waits for it knows of no core files */
}

/* The last thread of PROCESS has gone. STATUS in wait form. */
static void process_ended(struct process *process, int32_t status)
{
	process->exit_status = status;
	process->zombie = true;
	process->stopped = false;
	if (process == init_process)
		system_end(status);
	pressure_process_ended(process);
	process_timers_exit(process);
	children_leave(process);
	if (process->sid == process->pid)
		tty_session_leader_exit(process);
	struct process *parent = process->parent;
	if (process->pgid && parent && parent->pgid != process->pgid && parent->sid == process->sid)
		check_orphaned(process->pgid);
	wake_all(&process->exit_wait, POLLIN);
	int signal = status & 0x7f;
	int code = !signal ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED;
	int number = signal ? signal : status >> 8 & 0xff;
	bool silent =
	    !parent || (!process->trace && process->exit_signal == SIGCHLD && ignores_children(parent));
	if (process->entered)
		entered_ended(process, status);
	if (trace_process_ended(process, code, number))
		return;
	process_notify_parent(process, code, number);
	if (silent)
		reap(process);
}

void process_tell_parent(struct process *process)
{
	int status = process->exit_status, signal = status & 0x7f;
	bool silent =
	    !process->parent || (process->exit_signal == SIGCHLD && ignores_children(process->parent));
	process_notify_parent(process, signal ? CLD_KILLED : CLD_EXITED,
	                      signal ? signal : status >> 8 & 0xff);
	if (silent)
		reap(process);
}

void task_exit(int32_t status)
{
	struct task *task = current_task();
	struct process *process = task->process;
	(void)trace_event(PTRACE_EVENT_EXIT, (uint64_t)status);
	async_task_end();
	task->exiting = true;
	leave_mm(task);
	files_release(task->files);
	task->files = 0;
	bool last = process->thread_count == 1;
	if (last) {
		semaphores_exit(process);
		if (process->unkillable)
			pid_namespace_end(process);
	}
	fs_context_release(task->fs);
	task->fs = 0;
	namespaces_release(task->namespaces);
	task->namespaces = 0;
	perf_task_end(task);
	account_gone(task);
	cgroup_task_end(task, last);
	process->voluntary_switches += task->voluntary_switches;
	process->minor_faults += task->minor_faults;
	struct signal_handlers *handlers = task->handlers;
	if (process->exiting)
		status = process->exit_status;
	trace_task_gone(task, process->single_waiter ? 0 : status);
	if (last)
		process_ended(process, status);
	else if (process->single_waiter)
		task_wake(process->single_waiter);
	else if (process->core) /* which waits for the threads */
		task_wake(process->core->task);
	task_destroy(task);
	handlers_release(handlers);
	thread_idle();
}

void process_exit(int32_t status)
{
	struct task *task = current_task(), *other;
	struct process *process = task->process;
	if (!process->exiting) {
		process->exiting = true;
		process->exit_status = status;
		list_for_each(other, &process->threads, thread_link) if (other != task)
		    task_kick(other, TASK_WORK_EXIT);
	}
	task_exit(process->exit_status);
}

int process_single_thread(void)
{
	struct task *task = current_task(), *other;
	struct process *process = task->process;
	if (process->exiting || process->single_waiter)
		return -EAGAIN;
	process->single_waiter = task;
	list_for_each(other, &process->threads, thread_link) if (other != task)
	    task_kick(other, TASK_WORK_EXIT);
	while (process->thread_count > 1 && !process->exiting)
		(void)wait_sleep_killable(DEADLINE_NEVER);
	process->single_waiter = 0;
	return process->exiting ? -EAGAIN : 0;
}

SYSCALL_HANDLER(exit, int status)
{
	task_exit((status & 0xff) << 8);
}

SYSCALL_HANDLER(exit_group, int status)
{
	process_exit((status & 0xff) << 8);
}

/* ---- Waiting ---- */

struct wait_want {
	int kind; /* P_ALL, P_PID, P_PGID */
	int32_t id;
	uint32_t options;
	/* results */
	int32_t number, status, code; /* number: as the caller sees it */
	uint32_t uid;
	struct linux_rusage usage;
};

static bool wait_eligible(const struct process *child, const struct wait_want *want)
{
	if ((want->kind == P_PID && child->pid != want->id) ||
	    (want->kind == P_PGID && child->pgid != want->id))
		return false;
	if (want->options & LINUX_WALL)
		return true;
	return (child->exit_signal != SIGCHLD) == !!(want->options & LINUX_WCLONE);
}

static void take_zombie(struct process *self, struct process *child, struct wait_want *want)
{
	int signal = child->exit_status & 0x7f;
	want->code = !signal ? CLD_EXITED : child->exit_status & 0x80 ? CLD_DUMPED : CLD_KILLED;
	want->status = child->exit_status;
	usage_of_process(child, &want->usage);
	if (want->options & WNOWAIT)
		return;
	usage_add(&self->children_usage, &want->usage);
	usage_add(&self->children_usage, &child->children_usage);
	reap(child);
}

/* The end of TRACE's task or process, for its tracer. */
static void take_tracee(struct process *self, struct trace *trace, struct wait_want *want)
{
	struct process *process = trace->process;
	if (!trace->gone && process->parent == self) {
		take_zombie(self, process, want);
		return;
	}
	want->status = trace->gone ? trace->exit_status : process->exit_status;
	want->code = !(want->status & 0x7f) ? CLD_EXITED : want->status & 0x80 ? CLD_DUMPED : CLD_KILLED;
	if (!trace->gone)
		usage_of_process(process, &want->usage);
	if (!(want->options & WNOWAIT))
		trace_end(trace);
}

static bool tracee_ready(struct process *self, struct trace *trace, struct wait_want *want)
{
	struct process *process = trace->process;
	bool leader = trace->tid == process->pid, keep = want->options & WNOWAIT;
	want->number = pid_seen(trace->tid);
	want->uid = uid_seen(process->uid);
	if (trace->gone || (leader && process->zombie)) {
		if (!(want->options & WEXITED))
			return false;
		take_tracee(self, trace, want);
		return true;
	}
	if (trace->stopped && !trace->reported && !trace->listening) {
		trace->reported = !keep;
		want->code = trace->has_info ? CLD_TRAPPED : CLD_STOPPED;
		want->status = (int32_t)(trace->code << 8 | 0x7f);
		usage_of_process(process, &want->usage);
		return true;
	}
	if (leader && process->continued && process->parent == self && (want->options & WCONTINUED)) {
		process->continued = keep;
		want->code = CLD_CONTINUED;
		want->status = 0xffff;
		usage_of_process(process, &want->usage);
		return true;
	}
	return false;
}

/* Those that threads of SELF trace, whatever their exit signals are. *ANY: there are some. */
static bool tracees_scan(struct process *self, struct wait_want *want, bool *any)
{
	const struct task *task;
	struct trace *trace, *next;
	list_for_each(task, &self->threads, thread_link)
	{
		if ((want->options & LINUX_WNOTHREAD) && task != current_task())
			continue;
		list_for_each_safe(trace, next, &task->tracees, link)
		{
			if ((want->kind == P_PID && trace->tid != want->id) ||
			    (want->kind == P_PGID && trace->process->pgid != want->id))
				continue;
			*any = true;
			if (tracee_ready(self, trace, want))
				return true;
		}
	}
	return false;
}

/* 1: a child was found, results in WANT; 0: none yet; -ECHILD. */
static int wait_scan(struct process *self, struct wait_want *want)
{
	bool any = false;
	struct process *child, *next;
	if (tracees_scan(self, want, &any))
		return 1;
	list_for_each_safe(child, next, &self->children, sibling)
	{
		if (child->trace && trace_by_parent(child))
			continue; /* found among the tracees */
		if (!wait_eligible(child, want))
			continue;
		any = true;
		want->number = pid_seen(child->pid);
		want->uid = uid_seen(child->uid);
		if (child->zombie) {
			if (!(want->options & WEXITED) || child->trace)
				continue;
			take_zombie(self, child, want);
			return 1;
		}
		bool keep = want->options & WNOWAIT;
		if (child->stopped && !child->stop_reported && (want->options & WSTOPPED)) {
			child->stop_reported = !keep;
			want->code = CLD_STOPPED;
			want->status = child->stop_signal << 8 | 0x7f;
			usage_of_process(child, &want->usage);
			return 1;
		}
		if (child->continued && (want->options & WCONTINUED)) {
			child->continued = keep;
			want->code = CLD_CONTINUED;
			want->status = 0xffff;
			usage_of_process(child, &want->usage);
			return 1;
		}
	}
	return any ? 0 : -ECHILD;
}

static int wait_child(struct wait_want *want)
{
	struct process *self = current_task()->process;
	int found = 0;
	if (want->options & WNOHANG)
		return wait_scan(self, want);
	int result = wait_event(&self->child_wait, (found = wait_scan(self, want)) != 0, DEADLINE_NEVER);
	return found ? found : result;
}

SYSCALL_HANDLER(wait4, int pid, uint64_t status_address, uint32_t options, uint64_t usage_address)
{
	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | LINUX_WNOTHREAD | LINUX_WALL | LINUX_WCLONE))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	struct wait_want want = {.options = options | WEXITED};
	if (pid > 0) {
		want.kind = P_PID;
		want.id = pid_named(pid);
	} else if (pid < -1) {
		want.kind = P_PGID;
		want.id = pid_named(-pid);
	} else if (pid == 0) {
		want.kind = P_PGID;
		want.id = current_task()->process->pgid;
	}
	int result = wait_child(&want);
	if (result <= 0)
		return result;
	if ((status_address && put_user_u32(status_address, (uint32_t)want.status)) ||
	    (usage_address && copy_to_user(usage_address, &want.usage, sizeof(want.usage))))
		return -EFAULT;
	return want.number;
}

/* 1: WANT has what was found; 0: nothing was. */
static int waitid_find(int kind, int id, uint32_t options, struct wait_want *want)
{
	if ((options & ~(WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | LINUX_WNOTHREAD | LINUX_WALL |
	                 LINUX_WCLONE)) ||
	    !(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	bool nonblock = false;
	if (kind == P_PIDFD) {
		id = id < 0 ? -EINVAL : pidfd_process_id(id, &nonblock);
		if (id < 0)
			return id;
		kind = P_PID;
	} else if (kind != P_ALL && id > 0) {
		id = pid_named(id);
	}
	if (kind < P_ALL || kind > P_PGID || (kind == P_PID && id <= 0) || (kind == P_PGID && id < 0))
		return -EINVAL;
	*want = (struct wait_want){.kind = kind, .id = id, .options = options};
	if (kind == P_PGID && id == 0)
		want->id = current_task()->process->pgid;
	if (nonblock)
		want->options |= WNOHANG;
	int result = wait_child(want);
	return nonblock && !result && !(options & WNOHANG) ? -EAGAIN : result;
}

/* INFO is written, too, when nothing was found or the call fails: with zeros. */
SYSCALL_HANDLER(waitid, int kind, int id, uint64_t info_address, uint32_t options, uint64_t usage_address)
{
	struct wait_want want;
	int result = waitid_find(kind, id, options, &want);
	struct linux_siginfo info = {0};
	if (result > 0) {
		info.si_signo = SIGCHLD;
		info.si_code = want.code;
		info.pid = want.number;
		info.uid = want.uid;
		info.status = want.code == CLD_EXITED      ? want.status >> 8 & 0xff
		              : want.code == CLD_STOPPED   ? want.status >> 8
		              : want.code == CLD_TRAPPED   ? want.status >> 8
		              : want.code == CLD_CONTINUED ? SIGCONT
		                                           : want.status & 0x7f;
	}
	if ((info_address && copy_to_user(info_address, &info, sizeof(info))) ||
	    (usage_address && result > 0 && copy_to_user(usage_address, &want.usage, sizeof(want.usage))))
		return -EFAULT;
	return result < 0 ? result : 0;
}
