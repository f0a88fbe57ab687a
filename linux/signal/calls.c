/* The signal system calls: sigaction(2), sigprocmask(2), kill(2), sigtimedwait(2), sigsuspend(2),
 * sigaltstack(2). */
#include "internal.h"

#define UNMASKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))

struct signal_handlers *handlers_create(void)
{
	struct signal_handlers *handlers = heap_allocate(sizeof(*handlers));
	if (handlers)
		handlers->references = 1;
	return handlers;
}

struct signal_handlers *handlers_clone(const struct signal_handlers *handlers)
{
	struct signal_handlers *copy = heap_allocate(sizeof(*copy));
	if (copy) {
		*copy = *handlers;
		copy->references = 1;
	}
	return copy;
}

void handlers_release(struct signal_handlers *handlers)
{
	if (handlers && --handlers->references == 0)
		heap_free(handlers);
}

/* exec: caught signals go back to their default, ignored ones stay. */
void handlers_exec(struct signal_handlers *handlers)
{
	for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
		struct linux_sigaction *action = &handlers->actions[i];
		if (action->handler != SIG_IGN)
			action->handler = SIG_DFL;
		action->flags = action->restorer = action->mask = 0;
	}
}

/* What is not among these is not kept, by which programs learn what there is (SA_UNSUPPORTED). */
#define SA_EXPOSE_TAGBITS 0x800ull
#define SA_KNOWN                                                                                             \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER | SA_ONSTACK |           \
	 SA_RESTART | SA_NODEFER | SA_RESETHAND)

SYSCALL_HANDLER(rt_sigaction, int signal, uint64_t new_address, uint64_t old_address, uint64_t bytes)
{
	struct task *task = current_task();
	struct linux_sigaction action;
	if (bytes != 8 || signal < 1 || signal > SIGNAL_COUNT)
		return -EINVAL;
	if (new_address) {
		if (copy_from_user(&action, new_address, sizeof(action)))
			return -EFAULT;
		if (SIGNAL_BIT(signal) & UNMASKABLE)
			return -EINVAL;
		action.mask &= ~UNMASKABLE;
		action.flags &= SA_KNOWN;
	}
	struct linux_sigaction *slot = &task->handlers->actions[signal - 1];
	if (old_address && copy_to_user(old_address, slot, sizeof(*slot)))
		return -EFAULT;
	if (!new_address)
		return 0;
	*slot = action;
	uint64_t ignored =
	    SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH);
	if (action.handler == SIG_IGN || (action.handler == SIG_DFL && (SIGNAL_BIT(signal) & ignored))) {
		struct task *each;
		signal_queue_flush(&task->process->pending, SIGNAL_BIT(signal));
		list_for_each(each, &task->process->threads, thread_link)
		    signal_queue_flush(&each->pending, SIGNAL_BIT(signal));
		signal_recalculate(task);
	}
	return 0;
}

SYSCALL_HANDLER(rt_sigprocmask, int how, uint64_t new_address, uint64_t old_address, uint64_t bytes)
{
	struct task *task = current_task();
	uint64_t old = task->blocked, mask;
	if (bytes != 8)
		return -EINVAL;
	if (new_address) {
		if (get_user_u64(&mask, new_address))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			mask |= old;
			break;
		case SIG_UNBLOCK:
			mask = old & ~mask;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		signal_set_blocked(mask);
	}
	return old_address ? put_user_u64(old_address, old) : 0;
}

SYSCALL_HANDLER(rt_sigpending, uint64_t address, uint64_t bytes)
{
	struct task *task = current_task();
	if (bytes > 8)
		return -EINVAL;
	uint64_t set = (task->pending.set | task->process->pending.set) & task->blocked;
	return copy_to_user(address, &set, bytes);
}

int signal_temporary_mask(uint64_t mask_address, uint64_t bytes)
{
	struct task *task = current_task();
	uint64_t mask;
	if (!mask_address)
		return 0;
	if (bytes != 8)
		return -EINVAL;
	if (get_user_u64(&mask, mask_address))
		return -EFAULT;
	uint64_t old = task->blocked;
	signal_set_blocked(mask);
	task->saved_blocked = old;
	task->restore_blocked = true;
	/* Whatever the call's result, the return to the guest puts the old mask back. */
	task_kick(task, TASK_WORK_SIGNAL);
	return 0;
}

SYSCALL_HANDLER(rt_sigsuspend, uint64_t mask_address, uint64_t bytes)
{
	if (!mask_address)
		return -EFAULT;
	int result = signal_temporary_mask(mask_address, bytes);
	if (result)
		return result;
	while (!signal_pending())
		(void)wait_sleep_signal();
	return -ERESTARTNOHAND;
}

SYSCALL_HANDLER(pause, void)
{
	while (!signal_pending())
		(void)wait_sleep_signal();
	return -ERESTARTNOHAND;
}

SYSCALL_HANDLER(rt_sigtimedwait, uint64_t set_address, uint64_t info_address, uint64_t time_address,
                uint64_t bytes)
{
	struct task *task = current_task();
	struct linux_siginfo info;
	uint64_t set, timeout;
	if (bytes != 8)
		return -EINVAL;
	if (get_user_u64(&set, set_address))
		return -EFAULT;
	int error = get_user_timespec(time_address, &timeout);
	if (error)
		return error;
	set &= ~UNMASKABLE;
	uint64_t deadline = timeout == UINT64_MAX ? DEADLINE_NEVER : clock_monotonic() + timeout;
	int signal, result = 0;
	for (;;) {
		signal = signal_take(set, &info);
		if (signal || result)
			break;
		if (!timeout)
			return -EAGAIN;
		/* While waiting, the set counts as unblocked only for this thread's attention. */
		task->awaited = set;
		result = wait_sleep(deadline);
		task->awaited = 0;
	}
	signal_recalculate(task);
	if (!signal)
		return result == -ETIMEDOUT ? -EAGAIN : -EINTR;
	if (info_address && copy_to_user(info_address, &info, sizeof(info)))
		return -EFAULT;
	return signal;
}

SYSCALL_HANDLER(sigaltstack, uint64_t new_address, uint64_t old_address)
{
	struct task *task = current_task();
	uint64_t sp = task->state->rsp;
	bool on = task->altstack_bytes && sp > task->altstack_base &&
	          sp - task->altstack_base <= task->altstack_bytes;
	struct linux_stack old = {
	    .sp = task->altstack_base,
	    .flags = (int32_t)(task->altstack_bytes
	                           ? (on ? SS_ONSTACK : 0) | (task->altstack_flags & SS_AUTODISARM)
	                           : SS_DISABLE),
	    .bytes = task->altstack_bytes};
	if (new_address) {
		struct linux_stack stack;
		if (copy_from_user(&stack, new_address, sizeof(stack)))
			return -EFAULT;
		if (on && !(task->altstack_flags & SS_AUTODISARM))
			return -EPERM;
		uint32_t mode = (uint32_t)stack.flags & ~SS_AUTODISARM;
		if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			task->altstack_base = task->altstack_bytes = 0;
			task->altstack_flags = 0;
		} else {
			if (stack.bytes < 2048)
				return -ENOMEM;
			task->altstack_base = stack.sp;
			task->altstack_bytes = stack.bytes;
			task->altstack_flags = (uint32_t)stack.flags & SS_AUTODISARM;
		}
	}
	return old_address ? copy_to_user(old_address, &old, sizeof(old)) : 0;
}

/* ---- Sending ---- */

static bool may_signal(const struct process *process, int signal)
{
	if (signal == SIGCONT && process->sid == current_task()->process->sid)
		return true;
	return process_permitted(process);
}

/* What PROCESS is told of the current task, in numbers that it knows. */
static struct linux_siginfo user_info(const struct process *process, int signal, int code)
{
	const struct task *task = current_task();
	uint32_t uid = task->credentials.uid;
	return (struct linux_siginfo){
	    .si_signo = signal,
	    .si_code = code,
	    .pid = pid_seen_by(process, task->process->pid),
	    .uid = process->leader ? uid_seen_in(process->leader->credentials.user, uid) : uid};
}

/* INFO 0: the current task's. */
static int64_t send_checked(struct process *process, int signal, const struct linux_siginfo *info)
{
	struct linux_siginfo own = user_info(process, signal, SI_USER);
	if (!may_signal(process, signal))
		return -EPERM;
	return signal ? signal_send_process(process, signal, info ? info : &own) : 0;
}

SYSCALL_HANDLER(kill, int pid, int signal)
{
	if (signal < 0 || signal > SIGNAL_COUNT)
		return -EINVAL;
	if (pid > 0) {
		struct process *process = process_find(pid);
		return process ? send_checked(process, signal, 0) : -ESRCH;
	}
	struct process *self = current_task()->process, *process, *next;
	int64_t result = -ESRCH;
	if (pid == -1) {
		for (process = process_next(0); process; process = next) {
			next = process_next(process);
			if (pid_seen(process->pid) <= 1 || process == self) /* 0: it is outside */
				continue;
			int64_t one = send_checked(process, signal, 0);
			result = result == 0 ? 0 : one;
		}
		return result;
	}
	int32_t pgid = pid == 0 ? self->pgid : pid == INT32_MIN ? INT32_MAX : pid_named(-pid);
	for (process = group_first(pgid); process; process = next) {
		next = process_group_next(process);
		int64_t one = send_checked(process, signal, 0);
		result = result == 0 ? 0 : one;
	}
	return result;
}

/* INFO 0: the current task's. */
static int64_t send_thread(int tgid, int tid, int signal, const struct linux_siginfo *info)
{
	if (tid <= 0 || signal < 0 || signal > SIGNAL_COUNT)
		return -EINVAL;
	struct task *task = task_find(tid);
	if (!task || (tgid > 0 && task->process->pid != pid_named(tgid)))
		return -ESRCH;
	if (!may_signal(task->process, signal))
		return -EPERM;
	struct linux_siginfo own = user_info(task->process, signal, SI_TKILL);
	return signal ? signal_send_task(task, signal, info ? info : &own) : 0;
}

SYSCALL_HANDLER(tgkill, int tgid, int tid, int signal)
{
	return tgid <= 0 ? -EINVAL : send_thread(tgid, tid, signal, 0);
}

SYSCALL_HANDLER(tkill, int tid, int signal)
{
	return send_thread(0, tid, signal, 0);
}

static int64_t get_info(struct linux_siginfo *info, int signal, uint64_t address, int target)
{
	if (copy_from_user(info, address, sizeof(*info)))
		return -EFAULT;
	info->si_signo = signal;
	/* Only a process itself may pretend that the kernel sent a signal. */
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && current_task()->process->number != target)
		return -EPERM;
	return 0;
}

SYSCALL_HANDLER(rt_sigqueueinfo, int pid, int signal, uint64_t address)
{
	struct linux_siginfo info;
	int64_t error = get_info(&info, signal, address, pid);
	if (error)
		return error;
	if (signal < 0 || signal > SIGNAL_COUNT)
		return -EINVAL;
	struct process *process = process_find(pid);
	return process ? send_checked(process, signal, &info) : -ESRCH;
}

SYSCALL_HANDLER(rt_tgsigqueueinfo, int tgid, int tid, int signal, uint64_t address)
{
	struct linux_siginfo info;
	int64_t error = get_info(&info, signal, address, tgid);
	return error ? error : send_thread(tgid, tid, signal, &info);
}

SYSCALL_HANDLER(restart_syscall, void)
{
	struct task *task = current_task();
	return task->restart ? task->restart(task) : -EINTR;
}
