/* What the native runtime and programs on it need of the processor: x86-64. The other architectures' headers of this name
 * declare the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A system call of the substrate; *second, where it is wanted, its second result. */
static inline int64_t syscall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                               uint64_t f, uint64_t *second)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	register uint64_t r9 __asm__("r9") = f;
	int64_t result;
	__asm__ volatile("syscall"
	                 : "=a"(result), "+d"(c)
	                 : "a"(number), "D"(a), "S"(b), "r"(r10), "r"(r8), "r"(r9)
	                 : "rcx", "r11", "memory");
	if (second)
		*second = c;
	return result;
}

/* The counter that the substrate's clock counts by (struct clock_params). */
static inline uint64_t processor_counter(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return low | (uint64_t)high << 32;
}

static inline bool processor_feature(uint32_t leaf, unsigned word, unsigned bit)
{
	uint32_t a = 0, b = 0, c = 0, d = 0;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	if (a < leaf)
		return false;
	a = leaf;
	c = 0;
	__asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return (word == 1 ? b : c) >> bit & 1;
}

/* A word of the processor's generator: RDSEED, else RDRAND (Intel SDM volume 1, 7.3.17). False: there is none, or it has failed. */
static inline bool processor_random(uint64_t *word)
{
	uint8_t good = 0;
	bool seed = processor_feature(7, 1, 18);
	if (!seed && !processor_feature(1, 2, 30))
		return false;
	for (unsigned i = 0; i < 64 && !good; i++) {
		if (seed)
			__asm__ volatile("rdseed %0; setc %1" : "=r"(*word), "=qm"(good) : : "cc");
		else
			__asm__ volatile("rdrand %0; setc %1" : "=r"(*word), "=qm"(good) : : "cc");
	}
	return good;
}

static inline uint64_t processor_stack_pointer(void)
{
	uint64_t stack;
	__asm__("mov %%rsp, %0" : "=r"(stack));
	return stack;
}

/* Forward copy and fill, fast without vector registers. */
static inline void processor_copy(void *to, const void *from, size_t size)
{
	size_t words = size / 8;
	size_t rest = size % 8;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
}

static inline void processor_fill(void *to, uint8_t value, size_t size)
{
	uint64_t pattern = value * 0x0101010101010101ull;
	size_t words = size / 8;
	size_t rest = size % 8;
	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
}
