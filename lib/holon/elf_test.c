/* Relocations of a program that may be moved: which places a file names. */
#include <stdio.h>
#include <string.h>

#include "elf.h"

#define LOW  0x400000000000ull
#define HIGH 0x408000000000ull

static unsigned failures;

static void report(bool good, const char *name)
{
	failures += !good;
	printf("%s %s\n", good ? "ok" : "not ok", name);
}

/* A file of one loaded segment and, behind it, words of relocations. */
struct file {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, programs, sections;
	uint32_t flags;
	uint16_t header_bytes, program_bytes, program_count, rest[3];
	struct {
		uint32_t type, flags;
		uint64_t offset, address, physical, file_bytes, memory_bytes, align;
	} segments[2];
	uint64_t words[8];
};
_Static_assert(sizeof(struct file) == 64 + 2 * 56 + 64, "as in a file");

static struct file file_of(const uint64_t *words, unsigned count)
{
	struct file file = {
	    .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
	    .type = 3,
	    .machine = 62,
	    .entry = LOW + 0x1000,
	    .programs = 64,
	    .program_bytes = 56,
	    .program_count = 2,
	    .segments = {
	        {.type = 1, .flags = 5, .address = LOW + 0x1000, .file_bytes = 64, .memory_bytes = 64},
	        {.type = 0x60000001, .flags = 4, .offset = 64 + 2 * 56, .file_bytes = count * 8ull}}};
	memcpy(file.words, words, count * sizeof(*words));
	return file;
}

static bool names(const uint64_t *words, unsigned count, const uint64_t *wanted, unsigned wanted_count)
{
	struct file file = file_of(words, count);
	struct elf_file elf;
	struct elf_relocations walk;
	if (!elf_parse(&elf, &file, sizeof(file), LOW, HIGH))
		return false;
	elf_relocations_begin(&walk, &elf, &file);
	for (unsigned i = 0; i < wanted_count; i++)
		if (elf_relocations_next(&walk) != wanted[i])
			return false;
	return !elf_relocations_next(&walk) && !elf_relocations_next(&walk);
}

int main(void)
{
	struct elf_file elf;
	report(names((uint64_t[]){0}, 0, 0, 0), "relocations: none");
	report(names((uint64_t[]){LOW + 0x2000}, 1, (uint64_t[]){LOW + 0x2000}, 1),
	       "relocations: an address");
	/* Bits of the first word behind an address; the second word's begin 63 places on, whatever bits the first had. */
	report(names((uint64_t[]){LOW + 0x2000, 0x7, 0x3 | 1ull << 63, LOW + 0x8000}, 4,
	             (uint64_t[]){LOW + 0x2000, LOW + 0x2008, LOW + 0x2010, LOW + 0x2008 + 63 * 8,
	                          LOW + 0x2008 + 63 * 8 + 62 * 8, LOW + 0x8000},
	             6),
	       "relocations: addresses and bits");
	report(
	    names((uint64_t[]){LOW + 0x2000, 1, 3}, 3, (uint64_t[]){LOW + 0x2000, LOW + 0x2008 + 63 * 8}, 2),
	    "relocations: a word without bits");
	struct file file = file_of((uint64_t[]){LOW}, 1);
	file.segments[1].file_bytes = 7;
	report(elf_parse(&elf, &file, sizeof(file), LOW, HIGH) && !elf.relocations_bytes,
	       "relocations: half a word is none");
	file.segments[1].file_bytes = 65;
	report(elf_parse(&elf, &file, sizeof(file), LOW, HIGH) && !elf.relocations_bytes,
	       "relocations: what lies outside of the file is none");
	file.segments[1].offset = UINT64_MAX;
	report(elf_parse(&elf, &file, sizeof(file), LOW, HIGH) && !elf.relocations_bytes,
	       "relocations: nor is what wraps");
	file.type = 1;
	report(!elf_parse(&elf, &file, sizeof(file), LOW, HIGH), "an object file is no program");
	return failures != 0;
}
