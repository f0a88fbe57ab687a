/* The page that the personality fills and the vDSO reads. The sequence is odd while it changes. */
#pragma once

#include <stdint.h>

struct vdso_data {
	volatile uint32_t sequence;
	uint32_t usable; /* 0: the counter does not run evenly; make the system call */
	uint64_t tsc_base, ns_base;
	uint32_t multiplier, shift;
	uint64_t realtime_offset; /* ns to add to the monotonic clock */
};
