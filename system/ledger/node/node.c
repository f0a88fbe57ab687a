/*
 * The node's main loop: one thread drives the core, the connections and the local sockets; the log's writer
 * and the executor have threads of their own. A turn of the loop takes what has come, lets the core decide
 * once, and carries out what it says; so the busier the node, the larger the groups that share a write, a
 * signature, a record.
 */
#include "ledger/node/head.h"
#include "ledger/node/node_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
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
	if (hybrid_sign_prepared(node->prepared[node->self], &node->key, digest, DAG_DIGEST_SIZE,
	                         purposes[purpose], strlen(purposes[purpose]), fresh ? rnd : NULL,
	                         signature) != CRYPTO_OK)
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
	return hybrid_verify_prepared(node->prepared[validator], digest, DAG_DIGEST_SIZE, purposes[purpose],
	                              strlen(purposes[purpose]), signature,
	                              HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK;
}

/* ---- messages ---- */

_Static_assert(HEAD_MESSAGE != SNAPSHOT_WANT && HEAD_MESSAGE != SNAPSHOT_PART &&
                   HEAD_MESSAGE != OPENER_SHARES && HEAD_MESSAGE != OPENER_WANT,
               "each kind of message has a number of its own");

static void received(void *context, unsigned peer, struct blob *blob)
{
	struct ledger_node *node = context;
	if (blob->data[0] == SNAPSHOT_WANT && blob->size == 9) {
		snapshot_serve(node, peer, load_le64(blob->data + 1));
	} else if (blob->data[0] == SNAPSHOT_PART) {
		restore_part(node, peer, blob);
	} else if (blob->data[0] == HEAD_MESSAGE) {
		head_receive(node, peer, blob);
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

/* ---- start and loop ---- */

static void replay_visit(void *context, enum dag_record kind, const uint8_t *data, size_t size,
                         uint64_t ticket)
{
	struct ledger_node *node = context;
	dag_replay(node->dag, kind, data, size, ticket);
	if (kind == RECORD_BOUNDARY) {
		struct blob *blob = blob_copy(data, size);
		boundary_keep(node, blob);
		blob_release(blob);
	}
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

static uint64_t network_known(const struct network *network)
{
	uint64_t known = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		known |= network->peers[i].known ? set_of(i) : 0;
	return known;
}

static bool node_recover(struct ledger_node *node)
{
	struct last_state last = {0};
	uint64_t seed;
	bool good = getrandom(&seed, sizeof(seed), 0) == sizeof(seed);
	struct dag_config config = {.mode = node->network.mode,
	                            .self = node->self,
	                            .members = node->network.members,
	                            .validators = network_known(&node->network),
	                            .signer = {node, node->signature_size, node_sign, node_verify},
	                            .leader_timeout_us = 1000000,
	                            .round_us = node->options.round_us,
	                            .vote_us = node->options.round_us / 3,
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
	if (good) {
		node->opener = opener_create(&config);
		epoch_follow(node);
	} else {
		fprintf(stderr, "holon-ledger: the network file names another ML-KEM key for us than the key "
		                "file holds\n");
	}
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
	/* The same few keys check every message: what follows from a key alone is computed once. */
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if (node->network.peers[i].known) {
			/* Its vectors are aligned. */
			node->prepared[i] =
			    aligned_alloc(64, (sizeof(struct hybrid_prepared) + 63) / 64 * 64);
			if (!node->prepared[i])
				return false;
			hybrid_prepare(node->prepared[i], node->network.peers[i].key);
		}
	if (node->self == DAG_MAX_VALIDATORS) {
		fprintf(stderr, "holon-ledger: the key in %s is not one of the network's\n", directory);
		return false;
	}
	/*
	 * The more there are, the more messages a batch and a round make, and the longer they may take. Rounds cost signatures, whatever
	 * they carry: their length is what keeps these a small part of the work under load (docs/ledger-bench.md).
	 */
	unsigned size = set_size(node->network.members);
	if (!node->options.batch_us)
		node->options.batch_us = size <= 4 ? 4000 : 2000 * size;
	if (!node->options.round_us)
		node->options.round_us = 2000 * size;
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
	if (!node->state || node->epoll_fd < 0 || node->wake_fd < 0 ||
	    epoll_ctl(node->epoll_fd, EPOLL_CTL_ADD, node->wake_fd, &wake))
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
	node->status.starting = true;
	node->heads = heads_create();
	pthread_mutex_init(&node->lock, NULL);
	if (getrandom(&sequence, sizeof(sequence), 0) != sizeof(sequence))
		return false;
	node->sequence = sequence; /* batches of another life have other digests */
	node->ordered = ordered_open(directory, network_known(&node->network));
	if (!node->ordered)
		return false;
	struct snapshot_holder holder = {node->application, node->state, node->ordered};
	if (!snapshot_recover(&holder, directory) || !node->application->applied(node->state, &node->applied))
		return false;
	struct ordered_digests digests;
	ordered_digests(node->ordered, node->applied.index, &digests);
	ordered_state_root(&digests, node->applied.root, node->applied.root);
	return (node->log = log_open(name, node->wake_fd)) && node_recover(node) &&
	       (node->executor = executor_create(&holder, node->wake_fd)) && opener_open(node) &&
	       (node->transport = transport_create(&config)) &&
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
	if (node->status.starting)
		status_update(node, &(struct dag_figures){0});
	commits_forward(node, durable);
	injected_take(node);
	clients_resume(node);
	bool old =
	    node->batch && node->batch_count && node->now_us - node->batch_since_us >= node->options.batch_us;
	if (old || node->sealed)
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
	commits_drop(node);
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
	blob_release(node->witness);
	for (unsigned i = 0; i < PARTS; i++)
		blob_release(node->parts[i].core);
	for (unsigned i = 0; i < node->boundary_count; i++)
		blob_release(node->boundaries[i]);
	ordered_close(node->ordered);
	heads_destroy(node->heads);
	free(node->boundaries);
	effect_queue_free(&node->waiting);
	free(node->injected);
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		free(node->prepared[i]);
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
	sigaction(SIGXFSZ, &action, NULL); /* a file over the limit is a failed write like others */
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
