/* Start-up of native programs, and the memory a program maps for itself. */
#include "holon.h"
#include "text.h"

void holon_start(const struct start_info *info, struct thread_page *page);

static handle_t window_space;
static uint64_t window_next;

/* Entered from start.S. A program that is given no valid start page cannot even say so: it ends. */
void holon_start(const struct start_info *info, struct thread_page *page)
{
	if (!info || info->magic != START_MAGIC || info->version != START_VERSION)
		unit_exit(E_ARGUMENT);
	window_init(info->space, info->free_base);
	unit_exit(program_main(info, page));
}

handle_t start_find(const struct start_info *info, const char *name, uint64_t *value)
{
	for (unsigned i = 0; i < START_CAPS_MAX && info->caps[i].name[0]; i++) {
		if (strncmp(info->caps[i].name, name, sizeof(info->caps[i].name)) == 0) {
			if (value)
				*value = info->caps[i].value;
			return info->caps[i].handle;
		}
	}
	return 0;
}

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
