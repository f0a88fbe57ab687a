/*
 * The authenticated form of the state: the trie of accounts and each account's trie of slots, kept up to date
 * from what a `struct state` has written. A world may have a store behind it (store.h), or be all in memory.
 */
#ifndef LEDGER_WORLD_H
#define LEDGER_WORLD_H

#include "state/state.h"
#include "state/trie.h"

/* Where nodes lie: tries by the hash of their account's address, or NULL for the trie of accounts. */
struct world_store {
	void *context;
	const uint8_t *(*load)(void *context, const struct hash32 *account, const uint8_t *path,
	                       unsigned length, size_t *size);
	void (*save)(void *context, const struct hash32 *account, const uint8_t *path, unsigned length,
	             const uint8_t *node, size_t size);
	void (*remove)(void *context, const struct hash32 *account, const uint8_t *path, unsigned length);
	/* All nodes of an account's trie. */
	void (*remove_all)(void *context, const struct hash32 *account);
};

struct storage_trie;

struct world {
	const struct world_store *store;
	struct trie accounts;
	struct trie_store accounts_store;
	struct storage_trie **buckets;
	size_t bucket_count;
	size_t count;
	size_t storage_nodes; /* in memory, of all storage tries */
};

void world_init(struct world *world, const struct hash32 *root, const struct world_store *store);
void world_deinit(struct world *world);
/* Frees nodes in memory when there are more than `limit`; for worlds with a store, after world_commit(). */
void world_trim(struct world *world, size_t limit);

/*
 * Brings the tries up to what `state` has written since its last commit, writes the changed nodes to the
 * store and gives the root. Sets `has_storage` of the accounts. Returns false when the store is damaged.
 */
bool world_commit(struct world *world, struct state *state, struct hash32 *root);

/* What a leaf of the trie of accounts says, which may come from anybody. False: it is none. */
bool world_read_leaf(const uint8_t *bytes, size_t size, struct account_data *out, struct hash32 *root);
/* An account's leaf: its data, and the root of its storage. False when there is none. */
bool world_account(struct world *world, const struct address *address, struct account_data *out,
                   struct hash32 *root);
/* The storage trie of an account that exists, opened. NULL when it is empty or the account does not exist. */
struct trie *world_storage(struct world *world, const struct address *address);

#endif
