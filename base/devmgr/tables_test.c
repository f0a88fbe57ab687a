/* ACPI tables and PCI configuration space of a small machine, made here; then the same with anything broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "acpi.h"
#include "pci.h"

static int failures;
static uint8_t memory[0x4000];

static void check(const char *name, bool right)
{
	printf(right ? "ok devmgr: %s\n" : "not ok devmgr: %s - see the check of this name\n", name);
	failures += !right;
}

static const void *view(void *context, unsigned slot, uint64_t physical, uint64_t bytes)
{
	(void)context;
	(void)slot;
	return physical <= sizeof(memory) && bytes <= sizeof(memory) - physical ? memory + physical : 0;
}

static void put(uint32_t at, uint64_t value, unsigned count)
{
	for (; count--; value >>= 8)
		memory[at++] = (uint8_t)value;
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
	for (unsigned i = 0; i < 4; i++)
		memory[at + i] = (uint8_t)name[i];
	put(at + 4, length, 4);
	seal(at, length, 9);
}

static void machine(void)
{
	memset(memory, 0, sizeof(memory));
	memcpy(memory + 0x100, "RSD PTR ", 8);
	memory[0x10f] = 2;
	put(0x110, 0x200, 4);
	put(0x118, 0x300, 8);
	seal(0x100, 20, 8);
	seal(0x100, 36, 32);
	put(0x300 + 36, 0x400, 8);
	put(0x300 + 44, 0x500, 8);
	put(0x300 + 52, 0x9999999, 8);
	table(0x300, "XSDT", 60);
	put(0x400 + 44, 0xb0000000, 8);
	memory[0x400 + 55] = 0xff;
	table(0x400, "MCFG", 60);
	put(0x500 + 46, 9, 2);
	put(0x500 + 56, 0x600, 4);
	put(0x500 + 64, 0x604, 4);
	memory[0x500 + 88] = 4;
	table(0x500, "FACP", 244);
}

static void test_acpi(void)
{
	struct acpi_info info;

	machine();
	check("MCFG and FADT are read", acpi_read(&info, 0x100, view, 0) && info.ecam == 0xb0000000 &&
	                                    info.last_bus == 255 && info.pm1a_event == 0x600 &&
	                                    info.sci == 9 && info.power_button);
	memory[0x500 + 113] ^= 1;
	check("a table with a wrong sum is left out",
	      acpi_read(&info, 0x100, view, 0) && info.ecam && !info.power_button);
	machine();
	put(0x400 + 4, 0xffffff, 4);
	check("and one that is too long", acpi_read(&info, 0x100, view, 0) && !info.ecam);
	check("no pointer, no tables", !acpi_read(&info, 0, view, 0) && !acpi_read(&info, 0x3fff, view, 0));
	unsigned good = 0;
	srand(1);
	for (unsigned i = 0; i < 200000; i++) {
		machine();
		for (unsigned j = 0; j < 3; j++)
			memory[0x100 + (unsigned)rand() % 0x500] = (uint8_t)rand();
		seal(0x300, 60, 9);
		seal(0x400, 60, 9);
		good += acpi_read(&info, 0x100, view, 0);
	}
	check("of tables with broken bytes some are read and some refused", good > 0 && good < 200000);
}

/* Bus 0: a device with everything, a bridge to bus 1 and one to bus 0 itself; bus 1: a device. */
static uint8_t config[4][256];
static uint32_t bar_masks[6];
static unsigned reads;

static uint8_t *space(uint16_t address)
{
	return address == PCI_ADDRESS(0, 1, 0)   ? config[0]
	       : address == PCI_ADDRESS(0, 2, 0) ? config[1]
	       : address == PCI_ADDRESS(0, 3, 0) ? config[2]
	       : address == PCI_ADDRESS(1, 0, 0) ? config[3]
	                                         : 0;
}

static uint32_t config_read(void *context, uint16_t address, uint32_t offset)
{
	uint8_t *at = space(address);
	uint32_t value;

	(void)context;
	reads++;
	if (!at || offset > 252)
		return UINT32_MAX;
	memcpy(&value, at + offset, 4);
	return value;
}

static void config_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	uint8_t *at = space(address);

	(void)context;
	if (!at || offset > 252)
		return;
	if (at == config[0] && offset >= PCI_BAR && offset < PCI_BAR + 24) {
		uint32_t index = (offset - PCI_BAR) / 4, low;
		memcpy(&low, at + offset, 4);
		value = (value & bar_masks[index]) | (low & (low & 1 ? 3u : 15u) & ~bar_masks[index]);
	}
	memcpy(at + offset, &value, 4);
}

static void set32(unsigned function, uint32_t offset, uint32_t value)
{
	memcpy(&config[function][offset], &value, 4);
}

static void bus(void)
{
	memset(config, 0, sizeof(config));
	set32(0, PCI_ID, 0x10421af4);
	set32(0, PCI_COMMAND, 1u << 20);
	set32(0, PCI_CLASS, 0x01000001);
	set32(0, PCI_CAPABILITY, 0x40);
	set32(0, 0x40, 0x00025011 | 0x30000 << 3); /* MSI-X, then 0x50 */
	set32(0, 0x44, 0x1001);
	set32(0, 0x48, 0x1801);
	set32(0, 0x50, 0x00800005);
	set32(0, PCI_BAR, 0xc001);
	set32(0, PCI_BAR + 4, 0xfeb00000);
	set32(0, PCI_BAR + 16, 0xd000000c);
	bar_masks[0] = 0xffffff80;
	bar_masks[1] = 0xffffc000;
	bar_masks[2] = bar_masks[3] = 0;
	bar_masks[4] = 0xffff0000;
	bar_masks[5] = 0xffffffff;
	for (unsigned i = 1; i < 3; i++) {
		set32(i, PCI_ID, 0x00011b36);
		set32(i, PCI_HEADER, 0x00010000);
		set32(i, PCI_BUSES, i == 1 ? 0x00010100 : 0x00000000);
	}
	set32(3, PCI_ID, 0x100e8086);
}

static void test_pci(void)
{
	const struct pci_access access = {config_read, config_write, 0};
	struct pci_function functions[PCI_FUNCTIONS_MAX];

	bus();
	unsigned count = pci_scan(&access, functions, PCI_FUNCTIONS_MAX);
	check("all functions are found, each once",
	      count == 4 && functions[3].address == PCI_ADDRESS(1, 0, 0));
	check("with their capabilities",
	      functions[0].msix == 0x40 && functions[0].msix_bar == 1 && functions[0].msix_offset == 0x1000 &&
	          functions[0].pending_offset == 0x1800 && functions[0].msi == 0x50 && functions[0].msi_64);
	pci_size_bars(&access, &functions[0]);
	check("ranges of all kinds are measured, and left as they were",
	      functions[0].bars[0].ports && functions[0].bars[0].base == 0xc000 &&
	          functions[0].bars[0].bytes == 128 && functions[0].bars[1].base == 0xfeb00000 &&
	          functions[0].bars[1].bytes == 0x4000 && functions[0].bars[2].bytes == 0 &&
	          functions[0].bars[4].bytes == 0x10000 && functions[0].bars[4].prefetchable &&
	          functions[0].bars[5].bytes == 0 &&
	          config_read(0, PCI_ADDRESS(0, 1, 0), PCI_BAR + 4) == 0xfeb00000);
	set32(0, 0x50, 0x00804005); /* a list that has no end */
	set32(0, 0x40, 0x00025011);
	reads = 0;
	pci_scan(&access, functions, PCI_FUNCTIONS_MAX);
	check("a list of capabilities without an end ends", reads < 1000);
	unsigned most = 0, least = PCI_FUNCTIONS_MAX;
	srand(2);
	for (unsigned i = 0; i < 20000; i++) {
		bus();
		for (unsigned j = 0; j < 8; j++)
			config[rand() % 4][rand() % 256] = (uint8_t)rand();
		count = pci_scan(&access, functions, PCI_FUNCTIONS_MAX);
		for (unsigned j = 0; j < count; j++)
			pci_size_bars(&access, &functions[j]);
		most = count > most ? count : most;
		least = count < least ? count : least;
	}
	check("of broken configuration space some functions are found, and no more than there is room for",
	      most > least && most <= PCI_FUNCTIONS_MAX);
}

int main(void)
{
	test_acpi();
	test_pci();
	return failures != 0;
}
