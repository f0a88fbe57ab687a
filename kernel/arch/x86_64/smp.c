/* The other CPUs, which the loader started and left waiting in memory of its own: first all come over to the
 * kernel's image, tables and stacks, so that the loader's memory can be reused; later, at arch_cpus_start,
 * each enters the generic part.
 */
#include "x86.h"

static uint32_t started;

void smp_gather(struct handoff *handoff)
{
	for (uint32_t i = 1; i < machine.cpu_count; i++) {
		struct handoff_cpu *waiting = &handoff->machine.cpus[i];
		struct cpu *cpu = &cpu_storage[i];

		paging_stacks_map(i);
		cpu->index = i;
		cpu->kernel_stack = paging_stack(i, 0);
		waiting->argument = (uint64_t)cpu;
		__atomic_store_n(&waiting->entry, (uint64_t)secondary_entry, __ATOMIC_RELEASE);
		while (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
			arch_pause();
	}
}

/* From secondary_entry, on the CPU's own stack and the kernel's tables. */
void cpu_secondary_entry(struct cpu *cpu)
{
	cpu_setup(cpu);
	apic_init_secondary();
	__atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		arch_pause();
	kernel_secondary(cpu);
}

void arch_cpus_start(void)
{
	for (; cpu_count < machine.cpu_count; cpu_count++) {
		cpus[cpu_count] = &cpu_storage[cpu_count];
		sched_init(cpus[cpu_count]);
	}
	__atomic_store_n(&started, 1, __ATOMIC_RELEASE);
}
