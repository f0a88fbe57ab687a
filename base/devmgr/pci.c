/* See pci.h. */
#include "pci.h"

#include <text.h>

enum capability { CAPABILITY_MSI = 0x05, CAPABILITY_EXPRESS = 0x10, CAPABILITY_MSIX = 0x11 };
#define STATUS_CAPABILITIES (1u << 20)

static uint32_t get(const struct pci_access *access, const struct pci_function *function, uint32_t offset)
{
	return access->read(access->context, function->address, offset);
}

static void put(const struct pci_access *access, const struct pci_function *function, uint32_t offset,
                uint32_t value)
{
	access->write(access->context, function->address, offset, value);
}

static void read_capability(const struct pci_access *access, struct pci_function *function, uint8_t at,
                            uint32_t head)
{
	switch (head & 0xff) {
	case CAPABILITY_MSI:
		function->msi = at;
		function->msi_64 = head >> 16 & 0x80;
		break;
	case CAPABILITY_EXPRESS:
		function->express = at;
		break;
	case CAPABILITY_MSIX: {
		uint32_t table = get(access, function, at + 4u), pending = get(access, function, at + 8u);

		if ((table & 7) >= PCI_BARS || (pending & 7) >= PCI_BARS)
			break;
		function->msix = at;
		function->msix_count = (uint16_t)((head >> 16 & 0x7ff) + 1);
		function->msix_bar = table & 7;
		function->msix_offset = table & ~7u;
		function->pending_bar = pending & 7;
		function->pending_offset = pending & ~7u;
		break;
	}
	default:
		break;
	}
}

/* PCI Express Base 4.0, 7.5.3.2 and 7.5.3.9: a port that leads down, with a slot that can be plugged into while all runs. */
static bool has_hot_slot(const struct pci_access *access, const struct pci_function *function)
{
	enum { ROOT_PORT = 4, DOWNSTREAM_PORT = 6, SLOT_CAPABILITIES = 0x14 };

	if (!function->express || function->header != 1)
		return false;
	uint32_t what = get(access, function, function->express) >> 16, type = what >> 4 & 15;
	return (type == ROOT_PORT || type == DOWNSTREAM_PORT) && what >> 8 & 1 &&
	       get(access, function, function->express + (uint32_t)SLOT_CAPABILITIES) >> 6 & 1;
}

static void read_function(const struct pci_access *access, struct pci_function *function, uint32_t id)
{
	uint32_t interrupt;

	function->vendor = (uint16_t)id;
	function->device = (uint16_t)(id >> 16);
	function->class = get(access, function, PCI_CLASS) >> 8;
	function->header = get(access, function, PCI_HEADER) >> 16 & 0x7f;
	interrupt = get(access, function, PCI_INTERRUPT);
	function->line = (uint8_t)interrupt;
	function->pin = (uint8_t)(interrupt >> 8);
	if (function->header > 1 || !(get(access, function, PCI_COMMAND) & STATUS_CAPABILITIES))
		return;
	uint8_t at = get(access, function, PCI_CAPABILITY) & 0xfc;
	for (unsigned i = 0; i < PCI_CAPABILITIES_MAX && at >= 0x40; i++) {
		uint32_t head = get(access, function, at);

		if (head == UINT32_MAX) /* gone meanwhile */
			return;
		read_capability(access, function, at, head);
		at = head >> 8 & 0xfc;
	}
	function->hot_slot = has_hot_slot(access, function);
}

bool pci_read(const struct pci_access *access, uint16_t address, struct pci_function *function)
{
	*function = (struct pci_function){.address = address};
	uint32_t id = get(access, function, PCI_ID);

	if ((id & 0xffff) == 0xffff || !(id & 0xffff))
		return false;
	read_function(access, function, id);
	return true;
}

/* The functions of one bus; bridges' buses are added to QUEUE, each once. */
struct scan {
	const struct pci_access *access;
	struct pci_function *functions;
	unsigned count, max;
	uint8_t queue[256];
	unsigned queued;
	bool seen[256];
};

static void scan_function(struct scan *scan, uint8_t bus, unsigned slot, unsigned index)
{
	struct pci_function function;

	if (!pci_read(scan->access, PCI_ADDRESS(bus, slot, index), &function))
		return;
	if (scan->count < scan->max)
		scan->functions[scan->count++] = function;
	if (function.header == 1) {
		uint8_t below = (uint8_t)(get(scan->access, &function, PCI_BUSES) >> 8);

		if (below && !scan->seen[below]) {
			scan->seen[below] = true;
			scan->queue[scan->queued++] = below;
		}
	}
}

unsigned pci_scan(const struct pci_access *access, struct pci_function *functions, unsigned max)
{
	struct scan scan = {.access = access, .functions = functions, .max = max, .queued = 1};

	scan.seen[0] = true;
	for (unsigned i = 0; i < scan.queued; i++) {
		uint8_t bus = scan.queue[i];

		for (unsigned slot = 0; slot < 32; slot++) {
			struct pci_function first = {.address = PCI_ADDRESS(bus, slot, 0)};
			uint32_t id = get(access, &first, PCI_ID);
			bool many;

			if ((id & 0xffff) == 0xffff || !(id & 0xffff))
				continue;
			many = get(access, &first, PCI_HEADER) & PCI_HEADER_MANY;
			for (unsigned function = 0; function < (many ? 8u : 1u); function++)
				scan_function(&scan, bus, slot, function);
		}
	}
	return scan.count;
}

unsigned pci_bar_measure(const struct pci_access *access, const struct pci_function *function, unsigned index,
                         struct pci_bar *bar)
{
	uint32_t at = PCI_BAR + index * 4u, low = get(access, function, at), mask;
	bool wide = !(low & 1) && (low >> 1 & 3) == 2 && index + 1 < PCI_BARS;
	uint64_t base, size;

	*bar = (struct pci_bar){0};

	put(access, function, at, UINT32_MAX);
	mask = get(access, function, at);
	put(access, function, at, low);
	bar->ports = low & 1;
	bar->prefetchable = !bar->ports && low & 8;
	base = bar->ports ? low & ~3u : low & ~15u;
	size = bar->ports ? (mask & ~3u) | 0xffff0000u : mask & ~15u;
	if (!(mask & (bar->ports ? ~3u : ~15u)) && !wide)
		return 1;
	if (wide) {
		uint32_t high = get(access, function, at + 4);

		put(access, function, at + 4, UINT32_MAX);
		size |= (uint64_t)get(access, function, at + 4) << 32;
		put(access, function, at + 4, high);
		base |= (uint64_t)high << 32;
	} else {
		size |= 0xffffffff00000000ull;
	}
	size = ~size + 1;
	if (size && !(size & (size - 1))) {
		bar->base = base;
		bar->bytes = size;
	}
	return wide ? 2 : 1;
}

/* The same, where the range is one. */
static unsigned size_bar(const struct pci_access *access, struct pci_function *function, unsigned index)
{
	struct pci_bar *bar = &function->bars[index];
	unsigned registers = pci_bar_measure(access, function, index, bar);
	uint64_t end = bar->base + bar->bytes;

	if (!bar->base || bar->base & (bar->bytes - 1) || end < bar->base || (bar->ports && end > 0x10000))
		bar->base = bar->bytes = 0;
	return registers;
}

void pci_size_bars(const struct pci_access *access, struct pci_function *function)
{
	uint32_t command = get(access, function, PCI_COMMAND) & 0xffff;

	memset(function->bars, 0, sizeof(function->bars));
	if (function->header != 0)
		return;
	put(access, function, PCI_COMMAND, command & ~(uint32_t)(PCI_IO | PCI_MEMORY));
	for (unsigned i = 0; i < PCI_BARS;)
		i += size_bar(access, function, i);
	put(access, function, PCI_COMMAND, command);
}

void pci_command(const struct pci_access *access, const struct pci_function *function, uint16_t set,
                 uint16_t clear)
{
	uint32_t command =
	    get(access, function, PCI_COMMAND) & 0xffff; /* zeroes leave the status bits alone */

	put(access, function, PCI_COMMAND, (command & ~(uint32_t)clear) | set);
	(void)get(access, function, PCI_COMMAND); /* what the function had sent before has arrived */
}

static void set_control(const struct pci_access *access, const struct pci_function *function, uint8_t at,
                        uint32_t set, uint32_t clear)
{
	put(access, function, at, (get(access, function, at) & ~clear) | set);
}

void pci_msi_set(const struct pci_access *access, const struct pci_function *function, uint64_t value)
{
	put(access, function, function->msi + 4u, (uint32_t)value);
	if (function->msi_64)
		put(access, function, function->msi + 8u, 0);
	put(access, function, function->msi + (function->msi_64 ? 12u : 8u), (uint32_t)(value >> 32));
}

void pci_msi_enable(const struct pci_access *access, const struct pci_function *function, bool enable)
{
	/* One vector: "multiple message enable" is 0. */
	set_control(access, function, function->msi, enable ? 1u << 16 : 0, 1u << 16 | 7u << 20);
}

void pci_msix_enable(const struct pci_access *access, const struct pci_function *function, bool enable)
{
	set_control(access, function, function->msix, enable ? 1u << 31 : 0, 3u << 30);
}
