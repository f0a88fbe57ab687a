/* Commits that the core has ordered and that wait for their certificates to be durable, in order: a ring that grows. Whoever
 * carries out the core's effects keeps one.
 */
#ifndef LEDGER_DAG_EFFECT_QUEUE_H
#define LEDGER_DAG_EFFECT_QUEUE_H

#include "ledger/dag/dag.h"

/* All zero: empty. */
struct effect_queue {
	struct dag_effect *effects;
	unsigned first, count, room;
};

/* Takes over what EFFECT holds. */
void effect_queue_push(struct effect_queue *queue, const struct dag_effect *effect);
/* The one pushed first, NULL when there is none; valid until the next push. */
struct dag_effect *effect_queue_first(struct effect_queue *queue);
/* Takes the first one out; what it holds is the caller's. */
struct dag_effect effect_queue_take(struct effect_queue *queue);
/* Releases all. */
void effect_queue_drop(struct effect_queue *queue);
/* The same, and its memory. */
void effect_queue_free(struct effect_queue *queue);

#endif
