/* Polling a node for those who have subscribed. */
#include "rpc/gateway_feed.h"

#include <stdlib.h>
#include <time.h>

#define POLL_NS    250000000L
#define MAX_BLOCKS 64 /* in one turn, before the last one is asked for again */
#define MAX_TRIES  20 /* turns without a block's receipts */

struct gateway_feed {
	gateway_ask *ask;
	void *context;
	struct rpc_server *server;
	struct subscriptions subscriptions;
	pthread_t thread;
	pthread_mutex_t lock; /* what follows; never held while a node is waited for */
	pthread_cond_t wake;
	uint64_t next; /* the first block that nobody was told of */
	bool stopping, quiet;
	unsigned tries; /* the thread's own: for the block `next` */
};

static bool latest(struct gateway_feed *feed, uint64_t *number)
{
	json_t *answer = feed->ask(feed->context, "eth_blockNumber", json_array());
	const bool good = json_is_string(answer) && hex_to_u64(number, json_string_value(answer)) &&
	                  *number < UINT64_MAX / 2;
	json_decref(answer);
	return good;
}

static json_t *block_call(struct gateway_feed *feed, const char *method, uint64_t number, bool with_flag)
{
	char text[19];
	json_t *params = json_pack("[s]", hex_from_u64(text, number));
	if (with_flag)
		json_array_append_new(params, json_false());
	return feed->ask(feed->context, method, params);
}

/* ---- what is pushed ---- */
static void push_head(struct gateway_feed *feed, const json_t *block)
{
	json_t *head = json_copy((json_t *)(uintptr_t)block);
	char *text = NULL;
	static const char *const more[] = {"transactions", "uncles", "withdrawals"};
	for (size_t i = 0; i < sizeof more / sizeof more[0]; i++)
		json_object_del(head, more[i]);
	pthread_mutex_lock(&feed->subscriptions.lock);
	for (const struct subscription *s = feed->subscriptions.first; s; s = s->next)
		if (s->feed == FEED_BLOCKS)
			subscription_push(s, feed->server, head, &text);
	pthread_mutex_unlock(&feed->subscriptions.lock);
	json_decref(head);
	free(text);
}

bool gateway_feed_log(const json_t *object, struct log *out)
{
	const char *address = json_string_value(json_object_get(object, "address"));
	const json_t *topics = json_object_get(object, "topics");
	*out = (struct log){0};
	if (!address || hex_decode(out->address.bytes, 20, address) != 20 || json_array_size(topics) > 4)
		return false;
	for (size_t i = 0; i < json_array_size(topics); i++) {
		uint8_t bytes[32];
		const char *text = json_string_value(json_array_get(topics, i));
		if (!text || hex_decode(bytes, 32, text) != 32)
			return false;
		u256_load(&out->topics[i], bytes);
		out->topic_count++;
	}
	return true;
}

static void push_log(struct gateway_feed *feed, const json_t *object)
{
	struct log log;
	char *text = NULL;
	if (!gateway_feed_log(object, &log))
		return;
	pthread_mutex_lock(&feed->subscriptions.lock);
	for (const struct subscription *s = feed->subscriptions.first; s; s = s->next)
		if (s->feed == FEED_LOGS && log_filter_matches(&s->logs, &log))
			subscription_push(s, feed->server, object, &text);
	pthread_mutex_unlock(&feed->subscriptions.lock);
	free(text);
}

/* Whether somebody waits for logs that the block may have; with `drop`, those are ended. */
static bool logs_wanted(struct gateway_feed *feed, const uint8_t bloom[BLOOM_SIZE], bool drop)
{
	bool wanted = false;
	pthread_mutex_lock(&feed->subscriptions.lock);
	for (const struct subscription *s = feed->subscriptions.first; s; s = s->next) {
		if (s->feed != FEED_LOGS || !log_filter_may_match(&s->logs, bloom))
			continue;
		wanted = true;
		if (drop)
			rpc_server_drop(feed->server, s->connection);
	}
	pthread_mutex_unlock(&feed->subscriptions.lock);
	return wanted;
}

/* False: the block's receipts cannot be had now. */
static bool push_logs(struct gateway_feed *feed, const json_t *block, uint64_t number)
{
	uint8_t bloom[BLOOM_SIZE];
	const char *text = json_string_value(json_object_get(block, "logsBloom"));
	if (!text || hex_decode(bloom, BLOOM_SIZE, text) != BLOOM_SIZE)
		memset(bloom, 0xff, sizeof bloom);
	if (!logs_wanted(feed, bloom, false))
		return true;
	json_t *receipts = block_call(feed, "eth_getBlockReceipts", number, false);
	if (!json_is_array(receipts)) {
		json_decref(receipts);
		if (++feed->tries < MAX_TRIES)
			return false;
		(void)logs_wanted(feed, bloom, true);
		return true;
	}
	for (size_t i = 0; i < json_array_size(receipts); i++) {
		const json_t *logs = json_object_get(json_array_get(receipts, i), "logs");
		for (size_t k = 0; k < json_array_size(logs); k++)
			push_log(feed, json_array_get(logs, k));
	}
	json_decref(receipts);
	return true;
}

/* ---- the thread ---- */
static bool push_block(struct gateway_feed *feed, uint64_t number)
{
	json_t *block = block_call(feed, "eth_getBlockByNumber", number, true);
	bool good = json_is_object(block);
	if (good) {
		/* The logs first: what may have to be asked for again is not half told. */
		good = push_logs(feed, block, number);
		if (good)
			push_head(feed, block);
	}
	json_decref(block);
	return good;
}

static bool anybody(struct gateway_feed *feed)
{
	bool some = false;
	pthread_mutex_lock(&feed->subscriptions.lock);
	for (const struct subscription *s = feed->subscriptions.first; s && !some; s = s->next)
		some = s->feed != FEED_PENDING;
	pthread_mutex_unlock(&feed->subscriptions.lock);
	return some;
}

static bool stopping(struct gateway_feed *feed, uint64_t *next)
{
	pthread_mutex_lock(&feed->lock);
	const bool stop = feed->stopping;
	*next = feed->next;
	pthread_mutex_unlock(&feed->lock);
	return stop;
}

static void turn(struct gateway_feed *feed)
{
	uint64_t last, number;
	if (!anybody(feed) || !latest(feed, &last))
		return;
	for (unsigned i = 0; i < MAX_BLOCKS && !stopping(feed, &number) && number <= last; i++) {
		if (!push_block(feed, number))
			return;
		feed->tries = 0;
		pthread_mutex_lock(&feed->lock);
		/* Unless somebody began anew meanwhile, with a later block. */
		if (feed->next == number)
			feed->next++;
		pthread_mutex_unlock(&feed->lock);
	}
}

static void *run(void *argument)
{
	struct gateway_feed *feed = argument;
	pthread_mutex_lock(&feed->lock);
	while (!feed->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += POLL_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_unlock(&feed->lock);
		turn(feed);
		pthread_mutex_lock(&feed->lock);
		while (!feed->stopping &&
		       pthread_cond_clockwait(&feed->wake, &feed->lock, CLOCK_MONOTONIC, &until) == 0)
			;
	}
	pthread_mutex_unlock(&feed->lock);
	return NULL;
}

struct gateway_feed *gateway_feed_start(gateway_ask *ask, void *context)
{
	struct gateway_feed *feed = checked_zalloc(1, sizeof *feed);
	feed->ask = ask;
	feed->context = context;
	subscriptions_init(&feed->subscriptions);
	pthread_mutex_init(&feed->lock, NULL);
	pthread_cond_init(&feed->wake, NULL);
	feed->quiet = pthread_create(&feed->thread, NULL, run, feed) != 0;
	if (!feed->quiet)
		return feed;
	gateway_feed_destroy(feed);
	return NULL;
}

void gateway_feed_serve(struct gateway_feed *feed, struct rpc_server *server)
{
	feed->server = server;
}

void gateway_feed_quiet(struct gateway_feed *feed)
{
	pthread_mutex_lock(&feed->lock);
	feed->stopping = true;
	pthread_cond_signal(&feed->wake);
	pthread_mutex_unlock(&feed->lock);
	if (!feed->quiet)
		pthread_join(feed->thread, NULL);
	feed->quiet = true;
}

void gateway_feed_destroy(struct gateway_feed *feed)
{
	subscriptions_deinit(&feed->subscriptions);
	pthread_cond_destroy(&feed->wake);
	pthread_mutex_destroy(&feed->lock);
	free(feed);
}

json_t *gateway_feed_subscribe(struct gateway_feed *feed, struct rpc_call *call)
{
	uint64_t number;
	if (call->connection && !anybody(feed)) {
		/* What comes after this answer is told. */
		if (!latest(feed, &number))
			return rpc_fail(call, RPC_INTERNAL, "no node answers");
		pthread_mutex_lock(&feed->lock);
		if (feed->next <= number)
			feed->next = number + 1;
		pthread_mutex_unlock(&feed->lock);
	}
	return subscriptions_add(&feed->subscriptions, call);
}

json_t *gateway_feed_unsubscribe(struct gateway_feed *feed, struct rpc_call *call)
{
	return subscriptions_remove(&feed->subscriptions, call);
}

void gateway_feed_drop(struct gateway_feed *feed, uint64_t connection)
{
	subscriptions_drop(&feed->subscriptions, connection);
}

void gateway_feed_pending(struct gateway_feed *feed, const struct hash32 *hash)
{
	subscriptions_push_pending(&feed->subscriptions, feed->server, hash);
}
