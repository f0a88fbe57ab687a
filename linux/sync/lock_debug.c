/* The debug build's checks of locks: who holds which, and that they are taken in the order of enum lock_rank.
 */
#include "internal.h"

static bool locks_started; /* threads have areas */

void lock_checks_start(void)
{
	locks_started = true;
}

static _Noreturn void broken(const struct lock *lock, const char *what)
{
	const struct thread_area *area = current_area();
	linux_log("linux: lock %s (%lx): %s; held: %u, the last of rank %u; call %ld, mode %u\n",
	          lock_waits[lock->rank].name, (uint64_t)lock, what, area->lock_count,
	          area->lock_count ? area->lock_ranks[area->lock_count - 1] : 0,
	          area->task ? area->task->syscall_number : -1, area->common_mode);
	unit_exit(E_STATE);
}

static bool outside_order(const struct lock *lock)
{
	return lock->rank == LOCK_LOG || lock->rank == LOCK_BUFFER || lock->rank == LOCK_CHANGE;
}

void lock_check_wanted(const struct lock *lock)
{
	const struct thread_area *area = current_area();
	if (!locks_started || outside_order(lock))
		return;
	if (lock->rank <= LOCK_COMMON || lock->rank >= LOCK_RANKS)
		broken(lock, "was not made");
	if (lock->owner == area)
		broken(lock, "taken twice");
	if (area->common_mode == COMMON_NOT && lock->rank < LOCK_HEAP && lock->rank != LOCK_MM)
		broken(lock, "taken without the common lock");
	if (area->lock_count == LOCKS_HELD_MAX)
		broken(lock, "too many are held");
	uint32_t last = area->lock_count ? area->lock_ranks[area->lock_count - 1] : 0;
	bool several = lock->rank == LOCK_FUTEX || lock->rank == LOCK_EPOLL;
	if (lock->rank < last || (lock->rank == last && !several))
		broken(lock, "taken out of order");
}

void lock_check_taken(struct lock *lock)
{
	struct thread_area *area = current_area();
	if (!locks_started || outside_order(lock))
		return;
	lock->owner = area;
	area->lock_ranks[area->lock_count++] = (uint8_t)lock->rank;
}

void lock_check_released(struct lock *lock)
{
	struct thread_area *area = current_area();
	if (!locks_started || outside_order(lock))
		return;
	if (lock->owner != area)
		broken(lock, "released by another");
	lock->owner = 0;
	for (uint32_t i = area->lock_count; i-- > 0;) {
		if (area->lock_ranks[i] != lock->rank)
			continue;
		for (area->lock_count--; i < area->lock_count; i++)
			area->lock_ranks[i] = area->lock_ranks[i + 1];
		return;
	}
}

void lock_check_none(const char *when)
{
	const struct thread_area *area = current_area();
	if (!locks_started || !area->lock_count)
		return;
	linux_log("linux: call %ld %s with a lock of rank %u\n", area->task ? area->task->syscall_number : -1,
	          when, area->lock_ranks[area->lock_count - 1]);
	unit_exit(E_STATE);
}
