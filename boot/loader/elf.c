/* The kernel's ELF file is untrusted: headers and segments are checked in full before a byte is copied.
 * Segments must come in ascending order without sharing a byte; that makes the overlap check one comparison.
 */
#include "elf.h"

#include "loader.h"
#include "string.h"

struct elf_header {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, virtual_address, physical_address, file_size, memory_size, align;
};

_Static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56, "ELF-64 layout");

enum { ELF_CLASS_64 = 2, ELF_LITTLE = 1, ELF_EXECUTABLE = 2, ELF_X86_64 = 62 };
enum { SEGMENT_LOAD = 1, SEGMENT_INTERPRETER = 3 };
enum { SEGMENT_MAX = 32 };

static const struct elf_segment *segments_of(const void *image)
{
	const struct elf_header *header = image;
	return (const void *)((const uint8_t *)image + header->program_offset);
}

static const char *header_check(const struct elf_header *header, uint64_t size)
{
	static const uint8_t ident[6] = {0x7f, 'E', 'L', 'F', ELF_CLASS_64, ELF_LITTLE};
	if (size < sizeof(*header))
		return "the file is shorter than an ELF header";
	if (memcmp(header->ident, ident, sizeof(ident)) != 0)
		return "it is not a 64-bit little-endian ELF file";
	if (header->type != ELF_EXECUTABLE || header->machine != ELF_X86_64)
		return "it is not an executable for this processor";
	if (header->program_size != sizeof(struct elf_segment) || header->program_count == 0 ||
	    header->program_count > SEGMENT_MAX)
		return "its program headers have a wrong size or number";
	if (header->program_offset % 8 || header->program_offset > size ||
	    size - header->program_offset < header->program_count * sizeof(struct elf_segment))
		return "its program headers lie outside the file";
	return NULL;
}

const char *elf_check(const void *image, uint64_t size, struct elf_layout *layout)
{
	const struct elf_header *header = image;
	const char *why = header_check(header, size);
	if (why)
		return why;
	const struct elf_segment *segments = segments_of(image);
	uint64_t first = 0, end = 0;
	bool entry_found = false;
	for (uint32_t i = 0; i < header->program_count; i++) {
		const struct elf_segment *segment = &segments[i];
		if (segment->type == SEGMENT_INTERPRETER)
			return "it wants a dynamic loader";
		if (segment->type != SEGMENT_LOAD || segment->memory_size == 0)
			continue;
		if (segment->offset > size || segment->file_size > size - segment->offset)
			return "a segment lies outside the file";
		if (segment->file_size > segment->memory_size)
			return "a segment is larger in the file than in memory";
		if (segment->virtual_address < ELF_VIRTUAL_MIN ||
		    segment->memory_size > ELF_SPAN_MAX - PAGE_SIZE ||
		    segment->virtual_address > 0 - ELF_SPAN_MAX - PAGE_SIZE)
			return "a segment lies outside the kernel's addresses";
		if (segment->virtual_address < end)
			return "its segments overlap or are not in ascending order";
		if (!first)
			first = segment->virtual_address & ~(PAGE_SIZE - 1);
		end = segment->virtual_address + segment->memory_size;
		if (page_up(end) - first > ELF_SPAN_MAX)
			return "it is too large";
		if (header->entry >= segment->virtual_address && header->entry < end &&
		    (segment->flags & ELF_EXECUTE))
			entry_found = true;
	}
	if (!first)
		return "it has nothing to load";
	if (!entry_found)
		return "its entry point is not in an executable segment";
	*layout =
	    (struct elf_layout){.virtual_base = first, .span = page_up(end) - first, .entry = header->entry};
	return NULL;
}

uint32_t elf_access(const void *image, uint64_t address)
{
	const struct elf_header *header = image;
	const struct elf_segment *segments = segments_of(image);
	uint32_t access = 0;
	for (uint32_t i = 0; i < header->program_count; i++) {
		const struct elf_segment *segment = &segments[i];
		if (segment->type == SEGMENT_LOAD && segment->memory_size &&
		    segment->virtual_address < address + PAGE_SIZE &&
		    address < segment->virtual_address + segment->memory_size)
			access |= segment->flags & (ELF_EXECUTE | ELF_WRITE | ELF_READ);
	}
	return access;
}

void elf_place(const void *image, const struct elf_layout *layout, void *to)
{
	const struct elf_header *header = image;
	const struct elf_segment *segments = segments_of(image);
	uint64_t done = 0; /* bytes of `to` that are final */
	for (uint32_t i = 0; i < header->program_count; i++) {
		const struct elf_segment *segment = &segments[i];
		if (segment->type != SEGMENT_LOAD || segment->memory_size == 0)
			continue;
		uint64_t start = segment->virtual_address - layout->virtual_base;
		memset((uint8_t *)to + done, 0, start - done);
		memcpy((uint8_t *)to + start, (const uint8_t *)image + segment->offset, segment->file_size);
		done = start + segment->file_size;
	}
	memset((uint8_t *)to + done, 0, layout->span - done);
}
