/*
 * Subscriptions of WebSocket connections (eth_subscribe): who wants what, and the messages to them. A node feeds them from
 * its chain (methods_log.c), a gateway from nodes (gateway_feed.c).
 */
#ifndef LEDGER_RPC_SUBSCRIPTIONS_H
#define LEDGER_RPC_SUBSCRIPTIONS_H

#include "rpc/rpc_internal.h"

#define SUBSCRIPTIONS_MAX            4096
#define SUBSCRIPTIONS_MAX_CONNECTION 64    /* of one connection */
#define SUBSCRIPTIONS_MAX_CRITERIA   65536 /* addresses and topics of all together */

enum feed { FEED_BLOCKS, FEED_LOGS, FEED_PENDING };

struct subscription {
	struct subscription *next;
	uint64_t id;
	uint64_t connection;
	enum feed feed;
	struct log_filter logs;
};

void subscriptions_init(struct subscriptions *subscriptions);
void subscriptions_deinit(struct subscriptions *subscriptions);

/* The answers of eth_subscribe and eth_unsubscribe; NULL after rpc_fail(). */
json_t *subscriptions_add(struct subscriptions *subscriptions, struct rpc_call *call);
json_t *subscriptions_remove(struct subscriptions *subscriptions, struct rpc_call *call);
/* All of a connection that ended. */
void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection);

/* Sends `result`. `text`, NULL at first and the caller's to free, keeps its text for the next subscription. With the lock
 * held. */
void subscription_push(const struct subscription *subscription, struct rpc_server *server,
                       const json_t *result, char **text);
/* To all that wait for transactions on their way. */
void subscriptions_push_pending(struct subscriptions *subscriptions, struct rpc_server *server,
                                const struct hash32 *hash);

#endif
