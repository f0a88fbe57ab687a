/* The first unit's program: the part of ELF that it may use (System V ABI, "Object Files"; AMD64 supplement).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8
#define ELF_BYTES_MAX    (64ull << 20) /* of memory, all segments */

struct elf_segment {
	uint64_t address, memory_bytes; /* where it lies; the range [address, address + memory_bytes) */
	uint64_t offset, file_bytes;    /* what it begins with; the rest is zero */
	bool write, execute;
};

struct elf_program {
	uint64_t entry;
	uint32_t count;
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* in order of address; no two share a page */
};

/* Reads the headers of FILE, BYTES long: a static x86_64 program whose segments lie in [low, high), none both
 * writable and executable, and whose entry lies in an executable one. 0, or why it is refused. */
const char *elf_read(const void *file, uint64_t bytes, uint64_t low, uint64_t high,
                     struct elf_program *program);
