/* The heap as it is: blocks go out unchecked. */
#include <text.h>
#include "mm/heap.h"

void *heap_allocate(size_t bytes)
{
	return block_allocate(bytes);
}

void heap_free(void *pointer)
{
	block_free(pointer);
}

void *heap_resize(void *pointer, size_t bytes)
{
	if (!pointer)
		return block_allocate(bytes);
	size_t old = block_bytes(pointer);
	if (bytes <= old && bytes > old / 4)
		return pointer;
	void *copy = block_allocate(bytes);
	if (!copy)
		return 0;
	memcpy(copy, pointer, bytes < old ? bytes : old);
	block_free(pointer);
	return copy;
}
