/* libwebsockets' callbacks, the queue of requests and the workers. */
#include "rpc/server.h"

#include "num/arena.h"

#include <libwebsockets.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct message {
	struct message *next;
	size_t size;
	unsigned char bytes[]; /* LWS_PRE bytes of room, then the text */
};

struct connection {
	struct lws *wsi;
	uint64_t id;
	bool is_websocket;
	bool overrun; /* more was asked or unsent than allowed */
	bool busy;    /* HTTP: a request is under way */
	int status;   /* HTTP: of the answer */
	const char *content_type;
	char origin[256];
	char *request;
	size_t request_size;
	size_t request_room;
	struct message *first;
	struct message **last;
	size_t unsent;
	struct connection *next;
};

enum job_kind { JOB_REQUEST, JOB_METRICS, JOB_WORK };

struct job {
	struct job *next;
	enum job_kind kind;
	uint64_t connection;
	bool is_websocket;
	char *text;
	size_t size;
	void (*work)(void *context, void *worker, uint64_t a, uint64_t b);
	uint64_t a;
	uint64_t b;
};

/* An answer or push on its way to the server's thread. */
struct outgoing {
	struct outgoing *next;
	uint64_t connection;
	bool drop;               /* the connection is to end */
	struct message *message; /* NULL: no content */
};

struct rpc_server {
	struct rpc_server_config config;
	struct lws_context *lws;
	struct lws_protocols protocols[2];
	pthread_t thread;
	bool thread_runs;
	bool stopping; /* atomic */
	/* the server's thread's own */
	struct connection *connections;
	unsigned connection_count;
	uint64_t next_id;
	size_t unsent; /* of all connections: */
	size_t asked;  /* bytes of requests that are not whole yet */
	/* shared */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first_job;
	struct job **last_job;
	size_t job_count;
	size_t job_bytes;
	struct outgoing *first_out;
	struct outgoing **last_out;
	unsigned worker_count;
	pthread_t workers[64];
};

/* What libwebsockets keeps for a connection. */
struct session {
	struct connection *connection;
};

static struct message *message_create(const char *text)
{
	const size_t size = strlen(text);
	struct message *message = checked_alloc(sizeof *message + LWS_PRE + size);
	message->next = NULL;
	message->size = size;
	memcpy(message->bytes + LWS_PRE, text, size);
	return message;
}

/* ---- connections ---- */
static struct connection *connection_create(struct rpc_server *server, struct lws *wsi, bool is_websocket)
{
	struct connection *connection = checked_zalloc(1, sizeof *connection);
	connection->wsi = wsi;
	connection->id = ++server->next_id;
	connection->is_websocket = is_websocket;
	connection->last = &connection->first;
	connection->next = server->connections;
	server->connections = connection;
	server->connection_count++;
	return connection;
}

static void drop_messages(struct rpc_server *server, struct connection *connection)
{
	server->unsent -= connection->unsent;
	while (connection->first) {
		struct message *message = connection->first;
		connection->first = message->next;
		free(message);
	}
	connection->last = &connection->first;
	connection->unsent = 0;
}

static void connection_close(struct rpc_server *server, struct session *session)
{
	struct connection *connection = session ? session->connection : NULL;
	if (!connection)
		return;
	session->connection = NULL;
	for (struct connection **at = &server->connections; *at; at = &(*at)->next)
		if (*at == connection) {
			*at = connection->next;
			break;
		}
	server->connection_count--;
	if (connection->is_websocket && server->config.closed)
		server->config.closed(server->config.context, connection->id);
	drop_messages(server, connection);
	server->asked -= connection->request_size;
	free(connection->request);
	free(connection);
}

static struct connection *connection_find(const struct rpc_server *server, uint64_t id)
{
	struct connection *connection = server->connections;
	while (connection && connection->id != id)
		connection = connection->next;
	return connection;
}

static bool append(struct rpc_server *server, struct connection *connection, const void *bytes, size_t size)
{
	if (size > RPC_MAX_REQUEST - connection->request_size || size > RPC_MAX_ASKED_ALL - server->asked)
		return false;
	server->asked += size;
	if (connection->request_room - connection->request_size < size + 1) {
		connection->request_room = (connection->request_size + size + 1) * 2;
		connection->request = checked_realloc(connection->request, connection->request_room);
	}
	if (size)
		memcpy(connection->request + connection->request_size, bytes, size);
	connection->request_size += size;
	connection->request[connection->request_size] = 0;
	return true;
}

static void queue_message(struct rpc_server *server, struct connection *connection, struct message *message)
{
	server->unsent += message->size;
	*connection->last = message;
	connection->last = &message->next;
	connection->unsent += message->size;
	lws_callback_on_writable(connection->wsi);
}

/* ---- jobs ---- */
static bool push_job(struct rpc_server *server, struct job *job)
{
	pthread_mutex_lock(&server->lock);
	const bool room =
	    server->job_count < RPC_MAX_QUEUE && job->size <= RPC_MAX_QUEUED - server->job_bytes;
	if (room) {
		server->job_bytes += job->size;
		job->next = NULL;
		*server->last_job = job;
		server->last_job = &job->next;
		server->job_count++;
		pthread_cond_signal(&server->wake);
	}
	pthread_mutex_unlock(&server->lock);
	return room;
}

static void send_out(struct rpc_server *server, uint64_t connection, bool drop, struct message *message)
{
	struct outgoing *out = checked_alloc(sizeof *out);
	*out = (struct outgoing){NULL, connection, drop, message};
	pthread_mutex_lock(&server->lock);
	*server->last_out = out;
	server->last_out = &out->next;
	pthread_mutex_unlock(&server->lock);
	lws_cancel_service(server->lws);
}

void rpc_server_push(struct rpc_server *server, uint64_t connection, const char *text)
{
	send_out(server, connection, false, message_create(text));
}

void rpc_server_drop(struct rpc_server *server, uint64_t connection)
{
	send_out(server, connection, true, NULL);
}

bool rpc_server_run(struct rpc_server *server,
                    void (*work)(void *context, void *worker, uint64_t a, uint64_t b), uint64_t a, uint64_t b)
{
	struct job *job = checked_zalloc(1, sizeof *job);
	*job = (struct job){.kind = JOB_WORK, .work = work, .a = a, .b = b};
	if (push_job(server, job))
		return true;
	free(job);
	return false;
}

static void do_job(struct rpc_server *server, void *worker, struct job *job)
{
	const struct rpc_server_config *config = &server->config;
	char *text = NULL;
	switch (job->kind) {
	case JOB_WORK:
		job->work(config->context, worker, job->a, job->b);
		return;
	case JOB_METRICS:
		text = config->metrics ? config->metrics(config->context, worker) : NULL;
		break;
	case JOB_REQUEST:
		text = config->answer(config->context, worker, job->text, job->size,
		                      job->is_websocket ? job->connection : 0);
		break;
	}
	/* Also without an answer: so it is seen that a connection ended that has just subscribed to something. */
	send_out(server, job->connection, false, text ? message_create(text) : NULL);
	free(text);
}

static void *work(void *argument)
{
	struct rpc_server *server = argument;
	void *worker = server->config.worker_open(server->config.context);
	pthread_mutex_lock(&server->lock);
	while (worker) {
		while (!server->first_job && !server->stopping)
			pthread_cond_wait(&server->wake, &server->lock);
		struct job *job = server->first_job;
		if (!job)
			break;
		server->first_job = job->next;
		if (!server->first_job)
			server->last_job = &server->first_job;
		server->job_count--;
		server->job_bytes -= job->size;
		const bool stopping = server->stopping;
		pthread_mutex_unlock(&server->lock);
		if (!stopping)
			do_job(server, worker, job);
		free(job->text);
		free(job);
		pthread_mutex_lock(&server->lock);
	}
	pthread_mutex_unlock(&server->lock);
	if (worker)
		server->config.worker_close(worker);
	return NULL;
}

/* ---- HTTP ---- */
static bool origin_allowed(const struct rpc_server *server, const char *origin)
{
	for (const char *const *allowed = server->config.origins; allowed && *allowed; allowed++)
		if (!strcmp(*allowed, "*") || !strcmp(*allowed, origin))
			return true;
	return false;
}

/* Copies the Origin header; false when there is one that is not allowed. */
static bool check_origin(struct rpc_server *server, struct lws *wsi, char *origin, size_t size)
{
	origin[0] = 0;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN) == 0)
		return true;
	if (lws_hdr_copy(wsi, origin, (int)size, WSI_TOKEN_ORIGIN) <= 0)
		return false;
	return origin_allowed(server, origin);
}

/* Sends status and a short text at once. Returns what the callback returns. */
static int refuse(struct lws *wsi, unsigned status, const char *text)
{
	if (lws_return_http_status(wsi, status, text))
		return -1;
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int write_headers(struct connection *connection, unsigned status, const char *type, size_t length)
{
	unsigned char buffer[LWS_PRE + 1024];
	unsigned char *start = buffer + LWS_PRE;
	unsigned char *next = start;
	unsigned char *end = buffer + sizeof buffer - 1;
	struct lws *wsi = connection->wsi;
	if (lws_add_http_common_headers(wsi, status, type, length, &next, end))
		return -1;
	if (connection->origin[0]) {
		static const unsigned char name[] = "access-control-allow-origin:";
		static const unsigned char headers[] = "access-control-allow-headers:";
		if (lws_add_http_header_by_name(wsi, name, (const unsigned char *)connection->origin,
		                                (int)strlen(connection->origin), &next, end) ||
		    lws_add_http_header_by_name(wsi, headers, (const unsigned char *)"content-type", 12,
		                                &next, end))
			return -1;
	}
	return lws_finalize_write_http_header(wsi, start, &next, end);
}

static bool is_json(struct lws *wsi)
{
	char type[128];
	return lws_hdr_copy(wsi, type, sizeof type, WSI_TOKEN_HTTP_CONTENT_TYPE) > 0 &&
	       strncasecmp(type, "application/json", 16) == 0;
}

static int begin_http(struct rpc_server *server, struct session *session, struct lws *wsi, const char *uri)
{
	char origin[256];
	char length[24];
	if (!check_origin(server, wsi, origin, sizeof origin))
		return refuse(wsi, HTTP_STATUS_FORBIDDEN, "this origin is not allowed");
	if (!session->connection)
		session->connection = connection_create(server, wsi, false);
	struct connection *connection = session->connection;
	connection->wsi = wsi;
	server->asked -= connection->request_size;
	connection->request_size = 0;
	connection->overrun = false;
	connection->status = HTTP_STATUS_OK;
	connection->content_type = "application/json";
	memcpy(connection->origin, origin, sizeof origin);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI)) {
		if (!is_json(wsi))
			return refuse(wsi, HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE,
			              "the body must be application/json");
		if (lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
		    strtoull(length, NULL, 10) > RPC_MAX_REQUEST)
			return refuse(wsi, HTTP_STATUS_REQ_ENTITY_TOO_LARGE, "request too large");
		return 0;
	}
	if (lws_hdr_total_length(wsi, WSI_TOKEN_OPTIONS_URI) && origin[0]) {
		if (write_headers(connection, 204, "text/plain", 0))
			return -1;
		return lws_http_transaction_completed(wsi) ? -1 : 0;
	}
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) && !strcmp(uri, "/metrics")) {
		struct job *job = checked_zalloc(1, sizeof *job);
		*job = (struct job){.kind = JOB_METRICS, .connection = connection->id};
		connection->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
		if (push_job(server, job))
			return 0;
		free(job);
		return refuse(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, "busy");
	}
	return refuse(wsi, HTTP_STATUS_NOT_FOUND, "JSON-RPC is at POST /, metrics at GET /metrics");
}

static bool push_request(struct rpc_server *server, struct connection *connection)
{
	struct job *job = checked_zalloc(1, sizeof *job);
	*job = (struct job){.kind = JOB_REQUEST,
	                    .connection = connection->id,
	                    .is_websocket = connection->is_websocket,
	                    .text = connection->request,
	                    .size = connection->request_size};
	server->asked -= connection->request_size;
	connection->request = NULL;
	connection->request_size = connection->request_room = 0;
	if (push_job(server, job))
		return true;
	free(job->text);
	free(job);
	return false;
}

static int end_http_body(struct rpc_server *server, struct connection *connection, struct lws *wsi)
{
	if (connection->overrun)
		return refuse(wsi, HTTP_STATUS_REQ_ENTITY_TOO_LARGE, "request too large");
	if (connection->request_size == 0)
		return refuse(wsi, HTTP_STATUS_BAD_REQUEST, "empty request");
	if (!push_request(server, connection))
		return refuse(wsi, HTTP_STATUS_SERVICE_UNAVAILABLE, "busy");
	connection->busy = true;
	lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
	return 0;
}

static int write_http(struct rpc_server *server, struct connection *connection)
{
	struct message *message = connection->first;
	if (!message)
		return 0;
	connection->first = message->next;
	if (!connection->first)
		connection->last = &connection->first;
	connection->unsent -= message->size;
	server->unsent -= message->size;
	connection->busy = false;
	int status =
	    write_headers(connection, (unsigned)connection->status, connection->content_type, message->size);
	if (!status && message->size &&
	    lws_write(connection->wsi, message->bytes + LWS_PRE, message->size, LWS_WRITE_HTTP_FINAL) < 0)
		status = -1;
	free(message);
	if (status)
		return -1;
	return lws_http_transaction_completed(connection->wsi) ? -1 : 0;
}

/* ---- WebSocket ---- */
static int write_websocket(struct rpc_server *server, struct connection *connection)
{
	struct message *message = connection->first;
	if (connection->overrun)
		return -1;
	if (!message)
		return 0;
	connection->first = message->next;
	if (!connection->first)
		connection->last = &connection->first;
	connection->unsent -= message->size;
	server->unsent -= message->size;
	const int written =
	    lws_write(connection->wsi, message->bytes + LWS_PRE, message->size, LWS_WRITE_TEXT);
	const bool whole = written >= (int)message->size;
	free(message);
	if (connection->first)
		lws_callback_on_writable(connection->wsi);
	return whole ? 0 : -1;
}

static int receive_websocket(struct rpc_server *server, struct connection *connection, struct lws *wsi,
                             const void *in, size_t size)
{
	if (!append(server, connection, in, size))
		return -1;
	if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
		return 0;
	return push_request(server, connection) ? 0 : -1;
}

/* Hands answers and pushes to their connections. */
static void take_outgoing(struct rpc_server *server)
{
	pthread_mutex_lock(&server->lock);
	struct outgoing *list = server->first_out;
	server->first_out = NULL;
	server->last_out = &server->first_out;
	pthread_mutex_unlock(&server->lock);
	for (struct outgoing *out = list, *next; out; out = next) {
		next = out->next;
		struct connection *connection = connection_find(server, out->connection);
		struct message *message = out->message;
		if (connection && !message && !connection->is_websocket) {
			connection->status = 204;
			message = message_create("");
		}
		if (!connection) {
			free(message);
			if (server->config.closed)
				server->config.closed(server->config.context, out->connection);
		} else if (out->drop || (message && connection->first &&
		                         (connection->unsent + message->size > RPC_MAX_UNSENT ||
		                          server->unsent + message->size > RPC_MAX_UNSENT_ALL))) {
			free(message);
			connection->overrun = true;
			lws_callback_on_writable(connection->wsi);
		} else if (message) {
			queue_message(server, connection, message);
		}
		free(out);
	}
}

static int callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	struct rpc_server *server = lws_context_user(lws_get_context(wsi));
	struct session *session = user;
	struct connection *connection = session ? session->connection : NULL;
	char origin[256];
	switch (reason) {
	case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
		return server->connection_count >= RPC_MAX_CONNECTIONS;
	case LWS_CALLBACK_HTTP:
		return session ? begin_http(server, session, wsi, in) : -1;
	case LWS_CALLBACK_HTTP_BODY:
		if (connection && !append(server, connection, in, size))
			connection->overrun = true;
		return 0;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return connection ? end_http_body(server, connection, wsi) : -1;
	case LWS_CALLBACK_HTTP_WRITEABLE:
		return connection ? write_http(server, connection) : -1;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
		return check_origin(server, wsi, origin, sizeof origin) ? 0 : -1;
	case LWS_CALLBACK_ESTABLISHED:
		if (!session)
			return -1;
		connection_close(server, session);
		session->connection = connection_create(server, wsi, true);
		return 0;
	case LWS_CALLBACK_RECEIVE:
		return connection ? receive_websocket(server, connection, wsi, in, size) : -1;
	case LWS_CALLBACK_SERVER_WRITEABLE:
		return connection ? write_websocket(server, connection) : -1;
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
	case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
		connection_close(server, session);
		return 0;
	case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
		take_outgoing(server);
		return 0;
	default:
		return 0;
	}
}

static void *serve(void *argument)
{
	struct rpc_server *server = argument;
	while (!__atomic_load_n(&server->stopping, __ATOMIC_ACQUIRE))
		if (lws_service(server->lws, 0) < 0)
			break;
	return NULL;
}

struct rpc_server *rpc_server_start(const struct rpc_server_config *config)
{
	struct rpc_server *server = checked_zalloc(1, sizeof *server);
	server->config = *config;
	server->last_job = &server->first_job;
	server->last_out = &server->first_out;
	pthread_mutex_init(&server->lock, NULL);
	pthread_cond_init(&server->wake, NULL);
	server->protocols[0] = (struct lws_protocols){.name = "json-rpc",
	                                              .callback = callback,
	                                              .per_session_data_size = sizeof(struct session),
	                                              .rx_buffer_size = 65536};
	lws_set_log_level(LLL_ERR, NULL);
	const struct lws_context_creation_info info = {
	    .port = (int)config->port,
	    .iface = config->address ? config->address : "127.0.0.1",
	    .protocols = server->protocols,
	    .user = server,
	    .gid = (gid_t)-1,
	    .uid = (uid_t)-1,
	    .keepalive_timeout = 60,
	    .timeout_secs = 30,
	    .options = LWS_SERVER_OPTION_VALIDATE_UTF8,
	};
	server->lws = lws_create_context(&info);
	if (!server->lws) {
		fprintf(stderr, "holon-ledger: cannot serve JSON-RPC on %s port %u: is the port taken?\n",
		        info.iface, config->port);
		rpc_server_stop(server);
		return NULL;
	}
	const unsigned workers = config->workers < 64 ? config->workers : 64;
	while (server->worker_count < workers &&
	       pthread_create(&server->workers[server->worker_count], NULL, work, server) == 0)
		server->worker_count++;
	server->thread_runs = pthread_create(&server->thread, NULL, serve, server) == 0;
	if (!server->thread_runs || server->worker_count == 0) {
		fprintf(stderr, "holon-ledger: cannot start the threads that serve JSON-RPC\n");
		rpc_server_stop(server);
		return NULL;
	}
	return server;
}

void rpc_server_stop(struct rpc_server *server)
{
	pthread_mutex_lock(&server->lock);
	__atomic_store_n(&server->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&server->wake);
	pthread_mutex_unlock(&server->lock);
	for (unsigned i = 0; i < server->worker_count; i++)
		pthread_join(server->workers[i], NULL);
	if (server->thread_runs) {
		lws_cancel_service(server->lws);
		pthread_join(server->thread, NULL);
	}
	if (server->lws)
		lws_context_destroy(server->lws);
	for (struct outgoing *out = server->first_out, *next; out; out = next) {
		next = out->next;
		free(out->message);
		free(out);
	}
	pthread_cond_destroy(&server->wake);
	pthread_mutex_destroy(&server->lock);
	free(server);
}
