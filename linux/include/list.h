/* Intrusive doubly linked lists: a struct list is a node or a head; an empty head points to itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *previous;
};

#define LIST_INIT(name)                                                                                      \
	{                                                                                                    \
		&(name), &(name)                                                                             \
	}
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define list_entry(pointer, type, member)   container_of(pointer, type, member)
#define list_first(head, type, member)      container_of((head)->next, type, member)
#define list_for_each(item, head, member)                                                                    \
	for (item = container_of((head)->next, __typeof__(*item), member); &item->member != (head);          \
	     item = container_of(item->member.next, __typeof__(*item), member))
/* Allows the removal of ITEM in the body; NEXT_ITEM is a spare variable of the same type. */
#define list_for_each_safe(item, next_item, head, member)                                                    \
	for (item = container_of((head)->next, __typeof__(*item), member),                                   \
	    next_item = container_of(item->member.next, __typeof__(*item), member);                          \
	     &item->member != (head);                                                                        \
	     item = next_item, next_item = container_of(item->member.next, __typeof__(*item), member))

static inline void list_init(struct list *head)
{
	head->next = head->previous = head;
}
static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}
static inline void list_insert_between(struct list *node, struct list *previous, struct list *next)
{
	node->previous = previous;
	node->next = next;
	previous->next = node;
	next->previous = node;
}
/* At the end. */
static inline void list_append(struct list *head, struct list *node)
{
	list_insert_between(node, head->previous, head);
}
/* At the front. */
static inline void list_push(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}
/* The node becomes an empty list of its own, so that removing it again is harmless. */
static inline void list_remove(struct list *node)
{
	node->previous->next = node->next;
	node->next->previous = node->previous;
	list_init(node);
}
