/* Blocks of the heap, below heap_allocate and heap_free (include/alloc.h): those hand blocks out as they are
 * (heap_plain.c), or, in the debug build, check how they are used (heap_checked.c).
 */
#pragma once

#include "alloc.h"

/* Zeroed memory of BYTES or more, 16-byte aligned; 0 when the quota is used up. */
void *block_allocate(size_t bytes);
void block_free(void *pointer);
/* How many bytes the block at POINTER has. */
size_t block_bytes(void *pointer);
