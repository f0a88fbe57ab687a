/* A port with a slot, made here: what is done with what comes into it and goes, when it is taken for gone, and that nothing of it is left. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "devmgr.h"
#include "slot.h"

enum { BUS = 5, EXPRESS = 0x40, SLOT_CONTROL = EXPRESS + 0x18, DEVICE_ID = 0x10421af4 };
#define PORT         PCI_ADDRESS(0, 3, 0)
#define PRESSED      0x01u
#define CHANGED      0x08u
#define PRESENT      0x40u
#define EVENTS       0x11fu
#define POWER_OFF    (1u << 10)
#define LOOK_NS      250000000ull
#define PLUGGED_IN   (PRESENT | CHANGED | PRESSED) /* as QEMU has it */
#define HEADER_SHIFT 16u

struct devmgr devmgr;

static int failures;
static uint32_t port_space[64], device_space[64];
static bool port_gone;
static unsigned added, removed, released;
static uint64_t now = 1;

static void check(const char *name, bool right)
{
	printf(right ? "ok hot plug of PCI Express: %s\n"
	             : "not ok hot plug of PCI Express: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static uint32_t config_read(void *context, uint16_t address, uint32_t offset)
{
	(void)context;
	if (offset >= sizeof(port_space) || port_gone)
		return UINT32_MAX;
	if (address == PORT)
		return port_space[offset / 4];
	bool there = port_space[SLOT_CONTROL / 4] >> 16 & PRESENT;
	return there && address == PCI_ADDRESS(BUS, 0, 0) ? device_space[offset / 4] : UINT32_MAX;
}

static void config_write(void *context, uint16_t address, uint32_t offset, uint32_t value)
{
	(void)context;
	if (address == PORT && offset == SLOT_CONTROL) /* events are taken back by ones */
		port_space[offset / 4] =
		    (value & 0xffff) | (port_space[offset / 4] & 0xffff0000u & ~(value & EVENTS << 16));
}

void log_print(handle_t system, struct thread_page *page, const char *format, ...)
{
	(void)system, (void)page, (void)format;
}

void devmgr_changed(void)
{
}

/* One device at a time: the second claim's. */
void claim_add(const struct pci_function *function)
{
	added += devmgr.claim_count == 1 || devmgr.claims[1].absent;
	devmgr.claims[1] = (struct claim){.function = *function};
	devmgr.claim_count = 2;
}

void claim_remove(struct claim *claim)
{
	removed += !claim->absent;
	claim->absent = true;
}

void mappings_end_old(struct claim *claim)
{
	released += claim->absent;
}

static bool has_power(void)
{
	return !(port_space[SLOT_CONTROL / 4] & POWER_OFF);
}

static void look(void)
{
	now += LOOK_NS;
	(void)hotplug_due(now, DEADLINE_NEVER);
}

/* The status of the slot, with what has happened. */
static void slot_is(uint32_t status)
{
	port_space[SLOT_CONTROL / 4] = (port_space[SLOT_CONTROL / 4] & 0xffff) | status << 16;
}

static void plug_in(uint32_t header)
{
	device_space[PCI_HEADER / 4] = header << HEADER_SHIFT;
	slot_is(PLUGGED_IN);
}

int main(void)
{
	devmgr.access = (struct pci_access){config_read, config_write, 0};
	devmgr.claim_count = 1;
	port_space[PCI_ID / 4] = 0x000c1b36;
	port_space[PCI_COMMAND / 4] = 1u << 20;
	port_space[PCI_HEADER / 4] = 1u << HEADER_SHIFT;
	port_space[PCI_BUSES / 4] = BUS << 16 | BUS << 8;
	port_space[PCI_CAPABILITY / 4] = EXPRESS;
	port_space[EXPRESS / 4] = 0x01420010;
	port_space[(EXPRESS + 0x14) / 4] = 0x53;
	port_space[SLOT_CONTROL / 4] = POWER_OFF;
	device_space[PCI_ID / 4] = DEVICE_ID;
	check("a port with a slot is known", pci_read(&devmgr.access, PORT, &devmgr.claims[0].function) &&
	                                         devmgr.claims[0].function.hot_slot);
	hotplug_init();
	look();
	plug_in(1);
	look();
	look();
	check("a bridge that is plugged in is a device", added == 1 && has_power());
	slot_is(PRESENT | PRESSED);
	look();
	check("whose button lets it go", removed == 1 && devmgr.claims[1].absent && !has_power());
	slot_is(CHANGED);
	look();
	check("and what it had is released", released);
	plug_in(0);
	look();
	look();
	check("what comes in its place is a device", added == 2 && has_power());
	look();
	check("and stays one", added == 2 && removed == 1);
	slot_is(PRESENT | CHANGED);
	look();
	look();
	look();
	check("another one in the same quarter of a second is another one",
	      added == 3 && removed == 2 && has_power());
	slot_is(CHANGED);
	look();
	check("one that is torn out is gone", removed == 3 && !has_power());
	plug_in(0);
	look();
	slot_is(PRESENT | PRESSED);
	look();
	look();
	check("a button that is pressed before there is a driver counts", added == 3 && !has_power());
	slot_is(PRESENT | PRESSED);
	look();
	look();
	check("and pressed once more it is to work", added == 4 && has_power());
	port_gone = true;
	look();
	check("what is behind a port that is gone is gone", removed == 4 && devmgr.claims[1].absent);
	return failures != 0;
}
