/*
 * Blocks of metadata in memory. A block that somebody changed stays until it is written: the file system says
 * when, and which kinds may go in what order. A block has one copy, whoever looks at it.
 *
 * Bounds: at most LIMIT blocks, but for those that are dirty, held or used; a caller that never lets those grow
 * (cache_pressed) stays within it.
 */
#pragma once

#include "filesystem.h"

struct buffer {
	uint64_t block;
	uint8_t *data;
	uint32_t references;
	bool dirty;   /* differs from the disk */
	bool held;    /* belongs to what is not committed yet: not written home */
	bool checked; /* the file system has verified its checksum */
	uint8_t kind; /* the file system's own */
	struct buffer *next_hash;
	struct buffer *newer, *older; /* by use */
	struct buffer *next_dirty, *previous_dirty;
};

struct cache {
	struct filesystem *fs;
	uint32_t block_bytes, limit, count, dirty_count;
	uint32_t slots;
	struct buffer **table;
	struct buffer *newest, *oldest, *dirty;
	uint8_t *run; /* where neighbours are put together to be written at once */
	/* Blocks of this kind are written `copies` times, so many blocks apart; 0: of no kind. */
	uint8_t copied_kind;
	uint32_t copies;
	uint64_t copies_apart;
};

#define CACHE_RUN_BYTES (128u << 10)

int cache_init(struct cache *cache, struct filesystem *fs, uint32_t block_bytes, size_t bytes);
/* Frees all, written or not. */
void cache_destroy(struct cache *cache);
/* BLOCK, read where it is not there; with FRESH it is zeroed instead, whatever the disk holds. Give it back by
 * buffer_release. */
int cache_get(struct cache *cache, uint64_t block, bool fresh, struct buffer **found);
/* The block if it is there, with a reference; else 0. */
struct buffer *cache_peek(struct cache *cache, uint64_t block);
void buffer_release(struct buffer *buffer);
/* It was changed: it is written by the next cache_write of its kind. */
void buffer_dirty(struct cache *cache, struct buffer *buffer);
/* BLOCK is no metadata any more: what was changed in it is not written. */
void cache_drop(struct cache *cache, uint64_t block);
/* Writes those of KIND (-1: all) that are dirty and not held, in ascending order. */
int cache_write(struct cache *cache, int kind);
/* Half of the room is dirty. */
bool cache_pressed(const struct cache *cache);
/* Those that are held, in ascending order, at most ROOM: how many. */
size_t cache_held(struct cache *cache, struct buffer **list, size_t room);

#define SORT_BYTES_MAX 32u
/* Sorts COUNT records of BYTES (at most SORT_BYTES_MAX), in n log n whatever they are. */
void records_sort(void *array, size_t count, size_t bytes, int (*compare)(const void *, const void *));
