/* What timelines keep of an object: copies of contents, exchanging, marking and freeing them. */
#include "timeline.h"

#include <stdlib.h>

/* ---- contents of objects ---- */
void timeline_object_items(struct object *o, value **items, uint32_t *length)
{
	switch (o->type) {
	case T_STRUCT:
		*items = ((struct instance *)o)->fields;
		*length = ((struct instance *)o)->shape->count;
		break;
	case T_CELL:
		*items = &((struct cell *)o)->item;
		*length = 1;
		break;
	case T_STATE:
		*items = ((struct state *)o)->items;
		*length = ((struct state *)o)->count;
		break;
	default:
		*items = NULL;
		*length = 0;
	}
}

void *timeline_save_contents(struct vm *vm, struct object *o)
{
	size_t size;
	switch (o->type) {
	case T_LIST: {
		struct list *list = (struct list *)o;
		struct values_copy *copy = timeline_must_allocate(NULL, sizeof(*copy));
		heap_account(vm, (ptrdiff_t)(list->capacity * sizeof(value)));
		copy->length = list->length;
		copy->capacity = list->capacity;
		copy->items = timeline_must_allocate(NULL, list->capacity * sizeof(value));
		if (list->length)
			memcpy(copy->items, list->items, list->length * sizeof(value));
		return copy;
	}
	case T_MAP: {
		struct map_copy *copy = timeline_must_allocate(NULL, sizeof(*copy));
		struct map *map = (struct map *)o;
		copy->map = *map;
		size = map->capacity * sizeof(struct map_entry);
		heap_account(vm,
		             (ptrdiff_t)(size + (map->index ? (map->index_mask + 1) * sizeof(uint64_t) : 0)));
		copy->map.entries = timeline_must_allocate(NULL, size);
		if (map->used)
			memcpy(copy->map.entries, map->entries, map->used * sizeof(struct map_entry));
		if (map->index) {
			size = (map->index_mask + 1) * sizeof(uint64_t);
			copy->map.index = timeline_must_allocate(NULL, size);
			memcpy(copy->map.index, map->index, size);
		}
		return copy;
	}
	case T_MOSAIC:
		return mosaic_copy(o);
	case T_BANDIT:
		return bandit_copy(o, &size);
	default: {
		value *items;
		struct values_copy *copy = timeline_must_allocate(NULL, sizeof(*copy));
		timeline_object_items(o, &items, &copy->length);
		copy->capacity = copy->length;
		copy->items = timeline_must_allocate(NULL, copy->length * sizeof(value));
		if (copy->length)
			memcpy(copy->items, items, copy->length * sizeof(value));
		return copy;
	}
	}
}

void timeline_free_contents(struct vm *vm, struct saved *s)
{
	switch (s->object->type) {
	case T_MAP: {
		struct map *map = &((struct map_copy *)s->contents)->map;
		heap_account(vm, -(ptrdiff_t)(map->capacity * sizeof(struct map_entry) +
		                              (map->index ? (map->index_mask + 1) * sizeof(uint64_t) : 0)));
		free(map->entries);
		free(map->index);
		free(s->contents);
		break;
	}
	case T_MOSAIC:
		mosaic_free_copy(vm, s->contents);
		break;
	case T_BANDIT:
		free(s->contents);
		break;
	case T_LIST:
		heap_account(vm, -(ptrdiff_t)(((struct values_copy *)s->contents)->capacity * sizeof(value)));
		__attribute__((fallthrough));
	default:
		free(((struct values_copy *)s->contents)->items);
		free(s->contents);
	}
}

void timeline_swap_contents(struct vm *vm, struct saved *s)
{
	struct object *o = s->object;
	uint32_t stamp = o->stamp;
	o->stamp = s->stamp;
	s->stamp = stamp;
	switch (o->type) {
	case T_LIST: {
		struct list *list = (struct list *)o;
		struct values_copy *copy = s->contents, now = {list->length, list->capacity, list->items};
		list->length = copy->length;
		list->capacity = copy->capacity;
		list->items = copy->items;
		*copy = now;
		break;
	}
	case T_MAP: {
		struct map *map = (struct map *)o, now = *map, *copy = &((struct map_copy *)s->contents)->map;
		struct object header = map->object;
		*map = *copy;
		map->object = header;
		*copy = now;
		break;
	}
	case T_MOSAIC:
		mosaic_swap(o, s->contents);
		break;
	case T_BANDIT:
		bandit_swap(o, s->contents);
		break;
	default: {
		value *items;
		uint32_t length;
		struct values_copy *copy = s->contents;
		timeline_object_items(o, &items, &length);
		for (uint32_t i = 0; i < length && i < copy->length; i++) {
			value v = items[i];
			items[i] = copy->items[i];
			copy->items[i] = v;
		}
	}
	}
	gc_bulk(vm, o);
}

static uint32_t mark_some(struct vm *vm, const value *items, uint32_t count, uint32_t from)
{
	uint32_t end = count - from > LARGE_ARRAY ? from + LARGE_ARRAY : count;
	gc_mark_values(vm, items + from, end - from);
	return end < count ? end : 0;
}

uint32_t timeline_mark_contents(struct vm *vm, const struct saved *s, uint32_t from)
{
	switch (s->object->type) {
	case T_MAP: {
		const struct map *map = &((const struct map_copy *)s->contents)->map;
		return mark_some(vm, (const value *)map->entries, 2 * map->used, from);
	}
	case T_MOSAIC:
		return mosaic_mark_copy(vm, s->contents, from);
	case T_BANDIT:
		return 0; /* its arms are the same in all versions */
	default: {
		const struct values_copy *copy = s->contents;
		return mark_some(vm, copy->items, copy->length, from);
	}
	}
}
