/*
 * Connections between nodes: TCP under the secure channel, two lanes a pair, so that votes never wait behind
 * batches. The node with the lower number dials. A message is (length 4, bytes) in the plaintext stream, cut
 * into records; small messages share one. What a peer's queue cannot hold is dropped: consensus asks again
 * for what it misses.
 */
#ifndef LEDGER_NODE_TRANSPORT_H
#define LEDGER_NODE_TRANSPORT_H

#include "ledger/dag/blob.h"
#include "ledger/dag/types.h"
#include "secure/secure.h"

#define LANES          2
#define LANE_CONSENSUS 0
#define LANE_BATCHES   1

struct transport;

struct transport_peer {
	bool known;
	char address[64]; /* IPv4 in dots */
	uint16_t port;
	uint8_t key[HYBRID_SIGN_PK_SIZE];
};

struct transport_config {
	unsigned self;
	const struct hybrid_sign_key *key;
	struct transport_peer peers[DAG_MAX_VALIDATORS]; /* ourselves included: where we listen */
	int epoll_fd;
	void *context;
	void (*received)(void *context, unsigned peer, struct blob *blob); /* the blob is borrowed */
};

/* Listens; NULL with a message. Its file descriptors in the epoll set carry pointers that transport_event
 * takes. */
struct transport *transport_create(const struct transport_config *config);
/* Whether the pointer of an epoll event is the transport's; handles it if so. */
bool transport_event(struct transport *transport, void *pointer, uint32_t events, uint64_t now_us);
/* Dials, times out, sends cookies anew. Call every 100 ms or so. */
void transport_tick(struct transport *transport, uint64_t now_us);
/* Queues; the reference is held. */
void transport_send(struct transport *transport, unsigned peer, unsigned lane, struct blob *blob);
/* Writes what is queued. True if some peer has more to be read: call transport_read before waiting for
 * events. */
bool transport_flush(struct transport *transport, uint64_t now_us);
void transport_read(struct transport *transport, uint64_t now_us);
unsigned transport_connected(const struct transport *transport);
void transport_destroy(struct transport *transport);

#endif
