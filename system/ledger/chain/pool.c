/* Threads that wait for a range, take elements of it by an atomic counter, and report when they found no
 * more. */
#include "chain/pool.h"

#include "num/arena.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct thread_pool {
	pthread_mutex_t lock;
	pthread_cond_t begun;
	pthread_cond_t ended;
	unsigned workers;
	unsigned busy;
	uint64_t turn; /* number of the range under way */
	bool stopping;
	size_t count;
	size_t next; /* atomic */
	void (*work)(void *context, size_t i, unsigned worker);
	void *context;
	struct worker {
		struct thread_pool *pool;
		unsigned number;
		pthread_t thread;
	} threads[];
};

static void take(struct thread_pool *pool, unsigned worker)
{
	for (size_t i; (i = __atomic_fetch_add(&pool->next, 1, __ATOMIC_RELAXED)) < pool->count;)
		pool->work(pool->context, i, worker);
}

static void *run(void *argument)
{
	struct worker *worker = argument;
	struct thread_pool *pool = worker->pool;
	uint64_t done = 0;
	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!pool->stopping && pool->turn == done)
			pthread_cond_wait(&pool->begun, &pool->lock);
		if (pool->stopping)
			break;
		done = pool->turn;
		pthread_mutex_unlock(&pool->lock);
		take(pool, worker->number);
		pthread_mutex_lock(&pool->lock);
		if (--pool->busy == 0)
			pthread_cond_signal(&pool->ended);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

struct thread_pool *pool_create(unsigned workers)
{
	struct thread_pool *pool = checked_zalloc(1, sizeof *pool + workers * sizeof pool->threads[0]);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->begun, NULL);
	pthread_cond_init(&pool->ended, NULL);
	for (unsigned i = 0; i < workers; i++) {
		pool->threads[i] = (struct worker){.pool = pool, .number = i + 1};
		if (pthread_create(&pool->threads[i].thread, NULL, run, &pool->threads[i]) != 0)
			break; /* fewer do as well */
		pool->workers++;
	}
	return pool;
}

void pool_destroy(struct thread_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->begun);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->workers; i++)
		pthread_join(pool->threads[i].thread, NULL);
	pthread_cond_destroy(&pool->ended);
	pthread_cond_destroy(&pool->begun);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

unsigned pool_workers(const struct thread_pool *pool)
{
	return pool->workers;
}

void pool_run(struct thread_pool *pool, size_t count, void (*work)(void *context, size_t i, unsigned worker),
              void *context)
{
	if (pool->workers == 0 || count < 2) {
		for (size_t i = 0; i < count; i++)
			work(context, i, 0);
		return;
	}
	pthread_mutex_lock(&pool->lock);
	pool->count = count;
	pool->work = work;
	pool->context = context;
	pool->busy = pool->workers;
	__atomic_store_n(&pool->next, 0, __ATOMIC_RELAXED);
	pool->turn++;
	pthread_cond_broadcast(&pool->begun);
	pthread_mutex_unlock(&pool->lock);
	take(pool, 0);
	pthread_mutex_lock(&pool->lock);
	while (pool->busy)
		pthread_cond_wait(&pool->ended, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}
