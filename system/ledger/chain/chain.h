/*
 * The chain: turns ordered transactions into blocks, on top of a store. The same transactions with the same
 * times give the same blocks, bit for bit, on every machine; nothing else goes in.
 *
 * Rule set `holon`: no token (tx/apply.h). A transaction that is invalid at its place is skipped.
 * Transactions of one sender within one commit are taken in the order of their nonces.
 *
 * One thread executes (chain_execute, chain_flush). Readers have views of their own (struct chain_view) and
 * see a block once it is flushed.
 */
#ifndef LEDGER_CHAIN_H
#define LEDGER_CHAIN_H

#include "chain/block.h"
#include "chain/store.h"
#include "tx/apply.h"

#define CHAIN_DEFAULT_ID        7070UL
#define CHAIN_DEFAULT_GAS_LIMIT UINT64_C(1000000000)
#define CHAIN_DEFAULT_PAST      UINT64_C(256)

struct chain_config {
	uint64_t chain_id;
	uint64_t gas_limit;    /* of a block; a commit with more makes several blocks */
	uint64_t quota_gas;    /* gas an account may use in a window; 0: as much as it likes */
	uint64_t quota_window; /* seconds */
	uint64_t
	    past_window; /* blocks before the last whose states can be asked for; costs two writes more a value
	                          replaced */
	bool durable;    /* each flush reaches the disk */
	unsigned workers; /* threads beside the caller's that execute and recover senders; any number gives
	                     the same */
};

struct chain_commit {
	uint64_t index; /* of the consensus' sequence, from 1 without gaps */
	uint64_t time_ms;
	const uint8_t *digest; /* 32 bytes: the block's PREVRANDAO */
	const struct ordered_items *payloads;
	size_t payload_count;
};

struct chain;

/* NULL after printing why. Without a configuration, that of the store in `directory`, which must have one. */
struct chain *chain_open(const char *directory, const struct chain_config *config);
void chain_close(struct chain *chain);

/* Executes a commit. False when the store fails: all since the last flush is gone then. */
bool chain_execute(struct chain *chain, const struct chain_commit *commit);
/* Makes what was executed durable and visible. */
bool chain_flush(struct chain *chain);

/* Index and state root of the last commit executed, or of the last flushed. */
void chain_executed(const struct chain *chain, uint64_t *index, struct hash32 *root);
void chain_flushed(const struct chain *chain, uint64_t *index, struct hash32 *root);
const struct chain_config *chain_configuration(const struct chain *chain);

/* The head block's hash, which commits to all of the state and the history before it. */
void chain_head_hash(const struct chain *chain, struct hash32 *out, bool flushed);

/* Streams the state after the last commit executed; and replaces the state by such a stream, whose head must have this
 * hash. When it has not, or the file is malformed, the state is what it was. */
typedef bool ledger_sink(void *context, const uint8_t *data, size_t size);
bool chain_snapshot(struct chain *chain, ledger_sink *sink, void *context);
bool chain_restore(struct chain *chain, const char *path, uint64_t index, const struct hash32 *head);

/* Called by the executing thread after a flush that made blocks visible: the numbers from `first` to `last`.
 */
void chain_on_blocks(struct chain *chain, void (*notify)(void *context, uint64_t first, uint64_t last),
                     void *context);

/* ---- reading: one view a thread ---- */
struct chain_view {
	struct chain *chain;
	struct store_view store;
	struct store_reader reader;
	struct code_cache codes;
	struct state state;
	struct evm *evm;
	struct arena arena; /* of one request */
	struct block_header head;
};

bool chain_view_open(struct chain *chain, struct chain_view *view);
void chain_view_close(struct chain_view *view);
/* Moves to the last flushed block and forgets what the state has loaded. */
bool chain_view_renew(struct chain_view *view);
/* The state of an older block, until the view is renewed or moved again; false when that is not kept. */
bool chain_view_at(struct chain_view *view, uint64_t number);
/* The oldest block whose state is kept. */
uint64_t chain_view_oldest(const struct chain_view *view);
bool chain_view_block(struct chain_view *view, uint64_t number, struct block_header *out);
bool chain_view_block_number(struct chain_view *view, const struct hash32 *hash, uint64_t *number);
/* The transaction of a block by its index; pointers last until the view is renewed. */
bool chain_view_receipt(struct chain_view *view, uint64_t number, uint32_t index, struct receipt *out);
bool chain_view_find(struct chain_view *view, const struct hash32 *transaction, uint64_t *number,
                     uint32_t *index);
/* Sets the machine up for a call in the block after `block`, or in `block` itself when `same`. */
void chain_view_set_block(struct chain_view *view, const struct block_header *block, bool same);

/* The rules in force. */
struct rules chain_rules(const struct chain *chain);

/* What an account may still use of its quota at a time; UINT64_MAX without quotas. Reads through the state.
 */
uint64_t chain_quota_left(const struct chain_config *config, struct state *state,
                          const struct address *address, uint64_t time_s);

#endif
