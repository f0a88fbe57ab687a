/* See uses.h. */
#include "filesystem/uses.h"
#include <stdbool.h>
#include <stdlib.h>

#define SLOTS_FIRST 64u

/* The place of NODE, or the free one where it would go. */
static struct node_use *place_of(struct node_use *list, uint32_t slots, uint64_t node)
{
	uint32_t at = (uint32_t)(node * 0x9e3779b97f4a7c15ull >> 32) & (slots - 1);
	while (list[at].node && list[at].node != node)
		at = (at + 1) & (slots - 1);
	return &list[at];
}

static bool grow(struct node_uses *uses)
{
	uint32_t slots = uses->slots ? uses->slots * 2 : SLOTS_FIRST;
	struct node_use *list = calloc(slots, sizeof(*list));
	if (!list)
		return false;
	for (uint32_t i = 0; i < uses->slots; i++)
		if (uses->list[i].node)
			*place_of(list, slots, uses->list[i].node) = uses->list[i];
	free(uses->list);
	uses->list = list;
	uses->slots = slots;
	return true;
}

struct node_use *uses_find(const struct node_uses *uses, uint64_t node)
{
	struct node_use *use = uses->slots ? place_of(uses->list, uses->slots, node) : 0;
	return use && use->node ? use : 0;
}

struct node_use *uses_take(struct node_uses *uses, uint64_t node)
{
	struct node_use *use = uses_find(uses, node);
	if (use || (uses->count * 2 >= uses->slots && !grow(uses)))
		return use;
	use = place_of(uses->list, uses->slots, node);
	use->node = node;
	uses->count++;
	return use;
}

/* What collided with it moves up. */
void uses_remove(struct node_uses *uses, struct node_use *use)
{
	uint32_t mask = uses->slots - 1, at = (uint32_t)(use - uses->list);
	*use = (struct node_use){0};
	uses->count--;
	for (at = (at + 1) & mask; uses->list[at].node; at = (at + 1) & mask) {
		struct node_use moved = uses->list[at];
		uses->list[at] = (struct node_use){0};
		*place_of(uses->list, uses->slots, moved.node) = moved;
	}
}
