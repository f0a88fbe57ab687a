/* Reading ELF64 program headers (System V ABI, "Object Files" and "Program Loading"). Pure functions over
 * bytes, so that they can be fuzzed; every field is checked before it is believed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_HEADER_BYTES    64
#define ELF_PROGRAM_BYTES   56
#define ELF_PROGRAMS_MAX    64
#define ELF_LOADS_MAX       32
#define ELF_ADDRESS_END     0x7ffffffff000ull
#define ELF_INTERPRETER_MAX 4096

struct elf_header {
	bool relocatable; /* ET_DYN */
	uint64_t entry, programs_offset;
	uint32_t program_count;
};

struct elf_load {
	uint64_t address, memory_bytes, offset, file_bytes;
	bool read, write, execute;
};

struct elf_programs {
	struct elf_load loads[ELF_LOADS_MAX]; /* ascending, not overlapping */
	uint32_t load_count;
	uint64_t low, high; /* pages from low up to high are covered */
	uint64_t
	    programs_address; /* of the program headers themselves in memory; 0 when no load covers them */
	uint64_t interpreter_offset; /* 0 = none */
	uint32_t interpreter_bytes;
	bool executable_stack;
};

/* False when BYTES are not the header of a program for this machine. */
bool elf_read_header(struct elf_header *header, const uint8_t bytes[ELF_HEADER_BYTES]);
/* BYTES: header->program_count headers as they are in the file of FILE_SIZE bytes. */
bool elf_read_programs(struct elf_programs *programs, const struct elf_header *header, const uint8_t *bytes,
                       uint64_t file_size);
