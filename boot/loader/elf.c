/* The kernel's ELF file is untrusted: headers and segments are checked in full before a byte is copied.
 * Segments must come in ascending order without sharing a byte; that makes the overlap check one comparison.
 */
#include "elf.h"

#include "little_endian.h"
#include "loader.h"
#include "string.h"

enum { ELF_CLASS_64 = 2, ELF_LITTLE = 1, ELF_EXECUTABLE = 2, ELF_X86_64 = 62 };
enum { SEGMENT_LOAD = 1, SEGMENT_INTERPRETER = 3 };
enum { HEADER_BYTES = 64, SEGMENT_BYTES = 56, SEGMENT_MAX = 32 };

/* What counts of the file's header, and of a program header. */
struct elf_header {
	uint64_t entry, program_offset;
	uint32_t program_count;
};

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, address, file_size, memory_size;
};

/*@ predicate segment_good(struct elf_segment *segment, integer size) =
      segment->offset + segment->file_size <= size && segment->file_size <= segment->memory_size &&
      ELF_VIRTUAL_MIN <= segment->address && segment->memory_size <= ELF_SPAN_MAX - 4096 &&
      segment->address <= 0x10000000000000000 - ELF_SPAN_MAX - 4096;
*/

/*@ requires \valid_read(image + (0 .. HEADER_BYTES - 1)) && \valid(header);
    requires \separated(header, image + (0 .. HEADER_BYTES - 1));
    assigns *header;
*/
static void header_read(struct elf_header *header, const uint8_t *image)
{
	header->entry = little_endian(image + 24, 8);
	header->program_offset = little_endian(image + 32, 8);
	header->program_count = (uint32_t)little_endian(image + 56, 2);
}

/*@ requires \valid_read(at + (0 .. SEGMENT_BYTES - 1)) && \valid(segment);
    requires \separated(segment, at + (0 .. SEGMENT_BYTES - 1));
    assigns *segment;
*/
static void segment_read(struct elf_segment *segment, const uint8_t *at)
{
	segment->type = (uint32_t)little_endian(at, 4);
	segment->flags = (uint32_t)little_endian(at + 4, 4);
	segment->offset = little_endian(at + 8, 8);
	segment->address = little_endian(at + 16, 8);
	segment->file_size = little_endian(at + 32, 8);
	segment->memory_size = little_endian(at + 40, 8);
}

/*@ requires \valid_read(image + (0 .. size - 1)) && \valid(header);
    requires \separated(header, image + (0 .. size - 1));
    assigns *header;
    ensures \result == \null ==> size >= HEADER_BYTES && 0 < header->program_count <= SEGMENT_MAX &&
      header->program_offset + header->program_count * SEGMENT_BYTES <= size;
*/
static const char *header_check(struct elf_header *header, const uint8_t *image, uint64_t size)
{
	static const uint8_t ident[6] = {0x7f, 'E', 'L', 'F', ELF_CLASS_64, ELF_LITTLE};
	if (size < HEADER_BYTES)
		return "the file is shorter than an ELF header";
	if (memcmp(image, ident, sizeof(ident)) != 0)
		return "it is not a 64-bit little-endian ELF file";
	if (little_endian(image + 16, 2) != ELF_EXECUTABLE || little_endian(image + 18, 2) != ELF_X86_64)
		return "it is not an executable for this processor";
	header_read(header, image);
	if (little_endian(image + 54, 2) != SEGMENT_BYTES || header->program_count == 0 ||
	    header->program_count > SEGMENT_MAX)
		return "its program headers have a wrong size or number";
	if (header->program_offset % 8 || header->program_offset > size ||
	    size - header->program_offset < header->program_count * SEGMENT_BYTES)
		return "its program headers lie outside the file";
	return NULL;
}

/*@ requires \valid_read(segment);
    requires end <= UINT64_MAX - 0xfff;
    assigns \nothing;
    ensures \result == \null ==> segment_good(segment, size) && end <= segment->address;
*/
static const char *segment_check(const struct elf_segment *segment, uint64_t size, uint64_t end)
{
	if (segment->offset > size || segment->file_size > size - segment->offset)
		return "a segment lies outside the file";
	if (segment->file_size > segment->memory_size)
		return "a segment is larger in the file than in memory";
	if (segment->address < ELF_VIRTUAL_MIN || segment->memory_size > ELF_SPAN_MAX - PAGE_SIZE ||
	    segment->address > 0 - ELF_SPAN_MAX - PAGE_SIZE)
		return "a segment lies outside the kernel's addresses";
	if (segment->address < end)
		return "its segments overlap or are not in ascending order";
	return NULL;
}

const char *elf_check(const void *image, uint64_t size, struct elf_layout *layout)
{
	const uint8_t *bytes = image;
	struct elf_header header;
	const char *why = header_check(&header, bytes, size);
	if (why)
		return why;
	uint64_t first = 0, end = 0;
	bool entry_found = false;
	/*@ loop invariant i <= header.program_count;
	    loop invariant first == 0 && end == 0 && !entry_found ||
	      first % 4096 == 0 && ELF_VIRTUAL_MIN <= first < end <= UINT64_MAX - 4095 && end - first <= ELF_SPAN_MAX;
	    loop invariant entry_found ==> first <= header.entry < end;
	    loop assigns i, why, first, end, entry_found;
	    loop variant header.program_count - i;
	*/
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment segment;
		segment_read(&segment, bytes + header.program_offset + i * SEGMENT_BYTES);
		if (segment.type == SEGMENT_INTERPRETER)
			return "it wants a dynamic loader";
		if (segment.type != SEGMENT_LOAD || segment.memory_size == 0)
			continue;
		why = segment_check(&segment, size, end);
		if (why)
			return why;
		if (!first)
			first = segment.address / PAGE_SIZE * PAGE_SIZE;
		end = segment.address + segment.memory_size;
		if (page_up(end) - first > ELF_SPAN_MAX)
			return "it is too large";
		if (header.entry >= segment.address && header.entry < end && (segment.flags & ELF_EXECUTE))
			entry_found = true;
	}
	if (!first)
		return "it has nothing to load";
	if (!entry_found)
		return "its entry point is not in an executable segment";
	layout->virtual_base = first;
	layout->span = page_up(end) - first;
	layout->entry = header.entry;
	return NULL;
}

uint32_t elf_access(const void *image, uint64_t address)
{
	const uint8_t *bytes = image;
	struct elf_header header;
	uint32_t access = 0;
	header_read(&header, bytes);
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment segment;
		segment_read(&segment, bytes + header.program_offset + i * SEGMENT_BYTES);
		if (segment.type == SEGMENT_LOAD && segment.memory_size &&
		    segment.address < address + PAGE_SIZE && address < segment.address + segment.memory_size)
			access |= segment.flags & (ELF_EXECUTE | ELF_WRITE | ELF_READ);
	}
	return access;
}

const void *elf_segment(const void *image, uint64_t size, uint32_t type, uint64_t *bytes)
{
	const uint8_t *file = image;
	struct elf_header header;
	*bytes = 0;
	header_read(&header, file);
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment segment;
		segment_read(&segment, file + header.program_offset + i * SEGMENT_BYTES);
		if (segment.type != type || segment.offset > size ||
		    segment.file_size > size - segment.offset)
			continue;
		*bytes = segment.file_size;
		return file + segment.offset;
	}
	return NULL;
}

void elf_place(const void *image, const struct elf_layout *layout, void *to)
{
	const uint8_t *bytes = image;
	struct elf_header header;
	uint64_t done = 0; /* bytes of `to` that are final */
	header_read(&header, bytes);
	for (uint32_t i = 0; i < header.program_count; i++) {
		struct elf_segment segment;
		segment_read(&segment, bytes + header.program_offset + i * SEGMENT_BYTES);
		if (segment.type != SEGMENT_LOAD || segment.memory_size == 0)
			continue;
		uint64_t start = segment.address - layout->virtual_base;
		memset((uint8_t *)to + done, 0, start - done);
		memcpy((uint8_t *)to + start, bytes + segment.offset, segment.file_size);
		done = start + segment.file_size;
	}
	memset((uint8_t *)to + done, 0, layout->span - done);
}
