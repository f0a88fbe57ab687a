/* The pool: transactions by hash and by (sender, nonce), and senders, in three hash tables of lists. */
#include "rpc/txpool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define BUCKETS       16384
#define KEEP_INCLUDED 10 /* seconds */

/* A sender of entries. What is from `base` to below `next` was sent, or is in a block. */
struct sender {
	struct sender *following;
	struct address address;
	struct entry *first; /* of its entries, in no order */
	size_t entries;
	size_t waiting; /* entries that are in no block */
	uint64_t base, next;
};

struct entry {
	struct entry *next_by_hash;
	struct entry *next_by_nonce;
	struct hash32 hash;
	struct sender *account;
	struct entry *next_of_account, **link_of_account;
	uint64_t nonce;
	bool sending; /* by some thread, right now */
	bool sent;
	bool included;   /* in a block; kept a while, for requests that look at an older block */
	bool gap, young; /* counted as such */
	unsigned times;  /* it was sent */
	time_t since, sent_at;
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
	struct sender *accounts[BUCKETS];
	struct share {
		size_t count, bytes;
	} all, gaps, young; /* `gaps`: never sent and beyond one; `young`: their sender's nonce was 0 */
	unsigned seconds;
	time_t swept, evicted;
};

struct txpool *txpool_create(txpool_send send, void *context, unsigned seconds)
{
	struct txpool *pool = checked_zalloc(1, sizeof *pool);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->moved, NULL);
	pool->send = send;
	pool->context = context;
	pool->seconds = seconds;
	return pool;
}

void txpool_destroy(struct txpool *pool)
{
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = pool->by_hash[i], *next; entry; entry = next) {
			next = entry->next_by_hash;
			free(entry);
		}
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct sender *account = pool->accounts[i], *next; account; account = next) {
			next = account->following;
			free(account);
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

static struct sender *find_account(const struct txpool *pool, const struct address *sender)
{
	struct sender *account = pool->accounts[nonce_bucket(sender, 0)];
	while (account && !address_equal(&account->address, sender))
		account = account->following;
	return account;
}

static struct entry *find_nonce(const struct txpool *pool, const struct address *sender, uint64_t nonce)
{
	struct entry *entry = pool->by_nonce[nonce_bucket(sender, nonce)];
	while (entry && (entry->nonce != nonce || !address_equal(&entry->account->address, sender)))
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

/* ---- what is counted ---- */
static void share_add(struct share *share, bool *counted, size_t size)
{
	if (*counted)
		return;
	*counted = true;
	share->count++;
	share->bytes += size;
}

static void share_remove(struct share *share, bool *counted, size_t size)
{
	if (!*counted)
		return;
	*counted = false;
	share->count--;
	share->bytes -= size;
}

static bool share_full(const struct share *share, size_t size, size_t most)
{
	return share->count >= most || share->bytes + size > TXPOOL_MAX_BYTES / TXPOOL_MAX * most;
}

static void mark_included(struct entry *entry)
{
	if (!entry->included)
		entry->account->waiting--;
	entry->included = true;
	entry->since = time(NULL);
}

static void mark_sent(struct txpool *pool, struct entry *entry)
{
	share_remove(&pool->gaps, &entry->gap, entry->size);
	entry->sent = true;
}

static void remove_account(struct txpool *pool, struct sender *account)
{
	struct sender **at = &pool->accounts[nonce_bucket(&account->address, 0)];
	while (*at != account)
		at = &(*at)->following;
	*at = account->following;
	free(account);
}

static void remove_entry(struct txpool *pool, struct entry *entry)
{
	struct sender *account = entry->account;
	struct entry **at = &pool->by_hash[hash_bucket(&entry->hash)];
	while (*at != entry)
		at = &(*at)->next_by_hash;
	*at = entry->next_by_hash;
	at = &pool->by_nonce[nonce_bucket(&account->address, entry->nonce)];
	while (*at != entry)
		at = &(*at)->next_by_nonce;
	*at = entry->next_by_nonce;
	share_remove(&pool->gaps, &entry->gap, entry->size);
	share_remove(&pool->young, &entry->young, entry->size);
	pool->all.count--;
	pool->all.bytes -= entry->size;
	if (!entry->included) {
		account->waiting--;
		if (entry->nonce >= account->base && entry->nonce < account->next)
			account->next = entry->nonce;
	}
	*entry->link_of_account = entry->next_of_account;
	if (entry->next_of_account)
		entry->next_of_account->link_of_account = entry->link_of_account;
	free(entry);
	if (!--account->entries)
		remove_account(pool, account);
}

/* The first nonce from `from` that no sent transaction has. */
static uint64_t first_unsent(const struct txpool *pool, const struct address *sender, uint64_t from)
{
	const struct entry *entry;
	struct sender *account = find_account(pool, sender);
	if (!account)
		return from;
	if (from < account->base || from > account->next)
		account->base = account->next = from;
	while ((entry = find_nonce(pool, sender, account->next)) && entry->sent)
		account->next++;
	return account->next;
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
				if (!entry)
					continue;
				entry->sending = false;
				if (i >= taken)
					continue;
				mark_sent(pool, entry);
				entry->times++;
				entry->sent_at = time(NULL);
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
			const time_t most = entry->included ? KEEP_INCLUDED
			                    : entry->times  ? (time_t)pool->seconds
			                                    : TXPOOL_SECONDS;
			if (now - entry->since > most && !entry->sending)
				remove_entry(pool, entry);
		}
}

static bool in_vain(const struct entry *entry)
{
	return entry->times >= TXPOOL_IN_VAIN && !entry->included && !entry->sending;
}

/* Lets go of all that was handed on in vain, at most once a second. */
static void make_room(struct txpool *pool)
{
	const time_t now = time(NULL);
	if (now == pool->evicted)
		return;
	pool->evicted = now;
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct entry *entry = pool->by_hash[i], *next; entry; entry = next) {
			next = entry->next_by_hash;
			if (in_vain(entry))
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

/* Whether there is room for it in each share that it counts in. */
static bool has_room(struct txpool *pool, const struct address *sender, bool gap, bool young, size_t size)
{
	for (unsigned tries = 0; tries < 2; tries++) {
		const struct sender *account = find_account(pool, sender);
		if (!share_full(&pool->all, size, TXPOOL_MAX) &&
		    !(gap && share_full(&pool->gaps, size, TXPOOL_GAPS)) &&
		    !(young && share_full(&pool->young, size, TXPOOL_NEW)) &&
		    !(account && account->waiting >= TXPOOL_ACCOUNT))
			return true;
		make_room(pool);
	}
	return false;
}

/* NULL, and why not: what is there under the same nonce stays, unless it was never handed on, or in vain. */
static const char *replace(struct txpool *pool, struct entry *same)
{
	if (same->included)
		return "nonce too low";
	if (same->sending || (same->sent && !in_vain(same)))
		return "replacement transaction underpriced: one with this nonce is on its way, and there "
		       "are no prices";
	remove_entry(pool, same);
	return NULL;
}

static enum txpool_result add(struct txpool *pool, const struct transaction *t, const uint8_t *bytes,
                              size_t size, const struct address *sender, uint64_t state_nonce,
                              const char **why)
{
	if (find_hash(pool, &t->hash)) {
		*why = "already known";
		return TXPOOL_REFUSED;
	}
	const uint64_t next = first_unsent(pool, sender, state_nonce);
	if (t->nonce > next + TXPOOL_MAX_HELD) {
		*why = "nonce too high: more than 64 beyond the next";
		return TXPOOL_REFUSED;
	}
	sweep(pool);
	const bool gap = t->nonce > next;
	const bool young = !state_nonce;
	if (!has_room(pool, sender, gap, young, size))
		return TXPOOL_FULL;
	struct entry *same = find_nonce(pool, sender, t->nonce);
	if (same && (*why = replace(pool, same)))
		return TXPOOL_REFUSED;
	/* All of that may have removed entries, and with its last one the account. */
	struct sender *account = find_account(pool, sender);
	if (!account) {
		struct sender **list = &pool->accounts[nonce_bucket(sender, 0)];
		account = checked_alloc(sizeof *account);
		*account = (struct sender){
		    .following = *list, .address = *sender, .base = state_nonce, .next = state_nonce};
		*list = account;
	}
	struct entry *entry = checked_alloc(sizeof *entry + size);
	*entry = (struct entry){
	    .hash = t->hash, .account = account, .nonce = t->nonce, .since = time(NULL), .size = size};
	memcpy(entry->bytes, bytes, size);
	struct entry **bucket = &pool->by_hash[hash_bucket(&t->hash)];
	entry->next_by_hash = *bucket;
	*bucket = entry;
	bucket = &pool->by_nonce[nonce_bucket(sender, t->nonce)];
	entry->next_by_nonce = *bucket;
	*bucket = entry;
	entry->next_of_account = account->first;
	entry->link_of_account = &account->first;
	if (account->first)
		account->first->link_of_account = &entry->next_of_account;
	account->first = entry;
	account->entries++;
	account->waiting++;
	pool->all.count++;
	pool->all.bytes += size;
	if (gap)
		share_add(&pool->gaps, &entry->gap, size);
	if (young)
		share_add(&pool->young, &entry->young, size);
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

/* Whether the one that is next at the final block was sent so long ago that it is to be sent again. */
static bool overdue(const struct entry *entry)
{
	const unsigned doubled = entry->times > TXPOOL_SLOWEST ? TXPOOL_SLOWEST : entry->times - 1;
	return time(NULL) - entry->sent_at >= (time_t)TXPOOL_PATIENCE << doubled;
}

bool txpool_settle(struct txpool *pool, const struct address *sender, uint64_t nonce)
{
	struct entry *entry;
	bool late = false;
	pthread_mutex_lock(&pool->lock);
	sweep(pool);
	struct sender *account = find_account(pool, sender);
	size_t left = account ? account->entries : 0;
	struct entry *next = left ? account->first : NULL;
	while ((entry = next)) {
		next = entry->next_of_account;
		if (entry->nonce >= nonce || entry->sending)
			continue;
		mark_included(entry);
		remove_entry(pool, entry);
		left--; /* with the last one the account is gone */
	}
	account = left ? account : NULL;
	if (account && (entry = find_nonce(pool, sender, nonce)) && entry->sent && !entry->sending &&
	    overdue(entry)) {
		late = true;
		for (uint64_t at = nonce; (entry = find_nonce(pool, sender, at)) && entry->sent; at++)
			entry->sent = false;
		if (account->base <= nonce && account->next > nonce)
			account->next = nonce;
	}
	pthread_mutex_unlock(&pool->lock);
	return late;
}

void txpool_resume(struct txpool *pool, const struct address *sender, uint64_t nonce)
{
	pthread_mutex_lock(&pool->lock);
	(void)release(pool, sender, nonce);
	pthread_mutex_unlock(&pool->lock);
}

size_t txpool_senders(struct txpool *pool, struct address *out, size_t room, size_t *cursor)
{
	size_t count = 0;
	pthread_mutex_lock(&pool->lock);
	/* A bucket is taken whole, or by the next call; one that alone has more than there is room for is cut. */
	for (; *cursor < BUCKETS; ++*cursor) {
		const size_t before = count;
		const struct sender *account = pool->accounts[*cursor];
		for (; account && count < room; account = account->following)
			out[count++] = account->address;
		if (account && before) {
			count = before;
			break;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	*cursor = *cursor < BUCKETS ? *cursor : 0;
	return count;
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
			mark_sent(pool, entry);
			mark_included(entry);
			const struct address sender = entry->account->address;
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
	const size_t count = pool->all.count;
	pthread_mutex_unlock(&pool->lock);
	return count;
}
