/* Threads, budgets and the scheduler's state.
 *
 * There is one kernel stack a CPU and the kernel is never preempted inside: a thread is its saved user registers plus a
 * state. A system call that must wait records what it waits for in the thread and returns to the scheduler; whoever ends
 * the wait writes the results into the saved registers. Long operations are restarted system calls: they leave the
 * program counter at the SYSCALL instruction and keep their progress in the data structures.
 *
 * A budget belongs to one CPU and is what the run queue holds; each budget has a queue of its ready threads. A thread
 * runs on `budget_current`: its own, or the one lent by its caller. Exhausted budgets leave the run queue in O(1) and come
 * back at their replenishment, with all their threads.
 */
#pragma once

#include <holon/syscall.h>
#include "arch.h"
#include "object.h"

struct budget;
struct channel;
struct event;
struct cpu;

enum thread_state_kind {
	THREAD_STOPPED = 0,
	THREAD_READY,     /* in its budget's queue, or current */
	THREAD_RECEIVING, /* on a channel (and perhaps its bound event) */
	THREAD_CALLING,   /* queued on a channel */
	THREAD_REPLY,     /* its call was received; waits for the reply */
	THREAD_EVENT,     /* waits for an event */
	THREAD_PAGER,     /* waits for a page */
	THREAD_DEAD,
};

/* Requests from other CPUs, delivered through the mailbox of the thread's CPU. */
enum thread_request {
	REQUEST_WAKE = 1,   /* results are in the registers: make it ready */
	REQUEST_STOP = 2,   /* stop or kill: see thread->stop_requested, unit state */
	REQUEST_KICK = 4,
	REQUEST_MIGRATE = 8, /* move to the CPU of thread->budget */
	REQUEST_CANCEL = 16,
};

struct timer {
	uint64_t deadline; /* ns */
	struct timer *left, *right; /* per-CPU heap */
	struct timer *parent;
	void (*expire)(struct timer *timer);
	bool armed;
};

struct thread {
	struct arch_registers registers; /* first: entry code saves here */
	struct object object;
	struct lock lock; /* state changes against other CPUs */
	volatile uint32_t state;
	volatile uint32_t requests; /* enum thread_request, pending */
	struct thread *mailbox_next;
	struct cpu *cpu; /* whose run queue and mailbox; changes only while not running */
	struct unit *unit;
	struct list unit_node;
	struct space *space;       /* native space */
	struct space *guest_space; /* chosen guest space, or 0 */
	struct thread_page *page;  /* kernel address of the pinned page */
	struct guest_state *guest; /* kernel address of the pinned state page, or 0 */
	uint64_t guest_return_rsp, guest_return_rip; /* where guest_enter returns to */
	bool in_guest;
	volatile bool kicked;
	bool stop_requested;
	uint64_t fault_entry;
	struct budget *budget;         /* own; 0 for passive threads */
	struct budget *budget_current; /* on which it runs now; 0 while it has none */
	struct list queue_node; /* budget's ready queue, or the wait queue of channel/event/memory */
	struct timer timeout;
	/* Calls */
	struct channel *channel;  /* waited on, sending or receiving */
	struct thread *caller;    /* whose call this thread is serving (the implicit one-shot reply capability) */
	struct object *reply;     /* saved reply object that refers to this calling thread, or 0 */
	struct thread *server;    /* while in THREAD_REPLY: who serves the call; 0 when saved */
	uint64_t badge, info;     /* of the message in flight */
	struct event *event;       /* waited on */
	struct event *event_bound;
	struct memory *wanted_memory;
	uint64_t wanted_page;
	struct arch_vector_state *vector; /* XSAVE area */
	char name[16];
};

struct refill {
	uint64_t time, amount; /* ns */
};

#define REFILLS_MAX 8

struct budget {
	struct object object;
	struct cpu *cpu;
	uint32_t priority;
	bool best_effort, edf;
	uint64_t quota, period, deadline_relative;
	uint64_t deadline; /* absolute, EDF */
	uint64_t remaining; /* ns left in the head refill */
	struct refill refills[REFILLS_MAX];
	uint32_t refill_head, refill_count, refills_max;
	struct list ready;     /* threads */
	struct list run_node;  /* in the CPU's queue of its priority */
	struct timer replenish;
	uint64_t consumed; /* ns in all */
	uint32_t threads;  /* bound */
};

#define RUN_WORDS (PRIORITY_COUNT / 64)

struct cpu {
	struct thread *current; /* 0 = idle. First: entry code finds it at gs:0 */
	uint64_t scratch[2];
	uint64_t kernel_stack;
	uint32_t index;
	volatile uint32_t online;
	uint64_t run_bitmap[RUN_WORDS];
	struct list run[PRIORITY_COUNT];
	struct timer *timers; /* heap */
	uint64_t slice_start; /* ns, when current's budget was last charged */
	bool reschedule;
	struct thread *volatile mailbox; /* threads with requests: lock-free stack */
	volatile uint64_t shootdown_done, quiesced; /* acknowledgement counters */
	struct space *space_loaded;   /* whose translations are loaded */
	struct thread *vector_owner;  /* whose vector state is in the registers */
	struct object *graveyard;
	struct arch_cpu arch;
};

extern struct cpu *cpus[CPU_MAX];
extern uint32_t cpu_count;
static inline struct cpu *cpu_self(void)
{
	return arch_cpu_self();
}

/* sched/ */
void sched_init(struct cpu *cpu);
/* Makes THREAD ready on its CPU: directly when that is this one, else by mailbox. */
void sched_wake(struct thread *thread);
/* Takes THREAD, which runs on this CPU or is in a queue of it, out of scheduling (it has set its new state). */
void sched_block(struct thread *thread);
/* Charges the running budget up to now, chooses what runs next, switches space and vector state, and programs the timer.
 * Called once at the end of every kernel entry when cpu->reschedule is set. Never returns to the caller's thread by
 * itself: the entry code leaves to cpu->current. */
void sched_choose(struct cpu *cpu);
/* Hands the CPU from CURRENT straight to NEXT with CURRENT's budget_current (call and reply); no queue is touched. */
void sched_switch_donating(struct thread *current, struct thread *next);
void sched_timer(struct cpu *cpu);   /* timer interrupt */
void sched_mailbox(struct cpu *cpu); /* IPI: serve requests */
void timer_arm(struct timer *timer, uint64_t deadline); /* on this CPU */
void timer_disarm(struct timer *timer);
/* Ends THREAD's wait with RESULT in its result register and wakes it; nothing if it is not waiting. */
void thread_end_wait(struct thread *thread, int64_t result);
/* A fault in user mode: guest exit, fault entry, or the unit fails. */
void thread_fault(struct thread *thread, const struct fault_record *fault);
/* True when work should be cut here: an interrupt is pending or the slice is used up. */
bool preemption_pending(void);
/* Waits until every other CPU has left whatever kernel path it was on; serves this CPU's mailbox meanwhile. */
void cpu_quiesce(void);
