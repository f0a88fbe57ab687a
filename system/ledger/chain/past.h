/*
 * The states of past blocks: beside what is now, the store keeps what each block replaced, for the last `window` blocks. A value as
 * of block B is what the first block after B replaced, or what is now if none did. Blocks further back than the window cannot be
 * asked for; nor can those before a snapshot that this store was made from.
 */
#ifndef LEDGER_PAST_H
#define LEDGER_PAST_H

#include "chain/store.h"

/* Remembers what block `number` is about to replace in the store, and forgets what fell out of the window. With window 0 no past is
 * kept. Before store_write_state(). */
void past_record(struct store *store, const struct state *state, uint64_t number, uint64_t window);
/* Nothing is known of states before block `number`. */
void past_begin(struct store *store, uint64_t number);
/* The oldest block whose state can be asked for; `head` if the store knows none. */
uint64_t past_oldest(const struct store *store, MDB_txn *txn, uint64_t head);

/* The record of the account, or of its slot `key`, as of block `number`, where a later block replaced it: size 0 if there was none.
 * NULL: what is now holds. */
const uint8_t *past_find(const struct store *store, MDB_txn *txn, const uint8_t address[20],
                         const struct u256 *key, uint64_t number, size_t *size);

#endif
