/* Clocks and timers. Times are nanoseconds; monotonic = since boot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "linux_abi.h"
#include "list.h"

#define NS_PER_SECOND 1000000000ull
#define TICK_NS       10000000ull /* of times(2) and /proc: USER_HZ is 100 */

uint64_t clock_monotonic(void);
/* Monotonic plus the offset that clock_settime or the machine's clock gave. */
uint64_t clock_realtime(void);
struct linux_timespec clock_realtime_timespec(void);
void clock_set_realtime(uint64_t ns);
/* Linux clock id to its time; -EINVAL. CPU-time clocks included. */
/* A clock that a guest named, to be kept: by what number a CPU clock's task is known here; and its time. */
int32_t clock_keep(int32_t clock);
int clock_read_kept(int32_t clock, uint64_t *ns);
int clock_read(int32_t clock, uint64_t *ns);
/* A time on CLOCK (realtime, monotonic, boottime) as monotonic deadline. */
int clock_deadline(int32_t clock, uint64_t ns, uint64_t *deadline);

static inline struct linux_timespec timespec_of(uint64_t ns)
{
	return (struct linux_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}
/* ns, saturated at INT64_MAX, so that the time since boot may be added; -EINVAL for negative or unnormalised times. */
int timespec_ns(const struct linux_timespec *time, uint64_t *ns);
/* Saturated. */
static inline uint64_t timeval_ns(const struct linux_timeval *time)
{
	uint64_t seconds = (uint64_t)time->tv_sec;
	return seconds > INT64_MAX / NS_PER_SECOND - 1
	           ? INT64_MAX
	           : seconds * NS_PER_SECOND + (uint64_t)time->tv_usec * 1000;
}

static inline struct linux_timeval timeval_of(uint64_t ns)
{
	return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND / 1000)};
}
/* Copies a user timespec, as timespec_ns has it (0 address: *NS = UINT64_MAX). */
int get_user_timespec(uint64_t address, uint64_t *ns);
int put_user_timespec(uint64_t address, uint64_t ns);

/* A timer calls EXPIRE with the common lock held alone, at or after its deadline, from the timer worker.
 * Setting and cancelling is O(log n); a cancelled timer is never called. */
struct timer {
	struct timer *left, *right; /* pairing of the timer tree; owned by clock.c */
	struct timer *parent;
	uint32_t balance;
	bool armed;
	uint64_t deadline;
	void (*expire)(struct timer *timer);
};
void timer_set(struct timer *timer, uint64_t deadline);
void timer_cancel(struct timer *timer);
