/* Doubly linked rings: a head that points to itself is empty, a node that points to itself is in no list. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct net_list {
	struct net_list *next, *previous;
};

#define NET_ITEM(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void net_list_init(struct net_list *list)
{
	list->next = list->previous = list;
}

static inline bool net_list_empty(const struct net_list *list)
{
	return list->next == list;
}

static inline void net_list_insert_after(struct net_list *place, struct net_list *node)
{
	node->previous = place;
	node->next = place->next;
	place->next->previous = node;
	place->next = node;
}

static inline void net_list_append(struct net_list *list, struct net_list *node)
{
	net_list_insert_after(list->previous, node);
}

/* A node that is in no list stays so. */
static inline void net_list_remove(struct net_list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	net_list_init(node);
}

/* The first node, taken out, or 0. */
static inline struct net_list *net_list_pop(struct net_list *list)
{
	struct net_list *node = list->next;

	if (node == list)
		return NULL;
	net_list_remove(node);
	return node;
}
