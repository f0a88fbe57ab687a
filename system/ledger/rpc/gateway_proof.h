/*
 * Answers of nodes that need not be believed: a head that f+1 validators signed (node/head.h), whose root is the hash of a block's
 * header, and nodes of the tries under that header's state root. What a node can still do is to withhold what is newer: the block
 * must be the one that the node itself calls its last (GATEWAY_LAST), no older than any proven before, and by this machine's clock not
 * older than GATEWAY_PROOF_AGE; the next node is asked when one's proofs are wrong, late, or older than GATEWAY_PROOF_FRESH.
 */
#ifndef LEDGER_RPC_GATEWAY_PROOF_H
#define LEDGER_RPC_GATEWAY_PROOF_H

#include "ledger/node/head.h"
#include "num/types.h"
#include "rpc/gateway_nodes.h"
#include "rpc/rpc.h"
#include "state/state.h"

#define GATEWAY_PROOF_MS    3000 /* a node's time to prove its last block */
#define GATEWAY_PROOF_FRESH 5    /* seconds */
#define GATEWAY_PROOF_AGE   120

struct proven_account {
	struct account_data data;
	struct hash32 storage_root;
};

struct gateway_prover {
	struct gateway_nodes *nodes;
	const struct network *network;
	/* Who decides in an epoch, as far as signatures lead there; with `renew` nodes are asked. Any thread. */
	bool (*members)(void *context, uint64_t epoch, bool renew, uint64_t *members);
	void *context;
	unsigned pause_ms;    /* before a node is asked again whose last block is not proven yet */
	pthread_mutex_t lock; /* what follows; never held while a node is waited for */
	struct head head;     /* the newest that was proven */
	uint64_t number;      /* its block's */
};

/* Which state is good enough. */
enum gateway_wish {
	GATEWAY_LAST,   /* that of the node's last block: it may take a moment until that is signed */
	GATEWAY_SIGNED, /* the newest that is signed: what only grows is at least so */
};

/* The accounts, and `slot_count` slots of the first of them, of both at most RPC_MAX_PROVEN. False, and why: no node proves them. */
bool gateway_prove(struct gateway_prover *prover, enum gateway_wish wish, const struct address *addresses,
                   size_t count, const struct u256 *slots, size_t slot_count, struct proven_account *accounts,
                   struct u256 *values, char why[200]);

#endif
