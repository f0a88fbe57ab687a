/* What the chain's files share. */
#ifndef LEDGER_CHAIN_INTERNAL_H
#define LEDGER_CHAIN_INTERNAL_H

#include "chain/chain.h"
#include "chain/pins.h"
#include "chain/pool.h"

#include <pthread.h>
#include <time.h>

/* A payload on its way into a block. */
struct candidate {
	const uint8_t *bytes;
	size_t size;
	struct transaction transaction;
	struct address sender;
	bool good; /* decodes, and its signature is valid */
	struct hash32 hash;
};

struct chain {
	struct chain_config config;
	struct store store;
	struct store_reader reader;      /* over the open batch */
	struct store_reader node_reader; /* the world's: always the open batch */
	struct world_store world_store;
	struct world world;
	struct code_cache codes;
	struct state state;
	struct evm *evm;
	struct rules rules;
	struct block_header head; /* executed */
	uint64_t executed_index;
	struct hash32 executed_root;
	struct block_header flushed; /* visible */
	uint64_t flushed_index;
	struct thread_pool *pool;
	struct parallel *parallel; /* NULL without workers */
	void (*notify)(void *context, uint64_t first, uint64_t last);
	void *notify_context;
	struct arena arena; /* of one commit */
	struct {
		pthread_mutex_t lock; /* what follows */
		struct chain_pin *ring[PINS_KEPT];
		unsigned next;
		time_t until; /* somebody may ask for proofs until then */
	} pins;               /* pins.c */
};

/* The block under construction. */
struct block_builder {
	struct block_header header;
	struct ordered_items *transactions;
	struct ordered_items *receipts;
	size_t count;
	uint64_t log_count;
};

/* Adds an applied transaction, whose logs are given, to the block and the store. */
void builder_add(struct chain *chain, struct block_builder *builder, const struct candidate *candidate,
                 const struct applied *applied, struct log *logs, size_t log_count);

/* chain.c's, for snapshots. */
void chain_put_number(uint8_t out[8], uint64_t number);
void chain_encode_config(uint8_t out[32], const struct chain_config *config);
void chain_write_meta(struct chain *chain, const uint8_t head[8], uint64_t commit_index);
/* Everything in memory back to what the store has. */
bool chain_reload(struct chain *chain);

/* Takes gas from the sender's quota, at most what is left. */
void quota_take(struct chain *chain, const struct address *sender, uint64_t gas, uint64_t time_s);

#endif
