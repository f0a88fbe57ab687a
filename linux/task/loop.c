/* What guest.S does not do itself: pending work before a return to the guest, faults of guests, and faults of
 * the personality while it touches guest memory.
 */
#include <stddef.h>
#include <holon/guest_calls.h>
#include "internal.h"
#include "mm/userfault.h"
#include "native/native.h"
#include "task/rseq.h"
#include "task/turn.h"
#include "trace/trace.h"
#include "layout.inc"

_Static_assert(AREA_BYTES == TASK_AREA_BYTES && AREA_STATE == TASK_AREA_BYTES - 4096 &&
                   AREA_STACK_TOP == TASK_AREA_BYTES - 8192,
               "layout.inc");
_Static_assert(sizeof(struct thread_area) <= AREA_VECTOR && AREA_VECTOR % 64 == 0, "area_vector");
_Static_assert(offsetof(struct thread_area, task) == AREA_TASK && offsetof(struct task, work) == TASK_WORK,
               "layout.inc");
_Static_assert(offsetof(struct thread_area, common_slot) == AREA_SLOT &&
                   offsetof(struct thread_area, common_mode) == AREA_MODE && COMMON_SHARED == MODE_SHARED &&
                   COMMON_ALONE == MODE_ALONE && sizeof(struct common_slot) == SLOT_BYTES,
               "layout.inc");
_Static_assert(offsetof(struct thread_area, place) == AREA_PLACE &&
                   offsetof(struct thread_area, inside) == AREA_INSIDE,
               "layout.inc");
_Static_assert(offsetof(struct task, traps) == TASK_TRAPS && offsetof(struct task, entered) == TASK_ENTERED &&
                   offsetof(struct task, system_counter) == TASK_SYSTEM,
               "layout.inc");
/* guest.S looks at both words at once. */
_Static_assert(offsetof(struct task, held_count) == TASK_WORK + 4 && TASK_WORK % 8 == 0, "layout.inc");
_Static_assert(offsetof(struct guest_state, rax) == STATE_RAX &&
                   offsetof(struct guest_state, rdx) == STATE_RDX &&
                   offsetof(struct guest_state, rsi) == STATE_RSI &&
                   offsetof(struct guest_state, rdi) == STATE_RDI &&
                   offsetof(struct guest_state, r8) == STATE_R8 &&
                   offsetof(struct guest_state, r9) == STATE_R9 &&
                   offsetof(struct guest_state, r10) == STATE_R10,
               "layout.inc");

#define SYSCALL_LOG_MAX 512
static uint8_t unknown_logged[SYSCALL_LOG_MAX / 8 + 1];

void guest_work(int64_t number)
{
	struct task *task = current_task();
	personality_lock();
	files_let_go(task);
	bool work = task->work;
	if ((task->work & TASK_WORK_TOLD) && userfault_call_again(task) && number >= 0)
		task->state->rax = (uint64_t)-ERESTARTNOINTR;
	if (task->work & TASK_WORK_CALL)
		trace_call_exit(number);
	if (work) /* an interrupted call has to be begun again, whatever a tracer has cleared */
		signal_deliver_call(number);
	personality_unlock();
}

int64_t guest_unknown_call(uint64_t number)
{
	if (number >> 16 == HOLON_CALL_BASE >> 16) {
		personality_lock();
		int64_t result = holon_call(number, current_task()->state);
		personality_unlock();
		return result;
	}
	/* One line for each number, and one for all beyond the table. */
	uint64_t bit = number < SYSCALL_LOG_MAX ? number : SYSCALL_LOG_MAX;
	personality_lock();
	if (!(unknown_logged[bit / 8] >> (bit % 8) & 1)) {
		unknown_logged[bit / 8] |= (uint8_t)(1u << (bit % 8));
		linux_log("linux: %s uses system call %lu, which is absent\n", current_task()->name, number);
	}
	personality_unlock();
	return -ENOSYS;
}

/* A page fault of the guest; true when it was resolved, else *SIGNAL and *CODE. */
static bool guest_page_fault(struct task *task, int *signal, int *code)
{
	const struct guest_state *state = task->state;
	common_shared();
	bool done = mm_fault(task->mm, state->address, state->error, signal, code);
	common_shared_end();
	if (!done && !*signal && *code == FAULT_ALONE) {
		personality_lock();
		done = mm_fault(task->mm, state->address, state->error, signal, code);
		personality_unlock();
	}
	if (!done && !*signal && *code == FAULT_TOLD) {
		personality_lock();
		done = userfault_wait(state->address, state->error & 2, false);
		personality_unlock();
	}
	if (done || *signal)
		return done;
	personality_lock();
	done = pressure_relieve(true);
	personality_unlock();
	*signal = SIGBUS;
	*code = BUS_ADRERR;
	return done;
}

static void guest_fault(struct task *task)
{
	const struct guest_state *state = task->state;
	int signal = SIGSEGV, code = SI_KERNEL;
	uint64_t address = state->rip;
	switch (state->vector) {
	case 0:
		signal = SIGFPE;
		code = FPE_INTDIV;
		break;
	case 1:
		personality_lock();
		bool quiet = trace_stepped();
		personality_unlock();
		if (quiet)
			return;
		signal = SIGTRAP;
		code = TRAP_TRACE;
		break;
	case 3:
		signal = SIGTRAP;
		code = SI_KERNEL;
		break;
	case 6:
		signal = SIGILL;
		code = ILL_ILLOPN;
		break;
	case 14:
		if (guest_page_fault(task, &signal, &code))
			return;
		address = state->address;
		break;
	case 16:
	case 19:
		signal = SIGFPE;
		code = FPE_FLTINV;
		break;
	case 17:
		signal = SIGBUS;
		code = BUS_ADRALN;
		break;
	default:
		address = 0;
		break;
	}
	personality_lock();
	signal_fault(signal, code, address);
	personality_unlock();
}

void guest_other_exit(int64_t exit)
{
	struct task *task = current_task();
	if (exit == GUEST_EXIT_KICK) {
		thread_rebind();
		turn_gate();
		return;
	}
	if (exit == GUEST_EXIT_FAULT) {
		guest_fault(task);
		return;
	}
	/* The kernel refused the state: a program counter or segment base out of the guest half. */
	personality_lock();
	signal_fault(SIGSEGV, SI_KERNEL, task->state->rip);
	task->state->rip &= 0x3fffffffffff;
	personality_unlock();
}

struct fixup {
	int32_t from, to; /* distances from themselves */
};
extern const struct fixup fixups_start[], fixups_end[];

/* Where the personality goes on after a fault: the same instruction, its fixup, or nowhere. */
uint64_t fault_resolve(void)
{
	const struct fault_record *fault = &current_page()->fault;
	uint64_t pc = fault->pc;
	for (const struct fixup *fixup = fixups_start; fixup < fixups_end; fixup++) {
		if ((uint64_t)&fixup->from + (uint64_t)fixup->from != pc)
			continue;
		struct task *task = current_task();
		struct mm *mm = task && task->building ? task->building : task ? task->mm : 0;
		int signal, code;
		if (fault->vector == 14 && mm && user_range(fault->address, 1)) {
			if (mm_fault(mm, fault->address, fault->error, &signal, &code) ||
			    (!signal && !code && pressure_relieve(false)))
				return pc;
			if (!signal && code == FAULT_TOLD)
				userfault_in_call(fault->address, fault->error & 2);
			else
				task->pressed = task->pressed || !signal;
		}
		return (uint64_t)&fixup->to + (uint64_t)fixup->to;
	}
	linux_log("linux: personality fault, vector %lu error %lx at %lx address %lx\n", fault->vector,
	          fault->error, pc, fault->address);
	unit_exit(E_FAULT);
}
