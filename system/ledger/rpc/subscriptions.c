/* The list of subscriptions, under one lock. */
#include "rpc/subscriptions.h"

#include <stdlib.h>

void subscriptions_init(struct subscriptions *subscriptions)
{
	*subscriptions = (struct subscriptions){0};
	pthread_mutex_init(&subscriptions->lock, NULL);
}

static size_t criteria(const struct log_filter *filter)
{
	size_t count = filter->address_count;
	for (unsigned i = 0; i < 4; i++)
		count += filter->topics[i].count;
	return count;
}

/* Takes out the one with this id, or all of the connection (id 0). */
static bool take_out(struct subscriptions *subscriptions, uint64_t connection, uint64_t id)
{
	bool removed = false;
	pthread_mutex_lock(&subscriptions->lock);
	for (struct subscription **at = &subscriptions->first; *at;) {
		struct subscription *s = *at;
		if (s->connection == connection && (!id || s->id == id)) {
			*at = s->next;
			subscriptions->criteria -= criteria(&s->logs);
			subscriptions->count--;
			log_filter_free(&s->logs);
			free(s);
			removed = true;
		} else {
			at = &s->next;
		}
	}
	pthread_mutex_unlock(&subscriptions->lock);
	return removed;
}

void subscriptions_deinit(struct subscriptions *subscriptions)
{
	while (subscriptions->first)
		(void)take_out(subscriptions, subscriptions->first->connection, 0);
	pthread_mutex_destroy(&subscriptions->lock);
}

void subscriptions_drop(struct subscriptions *subscriptions, uint64_t connection)
{
	(void)take_out(subscriptions, connection, 0);
}

static bool parse(struct rpc_call *call, struct subscription *s)
{
	static const struct {
		const char *name;
		enum feed feed;
	} kinds[] = {
	    {"newHeads", FEED_BLOCKS}, {"logs", FEED_LOGS}, {"newPendingTransactions", FEED_PENDING}};
	const char *kind = json_string_value(rpc_param(call, 0));
	for (size_t i = 0; kind && i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kind, kinds[i].name)) {
			s->feed = kinds[i].feed;
			return s->feed != FEED_LOGS || log_filter_parse(call, rpc_param(call, 1), &s->logs);
		}
	(void)rpc_fail(call, RPC_INVALID_PARAMS, "no such subscription");
	return false;
}

json_t *subscriptions_add(struct subscriptions *subscriptions, struct rpc_call *call)
{
	if (!call->connection)
		return rpc_fail(call, RPC_NO_METHOD,
		                "notifications not supported: subscribe over a WebSocket");
	struct subscription *s = checked_zalloc(1, sizeof *s);
	if (!parse(call, s)) {
		free(s);
		return NULL;
	}
	s->id = rpc_draw_id();
	s->connection = call->connection;
	const uint64_t id = s->id;
	const size_t more = criteria(&s->logs);
	size_t own = 0;
	pthread_mutex_lock(&subscriptions->lock);
	for (const struct subscription *other = subscriptions->first; other; other = other->next)
		own += other->connection == s->connection;
	const bool room = own < SUBSCRIPTIONS_MAX_CONNECTION && subscriptions->count < SUBSCRIPTIONS_MAX &&
	                  more <= SUBSCRIPTIONS_MAX_CRITERIA - subscriptions->criteria;
	if (room) {
		s->next = subscriptions->first;
		subscriptions->first = s;
		subscriptions->count++;
		subscriptions->criteria += more;
	}
	pthread_mutex_unlock(&subscriptions->lock);
	if (room)
		return rpc_quantity(id);
	log_filter_free(&s->logs);
	free(s);
	return rpc_fail(call, RPC_LIMIT, "too many subscriptions: at most %d a connection",
	                SUBSCRIPTIONS_MAX_CONNECTION);
}

json_t *subscriptions_remove(struct subscriptions *subscriptions, struct rpc_call *call)
{
	uint64_t id;
	if (!rpc_param_quantity(call, 0, &id))
		return NULL;
	return json_boolean(id && call->connection && take_out(subscriptions, call->connection, id));
}

void subscription_push(const struct subscription *subscription, struct rpc_server *server,
                       const json_t *result, char **text)
{
	static const char form[] = "{\"jsonrpc\":\"2.0\",\"method\":\"eth_subscription\",\"params\":"
	                           "{\"subscription\":\"%s\",\"result\":%s}}";
	char id[19];
	if (!*text)
		*text = json_dumps(result, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!*text)
		return;
	const size_t size = sizeof form + sizeof id + strlen(*text);
	char *message = checked_zalloc(1, size);
	snprintf(message, size, form, hex_from_u64(id, subscription->id), *text);
	rpc_server_push(server, subscription->connection, message);
	free(message);
}

void subscriptions_push_pending(struct subscriptions *subscriptions, struct rpc_server *server,
                                const struct hash32 *hash)
{
	json_t *result = NULL; /* made when somebody waits for it */
	char *text = NULL;
	pthread_mutex_lock(&subscriptions->lock);
	for (const struct subscription *s = subscriptions->first; s; s = s->next) {
		if (s->feed != FEED_PENDING)
			continue;
		if (!result)
			result = rpc_hash(hash);
		subscription_push(s, server, result, &text);
	}
	pthread_mutex_unlock(&subscriptions->lock);
	json_decref(result);
	free(text);
}
