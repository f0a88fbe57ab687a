/* The kernel's own tables: what every space's upper half will be.
 *
 * RAM is mapped by the largest pages that fit, the kernel's image by what its segments allow and nowhere else, its stacks each
 * with an unmapped page below, its interrupt controllers uncached. All of it but the image is never executable. The lower half
 * is empty.
 */
#include "../../loader/paging.h"

#include "../../loader/elf.h"
#include "../../loader/loader.h"
#include "../../loader/relocate.h"
#include "../../loader/string.h"

#define PRESENT  1ull
#define WRITABLE 2ull
#define UNCACHED 0x18ull
#define USED     0x60ull /* accessed, dirty: the processor need not write to the entry */
#define LARGE    0x80ull
#define GLOBAL   0x100ull
#define NX       (1ull << 63)
#define ADDRESS  0x000ffffffffff000ull

/* Where the next frame of the pool is. */
struct pool {
	uint64_t next, end;
};

static uint64_t frame(struct pool *pool)
{
	uint64_t base = pool->next;
	if (base == pool->end)
		fail("the kernel's page tables do not fit. This is an error in the loader.");
	pool->next += PAGE_SIZE;
	memset(at(base), 0, PAGE_SIZE);
	return base;
}

/* Of an entry in a table of that level. By constant shifts: this is also code of 32 bits, which has no others for 64. */
static const uint64_t level_bytes[] = {0, 1ull << 12, 1ull << 21, 1ull << 30};

static uint32_t slot(uint64_t address, unsigned level)
{
	switch (level) {
	case 1:
		return address >> 12 & 511;
	case 2:
		return address >> 21 & 511;
	case 3:
		return address >> 30 & 511;
	default:
		return address >> 39 & 511;
	}
}

/* The entry for ADDRESS in the table of LEVEL (1: pages, 2: 2 MiB, 3: 1 GiB). */
static uint64_t *entry_of(struct pool *pool, uint64_t root, uint64_t address, unsigned level)
{
	uint64_t *table = at(root);
	for (unsigned upper = 4; upper > level; upper--) {
		uint64_t *entry = &table[slot(address, upper)];
		if (!*entry)
			*entry = frame(pool) | PRESENT | WRITABLE;
		table = at(*entry & ADDRESS);
	}
	return &table[slot(address, level)];
}

static void map_page(struct pool *pool, uint64_t root, uint64_t address, uint64_t physical, uint64_t flags)
{
	*entry_of(pool, root, address, 1) = physical | flags | PRESENT | USED;
}

static void map_direct(struct pool *pool, uint64_t root, uint64_t base, uint64_t end, uint64_t direct_map,
                       uint64_t features)
{
	const uint64_t global = features & HANDOFF_X86_PGE ? GLOBAL : 0;
	while (base < end) {
		unsigned level = 1;
		if (features & HANDOFF_X86_GIGABYTE_PAGES && !(base & 0x3fffffff) && end - base >= 1 << 30)
			level = 3;
		else if (!(base & 0x1fffff) && end - base >= 1 << 21)
			level = 2;
		*entry_of(pool, root, base + direct_map, level) =
		    base | PRESENT | WRITABLE | USED | NX | global | (level > 1 ? LARGE : 0);
		base += level_bytes[level];
	}
}

static bool is_ram(uint32_t kind)
{
	return kind == HANDOFF_MEMORY_FREE || kind == HANDOFF_MEMORY_LOADER ||
	       kind == HANDOFF_MEMORY_MODULE || kind == HANDOFF_MEMORY_TABLES ||
	       kind == HANDOFF_MEMORY_ACPI || kind == HANDOFF_MEMORY_ACPI_NVS;
}

static void map_memory(struct pool *pool, uint64_t root, const struct handoff *handoff, uint64_t direct_map)
{
	for (uint32_t i = 0; i < handoff->memory_count;) {
		uint64_t base = handoff->memory[i].base, end = base;
		uint32_t first = i;
		for (; i < handoff->memory_count && is_ram(handoff->memory[i].kind) &&
		       handoff->memory[i].base == end;
		     i++)
			end += handoff->memory[i].size;
		map_direct(pool, root, base, end, direct_map, handoff->machine.features);
		i += i == first;
	}
}

static void map_image(struct pool *pool, uint64_t root, const struct handoff *handoff, const void *image,
                      uint64_t moved)
{
	for (uint64_t done = 0; done < handoff->kernel_size; done += PAGE_SIZE) {
		uint64_t address = handoff->kernel_virtual + done;
		uint32_t access = elf_access(image, address - moved);
		uint64_t flags = handoff->machine.features & HANDOFF_X86_PGE ? GLOBAL : 0;
		flags |= access & ELF_WRITE ? WRITABLE : 0;
		flags |= access & ELF_EXECUTE ? 0 : NX;
		if (access)
			map_page(pool, root, address, handoff->kernel_base + done, flags);
	}
}

static void map_stack(struct pool *pool, uint64_t root, uint64_t top, uint64_t bytes)
{
	for (uint64_t address = top - bytes; address < top; address += PAGE_SIZE)
		map_page(pool, root, address, frame(pool), WRITABLE | NX);
}

uint64_t paging_kernel_size(uint64_t memory_end)
{
	uint64_t gib = (memory_end + (1ull << 30) - 1) >> 30;
	uint64_t stacks = HANDOFF_CPU_MAX * (HANDOFF_STACK_BYTES + 3 * HANDOFF_ALARM_BYTES) / PAGE_SIZE;
	/* Second and third levels of RAM, which need not begin with a table; the tables at its ranges' ends; the image's and the
	 * window's tables. */
	return (gib + gib / 512 + 2 + 2 * HANDOFF_MEMORY_MAX + ELF_SPAN_MAX / (2 << 20) + 8 + stacks) *
	       PAGE_SIZE;
}

uint64_t paging_kernel_build(struct handoff *handoff, const void *image, const struct relocation *relocation,
                             uint64_t base, uint64_t size)
{
	struct pool pool = {base, base + size};
	const struct handoff_machine *machine = &handoff->machine;
	uint64_t root = frame(&pool);
	map_memory(&pool, root, handoff, HANDOFF_DIRECT_MAP + relocation->direct_map);
	map_image(&pool, root, handoff, image, relocation->image);
	for (uint32_t cpu = 0; cpu < machine->cpu_count; cpu++) {
		map_stack(&pool, root, HANDOFF_STACK(handoff->kernel_virtual, cpu), HANDOFF_STACK_BYTES);
		for (uint32_t alarm = 1; alarm <= 3; alarm++)
			map_stack(&pool, root, HANDOFF_ALARM(handoff->kernel_virtual, cpu, alarm),
			          HANDOFF_ALARM_BYTES);
	}
	for (uint32_t i = 0; i < machine->controller_count; i++)
		map_page(&pool, root, HANDOFF_REGISTERS(handoff->kernel_virtual) + i * PAGE_SIZE,
		         machine->controllers[i].base & ADDRESS, WRITABLE | NX | UNCACHED);
	handoff->root = root;
	return pool.next;
}
