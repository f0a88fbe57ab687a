/* One request or a batch: finds the method, runs it, writes result or error (JSON-RPC 2.0). */
#include "num/clock.h"
#include "rpc/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>

static rpc_method *find_in(const struct rpc_method_entry *table, const char *name)
{
	while (table->name && strcmp(table->name, name) != 0)
		table++;
	return table->run;
}

static rpc_method *find_method(const char *name, bool *any_time)
{
	static const struct rpc_method_entry *const tables[] = {
	    rpc_state_methods, rpc_block_methods, rpc_call_methods, rpc_log_methods,
	    rpc_send_methods,  rpc_node_methods,  rpc_prove_methods};
	rpc_method *found = find_in(rpc_any_time_methods, name);
	*any_time = found != NULL;
	for (size_t t = 0; t < sizeof tables / sizeof tables[0] && !found; t++)
		found = find_in(tables[t], name);
	return found;
}

/* Waits while the node is starting; false when that lasts too long. The view is of the state afterwards. */
static bool wait_started(struct rpc *rpc, struct chain_view *view)
{
	if (!rpc->config.starting || __atomic_load_n(&rpc->started, __ATOMIC_ACQUIRE))
		return true;
	while (rpc->config.starting(rpc->config.context)) {
		if (monotonic_seconds() >= rpc->start_until ||
		    __atomic_load_n(&rpc->stopping, __ATOMIC_RELAXED))
			return false;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	__atomic_store_n(&rpc->started, true, __ATOMIC_RELEASE);
	return chain_view_renew(view);
}

static json_t *run(struct rpc_call *call, const char *name)
{
	bool any_time;
	rpc_method *method = find_method(name, &any_time);
	if (!method)
		return rpc_fail(call, RPC_NO_METHOD, "the method %.64s does not exist/is not available",
		                name);
	if (!any_time && !wait_started(call->rpc, call->view))
		return rpc_fail(
		    call, RPC_UNAVAILABLE,
		    "the node is starting and has not executed yet what was ordered before it ended: "
		    "try again later, or ask another node");
	/* The request before, of the same batch, may have looked at an older state. */
	(void)chain_view_at(call->view, call->view->head.number);
	return method(call);
}

static json_t *error_answer(json_t *id, enum rpc_error_code code, const char *why, json_t *data)
{
	json_t *error = json_pack("{s:i, s:s}", "code", (int)code, "message", why);
	if (data)
		json_object_set_new(error, "data", data);
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id ? id : json_null(), "error", error);
}

/* Answers one request object; NULL for a notification. */
static json_t *answer_one(struct rpc *rpc, struct chain_view *view, json_t *request, uint64_t connection)
{
	json_t *id = json_object_get(request, "id");
	const char *name = json_string_value(json_object_get(request, "method"));
	json_t *params = json_object_get(request, "params");
	__atomic_fetch_add(&rpc->requests, 1, __ATOMIC_RELAXED);
	if (!json_is_object(request) || !name ||
	    (id && !json_is_string(id) && !json_is_number(id) && !json_is_null(id)) ||
	    (params && !json_is_array(params) && !json_is_object(params) && !json_is_null(params))) {
		__atomic_fetch_add(&rpc->failures, 1, __ATOMIC_RELAXED);
		return error_answer(NULL, RPC_INVALID_REQUEST, "invalid request", NULL);
	}
	struct rpc_call call = {.rpc = rpc,
	                        .view = view,
	                        .connection = connection,
	                        .params = json_is_array(params) ? params : NULL,
	                        .code = RPC_INTERNAL,
	                        .why = "internal error"};
	json_t *result = run(&call, name);
	json_t *answer = NULL;
	if (!result)
		__atomic_fetch_add(&rpc->failures, 1, __ATOMIC_RELAXED);
	if (!id) {
		json_decref(result);
		json_decref(call.data);
		return NULL;
	}
	if (result)
		answer = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result);
	else
		answer = error_answer(id, call.code, call.why, call.data);
	return answer;
}

static char *write_and_free(json_t *answer)
{
	if (!answer)
		return NULL;
	char *text = json_dumps(answer, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(answer);
	return text;
}

static char *answer_batch(struct rpc *rpc, struct chain_view *view, json_t *batch, uint64_t connection)
{
	const size_t count = json_array_size(batch);
	if (count == 0)
		return write_and_free(error_answer(NULL, RPC_INVALID_REQUEST, "empty batch", NULL));
	if (count > RPC_MAX_BATCH)
		return write_and_free(
		    error_answer(NULL, RPC_LIMIT, "batch too large: at most 1000 requests", NULL));
	/* Written one by one, so that a batch of large answers is cut off before it is built. */
	size_t size = 1;
	size_t room = 4096;
	char *text = checked_alloc(room);
	text[0] = '[';
	for (size_t i = 0; i < count; i++) {
		json_t *request = json_array_get(batch, i);
		json_t *answer;
		if (size > RPC_MAX_ANSWER)
			answer = error_answer(json_object_get(request, "id"), RPC_LIMIT,
			                      "the batch's answer is too large", NULL);
		else
			answer = answer_one(rpc, view, request, connection);
		char *one = write_and_free(answer);
		if (!one)
			continue;
		const size_t length = strlen(one);
		if (room - size < length + 3) {
			room = (size + length + 3) * 2;
			text = checked_realloc(text, room);
		}
		if (size > 1)
			text[size++] = ',';
		memcpy(text + size, one, length + 1);
		size += length;
		free(one);
	}
	if (size == 1) {
		free(text);
		return NULL;
	}
	memcpy(text + size, "]", 2);
	return text;
}

char *rpc_answer(struct rpc *rpc, struct chain_view *view, const char *text, size_t size, uint64_t connection)
{
	json_error_t error;
	json_t *request = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (!request)
		return write_and_free(error_answer(NULL, RPC_PARSE_ERROR, "parse error", NULL));
	if (!chain_view_renew(view)) {
		json_decref(request);
		return write_and_free(error_answer(NULL, RPC_INTERNAL, "the store cannot be read", NULL));
	}
	char *result;
	if (json_is_array(request))
		result = answer_batch(rpc, view, request, connection);
	else
		result = write_and_free(answer_one(rpc, view, request, connection));
	json_decref(request);
	return result;
}

static char *answer(void *context, void *worker, const char *text, size_t size, uint64_t connection)
{
	return rpc_answer(context, worker, text, size, connection);
}

static char *metrics(void *context, void *worker)
{
	const struct rpc *rpc = context;
	struct chain_view *view = worker;
	char *more = rpc->config.metrics ? rpc->config.metrics(rpc->config.context) : NULL;
	char *text = NULL;
	if (!chain_view_renew(view) ||
	    asprintf(
	        &text,
	        "# TYPE holon_ledger_block gauge\n# HELP holon_ledger_block Number of the last block.\n"
	        "holon_ledger_block %llu\n"
	        "# TYPE holon_ledger_block_time_seconds gauge\nholon_ledger_block_time_seconds %llu\n"
	        "# TYPE holon_ledger_rpc_requests counter\nholon_ledger_rpc_requests_total %llu\n"
	        "# TYPE holon_ledger_rpc_failures counter\nholon_ledger_rpc_failures_total %llu\n%s# EOF\n",
	        (unsigned long long)view->head.number, (unsigned long long)view->head.timestamp,
	        (unsigned long long)__atomic_load_n(&rpc->requests, __ATOMIC_RELAXED),
	        (unsigned long long)__atomic_load_n(&rpc->failures, __ATOMIC_RELAXED), more ? more : "") < 0)
		text = NULL;
	free(more);
	return text;
}

static void *open_worker(void *context)
{
	struct rpc *rpc = context;
	struct chain_view *view = checked_alloc(sizeof *view);
	if (chain_view_open(rpc->config.chain, view))
		return view;
	free(view);
	return NULL;
}

static void close_worker(void *worker)
{
	chain_view_close(worker);
	free(worker);
}

static void closed(void *context, uint64_t connection)
{
	struct rpc *rpc = context;
	subscriptions_drop(&rpc->subscriptions, connection);
}

static size_t send_each(void *context, const struct txpool_item *items, size_t count)
{
	const struct rpc *rpc = context;
	size_t taken = 0;
	while (taken < count && rpc->config.send(rpc->config.context, items[taken].bytes, items[taken].size))
		taken++;
	return taken;
}

struct rpc *rpc_start(const struct rpc_config *config)
{
	struct rpc *rpc = checked_zalloc(1, sizeof *rpc);
	rpc->config = *config;
	rpc->start_until = monotonic_seconds() + RPC_START_SECONDS;
	pthread_mutex_init(&rpc->lock, NULL);
	subscriptions_init(&rpc->subscriptions);
	const struct rpc_server_config server = {
	    .address = config->address,
	    .port = config->port,
	    .workers = config->workers,
	    .origins = config->origins,
	    .context = rpc,
	    .worker_open = open_worker,
	    .worker_close = close_worker,
	    .answer = answer,
	    .metrics = metrics,
	    .closed = closed,
	};
	rpc->pool = txpool_create(send_each, rpc, TXPOOL_SECONDS);
	if (!rpc_derive_accounts(rpc) || !(rpc->server = rpc_server_start(&server))) {
		txpool_destroy(rpc->pool);
		free(rpc->accounts);
		free(rpc);
		return NULL;
	}
	return rpc;
}

void rpc_stop(struct rpc *rpc)
{
	__atomic_store_n(&rpc->stopping, true, __ATOMIC_RELAXED);
	rpc_server_stop(rpc->server);
	subscriptions_deinit(&rpc->subscriptions);
	rpc_filters_free(rpc);
	txpool_destroy(rpc->pool);
	pthread_mutex_destroy(&rpc->lock);
	free(rpc->accounts);
	free(rpc);
}
