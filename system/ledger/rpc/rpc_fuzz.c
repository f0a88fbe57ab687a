/*
 * Fuzzes JSON-RPC: the input is a request's text, answered over a chain of one block with a contract in it. Each answer
 * must be JSON again. And the machine itself: an input that begins with 0xfe is bytecode, run with little gas. One that begins
 * with 0xfd is a log as a node might send it to a gateway.
 */
#include "rpc/gateway_feed.h"

#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rpc rpc;
static struct chain_view view;

static bool take(void *context, const uint8_t *bytes, size_t size)
{
	(void)context;
	(void)bytes;
	(void)size;
	return true;
}

static size_t take_all(void *context, const struct txpool_item *items, size_t count)
{
	(void)context;
	(void)items;
	return count;
}

static void prepare(void)
{
	static char directory[] = "/tmp/holon-rpc-fuzz-XXXXXX";
	static const uint8_t key[1][32] = {{7}};
	const struct chain_config config = {.chain_id = CHAIN_DEFAULT_ID, .gas_limit = 30000000};
	char file[64];
	if (!mkdtemp(directory))
		abort();
	rpc.config = (struct rpc_config){
	    .chain = chain_open(directory, &config), .send = take, .keys = key, .key_count = 1};
	/* Open files outlive their names. */
	snprintf(file, sizeof file, "%s/data.mdb", directory);
	unlink(file);
	snprintf(file, sizeof file, "%s/lock.mdb", directory);
	unlink(file);
	rmdir(directory);
	pthread_mutex_init(&rpc.lock, NULL);
	subscriptions_init(&rpc.subscriptions);
	rpc.pool = txpool_create(take_all, NULL, TXPOOL_SECONDS);
	if (!rpc.config.chain || !rpc_derive_accounts(&rpc) || !chain_view_open(rpc.config.chain, &view))
		abort();
}

static void run_code(const uint8_t *code, size_t size)
{
	const struct rules rules = chain_rules(rpc.config.chain);
	struct hash32 hash;
	const struct address to = {{0xaa}};
	const struct address from = {{0xbb}};
	if (size > EVM_MAX_CODE || !chain_view_renew(&view))
		return;
	keccak256(hash.bytes, code, size);
	chain_view_set_block(&view, &view.head, false);
	state_begin(&view.state);
	state_set_code(&view.state, state_account(&view.state, &to),
	               code_cache_add(&view.codes, &hash, code, size));
	state_end(&view.state);
	const struct transaction transaction = {
	    .gas_limit = 200000, .to = to, .data = code, .data_size = size < 100 ? size : 100};
	(void)transaction_simulate(view.evm, &rules, &transaction, &from);
	code_cache_clear(&view.codes);
	state_clear(&view.state);
}

static void read_log(const uint8_t *text, size_t size)
{
	static const struct log_filter everything;
	struct log log;
	json_error_t error;
	json_t *object = json_loadb((const char *)text, size, JSON_DECODE_ANY, &error);
	if (object && gateway_feed_log(object, &log) &&
	    (log.topic_count > 4 || !log_filter_matches(&everything, &log)))
		abort();
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!rpc.pool)
		prepare();
	if (size && data[0] == 0xfe) {
		run_code(data + 1, size - 1);
		return 0;
	}
	if (size && data[0] == 0xfd) {
		read_log(data + 1, size - 1);
		return 0;
	}
	char *text = malloc(size + 1);
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	char *answer = rpc_answer(&rpc, &view, text, size, 5);
	if (answer) {
		json_error_t error;
		json_t *parsed = json_loads(answer, 0, &error);
		if (!parsed)
			abort();
		json_decref(parsed);
	}
	free(answer);
	free(text);
	return 0;
}
