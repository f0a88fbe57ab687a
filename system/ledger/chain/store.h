/*
 * The ledger's data on disk, in one LMDB environment: accounts and slots as they are now (for fast reads),
 * the nodes of their tries by path, code, blocks, transactions with their receipts, and indexes by hash.
 *
 * One thread writes: it begins a batch, puts, and commits it; everything of a batch is durable at once or not
 * at all. Readers each have a view of the last commit and never wait for the writer. Errors of the disk stick
 * to the batch: store_commit() then fails and nothing of the batch remains.
 */
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include "state/world.h"

#include <lmdb.h>

enum store_table {
	STORE_META,         /* name -> value */
	STORE_ACCOUNTS,     /* address -> nonce 8, balance 32, code hash 32, has storage 1 */
	STORE_SLOTS,        /* address, key -> value without leading zeros */
	STORE_CODE,         /* hash -> code */
	STORE_NODES,        /* 0, path | 1, hash of address, path -> node */
	STORE_BLOCKS,       /* number, big-endian -> header and what goes with it */
	STORE_TRANSACTIONS, /* number 8, index 4 -> transaction and receipt */
	STORE_BLOCK_HASHES, /* hash -> number 8 */
	STORE_HASHES,       /* transaction hash -> number 8, index 4 */
	STORE_PAST,         /* what a block replaced: past.h */
	STORE_PAST_BLOCKS,  /* number -> names of what it replaced */
	STORE_TABLES
};

struct store {
	MDB_env *env;
	MDB_dbi tables[STORE_TABLES];
	MDB_txn *batch; /* the writer's, or NULL */
	int error;      /* of the batch: the first that happened */
};

/* A reader's snapshot. */
struct store_view {
	struct store *store;
	MDB_txn *txn;
};

/* Opens or creates; prints why and returns false when it cannot. `durable` false: the system writes back when
 * it likes (for chains that need not outlive the machine). */
bool store_open(struct store *store, const char *directory, bool durable);
void store_close(struct store *store);

bool store_begin(struct store *store);
bool store_commit(struct store *store);
void store_abort(struct store *store);

void store_put(struct store *store, enum store_table table, const void *key, size_t key_size,
               const void *value, size_t size);
void store_delete(struct store *store, enum store_table table, const void *key, size_t key_size);
/* Deletes every key that begins so. */
void store_delete_prefix(struct store *store, enum store_table table, const void *prefix, size_t size);

/* Empties every table. */
void store_empty(struct store *store);

/* In the open batch (txn is store->batch) or a view. NULL when there is none; valid until the txn changes or
 * ends. */
const uint8_t *store_get(const struct store *store, MDB_txn *txn, enum store_table table, const void *key,
                         size_t key_size, size_t *size);

bool store_view_begin(struct store *store, struct store_view *view);
/* Moves the view to the last commit. */
bool store_view_renew(struct store_view *view);
void store_view_end(struct store_view *view);

/* A state's backend over a txn: what is now, or as of a block that past_oldest() allows. */
struct store_reader {
	struct store *store;
	MDB_txn *txn;
	bool at_past;
	uint64_t number; /* of that block */
};
struct state_backend store_backend(struct store_reader *reader);

/* An account as the store keeps it: STORE_ACCOUNT_SIZE bytes, or none for one that is empty. */
#define STORE_ACCOUNT_SIZE 73
size_t store_account_record(uint8_t out[STORE_ACCOUNT_SIZE], const struct account_data *data);

/* Writes what the state has written (flat accounts and slots). After world_commit(), before
 * state_mark_committed(). */
void store_write_state(struct store *store, const struct state *state);

/* A world's store: reads through the reader's txn, or the open batch when that is NULL; writes to the open
 * batch. */
struct world_store store_world(struct store_reader *reader);

#endif
