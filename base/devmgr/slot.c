/* See slot.h. */
#include "slot.h"

#include <text.h>

enum slot_register { SLOT_CAPABILITIES = 0x14, SLOT_CONTROL = 0x18 }; /* and status, above */
#define HAS_POWER      (1u << 1)
#define HAS_LAMP       (1u << 4)
#define LAMP_MASK      (3u << 8)
#define LAMP_ON        (1u << 8)
#define LAMP_OFF       (3u << 8)
#define POWER_OFF      (1u << 10)
#define STATUS_SHIFT   16u
#define STATUS_PRESSED 0x01u
#define STATUS_CHANGED 0x08u
#define STATUS_EVENTS  0x11fu
#define STATUS_PRESENT 0x40u

/* PCI-to-PCI Bridge 1.2, 3.2.5 */
enum bridge_register { WINDOW = 0x20, WINDOW_WIDE = 0x24, WIDE_BASE = 0x28, WIDE_LIMIT = 0x2c };
#define WINDOWS 2u

struct window {
	uint64_t next, end;
};

static uint32_t get(const struct pci_access *access, const struct pci_function *function, uint32_t offset)
{
	return access->read(access->context, function->address, offset);
}

static void put(const struct pci_access *access, const struct pci_function *function, uint32_t offset,
                uint32_t value)
{
	access->write(access->context, function->address, offset, value);
}

struct slot_state slot_look(const struct pci_access *access, const struct pci_function *port)
{
	uint32_t word = get(access, port, port->express + (uint32_t)SLOT_CONTROL);
	uint32_t status = word >> STATUS_SHIFT;

	if (word == UINT32_MAX)
		return (struct slot_state){0};
	if (status & STATUS_EVENTS) /* ones take back: only what was seen */
		put(access, port, port->express + (uint32_t)SLOT_CONTROL,
		    (word & 0xffff) | (status & STATUS_EVENTS) << STATUS_SHIFT);
	return (struct slot_state){.present = status & STATUS_PRESENT,
	                           .changed = status & STATUS_CHANGED,
	                           .pressed = status & STATUS_PRESSED};
}

bool slot_power(const struct pci_access *access, const struct pci_function *port, bool on)
{
	uint32_t has = get(access, port, port->express + (uint32_t)SLOT_CAPABILITIES);
	uint32_t word = get(access, port, port->express + (uint32_t)SLOT_CONTROL) & 0xffff;

	if (word == 0xffff)
		return false;
	if (has & HAS_LAMP)
		word = (word & ~LAMP_MASK) | (on ? LAMP_ON : LAMP_OFF);
	if (has & HAS_POWER)
		word = (word & ~POWER_OFF) | (on ? 0 : POWER_OFF);
	put(access, port, port->express + (uint32_t)SLOT_CONTROL, word);
	return has & HAS_POWER;
}

uint8_t slot_bus(const struct pci_access *access, const struct pci_function *port)
{
	uint32_t buses = get(access, port, PCI_BUSES);

	return buses == UINT32_MAX ? 0 : (uint8_t)(buses >> 8);
}

static void read_windows(const struct pci_access *access, const struct pci_function *port,
                         struct window windows[WINDOWS])
{
	uint32_t low = get(access, port, WINDOW), wide = get(access, port, WINDOW_WIDE);

	windows[0].next = (uint64_t)(low & 0xfff0) << 16;
	windows[0].end = (uint64_t)(low >> 16 & 0xfff0) << 16 | 0xfffff;
	windows[1].next = (uint64_t)(wide & 0xfff0) << 16;
	windows[1].end = (uint64_t)(wide >> 16 & 0xfff0) << 16 | 0xfffff;
	if ((wide & 15) == 1) { /* of 64 bits */
		windows[1].next |= (uint64_t)get(access, port, WIDE_BASE) << 32;
		windows[1].end |= (uint64_t)get(access, port, WIDE_LIMIT) << 32;
	}
	for (unsigned i = 0; i < WINDOWS; i++)
		if (!windows[i].next || windows[i].end < windows[i].next)
			windows[i] = (struct window){.next = 1}; /* it is shut */
}

struct range {
	struct pci_function *function;
	uint64_t bytes;
	unsigned index;
	bool wide, prefetchable;
};

/* Takes a place for RANGE out of WINDOW. False: there is none. */
static bool place(const struct pci_access *access, const struct range *range, struct window *window)
{
	uint64_t at = (window->next + range->bytes - 1) & ~(range->bytes - 1);
	uint32_t offset = PCI_BAR + range->index * 4u;

	if (at < window->next || at > window->end || range->bytes - 1 > window->end - at ||
	    (at >> 32 && !range->wide))
		return false;
	window->next = at + range->bytes;
	if (!window->next) /* up to the end of all addresses */
		*window = (struct window){.next = 1};
	range->function->bars[range->index] =
	    (struct pci_bar){.base = at, .bytes = range->bytes, .prefetchable = range->prefetchable};
	put(access, range->function, offset, (uint32_t)at);
	if (range->wide)
		put(access, range->function, offset + 4, (uint32_t)(at >> 32));
	return true;
}

/* The memory ranges that FUNCTION asks for. I/O ports are given to none: what is plugged in does without. */
static unsigned add_ranges(const struct pci_access *access, struct pci_function *function,
                           struct range *ranges)
{
	unsigned count = 0;

	for (unsigned i = 0, taken; i < PCI_BARS; i += taken) {
		struct pci_bar bar;
		taken = pci_bar_measure(access, function, i, &bar);
		if (bar.bytes && !bar.ports)
			ranges[count++] =
			    (struct range){function, bar.bytes, i, taken == 2, bar.prefetchable};
	}
	return count;
}

/* The largest first: so no room is lost between them. */
static bool place_all(const struct pci_access *access, struct range *ranges, unsigned count,
                      struct window windows[WINDOWS])
{
	bool all = true;

	for (unsigned placed = 0; placed < count; placed++) {
		unsigned largest = 0;
		for (unsigned i = 1; i < count; i++)
			if (ranges[i].bytes > ranges[largest].bytes)
				largest = i;
		struct range *range = &ranges[largest];
		/* The wide window is for what may be read ahead. */
		all = ((range->prefetchable && place(access, range, &windows[1])) ||
		       place(access, range, &windows[0])) &&
		      all;
		range->bytes = 0;
	}
	return all;
}

unsigned slot_functions(const struct pci_access *access, const struct pci_function *port,
                        struct pci_function functions[SLOT_FUNCTIONS], bool *placed)
{
	struct range ranges[SLOT_FUNCTIONS * PCI_BARS];
	struct window windows[WINDOWS];
	uint8_t bus = slot_bus(access, port);
	unsigned count = 0, range_count = 0;

	*placed = false;
	if (!bus || !pci_read(access, PCI_ADDRESS(bus, 0, 0), &functions[0]))
		return 0;
	bool many = get(access, &functions[0], PCI_HEADER) & PCI_HEADER_MANY;
	for (unsigned i = 0; i < (many ? SLOT_FUNCTIONS : 1u); i++)
		count += pci_read(access, PCI_ADDRESS(bus, 0, i), &functions[count]);
	for (unsigned i = 0; i < count; i++) {
		if (functions[i].header != 0)
			continue;
		pci_command(access, &functions[i], 0, PCI_IO | PCI_MEMORY | PCI_MASTER);
		range_count += add_ranges(access, &functions[i], ranges + range_count);
	}
	read_windows(access, port, windows);
	pci_command(access, port, PCI_MEMORY | PCI_MASTER, 0);
	*placed = place_all(access, ranges, range_count, windows);
	return count;
}
