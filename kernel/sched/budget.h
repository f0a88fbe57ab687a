/* Budgets: how much of one CPU, at what priority.
 *
 * An admitted budget is a sporadic server (Sprunt, Sha and Lehoczky 1989, with the corrections of Stanovich
 * et al., "Defects of the POSIX sporadic server", RTAS 2010): what it consumes comes back one period after it
 * began to be consumed, in at most REFILLS_MAX pieces. A best-effort budget (priority up to
 * PRIORITY_BEST_EFFORT_MAX) is never throttled; its quota is the slice of its round robin.
 *
 * A thread counts as a user of the budget it runs on (thread->budget_current); a thread in THREAD_RECEIVING
 * has none. Donation moves the pointer to the server, the reply moves it back: no counting on the hot path. A
 * foreign user that is neither running nor ready is in budget->holders, so that the budget of a dying unit
 * can be taken from all its users (budget_evict): they go on with their own budget, or else with their
 * fallback, a best-effort budget such as their unit could have made itself.
 */
#pragma once

#include <holon/syscall.h>
#include "object.h"
#include "timer.h"

struct cpu;
struct thread;
struct unit;

#define REFILLS_MAX           8
#define BUDGET_QUOTA_MIN_NS   10000ull   /* 10 us: also the smallest refill worth a timer */
#define BUDGET_FALLBACK_SLICE 1000000ull /* ns */

struct refill {
	uint64_t time, amount; /* ns: AMOUNT may be consumed from TIME on */
};

/* The sporadic server's arithmetic, free of scheduling (tested against a brute-force model). */
struct refills {
	struct refill ring[REFILLS_MAX];
	uint32_t head, count, max;
	uint64_t period;
};

/*@ logic integer place(integer head, integer i) = head + i < REFILLS_MAX ? head + i : head + i - REFILLS_MAX;
    logic integer amount(struct refills *r, integer i) = r->ring[place(r->head, i)].amount;
    logic integer part(struct refills *r, integer count, integer i) = i < count ? amount(r, i) : 0;
    logic integer whole(struct refills *r, integer count) =
      part(r, count, 0) + part(r, count, 1) + part(r, count, 2) + part(r, count, 3) +
      part(r, count, 4) + part(r, count, 5) + part(r, count, 6) + part(r, count, 7);
    predicate filled(struct refills *r, integer i) = i < r->count ==> amount(r, i) > 0;
    predicate all_filled(struct refills *r) =
      filled(r, 0) && filled(r, 1) && filled(r, 2) && filled(r, 3) && filled(r, 4) && filled(r, 5) &&
      filled(r, 6) && filled(r, 7);
    predicate refills_good(struct refills *r) =
      \valid(r) && r->head < REFILLS_MAX && 1 <= r->count <= r->max && 2 <= r->max <= REFILLS_MAX &&
      all_filled(r) && whole(r, r->count) <= BUDGET_PERIOD_MAX_NS;
*/

/*@ requires \valid(refills) && 2 <= max <= REFILLS_MAX && 0 < quota <= BUDGET_PERIOD_MAX_NS;
    assigns *refills;
    ensures refills_good(refills);
    ensures whole(refills, refills->count) == quota;
*/
void refills_init(struct refills *refills, uint64_t quota, uint64_t period, uint32_t max, uint64_t now);
/* Consumes USED ns ending at NOW. The sum of all amounts never changes. */
void refills_charge(struct refills *refills, uint64_t used);
/* The budget was idle until NOW: what has become available is one refill beginning now. */
void refills_activate(struct refills *refills, uint64_t now);
/* ns that may be consumed at NOW; 0: wait until refills_next(). */
/*@ requires \valid_read(refills) && refills->head < REFILLS_MAX;
    assigns \nothing;
    ensures \result == 0 || \result == refills->ring[refills->head].amount;
*/
uint64_t refills_available(const struct refills *refills, uint64_t now);
/*@ requires \valid_read(refills) && refills->head < REFILLS_MAX;
    assigns \nothing;
*/
uint64_t refills_next(const struct refills *refills);

struct budget {
	struct object object;
	struct cpu *cpu;
	uint32_t priority,
	    share; /* share: ppm of the CPU, admitted budgets; charged to the owner's share of it */
	bool best_effort, edf, queued, throttled;
	uint64_t quota, deadline_relative;
	int64_t slice_left; /* best effort, ns */
	struct refills refills;
	struct list ready;     /* runnable threads but the running one */
	struct list run_node;  /* in the CPU's queue of its priority while queued (not EDF) */
	struct timer edf_node; /* in the CPU's EDF heap while queued */
	struct timer replenish;
	struct lock lock;           /* holders; innermost */
	struct list holders;        /* thread.holder_node */
	volatile uint32_t users;    /* threads whose budget_current this is */
	volatile bool evicted;      /* dead, and no longer used or queued */
	volatile uint64_t consumed; /* ns in all */
};

/* Puts SPEC into BUDGET, which is in no queue. */
void budget_configure(struct budget *budget, const struct budget_spec *spec, uint64_t now);
void budget_setup(struct budget *budget, struct cpu *cpu, const struct budget_spec *spec, uint64_t now);
/* The CPU's share BUDGET takes, parts per million, rounded up. 0: best effort. */
/*@ requires \valid_read(spec);
    requires spec->priority > PRIORITY_BEST_EFFORT_MAX ==>
      0 < spec->quota_ns <= spec->period_ns <= BUDGET_PERIOD_MAX_NS;
    assigns \nothing;
    ensures spec->priority <= PRIORITY_BEST_EFFORT_MAX ==> \result == 0;
    ensures spec->priority > PRIORITY_BEST_EFFORT_MAX ==>
      \result * spec->period_ns >= spec->quota_ns * 1000000 && \result <= 1000000;
*/
uint32_t budget_share(const struct budget_spec *spec);
/* E_OK, or E_ARGUMENT or E_QUOTA_CPU when SPEC is not one that UNIT may have. */
int64_t budget_check(const struct unit *unit, const struct budget_spec *spec);
/* Takes the dead BUDGET from its users, a slice a call; true when none is left and it is in no queue. */
bool budget_evict(struct budget *budget);
/* On the budget's CPU: a new specification; gives it fresh refills. */
void budget_reconfigure(struct budget *budget, const struct budget_spec *spec);
/* On the budget's CPU: its replenishment has come. */
void budget_unthrottle(struct budget *budget);
/* A new budget of OWNER with one reference; SPEC is checked but for the owner's share. 0 and *ERROR. */
struct budget *budget_create(struct unit *owner, const struct budget_spec *spec, int64_t *error);
