/* The machine as the kernel is told of it: what CPUID and the ACPI tables say, and what is measured, the
 * rates of the time-stamp counter and of the local APIC's timer; its interrupt controllers, silenced.
 *
 * Sources: Intel SDM volume 2A (CPUID) and 3A, chapters 11 (APIC) and 13 (XSAVE); ACPI 6.5, section 4.8.3.3
 * (timer); 82C54, 8259A and 82093AA data sheets.
 */
#include "../../loader/acpi.h"
#include "../../loader/loader.h"
#include "../../loader/machine.h"
#include "../../loader/string.h"
#include "cpus.h"
#include "io.h"
#include "speculation.h"

#define PM_TIMER_HZ 3579545u
#define PIT_HZ      1193182u
#define MEASURE_NS  10000000u
#define TRIES_MAX   10000000u
#define SECOND_NS   1000000000u
#define BOTH_TRIES  8

static struct acpi_info acpi;

/* ---- The processor ---- */

static void require(uint32_t bits, uint32_t bit, const char *name)
{
	if (!(bits >> bit & 1))
		fail("this processor lacks %s, which Holon needs.", name);
}

static uint64_t when(uint32_t bits, uint32_t bit, uint64_t feature)
{
	return bits >> bit & 1 ? feature : 0;
}

/* QEMU's emulator names itself. */
static bool emulated(void)
{
	struct cpuid name = cpuid(0x40000000, 0);
	uint32_t words[3] = {name.ebx, name.ecx, name.edx};
	return cpuid(1, 0).ecx >> 31 && !memcmp(words, "TCGTCGTCGTCG", 12);
}

/* Which states XSAVE is to keep: x87, SSE, AVX, and AVX-512 when all of its three parts are there. The
 * standard form's size is where the last of them ends. */
static void describe_vector(struct handoff_machine *machine)
{
	const uint32_t avx512 = 7u << 5;
	machine->vector_mask = 3;
	machine->vector_bytes = 512;
	if (!(machine->features & HANDOFF_X86_XSAVE))
		return;
	uint32_t offered = cpuid(0xd, 0).eax;
	machine->features |= when(cpuid(0xd, 1).eax, 0, HANDOFF_X86_XSAVEOPT);
	machine->vector_mask |= offered & 4;
	if ((offered & (avx512 | 4)) == (avx512 | 4))
		machine->vector_mask |= avx512;
	machine->vector_bytes = 576;
	for (uint32_t state = 2; state < 8; state++) {
		struct cpuid place = cpuid(0xd, state);
		if (((uint32_t)machine->vector_mask >> state & 1) &&
		    place.ebx + place.eax > machine->vector_bytes)
			machine->vector_bytes = place.ebx + place.eax;
	}
}

static void describe_processor(struct handoff_machine *machine)
{
	uint32_t extended = cpuid(0x80000000, 0).eax;
	struct cpuid one = cpuid(1, 0), seven = {0, 0, 0, 0}, ext = cpuid(0x80000001, 0);
	if (cpuid(0, 0).eax >= 7)
		seven = cpuid(7, 0);
	require(one.edx, 4, "a time-stamp counter");
	require(one.edx, 5, "model-specific registers");
	require(one.edx, 9, "a local APIC");
	require(one.edx, 24, "FXSAVE");
	require(one.edx, 26, "SSE2");
	require(ext.edx, 11, "SYSCALL");
	require(ext.edx, 20, "the no-execute bit (NX; it may be switched off in the firmware's setup)");
	machine->features =
	    when(one.edx, 13, HANDOFF_X86_PGE) | when(one.edx, 16, HANDOFF_X86_PAT) |
	    when(one.ecx, 21, HANDOFF_X86_X2APIC) | when(one.ecx, 24, HANDOFF_X86_TSC_DEADLINE) |
	    when(one.ecx, 26, HANDOFF_X86_XSAVE) | when(seven.ebx, 7, HANDOFF_X86_SMEP) |
	    when(seven.ecx, 2, HANDOFF_X86_UMIP) | when(ext.edx, 26, HANDOFF_X86_GIGABYTE_PAGES);
	if (!emulated())
		machine->features |= when(seven.ebx, 20, HANDOFF_X86_SMAP);
	if (extended >= 0x80000007)
		machine->features |= when(cpuid(0x80000007, 0).edx, 8, HANDOFF_X86_TSC_INVARIANT);
	describe_vector(machine);
}

/* The words only add guards. */
static void describe_speculation(struct handoff *handoff)
{
	struct speculation_facts facts;
	struct speculation found;
	speculation_read(&facts, emulated());
	found = speculation_decide(&facts, has_option(handoff->command_line, "mitigations=all") ||
	                                       has_option(handoff->command_line, "hardened"));
	speculation_say(&found);
	handoff->machine.features |= found.features;
}

/* The word "safe": without what only newer machines have, or what is there for speed. A firmware that left the APIC in its x2APIC mode
 * keeps it: there is no way back from it but a reset. */
static void describe_safe(struct handoff_machine *machine)
{
	machine->features &=
	    ~(uint64_t)(HANDOFF_X86_TSC_DEADLINE | HANDOFF_X86_XSAVEOPT | HANDOFF_X86_GIGABYTE_PAGES);
	if (!apic_extended())
		machine->features &= ~(uint64_t)HANDOFF_X86_X2APIC;
}

/* ---- The tables ---- */

/* The tables are where the loader can read them: it runs identity mapped. */
static const void *view(unsigned slot, uint64_t physical, uint64_t bytes)
{
	(void)slot;
	return bytes <= UINTPTR_MAX - physical && physical <= UINTPTR_MAX ? at(physical) : NULL;
}

static void add_controller(struct handoff_machine *machine, uint32_t kind, uint64_t base, uint32_t first)
{
	if (machine->controller_count < HANDOFF_CONTROLLER_MAX)
		machine->controllers[machine->controller_count++] =
		    (struct handoff_controller){.base = base, .kind = kind, .first = first};
}

static void describe_tables(struct handoff *handoff)
{
	enum { SLEEP_TYPE_SHIFT = 10, ACTIVE_LOW = 3, LEVEL = 3 };
	struct handoff_machine *machine = &handoff->machine;
	if (!acpi_parse(&acpi, handoff->rsdp, view))
		say("The firmware has no usable ACPI tables: one processor, no power off.");
	uint64_t local = acpi.local_apic ? acpi.local_apic : apic_base();
	add_controller(machine, HANDOFF_CONTROLLER_LOCAL_APIC, local & ~(PAGE_SIZE - 1), 0);
	for (uint32_t i = 0; i < acpi.ioapic_count; i++)
		add_controller(machine, HANDOFF_CONTROLLER_IO_APIC, acpi.ioapics[i].address,
		               acpi.ioapics[i].base);
	for (uint32_t i = 0; i < HANDOFF_LINE_MAX; i++) {
		machine->lines[i] = (struct handoff_line){.global = i};
		if (!acpi.overrides[i].present)
			continue;
		machine->lines[i].global = acpi.overrides[i].global;
		machine->lines[i].active_low = (acpi.overrides[i].flags & 3) == ACTIVE_LOW;
		machine->lines[i].level = (acpi.overrides[i].flags >> 2 & 3) == LEVEL;
	}
	const uint16_t control[2] = {acpi.pm1a_control, acpi.pm1b_control};
	const uint8_t sleep[2] = {acpi.sleep_a, acpi.sleep_b};
	for (uint32_t i = 0; i < 2; i++)
		if (acpi.sleep_known && control[i])
			machine->power_off[i] = (struct handoff_register){
			    control[i], HANDOFF_SPACE_PORT, (uint32_t)(sleep[i] & 7) << SLEEP_TYPE_SHIFT};
	if (acpi.reset_port)
		machine->reset =
		    (struct handoff_register){acpi.reset_port, HANDOFF_SPACE_PORT, acpi.reset_value};
}

void machine_describe(struct handoff *handoff)
{
	struct handoff_machine *machine = &handoff->machine;
	bool safe = has_option(handoff->command_line, "safe");
	describe_processor(machine);
	if (safe)
		describe_safe(machine);
	describe_speculation(handoff);
	describe_tables(handoff);
	machine->log_base = serial_choose(handoff->command_line);
	machine->log = machine->log_base ? HANDOFF_LOG_16550_PORT : HANDOFF_LOG_NONE;
	/* This processor, then the others in the table's order. */
	uint32_t self = apic_id();
	machine->cpus[machine->cpu_count++].id = self;
	for (uint32_t i = 0; !safe && i < acpi.cpu_count && machine->cpu_count < HANDOFF_CPU_MAX; i++)
		if (acpi.apic_ids[i] != self)
			machine->cpus[machine->cpu_count++].id = acpi.apic_ids[i];
	if (machine->cpu_count > 1)
		cpus_prepare();
}

/* ---- The clock ---- */

/* Both clocks at one moment: of a few tries the one that took the least, since a virtual machine may stand still between the
 * two readings. */
static uint32_t read_both(uint64_t *tsc)
{
	uint64_t best = UINT64_MAX;
	uint32_t count = 0;
	for (uint32_t i = 0; i < BOTH_TRIES; i++) {
		uint64_t before = read_tsc();
		uint32_t now = in32(acpi.pm_timer_port);
		uint64_t took = read_tsc() - before;
		if (took >= best)
			continue;
		best = took;
		count = now;
		*tsc = before + took / 2;
	}
	return count;
}

/* Waits MEASURE_NS by the ACPI timer; the nanoseconds it really took, 0 if the timer stands still. */
static uint64_t wait_pm_timer(uint64_t *ticks)
{
	uint32_t mask = acpi.pm_timer_32 ? UINT32_MAX : 0xffffff;
	uint64_t first = 0, last = 0;
	uint32_t start = read_both(&first), elapsed = 0;
	for (uint32_t tries = 0; elapsed < PM_TIMER_HZ / (SECOND_NS / MEASURE_NS); tries++) {
		elapsed = (in32(acpi.pm_timer_port) - start) & mask;
		if (tries > TRIES_MAX)
			return 0;
	}
	elapsed = (read_both(&last) - start) & mask;
	*ticks = last - first;
	return divide((uint64_t)elapsed * SECOND_NS, PM_TIMER_HZ);
}

/* Channel 2 counts down once; its gate and output are bits 0 and 5 of port 0x61. */
static uint64_t wait_pit(uint64_t *ticks)
{
	const uint32_t count = PIT_HZ / (SECOND_NS / MEASURE_NS);
	out8(0x61, (uint8_t)((in8(0x61) & ~2) | 1));
	out8(0x43, 0xb0);
	out8(0x42, (uint8_t)count);
	out8(0x42, (uint8_t)(count >> 8));
	uint64_t first = read_tsc();
	for (uint32_t tries = 0; !(in8(0x61) & 0x20); tries++)
		if (tries > TRIES_MAX)
			return 0;
	*ticks = read_tsc() - first;
	return MEASURE_NS;
}

/* HERTZ as counts a nanosecond, 32.32 fixed point. */
static uint64_t ratio(uint64_t hertz)
{
	return divide(hertz << 27, SECOND_NS) << 5;
}

/* CLOCK_HZ as nanoseconds a count, of 32 bits at most. */
static void set_period(struct handoff_machine *machine)
{
	uint64_t rate = machine->clock_hz, second = (uint64_t)SECOND_NS << 32, period;
	for (; rate >> 32; rate >>= 1)
		second >>= 1;
	period = divide(second, (uint32_t)rate);
	machine->clock_shift = 32;
	for (; period >> 32; period >>= 1)
		machine->clock_shift--;
	machine->clock_multiplier = (uint32_t)period;
	for (uint32_t shift = machine->clock_shift; shift < 32; shift++)
		period <<= 1;
	machine->clock_period = period;
}

static void measure(struct handoff_machine *machine)
{
	uint64_t ns = 0, ticks = 0, timer = 0;
	for (uint32_t source = acpi.pm_timer_port ? 0 : 1; source < 2 && !ns; source++) {
		apic_timer_begin();
		ns = source == 0 ? wait_pm_timer(&ticks) : wait_pit(&ticks);
		timer = apic_timer_end();
	}
	if (!ns || !ticks || ns >> 32 || ticks >> 34)
		fail("neither the ACPI timer nor the 8254 runs: the processor's clock cannot be measured.");
	machine->clock_hz = divide(ticks * SECOND_NS, (uint32_t)ns);
	machine->clock_ratio = ratio(machine->clock_hz);
	machine->timer_ratio = ratio(divide(timer * SECOND_NS, (uint32_t)ns));
	set_period(machine);
}

/* ---- Interrupt controllers ---- */

/* Masks all lines. The 8259s' vectors go out of the way of exceptions: they may still send a spurious one. */
static void silence(struct handoff_machine *machine)
{
	static const uint8_t words[][2] = {{0x11, 0x11}, {0xf0, 0xf8}, {4, 2}, {1, 1}, {0xff, 0xff}};
	enum { VERSION = 1, REDIRECTIONS = 0x10, MASKED = 1 << 16 };
	for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		out8(i ? 0x21 : 0x20, words[i][0]);
		out8(i ? 0xa1 : 0xa0, words[i][1]);
	}
	for (uint32_t i = 0; i < machine->controller_count; i++) {
		struct handoff_controller *controller = &machine->controllers[i];
		if (controller->kind != HANDOFF_CONTROLLER_IO_APIC)
			continue;
		volatile uint32_t *registers = at(controller->base);
		registers[0] = VERSION;
		controller->count = (registers[4] >> 16 & 0xff) + 1;
		for (uint32_t pin = 0; pin < controller->count; pin++) {
			registers[0] = REDIRECTIONS + 2 * pin;
			registers[4] = MASKED;
		}
	}
}

void machine_start(struct handoff *handoff, uint64_t page_tables)
{
	silence(&handoff->machine);
	measure(&handoff->machine);
	if (handoff->machine.cpu_count > 1)
		cpus_start(&handoff->machine, page_tables);
}
