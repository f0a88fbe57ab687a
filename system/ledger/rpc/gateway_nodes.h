/* The nodes that a gateway asks. One that did not answer in time, or whose proofs are wrong (gateway_proof.h), is asked last for a while. */
#ifndef LEDGER_RPC_GATEWAY_NODES_H
#define LEDGER_RPC_GATEWAY_NODES_H

#include "num/types.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#define GATEWAY_MAX_NODES     8
#define GATEWAY_NODE_SECONDS  10 /* for an answer that needs no execution */
#define GATEWAY_AVOID_SECONDS 10 /* how long one that did not answer is asked last */

struct gateway_nodes {
	const char *urls[GATEWAY_MAX_NODES];
	unsigned count;
	pthread_mutex_t lock;              /* what follows; never held while a node is waited for */
	time_t avoided[GATEWAY_MAX_NODES]; /* until then: it did not answer */
	time_t distrusted[GATEWAY_MAX_NODES];
	unsigned first; /* envelopes go to this one first */
};

/* The answer of the first node that gives one: one that is starting gives none. null where there is nothing to say, as to a
 * notification. NULL, and why. */
json_t *gateway_nodes_forward(struct gateway_nodes *nodes, const char *text, const char **why);
/* The result of a call to one node, or (`node` negative) to the first that answers; takes `params`. NULL: an error, whose message
 * is in `why`. */
json_t *gateway_nodes_ask(struct gateway_nodes *nodes, int node, const char *method, json_t *params,
                          char why[200]);
/* The nodes in the order in which they are to be asked, those that are avoided last. */
void gateway_nodes_order(struct gateway_nodes *nodes, unsigned order[GATEWAY_MAX_NODES]);
/* The node is asked last for a while: what it says is of no use. */
void gateway_nodes_avoid(struct gateway_nodes *nodes, unsigned node);
/* Hands an envelope, in hexadecimal, to the first node that takes it. */
bool gateway_nodes_envelope(struct gateway_nodes *nodes, const char *text);
/* Envelopes go to the next node first from now on: what the one so far took came into no block. */
void gateway_nodes_turn(struct gateway_nodes *nodes);

#endif
