/* How much a kernel path does between two points where interrupts may come in: counted, and held against the bound that
 * abi/substrate.interface declares for it. In the debug and the timed kernel alone (kernel/module.mk), whose linker puts this
 * around the ways into and out of the kernel, so that no source has to remember it: every function here named __wrap_X is
 * what the rest of the kernel calls as X.
 *
 * The unit of the debug kernel is a branch: the compiler counts each one that is taken or passed, so no loop can be left out;
 * strings of words count by 64 bytes (arch/.../work_check.S). The timed kernel counts nanoseconds, which are instructions
 * where QEMU counts those. Waiting for another CPU is no work of the one that waits.
 *
 * A stretch begins where a CPU enters the kernel or asks whether an interrupt is pending, and ends at the next such
 * question or where it leaves the kernel, after the scheduler's choice.
 */
#include <calls.h>
#include <cpu.h>
#include <irq.h>
#include <log.h>
#include <memory.h>
#include <thread.h>
#include <kernel/work_table.h>

static struct {
	uint64_t begin, total;
	uint32_t path; /* plus 1; 0: before its first way in, at boot, nothing is judged */
} state[CPU_MAX];
static uint64_t longest[WORK_PATHS];

/* CPU's counter. */
static uint64_t now(struct cpu *cpu)
{
#ifdef KERNEL_TIMED
	return arch_clock_ns();
#else
	return cpu->work;
#endif
}

static void stretch_end(void)
{
	struct cpu *cpu = cpu_self();
	uint32_t path = state[cpu->index].path - 1;
	uint64_t work = now(cpu) - state[cpu->index].begin;

	if (path == UINT32_MAX)
		return;
	if (work > __atomic_load_n(&longest[path], __ATOMIC_RELAXED))
		__atomic_store_n(&longest[path], work, __ATOMIC_RELAXED);
#ifndef KERNEL_TIMED
	if (work > work_paths[path].bound)
		panic("work: a stretch of %s took %lu units, its bound is %u", work_paths[path].name, work,
		      work_paths[path].bound);
#endif
	state[cpu->index].total += work;
	state[cpu->index].begin = now(cpu);
}

static void path_begin(uint32_t path)
{
	struct cpu *cpu = cpu_self();

	state[cpu->index].path = path + 1;
	state[cpu->index].begin = now(cpu);
}

/* The end of a kernel path that does not go through the scheduler; else its choice is the end. */
static void path_end(void)
{
	if (!cpu_self()->reschedule)
		stretch_end();
}

void __real_sched_choose(struct cpu *cpu);
void __wrap_sched_choose(struct cpu *cpu);
void __wrap_sched_choose(struct cpu *cpu)
{
	__real_sched_choose(cpu);
	stretch_end();
	path_begin(WORK_IDLE);
}

void __real_kernel_syscall(struct thread *thread, uint64_t number);
void __wrap_kernel_syscall(struct thread *thread, uint64_t number);
void __wrap_kernel_syscall(struct thread *thread, uint64_t number)
{
	path_begin(number < SYSCALL_COUNT ? (uint32_t)number : WORK_UNKNOWN_CALL);
	__real_kernel_syscall(thread, number);
	path_end();
}

/* PATH: FUNCTION is a way into the kernel of its own. */
#define ENTRY(path, function, parameters, arguments)                                                         \
	void __real_##function parameters;                                                                   \
	void __wrap_##function parameters;                                                                   \
	void __wrap_##function parameters                                                                    \
	{                                                                                                    \
		path_begin(path);                                                                            \
		__real_##function arguments;                                                                 \
		path_end();                                                                                  \
	}
ENTRY(WORK_PAGE_FAULT, kernel_page_fault, (struct thread * thread, uint64_t address, uint64_t error),
      (thread, address, error))
ENTRY(WORK_EXCEPTION, kernel_exception, (struct thread * thread, uint64_t vector, uint64_t error),
      (thread, vector, error))
ENTRY(WORK_TIMER_INTERRUPT, kernel_interrupt_timer, (void), ())
ENTRY(WORK_OTHER_CPU, kernel_interrupt_ipi, (void), ())
ENTRY(WORK_DEVICE_INTERRUPT, kernel_interrupt_irq, (unsigned slot), (slot))

bool __real_frame_zero_one(void);
bool __wrap_frame_zero_one(void);
bool __wrap_frame_zero_one(void)
{
	bool more;

	path_begin(WORK_IDLE);
	more = __real_frame_zero_one();
	stretch_end();
	return more;
}

bool __real_preemption_pending(void);
bool __wrap_preemption_pending(void);
bool __wrap_preemption_pending(void)
{
	bool pending = __real_preemption_pending();

	stretch_end();
	return pending;
}

/* Waits for other CPUs (none in a timed kernel, which is for one alone): how long is theirs to say, so what is counted meanwhile
 * is taken back, once where one wait is inside of another: flush_all takes a lock. */
#define WAIT(function, parameters, arguments)                                                                \
	void __real_##function parameters;                                                                   \
	void __wrap_##function parameters;                                                                   \
	void __wrap_##function parameters                                                                    \
	{                                                                                                    \
		struct cpu *cpu = cpu_self();                                                                \
		uint64_t before = now(cpu), begin = state[cpu->index].begin;                                 \
                                                                                                             \
		__real_##function arguments;                                                                 \
		state[cpu->index].begin = begin + (now(cpu) - before);                                       \
	}
WAIT(lock_wait, (struct lock * lock, uint16_t ticket), (lock, ticket))
WAIT(cpu_await, (uint64_t ticket), (ticket))
WAIT(flush_all, (struct flush * flush), (flush))
WAIT(thread_await_cpu, (const struct thread *thread), (thread))

int64_t __real_sys_system_control(struct call *call, struct object *system, uint64_t what, uint64_t argument);
int64_t __wrap_sys_system_control(struct call *call, struct object *system, uint64_t what, uint64_t argument);
int64_t __wrap_sys_system_control(struct call *call, struct object *system, uint64_t what, uint64_t argument)
{
	uint64_t path = argument & 0xffff, work;

	if (what != SYSTEM_LATENCY)
		return __real_sys_system_control(call, system, what, argument);
	if (path >= WORK_PATHS)
		return E_ARGUMENT;
	switch (argument - path) {
	case LATENCY_LONGEST:
		work = longest[path];
		longest[path] = 0;
		return (int64_t)work;
	case LATENCY_BOUND:
		return work_paths[path].bound;
	case LATENCY_TOTAL:
		return (int64_t)state[cpu_self()->index].total;
	default:
		return E_ARGUMENT;
	}
}
