/* The architecture of the host library: a machine simulated in one process, so that the generic kernel runs
 * under sanitizers. See machine.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct thread;

/* Physical address 0 of the simulated machine, in this process. */
extern uint64_t host_direct_map;
#define ARCH_DIRECT_MAP host_direct_map

struct arch_registers {
	uint64_t arguments[6];
	uint64_t words[8];
	uint64_t pc, sp, fs_base, gs_base;
	int64_t status;
	uint64_t second, badge, info;
	bool restarted;
};

struct arch_vector_state {
	uint8_t bytes[512];
};

#define ARCH_PAGE_FAULT 14
#define HOST_TLB_SIZE   64

/* One CPU's translation cache: direct mapped by page number. */
struct host_tlb {
	uint64_t page; /* address */
	uint64_t entry;
	struct space *space;
};

struct arch_irq {
	unsigned slot; /* of host_lines */
};

struct arch_cpu {
	struct host_tlb tlb[HOST_TLB_SIZE];
	bool loaded_guest;
	bool ipi, in_ipi;
};

struct cpu *arch_cpu_self(void);
void arch_pause(void);
uint64_t arch_index(uint64_t index, uint64_t count);
uint64_t arch_argument(const struct thread *thread, unsigned index);
void arch_set_result(struct thread *thread, int64_t status, uint64_t second);
void arch_set_status(struct thread *thread, int64_t status);
void arch_message_copy(struct thread *to, const struct thread *from);
void arch_message_deliver(struct thread *to, int64_t status, uint64_t badge, uint64_t info);
void arch_message_word_set(struct thread *thread, unsigned index, uint64_t value);
void arch_syscall_restart(struct thread *thread);
uint64_t arch_thread_pc(const struct thread *thread);

/* Entries: frame, flags in the low bits, present in bit 3. */
static inline uint64_t arch_entry(uint64_t frame, uint32_t flags)
{
	return frame | (flags & 7) | 8 | (flags & 0x300 ? 16 : 0);
}

static inline bool arch_entry_writable(uint64_t entry)
{
	return entry & 2;
}

static inline uint64_t arch_entry_read_only(uint64_t entry)
{
	return entry & ~2ull;
}

static inline uint64_t arch_entry_frame(uint64_t entry)
{
	return entry & ~0xfffull;
}
