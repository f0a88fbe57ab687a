/*
 * The application "evm" of a node (node/application.h): commits become blocks of the chain, JSON-RPC serves them. What
 * validators compare is the head block's hash.
 */
#include "ledger/node/application.h"

#include "chain/chain.h"
#include "chain/pins.h"
#include "rpc/application.h"
#include "rpc/rpc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct application {
	struct chain *chain;
	struct ledger_node *node;
	bool encrypt;
	pthread_mutex_t lock;
	struct rpc *rpc;
	const char *origins[9];
	char *origin_texts[8];
	char *address; /* NULL: 127.0.0.1 */
	size_t origin_count;
};

/* One KEY=VALUE. */
static bool take_option(struct application *app, struct chain_config *config, const char *option)
{
	const struct {
		const char *key;
		uint64_t *number;
	} numbers[] = {{"chain_id=", &config->chain_id},
	               {"gas_limit=", &config->gas_limit},
	               {"past=", &config->past_window},
	               {"quota_gas=", &config->quota_gas},
	               {"quota_window=", &config->quota_window}};
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		const size_t length = strlen(numbers[i].key);
		if (!strncmp(option, numbers[i].key, length))
			return rpc_parse_number(option + length, numbers[i].number) &&
			       (*numbers[i].number || numbers[i].number == &config->past_window);
	}
	if (!strncmp(option, "encrypt=", 8)) {
		app->encrypt = option[8] == '1';
		return !strcmp(option + 8, "0") || !strcmp(option + 8, "1");
	}
	if (!strncmp(option, "origin=", 7) && app->origin_count < 8) {
		app->origin_texts[app->origin_count] = strdup(option + 7);
		app->origins[app->origin_count] = app->origin_texts[app->origin_count];
		return app->origins[app->origin_count++] != NULL;
	}
	if (!strncmp(option, "address=", 8) && option[8]) {
		free(app->address);
		app->address = strdup(option + 8);
		return app->address != NULL;
	}
	return false;
}

static void notify(void *context, uint64_t first, uint64_t last)
{
	struct application *app = context;
	pthread_mutex_lock(&app->lock);
	if (app->rpc)
		rpc_notify_blocks(app->rpc, first, last);
	pthread_mutex_unlock(&app->lock);
}

static void app_close(void *application)
{
	struct application *app = application;
	if (app->chain)
		chain_close(app->chain);
	for (size_t i = 0; i < app->origin_count; i++)
		free(app->origin_texts[i]);
	free(app->address);
	pthread_mutex_destroy(&app->lock);
	free(app);
}

static void *app_open(const char *directory, const char *const *options, size_t option_count)
{
	struct chain_config config = {.chain_id = CHAIN_DEFAULT_ID,
	                              .gas_limit = CHAIN_DEFAULT_GAS_LIMIT,
	                              .past_window = CHAIN_DEFAULT_PAST,
	                              .durable = true,
	                              .workers = 1};
	struct application *app = checked_zalloc(1, sizeof *app);
	pthread_mutex_init(&app->lock, NULL);
	for (size_t i = 0; i < option_count; i++)
		if (!take_option(app, &config, options[i])) {
			fprintf(stderr,
			        "holon-ledger: '%s' is no option of the application evm; it has chain_id, "
			        "gas_limit, "
			        "quota_gas, quota_window (numbers above 0), past (blocks whose states are "
			        "kept), encrypt=0|1, origin and address (where JSON-RPC is served; 127.0.0.1 "
			        "without it)\n",
			        options[i]);
			app_close(app);
			return NULL;
		}
	if (config.quota_gas && !config.quota_window) {
		fprintf(stderr, "holon-ledger: quota_gas needs quota_window, in seconds\n");
		app_close(app);
		return NULL;
	}
	app->chain = chain_open(directory, &config);
	if (!app->chain) {
		app_close(app);
		return NULL;
	}
	chain_on_blocks(app->chain, notify, app);
	return app;
}

static bool app_apply(void *application, const struct ledger_commit *commit, struct ledger_applied *applied)
{
	struct application *app = application;
	struct ordered_items *payloads = checked_alloc(commit->payload_count * sizeof *payloads);
	for (size_t i = 0; i < commit->payload_count; i++)
		payloads[i] = (struct ordered_items){commit->payloads[i].data, commit->payloads[i].size};
	const struct chain_commit what = {commit->index, commit->time_ms, commit->digest, payloads,
	                                  commit->payload_count};
	bool good = chain_execute(app->chain, &what);
	free(payloads);
	/* Blocks become visible with their commit; empty commits wait for the next flush. */
	if (good && commit->payload_count)
		good = chain_flush(app->chain);
	struct hash32 head;
	chain_head_hash(app->chain, &head, false);
	if (good && commit->head)
		chain_pin(app->chain, commit->index);
	applied->index = commit->index;
	memcpy(applied->root, head.bytes, LEDGER_ROOT_SIZE);
	return good;
}

static bool app_applied(void *application, struct ledger_applied *applied)
{
	const struct application *app = application;
	struct hash32 hash;
	chain_flushed(app->chain, &applied->index, &hash);
	chain_head_hash(app->chain, &hash, true);
	memcpy(applied->root, hash.bytes, LEDGER_ROOT_SIZE);
	return true;
}

static bool app_flush(void *application)
{
	const struct application *app = application;
	return chain_flush(app->chain);
}

/* Any thread: looks at the payload alone. */
static bool app_check(void *application, const uint8_t *payload, size_t size, char *why, size_t why_size)
{
	const struct application *app = application;
	struct arena arena = {0};
	struct transaction transaction;
	struct address sender;
	const char *reason = NULL;
	bool good = transaction_decode(&transaction, payload, size, &arena, &reason);
	if (good && !transaction_sender(&transaction, &sender)) {
		reason = "the signature is not valid";
		good = false;
	}
	if (good && transaction.has_chain_id &&
	    transaction.chain_id != chain_configuration(app->chain)->chain_id) {
		reason = "the transaction is for another chain";
		good = false;
	}
	if (!good && why_size)
		snprintf(why, why_size, "%s", reason);
	arena_deinit(&arena);
	return good;
}

static bool app_snapshot(void *application, ledger_chunk_sink sink, void *context)
{
	const struct application *app = application;
	return chain_snapshot(app->chain, sink, context);
}

static bool app_restore(void *application, const char *file, const struct ledger_applied *expected)
{
	const struct application *app = application;
	struct hash32 head;
	memcpy(head.bytes, expected->root, 32);
	return chain_restore(app->chain, file, expected->index, &head);
}

static bool send_transaction(void *context, const uint8_t *bytes, size_t size)
{
	const struct application *app = context;
	return ledger_node_submit(app->node, bytes, size, app->encrypt) == LEDGER_SUBMITTED;
}

static bool starting(void *context)
{
	const struct application *app = context;
	struct ledger_node_status status;
	ledger_node_get_status(app->node, &status);
	return status.starting;
}

static char *metrics(void *context)
{
	const struct application *app = context;
	struct ledger_node_status status;
	char *text = NULL;
	ledger_node_get_status(app->node, &status);
	if (asprintf(&text,
	             "# TYPE holon_ledger_round gauge\nholon_ledger_round %llu\n"
	             "# TYPE holon_ledger_committed gauge\nholon_ledger_committed %llu\n"
	             "# TYPE holon_ledger_applied gauge\nholon_ledger_applied %llu\n"
	             "# TYPE holon_ledger_pending gauge\nholon_ledger_pending %llu\n"
	             "# TYPE holon_ledger_peers gauge\nholon_ledger_peers %u\n",
	             (unsigned long long)status.round, (unsigned long long)status.committed,
	             (unsigned long long)status.applied, (unsigned long long)status.pending_payloads,
	             status.peers) < 0)
		return NULL;
	return text;
}

static bool app_start(void *application, struct ledger_node *node, unsigned rpc_port)
{
	struct application *app = application;
	app->node = node;
	if (!rpc_port)
		return true;
	const struct rpc_config config = {
	    .chain = app->chain,
	    .address = app->address,
	    .port = rpc_port,
	    .workers = 2,
	    .origins = app->origins,
	    .context = app,
	    .send = send_transaction,
	    .starting = starting,
	    .node = app->node,
	    .metrics = metrics,
	};
	struct rpc *rpc = rpc_start(&config);
	pthread_mutex_lock(&app->lock);
	app->rpc = rpc;
	pthread_mutex_unlock(&app->lock);
	return rpc != NULL;
}

static void app_stop(void *application)
{
	struct application *app = application;
	pthread_mutex_lock(&app->lock);
	struct rpc *rpc = app->rpc;
	app->rpc = NULL;
	pthread_mutex_unlock(&app->lock);
	if (rpc)
		rpc_stop(rpc);
}

const struct ledger_application evm_application = {
    .name = "evm",
    .open = app_open,
    .close = app_close,
    .apply = app_apply,
    .applied = app_applied,
    .flush = app_flush,
    .check = app_check,
    .snapshot = app_snapshot,
    .restore = app_restore,
    .start = app_start,
    .stop = app_stop,
};
