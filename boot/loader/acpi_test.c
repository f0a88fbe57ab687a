/* Tests of the ACPI walk: sound tables are understood, and no damage to them leads out of bounds (the views
 * are exact copies on the heap, so that AddressSanitizer sees every byte too far). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acpi.h"

#define BASE 0x7fe0000u
#define SIZE 0x1000u

enum { RSDP = 0, RSDT = 0x40, XSDT = 0x80, MADT = 0x100, FADT = 0x300, DSDT = 0x500, HPET = 0x600 };

static uint8_t memory[SIZE];
static void *views[3];
static int failures;

static void report(bool passed, const char *name)
{
	printf(passed ? "ok acpi: %s\n" : "not ok acpi: %s - wrong\n", name);
	failures += !passed;
}

static const void *view(unsigned slot, uint64_t physical, uint64_t bytes)
{
	if (slot >= 3 || physical < BASE || physical - BASE > SIZE || bytes > SIZE - (physical - BASE))
		return 0;
	free(views[slot]);
	views[slot] = malloc(bytes ? bytes : 1);
	memcpy(views[slot], memory + (physical - BASE), bytes);
	return views[slot];
}

static void put(uint32_t at, uint64_t value, unsigned bytes)
{
	memcpy(memory + at, &value, bytes);
}

static void seal(uint32_t at, uint32_t length, uint32_t sum_at)
{
	uint8_t sum = 0;

	memory[at + sum_at] = 0;
	for (uint32_t i = 0; i < length; i++)
		sum = (uint8_t)(sum + memory[at + i]);
	memory[at + sum_at] = (uint8_t)-sum;
}

static void table(uint32_t at, const char *name, uint32_t length)
{
	memcpy(memory + at, name, 4);
	put(at + 4, length, 4);
	seal(at, length, 9);
}

/* A machine of two CPUs (a third is disabled), one I/O APIC, one override, S5, reset register, HPET. */
static void build(bool version_2)
{
	static const uint8_t entries[] = {
	    0, 8, 0,  0, 1, 0, 0, 0,    0,    8,  1, 4, 1, 0, 0,  0, 0, 8, 2, 6, 0, 0,    0,
	    0, 1, 12, 9, 0, 0, 0, 0xc0, 0xfe, 16, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0x0d, 0,
	};
	static const uint8_t sleep[] = {8, '_', 'S', '5', '_', 0x12, 8, 4, 0x0a, 5, 0x0a, 6, 0, 0};

	memset(memory, 0, sizeof memory);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a signature, no text */
	memcpy(memory + RSDP, "RSD PTR ", 8);
	memory[RSDP + 15] = version_2 ? 2 : 0;
	put(RSDP + 16, BASE + RSDT, 4);
	put(RSDP + 20, 36, 4);
	put(RSDP + 24, version_2 ? BASE + XSDT : 0, 8);
	seal(RSDP, 20, 8);
	seal(RSDP, 36, 32);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t tables[] = {MADT, FADT, HPET};

		put(RSDT + 36 + 4 * i, BASE + tables[i], 4);
		put(XSDT + 36 + 8 * i, BASE + tables[i], 8);
	}
	table(RSDT, "RSDT", 36 + 12);
	table(XSDT, "XSDT", 36 + 24);
	put(MADT + 36, 0xfee00000u, 4);
	memcpy(memory + MADT + 44, entries, sizeof entries);
	table(MADT, "APIC", 44 + sizeof entries);
	put(FADT + 40, BASE + DSDT, 4);
	put(FADT + 64, 0x604, 4);
	put(FADT + 76, 0x608, 4);
	put(FADT + 91, 4, 1);
	put(FADT + 112, 1 << 8 | 1 << 10, 4);
	put(FADT + 116, 1, 1);
	put(FADT + 120, 0xcf9, 8);
	put(FADT + 128, 0x0f, 1);
	table(FADT, "FACP", 244);
	memcpy(memory + DSDT + 36 + 7, sleep, sizeof sleep);
	table(DSDT, "DSDT", 36 + 7 + sizeof sleep);
	put(HPET + 44, 0xfed00000u, 8);
	table(HPET, "HPET", 56);
}

static bool sound(const struct acpi_info *info)
{
	return info->cpu_count == 2 && info->apic_ids[0] == 0 && info->apic_ids[1] == 4 &&
	       info->local_apic == 0xfee00000u && info->ioapic_count == 1 &&
	       info->ioapics[0].address == 0xfec00000u && info->ioapics[0].base == 16 &&
	       info->overrides[0].present && info->overrides[0].global == 2 &&
	       info->overrides[0].flags == 13 && info->pm_timer_port == 0x608 && info->pm_timer_32 &&
	       info->pm1a_control == 0x604 && info->sleep_known && info->sleep_a == 5 && info->sleep_b == 6 &&
	       info->reset_port == 0xcf9 && info->reset_value == 0x0f;
}

static void test_damage(void)
{
	struct acpi_info info;
	uint64_t state = 88172645463325252ull;
	bool bounded = true;

	for (unsigned round = 0; round < 20000; round++) {
		build(round & 1);
		for (unsigned hits = 0; hits <= round % 8; hits++) {
			state ^= state << 13, state ^= state >> 7, state ^= state << 17;
			memory[state % 0x680] = (uint8_t)(state >> 32);
		}
		/* Checksums made right again, so that the damage is looked at. */
		if (round % 3) {
			const uint32_t tables[] = {RSDT, XSDT, MADT, FADT, DSDT, HPET};

			seal(RSDP, 20, 8);
			seal(RSDP, 36, 32);
			for (unsigned i = 0; i < 6; i++) {
				uint32_t length;

				memcpy(&length, memory + tables[i] + 4, 4);
				if (length <= SIZE - tables[i])
					seal(tables[i], length, 9);
			}
		}
		acpi_parse(&info, BASE + RSDP, view);
		bounded &= info.cpu_count <= ACPI_CPUS && info.ioapic_count <= ACPI_IOAPICS;
	}
	report(bounded, "20,000 damaged sets of tables stay within bounds");
}

int main(void)
{
	struct acpi_info info;

	build(true);
	report(acpi_parse(&info, BASE + RSDP, view) && sound(&info), "tables by XSDT");
	build(false);
	report(acpi_parse(&info, BASE + RSDP, view) && sound(&info), "tables by RSDT");
	memory[MADT + 50]++;
	report(acpi_parse(&info, BASE + RSDP, view) && info.cpu_count == 0 && info.sleep_known,
	       "a table with a wrong checksum is left out, the others are not");
	build(true);
	memory[RSDP]++;
	report(!acpi_parse(&info, BASE + RSDP, view), "no signature, no tables");
	report(!acpi_parse(&info, 0, view), "no RSDP, no tables");
	build(true);
	memory[MADT + 45] = 0;
	seal(MADT, 44 + 46, 9);
	report(acpi_parse(&info, BASE + RSDP, view) && info.cpu_count == 0,
	       "an entry of length 0 ends its table");
	build(true);
	put(MADT + 4, 0xffffffffu, 4);
	report(acpi_parse(&info, BASE + RSDP, view) && info.cpu_count == 0,
	       "a table longer than the limit is left out");
	build(true);
	put(DSDT + 4, 36 + 7 + 6, 4);
	seal(DSDT, 36 + 7 + 6, 9);
	report(acpi_parse(&info, BASE + RSDP, view) && !info.sleep_known, "a cut-off _S5 is not believed");
	test_damage();
	for (unsigned i = 0; i < 3; i++)
		free(views[i]);
	return failures != 0;
}
