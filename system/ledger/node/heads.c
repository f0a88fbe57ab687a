/* A node's part in heads: it signs its own, keeps the last ones of all, and gives the newest that a quorum agrees on. */
#include "ledger/node/head.h"
#include "ledger/node/node_internal.h"

#include <stdlib.h>
#include <sys/random.h>

#define PAUSE_US   50000 /* the shortest time between two that we sign */
#define HEADS_KEPT 8

struct heads {
	uint64_t period;    /* of the last commit, in units of HEAD_MS */
	uint64_t signed_us; /* when we signed the last one */
	/* under the node's lock, rings by the number of heads so far */
	unsigned own, count[DAG_MAX_VALIDATORS];
	uint8_t statements[HEADS_KEPT][HEAD_STATEMENT];
	struct blob *messages[DAG_MAX_VALIDATORS][HEADS_KEPT];
};

struct heads *heads_create(void)
{
	return ledger_allocate(1, sizeof(struct heads));
}

void heads_destroy(struct heads *heads)
{
	if (!heads)
		return;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		for (unsigned k = 0; k < HEADS_KEPT; k++)
			blob_release(heads->messages[i][k]);
	free(heads);
}

bool head_due(struct heads *heads, uint64_t time_ms)
{
	const uint64_t before = heads->period;
	heads->period = time_ms / HEAD_MS;
	return heads->period != before;
}

static void keep(struct ledger_node *node, unsigned validator, struct blob *message)
{
	struct heads *heads = node->heads;
	pthread_mutex_lock(&node->lock);
	struct blob **place = &heads->messages[validator][heads->count[validator]++ % HEADS_KEPT];
	blob_release(*place);
	*place = blob_hold(message);
	pthread_mutex_unlock(&node->lock);
}

void head_receive(struct ledger_node *node, unsigned peer, struct blob *message)
{
	/* Whether the signature is good is for those to see who rely on it. */
	if (message->size == HEAD_SIZE)
		keep(node, peer, message);
}

void head_executed(struct ledger_node *node, const struct dag_commit *commit, const uint8_t *root)
{
	struct head head = {commit->epoch, commit->index, commit->time_ms, {0}};
	uint8_t rnd[HYBRID_SIGN_RND_SIZE], statement[HEAD_STATEMENT];
	memcpy(head.root, root, LEDGER_ROOT_SIZE);
	head_encode(statement, &head);
	pthread_mutex_lock(&node->lock);
	memcpy(node->heads->statements[node->heads->own++ % HEADS_KEPT], statement, HEAD_STATEMENT);
	pthread_mutex_unlock(&node->lock);
	/* Who catches up executes many at once, which are of use to nobody any more. */
	if (node->options.classical || head.epoch != node->epoch || !(node->members & set_of(node->self)) ||
	    node->now_us - node->heads->signed_us < PAUSE_US)
		return;
	node->heads->signed_us = node->now_us;
	struct blob *message = blob_create(HEAD_SIZE);
	const bool fresh = getrandom(rnd, sizeof(rnd), 0) == sizeof(rnd);
	memcpy(message->data, statement, HEAD_STATEMENT);
	if (hybrid_sign_prepared(node->prepared[node->self], &node->key, statement, HEAD_STATEMENT,
	                         HEAD_CONTEXT, sizeof HEAD_CONTEXT - 1, fresh ? rnd : NULL,
	                         message->data + HEAD_STATEMENT) != CRYPTO_OK)
		abort();
	keep(node, node->self, message);
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if (node->network.peers[i].known && i != node->self)
			transport_send(node->transport, i, LANE_CONSENSUS, message);
	blob_release(message);
}

/* The validator's message that says the same, or NULL. */
static struct blob *same(const struct heads *heads, unsigned validator, const uint8_t *statement)
{
	for (unsigned k = 0; k < HEADS_KEPT; k++) {
		struct blob *message = heads->messages[validator][k];
		if (message && !memcmp(message->data, statement, HEAD_STATEMENT))
			return message;
	}
	return NULL;
}

/* The certificate of one of our own statements; NULL while less than a quorum said the same. */
static uint8_t *certify(const struct ledger_node *node, const uint8_t *statement, size_t *size)
{
	const unsigned quorum = committee_quorum(set_size(node->members));
	const struct heads *heads = node->heads;
	uint64_t who = 0;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS && set_size(who) < quorum; i++)
		if ((node->members & set_of(i)) && same(heads, i, statement))
			who |= set_of(i);
	if (load_le64(statement + 1) != node->epoch || set_size(who) < quorum)
		return NULL;
	*size = HEAD_STATEMENT + 1 + (size_t)quorum * (1 + HYBRID_SIGN_SIGNATURE_SIZE);
	uint8_t *certificate = ledger_allocate(1, *size), *at = certificate + HEAD_STATEMENT;
	memcpy(certificate, statement, HEAD_STATEMENT);
	*at++ = (uint8_t)quorum;
	for (unsigned i = 0; i < DAG_MAX_VALIDATORS; i++)
		if (who & set_of(i)) {
			*at++ = (uint8_t)i;
			memcpy(at, same(heads, i, statement)->data + HEAD_STATEMENT,
			       HYBRID_SIGN_SIGNATURE_SIZE);
			at += HYBRID_SIGN_SIGNATURE_SIZE;
		}
	return certificate;
}

uint8_t *ledger_node_head(struct ledger_node *node, uint64_t *index, size_t *size)
{
	uint8_t *certificate = NULL;
	pthread_mutex_lock(&node->lock);
	const struct heads *heads = node->heads;
	for (unsigned back = 1; back <= HEADS_KEPT && back <= heads->own && !certificate; back++) {
		const uint8_t *statement = heads->statements[(heads->own - back) % HEADS_KEPT];
		certificate = certify(node, statement, size);
		*index = load_le64(statement + 9);
	}
	pthread_mutex_unlock(&node->lock);
	return certificate;
}
