/* seccomp(2): filters that judge a task's system calls before they run. A task's filters are a chain that can only grow;
 * forks share it. The dispatcher asks only for tasks that have some (task->traps).
 */
#include "core/core.h"
#include "internal.h"
#include "task/bpf.h"
#include "task/seccomp.h"
#include "trace/trace.h"

#define PATH_MAX_LENGTH 32768u /* instructions of a chain, four more counted for each filter */
#define ARCHITECTURE    0xc000003eu

enum { MODE_DISABLED = 0, MODE_STRICT = 1, MODE_FILTER = 2 };
enum { SET_MODE_STRICT = 0, SET_MODE_FILTER, GET_ACTION_AVAIL, GET_NOTIF_SIZES };
enum {
	FLAG_TSYNC = 1,
	FLAG_LOG = 2,
	FLAG_SPEC_ALLOW = 4,
	FLAG_NEW_LISTENER = 8,
	FLAG_TSYNC_ESRCH = 16,
	FLAG_WAIT_KILLABLE_RECV = 32,
	FLAGS_KNOWN = 63,
};
#define RET_KILL_PROCESS 0x80000000u
#define RET_KILL_THREAD  0x00000000u
#define RET_TRAP         0x00030000u
#define RET_ERRNO        0x00050000u
#define RET_USER_NOTIF   0x7fc00000u
#define RET_TRACE        0x7ff00000u
#define RET_LOG          0x7ffc0000u
#define RET_ALLOW        0x7fff0000u
#define RET_ACTION       0xffff0000u
#define SYS_SECCOMP      1

void seccomp_filter_release(struct seccomp_filter *filter)
{
	while (filter && !--filter->references) {
		struct seccomp_filter *previous = filter->previous;
		seccomp_notify_free(filter);
		heap_free(filter);
		filter = previous;
	}
	if (filter)
		seccomp_unused(filter);
}

void seccomp_inherit(struct task *child, const struct task *parent)
{
	child->seccomp_mode = parent->seccomp_mode;
	child->filter = parent->filter;
	if (child->filter)
		child->filter->references++;
	child->traps = (uint8_t)((child->traps & ~TASK_TRAP_SECCOMP) | (parent->traps & TASK_TRAP_SECCOMP));
}

void seccomp_exit(struct task *task)
{
	seccomp_filter_release(task->filter);
	task->filter = 0;
}

uint32_t seccomp_filter_count(const struct task *task)
{
	uint32_t count = 0;
	for (const struct seccomp_filter *filter = task->filter; filter; filter = filter->previous)
		count++;
	return count;
}

/* ---- Judging ---- */

union judged {
	struct seccomp_data fields;
	uint32_t words[BPF_DATA_BYTES / 4];
};

/* *BY: the filter that said so, or 0. */
static uint32_t judge(const struct task *task, int64_t number, union judged *judged,
                      struct seccomp_filter **by)
{
	const struct guest_state *state = task->state;
	union judged data = {
	    .fields = {(int32_t)number,
	               ARCHITECTURE,
	               state->rip,
	               {state->rdi, state->rsi, state->rdx, state->r10, state->r8, state->r9}}};
	uint32_t verdict = RET_ALLOW;
	/* The strictest counts; as signed numbers, the strictest is the least. */
	*by = 0;
	for (struct seccomp_filter *filter = task->filter; filter; filter = filter->previous) {
		uint32_t own = bpf_run(filter->program, data.words);
		if ((int32_t)(own & RET_ACTION) < (int32_t)(verdict & RET_ACTION)) {
			verdict = own;
			*by = filter;
		}
	}
	*judged = data;
	return verdict;
}

/* SIGSYS for a call that was not let through: sigaction(2), si_code SYS_SECCOMP. */
static struct linux_siginfo trap_of(const struct task *task, int64_t number, uint32_t data)
{
	return (struct linux_siginfo){.si_signo = SIGSYS,
	                              .si_code = SYS_SECCOMP,
	                              .si_errno = (int32_t)data,
	                              .call_address = task->state->rip,
	                              .syscall = (int32_t)number,
	                              .architecture = ARCHITECTURE};
}

static void send_trap(const struct task *task, int64_t number, uint32_t data)
{
	struct linux_siginfo info = trap_of(task, number, data);
	signal_force(SIGSYS, &info);
}

static _Noreturn void exit_filtered(const struct task *task, int64_t number, uint32_t data)
{
	struct linux_siginfo info = trap_of(task, number, data);
	process_exit_signal(SIGSYS, &info);
}

/* True: the call runs, its number as the tracer left it. Otherwise its result is set, or the task is about to go. JUDGED: the
 * tracer has had its say. The common lock is held alone. */
static bool allow(struct task *task, int64_t *wanted, bool judged)
{
	int64_t number = *wanted;
	if (task->seccomp_mode == MODE_STRICT) {
		enum { READ = 0, WRITE = 1, RT_SIGRETURN = 15, EXIT = 60 };
		if (number == READ || number == WRITE || number == RT_SIGRETURN || number == EXIT)
			return true;
		process_exit(SIGKILL);
	}
	union judged data_of_call;
	struct seccomp_filter *by;
	uint32_t verdict = judge(task, number, &data_of_call, &by);
	uint32_t data = verdict & ~RET_ACTION;
	switch (verdict & RET_ACTION) {
	case RET_ALLOW:
		return true;
	case RET_LOG:
		linux_log("linux: %s (%d) was let through call %ld by its filter\n", task->name, task->tid,
		          number);
		return true;
	case RET_ERRNO:
		task->state->rax = (uint64_t) - (int64_t)(data < 4095 ? data : 4095);
		return false;
	case RET_USER_NOTIF:
		return seccomp_supervised(by, &data_of_call.fields);
	case RET_TRACE:
		if (judged)
			return true;
		task->state->rax = (uint64_t)-ENOSYS; /* nobody traces, or the tracer wants it left out */
		return trace_seccomp(wanted, data) && *wanted >= 0 && allow(task, wanted, true);
	case RET_TRAP:
		task->state->rax = (uint64_t)number;
		send_trap(task, number, data);
		return false;
	case RET_KILL_THREAD:
		if (task->process->thread_count > 1)
			task_exit(SIGSYS);
		exit_filtered(task, number, data);
	default: /* RET_KILL_PROCESS, and what is not known */
		exit_filtered(task, number, data);
	}
}

int64_t guest_trapped(int64_t number)
{
	struct task *task = current_task();
	personality_lock();
	bool runs = true;
	if (task->traps & TASK_TRAP_TRACE) {
		number = trace_call_entry(number);
		runs = number >= 0;
	}
	if (runs && task->traps & TASK_TRAP_SECCOMP)
		runs = allow(task, &number, false);
	personality_unlock();
	return runs ? number : -1;
}

/* ---- Setting ---- */

static struct seccomp_filter *filter_read(struct task *task, uint64_t program_address, int64_t *error)
{
	struct {
		uint16_t length, pad[3];
		uint64_t instructions;
	} program;
	*error = -EFAULT;
	if (copy_from_user(&program, program_address, sizeof(program)))
		return 0;
	*error = -EINVAL;
	if (!program.length || program.length > BPF_LENGTH_MAX || !program.instructions)
		return 0;
	uint32_t path = program.length + (task->filter ? task->filter->path_length + 4 : 0);
	*error = -ENOMEM;
	if (path > PATH_MAX_LENGTH)
		return 0;
	size_t bytes = program.length * sizeof(struct bpf_instruction);
	struct seccomp_filter *filter = heap_allocate(sizeof(*filter) + bytes);
	if (!filter)
		return 0;
	*error = copy_from_user(filter->program, program.instructions, bytes);
	if (!*error && !bpf_valid(filter->program, program.length))
		*error = -EINVAL;
	if (*error) {
		heap_free(filter);
		return 0;
	}
	filter->references = 1;
	filter->length = program.length;
	filter->path_length = path;
	return filter;
}

static bool descends(const struct seccomp_filter *filter, const struct seccomp_filter *from)
{
	while (filter && filter != from)
		filter = filter->previous;
	return filter == from;
}

/* A thread of the caller's process whose filters are not among the caller's: it cannot take them over. */
static struct task *odd_thread(struct task *task)
{
	struct task *other;
	list_for_each(other, &task->process->threads, thread_link)
	{
		if (other != task && !other->exiting &&
		    (other->seccomp_mode == MODE_STRICT || !descends(task->filter, other->filter)))
			return other;
	}
	return 0;
}

static void enter(struct task *task, struct seccomp_filter *filter)
{
	filter->references++;
	seccomp_filter_release(task->filter);
	task->filter = filter;
	task->seccomp_mode = MODE_FILTER;
	task->traps |= TASK_TRAP_SECCOMP;
}

/* The filter of the chain from FILTER on that has a supervisor; 0: none has. */
static const struct seccomp_filter *listener_of(const struct seccomp_filter *filter)
{
	while (filter && !filter->notify)
		filter = filter->previous;
	return filter;
}

static int64_t set_filter(uint32_t flags, uint64_t address)
{
	struct task *task = current_task(), *other;
	int64_t error;
	bool listens = flags & FLAG_NEW_LISTENER;
	if ((flags & ~(uint32_t)FLAGS_KNOWN) ||
	    (listens && (flags & FLAG_TSYNC) && !(flags & FLAG_TSYNC_ESRCH)) ||
	    ((flags & FLAG_WAIT_KILLABLE_RECV) && !listens))
		return -EINVAL;
	if (task->seccomp_mode == MODE_STRICT)
		return -EINVAL;
	if (!task->no_new_privileges && !capable_own(CAP_SYS_ADMIN))
		return -EACCES;
	struct seccomp_filter *filter = filter_read(task, address, &error);
	if (!filter)
		return error;
	int64_t fd = 0;
	if (listens && listener_of(task->filter))
		fd = -EBUSY;
	else if (listens)
		fd = seccomp_listen(filter, flags & FLAG_WAIT_KILLABLE_RECV);
	if (fd < 0) {
		seccomp_filter_release(filter);
		return fd;
	}
	if ((flags & FLAG_TSYNC) && (other = odd_thread(task)) != 0) {
		if (listens)
			seccomp_listen_undo(filter, (int)fd);
		seccomp_filter_release(filter);
		return flags & FLAG_TSYNC_ESRCH ? -ESRCH : pid_seen(other->tid);
	}
	filter->log = flags & FLAG_LOG;
	filter->previous = task->filter;
	if (filter->previous)
		filter->previous->references++;
	enter(task, filter);
	if (flags & FLAG_TSYNC) {
		list_for_each(other, &task->process->threads, thread_link)
		{
			if (other == task || other->exiting)
				continue;
			enter(other, filter);
			other->no_new_privileges |= task->no_new_privileges;
		}
	}
	seccomp_filter_release(filter);
	return fd;
}

static int64_t set_strict(void)
{
	struct task *task = current_task();
	if (task->seccomp_mode == MODE_FILTER)
		return -EINVAL;
	task->seccomp_mode = MODE_STRICT;
	task->traps |= TASK_TRAP_SECCOMP;
	return 0;
}

SYSCALL_HANDLER(seccomp, uint32_t operation, uint32_t flags, uint64_t address)
{
	uint32_t action;
	switch (operation) {
	case SET_MODE_STRICT:
		return flags || address ? -EINVAL : set_strict();
	case SET_MODE_FILTER:
		return set_filter(flags, address);
	case GET_ACTION_AVAIL:
		if (flags)
			return -EINVAL;
		if (get_user_u32(&action, address))
			return -EFAULT;
		return action == RET_KILL_PROCESS || action == RET_KILL_THREAD || action == RET_TRAP ||
		               action == RET_ERRNO || action == RET_USER_NOTIF || action == RET_TRACE ||
		               action == RET_LOG || action == RET_ALLOW
		           ? 0
		           : -EOPNOTSUPP;
	case GET_NOTIF_SIZES: {
		const uint16_t sizes[] = {SECCOMP_NOTIF_BYTES, SECCOMP_RESPONSE_BYTES, BPF_DATA_BYTES};
		return flags ? -EINVAL : copy_to_user(address, sizes, sizeof(sizes));
	}
	default:
		return -EINVAL;
	}
}

int64_t seccomp_prctl(uint64_t mode, uint64_t address)
{
	return mode == MODE_STRICT ? set_strict() : mode == MODE_FILTER ? set_filter(0, address) : -EINVAL;
}
