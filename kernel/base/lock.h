/* Spin locks. The kernel runs with interrupts off, so a lock only ever waits for another CPU, and for a
 * bounded time.
 *
 * Order (outer first): unit tree -> unit.lock -> channel/event/thread lock -> space.lock -> memory.lock
 * -> object.cap_lock -> unit.slot_lock -> unit.heap_lock -> frame lists. Two locks of one rank are taken in
 * address order. No lock is held while waiting for another CPU's acknowledgement (cpu_await, flush_all).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lock {
	volatile uint16_t next, owner; /* ticket: the next to be drawn, the one being served */
};

static inline bool lock_try(struct lock *lock)
{
	uint16_t owner = __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE);
	uint16_t next = owner;

	return __atomic_compare_exchange_n(&lock->next, &next, (uint16_t)(owner + 1), false, __ATOMIC_ACQUIRE,
	                                   __ATOMIC_RELAXED);
}

/* At this moment nobody has it; what who had it did is seen. */
static inline bool lock_idle(const struct lock *lock)
{
	return lock->next == __atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE);
}

#ifndef LOCK_POINT /* the host's tests let other CPUs act here */
#define LOCK_POINT()   ((void)0)
#define UNLOCK_POINT() ((void)0)
#endif

/* Waits for its turn; see lock.c. */
void lock_wait(struct lock *lock, uint16_t ticket);

static inline void lock_take(struct lock *lock)
{
	uint16_t ticket;

	LOCK_POINT();
	ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_ACQUIRE);
	if (__builtin_expect(__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket, 0))
		lock_wait(lock, ticket);
}

static inline void lock_release(struct lock *lock)
{
	UNLOCK_POINT();
	__atomic_store_n(&lock->owner, (uint16_t)(lock->owner + 1), __ATOMIC_RELEASE);
	UNLOCK_POINT();
}
