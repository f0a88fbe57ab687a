/* The pool: transactions by hash and by (sender, nonce), in two hash tables of lists. */
#include "rpc/txpool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BUCKETS       16384
#define KEEP_INCLUDED 10 /* seconds */

struct entry {
	struct entry *next_by_hash;
	struct entry *next_by_nonce;
	struct hash32 hash;
	struct address sender;
	uint64_t nonce;
	bool sent;
	bool included; /* in a block; kept a while, for requests that look at an older block */
	time_t since;
	size_t size;
	uint8_t bytes[];
};

struct txpool {
	pthread_mutex_t lock;
	bool (*send)(void *context, const uint8_t *bytes, size_t size);
	void *context;
	struct entry *by_hash[BUCKETS];
	struct entry *by_nonce[BUCKETS];
	size_t count;
	size_t bytes;
	time_t swept;
};

struct txpool *txpool_create(bool (*send)(void *context, const uint8_t *bytes, size_t size), void *context)
{
	struct txpool *pool = checked_zalloc(1, sizeof *pool);
	pthread_mutex_init(&pool->lock, NULL);
	pool->send = send;
	pool->context = context;
	return pool;
}

void txpool_destroy(struct txpool *pool)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = pool->by_hash[i], *next; entry; entry = next) {
			next = entry->next_by_hash;
			free(entry);
		}
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static size_t hash_bucket(const struct hash32 *hash)
{
	return table_hash(hash, 4) % BUCKETS;
}

static size_t nonce_bucket(const struct address *sender, uint64_t nonce)
{
	uint64_t words[4] = {0};
	memcpy(words, sender->bytes, 20);
	words[3] = nonce;
	return table_hash(words, 4) % BUCKETS;
}

static struct entry *find_nonce(const struct txpool *pool, const struct address *sender, uint64_t nonce)
{
	struct entry *entry = pool->by_nonce[nonce_bucket(sender, nonce)];
	while (entry && (entry->nonce != nonce || !address_equal(&entry->sender, sender)))
		entry = entry->next_by_nonce;
	return entry;
}

static struct entry *find_hash(const struct txpool *pool, const struct hash32 *hash)
{
	struct entry *entry = pool->by_hash[hash_bucket(hash)];
	while (entry && !hash32_equal(&entry->hash, hash))
		entry = entry->next_by_hash;
	return entry;
}

static void remove_entry(struct txpool *pool, struct entry *entry)
{
	struct entry **at = &pool->by_hash[hash_bucket(&entry->hash)];
	while (*at != entry)
		at = &(*at)->next_by_hash;
	*at = entry->next_by_hash;
	at = &pool->by_nonce[nonce_bucket(&entry->sender, entry->nonce)];
	while (*at != entry)
		at = &(*at)->next_by_nonce;
	*at = entry->next_by_nonce;
	pool->count--;
	pool->bytes -= entry->size;
	free(entry);
}

/* The first nonce from `from` that no sent transaction has. */
static uint64_t first_unsent(const struct txpool *pool, const struct address *sender, uint64_t from)
{
	const struct entry *entry;
	while ((entry = find_nonce(pool, sender, from)) && entry->sent)
		from++;
	return from;
}

/* Sends what is next in line, and what follows it. */
static void release(struct txpool *pool, const struct address *sender, uint64_t from)
{
	for (struct entry *entry; (entry = find_nonce(pool, sender, from)); from++) {
		if (entry->sent)
			continue;
		if (!pool->send(pool->context, entry->bytes, entry->size))
			return; /* busy: the next addition or block tries again */
		entry->sent = true;
	}
}

static void sweep(struct txpool *pool)
{
	const time_t now = time(NULL);
	if (now - pool->swept < 5)
		return;
	pool->swept = now;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = pool->by_hash[i], *next; entry; entry = next) {
			next = entry->next_by_hash;
			if (now - entry->since > (entry->included ? KEEP_INCLUDED : TXPOOL_SECONDS))
				remove_entry(pool, entry);
		}
}

static enum txpool_result add(struct txpool *pool, const struct transaction *t, const uint8_t *bytes,
                              size_t size, const struct address *sender, uint64_t state_nonce,
                              const char **why)
{
	const struct entry *same = find_nonce(pool, sender, t->nonce);
	if (find_hash(pool, &t->hash)) {
		*why = "already known";
		return TXPOOL_REFUSED;
	}
	if (same) {
		*why =
		    same->included
		        ? "nonce too low"
		        : "replacement transaction underpriced: one with this nonce is on its way, and there "
		          "are no prices";
		return TXPOOL_REFUSED;
	}
	const uint64_t next = first_unsent(pool, sender, state_nonce);
	if (t->nonce > next + TXPOOL_MAX_HELD) {
		*why = "nonce too high: more than 64 beyond the next";
		return TXPOOL_REFUSED;
	}
	sweep(pool);
	if (pool->count >= TXPOOL_MAX || pool->bytes + size > TXPOOL_MAX_BYTES)
		return TXPOOL_FULL;
	struct entry *entry = checked_alloc(sizeof *entry + size);
	*entry = (struct entry){
	    .hash = t->hash, .sender = *sender, .nonce = t->nonce, .since = time(NULL), .size = size};
	memcpy(entry->bytes, bytes, size);
	struct entry **bucket = &pool->by_hash[hash_bucket(&t->hash)];
	entry->next_by_hash = *bucket;
	*bucket = entry;
	bucket = &pool->by_nonce[nonce_bucket(sender, t->nonce)];
	entry->next_by_nonce = *bucket;
	*bucket = entry;
	pool->count++;
	pool->bytes += size;
	if (t->nonce == next) {
		release(pool, sender, next);
		if (!entry->sent) {
			remove_entry(pool, entry);
			return TXPOOL_FULL;
		}
	}
	return TXPOOL_TAKEN;
}

enum txpool_result txpool_add(struct txpool *pool, const struct transaction *t, const uint8_t *bytes,
                              size_t size, const struct address *sender, uint64_t state_nonce,
                              const char **why)
{
	pthread_mutex_lock(&pool->lock);
	const enum txpool_result result = add(pool, t, bytes, size, sender, state_nonce, why);
	pthread_mutex_unlock(&pool->lock);
	return result;
}

uint64_t txpool_next_nonce(struct txpool *pool, const struct address *sender, uint64_t state_nonce)
{
	pthread_mutex_lock(&pool->lock);
	const uint64_t next = first_unsent(pool, sender, state_nonce);
	pthread_mutex_unlock(&pool->lock);
	return next;
}

const uint8_t *txpool_find(struct txpool *pool, const struct hash32 *hash, struct arena *arena, size_t *size)
{
	uint8_t *copy = NULL;
	pthread_mutex_lock(&pool->lock);
	const struct entry *entry = find_hash(pool, hash);
	if (entry) {
		copy = arena_alloc(arena, entry->size);
		memcpy(copy, entry->bytes, entry->size);
		*size = entry->size;
	}
	pthread_mutex_unlock(&pool->lock);
	return copy;
}

void txpool_block(struct txpool *pool, struct chain_view *view, uint64_t number)
{
	struct block_header block;
	if (!chain_view_block(view, number, &block))
		return;
	for (uint32_t i = 0; i < block.transaction_count; i++) {
		struct receipt receipt;
		struct hash32 hash;
		if (!chain_view_receipt(view, number, i, &receipt))
			continue;
		keccak256(hash.bytes, receipt.transaction, receipt.transaction_size);
		pthread_mutex_lock(&pool->lock);
		struct entry *entry = find_hash(pool, &hash);
		if (entry) {
			entry->sent = entry->included = true;
			entry->since = time(NULL);
			release(pool, &entry->sender, entry->nonce + 1);
		}
		pthread_mutex_unlock(&pool->lock);
	}
	pthread_mutex_lock(&pool->lock);
	sweep(pool);
	pthread_mutex_unlock(&pool->lock);
}

size_t txpool_count(struct txpool *pool)
{
	pthread_mutex_lock(&pool->lock);
	const size_t count = pool->count;
	pthread_mutex_unlock(&pool->lock);
	return count;
}
