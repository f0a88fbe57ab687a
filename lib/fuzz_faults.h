/* For fuzz programs that are linked with FUZZ_FAULTS (tools/build.mk): memory runs out once. Include once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Counts a call down; true: this is the one that fails. 0: none does. */
static bool fails(unsigned *countdown)
{
	return *countdown && --*countdown == 0;
}

static unsigned memory_fault; /* which allocation fails */

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
	return fails(&memory_fault) ? NULL : __real_calloc(count, bytes);
}

void *__wrap_malloc(size_t bytes)
{
	return fails(&memory_fault) ? NULL : __real_malloc(bytes);
}
