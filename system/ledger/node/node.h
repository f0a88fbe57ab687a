/*
 * A running node: the consensus core, its log, its connections, its application, and the two local sockets of
 * its folder: `submit` takes payloads (frames of size 4, then payloads of size 4 and bytes, as in a batch),
 * `control` answers each connection with the node's status as JSON.
 */
#ifndef LEDGER_NODE_NODE_H
#define LEDGER_NODE_NODE_H

#include "crypto/mlkem.h"
#include "ledger/node/application.h"
#include "ledger/dag/dag.h"
#include "ledger/node/transport.h"

/* What all nodes of a network know: who takes part, by which keys, where. The file `network`. */
struct network {
	enum dag_mode mode;
	uint64_t members; /* of epoch 0 */
	struct transport_peer peers[DAG_MAX_VALIDATORS];
	uint8_t kem[DAG_MAX_VALIDATORS][MLKEM768_EK_SIZE]; /* for the encrypted mempool */
};

/* The secrets of one node. The file `key`: wiped by its owner. */
struct node_secrets {
	uint8_t sign_seed[HYBRID_SIGN_SEED_SIZE];
	uint8_t kem_seed[2 * MLKEM_SEED_SIZE];
};

struct node_options {
	const char *directory;
	const char *application;
	const char *application_options[8];
	size_t application_option_count;
	unsigned rpc_port;
	unsigned batch_bytes; /* a batch is sealed at this size … */
	unsigned batch_us;    /* … or age; 0: by the number of validators */
	unsigned round_us;    /* shortest round; 0: by the number of validators */
	unsigned idle_us;     /* longest */
	bool classical; /* signatures by Ed25519 alone: to measure what the other half costs; never for use */
};

void node_options_default(struct node_options *options);

bool network_read(const char *directory, struct network *network);
bool network_write(const char *directory, const struct network *network);
bool secrets_read(const char *directory, struct node_secrets *secrets);
/* Makes new ones and fills in the public side of `network` for validator `number`. */
bool secrets_create(const char *directory, struct network *network, unsigned number);

/* Runs until a signal (SIGTERM, SIGINT) ends it. The exit status. */
int node_run(const struct node_options *options);

#endif
