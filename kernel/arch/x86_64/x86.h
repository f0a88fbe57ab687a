/* Inside kernel/arch/x86_64: instructions C has no words for, the machine's constants, and what the files
 * here share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <holon/handoff.h>
#include <holon/syscall.h>
#include <arch.h>
#include <irq.h>
#include <space.h>
#include <thread.h>

/* ---- Registers (Intel SDM volume 3, chapters 2 and 4; volume 4) ---- */
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_AM (1ull << 18)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)

#define CR4_PAE        (1ull << 5)
#define CR4_MCE        (1ull << 6)
#define CR4_PGE        (1ull << 7)
#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP       (1ull << 11)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

#define MSR_APIC_BASE      0x1b
#define MSR_SPEC_CTRL      0x48
#define MSR_PRED_CMD       0x49
#define MSR_PAT            0x277
#define MSR_TSC_DEADLINE   0x6e0
#define MSR_X2APIC         0x800
#define MSR_EFER           0xc0000080u
#define MSR_STAR           0xc0000081u
#define MSR_LSTAR          0xc0000082u
#define MSR_FMASK          0xc0000084u
#define MSR_FS_BASE        0xc0000100u
#define MSR_GS_BASE        0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define EFER_SCE           (1ull << 0)
#define EFER_NXE           (1ull << 11)
#define EFER_AIBRSE        (1ull << 21)

#define FLAG_FIXED 0x2ull
#define FLAG_TF    0x100ull
#define FLAG_IF    0x200ull
/* What user mode may choose: arithmetic flags, TF, DF, RF, AC, ID. */
#define FLAGS_USER (0xcd5ull | FLAG_TF | 0x10000ull | 0x40000ull | 0x200000ull)
/* Cleared on SYSCALL: everything but the fixed bit. */
#define FLAGS_SYSCALL_MASK 0x257fd5ull

#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_BASE   0x23 /* SYSRET: stack 8, code 16 above */
#define SELECTOR_USER_DATA   0x2b /* as on Linux: programs compare them with those of their signal frames */
#define SELECTOR_USER_CODE   0x33
#define SELECTOR_TSS         0x18

#define VECTOR_NMI           2
#define VECTOR_BREAKPOINT    3
#define VECTOR_NO_VECTOR     7 /* "device not available" */
#define VECTOR_DOUBLE_FAULT  8
#define VECTOR_PAGE_FAULT    14
#define VECTOR_MACHINE_CHECK 18
#define VECTOR_IRQ                                                                                           \
	0xef /* delivery slots: from here down, so that IRR's last register has the first of them too */
#define VECTOR_IPI      0xf0
#define VECTOR_TIMER    0xf1
#define VECTOR_SPURIOUS 0xff

static inline uint64_t msr_read(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t tsc_read(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

struct cpuid {
	uint32_t a, b, c, d;
};

static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
	return r;
}

#define CONTROL_REGISTER(name)                                                                               \
	static inline uint64_t name##_read(void)                                                             \
	{                                                                                                    \
		uint64_t value;                                                                              \
                                                                                                             \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(value)::"memory");                             \
		return value;                                                                                \
	}                                                                                                    \
	static inline void name##_write(uint64_t value)                                                      \
	{                                                                                                    \
		__asm__ volatile("mov %0, %%" #name ::"r"(value) : "memory");                                \
	}
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)

#define PORT(bits, suffix)                                                                                   \
	static inline uint##bits##_t in##bits(uint16_t port)                                                 \
	{                                                                                                    \
		uint##bits##_t value;                                                                        \
                                                                                                             \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port));                          \
		return value;                                                                                \
	}                                                                                                    \
	static inline void out##bits(uint16_t port, uint##bits##_t value)                                    \
	{                                                                                                    \
		__asm__ volatile("out" suffix " %0, %1" ::"a"(value), "Nd"(port));                           \
	}
PORT(8, "b")
PORT(16, "w")
PORT(32, "l")

/* ---- cpu.c ---- */
extern struct cpu cpu_storage[CPU_MAX];
/* What the loader told of the machine. */
extern struct handoff_machine machine;

static inline bool has(enum handoff_x86_feature feature)
{
	return machine.features & feature;
}

/* Sets up the CPU this runs on as CPU: tables, control registers, system call entry, GS. */
void cpu_setup(struct cpu *cpu);
/* THREAD used a vector register while CR0.TS was set: loads its state. */
void vector_trap(struct thread *thread);

/* ---- debug.c ---- */
/* Whoever reads the log may know addresses and what registers held: of a development image. */
extern bool log_addresses;
/* Names every word from STACK up, of the kernel stack it is on, that looks like a return address. */
void backtrace_from(uint64_t pc, uint64_t stack);

/* ---- Page tables ---- */
#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_ACCESSED (1ull << 5)
#define PTE_ADDRESS  0x000ffffffffff000ull

/* ---- space.c ---- */
extern uint64_t
    kernel_root; /* physical: the loader's; upper half only; idle CPUs and new spaces start from it */
/* Loads the tables at ROOT if they are not loaded. */
void paging_load(struct cpu *cpu, uint64_t root);

/* ---- apic.c ---- */
void apic_init(void);
void apic_init_secondary(void);
void apic_end_of_interrupt(void);
/* Halts the other CPUs, for good, wherever they are: by an NMI, whose handler calls apic_obey_stop. */
void apic_stop_others(void);
void apic_obey_stop(void);

/* ---- clock.c ---- */
/* HERTZ, up to 2^36, as counts a nanosecond in 32.32 fixed point. */
uint64_t clock_tsc_at(uint64_t nanoseconds);
void clock_delay(uint64_t nanoseconds);

/* ---- smp.c ---- */
_Noreturn void cpu_secondary_entry(struct cpu *cpu);

/* ---- entry.S ---- */
extern uint8_t kernel_start[];
extern const uint8_t interrupt_stubs[]; /* 256 of INTERRUPT_STUB_BYTES */
/* Where a jump to TO is written over 5 bytes of code, where one of FEATURES is set. */
extern const struct guard {
	uint8_t *site;
	const uint8_t *to;
	uint64_t features;
} guards_start[], guards_end[];
void returns_fill(void); /* of the return stack, with places that lead nowhere */
extern const uint8_t interrupt_stub_nmi[], interrupt_stub_double_fault[], interrupt_stub_machine_check[];
void syscall_entry(void);
void secondary_entry(void);
