/* The reader: what the boot sector starts. Reads the loader, whose sources are UEFI's, to 1 MiB and enters it; it stays for the
 * loader's BIOS calls.
 */
#include "reader.h"

#include "../arch/x86_64/io.h"
#include "../loader/loader.h"

static void put(char c)
{
	struct bios_registers registers = {.eax = 0x0e00u | (uint8_t)c, .ebx = 7};
	bios_call(0x10, &registers);
	out8(0x2f8, (uint8_t)c); /* the log port, as in entry.S */
}

static _Noreturn void stop(const char *why)
{
	static const char *const parts[] = {"\r\nHolon cannot start: ", 0, ".\r\n"};
	for (uint32_t i = 0; i < 3; i++)
		for (const char *c = parts[i] ? parts[i] : why; *c; c++)
			put(*c);
	for (uint32_t i = 0; i < 100000 && !(in8(0x2f8 + 5) & 0x40); i++)
		; /* until all is sent */
	if (cpuid(1, 0).ecx & 1u << 31)
		out32(0xf4, 0x7d); /* QEMU's isa-debug-exit, where it is there */
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* Address line 20 forced low would alias every odd MiB to the one below it. */
static bool a20_works(void)
{
	volatile uint32_t *low = at(LOW_START), *high = at(LOW_START + 0x100000);
	uint32_t kept = *high;
	*low = 0x12345678;
	*high = 0x87654321;
	bool works = *low == 0x12345678;
	*high = kept;
	return works;
}

static void enable_a20(void)
{
	if (a20_works())
		return;
	struct bios_registers registers = {.eax = 0x2401};
	bios_call(0x15, &registers);
	if (a20_works())
		return;
	out8(0x92, (in8(0x92) | 2) & 0xfe);
	for (int i = 0; i < 100000; i++)
		if (a20_works())
			return;
	stop("address line 20 cannot be switched on");
}

void reader_main(void)
{
	enum { BUNDLE, LOADER = 2 };
	static const uint32_t mark = 0x4c4e4c48; /* "HLNL" at offset 4 */
	static struct bios_services services;
	uint64_t size = medium_parts[LOADER + 1];
	enable_a20();
	if (size < PAGE_SIZE || size > LOADER_MAX ||
	    !disk_read(medium_parts[LOADER], at(LOADER_BASE), size) ||
	    *(const volatile uint32_t *)at(LOADER_BASE + 4) != mark)
		stop("this medium cannot be read. Write the whole ISO image to it again");
	services = (struct bios_services){
	    start_tsc, medium_parts[BUNDLE], medium_parts[BUNDLE + 1], bios_call, disk_read, bios_chain,
	    boot_drive};
	void (*enter)(const struct bios_services *) = (void (*)(const struct bios_services *))at(LOADER_BASE);
	enter(&services);
}
