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
	bool sending; /* by some thread, right now */
	bool sent;
	bool included; /* in a block; kept a while, for requests that look at an older block */
	time_t since;
	size_t size;
	uint8_t bytes[];
};

struct txpool {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* something was sent, or could not be */
	txpool_send send;
	void *context;
	struct entry *by_hash[BUCKETS];
	struct entry *by_nonce[BUCKETS];
	size_t count;
	size_t bytes;
	time_t swept;
};

struct txpool *txpool_create(txpool_send send, void *context)
{
	struct txpool *pool = checked_zalloc(1, sizeof *pool);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->moved, NULL);
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
	pthread_cond_destroy(&pool->moved);
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

/* Transactions of one sender on their way out, copied: the pool may change meanwhile. */
struct run {
	struct txpool_item items[TXPOOL_MAX_RUN];
	struct hash32 hashes[TXPOOL_MAX_RUN];
	size_t count;
	uint8_t *bytes;
};

static void collect(struct txpool *pool, const struct address *sender, uint64_t from, struct run *run)
{
	struct entry *entries[TXPOOL_MAX_RUN];
	size_t total = 0;
	run->count = 0;
	for (struct entry *entry; run->count < TXPOOL_MAX_RUN; run->count++, from++) {
		entry = find_nonce(pool, sender, from);
		if (!entry || entry->sent || entry->sending ||
		    (run->count && total + entry->size > TXPOOL_RUN_BYTES))
			break;
		entries[run->count] = entry;
		total += entry->size;
	}
	run->bytes = checked_alloc(total);
	uint8_t *at = run->bytes;
	for (size_t i = 0; i < run->count; at += entries[i++]->size) {
		memcpy(at, entries[i]->bytes, entries[i]->size);
		run->items[i] = (struct txpool_item){at, entries[i]->size};
		run->hashes[i] = entries[i]->hash;
		entries[i]->sending = true;
	}
}

/*
 * Sends what is next in line, from the nonce `from` on, and what follows it, until a gap. The lock is let go of meanwhile; another
 * thread that sends for this sender goes on by itself. False: it could not be taken.
 */
static bool release(struct txpool *pool, const struct address *sender, uint64_t from)
{
	struct run run;
	size_t taken = 0;
	do {
		from = first_unsent(pool, sender, from);
		collect(pool, sender, from, &run);
		if (run.count) {
			pthread_mutex_unlock(&pool->lock);
			taken = pool->send(pool->context, run.items, run.count);
			pthread_mutex_lock(&pool->lock);
			for (size_t i = 0; i < run.count; i++) {
				struct entry *entry = find_hash(pool, &run.hashes[i]);
				if (entry) {
					entry->sending = false;
					entry->sent = entry->sent || i < taken;
				}
			}
			pthread_cond_broadcast(&pool->moved);
		}
		free(run.bytes);
	} while (run.count && taken == run.count);
	return !run.count;
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

/* Until the transaction, which is here, was handed on: by this thread, or by another one that sends for its sender. */
static enum txpool_result hand_on(struct txpool *pool, const struct transaction *t,
                                  const struct address *sender, uint64_t state_nonce)
{
	struct entry *entry;
	while ((entry = find_hash(pool, &t->hash)) && !entry->sent) {
		const uint64_t next = first_unsent(pool, sender, state_nonce);
		const struct entry *first = find_nonce(pool, sender, next);
		if (!first || next > t->nonce)
			break; /* it lies beyond a gap, and is held */
		if (first->sending) {
			pthread_cond_wait(&pool->moved, &pool->lock);
		} else if (!release(pool, sender, next)) {
			entry = find_hash(pool, &t->hash);
			if (!entry || entry->sent || entry->sending ||
			    first_unsent(pool, sender, state_nonce) != t->nonce)
				break; /* busy: the next addition or block tries again */
			remove_entry(pool, entry);
			return TXPOOL_FULL;
		}
	}
	return TXPOOL_TAKEN;
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
	return hand_on(pool, t, sender, state_nonce);
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
			const struct address sender = entry->sender;
			(void)release(pool, &sender, entry->nonce + 1);
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
