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
	/* Where a program that may be moved has its relocations in the file (RELR, of the System V ABI's proposal: words, each the address of a
	 * place, or, odd, a bit for each of the 63 places of 8 bytes behind); 0 bytes: it has none. */
	uint64_t relocations_offset, relocations_bytes;
	struct elf_segment segments[ELF_SEGMENTS_MAX]; /* by ascending address */
};

/* A walk through a file's relocations. */
struct elf_relocations {
	const uint8_t *at, *end;
	uint64_t base;        /* which the next word's bits count from */
	uint64_t place, bits; /* of the word at hand: what it still speaks of */
};

void elf_relocations_begin(struct elf_relocations *walk, const struct elf_file *elf, const void *file);
/* The next place's address, anywhere; 0 at the end, or for a list that names address 0. */
uint64_t elf_relocations_next(struct elf_relocations *walk);

/* False unless FILE is a little-endian x86_64 ET_EXEC or ET_DYN whose segments lie in [LOW, HIGH), are never writable
 * and executable at once, and, where not writable, are wholly in the file. */
/*@ requires \valid(elf) && \valid_read((uint8_t *)file + (0 .. size - 1)) && \base_addr(elf) != \base_addr(file);
    requires low <= high <= 0x7fffffffffffffff;
    assigns *elf;
    ensures elf->segment_count <= ELF_SEGMENTS_MAX;
    ensures elf->relocations_offset + elf->relocations_bytes <= size && elf->relocations_bytes % 8 == 0;
*/
bool elf_parse(struct elf_file *elf, const void *file, size_t size, uint64_t low, uint64_t high);
