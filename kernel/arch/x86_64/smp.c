/* The other CPUs, which the loader started and left waiting in memory of its own: one after another comes over to the kernel's
 * tables and its own stack. Then the loader's memory can be reused.
 */
#include "x86.h"

void arch_cpus_start(struct handoff *handoff)
{
	for (uint32_t i = 1; i < machine.cpu_count; i++) {
		struct handoff_cpu *waiting = &handoff->machine.cpus[i];
		struct cpu *cpu = &cpu_storage[i];

		cpu->index = i;
		cpu->kernel_stack = HANDOFF_STACK((uint64_t)kernel_start, i);
		sched_init(cpu);
		cpus[i] = cpu;
		cpu_count = i + 1;
		waiting->argument = (uint64_t)cpu;
		__atomic_store_n(&waiting->entry, (uint64_t)secondary_entry, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
			arch_pause();
		waiting->entry = waiting->argument = 0; /* the first unit sees the handoff */
	}
}

/* From secondary_entry, on the CPU's own stack and the kernel's tables. */
void cpu_secondary_entry(struct cpu *cpu)
{
	cpu_setup(cpu);
	apic_init_secondary();
	__atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
	kernel_secondary(cpu);
}
