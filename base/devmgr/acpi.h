/* What devmgr takes from ACPI: where PCI configuration space is, and the fixed power button. Sources: ACPI 6.5,
 * 5.2.5 (RSDP), 5.2.9 (FADT), 4.8.3 (PM1 registers); PCI Firmware Specification 3.2, 4.1.2 (MCFG); VT-d 3.3, 8.3 (DRHD). What the
 * loader needed it has read before and told the kernel (power off, reset, interrupt controllers).
 *
 * Tables are the firmware's and may be anything: lengths and checksums are checked, lists have limits, what is
 * broken is left out. AML is not executed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ACPI_TABLES    128u
#define ACPI_UNITS     8u
#define ACPI_TABLE_MAX 0x100000u

struct acpi_info {
	uint64_t ecam; /* configuration space of segment 0, of bus 0; 0: not in memory */
	uint8_t first_bus, last_bus;
	bool fixed_power;                /* there are PM1 event registers in I/O space, */
	uint16_t pm1a_event, pm1b_event; /* status registers (b: 0 none); enable registers behind them */
	uint16_t pm1_event_half;         /* how far behind, in bytes */
	uint16_t pm1a_control;
	uint16_t sci;         /* their interrupt, */
	uint32_t smi_command; /* and the port and value that hand them to the system; 0: they are */
	uint8_t acpi_enable;
	bool power_button;          /* the fixed one */
	unsigned unit_count;        /* IOMMUs (VT-d, DMAR), */
	uint64_t units[ACPI_UNITS]; /* and where their registers are; */
	bool units_more;            /* there are others, or the table is broken */
};

/* Maps BYTES at PHYSICAL for reading and returns where, or 0. The view in SLOT (0, 1) replaces the slot's last
 * one. */
typedef const void *acpi_view(void *context, unsigned slot, uint64_t physical, uint64_t bytes);

/* Fills INFO with what the tables under RSDP say; zeroes where they say nothing. False: no usable tables. */
bool acpi_read(struct acpi_info *info, uint64_t rsdp, acpi_view *view, void *context);
