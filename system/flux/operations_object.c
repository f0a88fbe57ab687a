/* Slow paths of instructions that read and write fields, iterate, call methods and check types. */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

/* ---- fields ---- */
value op_get_field(struct vm *vm, value object, struct string *name)
{
	const char *text = string_bytes(vm, name);
	if (is_type(object, T_STRUCT)) {
		struct instance *instance = (struct instance *)as_object(object);
		int slot = shape_field(instance->shape, name);
		if (slot < 0)
			return vm_raise(vm, "field", "%s has no field '%s'",
			                string_bytes(vm, instance->shape->name), text);
		return instance->fields[slot];
	}
	if (is_type(object, T_MAP)) {
		value v = map_get(vm, as_map(object), from_object(name));
		return v == V_EMPTY ? V_NIL : v;
	}
	if (is_type(object, T_ERROR)) {
		struct flux_error *e = (struct flux_error *)as_object(object);
		if (!strcmp(text, "message"))
			return from_object(e->message);
		if (!strcmp(text, "kind"))
			return from_object(e->kind);
		if (!strcmp(text, "trace"))
			return e->trace ? from_object(e->trace) : V_NIL;
		if (!strcmp(text, "data"))
			return e->data;
	}
	if (is_type(object, T_DURATION)) {
		int64_t ns = ((struct duration *)as_object(object))->nanoseconds;
		if (!strcmp(text, "seconds"))
			return from_double((double)ns / 1e9);
		if (!strcmp(text, "nanoseconds"))
			return from_int64(vm, ns);
		if (!strcmp(text, "milliseconds"))
			return from_double((double)ns / 1e6);
	}
	if (is_type(object, T_HANDLE))
		return capability_method(vm, object, name, NULL, 0);
	return vm_raise(vm, "field", "no field '%s' on %s", text, value_type_name(object));
}

bool op_set_field(struct vm *vm, value object, struct string *name, value v)
{
	const char *text = string_bytes(vm, name);
	if (is_object(object) && as_object(object)->flags & OBJECT_FROZEN) {
		vm_raise(vm, "field", "this %s is a constant", value_type_name(object));
		return false;
	}
	if (is_type(object, T_STRUCT)) {
		struct instance *instance = (struct instance *)as_object(object);
		int slot = shape_field(instance->shape, name);
		if (slot < 0) {
			vm_raise(vm, "field", "%s has no field '%s'", string_bytes(vm, instance->shape->name),
			         text);
			return false;
		}
		if (!op_check_type(vm, v, instance->shape->types[slot], instance->shape->structs[slot])) {
			op_type_error(vm, v, instance->shape->types[slot], instance->shape->structs[slot],
			              from_object(name));
			return false;
		}
		instance_set(vm, instance, (uint32_t)slot, v);
		return true;
	}
	if (is_type(object, T_MAP)) {
		map_set(vm, as_map(object), from_object(name), v);
		return true;
	}
	vm_raise(vm, "field", "%s has no fields to set", value_type_name(object));
	return false;
}

/* ---- iteration ---- */
value op_iterate(struct vm *vm, value source, bool range_pair)
{
	struct iterator *it = heap_allocate(vm, T_ITERATOR, sizeof(*it));
	it->at = 0;
	it->next = it->end = 0;
	it->source = source;
	if (range_pair && is_type(source, T_LIST) && as_list(source)->length == 2) {
		double a, b;
		if (to_double(as_list(source)->items[0], &a) && to_double(as_list(source)->items[1], &b) &&
		    fabs(a) < 1e14 && fabs(b) < 1e14) {
			it->source = V_NIL;
			it->next = (int64_t)a;
			it->end = (int64_t)b + 1;
			return from_object(it);
		}
	}
	if (is_type(source, T_LIST) || is_type(source, T_MAP) || is_string(source) || is_type(source, T_DIST))
		return from_object(it);
	return vm_raise(vm, "type", "%s cannot be iterated over", value_type_name(source));
}

bool op_next(struct vm *vm, struct iterator *it, value *key, value *item)
{
	value source = it->source;
	if (is_type(source, T_LIST)) {
		struct list *list = as_list(source);
		if (it->at >= list->length)
			return false;
		*key = from_small_int(it->at);
		*item = list->items[it->at++];
		return true;
	}
	if (is_type(source, T_MAP)) {
		struct map *map = as_map(source);
		while (it->at < map->used && map->entries[it->at].key == V_EMPTY)
			it->at++;
		if (it->at >= map->used)
			return false;
		*key = map->entries[it->at].key;
		*item = map->entries[it->at++].item;
		return true;
	}
	if (is_string(source)) {
		struct string *s = as_string(source);
		if ((uint64_t)it->next >= s->length)
			return false;
		const char *bytes = string_bytes(vm, s) + it->next;
		size_t size = utf8_offset(bytes, s->length - (size_t)it->next, 1);
		*key = from_small_int(it->at++);
		*item = from_object(string_new(vm, bytes, size));
		it->next += (int64_t)size;
		return true;
	}
	if (is_type(source, T_DIST)) {
		struct dist *dist = (struct dist *)as_object(source);
		if (it->at >= dist->count)
			return false;
		*key = from_double(dist->entries[it->at].weight);
		*item = dist->entries[it->at++].item;
		return true;
	}
	if (it->next >= it->end)
		return false;
	*key = from_small_int(it->at++);
	*item = from_int64(vm, it->next++);
	return true;
}

/* ---- methods ---- */
value op_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count)
{
	const char *text = string_bytes(vm, name);
	if (is_object(receiver)) {
		switch (as_object(receiver)->type) {
		case T_MOSAIC:
		case T_CURSOR:
			return mosaic_method(vm, receiver, name, args + 1, count);
		case T_BANDIT:
			return bandit_method(vm, receiver, name, args + 1, count);
		case T_HANDLE:
			return capability_method(vm, receiver, name, args + 1, count);
		case T_VOID:
			if (!strcmp(text, "exists"))
				return V_TRUE;
			return vm_raise(vm, "field", "causal_void has no method '%s'", text);
		case T_STRUCT:
		case T_MAP: {
			/* In the tree walker a field that holds a function arrives here too. */
			value callee = V_EMPTY;
			if (is_type(receiver, T_MAP)) {
				callee = map_get(vm, as_map(receiver), from_object(name));
			} else {
				struct instance *instance = (struct instance *)as_object(receiver);
				int slot = shape_field(instance->shape, name);
				if (slot >= 0)
					callee = instance->fields[slot];
			}
			if (is_type(callee, T_FUNCTION) || is_type(callee, T_NATIVE))
				return vm_call(vm, callee, args + 1, count);
			break;
		}
		default:
			break;
		}
	}
	int n = native_find(text, name->length);
	if (n < 0 || natives[n].flags & NATIVE_HIDDEN)
		return vm_raise(vm, "field", "no method '%s' on %s%s", text, value_type_name(receiver),
		                receiver == V_NIL
		                    ? " (a capability is nil in a run that was not given it: see "
		                      "flux help)"
		                    : "");
	if (count + 1 < (unsigned)natives[n].least ||
	    (natives[n].most >= 0 && count + 1 > (unsigned)natives[n].most))
		return vm_raise(vm, "call", "%s cannot be called with %u arguments", text, count);
	return natives[n].code(vm, args, count + 1);
}

/* ---- types ---- */
bool op_check_type(struct vm *vm, value v, unsigned kind, struct shape *shape)
{
	(void)vm;
	if (v == V_NIL && kind & TYPE_OPTIONAL)
		return true;
	if (is_type(v, T_ERROR) && kind & TYPE_OPTIONAL)
		return true;
	switch (kind & ~(unsigned)TYPE_OPTIONAL) {
	case TYPE_ANY:
		return true;
	case TYPE_NUMBER:
		return is_number(v);
	case TYPE_INTEGER:
		return is_integer(v);
	case TYPE_STRING:
		return is_string(v);
	case TYPE_BOOL:
		return is_bool(v);
	case TYPE_LIST:
		return is_type(v, T_LIST);
	case TYPE_MAP:
		return is_type(v, T_MAP);
	case TYPE_DURATION:
		return is_type(v, T_DURATION);
	case TYPE_DIST:
		return is_type(v, T_DIST);
	case TYPE_FUNCTION:
		return is_type(v, T_FUNCTION) || is_type(v, T_NATIVE) || is_type(v, T_SHAPE);
	case TYPE_ERROR:
		return is_type(v, T_ERROR);
	case TYPE_NIL:
		return v == V_NIL;
	case TYPE_STRUCT:
		return !shape || (is_type(v, T_STRUCT) && ((struct instance *)as_object(v))->shape == shape);
	case TYPE_CAPABILITY:
		return is_type(v, T_HANDLE);
	case TYPE_MOSAIC:
		return is_type(v, T_MOSAIC);
	default:
		return false;
	}
}

bool op_type_error(struct vm *vm, value v, unsigned kind, struct shape *shape, value name)
{
	static const char *const names[TYPE_KINDS] = {
	    "any",  "number",   "integer", "string", "bool",   "list",       "map",          "duration",
	    "dist", "function", "error",   "nil",    "struct", "capability", "causal_mosaic"};
	kind &= ~(unsigned)TYPE_OPTIONAL;
	const char *type = kind < TYPE_KINDS ? names[kind] : "?";
	if (kind == TYPE_STRUCT && shape)
		type = string_bytes(vm, shape->name);
	const char *text = is_string(name) ? string_bytes(vm, as_string(name)) : "?";
	if (!strcmp(text, "->"))
		vm_raise(vm, "type", "the function promises to return %s, but returns %s", type,
		         value_type_name(v));
	else
		vm_raise(vm, "type", "'%s' must be %s, not %s", text, type, value_type_name(v));
	return false;
}

bool op_send(struct vm *vm, value kind, value content, value duration)
{
	struct string *k = value_to_sent(vm, kind), *c = value_to_sent(vm, content);
	vm_output(vm, "[", 1);
	vm_output(vm, string_bytes(vm, k), k->length);
	vm_output(vm, "] ", 2);
	vm_output(vm, string_bytes(vm, c), c->length);
	if (is_type(duration, T_DURATION)) {
		struct string *d = value_to_string(vm, duration);
		vm_output(vm, " [", 2);
		vm_output(vm, string_bytes(vm, d), d->length);
		vm_output(vm, "]", 1);
	}
	vm_output(vm, "\n", 1);
	return true;
}
