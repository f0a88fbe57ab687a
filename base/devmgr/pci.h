/* PCI: which functions there are, their registers' places, their capabilities. Sources: PCI Local Bus 3.0 (6:
 * configuration space), PCI-to-PCI Bridge 1.2, PCI Express Base 4.0 (7.5), MSI and MSI-X: PCI Local Bus 3.0,
 * 6.8. Free of the system: configuration space is reached through struct pci_access.
 *
 * Addresses and bus numbers are the firmware's. What a function says is checked: a capability list ends after
 * PCI_CAPABILITIES_MAX, a bridge's bus is visited once, a range that wraps around is none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PCI_FUNCTIONS_MAX    64u
#define PCI_CAPABILITIES_MAX 48u
#define PCI_BARS             6u

#define PCI_ADDRESS(bus, slot, function) ((uint16_t)((bus) << 8 | (slot) << 3 | (function)))
#define PCI_BUS(address)                 ((address) >> 8)
#define PCI_SLOT(address)                ((address) >> 3 & 31)
#define PCI_FUNCTION(address)            ((address)&7)
#define PCI_PLACE                        "%02x:%02x.%u" /* how an address is written, and what goes into it */
#define PCI_PLACE_OF(address)            PCI_BUS(address), PCI_SLOT(address), PCI_FUNCTION(address)

enum pci_register {
	PCI_ID = 0x00,
	PCI_COMMAND = 0x04, /* and status, above */
	PCI_CLASS = 0x08,
	PCI_HEADER = 0x0c, /* type in bits 16 to 23 */
	PCI_BAR = 0x10,
	PCI_BUSES = 0x18, /* bridges */
	PCI_CAPABILITY = 0x34,
	PCI_INTERRUPT = 0x3c, /* line, pin */
};
#define PCI_HEADER_MANY (1u << 23)
enum pci_command { PCI_IO = 1, PCI_MEMORY = 2, PCI_MASTER = 4, PCI_NO_INTX = 1 << 10 };

/* 32 bits at OFFSET, a multiple of four, of the function at ADDRESS; all ones where nothing answers. */
struct pci_access {
	uint32_t (*read)(void *context, uint16_t address, uint32_t offset);
	void (*write)(void *context, uint16_t address, uint32_t offset, uint32_t value);
	void *context;
};

struct pci_bar {
	uint64_t base, bytes; /* bytes 0: none */
	bool ports, prefetchable;
};

struct pci_function {
	uint16_t address;
	uint16_t vendor, device;
	uint32_t class; /* 24 bits */
	uint8_t header; /* 0 device, 1 bridge */
	uint8_t line, pin;
	struct pci_bar bars[PCI_BARS];
	uint8_t msi, msix, express; /* where these capabilities are; 0: none */
	bool msi_64;
	bool hot_slot; /* a port with a slot that devices come into and go from (slot.h) */
	uint16_t msix_count;
	uint8_t msix_bar; /* of the table, */
	uint32_t msix_offset;
	uint8_t pending_bar; /* and of the pending bits */
	uint32_t pending_offset;
};

/* Finds the functions of all buses below bus 0, in the order of their addresses on each bus; returns how many,
 * at most MAX. BARS are not filled in. */
unsigned pci_scan(const struct pci_access *access, struct pci_function *functions, unsigned max);
/* The function at ADDRESS, without its BARs. False: there is none. */
bool pci_read(const struct pci_access *access, uint16_t address, struct pci_function *function);
/* What BAR INDEX (and the next, for 64 bits) says, whether or not it has been given a place; returns how many registers it takes. As below. */
unsigned pci_bar_measure(const struct pci_access *access, const struct pci_function *function, unsigned index,
                         struct pci_bar *bar);
/* Fills in FUNCTION's BARs. It must not be in use: its decoders are off for a moment. */
void pci_size_bars(const struct pci_access *access, struct pci_function *function);
/* Sets and clears bits of the command register. */
void pci_command(const struct pci_access *access, const struct pci_function *function, uint16_t set,
                 uint16_t clear);
/* One message interrupt: VALUE is the kernel's (data << 32 | address). Index 0 of MSI. */
void pci_msi_set(const struct pci_access *access, const struct pci_function *function, uint64_t value);
void pci_msi_enable(const struct pci_access *access, const struct pci_function *function, bool enable);
void pci_msix_enable(const struct pci_access *access, const struct pci_function *function, bool enable);
