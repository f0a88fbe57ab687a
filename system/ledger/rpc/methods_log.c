/* Logs: eth_getLogs, filters that are polled, subscriptions that are pushed. */
#include "rpc/subscriptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define MAX_FILTERS    1024
#define FILTER_SECONDS 300
#define MAX_PENDING    4096 /* hashes kept for a filter of transactions on their way */
#define MAX_CRITERIA   1024 /* addresses, and hashes a topic */

struct filter {
	struct filter *next;
	uint64_t id;
	enum feed feed;
	uint64_t next_block;
	time_t used;
	struct log_filter logs;
	uint64_t first; /* FEED_LOGS: of the criteria */
	uint64_t last;
	struct hash32 *pending;
	size_t pending_count;
};

/* ---- criteria ---- */
void log_filter_free(struct log_filter *filter)
{
	free(filter->addresses);
	for (unsigned i = 0; i < 4; i++)
		free(filter->topics[i].any_of);
	*filter = (struct log_filter){0};
}

/* A value or an array of values of `size` bytes each. */
static bool parse_set(const json_t *value, void **out, size_t *count, size_t size)
{
	const bool is_array = json_is_array(value);
	const size_t items = is_array ? json_array_size(value) : 1;
	if (items > MAX_CRITERIA)
		return false;
	uint8_t *bytes = checked_alloc(items * size);
	*out = bytes;
	*count = items;
	for (size_t i = 0; i < items; i++) {
		const char *text = json_string_value(is_array ? json_array_get(value, i) : value);
		if (!text || hex_decode(bytes + i * size, size, text) != (long)size)
			return false;
	}
	return true;
}

bool log_filter_parse(struct rpc_call *call, const json_t *object, struct log_filter *out)
{
	*out = (struct log_filter){0};
	const json_t *address = json_object_get(object, "address");
	const json_t *topics = json_object_get(object, "topics");
	bool good = !address || json_is_null(address) ||
	            parse_set(address, (void **)&out->addresses, &out->address_count, 20);
	if (good && topics && !json_is_null(topics)) {
		good = json_is_array(topics) && json_array_size(topics) <= 4;
		for (size_t i = 0; good && i < json_array_size(topics); i++) {
			const json_t *topic = json_array_get(topics, i);
			if (!json_is_null(topic))
				good = parse_set(topic, (void **)&out->topics[i].any_of,
				                 &out->topics[i].count, 32);
			out->topic_count = (unsigned)i + 1;
		}
	}
	if (good)
		return true;
	log_filter_free(out);
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "invalid address or topics (at most %d of each)",
	               MAX_CRITERIA);
	return false;
}

bool log_filter_matches(const struct log_filter *filter, const struct log *log)
{
	bool found = filter->address_count == 0;
	for (size_t i = 0; !found && i < filter->address_count; i++)
		found = address_equal(&filter->addresses[i], &log->address);
	if (!found || filter->topic_count > log->topic_count)
		return false;
	for (unsigned t = 0; t < filter->topic_count; t++) {
		uint8_t topic[32];
		u256_store(topic, &log->topics[t]);
		found = filter->topics[t].count == 0;
		for (size_t i = 0; !found && i < filter->topics[t].count; i++)
			found = memcmp(filter->topics[t].any_of[i].bytes, topic, 32) == 0;
		if (!found)
			return false;
	}
	return true;
}

bool log_filter_may_match(const struct log_filter *filter, const uint8_t bloom[BLOOM_SIZE])
{
	bool found = filter->address_count == 0;
	for (size_t i = 0; !found && i < filter->address_count; i++)
		found = bloom_may_have(bloom, filter->addresses[i].bytes, 20);
	for (unsigned t = 0; found && t < filter->topic_count; t++) {
		found = filter->topics[t].count == 0;
		for (size_t i = 0; !found && i < filter->topics[t].count; i++)
			found = bloom_may_have(bloom, filter->topics[t].any_of[i].bytes, 32);
	}
	return found;
}

bool log_filter_block(const struct log_filter *filter, struct chain_view *view,
                      const struct block_header *block, json_t *out)
{
	if (!log_filter_may_match(filter, block->bloom))
		return true;
	for (uint32_t i = 0; i < block->transaction_count; i++) {
		struct receipt receipt;
		struct hash32 hash;
		bool hashed = false;
		if (!chain_view_receipt(view, block->number, i, &receipt))
			continue;
		for (size_t k = 0; k < receipt.log_count; k++) {
			if (!log_filter_matches(filter, &receipt.logs[k]))
				continue;
			if (json_array_size(out) >= RPC_MAX_LOGS)
				return false;
			if (!hashed)
				keccak256(hash.bytes, receipt.transaction, receipt.transaction_size);
			hashed = true;
			json_array_append_new(
			    out, rpc_log_json(&receipt.logs[k], block, &hash, i, receipt.first_log + k));
		}
	}
	return true;
}

/* ---- eth_getLogs ---- */
static bool parse_bound(struct rpc_call *call, const json_t *object, const char *key, uint64_t missing,
                        uint64_t *out)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (!text || !strcmp(text, "latest") || !strcmp(text, "pending") || !strcmp(text, "safe") ||
	    !strcmp(text, "finalized")) {
		*out = text ? call->view->head.number : missing;
		return true;
	}
	if (!strcmp(text, "earliest")) {
		*out = 0;
		return true;
	}
	if (hex_to_u64(out, text))
		return true;
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "invalid %s", key);
	return false;
}

static bool parse_range(struct rpc_call *call, const json_t *object, uint64_t *first, uint64_t *last)
{
	const char *text = json_string_value(json_object_get(object, "blockHash"));
	const uint64_t head = call->view->head.number;
	if (text) {
		struct hash32 hash;
		if (hex_decode(hash.bytes, 32, text) != 32 ||
		    !chain_view_block_number(call->view, &hash, first)) {
			(void)rpc_fail(call, RPC_FAILED, "unknown block");
			return false;
		}
		*last = *first;
		return true;
	}
	return parse_bound(call, object, "fromBlock", head, first) &&
	       parse_bound(call, object, "toBlock", head, last);
}

static json_t *collect(struct rpc_call *call, const struct log_filter *filter, uint64_t first, uint64_t last)
{
	if (last > call->view->head.number)
		last = call->view->head.number;
	if (first > last)
		return json_array();
	if (last - first >= RPC_MAX_LOG_BLOCKS)
		return rpc_fail(call, RPC_LIMIT, "the range has more than %d blocks", RPC_MAX_LOG_BLOCKS);
	json_t *logs = json_array();
	for (uint64_t number = first; number <= last; number++) {
		struct block_header block;
		if (!chain_view_block(call->view, number, &block))
			continue;
		if (!log_filter_block(filter, call->view, &block, logs)) {
			json_decref(logs);
			return rpc_fail(call, RPC_LIMIT, "more than %d logs match; narrow the range",
			                RPC_MAX_LOGS);
		}
	}
	return logs;
}

static json_t *get_logs(struct rpc_call *call)
{
	struct log_filter filter;
	uint64_t first;
	uint64_t last;
	const json_t *object = rpc_param(call, 0);
	if (!json_is_object(object))
		return rpc_fail(call, RPC_INVALID_PARAMS, "parameter 0 must be a filter");
	if (!parse_range(call, object, &first, &last) || !log_filter_parse(call, object, &filter))
		return NULL;
	json_t *logs = collect(call, &filter, first, last);
	log_filter_free(&filter);
	return logs;
}

/* ---- filters ---- */
uint64_t rpc_draw_id(void)
{
	uint64_t id = 0;
	while (id == 0)
		if (getrandom(&id, sizeof id, 0) != sizeof id)
			id = (uint64_t)time(NULL);
	return id;
}

static void filter_free(struct filter *filter)
{
	log_filter_free(&filter->logs);
	free(filter->pending);
	free(filter);
}

/* Takes out the filter with the id, or those unused for long (id 0). The lock is held. */
static bool remove_filters(struct rpc *rpc, uint64_t id)
{
	const time_t now = time(NULL);
	bool removed = false;
	for (struct filter **at = &rpc->filters; *at;) {
		struct filter *filter = *at;
		if (id ? filter->id == id : now - filter->used > FILTER_SECONDS) {
			*at = filter->next;
			filter_free(filter);
			rpc->filter_count--;
			removed = true;
		} else {
			at = &filter->next;
		}
	}
	return removed;
}

static json_t *add_filter(struct rpc_call *call, struct filter *filter)
{
	struct rpc *rpc = call->rpc;
	filter->id = rpc_draw_id();
	filter->next_block = call->view->head.number + 1;
	filter->used = time(NULL);
	pthread_mutex_lock(&rpc->lock);
	(void)remove_filters(rpc, 0);
	const bool room = rpc->filter_count < MAX_FILTERS;
	if (room) {
		filter->next = rpc->filters;
		rpc->filters = filter;
		rpc->filter_count++;
	}
	pthread_mutex_unlock(&rpc->lock);
	if (room)
		return rpc_quantity(filter->id);
	filter_free(filter);
	return rpc_fail(call, RPC_LIMIT, "too many filters");
}

static json_t *new_filter(struct rpc_call *call)
{
	struct filter *filter = checked_zalloc(1, sizeof *filter);
	const json_t *object = rpc_param(call, 0);
	filter->feed = FEED_LOGS;
	if (!json_is_object(object) || !parse_range(call, object, &filter->first, &filter->last) ||
	    !log_filter_parse(call, object, &filter->logs)) {
		free(filter);
		return call->code == RPC_INTERNAL
		           ? rpc_fail(call, RPC_INVALID_PARAMS, "parameter 0 must be a filter")
		           : NULL;
	}
	if (!json_object_get(object, "toBlock") || filter->last >= call->view->head.number)
		filter->last = UINT64_MAX;
	return add_filter(call, filter);
}

static json_t *new_block_filter(struct rpc_call *call)
{
	struct filter *filter = checked_zalloc(1, sizeof *filter);
	filter->feed = FEED_BLOCKS;
	return add_filter(call, filter);
}

static json_t *new_pending_filter(struct rpc_call *call)
{
	struct filter *filter = checked_zalloc(1, sizeof *filter);
	filter->feed = FEED_PENDING;
	filter->pending = checked_alloc(MAX_PENDING * sizeof *filter->pending);
	return add_filter(call, filter);
}

static struct filter *find_filter(struct rpc *rpc, uint64_t id)
{
	struct filter *filter = rpc->filters;
	while (filter && filter->id != id)
		filter = filter->next;
	if (filter)
		filter->used = time(NULL);
	return filter;
}

static json_t *changes(struct rpc_call *call, struct filter *filter)
{
	const uint64_t head = call->view->head.number;
	json_t *list;
	if (filter->feed == FEED_LOGS) {
		list = collect(call, &filter->logs, filter->next_block,
		               filter->last < head ? filter->last : head);
	} else {
		list = json_array();
		for (size_t i = 0; filter->feed == FEED_PENDING && i < filter->pending_count; i++)
			json_array_append_new(list, rpc_hash(&filter->pending[i]));
		filter->pending_count = 0;
		for (uint64_t n = filter->next_block; filter->feed == FEED_BLOCKS && n <= head; n++) {
			struct block_header block;
			if (n + RPC_MAX_LOGS > head && chain_view_block(call->view, n, &block))
				json_array_append_new(list, rpc_hash(&block.hash));
		}
	}
	filter->next_block = head + 1;
	return list;
}

static json_t *get_filter_changes(struct rpc_call *call)
{
	uint64_t id;
	if (!rpc_param_quantity(call, 0, &id))
		return NULL;
	pthread_mutex_lock(&call->rpc->lock);
	struct filter *filter = find_filter(call->rpc, id);
	json_t *result = filter ? changes(call, filter) : rpc_fail(call, RPC_FAILED, "filter not found");
	pthread_mutex_unlock(&call->rpc->lock);
	return result;
}

static json_t *get_filter_logs(struct rpc_call *call)
{
	uint64_t id;
	if (!rpc_param_quantity(call, 0, &id))
		return NULL;
	pthread_mutex_lock(&call->rpc->lock);
	struct filter *filter = find_filter(call->rpc, id);
	json_t *result = filter && filter->feed == FEED_LOGS
	                     ? collect(call, &filter->logs, filter->first, filter->last)
	                     : rpc_fail(call, RPC_FAILED, "filter not found");
	pthread_mutex_unlock(&call->rpc->lock);
	return result;
}

static json_t *uninstall_filter(struct rpc_call *call)
{
	uint64_t id;
	if (!rpc_param_quantity(call, 0, &id))
		return NULL;
	pthread_mutex_lock(&call->rpc->lock);
	const bool removed = id && remove_filters(call->rpc, id);
	pthread_mutex_unlock(&call->rpc->lock);
	return json_boolean(removed);
}

void rpc_filters_free(struct rpc *rpc)
{
	for (struct filter *filter = rpc->filters, *next; filter; filter = next) {
		next = filter->next;
		filter_free(filter);
	}
}

/* ---- subscriptions ---- */
static json_t *subscribe(struct rpc_call *call)
{
	return subscriptions_add(&call->rpc->subscriptions, call);
}

static json_t *unsubscribe(struct rpc_call *call)
{
	return subscriptions_remove(&call->rpc->subscriptions, call);
}

static void push_block(struct rpc *rpc, struct chain_view *view, const struct block_header *block)
{
	json_t *head = rpc_header_json(block);
	char *head_text = NULL;
	for (const struct subscription *s = rpc->subscriptions.first; s; s = s->next) {
		if (s->feed == FEED_BLOCKS)
			subscription_push(s, rpc->server, head, &head_text);
		if (s->feed != FEED_LOGS)
			continue;
		json_t *logs = json_array();
		(void)log_filter_block(&s->logs, view, block, logs);
		size_t i;
		json_t *log;
		json_array_foreach(logs, i, log)
		{
			char *text = NULL;
			subscription_push(s, rpc->server, log, &text);
			free(text);
		}
		json_decref(logs);
	}
	json_decref(head);
	free(head_text);
}

static void push_blocks(void *context, void *worker, uint64_t first, uint64_t last)
{
	struct rpc *rpc = context;
	struct chain_view *view = worker;
	if (!chain_view_renew(view))
		return;
	for (uint64_t number = first; number <= last; number++)
		txpool_block(rpc->pool, view, number);
	pthread_mutex_lock(&rpc->subscriptions.lock);
	for (uint64_t number = first; number <= last && rpc->subscriptions.first; number++) {
		struct block_header block;
		if (chain_view_block(view, number, &block))
			push_block(rpc, view, &block);
	}
	pthread_mutex_unlock(&rpc->subscriptions.lock);
}

void rpc_notify_blocks(struct rpc *rpc, uint64_t first, uint64_t last)
{
	(void)rpc_server_run(rpc->server, push_blocks, first, last);
}

void rpc_notify_pending(struct rpc *rpc, const struct hash32 *hash)
{
	subscriptions_push_pending(&rpc->subscriptions, rpc->server, hash);
	pthread_mutex_lock(&rpc->lock);
	for (struct filter *filter = rpc->filters; filter; filter = filter->next)
		if (filter->feed == FEED_PENDING && filter->pending_count < MAX_PENDING)
			filter->pending[filter->pending_count++] = *hash;
	pthread_mutex_unlock(&rpc->lock);
}

const struct rpc_method_entry rpc_log_methods[] = {{"eth_getLogs", get_logs},
                                                   {"eth_newFilter", new_filter},
                                                   {"eth_newBlockFilter", new_block_filter},
                                                   {"eth_newPendingTransactionFilter", new_pending_filter},
                                                   {"eth_getFilterChanges", get_filter_changes},
                                                   {"eth_getFilterLogs", get_filter_logs},
                                                   {"eth_uninstallFilter", uninstall_filter},
                                                   {"eth_subscribe", subscribe},
                                                   {"eth_unsubscribe", unsubscribe},
                                                   {NULL, NULL}};
