/*
 * The plain evaluator: it walks the syntax tree, as the rules of the language are written down, and shares
 * with the machine only the operations on values. Differential tests run a program both ways and compare
 * everything.
 *
 * Every variable is a cell; a function value holds the cells of the functions around it, as they were when it
 * was made. Nothing is collected while it runs.
 */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

#define WALK_DEPTH_MAX 1500

struct environment {
	struct cell **slots;
	const struct scope_info *scope;
	struct cell **captured; /* in the order of scope->captures */
};

struct walker {
	unsigned depth;
	struct proto **made; /* of function values */
	uint32_t made_count;
};

enum flow { FLOW_NORMAL, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN, FLOW_RAISE };

struct run {
	struct vm *vm;
	struct environment *env;
	const struct node *owner; /* of the function */
	value result;
};

static value evaluate(struct run *r, const struct node *n);
static enum flow execute_block(struct run *r, const struct node *block);

#define EVAL(variable, node)                                                                                 \
	value variable = evaluate(r, node);                                                                  \
	if (variable == V_RAISE)                                                                             \
	return V_RAISE

static bool burn(struct vm *vm)
{
	return --vm->countdown > 0 || vm_poll(vm);
}

/* ---- variables ---- */
static struct cell *cell_of(struct run *r, const struct variable *v)
{
	const struct scope_info *scope = r->env->scope;
	for (unsigned i = 0; i < scope->capture_count; i++)
		if (scope->captures[i] == v)
			return r->env->captured[i];
	return r->env->slots[v->slot];
}

static void declare(struct run *r, const struct variable *v, value item)
{
	if (v)
		r->env->slots[v->slot] = cell_new(r->vm, item);
}

static bool check_note(struct run *r, const struct type_note *type, value v, const char *name)
{
	struct shape *shape = NULL;
	if ((type->kind & ~TYPE_OPTIONAL) == TYPE_STRUCT)
		shape = (struct shape *)as_object(r->vm->state->items[type->index]);
	if (!type->kind || op_check_type(r->vm, v, type->kind, shape))
		return true;
	op_type_error(r->vm, v, type->kind, shape, from_object(string_of(r->vm, name)));
	return false;
}

/* ---- functions ---- */
static value call_node(struct vm *vm, const struct node *n, struct cell **captured, const value *args,
                       unsigned count)
{
	static const struct scope_info nothing;
	struct walker *w = vm->walker;
	if (w->depth >= WALK_DEPTH_MAX)
		return vm_raise(vm, "depth", "calls are nested over %d deep", FRAMES_MAX);
	if (!burn(vm))
		return V_RAISE;
	const struct scope_info *scope = n->scope ? n->scope : &nothing;
	struct environment env = {.scope = scope, .captured = captured};
	env.slots = calloc(scope->slots + 1u, sizeof(*env.slots));
	if (!env.slots)
		abort();
	struct run run = {.vm = vm, .env = &env, .owner = n, .result = V_NIL}, *r = &run;
	value v = V_NIL;
	w->depth++;
	if (n->kind == N_FUNCTION || n->kind == N_FLOW || n->kind == N_LAMBDA) {
		unsigned i = 0;
		for (const struct node *p = n->list; p && v != V_RAISE; p = p->next, i++) {
			value item = i < count ? args[i] : V_NIL;
			if (!check_note(r, &p->type, item, p->text))
				v = V_RAISE;
			declare(r, p->variable, item);
		}
	}
	const struct node *body = n->kind == N_LAMBDA && n->b ? n->b : n->a;
	if (v != V_RAISE && body) {
		if (body->kind == N_BLOCK) {
			enum flow f = execute_block(r, body);
			v = f == FLOW_RAISE ? V_RAISE : run.result;
		} else {
			v = evaluate(r, body);
			if (v == V_RAISE && vm->walk_returning) {
				vm->walk_returning = false;
				v = run.result;
			}
		}
	}
	w->depth--;
	free(env.slots);
	return v;
}

value walker_call_proto(struct vm *vm, struct proto *proto, const value *args, unsigned count)
{
	return call_node(vm, proto->node, NULL, args, count);
}

value walker_call(struct vm *vm, struct function *f, const value *args, unsigned count)
{
	struct proto *p = f->proto;
	if (count < p->required || count > p->params)
		return vm_raise(vm, "call", "%s takes %u argument%s, got %u", p->name, p->params,
		                p->params == 1 ? "" : "s", count);
	struct cell **captured = calloc(f->count + 1u, sizeof(*captured));
	if (!captured)
		abort();
	for (uint32_t i = 0; i < f->count; i++)
		captured[i] = (struct cell *)as_object(f->captured[i]);
	value v = call_node(vm, p->node, captured, args, count);
	free(captured);
	return v;
}

static value make_function(struct run *r, const struct node *n)
{
	struct walker *w = r->vm->walker;
	struct proto *p = calloc(1, sizeof(*p));
	w->made = realloc(w->made, (w->made_count + 1) * sizeof(*w->made));
	if (!p || !w->made)
		abort();
	w->made[w->made_count++] = p;
	p->name = "fn";
	p->node = n;
	p->source = r->vm->program->source;
	for (const struct node *param = n->list; param; param = param->next) {
		p->params++;
		if (!param->a)
			p->required = p->params;
	}
	struct function *f = function_new(r->vm, p, n->scope->capture_count);
	for (unsigned i = 0; i < n->scope->capture_count; i++) {
		struct cell *cell = cell_of(r, n->scope->captures[i]);
		f->captured[i] = from_object(cell ? cell : cell_new(r->vm, V_NIL));
	}
	return from_object(f);
}

static value call_value(struct vm *vm, value callee, value *args, unsigned count)
{
	if (is_type(callee, T_SHAPE)) {
		struct shape *shape = (struct shape *)as_object(callee);
		if (count > shape->count)
			return vm_raise(vm, "call", "struct %s has %u fields, got %u values",
			                string_bytes(vm, shape->name), shape->count, count);
		struct instance *instance = instance_new(vm, shape);
		for (unsigned i = 0; i < count; i++) {
			if (!op_check_type(vm, args[i], shape->types[i], shape->structs[i]))
				return vm_raise(vm, "type", "field '%s' of %s cannot hold %s",
				                string_bytes(vm, shape->fields[i]),
				                string_bytes(vm, shape->name), value_type_name(args[i]));
			instance->fields[i] = args[i];
		}
		return from_object(instance);
	}
	if (is_string(callee))
		return vm_raise(vm, "call", "unknown function '%s'", string_bytes(vm, as_string(callee)));
	if (is_type(callee, T_NATIVE)) {
		const struct native_entry *n = &natives[((struct native *)as_object(callee))->index];
		if (count < (unsigned)n->least || (n->most >= 0 && count > (unsigned)n->most))
			return vm_raise(vm, "call", "%s takes %d argument%s, got %u", n->name, n->least,
			                n->least == 1 ? "" : "s", count);
		return n->code(vm, args, count);
	}
	return vm_call(vm, callee, args, count);
}

/* ---- expressions ---- */
#define ARGS_MAX 250

/* Evaluates arguments into args[from ...]; returns their number, or -1. */
static int evaluate_arguments(struct run *r, const struct node *list, value *args, unsigned from)
{
	unsigned count = from;
	for (; list && count < ARGS_MAX; list = list->next) {
		value v = evaluate(r, list->kind == N_PAIR ? list->a : list);
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
		struct cell *cell = cell_of(r, n->variable);
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
		int count = evaluate_arguments(r, n->list, args, 0);
		if (count < 0)
			return V_RAISE;
		unsigned i = 0;
		for (const struct node *p = f->node->list; p; p = p->next, i++)
			if (i >= (unsigned)count) {
				args[i] = V_NIL;
				if (p->a) {
					args[i] = evaluate(r, p->a);
					if (args[i] == V_RAISE)
						return V_RAISE;
				}
				count++;
			}
		return call_node(vm, f->node, NULL, args, (unsigned)count);
	}
	if (callee->kind == N_NAME && callee->flag == NAME_NATIVE) {
		int count = evaluate_arguments(r, n->list, args, 0);
		return count < 0 ? V_RAISE : natives[callee->integer].code(vm, args, (unsigned)count);
	}
	value f = callee->kind == N_NAME && callee->flag == NAME_UNKNOWN
	              ? from_object(string_of(vm, callee->text))
	              : evaluate(r, callee);
	if (f == V_RAISE)
		return V_RAISE;
	int count = evaluate_arguments(r, n->list, args, 0);
	return count < 0 ? V_RAISE : call_value(vm, f, args, (unsigned)count);
}

/* 1: matches, 0: does not, -1: raised. */
static int match_pattern(struct run *r, const struct node *p, value v)
{
	struct vm *vm = r->vm;
	switch (p->kind) {
	case N_NAME:
		if (p->flag == NAME_LOCAL) {
			declare(r, p->variable, v);
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
			value both[2] = {v, evaluate(r, pair->a)};
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
		value three[3] = {v, evaluate(r, p->a), V_NIL};
		if (three[1] == V_RAISE)
			return -1;
		three[2] = evaluate(r, p->b);
		if (three[2] == V_RAISE)
			return -1;
		const char *name = p->op == TOK_DOTDOT_EQ ? "__within_with" : "__within";
		value hit = natives[native_find(name, strlen(name))].code(vm, three, 3);
		return hit == V_RAISE ? -1 : hit == V_TRUE;
	}
	default:
		break;
	}
	value other = evaluate(r, p);
	return other == V_RAISE ? -1 : value_equal(vm, v, other);
}

static value evaluate_match(struct run *r, const struct node *n, enum flow *flow)
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
			return evaluate(r, arm->b);
		*flow = execute_block(r, arm->a);
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
		while (given && strcmp(given->text, f->text))
			given = given->next;
		value v = given ? evaluate(r, given->a) : f->a ? evaluate(r, f->a) : V_NIL;
		if (v == V_RAISE || !check_note(r, &f->type, v, f->text))
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
	value *pairs = NULL;
	unsigned count = 0;
	for (const struct node *p = n->list; p; p = p->next) {
		value k = evaluate(r, p->a), v = k == V_RAISE ? V_RAISE : evaluate(r, p->b);
		if (v == V_RAISE) {
			free(pairs);
			return V_RAISE;
		}
		pairs = realloc(pairs, (count + 1) * 2 * sizeof(value));
		if (!pairs)
			abort();
		pairs[2 * count] = k;
		pairs[2 * count++ + 1] = v;
	}
	if (n->kind == N_DIST) {
		dist_total = dist_make(vm, pairs, count);
		free(pairs);
		return dist_total ? from_object(dist_total) : V_RAISE;
	}
	for (unsigned i = 0; i < count; i++) {
		if (!map_key_ok(pairs[2 * i])) {
			vm_raise(vm, "type", "%s cannot be a key of a map", value_type_name(pairs[2 * i]));
			free(pairs);
			return V_RAISE;
		}
		map_set(vm, map, pairs[2 * i], pairs[2 * i + 1]);
	}
	free(pairs);
	return from_object(map);
}

static value call_hidden(struct run *r, const char *name, value a, value b, value c, unsigned count)
{
	value args[3] = {a, b, c};
	return natives[native_find(name, strlen(name))].code(r->vm, args, count);
}

static value evaluate(struct run *r, const struct node *n)
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
		int count = evaluate_arguments(r, n->list, args, 1);
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
		if (n->b && (b = evaluate(r, n->b)) == V_RAISE)
			return V_RAISE;
		if (n->c && (c = evaluate(r, n->c)) == V_RAISE)
			return V_RAISE;
		return op_slice(vm, a, b, c);
	}
	case N_LISTEN: {
		value source = n->text ? from_object(string_of(vm, n->text)) : evaluate(r, n->a), b = V_NIL,
		      c = V_NIL;
		if (source == V_RAISE || (n->b && (b = evaluate(r, n->b)) == V_RAISE) ||
		    (n->c && (c = evaluate(r, n->c)) == V_RAISE))
			return V_RAISE;
		return call_hidden(r, "__listen", source, b, c, 3);
	}
	case N_COLLAPSE: {
		EVAL(a, n->a);
		value reward = V_NIL;
		if (n->b && (reward = evaluate(r, n->b)) == V_RAISE)
			return V_RAISE;
		return call_hidden(r, "__collapse", a,
		                   from_object(string_of(vm, n->text ? n->text : "max_weight")), reward,
		                   n->b ? 3 : 2);
	}
	case N_LAMBDA:
		return make_function(r, n);
	case N_IF_EXPR: {
		EVAL(a, n->a);
		return evaluate(r, value_truthy(a) ? n->b : n->c);
	}
	case N_MATCH: {
		enum flow flow = FLOW_NORMAL;
		value v = evaluate_match(r, n, &flow);
		if (flow == FLOW_RETURN || flow == FLOW_BREAK || flow == FLOW_CONTINUE) {
			/* A block of an arm leaves the expression: execute() sees it. */
			vm->walk_returning = true;
			vm->walk_flow = (uint8_t)flow;
			return V_RAISE;
		}
		return v;
	}
	case N_TRY: {
		value v = evaluate(r, n->a);
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
		return a == V_NIL || is_type(a, T_ERROR) ? evaluate(r, n->b) : a;
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

/* ---- statements ---- */
/* An expression of a statement: raising may mean that it leaves (see N_MATCH and N_PROPAGATE). */
static bool evaluated(struct run *r, const struct node *n, value *out, enum flow *flow)
{
	*out = evaluate(r, n);
	if (*out != V_RAISE)
		return true;
	*flow = FLOW_RAISE;
	if (r->vm->walk_returning) {
		r->vm->walk_returning = false;
		*flow = (enum flow)r->vm->walk_flow;
	}
	return false;
}

static enum opcode assign_opcode(unsigned op)
{
	return op == TOK_ADD_ASSIGN   ? OP_ADD
	       : op == TOK_SUB_ASSIGN ? OP_SUB
	       : op == TOK_MUL_ASSIGN ? OP_MUL
	       : op == TOK_DIV_ASSIGN ? OP_DIV
	                              : OP_CONCAT;
}

static value combine(struct run *r, unsigned op, value old, value v)
{
	return op == TOK_CONCAT_ASSIGN ? op_concat(r->vm, old, v)
	                               : op_arith(r->vm, assign_opcode(op), old, v);
}

static enum flow execute_assign(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	enum flow flow;
	value v, object, at;
	const struct node *target = n->a;
	if (target->kind == N_NAME) {
		if (target->flag == NAME_LOCAL) {
			if (!evaluated(r, n->b, &v, &flow))
				return flow;
			struct cell *cell = cell_of(r, target->variable);
			if (n->op != TOK_ASSIGN && (v = combine(r, n->op, cell->item, v)) == V_RAISE)
				return FLOW_RAISE;
			cell_set(vm, cell, v);
			return FLOW_NORMAL;
		}
		if (!evaluated(r, n->b, &v, &flow))
			return flow;
		if (n->op != TOK_ASSIGN &&
		    (v = combine(r, n->op, vm->state->items[target->integer], v)) == V_RAISE)
			return FLOW_RAISE;
		const struct global *g = &vm->program->globals[target->integer];
		if (!check_note(r, &g->node->type, v, g->name))
			return FLOW_RAISE;
		vm_touch(vm, &vm->state->object);
		vm->state->items[target->integer] = v;
		return FLOW_NORMAL;
	}
	if (!evaluated(r, target->a, &object, &flow))
		return flow;
	if (target->kind == N_FIELD) {
		struct string *name = string_of(vm, target->text);
		value old = V_NIL;
		if (n->op != TOK_ASSIGN && (old = op_get_field(vm, object, name)) == V_RAISE)
			return FLOW_RAISE;
		if (!evaluated(r, n->b, &v, &flow))
			return flow;
		if (n->op != TOK_ASSIGN && (v = combine(r, n->op, old, v)) == V_RAISE)
			return FLOW_RAISE;
		return op_set_field(vm, object, name, v) ? FLOW_NORMAL : FLOW_RAISE;
	}
	value old = V_NIL;
	if (!evaluated(r, target->b, &at, &flow))
		return flow;
	if (n->op != TOK_ASSIGN && (old = op_get_index(vm, object, at)) == V_RAISE)
		return FLOW_RAISE;
	if (!evaluated(r, n->b, &v, &flow))
		return flow;
	if (n->op != TOK_ASSIGN && (v = combine(r, n->op, old, v)) == V_RAISE)
		return FLOW_RAISE;
	return op_set_index(vm, object, at, v) ? FLOW_NORMAL : FLOW_RAISE;
}

static bool surely_number(const struct node *n)
{
	return n->kind == N_INT || (n->kind == N_UNARY && n->op == TOK_MINUS && n->a->kind == N_INT) ||
	       (n->kind == N_BINARY && (n->op == TOK_PLUS || n->op == TOK_MINUS || n->op == TOK_STAR) &&
	        (surely_number(n->a) || surely_number(n->b)));
}

/* One turn of a loop's body: true to go on. */
static bool turn(struct run *r, const struct node *body, enum flow *flow)
{
	*flow = execute_block(r, body);
	if (*flow == FLOW_RAISE || *flow == FLOW_RETURN)
		return false;
	if (*flow == FLOW_BREAK) {
		*flow = FLOW_NORMAL;
		return false;
	}
	*flow = FLOW_NORMAL;
	if (burn(r->vm))
		return true;
	*flow = FLOW_RAISE;
	return false;
}

static enum flow execute_counted(struct run *r, const struct node *n, const struct node *from_node,
                                 const struct node *to_node, bool with_end)
{
	value from, to;
	enum flow flow = FLOW_NORMAL;
	double a, b;
	if (!evaluated(r, from_node, &from, &flow) || !evaluated(r, to_node, &to, &flow))
		return flow;
	if (!both_int(from, to)) {
		if (!to_double(from, &a) || !to_double(to, &b) || !(fabs(a) < 1e14) || !(fabs(b) < 1e14)) {
			vm_raise(r->vm, "type", "a range needs two numbers, not %s and %s",
			         value_type_name(from), value_type_name(to));
			return FLOW_RAISE;
		}
		from = from_small_int((int64_t)a);
		to = from_small_int((int64_t)b);
	}
	int64_t end = as_small_int(to) + with_end;
	for (int64_t i = as_small_int(from); i < end; i++) {
		declare(r, n->variable, from_small_int(i));
		if (!turn(r, n->b, &flow))
			return flow;
	}
	return flow;
}

static enum flow execute_for(struct run *r, const struct node *n)
{
	const struct node *source = n->a;
	enum flow flow = FLOW_NORMAL;
	value v, key, item;
	if (source->kind == N_RANGE && !n->c)
		return execute_counted(r, n, source->a, source->b, source->op == TOK_DOTDOT_EQ);
	bool pair = source->kind == N_LIST && source->list && source->list->next && !source->list->next->next;
	if (pair && !n->c && surely_number(source->list) && surely_number(source->list->next))
		return execute_counted(r, n, source->list, source->list->next, true);
	if (!evaluated(r, source, &v, &flow))
		return flow;
	value it = op_iterate(r->vm, v, pair && !n->c);
	if (it == V_RAISE)
		return FLOW_RAISE;
	while (op_next(r->vm, (struct iterator *)as_object(it), &key, &item)) {
		if (n->c) {
			declare(r, n->variable, key);
			declare(r, n->c->variable, item);
		} else {
			declare(r, n->variable, is_type(v, T_MAP) ? key : item);
		}
		if (!turn(r, n->b, &flow))
			return flow;
	}
	return flow;
}

static enum flow execute(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	enum flow flow = FLOW_NORMAL;
	value v, w, x = V_NIL;
	switch (n->kind) {
	case N_LET:
		if (n->a->kind == N_LAMBDA && n->variable->captured && n->variable->assigned)
			declare(r, n->variable, V_NIL); /* so that the function can name itself */
		if (!evaluated(r, n->a, &v, &flow))
			return flow;
		if (n->a->kind == N_LAMBDA && n->variable->captured && n->variable->assigned)
			r->env->slots[n->variable->slot]->item = v;
		else if (!check_note(r, &n->type, v, n->text))
			return FLOW_RAISE;
		else
			declare(r, n->variable, v);
		return FLOW_NORMAL;
	case N_ASSIGN:
		return execute_assign(r, n);
	case N_IF:
		while (n && n->kind == N_IF) {
			if (!evaluated(r, n->a, &v, &flow))
				return flow;
			if (value_truthy(v))
				return execute_block(r, n->b);
			n = n->c;
		}
		return n ? execute_block(r, n) : FLOW_NORMAL;
	case N_WHILE:
		for (;;) {
			if (!evaluated(r, n->a, &v, &flow))
				return flow;
			if (!value_truthy(v))
				return FLOW_NORMAL;
			if (!turn(r, n->b, &flow))
				return flow;
		}
	case N_FOR:
		return execute_for(r, n);
	case N_RETURN:
		r->result = V_NIL;
		if (n->a) {
			if (!evaluated(r, n->a, &v, &flow))
				return flow;
			r->result = v;
			const struct node *owner = r->owner;
			struct type_note type = owner->type;
			type.kind |= type.kind ? TYPE_OPTIONAL : 0;
			if ((owner->kind == N_FUNCTION || owner->kind == N_FLOW || owner->kind == N_LAMBDA) &&
			    !check_note(r, &type, v, "->"))
				return FLOW_RAISE;
		}
		return FLOW_RETURN;
	case N_BREAK:
		return FLOW_BREAK;
	case N_CONTINUE:
		return FLOW_CONTINUE;
	case N_LAUNCH: {
		if (n->flag == NAME_FUNCTION) {
			struct node callee = {
			    .kind = N_NAME, .flag = NAME_FUNCTION, .integer = n->integer, .text = n->text};
			struct node call = {.kind = N_CALL, .a = &callee, .list = n->list};
			return evaluated(r, &call, &v, &flow) ? FLOW_NORMAL : flow;
		}
		value args[ARGS_MAX + 6];
		int count = evaluate_arguments(r, n->list, args, 0);
		return count < 0 || scheduler_launch(vm, n->text, args, (unsigned)count) == V_RAISE
		           ? FLOW_RAISE
		           : FLOW_NORMAL;
	}
	case N_SEND: {
		if (!evaluated(r, n->a, &v, &flow) || !evaluated(r, n->b, &w, &flow) ||
		    (n->c && !evaluated(r, n->c, &x, &flow)))
			return flow;
		return op_send(vm, v, w, x) ? FLOW_NORMAL : FLOW_RAISE;
	}
	case N_BLOCK:
		return execute_block(r, n);
	case N_CATCH:
		flow = execute_block(r, n->a);
		if (flow != FLOW_RAISE || vm->stopping)
			return flow;
		declare(r, n->variable, vm->error);
		vm->error = V_NIL;
		return execute_block(r, n->b);
	case N_FAIL:
		if (evaluated(r, n->a, &v, &flow)) {
			vm_raise_value(vm, v);
			flow = FLOW_RAISE;
		}
		return flow;
	default:
		if (n->a->kind == N_MATCH) {
			flow = FLOW_NORMAL;
			v = evaluate_match(r, n->a, &flow);
			if (v == V_RAISE && vm->walk_returning) {
				vm->walk_returning = false;
				return (enum flow)vm->walk_flow;
			}
			return v == V_RAISE ? FLOW_RAISE : flow;
		}
		return evaluated(r, n->a, &v, &flow) ? FLOW_NORMAL : flow;
	}
}

static enum flow execute_block(struct run *r, const struct node *block)
{
	for (const struct node *s = block->list; s; s = s->next) {
		enum flow flow = execute(r, s);
		if (flow != FLOW_NORMAL)
			return flow;
	}
	return FLOW_NORMAL;
}

void walker_attach(struct vm *vm)
{
	vm->walker = calloc(1, sizeof(*vm->walker));
	if (!vm->walker)
		abort();
}

void walker_detach(struct vm *vm)
{
	struct walker *w = vm->walker;
	for (uint32_t i = 0; i < w->made_count; i++)
		free(w->made[i]);
	free(w->made);
	free(w);
	vm->walker = NULL;
}
