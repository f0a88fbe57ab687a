/* ptrace(2): the requests. */
#include "task/rseq.h"
#include "trace/trace.h"
#include "../internal.h"

enum {
	PTRACE_TRACEME = 0,
	PTRACE_PEEKTEXT = 1,
	PTRACE_PEEKDATA = 2,
	PTRACE_POKETEXT = 4,
	PTRACE_POKEDATA = 5,
	PTRACE_CONT = 7,
	PTRACE_KILL = 8,
	PTRACE_SINGLESTEP = 9,
	PTRACE_ATTACH = 16,
	PTRACE_DETACH = 17,
	PTRACE_SYSCALL = 24,
	PTRACE_SYSEMU = 31,
	PTRACE_SYSEMU_SINGLESTEP = 32,
	PTRACE_SETOPTIONS = 0x4200,
	PTRACE_GETEVENTMSG,
	PTRACE_GETSIGINFO,
	PTRACE_SETSIGINFO,
	PTRACE_SEIZE = 0x4206,
	PTRACE_INTERRUPT,
	PTRACE_LISTEN,
	PTRACE_PEEKSIGINFO,
	PTRACE_GETSIGMASK,
	PTRACE_SETSIGMASK,
	PTRACE_GET_SYSCALL_INFO = 0x420e,
	PTRACE_GET_RSEQ_CONFIGURATION,
};

#define ARCHITECTURE 0xc000003eu /* AUDIT_ARCH_X86_64 */

static int64_t attach(struct task *task, uint32_t options, bool seize)
{
	struct task *self = current_task();
	struct process *process = task->process;
	if (process == self->process || task->exiting || process->exiting || task_traced(task) ||
	    !process_may_trace(process) || !process_may_attach(process))
		return -EPERM;
	if (!task->trace && !trace_create(task))
		return -ENOMEM;
	trace_begin(task, self, options, seize);
	if (!seize) {
		(void)signal_send_task(task, SIGSTOP, 0);
		(void)task_kick(task, TASK_WORK_SIGNAL);
	}
	if (process->stopped)
		(void)task_wake(task); /* its stop becomes its tracer's */
	return 0;
}

static int64_t trace_me(void)
{
	struct task *self = current_task();
	const struct process *parent = self->process->parent;
	if (task_traced(self) || !parent)
		return -EPERM;
	struct task *tracer = task_by_id(self->process->parent_thread);
	if (!tracer || tracer->process != parent)
		tracer = parent->leader;
	if (!tracer || tracer->exiting)
		return 0; /* nobody is left to trace */
	const struct credentials *own = &self->credentials, *other = &tracer->credentials;
	if ((own->user != other->user || (own->cap_permitted & ~other->cap_permitted)) &&
	    !credentials_capable(other, own->user, CAP_SYS_PTRACE))
		return -EPERM;
	if (!self->trace && !trace_create(self))
		return -ENOMEM;
	trace_begin(self, tracer, 0, false);
	return 0;
}

static int64_t resume(struct trace *trace, int64_t request, uint64_t signal)
{
	if (signal > SIGNAL_COUNT)
		return -EIO;
	trace->signal = (int32_t)signal;
	trace->emulate = request == PTRACE_SYSEMU || request == PTRACE_SYSEMU_SINGLESTEP;
	trace->calls = request == PTRACE_SYSCALL;
	trace->step = request == PTRACE_SINGLESTEP || request == PTRACE_SYSEMU_SINGLESTEP;
	trace->stopped = false;
	(void)task_wake(trace->task);
	return 0;
}

static int64_t detach(struct trace *trace, uint64_t signal)
{
	if (signal > SIGNAL_COUNT)
		return -EIO;
	trace->signal = (int32_t)signal;
	trace_end(trace);
	return 0;
}

static int64_t listen(struct trace *trace)
{
	if (!trace->seized || !trace->has_info || trace->info.si_code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	trace->listening = true;
	if (trace->notify)
		trace_interrupt(trace->task, true);
	return 0;
}

static int64_t peek(struct trace *trace, uint64_t address, uint64_t to)
{
	uint64_t word;
	struct mm *mm = trace->task->mm;
	if (!mm || mm_access(mm, address, &word, sizeof(word), MM_FORCE) != sizeof(word))
		return -EIO;
	return put_user_u64(to, word);
}

static int64_t poke(struct trace *trace, uint64_t address, uint64_t word)
{
	struct mm *mm = trace->task->mm;
	if (!mm || mm_access(mm, address, &word, sizeof(word), MM_FORCE | MM_WRITE) != sizeof(word))
		return -EIO;
	return 0;
}

static int64_t information_set(struct trace *trace, uint64_t from)
{
	struct linux_siginfo info;
	if (copy_from_user(&info, from, sizeof(info)))
		return -EFAULT;
	if (!trace->has_info)
		return -EINVAL;
	trace->info = info;
	return 0;
}

#define PEEK_SHARED 1u

static int64_t signals_peek(struct trace *trace, uint64_t address, uint64_t to)
{
	struct {
		uint64_t offset;
		uint32_t flags;
		int32_t count;
	} want;
	if (copy_from_user(&want, address, sizeof(want)))
		return -EFAULT;
	if (want.flags & ~PEEK_SHARED || want.count < 0)
		return -EINVAL;
	const struct signal_queue *queue =
	    want.flags & PEEK_SHARED ? &trace->process->pending : &trace->task->pending;
	const struct pending_signal *pending;
	uint64_t at = 0;
	int32_t done = 0;
	list_for_each(pending, &queue->queue, link)
	{
		if (at++ < want.offset)
			continue;
		if (done == want.count)
			break;
		if (copy_to_user(to + (uint64_t)done * sizeof(pending->info), &pending->info,
		                 sizeof(pending->info)))
			return done ? done : -EFAULT;
		done++;
	}
	return done;
}

static int64_t mask_set(struct trace *trace, uint64_t bytes, uint64_t from)
{
	uint64_t mask;
	struct task *task = trace->task;
	if (bytes != sizeof(mask))
		return -EINVAL;
	if (get_user_u64(&mask, from))
		return -EFAULT;
	task->blocked = mask & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
	task->restore_blocked = false;
	signal_recalculate(task);
	return 0;
}

static int64_t mask_get(const struct trace *trace, uint64_t bytes, uint64_t to)
{
	const struct task *task = trace->task;
	if (bytes != sizeof(uint64_t))
		return -EINVAL;
	return put_user_u64(to, task->restore_blocked ? task->saved_blocked : task->blocked);
}

/* struct ptrace_syscall_info of linux/ptrace.h. */
static int64_t call_info(const struct trace *trace, uint64_t bytes, uint64_t to)
{
	const struct task *task = trace->task;
	const struct guest_state *state = task->state;
	bool reported = trace->call == TRACE_CALL_SECCOMP || trace->options & PTRACE_O_TRACESYSGOOD;
	struct {
		uint8_t kind, pad[3];
		uint32_t architecture;
		uint64_t pc, sp;
		union {
			struct {
				uint64_t number, arguments[6];
				uint32_t data, pad;
			} entry;
			struct {
				int64_t result;
				uint8_t error;
			} exit;
		};
	} info = {.kind = reported ? trace->call : TRACE_CALL_NONE,
	          .architecture = ARCHITECTURE,
	          .pc = state->rip,
	          .sp = state->rsp};
	uint64_t used = 24;
	if (info.kind == TRACE_CALL_EXIT) {
		info.exit.result = (int64_t)state->rax;
		info.exit.error = info.exit.result < 0 && info.exit.result >= -4095;
		used += 9;
	} else if (info.kind != TRACE_CALL_NONE) {
		const uint64_t arguments[] = {state->rdi, state->rsi, state->rdx,
		                              state->r10, state->r8,  state->r9};
		info.entry.number = (uint64_t)task->syscall_number;
		memcpy(info.entry.arguments, arguments, sizeof(arguments));
		info.entry.data = trace->seccomp_data;
		used += info.kind == TRACE_CALL_SECCOMP ? 60 : 56;
	}
	return copy_to_user(to, &info, bytes < used ? bytes : used) ? -EFAULT : (int64_t)used;
}

/* What rseq(2) registered: struct ptrace_rseq_configuration. */
static int64_t sequences_info(const struct trace *trace, uint64_t bytes, uint64_t to)
{
	const struct task *task = trace->task;
	struct {
		uint64_t address;
		uint32_t bytes, signature, flags, pad;
	} info = {task->rseq, RSEQ_BYTES, task->rseq ? task->rseq_signature : 0, 0, 0};
	return copy_to_user(to, &info, bytes < sizeof(info) ? bytes : sizeof(info)) ? -EFAULT
	                                                                            : (int64_t)sizeof(info);
}

/* Requests about a task that is stopped. */
static int64_t stopped_request(struct trace *trace, int64_t request, uint64_t address, uint64_t data)
{
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(trace, address, data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return poke(trace, address, data);
	case PTRACE_CONT:
	case PTRACE_SINGLESTEP:
	case PTRACE_SYSCALL:
	case PTRACE_SYSEMU:
	case PTRACE_SYSEMU_SINGLESTEP:
		return resume(trace, request, data);
	case PTRACE_DETACH:
		return detach(trace, data);
	case PTRACE_SETOPTIONS:
		if (data & ~(uint64_t)PTRACE_OPTIONS)
			return -EINVAL;
		trace->options = (uint32_t)data;
		return 0;
	case PTRACE_GETEVENTMSG:
		return put_user_u64(data, trace->message);
	case PTRACE_GETSIGINFO:
		return trace->has_info ? copy_to_user(data, &trace->info, sizeof(trace->info)) : -EINVAL;
	case PTRACE_SETSIGINFO:
		return information_set(trace, data);
	case PTRACE_LISTEN:
		return listen(trace);
	case PTRACE_PEEKSIGINFO:
		return signals_peek(trace, address, data);
	case PTRACE_GETSIGMASK:
		return mask_get(trace, address, data);
	case PTRACE_SETSIGMASK:
		return mask_set(trace, address, data);
	case PTRACE_GET_SYSCALL_INFO:
		return call_info(trace, address, data);
	case PTRACE_GET_RSEQ_CONFIGURATION:
		return sequences_info(trace, address, data);
	default:
		return trace_register_request(trace, request, address, data);
	}
}

SYSCALL_HANDLER(ptrace, int64_t request, int64_t pid, uint64_t address, uint64_t data)
{
	if (request == PTRACE_TRACEME)
		return trace_me();
	struct task *task = task_find((int32_t)pid);
	if (!task)
		return -ESRCH;
	if (request == PTRACE_ATTACH)
		return attach(task, 0, false);
	if (request == PTRACE_SEIZE) {
		if (address || data & ~(uint64_t)PTRACE_OPTIONS)
			return -EIO;
		return attach(task, (uint32_t)data, true);
	}
	struct trace *trace = task_traced(task);
	if (!trace || trace->tracer != current_task())
		return -ESRCH;
	if (request == PTRACE_KILL)
		return signal_send_process(task->process, SIGKILL, 0);
	if (request == PTRACE_INTERRUPT) {
		if (!trace->seized)
			return -EIO;
		trace_interrupt(task, false);
		return 0;
	}
	if (!trace->stopped || trace->listening)
		return -ESRCH;
	return stopped_request(trace, request, address, data);
}
