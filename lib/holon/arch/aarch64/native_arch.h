/* What the native runtime and programs on it need of the processor: AArch64. See x86_64's header of this name.
 *
 * System calls: number in x8, arguments in x0 to x5, results in x0 and x1; all other registers are kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                               uint64_t f, uint64_t *second)
{
	register uint64_t x8 __asm__("x8") = number;
	register uint64_t x0 __asm__("x0") = a;
	register uint64_t x1 __asm__("x1") = b;
	register uint64_t x2 __asm__("x2") = c;
	register uint64_t x3 __asm__("x3") = d;
	register uint64_t x4 __asm__("x4") = e;
	register uint64_t x5 __asm__("x5") = f;
	__asm__ volatile("svc #0"
	                 : "+r"(x0), "+r"(x1)
	                 : "r"(x8), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
	                 : "memory");
	if (second)
		*second = x1;
	return (int64_t)x0;
}

static inline uint64_t processor_counter(void)
{
	uint64_t count;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
	return count;
}

/* A word of the processor's generator: RNDR, where ID_AA64ISAR0_EL1 bits 60 to 63, which a kernel shows to user mode, say so. False:
 * there is none, or it has failed. */
static inline bool processor_random(uint64_t *word)
{
	uint64_t features, failed;
	__asm__("mrs %0, id_aa64isar0_el1" : "=r"(features));
	if (!(features >> 60))
		return false;
	__asm__ volatile("mrs %0, s3_3_c2_c4_0\n\tcset %1, eq" : "=r"(*word), "=r"(failed)::"cc");
	return !failed;
}

static inline uint64_t processor_stack_pointer(void)
{
	uint64_t stack;
	__asm__("mov %0, sp" : "=r"(stack));
	return stack;
}

static inline void processor_copy(void *to, const void *from, size_t size)
{
	uint64_t a, b;
	for (; size >= 16; size -= 16)
		__asm__ volatile("ldp %2, %3, [%1], #16\n\tstp %2, %3, [%0], #16"
		                 : "+r"(to), "+r"(from), "=&r"(a), "=&r"(b)
		                 :
		                 : "memory");
	for (; size; size--)
		__asm__ volatile("ldrb %w2, [%1], #1\n\tstrb %w2, [%0], #1"
		                 : "+r"(to), "+r"(from), "=&r"(a)
		                 :
		                 : "memory");
}

static inline void processor_fill(void *to, uint8_t value, size_t size)
{
	uint64_t pattern = value * 0x0101010101010101ull;
	for (; size >= 16; size -= 16)
		__asm__ volatile("stp %1, %1, [%0], #16" : "+r"(to) : "r"(pattern) : "memory");
	for (; size; size--)
		__asm__ volatile("strb %w1, [%0], #1" : "+r"(to) : "r"(pattern) : "memory");
}
