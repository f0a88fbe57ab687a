/* Per-CPU state. Only the CPU itself writes it, but for mailbox, unpark and the timer heap (under
 * timer_lock). */
#pragma once

#include <holon/syscall.h>
#include "arch.h"
#include "list.h"
#include "lock.h"
#include "timer.h"

struct thread;
struct budget;
struct object;
struct space;

#define RUN_WORDS (PRIORITY_COUNT / 64)

struct cpu {
	struct thread *current; /* 0 = idle. First: entry code finds it at gs:0 */
	uint64_t scratch;
	struct cpu *self; /* gs:16 */
	uint64_t kernel_stack;
	uint32_t index;
	volatile uint32_t online;
	bool reschedule;       /* sched_choose must run before this kernel entry ends */
	bool blocked;          /* the current thread has begun to wait, stopped or left for another CPU */
	struct budget *budget; /* what is being charged: current's; 0 when idle */
	uint64_t charged_to;   /* ns: the running budget is charged up to here */
	uint64_t slice_end;    /* ns: when the running budget ends; DEADLINE_NEVER while nobody competes */
	uint64_t programmed;   /* ns: what the hardware timer is set to */
	uint64_t run_bitmap[RUN_WORDS];
	struct list run[PRIORITY_COUNT]; /* budgets with ready threads, and the running one */
	struct timer *edf;               /* heap of the budgets at PRIORITY_EDF, by deadline */
	struct list parked;              /* ready threads of frozen units */
	struct budget *volatile evict;   /* budget to be taken from its users; set by others when 0 */
	struct lock timer_lock;          /* innermost */
	struct timer *timers;            /* heap */
	struct thread *volatile mailbox; /* threads with requests: lock-free stack */
	struct thread *mail;             /* taken out of it, to be served next */
	/* How often others have asked for a flush, and how far that was answered; the newest ticket it has seen outside of
	 * all kernel paths: see flush.c. */
	volatile uint64_t flush_wanted, flush_done, passed;
	struct space *space_loaded; /* whose translations are loaded */
	uint64_t work;              /* units done, in kernels that count them: base/work_check.c */
	struct arch_cpu arch;
};

extern struct cpu *cpus[CPU_MAX];
extern uint32_t cpu_count;
static inline struct cpu *cpu_self(void)
{
	return arch_cpu_self();
}

void sched_init(struct cpu *cpu);
/* Charges the running budget up to now, chooses what runs next, switches space and vector state, and programs
 * the timer. Called once at the end of every kernel entry when cpu->reschedule is set; the entry code then
 * leaves to cpu->current. Bounded: looks at a fixed number of candidates, then idles and comes back. */
void sched_choose(struct cpu *cpu);
/* True when work should be cut here: an interrupt is pending or the scheduler wants to run. */
bool preemption_pending(void);
/* A ticket for what was made unreachable before: when a later cpu_await of it returns, on any CPU, every CPU has left whatever
 * kernel path it could have found that on. It waits only for those that have not by then, and serves this CPU's mailbox
 * meanwhile. The callers of both hold no lock and keep no object pointer but of what they made unreachable themselves. */
uint64_t cpu_ticket(void);
void cpu_await(uint64_t ticket);
/* One round of what a CPU must do while it waits for another one inside the kernel: mailbox, shootdowns,
 * quiescence. */
void cpu_serve(struct cpu *cpu);
