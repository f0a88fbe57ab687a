/*
 * Expressions to instructions. Operands are read where they are (a variable's register) or put into fresh
 * registers, so that writing the result never destroys an operand that is still to be read.
 */
#include "compile_expression.h"

#include <math.h>
#include <stdlib.h>

/* ---- names and constants ---- */
int captured_index(const struct compiler *c, const struct variable *v)
{
	for (unsigned i = 0; i < c->scope->capture_count; i++)
		if (c->scope->captures[i] == v)
			return (int)i;
	return -1;
}

static bool owned(const struct compiler *c, const struct variable *v)
{
	return captured_index(c, v) < 0;
}

void load_variable(struct compiler *c, struct variable *v, unsigned target)
{
	int index = captured_index(c, v);
	if (index >= 0)
		emit(c, is_celled(v) ? OP_GETXC : OP_GETX, target, (unsigned)index, 0, 0);
	else if (is_celled(v))
		emit(c, OP_GETC, target, v->reg, 0, 0);
	else if (target != v->reg)
		emit(c, OP_MOVE, target, v->reg, 0, 0);
}

void store_variable(struct compiler *c, struct variable *v, unsigned from)
{
	int index = captured_index(c, v);
	if (index >= 0)
		emit(c, OP_SETXC, from, (unsigned)index, 0, 0);
	else if (is_celled(v))
		emit(c, OP_SETC, from, v->reg, 0, 0);
	else if (from != v->reg)
		emit(c, OP_MOVE, v->reg, from, 0, 0);
}

void load_name(struct compiler *c, const struct node *n, unsigned target)
{
	switch (n->flag) {
	case NAME_LOCAL:
		load_variable(c, n->variable, target);
		break;
	case NAME_GLOBAL:
		emit(c, OP_GETG, target, (unsigned)n->integer, 0, 0);
		break;
	case NAME_FUNCTION:
		if (c->vm)
			emit(c, OP_LOADK, target,
			     add_constant(
			         c, from_object(function_new(c->vm, c->program->functions[n->integer], 0))),
			     0, 0);
		break;
	case NAME_NATIVE: {
		/* Some names are values, not functions, when they are not called. */
		if (!strcmp(n->text, "causal_void") || !strcmp(n->text, "user") || !strcmp(n->text, "args")) {
			unsigned base = allocate(c, 1);
			emit(c, OP_CALLN, base, 0, (unsigned)n->integer, 0);
			emit(c, OP_MOVE, target, base, 0, 0);
			c->next = base;
			break;
		}
		if (c->vm) {
			struct native *native = heap_allocate(c->vm, T_NATIVE, sizeof(*native));
			native->index = (uint32_t)n->integer;
			emit(c, OP_LOADK, target, add_constant(c, from_object(native)), 0, 0);
		}
		break;
	}
	default: /* an intention's name is its name */
		emit(c, OP_LOADK, target, text_constant(c, n->text, strlen(n->text)), 0, 0);
	}
}

bool compile_literal_constant(struct compiler *c, const struct node *n, value *out)
{
	switch (n->kind) {
	case N_INT:
		if (!fits_small_int(n->integer))
			return false;
		*out = from_small_int(n->integer);
		return true;
	case N_FLOAT:
		*out = from_double(n->number);
		return true;
	case N_BOOL:
		*out = from_bool(n->integer);
		return true;
	case N_NIL:
		*out = V_NIL;
		return true;
	case N_STRING:
		*out = c->vm ? from_object(string_intern(c->vm, n->text, n->length)) : V_NIL;
		return true;
	default:
		return false;
	}
}

bool is_simple(const struct node *n)
{
	switch (n->kind) {
	case N_INT:
	case N_FLOAT:
	case N_STRING:
	case N_BOOL:
	case N_NIL:
	case N_DURATION:
	case N_NAME:
	case N_BINARY:
	case N_UNARY:
	case N_INDEX:
	case N_FIELD:
		return true;
	default:
		return false;
	}
}

unsigned expression_fresh(struct compiler *c, const struct node *n)
{
	unsigned reg = allocate(c, 1);
	c->temporary = reg + 1;
	expression_to(c, n, reg);
	return reg;
}

unsigned expression_any(struct compiler *c, const struct node *n)
{
	if (n->kind == N_NAME && n->flag == NAME_LOCAL && owned(c, n->variable) && !is_celled(n->variable))
		return n->variable->reg;
	return expression_fresh(c, n);
}

/* ---- operators ---- */
static enum opcode binary_opcode(unsigned op)
{
	switch (op) {
	case TOK_PLUS:
		return OP_ADD;
	case TOK_MINUS:
		return OP_SUB;
	case TOK_STAR:
		return OP_MUL;
	case TOK_SLASH:
		return OP_DIV;
	case TOK_PERCENT:
		return OP_MOD;
	case TOK_TILDE_SLASH:
		return OP_IDIV;
	case TOK_POWER:
		return OP_POW;
	case TOK_AMP:
		return OP_BAND;
	case TOK_PIPE:
		return OP_BOR;
	case TOK_CARET:
		return OP_BXOR;
	case TOK_SHL:
		return OP_SHL;
	case TOK_SHR:
		return OP_SHR;
	case TOK_CONCAT:
		return OP_CONCAT;
	case TOK_EQ:
		return OP_EQ;
	case TOK_NEQ:
		return OP_NE;
	case TOK_LT:
		return OP_LT;
	case TOK_GT:
		return OP_GT;
	case TOK_GE:
		return OP_GE;
	default:
		return OP_LE;
	}
}

static bool small_immediate(const struct node *n, int *out)
{
	if (n->kind == N_INT && n->integer >= INT16_MIN + 1 && n->integer <= INT16_MAX) {
		*out = (int)n->integer;
		return true;
	}
	if (n->kind == N_UNARY && n->op == TOK_MINUS && n->a->kind == N_INT && n->a->integer > 0 &&
	    n->a->integer <= INT16_MAX) {
		*out = -(int)n->a->integer;
		return true;
	}
	return false;
}

/* The left side of a chain of operators is computed where its result goes, if that is no variable: a chain of any length
 * then needs one register. */
static unsigned left_operand(struct compiler *c, const struct node *n, unsigned target, bool temporary)
{
	if (!temporary || n->kind != N_BINARY)
		return expression_any(c, n);
	c->temporary = target + 1;
	expression_to(c, n, target);
	return target;
}

void compile_binary(struct compiler *c, const struct node *n, unsigned target, bool temporary)
{
	unsigned saved = c->next, a, b;
	enum opcode op = binary_opcode(n->op);
	int immediate;
	if (n->op == TOK_IN) {
		unsigned base = allocate(c, 2);
		expression_to(c, n->b, base);
		expression_to(c, n->a, base + 1);
		call_native(c, "contains", base, 2);
		emit(c, OP_MOVE, target, base, 0, 0);
		c->next = saved;
		return;
	}
	c->place = n->begin;
	if ((op == OP_ADD || op == OP_SUB) && n->b->kind == N_INT && n->b->integer &&
	    small_immediate(n->b, &immediate)) {
		a = left_operand(c, n->a, target, temporary);
		c->place = n->begin;
		emit(c, OP_ADDI, target, a, (uint16_t)(op == OP_ADD ? immediate : -immediate), 0);
	} else if (op <= OP_MOD && op >= OP_ADD && (n->b->kind == N_INT || n->b->kind == N_FLOAT)) {
		value k;
		a = left_operand(c, n->a, target, temporary);
		if (compile_literal_constant(c, n->b, &k)) {
			c->place = n->begin;
			emit(c, op + (OP_ADDK - OP_ADD), target, a, add_constant(c, k), 0);
		} else {
			b = expression_any(c, n->b);
			emit(c, op, target, a, b, 0);
		}
	} else {
		a = left_operand(c, n->a, target, temporary);
		b = expression_any(c, n->b);
		c->place = n->begin;
		emit(c, op, target, a, b, 0);
	}
	c->next = saved;
}

bool compile_is_comparison(const struct node *n)
{
	return n->kind == N_BINARY && (n->op == TOK_EQ || n->op == TOK_NEQ || n->op == TOK_LT ||
	                               n->op == TOK_GT || n->op == TOK_LE || n->op == TOK_GE);
}

static int compare_jump(struct compiler *c, const struct node *n, bool sense)
{
	unsigned saved = c->next, a, b;
	int immediate, jump;
	value k;
	if (n->op == TOK_EQ || n->op == TOK_NEQ) {
		bool equal = (n->op == TOK_EQ) == sense;
		const struct node *left = n->a, *right = n->b;
		if (compile_literal_constant(c, left, &k)) {
			left = n->b;
			right = n->a;
		}
		if (compile_literal_constant(c, right, &k)) {
			a = expression_any(c, left);
			c->place = n->begin;
			jump = emit_jump(c, equal ? OP_JEQK : OP_JNEK, a, add_constant(c, k));
		} else {
			a = expression_any(c, left);
			b = expression_any(c, right);
			c->place = n->begin;
			jump = emit_jump(c, equal ? OP_JEQ : OP_JNE, a, b);
		}
		c->next = saved;
		return jump;
	}
	static const uint8_t with_register[4][2] = {
	    {OP_JLT, OP_JNLT}, {OP_JGT, OP_JNGT}, {OP_JLE, OP_JNLE}, {OP_JGE, OP_JNGE}};
	static const uint8_t with_number[4][2] = {
	    {OP_JLTI, OP_JNLTI}, {OP_JGTI, OP_JNGTI}, {OP_JLEI, OP_JNLEI}, {OP_JGEI, OP_JNGEI}};
	unsigned which = n->op == TOK_LT ? 0 : n->op == TOK_GT ? 1 : n->op == TOK_LE ? 2 : 3;
	if (small_immediate(n->b, &immediate)) {
		a = expression_any(c, n->a);
		c->place = n->begin;
		jump = emit_jump(c, with_number[which][!sense], a, (uint16_t)immediate);
	} else {
		a = expression_any(c, n->a);
		b = expression_any(c, n->b);
		c->place = n->begin;
		jump = emit_jump(c, with_register[which][!sense], a, b);
	}
	c->next = saved;
	return jump;
}

int jump_if(struct compiler *c, const struct node *n, bool sense)
{
	if (compile_is_comparison(n))
		return compare_jump(c, n, sense);
	if (n->kind == N_UNARY && n->op == TOK_NOT)
		return jump_if(c, n->a, !sense);
	if (n->kind == N_AND || n->kind == N_OR) {
		bool together = (n->kind == N_AND) != sense; /* either side alone decides for `sense` */
		if (together) {
			int list = jump_if(c, n->a, sense);
			return join(c, list, jump_if(c, n->b, sense));
		}
		int skip = jump_if(c, n->a, !sense);
		int list = jump_if(c, n->b, sense);
		patch_here(c, skip);
		return list;
	}
	if (n->kind == N_BOOL)
		return (n->integer != 0) == sense ? emit_jump(c, OP_JMP, 0, 0) : -1;
	unsigned saved = c->next;
	unsigned reg = expression_any(c, n);
	c->place = n->begin;
	int jump = emit_jump(c, sense ? OP_JT : OP_JF, reg, 0);
	c->next = saved;
	return jump;
}

void compile_truth(struct compiler *c, const struct node *n, unsigned target)
{
	int no = jump_if(c, n, false);
	emit(c, OP_LOADV, target, 2, 0, 0);
	int end = emit_jump(c, OP_JMP, 0, 0);
	patch_here(c, no);
	emit(c, OP_LOADV, target, 1, 0, 0);
	patch_here(c, end);
}

/* ---- calls ---- */
unsigned compile_arguments(struct compiler *c, const struct node *list)
{
	unsigned count = 0;
	for (; list; list = list->next, count++) {
		unsigned reg = allocate(c, 1);
		expression_to(c, list->kind == N_PAIR ? list->a : list, reg);
	}
	return count;
}

unsigned call_native(struct compiler *c, const char *name, unsigned base, unsigned count)
{
	int index = native_find(name, strlen(name));
	emit(c, OP_CALLN, base, count, (unsigned)index, 0);
	return base;
}

/* Where a call may build its arguments: the target itself if it is the last register, else a new one. */
static unsigned call_base(struct compiler *c, unsigned target)
{
	if (target + 1 == c->next)
		return target;
	return allocate(c, 1);
}

void compile_call(struct compiler *c, const struct node *n, unsigned target)
{
	const struct node *callee = n->a;
	unsigned saved = c->next, base = call_base(c, target), count;
	bool direct =
	    callee->kind == N_NAME && (callee->flag == NAME_FUNCTION || callee->flag == NAME_NATIVE);
	if (direct) {
		c->next = base;
		count = compile_arguments(c, n->list);
		if (!count)
			allocate(c, 1);
		c->place = n->begin;
		if (callee->flag == NAME_FUNCTION) {
			struct proto *f = c->program->functions[callee->integer];
			const struct node *param = f->node->list;
			/* Arguments left out are nil, or what the declaration says. */
			for (unsigned i = 0; param; param = param->next, i++) {
				if (i < count)
					continue;
				unsigned reg = i || count ? allocate(c, 1) : base;
				if (param->a)
					expression_to(c, param->a, reg);
				else
					emit(c, OP_LOADV, reg, 0, 0, 0);
				if (!i && !count)
					c->next = base + 1;
				count++;
			}
			c->place = n->begin;
			emit(c, OP_CALLF, base, count, (unsigned)callee->integer, 0);
		} else {
			emit(c, OP_CALLN, base, count, (unsigned)callee->integer, 0);
		}
	} else if (callee->kind == N_NAME && callee->flag == NAME_UNKNOWN) {
		c->next = base + 1;
		emit(c, OP_LOADK, base, text_constant(c, callee->text, strlen(callee->text)), 0, 0);
		count = compile_arguments(c, n->list);
		c->place = n->begin;
		emit(c, OP_CALL, base, count, 0, 0);
	} else {
		c->next = base + 1;
		expression_to(c, callee, base);
		count = compile_arguments(c, n->list);
		c->place = n->begin;
		emit(c, OP_CALL, base, count, 0, 0);
	}
	if (base != target)
		emit(c, OP_MOVE, target, base, 0, 0);
	c->next = saved;
}

void compile_method(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, base = call_base(c, target);
	c->next = base + 1;
	expression_to(c, n->a, base);
	unsigned count = compile_arguments(c, n->list);
	c->place = n->begin;
	emit(c, OP_CALLM, base, count, text_constant(c, n->text, strlen(n->text)), new_cache(c));
	if (base != target)
		emit(c, OP_MOVE, target, base, 0, 0);
	c->next = saved;
}

/* A call of a hidden or ordinary native with nodes as arguments; NULL nodes are nil. */
void compile_native(struct compiler *c, const char *name, const struct node *n, unsigned target,
                    const struct node **arguments, unsigned count)
{
	unsigned saved = c->next, base = allocate(c, count ? count : 1);
	for (unsigned i = 0; i < count; i++) {
		if (arguments[i])
			expression_to(c, arguments[i], base + i);
		else
			emit(c, OP_LOADV, base + i, 0, 0, 0);
	}
	c->place = n->begin;
	call_native(c, name, base, count);
	if (target != base)
		emit(c, OP_MOVE, target, base, 0, 0);
	c->next = saved;
}

/* ---- literals ---- */
void compile_list(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, first = c->next, count = 0;
	bool started = false;
	for (const struct node *e = n->list; e; e = e->next) {
		expression_fresh(c, e);
		if (++count == 50 && e->next) { /* long literals are built in pieces */
			if (!started) {
				allocate(c, 1);
				emit(c, OP_LIST, first + 50, first, 50, 0);
				emit(c, OP_MOVE, first, first + 50, 0, 0);
				started = true;
			} else {
				call_native(c, "__extend", first, count + 1);
			}
			c->next = first + 1;
			count = 0;
		}
	}
	if (!started) {
		c->place = n->begin;
		emit(c, OP_LIST, target, first, count, 0);
	} else {
		call_native(c, "__extend", first, count + 1);
		emit(c, OP_MOVE, target, first, 0, 0);
	}
	c->next = saved;
}

void compile_pairs(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, first = c->next, count = 0;
	bool started = false;
	enum opcode op = n->kind == N_MAP ? OP_MAP : OP_DIST;
	for (const struct node *pair = n->list; pair; pair = pair->next) {
		expression_fresh(c, pair->a);
		expression_fresh(c, pair->b);
		if (++count == 40 && pair->next) {
			if (!started) {
				allocate(c, 1);
				emit(c, op, first + 80, first, 40, 0);
				emit(c, OP_MOVE, first, first + 80, 0, 0);
				started = true;
			} else {
				call_native(c, "__extend", first, 2 * count + 1);
			}
			c->next = first + 1;
			count = 0;
		}
	}
	c->place = n->begin;
	if (!started) {
		emit(c, op, target, first, count, 0);
	} else {
		call_native(c, "__extend", first, 2 * count + 1);
		emit(c, OP_MOVE, target, first, 0, 0);
	}
	c->next = saved;
}

void compile_new(struct compiler *c, const struct node *n, unsigned target)
{
	const struct node *shape = c->program->globals[n->a->integer].node;
	unsigned saved = c->next, first = c->next, count = 0;
	for (const struct node *field = shape->list; field; field = field->next, count++) {
		const struct node *given = n->list;
		while (given && strcmp(given->text, field->text) != 0)
			given = given->next;
		unsigned reg = allocate(c, 1);
		if (given)
			expression_to(c, given->a, reg);
		else if (field->a)
			expression_to(c, field->a, reg);
		else
			emit(c, OP_LOADV, reg, 0, 0, 0);
		check_type(c, &field->type, reg, field->text);
	}
	c->place = n->begin;
	unsigned holder = allocate(c, 1);
	emit(c, OP_GETG, holder, (unsigned)n->a->integer, 0, 0);
	emit(c, OP_STRUCT, target, first, count, holder);
	c->next = saved;
}

void compile_lambda_value(struct compiler *c, const struct node *n, unsigned target)
{
	struct proto *inner = compile_lambda(c, n);
	unsigned index = c->proto->inner_count;
	struct proto **more = realloc(c->proto->inner, (index + 1) * sizeof(struct proto *));
	if (!more)
		abort();
	c->proto->inner = more;
	c->proto->inner[c->proto->inner_count++] = inner;
	emit(c, OP_CLOSURE, target, index, 0, 0);
}
