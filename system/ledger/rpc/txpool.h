/*
 * Transactions that came in by JSON-RPC and are in no block yet. Those whose nonce is a sender's next are
 * handed on at once, later ones are held until the gap closes; so a sender's transactions reach consensus in
 * order however they arrive. Whoever learns nonces of final blocks (txpool_settle) has the rest handed on again, in order, until
 * they are final: what is handed on twice is executed once, since a nonce counts once.
 *
 * All limits are constants here; a full pool refuses. Accounts cost nothing to make, so a sender without history and what lies
 * beyond a gap have smaller shares of the pool than others, and what was handed on several times in vain makes room.
 */
#ifndef LEDGER_TXPOOL_H
#define LEDGER_TXPOOL_H

#include "chain/chain.h"

#define TXPOOL_MAX       16384 /* transactions */
#define TXPOOL_MAX_BYTES ((size_t)64 << 20)
#define TXPOOL_MAX_HELD  64                 /* a sender's, beyond a gap */
#define TXPOOL_MAX_RUN   64                 /* handed on at once … */
#define TXPOOL_RUN_BYTES ((size_t)48 << 10) /* … and their bytes, if there are several */
#define TXPOOL_SECONDS   120  /* after which one that got into no block, or lies beyond a gap, is forgotten */
#define TXPOOL_ACCOUNT   4096 /* a sender's */
#define TXPOOL_GAPS      (TXPOOL_MAX / 4) /* all that lie beyond gaps, and their bytes: a quarter */
#define TXPOOL_NEW       (TXPOOL_MAX / 4 * 3) /* all of senders whose nonce is 0, and their bytes: three quarters */
#define TXPOOL_PATIENCE  2 /* seconds until it is handed on again; twice as many each time … */
#define TXPOOL_SLOWEST   5 /* … so often */
#define TXPOOL_IN_VAIN   3 /* handed on so often in vain: may be replaced, and makes room */

struct txpool;

enum txpool_result { TXPOOL_TAKEN, TXPOOL_REFUSED, TXPOOL_FULL };

struct txpool_item {
	const uint8_t *bytes;
	size_t size;
};

/*
 * Hands transactions of one sender on, in the order of their nonces: how many of them, from the first on, were taken. May take
 * its time; it is called without the pool's lock, and for one sender by one thread at a time.
 */
typedef size_t (*txpool_send)(void *context, const struct txpool_item *items, size_t count);

/* `seconds` as TXPOOL_SECONDS, for what was handed on. */
struct txpool *txpool_create(txpool_send send, void *context, unsigned seconds);
void txpool_destroy(struct txpool *pool);

/* Takes in a transaction that is good but for its nonce, and waits until it was handed on, unless it lies beyond a gap.
 * `state_nonce` is the sender's in the last block. */
enum txpool_result txpool_add(struct txpool *pool, const struct transaction *transaction,
                              const uint8_t *bytes, size_t size, const struct address *sender,
                              uint64_t state_nonce, const char **why);
/* The sender's next nonce with its transactions here counted in. */
uint64_t txpool_next_nonce(struct txpool *pool, const struct address *sender, uint64_t state_nonce);
/* The sender's nonce at a final block: what is below it leaves. True: the next was handed on too long ago, and is to be handed on
 * again, with all that follows it. */
bool txpool_settle(struct txpool *pool, const struct address *sender, uint64_t nonce);
/* Hands on what is next in line from the nonce on, again or for the first time, as far as it is taken. */
void txpool_resume(struct txpool *pool, const struct address *sender, uint64_t nonce);
/* Senders that have something here, at most `room`, from where *cursor (0 at first) says; *cursor is 0 after the last. */
size_t txpool_senders(struct txpool *pool, struct address *out, size_t room, size_t *cursor);
/* A copy of a transaction here, or NULL. */
const uint8_t *txpool_find(struct txpool *pool, const struct hash32 *hash, struct arena *arena, size_t *size);
/* Takes out what is in a block, and what is there for too long. */
void txpool_block(struct txpool *pool, struct chain_view *view, uint64_t number);
size_t txpool_count(struct txpool *pool);

#endif
