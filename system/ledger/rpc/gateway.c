/*
 * holon-ledger rpc: a gateway without a vote, on the user's own machine. Wallets talk to it as to a node. Transactions are encrypted
 * here, for the validators of the moment, and go on as envelopes: the node they go to sees that there is one, its size and its
 * time. What is asked of accounts at the last block is answered by proofs (gateway_state.h); everything else is asked of the nodes
 * and passed on as it is. They see what is asked.
 *
 * Whom to encrypt for is not believed: the file `network` says who the validators of epoch 0 are, and each later set was signed by a
 * quorum of the one before. Of several nodes the one that knows the latest epoch is believed.
 *
 * What is taken is kept until it is final (gateway_keep.h), also when the node that it went to dies or keeps it back.
 */
#include "ledger/command.h"

#include "ledger/encrypted/envelope.h"
#include "ledger/node/node.h"
#include "rpc/gateway_feed.h"
#include "rpc/gateway_keep.h"
#include "rpc/gateway_state.h"
#include "trust/transparency.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define MAX_ORIGINS   8
#define EPOCH_SECONDS 5 /* how old our knowledge of the epoch may be */

struct gateway {
	struct gateway_nodes nodes;
	const char *origins[MAX_ORIGINS + 1];
	unsigned origin_count, port;
	const char *directory;
	struct network network;
	struct transparency_witnesses witnesses;
	struct gateway_prover prover;
	struct txpool *pool;
	struct gateway_keep *keep;
	struct gateway_feed *feed;
	pthread_mutex_t lock; /* what follows; never held while a node is waited for */
	uint64_t epoch, members;
	time_t asked;
	struct errand *errands, **last_errand; /* to be sent, oldest first */
	bool sending;
	pthread_cond_t sent;
};

/* ---- whom to encrypt for ---- */

/* Follows what a node says of the epochs, as far as it is signed. */
static void follow(struct gateway *gateway, unsigned node)
{
	char why[200];
	json_t *chain = gateway_nodes_ask(&gateway->nodes, (int)node, "holon_epochs", json_array(), why);
	const char *text = json_string_value(chain);
	const size_t room = text ? strlen(text) / 2 : 0;
	uint8_t *bytes = checked_alloc(room + 1);
	const long size = text ? hex_decode(bytes, room, text) : -1;
	uint64_t epoch = 0;
	uint64_t members = gateway->network.members;
	for (long at = 0; at + 4 <= size;) {
		const uint32_t length = load_le32(bytes + at);
		if ((long)length > size - at - 4 ||
		    transparency_follow(bytes + at + 4, length, &gateway->witnesses, &epoch, &members) !=
		        TRUST_OK)
			break;
		at += 4 + (long)length;
	}
	free(bytes);
	json_decref(chain);
	pthread_mutex_lock(&gateway->lock);
	if (epoch > gateway->epoch) {
		gateway->epoch = epoch;
		gateway->members = members;
	}
	pthread_mutex_unlock(&gateway->lock);
}

static struct envelope_keys keys_now(struct gateway *gateway, bool renew)
{
	const time_t now = time(NULL);
	pthread_mutex_lock(&gateway->lock);
	const bool old = renew || now - gateway->asked >= EPOCH_SECONDS;
	if (old)
		gateway->asked = now;
	pthread_mutex_unlock(&gateway->lock);
	for (unsigned i = 0; old && i < gateway->nodes.count; i++)
		follow(gateway, i);
	pthread_mutex_lock(&gateway->lock);
	const struct envelope_keys keys = {gateway->epoch, gateway->members, gateway->network.kem};
	pthread_mutex_unlock(&gateway->lock);
	return keys;
}

/* The prover's. */
static bool members_of(void *context, uint64_t epoch, bool renew, uint64_t *members)
{
	struct gateway *gateway = context;
	struct envelope_keys keys = keys_now(gateway, false);
	if (keys.epoch != epoch && renew)
		keys = keys_now(gateway, true);
	*members = keys.members;
	return keys.epoch == epoch;
}

/* ---- transactions ---- */

/* What one thread of a client has to send, and waits for. */
struct errand {
	struct errand *next;
	const struct txpool_item *items;
	size_t count;
	bool done, good;
};

/* The plain text of an envelope for these; several are a bundle. */
static uint8_t *bundle(const struct errand *first, const struct errand *end, enum envelope_form *form,
                       size_t *size)
{
	*size = 0;
	for (const struct errand *errand = first; errand != end; errand = errand->next)
		for (size_t i = 0; i < errand->count; i++)
			*size += 4 + errand->items[i].size;
	uint8_t *plain = checked_alloc(*size), *at = plain;
	for (const struct errand *errand = first; errand != end; errand = errand->next)
		for (size_t i = 0; i < errand->count; at += 4 + errand->items[i++].size) {
			store_le32(at, (uint32_t)errand->items[i].size);
			memcpy(at + 4, errand->items[i].bytes, errand->items[i].size);
		}
	*form = ENVELOPE_BUNDLE;
	if (first->next == end && first->count == 1) {
		*form = ENVELOPE_ONE;
		*size -= 4;
		memmove(plain, plain + 4, *size);
	}
	return plain;
}

static bool send_sealed(struct gateway *gateway, enum envelope_form form, const uint8_t *plain, size_t size,
                        bool renew)
{
	const struct envelope_keys keys = keys_now(gateway, renew);
	const size_t sealed_size = envelope_size(set_size(keys.members), size);
	uint8_t key[ENVELOPE_KEY];
	uint8_t *envelope = checked_alloc(sealed_size);
	bool good = false;
	if (getrandom(key, sizeof key, 0) == sizeof key &&
	    envelope_seal(&keys, key, form, plain, size, envelope) == CRYPTO_OK) {
		char *text = checked_alloc(2 * sealed_size + 3);
		good = gateway_nodes_envelope(&gateway->nodes, hex_encode(text, envelope, sealed_size));
		free(text);
	}
	crypto_wipe(key, sizeof key);
	free(envelope);
	return good;
}

/*
 * Sends the errands that are waiting, as many as go into one envelope. With the lock held, which is let go of meanwhile: what comes
 * then waits, and goes out together. So a bundle is as large as the load asks for, and nobody waits for others to come.
 */
static void send_waiting(struct gateway *gateway, struct errand *first)
{
	struct errand *end = first;
	size_t size = 0, count = 0;
	for (; end; end = end->next) {
		size_t more = 0;
		for (size_t i = 0; i < end->count; i++)
			more += 4 + end->items[i].size;
		if (end != first &&
		    (size + more > TXPOOL_RUN_BYTES || count + end->count > ENVELOPE_MAX_BUNDLE))
			break;
		size += more;
		count += end->count;
	}
	gateway->errands = end;
	if (!end)
		gateway->last_errand = &gateway->errands;
	gateway->sending = true;
	pthread_mutex_unlock(&gateway->lock);
	enum envelope_form form;
	uint8_t *plain = bundle(first, end, &form, &size);
	/* The epoch may have changed a moment ago: once more, with what is known now. */
	const bool good =
	    send_sealed(gateway, form, plain, size, false) || send_sealed(gateway, form, plain, size, true);
	free(plain);
	pthread_mutex_lock(&gateway->lock);
	gateway->sending = false;
	for (struct errand *errand = first; errand != end; errand = errand->next) {
		errand->done = true;
		errand->good = good;
	}
	pthread_cond_broadcast(&gateway->sent);
}

/* The pool's: what is next in line of its sender. */
static size_t send(void *context, const struct txpool_item *items, size_t count)
{
	struct gateway *gateway = context;
	struct errand errand = {.items = items, .count = count};
	pthread_mutex_lock(&gateway->lock);
	*gateway->last_errand = &errand;
	gateway->last_errand = &errand.next;
	while (!errand.done)
		if (gateway->sending || !gateway->errands)
			pthread_cond_wait(&gateway->sent, &gateway->lock);
		else
			send_waiting(gateway, gateway->errands);
	pthread_mutex_unlock(&gateway->lock);
	return errand.good ? count : 0;
}

/* The sender's nonce as the first node says that answers; false and an error where none does. */
static bool first_nonce(struct gateway *gateway, const struct address *sender, struct gateway_answer *answer,
                        uint64_t *nonce)
{
	char text[43];
	json_t *result = gateway_nodes_ask(&gateway->nodes, -1, "eth_getTransactionCount",
	                                   json_pack("[s, s]", hex_encode(text, sender->bytes, 20), "latest"),
	                                   answer->why);
	const bool good = json_is_string(result) && hex_to_u64(nonce, json_string_value(result));
	json_decref(result);
	answer->code = RPC_FAILED;
	return good;
}

/*
 * One node's word is enough to send a transaction by it, or to hold it: what is held wrongly goes on when the nonce is proven, half a
 * second later (gateway_keep.h). It is not enough to refuse one.
 */
static bool send_nonce(struct gateway *gateway, const struct address *sender, uint64_t wanted,
                       struct gateway_answer *answer, uint64_t *nonce)
{
	if (!first_nonce(gateway, sender, answer, nonce))
		return false;
	return wanted >= *nonce ||
	       gateway_state_nonce(&gateway->prover, GATEWAY_SIGNED, sender, answer, nonce);
}

static void send_raw(struct gateway *gateway, const json_t *params, struct arena *arena,
                     struct gateway_answer *answer)
{
	size_t size;
	uint8_t *bytes = rpc_bytes(json_string_value(json_array_get(params, 0)), SIZE_MAX, arena, &size);
	struct transaction t;
	struct address sender;
	const char *why = "parameter 0 must be bytes in hexadecimal";
	uint64_t nonce;
	if (size > ENVELOPE_MAX_PLAIN) {
		gateway_refuse(answer, RPC_FAILED, "transaction too large: at most 64 KiB are encrypted");
	} else if (!size || !transaction_decode(&t, bytes, size, arena, &why)) {
		gateway_refuse(answer, !size ? RPC_INVALID_PARAMS : RPC_FAILED, why);
	} else if (!transaction_sender(&t, &sender)) {
		gateway_refuse(answer, RPC_FAILED, "invalid sender: the signature is not valid");
	} else if (send_nonce(gateway, &sender, t.nonce, answer, &nonce)) {
		if (t.nonce < nonce) {
			gateway_refuse(answer, RPC_FAILED, "nonce too low");
			return;
		}
		switch (txpool_add(gateway->pool, &t, bytes, size, &sender, nonce, &why)) {
		case TXPOOL_TAKEN:
			answer->result = rpc_hash(&t.hash);
			gateway_feed_pending(gateway->feed, &t.hash);
			return;
		case TXPOOL_REFUSED:
			gateway_refuse(answer, RPC_FAILED, why);
			return;
		case TXPOOL_FULL:
			gateway_refuse(
			    answer, RPC_LIMIT,
			    "no node takes the transaction now, or too many wait here: try again later");
			return;
		}
	}
}

/* "pending" counts what went through here, which the node cannot see. */
static void pending_count(struct gateway *gateway, const json_t *params, struct gateway_answer *answer)
{
	struct address sender;
	uint64_t nonce;
	const char *text = json_string_value(json_array_get(params, 0));
	if (!text || hex_decode(sender.bytes, 20, text) != 20)
		gateway_refuse(answer, RPC_INVALID_PARAMS, "parameter 0 must be an address");
	else if (gateway_state_nonce(&gateway->prover, GATEWAY_LAST, &sender, answer, &nonce))
		answer->result = rpc_quantity(txpool_next_nonce(gateway->pool, &sender, nonce));
}

/* A transaction that is not in a block yet is known here alone. */
static void find_pending(struct gateway *gateway, const json_t *params, struct arena *arena,
                         struct gateway_answer *answer)
{
	struct hash32 hash;
	struct transaction t;
	struct address sender;
	size_t size;
	const char *why;
	const char *text = json_string_value(json_array_get(params, 0));
	answer->result = gateway_nodes_ask(&gateway->nodes, -1, "eth_getTransactionByHash",
	                                   json_pack("[s]", text ? text : ""), answer->why);
	answer->code = RPC_FAILED;
	if (!json_is_null(answer->result) || !text || hex_decode(hash.bytes, 32, text) != 32)
		return;
	const uint8_t *bytes = txpool_find(gateway->pool, &hash, arena, &size);
	if (!bytes || !transaction_decode(&t, bytes, size, arena, &why) || !transaction_sender(&t, &sender))
		return;
	json_decref(answer->result);
	answer->result = rpc_transaction_json(&t, &sender, NULL, 0);
}

/* ---- subscriptions ---- */
static json_t *ask_first(void *context, const char *method, json_t *params)
{
	struct gateway *gateway = context;
	char why[200];
	return gateway_nodes_ask(&gateway->nodes, -1, method, params, why);
}

static void closed(void *context, uint64_t connection)
{
	const struct gateway *gateway = context;
	gateway_feed_drop(gateway->feed, connection);
}

static void subscription(const struct gateway *gateway, bool begin, json_t *params, uint64_t connection,
                         struct gateway_answer *answer)
{
	struct rpc_call call = {
	    .connection = connection, .params = json_is_array(params) ? params : NULL, .code = RPC_INTERNAL};
	answer->result = begin ? gateway_feed_subscribe(gateway->feed, &call)
	                       : gateway_feed_unsubscribe(gateway->feed, &call);
	if (!answer->result)
		gateway_refuse(answer, call.code, call.why);
}

/* ---- requests ---- */

/* What is not forwarded as it is. False: it is. */
static bool own_method(struct gateway *gateway, const char *method, json_t *params, uint64_t connection,
                       struct arena *arena, struct gateway_answer *answer)
{
	if (!strcmp(method, "eth_sendRawTransaction")) {
		send_raw(gateway, params, arena, answer);
	} else if (!strcmp(method, "eth_getTransactionByHash")) {
		find_pending(gateway, params, arena, answer);
	} else if (!strcmp(method, "eth_getTransactionCount") &&
	           !strcmp(json_string_value(json_array_get(params, 1))
	                       ? json_string_value(json_array_get(params, 1))
	                       : "",
	                   "pending")) {
		pending_count(gateway, params, answer);
	} else if (!strcmp(method, "eth_accounts") || !strcmp(method, "eth_requestAccounts")) {
		answer->result = json_array();
	} else if (!strcmp(method, "eth_sendTransaction") || !strcmp(method, "eth_sign") ||
	           !strcmp(method, "personal_sign")) {
		gateway_refuse(answer, RPC_FAILED, "unknown account: the gateway has no keys");
	} else if (!strcmp(method, "eth_subscribe") || !strcmp(method, "eth_unsubscribe")) {
		subscription(gateway, method[4] == 's', params, connection, answer);
	} else {
		return gateway_state_answer(&gateway->prover, method, params, answer);
	}
	return true;
}

static json_t *answer_one(struct gateway *gateway, json_t *request, uint64_t connection, struct arena *arena)
{
	const char *method = json_string_value(json_object_get(request, "method"));
	json_t *id = json_object_get(request, "id");
	struct gateway_answer answer = {.code = RPC_INVALID_REQUEST, .why = "invalid request"};
	if (method &&
	    !own_method(gateway, method, json_object_get(request, "params"), connection, arena, &answer)) {
		const char *why = "out of memory";
		char *text = json_dumps(request, JSON_COMPACT);
		json_t *parsed = text ? gateway_nodes_forward(&gateway->nodes, text, &why) : NULL;
		free(text);
		if (json_is_object(parsed))
			return parsed;
		json_decref(parsed);
		gateway_refuse(&answer, RPC_INTERNAL, "no node answers");
	}
	if (!id) {
		json_decref(answer.result);
		return NULL;
	}
	if (answer.result)
		return json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", answer.result);
	return json_pack("{s:s, s:O, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error", "code",
	                 (int)answer.code, "message", answer.why);
}

static char *answer_text(void *context, void *worker, const char *text, size_t size, uint64_t connection)
{
	struct gateway *gateway = context;
	struct arena *arena = worker;
	json_error_t error;
	arena_reset(arena);
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	json_t *answer = NULL;
	if (json_is_array(request) && json_array_size(request) > 0 &&
	    json_array_size(request) <= RPC_MAX_BATCH) {
		answer = json_array();
		for (size_t i = 0; i < json_array_size(request); i++) {
			json_t *one = answer_one(gateway, json_array_get(request, i), connection, arena);
			if (one)
				json_array_append_new(answer, one);
		}
	} else if (json_is_object(request)) {
		answer = answer_one(gateway, request, connection, arena);
	} else {
		answer = json_pack("{s:s, s:n, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", "error", "code",
		                   request ? (int)RPC_INVALID_REQUEST : (int)RPC_PARSE_ERROR, "message",
		                   request ? "neither a request nor a batch of 1 to 1000" : "parse error");
	}
	json_decref(request);
	char *out = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	json_decref(answer);
	return out;
}

static void *open_worker(void *context)
{
	(void)context;
	return checked_zalloc(1, sizeof(struct arena));
}

static void close_worker(void *worker)
{
	arena_deinit(worker);
	free(worker);
}

/* ---- the command ---- */

static bool parse(struct gateway *gateway, int count, char **arguments)
{
	static const struct option options[] = {{"network", required_argument, NULL, 'n'},
	                                        {"node", required_argument, NULL, 'u'},
	                                        {"rpc-port", required_argument, NULL, 'p'},
	                                        {"allow-origin", required_argument, NULL, 'o'},
	                                        {NULL, 0, NULL, 0}};
	uint64_t number;
	optind = 1;
	for (int option; (option = getopt_long(count, arguments, "", options, NULL)) != -1;)
		if (option == 'n')
			gateway->directory = optarg;
		else if (option == 'u' && gateway->nodes.count < GATEWAY_MAX_NODES)
			gateway->nodes.urls[gateway->nodes.count++] = optarg;
		else if (option == 'p' && rpc_parse_number(optarg, &number) && number && number < 65536)
			gateway->port = (unsigned)number;
		else if (option == 'o' && gateway->origin_count < MAX_ORIGINS)
			gateway->origins[gateway->origin_count++] = optarg;
		else
			return false;
	return gateway->directory && gateway->nodes.count && optind == count;
}

/* The same file gives the keys to encrypt for and those that sign. */
static bool read_network(struct gateway *gateway)
{
	if (!network_read(gateway->directory, &gateway->network))
		return false;
	gateway->witnesses.members = gateway->members = gateway->network.members;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++) {
		gateway->witnesses.known[i] = gateway->network.peers[i].known;
		memcpy(gateway->witnesses.keys[i], gateway->network.peers[i].key, HYBRID_SIGN_PK_SIZE);
	}
	return true;
}

int command_rpc(int count, char **arguments)
{
	struct gateway *gateway = checked_zalloc(1, sizeof *gateway);
	sigset_t signals;
	int number;
	gateway->port = 8545;
	pthread_mutex_init(&gateway->lock, NULL);
	pthread_mutex_init(&gateway->nodes.lock, NULL);
	pthread_cond_init(&gateway->sent, NULL);
	gateway->prover = (struct gateway_prover){.nodes = &gateway->nodes,
	                                          .network = &gateway->network,
	                                          .members = members_of,
	                                          .context = gateway,
	                                          .pause_ms = 50,
	                                          .lock = PTHREAD_MUTEX_INITIALIZER};
	gateway->last_errand = &gateway->errands;
	if (!parse(gateway, count, arguments)) {
		fprintf(
		    stderr,
		    "usage: holon-ledger rpc --network D --node http://HOST:PORT [--node …] [--rpc-port P] "
		    "[--allow-origin ORIGIN]…\n"
		    "  a gateway for wallets on this machine: encrypts transactions for the validators of "
		    "D/network and\n"
		    "  passes them, and everything else, to the nodes\n");
		free(gateway);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	const struct rpc_server_config config = {.port = gateway->port,
	                                         .workers = 32, /* most of them wait for a node */
	                                         .origins = gateway->origins,
	                                         .context = gateway,
	                                         .worker_open = open_worker,
	                                         .worker_close = close_worker,
	                                         .answer = answer_text,
	                                         .closed = closed};
	gateway->pool = txpool_create(send, gateway, GATEWAY_KEEP_SECONDS);
	gateway->feed = gateway_feed_start(ask_first, gateway);
	gateway->keep = read_network(gateway) ? gateway_keep_start(&gateway->prover, gateway->pool) : NULL;
	struct rpc_server *server = gateway->feed && gateway->keep ? rpc_server_start(&config) : NULL;
	if (server) {
		gateway_feed_serve(gateway->feed, server);
		printf("JSON-RPC on http://127.0.0.1:%u; transactions are encrypted here\n", gateway->port);
		fflush(stdout);
		sigwait(&signals, &number);
	}
	if (gateway->feed)
		gateway_feed_quiet(gateway->feed);
	if (server)
		rpc_server_stop(server);
	if (gateway->keep)
		gateway_keep_stop(gateway->keep);
	if (gateway->feed)
		gateway_feed_destroy(gateway->feed);
	txpool_destroy(gateway->pool);
	free(gateway);
	return server ? 0 : 1;
}
