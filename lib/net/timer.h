/* Timers: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) inside the objects that wait.
 *
 * Arming and disarming take constant amortised time for the first, O(log n) amortised for the second; nothing
 * is allocated and nothing recurses.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct net;
struct timer;
typedef void timer_expire(struct net *net, struct timer *timer);

struct timer {
	struct timer *child, *sibling;
	struct timer *back; /* the previous sibling, or of a first child its parent; 0 for the root */
	uint64_t deadline;  /* ns */
	timer_expire *expire;
	bool armed;
};

struct timers {
	struct timer *root;
};

/* (Re)arms TIMER for DEADLINE; its expire must be set. */
void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline);
void timer_disarm(struct timers *timers, struct timer *timer);
/* Takes out and returns the first timer due at NOW, or 0. */
struct timer *timer_due(struct timers *timers, uint64_t now);
