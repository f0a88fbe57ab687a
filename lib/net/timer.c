/* The pairing heap of timer.h. */
#include "timer.h"
#include <stddef.h>

static struct timer *meld(struct timer *a, struct timer *b)
{
	if (!a)
		return b;
	if (!b)
		return a;
	if (b->deadline < a->deadline) {
		struct timer *swap = a;

		a = b;
		b = swap;
	}
	b->back = a;
	b->sibling = a->child;
	if (a->child)
		a->child->back = b;
	a->child = b;
	a->sibling = NULL;
	a->back = NULL;
	return a;
}

/* Melds a list of siblings into one heap: pairs from left to right, then all from right to left. */
static struct timer *meld_siblings(struct timer *first)
{
	struct timer *pairs = NULL, *heap = NULL;

	while (first) {
		struct timer *a = first, *b = a->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = a->back = NULL;
		if (b)
			b->sibling = b->back = NULL;
		a = meld(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct timer *next = pairs->sibling;

		pairs->sibling = NULL;
		heap = meld(heap, pairs);
		pairs = next;
	}
	return heap;
}

void timer_disarm(struct timers *timers, struct timer *timer)
{
	struct timer *rest;

	if (!timer->armed)
		return;
	rest = meld_siblings(timer->child);
	if (timers->root == timer) {
		timers->root = rest;
	} else {
		if (timer->back->child == timer)
			timer->back->child = timer->sibling;
		else
			timer->back->sibling = timer->sibling;
		if (timer->sibling)
			timer->sibling->back = timer->back;
		timers->root = meld(timers->root, rest);
	}
	timer->child = timer->sibling = timer->back = NULL;
	timer->armed = false;
}

void timer_arm(struct timers *timers, struct timer *timer, uint64_t deadline)
{
	timer_disarm(timers, timer);
	timer->deadline = deadline;
	timer->child = timer->sibling = timer->back = NULL;
	timer->armed = true;
	timers->root = meld(timers->root, timer);
}

struct timer *timer_due(struct timers *timers, uint64_t now)
{
	struct timer *first = timers->root;

	if (!first || first->deadline > now)
		return NULL;
	timer_disarm(timers, first);
	return first;
}
