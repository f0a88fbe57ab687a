/* The kernel's own page tables, made once at boot and shared by all spaces as their upper half.
 *
 *   0xffff800000000000  direct map: RAM but the kernel's image, writable, not executable, largest pages that
 * fit 0xffffffff80000000  the image: text executable, constants read-only, data writable 0xffffffffc0000000
 * the window: CPU stacks with guard pages, device registers
 *
 * Frames for the tables come from the end of the handoff's highest free range below 4 GiB, before the generic
 * part takes over the rest; they are never freed.
 */
#include <bytes.h>
#include <log.h>
#include "x86.h"

#define WINDOW_STACK_BYTES 0x10000ull /* of window, a CPU */
#define WINDOW_DEVICES     (KERNEL_WINDOW + 0x100000)
#define WINDOW_END         (KERNEL_WINDOW + 0x1000000)
#define FOUR_GIB           (4ull << 30)

extern uint8_t kernel_start[], kernel_text_end[], kernel_rodata_end[], kernel_end[];

uint64_t kernel_root;
static struct handoff *boot_handoff; /* while frames may still be taken out of it */
static uint64_t window_device = WINDOW_DEVICES;

static uint64_t boot_frame(void)
{
	struct handoff_memory *best = 0;

	check(boot_handoff);
	for (uint32_t i = 0; i < boot_handoff->memory_count; i++) {
		struct handoff_memory *range = &boot_handoff->memory[i];

		if (range->kind == HANDOFF_MEMORY_FREE && range->size >= 2 * PAGE_SIZE_BYTES &&
		    range->base + range->size <= FOUR_GIB && range->base >= 1 << 20)
			best = range;
	}
	if (!best)
		panic("no free memory below 4 GiB for the kernel's page tables");
	best->size -= PAGE_SIZE_BYTES;
	memset(frame_map(best->base + best->size), 0, PAGE_SIZE_BYTES);
	return best->base + best->size;
}

/* The entry for ADDRESS in the table of LEVEL (1: pages, 2: 2 MiB, 3: 1 GiB) under ROOT. */
static uint64_t *boot_entry(uint64_t root, uint64_t address, unsigned level)
{
	uint64_t *table = frame_map(root);

	for (unsigned at = 4; at > level; at--) {
		uint64_t *entry = &table[address >> (12 + 9 * (at - 1)) & 511];

		if (!*entry)
			*entry = boot_frame() | PTE_PRESENT | PTE_WRITE;
		table = frame_map(*entry & PTE_ADDRESS);
	}
	return &table[address >> (12 + 9 * (level - 1)) & 511];
}

static void map_page(uint64_t address, uint64_t physical, uint64_t flags)
{
	*boot_entry(kernel_root, address, 1) = physical | flags | PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY;
}

static void map_direct(uint64_t base, uint64_t end)
{
	const uint64_t flags = PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_ACCESSED | PTE_DIRTY |
	                       (has(HANDOFF_X86_PGE) ? PTE_GLOBAL : 0);

	while (base < end) {
		unsigned level = 1;

		if (has(HANDOFF_X86_GIGABYTE_PAGES) && !(base & 0x3fffffff) && end - base >= 1 << 30)
			level = 3;
		else if (!(base & 0x1fffff) && end - base >= 1 << 21)
			level = 2;
		*boot_entry(kernel_root, base + ARCH_DIRECT_MAP, level) =
		    base | flags | (level > 1 ? PTE_LARGE : 0);
		base += 1ull << (12 + 9 * (level - 1));
	}
}

static bool is_ram(uint32_t kind)
{
	return kind == HANDOFF_MEMORY_FREE || kind == HANDOFF_MEMORY_LOADER ||
	       kind == HANDOFF_MEMORY_MODULE || kind == HANDOFF_MEMORY_ACPI ||
	       kind == HANDOFF_MEMORY_ACPI_NVS;
}

static void map_memory(const struct handoff *handoff, const struct handoff_memory *memory)
{
	for (uint32_t i = 0; i < handoff->memory_count;) {
		uint64_t base = memory[i].base, end = base;

		if (!is_ram(memory[i].kind)) {
			i++;
			continue;
		}
		for (; i < handoff->memory_count && is_ram(memory[i].kind) && memory[i].base == end; i++)
			end += memory[i].size;
		map_direct(base, end);
	}
}

static void map_image(const struct handoff *handoff)
{
	uint64_t start = (uint64_t)kernel_start, end = (uint64_t)kernel_end;
	const uint64_t global = has(HANDOFF_X86_PGE) ? PTE_GLOBAL : 0;

	if (handoff->kernel_virtual != start || handoff->kernel_size < end - start)
		panic("the loader placed %lu bytes of kernel at %lx; its image is %lu bytes at %lx",
		      handoff->kernel_size, handoff->kernel_virtual, end - start, start);
	for (uint64_t address = start; address < end; address += PAGE_SIZE_BYTES) {
		uint64_t flags = PTE_WRITE | PTE_NX;

		if (address < (uint64_t)kernel_text_end)
			flags = 0;
		else if (address < (uint64_t)kernel_rodata_end)
			flags = PTE_NX;
		map_page(address, handoff->kernel_base + (address - start), flags | global);
	}
}

void paging_init(struct handoff *handoff)
{
	static struct handoff_memory whole[HANDOFF_MEMORY_MAX];

	/* The table frames shrink the free ranges while they are being mapped, and must be mapped too. */
	memcpy(whole, handoff->memory, sizeof whole);
	boot_handoff = handoff;
	kernel_root = boot_frame();
	map_memory(handoff, whole);
	map_image(handoff);
	cr4_write(cr4_read() & ~CR4_PGE);
	cr3_write(kernel_root);
}

void paging_done(void)
{
	boot_handoff = 0;
}

uint64_t paging_stack(unsigned index, unsigned ist)
{
	return KERNEL_WINDOW + index * WINDOW_STACK_BYTES + PAGE_SIZE_BYTES + CPU_STACK_BYTES +
	       ist * (IST_STACK_BYTES + PAGE_SIZE_BYTES);
}

void paging_stacks_map(unsigned index)
{
	for (unsigned ist = 0; ist <= 3; ist++) {
		uint64_t top = paging_stack(index, ist);
		uint64_t bytes = ist ? IST_STACK_BYTES : CPU_STACK_BYTES;

		for (uint64_t at = top - bytes; at < top; at += PAGE_SIZE_BYTES)
			map_page(at, boot_frame(), PTE_WRITE | PTE_NX);
	}
}

void *paging_map_device(uint64_t physical, uint64_t bytes)
{
	uint64_t offset = physical & (PAGE_SIZE_BYTES - 1), result = window_device + offset;

	for (uint64_t done = 0; done < offset + bytes; done += PAGE_SIZE_BYTES) {
		check(window_device < WINDOW_END);
		map_page(window_device, physical - offset + done, PTE_WRITE | PTE_NX | PTE_UC);
		window_device += PAGE_SIZE_BYTES;
	}
	return (void *)result;
}
