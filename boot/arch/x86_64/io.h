/* Port I/O and the few privileged instructions the loader uses. */
#pragma once

#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;
	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
	uint32_t value;
	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/* 32-bit code has no division of 64 bits but this, by parts. The divisor is not 0. */
static inline uint64_t divide(uint64_t dividend, uint32_t divisor)
{
	uint32_t high = (uint32_t)(dividend >> 32), rest = high % divisor, low;
	__asm__("divl %4" : "=a"(low), "=d"(rest) : "a"((uint32_t)dividend), "d"(rest), "rm"(divisor));
	return (uint64_t)(high / divisor) << 32 | low;
}

static inline uint64_t read_msr(uint32_t number)
{
	uint32_t low, high;
	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
	return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t number, uint64_t value)
{
	__asm__ volatile("wrmsr"
	                 :
	                 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(number)
	                 : "memory");
}

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid out;
	__asm__ volatile("cpuid"
	                 : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
	                 : "a"(leaf), "c"(subleaf));
	return out;
}
