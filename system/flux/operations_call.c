/* Slow paths of instructions that call, make closures and maps, and begin a range. */
#include "runtime.h"

#include <math.h>

/* ---- calls ---- */
bool op_enter(struct vm *vm, value callee, uint32_t base, unsigned count, bool *done)
{
	struct task *task = vm->task;
	*done = false;
	if (is_type(callee, T_FUNCTION)) {
		struct function *f = (struct function *)as_object(callee);
		struct proto *p = f->proto;
		if (count != p->params) {
			if (count > p->params || count < p->required) {
				vm_raise(vm, "call", "%s takes %u argument%s, got %u", p->name, p->params,
				         p->params == 1 ? "" : "s", count);
				return false;
			}
		}
		if (!vm_push_frame(vm, p, f, base))
			return false;
		for (unsigned i = count; i < p->params; i++)
			task->stack[base + i] = V_NIL;
		return true;
	}
	*done = true;
	if (is_type(callee, T_NATIVE)) {
		struct native_entry *n = &natives[((struct native *)as_object(callee))->index];
		if (count < (unsigned)n->least || (n->most >= 0 && count > (unsigned)n->most)) {
			vm_raise(vm, "call", "%s takes %d argument%s, got %u", n->name, n->least,
			         n->least == 1 ? "" : "s", count);
			return false;
		}
		value v = n->code(vm, task->stack + base, count);
		if (v == V_RAISE)
			return false;
		vm->task->stack[base] = v;
		return true;
	}
	if (is_type(callee, T_SHAPE)) {
		struct shape *shape = (struct shape *)as_object(callee);
		if (count > shape->count) {
			vm_raise(vm, "call", "struct %s has %u fields, got %u values",
			         string_bytes(vm, shape->name), shape->count, count);
			return false;
		}
		struct instance *instance = instance_new(vm, shape);
		for (unsigned i = 0; i < count; i++) {
			value v = task->stack[base + i];
			if (!op_check_type(vm, v, shape->types[i], shape->structs[i])) {
				vm_raise(vm, "type", "field '%s' of %s cannot hold %s",
				         string_bytes(vm, shape->fields[i]), string_bytes(vm, shape->name),
				         value_type_name(v));
				return false;
			}
			instance->fields[i] = v;
		}
		task->stack[base] = from_object(instance);
		return true;
	}
	if (is_string(callee))
		vm_raise(vm, "call", "unknown function '%s'", string_bytes(vm, as_string(callee)));
	else
		vm_raise(vm, "call", "%s cannot be called", value_type_name(callee));
	return false;
}

void op_remember_method(struct vm *vm, struct cache *cache, value receiver, struct string *name,
                        unsigned count)
{
	if (!is_type(receiver, T_LIST) && !is_type(receiver, T_STRING))
		return;
	int n = native_find(string_bytes(vm, name), name->length);
	if (n < 0 || (int)count + 1 < natives[n].least ||
	    (natives[n].most >= 0 && (int)count + 1 > natives[n].most))
		return;
	cache->shape = UINT32_MAX;
	cache->slot = (uint32_t)n | (uint32_t)as_object(receiver)->type << 16;
}

/* ---- making ---- */
value op_make_closure(struct vm *vm, struct proto *p, const struct function *outer, const value *registers)
{
	struct function *closure = function_new(vm, p, p->capture_count);
	for (uint32_t n = 0; n < p->capture_count; n++)
		closure->captured[n] = p->captures[n].local ? registers[p->captures[n].index]
		                                            : outer->captured[p->captures[n].index];
	return from_object(closure);
}

value op_make_map(struct vm *vm, const value *pairs, unsigned count)
{
	struct map *map = map_new(vm, count);
	for (unsigned n = 0; n < count; n++) {
		value key = pairs[2 * n];
		if (!map_key_ok(key))
			return vm_raise(vm, "type", "%s cannot be a key of a map", value_type_name(key));
		map_set(vm, map, key, pairs[2 * n + 1]);
	}
	return from_object(map);
}

bool op_range(struct vm *vm, value *from, value *to)
{
	double a, b;
	if (!to_double(*from, &a) || !to_double(*to, &b) || !(fabs(a) < 1e14) || !(fabs(b) < 1e14)) {
		vm_raise(vm, "type", "a range needs two numbers, not %s and %s", value_type_name(*from),
		         value_type_name(*to));
		return false;
	}
	*from = from_small_int((int64_t)a);
	*to = from_small_int((int64_t)b);
	return true;
}
