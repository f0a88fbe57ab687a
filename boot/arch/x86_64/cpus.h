/* The local APIC, as far as measuring its timer and starting the other processors need it. It stays in the
 * mode the firmware left it in. */
#pragma once

#include <stdbool.h>

#include <holon/handoff.h>

bool apic_extended(void); /* whether it is in x2APIC mode */
uint64_t apic_base(void); /* physical address of its registers */
uint32_t apic_id(void);
/* The timer's counts, its divider at 16, between the two calls; it stands still afterwards. */
void apic_timer_begin(void);
uint32_t apic_timer_end(void);

/* Allocates what starting other processors needs. */
void cpus_prepare(void);
/* Starts machine's processors but the first on page_tables (below 4 GiB, with their own pages mapped
 * identically). Those that do not come are reset again and leave the list. clock_hz is set. */
void cpus_start(struct handoff_machine *machine, uint64_t page_tables);
