/* Tracers and tracees: how tracing begins and ends, and what stops a traced task. See trace.h and ptrace(2). */
#include "cgroup/cgroup.h"
#include "trace/trace.h"
#include "../internal.h"
#include <processor.h>

#define CALL_ENTRY_MESSAGE 1u
#define CALL_EXIT_MESSAGE  2u

static uint32_t vector_pages(void)
{
	return (machine.vector_bytes + 4095) / 4096;
}

bool trace_create(struct task *task)
{
	struct trace *trace = heap_allocate(sizeof(*trace));
	void *vector = trace ? pages_allocate(vector_pages()) : 0;
	if (!vector) {
		heap_free(trace);
		return false;
	}
	list_init(&trace->link);
	trace->vector = vector;
	trace->task = task;
	trace->tid = task->tid;
	trace->process = process_reference(task->process);
	number_hold(trace->tid);
	task->trace = trace;
	return true;
}

static void trace_free(struct trace *trace)
{
	list_remove(&trace->link);
	if (trace->process->trace == trace)
		trace->process->trace = 0;
	number_drop(trace->tid);
	pages_free(trace->vector, vector_pages());
	process_release(trace->process);
	heap_free(trace);
}

void trace_discard(struct task *task)
{
	if (task->trace)
		trace_free(task->trace);
	task->trace = 0;
}

void trace_begin(struct task *task, struct task *tracer, uint32_t options, bool seized)
{
	struct trace *trace = task->trace;
	trace->tracer = tracer;
	trace->options = options;
	trace->seized = seized;
	trace->privileged = credentials_capable(&tracer->credentials, task->credentials.user, CAP_SYS_PTRACE);
	trace->trap = trace->notify = trace->calls = trace->emulate = trace->step = false;
	trace->reported = trace->listening = trace->entered = false;
	list_append(&tracer->tracees, &trace->link);
	task->traps |= TASK_TRAP_TRACE;
	if (trace->tid == trace->process->pid)
		trace->process->trace = trace;
}

static struct linux_siginfo stop_info(int code, int status, const struct trace *trace)
{
	struct linux_siginfo info = {.si_signo = SIGCHLD, .si_code = code};
	info.pid = pid_seen_by(trace->tracer->process, trace->tid);
	info.uid = uid_seen_in(trace->tracer->credentials.user, trace->process->uid);
	info.status = status;
	return info;
}

/* SIGCHLD to the tracer, and the end of its wait. Stops are told only to those who want to hear of stops. */
static void notify(const struct trace *trace, int code, int status)
{
	const struct task *tracer = trace->tracer;
	const struct linux_sigaction *action = &tracer->handlers->actions[SIGCHLD - 1];
	bool stop = code == CLD_TRAPPED || code == CLD_STOPPED;
	struct linux_siginfo info = stop_info(code, status, trace);
	if (!stop || (action->handler != SIG_IGN && !(action->flags & SA_NOCLDSTOP)))
		(void)signal_send_process(tracer->process, SIGCHLD, &info);
	wake_all(&tracer->process->child_wait, 0);
}

void trace_end(struct trace *trace)
{
	struct task *task = trace->task;
	struct process *process = trace->process;
	const struct process *tracer = trace->tracer->process;
	list_remove(&trace->link);
	trace->tracer = 0;
	if (process->trace == trace)
		process->trace = 0;
	if (!task) {
		bool told = !process->zombie || trace->gone || process->parent == tracer;
		process_reference(process);
		trace_free(trace);
		if (!told)
			process_tell_parent(process);
		process_release(process);
		return;
	}
	trace->options = 0;
	trace->trap = trace->notify = trace->calls = trace->emulate = trace->step = trace->entered = false;
	memset(trace->debug, 0, sizeof(trace->debug));
	task->traps &= (uint8_t)~TASK_TRAP_TRACE;
	__atomic_fetch_and(&task->work, ~(uint32_t)(TASK_WORK_TRAP | TASK_WORK_CALL), __ATOMIC_SEQ_CST);
	if (process->stopped)
		task_kick(task, TASK_WORK_STOP);
	if (!trace->stopped)
		return; /* a trap flag that was forced goes with the trap it causes: trace_stepped */
	trace->stopped = trace->listening = false;
	(void)task_wake(task);
}

void trace_task_gone(struct task *task, int32_t status)
{
	struct trace *trace, *next;
	list_for_each_safe(trace, next, &task->tracees, link)
	{
		if (trace->task && (trace->options & PTRACE_O_EXITKILL))
			(void)signal_send_process(trace->process, SIGKILL, 0);
		trace_end(trace);
	}
	trace = task->trace;
	if (!trace)
		return;
	if (!trace->tracer) {
		trace_discard(task);
		return;
	}
	task->trace = 0;
	trace->task = 0;
	trace->stopped = false;
	if (trace->tid == trace->process->pid)
		return; /* its process may have other threads: trace_process_ended */
	trace->gone = true;
	trace->exit_status = status;
	notify(trace, status & 0x7f ? CLD_KILLED : CLD_EXITED, status & 0x7f ? status & 0x7f : status >> 8);
}

void trace_reaped(struct process *process)
{
	trace_free(process->trace);
}

bool trace_by_parent(const struct process *process)
{
	return process->trace && process->trace->tracer->process == process->parent;
}

bool trace_process_ended(struct process *process, int code, int status)
{
	if (!process->trace || trace_by_parent(process))
		return false;
	notify(process->trace, code, status);
	return true;
}

void trace_become_leader(struct task *task)
{
	struct process *process = task->process;
	struct trace *old = process->trace;
	if (old && old->task != task)
		trace_free(old); /* the former leader's: it has gone, and its number now means another */
	struct trace *trace = task->trace;
	if (!trace || trace->tid == task->tid)
		return;
	number_hold(task->tid);
	number_drop(trace->tid);
	trace->tid = task->tid;
	if (trace->tracer)
		process->trace = trace;
}

/* ---- Stops ---- */

void trace_flags_lift(struct task *task)
{
	if (!task->trace || !task->trace->flags_forced)
		return;
	task->trace->flags_forced = false;
	task->state->rflags &= ~(uint64_t)FLAGS_STEP;
}

/* Where the registers look as a system call leaves them, the substrate returns by SYSRET, after which the trap comes
 * before the next instruction (AMD64 manual, volume 3, "SYSRET"): for ever. A call clobbers R11 anyway. */
void trace_flags_settle(struct task *task)
{
	struct guest_state *state = task->state;
	if ((state->rflags & FLAGS_STEP) && state->r11 == state->rflags)
		state->r11 &= ~(uint64_t)FLAGS_STEP;
}

void trace_flags_apply(void)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	if (!trace || (!trace->step && !trace_watches(trace))) {
		trace_flags_settle(task);
		return;
	}
	if (!(task->state->rflags & FLAGS_STEP)) {
		task->state->rflags |= FLAGS_STEP;
		trace->flags_forced = true;
	}
	trace_flags_settle(task);
	/* A system call may give the guest other flags, and is itself one step. */
	__atomic_fetch_or(&task->work, TASK_WORK_CALL, __ATOMIC_SEQ_CST);
}

void trace_stop(uint32_t code, const struct linux_siginfo *info, uint64_t message)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	if (!trace || (task->work & TASK_WORK_EXIT))
		return;
	trace_flags_lift(task);
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_TRAP, __ATOMIC_SEQ_CST);
	vector_save(trace->vector);
	trace->trap = trace->vector_changed = trace->step = false;
	trace->code = code;
	trace->message = message;
	trace->signal = 0;
	trace->has_info = info;
	if (info)
		trace->info = *info;
	trace->stopped = true;
	trace->reported = trace->listening = false;
	notify(trace, info ? CLD_TRAPPED : CLD_STOPPED, code & 0x7f);
	cgroup_rest(task, true);
	while (trace->stopped && !(task->work & TASK_WORK_EXIT))
		(void)wait_sleep_killable(DEADLINE_NEVER);
	cgroup_rest(task, false);
	trace->stopped = trace->listening = trace->has_info = false;
	trace->call = TRACE_CALL_NONE;
	if (trace->vector_changed)
		(void)vector_load(trace->vector);
	if (trace->tracer && (trace->trap || trace->notify))
		__atomic_fetch_or(&task->work, TASK_WORK_TRAP, __ATOMIC_SEQ_CST);
}

/* A stop that ptrace makes up: CODE says which. */
static void stop_with(uint32_t code, uint64_t message)
{
	const struct task *task = current_task();
	struct linux_siginfo info = {.si_signo = (int32_t)(code & 0x7f), .si_code = (int32_t)code};
	info.pid = pid_seen_by(task->trace->tracer->process, task->tid);
	info.uid = uid_seen_in(task->trace->tracer->credentials.user, task->credentials.uid);
	trace_stop(code, &info, message);
}

bool trace_event(unsigned event, uint64_t message)
{
	const struct trace *trace = task_traced(current_task());
	if (!trace || !(trace->options & 1u << event))
		return false;
	stop_with(SIGTRAP | event << 8, message);
	return true;
}

void trace_stop_step(void)
{
	stop_with(SIGTRAP, 0);
}

int trace_signal(int signal, struct linux_siginfo *info)
{
	struct task *task = current_task();
	struct trace *trace = task->trace;
	const struct task *tracer = trace->tracer;
	int32_t tracer_pid = pid_seen(tracer->process->pid);
	uint32_t tracer_uid = uid_seen(tracer->credentials.uid);
	trace_stop((uint32_t)signal, info, 0);
	int chosen = trace->signal;
	if (!chosen || (task->work & TASK_WORK_EXIT))
		return 0;
	*info = trace->info;
	if (chosen != info->si_signo) {
		*info = (struct linux_siginfo){.si_signo = chosen, .si_code = SI_USER, .pid = tracer_pid};
		info->uid = tracer_uid;
	}
	if (task->blocked & SIGNAL_BIT(chosen)) {
		(void)signal_send_task(task, chosen, info);
		return 0;
	}
	return chosen;
}

bool trace_group_stop(void)
{
	const struct task *task = current_task();
	const struct trace *trace = task_traced(task);
	uint32_t signal = (uint32_t)task->process->stop_signal;
	if (!trace)
		return false;
	if (trace->seized)
		stop_with(signal | PTRACE_EVENT_STOP << 8, 0);
	else
		trace_stop(signal, 0, 0);
	return task_traced(task);
}

void trace_trap(void)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_TRAP, __ATOMIC_SEQ_CST);
	if (!trace)
		return;
	trace->notify = false;
	uint32_t signal = task->process->stopped ? (uint32_t)task->process->stop_signal : SIGTRAP;
	stop_with(signal | PTRACE_EVENT_STOP << 8, 0);
}

void trace_interrupt(struct task *task, bool notify)
{
	struct trace *trace = task->trace;
	if (notify)
		trace->notify = true;
	else
		trace->trap = true;
	if (trace->stopped && !trace->listening)
		return; /* when it goes on */
	if (trace->stopped) {
		trace->stopped = trace->listening = false;
		__atomic_fetch_or(&task->work, TASK_WORK_TRAP, __ATOMIC_SEQ_CST);
		(void)task_wake(task);
	} else {
		task_kick(task, TASK_WORK_TRAP);
	}
}

void trace_continued(struct process *process)
{
	struct task *task;
	list_for_each(task, &process->threads, thread_link)
	{
		const struct trace *trace = task_traced(task);
		if (trace && trace->seized)
			trace_interrupt(task, true);
	}
}

/* ---- System calls ---- */

/* A stop at a call's entry or exit; a signal that the tracer goes on with is sent. */
static void call_stop(struct trace *trace, enum trace_call call)
{
	struct task *task = trace->task;
	uint32_t good = trace->options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0;
	trace->call = (uint8_t)call;
	stop_with(SIGTRAP | good, call == TRACE_CALL_ENTRY ? CALL_ENTRY_MESSAGE : CALL_EXIT_MESSAGE);
	if (trace->signal && !(task->work & TASK_WORK_EXIT))
		(void)signal_send_task(task, trace->signal, 0);
}

int64_t trace_call_entry(int64_t number)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	task->syscall_number = number;
	if (!trace || !(trace->calls || trace->emulate))
		return number;
	bool emulate = trace->emulate;
	task->state->rax = (uint64_t)-ENOSYS;
	call_stop(trace, TRACE_CALL_ENTRY);
	if (task->work & TASK_WORK_EXIT)
		return -1;
	if (emulate)
		return -1;
	if (task_traced(task) && trace->calls) {
		trace->entered = true;
		__atomic_fetch_or(&task->work, TASK_WORK_CALL, __ATOMIC_SEQ_CST);
	}
	return task->syscall_number;
}

void trace_call_exit(int64_t number)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	if (number < 0 && !(trace && trace->entered))
		return; /* no call has ended */
	__atomic_fetch_and(&task->work, ~(uint32_t)TASK_WORK_CALL, __ATOMIC_SEQ_CST);
	if (!trace)
		return;
	trace->entered = false;
	task->syscall_number = number;
	if (trace->step)
		signal_fault(SIGTRAP, TRAP_BRKPT, task->state->rip);
	else if (trace->calls)
		call_stop(trace, TRACE_CALL_EXIT);
}

bool trace_seccomp(int64_t *number, uint32_t data)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	if (!trace || !(trace->options & 1u << PTRACE_EVENT_SECCOMP))
		return false;
	task->state->rax = (uint64_t)-ENOSYS;
	task->syscall_number = *number;
	trace->call = TRACE_CALL_SECCOMP;
	trace->seccomp_data = data;
	(void)trace_event(PTRACE_EVENT_SECCOMP, data);
	*number = task->work & TASK_WORK_EXIT ? -1 : task->syscall_number;
	if (task_traced(task) && trace->calls) {
		trace->entered = true;
		__atomic_fetch_or(&task->work, TASK_WORK_CALL, __ATOMIC_SEQ_CST);
	}
	return true;
}

/* ---- exec and clone ---- */

void trace_exec(int32_t old_tid)
{
	struct task *task = current_task();
	struct trace *trace = task_traced(task);
	if (!trace)
		return;
	memset(trace->debug, 0, sizeof(trace->debug));
	if (!trace_event(PTRACE_EVENT_EXEC, (uint64_t)old_tid) && !trace->seized) {
		struct linux_siginfo info = {
		    .si_signo = SIGTRAP, .si_code = SI_USER, .pid = task->process->number};
		info.uid = uid_seen(task->credentials.uid);
		(void)signal_send_task(task, SIGTRAP, &info);
	}
}

unsigned trace_clone(uint64_t flags, int exit_signal, bool *follow)
{
	const struct trace *trace = task_traced(current_task());
	unsigned event = flags & CLONE_VFORK      ? PTRACE_EVENT_VFORK
	                 : exit_signal == SIGCHLD ? PTRACE_EVENT_FORK
	                                          : PTRACE_EVENT_CLONE;
	if (!trace || (flags & CLONE_UNTRACED) || !(trace->options & 1u << event))
		event = 0;
	*follow = trace && (event || (flags & CLONE_PTRACE));
	return event;
}

void trace_inherit(struct task *child, const struct task *parent)
{
	const struct trace *trace = parent->trace;
	trace_begin(child, trace->tracer, trace->options, trace->seized);
	child->trace->privileged = trace->privileged;
	if (trace->seized) {
		child->trace->trap = true;
		child->work |= TASK_WORK_TRAP;
	} else {
		child->pending.set |= SIGNAL_BIT(SIGSTOP);
	}
}
