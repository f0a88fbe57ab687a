/* Delivery: what runs before a task returns to its guest, and the frames of handlers.
 *
 * The frame is the one the x86_64 Linux ABI documents (sigreturn(2), arch headers' struct rt_sigframe):
 * return address, ucontext, siginfo, and above them, 64-byte aligned, the XSAVE area with the
 * software-reserved words that tell its size.
 */
#include "internal.h"
#include "cgroup/cgroup.h"
#include "core/core.h"
#include "task/rseq.h"
#include "trace/trace.h"

#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#define UC_FP_XSTATE     1u
#define UC_SIGCONTEXT_SS 2u
#define UC_STRICT_SS     4u
#define RED_ZONE         128u
#define VECTOR_MAX       4096u
#define FLAGS_CLEARED    (0x400ull | 0x100ull | 0x10000ull) /* DF, TF, RF */

#define DEFAULT_IGNORE (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH))
#define DEFAULT_STOP   (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

/* The software-reserved bytes 464..511 of the FXSAVE area in a signal frame. */
struct fpx_software {
	uint32_t magic1, extended_size;
	uint64_t features;
	uint32_t state_size, padding[7];
};
_Static_assert(sizeof(struct fpx_software) == 48, "FXSAVE software bytes");

struct signal_frame {
	uint64_t return_address;
	struct linux_ucontext context;
	struct linux_siginfo info;
};

static bool on_altstack(const struct task *task, uint64_t stack)
{
	return task->altstack_bytes && stack > task->altstack_base &&
	       stack - task->altstack_base <= task->altstack_bytes;
}

/* Saves the vector state at AT (64-byte aligned, in the guest). */
static int vector_to_user(uint64_t at)
{
	uint8_t buffer[VECTOR_MAX + 8] __attribute__((aligned(64)));
	uint32_t bytes = machine.vector_bytes;
	if (bytes > VECTOR_MAX)
		return -EFAULT;
	memset(buffer, 0, machine.xsave_mask ? 576 : 512);
	vector_save(buffer);
	struct fpx_software *software = (struct fpx_software *)(buffer + 464);
	memset(software, 0, sizeof(*software));
	if (machine.xsave_mask) {
		software->magic1 = FP_XSTATE_MAGIC1;
		software->extended_size = bytes + 4;
		software->features = machine.xsave_mask;
		software->state_size = bytes;
		*(uint32_t *)(buffer + bytes) = FP_XSTATE_MAGIC2;
		bytes += 4;
	}
	return copy_to_user(at, buffer, bytes);
}

/* Restores the vector state from AT; a malformed one is refused. */
static int vector_from_user(uint64_t at)
{
	uint8_t buffer[VECTOR_MAX] __attribute__((aligned(64)));
	uint32_t magic2, bytes = machine.vector_bytes;
	if (bytes > VECTOR_MAX)
		return -EFAULT;
	memset(buffer, 0, bytes);
	if (copy_from_user(buffer, at, 512))
		return -EFAULT;
	if (machine.xsave_mask) {
		const struct fpx_software *software = (const struct fpx_software *)(buffer + 464);
		bool extended = software->magic1 == FP_XSTATE_MAGIC1 && software->state_size == bytes &&
		                !get_user_u32(&magic2, at + bytes) && magic2 == FP_XSTATE_MAGIC2;
		if (extended) {
			if (copy_from_user(buffer, at, bytes))
				return -EFAULT;
			uint64_t *header = (uint64_t *)(buffer + 512);
			header[0] &= machine.xsave_mask;
			memset(header + 1, 0, 56);
		} else {
			memset(buffer + 512, 0, bytes - 512);
			*(uint64_t *)(buffer + 512) = 3;
		}
		memset(buffer + 464, 0, 48);
	}
	*(uint32_t *)(buffer + 24) &= 0xffff; /* MXCSR: reserved bits would fault */
	return vector_load(buffer) ? -EFAULT : 0;
}

static void context_fill(struct linux_ucontext *context, const struct task *task, uint64_t mask,
                         uint64_t fpstate)
{
	const struct guest_state *state = task->state;
	struct linux_sigcontext *c = &context->context;
	context->flags = UC_SIGCONTEXT_SS | UC_STRICT_SS | (machine.xsave_mask ? UC_FP_XSTATE : 0);
	context->stack.sp = task->altstack_base;
	context->stack.flags =
	    (int32_t)(task->altstack_bytes ? (on_altstack(task, state->rsp) ? SS_ONSTACK : 0) |
	                                         (task->altstack_flags & SS_AUTODISARM)
	                                   : SS_DISABLE);
	context->stack.bytes = task->altstack_bytes;
	c->r8 = state->r8;
	c->r9 = state->r9;
	c->r10 = state->r10;
	c->r11 = state->r11;
	c->r12 = state->r12;
	c->r13 = state->r13;
	c->r14 = state->r14;
	c->r15 = state->r15;
	c->rdi = state->rdi;
	c->rsi = state->rsi;
	c->rbp = state->rbp;
	c->rbx = state->rbx;
	c->rdx = state->rdx;
	c->rax = state->rax;
	c->rcx = state->rcx;
	c->rsp = state->rsp;
	c->rip = state->rip;
	c->eflags = state->rflags;
	c->cs = 0x33;
	c->ss = 0x2b;
	c->err = state->error;
	c->trapno = state->vector;
	c->oldmask = mask;
	c->cr2 = state->address;
	c->fpstate = fpstate;
	context->mask = mask;
}

/* Builds the frame of a handler and points the guest at it; -EFAULT when the stack cannot take it. */
static int frame_push(struct task *task, int signal, const struct linux_siginfo *info,
                      const struct linux_sigaction *action, uint64_t mask)
{
	struct guest_state *state = task->state;
	uint64_t stack = state->rsp - RED_ZONE;
	bool altstack =
	    (action->flags & SA_ONSTACK) && task->altstack_bytes && !on_altstack(task, state->rsp);
	if (altstack)
		stack = task->altstack_base + task->altstack_bytes;
	uint32_t vector_bytes = machine.vector_bytes + (machine.xsave_mask ? 4 : 0);
	uint64_t fpstate = (stack - vector_bytes) & ~63ull;
	uint64_t at = ((fpstate - sizeof(struct signal_frame)) & ~15ull) - 8;
	if (at > stack || (on_altstack(task, stack) && at < task->altstack_base) ||
	    !(action->flags & SA_RESTORER))
		return -EFAULT;
	struct signal_frame frame;
	memset(&frame, 0, sizeof(frame));
	frame.return_address = action->restorer;
	frame.info = *info;
	context_fill(&frame.context, task, mask, fpstate);
	if (copy_to_user(at, &frame, sizeof(frame)) || vector_to_user(fpstate))
		return -EFAULT;
	if (altstack && (task->altstack_flags & SS_AUTODISARM)) {
		task->altstack_base = task->altstack_bytes = 0;
		task->altstack_flags = 0;
	}
	state->rsp = at;
	state->rip = action->handler;
	state->rax = 0;
	state->rdi = (uint64_t)signal;
	state->rsi = at + __builtin_offsetof(struct signal_frame, info);
	state->rdx = at + __builtin_offsetof(struct signal_frame, context);
	state->rflags &= ~FLAGS_CLEARED;
	return 0;
}

static void handler_run(struct task *task, int signal, const struct linux_siginfo *info)
{
	struct linux_sigaction *slot = &task->handlers->actions[signal - 1];
	struct linux_sigaction action = *slot;
	uint64_t mask = task->restore_blocked ? task->saved_blocked : task->blocked;
	task->restore_blocked = false;
	if (rseq_signal()) {
		if (signal == SIGSEGV)
			slot->handler = SIG_DFL;
		signal_fault(SIGSEGV, SI_KERNEL, 0);
	}
	if (frame_push(task, signal, info, &action, mask)) {
		task->handlers->actions[SIGSEGV - 1].handler = SIG_DFL;
		struct linux_siginfo fault = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};
		process_exit_signal(SIGSEGV, &fault);
	}
	if (action.flags & SA_RESETHAND)
		slot->handler = SIG_DFL;
	uint64_t blocked = task->blocked | action.mask;
	if (!(action.flags & SA_NODEFER))
		blocked |= SIGNAL_BIT(signal);
	task->blocked = blocked & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
}

/* What becomes of the interrupted call NUMBER when a handler is about to run (or not). */
static void call_restart(struct task *task, int64_t number, bool handler, bool restart_flag)
{
	struct guest_state *state = task->state;
	int64_t result = (int64_t)state->rax;
	if (number < 0 || result > -ERESTARTSYS || result < -ERESTART_RESTARTBLOCK)
		return;
	bool again = false;
	switch (-result) {
	case ERESTARTSYS:
		again = !handler || restart_flag;
		break;
	case ERESTARTNOINTR:
		again = true;
		break;
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		again = !handler;
		break;
	default:
		break;
	}
	if (!again) {
		state->rax = (uint64_t)-EINTR;
		return;
	}
	state->rax = -result == ERESTART_RESTARTBLOCK ? 219 /* restart_syscall */ : (uint64_t)number;
	state->rip -= 2;
}

static void stop_wait(struct task *task)
{
	struct process *process = task->process;
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_STOP, __ATOMIC_SEQ_CST);
	cgroup_rest(task, true);
	while (process->stopped && !(task->work & TASK_WORK_EXIT) && !trace_group_stop())
		if (process->stopped)
			(void)wait_sleep_killable(DEADLINE_NEVER);
	cgroup_rest(task, false);
}

static void stop_process(struct task *task, int signal)
{
	struct process *process = task->process;
	if (signal != SIGSTOP && process_group_orphaned(process->pgid))
		return;
	if (process == init_process)
		return;
	process->stopped = true;
	process->stop_reported = false;
	process->continued = false;
	process->stop_signal = signal;
	struct task *other;
	list_for_each(other, &process->threads, thread_link) if (other != task)
	    task_kick(other, TASK_WORK_STOP);
	if (!trace_by_parent(process))
		process_notify_parent(process, CLD_STOPPED, signal);
	stop_wait(task);
}

void signal_deliver_call(int64_t number)
{
	struct task *task = current_task();
	struct linux_siginfo info;
	/* rt_sigreturn: rax is the guest's own. A tracer may change the number at each stop. */
	task->syscall_number = number == 15 ? -1 : number;
	trace_flags_lift(task);
	for (;;) {
		if (task->work & TASK_WORK_EXIT) {
			core_wait(task);
			task_exit(task->process->exit_status);
		}
		if (task->work & TASK_WORK_STOP) {
			stop_wait(task);
			continue;
		}
		if (task->work & TASK_WORK_FREEZE) {
			cgroup_freeze_wait();
			continue;
		}
		if (task->work & TASK_WORK_TRAP) {
			trace_trap();
			continue;
		}
		int signal = signal_take(~task->blocked, &info);
		if (!signal)
			break;
		if (task_traced(task) && signal != SIGKILL) {
			signal = trace_signal(signal, &info);
			if (!signal)
				continue;
		}
		bool stepping = task_traced(task) && task->trace->step;
		struct linux_sigaction *action = &task->handlers->actions[signal - 1];
		if (action->handler == SIG_IGN)
			continue;
		if (action->handler == SIG_DFL) {
			uint64_t bit = SIGNAL_BIT(signal);
			if (bit & DEFAULT_IGNORE)
				continue;
			if (bit & DEFAULT_STOP) {
				stop_process(task, signal);
				continue;
			}
			if (task->process->unkillable) /* it was blocked when it came */
				continue;
			process_exit_signal(signal, &info);
		}
		call_restart(task, task->syscall_number, true, action->flags & SA_RESTART);
		task->syscall_number = -1;
		handler_run(task, signal, &info);
		if (stepping) /* the step ends at the handler's first instruction */
			trace_stop_step();
	}
	call_restart(task, task->syscall_number, false, false);
	if (task->restore_blocked) {
		task->restore_blocked = false;
		task->blocked = task->saved_blocked;
	}
	signal_recalculate(task);
	trace_flags_apply();
}

void signal_deliver(void)
{
	signal_deliver_call(-1);
}

SYSCALL_HANDLER(rt_sigreturn, void)
{
	struct task *task = current_task();
	struct guest_state *state = task->state;
	struct linux_ucontext context;
	uint64_t at = state->rsp - 8 + __builtin_offsetof(struct signal_frame, context);
	if (copy_from_user(&context, at, sizeof(context)))
		goto bad;
	const struct linux_sigcontext *c = &context.context;
	if (c->fpstate ? vector_from_user(c->fpstate) : 0)
		goto bad;
	if (!c->fpstate)
		vector_reset();
	state->r8 = c->r8;
	state->r9 = c->r9;
	state->r10 = c->r10;
	state->r11 = c->r11;
	state->r12 = c->r12;
	state->r13 = c->r13;
	state->r14 = c->r14;
	state->r15 = c->r15;
	state->rdi = c->rdi;
	state->rsi = c->rsi;
	state->rbp = c->rbp;
	state->rbx = c->rbx;
	state->rdx = c->rdx;
	state->rax = c->rax;
	state->rcx = c->rcx;
	state->rsp = c->rsp;
	state->rip = c->rip;
	state->rflags = c->eflags;
	trace_flags_settle(task);
	task->altstack_base = context.stack.flags & SS_DISABLE ? 0 : context.stack.sp;
	task->altstack_bytes = context.stack.flags & SS_DISABLE ? 0 : context.stack.bytes;
	task->altstack_flags = (uint32_t)context.stack.flags & SS_AUTODISARM;
	signal_set_blocked(context.mask);
	return (int64_t)state->rax;
bad:
	signal_fault(SIGSEGV, SI_KERNEL, at);
	return 0;
}
