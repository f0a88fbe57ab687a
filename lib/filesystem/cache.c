/* See cache.h. */
#include "cache.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT_MIN 64u

int cache_init(struct cache *cache, struct filesystem *fs, uint32_t block_bytes, size_t bytes)
{
	*cache = (struct cache){.fs = fs, .block_bytes = block_bytes};
	cache->limit = bytes / block_bytes < LIMIT_MIN ? LIMIT_MIN : (uint32_t)(bytes / block_bytes);
	for (cache->slots = 64; cache->slots < cache->limit;)
		cache->slots *= 2;
	cache->table = calloc(cache->slots, sizeof(void *));
	cache->run = malloc(CACHE_RUN_BYTES);
	return cache->table && cache->run ? E_OK : FILESYSTEM_E_NO_MEMORY;
}

static struct buffer **slot_of(const struct cache *cache, uint64_t block)
{
	return &cache->table[(block * 0x9e3779b97f4a7c15ull >> 32) & (cache->slots - 1)];
}

static void use_unlink(struct cache *cache, struct buffer *buffer)
{
	*(buffer->newer ? &buffer->newer->older : &cache->newest) = buffer->older;
	*(buffer->older ? &buffer->older->newer : &cache->oldest) = buffer->newer;
}

static void use_link(struct cache *cache, struct buffer *buffer)
{
	buffer->newer = 0;
	buffer->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = buffer;
	cache->newest = buffer;
}

static void dirty_unlink(struct cache *cache, struct buffer *buffer)
{
	if (!buffer->dirty)
		return;
	*(buffer->previous_dirty ? &buffer->previous_dirty->next_dirty : &cache->dirty) = buffer->next_dirty;
	if (buffer->next_dirty)
		buffer->next_dirty->previous_dirty = buffer->previous_dirty;
	buffer->dirty = false;
	cache->dirty_count--;
}

void buffer_dirty(struct cache *cache, struct buffer *buffer)
{
	if (buffer->dirty)
		return;
	buffer->previous_dirty = 0;
	buffer->next_dirty = cache->dirty;
	if (cache->dirty)
		cache->dirty->previous_dirty = buffer;
	cache->dirty = buffer;
	buffer->dirty = true;
	cache->dirty_count++;
}

static void destroy(struct cache *cache, struct buffer *buffer)
{
	struct buffer **at = slot_of(cache, buffer->block);
	while (*at != buffer)
		at = &(*at)->next_hash;
	*at = buffer->next_hash;
	use_unlink(cache, buffer);
	dirty_unlink(cache, buffer);
	cache->count--;
	free(buffer->data);
	free(buffer);
}

void cache_destroy(struct cache *cache)
{
	while (cache->newest)
		destroy(cache, cache->newest);
	free(cache->table);
	free(cache->run);
	*cache = (struct cache){0};
}

/* Makes room: those used longest ago go, as far as nobody needs them. The search is bounded; what it finds in
 * use counts as used. */
static void evict(struct cache *cache)
{
	for (unsigned tries = 0; cache->count >= cache->limit && tries < 32; tries++) {
		struct buffer *buffer = cache->oldest;
		if (!buffer->references && !buffer->dirty) {
			destroy(cache, buffer);
			continue;
		}
		use_unlink(cache, buffer);
		use_link(cache, buffer);
	}
}

struct buffer *cache_peek(struct cache *cache, uint64_t block)
{
	struct buffer *buffer = *slot_of(cache, block);
	while (buffer && buffer->block != block)
		buffer = buffer->next_hash;
	if (buffer)
		buffer->references++;
	return buffer;
}

int cache_get(struct cache *cache, uint64_t block, bool fresh, struct buffer **found)
{
	struct buffer *buffer = cache_peek(cache, block);
	*found = 0;
	if (buffer) {
		use_unlink(cache, buffer);
		use_link(cache, buffer);
	} else {
		evict(cache);
		buffer = calloc(1, sizeof(*buffer));
		if (buffer)
			buffer->data = malloc(cache->block_bytes);
		if (!buffer || !buffer->data) {
			free(buffer);
			return FILESYSTEM_E_NO_MEMORY;
		}
		int result = fresh ? E_OK
		                   : filesystem_read(cache->fs, block * cache->block_bytes, buffer->data,
		                                     cache->block_bytes);
		if (result < 0) {
			free(buffer->data);
			free(buffer);
			return result;
		}
		buffer->block = block;
		buffer->references = 1;
		struct buffer **slot = slot_of(cache, block);
		buffer->next_hash = *slot;
		*slot = buffer;
		use_link(cache, buffer);
		cache->count++;
	}
	if (fresh) {
		memset(buffer->data, 0, cache->block_bytes);
		buffer->checked = true;
	}
	*found = buffer;
	return E_OK;
}

void buffer_release(struct buffer *buffer)
{
	if (buffer)
		buffer->references--;
}

void cache_drop(struct cache *cache, uint64_t block)
{
	struct buffer *buffer = cache_peek(cache, block);
	if (!buffer)
		return;
	buffer_release(buffer);
	buffer->held = false;
	buffer->checked = false;
	dirty_unlink(cache, buffer);
	if (!buffer->references)
		destroy(cache, buffer);
}

static int by_block(const void *a, const void *b)
{
	const struct buffer *left = *(struct buffer *const *)a;
	const struct buffer *right = *(struct buffer *const *)b;
	return left->block < right->block ? -1 : left->block > right->block;
}

/* Moves the record at ROOT down until it is no less than those below it. */
static void sift(uint8_t *records, size_t root, size_t count, size_t bytes,
                 int (*compare)(const void *, const void *))
{
	uint8_t kept[SORT_BYTES_MAX];
	for (size_t child; (child = 2 * root + 1) < count; root = child) {
		if (child + 1 < count && compare(records + child * bytes, records + (child + 1) * bytes) < 0)
			child++;
		if (compare(records + root * bytes, records + child * bytes) >= 0)
			return;
		memcpy(kept, records + root * bytes, bytes);
		memcpy(records + root * bytes, records + child * bytes, bytes);
		memcpy(records + child * bytes, kept, bytes);
	}
}

void records_sort(void *array, size_t count, size_t bytes, int (*compare)(const void *, const void *))
{
	uint8_t *records = array;
	uint8_t kept[SORT_BYTES_MAX];
	for (size_t root = count / 2; root--;)
		sift(records, root, count, bytes, compare);
	for (size_t end = count; end > 1;) {
		end--;
		memcpy(kept, records, bytes);
		memcpy(records, records + end * bytes, bytes);
		memcpy(records + end * bytes, kept, bytes);
		sift(records, 0, end, bytes, compare);
	}
}

size_t cache_held(struct cache *cache, struct buffer **list, size_t room)
{
	size_t count = 0;
	for (struct buffer *each = cache->dirty; each && count < room; each = each->next_dirty)
		if (each->held)
			list[count++] = each;
	records_sort(list, count, sizeof(struct buffer *), by_block);
	return count;
}

int cache_write(struct cache *cache, int kind)
{
	struct buffer **list = malloc(cache->dirty_count * sizeof(void *) + 1);
	const size_t most = CACHE_RUN_BYTES / cache->block_bytes;
	size_t count = 0;
	int result = E_OK;
	if (!list)
		return FILESYSTEM_E_NO_MEMORY;
	for (struct buffer *each = cache->dirty; each; each = each->next_dirty)
		if (!each->held && (kind < 0 || each->kind == kind))
			list[count++] = each;
	records_sort(list, count, sizeof(struct buffer *), by_block);
	for (size_t at = 0; at < count && result >= 0;) {
		size_t run = 0;
		uint32_t copies =
		    cache->copied_kind && list[at]->kind == cache->copied_kind ? cache->copies : 1;
		while (at + run < count && run < most && list[at + run]->block == list[at]->block + run &&
		       list[at + run]->kind == list[at]->kind) {
			memcpy(cache->run + run * cache->block_bytes, list[at + run]->data,
			       cache->block_bytes);
			run++;
		}
		for (uint32_t copy = 0; copy < copies && result >= 0; copy++)
			result = filesystem_write(
			    cache->fs, (list[at]->block + copy * cache->copies_apart) * cache->block_bytes,
			    cache->run, run * cache->block_bytes);
		for (size_t i = 0; i < run && result >= 0; i++)
			dirty_unlink(cache, list[at + i]);
		at += run;
	}
	free(list);
	return result;
}

bool cache_pressed(const struct cache *cache)
{
	return cache->dirty_count > cache->limit / 2;
}
