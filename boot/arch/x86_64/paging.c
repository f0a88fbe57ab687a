/* Four-level tables of 2 MiB pages (Intel SDM volume 3, 4.5). The identity map and the direct map share
 * their second levels, since they map the same memory. */
#include "../../loader/paging.h"

#include "../../loader/loader.h"
#include "../../loader/string.h"

enum { PRESENT = 1, WRITABLE = 2, LARGE = 0x80 };
enum { ENTRIES = 512, KERNEL_HALF = 256 };

#define LARGE_SIZE (2ull << 20)
#define GIB        (1ull << 30)
#define MAP_LIMIT  (64ull << 40) /* half of what lies between HANDOFF_DIRECT_MAP and the kernel */

static uint32_t third_tables(uint32_t gib)
{
	return (gib + ENTRIES - 1) / ENTRIES;
}

static uint32_t gib_count(const struct paging_plan *plan)
{
	uint64_t end = plan->memory_end < 4 * GIB ? 4 * GIB : plan->memory_end;
	if (end > MAP_LIMIT)
		end = MAP_LIMIT;
	return (uint32_t)((end + GIB - 1) >> 30);
}

/* Top table, kernel's third level and its two second levels; third levels of physical memory, and again, at any GiB of theirs, of
 * the direct map; then second levels. */
uint64_t paging_size(const struct paging_plan *plan)
{
	uint32_t gib = gib_count(plan);
	return (4ull + 2 * third_tables(gib) + 1 + gib) * PAGE_SIZE;
}

uint64_t paging_build(const struct paging_plan *plan, uint64_t tables)
{
	uint32_t gib = gib_count(plan);
	uint32_t third_count = third_tables(gib);
	uint32_t first = (uint32_t)((plan->direct_map - HANDOFF_DIRECT_MAP) >>
	                            30); /* GiB of the direct map from the upper half's start */
	uint64_t *top = at(tables);
	uint64_t *kernel_third = top + ENTRIES;
	uint64_t *kernel_second = kernel_third + ENTRIES; /* two tables: the top 2 GiB */
	uint64_t *third = kernel_second + 2 * ENTRIES;
	uint64_t *direct = third + (uint64_t)third_count * ENTRIES;
	uint64_t *second = direct + (third_count + 1ull) * ENTRIES;

	memset(top, 0, (4 + 2 * third_count + 1) * PAGE_SIZE);
	for (uint32_t i = 0; i < third_count; i++)
		top[i] = physical_of(third + (uint64_t)i * ENTRIES) | PRESENT | WRITABLE;
	for (uint32_t i = 0; i <= third_count && first / ENTRIES + i < KERNEL_HALF - 1; i++)
		top[KERNEL_HALF + first / ENTRIES + i] =
		    physical_of(direct + (uint64_t)i * ENTRIES) | PRESENT | WRITABLE;
	for (uint32_t i = 0; i < gib; i++)
		third[i] = direct[first % ENTRIES + i] =
		    physical_of(second + (uint64_t)i * ENTRIES) | PRESENT | WRITABLE;
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
