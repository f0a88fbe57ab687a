/* Four-level tables of 2 MiB pages (Intel SDM volume 3, 4.5). The identity map and the direct map share
 * everything below the top table, since they map the same memory. */
#include "../../loader/paging.h"

#include "../../loader/loader.h"
#include "../../loader/string.h"

enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };
enum { ENTRIES = 512 };

#define LARGE_SIZE   (2ull << 20)
#define GIB          (1ull << 30)
#define MAP_LIMIT    (64ull << 40) /* half of what lies between HANDOFF_DIRECT_MAP and the kernel */
#define DIRECT_INDEX ((HANDOFF_DIRECT_MAP >> 39) & (ENTRIES - 1))

static uint32_t gib_count(const struct paging_plan *plan)
{
	uint64_t end = plan->memory_end < 4 * GIB ? 4 * GIB : plan->memory_end;
	if (end > MAP_LIMIT)
		end = MAP_LIMIT;
	return (uint32_t)((end + GIB - 1) >> 30);
}

/* Top table, kernel's third level and its two second levels; then third and second levels of physical memory.
 */
uint64_t paging_size(const struct paging_plan *plan)
{
	uint32_t gib = gib_count(plan);
	return (4ull + (gib + ENTRIES - 1) / ENTRIES + gib) * PAGE_SIZE;
}

uint64_t paging_build(const struct paging_plan *plan, uint64_t tables)
{
	uint32_t gib = gib_count(plan);
	uint32_t third_count = (gib + ENTRIES - 1) / ENTRIES;
	uint64_t *top = at(tables);
	uint64_t *kernel_third = top + ENTRIES;
	uint64_t *kernel_second = kernel_third + ENTRIES; /* two tables: the top 2 GiB */
	uint64_t *third = kernel_second + 2 * ENTRIES;
	uint64_t *second = third + (uint64_t)third_count * ENTRIES;

	memset(top, 0, (4 + third_count) * PAGE_SIZE);
	for (uint32_t i = 0; i < third_count; i++) {
		uint64_t entry = physical_of(third + (uint64_t)i * ENTRIES) | PRESENT | WRITABLE;
		top[i] = entry;
		top[DIRECT_INDEX + i] = entry;
	}
	for (uint32_t i = 0; i < gib; i++)
		third[i] = physical_of(second + (uint64_t)i * ENTRIES) | PRESENT | WRITABLE;
	for (uint64_t i = 0; i < (uint64_t)gib * ENTRIES; i++)
		second[i] = i * LARGE_SIZE | PRESENT | WRITABLE | LARGE;

	top[ENTRIES - 1] = physical_of(kernel_third) | PRESENT | WRITABLE;
	kernel_third[ENTRIES - 2] = physical_of(kernel_second) | PRESENT | WRITABLE;
	kernel_third[ENTRIES - 1] = physical_of(kernel_second + ENTRIES) | PRESENT | WRITABLE;
	uint64_t virtual_start = plan->kernel_virtual & ~(LARGE_SIZE - 1);
	uint64_t physical_start = plan->kernel_base & ~(LARGE_SIZE - 1);
	uint64_t head = plan->kernel_virtual - virtual_start;
	uint32_t index = (uint32_t)(virtual_start >> 21) & (2 * ENTRIES - 1);
	for (uint64_t done = 0; done < head + plan->kernel_size; done += LARGE_SIZE)
		kernel_second[index++] = (physical_start + done) | PRESENT | WRITABLE | LARGE;
	return tables;
}
