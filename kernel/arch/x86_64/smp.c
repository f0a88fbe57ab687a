/* Starting the other CPUs, one after another: each runs the trampoline, sets itself up and enters the generic
 * part. A CPU that does not answer within a second is left out. */
#include <bytes.h>
#include <log.h>
#include "acpi.h"
#include "x86.h"

extern const uint8_t trampoline_start[], trampoline_end[], trampoline_parameters[];

static uint64_t trampoline_page, trampoline_root;
static uint32_t present_ids[CPU_MAX], present_count;

void smp_prepare(struct handoff *handoff, const struct acpi_info *info)
{
	uint32_t self = apic_id();

	for (uint32_t i = 0; i < info->cpu_count && present_count < CPU_MAX - 1; i++)
		if (info->apic_ids[i] != self && (info->apic_ids[i] < 255 || features.x2apic))
			present_ids[present_count++] = info->apic_ids[i];
	if (present_count && !paging_trampoline(handoff, &trampoline_page, &trampoline_root)) {
		log_print("cpu: no free page below 640 KiB, so only one processor is used\n");
		present_count = 0;
	}
	for (uint32_t i = 1; i <= present_count; i++)
		paging_stacks_map(i);
}

/* On a new CPU, on its own stack and the trampoline's tables. */
void cpu_secondary_entry(struct cpu *cpu)
{
	cr3_write(kernel_root);
	cpu_setup(cpu);
	apic_init_secondary();
	__atomic_store_n(&cpu->online, 1, __ATOMIC_SEQ_CST);
	kernel_secondary(cpu);
}

void arch_cpus_start(void)
{
	uint8_t *page = frame_map(trampoline_page);
	uint64_t *parameters = (uint64_t *)(page + (trampoline_parameters - trampoline_start));

	for (uint32_t i = 0; i < present_count; i++) {
		struct cpu *cpu = &cpu_storage[cpu_count];

		memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
		cpu->index = cpu_count;
		cpu->arch.apic_id = present_ids[i];
		cpus[cpu->index] = cpu;
		sched_init(cpu);
		parameters[0] = trampoline_root;
		parameters[1] = paging_stack(cpu->index, 0) - 8;
		parameters[2] = (uint64_t)cpu;
		parameters[3] = (uint64_t)cpu_secondary_entry;
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		apic_start_cpu(present_ids[i], trampoline_page);
		uint64_t limit = arch_clock_ns() + 1000000000;

		while (!__atomic_load_n(&cpu->online, __ATOMIC_SEQ_CST) && arch_clock_ns() < limit)
			arch_pause();
		if (__atomic_load_n(&cpu->online, __ATOMIC_SEQ_CST)) {
			cpu_count++;
		} else {
			log_print("cpu: processor with APIC id %u does not start; left out\n",
			          present_ids[i]);
			break; /* it might still come, with this CPU's number and stack: no more may use them
			        */
		}
	}
}
