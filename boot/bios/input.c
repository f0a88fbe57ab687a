/* The keyboard under the BIOS (int 16h), and starting another disk. */
#include "../loader/arch.h"
#include "../loader/loader.h"
#include "../loader/string.h"
#include "../menu/terminal.h"
#include "bios.h"

enum { FIRST_DISK = 0x80, DISKS_MAX = 8, SECTOR_BYTES = 512 };

uint32_t platform_key(void)
{
	enum { ZERO = 0x40, EXTENDED = 0xe0 };
	static const struct {
		uint8_t scan;
		uint16_t key;
	} keys[] = {{0x48, KEY_UP},   {0x50, KEY_DOWN}, {0x4d, KEY_RIGHT},  {0x4b, KEY_LEFT},
	            {0x47, KEY_HOME}, {0x4f, KEY_END},  {0x53, KEY_DELETE}, {0x3c, KEY_F2},
	            {0x44, KEY_F10},  {0x86, KEY_F12}};
	struct bios_registers registers = {.eax = 0x1100};
	bios_call(0x16, &registers);
	if (registers.flags & ZERO)
		return KEY_NONE;
	registers = (struct bios_registers){.eax = 0x1000};
	bios_call(0x16, &registers);
	uint8_t character = (uint8_t)registers.eax, scan = (uint8_t)(registers.eax >> 8);
	if (character && character != EXTENDED)
		return character;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].scan == scan)
			return keys[i].key;
	return KEY_NONE;
}

bool platform_has_serial(void)
{
	return false;
}

/* int 13h function 42h (Enhanced Disk Drive specification 1.1): the first sector of DRIVE to BUFFER, and whether it is one that boots. */
static bool boot_sector_read(uint8_t drive)
{
	struct {
		uint16_t bytes, sectors, offset, segment;
		uint64_t sector;
	} *request = at(LOW_START); /* real mode must reach it */
	*request = (__typeof__(*request)){sizeof(*request), 1, 0, BUFFER_SEGMENT, 0};
	memset(at(BUFFER), 0, SECTOR_BYTES);
	struct bios_registers registers = {.eax = 0x4200, .edx = drive, .esi = LOW_START};
	bios_call(0x13, &registers);
	const uint8_t *sector = at(BUFFER);
	return !(registers.flags & BIOS_CARRY) && sector[510] == 0x55 && sector[511] == 0xaa;
}

void platform_boot_other(uint32_t disk, const char *path)
{
	struct bios_registers text = {.eax = 3};
	(void)path;
	for (unsigned drive = FIRST_DISK; drive < FIRST_DISK + DISKS_MAX; drive++) {
		if (drive == bios_drive() || disk--)
			continue;
		if (!boot_sector_read((uint8_t)drive))
			return;
		bios_call(0x10, &text);
		bios_chain((uint8_t)drive);
	}
}

const char *platform_vouched(void)
{
	return "nothing vouches for it: a BIOS checks no loader";
}

static _Noreturn void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

_Noreturn void platform_restart(void)
{
	arch_restart();
	halt();
}

/* Advanced Power Management 1.2, 4.6.2, 4.6.18, 4.6.8: connect in real mode, say the version, all devices off. */
_Noreturn void platform_off(void)
{
	struct bios_registers connect = {.eax = 0x5301}, version = {.eax = 0x530e, .ecx = 0x0102},
	                      off = {.eax = 0x5307, .ebx = 1, .ecx = 3};
	bios_call(0x15, &connect);
	bios_call(0x15, &version);
	bios_call(0x15, &off);
	halt();
}
