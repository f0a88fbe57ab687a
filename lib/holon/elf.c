/* See elf.h. */
#include "elf.h"
#include "little_endian.h"
#include "text.h"

#define PAGE_BYTES    4096ull
#define HEADER_BYTES  64u
#define PROGRAM_BYTES 56u
#define PROGRAMS_MAX  32u
#define TYPE_EXEC     2
#define TYPE_DYNAMIC  3
#define MACHINE_X86   62
#define LOAD          1
#define RELOCATIONS   0x60000001 /* native.ld */

/* What counts of a program header. */
struct program {
	uint32_t type, flags;
	uint64_t offset, address, file_bytes, memory_bytes;
};

/*@ requires \valid(program) && \valid_read(at + (0 .. PROGRAM_BYTES - 1)) && \base_addr(program) != \base_addr(at);
    assigns *program;
*/
static void program_read(struct program *program, const uint8_t *at)
{
	program->type = (uint32_t)little_endian(at, 4);
	program->flags = (uint32_t)little_endian(at + 4, 4);
	program->offset = little_endian(at + 8, 8);
	program->address = little_endian(at + 16, 8);
	program->file_bytes = little_endian(at + 32, 8);
	program->memory_bytes = little_endian(at + 40, 8);
}

/*@ requires \valid_read(program);
    assigns \nothing;
    ensures \result ==> low <= program->address && program->address + program->memory_bytes <= high &&
      program->offset + program->file_bytes <= size && program->file_bytes <= program->memory_bytes &&
      program->address % PAGE_BYTES == program->offset % PAGE_BYTES && (program->flags & 3) != 3;
*/
static bool segment_valid(const struct program *program, size_t size, uint64_t low, uint64_t high)
{
	if (program->offset > size || program->file_bytes > size - program->offset)
		return false;
	if (program->file_bytes > program->memory_bytes || program->address < low || program->address >= high)
		return false;
	if (program->memory_bytes > high - program->address ||
	    program->address % PAGE_BYTES != program->offset % PAGE_BYTES)
		return false;
	if ((program->flags & (ELF_WRITE | ELF_EXECUTE)) == (ELF_WRITE | ELF_EXECUTE))
		return false;
	return (program->flags & ELF_WRITE) || program->file_bytes == program->memory_bytes;
}

bool elf_parse(struct elf_file *elf, const void *file, size_t size, uint64_t low, uint64_t high)
{
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	const uint8_t *bytes = file;
	elf->segment_count = 0;
	elf->relocations_offset = elf->relocations_bytes = 0;
	if (size < HEADER_BYTES || memcmp(bytes, ident, sizeof(ident)) != 0)
		return false;
	uint64_t type = little_endian(bytes + 16, 2);
	if ((type != TYPE_EXEC && type != TYPE_DYNAMIC) || little_endian(bytes + 18, 2) != MACHINE_X86 ||
	    little_endian(bytes + 54, 2) != PROGRAM_BYTES)
		return false;
	uint64_t entry = little_endian(bytes + 24, 8), table = little_endian(bytes + 32, 8);
	uint64_t count = little_endian(bytes + 56, 2);
	if (count > PROGRAMS_MAX || table > size || count * PROGRAM_BYTES > size - table)
		return false;
	bool entry_found = false;
	uint64_t end = low;
	/*@ loop invariant i <= count && elf->segment_count <= ELF_SEGMENTS_MAX && low <= end <= high + PAGE_BYTES;
	    loop invariant elf->relocations_offset + elf->relocations_bytes <= size && elf->relocations_bytes % 8 == 0;
	    loop assigns i, end, entry_found, *elf;
	    loop variant count - i;
	*/
	for (unsigned i = 0; i < count; i++) {
		struct program program;
		program_read(&program, bytes + table + i * PROGRAM_BYTES);
		if (program.type == RELOCATIONS && program.offset <= size &&
		    program.file_bytes <= size - program.offset) {
			elf->relocations_offset = program.offset;
			elf->relocations_bytes = program.file_bytes / 8 * 8;
		}
		if (program.type != LOAD || !program.memory_bytes)
			continue;
		if (elf->segment_count == ELF_SEGMENTS_MAX || !segment_valid(&program, size, low, high))
			return false;
		if (program.address / PAGE_BYTES * PAGE_BYTES < end)
			return false;
		end = (program.address + program.memory_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
		struct elf_segment *segment = &elf->segments[elf->segment_count++];
		segment->address = program.address;
		segment->memory_bytes = program.memory_bytes;
		segment->offset = program.offset;
		segment->file_bytes = program.file_bytes;
		segment->flags = program.flags;
		if ((program.flags & ELF_EXECUTE) && entry >= program.address &&
		    entry - program.address < program.memory_bytes)
			entry_found = true;
	}
	elf->entry = entry;
	return entry_found;
}

/*@ requires \valid(walk) && \valid_read(elf) && \separated(walk, elf);
    requires \valid_read((uint8_t *)file + (0 .. elf->relocations_offset + elf->relocations_bytes - 1));
    assigns *walk;
    ensures walk->at == (uint8_t *)file + elf->relocations_offset && walk->end == walk->at + elf->relocations_bytes;
    ensures walk->bits == 0;
*/
void elf_relocations_begin(struct elf_relocations *walk, const struct elf_file *elf, const void *file)
{
	walk->at = (const uint8_t *)file + elf->relocations_offset;
	walk->end = walk->at + elf->relocations_bytes;
	walk->base = walk->place = walk->bits = 0;
}

uint64_t elf_relocations_next(struct elf_relocations *walk)
{
	for (;;) {
		while (walk->bits) {
			uint64_t place = walk->place;
			bool here = walk->bits & 1;
			walk->place += 8;
			walk->bits >>= 1;
			if (here)
				return place;
		}
		if (walk->at == walk->end)
			return 0;
		uint64_t word = little_endian(walk->at, 8);
		walk->at += 8;
		walk->place = word & 1 ? walk->base : word;
		walk->bits = word & 1 ? word >> 1 : 1;
		walk->base = word & 1 ? walk->base + 63 * 8 : word + 8;
	}
}
