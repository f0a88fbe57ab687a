/* The BIOS side of the loader's platform: memory from int 15h, the RSDP from low memory, the bundle and BIOS calls through the
 * reader, and the way into the kernel. */
#include "bios.h"
#include "../arch/x86_64/io.h"
#include "../loader/arch.h"
#include "../loader/loader.h"
#include "../loader/memory.h"
#include "../loader/string.h"

static struct memory_map map;
static const struct bios_services *services;
extern uint8_t bss_end[];

void enter_long_mode(uint32_t page_tables, uint32_t stack, uint32_t handoff, uint64_t entry, uint32_t efer);
_Noreturn void bios_main(const struct bios_services *given);

/* ACPI 6.4, section 15.1, table 15-374: address range types. */
static enum handoff_memory_kind kind_of(uint32_t type)
{
	switch (type) {
	case 1:
		return HANDOFF_MEMORY_FREE;
	case 3:
		return HANDOFF_MEMORY_ACPI;
	case 4:
		return HANDOFF_MEMORY_ACPI_NVS;
	default:
		return HANDOFF_MEMORY_RESERVED;
	}
}

/* int 15h function E820h (ACPI 6.4, section 15.1). */
static void read_memory_map(void)
{
	struct {
		uint64_t base, size;
		uint32_t type, attributes;
	} *range = at(BUFFER);
	uint32_t next = 0;
	do {
		*range = (__typeof__(*range)){.attributes = 1};
		struct bios_registers registers = {.eax = 0xe820,
		                                   .ebx = next,
		                                   .ecx = 24,
		                                   .edx = 0x534d4150, /* "SMAP" */
		                                   .es = BUFFER_SEGMENT};
		bios_call(0x15, &registers);
		if ((registers.flags & BIOS_CARRY) || registers.eax != 0x534d4150)
			break;
		if (registers.ecx < 24 || (range->attributes & 1))
			memory_add(&map, range->base, range->size, kind_of(range->type));
		next = registers.ebx;
	} while (next);
	if (!map.count)
		fail("the BIOS reports no memory map (int 15h, E820h).");
	/* The interrupt vectors and BIOS data are still the BIOS's. */
	memory_claim(&map, 0, LOW_START, HANDOFF_MEMORY_RESERVED);
	memory_claim(&map, LOW_START, LOW_END - LOW_START, HANDOFF_MEMORY_LOADER);
	memory_claim(&map, LOADER_BASE, physical_of(bss_end) - LOADER_BASE, HANDOFF_MEMORY_LOADER);
}

uint64_t platform_allocate(uint64_t size, uint64_t align, enum handoff_memory_kind kind)
{
	const uint64_t mib = 1 << 20;
	/* Memory below 16 MiB is left to the kernel for old devices, as long as there is other memory. */
	uint64_t base = memory_allocate(&map, size, align, 16 * mib, 4096 * mib, kind);
	return base ? base : memory_allocate(&map, size, align, mib, 4096 * mib, kind);
}

void platform_claim(uint64_t base, uint64_t size, enum handoff_memory_kind kind)
{
	memory_claim(&map, base, size, kind);
}

uint64_t platform_low_page(void)
{
	return LOW_PAGE; /* the reader's own */
}

uint64_t platform_memory_end(void)
{
	return memory_end(&map);
}

/* ACPI 6.4, section 5.2.5.1: in the first KiB of the extended BIOS data area, or in 0xe0000 to
 * 0xfffff; 5.2.5.3: the first 20 bytes add up to 0. */
static uint64_t find_rsdp(uint64_t base, uint64_t end)
{
	for (; base + 20 <= end; base += 16) {
		const uint8_t *bytes = at(base);
		uint8_t sum = 0;
		if (memcmp(bytes, "RSD PTR ", 8) != 0)
			continue;
		for (int i = 0; i < 20; i++)
			sum += bytes[i];
		if (!sum)
			return base;
	}
	return 0;
}

uint64_t platform_rsdp(void)
{
	uint64_t area = (uint64_t) * (volatile uint16_t *)at(0x40e) << 4;
	uint64_t found = area >= 0x80000 && area < 0xa0000 ? find_rsdp(area, area + 1024) : 0;
	return found ? found : find_rsdp(0xe0000, 0x100000);
}

void platform_framebuffer(struct handoff_framebuffer *framebuffer)
{
	screen_framebuffer(framebuffer);
}

void platform_finish(struct handoff *handoff)
{
	if (map.overflow)
		say("The memory map has more than %u ranges; some memory stays unused.",
		    (unsigned)HANDOFF_MEMORY_MAX);
	handoff->memory_count = map.count;
	memcpy(handoff->memory, map.ranges, map.count * sizeof(map.ranges[0]));
}

_Noreturn void platform_enter(uint64_t page_tables, uint64_t entry, uint64_t handoff, uint64_t stack_top)
{
	enum { EFER_LONG_MODE = 0x100, EFER_NX = 0x800 };
	bool nx = cpuid(0x80000001, 0).edx & 1u << 20;
	enter_long_mode((uint32_t)page_tables, (uint32_t)stack_top, (uint32_t)handoff, entry,
	                EFER_LONG_MODE | (nx ? EFER_NX : 0));
	__builtin_unreachable();
}

uint32_t platform_random(void *bytes, uint32_t count)
{
	(void)bytes;
	(void)count;
	return 0; /* a BIOS has none */
}

_Noreturn void platform_stop(void)
{
	arch_end_machine();
	for (;;)
		__asm__ volatile("cli; hlt");
}

void bios_call(uint8_t vector, struct bios_registers *registers)
{
	services->call(vector, registers);
}

void bios_chain(uint8_t drive)
{
	services->chain(drive);
}

uint8_t bios_drive(void)
{
	return services->drive;
}

uint64_t platform_bundle_size(void)
{
	return services->bundle_size;
}

bool platform_read_bundle(uint64_t offset, void *to, uint64_t size)
{
	return services->read(services->bundle_offset + offset, to, size);
}

/* ---- The disk ---- */

enum { SECTOR = 512, DRIVE_PARAMETERS = 0x48, EXTENDED_WRITE = 0x43 };

/* BIOS EDD-3, int 13h function 48h: the beginning of what it knows of a drive. */
uint64_t platform_disk_sectors(void)
{
	struct __attribute__((packed)) {
		uint16_t bytes, flags;
		uint32_t cylinders, heads, sectors;
		uint64_t count;
		uint16_t sector_bytes;
	} *drive = at(LOW_START); /* real mode must reach it */
	*drive = (__typeof__(*drive)){.bytes = sizeof(*drive)};
	struct bios_registers registers = {
	    .eax = DRIVE_PARAMETERS << 8, .edx = services->drive, .esi = LOW_START};
	bios_call(0x13, &registers);
	return registers.flags & BIOS_CARRY || drive->sector_bytes != SECTOR ? 0 : drive->count;
}

bool platform_disk_read(uint64_t position, void *to, uint64_t size)
{
	return services->read(position, to, size);
}

/* Function 43h, without verification; what a BIOS has written is on the disk. */
bool platform_disk_write(uint64_t position, const void *from, uint64_t size)
{
	if (size > BUFFER_SIZE / 2)
		return false;
	struct disk_packet *packet = at(LOW_START);
	*packet = (struct disk_packet){.size = sizeof(*packet),
	                               .sectors = (uint16_t)(size / SECTOR),
	                               .segment = BUFFER_SEGMENT,
	                               .first = position / SECTOR};
	memcpy(at(BUFFER), from, size);
	struct bios_registers registers = {
	    .eax = EXTENDED_WRITE << 8, .edx = services->drive, .esi = LOW_START};
	bios_call(0x13, &registers);
	return !(registers.flags & BIOS_CARRY);
}

void bios_main(const struct bios_services *given)
{
	services = given;
	screen_init();
	read_memory_map();
	loader_run(HANDOFF_FIRMWARE_BIOS, services->start_tsc);
}
