/* Starting the other processors, one after another: INIT and two STARTUP messages to each (Intel SDM
 * 3A, 9.4.4.1), which then runs waiting.S in a page below 1 MiB and waits there for the kernel.
 */
#include "cpus.h"

#include "../../loader/loader.h"
#include "../../loader/string.h"
#include "io.h"

enum { MSR_APIC_BASE = 0x1b, MSR_X2APIC = 0x800, APIC_BASE_X2APIC = 1 << 10, APIC_BASE_ENABLE = 1 << 11 };
enum {
	APIC_ID = 0x20,
	APIC_SPURIOUS = 0xf0,
	APIC_COMMAND = 0x300,
	APIC_COMMAND_HIGH = 0x310,
	APIC_TIMER = 0x320
};
enum {
	APIC_INITIAL = 0x380,
	APIC_CURRENT = 0x390,
	APIC_DIVIDE = 0x3e0,
	DIVIDE_BY_16 = 3,
	TIMER_MASKED = 1 << 16
};
enum { COMMAND_INIT = 5 << 8, COMMAND_STARTUP = 6 << 8, COMMAND_ASSERT = 1 << 14, COMMAND_PENDING = 1 << 12 };
enum { XAPIC_ID_MAX = 254 };

/* What waiting.S reads at its page's start; its layout is there. */
struct waiting {
	uint8_t jump[8];
	uint32_t page_tables, efer;
	uint64_t cpu;              /* address of the processor's struct handoff_cpu */
	volatile uint32_t arrived; /* written by the processor */
};

extern const uint8_t waiting_start[], waiting_end[];
static struct waiting *page;

uint64_t apic_base(void)
{
	return read_msr(MSR_APIC_BASE) & 0xffffff000ull;
}

bool apic_extended(void)
{
	return read_msr(MSR_APIC_BASE) & APIC_BASE_X2APIC;
}

static volatile uint32_t *apic_register(uint32_t number)
{
	return at(apic_base() + number);
}

static uint32_t apic_read(uint32_t number)
{
	return apic_extended() ? (uint32_t)read_msr(MSR_X2APIC + (number >> 4)) : *apic_register(number);
}

static void apic_write(uint32_t number, uint32_t value)
{
	if (apic_extended())
		write_msr(MSR_X2APIC + (number >> 4), value);
	else
		*apic_register(number) = value;
}

uint32_t apic_id(void)
{
	uint32_t id = apic_read(APIC_ID);
	return apic_extended() ? id : id >> 24;
}

void apic_timer_begin(void)
{
	if (!(read_msr(MSR_APIC_BASE) & APIC_BASE_ENABLE))
		write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
	apic_write(APIC_SPURIOUS, 0x1ff); /* software enabled: commands go out, the timer counts */
	apic_write(APIC_DIVIDE, DIVIDE_BY_16);
	apic_write(APIC_TIMER, TIMER_MASKED);
	apic_write(APIC_INITIAL, UINT32_MAX);
}

uint32_t apic_timer_end(void)
{
	uint32_t counted = UINT32_MAX - apic_read(APIC_CURRENT);
	apic_write(APIC_INITIAL, 0);
	return counted;
}

static void command(uint32_t id, uint32_t value)
{
	if (apic_extended()) {
		write_msr(MSR_X2APIC + (APIC_COMMAND >> 4), (uint64_t)id << 32 | value);
		return;
	}
	*apic_register(APIC_COMMAND_HIGH) = id << 24;
	*apic_register(APIC_COMMAND) = value;
	for (uint32_t tries = 0; *apic_register(APIC_COMMAND) & COMMAND_PENDING && tries < 1000000; tries++)
		__asm__ volatile("pause");
}

/* Waits until the time has passed, or the processor has arrived. */
static bool wait(const struct handoff_machine *machine, uint32_t microseconds)
{
	uint64_t start = read_tsc(), ticks = divide(machine->clock_hz * microseconds, 1000000);
	while (!page->arrived && read_tsc() - start < ticks)
		__asm__ volatile("pause");
	return page->arrived;
}

static bool start(const struct handoff_machine *machine, uint32_t id)
{
	const uint32_t startup = COMMAND_STARTUP | COMMAND_ASSERT | (uint32_t)(physical_of(page) / PAGE_SIZE);
	if (id > XAPIC_ID_MAX && !apic_extended())
		return false;
	page->arrived = 0;
	command(id, COMMAND_INIT | COMMAND_ASSERT);
	wait(machine, 10000);
	command(id, startup);
	if (wait(machine, 200))
		return true;
	command(id, startup);
	if (wait(machine, 1000000))
		return true;
	/* Should it still be on its way, it must not arrive in memory that is used for other things. */
	command(id, COMMAND_INIT | COMMAND_ASSERT);
	wait(machine, 10000);
	return false;
}

void cpus_prepare(void)
{
	page = at(platform_low_page());
	if (!page)
		say("There is no free memory below 640 KiB: only one processor is used.");
}

void cpus_start(struct handoff_machine *machine, uint64_t page_tables)
{
	uint32_t count = machine->cpu_count;
	machine->cpu_count = 1;
	if (!page)
		return;
	memcpy(page, waiting_start, (size_t)(waiting_end - waiting_start));
	page->page_tables = (uint32_t)page_tables;
	page->efer = 0x900; /* long mode, no-execute */
	for (uint32_t i = 1; i < count; i++) {
		struct handoff_cpu *cpu = &machine->cpus[machine->cpu_count];
		*cpu = (struct handoff_cpu){.id = machine->cpus[i].id};
		page->cpu = physical_of(cpu);
		if (start(machine, (uint32_t)cpu->id))
			machine->cpu_count++;
		else
			say("The processor with APIC id %u does not start; it is left out.",
			    (uint32_t)cpu->id);
	}
	for (uint32_t i = machine->cpu_count; i < count; i++)
		machine->cpus[i] = (struct handoff_cpu){0};
}
