/*
 * Nodes that answer anything, to a gateway that asks them for nonces, to take envelopes, and for logs: the bytes are what three
 * nodes answer in turn, in place of client.c.
 */
#include "num/arena.h"
#include "rpc/client.h"
#include "rpc/gateway_feed.h"
#include "rpc/gateway_nodes.h"

#include <stdlib.h>
#include <string.h>

#define ACCOUNTS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *rest;
static size_t left;

/* Up to a byte 0 the next answer; none at all when that is empty. */
char *client_exchange(const char *url, const char *body, unsigned seconds, const char **why)
{
	(void)url;
	(void)body;
	(void)seconds;
	*why = "nothing answers there";
	const uint8_t *end = left ? memchr(rest, 0, left) : NULL;
	const size_t size = end ? (size_t)(end - rest) : left;
	char *answer = NULL;
	if (size) {
		answer = checked_alloc(size + 1);
		memcpy(answer, rest, size);
		answer[size] = 0;
	}
	rest += end ? size + 1 : size;
	left -= end ? size + 1 : size;
	return answer;
}

json_t *client_call(const char *url, const char *method, json_t *params)
{
	(void)url;
	(void)method;
	json_decref(params);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gateway_nodes nodes = {.urls = {"a", "b", "c"}, .count = 3};
	const struct address senders[ACCOUNTS] = {0};
	uint64_t nonces[ACCOUNTS];
	bool known[ACCOUNTS];
	char why[200];
	rest = data;
	left = size;
	pthread_mutex_init(&nodes.lock, NULL);
	gateway_nodes_nonces(&nodes, senders, ACCOUNTS, nonces, known);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		if (!known[i] && nonces[i])
			abort();
	(void)gateway_nodes_envelope(&nodes, "0x");
	gateway_nodes_turn(&nodes);
	json_t *result = gateway_nodes_ask(&nodes, -1, "eth_getBlockReceipts", json_array(), why);
	for (size_t i = 0; i < json_array_size(result); i++) {
		struct log log;
		(void)gateway_feed_log(json_array_get(result, i), &log);
	}
	json_decref(result);
	pthread_mutex_destroy(&nodes.lock);
	return 0;
}
