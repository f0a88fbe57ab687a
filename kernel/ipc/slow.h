/* Between the hot paths and the complete ones: same contract. */
#pragma once

#include <arch_fast.h>
#include "thread.h"

/* Hands the CPU straight to NEXT, which runs on the budget being charged. */
static inline void switch_to(struct cpu *cpu, struct thread *self, struct thread *next)
{
	next->on_cpu = 1;
	next->cpu = cpu;
	cpu->current = next;
	arch_switch_fast(cpu, self, next);
	__atomic_store_n(&self->on_cpu, 0, __ATOMIC_RELEASE);
}

void channel_call_slow(struct thread *self);
void channel_reply_receive_slow(struct thread *self);
