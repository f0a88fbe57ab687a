/*
 * What a gateway took from its clients is kept until it is final. As long as there is something, a thread asks the nodes twice a
 * second to prove the nonces of its senders (gateway_proof.h); what is overdue goes out again, in the order of nonces, and to the next node first, since
 * the one that took it may be dead or keep it back. A node that hears of a transaction twice executes it once.
 */
#ifndef LEDGER_RPC_GATEWAY_KEEP_H
#define LEDGER_RPC_GATEWAY_KEEP_H

#include "rpc/gateway_proof.h"
#include "rpc/txpool.h"

#define GATEWAY_KEEP_SECONDS 3600 /* after which what got into no block is forgotten */

struct gateway_keep;

/* NULL when there is no thread to be had. */
struct gateway_keep *gateway_keep_start(struct gateway_prover *prover, struct txpool *pool);
/* Ends the thread, which may wait for a node. */
void gateway_keep_stop(struct gateway_keep *keep);

#endif
