/* From the loader to the generic part: checks the handoff, takes the machine over. */
#include <bytes.h>
#include <log.h>
#include "x86.h"

uint64_t __stack_chk_guard = 0x5bd1e995a7c3f1d7ull;

/* Writes the guards that this processor needs into the text, before anything else runs there. */
static void guards_write(void)
{
	cr0_write(cr0_read() & ~CR0_WP);
	for (const struct guard *guard = guards_start; guard < guards_end; guard++) {
		int32_t distance = (int32_t)(guard->to - guard->site - 5);

		if (!(machine.features & guard->features))
			continue;
		guard->site[0] = 0xe9;
		memcpy(guard->site + 1, &distance, 4);
	}
	cr0_write(cr0_read() | CR0_WP);
}

_Noreturn void boot_main(uint64_t handoff_physical);

/* On the kernel's own tables and the first CPU's stack. */
void boot_main(uint64_t handoff_physical)
{
	struct handoff *handoff = (struct handoff *)(ARCH_DIRECT_MAP + handoff_physical);
	struct cpu *cpu = &cpu_storage[0];

	/* The guard must differ from boot to boot; this function never returns, so its own is not checked. */
	__stack_chk_guard ^= tsc_read() * 0x9e3779b97f4a7c15ull & ~0xffull;
	cpu->self = cpu;
	msr_write(MSR_GS_BASE, (uint64_t)cpu);
	machine = handoff->machine;
	log_addresses = handoff->trust.flags & HANDOFF_TRUST_DEVELOPMENT;
	kernel_root = handoff->root;
	if (handoff->magic != HANDOFF_MAGIC || handoff->version != HANDOFF_VERSION ||
	    handoff->size != sizeof *handoff)
		panic("the loader's handoff has magic %lx, version %u and %u bytes; this kernel knows %llx, "
		      "%u and %zu",
		      handoff->magic, handoff->version, handoff->size, HANDOFF_MAGIC, HANDOFF_VERSION,
		      sizeof *handoff);
	if (machine.vector_bytes > sizeof((struct thread_state *)0)->vector)
		panic("this processor's vector state takes %u bytes; at most %zu are supported",
		      machine.vector_bytes, sizeof((struct thread_state *)0)->vector);
	cr4_write(cr4_read() & ~CR4_PGE); /* forgets the firmware's global translations */
	cpus[0] = cpu;
	cpu_count = 1;
	guards_write();
	cpu_setup(cpu);
	apic_init();
	cpu->online = 1;
	kernel_main(handoff);
}
