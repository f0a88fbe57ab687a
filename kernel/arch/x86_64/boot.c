/* From the loader to the generic part: checks the handoff, takes the machine over, frees what the loader
 * used. */
#include <bytes.h>
#include <log.h>
#include "acpi.h"
#include "x86.h"

static struct handoff boot_copy;
uint64_t __stack_chk_guard = 0x5bd1e995a7c3f1d7ull;

_Noreturn void boot_main(uint64_t handoff_physical);

/* The table must be sorted, aligned and free of overlaps and wraps, or the memory allocator would hand out a
 * frame twice. */
static void check_handoff(const struct handoff *handoff)
{
	uint64_t end = 0;

	if (handoff->magic != HANDOFF_MAGIC)
		panic("the loader's handoff has no magic: not started by a Holon loader");
	if (handoff->version != HANDOFF_VERSION || handoff->size != sizeof *handoff)
		panic("the loader's handoff is version %u of %u bytes; this kernel knows version %u of %zu",
		      handoff->version, handoff->size, HANDOFF_VERSION, sizeof *handoff);
	if (handoff->memory_count > HANDOFF_MEMORY_MAX || handoff->module_count > HANDOFF_MODULE_MAX)
		panic("the loader's handoff counts %u memory ranges and %u modules", handoff->memory_count,
		      handoff->module_count);
	for (uint32_t i = 0; i < handoff->memory_count; i++) {
		const struct handoff_memory *range = &handoff->memory[i];

		if ((range->base | range->size) & (PAGE_SIZE_BYTES - 1) || range->base < end ||
		    range->base + range->size < range->base || range->base + range->size > 1ull << 46)
			panic("the loader's memory range %u (%lx, %lx bytes) is unaligned, overlaps or wraps",
			      i, range->base, range->size);
		end = range->base + range->size;
	}
	for (uint32_t i = 0; i < handoff->module_count; i++) {
		const struct handoff_module *module = &handoff->modules[i];
		bool inside = false;

		for (uint32_t j = 0; j < handoff->memory_count; j++)
			inside |=
			    handoff->memory[j].kind == HANDOFF_MEMORY_MODULE &&
			    module->base >= handoff->memory[j].base &&
			    module->base - handoff->memory[j].base <= handoff->memory[j].size &&
			    module->size <= handoff->memory[j].base + handoff->memory[j].size - module->base;
		if (!inside || module->base & (PAGE_SIZE_BYTES - 1))
			panic("the loader's module %u does not lie in module memory", i);
	}
}

/* On the CPU's own stack. */
static _Noreturn void boot_finish(void)
{
	if (!acpi_parse(&machine_acpi, boot_copy.rsdp, paging_view))
		log_print("acpi: no usable tables; one processor, no power off\n");
	apic_init(&machine_acpi);
	clock_init(&machine_acpi);
	smp_prepare(&boot_copy, &machine_acpi);
	paging_done();
	cpu_storage[0].online = 1;
	log_print("cpu: %s%s%s%s%s%s, vector state %u bytes\n", features.x2apic ? "x2APIC" : "APIC",
	          features.tsc_deadline ? ", TSC deadline" : "", features.smep ? ", SMEP" : "",
	          features.smap ? ", SMAP" : "", features.umip ? ", UMIP" : "",
	          features.xsaveopt ? ", XSAVEOPT"
	          : features.xsave  ? ", XSAVE"
	                            : ", FXSAVE",
	          features.vector_bytes);
	kernel_main(&boot_copy);
}

void boot_main(uint64_t handoff_physical)
{
	memcpy(&boot_copy, (const void *)(HANDOFF_DIRECT_MAP + handoff_physical), sizeof boot_copy);
	boot_copy.command_line[HANDOFF_COMMAND_MAX - 1] = 0;
	/* The guard must differ from boot to boot; this function and boot_finish never return, so none is
	 * checked. */
	__stack_chk_guard ^= tsc_read() * 0x9e3779b97f4a7c15ull & ~0xffull;
	cpu_storage[0].self = &cpu_storage[0];
	msr_write(MSR_GS_BASE, (uint64_t)&cpu_storage[0]);
	serial_init(boot_copy.command_line);
	check_handoff(&boot_copy);
	cpu_detect();
	paging_init(&boot_copy);
	paging_stacks_map(0);
	cpus[0] = &cpu_storage[0];
	cpu_count = 1;
	cpu_setup(&cpu_storage[0]);
	stack_switch(cpu_storage[0].kernel_stack, boot_finish);
}
