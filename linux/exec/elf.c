/* ELF64 headers: see elf.h. */
#include "elf.h"

#define PAGE 4096ull

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

bool elf_read_header(struct elf_header *header, const uint8_t *bytes)
{
	if (get32(bytes) != 0x464c457f || bytes[4] != 2 /* 64 bit */ || bytes[5] != 1 /* little-endian */ ||
	    bytes[6] != 1)
		return false;
	uint16_t type = get16(bytes + 16);
	if ((type != 2 && type != 3) || get16(bytes + 18) != 62 /* x86_64 */ ||
	    get16(bytes + 54) != ELF_PROGRAM_BYTES)
		return false;
	header->relocatable = type == 3;
	header->entry = get64(bytes + 24);
	header->programs_offset = get64(bytes + 32);
	header->program_count = get16(bytes + 56);
	return header->program_count > 0 && header->program_count <= ELF_PROGRAMS_MAX &&
	       header->entry < ELF_ADDRESS_END;
}

static bool add_load(struct elf_programs *programs, const struct elf_load *load, uint64_t file_size)
{
	uint64_t end, file_end;
	if (!load->memory_bytes)
		return true;
	if (programs->load_count == ELF_LOADS_MAX || load->file_bytes > load->memory_bytes ||
	    __builtin_add_overflow(load->address, load->memory_bytes, &end) || end > ELF_ADDRESS_END ||
	    __builtin_add_overflow(load->offset, load->file_bytes, &file_end) || file_end > file_size ||
	    load->offset % PAGE != load->address % PAGE)
		return false;
	uint64_t start = load->address & ~(PAGE - 1);
	if (programs->load_count && start < programs->high)
		return false;
	if (!programs->load_count)
		programs->low = start;
	programs->high = (end + PAGE - 1) & ~(PAGE - 1);
	programs->loads[programs->load_count++] = *load;
	return true;
}

static void find_programs(struct elf_programs *programs, const struct elf_header *header)
{
	uint64_t bytes = (uint64_t)header->program_count * ELF_PROGRAM_BYTES;
	for (uint32_t i = 0; i < programs->load_count; i++) {
		const struct elf_load *load = &programs->loads[i];
		if (header->programs_offset >= load->offset && load->file_bytes >= bytes &&
		    header->programs_offset - load->offset <= load->file_bytes - bytes) {
			programs->programs_address = load->address + (header->programs_offset - load->offset);
			return;
		}
	}
}

bool elf_read_programs(struct elf_programs *programs, const struct elf_header *header, const uint8_t *bytes,
                       uint64_t file_size)
{
	*programs = (struct elf_programs){0};
	for (uint32_t i = 0; i < header->program_count; i++, bytes += ELF_PROGRAM_BYTES) {
		uint32_t type = get32(bytes), flags = get32(bytes + 4);
		struct elf_load load = {.offset = get64(bytes + 8),
		                        .address = get64(bytes + 16),
		                        .file_bytes = get64(bytes + 32),
		                        .memory_bytes = get64(bytes + 40),
		                        .execute = flags & 1,
		                        .write = flags & 2,
		                        .read = flags & 4};
		if (type == 1) {
			if (!add_load(programs, &load, file_size))
				return false;
		} else if (type == 3) {
			if (load.file_bytes < 2 || load.file_bytes > ELF_INTERPRETER_MAX || !load.offset ||
			    load.offset > file_size || load.file_bytes > file_size - load.offset)
				return false;
			programs->interpreter_offset = load.offset;
			programs->interpreter_bytes = (uint32_t)load.file_bytes;
		} else if (type == 0x6474e551) {
			programs->executable_stack = load.execute;
		}
	}
	find_programs(programs, header);
	return programs->load_count > 0;
}
