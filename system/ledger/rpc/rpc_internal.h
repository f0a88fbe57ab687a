/* What the files of JSON-RPC share. */
#ifndef LEDGER_RPC_INTERNAL_H
#define LEDGER_RPC_INTERNAL_H

#include "num/hex.h"
#include "rpc/rpc.h"
#include "rpc/txpool.h"

#include <jansson.h>
#include <pthread.h>

enum rpc_error_code {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL = -32603,
	RPC_FAILED = -32000,
	RPC_NOT_FOUND = -32001,
	RPC_UNAVAILABLE = -32002, /* now: the node is starting */
	RPC_LIMIT = -32005,
	RPC_REVERTED = 3,
};

/* Of WebSocket connections (rpc/subscriptions.h). */
struct subscriptions {
	pthread_mutex_t lock;
	struct subscription *first;
	size_t count, criteria;
};

struct rpc {
	struct rpc_config config;
	struct rpc_server *server;
	struct txpool *pool;
	struct address *accounts; /* of config.keys */
	struct subscriptions subscriptions;
	pthread_mutex_t lock; /* filters and envelopes */
	struct filter *filters;
	size_t filter_count;
	time_t envelope_second; /* under the lock: envelopes taken in this second */
	unsigned envelopes;
	uint64_t requests; /* atomic, for the metrics */
	uint64_t failures;
	bool started, stopping; /* atomic */
	time_t start_until;     /* of the monotonic clock: how long requests wait for `started` */
};

/* One request under way. */
struct rpc_call {
	struct rpc *rpc;
	struct chain_view *view;
	uint64_t connection;
	json_t *params; /* an array, borrowed; may be NULL */
	/* An error, when the method returns NULL. */
	enum rpc_error_code code;
	char why[256];
	json_t *data;
};

typedef json_t *rpc_method(struct rpc_call *call);

struct rpc_method_entry {
	const char *name;
	rpc_method *run;
};

/* The tables, each ended by a NULL name. */
extern const struct rpc_method_entry rpc_state_methods[];
extern const struct rpc_method_entry rpc_block_methods[];
extern const struct rpc_method_entry rpc_call_methods[];
extern const struct rpc_method_entry rpc_log_methods[];
extern const struct rpc_method_entry rpc_send_methods[];
extern const struct rpc_method_entry rpc_node_methods[];
extern const struct rpc_method_entry rpc_prove_methods[];
extern const struct rpc_method_entry rpc_any_time_methods[]; /* answered while the node is starting, too */

/* Sets the error and returns NULL. */
json_t *rpc_fail(struct rpc_call *call, enum rpc_error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Bytes in hexadecimal, about `most` of them at most, in the arena. NULL: `text` is NULL or anything else. */
uint8_t *rpc_bytes(const char *text, size_t most, struct arena *arena, size_t *size);
/* Is it one of the tags that mean the last block? */
bool rpc_is_last(const char *tag);

/* ---- parameters: false after rpc_fail() ---- */
json_t *rpc_param(const struct rpc_call *call, size_t i); /* NULL when missing or null */
bool rpc_param_address(struct rpc_call *call, size_t i, struct address *out);
bool rpc_param_hash(struct rpc_call *call, size_t i, struct hash32 *out);
bool rpc_param_quantity(struct rpc_call *call, size_t i, uint64_t *out);
bool rpc_param_bytes(struct rpc_call *call, size_t i, const uint8_t **bytes, size_t *size);
/* A block by number, tag, or object of EIP-1898; latest when missing. *found false: there is no such block.
 */
bool rpc_param_block(struct rpc_call *call, size_t i, struct block_header *out, bool *found);
/* The same, and moves the view to its state, which must be kept. */
bool rpc_param_state(struct rpc_call *call, size_t i, struct block_header *out);

/* ---- values ---- */
json_t *rpc_quantity(uint64_t value);
json_t *rpc_word(const struct u256 *value);
json_t *rpc_data(const uint8_t *bytes, size_t size);
json_t *rpc_hash(const struct hash32 *hash);
json_t *rpc_address(const struct address *address);

json_t *rpc_block_json(struct rpc_call *call, const struct block_header *header, bool full);
json_t *rpc_header_json(const struct block_header *header);
/* block NULL: pending */
json_t *rpc_transaction_json(const struct transaction *transaction, const struct address *sender,
                             const struct block_header *block, uint32_t index);
json_t *rpc_log_json(const struct log *log, const struct block_header *block,
                     const struct hash32 *transaction, uint32_t transaction_index, uint64_t log_index);

/* ---- logs: a filter of addresses and topics ---- */
struct log_filter {
	struct address *addresses;
	size_t address_count;
	struct {
		struct hash32 *any_of;
		size_t count; /* 0: anything */
	} topics[4];
	unsigned topic_count;
};

/* From the object's "address" and "topics"; false after rpc_fail(). Freed by log_filter_free(). */
bool log_filter_parse(struct rpc_call *call, const json_t *object, struct log_filter *out);
void log_filter_free(struct log_filter *filter);
/* Whether one log matches; whether a block with this bloom filter may have one that does. */
bool log_filter_matches(const struct log_filter *filter, const struct log *log);
bool log_filter_may_match(const struct log_filter *filter, const uint8_t bloom[BLOOM_SIZE]);
/* Appends the logs of a block that match; false when RPC_MAX_LOGS is reached. */
bool log_filter_block(const struct log_filter *filter, struct chain_view *view,
                      const struct block_header *block, json_t *out);

void rpc_filters_free(struct rpc *rpc);
/* A number that nobody guesses, not 0. */
uint64_t rpc_draw_id(void);

/* A transaction was taken in: feeds subscriptions and filters. */
void rpc_notify_pending(struct rpc *rpc, const struct hash32 *hash);

/* Answers a request or batch: a string from malloc(), NULL when nothing is to be answered. */
char *rpc_answer(struct rpc *rpc, struct chain_view *view, const char *text, size_t size,
                 uint64_t connection);

/* Fills in the accounts of config.keys. */
bool rpc_derive_accounts(struct rpc *rpc);

/* A call's parameter object to a transaction: sender and fields, in the view's arena. */
bool rpc_parse_call(struct rpc_call *call, json_t *object, struct transaction *out, struct address *sender);

#endif
