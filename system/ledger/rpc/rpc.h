/*
 * JSON-RPC's methods over a chain. Sources: the execution-apis of Ethereum (eth_*), EIP-1193 and 1474 for
 * errors, geth's documentation for subscriptions.
 */
#ifndef LEDGER_RPC_H
#define LEDGER_RPC_H

#include "chain/chain.h"
#include "rpc/server.h"

struct ledger_node;

#define RPC_CALL_GAS        UINT64_C(1000000000) /* most a call or estimate may use */
#define RPC_MAX_TRANSACTION ((size_t)128 << 10)  /* bytes: what consensus carries */
#define RPC_MAX_BATCH       1000
#define RPC_START_SECONDS   5
#define RPC_MAX_ENVELOPES   2000 /* a second, from gateways */
#define RPC_MAX_PROVEN      256  /* accounts, and slots, of one question */
#define RPC_MAX_LOGS        10000
#define RPC_MAX_LOG_BLOCKS  100000
#define RPC_MAX_ANSWER      ((size_t)64 << 20) /* of a batch, about */

struct rpc_config {
	struct chain *chain;
	const char *address; /* as of struct rpc_server_config */
	unsigned port;
	unsigned workers;
	const char *const *origins;
	void *context;
	/* Hands a good transaction on to be ordered; false when it cannot be taken now. Any worker calls it.
	 */
	bool (*send)(void *context, const uint8_t *bytes, size_t size);
	/*
	 * Whether the state is still older than what was answered before the node ended: requests about it wait for RPC_START_SECONDS
	 * after the start, and are refused then. NULL: never. Any worker calls it.
	 */
	bool (*starting)(void *context);
	/* Waits until what was sent so far is in a block; NULL: nobody waits. */
	void (*settle)(void *context);
	/* Keys of accounts that the node signs for (development alone); `key_count` of 32 bytes. */
	const uint8_t (*keys)[32];
	size_t key_count;
	/* The transparency log of the node (node/application.h); NULL: there is none. */
	struct ledger_node *node;
	/* Lines for GET /metrics, appended to the RPC's own; from malloc(). May be NULL. */
	char *(*metrics)(void *context);
};

struct rpc;

/* A number of the command line, decimal or 0x…; false when it is none. */
bool rpc_parse_number(const char *text, uint64_t *out);

struct rpc *rpc_start(const struct rpc_config *config);
void rpc_stop(struct rpc *rpc);
/* New blocks are visible: feeds subscriptions and filters. */
void rpc_notify_blocks(struct rpc *rpc, uint64_t first, uint64_t last);

#endif
