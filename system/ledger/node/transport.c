/* Sockets, handshakes, queues. All on the node's main thread; every buffer has a limit. */
#include "ledger/node/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define INPUT_BYTES   (512u << 10)
#define OUTPUT_BYTES  (512u << 10)
#define QUEUE_BYTES   (128u << 20)
#define MAX_MESSAGE   DAG_MAX_MESSAGE_SIZE
#define MAX_STRANGERS 128 /* accepted connections whose peer is not known yet */
#define STRANGER_US   5000000
#define SMALL         16384 /* messages below this share a record */

static const char *const lane_contexts[LANES] = {"holon-ledger v1: consensus", "holon-ledger v1: batches"};

struct connection {
	struct connection *next;
	int fd;
	unsigned peer, lane;                         /* peer DAG_MAX_VALIDATORS: not known yet */
	bool dialed, connecting, open, broken, more; /* more: the socket was not read empty */
	uint64_t since_us;
	struct sockaddr_in address;
	struct secure_handshake *handshake;
	bool answered; /* responder: the handshake has begun */
	struct secure_channel channel;
	uint8_t *input;
	size_t input_size;
	uint8_t length[4]; /* of the message under way */
	unsigned length_got;
	struct blob *message;
	size_t message_got;
	uint8_t *output;
	size_t output_at, output_size;
	struct blob **queue;
	unsigned queue_first, queue_count, queue_room;
	size_t queue_bytes, sent_of_first; /* sent_of_first counts the four bytes of length, too */
};

struct transport {
	struct transport_config config;
	int listen_fd;
	struct connection *all;
	struct connection *lanes[DAG_MAX_VALIDATORS][LANES];
	uint64_t dial_us[DAG_MAX_VALIDATORS][LANES];
	unsigned strangers;
	struct secure_cookies cookies;
	uint64_t cookies_us;
	uint8_t *scratch;
};

static bool fill_random(void *out, size_t size)
{
	return getrandom(out, size, 0) == (ssize_t)size;
}

static struct connection *connection_create(struct transport *transport, int fd)
{
	struct connection *connection = ledger_allocate(1, sizeof(*connection));
	int one = 1, size = 1 << 20;
	connection->fd = fd;
	connection->peer = DAG_MAX_VALIDATORS;
	connection->input = ledger_allocate(1, INPUT_BYTES);
	connection->output = ledger_allocate(1, OUTPUT_BYTES);
	connection->handshake = ledger_allocate(1, sizeof(*connection->handshake));
	connection->next = transport->all;
	transport->all = connection;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = connection};
	if (epoll_ctl(transport->config.epoll_fd, EPOLL_CTL_ADD, fd, &event))
		connection->broken = true;
	return connection;
}

static void connection_destroy(struct transport *transport, struct connection *connection)
{
	struct connection **link = &transport->all;
	while (*link != connection)
		link = &(*link)->next;
	*link = connection->next;
	if (connection->peer == DAG_MAX_VALIDATORS)
		transport->strangers -= !connection->dialed;
	else if (transport->lanes[connection->peer][connection->lane] == connection)
		transport->lanes[connection->peer][connection->lane] = NULL;
	close(connection->fd);
	while (connection->queue_count) {
		blob_release(connection->queue[connection->queue_first]);
		connection->queue_first = (connection->queue_first + 1) % connection->queue_room;
		connection->queue_count--;
	}
	if (connection->handshake)
		secure_handshake_wipe(connection->handshake);
	secure_channel_wipe(&connection->channel);
	blob_release(connection->message);
	free(connection->handshake);
	free(connection->queue);
	free(connection->input);
	free(connection->output);
	free(connection);
}

/* Sends what is encrypted already; true when all of it went. */
static bool drain(struct connection *connection)
{
	while (connection->output_at < connection->output_size && !connection->connecting) {
		ssize_t done = send(connection->fd, connection->output + connection->output_at,
		                    connection->output_size - connection->output_at, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			connection->broken = connection->broken || (errno != EAGAIN && errno != EWOULDBLOCK);
			return false;
		}
		connection->output_at += (size_t)done;
	}
	if (connection->output_at == connection->output_size)
		connection->output_at = connection->output_size = 0;
	return !connection->output_size;
}

static void put_plain(struct connection *connection, const uint8_t *data, size_t size)
{
	if (size > OUTPUT_BYTES - connection->output_size) {
		connection->broken = true;
		return;
	}
	memcpy(connection->output + connection->output_size, data, size);
	connection->output_size += size;
}

static void put_record(struct connection *connection, const uint8_t *data, size_t size, uint64_t now_us)
{
	size_t out;
	if (secure_seal(&connection->channel, now_us, data, size,
	                connection->output + connection->output_size, &out) != SECURE_OK)
		connection->broken = true;
	else
		connection->output_size += out;
}

static void queue_shift(struct connection *connection)
{
	struct blob *blob = connection->queue[connection->queue_first];
	connection->queue_bytes -= blob->size;
	blob_release(blob);
	connection->queue_first = (connection->queue_first + 1) % connection->queue_room;
	connection->queue_count--;
	connection->sent_of_first = 0;
}

/* Turns queued messages into records while there is room. */
static void encrypt(struct transport *transport, struct connection *connection, uint64_t now_us)
{
	while (connection->queue_count && !connection->broken &&
	       OUTPUT_BYTES - connection->output_size > SECURE_MAX_RECORD + SECURE_STREAM_COST) {
		size_t size = 0;
		while (connection->queue_count && size + 4 < SECURE_MAX_RECORD) {
			struct blob *blob = connection->queue[connection->queue_first];
			if (connection->sent_of_first == 0) {
				store_le32(transport->scratch + size, blob->size);
				size += 4;
				connection->sent_of_first = 4;
			}
			size_t left = blob->size + 4 - connection->sent_of_first;
			/* A long message goes in records of its own, straight from where it is. */
			if (left > SMALL)
				break;
			if (size + left > SECURE_MAX_RECORD)
				break;
			memcpy(transport->scratch + size, blob->data + connection->sent_of_first - 4, left);
			size += left;
			queue_shift(connection);
		}
		if (size) {
			put_record(connection, transport->scratch, size, now_us);
			continue;
		}
		struct blob *blob = connection->queue[connection->queue_first];
		size_t left = blob->size + 4 - connection->sent_of_first;
		size_t part = left > SECURE_MAX_RECORD ? SECURE_MAX_RECORD : left;
		put_record(connection, blob->data + connection->sent_of_first - 4, part, now_us);
		connection->sent_of_first += part;
		if (part == left)
			queue_shift(connection);
	}
}

static void pump(struct transport *transport, struct connection *connection, uint64_t now_us)
{
	while (!connection->broken && (connection->open || connection->output_size)) {
		if (connection->open)
			encrypt(transport, connection, now_us);
		if (!connection->output_size || !drain(connection))
			return;
	}
}

static void opened(struct transport *transport, struct connection *connection, uint64_t now_us)
{
	secure_handshake_finish(connection->handshake, &connection->channel, now_us);
	free(connection->handshake);
	connection->handshake = NULL;
	connection->open = true;
	struct connection *old = transport->lanes[connection->peer][connection->lane];
	if (old && old != connection)
		old->broken = true; /* the peer came anew */
	transport->lanes[connection->peer][connection->lane] = connection;
}

static void identify(struct transport *transport, struct connection *connection)
{
	const uint8_t *key = secure_peer(connection->handshake);
	for (unsigned i = 0; i < transport->config.self; i++) /* only lower numbers dial us */
		if (transport->config.peers[i].known &&
		    !memcmp(transport->config.peers[i].key, key, HYBRID_SIGN_PK_SIZE)) {
			connection->peer = i;
			transport->strangers--;
			return;
		}
	connection->broken = true;
}

static void output_handshake(struct connection *connection)
{
	size_t size;
	const uint8_t *out = secure_handshake_output(connection->handshake, &size);
	if (out)
		put_plain(connection, out, size);
}

/* One handshake message, if it is whole; how many bytes it took. */
static size_t shake(struct transport *transport, struct connection *connection, const uint8_t *in,
                    size_t size, uint64_t now_us)
{
	size_t used = 0, reply_size = 0;
	uint8_t reply[SECURE_MAX_HANDSHAKE], random[SECURE_RANDOM_SIZE];
	enum secure_status status = SECURE_BAD;
	if (!connection->dialed && !connection->answered) {
		if (!fill_random(random, sizeof(random))) {
			connection->broken = true;
			return 0;
		}
		for (unsigned lane = 0; lane < LANES && status == SECURE_BAD; lane++) {
			struct secure_identity identity = {transport->config.key, lane_contexts[lane],
			                                   SECURE_STREAM};
			status = secure_respond(connection->handshake, &identity, &transport->cookies,
			                        &connection->address.sin_addr,
			                        sizeof(connection->address.sin_addr), in, size, &used, random,
			                        reply, &reply_size);
			connection->lane = lane;
		}
		if (status == SECURE_OK)
			put_plain(connection, reply, reply_size);
		if (status == SECURE_DONE) {
			connection->answered = true;
			output_handshake(connection);
		}
		connection->broken = connection->broken || status == SECURE_BAD;
		return used;
	}
	status = secure_handshake_input(connection->handshake, in, size, &used);
	if (status == SECURE_OK) {
		output_handshake(connection);
	} else if (status == SECURE_APPROVE) {
		identify(transport, connection);
		if (!connection->broken && secure_handshake_approve(connection->handshake) == SECURE_DONE)
			opened(transport, connection, now_us);
		else
			connection->broken = true;
	} else if (status == SECURE_DONE) {
		output_handshake(connection);
		opened(transport, connection, now_us);
	} else if (status != SECURE_MORE) {
		connection->broken = true;
	}
	return used;
}

/* Plaintext of the peer: messages, in any pieces. */
static void take(struct transport *transport, struct connection *connection, const uint8_t *data, size_t size)
{
	while (size && !connection->broken) {
		if (!connection->message) {
			connection->length[connection->length_got++] = *data++;
			size--;
			if (connection->length_got < 4)
				continue;
			uint32_t length = load_le32(connection->length);
			connection->length_got = 0;
			if (!length || length > MAX_MESSAGE) {
				connection->broken = true;
				return;
			}
			connection->message = blob_create(length);
			connection->message_got = 0;
		}
		size_t part = connection->message->size - connection->message_got;
		part = part > size ? size : part;
		memcpy(connection->message->data + connection->message_got, data, part);
		connection->message_got += part;
		data += part;
		size -= part;
		if (connection->message_got < connection->message->size)
			continue;
		struct blob *message = connection->message;
		connection->message = NULL;
		transport->config.received(transport->config.context, connection->peer, message);
		blob_release(message);
	}
}

static void process(struct transport *transport, struct connection *connection, uint64_t now_us)
{
	size_t at = 0;
	while (at < connection->input_size && !connection->broken) {
		size_t used = 0, plain_size;
		uint8_t *plain;
		if (!connection->open) {
			used = shake(transport, connection, connection->input + at,
			             connection->input_size - at, now_us);
			if (!used)
				break;
			at += used;
			continue;
		}
		enum secure_status status =
		    secure_open(&connection->channel, now_us, connection->input + at,
		                connection->input_size - at, &used, &plain, &plain_size);
		if (status == SECURE_MORE)
			break;
		if (status != SECURE_OK) {
			connection->broken = true;
			break;
		}
		at += used;
		take(transport, connection, plain, plain_size);
	}
	if (at)
		memmove(connection->input, connection->input + at, connection->input_size - at);
	connection->input_size -= at;
	if (connection->input_size == INPUT_BYTES)
		connection->broken = true;
}

static void receive(struct transport *transport, struct connection *connection, uint64_t now_us)
{
	/* A bounded share for each peer; what is left waits for the next turn of the loop. */
	connection->more = false;
	for (unsigned turns = 0; !connection->broken; turns++) {
		if (turns == 8) {
			connection->more = true;
			return;
		}
		ssize_t got = recv(connection->fd, connection->input + connection->input_size,
		                   INPUT_BYTES - connection->input_size, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			connection->broken = errno != EAGAIN && errno != EWOULDBLOCK;
			return;
		}
		if (got == 0) {
			connection->broken = true;
			return;
		}
		connection->input_size += (size_t)got;
		process(transport, connection, now_us);
	}
}

static void accept_all(struct transport *transport, uint64_t now_us)
{
	for (;;) {
		struct sockaddr_in address;
		socklen_t size = sizeof(address);
		int fd = accept4(transport->listen_fd, (struct sockaddr *)&address, &size,
		                 SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		if (transport->strangers >= MAX_STRANGERS) {
			close(fd);
			continue;
		}
		transport->strangers++;
		struct connection *connection = connection_create(transport, fd);
		connection->address = address;
		connection->since_us = now_us;
	}
}

bool transport_event(struct transport *transport, void *pointer, uint32_t events, uint64_t now_us)
{
	if (pointer == transport) {
		accept_all(transport, now_us);
		return true;
	}
	struct connection *connection = transport->all;
	while (connection && connection != pointer)
		connection = connection->next;
	if (!connection)
		return false;
	if (events & EPOLLOUT && connection->connecting) {
		int error = 0;
		socklen_t size = sizeof(error);
		if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) || error)
			connection->broken = true;
		else
			connection->connecting = false;
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !connection->connecting && !connection->broken)
		receive(transport, connection, now_us);
	pump(transport, connection, now_us);
	return true;
}

static void dial(struct transport *transport, unsigned peer, unsigned lane, uint64_t now_us)
{
	const struct transport_peer *to = &transport->config.peers[peer];
	struct secure_identity identity = {transport->config.key, lane_contexts[lane], SECURE_STREAM};
	uint8_t random[SECURE_RANDOM_SIZE];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(to->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	struct connection *connection = connection_create(transport, fd);
	connection->dialed = true;
	connection->peer = peer;
	connection->lane = lane;
	connection->since_us = now_us;
	connection->connecting = true;
	transport->lanes[peer][lane] = connection;
	if (inet_pton(AF_INET, to->address, &address.sin_addr) != 1 || !fill_random(random, sizeof(random)) ||
	    secure_initiate(connection->handshake, &identity, to->key, random) != CRYPTO_OK ||
	    (connect(fd, (struct sockaddr *)&address, sizeof(address)) && errno != EINPROGRESS)) {
		connection->broken = true;
		return;
	}
	output_handshake(connection);
}

void transport_tick(struct transport *transport, uint64_t now_us)
{
	if (now_us - transport->cookies_us > 60000000 || !transport->cookies_us) {
		memcpy(transport->cookies.secret[1], transport->cookies.secret[0], SECURE_SECRET_SIZE);
		(void)!fill_random(transport->cookies.secret[0], SECURE_SECRET_SIZE);
		transport->cookies_us = now_us;
	}
	for (struct connection *connection = transport->all, *next; connection; connection = next) {
		next = connection->next;
		if (connection->broken || (!connection->open && now_us - connection->since_us > STRANGER_US))
			connection_destroy(transport, connection);
	}
	for (unsigned peer = transport->config.self + 1; peer < DAG_MAX_VALIDATORS; peer++)
		for (unsigned lane = 0; lane < LANES && transport->config.peers[peer].known; lane++)
			if (!transport->lanes[peer][lane] &&
			    now_us - transport->dial_us[peer][lane] > 200000) {
				transport->dial_us[peer][lane] = now_us;
				dial(transport, peer, lane, now_us);
			}
}

void transport_send(struct transport *transport, unsigned peer, unsigned lane, struct blob *blob)
{
	struct connection *connection = transport->lanes[peer][lane];
	if (!connection || !connection->open || connection->broken ||
	    connection->queue_bytes + blob->size > QUEUE_BYTES)
		return;
	if (connection->queue_count == connection->queue_room) {
		unsigned room = connection->queue_room ? 2 * connection->queue_room : 64;
		struct blob **queue = ledger_allocate(room, sizeof(*queue));
		for (unsigned i = 0; i < connection->queue_count; i++)
			queue[i] = connection->queue[(connection->queue_first + i) % connection->queue_room];
		free(connection->queue);
		connection->queue = queue;
		connection->queue_first = 0;
		connection->queue_room = room;
	}
	connection->queue[(connection->queue_first + connection->queue_count++) % connection->queue_room] =
	    blob_hold(blob);
	connection->queue_bytes += blob->size;
}

bool transport_flush(struct transport *transport, uint64_t now_us)
{
	bool more = false;
	for (struct connection *connection = transport->all; connection; connection = connection->next) {
		if (connection->open && (connection->queue_count || connection->output_size))
			pump(transport, connection, now_us);
		more = more || connection->more;
	}
	return more;
}

void transport_read(struct transport *transport, uint64_t now_us)
{
	for (struct connection *connection = transport->all; connection; connection = connection->next)
		if (connection->more && !connection->broken)
			receive(transport, connection, now_us);
}

unsigned transport_connected(const struct transport *transport)
{
	unsigned count = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		count += transport->lanes[i][0] && transport->lanes[i][0]->open;
	return count;
}

struct transport *transport_create(const struct transport_config *config)
{
	struct transport *transport = ledger_allocate(1, sizeof(*transport));
	const struct transport_peer *self = &config->peers[config->self];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(self->port)};
	int one = 1;
	transport->config = *config;
	transport->scratch = ledger_allocate(1, SECURE_MAX_RECORD + 8);
	transport->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = transport};
	if (transport->listen_fd < 0 || inet_pton(AF_INET, self->address, &address.sin_addr) != 1 ||
	    setsockopt(transport->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(transport->listen_fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(transport->listen_fd, 64) ||
	    epoll_ctl(config->epoll_fd, EPOLL_CTL_ADD, transport->listen_fd, &event)) {
		fprintf(stderr, "holon-ledger: cannot listen on %s:%u: %s\n", self->address, self->port,
		        strerror(errno));
		transport_destroy(transport);
		return NULL;
	}
	return transport;
}

void transport_destroy(struct transport *transport)
{
	while (transport->all)
		connection_destroy(transport, transport->all);
	if (transport->listen_fd >= 0)
		close(transport->listen_fd);
	free(transport->scratch);
	free(transport);
}
