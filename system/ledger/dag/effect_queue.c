/* See effect_queue.h. */
#include "ledger/dag/effect_queue.h"

#include <stdlib.h>

#include "ledger/dag/blob.h"

void effect_queue_push(struct effect_queue *queue, const struct dag_effect *effect)
{
	if (queue->count == queue->room) {
		unsigned room = queue->room ? 2 * queue->room : 16;
		struct dag_effect *effects = ledger_allocate(room, sizeof(*effects));
		for (unsigned i = 0; i < queue->count; i++)
			effects[i] = queue->effects[(queue->first + i) % queue->room];
		free(queue->effects);
		queue->effects = effects;
		queue->first = 0;
		queue->room = room;
	}
	queue->effects[(queue->first + queue->count++) % queue->room] = *effect;
}

struct dag_effect *effect_queue_first(struct effect_queue *queue)
{
	return queue->count ? &queue->effects[queue->first] : NULL;
}

struct dag_effect effect_queue_take(struct effect_queue *queue)
{
	struct dag_effect effect = queue->effects[queue->first];
	queue->first = (queue->first + 1) % queue->room;
	queue->count--;
	return effect;
}

void effect_queue_drop(struct effect_queue *queue)
{
	while (queue->count) {
		struct dag_effect effect = effect_queue_take(queue);
		dag_effect_release(&effect);
	}
}

void effect_queue_free(struct effect_queue *queue)
{
	effect_queue_drop(queue);
	free(queue->effects);
	*queue = (struct effect_queue){0};
}
