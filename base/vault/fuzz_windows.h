/* Windows of memory in the vault's fuzz programs; none may be left. Include once. */
#pragma once

#include <stdlib.h>
#include <holon.h>

static unsigned windows;

void *window_allocate(uint64_t bytes, handle_t *memory)
{
	void *window = calloc(1, bytes);
	*memory = 9;
	windows += window != NULL;
	return window;
}

void window_unmap(void *address, uint64_t bytes)
{
	(void)bytes;
	windows--;
	free(address);
}
