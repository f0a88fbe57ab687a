/* A stopped task's registers as ptrace(2) and core(5) show them: struct user_regs_struct, the FXSAVE image, the XSAVE
 * image, and the words of struct user (sys/user.h).
 */
#include "registers.h"
#include "../../internal.h"
#include "trace/trace.h"

enum {
	PTRACE_PEEKUSER = 3,
	PTRACE_POKEUSER = 6,
	PTRACE_GETREGS = 12,
	PTRACE_SETREGS = 13,
	PTRACE_GETFPREGS = 14,
	PTRACE_SETFPREGS = 15,
	PTRACE_ARCH_PRCTL = 30,
	PTRACE_GETREGSET = 0x4204,
	PTRACE_SETREGSET = 0x4205,
};
enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

#define USER_BYTES           928u /* struct user, with the words that programs do not see */
#define USER_DEBUG           848u /* u_debugreg in it */
#define CODE_SEGMENT         0x33u
#define STACK_SEGMENT        0x2bu
#define FLAGS_MASK           0x50dd5ull /* what a tracer may change: sys/user.h's eflags */
#define FXSAVE_BYTES         512u
#define XSAVE_HEADER         FXSAVE_BYTES
#define XSAVE_FEATURES_SHOWN 464u /* where the image tells which parts the processor has */
#define MXCSR                24u

/* Order of struct user_regs_struct. */
enum user_register {
	R15,
	R14,
	R13,
	R12,
	RBP,
	RBX,
	R11,
	R10,
	R9,
	R8,
	RAX,
	RCX,
	RDX,
	RSI,
	RDI,
	ORIG_RAX,
	RIP,
	CS,
	EFLAGS,
	RSP,
	SS,
	FS_BASE,
	GS_BASE,
	DS,
	ES,
	FS,
	GS
};
_Static_assert(GS + 1 == USER_REGISTERS, "user_regs_struct");

/* Where REGISTER lies in the guest's state; 0: it is none of the plain ones. */
static uint64_t *plain(struct guest_state *s, unsigned number)
{
	uint64_t *const places[] = {&s->r15, &s->r14, &s->r13, &s->r12, &s->rbp, &s->rbx, &s->r11,
	                            &s->r10, &s->r9,  &s->r8,  &s->rax, &s->rcx, &s->rdx, &s->rsi,
	                            &s->rdi, 0,       &s->rip, 0,       0,       &s->rsp};
	return number < sizeof(places) / sizeof(places[0]) ? places[number] : 0;
}

uint64_t user_register(const struct task *task, unsigned number)
{
	struct guest_state *state = task->state;
	const uint64_t *place = plain(state, number);
	if (place)
		return *place;
	switch (number) {
	case ORIG_RAX:
		return (uint64_t)task->syscall_number;
	case CS:
		return CODE_SEGMENT;
	case SS:
		return STACK_SEGMENT;
	case EFLAGS:
		return state->rflags | 0x202;
	case FS_BASE:
		return state->fs_base;
	case GS_BASE:
		return state->gs_base;
	default:
		return 0;
	}
}

/* The segment registers of a 64-bit program are what they are. */
static int register_set(struct task *task, unsigned number, uint64_t value)
{
	struct guest_state *state = task->state;
	uint64_t *place = plain(state, number);
	if (place) {
		*place = value;
		return 0;
	}
	switch (number) {
	case ORIG_RAX:
		task->syscall_number = (int64_t)value;
		return 0;
	case EFLAGS:
		state->rflags = (state->rflags & ~FLAGS_MASK) | (value & FLAGS_MASK);
		return 0;
	case FS_BASE:
	case GS_BASE:
		if (value >= USER_END)
			return -EIO;
		*(number == FS_BASE ? &state->fs_base : &state->gs_base) = value;
		return 0;
	default:
		return (uint16_t)value == (uint16_t)user_register(task, number) ? 0 : -EIO;
	}
}

static int64_t registers_put(const struct task *task, uint64_t to, uint64_t bytes)
{
	uint64_t words[USER_REGISTERS];
	for (unsigned i = 0; i < USER_REGISTERS; i++)
		words[i] = user_register(task, i);
	return copy_to_user(to, words, bytes);
}

static int64_t registers_take(struct task *task, uint64_t from, uint64_t bytes)
{
	uint64_t words[USER_REGISTERS];
	if (copy_from_user(words, from, bytes))
		return -EFAULT;
	for (unsigned i = 0; i < bytes / 8; i++) {
		int error = register_set(task, i, words[i]);
		if (error)
			return error;
	}
	return 0;
}

/* ---- Vector state ---- */

static int64_t vector_put(struct trace *trace, uint64_t to, uint64_t bytes)
{
	char *image = trace->vector;
	memset(image + XSAVE_FEATURES_SHOWN, 0, 48);
	*(uint64_t *)(image + XSAVE_FEATURES_SHOWN) = machine.xsave_mask;
	return copy_to_user(to, image, bytes);
}

/* An XSAVE image as a tracer made it: what XRSTOR would fault on is refused (SDM volume 1, 13.8). */
static int vector_check(const char *image)
{
	const uint64_t *header = (const uint64_t *)(image + XSAVE_HEADER);
	if (header[0] & ~machine.xsave_mask)
		return -EINVAL;
	for (unsigned i = 1; i < 8; i++)
		if (header[i])
			return -EINVAL;
	return 0;
}

static int64_t vector_take(struct trace *trace, uint64_t from, uint64_t bytes, bool extended)
{
	char *image = trace->vector, *fresh = pages_allocate((machine.vector_bytes + 4095) / 4096);
	if (!fresh)
		return -ENOMEM;
	memcpy(fresh, image, machine.vector_bytes);
	int error = copy_from_user(fresh, from, bytes);
	if (!error && (*(uint32_t *)(fresh + MXCSR) & ~0xffffu))
		error = -EINVAL;
	if (!error && extended)
		error = vector_check(fresh);
	if (!error && !extended && machine.xsave_mask)
		*(uint64_t *)(fresh + XSAVE_HEADER) |= 3; /* x87 and SSE are not in their initial state */
	if (!error) {
		memset(fresh + XSAVE_FEATURES_SHOWN, 0, 48);
		memcpy(image, fresh, machine.vector_bytes);
		trace->vector_changed = true;
	}
	pages_free(fresh, (machine.vector_bytes + 4095) / 4096);
	return error;
}

/* ---- Requests ---- */

static bool is_debug(uint64_t at)
{
	return at >= USER_DEBUG && at < USER_DEBUG + DEBUG_REGISTERS * 8;
}

static int64_t user_peek(struct trace *trace, uint64_t at, uint64_t to)
{
	uint64_t value = 0;
	if (at % 8 || at >= USER_BYTES)
		return -EIO;
	if (at < USER_REGISTERS * 8)
		value = user_register(trace->task, (unsigned)(at / 8));
	else if (is_debug(at))
		value = trace->debug[(at - USER_DEBUG) / 8];
	return put_user_u64(to, value);
}

static int64_t user_poke(struct trace *trace, uint64_t at, uint64_t value)
{
	if (at % 8 || at >= USER_BYTES)
		return -EIO;
	if (at < USER_REGISTERS * 8)
		return register_set(trace->task, (unsigned)(at / 8), value);
	return is_debug(at) ? trace_debug_set(trace, (unsigned)(at - USER_DEBUG) / 8, value) : -EIO;
}

static int64_t base_request(struct trace *trace, uint64_t address, uint64_t code)
{
	switch (code) {
	case ARCH_SET_FS:
		return register_set(trace->task, FS_BASE, address) ? -EPERM : 0;
	case ARCH_SET_GS:
		return register_set(trace->task, GS_BASE, address) ? -EPERM : 0;
	case ARCH_GET_FS:
		return put_user_u64(address, trace->task->state->fs_base);
	case ARCH_GET_GS:
		return put_user_u64(address, trace->task->state->gs_base);
	default:
		return -EINVAL;
	}
}

static int64_t set_request(struct trace *trace, uint64_t kind, uint64_t address, bool write)
{
	struct linux_iovec vector;
	if (copy_from_user(&vector, address, sizeof(vector)))
		return -EFAULT;
	uint64_t whole = kind == NT_PRSTATUS     ? USER_REGISTERS * 8
	                 : kind == NT_PRFPREG    ? FXSAVE_BYTES
	                 : kind == NT_X86_XSTATE ? (machine.xsave_mask ? machine.vector_bytes : 0)
	                                         : 0;
	if (!whole)
		return kind == NT_X86_XSTATE ? -ENODEV : -EINVAL;
	if (vector.bytes % 8)
		return -EINVAL;
	if (vector.bytes > whole)
		vector.bytes = whole;
	int64_t result;
	if (kind == NT_PRSTATUS)
		result = write ? registers_take(trace->task, vector.base, vector.bytes)
		               : registers_put(trace->task, vector.base, vector.bytes);
	else if (write && kind == NT_X86_XSTATE && vector.bytes != whole)
		result = -EFAULT;
	else
		result = write ? vector_take(trace, vector.base, vector.bytes, kind == NT_X86_XSTATE)
		               : vector_put(trace, vector.base, vector.bytes);
	return result ? result : put_user_u64(address + 8, vector.bytes);
}

int64_t trace_register_request(struct trace *trace, int64_t request, uint64_t address, uint64_t data)
{
	switch (request) {
	case PTRACE_PEEKUSER:
		return user_peek(trace, address, data);
	case PTRACE_POKEUSER:
		return user_poke(trace, address, data);
	case PTRACE_GETREGS:
		return registers_put(trace->task, data, USER_REGISTERS * 8);
	case PTRACE_SETREGS:
		return registers_take(trace->task, data, USER_REGISTERS * 8);
	case PTRACE_GETFPREGS:
		return vector_put(trace, data, FXSAVE_BYTES);
	case PTRACE_SETFPREGS:
		return vector_take(trace, data, FXSAVE_BYTES, false);
	case PTRACE_ARCH_PRCTL:
		return base_request(trace, address, data);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return set_request(trace, address, data, request == PTRACE_SETREGSET);
	default:
		return -EIO;
	}
}
