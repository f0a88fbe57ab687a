/* The plain evaluator's expressions. */
#include "walk.h"

#include <math.h>
#include <stdlib.h>

/* ---- expressions ---- */

/* Evaluates arguments into args[from ...]; returns their number, or -1. */
int walk_evaluate_arguments(struct run *r, const struct node *list, value *args, unsigned from)
{
	unsigned count = from;
	for (; list && count < ARGS_MAX; list = list->next) {
		value v = walk_evaluate(r, list->kind == N_PAIR ? list->a : list);
		if (v == V_RAISE)
			return -1;
		args[count++] = v;
	}
	return (int)count;
}

static value evaluate_name(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	switch (n->flag) {
	case NAME_LOCAL: {
		struct cell *cell = walk_cell_of(r, n->variable);
		return cell ? cell->item : V_NIL;
	}
	case NAME_GLOBAL:
		return vm->state->items[n->integer];
	case NAME_FUNCTION:
		return from_object(function_new(vm, vm->program->functions[n->integer], 0));
	case NAME_NATIVE: {
		value none[1] = {V_NIL};
		if (!strcmp(n->text, "causal_void") || !strcmp(n->text, "user") || !strcmp(n->text, "args"))
			return natives[n->integer].code(vm, none, 0);
		struct native *native = heap_allocate(vm, T_NATIVE, sizeof(*native));
		native->index = (uint32_t)n->integer;
		return from_object(native);
	}
	default:
		return from_object(string_of(vm, n->text));
	}
}

static value evaluate_binary(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	if (n->op == TOK_IN) {
		EVAL(b, n->b);
		EVAL(a, n->a);
		value both[2] = {b, a};
		return natives[native_find("contains", 8)].code(vm, both, 2);
	}
	EVAL(a, n->a);
	EVAL(b, n->b);
	int order;
	switch (n->op) {
	case TOK_PLUS:
		return op_arith(vm, OP_ADD, a, b);
	case TOK_MINUS:
		return op_arith(vm, OP_SUB, a, b);
	case TOK_STAR:
		return op_arith(vm, OP_MUL, a, b);
	case TOK_SLASH:
		return op_arith(vm, OP_DIV, a, b);
	case TOK_PERCENT:
		return op_arith(vm, OP_MOD, a, b);
	case TOK_TILDE_SLASH:
		return op_arith(vm, OP_IDIV, a, b);
	case TOK_POWER:
		return op_arith(vm, OP_POW, a, b);
	case TOK_AMP:
		return op_arith(vm, OP_BAND, a, b);
	case TOK_PIPE:
		return op_arith(vm, OP_BOR, a, b);
	case TOK_CARET:
		return op_arith(vm, OP_BXOR, a, b);
	case TOK_SHL:
		return op_arith(vm, OP_SHL, a, b);
	case TOK_SHR:
		return op_arith(vm, OP_SHR, a, b);
	case TOK_CONCAT:
		return op_concat(vm, a, b);
	case TOK_EQ:
		return from_bool(value_equal(vm, a, b));
	case TOK_NEQ:
		return from_bool(!value_equal(vm, a, b));
	case TOK_LT:
		order = op_compare(vm, a, b, "<");
		return order == -2 ? V_RAISE : from_bool(order == -1);
	case TOK_LE:
		order = op_compare(vm, a, b, "<=");
		return order == -2 ? V_RAISE : from_bool(order == -1 || order == 0);
	case TOK_GT:
		order = op_compare(vm, a, b, ">");
		return order == -2 ? V_RAISE : from_bool(order == 1);
	default:
		order = op_compare(vm, a, b, ">=");
		return order == -2 ? V_RAISE : from_bool(order == 1 || order == 0);
	}
}

static value evaluate_call(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	value args[ARGS_MAX + 6];
	const struct node *callee = n->a;
	if (callee->kind == N_NAME && callee->flag == NAME_FUNCTION) {
		struct proto *f = vm->program->functions[callee->integer];
		int count = walk_evaluate_arguments(r, n->list, args, 0);
		if (count < 0)
			return V_RAISE;
		unsigned i = 0;
		for (const struct node *p = f->node->list; p; p = p->next, i++)
			if (i >= (unsigned)count) {
				args[i] = V_NIL;
				if (p->a) {
					args[i] = walk_evaluate(r, p->a);
					if (args[i] == V_RAISE)
						return V_RAISE;
				}
				count++;
			}
		return walk_call_node(vm, f->node, NULL, args, (unsigned)count);
	}
	if (callee->kind == N_NAME && callee->flag == NAME_NATIVE) {
		int count = walk_evaluate_arguments(r, n->list, args, 0);
		return count < 0 ? V_RAISE : natives[callee->integer].code(vm, args, (unsigned)count);
	}
	value f = callee->kind == N_NAME && callee->flag == NAME_UNKNOWN
	              ? from_object(string_of(vm, callee->text))
	              : walk_evaluate(r, callee);
	if (f == V_RAISE)
		return V_RAISE;
	int count = walk_evaluate_arguments(r, n->list, args, 0);
	return count < 0 ? V_RAISE : walk_call_value(vm, f, args, (unsigned)count);
}

/* 1: matches, 0: does not, -1: raised. */
static int match_pattern(struct run *r, const struct node *p, value v)
{
	struct vm *vm = r->vm;
	switch (p->kind) {
	case N_NAME:
		if (p->flag == NAME_LOCAL) {
			walk_declare(r, p->variable, v);
			return 1;
		}
		if (!strcmp(p->text, "_"))
			return 1;
		break;
	case N_LIST: {
		uint32_t count = 0, i = 0;
		for (const struct node *e = p->list; e; e = e->next)
			count++;
		if (!is_type(v, T_LIST) || as_list(v)->length != count)
			return 0;
		for (const struct node *e = p->list; e; e = e->next, i++) {
			int hit = match_pattern(r, e, as_list(v)->items[i]);
			if (hit < 1)
				return hit;
		}
		return 1;
	}
	case N_MAP:
		for (const struct node *pair = p->list; pair; pair = pair->next) {
			value both[2] = {v, walk_evaluate(r, pair->a)};
			if (both[1] == V_RAISE)
				return -1;
			if (natives[native_find("__has_key", 9)].code(vm, both, 2) != V_TRUE)
				return 0;
			value item = op_get_index(vm, v, both[1]);
			int hit = item == V_RAISE ? -1 : match_pattern(r, pair->b, item);
			if (hit < 1)
				return hit;
		}
		return p->list || is_type(v, T_MAP);
	case N_NEW: {
		struct shape *shape = (struct shape *)as_object(vm->state->items[p->a->integer]);
		if (!is_type(v, T_STRUCT) || ((struct instance *)as_object(v))->shape != shape)
			return 0;
		for (const struct node *pair = p->list; pair; pair = pair->next) {
			value item = op_get_field(vm, v, string_of(vm, pair->text));
			int hit = item == V_RAISE ? -1 : match_pattern(r, pair->a, item);
			if (hit < 1)
				return hit;
		}
		return 1;
	}
	case N_RANGE: {
		value three[3] = {v, walk_evaluate(r, p->a), V_NIL};
		if (three[1] == V_RAISE)
			return -1;
		three[2] = walk_evaluate(r, p->b);
		if (three[2] == V_RAISE)
			return -1;
		const char *name = p->op == TOK_DOTDOT_EQ ? "__within_with" : "__within";
		value hit = natives[native_find(name, strlen(name))].code(vm, three, 3);
		return hit == V_RAISE ? -1 : hit == V_TRUE;
	}
	default:
		break;
	}
	value other = walk_evaluate(r, p);
	return other == V_RAISE ? -1 : value_equal(vm, v, other);
}

value walk_evaluate_match(struct run *r, const struct node *n, enum flow *flow)
{
	EVAL(subject, n->a);
	for (const struct node *arm = n->list; arm; arm = arm->next) {
		int hit = 0;
		for (const struct node *p = arm->list; p && !hit; p = p->next)
			hit = match_pattern(r, p, subject);
		if (hit > 0 && arm->c) {
			EVAL(guard, arm->c);
			hit = value_truthy(guard);
		}
		if (hit < 0)
			return V_RAISE;
		if (!hit)
			continue;
		if (arm->b)
			return walk_evaluate(r, arm->b);
		*flow = walk_execute_block(r, arm->a);
		if (*flow == FLOW_RAISE)
			return V_RAISE;
		return V_NIL;
	}
	return V_NIL;
}

static value evaluate_new(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	struct shape *shape = (struct shape *)as_object(vm->state->items[n->a->integer]);
	const struct node *declaration = vm->program->globals[n->a->integer].node;
	struct instance *instance = instance_new(vm, shape);
	unsigned i = 0;
	for (const struct node *f = declaration->list; f; f = f->next, i++) {
		const struct node *given = n->list;
		while (given && strcmp(given->text, f->text) != 0)
			given = given->next;
		value v = given ? walk_evaluate(r, given->a) : f->a ? walk_evaluate(r, f->a) : V_NIL;
		if (v == V_RAISE || !walk_check_note(r, &f->type, v, f->text))
			return V_RAISE;
		instance->fields[i] = v;
	}
	return from_object(instance);
}

static value evaluate_pairs(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	struct map *map = map_new(vm, 0);
	struct dist *dist_total = NULL;
	unsigned count = 0;
	for (const struct node *p = n->list; p; p = p->next)
		count++;
	value *pairs = walk_hold(vm->walker, (2 * (size_t)count + 1) * sizeof(value));
	count = 0;
	for (const struct node *p = n->list; p; p = p->next) {
		value k = walk_evaluate(r, p->a), v = k == V_RAISE ? V_RAISE : walk_evaluate(r, p->b);
		if (v == V_RAISE) {
			walk_release(pairs);
			return V_RAISE;
		}
		pairs[2 * count] = k;
		pairs[2 * count++ + 1] = v;
	}
	if (n->kind == N_DIST) {
		dist_total = dist_make(vm, pairs, count);
		walk_release(pairs);
		return dist_total ? from_object(dist_total) : V_RAISE;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!map_key_ok(pairs[2 * i])) {
			vm_raise(vm, "type", "%s cannot be a key of a map", value_type_name(pairs[2 * i]));
			walk_release(pairs);
			return V_RAISE;
		}
		map_set(vm, map, pairs[2 * i], pairs[2 * i + 1]);
	}
	walk_release(pairs);
	return from_object(map);
}

static value call_hidden(struct run *r, const char *name, value a, value b, value c, unsigned count)
{
	value args[3] = {a, b, c};
	return natives[native_find(name, strlen(name))].code(r->vm, args, count);
}

value walk_evaluate(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	switch (n->kind) {
	case N_INT:
		return from_int64(vm, n->integer);
	case N_FLOAT:
		return from_double(n->number);
	case N_STRING:
		return from_object(string_intern(vm, n->text, n->length));
	case N_BOOL:
		return from_bool(n->integer);
	case N_NIL:
		return V_NIL;
	case N_DURATION:
		return from_object(duration_new(vm, n->integer, string_intern(vm, n->text, n->length)));
	case N_NAME:
		return evaluate_name(r, n);
	case N_LIST: {
		struct list *list = list_new(vm, 0);
		for (const struct node *e = n->list; e; e = e->next) {
			EVAL(v, e);
			list_push(vm, list, v);
		}
		return from_object(list);
	}
	case N_MAP:
	case N_DIST:
		return evaluate_pairs(r, n);
	case N_NEW:
		return evaluate_new(r, n);
	case N_BINARY:
		return evaluate_binary(r, n);
	case N_AND:
	case N_OR: {
		EVAL(a, n->a);
		if (value_truthy(a) != (n->kind == N_AND))
			return from_bool(n->kind == N_OR);
		EVAL(b, n->b);
		return from_bool(value_truthy(b));
	}
	case N_UNARY: {
		int64_t i;
		EVAL(a, n->a);
		if (n->op == TOK_NOT)
			return from_bool(!value_truthy(a));
		if (n->op == TOK_MINUS)
			return op_negate(vm, a);
		if (!to_int64(a, &i))
			return vm_raise(vm, "type", "~ needs an integer, not %s", value_type_name(a));
		return from_int64(vm, ~i);
	}
	case N_CALL:
		return evaluate_call(r, n);
	case N_METHOD: {
		value args[ARGS_MAX + 6];
		EVAL(receiver, n->a);
		args[0] = receiver;
		int count = walk_evaluate_arguments(r, n->list, args, 1);
		return count < 0 ? V_RAISE
		                 : op_method(vm, receiver, string_of(vm, n->text), args, (unsigned)count - 1);
	}
	case N_FIELD: {
		EVAL(a, n->a);
		return op_get_field(vm, a, string_of(vm, n->text));
	}
	case N_INDEX: {
		EVAL(a, n->a);
		EVAL(b, n->b);
		return op_get_index(vm, a, b);
	}
	case N_SLICE: {
		EVAL(a, n->a);
		value b = V_NIL, c = V_NIL;
		if (n->b && (b = walk_evaluate(r, n->b)) == V_RAISE)
			return V_RAISE;
		if (n->c && (c = walk_evaluate(r, n->c)) == V_RAISE)
			return V_RAISE;
		return op_slice(vm, a, b, c);
	}
	case N_LISTEN: {
		value source = n->text ? from_object(string_of(vm, n->text)) : walk_evaluate(r, n->a),
		      b = V_NIL, c = V_NIL;
		if (source == V_RAISE || (n->b && (b = walk_evaluate(r, n->b)) == V_RAISE) ||
		    (n->c && (c = walk_evaluate(r, n->c)) == V_RAISE))
			return V_RAISE;
		return call_hidden(r, "__listen", source, b, c, 3);
	}
	case N_COLLAPSE: {
		EVAL(a, n->a);
		value reward = V_NIL;
		if (n->b && (reward = walk_evaluate(r, n->b)) == V_RAISE)
			return V_RAISE;
		return call_hidden(r, "__collapse", a,
		                   from_object(string_of(vm, n->text ? n->text : "max_weight")), reward,
		                   n->b ? 3 : 2);
	}
	case N_LAMBDA:
		return walk_make_function(r, n);
	case N_IF_EXPR: {
		EVAL(a, n->a);
		return walk_evaluate(r, value_truthy(a) ? n->b : n->c);
	}
	case N_MATCH: {
		enum flow flow = FLOW_NORMAL;
		value v = walk_evaluate_match(r, n, &flow);
		if (flow == FLOW_RETURN || flow == FLOW_BREAK || flow == FLOW_CONTINUE) {
			/* A block of an arm leaves the expression: walk_execute() sees it. */
			vm->walk_returning = true;
			vm->walk_flow = (uint8_t)flow;
			return V_RAISE;
		}
		return v;
	}
	case N_TRY: {
		value v = walk_evaluate(r, n->a);
		if (v == V_RAISE && !vm->walk_returning && !vm->stopping) {
			v = vm->error;
			vm->error = V_NIL;
		}
		return v;
	}
	case N_PROPAGATE: {
		EVAL(a, n->a);
		if (!is_type(a, T_ERROR))
			return a;
		r->result = a;
		vm->walk_returning = true;
		vm->walk_flow = FLOW_RETURN;
		return V_RAISE;
	}
	case N_OTHERWISE: {
		EVAL(a, n->a);
		return a == V_NIL || is_type(a, T_ERROR) ? walk_evaluate(r, n->b) : a;
	}
	case N_RANGE: {
		EVAL(a, n->a);
		EVAL(b, n->b);
		return call_hidden(r, n->op == TOK_DOTDOT_EQ ? "__range_with" : "__range", a, b, V_NIL, 2);
	}
	default:
		return V_NIL;
	}
}
