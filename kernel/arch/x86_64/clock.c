/* Time: the time-stamp counter, measured once against a clock of known rate (the ACPI timer, or else the
 * 8254). */
#include <log.h>
#include "acpi.h"
#include "x86.h"

#define PM_TIMER_HZ 3579545ull
#define PIT_HZ      1193182ull
#define MEASURE_NS  10000000ull

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

/* Waits MEASURE_NS by the ACPI timer; the nanoseconds it really took, 0 if the timer stands still. */
static uint64_t wait_pm_timer(const struct acpi_info *info)
{
	uint32_t mask = info->pm_timer_32 ? UINT32_MAX : 0xffffff;
	uint32_t start = in32(info->pm_timer_port), elapsed = 0;
	uint32_t goal = (uint32_t)(PM_TIMER_HZ * MEASURE_NS / 1000000000);

	for (uint32_t tries = 0; elapsed < goal; tries++) {
		elapsed = (in32(info->pm_timer_port) - start) & mask;
		if (tries > 10000000)
			return 0;
	}
	return elapsed * 1000000000ull / PM_TIMER_HZ;
}

/* Channel 2 counts down once; its gate and output are bits 0 and 5 of port 0x61. */
static uint64_t wait_pit(void)
{
	uint32_t count = (uint32_t)(PIT_HZ * MEASURE_NS / 1000000000);

	out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1));
	out8(0x43, 0xb0);
	out8(0x42, (uint8_t)count);
	out8(0x42, (uint8_t)(count >> 8));
	for (uint32_t tries = 0; !(in8(0x61) & 0x20); tries++)
		if (tries > 10000000)
			return 0;
	return MEASURE_NS;
}

void clock_init(const struct acpi_info *info)
{
	uint64_t start, ns = 0, ticks = 0, timer = 0;

	for (unsigned source = info->pm_timer_port ? 0 : 1; source < 2 && !ns; source++) {
		apic_timer_begin();
		start = tsc_read();
		ns = source == 0 ? wait_pm_timer(info) : wait_pit();
		ticks = tsc_read() - start;
		timer = apic_timer_elapsed();
	}
	if (!ns || !ticks)
		panic("neither the ACPI timer nor the 8254 runs: the processor's clock cannot be measured");
	check(ns >> 32 == 0 && ticks >> 32 == 0);
	tsc_base = start;
	ticks_per_ns = (ticks << 32) / ns;
	apic_timer_frequency(timer, ns);
	clock.tsc_base = tsc_base;
	/* Programs get a multiplier of 32 bits; the kernel counts by the same one. */
	uint64_t rate = (ns << 32) / ticks;

	for (clock.shift = 32; rate > UINT32_MAX; rate >>= 1)
		clock.shift--;
	clock.multiplier = (uint32_t)rate;
	ns_per_tick = rate << (32 - clock.shift);
	clock.invariant = features.tsc_invariant;
}
