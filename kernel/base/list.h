/* Intrusive circular doubly linked lists. A node that is in no list points to itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *previous;
};

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
	list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_append(struct list *list, struct list *node)
{
	node->previous = list->previous;
	node->next = list;
	list->previous->next = node;
	list->previous = node;
}

static inline void list_prepend(struct list *list, struct list *node)
{
	list_append(list->next, node);
}

static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}

/* NODE, in a list or in none, becomes the last of LIST. */
static inline void list_move(struct list *list, struct list *node)
{
	list_remove(node);
	list_append(list, node);
}

/* Takes FIRST, the first node, out of LIST: shorter than list_remove. */
static inline void list_take_first(struct list *list, struct list *first)
{
	struct list *next = first->next;

	list->next = next;
	next->previous = list;
	list_init(first);
}
