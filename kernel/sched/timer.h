/* Timers: per-CPU leftist heaps ordered by deadline, so arming, disarming and expiry cost O(log n) at worst.
 *
 * The heap also orders EDF budgets by their absolute deadline. Any CPU may disarm a timer of another one
 * (under that CPU's timer_lock, an innermost lock); only the CPU itself arms and expires. Disarming does not
 * reprogram the hardware: an interrupt that finds nothing due is harmless.
 *
 * Source of the heap: Crane, "Linear lists and priority queues as balanced binary trees", 1972.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;

struct timer {
	uint64_t deadline; /* ns since boot; the heap's key */
	struct timer *left, *right, *parent;
	uint32_t rank; /* length of the right spine; 0 outside of heaps */
	volatile bool armed;
	struct cpu *cpu; /* in whose heap */
	uint64_t mark;   /* the owner's: what was being waited for when this was armed */
	/* Called on the timer's CPU without locks, with the mark as it was when the timer ran out. */
	void (*expire)(struct timer *timer, uint64_t mark);
};

void heap_insert(struct timer **root, struct timer *node);
void heap_remove(struct timer **root, struct timer *node);

/* Arms TIMER on this CPU (re-arms it if it is). DEADLINE_NEVER disarms. */
void timer_arm(struct timer *timer, uint64_t deadline, uint64_t mark);
void timer_disarm(struct timer *timer);

/* Makes CPU, the current one, take a timer interrupt at DEADLINE (ns) at the latest. */
void timer_program(struct cpu *cpu, uint64_t deadline);
