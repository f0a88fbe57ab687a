/* The personality's own memory: a size-class heap over pages of its native half. Personality lock held. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory of BYTES (any size; 16-byte aligned), or 0 when the unit's quota is used up. */
void *heap_allocate(size_t bytes) __attribute__((warn_unused_result, malloc));
/* POINTER from heap_allocate, or 0. */
void heap_free(void *pointer);
/* Grown or shrunk copy (new bytes are zero); 0 leaves the old one as it was. */
void *heap_resize(void *pointer, size_t bytes) __attribute__((warn_unused_result));
char *heap_string(const char *text) __attribute__((warn_unused_result));

/* Zeroed pages, page aligned, mapped read and write in the native half; 0 on failure. */
void *pages_allocate(size_t count) __attribute__((warn_unused_result));
void pages_free(void *pointer, size_t count);
/* Addresses of the native half for a mapping of BYTES (multiple of 4096), aligned to ALIGNMENT (a power of
 * two >= 4096): nothing is mapped there yet. 0 when none is left. window_put: the caller has unmapped them.
 */
uint64_t window_take(uint64_t bytes, uint64_t alignment);
void window_put(uint64_t address, uint64_t bytes);
