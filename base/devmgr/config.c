/* Access to PCI configuration space: memory-mapped (PCI Express Base 4.0, 7.2.2) or through ports 0xcf8 and
 * 0xcfc (PCI Local Bus 3.0, 3.2.2.3.2), which reach the first 256 bytes. */
#include "devmgr.h"

#define ADDRESS_PORT 0xcf8u
#define DATA_PORT    0xcfcu
#define BUS_BYTES    (1ull << 20)

static volatile uint8_t *ecam; /* of bus acpi.first_bus */
static handle_t ports;

static volatile uint32_t *ecam_at(uint16_t address, uint32_t offset)
{
	unsigned bus = PCI_BUS(address);

	if (bus < devmgr.acpi.first_bus || bus > devmgr.acpi.last_bus || offset > 4092)
		return 0;
	return (volatile uint32_t *)(ecam + (bus - devmgr.acpi.first_bus) * BUS_BYTES +
	                             (address & 0xff) * 4096ull + offset);
}

static uint32_t ecam_read(void *context, uint16_t address, uint32_t offset)
{
	volatile uint32_t *at = ecam_at(address, offset);

	(void)context;
	return at ? *at : UINT32_MAX;
}

static void ecam_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	volatile uint32_t *at = ecam_at(address, offset);

	(void)context;
	if (at)
		*at = value;
}

static bool port_select(uint16_t address, uint32_t offset)
{
	return offset < 256 &&
	       ioport_out(ports, ADDRESS_PORT, 4, 1u << 31 | (uint32_t)address << 8 | offset) >= 0;
}

static uint32_t port_read(void *context, uint16_t address, uint32_t offset)
{
	(void)context;
	return port_select(address, offset) ? (uint32_t)ioport_in(ports, DATA_PORT, 4) : UINT32_MAX;
}

static void port_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	(void)context;
	if (port_select(address, offset))
		ioport_out(ports, DATA_PORT, 4, value);
}

bool config_init(void)
{
	uint64_t bytes = (devmgr.acpi.last_bus - devmgr.acpi.first_bus + 1) * BUS_BYTES;

	if (devmgr.acpi.ecam) {
		int64_t memory =
		    memory_create(MEMORY_DEVICE, bytes, devmgr.acpi.ecam + devmgr.acpi.first_bus * BUS_BYTES,
		                  devmgr.system);
		if (memory > 0)
			ecam = window_map((handle_t)memory, 0, bytes, MAP_READ | MAP_WRITE);
		devmgr.access = (struct pci_access){ecam_read, ecam_write, 0};
	}
	if (!ecam) {
		int64_t range = ioport_create(devmgr.system, ADDRESS_PORT, 8);
		if (range < 0)
			return false;
		ports = (handle_t)range;
		devmgr.access = (struct pci_access){port_read, port_write, 0};
	}
	return true;
}
