/* What the personality tells its guests of the processor, and takes from it: x86-64. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* AT_HWCAP: CPUID's first word of features. */
static inline uint64_t processor_hwcap(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/* True where the processor makes random numbers. */
static inline bool processor_has_random(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 30 & 1;
}

static inline uint64_t processor_random(void)
{
	uint64_t value = 0;
	__asm__ volatile("rdrand %0" : "=r"(value)::"cc");
	return value;
}

/* Between two looks at a word that another processor is about to change. */
static inline void processor_pause(void)
{
	__asm__ volatile("pause");
}
