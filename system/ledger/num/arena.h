/*
 * Memory that is given back all at once. Allocations are 16-byte aligned and zeroed; nothing is freed singly.
 * An allocation that the system refuses ends the process with a message: execution has no way to go on
 * without.
 */
#ifndef LEDGER_ARENA_H
#define LEDGER_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the newest first */
	uint8_t *next;
	uint8_t *end;
	size_t total; /* bytes of all chunks */
};

void *arena_alloc(struct arena *arena, size_t size);
/* Gives back everything but one chunk of ordinary size, which the next allocations use again. */
void arena_reset(struct arena *arena);
void arena_deinit(struct arena *arena);

/* malloc, calloc and realloc that end the process with a message when there is no memory. */
void *checked_alloc(size_t size);
void *checked_zalloc(size_t count, size_t size);
void *checked_realloc(void *old, size_t size);

#endif
