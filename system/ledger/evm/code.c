/* The cache of translated code. */
#include "evm/code.h"

#include "num/arena.h"

#include <stdlib.h>

#define FIRST_BUCKETS 1024

const struct code code_empty = {.hash = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
                                          0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
                                          0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}},
                                .cached = true};

void code_cache_init(struct code_cache *cache, enum fork fork)
{
	*cache = (struct code_cache){.fork = fork, .bucket_count = FIRST_BUCKETS};
	cache->buckets = checked_zalloc(FIRST_BUCKETS, sizeof(struct code *));
	if (pthread_mutex_init(&cache->lock, NULL))
		abort();
}

void code_free(struct code *code)
{
	free(code->instructions);
	free(code->targets);
	free(code->wide);
	free(code);
}

void code_cache_clear(struct code_cache *cache)
{
	for (size_t i = 0; i < cache->bucket_count; i++) {
		for (struct code *code = cache->buckets[i], *next; code; code = next) {
			next = code->next;
			free((void *)(uintptr_t)code->bytes);
			code_free(code);
		}
		cache->buckets[i] = NULL;
	}
	cache->count = 0;
	cache->bytes = 0;
}

void code_cache_deinit(struct code_cache *cache)
{
	code_cache_clear(cache);
	free(cache->buckets);
	pthread_mutex_destroy(&cache->lock);
}

static size_t bucket_of(const struct code_cache *cache, const struct hash32 *hash)
{
	return table_hash(hash, 4) & (cache->bucket_count - 1);
}

static struct code *find(const struct code_cache *cache, const struct hash32 *hash)
{
	for (struct code *code = cache->buckets[bucket_of(cache, hash)]; code; code = code->next)
		if (hash32_equal(&code->hash, hash))
			return code;
	return NULL;
}

const struct code *code_cache_find(struct code_cache *cache, const struct hash32 *hash)
{
	if (hash32_equal(hash, &keccak_of_nothing))
		return &code_empty;
	pthread_mutex_lock(&cache->lock);
	const struct code *code = find(cache, hash);
	pthread_mutex_unlock(&cache->lock);
	return code;
}

static void grow(struct code_cache *cache)
{
	struct code **old = cache->buckets;
	const size_t old_count = cache->bucket_count;
	cache->bucket_count *= 4;
	cache->buckets = checked_zalloc(cache->bucket_count, sizeof(struct code *));
	for (size_t i = 0; i < old_count; i++)
		for (struct code *code = old[i], *next; code; code = next) {
			next = code->next;
			struct code **bucket = &cache->buckets[bucket_of(cache, &code->hash)];
			code->next = *bucket;
			*bucket = code;
		}
	free(old);
}

const struct code *code_cache_add(struct code_cache *cache, const struct hash32 *hash, const uint8_t *bytes,
                                  size_t size)
{
	if (size == 0)
		return &code_empty;
	pthread_mutex_lock(&cache->lock);
	struct code *code = find(cache, hash);
	if (!code) {
		if (cache->count >= cache->bucket_count)
			grow(cache);
		code = checked_zalloc(1, sizeof *code);
		uint8_t *copy = checked_alloc(size);
		memcpy(copy, bytes, size);
		code->hash = *hash;
		code->bytes = copy;
		code->size = (uint32_t)size;
		code->cached = true;
		if (size == 23 && bytes[0] == 0xef && bytes[1] == 0x01 && bytes[2] == 0x00) {
			code->is_delegation = true;
			memcpy(code->delegate.bytes, bytes + 3, 20);
		}
		struct code **bucket = &cache->buckets[bucket_of(cache, hash)];
		code->next = *bucket;
		*bucket = code;
		cache->count++;
		cache->bytes += sizeof *code + size;
	}
	pthread_mutex_unlock(&cache->lock);
	return code;
}

void code_prepare(struct code_cache *cache, const struct code *code)
{
	if (__atomic_load_n(&code->instructions, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&cache->lock);
	if (!code->instructions) {
		struct code built = *code;
		code_analyse(&built, cache->fork);
		struct code *shared = (struct code *)(uintptr_t)code;
		shared->targets = built.targets;
		shared->wide = built.wide;
		__atomic_store_n(&shared->instructions, built.instructions, __ATOMIC_RELEASE);
		cache->bytes += (size_t)code->size * 16;
	}
	pthread_mutex_unlock(&cache->lock);
}

struct code *code_create_once(const uint8_t *bytes, size_t size, enum fork fork)
{
	struct code *code = checked_zalloc(1, sizeof *code);
	code->bytes = bytes;
	code->size = (uint32_t)size;
	code_analyse(code, fork);
	return code;
}
