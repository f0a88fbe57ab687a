/*
 * Values from one machine to another: what has no parts, strings, durations, lists and maps, shared parts once. Everything
 * else belongs to its machine and stays there.
 */
#include "runtime.h"

#include <stdlib.h>

#define DEPTH_MAX 200
#define ITEMS_MAX 1000000

struct transfer {
	struct vm *from, *to;
	unsigned items;
};

static value transfer(struct transfer *t, value v, unsigned depth)
{
	if (!is_object(v))
		return v;
	if (depth > DEPTH_MAX || ++t->items > ITEMS_MAX)
		return V_EMPTY;
	struct object *o = as_object(v);
	switch (o->type) {
	case T_STRING: {
		struct string *s = as_string(v);
		return from_object(string_new(t->to, string_bytes(t->from, s), s->length));
	}
	case T_BIG_INT:
		return from_int64(t->to, ((struct big_int *)o)->number);
	case T_DURATION:
		return from_object(duration_new(t->to, ((struct duration *)o)->nanoseconds, NULL));
	case T_LIST: {
		const struct list *from = as_list(v);
		struct list *to = list_new(t->to, from->length);
		for (uint32_t i = 0; i < from->length; i++) {
			value item = transfer(t, from->items[i], depth + 1);
			if (item == V_EMPTY)
				return V_EMPTY;
			list_push(t->to, to, item);
		}
		return from_object(to);
	}
	case T_MAP: {
		const struct map *from = as_map(v);
		struct map *to = map_new(t->to, from->count);
		for (uint32_t i = 0; i < from->used; i++) {
			if (from->entries[i].key == V_EMPTY)
				continue;
			value key = transfer(t, from->entries[i].key, depth + 1);
			value item = key == V_EMPTY ? V_EMPTY : transfer(t, from->entries[i].item, depth + 1);
			if (item == V_EMPTY)
				return V_EMPTY;
			map_set(t->to, to, key, item);
		}
		return from_object(to);
	}
	default:
		return V_EMPTY;
	}
}

value value_transfer(struct vm *from, struct vm *to, value v)
{
	struct transfer t = {.from = from, .to = to};
	return transfer(&t, v, 0);
}
