/* The switch between two threads as calls and replies need it: the whole one. */
#pragma once

#include "thread.h"

static inline void arch_switch_fast(struct cpu *cpu, struct thread *previous, struct thread *next)
{
	arch_switch(cpu, previous, next);
}
