/* See elf.h. Every number in the file is checked before use; sums are arranged so that none can wrap. */
#include <bytes.h>
#include "elf.h"

struct header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

enum { PT_LOAD = 1, PT_INTERP = 3, PF_X = 1, PF_W = 2, ET_EXEC = 2, EM_X86_64 = 62 };

#define PAGE 4096ull

static const char *read_segment(const struct program_header *header, uint64_t bytes, uint64_t low,
                                uint64_t high, uint64_t *total, struct elf_program *program)
{
	const struct elf_segment *last = program->count ? &program->segments[program->count - 1] : 0;

	if (program->count == ELF_SEGMENTS_MAX)
		return "too many segments";
	if (header->filesz > header->memsz || header->offset > bytes ||
	    header->filesz > bytes - header->offset)
		return "a segment lies outside the file";
	if (header->vaddr < low || header->vaddr >= high || header->memsz > high - header->vaddr)
		return "a segment lies outside the native window";
	*total += header->memsz;
	if (header->memsz > ELF_BYTES_MAX || *total > ELF_BYTES_MAX)
		return "the segments are too large";
	if (last && header->vaddr / PAGE <= (last->address + last->memory_bytes - 1) / PAGE)
		return "segments share a page or are out of order";
	if (header->flags & PF_W && header->flags & PF_X)
		return "a segment is both writable and executable";
	program->segments[program->count++] = (struct elf_segment){.address = header->vaddr,
	                                                           .memory_bytes = header->memsz,
	                                                           .offset = header->offset,
	                                                           .file_bytes = header->filesz,
	                                                           .write = header->flags & PF_W,
	                                                           .execute = header->flags & PF_X};
	return 0;
}

const char *elf_read(const void *file, uint64_t bytes, uint64_t low, uint64_t high,
                     struct elf_program *program)
{
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F',
	                                 2,    1,   1}; /* 64 bits, little-endian, version 1 */
	struct header header;
	uint64_t total = 0;

	if (bytes < sizeof header)
		return "shorter than an ELF header";
	memcpy(&header, file, sizeof header);
	if (memcmp(header.ident, ident, sizeof ident) != 0)
		return "no 64-bit little-endian ELF file";
	if (header.type != ET_EXEC || header.machine != EM_X86_64)
		return "no static x86_64 program";
	if (header.phentsize != sizeof(struct program_header) || header.phnum > 32 || header.phoff > bytes ||
	    header.phnum * sizeof(struct program_header) > bytes - header.phoff)
		return "program headers outside the file";
	program->entry = header.entry;
	program->count = 0;
	for (uint32_t index = 0; index < header.phnum; index++) {
		struct program_header segment;
		const char *why = 0;

		memcpy(&segment, (const uint8_t *)file + header.phoff + index * sizeof segment,
		       sizeof segment);
		if (segment.type == PT_INTERP)
			why = "asks for a dynamic loader";
		else if (segment.type == PT_LOAD && segment.memsz)
			why = read_segment(&segment, bytes, low, high, &total, program);
		if (why)
			return why;
	}
	for (uint32_t index = 0; index < program->count; index++) {
		const struct elf_segment *segment = &program->segments[index];

		if (segment->execute && header.entry >= segment->address &&
		    header.entry - segment->address < segment->memory_bytes)
			return 0;
	}
	return "the entry lies in no executable segment";
}
