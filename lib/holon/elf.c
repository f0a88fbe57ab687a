/* See elf.h. */
#include "elf.h"
#include "text.h"

#define PAGE_MASK   4095ull
#define TYPE_EXEC   2
#define MACHINE_X86 62
#define LOAD        1

struct header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
};

struct program {
	uint32_t type, flags;
	uint64_t offset, address, physical, file_bytes, memory_bytes, align;
};

static bool segment_valid(const struct program *program, size_t size, uint64_t low, uint64_t high)
{
	if (program->offset > size || program->file_bytes > size - program->offset)
		return false;
	if (program->file_bytes > program->memory_bytes || program->address < low || program->address >= high)
		return false;
	if (program->memory_bytes > high - program->address ||
	    ((program->address ^ program->offset) & PAGE_MASK))
		return false;
	if ((program->flags & (ELF_WRITE | ELF_EXECUTE)) == (ELF_WRITE | ELF_EXECUTE))
		return false;
	return (program->flags & ELF_WRITE) || program->file_bytes == program->memory_bytes;
}

bool elf_parse(struct elf_file *elf, const void *file, size_t size, uint64_t low, uint64_t high)
{
	struct header header;
	static const uint8_t ident[7] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
	memset(elf, 0, sizeof(*elf));
	if (size < sizeof(header))
		return false;
	memcpy(&header, file, sizeof(header));
	if (memcmp(header.ident, ident, sizeof(ident)) != 0 || header.type != TYPE_EXEC ||
	    header.machine != MACHINE_X86)
		return false;
	if (header.program_size != sizeof(struct program) || header.program_count > 32 ||
	    header.program_offset > size ||
	    header.program_count * sizeof(struct program) > size - header.program_offset)
		return false;
	bool entry_found = false;
	uint64_t end = low;
	for (unsigned i = 0; i < header.program_count; i++) {
		struct program program;
		memcpy(&program, (const uint8_t *)file + header.program_offset + i * sizeof(program),
		       sizeof(program));
		if (program.type != LOAD || !program.memory_bytes)
			continue;
		if (elf->segment_count == ELF_SEGMENTS_MAX || !segment_valid(&program, size, low, high))
			return false;
		if ((program.address & ~PAGE_MASK) < end)
			return false;
		end = (program.address + program.memory_bytes + PAGE_MASK) & ~PAGE_MASK;
		elf->segments[elf->segment_count++] = (struct elf_segment){
		    .address = program.address,
		    .memory_bytes = program.memory_bytes,
		    .offset = program.offset,
		    .file_bytes = program.file_bytes,
		    .flags = program.flags,
		};
		if ((program.flags & ELF_EXECUTE) && header.entry >= program.address &&
		    header.entry - program.address < program.memory_bytes)
			entry_found = true;
	}
	elf->entry = header.entry;
	return entry_found;
}
