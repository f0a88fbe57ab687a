/* See foreign.h. */
#include "foreign.h"

#define PAGE_FAULT 14

void foreign_entry(void);
uint64_t foreign_fault(void);

static struct foreign *regions[FOREIGN_REGIONS_MAX];
static handle_t scratch, own_space;
static struct thread_page *first_page;
static struct {
	struct thread_page *page;
	uint64_t stack, bytes;
} threads[FOREIGN_THREADS_MAX];
static unsigned thread_count;

/* Threads are told apart by their stacks: a native program has no other mark of them. */
struct thread_page *foreign_page(void)
{
	uint64_t here = (uint64_t)__builtin_frame_address(0);
	unsigned count = __atomic_load_n(&thread_count, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < count; i++)
		if (here - threads[i].stack < threads[i].bytes)
			return threads[i].page;
	return first_page;
}

/* Called by foreign_entry (foreign.S) instead of what faulted; returns where to go on. */
uint64_t foreign_fault(void)
{
	const struct thread_page *page = foreign_page();
	uint64_t address = page->fault.address, pc = page->fault.pc;

	for (unsigned i = 0; i < FOREIGN_REGIONS_MAX && page->fault.vector == PAGE_FAULT; i++) {
		struct foreign *region = __atomic_load_n(&regions[i], __ATOMIC_ACQUIRE);

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
	first_page = page;
}

bool foreign_thread(struct thread_page *page, const void *stack, uint64_t bytes)
{
	unsigned count = thread_count;

	if (count == FOREIGN_THREADS_MAX || !prepare())
		return false;
	threads[count].page = page;
	threads[count].stack = (uint64_t)stack;
	threads[count].bytes = bytes;
	__atomic_store_n(&thread_count, count + 1, __ATOMIC_RELEASE);
	return true;
}

bool foreign_thread_enter(void)
{
	return thread_set(0, THREAD_SET_FAULT_ENTRY, (uint64_t)foreign_entry) >= 0;
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
		__atomic_store_n(&regions[place], region, __ATOMIC_RELEASE);
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
