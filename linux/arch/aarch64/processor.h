/* What the personality tells its guests of the processor, and takes from it: AArch64. See x86_64's header of this name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* AT_HWCAP: floating point and Advanced SIMD, which every AArch64 processor that Linux runs on has. */
static inline uint64_t processor_hwcap(void)
{
	return 3;
}

/* FEAT_RNG: ID_AA64ISAR0_EL1 bits 60 to 63, which a kernel shows to user mode. */
static inline bool processor_has_random(void)
{
	uint64_t features;
	__asm__("mrs %0, id_aa64isar0_el1" : "=r"(features));
	return features >> 60;
}

static inline uint64_t processor_random(void)
{
	uint64_t value;
	__asm__ volatile("mrs %0, s3_3_c2_c4_0" : "=r"(value)::"cc"); /* RNDR */
	return value;
}

/* Between two looks at a word that another processor is about to change. */
static inline void processor_pause(void)
{
	__asm__ volatile("yield");
}
