/* A port of PCI Express and what is plugged into its slot, made here: two functions, whose ranges find places in the port's windows; then the
 * same with anything broken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "slot.h"

enum { BUS = 5, EXPRESS = 0x40, SLOT_CONTROL = EXPRESS + 0x18, FUNCTIONS = 2 };
#define NARROW      0xfe800000u /* the windows */
#define NARROW_END  0xfe9fffffu
#define WIDE        0x8000000000ull
#define WIDE_END    0x80000fffffull
#define EVENTS      0x11fu
#define PORT        PCI_ADDRESS(0, 3, 0)
#define FUNCTION(i) PCI_ADDRESS(BUS, 0, i)

static int failures;
static uint8_t spaces[1 + FUNCTIONS][256]; /* the port's first */
static uint32_t masks[FUNCTIONS][PCI_BARS];

static void check(const char *name, bool right)
{
	printf(right ? "ok slot: %s\n" : "not ok slot: %s - see the check of this name\n", name);
	failures += !right;
}

static uint8_t *space(uint16_t address)
{
	return address == PORT                                                 ? spaces[0]
	       : address >> 3 == FUNCTION(0) >> 3 && (address & 7) < FUNCTIONS ? spaces[1 + (address & 7)]
	                                                                       : 0;
}

static uint32_t config_read(void *context, uint16_t address, uint32_t offset)
{
	uint8_t *at = space(address);
	uint32_t value;

	(void)context;
	if (!at || offset > 252)
		return UINT32_MAX;
	memcpy(&value, at + offset, 4);
	return value;
}

/* Ranges have their sizes, and events of the slot are taken back by ones. */
static void config_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	uint8_t *at = space(address);
	uint32_t old;

	(void)context;
	if (!at || offset > 252)
		return;
	memcpy(&old, at + offset, 4);
	if (address != PORT && offset >= PCI_BAR && offset < PCI_BAR + 4 * PCI_BARS)
		value = (value & masks[address & 7][(offset - PCI_BAR) / 4]) |
		        (old & ~masks[address & 7][(offset - PCI_BAR) / 4]);
	if (address == PORT && offset == SLOT_CONTROL)
		value = (value & 0xffff) | (old & 0xffff0000u & ~(value & EVENTS << 16));
	memcpy(at + offset, &value, 4);
}

static const struct pci_access access = {config_read, config_write, 0};

static void put(unsigned index, uint32_t offset, uint32_t value)
{
	memcpy(&spaces[index][offset], &value, 4);
}

static uint32_t control(void)
{
	return config_read(0, PORT, SLOT_CONTROL);
}

static void make(void)
{
	memset(spaces, 0, sizeof(spaces));
	memset(masks, 0, sizeof(masks));
	put(0, PCI_ID, 0x000c1b36);
	put(0, PCI_COMMAND, 1u << 20);
	put(0, PCI_HEADER, 0x00010000);
	put(0, PCI_BUSES, BUS << 16 | BUS << 8);
	put(0, 0x20, (NARROW_END >> 16 & 0xfff0) << 16 | (NARROW >> 16 & 0xfff0));
	put(0, 0x24, (uint32_t)(WIDE_END >> 16 & 0xfff0) << 16 | 1u << 16 | (WIDE >> 16 & 0xfff0) | 1);
	put(0, 0x28, WIDE >> 32);
	put(0, 0x2c, WIDE_END >> 32);
	put(0, PCI_CAPABILITY, EXPRESS);
	put(0, EXPRESS, 0x01420010);
	put(0, EXPRESS + 0x14, 0x53);
	put(0, SLOT_CONTROL, 0x0700);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		put(1 + i, PCI_ID, 0x10421af4);
		put(1 + i, PCI_HEADER, 0x00800000);
	}
	masks[0][0] = ~127u; /* ports */
	put(1, PCI_BAR, 1);
	masks[0][1] = ~0xfffu;
	masks[0][4] = ~0x3fffu; /* of 64 bits, that may be read ahead */
	masks[0][5] = ~0u;
	put(1, PCI_BAR + 16, 0xc);
	masks[1][0] = ~0xfffffu;
}

static uint64_t base_of(unsigned function, unsigned index, struct pci_bar *bar)
{
	const struct pci_function of = {.address = FUNCTION(function)};

	pci_bar_measure(&access, &of, index, bar);
	return bar->base;
}

static void test_events(void)
{
	struct pci_function port;

	make();
	check("a port with a slot of that kind is known", pci_read(&access, PORT, &port) && port.hot_slot);
	put(0, SLOT_CONTROL, 0x0700 | 0x49u << 16);
	struct slot_state state = slot_look(&access, &port);
	check("what was plugged in is told", state.present && state.changed && state.pressed);
	state = slot_look(&access, &port);
	check("once, and the lamp and power stay",
	      state.present && !state.changed && !state.pressed && (control() & 0xffff) == 0x0700);
	check("power is given, and taken",
	      slot_power(&access, &port, true) && (control() & 0xffff) == 0x0100 &&
	          slot_power(&access, &port, false) && (control() & 0xffff) == 0x0700);
	put(0, EXPRESS + 0x14, 0x40);
	check("which a slot without a switch does not pretend",
	      !slot_power(&access, &port, true) && (control() & 0xffff) == 0x0700);
	put(0, SLOT_CONTROL, UINT32_MAX);
	check("a port that is gone has nothing in it", !slot_look(&access, &port).present);
	put(0, EXPRESS + 0x14, 0x13);
	check("one that does not say so has no such slot", pci_read(&access, PORT, &port) && !port.hot_slot);
	put(0, EXPRESS, 0x01400010 ^ 0x00500000);
	put(0, EXPRESS + 0x14, 0x53);
	check("nor has one that leads up", pci_read(&access, PORT, &port) && !port.hot_slot);
}

/* All ranges of COUNT functions lie in a window, and none on another. */
static bool apart(const struct pci_function *functions, unsigned count)
{
	uint64_t from[FUNCTIONS * PCI_BARS], end[FUNCTIONS * PCI_BARS];
	unsigned found = 0;

	for (unsigned i = 0; i < count * PCI_BARS; i++) {
		const struct pci_bar *bar = &functions[i / PCI_BARS].bars[i % PCI_BARS];
		if (!bar->bytes)
			continue;
		from[found] = bar->base;
		end[found] = bar->base + bar->bytes - 1;
		if (bar->base & (bar->bytes - 1) || !((bar->base >= NARROW && end[found] <= NARROW_END) ||
		                                      (bar->base >= WIDE && end[found] <= WIDE_END)))
			return false;
		found++;
	}
	for (unsigned i = 0; i < found; i++)
		for (unsigned j = 0; j < i; j++)
			if (from[i] <= end[j] && from[j] <= end[i])
				return false;
	return true;
}

static void test_places(void)
{
	struct pci_function port, functions[SLOT_FUNCTIONS];
	struct pci_bar bar;
	bool placed;

	make();
	pci_read(&access, PORT, &port);
	check("both functions are found, and have places",
	      slot_functions(&access, &port, functions, &placed) == 2 && placed &&
	          functions[1].address == FUNCTION(1));
	check("the large one first, the small one behind it, and ports nowhere",
	      base_of(1, 0, &bar) == NARROW && base_of(0, 1, &bar) == NARROW + 0x100000 &&
	          bar.bytes == 4096 && !base_of(0, 0, &bar));
	check("and what may be read ahead has one above 4 GiB",
	      base_of(0, 4, &bar) == WIDE && bar.bytes == 0x4000);
	masks[1][0] = ~0x3fffffu;
	check("more than there is room for has none",
	      slot_functions(&access, &port, functions, &placed) == 2 && !placed);
	make();
	put(0, 0x20, 0x0000fff0); /* shut: the end before the beginning */
	put(0, 0x24, 0x0001fff1);
	put(0, 0x28, 0);
	put(0, 0x2c, 0);
	check("a port without windows has room for nothing",
	      slot_functions(&access, &port, functions, &placed) == 2 && !placed);
	put(0, PCI_BUSES, 0);
	check("and one without a bus nothing behind it",
	      !slot_functions(&access, &port, functions, &placed) && !placed);
}

static void test_broken(void)
{
	struct pci_function port, functions[SLOT_FUNCTIONS];
	unsigned good = 0, wrong = 0;

	srand(3);
	for (unsigned i = 0; i < 100000; i++) {
		bool placed;
		make();
		pci_read(&access, PORT, &port);
		for (unsigned j = 0; j < 3; j++)
			masks[rand() % FUNCTIONS][rand() % PCI_BARS] = ~0u << rand() % 32;
		for (unsigned j = 0; j < 4; j++)
			spaces[1 + rand() % FUNCTIONS][rand() % 0x40] = (uint8_t)rand();
		(void)slot_look(&access, &port);
		unsigned count = slot_functions(&access, &port, functions, &placed);
		good += placed;
		wrong += placed && !apart(functions, count);
	}
	check("of broken devices many have places, none outside the windows or on another's",
	      good > 1000 && good < 100000 && !wrong);
}

int main(void)
{
	test_events();
	test_places();
	test_broken();
	return failures != 0;
}
