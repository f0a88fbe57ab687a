/* The memory a program maps for itself: addresses are handed out upwards, with an unmapped page between any
 * two. */
#include "holon.h"

static handle_t window_space;
static uint64_t window_next;

void window_init(handle_t space, uint64_t base)
{
	window_space = space;
	window_next = base;
}

void *window_map(handle_t memory, uint64_t offset, uint64_t bytes, uint64_t flags)
{
	bytes = (bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	if (!bytes || bytes > NATIVE_END - window_next - PAGE_SIZE_BYTES)
		return 0;
	uint64_t address = window_next;
	if (space_map(window_space, address, memory, offset, bytes, flags) < 0)
		return 0;
	window_next += bytes + PAGE_SIZE_BYTES; /* an unmapped page between any two */
	return (void *)address;
}

void window_unmap(void *address, uint64_t bytes)
{
	bytes = (bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	space_unmap(window_space, (uint64_t)address, bytes);
	if ((uint64_t)address + bytes + PAGE_SIZE_BYTES == window_next)
		window_next = (uint64_t)address;
}

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	bytes = (bytes + PAGE_SIZE_BYTES - 1) & ~(PAGE_SIZE_BYTES - 1);
	int64_t object = memory_create(MEMORY_ANONYMOUS, bytes, 0, 0);
	if (object < 0)
		return 0;
	void *address = window_map((handle_t)object, 0, bytes, MAP_READ | MAP_WRITE);
	if (!address)
		cap_delete((handle_t)object);
	else if (memory)
		*memory = (handle_t)object;
	return address;
}
