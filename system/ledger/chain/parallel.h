/*
 * Optimistic parallel execution: a window of transactions runs on several threads, each on a state of its own over the
 * chain's as it was before the window. Then, in order, a transaction's outcome is taken over if everything it read is
 * still so; otherwise it runs again on the chain's state. The result is that of running one after another, always: an
 * outcome depends on nothing but the values read, and those are compared, not assumed.
 */
#ifndef LEDGER_PARALLEL_H
#define LEDGER_PARALLEL_H

#include "chain/chain_internal.h"

/* NULL without workers. */
struct parallel *parallel_create(struct chain *chain, unsigned workers);
void parallel_destroy(struct parallel *parallel);

#define PARALLEL_WINDOW 128

/* Runs list[0, count), at most PARALLEL_WINDOW, ahead. The chain's state must not change until this returns. */
void parallel_speculate(struct parallel *parallel, struct candidate *const *list, size_t count);
/*
 * Takes over what was found for the i-th of the window, if it still holds; its logs are then *logs. False: it does not,
 * and the transaction must be run. The state's transaction is begun and ended here.
 */
bool parallel_take(struct parallel *parallel, size_t i, struct applied *applied, struct log **logs,
                   size_t *log_count);

#endif
