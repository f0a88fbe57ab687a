/*
 * The plain evaluator: it walks the syntax tree, as the rules of the language are written down, and shares
 * with the machine only the operations on values. Differential tests run a program both ways and compare
 * everything.
 *
 * Every variable is a cell; a function value holds the cells of the functions around it, as they were when it
 * was made. Nothing is collected while it runs.
 */
#include "walk.h"

#include <math.h>
#include <stdlib.h>

static bool burn(struct vm *vm)
{
	return --vm->countdown > 0 || vm_poll(vm);
}

/* ---- variables ---- */
struct cell *walk_cell_of(struct run *r, const struct variable *v)
{
	const struct scope_info *scope = r->env->scope;
	for (unsigned i = 0; i < scope->capture_count; i++)
		if (scope->captures[i] == v)
			return r->env->captured[i];
	return r->env->slots[v->slot];
}

void walk_declare(struct run *r, const struct variable *v, value item)
{
	if (v)
		r->env->slots[v->slot] = cell_new(r->vm, item);
}

bool walk_check_note(struct run *r, const struct type_note *type, value v, const char *name)
{
	struct shape *shape = NULL;
	if ((type->kind & ~TYPE_OPTIONAL) == TYPE_STRUCT)
		shape = (struct shape *)as_object(r->vm->state->items[type->index]);
	if (!type->kind || op_check_type(r->vm, v, type->kind, shape))
		return true;
	op_type_error(r->vm, v, type->kind, shape, from_object(string_of(r->vm, name)));
	return false;
}

/* ---- memory ---- */
void *walk_hold(struct walker *w, size_t size)
{
	struct held *h = calloc(1, sizeof(*h) + size);
	if (!h)
		abort();
	h->next = w->held.next;
	h->previous = &w->held;
	h->next->previous = h;
	w->held.next = h;
	return h + 1;
}

void walk_release(void *memory)
{
	struct held *h = (struct held *)memory - 1;
	h->next->previous = h->previous;
	h->previous->next = h->next;
	free(h);
}

/* ---- functions ---- */
value walk_call_node(struct vm *vm, const struct node *n, struct cell **captured, const value *args,
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
	env.slots = walk_hold(w, (scope->slots + 1u) * sizeof(void *));
	struct run run = {.vm = vm, .env = &env, .owner = n, .result = V_NIL}, *r = &run;
	value v = V_NIL;
	w->depth++;
	if (n->kind == N_FUNCTION || n->kind == N_FLOW || n->kind == N_LAMBDA) {
		unsigned i = 0;
		for (const struct node *p = n->list; p && v != V_RAISE; p = p->next, i++) {
			value item = i < count ? args[i] : V_NIL;
			if (!walk_check_note(r, &p->type, item, p->text))
				v = V_RAISE;
			walk_declare(r, p->variable, item);
		}
	}
	const struct node *body = n->kind == N_LAMBDA && n->b ? n->b : n->a;
	if (v != V_RAISE && body) {
		if (body->kind == N_BLOCK) {
			enum flow f = walk_execute_block(r, body);
			v = f == FLOW_RAISE ? V_RAISE : run.result;
		} else {
			v = walk_evaluate(r, body);
			if (v == V_RAISE && vm->walk_returning) {
				vm->walk_returning = false;
				v = run.result;
			}
		}
	}
	w->depth--;
	walk_release(env.slots);
	return v;
}

value walker_call_proto(struct vm *vm, struct proto *proto, const value *args, unsigned count)
{
	return walk_call_node(vm, proto->node, NULL, args, count);
}

value walker_call(struct vm *vm, struct function *f, const value *args, unsigned count)
{
	struct proto *p = f->proto;
	if (count < p->required || count > p->params)
		return vm_raise(vm, "call", "%s takes %u argument%s, got %u", p->name, p->params,
		                p->params == 1 ? "" : "s", count);
	struct cell **captured = walk_hold(vm->walker, (f->count + 1u) * sizeof(void *));
	for (uint32_t i = 0; i < f->count; i++)
		captured[i] = (struct cell *)as_object(f->captured[i]);
	value v = walk_call_node(vm, p->node, captured, args, count);
	walk_release(captured);
	return v;
}

value walk_make_function(struct run *r, const struct node *n)
{
	struct walker *w = r->vm->walker;
	struct proto *p = calloc(1, sizeof(*p));
	w->made = realloc(w->made, (w->made_count + 1) * sizeof(void *));
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
		struct cell *cell = walk_cell_of(r, n->scope->captures[i]);
		f->captured[i] = from_object(cell ? cell : cell_new(r->vm, V_NIL));
	}
	return from_object(f);
}

value walk_call_value(struct vm *vm, value callee, value *args, unsigned count)
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

/* ---- statements ---- */
/* An expression of a statement: raising may mean that it leaves (see N_MATCH and N_PROPAGATE). */
static bool evaluated(struct run *r, const struct node *n, value *out, enum flow *flow)
{
	*out = walk_evaluate(r, n);
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
			struct cell *cell = walk_cell_of(r, target->variable);
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
		if (!walk_check_note(r, &g->node->type, v, g->name))
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
	*flow = walk_execute_block(r, body);
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
		walk_declare(r, n->variable, from_small_int(i));
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
			walk_declare(r, n->variable, key);
			walk_declare(r, n->c->variable, item);
		} else {
			walk_declare(r, n->variable, is_type(v, T_MAP) ? key : item);
		}
		if (!turn(r, n->b, &flow))
			return flow;
	}
	return flow;
}

enum flow walk_execute(struct run *r, const struct node *n)
{
	struct vm *vm = r->vm;
	enum flow flow = FLOW_NORMAL;
	value v, w, x = V_NIL;
	switch (n->kind) {
	case N_LET:
		if (n->a->kind == N_LAMBDA && n->variable->captured && n->variable->assigned)
			walk_declare(r, n->variable, V_NIL); /* so that the function can name itself */
		if (!evaluated(r, n->a, &v, &flow))
			return flow;
		if (n->a->kind == N_LAMBDA && n->variable->captured && n->variable->assigned)
			r->env->slots[n->variable->slot]->item = v;
		else if (!walk_check_note(r, &n->type, v, n->text))
			return FLOW_RAISE;
		else
			walk_declare(r, n->variable, v);
		return FLOW_NORMAL;
	case N_ASSIGN:
		return execute_assign(r, n);
	case N_IF:
		while (n && n->kind == N_IF) {
			if (!evaluated(r, n->a, &v, &flow))
				return flow;
			if (value_truthy(v))
				return walk_execute_block(r, n->b);
			n = n->c;
		}
		return n ? walk_execute_block(r, n) : FLOW_NORMAL;
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
			    !walk_check_note(r, &type, v, "->"))
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
		int count = walk_evaluate_arguments(r, n->list, args, 0);
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
		return walk_execute_block(r, n);
	case N_CATCH:
		flow = walk_execute_block(r, n->a);
		if (flow != FLOW_RAISE || vm->stopping)
			return flow;
		walk_declare(r, n->variable, vm->error);
		vm->error = V_NIL;
		return walk_execute_block(r, n->b);
	case N_FAIL:
		if (evaluated(r, n->a, &v, &flow)) {
			vm_raise_value(vm, v);
			flow = FLOW_RAISE;
		}
		return flow;
	default:
		if (n->a->kind == N_MATCH) {
			flow = FLOW_NORMAL;
			v = walk_evaluate_match(r, n->a, &flow);
			if (v == V_RAISE && vm->walk_returning) {
				vm->walk_returning = false;
				return (enum flow)vm->walk_flow;
			}
			return v == V_RAISE ? FLOW_RAISE : flow;
		}
		return evaluated(r, n->a, &v, &flow) ? FLOW_NORMAL : flow;
	}
}

enum flow walk_execute_block(struct run *r, const struct node *block)
{
	for (const struct node *s = block->list; s; s = s->next) {
		enum flow flow = walk_execute(r, s);
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
	vm->walker->held.next = vm->walker->held.previous = &vm->walker->held;
}

void walker_detach(struct vm *vm)
{
	struct walker *w = vm->walker;
	for (uint32_t i = 0; i < w->made_count; i++)
		free(w->made[i]);
	free(w->made);
	for (struct held *h = w->held.next, *next; h != &w->held; h = next) {
		next = h->next;
		free(h);
	}
	free(w);
	vm->walker = NULL;
}
