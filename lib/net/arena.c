/* The buddy allocator of arena.h. */
#include "arena.h"
#include <string.h>

#define ARENA_FREE 0x80u
#define PAGE       4096u

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	while (order < ARENA_ORDERS && ((size_t)ARENA_UNIT << order) < bytes)
		order++;
	return order;
}

static void block_put(struct arena *arena, size_t unit, unsigned order)
{
	struct net_list *node = (struct net_list *)(void *)(arena->base + unit * ARENA_UNIT);

	arena->orders[unit] = (uint8_t)((order + 1) | ARENA_FREE);
	net_list_insert_after(&arena->free[order], node);
}

static size_t unit_of(const struct arena *arena, const void *block)
{
	return (size_t)((const uint8_t *)block - arena->base) / ARENA_UNIT;
}

/* Takes the next block of the greatest order into use, and the bookkeeping for it. */
static bool arena_extend(struct arena *arena)
{
	size_t top = (size_t)1 << (ARENA_ORDERS - 1), end = arena->ready + top;
	uint8_t *orders_end = arena->orders + (end + PAGE - 1) / PAGE * PAGE;

	if (!arena->grow || end > arena->units)
		return false;
	if (orders_end > arena->orders_ready) {
		if (!arena->grow(arena->grow_context, arena->orders_ready,
		                 (size_t)(orders_end - arena->orders_ready)))
			return false;
		arena->orders_ready = orders_end;
	}
	if (!arena->grow(arena->grow_context, arena->base + arena->ready * ARENA_UNIT, top * ARENA_UNIT))
		return false;
	block_put(arena, arena->ready, ARENA_ORDERS - 1);
	arena->ready = end;
	return true;
}

void arena_init(struct arena *arena, void *region, size_t bytes,
                bool (*grow)(void *context, void *at, size_t bytes), void *grow_context)
{
	size_t units = bytes / (ARENA_UNIT + 1), unit = 0;

	arena->orders = arena->orders_ready = (uint8_t *)region;
	arena->base = (uint8_t *)region + (units + PAGE - 1) / PAGE * PAGE;
	arena->units = ((size_t)((uint8_t *)region + bytes - arena->base)) / ARENA_UNIT;
	if (arena->units > units)
		arena->units = units;
	arena->used = arena->ready = 0;
	arena->grow = grow;
	arena->grow_context = grow_context;
	for (unsigned order = 0; order < ARENA_ORDERS; order++)
		net_list_init(&arena->free[order]);
	if (grow)
		return;
	memset(arena->orders, 0, units);
	for (unsigned order = ARENA_ORDERS; order-- > 0;)
		for (; unit + ((size_t)1 << order) <= arena->units; unit += (size_t)1 << order)
			block_put(arena, unit, order);
	arena->ready = arena->units;
}

void *arena_allocate(struct arena *arena, size_t bytes)
{
	unsigned want = order_of(bytes), order = want;
	struct net_list *node;
	size_t unit;

	while (order < ARENA_ORDERS && net_list_empty(&arena->free[order]))
		order++;
	if (order >= ARENA_ORDERS) {
		order = ARENA_ORDERS - 1;
		if (want >= ARENA_ORDERS || !arena_extend(arena))
			return NULL;
	}
	node = net_list_pop(&arena->free[order]);
	unit = unit_of(arena, node);
	while (order > want) {
		order--;
		block_put(arena, unit + ((size_t)1 << order), order);
	}
	arena->orders[unit] = (uint8_t)(want + 1);
	arena->used += (size_t)ARENA_UNIT << want;
	return node;
}

void *arena_allocate_zeroed(struct arena *arena, size_t bytes)
{
	void *block = arena_allocate(arena, bytes);

	if (block)
		memset(block, 0, bytes);
	return block;
}

void arena_free(struct arena *arena, void *block)
{
	size_t unit;
	unsigned order;

	if (!block)
		return;
	unit = unit_of(arena, block);
	order = arena->orders[unit] - 1u;
	arena->used -= (size_t)ARENA_UNIT << order;
	arena->orders[unit] = 0;
	while (order + 1 < ARENA_ORDERS) {
		size_t buddy = unit ^ ((size_t)1 << order);

		if (buddy + ((size_t)1 << order) > arena->units ||
		    arena->orders[buddy] != (uint8_t)((order + 1) | ARENA_FREE))
			break;
		net_list_remove((struct net_list *)(void *)(arena->base + buddy * ARENA_UNIT));
		arena->orders[buddy] = 0;
		unit &= ~((size_t)1 << order);
		order++;
	}
	block_put(arena, unit, order);
}

size_t arena_capacity(const struct arena *arena, const void *block)
{
	return (size_t)ARENA_UNIT << (arena->orders[unit_of(arena, block)] - 1u);
}
