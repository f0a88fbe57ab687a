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

static bool native_address(uint64_t address)
{
	return address >= NATIVE_BASE && address < NATIVE_END;
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

void arch_thread_state_get(struct thread *thread, struct thread_state *state)
{
	const struct arch_registers *r = &thread->registers;
	uint64_t values[16] = {r->rax, r->rbx, r->rcx, r->rdx, r->rsi, r->rdi, r->rbp, r->rsp,
	                       r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};

	memcpy(state->registers, values, sizeof values);
	state->pc = r->rip;
	state->flags = r->rflags;
	state->fs_base = r->fs_base;
	state->gs_base = r->gs_base;
	state->running_state = thread_state(thread);
	state->vector_bytes = features.vector_bytes;
	if (!thread->vector)
		return;
	vector_sync(cpu_self(), thread);
	memcpy(state->vector, thread->vector, features.vector_bytes);
}

/* XRSTOR and FXRSTOR fault on reserved bits: MXCSR's, and all of the XSAVE header but the mask of valid parts
 * (SDM 1, 13.8 and 10.5.1.2). */
static bool vector_harmless(const uint8_t *vector)
{
	uint32_t mxcsr;
	uint64_t header[8];

	memcpy(&mxcsr, vector + 24, sizeof mxcsr);
	if (mxcsr & ~0xffffu)
		return false;
	if (!features.xsave)
		return true;
	memcpy(header, vector + 512, sizeof header);
	for (unsigned word = 1; word < 8; word++)
		if (header[word])
			return false;
	return !(header[0] & ~features.vector_mask);
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
	if (vector_bytes != 0 && vector_bytes != features.vector_bytes)
		return false;
	if (vector_bytes && thread->vector) {
		vector_forget(cpu_self(), thread);
		memcpy(thread->vector, state->vector, vector_bytes);
		if (!vector_harmless(thread->vector->bytes)) {
			arch_vector_init(thread->vector);
			return false;
		}
	}
	/* Point of no return. */
	r->rax = v[0], r->rbx = v[1], r->rcx = v[2], r->rdx = v[3];
	r->rsi = v[4], r->rdi = v[5], r->rbp = v[6], r->rsp = v[7];
	r->r8 = v[8], r->r9 = v[9], r->r10 = v[10], r->r11 = v[11];
	r->r12 = v[12], r->r13 = v[13], r->r14 = v[14], r->r15 = v[15];
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
	r->rax = g.rax, r->rbx = g.rbx, r->rcx = g.rcx, r->rdx = g.rdx;
	r->rsi = g.rsi, r->rdi = g.rdi, r->rbp = g.rbp, r->rsp = g.rsp;
	r->r8 = g.r8, r->r9 = g.r9, r->r10 = g.r10, r->r11 = g.r11;
	r->r12 = g.r12, r->r13 = g.r13, r->r14 = g.r14, r->r15 = g.r15;
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

	*thread->guest = (struct guest_state){
	    .rax = r->rax,
	    .rbx = r->rbx,
	    .rcx = r->rcx,
	    .rdx = r->rdx,
	    .rsi = r->rsi,
	    .rdi = r->rdi,
	    .rbp = r->rbp,
	    .rsp = r->rsp,
	    .r8 = r->r8,
	    .r9 = r->r9,
	    .r10 = r->r10,
	    .r11 = r->r11,
	    .r12 = r->r12,
	    .r13 = r->r13,
	    .r14 = r->r14,
	    .r15 = r->r15,
	    .rip = r->rip,
	    .rflags = r->rflags,
	    .fs_base = r->fs_base,
	    .gs_base = r->gs_base,
	    .exit = reason,
	    .vector = vector,
	    .error = error,
	    .address = address,
	};
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
