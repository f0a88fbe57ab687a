/* Saved registers of threads: first values, reading and changing them, and the long ways into and out of a
 * guest. */
#include <bytes.h>
#include <log.h>
#include "x86.h"

/* Where user mode may run or have its bases: the lower half below the last page, so that no address taken
 * from user registers can be non-canonical. */
static bool address_harmless(uint64_t address)
{
	return address < USER_END;
}

void arch_thread_init(struct thread *thread, uint64_t entry, uint64_t stack, const uint64_t argument[3])
{
	check((uintptr_t)thread % 16 == 0);
	thread->registers = (struct arch_registers){
	    .rdi = argument[0],
	    .rsi = argument[1],
	    .rdx = argument[2],
	    .rip = entry,
	    .rsp = stack,
	    .rflags = FLAG_IF | FLAG_FIXED,
	    .cs = SELECTOR_USER_CODE,
	    .ss = SELECTOR_USER_DATA,
	    .vector = FRAME_FULL,
	};
}

void arch_redirect(struct thread *thread, uint64_t pc)
{
	thread->registers.rip = pc;
	thread->registers.vector = FRAME_FULL;
}

/* Between saved registers and sixteen words as struct thread_state and struct guest_state begin: all but RSP
 * lie in the same order. */
static void words_get(const struct arch_registers *r, uint64_t words[16])
{
	__builtin_memcpy(words, &r->rax, 7 * sizeof *words);
	words[7] = r->rsp;
	__builtin_memcpy(words + 8, &r->r8, 8 * sizeof *words);
}

static void words_set(struct arch_registers *r, const uint64_t words[16])
{
	__builtin_memcpy(&r->rax, words, 7 * sizeof *words);
	r->rsp = words[7];
	__builtin_memcpy(&r->r8, words + 8, 8 * sizeof *words);
}

void arch_thread_state_get(struct thread *thread, struct thread_state *state)
{
	const struct arch_registers *r = &thread->registers;

	words_get(r, state->registers);
	state->pc = r->rip;
	state->flags = r->rflags;
	state->fs_base = r->fs_base;
	state->gs_base = r->gs_base;
	state->running_state = THREAD_STOPPED;
	state->vector_bytes = machine.vector_bytes;
	if (!thread->vector)
		return;
	memcpy(state->vector, thread->vector, machine.vector_bytes);
}

/* Copies a vector state from a page that user mode may write to. XRSTOR and FXRSTOR fault on reserved bits:
 * MXCSR's, and all of the XSAVE header but the mask of valid parts (SDM 1, 13.8 and 10.5.1.2). They never
 * reach TO, not even for a moment: another CPU may have been told to start the thread meanwhile. */
static bool vector_copy(uint8_t *to, const uint8_t *from)
{
	uint32_t mxcsr = *(volatile const uint32_t *)(from + 24);
	uint64_t header[8] = {0}, reserved = 0;

	if (has(HANDOFF_X86_XSAVE))
		memcpy(header, from + 512, sizeof header);
	__asm__ volatile("" ::: "memory"); /* read once */
	for (unsigned word = 1; word < 8; word++)
		reserved |= header[word];
	if (mxcsr & ~0xffffu || reserved || header[0] & ~machine.vector_mask)
		return false;
	memcpy(to, from, 24);
	*(uint32_t *)(to + 24) = mxcsr;
	memcpy(to + 28, from + 28, 512 - 28);
	if (has(HANDOFF_X86_XSAVE)) {
		*(uint64_t *)(to + 512) = header[0];
		memcpy(to + 576, from + 576, machine.vector_bytes - 576);
	}
	return true;
}

/* STATE may be in a page that user mode writes to meanwhile: every value is read once. */
bool arch_thread_state_set(struct thread *thread, const struct thread_state *state)
{
	struct arch_registers *r = &thread->registers;
	uint64_t v[16];
	uint64_t pc = *(volatile const uint64_t *)&state->pc;
	uint64_t flags = *(volatile const uint64_t *)&state->flags;
	uint64_t fs_base = *(volatile const uint64_t *)&state->fs_base;
	uint64_t gs_base = *(volatile const uint64_t *)&state->gs_base;
	uint32_t vector_bytes = *(volatile const uint32_t *)&state->vector_bytes;

	memcpy(v, state->registers, sizeof v);
	if (!address_harmless(pc) || !address_harmless(fs_base) || !address_harmless(gs_base))
		return false;
	if (vector_bytes != 0 && vector_bytes != machine.vector_bytes)
		return false;
	if (vector_bytes && thread->vector && !vector_copy(thread->vector->bytes, state->vector))
		return false;
	/* Point of no return. */
	words_set(r, v);
	r->rip = pc;
	r->rflags = (flags & FLAGS_USER) | FLAG_IF | FLAG_FIXED;
	r->fs_base = fs_base;
	r->gs_base = gs_base;
	r->vector = FRAME_FULL;
	return true;
}

static void bases_load(struct thread *thread)
{
	struct cpu *cpu = cpu_self();

	if (cpu->current != thread)
		return;
	cpu->arch.fs_base = thread->registers.fs_base;
	cpu->arch.gs_base = thread->registers.gs_base;
	msr_write(MSR_FS_BASE, cpu->arch.fs_base);
	msr_write(MSR_KERNEL_GS_BASE, cpu->arch.gs_base);
}

bool arch_thread_set_base(struct thread *thread, bool gs, uint64_t base)
{
	if (!address_harmless(base))
		return false;
	if (gs)
		thread->registers.gs_base = base;
	else
		thread->registers.fs_base = base;
	bases_load(thread);
	return true;
}

/* ---- Guests ---- */

bool arch_guest_enter(struct thread *thread)
{
	struct arch_registers *r = &thread->registers;
	struct guest_state g;

	memcpy(&g, thread->guest, sizeof g);
	if (!address_harmless(g.rip) || native_address(g.rip) || !address_harmless(g.fs_base) ||
	    !address_harmless(g.gs_base) || (g.rflags & ~(FLAGS_USER | FLAG_IF | FLAG_FIXED)))
		return false;
	/* Point of no return. */
	thread->guest_return_rsp = r->rsp;
	thread->guest_return_rip = r->rip;
	words_set(r, &g.rax);
	r->rip = g.rip;
	r->rflags = g.rflags | FLAG_IF | FLAG_FIXED;
	r->vector = g.rcx == g.rip && g.r11 == g.rflags ? FRAME_SYSCALL : FRAME_FULL;
	r->guest_mode = GUEST_MODE_INSIDE;
	thread->in_guest = true;
	if (g.fs_base != r->fs_base || g.gs_base != r->gs_base) {
		r->fs_base = g.fs_base;
		r->gs_base = g.gs_base;
		bases_load(thread);
	}
	arch_space_load(thread->guest_space, true);
	return true;
}

void arch_guest_exit(struct thread *thread, uint64_t reason, uint64_t vector, uint64_t error,
                     uint64_t address)
{
	struct arch_registers *r = &thread->registers;
	struct guest_state *guest = thread->guest;

	words_get(r, &guest->rax);
	guest->rip = r->rip, guest->rflags = r->rflags;
	guest->fs_base = r->fs_base, guest->gs_base = r->gs_base;
	guest->exit = reason, guest->vector = vector, guest->error = error, guest->address = address;
	r->rip = thread->guest_return_rip;
	r->rsp = thread->guest_return_rsp;
	r->rax = reason;
	r->rflags = FLAG_IF | FLAG_FIXED;
	r->vector = FRAME_FULL;
	r->guest_mode = GUEST_MODE_OUTSIDE;
	thread->in_guest = false;
	if (cpu_self()->current == thread)
		arch_space_load(thread->guest_space ? thread->guest_space : thread->space, false);
}
