/* The boot handoff: what the loader leaves for the kernel, and what the kernel passes on to the first unit.
 *
 * The loader (UEFI or BIOS) fills one struct handoff in memory of kind HANDOFF_MEMORY_LOADER and enters the
 * kernel's ELF entry point with:
 *   - long mode, interrupts off, direction flag clear, a stack of at least 16 KiB in loader memory;
 *   - RDI = physical address of the struct;
 *   - page tables (loader memory) that map, writable and executable, all physical memory from 0 to the end of
 * RAM, and at least the first 4 GiB, twice: identically, and at HANDOFF_DIRECT_MAP; and the kernel's segments
 * at their link addresses. EFER.NXE set where the CPU has NX. The kernel replaces these tables. Boot services
 * are over. Every physical address in the struct is page aligned where it names pages. The loader checks the
 * kernel ELF and the bundle before use; the kernel checks the handoff again and refuses, with a message, a
 * magic, version or size it does not know, and any range that overlaps or wraps.
 */
#pragma once

#include <stdint.h>

#define HANDOFF_MAGIC      0x464f444e484e4c48ull /* "HLNHNDOF" read as little-endian bytes */
#define HANDOFF_VERSION    1
#define HANDOFF_DIRECT_MAP 0xffff800000000000ull

#define HANDOFF_MEMORY_MAX  256
#define HANDOFF_MODULE_MAX  16
#define HANDOFF_COMMAND_MAX 1024

enum handoff_memory_kind {
	HANDOFF_MEMORY_FREE = 1, /* usable RAM */
	HANDOFF_MEMORY_LOADER, /* handoff, page tables, stack, loader: free once the kernel is done with them
	                        */
	HANDOFF_MEMORY_KERNEL, /* the kernel's loaded segments */
	HANDOFF_MEMORY_MODULE, /* a module's pages */
	HANDOFF_MEMORY_ACPI,   /* ACPI tables (reclaimable) */
	HANDOFF_MEMORY_ACPI_NVS,
	HANDOFF_MEMORY_RESERVED,
	HANDOFF_MEMORY_MMIO,
};

/* One range; the array is sorted by base, ranges do not overlap, base and size are multiples of 4096. */
struct handoff_memory {
	uint64_t base;
	uint64_t size;
	uint32_t kind;
	uint32_t reserved;
};

/* A file the loader placed in memory. Names known to the system: "steward" (ELF, the first unit), "system"
 * (sysimg), "command" (text: what holon-run asks to run), "add" (tar: files added by holon-run). */
struct handoff_module {
	char name[32]; /* NUL terminated */
	uint64_t base; /* physical, page aligned; the rest of the last page is zero */
	uint64_t size; /* bytes */
};

enum handoff_pixel_format {
	HANDOFF_PIXEL_NONE = 0, /* no framebuffer */
	HANDOFF_PIXEL_BGRX,     /* 32 bits a pixel, blue in the lowest byte */
	HANDOFF_PIXEL_RGBX,
};

struct handoff_framebuffer {
	uint64_t base;  /* physical */
	uint64_t size;  /* bytes */
	uint32_t width; /* pixels */
	uint32_t height;
	uint32_t stride; /* bytes from one row to the next */
	uint32_t format; /* enum handoff_pixel_format */
};

enum handoff_firmware { HANDOFF_FIRMWARE_UEFI = 1, HANDOFF_FIRMWARE_BIOS = 2 };

struct handoff {
	uint64_t magic;
	uint32_t version;
	uint32_t size;     /* sizeof(struct handoff) */
	uint32_t firmware; /* enum handoff_firmware */
	uint32_t memory_count;
	uint32_t module_count;
	uint32_t reserved;
	uint64_t rsdp;        /* physical address of the ACPI RSDP; 0 where none was found */
	uint64_t loader_tsc;  /* time-stamp counter when the loader began */
	uint64_t kernel_base; /* physical base and size of the kernel's loaded segments, contiguous */
	uint64_t kernel_size;
	uint64_t kernel_virtual; /* the virtual address kernel_base is mapped at */
	struct handoff_framebuffer framebuffer;
	struct handoff_memory memory[HANDOFF_MEMORY_MAX];
	struct handoff_module modules[HANDOFF_MODULE_MAX];
	char command_line[HANDOFF_COMMAND_MAX]; /* NUL terminated options, e.g. "log=com2" */
};
