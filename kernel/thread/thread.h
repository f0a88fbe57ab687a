/* Threads.
 *
 * There is one kernel stack a CPU and the kernel is never preempted inside: a thread is its saved user
 * registers plus a state. A system call that must wait records what it waits for in the thread and returns to
 * the scheduler; whoever ends the wait writes the results into the saved registers. Long operations are
 * restarted system calls: they leave the program counter at the SYSCALL instruction and keep their progress
 * in the data structures.
 *
 * Ending a wait: thread->wait holds the state and the number of the wait in one word. Exactly one party ends
 * a wait: the one whose compare-and-swap (wait_claim) turns the waiting word into THREAD_READY. From then
 * until it hands the thread to sched_wake it alone touches the thread. See sched/wait.c for the whole
 * protocol.
 */
#pragma once

#include <holon/syscall.h>
#include "arch.h"
#include "budget.h"
#include "cpu.h"
#include "object.h"

struct channel;
struct event;
struct memory;
struct space;

enum thread_state_kind {
	THREAD_STOPPED = 0,
	THREAD_READY,     /* current, in its budget's queue, parked, or claimed and on its way there */
	THREAD_RECEIVING, /* on a channel (and perhaps its bound event) */
	THREAD_CALLING,   /* queued on a channel */
	THREAD_REPLY,     /* its call was received; waits for the reply */
	THREAD_EVENT,     /* waits for an event */
	THREAD_PAGER,     /* waits for a page */
	THREAD_DEAD,
};

#define WAIT_STATE(word)       ((enum thread_state_kind)((word)&0xff))
#define WAIT_WITH(word, state) (((word) & ~0xffull) | (state))
/* The word of a thread's next wait. */
#define WAIT_NEXT(word, state) (WAIT_WITH(word, state) + 0x100)

/* Requests from other CPUs, delivered through the mailbox of the thread's CPU. */
enum thread_request {
	REQUEST_WAKE = 1, /* results are in the registers: make it ready */
	REQUEST_LOOK = 2, /* halt, kick or budget changed: look at it */
};

enum thread_halt { HALT_NONE = 0, HALT_STOP, HALT_KILL };

struct thread {
	struct object object;            /* first, as in every object */
	struct arch_registers registers; /* entry code saves here */
	volatile uint64_t wait;          /* state in the low byte, number of the wait above */
	volatile uint32_t requests;      /* enum thread_request, pending */
	volatile uint8_t halt;           /* enum thread_halt */
	volatile uint8_t
	    on_cpu; /* 1 while a CPU has it as current, or is not yet done switching away from it */
	bool in_guest;
	volatile bool kicked;
	bool exits;   /* by itself: where it is the last one, its unit ends */
	bool donated; /* budget_current goes back to CALLER with the reply */
	bool rotate;  /* to the back of its budget's queue at the next choice */
	bool queued;  /* ready, and in its CPU's queues: its budget's, or the parked */
	bool parked;  /* ready but held back: in cpu->parked */
	struct thread *mailbox_next;
	struct cpu *cpu; /* whose run queue and mailbox: the CPU of budget_current while ready */
	struct unit *unit;
	struct list unit_node;
	struct space *space;                         /* native space */
	struct space *guest_space;                   /* chosen guest space, or 0 */
	struct thread_page *page;                    /* kernel address of the pinned page */
	struct guest_state *guest;                   /* kernel address of the pinned state page, or 0 */
	uint64_t guest_return_rsp, guest_return_rip; /* where guest_enter returns to */
	uint64_t fault_entry;
	uint64_t fault_pc;     /* where the last fault at the fault entry itself was */
	struct budget *budget; /* own, of its unit or one above it; 0 for passive threads */
	struct budget
	    *budget_current;     /* on which it runs now, as one of its users; 0 while receiving or lent */
	struct list holder_node; /* budget_current->holders */
	struct budget fallback;
	struct list queue_node; /* a budget's ready queue, a CPU's parked list, a channel's, event's or
	                           memory's queue */
	struct timer timeout;
	/* Calls */
	struct lock *queue_lock;         /* of the object it waits for: guards the queue it is in */
	struct timer **queue_ranked;     /* where that queue is one by rank (callers of a channel) */
	struct timer call_node;          /* its place there; else queue_node is */
	struct channel *channel;         /* THREAD_CALLING */
	struct channel *volatile serves; /* received on last, while that lives: in its servers */
	struct list serves_node;
	struct budget *volatile lent; /* counted: of a caller that waits for this thread; see sched/serve.c */
	uint64_t lent_for;            /* caller_wait of the request that LENT shall end */
	struct thread
	    *volatile caller; /* whose call this thread serves: the implicit one-shot reply capability */
	uint64_t caller_wait; /* the wait of CALLER that a reply ends */
	struct thread *volatile *reply; /* where a saved reply names this calling thread; 0 when not saved */
	struct thread *server;          /* while in THREAD_REPLY: who serves the call; 0 when saved */
	uint64_t badge, info;           /* of the message in flight */
	struct event *volatile event_bound; /* counted; who exchanges it for 0 drops the reference */
	uint64_t wanted_page;
	uint32_t pager_pass;              /* of memory's waking: the last one that passed this waiter */
	uint8_t pager_answer;             /* enum pager_answer, to its access to wanted_page */
	struct arch_vector_state *vector; /* XSAVE area */
	/* Sliced system calls: see calls.h. 0 when none is under way. */
	uint64_t progress;
	struct object *building; /* the object a sliced call makes; this thread holds its only reference */
	uint32_t sliced_call;    /* the number of the call that progress and building are of */
	bool reaping;            /* its call is done but for the objects it ended: see syscall.c */
	int64_t reap_result;
	uint64_t reap_second;
	char name[16];
};

/* OBJECT, or 0, is what THREAD's sliced call makes now; what it had begun ends. */
static inline void thread_build(struct thread *thread, struct object *object)
{
	if (thread->building)
		object_release(thread->building);
	thread->building = object;
}

/* The system call NUMBER begins or goes on. Between two slices user mode may put another call in the place of
 * the sliced one: what that call left is none of this one's. */
static inline void thread_resumes_call(struct thread *thread, uint64_t number)
{
	if (thread->sliced_call == (uint32_t)number)
		return;
	thread->sliced_call = (uint32_t)number;
	thread->progress = 0;
	thread_build(thread, 0);
}

/* In the personality's half of the address space. */
static inline bool native_address(uint64_t address)
{
	return address >= NATIVE_BASE && address < NATIVE_END;
}

static inline enum thread_state_kind thread_state(const struct thread *thread)
{
	return WAIT_STATE(thread->wait);
}

/* The one atomic transition that decides who ends a wait: true if THREAD was still in the wait WORD. Full
 * fence. */
static inline bool wait_claim(struct thread *thread, uint64_t word)
{
	return __atomic_compare_exchange_n(&thread->wait, &word, WAIT_WITH(word, THREAD_READY), false,
	                                   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Makes THREAD, whose wait the caller has claimed and whose results are in its registers, ready on the CPU of
 * its budget: gives it a budget if it has none, then enqueues it here or sends it there. */
void sched_wake(struct thread *thread);
/* Waits until the CPU that THREAD, claimed, began its wait on has switched away from it. */
void thread_await_cpu(const struct thread *thread);
/* Publishes that the current thread waits (STATE, its timeout armed unless DEADLINE_NEVER); the caller holds
 * the lock of the queue it is in. After this others may end the wait at any time. */
void wait_begin(struct thread *thread, enum thread_state_kind state, uint64_t deadline);
/* Takes THREAD, whose wait the caller has claimed, out of the queue it waited in. */
void wait_leave(struct thread *thread);
/* The first thread in QUEUE whose wait in STATE the caller could claim, out of the queue; 0: none. The queue's
 * lock is held. */
struct thread *wait_claim_first(struct list *queue, enum thread_state_kind state);
/* Ends the wait of the first thread in QUEUE, which LOCK guards, with RESULT; false: there is none. */
bool wait_end_first(struct lock *lock, struct list *queue, int64_t result);
/* Ends THREAD's wait, whatever it is, with RESULT and wakes it. False if it was not waiting (any more). */
bool thread_end_wait(struct thread *thread, int64_t result);
/* As above for the wait WORD alone. */
bool thread_end_this_wait(struct thread *thread, uint64_t word, int64_t result);

/* Queues THREAD, current, for PAGE of MEMORY; its instruction runs again when the wait ends, and returns 0; or what
 * its pager has answered: FAULT_PAGER_FAILED or FAULT_PAGER_FULL. Takes memory->lock. */
uint64_t thread_wait_pager(struct thread *thread, struct memory *memory, uint64_t page, bool write);
/* A fault in user mode: guest exit, fault entry, or the unit fails. */
void thread_fault(struct thread *thread, const struct fault_record *fault);
/* Stops (HALT_STOP) or kills (HALT_KILL) THREAD wherever it is. On return it does not run and will not, or
 * its CPU has been told and it will not reach user mode again. Bounded. No lock held. */
void thread_halt(struct thread *thread, enum thread_halt halt);
/* THREAD's unit ended, died, was frozen or thawed (state above UNIT_RUNNING or dead: the thread dies; frozen:
 * it does not run until told again). Bounded; other CPUs are told by mailbox. No lock held. */
void thread_review(struct thread *thread);
/* Asks THREAD's CPU to look at it: something in it changed. */
void thread_nudge(struct thread *thread);
/* THREAD, on its CPU, has been kicked: ends its wait or its stay in the guest. */
void thread_kicked(struct thread *thread);
/* A stopped thread of UNIT, whose own page is PAGE of PAGE_MEMORY; arguments were checked. It holds the only
 * reference to itself. 0 and *ERROR. */
struct thread *thread_new(struct unit *unit, struct space *space, struct budget *budget,
                          struct memory *page_memory, uint64_t page, const struct thread_spec *spec,
                          int64_t *error);
/* thread_finish. */
void thread_end(struct thread *thread);
/* Starts it if it is stopped. */
void thread_start(struct thread *thread);
