/*
 * What surrounds a message: checks a transaction against the state and the block, takes fees, warms what it
 * names, runs it, refunds (yellow paper section 6; EIPs 1559, 2028, 2929, 2930, 3529, 3607, 3651, 3860, 4844,
 * 7623, 7702, 7825).
 *
 * Two rule sets share it. `ethereum` has balances and fees. `holon` has no token: every balance is 0 (value
 * above 0 is refused), fee fields are read and ignored, nothing is charged, blob transactions are refused;
 * gas is metered all the same.
 */
#ifndef LEDGER_APPLY_H
#define LEDGER_APPLY_H

#include "evm/evm.h"
#include "tx/transaction.h"

#define TRANSACTION_GAS_CAP (UINT64_C(1) << 24) /* EIP-7825, from Osaka */

struct rules {
	enum fork fork;
	bool has_token;     /* false: the holon rule set */
	unsigned max_blobs; /* a block */
};

struct applied {
	bool valid;
	const char *why; /* when not valid */
	enum evm_status status;
	uint64_t gas_used;
	struct u256 gas_price; /* paid a unit */
	const uint8_t *output; /* valid until the machine's next message */
	size_t output_size;
	bool created;
	struct address contract; /* when it creates one */
};

/*
 * Applies a transaction whose sender is known. The machine holds state and block. An invalid one changes
 * nothing. Logs are in the state until the next transaction begins.
 */
struct applied transaction_apply(struct evm *evm, const struct rules *rules,
                                 const struct transaction *transaction, const struct address *sender);

/* Why transaction_apply() would refuse it now, or NULL. With `any_nonce`, nonces above the sender's are let
 * pass. */
const char *transaction_check(struct evm *evm, const struct rules *rules,
                              const struct transaction *transaction, const struct address *sender,
                              bool any_nonce);

/*
 * Applies it without a signature and without the checks of nonce, balance and code of the sender, for
 * eth_call and eth_estimateGas. The caller ends the state's transaction as it pleases: nothing is undone
 * here.
 */
struct applied transaction_simulate(struct evm *evm, const struct rules *rules,
                                    const struct transaction *transaction, const struct address *sender);

/* Gas that a transaction costs before it runs, and at least (EIP-7623; 0 before Prague). */
uint64_t transaction_intrinsic_gas(enum fork fork, const struct transaction *transaction, uint64_t *floor);

/* The price of blob gas: EIP-4844's fake_exponential(1, excess, fraction). Saturates at 2^256 - 1. */
void blob_base_fee(struct u256 *out, uint64_t excess_gas, uint64_t fraction);

#define GAS_PER_BLOB (UINT64_C(1) << 17)

#endif
