/* What the loader tells the kernel from ACPI: CPUs, interrupt controllers, timer and power ports. Everything
 * else is for user space. Sources: ACPI 6.5, sections 5.2.5 (RSDP), 5.2.9 (FADT), 5.2.12 (MADT), 7.4.2 (_S5).
 *
 * The tables are firmware's and may be anything: every length is checked, every table's checksum too, and
 * every list has a limit. What is broken is left out.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ACPI_CPUS      8
#define ACPI_IOAPICS   8
#define ACPI_OVERRIDES 16
#define ACPI_TABLES    128
#define ACPI_TABLE_MAX 0x100000u

struct acpi_info {
	uint32_t cpu_count;           /* enabled CPUs found, at most ACPI_CPUS */
	uint32_t apic_ids[ACPI_CPUS]; /* in the order of the table */
	uint64_t local_apic;          /* physical; 0: unknown */
	uint32_t ioapic_count;
	struct {
		uint64_t address;
		uint32_t base; /* first global interrupt */
	} ioapics[ACPI_IOAPICS];
	struct {
		bool present;
		uint16_t flags; /* polarity bits 0-1, trigger bits 2-3, as MPS INTI flags */
		uint32_t global;
	} overrides[ACPI_OVERRIDES]; /* by ISA interrupt */
	uint16_t pm_timer_port;      /* 0: none */
	bool pm_timer_32;
	uint16_t pm1a_control, pm1b_control; /* ports; 0: none */
	bool sleep_known;
	uint8_t sleep_a, sleep_b; /* values of SLP_TYP for S5 */
	uint16_t reset_port;      /* 0: no reset register in I/O space */
	uint8_t reset_value;
};

/*@ predicate info_good(struct acpi_info *info) =
      info->cpu_count <= ACPI_CPUS && info->ioapic_count <= ACPI_IOAPICS &&
      \forall integer i, k; 0 <= i < k < info->cpu_count ==> info->apic_ids[i] != info->apic_ids[k];
*/

/* Maps BYTES at PHYSICAL for reading and returns where, or 0. The view in SLOT (0..2) replaces the slot's
 * last one. */
typedef const void *acpi_view(unsigned slot, uint64_t physical, uint64_t bytes);

/* Fills INFO with what the tables under RSDP say; zeroes where they say nothing. False: no usable tables. */
/*@ requires \valid(info);
    assigns *info;
    ensures info_good(info);
*/
bool acpi_parse(struct acpi_info *info, uint64_t rsdp, acpi_view *view);
