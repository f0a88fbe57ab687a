/* Built-in functions on lists and maps. Those that run Flux code keep what they hold among the VM's roots. */
#include "natives_list.h"

#include <stdlib.h>

NATIVE(list_native_push)
{
	ARG_LIST(0);
	FROZEN(0);
	for (unsigned i = 1; i < count; i++)
		list_push(vm, as_list(args[0]), args[i]);
	return args[0];
}

NATIVE(list_append)
{
	(void)count;
	ARG_LIST(0);
	struct list *from = as_list(args[0]), *to = list_new(vm, from->length + 1);
	if (from->length)
		memcpy(to->items, from->items, from->length * sizeof(value));
	to->items[from->length] = args[1];
	to->length = from->length + 1;
	return from_object(to);
}

NATIVE(list_pop)
{
	(void)count;
	ARG_LIST(0);
	FROZEN(0);
	struct list *list = as_list(args[0]);
	if (!list->length)
		return V_NIL;
	vm_touch(vm, &list->object);
	return list->items[--list->length];
}

NATIVE(list_insert)
{
	(void)count;
	ARG_LIST(0);
	FROZEN(0);
	ARG_INT(1, at);
	struct list *list = as_list(args[0]);
	if (at < 0)
		at += list->length;
	if (at < 0 || at > list->length)
		return vm_raise(vm, "index", "place %lld of a list of %u", (long long)at, list->length);
	list_resize(vm, list, list->length + 1);
	memmove(list->items + at + 1, list->items + at, (list->length - 1 - (size_t)at) * sizeof(value));
	list->items[at] = args[2];
	gc_slot(vm, &list->object, args[2], list->length);
	return args[0];
}

NATIVE(list_remove_at)
{
	(void)count;
	ARG_LIST(0);
	FROZEN(0);
	ARG_INT(1, at);
	struct list *list = as_list(args[0]);
	if (at < 0)
		at += list->length;
	if (at < 0 || at >= list->length)
		return vm_raise(vm, "index", "element %lld of a list of %u", (long long)at, list->length);
	vm_touch(vm, &list->object);
	value v = list->items[at];
	memmove(list->items + at, list->items + at + 1, (list->length - 1 - (size_t)at) * sizeof(value));
	list->length--;
	gc_moved(vm, &list->object, (uint32_t)at);
	return v;
}

NATIVE(list_remove)
{
	(void)count;
	if (is_type(args[0], T_MAP)) {
		FROZEN(0);
		return from_bool(map_key_ok(args[1]) && map_remove(vm, as_map(args[0]), args[1]));
	}
	ARG_LIST(0);
	struct list *list = as_list(args[0]);
	for (uint32_t i = 0; i < list->length; i++)
		if (value_equal(vm, list->items[i], args[1])) {
			value again[2] = {args[0], from_small_int(i)};
			return list_remove_at(vm, again, 2) == V_RAISE ? V_RAISE : V_TRUE;
		}
	return V_FALSE;
}

NATIVE(list_clear)
{
	(void)count;
	if (is_type(args[0], T_MAP)) {
		FROZEN(0);
		map_clear(vm, as_map(args[0]));
	} else {
		ARG_LIST(0);
		FROZEN(0);
		list_resize(vm, as_list(args[0]), 0);
	}
	return args[0];
}

NATIVE(list_index_of)
{
	(void)count;
	if (is_string(args[0])) {
		ARG_STRING(1);
		struct string *s = as_string(args[0]), *part = as_string(args[1]);
		const char *bytes = string_bytes(vm, s);
		const char *hit = memmem(bytes, s->length, string_bytes(vm, part), part->length);
		return from_small_int(hit ? (int64_t)utf8_count(bytes, (size_t)(hit - bytes)) : -1);
	}
	ARG_LIST(0);
	struct list *list = as_list(args[0]);
	for (uint32_t i = 0; i < list->length; i++)
		if (value_equal(vm, list->items[i], args[1]))
			return from_small_int(i);
	return from_small_int(-1);
}

NATIVE(list_contains)
{
	(void)count;
	if (is_type(args[0], T_MAP))
		return from_bool(map_key_ok(args[1]) && map_get(vm, as_map(args[0]), args[1]) != V_EMPTY);
	if (is_type(args[0], T_DIST)) {
		struct dist *dist = (struct dist *)as_object(args[0]);
		for (uint32_t i = 0; i < dist->count; i++)
			if (value_equal(vm, dist->entries[i].item, args[1]))
				return V_TRUE;
		return V_FALSE;
	}
	value at = list_index_of(vm, args, 2);
	return at == V_RAISE ? V_RAISE : from_bool(as_small_int(at) >= 0);
}

NATIVE(list_reverse)
{
	(void)count;
	ARG_LIST(0);
	struct list *from = as_list(args[0]), *to = list_new(vm, from->length);
	for (uint32_t i = 0; i < from->length; i++)
		to->items[i] = from->items[from->length - 1 - i];
	to->length = from->length;
	return from_object(to);
}

/* ---- functions over lists ---- */
enum each_mode { EACH, MAP, FILTER, ANY, ALL, FIND, COUNT };

static value each(struct vm *vm, value *args, enum each_mode mode)
{
	value result = V_NIL, item = V_NIL;
	struct list *list = as_list(args[0]), *out = NULL;
	uint32_t hits = 0;
	ARG_LIST(0);
	if (mode == MAP || mode == FILTER)
		out = list_new(vm, mode == MAP ? list->length : 0);
	vm_root_push(vm, args[0]);
	vm_root_push(vm, args[1]);
	vm_root_push(vm, out ? from_object(out) : V_NIL);
	uint32_t item_root = vm->root_count;
	vm_root_push(vm, V_NIL);
	value f = args[1];
	for (uint32_t i = 0; i < list->length; i++) {
		item = list->items[i];
		vm->roots[item_root] = item;
		value v = vm_call(vm, f, &item, 1);
		if (v == V_RAISE) {
			result = V_RAISE;
			break;
		}
		if (mode == MAP) {
			list_push(vm, out, v);
		} else if (mode != EACH && value_truthy(v)) {
			hits++;
			if (mode == FILTER)
				list_push(vm, out, item);
			if (mode == FIND || mode == ANY) {
				result = item;
				break;
			}
		} else if (mode == ALL) {
			result = V_FALSE;
			break;
		}
	}
	vm_root_pop(vm, 4);
	if (result == V_RAISE)
		return V_RAISE;
	switch (mode) {
	case MAP:
	case FILTER:
		return from_object(out);
	case ANY:
		return from_bool(hits > 0);
	case ALL:
		return from_bool(result != V_FALSE);
	case COUNT:
		return from_small_int(hits);
	default:
		return result;
	}
}

#define EACH_NATIVE(name, mode)                                                                              \
	NATIVE(list_##name)                                                                                  \
	{                                                                                                    \
		(void)count;                                                                                 \
		ARG_LIST(0);                                                                                 \
		return each(vm, args, mode);                                                                 \
	}
EACH_NATIVE(each, EACH)
EACH_NATIVE(map, MAP)
EACH_NATIVE(filter, FILTER)
EACH_NATIVE(any, ANY)
EACH_NATIVE(all, ALL)
EACH_NATIVE(find_by, FIND)
EACH_NATIVE(count_by, COUNT)

NATIVE(list_reduce)
{
	(void)count;
	ARG_LIST(0);
	struct list *list = as_list(args[0]);
	value f = args[1], pair[2] = {args[2], V_NIL};
	vm_root_push(vm, args[0]);
	vm_root_push(vm, f);
	for (uint32_t i = 0; i < list->length && pair[0] != V_RAISE; i++) {
		pair[1] = list->items[i];
		pair[0] = vm_call(vm, f, pair, 2);
	}
	vm_root_pop(vm, 2);
	return pair[0];
}

/* The greatest (sign 1) or least (-1) of arguments or of a list, by a key function perhaps. */
static value extreme(struct vm *vm, value *args, unsigned count, int sign)
{
	const value *items = args;
	uint32_t n = count;
	value key = V_NIL, best = V_NIL, best_key = V_NIL;
	if (count && is_type(args[0], T_LIST)) {
		items = as_list(args[0])->items;
		n = as_list(args[0])->length;
		if (count > 1)
			key = args[1];
	}
	if (!n)
		return vm_raise(vm, "index", "%s of nothing", sign > 0 ? "max" : "min");
	uint32_t root = vm->root_count;
	vm_root_push(vm, V_NIL);
	vm_root_push(vm, V_NIL);
	for (uint32_t i = 0; i < n; i++) {
		if (is_type(args[0], T_LIST)) {
			items = as_list(args[0])->items;
			if (i >= as_list(args[0])->length)
				break;
		}
		value item = items[i], k = item;
		if (key != V_NIL)
			k = vm_call(vm, key, &item, 1);
		int order = k == V_RAISE ? -2 : i ? op_compare(vm, k, best_key, sign > 0 ? ">" : "<") : sign;
		if (order == -2) {
			vm_root_pop(vm, 2);
			return V_RAISE;
		}
		if (order == sign) {
			best = item;
			best_key = k;
			vm->roots[root] = best;
			vm->roots[root + 1] = k;
		}
	}
	vm_root_pop(vm, 2);
	return best;
}

NATIVE(list_max)
{
	return extreme(vm, args, count, 1);
}

NATIVE(list_min)
{
	return extreme(vm, args, count, -1);
}

NATIVE(list_sum)
{
	ARG_LIST(0);
	value total = from_small_int(0);
	uint32_t root = vm->root_count;
	vm_root_push(vm, total);
	for (uint32_t i = 0; i < as_list(args[0])->length && total != V_RAISE; i++) {
		value item = as_list(args[0])->items[i];
		if (count > 1)
			item = vm_call(vm, args[1], &item, 1);
		total = item == V_RAISE ? V_RAISE : op_arith(vm, OP_ADD, total, item);
		vm->roots[root] = total;
	}
	vm_root_pop(vm, 1);
	return total;
}

NATIVE(list_zip)
{
	(void)count;
	ARG_LIST(0);
	ARG_LIST(1);
	struct list *a = as_list(args[0]), *b = as_list(args[1]), *out = list_new(vm, 0);
	for (uint32_t i = 0; i < a->length && i < b->length; i++) {
		struct list *pair = list_new(vm, 2);
		pair->items[0] = a->items[i];
		pair->items[1] = b->items[i];
		pair->length = 2;
		list_push(vm, out, from_object(pair));
	}
	return from_object(out);
}

NATIVE(list_flatten)
{
	(void)count;
	ARG_LIST(0);
	struct list *from = as_list(args[0]), *out = list_new(vm, 0);
	for (uint32_t i = 0; i < from->length; i++) {
		if (!is_type(from->items[i], T_LIST)) {
			list_push(vm, out, from->items[i]);
			continue;
		}
		struct list *inner = as_list(from->items[i]);
		for (uint32_t k = 0; k < inner->length; k++)
			list_push(vm, out, inner->items[k]);
	}
	return from_object(out);
}

NATIVE(list_unique)
{
	(void)count;
	ARG_LIST(0);
	struct list *from = as_list(args[0]), *out = list_new(vm, 0);
	struct map *seen = map_new(vm, 0);
	for (uint32_t i = 0; i < from->length; i++) {
		value item = from->items[i];
		bool known = false;
		if (map_key_ok(item)) {
			known = map_get(vm, seen, item) != V_EMPTY;
			map_set(vm, seen, item, V_TRUE);
		} else {
			for (uint32_t k = 0; k < out->length && !known; k++)
				known = value_equal(vm, out->items[k], item);
		}
		if (!known)
			list_push(vm, out, item);
	}
	return from_object(out);
}

NATIVE(list_fill)
{
	(void)count;
	ARG_INT(0, n);
	if (n < 0 || n > (int64_t)LIST_MAX)
		return vm_raise(vm, "memory", "a list of %lld elements", (long long)n);
	struct list *list = list_new(vm, (uint32_t)n);
	for (int64_t i = 0; i < n; i++)
		list->items[i] = args[1];
	list->length = (uint32_t)n;
	return from_object(list);
}

NATIVE(list_first)
{
	(void)count;
	ARG_LIST(0);
	return as_list(args[0])->length ? as_list(args[0])->items[0] : V_NIL;
}

NATIVE(list_last)
{
	(void)count;
	ARG_LIST(0);
	return as_list(args[0])->length ? as_list(args[0])->items[as_list(args[0])->length - 1] : V_NIL;
}

NATIVE(list_enumerate)
{
	(void)count;
	ARG_LIST(0);
	struct list *from = as_list(args[0]), *out = list_new(vm, from->length);
	for (uint32_t i = 0; i < from->length; i++) {
		struct list *pair = list_new(vm, 2);
		pair->items[0] = from_small_int(i);
		pair->items[1] = from->items[i];
		pair->length = 2;
		out->items[i] = from_object(pair);
		out->length++;
	}
	return from_object(out);
}

/* ---- maps ---- */
static value map_parts(struct vm *vm, value *args, unsigned what)
{
	struct map *map = as_map(args[0]);
	struct list *list = list_new(vm, map->count);
	for (uint32_t i = 0; i < map->used; i++) {
		if (map->entries[i].key == V_EMPTY)
			continue;
		value v = what == 0 ? map->entries[i].key : map->entries[i].item;
		if (what == 2) {
			struct list *pair = list_new(vm, 2);
			pair->items[0] = map->entries[i].key;
			pair->items[1] = map->entries[i].item;
			pair->length = 2;
			v = from_object(pair);
		}
		list->items[list->length++] = v;
	}
	return from_object(list);
}

NATIVE(map_keys)
{
	(void)count;
	ARG_MAP(0);
	return map_parts(vm, args, 0);
}

NATIVE(map_values)
{
	(void)count;
	ARG_MAP(0);
	return map_parts(vm, args, 1);
}

NATIVE(map_entries)
{
	(void)count;
	ARG_MAP(0);
	return map_parts(vm, args, 2);
}

NATIVE(map_has)
{
	return list_contains(vm, args, count);
}

NATIVE(map_native_get)
{
	value v = V_NIL;
	if (is_type(args[0], T_LIST)) {
		int64_t at;
		if (to_whole(args[1], &at)) {
			if (at < 0)
				at += as_list(args[0])->length;
			if (at >= 0 && at < as_list(args[0])->length)
				return as_list(args[0])->items[at];
		}
		return count > 2 ? args[2] : V_NIL;
	}
	ARG_MAP(0);
	if (map_key_ok(args[1]))
		v = map_get(vm, as_map(args[0]), args[1]);
	return v != V_EMPTY && map_key_ok(args[1]) ? v : count > 2 ? args[2] : V_NIL;
}

NATIVE(map_merge)
{
	(void)count;
	ARG_MAP(0);
	ARG_MAP(1);
	struct map *out = map_new(vm, as_map(args[0])->count + as_map(args[1])->count);
	for (unsigned k = 0; k < 2; k++)
		for (uint32_t i = 0; i < as_map(args[k])->used; i++)
			if (as_map(args[k])->entries[i].key != V_EMPTY)
				map_set(vm, out, as_map(args[k])->entries[i].key,
				        as_map(args[k])->entries[i].item);
	return from_object(out);
}

NATIVE(map_from_entries)
{
	(void)count;
	ARG_LIST(0);
	struct map *out = map_new(vm, 0);
	for (uint32_t i = 0; i < as_list(args[0])->length; i++) {
		value pair = as_list(args[0])->items[i];
		if (!is_type(pair, T_LIST) || as_list(pair)->length != 2 ||
		    !map_key_ok(as_list(pair)->items[0]))
			return vm_raise(vm, "type", "from_entries needs a list of [key, value]");
		map_set(vm, out, as_list(pair)->items[0], as_list(pair)->items[1]);
	}
	return from_object(out);
}

const struct native_entry list_natives[] = {
    {"push", list_native_push, 2, -1, 0, "push(list, v ...)",
     "Adds at the end of the list itself; returns it."},
    {"append", list_append, 2, 2, 0, "append(list, v)", "A new list with v at its end."},
    {"pop", list_pop, 1, 1, 0, "pop(list)",
     "Takes the last element away and returns it; nil if there is none."},
    {"insert", list_insert, 3, 3, 0, "insert(list, at, v)", "Puts v before element `at`."},
    {"remove_at", list_remove_at, 2, 2, 0, "remove_at(list, at)", "Takes element `at` away and returns it."},
    {"remove", list_remove, 2, 2, 0, "remove(list_or_map, v)", "Removes the first equal element, or a key."},
    {"clear", list_clear, 1, 1, 0, "clear(list_or_map)", "Removes everything."},
    {"index_of", list_index_of, 2, 2, 0, "index_of(list_or_string, v)", "Where v first stands, or -1."},
    {"contains", list_contains, 2, 2, 0, "contains(c, v)", "Whether a list, string, map or dist has v."},
    {"reverse", list_reverse, 1, 1, 0, "reverse(list)", "A new list, last element first."},
    {"each", list_each, 2, 2, 0, "each(list, f)", "Calls f with every element."},
    {"map", list_map, 2, 2, 0, "map(list, f)", "A new list of f(element)."},
    {"filter", list_filter, 2, 2, 0, "filter(list, f)", "A new list of the elements for which f is true."},
    {"any", list_any, 2, 2, 0, "any(list, f)", "Whether f is true for some element."},
    {"all", list_all, 2, 2, 0, "all(list, f)", "Whether f is true for every element."},
    {"find_by", list_find_by, 2, 2, 0, "find_by(list, f)", "The first element for which f is true, or nil."},
    {"count_by", list_count_by, 2, 2, 0, "count_by(list, f)", "For how many elements f is true."},
    {"reduce", list_reduce, 3, 3, 0, "reduce(list, f, first)", "f(f(first, a), b) ..."},
    {"max", list_max, 1, -1, 0, "max(a, b ...) or max(list, key)", "The greatest."},
    {"min", list_min, 1, -1, 0, "min(a, b ...) or min(list, key)", "The least."},
    {"sum", list_sum, 1, 2, 0, "sum(list, key)", "The sum of the elements, or of key(element)."},
    {"zip", list_zip, 2, 2, 0, "zip(a, b)", "A list of pairs."},
    {"flatten", list_flatten, 1, 1, 0, "flatten(list)", "Lists inside are replaced by their elements."},
    {"unique", list_unique, 1, 1, 0, "unique(list)", "Without repetitions."},
    {"fill", list_fill, 2, 2, 0, "fill(n, v)", "A list of n times v."},
    {"first", list_first, 1, 1, 0, "first(list)", "The first element, or nil."},
    {"last", list_last, 1, 1, 0, "last(list)", "The last element, or nil."},
    {"enumerate", list_enumerate, 1, 1, 0, "enumerate(list)", "A list of [index, element]."},
    {"keys", map_keys, 1, 1, 0, "keys(map)", "The keys, in order of insertion."},
    {"values", map_values, 1, 1, 0, "values(map)", "The values, in order of insertion."},
    {"entries", map_entries, 1, 1, 0, "entries(map)", "A list of [key, value]."},
    {"has", map_has, 2, 2, 0, "has(map, key)", "Whether the key is there."},
    {"get", map_native_get, 2, 3, 0, "get(map_or_list, key, default)", "The value, or the default (nil)."},
    {"merge", map_merge, 2, 2, 0, "merge(a, b)", "A new map of both; b decides."},
    {"from_entries", map_from_entries, 1, 1, 0, "from_entries(list)", "A map of [key, value] pairs."},
    {0},
};
