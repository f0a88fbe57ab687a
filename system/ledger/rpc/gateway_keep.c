/* Following a gateway's transactions until they are final. */
#include "rpc/gateway_keep.h"

#include "num/arena.h"

#include <stdlib.h>

#define PAUSE_NS 500000000L

struct gateway_keep {
	struct gateway_prover *prover;
	struct txpool *pool;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping;
	/* the thread's own */
	size_t cursor;
	struct address senders[RPC_MAX_PROVEN];
	struct proven_account accounts[RPC_MAX_PROVEN];
};

static bool stopping(struct gateway_keep *keep)
{
	pthread_mutex_lock(&keep->lock);
	const bool stop = keep->stopping;
	pthread_mutex_unlock(&keep->lock);
	return stop;
}

static void turn(struct gateway_keep *keep)
{
	const size_t count = txpool_senders(keep->pool, keep->senders, RPC_MAX_PROVEN, &keep->cursor);
	bool late = false;
	char why[200];
	if (!count || !gateway_prove(keep->prover, GATEWAY_SIGNED, keep->senders, count, NULL, 0,
	                             keep->accounts, NULL, why))
		return;
	for (size_t i = 0; i < count; i++)
		if (txpool_settle(keep->pool, &keep->senders[i], keep->accounts[i].data.nonce))
			late = true;
	if (late)
		gateway_nodes_turn(keep->prover->nodes);
	for (size_t i = 0; i < count && !stopping(keep); i++)
		txpool_resume(keep->pool, &keep->senders[i], keep->accounts[i].data.nonce);
}

static void *run(void *argument)
{
	struct gateway_keep *keep = argument;
	pthread_mutex_lock(&keep->lock);
	while (!keep->stopping) {
		struct timespec until;
		pthread_mutex_unlock(&keep->lock);
		turn(keep);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += PAUSE_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&keep->lock);
		while (!keep->stopping &&
		       pthread_cond_clockwait(&keep->wake, &keep->lock, CLOCK_MONOTONIC, &until) == 0)
			;
	}
	pthread_mutex_unlock(&keep->lock);
	return NULL;
}

struct gateway_keep *gateway_keep_start(struct gateway_prover *prover, struct txpool *pool)
{
	struct gateway_keep *keep = checked_zalloc(1, sizeof *keep);
	keep->prover = prover;
	keep->pool = pool;
	pthread_mutex_init(&keep->lock, NULL);
	pthread_cond_init(&keep->wake, NULL);
	if (pthread_create(&keep->thread, NULL, run, keep) == 0)
		return keep;
	pthread_cond_destroy(&keep->wake);
	pthread_mutex_destroy(&keep->lock);
	free(keep);
	return NULL;
}

void gateway_keep_stop(struct gateway_keep *keep)
{
	pthread_mutex_lock(&keep->lock);
	keep->stopping = true;
	pthread_cond_signal(&keep->wake);
	pthread_mutex_unlock(&keep->lock);
	pthread_join(keep->thread, NULL);
	pthread_cond_destroy(&keep->wake);
	pthread_mutex_destroy(&keep->lock);
	free(keep);
}
