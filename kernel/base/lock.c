/* The slow path of spin locks: waiting for another CPU. */
#include "arch.h"
#include "lock.h"

void lock_wait(struct lock *lock, uint16_t ticket)
{
	while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)
		arch_pause();
}
