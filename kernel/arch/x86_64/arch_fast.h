/* The switch between two threads as calls and replies need it: the same as arch_switch where neither has a
 * guest space, used its vector registers or has FS or GS bases, and units need no guard between them; it leaves these to arch_switch. */
#pragma once

#include "space.h"
#include "thread.h"

static inline void arch_switch_fast(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	struct space *space = next->space, *old = cpu->space_loaded;

	if (__builtin_expect(cpu->arch.switch_slow || next->registers.vector_used || next->guest_space ||
	                         (uint64_t)next->registers.fs_base | next->registers.gs_base |
	                             cpu->arch.fs_base | cpu->arch.gs_base,
	                     0)) {
		arch_switch(cpu, previous, next);
		return;
	}
	cpu->arch.tss.rsp[0] = (uint64_t)&next->registers.fs_base; /* just behind ss */
	if (space == old)
		return;
	if (__builtin_expect(!old || old->native || space->object.dead, 0)) {
		arch_space_load(space, false);
		return;
	}
	/* As arch_space_load: the new space's bit is set before its tables are loaded, the old one's cleared
	 * after. */
	__atomic_fetch_or(&space->active_cpus, 1u << cpu->index, __ATOMIC_SEQ_CST);
	cpu->space_loaded = space;
	cpu->arch.cr3 = space->native_root;
	__asm__ volatile("mov %0, %%cr3" ::"r"(space->native_root) : "memory");
	__atomic_fetch_and(&old->active_cpus, ~(1u << cpu->index), __ATOMIC_SEQ_CST);
}
