/* One CPU: what it can do, its descriptor tables, control registers and system call entry; switching between
 * threads.
 *
 * The features that the loader found on the first CPU hold for all.
 */
#include <unit.h>
#include "x86.h"

_Static_assert(__builtin_offsetof(struct cpu, self) == CPU_SELF_OFFSET,
               "arch_cpu_self and entry.S read gs:16");
_Static_assert(__builtin_offsetof(struct cpu, current) == 0, "entry.S reads gs:0");
_Static_assert(__builtin_offsetof(struct thread, registers) == ARCH_REGISTERS,
               "where the CPU and entry.S save");
_Static_assert(__builtin_offsetof(struct arch_registers, guest_mode) == 25 * 8,
               "entry.S counts the registers");
_Static_assert(__builtin_offsetof(struct guest_state, exit) == 20 * 8, "and the guest's");

struct handoff_machine machine;
struct cpu cpu_storage[CPU_MAX];

struct idt_gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, reserved;
};

static struct idt_gate idt[256] __attribute__((aligned(16)));

/* ---- Setting up ---- */

static void gate_set(unsigned vector, const void *entry, unsigned ist, unsigned ring)
{
	uint64_t address = (uint64_t)entry;

	idt[vector] = (struct idt_gate){
	    .offset_low = (uint16_t)address,
	    .selector = SELECTOR_KERNEL_CODE,
	    .ist = (uint8_t)ist,
	    .type = (uint8_t)(0x8e | ring << 5),
	    .offset_middle = (uint16_t)(address >> 16),
	    .offset_high = (uint32_t)(address >> 32),
	};
}

static void load_tables(struct cpu *cpu)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) table;
	uint64_t tss = (uint64_t)&cpu->arch.tss;

	if (!idt[0].selector) {
		for (unsigned vector = 0; vector < 256; vector++)
			gate_set(vector, interrupt_stubs + 16 * vector, 0,
			         vector == VECTOR_BREAKPOINT ? 3 : 0);
		gate_set(VECTOR_NMI, interrupt_stub_nmi, 1, 0);
		gate_set(VECTOR_DOUBLE_FAULT, interrupt_stub_double_fault, 2, 0);
		gate_set(VECTOR_MACHINE_CHECK, interrupt_stub_machine_check, 3, 0);
	}
	cpu->kernel_stack = HANDOFF_STACK((uint64_t)kernel_start, cpu->index);
	cpu->arch.tss = (struct arch_tss){.io_map = sizeof(struct arch_tss)};
	cpu->arch.tss.rsp[0] = cpu->kernel_stack;
	for (unsigned ist = 1; ist <= 3; ist++)
		cpu->arch.tss.ist[ist - 1] = HANDOFF_ALARM((uint64_t)kernel_start, cpu->index, ist);
	cpu->arch.gdt[SELECTOR_KERNEL_CODE / 8] = 0x00af9b000000ffffull;
	cpu->arch.gdt[SELECTOR_KERNEL_DATA / 8] = 0x00cf93000000ffffull;
	cpu->arch.gdt[SELECTOR_USER_DATA / 8] = 0x00cff3000000ffffull;
	cpu->arch.gdt[SELECTOR_USER_CODE / 8] = 0x00affb000000ffffull;
	cpu->arch.gdt[SELECTOR_TSS / 8] =
	    (sizeof(struct arch_tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56;
	cpu->arch.gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
	table.limit = sizeof cpu->arch.gdt - 1;
	table.base = (uint64_t)cpu->arch.gdt;
	__asm__ volatile("lgdt %0\n\t"
	                 "pushq %1\n\t"
	                 "lea 1f(%%rip), %%rax\n\t"
	                 "push %%rax\n\t"
	                 "lretq\n"
	                 "1:\tmov %2, %%eax\n\t"
	                 "mov %%eax, %%ss\n\t"
	                 "xor %%eax, %%eax\n\t"
	                 "mov %%eax, %%ds\n\t"
	                 "mov %%eax, %%es\n\t"
	                 "mov %%eax, %%fs\n\t"
	                 "mov %%eax, %%gs\n\t"
	                 "lldt %%ax" ::"m"(table),
	                 "i"(SELECTOR_KERNEL_CODE), "i"(SELECTOR_KERNEL_DATA)
	                 : "rax", "memory");
	table.limit = sizeof idt - 1;
	table.base = (uint64_t)idt;
	__asm__ volatile("lidt %0" ::"m"(table));
	__asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS));
}

void cpu_setup(struct cpu *cpu)
{
	uint64_t cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

	cpu->self = cpu;
	cr4 |= has(HANDOFF_X86_PGE) ? CR4_PGE : 0;
	cr4 |= has(HANDOFF_X86_SMEP) ? CR4_SMEP : 0;
	cr4 |= has(HANDOFF_X86_SMAP) ? CR4_SMAP : 0;
	cr4 |= has(HANDOFF_X86_UMIP) ? CR4_UMIP : 0;
	cr4 |= has(HANDOFF_X86_XSAVE) ? CR4_OSXSAVE : 0;
	cr4_write(cr4);
	cr0_write((cr0_read() & ~(CR0_EM | CR0_CD | CR0_NW)) | CR0_MP | CR0_NE | CR0_WP | CR0_AM | CR0_TS);
	if (has(HANDOFF_X86_XSAVE))
		__asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)machine.vector_mask),
		                 "d"((uint32_t)(machine.vector_mask >> 32)));
	/* Entry 1 (PTE bit PWT alone) becomes write-combining instead of write-through; SDM 3A, 12.12. */
	if (has(HANDOFF_X86_PAT))
		msr_write(MSR_PAT, 0x0007040600070106ull);
	load_tables(cpu);
	msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
	msr_write(MSR_STAR, (uint64_t)SELECTOR_USER_BASE << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
	msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
	msr_write(MSR_FMASK, FLAGS_SYSCALL_MASK);
	msr_write(MSR_FS_BASE, 0);
	msr_write(MSR_GS_BASE, (uint64_t)cpu);
	msr_write(MSR_KERNEL_GS_BASE, 0);
	if (has(HANDOFF_X86_AUTO_IBRS))
		msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_AIBRSE);
	if (machine.features >> HANDOFF_X86_SPEC_CTRL_SHIFT || has(HANDOFF_X86_ENTRY_IBRS))
		msr_write(MSR_SPEC_CTRL,
		          machine.features >> HANDOFF_X86_SPEC_CTRL_SHIFT | has(HANDOFF_X86_ENTRY_IBRS));
	cpu->arch.guarded = machine.features & (HANDOFF_X86_UNIT_IBPB | HANDOFF_X86_UNIT_RETURNS);
	cpu->arch.cr3 = cr3_read();
}

/* ---- Vector state ---- */

uint32_t arch_vector_bytes(void)
{
	return machine.vector_bytes;
}

void arch_vector_init(struct arch_vector_state *vector)
{
	*(uint16_t *)(vector->bytes) = 0x37f;       /* x87 control word: all exceptions masked */
	*(uint32_t *)(vector->bytes + 24) = 0x1f80; /* MXCSR likewise */
}

static void vector_save(struct arch_vector_state *vector)
{
	uint32_t low = (uint32_t)machine.vector_mask, high = (uint32_t)(machine.vector_mask >> 32);

	if (has(HANDOFF_X86_XSAVEOPT))
		__asm__ volatile("xsaveopt64 %0" : "+m"(*vector) : "a"(low), "d"(high) : "memory");
	else if (has(HANDOFF_X86_XSAVE))
		__asm__ volatile("xsave64 %0" : "+m"(*vector) : "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxsave64 %0" : "+m"(*vector)::"memory");
}

static void vector_load(const struct arch_vector_state *vector)
{
	uint32_t low = (uint32_t)machine.vector_mask, high = (uint32_t)(machine.vector_mask >> 32);

	if (has(HANDOFF_X86_XSAVE))
		__asm__ volatile("xrstor64 %0" ::"m"(*vector), "a"(low), "d"(high) : "memory");
	else
		__asm__ volatile("fxrstor64 %0" ::"m"(*vector) : "memory");
}

void vector_trap(struct thread *thread)
{
	__asm__ volatile("clts");
	vector_load(thread->vector);
	thread->registers.vector_used = cpu_self()->arch.vector_live = true;
}

/* ---- Switching ---- */

/* The rarer parts are calls of their own, so that the common switch saves no registers. */
#define RARE __attribute__((noinline))

/* NEXT's state, or for one that never used it an empty one: nothing of another thread's stays in the
 * registers, where speculation past CR0.TS could read it ("LazyFP", Stecklina and Prescher 2018). */
static RARE void vector_switch(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	static const struct {
		struct arch_vector_state state;
		uint64_t header[8];
	} __attribute__((aligned(64))) empty = {.state.bytes = {0x7f, 3, [24] = 0x80, 0x1f}};
	bool used = next && next->registers.vector_used;

	if (cpu->arch.vector_live)
		vector_save(previous->vector);
	else
		__asm__ volatile("clts");
	vector_load(used ? next->vector : &empty.state);
	cpu->arch.vector_live = used;
	if (!used)
		cr0_write(cr0_read() | CR0_TS);
}

/* Without FSGSBASE a user can change a base behind the kernel's back only to 0, by loading a selector; so 0
 * over 0 needs no write and anything else does. */
static RARE void bases_switch(struct cpu *cpu, const struct thread *next)
{
	if (cpu->arch.fs_base | next->registers.fs_base)
		msr_write(MSR_FS_BASE, next->registers.fs_base);
	if (cpu->arch.gs_base | next->registers.gs_base)
		msr_write(MSR_KERNEL_GS_BASE, next->registers.gs_base);
	cpu->arch.fs_base = next->registers.fs_base;
	cpu->arch.gs_base = next->registers.gs_base;
}

/* What the unit that ran last taught the branch predictors shall not guide NEXT. */
static RARE void guard_units(struct cpu *cpu, const struct thread *next)
{
	if (cpu->arch.unit_last == next->unit->id)
		return;
	cpu->arch.unit_last = next->unit->id;
	if (has(HANDOFF_X86_UNIT_IBPB))
		msr_write(MSR_PRED_CMD, 1);
	if (has(HANDOFF_X86_UNIT_RETURNS))
		returns_fill();
}

void arch_switch(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	if (cpu->arch.vector_live || (next && next->registers.vector_used))
		vector_switch(cpu, previous, next);
	if (!next)
		return;
	if (cpu->arch.guarded)
		guard_units(cpu, next);
	cpu->arch.tss.rsp[0] = (uint64_t)&next->registers.fs_base; /* just behind ss */
	if (cpu->arch.fs_base | cpu->arch.gs_base | next->registers.fs_base | next->registers.gs_base)
		bases_switch(cpu, next);
	struct space *space = next->guest_space;

	if (!space || (space->object.dead && !next->in_guest))
		space = next->space;
	if (space != cpu->space_loaded || next->in_guest || cpu->arch.cr3 != space->native_root)
		arch_space_load(space, next->in_guest);
}
