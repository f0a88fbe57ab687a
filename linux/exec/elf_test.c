/* Tests of the ELF reader: the build machine's own programs are read right, damaged ones are refused or stay
 * in bounds. */
#include "elf.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

static void report(bool passed, const char *name, const char *why)
{
	if (passed)
		printf("ok %s\n", name);
	else
		printf("not ok %s - %s\n", name, why);
	failures += !passed;
}

/* What every accepted program must satisfy. */
static bool in_bounds(const struct elf_programs *programs, uint64_t file_size)
{
	uint64_t last = 0;
	for (uint32_t i = 0; i < programs->load_count; i++) {
		const struct elf_load *load = &programs->loads[i];
		if (load->offset + load->file_bytes > file_size ||
		    load->offset + load->file_bytes < load->offset ||
		    load->address + load->memory_bytes > ELF_ADDRESS_END ||
		    load->file_bytes > load->memory_bytes || load->address < last ||
		    load->address % 4096 != load->offset % 4096)
			return false;
		last = load->address + load->memory_bytes;
	}
	return !programs->interpreter_offset ||
	       programs->interpreter_offset + programs->interpreter_bytes <= file_size;
}

static bool parse(const uint8_t *file, size_t size, struct elf_header *header, struct elf_programs *programs)
{
	if (size < ELF_HEADER_BYTES || !elf_read_header(header, file))
		return false;
	uint64_t bytes = (uint64_t)header->program_count * ELF_PROGRAM_BYTES;
	if (header->programs_offset > size || size - header->programs_offset < bytes)
		return false;
	/* A copy of exactly this size, so that the sanitizer sees a read too many. */
	uint8_t *copy = malloc(bytes);
	memcpy(copy, file + header->programs_offset, bytes);
	bool result = elf_read_programs(programs, header, copy, size);
	free(copy);
	return result;
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return 0;
	fseek(file, 0, SEEK_END);
	*size = (size_t)ftell(file);
	rewind(file);
	uint8_t *bytes = malloc(*size);
	if (fread(bytes, 1, *size, file) != *size)
		*size = 0;
	fclose(file);
	return bytes;
}

static void test_program(const char *path, bool interpreter)
{
	size_t size;
	uint8_t *file = read_file(path, &size);
	struct elf_header header;
	struct elf_programs programs;
	char name[128];
	const char *base = strrchr(path, '/') + 1;
	snprintf(name, sizeof(name), "read-%s", base);
	if (!file) {
		report(false, name, "the file is missing");
		return;
	}
	bool parsed = parse(file, size, &header, &programs);
	report(parsed && in_bounds(&programs, size) && programs.load_count >= 2 &&
	           !!programs.interpreter_offset == interpreter && programs.programs_address &&
	           header.entry >= programs.low && header.entry < programs.high,
	       name, "not read as expected");
	if (interpreter && parsed)
		report(!memcmp(file + programs.interpreter_offset, "/lib64/ld-linux-x86-64.so.2", 28),
		       "interpreter-name", "another name");
	unsigned seed = 12345;
	int accepted = 0, bad = 0;
	for (int i = 0; i < 200000 && parsed; i++) {
		uint8_t saved[4];
		unsigned at[4];
		size_t range = ELF_HEADER_BYTES + header.program_count * ELF_PROGRAM_BYTES;
		for (int j = 0; j < 4; j++) {
			seed = seed * 1103515245 + 12345;
			at[j] = (unsigned)(seed >> 8) % (unsigned)range;
			saved[j] = file[at[j]];
			file[at[j]] = (uint8_t)(seed >> 24);
		}
		struct elf_header damaged_header;
		struct elf_programs damaged;
		if (parse(file, size, &damaged_header, &damaged)) {
			accepted++;
			bad += !in_bounds(&damaged, size);
		}
		for (int j = 3; j >= 0; j--)
			file[at[j]] = saved[j];
	}
	snprintf(name, sizeof(name), "damaged-%s", base);
	report(bad == 0 && accepted > 0, name, "a damaged program was accepted out of bounds");
	free(file);
}

static void test_refusals(void)
{
	uint8_t bytes[ELF_HEADER_BYTES + ELF_PROGRAM_BYTES * 2] = {0};
	Elf64_Ehdr *file = (Elf64_Ehdr *)bytes;
	Elf64_Phdr *program = (Elf64_Phdr *)(bytes + ELF_HEADER_BYTES);
	struct elf_header header;
	struct elf_programs programs;
	memcpy(file->e_ident, "\177ELF\2\1\1", 7);
	file->e_type = ET_EXEC;
	file->e_machine = EM_X86_64;
	file->e_phentsize = ELF_PROGRAM_BYTES;
	file->e_phnum = 2;
	file->e_phoff = ELF_HEADER_BYTES;
	file->e_entry = 0x400000;
	program[0] = (Elf64_Phdr){
	    .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = 100, .p_memsz = 100};
	program[1] =
	    (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0x401000, .p_memsz = 100};
	report(parse(bytes, sizeof(bytes), &header, &programs) && programs.load_count == 2 &&
	           programs.high == 0x402000,
	       "smallest-program", "refused");
	program[1].p_vaddr = 0x400800;
	program[1].p_offset = 0x800;
	report(!parse(bytes, sizeof(bytes), &header, &programs), "overlapping-pages", "accepted");
	program[1].p_vaddr = 0x401001;
	report(!parse(bytes, sizeof(bytes), &header, &programs), "misaligned-offset", "accepted");
	program[1].p_offset = 0;
	program[1].p_vaddr = ELF_ADDRESS_END - 4096;
	program[1].p_memsz = UINT64_MAX - 4096;
	report(!parse(bytes, sizeof(bytes), &header, &programs), "wrapping-size", "accepted");
	program[1].p_vaddr = 0x401000;
	program[1].p_memsz = 10;
	program[1].p_filesz = 20;
	report(!parse(bytes, sizeof(bytes), &header, &programs), "file-larger-than-memory", "accepted");
	program[1].p_filesz = 0;
	file->e_phnum = ELF_PROGRAMS_MAX + 1;
	report(!elf_read_header(&header, bytes), "too-many-programs", "accepted");
	file->e_phnum = 0;
	report(!elf_read_header(&header, bytes), "no-programs", "accepted");
	file->e_phnum = 2;
	file->e_machine = EM_386;
	report(!elf_read_header(&header, bytes), "other-machine", "accepted");
	file->e_machine = EM_X86_64;
	file->e_type = ET_REL;
	report(!elf_read_header(&header, bytes), "object-file", "accepted");
}

int main(void)
{
	test_program("build/root/minimal/usr/bin/busybox", false);
	test_program("/bin/ls", true);
	test_refusals();
	return failures != 0;
}
