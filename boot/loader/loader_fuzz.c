/* Fuzzing what the loader believes: the first byte chooses bundle, ELF file, handoff, memory map, command or ACPI tables. What passes a check
 * must be safe to use, so it is used; the sanitizers are the judges. */
#include <stdlib.h>
#include <string.h>

#include <holon/command.h>

#include "acpi.h"
#include "bundle.h"
#include "elf.h"
#include "handoff_check.h"
#include "loader.h"
#include "memory.h"
#include "relocate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile size_t sink; /* keeps the reads */

static void fuzz_bundle(const void *data, uint64_t size)
{
	const struct bundle_header *header = data;
	if (size < sizeof(*header) || bundle_check(header, size))
		return;
	for (uint32_t i = 0; i < header->entry_count; i++) {
		const struct bundle_entry *entry = &header->entries[i];
		if (bundle_find(header, entry->name) != entry)
			abort();
		if (entry->size)
			sink += ((const uint8_t *)data)[entry->offset] +
			        ((const uint8_t *)data)[entry->offset + entry->size - 1];
	}
}

static void fuzz_elf(const void *data, uint64_t size)
{
	struct elf_layout layout;
	if (elf_check(data, size, &layout) || layout.span > 4 << 20)
		return;
	void *memory = malloc(layout.span);
	elf_place(data, &layout, memory);
	uint64_t bytes;
	const void *list = elf_segment(data, size, RELOCATE_SEGMENT, &bytes);
	struct relocation relocation;
	relocation_choose(&relocation, &layout, size << 30,
	                  (uint32_t[]){(uint32_t)(size << 20), (uint32_t)(size << 21)});
	if (list && !relocation_apply(&relocation, &layout, list, bytes, memory))
		sink += ((uint8_t *)memory)[layout.span - 1];
	if (layout.entry - layout.virtual_base >= layout.span)
		abort();
	free(memory);
}

static void fuzz_handoff(const void *data, uint64_t size)
{
	static struct handoff handoff;
	memset(&handoff, 0, sizeof(handoff));
	memcpy(&handoff, data, size < sizeof(handoff) ? size : sizeof(handoff));
	handoff_check(&handoff);
}

/* Reports and claims as they come; the map must stay sorted, disjoint and merged. */
static void fuzz_memory(const uint64_t *words, uint64_t size)
{
	static struct memory_map map;
	memset(&map, 0, sizeof(map));
	for (uint64_t i = 0; i + 1 < size / 8; i += 2) {
		uint32_t kind = (uint32_t)(words[i + 1] & 7) + 1;
		memory_add(&map, words[i], words[i + 1], (enum handoff_memory_kind)kind);
	}
	memory_allocate(&map, 0x5000, 0x200000, 0x100000, 1ull << 32, HANDOFF_MEMORY_KERNEL);
	for (uint32_t i = 0; i < map.count; i++) {
		const struct handoff_memory *range = &map.ranges[i];
		if (!range->size || (range->base | range->size) % PAGE_SIZE)
			abort();
		if (i && map.ranges[i - 1].base + map.ranges[i - 1].size > range->base)
			abort();
	}
}

static void fuzz_command(const void *data, uint64_t size)
{
	static const char *strings[COMMAND_ARGUMENT_MAX + COMMAND_ENVIRONMENT_MAX];
	const struct command_header *header = data;
	if (command_parse(data, size, strings))
		return;
	for (uint32_t i = 0; i < header->argc + header->envc; i++)
		sink += strlen(strings[i]);
}

/* ACPI tables: the input is physical memory from ACPI_BASE on, seen through exact copies, one a slot. Checksums would hide all
 * that lies behind them from the fuzzer, so the sum of what is shown as a whole table or pointer is made right. */
#define ACPI_BASE 0x1000u

static struct {
	const uint8_t *bytes;
	uint64_t size;
	uint8_t *views[3];
} tables;

static void sum_up(uint8_t *bytes, uint64_t size, uint64_t sum_at)
{
	uint8_t sum = 0;
	for (uint64_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	bytes[sum_at] = (uint8_t)(bytes[sum_at] - sum);
}

static const void *tables_view(unsigned slot, uint64_t physical, uint64_t bytes)
{
	if (slot >= 3 || physical < ACPI_BASE || physical - ACPI_BASE > tables.size ||
	    bytes > tables.size - (physical - ACPI_BASE))
		return NULL;
	free(tables.views[slot]);
	uint8_t *copy = tables.views[slot] = malloc(bytes + !bytes);
	memcpy(copy, tables.bytes + (physical - ACPI_BASE), bytes);
	if (bytes >= 36 && !memcmp(copy, "RSD PTR ", 8)) {
		sum_up(copy, 20, 8);
		sum_up(copy, 36, 32);
	} else if (bytes >= 36) {
		sum_up(copy, bytes, 9);
	}
	return copy;
}

static void fuzz_acpi(const uint8_t *data, uint64_t size)
{
	struct acpi_info info;
	tables.bytes = data;
	tables.size = size;
	acpi_parse(&info, ACPI_BASE, tables_view);
	if (info.cpu_count > ACPI_CPUS || info.ioapic_count > ACPI_IOAPICS)
		abort();
	for (unsigned i = 0; i < 3; i++) {
		free(tables.views[i]);
		tables.views[i] = NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	/* An exact, aligned copy: the sanitizer sees every read beyond the end. */
	uint64_t rest = size - 1;
	void *copy = malloc(rest);
	memcpy(copy, data + 1, rest);
	switch (data[0] % 6) {
	case 0:
		fuzz_bundle(copy, rest);
		break;
	case 1:
		fuzz_elf(copy, rest);
		break;
	case 2:
		fuzz_handoff(copy, rest);
		break;
	case 3:
		fuzz_memory(copy, rest);
		break;
	case 4:
		fuzz_acpi(copy, rest);
		break;
	default:
		fuzz_command(copy, rest);
	}
	free(copy);
	return 0;
}
