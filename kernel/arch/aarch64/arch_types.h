/* AArch64: saved registers, per-CPU data, and the operations on saved registers that are too small to call. The port begins
 * with this header; so far the generic part of the kernel compiles with it (make check-aarch64).
 *
 * System calls: SVC; number in x8, arguments in x0 to x5, results in x0 and x1. Messages: words in x9 to x15 and x19, badge in
 * x1, info in x2.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct thread;

#define ARCH_DIRECT_MAP 0xffff800000000000ull /* all RAM, writable, never executable */
#define SYSCALL_LENGTH  4
#define ARCH_REGISTERS  64 /* offset of a thread's saved registers */

struct arch_registers {
	uint64_t x[31];
	uint64_t sp, pc, pstate;
	uint64_t tls, tls_read_only; /* TPIDR_EL0, TPIDRRO_EL0 */
	uint64_t vector_used;        /* 1: it has vector state, loaded while it is current */
} __attribute__((aligned(16)));

/* V0 to V31, FPCR, FPSR. */
struct arch_vector_state {
	uint8_t bytes[528];
};

struct arch_irq {
	uint64_t number;
};

struct arch_cpu {
	uint64_t translation_root; /* loaded TTBR0_EL1 */
	uint64_t timer_deadline;   /* ns, as last programmed */
	bool vector_live;
};

static inline struct arch_registers *arch_registers_of(const struct thread *thread)
{
	return (struct arch_registers *)((uintptr_t)thread + ARCH_REGISTERS);
}

static inline struct cpu *arch_cpu_self(void)
{
	struct cpu *cpu;

	__asm__("mrs %0, tpidr_el1" : "=r"(cpu));
	return cpu;
}

static inline uint64_t arch_index(uint64_t index, uint64_t count)
{
	uint64_t mask;

	__asm__("cmp %1, %2\n\t"
	        "csetm %0, lo\n\t"
	        "hint #20" /* CSDB */
	        : "=r"(mask)
	        : "r"(index), "r"(count)
	        : "cc");
	return index & mask;
}

static inline void arch_pause(void)
{
	__asm__ volatile("yield" ::: "memory");
}

static inline uint64_t arch_argument(const struct thread *thread, unsigned index)
{
	return arch_registers_of(thread)->x[index];
}

static inline void arch_set_result(struct thread *thread, int64_t status, uint64_t second)
{
	arch_registers_of(thread)->x[0] = (uint64_t)status;
	arch_registers_of(thread)->x[1] = second;
}

static inline void arch_set_status(struct thread *thread, int64_t status)
{
	arch_registers_of(thread)->x[0] = (uint64_t)status;
}

static inline uint64_t *arch_message_slot(struct arch_registers *r, unsigned index)
{
	return &r->x[index < 7 ? 9 + index : 19];
}

static inline void arch_message_copy(struct thread *to, const struct thread *from)
{
	for (unsigned index = 0; index < 8; index++)
		*arch_message_slot(arch_registers_of(to), index) =
		    *arch_message_slot(arch_registers_of(from), index);
}

static inline void arch_message_deliver(struct thread *to, int64_t status, uint64_t badge, uint64_t info)
{
	struct arch_registers *r = arch_registers_of(to);

	r->x[0] = (uint64_t)status;
	r->x[1] = badge;
	r->x[2] = info;
}

static inline void arch_message_word_set(struct thread *thread, unsigned index, uint64_t value)
{
	*arch_message_slot(arch_registers_of(thread), index) = value;
}

#define ARCH_PAGE_FAULT 14 /* fault_record.vector of a page fault, on every architecture */

static inline uint64_t arch_thread_pc(const struct thread *thread)
{
	return arch_registers_of(thread)->pc;
}

static inline void arch_syscall_restart(struct thread *thread)
{
	arch_registers_of(thread)->pc -= SYSCALL_LENGTH;
}

/* Page-table entries of user translations (Arm ARM, D8.3: VMSAv8-64 page descriptors, 4 KiB granule). The access flag is set
 * from the start; a writable page is writable, hardware management of dirty state is not used. FLAGS: MAP_READ 1, MAP_WRITE 2,
 * MAP_EXECUTE 4, ARCH_MAP_DEVICE 0x100, ARCH_MAP_WRITE_COMBINE 0x200. Memory attributes by MAIR_EL1: 0 normal, 1 device, 2
 * normal non-cacheable. */
static inline uint64_t arch_entry(uint64_t frame, uint32_t flags)
{
	uint64_t entry = frame | 3 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11 |
	                 1ull << 53; /* page, EL0, inner shareable, AF, nG, PXN */

	if (!(flags & 2))
		entry |= 1 << 7; /* read only */
	if (!(flags & 4))
		entry |= 1ull << 54; /* UXN */
	if (flags & 0x200)
		entry |= 2 << 2;
	else if (flags & 0x100)
		entry |= 1 << 2;
	return entry;
}

static inline bool arch_entry_writable(uint64_t entry)
{
	return !(entry & 1 << 7);
}

static inline uint64_t arch_entry_read_only(uint64_t entry)
{
	return entry | 1 << 7;
}

static inline uint64_t arch_entry_frame(uint64_t entry)
{
	return entry & 0x0000fffffffff000ull;
}
