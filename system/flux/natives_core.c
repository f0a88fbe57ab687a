/* Built-in functions that every program uses: output, conversion, types, errors, and what the compiler calls.
 */
#include "runtime.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <stdlib.h>

NATIVE(core_print)
{
	for (unsigned i = 0; i < count; i++) {
		struct string *s = value_to_string(vm, args[i]);
		if (i)
			vm_output(vm, " ", 1);
		vm_output(vm, string_bytes(vm, s), s->length);
	}
	vm_output(vm, "\n", 1);
	return V_NIL;
}

NATIVE(core_write)
{
	for (unsigned i = 0; i < count; i++) {
		struct string *s = value_to_string(vm, args[i]);
		vm_output(vm, string_bytes(vm, s), s->length);
	}
	return V_NIL;
}

NATIVE(core_to_string)
{
	return count ? from_object(value_to_string(vm, args[0])) : from_object(vm->empty_string);
}

NATIVE(core_inspect)
{
	(void)count;
	return from_object(value_inspect(vm, args[0]));
}

NATIVE(core_type_of)
{
	(void)count;
	if (is_type(args[0], T_STRUCT))
		return from_object(((struct instance *)as_object(args[0]))->shape->name);
	return from_object(string_of(vm, value_type_name(args[0])));
}

NATIVE(core_len)
{
	(void)count;
	if (is_type(args[0], T_LIST))
		return from_small_int(as_list(args[0])->length);
	if (is_type(args[0], T_MAP))
		return from_small_int(as_map(args[0])->count);
	if (is_string(args[0])) {
		struct string *s = as_string(args[0]);
		return from_small_int(utf8_count(string_bytes(vm, s), s->length));
	}
	if (is_type(args[0], T_DIST))
		return from_small_int(((struct dist *)as_object(args[0]))->count);
	return vm_raise(vm, "type", "%s has no length", value_type_name(args[0]));
}

NATIVE(core_to_int)
{
	(void)count;
	int64_t i;
	double d;
	if (to_int64(args[0], &i))
		return args[0];
	if (to_double(args[0], &d))
		return fabs(d) < 9.2e18 ? from_int64(vm, (int64_t)d)
		                        : vm_raise(vm, "arithmetic", "%g does not fit an integer", d);
	if (is_bool(args[0]))
		return from_small_int(args[0] == V_TRUE);
	if (is_type(args[0], T_DURATION))
		return from_int64(vm, ((struct duration *)as_object(args[0]))->nanoseconds);
	if (is_string(args[0])) {
		const char *text = string_bytes(vm, as_string(args[0]));
		char *end;
		while (*text == ' ' || *text == '\t' || *text == '\n')
			text++;
		errno = 0;
		long long n = strtoll(text, &end, 10);
		if (end != text && *end == '.') {
			d = strtod(text, &end);
			n = fabs(d) < 9.2e18 ? (long long)d : 0;
			errno = fabs(d) < 9.2e18 ? 0 : ERANGE;
		}
		while (*end == ' ' || *end == '\t' || *end == '\n')
			end++;
		if (end == text || *end || errno)
			return from_object(
			    error_new(vm, "convert", string_format(vm, "'%.60s' is not an integer", text)));
		return from_int64(vm, n);
	}
	return vm_raise(vm, "type", "%s cannot become an integer", value_type_name(args[0]));
}

NATIVE(core_to_float)
{
	(void)count;
	double d;
	if (to_double(args[0], &d))
		return from_double(d);
	if (is_type(args[0], T_DURATION))
		return from_double((double)((struct duration *)as_object(args[0]))->nanoseconds / 1e9);
	if (is_string(args[0])) {
		const char *text = string_bytes(vm, as_string(args[0]));
		char *end;
		d = strtod(text, &end);
		while (*end == ' ' || *end == '\n')
			end++;
		if (end == text || *end)
			return from_object(
			    error_new(vm, "convert", string_format(vm, "'%.60s' is not a number", text)));
		return from_double(d);
	}
	return vm_raise(vm, "type", "%s cannot become a float", value_type_name(args[0]));
}

NATIVE(core_to_bool)
{
	(void)vm, (void)count;
	return from_bool(value_truthy(args[0]));
}

NATIVE(core_parse_duration)
{
	int64_t ns;
	if (!count || !is_string(args[0]))
		return from_object(duration_new(vm, 0, NULL));
	struct string *s = as_string(args[0]);
	const char *text = string_bytes(vm, s);
	size_t length = s->length;
	if (!duration_parse(text, length, &ns))
		return from_object(duration_new(vm, 0, NULL));
	for (; length && isspace((unsigned char)*text); text++)
		length--;
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	return from_object(duration_new(vm, ns, string_new(vm, text, length)));
}

NATIVE(core_duration)
{
	(void)count;
	ARG_INT(0, ns);
	return from_object(duration_new(vm, ns, NULL));
}

NATIVE(core_error)
{
	ARG_STRING(0);
	struct flux_error *e = error_new(vm, "error", as_string(args[0]));
	if (count > 1) {
		ARG_STRING(1);
		e->kind = as_string(args[1]);
	}
	if (count > 2)
		e->data = args[2];
	e->trace = vm_trace_text(vm);
	return from_object(e);
}

#define IS(name, condition)                                                                                  \
	NATIVE(core_##name)                                                                                  \
	{                                                                                                    \
		UNUSED_ARGS;                                                                                 \
		return from_bool(condition);                                                                 \
	}
IS(is_nil, args[0] == V_NIL)
IS(is_error, is_type(args[0], T_ERROR))
IS(is_list, is_type(args[0], T_LIST))
IS(is_map, is_type(args[0], T_MAP))
IS(is_string, is_string(args[0]))
IS(is_number, is_number(args[0]))
IS(is_int, is_integer(args[0]))
IS(is_float, is_double(args[0]))
IS(is_bool, is_bool(args[0]))
IS(is_duration, is_type(args[0], T_DURATION))
IS(is_function, is_type(args[0], T_FUNCTION) || is_type(args[0], T_NATIVE))

NATIVE(core_assert)
{
	if (value_truthy(args[0]))
		return V_NIL;
	if (count > 1) {
		struct string *s = value_to_string(vm, args[1]);
		return vm_raise(vm, "assert", "assertion failed: %.300s", string_bytes(vm, s));
	}
	return vm_raise(vm, "assert", "assertion failed");
}

NATIVE(core_assert_equal)
{
	(void)count;
	if (value_equal(vm, args[0], args[1]))
		return V_NIL;
	struct string *a = value_inspect(vm, args[0]), *b = value_inspect(vm, args[1]);
	return vm_raise(vm, "assert", "expected %.200s, got %.200s", string_bytes(vm, b),
	                string_bytes(vm, a));
}

NATIVE(core_call)
{
	struct list *list;
	(void)count;
	ARG_TYPE(1, T_LIST, "a list of arguments");
	list = as_list(args[1]);
	if (list->length > 15)
		return vm_raise(vm, "call", "call passes at most 15 arguments");
	return vm_call(vm, args[0], list->items, list->length);
}

static value deep_copy(struct vm *vm, value v, unsigned depth)
{
	if (!is_object(v) || depth > 100)
		return v;
	switch (as_object(v)->type) {
	case T_LIST: {
		struct list *from = as_list(v), *to = list_new(vm, from->length);
		for (uint32_t i = 0; i < from->length; i++)
			to->items[i] = deep_copy(vm, from->items[i], depth + 1);
		to->length = from->length;
		return from_object(to);
	}
	case T_MAP: {
		struct map *from = as_map(v), *to = map_new(vm, from->count);
		for (uint32_t i = 0; i < from->used; i++)
			if (from->entries[i].key != V_EMPTY)
				map_set(vm, to, from->entries[i].key,
				        deep_copy(vm, from->entries[i].item, depth + 1));
		return from_object(to);
	}
	case T_STRUCT: {
		struct instance *from = (struct instance *)as_object(v), *to = instance_new(vm, from->shape);
		for (uint32_t i = 0; i < from->shape->count; i++)
			to->fields[i] = deep_copy(vm, from->fields[i], depth + 1);
		return from_object(to);
	}
	default:
		return v;
	}
}

NATIVE(core_copy)
{
	(void)count;
	return deep_copy(vm, args[0], 0);
}

NATIVE(core_hash)
{
	(void)count;
	struct string *s = value_inspect(vm, args[0]);
	const char *bytes = string_bytes(vm, s);
	uint64_t h = 0xCBF29CE484222325u; /* FNV-1a: the same on every run and machine */
	for (uint32_t i = 0; i < s->length; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001B3u;
	return from_small_int((int64_t)(h & 0x7FFFFFFFFFFFu));
}

NATIVE(core_void)
{
	(void)args, (void)count;
	return from_object(heap_allocate(vm, T_VOID, sizeof(struct object) + 8));
}

NATIVE(core_user)
{
	(void)args, (void)count;
	return from_object(string_of(vm, "user"));
}

NATIVE(core_args)
{
	(void)args, (void)count;
	return vm->args;
}

NATIVE(core_matrix)
{
	(void)args, (void)count;
	struct map *map = map_new(vm, 1);
	map_set_text(vm, map, "_kind", from_object(string_of(vm, "sparse_temporal_matrix")));
	return from_object(map);
}

NATIVE(core_stats)
{
	(void)args, (void)count;
	struct map *map = map_new(vm, 8);
	struct mallinfo2 info = mallinfo2();
	map_set_text(vm, map, "live_bytes", from_int64(vm, (int64_t)vm->heap.live));
	map_set_text(vm, map, "malloc_used_bytes", from_int64(vm, (int64_t)(info.uordblks + info.hblkhd)));
	map_set_text(vm, map, "malloc_free_bytes", from_int64(vm, (int64_t)info.fordblks));
	map_set_text(vm, map, "minor_collections", from_int64(vm, (int64_t)vm->heap.minor_collections));
	map_set_text(vm, map, "major_collections", from_int64(vm, (int64_t)vm->heap.major_collections));
	map_set_text(vm, map, "longest_cpu_us", from_int64(vm, (int64_t)(vm->heap.longest_cpu_ns / 1000)));
	map_set_text(vm, map, "longest_user_us", from_int64(vm, (int64_t)vm->heap.longest_user_us));
	map_set_text(vm, map, "longest_system_us", from_int64(vm, (int64_t)vm->heap.longest_system_us));
	map_set_text(vm, map, "longest_faults", from_int64(vm, (int64_t)vm->heap.longest_faults));
	map_set_text(vm, map, "most_work", from_int64(vm, (int64_t)vm->heap.most_work));
	struct list *pauses = list_new(vm, PAUSE_CLASSES);
	map_set_text(vm, map, "pauses", from_object(pauses));
	for (unsigned i = 0; i < PAUSE_CLASSES; i++)
		list_push(vm, pauses, from_int64(vm, (int64_t)vm->heap.pauses[i]));
	map_set_text(vm, map, "longest_pause_us",
	             from_int64(vm, (int64_t)(vm->heap.longest_pause_ns / 1000)));
	return from_object(map);
}

/* ---- what the compiler calls ---- */
/* First argument a list, map or dist; the others are added to it. */
NATIVE(core_extend)
{
	if (is_type(args[0], T_LIST)) {
		for (unsigned i = 1; i < count; i++)
			list_push(vm, as_list(args[0]), args[i]);
	} else if (is_type(args[0], T_MAP)) {
		for (unsigned i = 1; i + 1 < count; i += 2) {
			if (!map_key_ok(args[i]))
				return vm_raise(vm, "type", "%s cannot be a key of a map",
				                value_type_name(args[i]));
			map_set(vm, as_map(args[0]), args[i], args[i + 1]);
		}
	} else if (is_type(args[0], T_DIST)) {
		struct dist *more = dist_make(vm, args + 1, (count - 1) / 2);
		if (!more)
			return V_RAISE;
		struct dist *old = (struct dist *)as_object(args[0]),
		            *both = dist_new(vm, old->count + more->count);
		memcpy(both->entries, old->entries, old->count * sizeof(old->entries[0]));
		memcpy(both->entries + old->count, more->entries, more->count * sizeof(old->entries[0]));
		return from_object(both);
	}
	return args[0];
}

NATIVE(core_is_list_of)
{
	(void)vm, (void)count;
	return from_bool(is_type(args[0], T_LIST) && from_small_int(as_list(args[0])->length) == args[1]);
}

NATIVE(core_has_key)
{
	(void)count;
	if (is_type(args[0], T_STRUCT) && is_string(args[1])) {
		struct string *name = string_interned(vm, as_string(args[1]));
		return from_bool(name &&
		                 shape_field(((struct instance *)as_object(args[0]))->shape, name) >= 0);
	}
	return from_bool(is_type(args[0], T_MAP) && map_key_ok(args[1]) &&
	                 map_get(vm, as_map(args[0]), args[1]) != V_EMPTY);
}

NATIVE(core_is_struct)
{
	(void)vm, (void)count;
	return from_bool(is_type(args[0], T_STRUCT) && is_type(args[1], T_SHAPE) &&
	                 ((struct instance *)as_object(args[0]))->shape ==
	                     (struct shape *)as_object(args[1]));
}

static value make_range(struct vm *vm, int64_t from, int64_t to, int64_t step)
{
	int64_t n = step > 0 ? (to - from + step - 1) / step : (from - to - step - 1) / -step;
	if (n > (int64_t)LIST_MAX)
		return vm_raise(vm, "memory", "a range of over %u elements; loop over a..b instead",
		                LIST_MAX);
	struct list *list = list_new(vm, n > 0 ? (uint32_t)n : 0);
	for (int64_t i = 0; i < n; i++)
		list->items[list->length++] = from_small_int(from + i * step);
	return from_object(list);
}

static bool range_ends(struct vm *vm, value a, value b, int64_t *from, int64_t *to)
{
	if (to_whole(a, from) && to_whole(b, to) && fits_small_int(*from) && fits_small_int(*to))
		return true;
	vm_raise(vm, "type", "a range needs two whole numbers, not %s and %s", value_type_name(a),
	         value_type_name(b));
	return false;
}

NATIVE(core_range_of)
{
	(void)count;
	int64_t from, to;
	return range_ends(vm, args[0], args[1], &from, &to) ? make_range(vm, from, to, 1) : V_RAISE;
}

NATIVE(core_range_with)
{
	(void)count;
	int64_t from, to;
	return range_ends(vm, args[0], args[1], &from, &to) ? make_range(vm, from, to + 1, 1) : V_RAISE;
}

NATIVE(core_range)
{
	int64_t from = 0, to = 0, step = 1;
	if (!range_ends(vm, count > 1 ? args[0] : from_small_int(0), args[count > 1], &from, &to))
		return V_RAISE;
	if (count > 2 && (!to_whole(args[2], &step) || !step || !fits_small_int(step)))
		return vm_raise(vm, "type", "the step of a range is a whole number, not 0");
	return make_range(vm, from, to, step);
}

static value within(struct vm *vm, const value *args, bool with_end)
{
	if (!is_number(args[0]) && !is_string(args[0]) && !is_type(args[0], T_DURATION))
		return V_FALSE;
	if (is_string(args[0]) != is_string(args[1]) ||
	    is_type(args[0], T_DURATION) != is_type(args[1], T_DURATION))
		return V_FALSE;
	int low = op_compare(vm, args[0], args[1], ">="), high = op_compare(vm, args[0], args[2], "<");
	if (low == -2 || high == -2)
		return V_RAISE;
	return from_bool((low == 0 || low == 1) && (high == -1 || (with_end && high == 0)));
}

NATIVE(core_within)
{
	(void)count;
	return within(vm, args, false);
}

NATIVE(core_within_with)
{
	(void)count;
	return within(vm, args, true);
}

const struct native_entry core_natives[] = {
    {"print", core_print, 0, -1, 0, "print(...)", "Writes the values, separated by spaces, and a line end."},
    {"write_out", core_write, 0, -1, 0, "write_out(...)", "Writes the values and nothing else."},
    {"to_string", core_to_string, 0, 1, 0, "to_string(v)", "The value as text, as print shows it."},
    {"inspect", core_inspect, 1, 1, 0, "inspect(v)", "The value as text, strings quoted, floats in full."},
    {"type_of", core_type_of, 1, 1, 0, "type_of(v)", "The name of the value's type."},
    {"len", core_len, 1, 1, 0, "len(v)", "Characters of a string, elements of a list, map or dist."},
    {"to_int", core_to_int, 1, 1, 0, "to_int(v)",
     "The integer part; an error value if a text is no integer."},
    {"to_float", core_to_float, 1, 1, 0, "to_float(v)", "The float; an error value if a text is no number."},
    {"to_bool", core_to_bool, 1, 1, 0, "to_bool(v)", "Whether the value counts as true."},
    {"parse_duration", core_parse_duration, 0, 1, 0, "parse_duration(s)",
     "\"5s\", \"10ms\" ... as a duration."},
    {"nanoseconds", core_duration, 1, 1, 0, "nanoseconds(n)", "A duration of n nanoseconds."},
    {"error", core_error, 1, 3, 0, "error(message, kind, data)", "Makes an error value; fail raises it."},
    {"is_nil", core_is_nil, 1, 1, 0, "is_nil(v)", "Whether v is nil."},
    {"is_error", core_is_error, 1, 1, 0, "is_error(v)", "Whether v is an error value."},
    {"is_list", core_is_list, 1, 1, 0, "is_list(v)", "Whether v is a list."},
    {"is_map", core_is_map, 1, 1, 0, "is_map(v)", "Whether v is a map."},
    {"is_string", core_is_string, 1, 1, 0, "is_string(v)", "Whether v is a string."},
    {"is_number", core_is_number, 1, 1, 0, "is_number(v)", "Whether v is an integer or a float."},
    {"is_int", core_is_int, 1, 1, 0, "is_int(v)", "Whether v is an integer."},
    {"is_float", core_is_float, 1, 1, 0, "is_float(v)", "Whether v is a float."},
    {"is_bool", core_is_bool, 1, 1, 0, "is_bool(v)", "Whether v is true or false."},
    {"is_duration", core_is_duration, 1, 1, 0, "is_duration(v)", "Whether v is a duration."},
    {"is_function", core_is_function, 1, 1, 0, "is_function(v)", "Whether v can be called."},
    {"assert", core_assert, 1, 2, 0, "assert(condition, message)", "Raises if the condition is not true."},
    {"assert_equal", core_assert_equal, 2, 2, 0, "assert_equal(got, expected)", "Raises if the two differ."},
    {"call", core_call, 2, 2, 0, "call(f, list)", "Calls f with the elements of a list."},
    {"copy", core_copy, 1, 1, 0, "copy(v)", "A copy of lists, maps and structs, all the way down."},
    {"hash", core_hash, 1, 1, 0, "hash(v)", "A number from the value, the same on every run."},
    {"range", core_range, 1, 3, 0, "range(from, to, step)", "A list of whole numbers, without the end."},
    {"causal_void", core_void, 0, 0, 0, "causal_void", "Has one method, exists(), which is true."},
    {"user", core_user, 0, 0, 0, "user", "The name of the user's input source."},
    {"args", core_args, 0, 0, 0, "args", "What the program was started with: words and capabilities."},
    {"sparse_temporal_matrix", core_matrix, 0, 0, 0, "sparse_temporal_matrix()",
     "Makes the store of a mosaic."},
    {"gc_stats", core_stats, 0, 0, 0, "gc_stats()", "Numbers of the memory manager."},
    {"__extend", core_extend, 1, -1, NATIVE_HIDDEN, "", ""},
    {"__is_list", core_is_list_of, 2, 2, NATIVE_HIDDEN, "", ""},
    {"__has_key", core_has_key, 2, 2, NATIVE_HIDDEN, "", ""},
    {"__is_struct", core_is_struct, 2, 2, NATIVE_HIDDEN, "", ""},
    {"__range", core_range_of, 2, 2, NATIVE_HIDDEN, "", ""},
    {"__range_with", core_range_with, 2, 2, NATIVE_HIDDEN, "", ""},
    {"__within", core_within, 3, 3, NATIVE_HIDDEN, "", ""},
    {"__within_with", core_within_with, 3, 3, NATIVE_HIDDEN, "", ""},
    {0},
};
