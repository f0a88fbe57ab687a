/* The loader's test kernel: checks what it was handed and says so on COM2, then plays the system's side of
 * holon-run's protocol (abi/holon/command.h) for a few commands, and ends the machine.
 *
 * Commands: `echo WORDS` writes the words to COM1, `cat` copies COM1 back until the input's end, `exit N`
 * ends with N, `hang` never ends, `die` ends the machine without a status. */
#include <stdbool.h>

#include <holon/command.h>
#include <holon/handoff.h>

#include "../loader/handoff_check.h"
#include "../arch/x86_64/io.h"
#include "../loader/loader.h"
#include "../loader/string.h"

enum { COM1 = 0x3f8, COM2 = 0x2f8, LINE_STATUS = 5, DEBUG_EXIT = 0xf4 };
enum { STATUS_DATA = 1, STATUS_EMPTY = 0x20, STATUS_ALL_EMPTY = 0x40 };

void test_main(struct handoff *handoff);

/* Where the loader chose the direct map to be: it writes the constant. */
static uint64_t direct_map(void)
{
	uint64_t base;
	__asm__("movabs $direct_map, %0" : "=r"(base));
	return base;
}

static const char constant[] = "read-only";
static uint32_t initialised = 0x600df00d;
static uint32_t zeroed[4096];
static uint32_t failures;

static void put_raw(uint16_t port, char c)
{
	while (!(in8(port + LINE_STATUS) & STATUS_EMPTY))
		;
	out8(port, (uint8_t)c);
}

/* Ends the machine once all that was written has left the ports: what still waits in one is lost with it. */
static void end_machine(uint32_t code)
{
	while (!(in8(COM1 + LINE_STATUS) & in8(COM2 + LINE_STATUS) & STATUS_ALL_EMPTY))
		;
	out32(DEBUG_EXIT, code);
}

static void put_text(const char *text)
{
	for (; *text; text++)
		put_raw(COM2, *text);
}

static void put_hex(uint64_t value)
{
	for (int shift = 60; shift >= 0; shift -= 4)
		put_raw(COM2, "0123456789abcdef"[value >> shift & 15]);
}

static void check(bool good, const char *what)
{
	if (good)
		return;
	failures++;
	put_text("loader-test: failed: ");
	put_text(what);
	put_text("\n");
}

/* FNV-1a, 64 bits: the test compares it with the file's on the host. */
static uint64_t digest(const uint8_t *bytes, uint64_t size)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	for (uint64_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash;
}

static void check_modules(const struct handoff *handoff)
{
	for (uint32_t i = 0; i < handoff->module_count; i++) {
		const struct handoff_module *module = &handoff->modules[i];
		const uint8_t *identity = at(module->base);
		const uint8_t *direct = at(module->base + direct_map());
		put_text("loader-test: module ");
		put_text(module->name);
		put_text(" ");
		put_hex(module->size);
		put_text(" ");
		put_hex(digest(direct, module->size));
		put_text("\n");
		check(module->size == 0 || identity[0] == direct[0], "identity and direct map differ");
		for (uint64_t at = module->size; at < page_up(module->size); at++)
			check(direct[at] == 0, "the rest of a module's last page is not zero");
	}
}

static void check_memory(const struct handoff *handoff)
{
	static const char *const kinds[] = {"?",    "free", "loader",   "kernel", "module",
	                                    "acpi", "nvs",  "reserved", "mmio",   "tables"};
	uint64_t free = 0;
	for (uint32_t i = 0; i < handoff->memory_count; i++) {
		const struct handoff_memory *range = &handoff->memory[i];
		put_text("loader-test: memory ");
		put_hex(range->base);
		put_text(" ");
		put_hex(range->size);
		put_text(" ");
		put_text(kinds[range->kind]);
		put_text("\n");
		if (range->kind != HANDOFF_MEMORY_FREE)
			continue;
		free += range->size;
		/* Free memory is RAM: its ends keep what is written, through both maps. */
		volatile uint64_t *first = at(range->base);
		volatile uint64_t *last = at(range->base + range->size - 8 + direct_map());
		*first = range->base ^ 0x5555;
		*last = range->size ^ 0xaaaa;
		check(*(volatile uint64_t *)at(range->base + direct_map()) == (range->base ^ 0x5555),
		      "free memory does not keep its first word");
		check(*(volatile uint64_t *)at(range->base + range->size - 8) == (range->size ^ 0xaaaa),
		      "free memory does not keep its last word");
	}
	put_text("loader-test: free ");
	put_hex(free);
	put_text("\n");
}

static bool inside(const struct handoff *handoff, uint64_t address, uint32_t kind)
{
	for (uint32_t i = 0; i < handoff->memory_count; i++)
		if (address - handoff->memory[i].base < handoff->memory[i].size)
			return handoff->memory[i].kind == kind;
	return false;
}

static void check_machine(const struct handoff *handoff)
{
	uint64_t flags, stack, tables, efer_low, efer_high;
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	__asm__ volatile("movq %%rsp, %0" : "=r"(stack));
	__asm__ volatile("movq %%cr3, %0" : "=r"(tables));
	__asm__ volatile("rdmsr" : "=a"(efer_low), "=d"(efer_high) : "c"(0xc0000080));
	check(!(flags & 0x600), "interrupts are on or the direction flag is set");
	check(inside(handoff, stack, HANDOFF_MEMORY_LOADER) &&
	          inside(handoff, stack - (15 << 10), HANDOFF_MEMORY_LOADER),
	      "the stack is not 16 KiB of loader memory");
	check(inside(handoff, tables, HANDOFF_MEMORY_LOADER), "the page tables are not in loader memory");
	check(inside(handoff, handoff->root, HANDOFF_MEMORY_TABLES), "the kernel's own tables are not there");
	check(inside(handoff, physical_of(handoff), HANDOFF_MEMORY_MODULE) &&
	          physical_of(handoff) % PAGE_SIZE == 0,
	      "the handoff is not in module memory, or begins no page");
	check(!(cpuid(0x80000001, 0).edx & 1u << 20) || (efer_low & 0x800), "NX is not switched on");
	check(handoff->machine.clock_start && handoff->machine.clock_start < read_tsc(),
	      "the loader's time stamp makes no sense");

	uint64_t offset = physical_of(&initialised) - handoff->kernel_virtual + handoff->kernel_base;
	check(*(volatile uint32_t *)at(offset) == 0x600df00d, "the kernel is not mapped where it was placed");
	check(!memcmp(constant, "read-only", sizeof(constant)), "constants are not loaded");
	for (uint32_t i = 0; i < 4096; i++)
		check(zeroed[i] == 0, "zeroed data is not zero");
	initialised = 1;
	zeroed[7] = 1;

	check(handoff->rsdp != 0, "no RSDP");
	if (handoff->rsdp)
		check(!memcmp(at(handoff->rsdp), "RSD PTR ", 8), "the RSDP is not one");
	const struct handoff_framebuffer *screen = &handoff->framebuffer;
	put_text("loader-test: screen ");
	put_hex(screen->width);
	put_text(" ");
	put_hex(screen->height);
	put_text("\n");
	if (screen->format && screen->base + screen->size <= 1ull << 32) {
		volatile uint32_t *pixels = at(screen->base);
		pixels[screen->width - 1] = 0xff8040;
		check((pixels[screen->width - 1] & 0xffffff) == 0xff8040, "the framebuffer keeps no pixels");
	}
}

static volatile uint32_t arrivals;

/* Where another processor is sent, without a stack: it counts itself and halts. */
__asm__(".globl arrive\n"
        "arrive: lock incl (%rdi)\n"
        "1: hlt\n"
        "jmp 1b\n");
extern const char arrive[];

static void check_processors(struct handoff *handoff)
{
	struct handoff_machine *machine = &handoff->machine;
	put_text("loader-test: processors ");
	put_hex(machine->cpu_count);
	put_text(" controllers ");
	put_hex(machine->controller_count);
	put_text(" clock ");
	put_hex(machine->clock_hz);
	put_text("\n");
	for (uint32_t i = 1; i < machine->cpu_count; i++) {
		machine->cpus[i].argument = physical_of((const void *)&arrivals);
		__atomic_store_n(&machine->cpus[i].entry, physical_of(arrive), __ATOMIC_RELEASE);
		for (uint32_t tries = 0; arrivals < i && tries < 1u << 30; tries++)
			__asm__ volatile("pause");
		check(arrivals == i, "a processor does not come when it is called");
	}
	check(machine->controllers[0].kind == HANDOFF_CONTROLLER_LOCAL_APIC,
	      "the local APIC is not the first controller");
	check(machine->controller_count >= 2, "there is no I/O APIC");
	check(in8(0x21) == 0xff && in8(0xa1) == 0xff, "the 8259s are not masked");
	for (uint32_t i = 1; i < machine->controller_count; i++) {
		volatile uint32_t *registers = at(machine->controllers[i].base);
		check(machine->controllers[i].count >= 16, "an I/O APIC has too few lines");
		for (uint32_t pin = 0; pin < machine->controllers[i].count; pin++) {
			registers[0] = 0x10 + 2 * pin;
			check(registers[4] == 1 << 16, "a line of an I/O APIC is not masked");
		}
	}
	/* By a millionth more or less. */
	uint64_t second = (uint64_t)((unsigned __int128)machine->clock_hz * machine->clock_period >> 32);
	uint64_t rate = (uint64_t)((unsigned __int128)machine->clock_ratio * 1000000000 >> 32);
	check(second > 999999000 && second < 1000001000, "the clock's period does not follow from its rate");
	check(machine->clock_period == (uint64_t)machine->clock_multiplier << (32 - machine->clock_shift),
	      "the clock's multiplier is not its period");
	check(rate > machine->clock_hz - machine->clock_hz / 1000000 &&
	          rate < machine->clock_hz + machine->clock_hz / 1000000,
	      "the clock's ratio does not follow from its rate");
	check(machine->power_off[0].space == HANDOFF_SPACE_PORT, "there is no way to switch off");
	check(!machine->log || machine->log_base == COM1 || machine->log_base == COM2,
	      "the log port is neither COM1 nor COM2");
}

/* Copies COM1 to itself until as many bytes have come as the line "eof N" on COM2 says. */
static void command_cat(void)
{
	uint64_t count = 0, end = UINT64_MAX, value = 0;
	put_text("holon-run: ready\n");
	while (count < end) {
		if (in8(COM2 + LINE_STATUS) & STATUS_DATA) {
			char c = (char)in8(COM2);
			if (c == '\n')
				end = value;
			else if (c >= '0' && c <= '9')
				value = value * 10 + (uint64_t)(c - '0');
		}
		if (in8(COM1 + LINE_STATUS) & STATUS_DATA) {
			put_raw(COM1, (char)in8(COM1));
			count++;
		}
	}
}

static uint32_t run_command(const struct handoff_module *module)
{
	static const char *words[COMMAND_ARGUMENT_MAX + COMMAND_ENVIRONMENT_MAX];
	const struct command_header *header = at(module->base);
	const char *why = command_parse(header, module->size, words);
	check(!why, why);
	if (why)
		return 0;
	if (!strcmp(words[0], "echo")) {
		for (uint32_t i = 1; i < header->argc; i++) {
			for (const char *c = words[i]; *c; c++)
				put_raw(COM1, *c);
			put_raw(COM1, i + 1 < header->argc ? ' ' : '\n');
		}
	} else if (!strcmp(words[0], "cat")) {
		command_cat();
	} else if (!strcmp(words[0], "exit") && header->argc == 2) {
		uint32_t status = 0;
		for (const char *c = words[1]; *c; c++)
			status = status * 10 + (uint32_t)(*c - '0');
		return status;
	} else if (!strcmp(words[0], "hang")) {
		for (;;)
			__asm__ volatile("hlt");
	} else if (!strcmp(words[0], "die")) {
		end_machine(1);
	}
	return 0;
}

void test_main(struct handoff *handoff)
{
	const char *why = handoff_check(handoff);
	put_text("loader-test: firmware ");
	put_text(handoff->firmware == HANDOFF_FIRMWARE_UEFI ? "uefi" : "bios");
	put_text("\nloader-test: cmdline ");
	put_text(handoff->command_line);
	put_text("\nloader-test: kernel ");
	put_hex(handoff->kernel_virtual);
	put_text(" direct-map ");
	put_hex(direct_map());
	put_text("\n");
	check(!why, why);
	check_machine(handoff);
	check_processors(handoff);
	check_memory(handoff);
	check_modules(handoff);
	uint32_t status = 0;
	for (uint32_t i = 0; i < handoff->module_count; i++)
		if (!strcmp(handoff->modules[i].name, "command"))
			status = run_command(&handoff->modules[i]);
	if (failures)
		status = 99;
	put_text("holon-run: exit ");
	char digits[4] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
	                  (char)('0' + status % 10), 0};
	put_text(status >= 100 ? digits : status >= 10 ? digits + 1 : digits + 2);
	put_text("\n");
	end_machine(0);
}
