/* Spin locks. The kernel runs with interrupts off, so a lock only ever waits for another CPU, and for a bounded time.
 *
 * Order (outer first): unit tree -> unit.lock -> object.cap_lock -> channel/event/thread lock -> space.lock ->
 * memory.lock -> frame lists. Two locks of one rank are taken in address order. No lock is held while waiting for
 * another CPU's acknowledgement (cpu_quiesce, space shootdowns).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lock {
	volatile uint16_t next, owner; /* ticket */
};

void lock_take(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);
