/*
 * Blocks as Ethereum writes them: headers, receipts, blooms, and the roots over them (yellow paper
 * section 4.3; EIPs 1559, 4788, 4844, 4895, 7685).
 */
#ifndef LEDGER_BLOCK_H
#define LEDGER_BLOCK_H

#include "state/state.h"
#include "rlp/rlp.h"

#define BLOOM_SIZE 256

struct block_header {
	struct hash32 parent;
	struct address coinbase;
	struct hash32 state_root;
	struct hash32 transactions_root;
	struct hash32 receipts_root;
	uint8_t bloom[BLOOM_SIZE];
	uint64_t number;
	uint64_t gas_limit;
	uint64_t gas_used;
	uint64_t timestamp;
	uint8_t extra[32];
	size_t extra_size;
	struct hash32 random;
	struct u256 base_fee;
	struct hash32 hash; /* of all the above and the fields that are always the same */
	/* beside the header */
	uint32_t transaction_count;
	uint64_t size;         /* bytes of header and transactions */
	uint64_t commit_index; /* of the consensus' sequence */
	uint64_t time_ms;
};

extern const struct hash32 block_empty_uncles;
extern const struct hash32 block_empty_requests;

/* The header's RLP; sets `hash`. */
void block_encode_header(struct rlp_writer *writer, struct block_header *header);
/* A record of the store: the header's fields and what goes with them. */
void block_write(struct rlp_writer *writer, const struct block_header *header);
bool block_read(struct block_header *out, const uint8_t *bytes, size_t size);

void bloom_add(uint8_t bloom[BLOOM_SIZE], const uint8_t *data, size_t size);
void bloom_add_logs(uint8_t bloom[BLOOM_SIZE], const struct log *logs, size_t count);
/* May the bloom hold it? */
bool bloom_may_have(const uint8_t bloom[BLOOM_SIZE], const uint8_t *data, size_t size);

/* A transaction of a block with its receipt, as the store keeps it. */
struct receipt {
	const uint8_t *transaction; /* as it was sent */
	size_t transaction_size;
	struct address sender;
	uint8_t type;
	bool success;
	bool created;
	struct address contract;
	uint64_t gas_used;
	uint64_t cumulative_gas;
	uint64_t first_log; /* index in the block of its first log */
	struct log *logs;
	size_t log_count;
};

void receipt_write(struct rlp_writer *writer, const struct receipt *receipt);
/* Pointers go into `bytes` and the arena. */
bool receipt_read(struct receipt *out, const uint8_t *bytes, size_t size, struct arena *arena);
/* As receipts are hashed into the receipts' root. */
void receipt_encode(struct rlp_writer *writer, const struct receipt *receipt);

/* The root over items by their index. */
struct ordered_items {
	const uint8_t *bytes;
	size_t size;
};
void ordered_root(struct hash32 *out, const struct ordered_items *items, size_t count);

#endif
