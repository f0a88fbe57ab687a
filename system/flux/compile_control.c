/* Compiles expressions that decide: if, match with its patterns, try, and what begins with them. */
#include "compile_expression.h"

#include <math.h>
#include <stdlib.h>

/* ---- control in expressions ---- */
static void compile_if_expression(struct compiler *c, const struct node *n, unsigned target)
{
	int no = jump_if(c, n->a, false);
	expression_to(c, n->b, target);
	int end = emit_jump(c, OP_JMP, 0, 0);
	patch_here(c, no);
	expression_to(c, n->c, target);
	patch_here(c, end);
}

static void compile_otherwise(struct compiler *c, const struct node *n, unsigned target)
{
	expression_to(c, n->a, target);
	int ok = emit_jump(c, OP_JOK, target, 0);
	expression_to(c, n->b, target);
	patch_here(c, ok);
}

static void compile_try(struct compiler *c, const struct node *n, unsigned target)
{
	int caught = emit_jump(c, OP_TRY, target, 0);
	c->tries++;
	unsigned saved = c->next;
	unsigned reg = expression_fresh(c, n->a);
	emit(c, OP_MOVE, target, reg, 0, 0);
	c->next = saved;
	c->tries--;
	emit(c, OP_ENDTRY, 0, 0, 0, 0);
	patch_here(c, caught);
}

static void compile_propagate(struct compiler *c, const struct node *n, unsigned target)
{
	expression_to(c, n->a, target);
	int fine = emit_jump(c, OP_JNERR, target, 0);
	for (unsigned i = 0; i < c->tries; i++)
		emit(c, OP_ENDTRY, 0, 0, 0, 0);
	emit(c, OP_RET, target, 0, 0, 0);
	patch_here(c, fine);
}

static void compile_listen(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, base = allocate(c, 3);
	if (n->text)
		emit(c, OP_LOADK, base, text_constant(c, n->text, strlen(n->text)), 0, 0);
	else
		expression_to(c, n->a, base);
	for (unsigned i = 0; i < 2; i++) {
		const struct node *part = i ? n->c : n->b;
		if (part)
			expression_to(c, part, base + 1 + i);
		else
			emit(c, OP_LOADV, base + 1 + i, 0, 0, 0);
	}
	c->place = n->begin;
	call_native(c, "__listen", base, 3);
	emit(c, OP_MOVE, target, base, 0, 0);
	c->next = saved;
}

static void compile_collapse(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, base = allocate(c, 3);
	expression_to(c, n->a, base);
	const char *method = n->text ? n->text : "max_weight";
	emit(c, OP_LOADK, base + 1, text_constant(c, method, strlen(method)), 0, 0);
	if (n->b)
		expression_to(c, n->b, base + 2);
	c->place = n->begin;
	call_native(c, "__collapse", base, n->b ? 3 : 2);
	emit(c, OP_MOVE, target, base, 0, 0);
	c->next = saved;
}

void expression_to(struct compiler *c, const struct node *n, unsigned target)
{
	bool temporary = c->temporary == target + 1; /* made for this value alone */
	c->temporary = 0;
	value k;
	uint32_t place = c->place;
	unsigned saved;
	if (c->failed)
		return;
	c->place = n->begin;
	switch (n->kind) {
	case N_INT:
		if (n->integer >= INT32_MIN && n->integer <= INT32_MAX) {
			int at = emit(c, OP_LOADI, target, 0, 0, 0);
			c->proto->code[at].jump = (int32_t)n->integer;
		} else {
			emit(c, OP_LOADK, target,
			     add_constant(c, c->vm ? from_int64(c->vm, n->integer) : V_NIL), 0, 0);
		}
		break;
	case N_BOOL:
		emit(c, OP_LOADV, target, n->integer ? 2 : 1, 0, 0);
		break;
	case N_NIL:
		emit(c, OP_LOADV, target, 0, 0, 0);
		break;
	case N_FLOAT:
	case N_STRING:
		if (compile_literal_constant(c, n, &k))
			emit(c, OP_LOADK, target, add_constant(c, k), 0, 0);
		break;
	case N_DURATION:
		k = V_NIL;
		if (c->vm)
			k = from_object(
			    duration_new(c->vm, n->integer, string_intern(c->vm, n->text, n->length)));
		emit(c, OP_LOADK, target, add_constant(c, k), 0, 0);
		break;
	case N_NAME:
		load_name(c, n, target);
		break;
	case N_LIST:
		compile_list(c, n, target);
		break;
	case N_MAP:
	case N_DIST:
		compile_pairs(c, n, target);
		break;
	case N_NEW:
		compile_new(c, n, target);
		break;
	case N_BINARY:
		if (compile_is_comparison(n) && (n->a->kind == N_INT || n->b->kind == N_INT))
			compile_truth(c, n, target);
		else
			compile_binary(c, n, target, temporary);
		break;
	case N_AND:
	case N_OR:
		compile_truth(c, n, target);
		break;
	case N_UNARY:
		saved = c->next;
		if (n->op == TOK_MINUS && n->a->kind == N_INT && n->a->integer <= INT32_MAX) {
			int at = emit(c, OP_LOADI, target, 0, 0, 0);
			c->proto->code[at].jump = (int32_t)-n->a->integer;
		} else {
			unsigned a = expression_any(c, n->a);
			emit(c,
			     n->op == TOK_MINUS   ? OP_NEG
			     : n->op == TOK_TILDE ? OP_BNOT
			                          : OP_NOT,
			     target, a, 0, 0);
		}
		c->next = saved;
		break;
	case N_CALL:
		compile_call(c, n, target);
		break;
	case N_METHOD:
		compile_method(c, n, target);
		break;
	case N_FIELD: {
		saved = c->next;
		unsigned a = expression_any(c, n->a);
		c->place = n->begin;
		emit(c, OP_GETFIELD, target, a, text_constant(c, n->text, strlen(n->text)), new_cache(c));
		c->next = saved;
		break;
	}
	case N_INDEX: {
		saved = c->next;
		unsigned a = expression_any(c, n->a);
		unsigned b = expression_any(c, n->b);
		c->place = n->begin;
		emit(c, OP_GETIDX, target, a, b, 0);
		c->next = saved;
		break;
	}
	case N_SLICE: {
		saved = c->next;
		unsigned a = expression_any(c, n->a), ends[2];
		for (unsigned i = 0; i < 2; i++) {
			const struct node *end = i ? n->c : n->b;
			if (end) {
				ends[i] = expression_any(c, end);
			} else {
				ends[i] = allocate(c, 1);
				emit(c, OP_LOADV, ends[i], 0, 0, 0);
			}
		}
		c->place = n->begin;
		emit(c, OP_SLICE, target, a, ends[0], ends[1]);
		c->next = saved;
		break;
	}
	case N_LISTEN:
		compile_listen(c, n, target);
		break;
	case N_COLLAPSE:
		compile_collapse(c, n, target);
		break;
	case N_LAMBDA:
		compile_lambda_value(c, n, target);
		break;
	case N_IF_EXPR:
		compile_if_expression(c, n, target);
		break;
	case N_MATCH:
		compile_match(c, n, target, true);
		break;
	case N_TRY:
		compile_try(c, n, target);
		break;
	case N_PROPAGATE:
		compile_propagate(c, n, target);
		break;
	case N_OTHERWISE:
		compile_otherwise(c, n, target);
		break;
	case N_RANGE: {
		const struct node *ends[2] = {n->a, n->b};
		compile_native(c, n->op == TOK_DOTDOT_EQ ? "__range_with" : "__range", n, target, ends, 2);
		break;
	}
	default:
		compile_error(c, n, "this cannot stand here", "a value belongs here");
	}
	c->place = place;
}

/* ---- patterns ---- */
/* Jumps of the returned list are taken when the value in `reg` does not match. */
static int compile_pattern(struct compiler *c, const struct node *p, unsigned reg)
{
	unsigned saved = c->next;
	int fail = -1;
	switch (p->kind) {
	case N_NAME:
		if (p->flag == NAME_LOCAL) {
			if (p->variable) { /* its register was allocated by compile_match */
				if (is_celled(p->variable)) {
					unsigned copy = allocate(c, 1);
					emit(c, OP_MOVE, copy, reg, 0, 0);
					emit(c, OP_CELL, p->variable->reg, copy, 0, 0);
					c->next = saved;
				} else {
					emit(c, OP_MOVE, p->variable->reg, reg, 0, 0);
				}
			}
			return -1;
		}
		if (!strcmp(p->text, "_"))
			return -1;
		break;
	case N_LIST: {
		unsigned base = allocate(c, 2), count = 0;
		for (const struct node *e = p->list; e; e = e->next)
			count++;
		emit(c, OP_MOVE, base, reg, 0, 0);
		int at = emit(c, OP_LOADI, base + 1, 0, 0, 0);
		c->proto->code[at].jump = (int32_t)count;
		call_native(c, "__is_list", base, 2);
		fail = join(c, emit_jump(c, OP_JF, base, 0), fail);
		unsigned i = 0;
		for (const struct node *e = p->list; e; e = e->next, i++) {
			at = emit(c, OP_LOADI, base + 1, 0, 0, 0);
			c->proto->code[at].jump = (int32_t)i;
			emit(c, OP_GETIDX, base, reg, base + 1, 0);
			fail = join(c, compile_pattern(c, e, base), fail);
		}
		c->next = saved;
		return fail;
	}
	case N_MAP: {
		unsigned base = allocate(c, 2);
		for (const struct node *pair = p->list; pair; pair = pair->next) {
			emit(c, OP_MOVE, base, reg, 0, 0);
			expression_to(c, pair->a, base + 1);
			call_native(c, "__has_key", base, 2);
			fail = join(c, emit_jump(c, OP_JF, base, 0), fail);
			expression_to(c, pair->a, base + 1);
			emit(c, OP_GETIDX, base, reg, base + 1, 0);
			fail = join(c, compile_pattern(c, pair->b, base), fail);
		}
		if (!p->list) {
			emit(c, OP_MOVE, base, reg, 0, 0);
			call_native(c, "is_map", base, 1);
			fail = join(c, emit_jump(c, OP_JF, base, 0), fail);
		}
		c->next = saved;
		return fail;
	}
	case N_NEW: {
		unsigned base = allocate(c, 2);
		emit(c, OP_MOVE, base, reg, 0, 0);
		emit(c, OP_GETG, base + 1, (unsigned)p->a->integer, 0, 0);
		call_native(c, "__is_struct", base, 2);
		fail = join(c, emit_jump(c, OP_JF, base, 0), fail);
		for (const struct node *pair = p->list; pair; pair = pair->next) {
			emit(c, OP_GETFIELD, base, reg, text_constant(c, pair->text, strlen(pair->text)),
			     new_cache(c));
			fail = join(c, compile_pattern(c, pair->a, base), fail);
		}
		c->next = saved;
		return fail;
	}
	case N_RANGE: {
		unsigned base = allocate(c, 3);
		emit(c, OP_MOVE, base, reg, 0, 0);
		expression_to(c, p->a, base + 1);
		expression_to(c, p->b, base + 2);
		call_native(c, p->op == TOK_DOTDOT_EQ ? "__within_with" : "__within", base, 3);
		fail = emit_jump(c, OP_JF, base, 0);
		c->next = saved;
		return fail;
	}
	default:
		break;
	}
	unsigned other = expression_any(c, p);
	fail = emit_jump(c, OP_JNE, reg, other);
	c->next = saved;
	return fail;
}

/* Registers of the names that a pattern binds, before anything is matched. */
static void allocate_pattern(struct compiler *c, const struct node *p)
{
	if (p->kind == N_NAME && p->flag == NAME_LOCAL && p->variable)
		p->variable->reg = (uint16_t)allocate(c, 1);
	if (p->kind == N_LIST)
		for (const struct node *e = p->list; e; e = e->next)
			allocate_pattern(c, e);
	if (p->kind == N_MAP)
		for (const struct node *pair = p->list; pair; pair = pair->next)
			allocate_pattern(c, pair->b);
	if (p->kind == N_NEW)
		for (const struct node *pair = p->list; pair; pair = pair->next)
			allocate_pattern(c, pair->a);
}

void compile_match(struct compiler *c, const struct node *n, unsigned target, bool want)
{
	unsigned saved = c->next;
	unsigned subject = expression_fresh(c, n->a);
	int end = -1;
	for (const struct node *arm = n->list; arm; arm = arm->next) {
		unsigned arm_saved = c->next;
		int fail = -1, hit = -1;
		for (const struct node *p = arm->list; p; p = p->next)
			allocate_pattern(c, p);
		for (const struct node *p = arm->list; p; p = p->next) {
			fail = compile_pattern(c, p, subject);
			if (p->next) {
				hit = join(c, emit_jump(c, OP_JMP, 0, 0), hit);
				patch_here(c, fail);
			}
		}
		patch_here(c, hit);
		if (arm->c)
			fail = join(c, fail, jump_if(c, arm->c, false));
		if (arm->a) {
			compile_block(c, arm->a);
			if (want)
				emit(c, OP_LOADV, target, 0, 0, 0);
		} else if (want) {
			expression_to(c, arm->b, target);
		} else {
			expression_fresh(c, arm->b);
		}
		end = join(c, emit_jump(c, OP_JMP, 0, 0), end);
		patch_here(c, fail);
		c->next = arm_saved;
	}
	if (want)
		emit(c, OP_LOADV, target, 0, 0, 0); /* nothing matched: nil */
	patch_here(c, end);
	c->next = saved;
}
