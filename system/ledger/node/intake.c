/*
 * Payloads on their way into batches: from clients of the socket `submit`, from other threads of the process, encrypted where they
 * are to be; and the status for the socket `control`.
 */
#include "ledger/node/node_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- batches ---- */

void batch_seal(struct ledger_node *node)
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

void injected_take(struct ledger_node *node)
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

enum ledger_submit_status inject(struct ledger_node *node, const uint8_t *payload, size_t size)
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
	pthread_mutex_lock(&node->lock);
	struct envelope_keys keys = {node->epoch, node->members, node->network.kem};
	pthread_mutex_unlock(&node->lock);
	size_t sealed_size = envelope_size(set_size(keys.members), size);
	envelope = ledger_allocate(1, sealed_size);
	enum ledger_submit_status status = LEDGER_SUBMIT_REFUSED;
	if (sealed_size <= LEDGER_MAX_PAYLOAD_SIZE && getrandom(key, sizeof(key), 0) == sizeof(key) &&
	    envelope_seal(&keys, key, ENVELOPE_ONE, payload, size, envelope) == CRYPTO_OK)
		status = inject(node, envelope, sealed_size);
	crypto_wipe(key, sizeof(key));
	free(envelope);
	return status;
}

enum ledger_submit_status ledger_node_submit_envelope(struct ledger_node *node, const uint8_t *envelope,
                                                      size_t size)
{
	struct envelope_view view;
	pthread_mutex_lock(&node->lock);
	uint64_t epoch = node->epoch, members = node->members;
	pthread_mutex_unlock(&node->lock);
	if (!size || size > LEDGER_MAX_PAYLOAD_SIZE ||
	    !envelope_decode(envelope, size, epoch, members, &view))
		return LEDGER_SUBMIT_REFUSED;
	return inject(node, envelope, size);
}

void ledger_node_get_status(struct ledger_node *node, struct ledger_node_status *status)
{
	pthread_mutex_lock(&node->lock);
	*status = node->status;
	pthread_mutex_unlock(&node->lock);
}

/* ---- local sockets ---- */

int local_listen(struct ledger_node *node, const char *name, void *tag)
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

void client_close(struct ledger_node *node, struct client *client)
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

bool client_read(struct ledger_node *node, struct client *client)
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

void client_accept(struct ledger_node *node)
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

void status_update(struct ledger_node *node, struct dag_figures *figures)
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
	                                           .validator = figures->member,
	                                           .starting = figures->applied < figures->recovered};
	pthread_mutex_unlock(&node->lock);
}

void control_answer(struct ledger_node *node)
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
	    "\"syncing\":%s,\"starting\":%s,\"diverged\":%s,\"payloadsOrdered\":%lu,\"batchesWaiting\":%lu,"
	    "\"batchBytes\":%"
	    "lu,"
	    "\"executorWaiting\":%u,\"applicationFailing\":%s,\"equivocations\":%lu,\"refused\":%lu,"
	    "\"signed\":%lu,"
	    "\"memberSet\":\"0x%lx\",\"logEntries\":%lu,\"verified\":%lu,\"logBytes\":%lu,\"logWrites\":%lu,"
	    "\"logSeconds\":%.3f,\"logError\":\"%s\"}\n",
	    node->self, figures.member ? "true" : "false", dag_rule_of(node->network.mode)->name,
	    figures.epoch, figures.round, figures.leader_round, figures.committed, node->applied.index, root,
	    figures.stable, figures.members, figures.quorum, transport_connected(node->transport),
	    figures.restoring ? "true" : "false", node->status.starting ? "true" : "false",
	    figures.diverged ? "true" : "false", node->payloads_ordered, figures.batches_waiting,
	    figures.batch_bytes, waiting, failing || node->ordered_failing ? "true" : "false",
	    figures.equivocations, figures.refused, figures.signed_count, node->members,
	    transparency_log_size(ordered_log(node->ordered)), figures.verified, bytes, syncs, seconds,
	    error ? strerror(error) : "");
	close(fd);
}
