/* Sending signals: who gets them, when they are dropped, what wakes.
 *
 * A signal is pending in a queue of a task or of a process. A task with an unblocked one has TASK_WORK_SIGNAL
 * set; only the task itself clears that, so that an interrupted sleep always finds its reason.
 */
#include "internal.h"
#include "cgroup/cgroup.h"
#include "core/core.h"
#include "trace/trace.h"

#define STOP_SET    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))
#define IGNORED_SET (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH))

void signal_queue_init(struct signal_queue *queue)
{
	queue->set = 0;
	list_init(&queue->queue);
}

void signal_queue_flush(struct signal_queue *queue, uint64_t set)
{
	if (!(queue->set & set))
		return;
	struct pending_signal *pending, *next;
	list_for_each_safe(pending, next, &queue->queue, link)
	{
		if (SIGNAL_BIT(pending->info.si_signo) & set) {
			list_remove(&pending->link);
			heap_free(pending);
		}
	}
	queue->set &= ~set;
}

void task_kick(struct task *task, uint32_t work)
{
	__atomic_fetch_or(&task->work, work, __ATOMIC_SEQ_CST);
	if (!task->area || task == current_task())
		return;
	if (task->sleeping)
		event_signal(task->area->event, 1);
	else
		guest_kick(task->area->thread);
}

void signal_recalculate(struct task *task)
{
	bool wanted =
	    ((task->pending.set | task->process->pending.set) & ~task->blocked) || task->restore_blocked;
	if (wanted)
		task_kick(task, TASK_WORK_SIGNAL);
	else if (task == current_task())
		__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_SIGNAL, __ATOMIC_SEQ_CST);
}

void signal_set_blocked(uint64_t mask)
{
	struct task *task = current_task();
	uint64_t old = task->blocked;
	task->blocked = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
	/* Process signals that this thread no longer takes are another's to take. */
	uint64_t given_up = task->process->pending.set & task->blocked & ~old;
	if (given_up && task->process->thread_count > 1) {
		struct task *other;
		list_for_each(other, &task->process->threads,
		              thread_link) if (other != task && (given_up & ~other->blocked))
		    task_kick(other, TASK_WORK_SIGNAL);
	}
	signal_recalculate(task);
}

bool signal_pending(void)
{
	struct task *task = current_task();
	if (task->work & (TASK_WORK_EXIT | TASK_WORK_STOP | TASK_WORK_TRAP | TASK_WORK_FREEZE))
		return true;
	if (!((task->pending.set | task->process->pending.set) & ~task->blocked))
		return false;
	/* A signal of the process was announced to one thread alone, which may not have come to it yet, and which
	 * may still take it: whoever ends a call because of it must look, too, before the guest sees the result. */
	task_kick(task, TASK_WORK_SIGNAL);
	return true;
}

static uint64_t handler_of(const struct task *task, int signal)
{
	return task->handlers->actions[signal - 1].handler;
}

static bool is_ignored(const struct task *task, int signal)
{
	uint64_t handler = handler_of(task, signal);
	return handler == SIG_IGN || (handler == SIG_DFL && (SIGNAL_BIT(signal) & IGNORED_SET));
}

bool signal_ignored_or_blocked(const struct task *task, int signal)
{
	return (task->blocked & SIGNAL_BIT(signal)) || handler_of(task, signal) == SIG_IGN;
}

/* SIGKILL, or a signal that ends the process: every thread leaves. */
static void process_kill(struct process *process, int status)
{
	struct task *task;
	process->killed = true;
	if (!process->exiting) {
		process->exiting = true;
		process->exit_status = status;
		process->stopped = false;
	}
	/* One that is ending already may be stopped by its tracer. */
	list_for_each(task, &process->threads, thread_link) task_kick(task, TASK_WORK_EXIT);
	if (process->core)
		(void)task_wake(process->core->task);
}

static void process_continue(struct process *process)
{
	struct task *task;
	list_for_each(task, &process->threads, thread_link) signal_queue_flush(&task->pending, STOP_SET);
	signal_queue_flush(&process->pending, STOP_SET);
	trace_continued(process);
	if (!process->stopped)
		return;
	process->stopped = false;
	process->continued = true;
	process->stop_reported = false;
	list_for_each(task, &process->threads, thread_link) task_wake(task);
	process_notify_parent(process, CLD_CONTINUED, SIGCONT);
}

static int queue_signal(struct signal_queue *queue, int signal, const struct linux_siginfo *info)
{
	if (signal < SIGRTMIN && (queue->set & SIGNAL_BIT(signal)))
		return 0;
	struct pending_signal *pending = heap_allocate(sizeof(*pending));
	if (!pending) {
		queue->set |= SIGNAL_BIT(signal);
		return signal >= SIGRTMIN ? -EAGAIN : 0;
	}
	if (info)
		pending->info = *info;
	else
		pending->info.si_code = SI_KERNEL;
	pending->info.si_signo = signal;
	list_append(&queue->queue, &pending->link);
	queue->set |= SIGNAL_BIT(signal);
	return 0;
}

/* TASK may take SIGNAL. In a frozen group it cannot, but where that ends it without a core file it need not. */
static void wake_taker(struct task *task, int signal)
{
	const struct cgroup *group = task->cgroup;
	if (group && group->freezing && !task_traced(task) && !task->process->unkillable &&
	    handler_of(task, signal) == SIG_DFL &&
	    !(SIGNAL_BIT(signal) & (STOP_SET | IGNORED_SET | CORE_SIGNALS)))
		process_kill(task->process, signal);
	else
		task_kick(task, TASK_WORK_SIGNAL);
}

/* The common part: TASK 0 means any thread of PROCESS. */
static int send(struct process *process, struct task *task, int signal, const struct linux_siginfo *info)
{
	if (process->zombie || !process->thread_count)
		return 0;
	struct task *any = task ? task : process->leader;
	if (list_empty(&any->thread_link))
		any = list_first(&process->threads, struct task, thread_link);
	bool shielded = process_shielded(process);
	if (signal == SIGKILL) {
		if (!shielded)
			process_kill(process, SIGKILL);
		return 0;
	}
	if (signal == SIGCONT) {
		process_continue(process);
	} else if (SIGNAL_BIT(signal) & STOP_SET) {
		struct task *each;
		list_for_each(each, &process->threads, thread_link)
		    signal_queue_flush(&each->pending, SIGNAL_BIT(SIGCONT));
		signal_queue_flush(&process->pending, SIGNAL_BIT(SIGCONT));
	}
	/* A tracer hears of signals that are ignored. */
	if (!(any->blocked & SIGNAL_BIT(signal)) && !task_traced(any)) {
		bool first = shielded || (process->unkillable && signal != SIGSTOP);
		if (is_ignored(any, signal) || (first && handler_of(any, signal) == SIG_DFL))
			return 0;
	}
	int result = queue_signal(task ? &task->pending : &process->pending, signal, info);
	if (result < 0)
		return result;
	wake_all(&process->signal_wait, 0);
	if (task) {
		if (!(task->blocked & SIGNAL_BIT(signal)))
			wake_taker(task, signal);
		else
			task_wake_for_signal(task, signal);
		return 0;
	}
	/* The leader first; else any thread that does not block it; else one that waits for it. */
	struct task *taker = 0, *each;
	if (!(any->blocked & SIGNAL_BIT(signal)))
		taker = any;
	else
		list_for_each(each, &process->threads, thread_link) if (!(each->blocked & SIGNAL_BIT(signal)))
		    taker = each;
	if (taker)
		wake_taker(taker, signal);
	else
		list_for_each(each, &process->threads, thread_link) task_wake_for_signal(each, signal);
	return 0;
}

/* A thread in sigtimedwait blocks the signals that it waits for: only a wake-up makes it look. */
void task_wake_for_signal(struct task *task, int signal)
{
	if (task->awaited & SIGNAL_BIT(signal))
		task_wake(task);
}

int signal_send_process(struct process *process, int signal, const struct linux_siginfo *info)
{
	return send(process, 0, signal, info);
}

int signal_send_task(struct task *task, int signal, const struct linux_siginfo *info)
{
	return send(task->process, task, signal, info);
}

int signal_send_group(int32_t pgid, int signal, const struct linux_siginfo *info)
{
	int count = 0;
	struct process *process = group_first(pgid);
	while (process) {
		struct process *next = process_group_next(process);
		send(process, 0, signal, info);
		count++;
		process = next;
	}
	return count;
}

void signal_end_process(struct process *process, int signal)
{
	if (!process->zombie && process->thread_count)
		process_kill(process, signal);
}

void signal_send_keys(int32_t pgid, int signal, bool outside)
{
	struct process *process = group_first(pgid);
	while (process) {
		struct process *next = process_group_next(process);
		if (outside && process == init_process && process->thread_count && signal != SIGTSTP &&
		    handler_of(process->leader, signal) == SIG_DFL &&
		    !(process->leader->blocked & SIGNAL_BIT(signal)))
			process_kill(process, signal);
		else
			send(process, 0, signal, 0);
		process = next;
	}
}

void signal_fault(int signal, int code, uint64_t address)
{
	struct linux_siginfo info = {.si_signo = signal, .si_code = code, .address = address};
	signal_force(signal, &info);
}

void signal_force(int signal, const struct linux_siginfo *info)
{
	struct task *task = current_task();
	struct linux_sigaction *action = &task->handlers->actions[signal - 1];
	/* A fault that is blocked or ignored would come again for ever: it kills. */
	if ((task->blocked & SIGNAL_BIT(signal)) || action->handler == SIG_IGN) {
		action->handler = SIG_DFL;
		task->blocked &= ~SIGNAL_BIT(signal);
	}
	if (task->process == init_process && action->handler == SIG_DFL)
		linux_log("linux: the first process (%s) got signal %d at %lx, address %lx\n", task->name,
		          signal, task->state->rip, info->address);
	if (action->handler == SIG_DFL)
		task->process->unkillable = false;
	signal_queue_flush(&task->pending, SIGNAL_BIT(signal));
	(void)queue_signal(&task->pending, signal, info);
	task_kick(task, TASK_WORK_SIGNAL);
}

static int take_from(struct signal_queue *queue, uint64_t set, struct linux_siginfo *info)
{
	uint64_t candidates = queue->set & set;
	if (!candidates)
		return 0;
	uint64_t synchronous = candidates & (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) |
	                                     SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS));
	int signal = __builtin_ctzll(synchronous ? synchronous : candidates) + 1;
	struct pending_signal *found = 0, *pending;
	bool more = false;
	list_for_each(pending, &queue->queue, link)
	{
		if (pending->info.si_signo != signal)
			continue;
		if (found) {
			more = true;
			break;
		}
		found = pending;
	}
	if (found) {
		*info = found->info;
		list_remove(&found->link);
		heap_free(found);
	} else {
		memset(info, 0, sizeof(*info));
		info->si_signo = signal;
	}
	if (!more)
		queue->set &= ~SIGNAL_BIT(signal);
	return signal;
}

int signal_take(uint64_t set, struct linux_siginfo *info)
{
	struct task *task = current_task();
	int signal = take_from(&task->pending, set, info);
	return signal ? signal : take_from(&task->process->pending, set, info);
}
