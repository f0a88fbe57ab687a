/* Budgets: how much of one CPU, at what priority.
 *
 * An admitted budget is a sporadic server (Sprunt, Sha and Lehoczky 1989, with the corrections of Stanovich
 * et al., "Defects of the POSIX sporadic server", RTAS 2010): what it consumes comes back one period after it
 * began to be consumed, in at most REFILLS_MAX pieces. A best-effort budget (priority up to
 * PRIORITY_BEST_EFFORT_MAX) is never throttled; its quota is the slice of its round robin.
 *
 * A thread in any state but THREAD_RECEIVING and those whose call is served on a donating channel holds one
 * counted reference on the budget it runs on (thread->budget_current). Donation moves pointer and reference
 * to the server, the reply moves them back: no counting on the hot path. A budget that is dead (its unit or
 * capability is gone) is noticed when its threads are next enqueued or chosen: they go on with their own, or
 * else with their fallback.
 */
#pragma once

#include <holon/syscall.h>
#include "object.h"
#include "timer.h"

struct cpu;
struct thread;

#define REFILLS_MAX           8
#define BUDGET_QUOTA_MIN_NS   10000ull               /* 10 us: also the smallest refill worth a timer */
#define BUDGET_PERIOD_MAX_NS  (1000000000ull * 3600) /* keeps the utilisation arithmetic within 64 bits */
#define BUDGET_FALLBACK_SLICE 1000000ull             /* ns */

struct refill {
	uint64_t time, amount; /* ns: AMOUNT may be consumed from TIME on */
};

/* The sporadic server's arithmetic, free of scheduling (tested against a brute-force model). */
struct refills {
	struct refill ring[REFILLS_MAX];
	uint32_t head, count, max;
	uint64_t period;
};

void refills_init(struct refills *refills, uint64_t quota, uint64_t period, uint32_t max, uint64_t now);
/* Consumes USED ns ending at NOW. The sum of all amounts never changes. */
void refills_charge(struct refills *refills, uint64_t used);
/* The budget was idle until NOW: what has become available is one refill beginning now. */
void refills_activate(struct refills *refills, uint64_t now);
/* ns that may be consumed at NOW; 0: wait until refills_next(). */
uint64_t refills_available(const struct refills *refills, uint64_t now);
uint64_t refills_next(const struct refills *refills);

struct budget {
	struct object object;
	struct object
	    *anchor; /* what references to this budget count: itself, or the thread a fallback is part of */
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
	volatile uint64_t consumed; /* ns in all */
};

void budget_setup(struct budget *budget, struct cpu *cpu, const struct budget_spec *spec, uint64_t now);
void budget_put(struct budget *budget);
static inline void budget_get(struct budget *budget)
{
	object_reference(budget->anchor);
}
/* The CPU's share BUDGET takes, parts per million, rounded up. 0: best effort. */
uint32_t budget_share(const struct budget_spec *spec);
/* E_OK, or E_ARGUMENT or E_QUOTA_CPU when SPEC is not one that UNIT may have. */
int64_t budget_check(const struct unit *unit, const struct budget_spec *spec);
/* The owner's death or the last reference: gives its share back; the object's memory goes with its last
 * reference. */
void budget_destroy(struct budget *budget);
