/* From the loader to the generic part: checks the handoff, takes the machine over. */
#include <log.h>
#include "x86.h"

static struct handoff *handoff;
uint64_t __stack_chk_guard = 0x5bd1e995a7c3f1d7ull;

_Noreturn void boot_main(uint64_t handoff_physical);

/* On the CPU's own stack. */
static _Noreturn void boot_finish(void)
{
	apic_init();
	clock_init();
	smp_gather(handoff);
	paging_done();
	cpu_storage[0].online = 1;
	log_print("cpu: %s%s%s%s%s%s, vector state %u bytes\n", has(HANDOFF_X86_X2APIC) ? "x2APIC" : "APIC",
	          has(HANDOFF_X86_TSC_DEADLINE) ? ", TSC deadline" : "",
	          has(HANDOFF_X86_SMEP) ? ", SMEP" : "", has(HANDOFF_X86_SMAP) ? ", SMAP" : "",
	          has(HANDOFF_X86_UMIP) ? ", UMIP" : "",
	          has(HANDOFF_X86_XSAVEOPT) ? ", XSAVEOPT"
	          : has(HANDOFF_X86_XSAVE)  ? ", XSAVE"
	                                    : ", FXSAVE",
	          machine.vector_bytes);
	kernel_main(handoff);
}

void boot_main(uint64_t handoff_physical)
{
	handoff = (struct handoff *)(HANDOFF_DIRECT_MAP + handoff_physical);
	machine = handoff->machine;
	/* The guard must differ from boot to boot; this function and boot_finish never return, so none is
	 * checked. */
	__stack_chk_guard ^= tsc_read() * 0x9e3779b97f4a7c15ull & ~0xffull;
	cpu_storage[0].self = &cpu_storage[0];
	msr_write(MSR_GS_BASE, (uint64_t)&cpu_storage[0]);
	if (handoff->magic != HANDOFF_MAGIC || handoff->version != HANDOFF_VERSION ||
	    handoff->size != sizeof *handoff)
		panic("the loader's handoff has magic %lx, version %u and %u bytes; this kernel knows %llx, "
		      "%u and %zu",
		      handoff->magic, handoff->version, handoff->size, HANDOFF_MAGIC, HANDOFF_VERSION,
		      sizeof *handoff);
	if (machine.vector_bytes > sizeof((struct thread_state *)0)->vector)
		panic("this processor's vector state takes %u bytes; at most %zu are supported",
		      machine.vector_bytes, sizeof((struct thread_state *)0)->vector);
	paging_init(handoff);
	paging_stacks_map(0);
	cpus[0] = &cpu_storage[0];
	cpu_count = 1;
	cpu_setup(&cpu_storage[0]);
	stack_switch(cpu_storage[0].kernel_stack, boot_finish);
}
