/* ACPI tables and PCI configuration space of any content. The first bytes choose; the rest is memory, or the
 * configuration space of four functions, among them ports with slots. */
#include <stdint.h>
#include <string.h>
#include "acpi.h"
#include "slot.h"

static const uint8_t *bytes;
static size_t count;

static const void *view(void *context, unsigned slot, uint64_t physical, uint64_t length)
{
	(void)context;
	(void)slot;
	return physical && physical <= count && length <= count - physical ? bytes + physical : 0;
}

static uint32_t config_read(void *context, uint16_t address, uint32_t offset)
{
	uint32_t value;
	uint64_t at = ((address >> 3 & 3) | (uint64_t)(address >> 8 & 1) << 2) * 256 + offset;

	(void)context;
	if (address & 7 || offset > 252 || (address >> 3 & 31) > 3 || at + 4 > count)
		return UINT32_MAX;
	memcpy(&value, bytes + at, 4);
	return value;
}

static void config_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	(void)context;
	(void)address;
	(void)offset;
	(void)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pci_function functions[PCI_FUNCTIONS_MAX];
	const struct pci_access access = {config_read, config_write, 0};
	struct acpi_info info;

	if (!size)
		return 0;
	bytes = data + 1;
	count = size - 1;
	if (data[0] & 1) {
		acpi_read(&info, 1 + data[0] / 2, view, 0);
		return 0;
	}
	unsigned found = pci_scan(&access, functions, PCI_FUNCTIONS_MAX);
	for (unsigned i = 0; i < found; i++) {
		struct pci_function plugged[SLOT_FUNCTIONS];
		bool placed;
		pci_size_bars(&access, &functions[i]);
		if (!functions[i].hot_slot)
			continue;
		(void)slot_power(&access, &functions[i], slot_look(&access, &functions[i]).present);
		(void)slot_functions(&access, &functions[i], plugged, &placed);
	}
	return 0;
}
