/* See foreign.h. */
#include "foreign.h"

#define PAGE_FAULT 14

void foreign_entry(void);
uint64_t foreign_fault(void);

static struct foreign *regions[FOREIGN_REGIONS_MAX];
static handle_t scratch, own_space;
static struct thread_page *own_page;

/* Called by foreign_entry (foreign.S) instead of what faulted; returns where to go on. */
uint64_t foreign_fault(void)
{
	uint64_t address = own_page->fault.address, pc = own_page->fault.pc;

	for (unsigned i = 0; i < FOREIGN_REGIONS_MAX && own_page->fault.vector == PAGE_FAULT; i++) {
		struct foreign *region = regions[i];

		if (!region || address < (uint64_t)region->at ||
		    address - (uint64_t)region->at >= region->bytes)
			continue;
		region->lost = true;
		if (space_map(own_space, address & ~(PAGE_SIZE_BYTES - 1), scratch, 0, PAGE_SIZE_BYTES,
		              MAP_READ | MAP_WRITE | MAP_REPLACE) >= 0)
			return pc;
		break;
	}
	/* A fault of this program's own: it fails, and the record says where. */
	thread_set(0, THREAD_SET_FAULT_ENTRY, 0);
	return pc;
}

static bool prepare(void)
{
	if (scratch)
		return true;
	int64_t object = memory_create(MEMORY_ANONYMOUS, PAGE_SIZE_BYTES, 0, 0);
	if (object < 0)
		return false;
	scratch = (handle_t)object;
	return thread_set(0, THREAD_SET_FAULT_ENTRY, (uint64_t)foreign_entry) >= 0;
}

void foreign_init(handle_t space, struct thread_page *page)
{
	own_space = space;
	own_page = page;
}

bool foreign_map(struct foreign *region, handle_t memory, uint64_t bytes)
{
	unsigned place = 0;

	while (place < FOREIGN_REGIONS_MAX && regions[place])
		place++;
	*region = (struct foreign){.bytes = (bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1)};
	if (place == FOREIGN_REGIONS_MAX || !prepare())
		return false;
	region->at = window_map(memory, 0, region->bytes, MAP_READ | MAP_WRITE);
	if (region->at)
		regions[place] = region;
	return region->at;
}

void foreign_unmap(struct foreign *region)
{
	for (unsigned i = 0; i < FOREIGN_REGIONS_MAX; i++)
		if (regions[i] == region)
			regions[i] = 0;
	if (region->at)
		window_unmap(region->at, region->bytes);
	region->at = 0;
}
