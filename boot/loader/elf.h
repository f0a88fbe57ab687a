/* Checking and placing the kernel's ELF file (System V ABI, chapters 4 and 5; x86-64 supplement). */
#pragma once

#include <stdint.h>

#include <holon/handoff.h>

/* The kernel is linked in the top 2 GiB and may occupy this much. */
#define ELF_VIRTUAL_MIN 0xffffffff80000000ull
#define ELF_SPAN_MAX    HANDOFF_IMAGE_MAX

struct elf_layout {
	uint64_t virtual_base; /* page aligned address of the first segment's first page */
	uint64_t span;         /* bytes from there to the end of the last segment, whole pages */
	uint64_t entry;        /* virtual */
};

/*@ requires \valid_read((uint8_t *)image + (0 .. size - 1)) && \valid(layout);
    requires \separated(layout, (uint8_t *)image + (0 .. size - 1));
    assigns *layout;
    ensures \result == \null ==> layout->virtual_base % 4096 == 0 && ELF_VIRTUAL_MIN <= layout->virtual_base &&
      0 < layout->span <= ELF_SPAN_MAX && layout->span % 4096 == 0 &&
      layout->virtual_base <= layout->entry < layout->virtual_base + layout->span;
*/
/* Checks the file of size bytes (image: 8-byte aligned) and says what it occupies. NULL, or what is wrong. */
const char *elf_check(const void *image, uint64_t size, struct elf_layout *layout);
/* What the segments that have part of the page at ADDRESS allow, of a checked file; 0: there is none. */
enum { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };
uint32_t elf_access(const void *image, uint64_t address);
/* The bytes of a checked file's segment of that TYPE, *BYTES of them; NULL, and 0, where it has none in the file. */
const void *elf_segment(const void *image, uint64_t size, uint32_t type, uint64_t *bytes);
/* Copies the segments of a checked file to `to`, layout->span bytes, and zeroes the rest of it. */
void elf_place(const void *image, const struct elf_layout *layout, void *to);
