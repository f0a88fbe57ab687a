/* Fuzzing of the ELF reader: any bytes as a file; what it accepts must lie inside the file and the address
 * space. */
#include "elf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_header header;
	struct elf_programs programs;
	if (size < ELF_HEADER_BYTES || !elf_read_header(&header, data))
		return 0;
	uint64_t bytes = (uint64_t)header.program_count * ELF_PROGRAM_BYTES;
	if (header.programs_offset > size || size - header.programs_offset < bytes)
		return 0;
	uint8_t *copy = malloc(bytes);
	memcpy(copy, data + header.programs_offset, bytes);
	if (elf_read_programs(&programs, &header, copy, size)) {
		for (uint32_t i = 0; i < programs.load_count; i++) {
			const struct elf_load *load = &programs.loads[i];
			if (load->offset + load->file_bytes > size ||
			    load->address + load->memory_bytes > ELF_ADDRESS_END)
				abort();
		}
		if (programs.interpreter_offset + programs.interpreter_bytes > size)
			abort();
	}
	free(copy);
	return 0;
}
