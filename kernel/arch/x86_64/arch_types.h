/* x86_64: saved registers, per-CPU data, and the operations on saved registers that are too small to call.
 *
 * struct arch_registers is the first member of struct thread and ends, in its first part, as the CPU pushes
 * an interrupt frame: the task state segment's RSP0 of a CPU points just behind `ss` of the current thread,
 * so the CPU itself saves the user's pc, flags and stack where they belong. `vector` says how the thread came
 * in: the vector of an interrupt or exception, or FRAME_SYSCALL, when rcx and r11 are the user's to lose and
 * SYSRET may lead back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct thread;

#define ARCH_DIRECT_MAP arch_direct_map() /* all RAM, writable, never executable */

#define FRAME_SYSCALL  0x100
#define FRAME_FULL     0x101 /* all registers count; left by IRET */
#define SYSCALL_LENGTH 2
#define ARCH_REGISTERS 64 /* offset of a thread's saved registers; asserted in cpu.c */

/* Whether the entry code may take the short way into and out of the guest. */
enum arch_guest_mode { GUEST_MODE_NONE = 0, GUEST_MODE_INSIDE = 1, GUEST_MODE_OUTSIDE = 2 };

struct arch_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp; /* as in struct guest_state and thread_state */
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
	uint64_t fs_base, gs_base; /* of user mode; loaded while the thread is current */
	uint64_t vector_used;      /* 1: it has vector state, loaded while it is current */
	uint64_t guest_mode;       /* enum arch_guest_mode */
} __attribute__((aligned(16)));
_Static_assert(__builtin_offsetof(struct arch_registers, fs_base) % 16 == 0,
               "the CPU aligns its stack to 16");

/* An XSAVE or FXSAVE area, 64-byte aligned; arch_vector_bytes() long. */
struct arch_vector_state {
	uint8_t bytes[512];
};

struct arch_tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, io_map;
} __attribute__((packed));

/* A line of an I/O APIC; none for a message. */
struct arch_irq {
	volatile uint32_t *ioapic;
	uint32_t pin, low; /* low: its redirection entry's, unmasked */
};

struct arch_cpu {
	struct arch_tss tss;
	uint64_t gdt[8] __attribute__((aligned(16)));
	uint64_t cr3;              /* loaded top-level table */
	uint64_t fs_base, gs_base; /* loaded for user mode */
	uint64_t timer_deadline;   /* ns, as last programmed */
	uint32_t apic_id;
	union {
		struct {
			bool
			    vector_live; /* CR0.TS is clear: the current thread may have changed the vector registers */
			bool guarded; /* there is something to do between units: guard_units */
		};
		uint16_t switch_slow; /* either */
	};
	uint64_t unit_last; /* id of the unit that ran last, where that is guarded */
};

/* Offsets in struct cpu; asserted in cpu.c. */
#define CPU_SELF_OFFSET 16

static inline struct arch_registers *arch_registers_of(const struct thread *thread)
{
	return (struct arch_registers *)((uintptr_t)thread + ARCH_REGISTERS);
}

static inline struct cpu *arch_cpu_self(void)
{
	struct cpu *cpu;

	__asm__("mov %%gs:%c1, %0" : "=r"(cpu) : "i"(CPU_SELF_OFFSET));
	return cpu;
}

static inline uint64_t arch_index(uint64_t index, uint64_t count)
{
	uint64_t mask;

	__asm__("cmp %2, %1\n\t"
	        "sbb %0, %0"
	        : "=r"(mask)
	        : "r"(index), "ri"(count)
	        : "cc");
	return index & mask;
}

/* Where the loader chose it to be: it writes the constant. */
static inline uint64_t arch_direct_map(void)
{
	uint64_t base;

	__asm__("movabs $direct_map, %0" : "=r"(base));
	return base;
}

static inline void arch_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* Argument INDEX (0..5) of the system call that THREAD is in: RDI RSI RDX R10 R8 R9. */
static inline uint64_t arch_argument(const struct thread *thread, unsigned index)
{
	const struct arch_registers *r = arch_registers_of(thread);
	const uint64_t *const places[] = {&r->rdi, &r->rsi, &r->rdx, &r->r10, &r->r8, &r->r9};

	return *places[index];
}

static inline void arch_set_result(struct thread *thread, int64_t status, uint64_t second)
{
	struct arch_registers *r = arch_registers_of(thread);

	r->rax = (uint64_t)status;
	r->rdx = second;
}

static inline void arch_set_status(struct thread *thread, int64_t status)
{
	arch_registers_of(thread)->rax = (uint64_t)status;
}

static inline void arch_message_copy(struct thread *to_thread, const struct thread *from_thread)
{
	struct arch_registers *to = arch_registers_of(to_thread);
	const struct arch_registers *from = arch_registers_of(from_thread);

	to->r8 = from->r8;
	to->r9 = from->r9;
	to->r10 = from->r10;
	to->r12 = from->r12;
	to->r13 = from->r13;
	to->r14 = from->r14;
	to->r15 = from->r15;
	to->rbx = from->rbx;
}

static inline void arch_message_deliver(struct thread *to, int64_t status, uint64_t badge, uint64_t info)
{
	struct arch_registers *r = arch_registers_of(to);

	r->rax = (uint64_t)status;
	r->rdi = badge;
	r->rsi = info;
}

static inline uint64_t *arch_message_slot(struct arch_registers *r, unsigned index)
{
	uint64_t *const places[] = {&r->r8, &r->r9, &r->r10, &r->r12, &r->r13, &r->r14, &r->r15, &r->rbx};

	return places[index];
}

static inline void arch_message_word_set(struct thread *thread, unsigned index, uint64_t value)
{
	*arch_message_slot(arch_registers_of(thread), index) = value;
}

#define ARCH_PAGE_FAULT 14 /* fault_record.vector of a page fault */

static inline uint64_t arch_thread_pc(const struct thread *thread)
{
	return arch_registers_of(thread)->rip;
}

static inline void arch_syscall_restart(struct thread *thread)
{
	arch_registers_of(thread)->rip -= SYSCALL_LENGTH;
}

/* Page-table entries of user translations. Accessed and dirty are set from the start, so that the CPU never
 * writes to an entry and software may edit it without atomic operations. FLAGS: MAP_READ 1, MAP_WRITE 2,
 * MAP_EXECUTE 4, ARCH_MAP_DEVICE 0x100, ARCH_MAP_WRITE_COMBINE 0x200. */
static inline uint64_t arch_entry(uint64_t frame, uint32_t flags)
{
	uint64_t entry = frame | 0x25; /* present, user, accessed */

	if (flags & 2)
		entry |= 0x42; /* writable, dirty */
	if (!(flags & 4))
		entry |= 1ull << 63;
	if (flags & 0x200)
		entry |= 0x8; /* the PAT entry that cpu_setup makes write-combining */
	else if (flags & 0x100)
		entry |= 0x18; /* uncached */
	return entry;
}

static inline bool arch_entry_writable(uint64_t entry)
{
	return entry & 2;
}

static inline uint64_t arch_entry_read_only(uint64_t entry)
{
	return entry & ~0x42ull;
}

static inline uint64_t arch_entry_frame(uint64_t entry)
{
	return entry & 0x000ffffffffff000ull;
}
