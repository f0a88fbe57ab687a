/* Tests of the loader's checks and arithmetic on the build machine: bundle, ELF file, memory map, page
 * tables, handoff. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle.h"
#include "elf.h"
#include "handoff_check.h"
#include "loader.h"
#include "memory.h"
#include "paging.h"
#include "relocate.h"

static int failures;

static void report(bool good, const char *name, const char *why)
{
	if (good)
		printf("ok %s\n", name);
	else
		printf("not ok %s - %s\n", name, why ? why : "it was accepted");
	failures += !good;
}

static void accepted(const char *why, const char *name)
{
	report(!why, name, why);
}

/* Refused, and for that reason: the message holds the word. */
static void refused(const char *why, const char *word, const char *name)
{
	report(why && strstr(why, word), name, why);
}

/* --- bundle --- */

static struct bundle_header good_bundle(void)
{
	return (struct bundle_header){
	    .magic = BUNDLE_MAGIC,
	    .version = BUNDLE_VERSION,
	    .entry_count = 2,
	    .size = 5 * PAGE_SIZE,
	    .entries = {{"kernel", PAGE_SIZE, 5000}, {"system", 3 * PAGE_SIZE, 8192}}};
}

#define BUNDLE_CASE(change, word)                                                                            \
	do {                                                                                                 \
		struct bundle_header b = good_bundle();                                                      \
		change;                                                                                      \
		refused(bundle_check(&b, 5 * PAGE_SIZE), word, "bundle refused: " #change);                  \
	} while (0)

static void test_bundle(void)
{
	struct bundle_header good = good_bundle();
	accepted(bundle_check(&good, 5 * PAGE_SIZE), "bundle: a good one");
	accepted(bundle_check(&good, 9 * PAGE_SIZE), "bundle: on a larger medium");
	report(bundle_find(&good, "system") == &good.entries[1] && !bundle_find(&good, "syste"),
	       "bundle: entries are found by their whole name", "wrong entry");
	refused(bundle_check(&good, 100), "shorter", "bundle refused: cut in the header");
	refused(bundle_check(&good, 4 * PAGE_SIZE), "shorter", "bundle refused: cut in the contents");
	BUNDLE_CASE(b.magic++, "start like");
	BUNDLE_CASE(b.version = 2, "version");
	BUNDLE_CASE(b.size -= 1, "whole pages");
	BUNDLE_CASE(b.size = 0, "whole pages");
	BUNDLE_CASE(b.entry_count = BUNDLE_ENTRY_MAX + 1, "too many");
	BUNDLE_CASE(b.entry_count = UINT32_MAX, "too many");
	BUNDLE_CASE(b.entries[0].offset = 0, "overlap");
	BUNDLE_CASE(b.entries[0].offset += 1, "on a page");
	BUNDLE_CASE(b.entries[1].offset = 2 * PAGE_SIZE, "overlap");
	BUNDLE_CASE(b.entries[1].offset = -PAGE_SIZE, "beyond");
	BUNDLE_CASE(b.entries[1].size = 8193, "beyond");
	BUNDLE_CASE(b.entries[1].size = UINT64_MAX, "beyond");
	BUNDLE_CASE(b.entries[1].size = UINT64_MAX - 3 * PAGE_SIZE, "beyond");
	BUNDLE_CASE(memset(b.entries[1].name, 'x', 32), "name");
	BUNDLE_CASE(b.entries[1].name[0] = 0, "name");
	BUNDLE_CASE(b.entries[1].name[2] = '\n', "name");
	BUNDLE_CASE(strcpy(b.entries[1].name, "kernel"), "same name");
}

/* --- ELF --- */

struct test_elf {
	uint8_t ident[16];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, program_offset, section_offset;
	uint32_t flags;
	uint16_t header_size, program_size, program_count, section_size, section_count, section_names;
	struct {
		uint32_t type, flags;
		uint64_t offset, address, physical, file_size, memory_size, align;
	} segments[3];
	uint8_t contents[64];
};

static struct test_elf good_elf(void)
{
	struct test_elf elf = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
	                       .type = 2,
	                       .machine = 62,
	                       .version = 1,
	                       .entry = ELF_VIRTUAL_MIN + 0x1010,
	                       .program_offset = 64,
	                       .header_size = 64,
	                       .program_size = 56,
	                       .program_count = 3,
	                       .contents = "the kernel's first bytes and then its data"};
	uint64_t contents = offsetof(struct test_elf, contents);
	elf.segments[0].type = 1;
	elf.segments[0].flags = 5;
	elf.segments[0].offset = contents;
	elf.segments[0].address = ELF_VIRTUAL_MIN + 0x1008;
	elf.segments[0].file_size = 24;
	elf.segments[0].memory_size = 24;
	elf.segments[1].type = 0x6474e551;
	elf.segments[2].type = 1;
	elf.segments[2].flags = 6;
	elf.segments[2].offset = contents + 24;
	elf.segments[2].address = ELF_VIRTUAL_MIN + 0x3000;
	elf.segments[2].file_size = 10;
	elf.segments[2].memory_size = 0x1800;
	return elf;
}

#define ELF_CASE(change, word)                                                                               \
	do {                                                                                                 \
		struct test_elf e = good_elf();                                                              \
		change;                                                                                      \
		refused(elf_check(&e, sizeof(e), &layout), word, "elf refused: " #change);                   \
	} while (0)

static void test_elf(void)
{
	struct elf_layout layout;
	struct test_elf good = good_elf();
	accepted(elf_check(&good, sizeof(good), &layout), "elf: a good one");
	report(layout.virtual_base == ELF_VIRTUAL_MIN + 0x1000 && layout.span == 0x4000 &&
	           layout.entry == good.entry,
	       "elf: its layout", "wrong base, span or entry");
	uint8_t *memory = malloc(layout.span);
	memset(memory, 0xcc, layout.span);
	elf_place(&good, &layout, memory);
	bool zero = true;
	for (uint64_t i = 0; i < layout.span; i++)
		if ((i < 8 || i >= 32) && (i < 0x2000 || i >= 0x200a))
			zero = zero && memory[i] == 0;
	report(zero && !memcmp(memory + 8, good.contents, 24) &&
	           !memcmp(memory + 0x2000, good.contents + 24, 10),
	       "elf: segments placed, the rest zero", "wrong bytes");
	free(memory);
	unsigned taken = 0;
	for (uint64_t size = 0; size < offsetof(struct test_elf, contents) + 34; size++) {
		/* Exactly as much memory as the file has, so that the sanitizer sees reads beyond it. */
		void *cut = malloc(size + !size);
		memcpy(cut, &good, size);
		taken += !elf_check(cut, size, &layout);
		free(cut);
	}
	report(!taken, "elf refused: cut short anywhere", "one was taken");
	ELF_CASE(e.ident[0] = 0, "not a 64-bit");
	ELF_CASE(e.ident[4] = 1, "not a 64-bit");
	ELF_CASE(e.ident[5] = 2, "not a 64-bit");
	ELF_CASE(e.type = 3, "not an executable");
	ELF_CASE(e.machine = 3, "not an executable");
	ELF_CASE(e.program_size = 32, "wrong size or number");
	ELF_CASE(e.program_count = 0, "wrong size or number");
	ELF_CASE(e.program_count = 65535, "wrong size or number");
	ELF_CASE(e.program_offset = 1 << 20, "outside the file");
	ELF_CASE(e.program_offset = -64, "outside the file");
	ELF_CASE(e.program_offset = 65, "outside the file");
	ELF_CASE(e.segments[1].type = 3, "dynamic loader");
	ELF_CASE(e.segments[2].offset = UINT64_MAX, "outside the file");
	ELF_CASE(e.segments[2].file_size = UINT64_MAX, "outside the file");
	ELF_CASE(e.segments[2].memory_size = 9, "larger in the file");
	ELF_CASE(e.segments[2].memory_size = UINT64_MAX, "outside the kernel's addresses");
	ELF_CASE(e.segments[0].address = 0x100000, "outside the kernel's addresses");
	ELF_CASE(e.segments[2].address = UINT64_MAX - 0x800, "outside the kernel's addresses");
	ELF_CASE(e.segments[2].address = ELF_VIRTUAL_MIN + 0x1010, "overlap");
	ELF_CASE(e.segments[2].address = ELF_VIRTUAL_MIN, "overlap");
	ELF_CASE(e.segments[2].memory_size = ELF_SPAN_MAX - PAGE_SIZE, "too large");
	ELF_CASE(e.segments[0].flags = 4, "entry point");
	ELF_CASE(e.entry = ELF_VIRTUAL_MIN + 0x3000, "entry point");
	ELF_CASE(e.entry = 0, "entry point");
	ELF_CASE((e.segments[0].type = 0, e.segments[2].type = 0), "nothing to load");
}

/* --- relocations --- */

/* The relocation of an image of 32 bytes, of which those of WANT must have come, by a list of exactly SIZE bytes. */
static const char *relocated(uint64_t moved, const void *list, uint64_t size, uint8_t image[32])
{
	struct relocation relocation = {.image = moved, .direct_map = 5ull << 30};
	struct elf_layout layout = {.virtual_base = ELF_VIRTUAL_MIN, .span = 32};
	void *cut = malloc(size + !size);
	uint8_t *exact = malloc(32);
	memcpy(cut, list, size);
	memset(exact, 0, 32);
	uint32_t low = 0x80000010;
	uint64_t high = ELF_VIRTUAL_MIN + 0x1000, direct = HANDOFF_DIRECT_MAP;
	memcpy(exact, &low, 4);
	memcpy(exact + 28, &low, 4);
	memcpy(exact + 4, &high, 8);
	memcpy(exact + 13, &direct, 8);
	const char *why = relocation_apply(&relocation, &layout, cut, size, exact);
	memcpy(image, exact, 32);
	free(exact);
	free(cut);
	return why;
}

static void test_relocations(void)
{
	/* 0 and 28; 4; 13. */
	static const uint8_t list[] = {1, 28, 0, 5, 0, 14, 0};
	uint8_t image[32], want[32] = {0};
	uint32_t low = 0x80345010;
	uint64_t high = ELF_VIRTUAL_MIN + 0x346000, direct = HANDOFF_DIRECT_MAP + (5ull << 30);
	memcpy(want, &low, 4);
	memcpy(want + 28, &low, 4);
	memcpy(want + 4, &high, 8);
	memcpy(want + 13, &direct, 8);
	accepted(relocated(0x345000, list, sizeof(list), image), "relocations: good ones");
	report(!memcmp(image, want, 32), "relocations: all places are moved, and no other", "wrong bytes");
	unsigned taken = 0;
	for (uint64_t size = 0; size < sizeof(list); size++)
		taken += !relocated(0, list, size, image);
	report(!taken, "relocations refused: cut short anywhere", "one was taken");
	refused(relocated(0, "\x1e\0\0", 3, image), "outside", "relocations refused: 32 bits beyond the end");
	refused(relocated(0, "\0\x1a\0", 3, image), "outside", "relocations refused: 64 bits beyond the end");
	refused(relocated(0, "\xff\xff\xff\x7f\0\0", 6, image), "outside",
	        "relocations refused: far outside");
	refused(relocated(0, "\xff\xff\xff\xff\1\0\0", 7, image), "cut off",
	        "relocations refused: a number of more than 28 bits");
	refused(relocated(0, "\0\0\0\0", 4, image), "more", "relocations refused: more behind them");
	refused(relocated(0x80000000, "\1\0\0\0", 4, image), "leaves",
	        "relocations refused: past all addresses");
	refused(relocated(0, "\x16\0\0\0", 4, image), "leaves",
	        "relocations refused: no address of the kernel's");

	struct test_elf elf = good_elf();
	uint64_t size;
	report(!elf_segment(&elf, sizeof(elf), RELOCATE_SEGMENT, &size) && !size,
	       "relocations: none in the file", "");
	elf.segments[1].type = RELOCATE_SEGMENT;
	elf.segments[1].offset = sizeof(elf) - 7;
	elf.segments[1].file_size = 7;
	report(elf_segment(&elf, sizeof(elf), RELOCATE_SEGMENT, &size) == (uint8_t *)&elf + sizeof(elf) - 7 &&
	           size == 7,
	       "relocations: found in the file", "");
	elf.segments[1].file_size = 8;
	report(!elf_segment(&elf, sizeof(elf), RELOCATE_SEGMENT, &size),
	       "relocations: none outside of the file", "");
}

static void test_places(void)
{
	static const uint64_t ends[] = {1 << 27, 1ull << 32, 600ull << 30, 64ull << 40, 128ull << 40};
	static const uint32_t randoms[] = {0, 1, 0x12345678, 0x80000000, UINT32_MAX};
	bool good = true, differ = true;
	for (unsigned i = 0; i < 5; i++)
		for (unsigned j = 0; j < 25; j++) {
			struct relocation at;
			struct elf_layout layout = {.virtual_base = ELF_VIRTUAL_MIN, .span = ELF_SPAN_MAX};
			uint32_t random[2] = {randoms[j / 5], randoms[j % 5]};
			relocation_choose(&at, &layout, ends[i], random);
			uint64_t image = ELF_VIRTUAL_MIN + at.image, map = HANDOFF_DIRECT_MAP + at.direct_map;
			good = good && image % PAGE_SIZE == 0 && image >= ELF_VIRTUAL_MIN &&
			       HANDOFF_REGISTERS(image) + HANDOFF_CONTROLLER_MAX * PAGE_SIZE > image &&
			       map % (1ull << 30) == 0 && (i == 4 || map + ends[i] <= 0xffffff8000000000);
			differ = differ && (at.image != 0) == (random[0] > 1) &&
			         (i == 4 || (at.direct_map != 0) == (random[1] > 1));
		}
	struct relocation at;
	struct elf_layout layout = {.virtual_base = 0 - ELF_SPAN_MAX, .span = PAGE_SIZE};
	relocation_choose(&at, &layout, 1 << 27, (uint32_t[]){UINT32_MAX, 0});
	report(good && !at.image, "places: the kernel and all memory lie where they may", "one does not");
	report(differ, "places: they are random", "one is not");
	report(relocation_bits(1) == 0 && relocation_bits(507903) == 18 && relocation_bits(1ull << 31) == 31,
	       "places: their bits", "");
}

/* --- memory map --- */

static bool map_is(const struct memory_map *map, const char *want)
{
	char text[4096] = "";
	for (uint32_t i = 0; i < map->count; i++)
		sprintf(text + strlen(text), "%s%llx+%llx:%u", i ? " " : "",
		        (unsigned long long)map->ranges[i].base, (unsigned long long)map->ranges[i].size,
		        map->ranges[i].kind);
	if (strcmp(text, want) != 0)
		printf("# map is    %s\n# and not   %s\n", text, want);
	return !strcmp(text, want);
}

static void test_memory(void)
{
	static struct memory_map map;
	memory_add(&map, 0x100000, 0x700000, HANDOFF_MEMORY_FREE);
	memory_add(&map, 0, 0x9fc00, HANDOFF_MEMORY_FREE);
	memory_add(&map, 0x9fc00, 0x400, HANDOFF_MEMORY_RESERVED);
	report(map_is(&map, "0+9f000:1 9f000+1000:7 100000+700000:1"), "memory: sorted and on page bounds",
	       "see above");
	memory_add(&map, 0x200800, 0x1000, HANDOFF_MEMORY_ACPI);
	memory_add(&map, 0x1ff000, 0x10000, HANDOFF_MEMORY_FREE);
	report(map_is(&map, "0+9f000:1 9f000+1000:7 100000+100000:1 200000+2000:5 202000+5fe000:1"),
	       "memory: the stricter report wins", "see above");
	memory_add(&map, 0x300000, 0, HANDOFF_MEMORY_RESERVED);
	memory_add(&map, 0x300010, 0x20, HANDOFF_MEMORY_FREE);
	memory_add(&map, UINT64_MAX - 10, UINT64_MAX, HANDOFF_MEMORY_FREE);
	report(map.count == 5, "memory: empty and absurd ranges are left out", "the map changed");
	uint64_t got = memory_allocate(&map, 0x1800, 0x200000, 0x100000, 1ull << 32, HANDOFF_MEMORY_KERNEL);
	report(got == 0x400000 && map.count == 7, "memory: aligned allocation", "wrong place");
	got = memory_allocate(&map, 0x10000000, PAGE_SIZE, 0x100000, 1ull << 32, HANDOFF_MEMORY_KERNEL);
	report(got == 0, "memory: no allocation without memory", "got some");
	got = memory_allocate(&map, PAGE_SIZE, PAGE_SIZE, 0x7ff000, 0x7ff800, HANDOFF_MEMORY_KERNEL);
	report(got == 0, "memory: no allocation beyond the limit", "got some");
	memory_claim(&map, 0x400000, 0x2000, HANDOFF_MEMORY_FREE);
	report(map_is(&map, "0+9f000:1 9f000+1000:7 100000+100000:1 200000+2000:5 202000+5fe000:1"),
	       "memory: neighbours merge again", "see above");
	report(memory_end(&map) == 0x800000, "memory: its end", "wrong end");

	static struct memory_map full;
	for (uint64_t i = 0; i < 300; i++)
		memory_add(&full, i * 0x4000, 0x1000, HANDOFF_MEMORY_FREE);
	report(full.count == HANDOFF_MEMORY_MAX && full.overflow, "memory: more ranges than fit are left out",
	       "count");
}

/* Random reports against one byte a page. */
static void test_memory_model(void)
{
	enum { PAGES = 200, ROUNDS = 2000 };
	static const uint8_t kinds[] = {HANDOFF_MEMORY_FREE, HANDOFF_MEMORY_ACPI, HANDOFF_MEMORY_RESERVED};
	int differ = 0;
	srand(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct memory_map map = {0};
		uint8_t model[PAGES] = {0};
		for (int i = 0; i < 12; i++) {
			uint32_t base = (uint32_t)rand() % PAGES,
			         size = (uint32_t)rand() % (PAGES - base) + 1;
			int which = rand() % 4;
			if (which == 3) {
				memory_claim(&map, base * PAGE_SIZE, size * PAGE_SIZE, HANDOFF_MEMORY_KERNEL);
				memset(model + base, HANDOFF_MEMORY_KERNEL, size);
				continue;
			}
			memory_add(&map, base * PAGE_SIZE, size * PAGE_SIZE, kinds[which]);
			for (uint32_t page = base; page < base + size; page++)
				if (model[page] != HANDOFF_MEMORY_KERNEL && model[page] < kinds[which])
					model[page] = kinds[which];
		}
		uint8_t got[PAGES] = {0};
		uint64_t end = 0;
		bool good = true;
		for (uint32_t i = 0; i < map.count; i++) {
			const struct handoff_memory *range = &map.ranges[i];
			good = good && range->base >= end && range->size;
			good = good && (i == 0 || range->base > end || range->kind != map.ranges[i - 1].kind);
			end = range->base + range->size;
			memset(got + range->base / PAGE_SIZE, (int)range->kind, range->size / PAGE_SIZE);
		}
		differ += !good || memcmp(got, model, PAGES) != 0;
	}
	report(!differ, "memory: random reports and claims", "some differ from the model");
}

/* --- page tables --- */

/* The entry that translates ADDRESS, of a page of *BYTES; 0: none. */
static uint64_t walk(const uint64_t *table, uint64_t address, uint64_t *bytes)
{
	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t entry = table[address >> shift & 511];
		*bytes = 1ull << shift;
		if (!(entry & 1) || shift == 12 || entry & 0x80)
			return entry & 1 ? entry : 0;
		table = at(entry & 0xffffffffff000ull);
	}
	return 0;
}

static uint64_t translate(const uint64_t *top, uint64_t address)
{
	uint64_t bytes, entry = walk(top, address, &bytes);
	return entry ? (entry & 0xffffffffff000ull & -bytes) + (address & (bytes - 1)) : UINT64_MAX;
}

static void test_paging(void)
{
	static const uint64_t ends[] = {1 << 27, 1ull << 32, (17ull << 30) + 4096, 600ull << 30};
	static const uint64_t moved[] = {0, 1ull << 30, 511ull << 30, (130560ull - 600) << 30};
	for (int i = 0; i < 4; i++) {
		struct paging_plan plan = {ends[i], 0x1e03000, ELF_VIRTUAL_MIN + 0x3f203000, 0x400000,
		                           HANDOFF_DIRECT_MAP + moved[i]};
		uint64_t size = paging_size(&plan);
		uint64_t *tables = aligned_alloc(PAGE_SIZE, size);
		memset(tables, 0xee, size);
		const uint64_t *top = at(paging_build(&plan, physical_of(tables)));
		uint64_t end = ends[i] < 1ull << 32 ? 1ull << 32 : ends[i];
		bool good = true;
		for (uint64_t address = 0; address < end; address += end / 97 & ~7ull)
			good = good && translate(top, address) == address &&
			       translate(top, plan.direct_map + address) == address;
		good = good && translate(top, end - 1) == end - 1 &&
		       (plan.direct_map == HANDOFF_DIRECT_MAP ||
		        translate(top, plan.direct_map - 1) == UINT64_MAX);
		for (uint64_t offset = 0; offset < plan.kernel_size; offset += PAGE_SIZE)
			good =
			    good && translate(top, plan.kernel_virtual + offset) == plan.kernel_base + offset;
		good = good && translate(top, ELF_VIRTUAL_MIN) == UINT64_MAX;
		free(tables);
		report(good, "paging: identity, direct map and kernel", "a translation is wrong");
	}
}

_Noreturn void fail(const char *format, ...)
{
	puts(format);
	abort();
}

/* What ADDRESS gives in the kernel's own tables: writable (2), not executable (1 << 63), and so on. */
static bool maps(const struct handoff *handoff, uint64_t address, uint64_t physical, uint64_t flags)
{
	uint64_t bytes, entry = walk(at(handoff->root), address, &bytes);
	return entry && translate(at(handoff->root), address) == physical &&
	       (entry & (1ull << 63 | 2 | 0x18)) == flags;
}

static void test_kernel_tables(void)
{
	const uint64_t nx = 1ull << 63, big = 3ull << 30;
	struct handoff handoff = {.memory_count = 4, .kernel_base = 0x2003000};
	struct handoff_memory ranges[] = {{0x1000, 0x9e000, HANDOFF_MEMORY_FREE, 0, 0},
	                                  {0x100000, 0x1f03000, HANDOFF_MEMORY_FREE, 0, 0},
	                                  {0x2003000, 0x10000, HANDOFF_MEMORY_KERNEL, 0, 0},
	                                  {1ull << 32, big, HANDOFF_MEMORY_MODULE, 0, 0}};
	struct elf_layout layout;
	struct test_elf elf = good_elf();
	memcpy(handoff.memory, ranges, sizeof(ranges));
	handoff.machine.cpu_count = 2;
	handoff.machine.controller_count = 2;
	handoff.machine.controllers[1].base = 0xfec00010;
	bool good = !elf_check(&elf, sizeof(elf), &layout);
	handoff.kernel_size = layout.span;
	for (unsigned large = 0; large < 2; large++) {
		struct relocation relocation = {.image = large * 0x5a5000,
		                                .direct_map = large * (777ull << 30)};
		const uint64_t direct_map = HANDOFF_DIRECT_MAP + relocation.direct_map;
		handoff.kernel_virtual = layout.virtual_base + relocation.image;
		uint64_t size = paging_kernel_size(1ull << 33), bytes;
		uint64_t *memory = aligned_alloc(PAGE_SIZE, size);
		handoff.machine.features = large ? HANDOFF_X86_GIGABYTE_PAGES : 0;
		memset(memory, 0xee, size);
		uint64_t end = paging_kernel_build(&handoff, &elf, &relocation, physical_of(memory), size);
		good = good && end <= physical_of(memory) + size;
		for (uint32_t i = 0; i < 4; i++) {
			uint64_t last = ranges[i].base + ranges[i].size - 1;
			bool image = ranges[i].kind == HANDOFF_MEMORY_KERNEL;
			good = good &&
			       maps(&handoff, direct_map + ranges[i].base, ranges[i].base, nx | 2) == !image;
			good = good && maps(&handoff, direct_map + last, last, nx | 2) == !image;
		}
		good = good && translate(memory, direct_map + 0x9f000) == UINT64_MAX;
		good = good && translate(memory, direct_map + (1ull << 32) + big) == UINT64_MAX;
		walk(memory, direct_map + (1ull << 32), &bytes);
		good = good && bytes == (large ? 1ull << 30 : 2ull << 20);
		for (uint64_t address = 0; address < 1ull << 34; address += 1ull << 20)
			good = good && translate(memory, address) == UINT64_MAX;
		for (uint64_t at_page = 0; at_page < layout.span; at_page += PAGE_SIZE) {
			uint32_t access = elf_access(&elf, layout.virtual_base + at_page);
			uint64_t flags = (access & ELF_EXECUTE ? 0 : nx) | (access & ELF_WRITE ? 2 : 0);
			good = good && maps(&handoff, handoff.kernel_virtual + at_page, 0x2003000 + at_page,
			                    flags) == (access != 0);
		}
		for (uint32_t cpu = 0; cpu < 3; cpu++)
			for (uint32_t stack = 0; stack <= 3; stack++) {
				uint64_t top = stack ? HANDOFF_ALARM(handoff.kernel_virtual, cpu, stack)
				                     : HANDOFF_STACK(handoff.kernel_virtual, cpu);
				uint64_t below = top - (stack ? HANDOFF_ALARM_BYTES : HANDOFF_STACK_BYTES);
				good = good && (translate(memory, top - 8) != UINT64_MAX) == (cpu < 2) &&
				       (translate(memory, below) != UINT64_MAX) == (cpu < 2) &&
				       translate(memory, below - 8) == UINT64_MAX;
			}
		good = good && maps(&handoff, HANDOFF_REGISTERS(handoff.kernel_virtual) + PAGE_SIZE + 0x10,
		                    0xfec00010, nx | 2 | 0x18);
		free(memory);
	}
	report(good, "paging: the kernel's own tables", "a translation is wrong");
}

/* --- handoff --- */

static struct handoff good_handoff(void)
{
	return (struct handoff){
	    .magic = HANDOFF_MAGIC,
	    .version = HANDOFF_VERSION,
	    .size = sizeof(struct handoff),
	    .firmware = HANDOFF_FIRMWARE_BIOS,
	    .memory_count = 5,
	    .module_count = 2,
	    .kernel_base = 0x200000,
	    .kernel_size = 0x10000,
	    .kernel_virtual = ELF_VIRTUAL_MIN,
	    .root = 0x240000,
	    .framebuffer = {0xe0000000, 1024 * 768 * 4, 1024, 768, 4096, HANDOFF_PIXEL_BGRX, 0},
	    .machine = {.cpu_count = 2,
	                .controller_count = 1,
	                .clock_hz = 1000000000,
	                .clock_period = 1ull << 32 >> 1,
	                .clock_ratio = 1ull << 32,
	                .clock_multiplier = 1u << 31,
	                .clock_shift = 32,
	                .cpus = {{.id = 4}, {.id = 2}},
	                .controllers = {{.kind = HANDOFF_CONTROLLER_IO_APIC}}},
	    .memory = {{0, 0x1000, HANDOFF_MEMORY_RESERVED, 0, 0},
	               {0x1000, 0x9e000, HANDOFF_MEMORY_FREE, 0, 0},
	               {0x200000, 0x20000, HANDOFF_MEMORY_KERNEL, 0, 0},
	               {0x220000, 0x10000, HANDOFF_MEMORY_MODULE, 0, 0},
	               {0x240000, 0x10000, HANDOFF_MEMORY_TABLES, 0, 0}},
	    .modules = {{"steward", 0x220000, 0x5001, 0}, {"system", 0x226000, 0xa000, 0}},
	};
}

#define HANDOFF_CASE(change, word)                                                                           \
	do {                                                                                                 \
		struct handoff h = good_handoff();                                                           \
		change;                                                                                      \
		refused(handoff_check(&h), word, "handoff refused: " #change);                               \
	} while (0)

static void test_handoff(void)
{
	struct handoff good = good_handoff();
	accepted(handoff_check(&good), "handoff: a good one");
	HANDOFF_CASE(h.magic = 0, "magic");
	HANDOFF_CASE(h.version++, "version");
	HANDOFF_CASE(h.size--, "version or size");
	HANDOFF_CASE(h.firmware = 3, "firmware");
	HANDOFF_CASE(h.memory_count = 0, "number of memory");
	HANDOFF_CASE(h.memory_count = HANDOFF_MEMORY_MAX + 1, "number of memory");
	HANDOFF_CASE(h.memory[1].base = 0x1001, "whole pages");
	HANDOFF_CASE(h.memory[1].size = 0, "whole pages");
	HANDOFF_CASE(h.memory[3].size = -0x1000, "wraps");
	HANDOFF_CASE(h.memory[1].size = 0x200000, "overlap");
	HANDOFF_CASE(h.memory[2].base = 0, "overlap");
	HANDOFF_CASE(h.root = 0x220000, "tables");
	HANDOFF_CASE(h.root = 0x240010, "tables");
	HANDOFF_CASE(h.memory[1].kind = 0, "no known kind");
	HANDOFF_CASE(h.memory[1].kind = 10, "no known kind");
	HANDOFF_CASE(h.memory[1].kind = HANDOFF_MEMORY_LOADER, "no free");
	HANDOFF_CASE(h.module_count = HANDOFF_MODULE_MAX + 1, "too many");
	HANDOFF_CASE(memset(h.modules[0].name, 'x', 32), "name");
	HANDOFF_CASE(h.modules[0].base = 0x220004, "on a page");
	HANDOFF_CASE(h.modules[0].base = 0x230000, "outside module");
	HANDOFF_CASE(h.modules[1].size = 0xa001, "outside module");
	HANDOFF_CASE(h.modules[1].size = UINT64_MAX, "wraps");
	HANDOFF_CASE(h.modules[1].base = 0x225000, "overlap");
	HANDOFF_CASE(strcpy(h.modules[1].name, "steward"), "same name");
	HANDOFF_CASE(h.kernel_size = 0x21000, "kernel lies outside");
	HANDOFF_CASE(h.kernel_base = 0x1000, "kernel lies outside");
	HANDOFF_CASE(h.kernel_size = 0, "kernel lies outside");
	HANDOFF_CASE(h.framebuffer.format = 7, "format");
	HANDOFF_CASE(h.framebuffer.width = 0, "dimensions");
	HANDOFF_CASE(h.framebuffer.stride = 4092, "dimensions");
	HANDOFF_CASE(h.framebuffer.height = 769, "smaller");
	HANDOFF_CASE(h.framebuffer.base = UINT64_MAX - 5, "wraps");
	HANDOFF_CASE(h.machine.cpu_count = 0, "number of processors");
	HANDOFF_CASE(h.machine.cpu_count = HANDOFF_CPU_MAX + 1, "number of processors");
	HANDOFF_CASE(h.machine.cpus[1].id = 4, "same number");
	HANDOFF_CASE(h.machine.cpus[1].entry = 1, "does not wait");
	HANDOFF_CASE(h.machine.controller_count = HANDOFF_CONTROLLER_MAX + 1, "too many interrupt");
	HANDOFF_CASE(h.machine.controllers[0].kind = 0, "interrupt controller");
	HANDOFF_CASE(h.machine.clock_hz = 0, "clock's rate");
	HANDOFF_CASE(h.machine.timer_ratio = UINT64_MAX, "clock's rate");
	HANDOFF_CASE(h.machine.clock_ratio = 0, "clock's rate");
	HANDOFF_CASE(h.machine.clock_period = 0, "clock's rate");
	HANDOFF_CASE(h.machine.clock_multiplier = 0, "clock's rate");
	HANDOFF_CASE(h.machine.clock_shift = 33, "clock's rate");
	HANDOFF_CASE(h.machine.log = 9, "log port");
	HANDOFF_CASE(memset(h.command_line, 'x', HANDOFF_COMMAND_MAX), "does not end");
}

int main(void)
{
	test_bundle();
	test_elf();
	test_relocations();
	test_places();
	test_memory();
	test_memory_model();
	test_paging();
	test_kernel_tables();
	test_handoff();
	return failures != 0;
}
