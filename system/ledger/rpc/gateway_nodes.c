/* Asking the nodes behind a gateway. */
#include "rpc/gateway_nodes.h"

#include "num/arena.h"
#include "num/clock.h"
#include "num/hex.h"
#include "rpc/client.h"
#include "rpc/rpc_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool avoided(struct gateway_nodes *nodes, unsigned node)
{
	pthread_mutex_lock(&nodes->lock);
	const time_t now = monotonic_seconds();
	const bool yes = nodes->avoided[node] > now || nodes->distrusted[node] > now;
	pthread_mutex_unlock(&nodes->lock);
	return yes;
}

/* Whether the node says that it is starting: what it knows is old. Another may be asked. */
static bool is_starting(const json_t *answer)
{
	const json_t *one = json_is_array(answer) ? json_array_get(answer, 0) : answer;
	const json_t *code = json_object_get(json_object_get(one, "error"), "code");
	return json_is_integer(code) && json_integer_value(code) == RPC_UNAVAILABLE;
}

/* One node's answer: null where it has nothing to say, as to a notification. NULL, and why: none that is of use. */
static json_t *exchange(struct gateway_nodes *nodes, unsigned node, const char *text, unsigned seconds,
                        const char **why)
{
	json_error_t error;
	char *content = client_exchange(nodes->urls[node], text, seconds, why);
	json_t *answer = !content ? NULL : *content ? json_loads(content, 0, &error) : json_null();
	if (content && !answer)
		*why = "the answer is not JSON-RPC";
	free(content);
	if (is_starting(answer)) {
		json_decref(answer);
		answer = NULL;
		*why = "the node is starting: try again later";
	}
	pthread_mutex_lock(&nodes->lock);
	nodes->avoided[node] = answer ? 0 : monotonic_seconds() + GATEWAY_AVOID_SECONDS;
	pthread_mutex_unlock(&nodes->lock);
	return answer;
}

/* From `first` on, the avoided ones last. */
static void in_order(struct gateway_nodes *nodes, unsigned first, unsigned order[GATEWAY_MAX_NODES])
{
	unsigned good = 0;
	unsigned bad = nodes->count;
	for (unsigned i = 0; i < nodes->count; i++) {
		const unsigned node = (first + i) % nodes->count;
		if (avoided(nodes, node))
			order[--bad] = node;
		else
			order[good++] = node;
	}
}

void gateway_nodes_order(struct gateway_nodes *nodes, unsigned order[GATEWAY_MAX_NODES])
{
	in_order(nodes, 0, order);
}

void gateway_nodes_avoid(struct gateway_nodes *nodes, unsigned node)
{
	pthread_mutex_lock(&nodes->lock);
	nodes->distrusted[node] = monotonic_seconds() + GATEWAY_AVOID_SECONDS;
	pthread_mutex_unlock(&nodes->lock);
}

static json_t *forward(struct gateway_nodes *nodes, const char *text, unsigned seconds, const char **why)
{
	unsigned order[GATEWAY_MAX_NODES];
	json_t *answer = NULL;
	in_order(nodes, 0, order);
	for (unsigned i = 0; i < nodes->count && !answer; i++)
		answer = exchange(nodes, order[i], text, seconds, why);
	return answer;
}

json_t *gateway_nodes_forward(struct gateway_nodes *nodes, const char *text, const char **why)
{
	return forward(nodes, text, CLIENT_SECONDS, why);
}

static json_t *request(json_int_t id, const char *method, json_t *params)
{
	return json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", id, "method", method, "params",
	                 params);
}

json_t *gateway_nodes_ask(struct gateway_nodes *nodes, int node, const char *method, json_t *params,
                          char why[200])
{
	const char *reason = "out of memory";
	json_t *body = request(1, method, params);
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	json_t *parsed = !text      ? NULL
	                 : node < 0 ? forward(nodes, text, GATEWAY_NODE_SECONDS, &reason)
	                            : exchange(nodes, (unsigned)node, text, GATEWAY_NODE_SECONDS, &reason);
	free(text);
	json_t *result = json_incref(json_object_get(parsed, "result"));
	if (!result) {
		const char *message =
		    json_string_value(json_object_get(json_object_get(parsed, "error"), "message"));
		snprintf(why, 200, "%s", message ? message : reason);
	}
	json_decref(parsed);
	return result;
}

/* ---- envelopes ---- */
bool gateway_nodes_envelope(struct gateway_nodes *nodes, const char *text)
{
	unsigned order[GATEWAY_MAX_NODES];
	bool good = false;
	pthread_mutex_lock(&nodes->lock);
	const unsigned first = nodes->first;
	pthread_mutex_unlock(&nodes->lock);
	in_order(nodes, first, order);
	for (unsigned i = 0; i < nodes->count && !good; i++) {
		char why[200];
		json_t *result = gateway_nodes_ask(nodes, (int)order[i], "holon_sendEnvelope",
		                                   json_pack("[s]", text), why);
		good = json_is_true(result);
		json_decref(result);
	}
	return good;
}

void gateway_nodes_turn(struct gateway_nodes *nodes)
{
	pthread_mutex_lock(&nodes->lock);
	nodes->first = (nodes->first + 1) % nodes->count;
	pthread_mutex_unlock(&nodes->lock);
}
