/* Time: the time-stamp counter, whose rate the loader measured. */
#include "x86.h"

static uint64_t tsc_base;
static uint64_t ns_per_tick;  /* 32.32 fixed point */
static uint64_t ticks_per_ns; /* 32.32 fixed point */
static struct clock_params clock;

static uint64_t scale(uint64_t value, uint64_t factor)
{
	return (uint64_t)((unsigned __int128)value * factor >> 32);
}

uint64_t arch_clock_ns(void)
{
	return scale(tsc_read() - tsc_base, ns_per_tick);
}

uint64_t clock_tsc_at(uint64_t nanoseconds)
{
	unsigned __int128 ticks = (unsigned __int128)nanoseconds * ticks_per_ns >> 32;

	return ticks >> 62 ? UINT64_MAX >> 1 : tsc_base + (uint64_t)ticks + 1;
}

void clock_delay(uint64_t nanoseconds)
{
	uint64_t end = arch_clock_ns() + nanoseconds;

	while (arch_clock_ns() < end)
		arch_pause();
}

void arch_clock_params(struct clock_params *params)
{
	*params = clock;
}

uint64_t clock_ratio(uint64_t hertz)
{
	return (hertz << 27) / 1000000000 << 5;
}

void clock_init(void)
{
	/* Programs get a multiplier of 32 bits; the kernel counts by the same one. */
	uint64_t rate = (1000000000ull << 32) / machine.clock_hz;

	tsc_base = tsc_read();
	ticks_per_ns = clock_ratio(machine.clock_hz);
	clock.tsc_base = tsc_base;
	for (clock.shift = 32; rate > UINT32_MAX; rate >>= 1)
		clock.shift--;
	clock.multiplier = (uint32_t)rate;
	ns_per_tick = rate << (32 - clock.shift);
	clock.invariant = has(HANDOFF_X86_TSC_INVARIANT);
}
