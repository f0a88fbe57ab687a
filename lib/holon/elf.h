/* Parsing of static ELF64 programs for native units: System V ABI, ELF-64 object file format. Reads only;
 * every field is checked against the file's size, so any bytes may be passed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_SEGMENTS_MAX 8

enum elf_flags { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };

struct elf_segment {
	uint64_t address, memory_bytes; /* not empty; no two share a page */
	uint64_t offset,
	    file_bytes; /* file_bytes <= memory_bytes; congruent to address modulo the page size */
	uint32_t flags;
};

struct elf_file {
	uint64_t entry; /* inside an executable segment */
	unsigned segment_count;
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* by ascending address */
};

/* False unless FILE is a little-endian x86_64 ET_EXEC whose segments lie in [LOW, HIGH), are never writable
 * and executable at once, and, where not writable, are wholly in the file. */
/*@ requires \valid(elf) && \valid_read((uint8_t *)file + (0 .. size - 1)) && \base_addr(elf) != \base_addr(file);
    requires low <= high <= 0x7fffffffffffffff;
    assigns *elf;
    ensures elf->segment_count <= ELF_SEGMENTS_MAX;
*/
bool elf_parse(struct elf_file *elf, const void *file, size_t size, uint64_t low, uint64_t high);
