/* Arenas: chunks of 64 KiB growing to 1 MiB, or as large as a single allocation asks. */
#include "num/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHUNK ((size_t)64 << 10)
#define LAST_CHUNK  ((size_t)1 << 20)

struct arena_chunk {
	struct arena_chunk *older;
	size_t size; /* of `bytes` */
	uint8_t bytes[] __attribute__((aligned(16)));
};

void *checked_alloc(size_t size)
{
	void *memory = malloc(size ? size : 1);
	if (!memory) {
		fprintf(stderr, "holon-ledger: out of memory (%zu bytes asked for)\n", size);
		abort();
	}
	return memory;
}

void *checked_zalloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size ? size : 1);
	if (!memory) {
		fprintf(stderr, "holon-ledger: out of memory (%zu times %zu bytes asked for)\n", count, size);
		abort();
	}
	return memory;
}

void *checked_realloc(void *old, size_t size)
{
	void *memory = realloc(old, size ? size : 1);
	if (!memory) {
		fprintf(stderr, "holon-ledger: out of memory (%zu bytes asked for)\n", size);
		abort();
	}
	return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	size = (size + 15) & ~(size_t)15;
	if ((size_t)(arena->end - arena->next) < size || !arena->chunks) {
		size_t chunk_size = arena->total < FIRST_CHUNK ? FIRST_CHUNK : arena->total;
		if (chunk_size > LAST_CHUNK)
			chunk_size = LAST_CHUNK;
		if (chunk_size < size)
			chunk_size = size;
		struct arena_chunk *chunk = checked_alloc(sizeof *chunk + chunk_size);
		chunk->older = arena->chunks;
		chunk->size = chunk_size;
		arena->chunks = chunk;
		arena->next = chunk->bytes;
		arena->end = chunk->bytes + chunk_size;
		arena->total += chunk_size;
	}
	void *memory = arena->next;
	arena->next += size;
	memset(memory, 0, size);
	return memory;
}

void arena_reset(struct arena *arena)
{
	struct arena_chunk *kept = NULL;
	for (struct arena_chunk *chunk = arena->chunks, *older; chunk; chunk = older) {
		older = chunk->older;
		if (!kept && chunk->size <= LAST_CHUNK)
			kept = chunk;
		else
			free(chunk);
	}
	*arena = (struct arena){0};
	if (kept) {
		kept->older = NULL;
		*arena = (struct arena){kept, kept->bytes, kept->bytes + kept->size, kept->size};
	}
}

void arena_deinit(struct arena *arena)
{
	for (struct arena_chunk *chunk = arena->chunks, *older; chunk; chunk = older) {
		older = chunk->older;
		free(chunk);
	}
	*arena = (struct arena){0};
}
