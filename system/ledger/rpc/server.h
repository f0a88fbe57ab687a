/*
 * JSON-RPC's transport: HTTP (POST /) and WebSocket on one port of 127.0.0.1 or another address, over
 * libwebsockets. One thread moves bytes; requests run on worker threads and may take their time.
 *
 * Defences: requests are limited in size and number; connections in number; a request with an Origin header
 * (a browser's) is refused unless that origin is allowed, so that pages of the web cannot use a node on the
 * same machine; HTTP bodies must say application/json. A connection that does not read what it is sent is
 * closed. What all connections together have asked and not read is limited, too.
 */
#ifndef LEDGER_RPC_SERVER_H
#define LEDGER_RPC_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_MAX_REQUEST     ((size_t)5 << 20)
#define RPC_MAX_CONNECTIONS 1024
#define RPC_MAX_QUEUE       4096               /* requests waiting for a worker */
#define RPC_MAX_QUEUED      ((size_t)64 << 20) /* bytes of these */
#define RPC_MAX_UNSENT      ((size_t)16 << 20) /* bytes waiting for one connection */
#define RPC_MAX_ASKED_ALL                                                                                    \
	((size_t)64 << 20) /* bytes of requests that are not whole yet, of all connections */
#define RPC_MAX_UNSENT_ALL ((size_t)256 << 20) /* for all of them */

struct rpc_server;

struct rpc_server_config {
	const char *address; /* an interface's address; NULL is 127.0.0.1 */
	unsigned port;
	unsigned workers;
	const char *const *origins; /* allowed ones, NULL at the end; "*" allows any. NULL: none */
	void *context;
	/* What a worker has of its own; NULL when it cannot start. */
	void *(*worker_open)(void *context);
	void (*worker_close)(void *worker);
	/*
	 * Answers a request: a string from malloc(), or NULL for no answer (notifications). `connection`
	 * names the WebSocket connection, 0 for HTTP.
	 */
	char *(*answer)(void *context, void *worker, const char *text, size_t size, uint64_t connection);
	/* The body of GET /metrics, from malloc(). */
	char *(*metrics)(void *context, void *worker);
	/* A WebSocket connection ended; told again when something was meant for one that had ended already. Called by
	 * the server's thread: no calls back into the server. */
	void (*closed)(void *context, uint64_t connection);
};

/* NULL after printing why. */
struct rpc_server *rpc_server_start(const struct rpc_server_config *config);
void rpc_server_stop(struct rpc_server *server);
/* Sends a message (copied) to a WebSocket connection; nothing happens when it is gone. Any thread may call
 * it. */
void rpc_server_push(struct rpc_server *server, uint64_t connection, const char *text);
/* Ends a WebSocket connection. Any thread may call it. */
void rpc_server_drop(struct rpc_server *server, uint64_t connection);
/* Runs a function on a worker. Any thread may call it; false when the queue is full. */
bool rpc_server_run(struct rpc_server *server,
                    void (*work)(void *context, void *worker, uint64_t a, uint64_t b), uint64_t a,
                    uint64_t b);

#endif
