/* Describing the machine in the handoff, and starting its other processors. boot/arch/ARCH implements it: on
 * x86 from CPUID and ACPI, elsewhere from a device tree.
 */
#pragma once

#include <holon/handoff.h>

/* Fills handoff->machine but for the rates, from the firmware's tables and the processor; what it needs to
 * start processors it allocates. Fails with words where the processor lacks what Holon needs. handoff->rsdp
 * and the command line are set. With the word "safe" it tells of one processor, and of no feature that can be done without. */
void machine_describe(struct handoff *handoff);
/* Measures the rates, masks the interrupt controllers' lines, then starts the other processors on these page tables and leaves them waiting; those
 * that do not answer within a second are left out. To be called once the firmware's services are over: it
 * uses the interrupt controllers. */
void machine_start(struct handoff *handoff, uint64_t page_tables);
