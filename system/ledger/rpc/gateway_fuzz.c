/*
 * Nodes that answer anything, to a gateway that asks them for proofs, to take envelopes, and for logs: the bytes are what three
 * nodes answer in turn, in place of client.c. The header of the first answer is taken for one that validators signed, so that what
 * lies behind that check is reached.
 */
#include "num/arena.h"
#include "rpc/client.h"
#include "rpc/gateway_feed.h"
#include "rpc/gateway_proof.h"
#include "rpc/rpc_internal.h"
#include "state/trie.h"

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

static bool members(void *context, uint64_t epoch, bool renew, uint64_t *out)
{
	(void)context;
	(void)renew;
	*out = 7;
	return epoch == 0;
}

static void trust_header(struct gateway_prover *prover, const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, 0, size);
	json_error_t error;
	json_t *answer = json_loadb((const char *)data, end ? (size_t)(end - data) : size, 0, &error);
	const char *text = json_string_value(json_object_get(json_object_get(answer, "result"), "header"));
	const size_t room = text ? strlen(text) / 2 : 0;
	uint8_t *bytes = checked_alloc(room + 1);
	const long length = text ? hex_decode(bytes, room, text) : -1;
	prover->head = (struct head){.index = 1, .time_ms = (uint64_t)time(NULL) * 1000};
	if (length >= 0)
		keccak256(prover->head.root, bytes, (size_t)length);
	free(bytes);
	json_decref(answer);
}

/* The bytes as a proof: each node behind its size in one byte, under the root that the first one has. */
static void prove(const uint8_t *data, size_t size)
{
	struct trie_bytes nodes[8], value;
	struct hash32 root;
	size_t count = 0;
	while (count < 8 && size > 1 && data[0] < size) {
		nodes[count++] = (struct trie_bytes){data + 1, data[0]};
		size -= data[0] + 1U;
		data += data[0] + 1U;
	}
	if (!count)
		return;
	keccak256(root.bytes, nodes[0].bytes, nodes[0].size);
	const uint8_t key[32] = {0x11, 0x11};
	if (trie_check(&root, key, 32, nodes, count, &value) == TRIE_PRESENT && !value.size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct network network;
	struct gateway_nodes nodes = {.urls = {"a", "b", "c"}, .count = 3};
	const struct address senders[ACCOUNTS] = {0};
	struct proven_account accounts[ACCOUNTS];
	const struct u256 slots[2] = {0};
	struct u256 values[2];
	struct gateway_prover prover = {
	    .nodes = &nodes, .network = &network, .members = members, .lock = PTHREAD_MUTEX_INITIALIZER};
	char why[200];
	rest = data;
	left = size;
	pthread_mutex_init(&nodes.lock, NULL);
	prove(data, size);
	trust_header(&prover, data, size);
	(void)gateway_prove(&prover, GATEWAY_LAST, senders, ACCOUNTS, slots, 2, accounts, values, why);
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
