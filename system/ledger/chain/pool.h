/* A few threads that do the same thing to the elements of a range. */
#ifndef LEDGER_POOL_H
#define LEDGER_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct thread_pool;

/* `workers` threads beside the caller's; 0 is allowed. */
struct thread_pool *pool_create(unsigned workers);
void pool_destroy(struct thread_pool *pool);
unsigned pool_workers(const struct thread_pool *pool);
/* Calls work(context, i, worker) for each i below count, in any order; worker is 0 to workers. Returns when
 * all are done. */
void pool_run(struct thread_pool *pool, size_t count, void (*work)(void *context, size_t i, unsigned worker),
              void *context);

#endif
