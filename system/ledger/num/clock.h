/* Time that goes on evenly, whatever is done to the machine's clock. */
#ifndef LEDGER_CLOCK_H
#define LEDGER_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline time_t monotonic_seconds(void)
{
	return monotonic_ms() / 1000;
}

#endif
