/*
 * The gateway's subscriptions: as long as somebody has one, a thread asks a node four times a second for its last block, and for
 * the blocks since the one before. Logs are picked here, out of the receipts of a block whose bloom filter may hold some: so the
 * node does not learn which logs somebody waits for. Blocks come in order, none twice and none left out, also when the node that
 * answers changes; a connection whose logs cannot be had is ended, so that its client looks for itself what it missed.
 */
#ifndef LEDGER_RPC_GATEWAY_FEED_H
#define LEDGER_RPC_GATEWAY_FEED_H

#include "rpc/subscriptions.h"

struct gateway_feed;

/* A call to a node; NULL when it fails. `params` is taken over. Any thread. */
typedef json_t *gateway_ask(void *context, const char *method, json_t *params);

/* NULL when there is no thread to be had. */
struct gateway_feed *gateway_feed_start(gateway_ask *ask, void *context);
/* Before anybody subscribes. */
void gateway_feed_serve(struct gateway_feed *feed, struct rpc_server *server);
/* Ends the thread: before the server is stopped. */
void gateway_feed_quiet(struct gateway_feed *feed);
/* After that. */
void gateway_feed_destroy(struct gateway_feed *feed);

/* As subscriptions_add() and the others. The first one asks the node where it is. */
json_t *gateway_feed_subscribe(struct gateway_feed *feed, struct rpc_call *call);
json_t *gateway_feed_unsubscribe(struct gateway_feed *feed, struct rpc_call *call);
void gateway_feed_drop(struct gateway_feed *feed, uint64_t connection);
void gateway_feed_pending(struct gateway_feed *feed, const struct hash32 *hash);

/* A log of JSON as a node writes it; false when it is none. */
bool gateway_feed_log(const json_t *object, struct log *out);

#endif
