/*
 * The node's main loop: one thread drives the core, the connections and the local sockets; the log's writer
 * and the executor have threads of their own. A turn of the loop takes what has come, lets the core decide
 * once, and carries out what it says; so the busier the node, the larger the groups that share a write, a
 * signature, a record.
 */
#include "ledger/node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "ledger/node/executor.h"
#include "ledger/node/log.h"

#define CLIENT_BYTES   (256u << 10)
#define MAX_CLIENTS    256
#define MAX_BACKLOG    (64u << 20) /* log bytes not durable beyond which clients wait */
#define MAX_EXECUTOR   64          /* commits waiting beyond which clients wait */
#define SNAPSHOT_WANT  0x80        /* node messages: kind, index 8 */
#define SNAPSHOT_PART  0x81        /* kind, index 8, offset 8, total 8, bytes */
#define SNAPSHOT_BYTES (1u << 20)
#define SNAPSHOT_US    10000000 /* how long after a request snapshots are made at checkpoints */
#define CHECKPOINT     64

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

	/* commits */
	struct dag_effect *waiting;
	unsigned waiting_first, waiting_count, waiting_room;
	struct ledger_applied
	    applied; /* what the executor has been given, or the application held at the start */
	uint64_t ordered, proven;

	/* snapshots: of checkpoint `served`, with its certificate */
	uint64_t snapshot_until_us, served, snapshot_made;
	struct blob *served_message;
	uint64_t restoring;
	unsigned restore_peer;
	uint8_t restore_root[LEDGER_ROOT_SIZE];
	FILE *restore_file;
	uint64_t restore_offset;
};

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static uint64_t clock_us(clockid_t which)
{
	struct timespec now;
	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- signatures ---- */

static const char *const purposes[] = {[DAG_HEADER] = "Holon ledger v1: header",
                                       [DAG_VOTES] = "Holon ledger v1: votes",
                                       [DAG_CHECKPOINT] = "Holon ledger v1: checkpoint"};

static void node_sign(void *context, enum dag_message purpose, const struct dag_digest *digest,
                      uint8_t *signature)
{
	struct ledger_node *node = context;
	uint8_t rnd[HYBRID_SIGN_RND_SIZE];
	if (node->options.classical) {
		ed25519_sign(node->key.ed25519_sk, digest, DAG_DIGEST_SIZE, signature);
		return;
	}
	/* Without fresh randomness signing is deterministic, which is safe, too. */
	bool fresh = getrandom(rnd, sizeof(rnd), 0) == sizeof(rnd);
	if (hybrid_sign(&node->key, digest, DAG_DIGEST_SIZE, purposes[purpose], strlen(purposes[purpose]),
	                fresh ? rnd : NULL, signature) != CRYPTO_OK)
		abort();
}

static bool node_verify(void *context, unsigned validator, enum dag_message purpose,
                        const struct dag_digest *digest, const uint8_t *signature)
{
	struct ledger_node *node = context;
	const uint8_t *key = node->network.peers[validator].key;
	if (!node->network.peers[validator].known)
		return false;
	if (node->options.classical)
		return ed25519_verify(key, digest, DAG_DIGEST_SIZE, signature) == CRYPTO_OK;
	return hybrid_verify(key, HYBRID_SIGN_PK_SIZE, digest, DAG_DIGEST_SIZE, purposes[purpose],
	                     strlen(purposes[purpose]), signature, HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK;
}

/* ---- batches ---- */

static void batch_seal(struct ledger_node *node)
{
	if (node->batch && node->batch_count && !node->sealed) {
		struct blob *blob = node->batch;
		blob->data[0] = DAG_BATCH;
		store_le16(blob->data + 1, (uint16_t)node->self);
		blob->data[3] = 0;
		store_le64(blob->data + 4, node->sequence++);
		store_le32(blob->data + 12, node->batch_count);
		blob->size = (uint32_t)node->batch_size;
		node->sealed = blob;
		node->batch = NULL;
	}
	if (node->sealed && dag_submit(node->dag, node->sealed)) {
		blob_release(node->sealed);
		node->sealed = NULL;
	}
}

/* Room for `size` more bytes in the batch under way; false while the core takes no more. */
static bool batch_room(struct ledger_node *node, size_t size)
{
	if (node->batch && node->batch_size + size > node->options.batch_bytes && node->batch_count) {
		if (node->sealed)
			return false;
		batch_seal(node);
	}
	if (!node->batch) {
		if (node->sealed)
			return false;
		node->batch = blob_create(node->options.batch_bytes + LEDGER_MAX_PAYLOAD_SIZE + CLIENT_BYTES);
		node->batch_size = WIRE_BATCH_HEAD;
		node->batch_count = 0;
		node->batch_since_us = node->now_us;
	}
	return true;
}

/* The payloads of one frame: sizes 4 and bytes. False if it is malformed. */
static bool frame_count(const uint8_t *data, size_t size, uint32_t *count)
{
	*count = 0;
	for (size_t at = 0; at < size; (*count)++) {
		if (size - at < 5)
			return false;
		uint32_t length = load_le32(data + at);
		if (!length || length > LEDGER_MAX_PAYLOAD_SIZE || length > size - at - 4)
			return false;
		at += 4 + (size_t)length;
	}
	return true;
}

static bool frame_take(struct ledger_node *node, const uint8_t *data, size_t size, uint32_t count)
{
	if (!batch_room(node, size))
		return false;
	memcpy(node->batch->data + node->batch_size, data, size);
	node->batch_size += size;
	node->batch_count += count;
	return true;
}

static void injected_take(struct ledger_node *node)
{
	pthread_mutex_lock(&node->lock);
	size_t at = 0;
	while (at < node->injected_size) {
		uint32_t size = load_le32(node->injected + at);
		if (!frame_take(node, node->injected + at, 4 + (size_t)size, 1))
			break;
		at += 4 + (size_t)size;
	}
	if (at)
		memmove(node->injected, node->injected + at, node->injected_size - at);
	node->injected_size -= at;
	pthread_mutex_unlock(&node->lock);
}

static enum ledger_submit_status inject(struct ledger_node *node, const uint8_t *payload, size_t size)
{
	enum ledger_submit_status status = LEDGER_SUBMITTED;
	uint64_t one = 1;
	pthread_mutex_lock(&node->lock);
	if (node->stopping) {
		status = LEDGER_SUBMIT_STOPPED;
	} else if (node->injected_size + size + 4 > 4 * (size_t)CLIENT_BYTES) {
		status = LEDGER_SUBMIT_BUSY;
	} else {
		store_le32(node->injected + node->injected_size, (uint32_t)size);
		memcpy(node->injected + node->injected_size + 4, payload, size);
		node->injected_size += size + 4;
		(void)!write(node->wake_fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&node->lock);
	return status;
}

enum ledger_submit_status ledger_node_submit(struct ledger_node *node, const uint8_t *payload, size_t size,
                                             bool encrypt)
{
	char why[128];
	if (!size || size > (encrypt ? ENVELOPE_MAX_PLAIN : LEDGER_MAX_PAYLOAD_SIZE) ||
	    (payload[0] >= LEDGER_RESERVED_FIRST && payload[0] <= LEDGER_RESERVED_LAST) ||
	    (node->application->check &&
	     !node->application->check(node->state, payload, size, why, sizeof(why))))
		return LEDGER_SUBMIT_REFUSED;
	if (!encrypt)
		return inject(node, payload, size);
	uint8_t key[ENVELOPE_KEY], *envelope;
	struct envelope_keys keys = {0, node->network.members, node->network.kem};
	size_t sealed_size = envelope_size(set_size(keys.members), size);
	envelope = ledger_allocate(1, sealed_size);
	enum ledger_submit_status status = LEDGER_SUBMIT_REFUSED;
	if (sealed_size <= LEDGER_MAX_PAYLOAD_SIZE && getrandom(key, sizeof(key), 0) == sizeof(key) &&
	    envelope_seal(&keys, key, payload, size, envelope) == CRYPTO_OK)
		status = inject(node, envelope, sealed_size);
	crypto_wipe(key, sizeof(key));
	free(envelope);
	return status;
}

void ledger_node_get_status(struct ledger_node *node, struct ledger_node_status *status)
{
	pthread_mutex_lock(&node->lock);
	*status = node->status;
	pthread_mutex_unlock(&node->lock);
}

/* ---- local sockets ---- */

static int local_listen(struct ledger_node *node, const char *name, void *tag)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int length =
	    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", node->options.directory, name);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
	if (length >= (int)sizeof(address.sun_path)) {
		fprintf(stderr, "holon-ledger: the folder's name is too long for a socket: %s\n",
		        node->options.directory);
		return -1;
	}
	unlink(address.sun_path);
	mode_t mask = umask(0077);
	bool good = fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 64) &&
	            !epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	umask(mask);
	if (!good)
		fprintf(stderr, "holon-ledger: cannot listen on %s: %s\n", address.sun_path, strerror(errno));
	return good ? fd : -1;
}

static void client_close(struct ledger_node *node, struct client *client)
{
	struct client **link = &node->clients;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	close(client->fd);
	free(client->input);
	free(client);
	node->client_count--;
}

/* Takes the whole frames that are there. False: the client sends nonsense. */
static bool client_frames(struct ledger_node *node, struct client *client)
{
	size_t at = 0;
	bool good = true;
	client->paused = false;
	while (client->size - at >= 4) {
		uint32_t size = load_le32(client->input + at), count;
		if (!size || size > CLIENT_BYTES - 4) {
			good = false;
			break;
		}
		if (client->size - at - 4 < size)
			break;
		if (!frame_count(client->input + at + 4, size, &count)) {
			good = false;
			break;
		}
		if (!frame_take(node, client->input + at + 4, size, count)) {
			client->paused = true;
			break;
		}
		at += 4 + (size_t)size;
	}
	if (at)
		memmove(client->input, client->input + at, client->size - at);
	client->size -= at;
	return good;
}

static bool client_read(struct ledger_node *node, struct client *client)
{
	bool failing;
	for (unsigned turns = 0; turns < 4; turns++) {
		if (!client_frames(node, client))
			return false;
		if (client->paused || log_backlog(node->log) > MAX_BACKLOG ||
		    executor_waiting(node->executor, &failing) > MAX_EXECUTOR) {
			client->paused = true;
			return true;
		}
		ssize_t got = recv(client->fd, client->input + client->size, CLIENT_BYTES - client->size, 0);
		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (got < 0)
			return true;
		client->size += (size_t)got;
	}
	client->paused = true; /* there may be more */
	return client_frames(node, client);
}

static void client_accept(struct ledger_node *node)
{
	int fd = accept4(node->submit_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (node->client_count == MAX_CLIENTS) {
		close(fd);
		return;
	}
	struct client *client = ledger_allocate(1, sizeof(*client));
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = client};
	client->fd = fd;
	client->input = ledger_allocate(1, CLIENT_BYTES);
	client->next = node->clients;
	node->clients = client;
	node->client_count++;
	if (epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, fd, &event))
		client_close(node, client);
}

static void status_update(struct ledger_node *node, struct dag_figures *figures)
{
	dag_get_figures(node->dag, figures);
	pthread_mutex_lock(&node->lock);
	node->status = (struct ledger_node_status){.epoch = figures->epoch,
	                                           .round = figures->round,
	                                           .committed = figures->committed,
	                                           .applied = figures->applied,
	                                           .pending_payloads = figures->batches_waiting,
	                                           .validators = figures->members,
	                                           .quorum = figures->quorum,
	                                           .peers = transport_connected(node->transport),
	                                           .syncing = figures->restoring,
	                                           .validator = figures->member};
	pthread_mutex_unlock(&node->lock);
}

static void control_answer(struct ledger_node *node)
{
	struct dag_figures figures;
	uint64_t bytes, syncs;
	double seconds;
	bool failing;
	int fd = accept4(node->control_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	status_update(node, &figures);
	log_figures(node->log, &bytes, &syncs, &seconds);
	unsigned waiting = executor_waiting(node->executor, &failing);
	char root[2 * LEDGER_ROOT_SIZE + 1];
	for (unsigned i = 0; i < LEDGER_ROOT_SIZE; i++)
		snprintf(root + 2 * i, 3, "%02x", node->applied.root[i]);
	int error = log_error(node->log);
	dprintf(
	    fd,
	    "{\"validator\":%u,\"member\":%s,\"rule\":\"%s\",\"epoch\":%lu,\"round\":%lu,\"leaderRound\":%lu,"
	    "\"committed\":%lu,\"applied\":%lu,\"root\":\"0x%s\",\"stable\":%lu,\"validators\":%u,\"quorum\":"
	    "%u,\"peers\":%u,"
	    "\"syncing\":%s,\"diverged\":%s,\"payloadsOrdered\":%lu,\"batchesWaiting\":%lu,\"batchBytes\":%"
	    "lu,"
	    "\"executorWaiting\":%u,\"applicationFailing\":%s,\"equivocations\":%lu,\"refused\":%lu,"
	    "\"signed\":%lu,"
	    "\"verified\":%lu,\"logBytes\":%lu,\"logWrites\":%lu,\"logSeconds\":%.3f,\"logError\":\"%s\"}\n",
	    node->self, figures.member ? "true" : "false", dag_rule_of(node->network.mode)->name,
	    figures.epoch, figures.round, figures.leader_round, figures.committed, node->applied.index, root,
	    figures.stable, figures.members, figures.quorum, transport_connected(node->transport),
	    figures.restoring ? "true" : "false", figures.diverged ? "true" : "false", node->ordered,
	    figures.batches_waiting, figures.batch_bytes, waiting, failing ? "true" : "false",
	    figures.equivocations, figures.refused, figures.signed_count, figures.verified, bytes, syncs,
	    seconds, error ? strerror(error) : "");
	close(fd);
}

/* ---- snapshots ---- */

static void snapshot_name(const struct ledger_node *node, uint64_t index, char out[320])
{
	snprintf(out, 320, "%s/snapshot-%lu", node->options.directory, index);
}

static void snapshot_serve(struct ledger_node *node, unsigned peer, uint64_t index)
{
	char name[320];
	node->snapshot_until_us = node->now_us + SNAPSHOT_US;
	snapshot_name(node, index, name);
	FILE *in = fopen(name, "r");
	if (!in)
		return;
	fseek(in, 0, SEEK_END);
	long total = ftell(in);
	rewind(in);
	for (uint64_t offset = 0; total >= 0 && offset <= (uint64_t)total; offset += SNAPSHOT_BYTES) {
		uint64_t part =
		    (uint64_t)total - offset < SNAPSHOT_BYTES ? (uint64_t)total - offset : SNAPSHOT_BYTES;
		struct blob *blob = blob_create(25 + part);
		blob->data[0] = SNAPSHOT_PART;
		store_le64(blob->data + 1, index);
		store_le64(blob->data + 9, offset);
		store_le64(blob->data + 17, (uint64_t)total);
		if (fread(blob->data + 25, 1, part, in) == part)
			transport_send(node->transport, peer, LANE_BATCHES, blob);
		blob_release(blob);
	}
	fclose(in);
}

static void restore_end(struct ledger_node *node, bool good)
{
	if (node->restore_file)
		fclose(node->restore_file);
	node->restore_file = NULL;
	if (!good) {
		dag_restored(node->dag, node->restoring, false);
		node->restoring = 0;
	}
}

static void restore_begin(struct ledger_node *node, const struct dag_effect *effect)
{
	char name[320];
	struct blob *blob = blob_create(9);
	restore_end(node, true);
	node->restoring = effect->index;
	node->restore_peer = effect->peer;
	node->restore_offset = 0;
	memcpy(node->restore_root, &effect->digest, LEDGER_ROOT_SIZE);
	snprintf(name, sizeof(name), "%s/restore", node->options.directory);
	node->restore_file = fopen(name, "w");
	blob->data[0] = SNAPSHOT_WANT;
	store_le64(blob->data + 1, effect->index);
	transport_send(node->transport, effect->peer, LANE_CONSENSUS, blob);
	blob_release(blob);
}

static void restore_part(struct ledger_node *node, unsigned peer, const struct blob *blob)
{
	if (blob->size < 25 || peer != node->restore_peer || !node->restore_file ||
	    load_le64(blob->data + 1) != node->restoring || load_le64(blob->data + 9) != node->restore_offset)
		return;
	uint64_t total = load_le64(blob->data + 17);
	size_t part = blob->size - 25;
	node->restore_offset += part;
	if (node->restore_offset > total || fwrite(blob->data + 25, 1, part, node->restore_file) != part ||
	    (node->restore_offset < total && !part)) {
		restore_end(node, false);
		return;
	}
	if (node->restore_offset < total)
		return;
	struct job job = {.kind = JOB_RESTORE, .index = node->restoring};
	memcpy(job.root, node->restore_root, LEDGER_ROOT_SIZE);
	snprintf(job.file, sizeof(job.file), "%s/restore", node->options.directory);
	restore_end(node, true);
	executor_push(node->executor, &job);
}

/* ---- messages and effects ---- */

static void received(void *context, unsigned peer, struct blob *blob)
{
	struct ledger_node *node = context;
	if (blob->data[0] == SNAPSHOT_WANT && blob->size == 9) {
		snapshot_serve(node, peer, load_le64(blob->data + 1));
	} else if (blob->data[0] == SNAPSHOT_PART) {
		restore_part(node, peer, blob);
	} else if (blob->data[0] == OPENER_SHARES || blob->data[0] == OPENER_WANT) {
		opener_receive(node->opener, peer, blob);
	} else if (blob->data[0] == DAG_STATE_WANT && blob->size == 17 && node->served_message &&
	           node->served > load_le64(blob->data + 1) &&
	           load_le64(blob->data + 9) == node->status.epoch) {
		/* Better the state whose snapshot is here than the newest. */
		node->snapshot_until_us = node->now_us + SNAPSHOT_US;
		transport_send(node->transport, peer, LANE_CONSENSUS, node->served_message);
	} else {
		if (blob->data[0] == DAG_STATE_WANT)
			node->snapshot_until_us = node->now_us + SNAPSHOT_US;
		dag_receive(node->dag, peer, blob);
	}
}

static void waiting_push(struct ledger_node *node, const struct dag_effect *effect)
{
	if (node->waiting_count == node->waiting_room) {
		unsigned room = node->waiting_room ? 2 * node->waiting_room : 16;
		struct dag_effect *waiting = ledger_allocate(room, sizeof(*waiting));
		for (unsigned i = 0; i < node->waiting_count; i++)
			waiting[i] = node->waiting[(node->waiting_first + i) % node->waiting_room];
		free(node->waiting);
		node->waiting = waiting;
		node->waiting_first = 0;
		node->waiting_room = room;
	}
	node->waiting[(node->waiting_first + node->waiting_count++) % node->waiting_room] = *effect;
}

/* What the opener says: shares to the others, responses into the sequence, opened commits to the executor. */
static void outputs_take(struct ledger_node *node)
{
	struct opener_output output;
	while (opener_next(node->opener, &output)) {
		if (output.kind == OPENER_SEND) {
			for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
				if ((output.peer == DAG_EVERYONE || output.peer == i) &&
				    node->network.peers[i].known && i != node->self)
					transport_send(node->transport, i, LANE_CONSENSUS, output.blob);
			blob_release(output.blob);
			continue;
		}
		if (output.kind == OPENER_SUBMIT) {
			(void)inject(node, output.blob->data, output.blob->size);
			blob_release(output.blob);
			continue;
		}
		struct job job = {.kind = JOB_APPLY,
		                  .index = output.effect.index,
		                  .effect = output.effect,
		                  .opened = output.opened,
		                  .opened_count = output.opened_count};
		if (job.index % CHECKPOINT == 0 && node->now_us < node->snapshot_until_us &&
		    node->application->snapshot) {
			job.snapshot = true;
			snapshot_name(node, job.index, job.file);
		}
		executor_push(node->executor, &job);
	}
}

/* Commits whose certificates are durable are opened and go to the executor. */
static void commits_forward(struct ledger_node *node, uint64_t durable)
{
	while (node->waiting_count && node->waiting[node->waiting_first].ticket <= durable &&
	       !node->restoring) {
		struct dag_effect effect = node->waiting[node->waiting_first];
		node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
		node->waiting_count--;
		if (effect.index <= node->applied.index) {
			if (effect.index == node->applied.index)
				dag_applied(node->dag, effect.index, node->applied.root);
			dag_effect_release(&effect);
			continue;
		}
		opener_commit(node->opener, &effect, node->now_us);
	}
	opener_tick(node->opener, node->now_us);
	outputs_take(node);
}

static void results_take(struct ledger_node *node)
{
	struct job job;
	while (executor_result(node->executor, &job)) {
		switch (job.kind) {
		case JOB_APPLY:
			if (job.good) {
				for (unsigned i = 0; i < job.effect.batch_count; i++)
					node->ordered += load_le32(job.effect.batches[i].blob->data + 12);
				node->applied.index = job.index;
				memcpy(node->applied.root, job.root, LEDGER_ROOT_SIZE);
				dag_applied(node->dag, job.index, job.root);
				if (job.snapshot)
					node->snapshot_made = job.index;
			}
			dag_effect_release(&job.effect);
			opened_release(job.opened, job.opened_count);
			break;
		case JOB_FLUSH:
			if (job.good)
				dag_settled(node->dag, job.index);
			break;
		case JOB_RESTORE:
			if (job.good) {
				node->applied.index = job.index;
				memcpy(node->applied.root, job.root, LEDGER_ROOT_SIZE);
				opener_clear(node->opener);
				while (node->waiting_count) {
					dag_effect_release(&node->waiting[node->waiting_first]);
					node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
					node->waiting_count--;
				}
			}
			dag_restored(node->dag, job.index, job.good);
			node->restoring = 0;
			break;
		}
	}
}

static void send_effect(struct ledger_node *node, struct dag_effect *effect)
{
	unsigned lane = effect->blob->data[0] == DAG_BATCH ? LANE_BATCHES : LANE_CONSENSUS;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if ((effect->peer == DAG_EVERYONE || effect->peer == i) && node->network.peers[i].known &&
		    i != node->self)
			transport_send(node->transport, i, lane, effect->blob);
}

static void stable(struct ledger_node *node, struct dag_effect *effect)
{
	struct job job = {.kind = JOB_FLUSH, .index = effect->index};
	executor_push(node->executor, &job);
	log_forget(node->log, dag_oldest_ticket(node->dag));
	if (node->snapshot_made != effect->index)
		return;
	if (node->served_message) {
		char name[320];
		snapshot_name(node, node->served, name);
		unlink(name);
		blob_release(node->served_message);
	}
	node->served = effect->index;
	node->served_message = blob_hold(effect->blob);
}

static void evidence_record(struct ledger_node *node, const struct dag_effect *effect)
{
	char name[320];
	snprintf(name, sizeof(name), "%s/evidence-%u-%lu", node->options.directory, effect->peer,
	         node->proven++ % 1000);
	FILE *out = fopen(name, "w");
	if (!out)
		return;
	(void)!fwrite(effect->blob->data, effect->blob->size, 1, out);
	fclose(out);
	fprintf(stderr, "holon-ledger: validator %u signed two headers of one round; the proof is %s\n",
	        effect->peer, name);
}

static void carry_out(struct ledger_node *node)
{
	struct dag_effect *effect;
	dag_flush(node->dag);
	while ((effect = dag_next_effect(node->dag))) {
		struct dag_effect mine = *effect;
		struct blob *blob;
		switch (mine.kind) {
		case DAG_SEND:
			send_effect(node, &mine);
			break;
		case DAG_PERSIST:
			log_append(node->log, mine.record, mine.blob, mine.ticket);
			continue; /* the reference went along */
		case DAG_COMMITTED:
			waiting_push(node, &mine);
			continue;
		case DAG_PROVEN:
			evidence_record(node, &mine);
			break;
		case DAG_LOAD:
			if ((blob = log_read(node->log, mine.ticket)))
				transport_send(node->transport, mine.peer, LANE_BATCHES, blob);
			blob_release(blob);
			break;
		case DAG_RESTORE:
			restore_begin(node, &mine);
			break;
		case DAG_STABLE:
			stable(node, &mine);
			break;
		}
		dag_effect_release(&mine);
	}
	log_kick(node->log);
}

/* ---- start and loop ---- */

static void replay_visit(void *context, enum dag_record kind, const uint8_t *data, size_t size,
                         uint64_t ticket)
{
	dag_replay(((struct ledger_node *)context)->dag, kind, data, size, ticket);
}

struct last_state {
	uint8_t *data;
	size_t size;
	uint64_t ticket;
};

static void state_visit(void *context, enum dag_record kind, const uint8_t *data, size_t size,
                        uint64_t ticket)
{
	struct last_state *last = context;
	(void)kind;
	free(last->data);
	last->data = ledger_allocate(1, size + 1);
	memcpy(last->data, data, size);
	last->size = size;
	last->ticket = ticket;
}

static bool node_recover(struct ledger_node *node)
{
	struct last_state last = {0};
	uint64_t seed;
	bool good = getrandom(&seed, sizeof(seed), 0) == sizeof(seed);
	uint64_t known = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		known |= node->network.peers[i].known ? set_of(i) : 0;
	struct dag_config config = {.mode = node->network.mode,
	                            .self = node->self,
	                            .members = node->network.members,
	                            .validators = known,
	                            .signer = {node, node->signature_size, node_sign, node_verify},
	                            .leader_timeout_us = 1000000,
	                            .round_us = node->options.round_us,
	                            .idle_us = node->options.idle_us,
	                            .sync_us = 400000,
	                            .checkpoint_commits = CHECKPOINT,
	                            .seed = seed};
	node->dag = dag_create(&config);
	good = good && log_replay(node->log, RECORD_STATE, state_visit, &last);
	if (good && last.data)
		dag_replay(node->dag, RECORD_STATE, last.data, last.size, last.ticket);
	free(last.data);
	good = good && log_replay(node->log, 0, replay_visit, node);
	if (good)
		dag_begin(node->dag, clock_us(CLOCK_MONOTONIC), clock_us(CLOCK_REALTIME) / 1000,
		          node->applied.index);
	return good;
}

static bool opener_open(struct ledger_node *node)
{
	struct opener_config config = {.self = node->self,
	                               .keys = {0, node->network.members, node->network.kem},
	                               .patience_us = 1000000};
	uint8_t ek[MLKEM768_EK_SIZE];
	bool good = mlkem_keygen(MLKEM_768, node->secrets.kem_seed, node->secrets.kem_seed + MLKEM_SEED_SIZE,
	                         ek, config.dk) == CRYPTO_OK &&
	            !memcmp(ek, node->network.kem[node->self], sizeof(ek));
	if (good)
		node->opener = opener_create(&config);
	else
		fprintf(stderr, "holon-ledger: the network file names another ML-KEM key for us than the key "
		                "file holds\n");
	crypto_wipe(&config, sizeof(config));
	return good;
}

static bool node_open(struct ledger_node *node)
{
	char name[320];
	const char *directory = node->options.directory;
	snprintf(name, sizeof(name), "%s/lock", directory);
	node->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (node->lock_fd < 0 || flock(node->lock_fd, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "holon-ledger: %s: %s; is another node running there?\n", name,
		        strerror(errno));
		return false;
	}
	if (!network_read(directory, &node->network) || !secrets_read(directory, &node->secrets) ||
	    hybrid_sign_keygen(&node->key, node->secrets.sign_seed) != CRYPTO_OK)
		return false;
	node->self = DAG_MAX_VALIDATORS;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if (node->network.peers[i].known &&
		    !memcmp(node->network.peers[i].key, node->key.pk, HYBRID_SIGN_PK_SIZE))
			node->self = i;
	if (node->self == DAG_MAX_VALIDATORS) {
		fprintf(stderr, "holon-ledger: the key in %s is not one of the network's\n", directory);
		return false;
	}
	/* The more there are, the more messages a batch and a round make, and the longer they may take. */
	unsigned size = set_size(node->network.members);
	if (!node->options.batch_us)
		node->options.batch_us = size <= 4 ? 4000 : 2000 * size;
	if (!node->options.round_us)
		node->options.round_us = size <= 4 ? 2000 : 2000 * size;
	node->signature_size = node->options.classical ? ED25519_SIGNATURE_SIZE : HYBRID_SIGN_SIGNATURE_SIZE;
	node->application = ledger_application_find(node->options.application);
	if (!node->application) {
		fprintf(stderr, "holon-ledger: there is no application '%s'\n", node->options.application);
		return false;
	}
	snprintf(name, sizeof(name), "%s/application", directory);
	if (mkdir(name, 0700) && errno != EEXIST) {
		fprintf(stderr, "holon-ledger: cannot create %s: %s\n", name, strerror(errno));
		return false;
	}
	node->state = node->application->open(name, node->options.application_options,
	                                      node->options.application_option_count);
	node->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	node->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct epoll_event wake = {.events = EPOLLIN, .data.ptr = &node->wake_fd};
	if (!node->state || !node->application->applied(node->state, &node->applied) || node->epoll_fd < 0 ||
	    node->wake_fd < 0 || epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, node->wake_fd, &wake))
		return false;
	snprintf(name, sizeof(name), "%s/log", directory);
	struct transport_config config = {.self = node->self,
	                                  .key = &node->key,
	                                  .epoll_fd = node->epoll_fd,
	                                  .context = node,
	                                  .received = received};
	memcpy(config.peers, node->network.peers, sizeof(config.peers));
	uint64_t sequence;
	node->injected = ledger_allocate(4, CLIENT_BYTES);
	pthread_mutex_init(&node->lock, NULL);
	if (getrandom(&sequence, sizeof(sequence), 0) != sizeof(sequence))
		return false;
	node->sequence = sequence; /* batches of another life have other digests */
	return (node->log = log_open(name, node->wake_fd)) && node_recover(node) &&
	       (node->executor = executor_create(node->application, node->state, node->wake_fd)) &&
	       opener_open(node) && (node->transport = transport_create(&config)) &&
	       (node->submit_fd = local_listen(node, "submit", &node->submit_fd)) >= 0 &&
	       (node->control_fd = local_listen(node, "control", &node->control_fd)) >= 0;
}

static void node_event(struct ledger_node *node, const struct epoll_event *event)
{
	void *pointer = event->data.ptr;
	uint64_t count;
	if (pointer == &node->wake_fd) {
		(void)!read(node->wake_fd, &count, sizeof(count));
	} else if (pointer == &node->submit_fd) {
		client_accept(node);
	} else if (pointer == &node->control_fd) {
		control_answer(node);
	} else if (!transport_event(node->transport, pointer, event->events, node->now_us)) {
		for (struct client *client = node->clients; client; client = client->next)
			if (client == pointer) {
				if (!client_read(node, client))
					client_close(node, client);
				break;
			}
	}
}

static void clients_resume(struct ledger_node *node)
{
	for (struct client *client = node->clients, *next; client; client = next) {
		next = client->next;
		if (client->paused && !client_read(node, client))
			client_close(node, client);
	}
}

static void node_turn(struct ledger_node *node)
{
	uint64_t durable = log_durable(node->log);
	dag_tick(node->dag, node->now_us, clock_us(CLOCK_REALTIME) / 1000);
	dag_persisted(node->dag, durable);
	results_take(node);
	commits_forward(node, durable);
	injected_take(node);
	clients_resume(node);
	if (node->batch && node->batch_count && node->now_us - node->batch_since_us >= node->options.batch_us)
		batch_seal(node);
	else if (node->sealed)
		batch_seal(node);
	carry_out(node);
	commits_forward(node, durable);
}

static void node_loop(struct ledger_node *node)
{
	bool more = false;
	while (!ended) {
		struct epoll_event events[64];
		uint64_t deadline = dag_deadline(node->dag), batch = UINT64_MAX;
		node->now_us = clock_us(CLOCK_MONOTONIC);
		if (node->batch && node->batch_count)
			batch = node->batch_since_us + node->options.batch_us;
		deadline = deadline < batch ? deadline : batch;
		uint64_t wait = more || deadline <= node->now_us ? 0 : deadline - node->now_us;
		wait = wait > 100000 ? 100000 : wait;
		struct timespec timeout = {.tv_nsec = (long)wait * 1000};
		int count = epoll_pwait2(node->epoll_fd, events, 64, &timeout, NULL);
		node->now_us = clock_us(CLOCK_MONOTONIC);
		for (int i = 0; i < count; i++)
			node_event(node, &events[i]);
		transport_read(node->transport, node->now_us);
		if (node->now_us - node->tick_us > 100000) {
			struct dag_figures figures;
			node->tick_us = node->now_us;
			transport_tick(node->transport, node->now_us);
			status_update(node, &figures);
		}
		node_turn(node);
		more = transport_flush(node->transport, node->now_us);
	}
}

static void node_close(struct ledger_node *node)
{
	pthread_mutex_lock(&node->lock);
	node->stopping = true;
	pthread_mutex_unlock(&node->lock);
	if (node->executor)
		executor_destroy(node->executor);
	while (node->clients)
		client_close(node, node->clients);
	while (node->waiting_count) {
		dag_effect_release(&node->waiting[node->waiting_first]);
		node->waiting_first = (node->waiting_first + 1) % node->waiting_room;
		node->waiting_count--;
	}
	opener_destroy(node->opener);
	if (node->transport)
		transport_destroy(node->transport);
	if (node->log)
		log_close(node->log);
	dag_destroy(node->dag);
	if (node->state) {
		(void)node->application->flush(node->state);
		node->application->close(node->state);
	}
	restore_end(node, true);
	blob_release(node->batch);
	blob_release(node->sealed);
	blob_release(node->served_message);
	free(node->waiting);
	free(node->injected);
	crypto_wipe(&node->key, sizeof(node->key));
	crypto_wipe(&node->secrets, sizeof(node->secrets));
}

void node_options_default(struct node_options *options)
{
	*options =
	    (struct node_options){.application = "bytes", .batch_bytes = 400u << 10, .idle_us = 300000};
}

int node_run(const struct node_options *options)
{
	struct ledger_node *node = ledger_allocate(1, sizeof(*node));
	struct sigaction action = {.sa_handler = end};
	node->options = *options;
	node->epoll_fd = node->wake_fd = node->submit_fd = node->control_fd = node->lock_fd = -1;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	bool good = node_open(node) && (!node->application->start ||
	                                node->application->start(node->state, node, options->rpc_port));
	if (good)
		node_loop(node);
	if (good && node->application->stop)
		node->application->stop(node->state);
	node_close(node);
	int fds[] = {node->submit_fd, node->control_fd, node->wake_fd, node->epoll_fd, node->lock_fd};
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(node);
	return good ? 0 : 1;
}
