/* See iommu.h. Tables lie in memory of devmgr's own that is pinned as any device's is: a new devmgr makes new ones
 * and ends the old ones' pins once all devices were reset. */
#include "iommu.h"

#include "devmgr.h"
#include "steward.interface.h"
#include <text.h>

/* 10.4 */
enum reg {
	VERSION = 0x00,
	CAPABILITY = 0x08,
	EXTENDED = 0x10,
	COMMAND = 0x18,
	STATUS = 0x1c,
	ROOT = 0x20,
	CONTEXT_COMMAND = 0x28,
	FAULT_STATUS = 0x34,
	FAULT_CONTROL = 0x38,
	FAULT_DATA = 0x3c,
	FAULT_ADDRESS = 0x40,
	FAULT_UPPER = 0x44
};
#define COMMAND_TRANSLATE (1u << 31)
#define COMMAND_ROOT      (1u << 30)
#define CONTEXT_ALL       (1ull << 63 | 1ull << 61)
#define TLB_ALL           (1ull << 63 | 1ull << 60 | 1ull << 49 | 1ull << 48) /* and drain reads and writes */
#define FAULT_BITS        0xffu
#define FAULT_VALID       (1ull << 63)
#define LEVELS_3          (1ull << 9)  /* in CAPABILITY: tables of three levels, 39 bits, */
#define LEVELS_4          (1ull << 10) /* and of four, 48 bits */
#define READ_WRITE        3ull
#define PRESENT           1ull
#define ADDRESS_BITS      0x000ffffffffff000ull
#define COUNT_SHIFT       52u /* bits 52 to 61 are ignored by the unit: how often a page is mapped */
#define COUNT_ONE         (1ull << COUNT_SHIFT)
#define COUNT_MASK        (0x3ffull << COUNT_SHIFT)
#define UNIT_BYTES        4096u
#define TABLES            512u /* pages for all tables */
#define TRIES             1000000u
#define CALL_NS           10000000000ull

static struct unit_registers {
	volatile uint8_t *at;
	uint32_t tlb, faults; /* where those registers are */
	unsigned fault_count;
} units[ACPI_UNITS];
static unsigned unit_count;

static uint64_t (*tables)[512];
static uint64_t table_addresses[TABLES];
static unsigned tables_used;
static uint16_t entries_used[TABLES]; /* of a lowest table: pages that it opens */
static uint16_t free_tables[TABLES];  /* lowest tables without any, */
static unsigned free_count;           /* as a stack */
static uint64_t *root;
static handle_t fault_irq;
static unsigned levels = 4; /* of all units' tables */

static uint32_t get(const struct unit_registers *unit, uint32_t at)
{
	return *(volatile uint32_t *)(unit->at + at);
}

static uint64_t get64(const struct unit_registers *unit, uint32_t at)
{
	return *(volatile uint64_t *)(unit->at + at);
}

static void put(const struct unit_registers *unit, uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(unit->at + at) = value;
}

static void put64(const struct unit_registers *unit, uint32_t at, uint64_t value)
{
	*(volatile uint64_t *)(unit->at + at) = value;
}

/* ---- Tables ---- */

/* Writes an entry where the unit sees it, also one that does not look into caches. */
static void set(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELEASE);
	__asm__ volatile("clflush %0" : "+m"(*entry));
}

static bool tables_make(void)
{
	const void *list;
	uint32_t bytes;
	handle_t memory;
	uint64_t pin;

	tables = window_allocate((uint64_t)TABLES * PAGE_SIZE_BYTES, &memory);
	for (unsigned page = 0; tables && page < TABLES; page += 256) {
		int64_t copy = cap_copy(memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0);
		if (copy < 0 ||
		    steward_pin(devmgr.steward, devmgr.page, (handle_t)copy, page * PAGE_SIZE_BYTES,
		                256 * PAGE_SIZE_BYTES, &pin, &list, &bytes, clock_ns() + CALL_NS) < 0)
			return false;
		memcpy(&table_addresses[page], list, bytes);
	}
	return tables;
}

/* A zeroed table; 0: there are no more. */
static uint64_t *table_new(uint64_t *address)
{
	unsigned index;

	if (!free_count && tables_used == TABLES)
		return 0;
	index = free_count ? free_tables[--free_count] : tables_used++;
	*address = table_addresses[index];
	return tables[index];
}

static unsigned table_index(const uint64_t *entry)
{
	return (unsigned)(((uint64_t)entry - (uint64_t)tables) / PAGE_SIZE_BYTES);
}

static uint64_t *table_at(uint64_t address)
{
	for (unsigned i = 0; i < tables_used; i++)
		if (table_addresses[i] == address)
			return tables[i];
	return 0;
}

/* CLAIM's top table, with its context, made at the first use. */
static uint64_t *domain(struct claim *claim)
{
	uint16_t device = claim->function.address;
	uint64_t *bus = &root[2u * PCI_BUS(device)], address;

	if (claim->domain)
		return claim->domain;
	if (!(*bus & PRESENT)) {
		if (!table_new(&address))
			return 0;
		set(bus, address | PRESENT);
	}
	uint64_t *context = table_at(*bus & ADDRESS_BITS) + 2u * (device & 0xff);
	claim->domain = table_new(&address);
	if (!claim->domain)
		return 0;
	set(context + 1, (uint64_t)(claim - devmgr.claims + 1) << 8 | (levels - 2)); /* its number */
	set(context, address | PRESENT);
	return claim->domain;
}

/* The lowest entry for ADDRESS, and the one above; MAKE: with the tables above it. */
static uint64_t *entry_of(struct claim *claim, uint64_t address, bool make, uint64_t **above)
{
	uint64_t *table = domain(claim), below;

	if (address >> (levels * 9 + 12))
		return 0;
	for (unsigned shift = levels * 9 + 3; table && shift > 12; shift -= 9) {
		uint64_t *entry = &table[address >> shift & 511];
		*above = entry;
		if (*entry & READ_WRITE) {
			table = table_at(*entry & ADDRESS_BITS);
		} else {
			table = make ? table_new(&below) : 0;
			if (table)
				set(entry, below | READ_WRITE);
		}
	}
	return table ? &table[address >> 12 & 511] : 0;
}

bool iommu_present(void)
{
	return unit_count;
}

bool iommu_confines(void)
{
	return unit_count && unit_count == devmgr.acpi.unit_count && !devmgr.acpi.units_more;
}

bool iommu_map(struct claim *claim, uint64_t address)
{
	uint64_t *above = 0, *entry = entry_of(claim, address, true, &above);

	if (!entry || (*entry & COUNT_MASK) == COUNT_MASK)
		return false;
	entries_used[table_index(entry)] += !(*entry & READ_WRITE);
	set(entry, ((*entry & COUNT_MASK) + COUNT_ONE) | (address & ADDRESS_BITS) | READ_WRITE);
	return true;
}

void iommu_unmap(struct claim *claim, uint64_t address)
{
	uint64_t *above = 0, *entry = entry_of(claim, address, false, &above);

	if (!entry || !(*entry & READ_WRITE))
		return;
	uint64_t count = (*entry & COUNT_MASK) - COUNT_ONE;
	set(entry, count ? count | (address & ADDRESS_BITS) | READ_WRITE : 0);
	if (count || --entries_used[table_index(entry)])
		return;
	/* The table is used again at the earliest after the flush that follows. */
	if (above)
		set(above, 0);
	free_tables[free_count++] = (uint16_t)table_index(entry);
}

/* ---- The units ---- */

static bool wait_clear64(const struct unit_registers *unit, uint32_t at)
{
	for (unsigned tries = 0; tries < TRIES; tries++)
		if (!(get64(unit, at) >> 63))
			return true;
	return false;
}

static bool flush(const struct unit_registers *unit)
{
	put64(unit, CONTEXT_COMMAND, CONTEXT_ALL);
	if (!wait_clear64(unit, CONTEXT_COMMAND))
		return false;
	put64(unit, unit->tlb + 8, TLB_ALL);
	return wait_clear64(unit, unit->tlb + 8);
}

void iommu_flush(void)
{
	for (unsigned i = 0; i < unit_count; i++)
		if (!flush(&units[i]))
			LOG("devmgr: an IOMMU does not invalidate\n");
}

static bool command(const struct unit_registers *unit, uint32_t bit)
{
	/* One at a time; those in effect stay (10.4.4). */
	put(unit, COMMAND, (get(unit, STATUS) & 0x96ffffffu) | bit);
	for (unsigned tries = 0; tries < TRIES; tries++)
		if (get(unit, STATUS) & bit)
			return true;
	return false;
}

static bool unit_init(struct unit_registers *unit, uint64_t base, uint64_t root_address, uint64_t message)
{
	int64_t memory = memory_create(MEMORY_DEVICE, UNIT_BYTES, base, devmgr.system);

	unit->at = memory < 0 ? 0 : window_map((handle_t)memory, 0, UNIT_BYTES, MAP_READ | MAP_WRITE);
	if (!unit->at)
		return false;
	uint64_t capability = get64(unit, CAPABILITY);
	unit->tlb = (uint32_t)(get64(unit, EXTENDED) >> 8 & 0x3ff) * 16;
	unit->faults = (uint32_t)(capability >> 24 & 0x3ff) * 16;
	unit->fault_count = (unsigned)(capability >> 40 & 0xff) + 1;
	if (!(capability & LEVELS_4))
		levels = 3;
	if (!(capability & (levels == 4 ? LEVELS_4 : LEVELS_3)) || unit->tlb + 16 > UNIT_BYTES ||
	    unit->faults + unit->fault_count * 16 > UNIT_BYTES)
		return false;
	put64(unit, ROOT, root_address);
	if (!command(unit, COMMAND_ROOT) || !flush(unit))
		return false;
	put(unit, FAULT_DATA, (uint32_t)(message >> 32));
	put(unit, FAULT_ADDRESS, (uint32_t)message);
	put(unit, FAULT_UPPER, 0);
	put(unit, FAULT_CONTROL, 0);
	put(unit, FAULT_STATUS, FAULT_BITS);
	return command(unit, COMMAND_TRANSLATE);
}

bool iommu_init(void)
{
	uint64_t root_address, message = 0;

	if (!devmgr.acpi.unit_count)
		return false;
	if (!tables_make() || !(root = table_new(&root_address))) {
		LOG("devmgr: no memory for the IOMMU's tables\n");
		return false;
	}
	int64_t irq = irq_create(devmgr.system, IRQ_MSI, 0, &message);
	fault_irq = irq < 0 ? 0 : (handle_t)irq;
	if (!fault_irq || irq_bind(fault_irq, devmgr.event, FAULT_BIT) < 0)
		LOG("devmgr: the IOMMU's faults are not told\n");
	for (unsigned i = 0; i < devmgr.acpi.unit_count; i++) {
		if (!unit_init(&units[unit_count], devmgr.acpi.units[i], root_address, message)) {
			LOG("devmgr: an IOMMU at %lx cannot be used\n", devmgr.acpi.units[i]);
			continue;
		}
		unit_count++;
	}
	return unit_count;
}

static struct claim *claim_of(uint16_t address)
{
	for (unsigned i = 0; i < devmgr.claim_count; i++)
		if (devmgr.claims[i].function.address == address)
			return &devmgr.claims[i];
	return 0;
}

bool iommu_fault(struct claim **claim)
{
	for (unsigned i = 0; i < unit_count; i++) {
		struct unit_registers *unit = &units[i];
		for (unsigned j = 0; j < unit->fault_count; j++) {
			uint32_t at = unit->faults + j * 16;
			uint64_t high = get64(unit, at + 8);
			if (!(high & FAULT_VALID))
				continue;
			uint16_t source = (uint16_t)high;
			LOG("devmgr: the IOMMU stopped device " PCI_PLACE ", which tried to %s %lx\n",
			    PCI_PLACE_OF(source), high >> 62 & 1 ? "read" : "write",
			    (unsigned long)(get64(unit, at) & ADDRESS_BITS));
			put(unit, at + 12, 1u << 31); /* one takes it back */
			*claim = claim_of(source);
			return true;
		}
		put(unit, FAULT_STATUS, FAULT_BITS);
	}
	return false;
}
