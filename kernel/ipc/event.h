/* Events: one word of bits, any number of waiters, at most one bound thread, one timer. */
#pragma once

#include "object.h"
#include "timer.h"

struct thread;

struct event {
	struct object object;
	struct lock lock;
	volatile uint64_t bits;
	struct list waiters;           /* THREAD_EVENT: queue_node, first come, first served */
	struct thread *volatile bound; /* guarded by lock; its channel_receive ends when bits arrive */
	struct timer timer;
};

/* Ors BITS in and wakes one waiter, or the bound thread if it is receiving. Any context, bounded. */
void event_signal(struct event *event, uint64_t bits);
/* EVENT's bits as the result of THREAD's wait for it, or (BOUND) of its receive; false: there are none. */
bool event_take(struct event *event, struct thread *thread, bool bound);
void event_unbind(struct thread *thread);
