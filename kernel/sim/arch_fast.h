/* The simulated machine has one way to switch. */
#pragma once

#include "thread.h"

static inline void arch_switch_fast(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	arch_switch(cpu, previous, next);
}
