/* The BIOS part of the loader: what the reader in low memory offers the loader above 1 MiB, and what the loader's files share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <holon/handoff.h>

/* Registers of a BIOS call, in and out; entry.S knows the layout. */
struct bios_registers {
	uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
	uint16_t es, flags;
};

enum { BIOS_CARRY = 1 };

/* Memory the two parts own: the reader's code, data and stack, the buffer BIOS calls transfer through; the loader. */
enum {
	LOW_START = 0x1000,
	LOW_PAGE = 0x2000, /* for starting processors; the stack comes down to 0x3000 at most */
	BUFFER = 0x20000,
	BUFFER_SEGMENT = BUFFER >> 4,
	BUFFER_SIZE = 0x10000,
	LOW_END = BUFFER + BUFFER_SIZE,
	LOADER_BASE = 0x100000,
	LOADER_MAX = 256 << 10,
};

/* The packet of int 13h's extended functions (BIOS EDD-3, 42h and 43h). */
struct disk_packet {
	uint8_t size, reserved;
	uint16_t sectors;
	uint16_t offset, segment;
	uint64_t first;
};

/* What the reader gives the loader. It stays where it is until the kernel runs. */
struct bios_services {
	uint64_t start_tsc;
	uint64_t bundle_offset, bundle_size; /* on the medium, bytes; size 0: it holds none */
	void (*call)(uint8_t vector, struct bios_registers *registers);
	/* Reads size bytes of the medium from position, a multiple of the sector size. */
	bool (*read)(uint64_t position, void *to, uint64_t size);
	/* Runs the boot sector at BUFFER in real mode, as the BIOS does, for that drive. */
	void (*chain)(uint8_t drive);
	uint8_t drive; /* the medium's */
};

/* Screen (screen.c): text mode through the BIOS until screen_init finds a VBE mode with a linear framebuffer,
 * then text drawn into that framebuffer with the BIOS font. */
void screen_init(void);
void screen_framebuffer(struct handoff_framebuffer *framebuffer);
void bios_call(uint8_t vector, struct bios_registers *registers);
void bios_chain(uint8_t drive);
uint8_t bios_drive(void);
