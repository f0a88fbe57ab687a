/* What the personality tells its guests of the processor, and takes from it: x86-64. */
#pragma once

#include <stdint.h>

#define FLAGS_STEP 0x100u /* a debug exception after each instruction */

/* AT_HWCAP: CPUID's first word of features. */
static inline uint64_t processor_hwcap(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/* The states that XSAVE keeps, of which a thread's take BYTES: XCR0, as the kernel has set it; 0: it uses FXSAVE. */
static inline uint64_t processor_vector_states(uint32_t bytes)
{
	uint32_t low = 0, high = 0;
	if (bytes > 512)
		__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

/* Between two looks at a word that another processor is about to change. */
static inline void processor_pause(void)
{
	__asm__ volatile("pause");
}
