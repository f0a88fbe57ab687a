/* The kernel's beginning, once the architecture has its tables and stack: memory, the root unit, the other
 * CPUs, the first unit. Each CPU then enters its first thread, or idles. */
#include <arch.h>
#include <calls.h>
#include <cpu.h>
#include <log.h>
#include <memory.h>
#include <system.h>
#include <unit.h>

void kernel_main(struct handoff *handoff)
{
	struct cpu *cpu = cpu_self();

	memory_init(handoff);
	sched_init(cpu);
	objects_init();
	unit_root_init();
	arch_cpus_start(handoff);
	memory_init_loader(cpu_count);
	while (handoff->trust.flags & HANDOFF_TRUST_WIPE_FIRST && frame_zero_one())
		;
	log_print("memory: %lu MiB, %lu MiB free; processors: %u\n", frame_total_bytes() >> 20,
	          frame_free_bytes() >> 20, cpu_count);
	first_unit_start(handoff);
	kernel_secondary(cpu);
}

void kernel_secondary(struct cpu *cpu)
{
	sched_choose(cpu);
	arch_leave(cpu);
}
