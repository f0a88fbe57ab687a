/* The node's inside, shared by its files. All but what the comments except belongs to the main thread. */
#ifndef LEDGER_NODE_INTERNAL_H
#define LEDGER_NODE_INTERNAL_H

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "crypto/hybrid_prepared.h"
#include "ledger/dag/effect_queue.h"
#include "ledger/node/executor.h"
#include "ledger/node/log.h"
#include "ledger/node/node.h"
#include "ledger/ordered/ordered.h"

#define CLIENT_BYTES   (256u << 10)
#define MAX_CLIENTS    256
#define MAX_BACKLOG    (64u << 20) /* log bytes not durable beyond which clients wait */
#define MAX_EXECUTOR   64          /* commits waiting beyond which clients wait */
#define SNAPSHOT_WANT  0x80        /* node messages: kind, index 8 */
#define SNAPSHOT_PART  0x81        /* kind, index 8, offset 8, total 8, bytes */
#define SNAPSHOT_BYTES (1u << 20)
#define SNAPSHOT_US    10000000 /* how long after a request snapshots are made at checkpoints */
#define CHECKPOINT     64
#define PARTS          16

/* What a checkpoint's root was made of. */
struct checkpoint_parts {
	uint64_t index; /* 0: nothing */
	uint8_t application_root[LEDGER_ROOT_SIZE];
	struct ordered_digests digests;
	struct blob *core;
};

struct client {
	struct client *next;
	int fd;
	bool paused;
	uint8_t *input;
	size_t size;
};

struct ledger_node {
	struct node_options options;
	struct network network;
	struct node_secrets secrets;
	struct hybrid_sign_key key;
	struct hybrid_prepared *prepared[DAG_MAX_VALIDATORS]; /* the keys of those that are known */
	unsigned self;
	size_t signature_size;
	struct dag *dag;
	struct node_log *log;
	struct transport *transport;
	struct executor *executor;
	struct opener *opener;
	const struct ledger_application *application;
	void *state;
	int epoll_fd, wake_fd, submit_fd, control_fd, lock_fd;
	uint64_t now_us, tick_us;

	/* the batch being filled */
	struct blob *batch;
	size_t batch_size;
	uint32_t batch_count;
	uint64_t batch_since_us, sequence;
	struct blob *sealed; /* full, and refused by the core for now */
	struct client *clients;
	unsigned client_count;

	/* payloads of other threads */
	pthread_mutex_t lock;
	uint8_t *injected;
	size_t injected_size;
	bool stopping;
	struct ledger_node_status status;

	/* who decides now; also read by other threads, under the lock */
	uint64_t epoch, members;

	/* commits */
	struct effect_queue waiting;
	struct ledger_applied applied; /* the last one; the root is that of the whole state */
	uint64_t payloads_ordered, proven;
	struct ordered *ordered;
	bool ordered_failing; /* the disk took no change of it */

	/* of the last checkpoints: what leads from the application to the signed root, and the ordered core */
	struct checkpoint_parts parts[PARTS];

	/* snapshots: of checkpoint `served`, with its certificate */
	uint64_t snapshot_until_us, served, snapshot_made;
	struct blob *served_message;
	uint64_t restoring;
	unsigned restore_peer;
	uint8_t restore_root[LEDGER_ROOT_SIZE];
	FILE *restore_file;
	uint64_t restore_offset;

	/* proofs of the transparency log, under the lock: the newest stable state, and how epochs began */
	struct blob *witness;
	struct checkpoint_parts witness_parts;
	struct blob **boundaries;
	unsigned boundary_count, boundary_room;

	struct heads *heads;
};

static inline uint64_t clock_us(clockid_t which)
{
	struct timespec now;
	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* intake.c: payloads from clients and other threads, batches, the local sockets */
void batch_seal(struct ledger_node *node);
void injected_take(struct ledger_node *node);
enum ledger_submit_status inject(struct ledger_node *node, const uint8_t *payload, size_t size);
int local_listen(struct ledger_node *node, const char *name, void *tag);
void client_close(struct ledger_node *node, struct client *client);
bool client_read(struct ledger_node *node, struct client *client);
void client_accept(struct ledger_node *node);
void status_update(struct ledger_node *node, struct dag_figures *figures);
void control_answer(struct ledger_node *node);

/* snapshots.c: states for and from others */
void snapshot_name(const struct ledger_node *node, uint64_t index, char out[320]);
void snapshot_serve(struct ledger_node *node, unsigned peer, uint64_t index);
void restore_begin(struct ledger_node *node, const struct dag_effect *effect);
void restore_part(struct ledger_node *node, unsigned peer, const struct blob *blob);
void restore_end(struct ledger_node *node, bool good);

/* commits.c: the core's effects, and commits on their way through the opener to the application */
void epoch_follow(struct ledger_node *node);
void commits_forward(struct ledger_node *node, uint64_t durable);
void results_take(struct ledger_node *node);
void carry_out(struct ledger_node *node);
void commits_drop(struct ledger_node *node);

/* proofs.c: the transparency log for the outside */
void boundary_keep(struct ledger_node *node, struct blob *message);
void witness_take(struct ledger_node *node, uint64_t index, struct blob *message);

/* heads.c: what clients check answers by. Whether a commit of that time is a head: asked of each commit, in order. */
struct heads *heads_create(void);
void heads_destroy(struct heads *heads);
bool head_due(struct heads *heads, uint64_t time_ms);
void head_executed(struct ledger_node *node, const struct dag_commit *commit, const uint8_t *root);
void head_receive(struct ledger_node *node, unsigned peer, struct blob *message);

#endif
