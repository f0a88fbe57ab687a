/* What the personality tells its guests of the processor, and takes from it: AArch64. See x86_64's header of this name. */
#pragma once

#include <stdint.h>

#define FLAGS_STEP 0x200000u /* PSTATE.SS: an exception after each instruction */

/* AT_HWCAP: floating point and Advanced SIMD, which every AArch64 processor that Linux runs on has. */
static inline uint64_t processor_hwcap(void)
{
	return 3;
}

/* There is one form of vector state alone. */
static inline uint64_t processor_vector_states(uint32_t bytes)
{
	(void)bytes;
	return 0;
}

/* Between two looks at a word that another processor is about to change. */
static inline void processor_pause(void)
{
	__asm__ volatile("yield");
}
