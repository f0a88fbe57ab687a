/* The BIOS part of the loader: calls into the BIOS and what its files share. */
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

/* Low memory the stage owns: code, data, stack, and the buffer BIOS calls transfer through. */
enum {
	LOW_START = 0x1000,
	LOW_PAGE = 0x2000, /* for starting processors; the stack comes down to 0x3000 at most */
	BUFFER = 0x20000,
	BUFFER_SEGMENT = BUFFER >> 4,
	BUFFER_SIZE = 0x10000,
	LOW_END = BUFFER + BUFFER_SIZE,
};

void bios_call(uint8_t vector, struct bios_registers *registers);

/* Screen (screen.c): text mode through the BIOS until screen_init finds a VBE mode with a linear framebuffer,
 * then text drawn into that framebuffer with the BIOS font. */
void screen_init(void);
void screen_framebuffer(struct handoff_framebuffer *framebuffer);

extern uint8_t boot_drive, boot_sector_shift;
extern uint64_t start_tsc, stage_bundle_offset, stage_bundle_size;
