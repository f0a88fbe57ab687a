/*
 * The states that proofs are made of: tries are kept as they are now, but a reader of the store may stay at what a commit left. The
 * last few commits that validators sign for clients (node/head.h) stay readable so, as long as somebody asks for proofs; meanwhile
 * the store cannot use again the room of what was replaced since.
 */
#ifndef LEDGER_PINS_H
#define LEDGER_PINS_H

#include "chain/chain.h"

#define PINS_KEPT    8
#define PINS_SECONDS 10 /* after somebody asked */

struct chain_pin;

/* Keeps the state of the last flushed block, as of commit `index`. The executing thread. */
void chain_pin(struct chain *chain, uint64_t index);
/* The state of a commit, until it is released; NULL when it is not kept (any more, or yet). Any thread. */
struct chain_pin *chain_pin_hold(struct chain *chain, uint64_t index);
void chain_pin_release(struct chain *chain, struct chain_pin *pin);
/* The block that the state is of. */
const struct block_header *chain_pin_block(const struct chain_pin *pin);

/* Gives the nodes that prove `count` accounts, and `slot_count` slots of the first of them: `slot` is -1 for those of account
 * `account`. */
typedef void chain_prove_visit(void *context, size_t account, long slot, const uint8_t *node, size_t size);
void chain_pin_prove(struct chain_pin *pin, const struct address *addresses, size_t count,
                     const struct u256 *slots, size_t slot_count, chain_prove_visit *visit, void *context);

/* For chain_close(): nobody holds one. */
void chain_pins_drop(struct chain *chain);

#endif
