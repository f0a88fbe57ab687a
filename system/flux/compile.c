/*
 * Functions and statements to instructions: registers are given out like a stack, locals stay where they were
 * declared. A variable that an inner function captures and somebody assigns to lives in a cell; its register
 * holds the cell.
 */
#include "compile.h"

#include <stdlib.h>

/* ---- instructions ---- */
void compile_error(struct compiler *c, const struct node *n, const char *message, const char *hint)
{
	if (!c->failed)
		source_error(c->proto->source, n ? n->begin : c->place, n ? n->end : c->place + 1, hint, "%s",
		             message);
	c->failed = true;
}

int emit(struct compiler *c, enum opcode op, unsigned a, unsigned b, unsigned cc, unsigned d)
{
	struct proto *p = c->proto;
	if (p->count == p->capacity) {
		p->capacity = p->capacity ? p->capacity * 2 : 32;
		p->code = realloc(p->code, p->capacity * sizeof(*p->code));
		p->places = realloc(p->places, p->capacity * sizeof(*p->places));
		if (!p->code || !p->places)
			abort();
	}
	if (p->count >= CODE_MAX || b > UINT16_MAX || cc > UINT16_MAX || d > UINT16_MAX) {
		compile_error(c, NULL, "this function is too large", "split it");
		return (int)p->count - 1 < 0 ? 0 : (int)p->count - 1;
	}
	p->code[p->count] = (struct ins){
	    .op = (uint8_t)op, .a = (uint8_t)a, .b = (uint16_t)b, .c = (uint16_t)cc, .d = (uint16_t)d};
	p->places[p->count] = c->place;
	return (int)p->count++;
}

int emit_jump(struct compiler *c, enum opcode op, unsigned a, unsigned b)
{
	int at = emit(c, op, a, b, 0, 0);
	c->proto->code[at].jump = -1; /* the end of a list */
	return at;
}

void patch_here(struct compiler *c, int list)
{
	while (list >= 0) {
		int next = c->proto->code[list].jump;
		c->proto->code[list].jump = (int32_t)c->proto->count - list - 1;
		list = next;
	}
}

static __attribute__((unused)) void patch_to(struct compiler *c, int list, int target)
{
	while (list >= 0) {
		int next = c->proto->code[list].jump;
		c->proto->code[list].jump = target - list - 1;
		list = next;
	}
}

int join(struct compiler *c, int list, int more)
{
	if (list < 0)
		return more;
	if (more < 0)
		return list;
	int last = list;
	while (c->proto->code[last].jump >= 0)
		last = c->proto->code[last].jump;
	c->proto->code[last].jump = more;
	return list;
}

void emit_loop(struct compiler *c, enum opcode op, unsigned a, unsigned b, int target)
{
	int at = emit(c, op, a, b, 0, 0);
	c->proto->code[at].jump = target - at - 1;
}

unsigned add_constant(struct compiler *c, value v)
{
	struct proto *p = c->proto;
	uint32_t from = p->constant_count > 64 ? p->constant_count - 64 : 0;
	for (uint32_t i = from; i < p->constant_count; i++)
		if (p->constants[i] == v)
			return i;
	if (p->constant_count == p->constant_capacity) {
		p->constant_capacity = p->constant_capacity ? p->constant_capacity * 2 : 8;
		p->constants = realloc(p->constants, p->constant_capacity * sizeof(value));
		if (!p->constants)
			abort();
	}
	if (p->constant_count >= UINT16_MAX) {
		compile_error(c, NULL, "over 65535 constants in one function", "split it");
		return 0;
	}
	p->constants[p->constant_count] = v;
	return p->constant_count++;
}

unsigned text_constant(struct compiler *c, const char *text, size_t length)
{
	return add_constant(c, c->vm ? from_object(string_intern(c->vm, text, length)) : V_NIL);
}

unsigned new_cache(struct compiler *c)
{
	if (c->proto->cache_count >= UINT16_MAX)
		compile_error(c, NULL, "this function is too large", "split it");
	return c->proto->cache_count < UINT16_MAX ? c->proto->cache_count++ : 0;
}

unsigned allocate(struct compiler *c, unsigned count)
{
	unsigned first = c->next;
	if (first + count > REGISTERS_MAX) {
		compile_error(c, NULL, "this function uses too many variables at once", "split it");
		return first < REGISTERS_MAX ? first : 0;
	}
	c->next += count;
	if (c->next > c->proto->registers)
		c->proto->registers = (uint16_t)c->next;
	return first;
}

void check_type(struct compiler *c, const struct type_note *type, unsigned reg, const char *name)
{
	unsigned kind = type->kind;
	if (!(kind & ~(unsigned)TYPE_OPTIONAL))
		return;
	if ((kind & ~(unsigned)TYPE_OPTIONAL) == TYPE_STRUCT) {
		/* The struct itself comes in the next register. */
		unsigned holder = allocate(c, 1);
		emit(c, OP_GETG, holder, type->index, 0, 0);
		emit(c, OP_CHECK, reg, kind, text_constant(c, name, strlen(name)), holder);
		c->next = holder;
		return;
	}
	emit(c, OP_CHECK, reg, kind, text_constant(c, name, strlen(name)), 0);
}

/* The value of a variable is in `reg`, where it is to stay. */
void declare_variable(struct compiler *c, struct variable *v, unsigned reg)
{
	v->reg = (uint16_t)reg;
	if (is_celled(v))
		emit(c, OP_CELL, reg, reg, 0, 0);
}

/* ---- statements ---- */
static void compile_let(struct compiler *c, const struct node *n)
{
	struct variable *v = n->variable;
	if (!v)
		return;
	unsigned reg = allocate(c, 1);
	if (n->a->kind == N_LAMBDA && is_celled(v)) {
		v->reg = (uint16_t)reg;
		emit(c, OP_LOADV, reg, 0, 0, 0);
		emit(c, OP_CELL, reg, reg, 0, 0);
		unsigned f = expression_fresh(c, n->a);
		emit(c, OP_SETC, f, reg, 0, 0);
		c->next = reg + 1;
		return;
	}
	expression_to(c, n->a, reg);
	check_type(c, &n->type, reg, n->text);
	declare_variable(c, v, reg);
}

static enum opcode assign_opcode(unsigned op)
{
	switch (op) {
	case TOK_ADD_ASSIGN:
		return OP_ADD;
	case TOK_SUB_ASSIGN:
		return OP_SUB;
	case TOK_MUL_ASSIGN:
		return OP_MUL;
	case TOK_DIV_ASSIGN:
		return OP_DIV;
	default:
		return OP_CONCAT;
	}
}

static void compile_assign(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next;
	const struct node *target = n->a;
	bool plain = n->op == TOK_ASSIGN;
	c->place = n->begin;
	if (target->kind == N_NAME && target->flag == NAME_LOCAL) {
		struct variable *v = target->variable;
		bool direct = captured_index(c, v) < 0 && !is_celled(v);
		unsigned reg;
		if (!plain) {
			unsigned a = expression_any(c, target), b = expression_any(c, n->b);
			reg = direct ? v->reg : allocate(c, 1);
			c->place = n->begin;
			emit(c, assign_opcode(n->op), reg, a, b, 0);
		} else if (direct && is_simple(n->b)) {
			expression_to(c, n->b, v->reg);
			reg = v->reg;
		} else {
			reg = expression_any(c, n->b);
		}
		store_variable(c, v, reg);
	} else if (target->kind == N_NAME) {
		unsigned reg = expression_any(c, n->b);
		if (!plain) {
			unsigned old = allocate(c, 1);
			emit(c, OP_GETG, old, (unsigned)target->integer, 0, 0);
			c->place = n->begin;
			emit(c, assign_opcode(n->op), old, old, reg, 0);
			reg = old;
		}
		const struct global *g = &c->program->globals[target->integer];
		check_type(c, &g->node->type, reg, g->name);
		emit(c, OP_SETG, reg, (unsigned)target->integer, 0, 0);
	} else if (target->kind == N_FIELD) {
		unsigned object = expression_any(c, target->a), reg;
		unsigned name = text_constant(c, target->text, strlen(target->text));
		if (plain) {
			reg = expression_any(c, n->b);
		} else {
			reg = allocate(c, 1);
			emit(c, OP_GETFIELD, reg, object, name, new_cache(c));
			unsigned b = expression_any(c, n->b);
			emit(c, assign_opcode(n->op), reg, reg, b, 0);
		}
		c->place = n->begin;
		emit(c, OP_SETFIELD, object, reg, name, new_cache(c));
	} else if (target->kind == N_INDEX) {
		unsigned object = expression_any(c, target->a), at = expression_any(c, target->b), reg;
		if (plain) {
			reg = expression_any(c, n->b);
		} else {
			reg = allocate(c, 1);
			emit(c, OP_GETIDX, reg, object, at, 0);
			unsigned b = expression_any(c, n->b);
			emit(c, assign_opcode(n->op), reg, reg, b, 0);
		}
		c->place = n->begin;
		emit(c, OP_SETIDX, object, at, reg, 0);
	}
	c->next = saved;
}

static void compile_if(struct compiler *c, const struct node *n)
{
	int end = -1;
	while (n && n->kind == N_IF) {
		c->place = n->begin;
		int no = jump_if(c, n->a, false);
		compile_block(c, n->b);
		if (n->c)
			end = join(c, emit_jump(c, OP_JMP, 0, 0), end);
		patch_here(c, no);
		n = n->c;
	}
	if (n)
		compile_block(c, n);
	patch_here(c, end);
}

static void begin_loop(struct compiler *c, struct loop *loop)
{
	*loop = (struct loop){.outer = c->loop, .breaks = -1, .continues = -1, .tries = c->tries};
	c->loop = loop;
}

static void compile_while(struct compiler *c, const struct node *n)
{
	struct loop loop;
	begin_loop(c, &loop);
	/* The condition stands at the end: one jump a turn. */
	int entry = n->a->kind == N_BOOL && n->a->integer ? -1 : emit_jump(c, OP_JMP, 0, 0);
	int top = (int)c->proto->count;
	compile_block(c, n->b);
	patch_here(c, loop.continues);
	patch_here(c, entry);
	c->place = n->begin;
	if (n->a->kind == N_BOOL && n->a->integer) {
		emit_loop(c, OP_LOOP, 0, 0, top);
	} else {
		int out = jump_if(c, n->a, false);
		emit_loop(c, OP_LOOP, 0, 0, top);
		patch_here(c, out);
	}
	patch_here(c, loop.breaks);
	c->loop = loop.outer;
}

static bool surely_number(const struct node *n)
{
	return n->kind == N_INT || (n->kind == N_UNARY && n->op == TOK_MINUS && n->a->kind == N_INT) ||
	       (n->kind == N_BINARY && (n->op == TOK_PLUS || n->op == TOK_MINUS || n->op == TOK_STAR) &&
	        (surely_number(n->a) || surely_number(n->b)));
}

static void compile_counted(struct compiler *c, const struct node *n, const struct node *from,
                            const struct node *to, bool with_end)
{
	struct loop loop;
	unsigned saved = c->next, base = allocate(c, 3);
	expression_to(c, from, base);
	expression_to(c, to, base + 1);
	c->place = n->a->begin;
	unsigned flag = with_end;
	int prep = emit_jump(c, OP_FORPREP, base, flag);
	int top = (int)c->proto->count;
	begin_loop(c, &loop);
	n->variable->reg = (uint16_t)(base + 2);
	if (is_celled(n->variable)) {
		unsigned cell = allocate(c, 1);
		emit(c, OP_CELL, cell, base + 2, 0, 0);
		n->variable->reg = (uint16_t)cell;
	}
	compile_block(c, n->b);
	patch_here(c, loop.continues);
	c->place = n->begin;
	emit_loop(c, OP_FORLOOP, base, 0, top);
	patch_here(c, prep);
	patch_here(c, loop.breaks);
	c->loop = loop.outer;
	c->next = saved;
}

static void compile_for(struct compiler *c, const struct node *n)
{
	const struct node *source = n->a;
	if (!n->variable || (n->c && !n->c->variable))
		return;
	if (source->kind == N_RANGE && !n->c) {
		compile_counted(c, n, source->a, source->b, source->op == TOK_DOTDOT_EQ);
		return;
	}
	/* [a, b] in a for is the range from a to b, as in 1.2, if both are numbers. */
	bool pair = source->kind == N_LIST && source->list && source->list->next && !source->list->next->next;
	if (pair && !n->c && surely_number(source->list) && surely_number(source->list->next)) {
		compile_counted(c, n, source->list, source->list->next, true);
		return;
	}
	struct loop loop;
	unsigned saved = c->next, base = allocate(c, n->c ? 3 : 2);
	unsigned reg = expression_any(c, source);
	c->place = source->begin;
	emit(c, OP_ITER, base, reg, pair && !n->c, 0);
	c->next = base + (n->c ? 3 : 2);
	begin_loop(c, &loop);
	int entry = emit_jump(c, OP_JMP, 0, 0);
	int top = (int)c->proto->count;
	struct variable *variables[2] = {n->variable, n->c ? n->c->variable : NULL};
	for (unsigned i = 0; i < 2 && variables[i]; i++) {
		variables[i]->reg = (uint16_t)(base + 1 + i);
		if (is_celled(variables[i])) {
			unsigned cell = allocate(c, 1);
			emit(c, OP_CELL, cell, base + 1 + i, 0, 0);
			variables[i]->reg = (uint16_t)cell;
		}
	}
	compile_block(c, n->b);
	patch_here(c, loop.continues);
	patch_here(c, entry);
	c->place = n->begin;
	int out = emit_jump(c, n->c ? OP_NEXT2 : OP_NEXT, base, 0);
	emit_loop(c, OP_LOOP, 0, 0, top);
	patch_here(c, out);
	patch_here(c, loop.breaks);
	c->loop = loop.outer;
	c->next = saved;
}

static void compile_return(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next;
	const struct node *owner = c->proto->node;
	if (!n->a) {
		for (unsigned i = 0; i < c->tries; i++)
			emit(c, OP_ENDTRY, 0, 0, 0, 0);
		emit(c, OP_RETNIL, 0, 0, 0, 0);
		return;
	}
	unsigned reg = expression_any(c, n->a);
	if (owner->kind == N_FUNCTION || owner->kind == N_FLOW || owner->kind == N_LAMBDA) {
		struct type_note type = owner->type;
		/* A function may always give back an error or nothing: they are values. */
		if (type.kind)
			type.kind |= TYPE_OPTIONAL;
		c->place = n->begin;
		check_type(c, &type, reg, "->");
	}
	for (unsigned i = 0; i < c->tries; i++)
		emit(c, OP_ENDTRY, 0, 0, 0, 0);
	emit(c, OP_RET, reg, 0, 0, 0);
	c->next = saved;
}

static void compile_leave(struct compiler *c, const struct node *n)
{
	struct loop *loop = c->loop;
	if (!loop)
		return;
	for (unsigned i = loop->tries; i < c->tries; i++)
		emit(c, OP_ENDTRY, 0, 0, 0, 0);
	int jump = emit_jump(c, OP_JMP, 0, 0);
	if (n->kind == N_BREAK)
		loop->breaks = join(c, jump, loop->breaks);
	else
		loop->continues = join(c, jump, loop->continues);
}

static void compile_launch(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next, base = allocate(c, 1);
	c->next = base;
	if (n->flag == NAME_FUNCTION) {
		struct node call = {.kind = N_CALL, .begin = n->begin, .end = n->end, .list = n->list};
		struct node callee = {.kind = N_NAME,
		                      .flag = NAME_FUNCTION,
		                      .integer = n->integer,
		                      .text = n->text,
		                      .begin = n->begin,
		                      .end = n->end};
		call.a = &callee;
		expression_to(c, &call, allocate(c, 1));
	} else {
		allocate(c, 1);
		emit(c, OP_LOADK, base, text_constant(c, n->text, strlen(n->text)), 0, 0);
		unsigned count = compile_arguments(c, n->list);
		c->place = n->begin;
		call_native(c, "__launch", base, count + 1);
	}
	c->next = saved;
}

static void compile_catch(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next, reg = allocate(c, 1);
	int caught = emit_jump(c, OP_TRY, reg, 0);
	c->tries++;
	compile_block(c, n->a);
	c->tries--;
	emit(c, OP_ENDTRY, 0, 0, 0, 0);
	int end = emit_jump(c, OP_JMP, 0, 0);
	patch_here(c, caught);
	if (n->variable)
		declare_variable(c, n->variable, reg);
	if (n->b)
		compile_block(c, n->b);
	patch_here(c, end);
	c->next = saved;
}

static void compile_send(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next;
	unsigned kind = expression_any(c, n->a);
	unsigned content = allocate(c, n->c ? 2 : 1);
	expression_to(c, n->b, content);
	if (n->c)
		expression_to(c, n->c, content + 1);
	c->place = n->begin;
	emit(c, OP_SEND, kind, content, n->c != NULL, 0);
	c->next = saved;
}

void compile_statement(struct compiler *c, const struct node *n)
{
	unsigned saved = c->next;
	if (c->failed)
		return;
	c->place = n->begin;
	if (c->program->debug && n->kind != N_BLOCK)
		emit(c, OP_LINE, 0, 0, 0, 0);
	switch (n->kind) {
	case N_LET:
		compile_let(c, n);
		return; /* the variable keeps its register */
	case N_ASSIGN:
		compile_assign(c, n);
		break;
	case N_IF:
		compile_if(c, n);
		break;
	case N_WHILE:
		compile_while(c, n);
		break;
	case N_FOR:
		compile_for(c, n);
		break;
	case N_RETURN:
		compile_return(c, n);
		break;
	case N_BREAK:
	case N_CONTINUE:
		compile_leave(c, n);
		break;
	case N_LAUNCH:
		compile_launch(c, n);
		break;
	case N_SEND:
		compile_send(c, n);
		break;
	case N_BLOCK:
		compile_block(c, n);
		break;
	case N_CATCH:
		compile_catch(c, n);
		break;
	case N_FAIL:
		emit(c, OP_RAISE, expression_any(c, n->a), 0, 0, 0);
		break;
	default:
		if (n->a->kind == N_MATCH)
			compile_match(c, n->a, 0, false);
		else
			expression_fresh(c, n->a);
	}
	c->next = saved;
}

void compile_block(struct compiler *c, const struct node *block)
{
	unsigned saved = c->next;
	for (const struct node *s = block->list; s && !c->failed; s = s->next)
		compile_statement(c, s);
	c->next = saved;
}
