/* Fuzzes the ELF parser: what it accepts keeps every promise of elf.h. */
#include <stdlib.h>
#include "elf.h"

#define LOW  0x400000000000ull
#define HIGH 0x408000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_file elf;
	if (!elf_parse(&elf, data, size, LOW, HIGH))
		return 0;
	uint64_t end = LOW;
	bool entry = false;
	for (unsigned i = 0; i < elf.segment_count; i++) {
		const struct elf_segment *segment = &elf.segments[i];
		if (!segment->memory_bytes || segment->address < end ||
		    segment->memory_bytes > HIGH - segment->address ||
		    segment->file_bytes > segment->memory_bytes || segment->offset > size ||
		    segment->file_bytes > size - segment->offset ||
		    (segment->flags & (ELF_WRITE | ELF_EXECUTE)) == (ELF_WRITE | ELF_EXECUTE))
			abort();
		end = (segment->address + segment->memory_bytes + 4095) & ~4095ull;
		entry = entry || ((segment->flags & ELF_EXECUTE) && elf.entry >= segment->address &&
		                  elf.entry < segment->address + segment->memory_bytes);
	}
	if (!entry)
		abort();
	struct elf_relocations walk;
	size_t places = 0;
	elf_relocations_begin(&walk, &elf, data);
	while (elf_relocations_next(&walk))
		places++;
	if (places > size / 8 * 63)
		abort();
	return 0;
}
