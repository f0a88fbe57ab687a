/*
 * What a gateway answers about accounts at the last block, by proofs: balances, nonces, code and slots. Questions about older
 * blocks are the nodes' to answer, without proofs.
 */
#ifndef LEDGER_RPC_GATEWAY_STATE_H
#define LEDGER_RPC_GATEWAY_STATE_H

#include "rpc/gateway_proof.h"
#include "rpc/rpc_internal.h"

struct gateway_answer {
	json_t *result; /* NULL: refused */
	enum rpc_error_code code;
	char why[200];
};

void gateway_refuse(struct gateway_answer *answer, enum rpc_error_code code, const char *why);
/* False: the method is none of these, or is asked about another block. */
bool gateway_state_answer(struct gateway_prover *prover, const char *method, const json_t *params,
                          struct gateway_answer *answer);
/* An account's nonce; false and why where no node proves it. */
bool gateway_state_nonce(struct gateway_prover *prover, enum gateway_wish wish, const struct address *address,
                         struct gateway_answer *answer, uint64_t *nonce);

#endif
