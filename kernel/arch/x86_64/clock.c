/* Time: the time-stamp counter, by the factors that the loader measured. */
#include "x86.h"

uint64_t arch_clock_ns(void)
{
	return (uint64_t)((unsigned __int128)(tsc_read() - machine.clock_start) * machine.clock_period >> 32);
}

uint64_t clock_tsc_at(uint64_t nanoseconds)
{
	unsigned __int128 ticks = (unsigned __int128)nanoseconds * machine.clock_ratio >> 32;

	return ticks >> 62 ? UINT64_MAX >> 1 : machine.clock_start + (uint64_t)ticks + 1;
}

void clock_delay(uint64_t nanoseconds)
{
	uint64_t end = arch_clock_ns() + nanoseconds;

	while (arch_clock_ns() < end)
		arch_pause();
}

/* Programs get a multiplier of 32 bits; the kernel counts by the same one. */
void arch_clock_params(struct clock_params *params)
{
	*params = (struct clock_params){
	    .tsc_base = machine.clock_start,
	    .multiplier = machine.clock_multiplier,
	    .shift = machine.clock_shift,
	    .invariant = has(HANDOFF_X86_TSC_INVARIANT),
	};
}
