/* Reading the medium with int 13h extended reads (BIOS EDD-3, functions 42h), through a buffer in low memory:
 * the BIOS runs in real mode and reaches no higher. 62 KiB at a time, since many BIOSes take at most 127
 * sectors. */
#include "reader.h"
#include "../loader/loader.h"
#include "../loader/string.h"

enum { CHUNK = 62 << 10, ATTEMPTS = 3, CD_SHIFT = 11 };

static bool read_sectors(uint64_t first, uint32_t count)
{
	struct disk_packet *packet = at(LOW_START); /* real mode must reach it */
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		*packet = (struct disk_packet){.size = sizeof(*packet),
		                               .sectors = (uint16_t)count,
		                               .segment = BUFFER_SEGMENT,
		                               .first = first};
		struct bios_registers registers = {.eax = 0x4200, .edx = boot_drive, .esi = LOW_START};
		bios_call(0x13, &registers);
		if (!(registers.flags & BIOS_CARRY))
			return true;
	}
	return false;
}

bool disk_read(uint64_t position, void *to, uint64_t size)
{
	uint8_t *out = to;
	bool cd = boot_sector_shift == CD_SHIFT;
	uint32_t sector = cd ? 2048 : 512;
	while (size) {
		uint32_t part = size < CHUNK ? (uint32_t)size : CHUNK;
		if (!read_sectors(cd ? position / 2048 : position / 512, (part + sector - 1) / sector))
			return false;
		memcpy(out, at(BUFFER), part);
		out += part;
		position += part;
		size -= part;
	}
	return true;
}
