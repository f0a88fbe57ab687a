/*
 * Expressions to instructions. Operands are read where they are (a variable's register) or put into fresh
 * registers, so that writing the result never destroys an operand that is still to be read.
 */
#include "compile.h"

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

static bool literal_constant(struct compiler *c, const struct node *n, value *out)
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

static void compile_binary(struct compiler *c, const struct node *n, unsigned target, bool temporary)
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
		if (literal_constant(c, n->b, &k)) {
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

static bool is_comparison(const struct node *n)
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
		if (literal_constant(c, left, &k)) {
			left = n->b;
			right = n->a;
		}
		if (literal_constant(c, right, &k)) {
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
	if (is_comparison(n))
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

static void compile_truth(struct compiler *c, const struct node *n, unsigned target)
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

static void compile_call(struct compiler *c, const struct node *n, unsigned target)
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

static void compile_method(struct compiler *c, const struct node *n, unsigned target)
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
static void compile_native(struct compiler *c, const char *name, const struct node *n, unsigned target,
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
static void compile_list(struct compiler *c, const struct node *n, unsigned target)
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

static void compile_pairs(struct compiler *c, const struct node *n, unsigned target)
{
	unsigned saved = c->next, first = c->next, count = 0;
	bool started = false;
	enum opcode op = n->kind == N_MAP ? OP_MAP : OP_DIST;
	for (const struct node *pair = n->list; pair; pair = pair->next) {
		expression_fresh(c, pair->a);
		expression_fresh(c, pair->b);
		if (++count == 40 && pair->next) {
			if (n->kind == N_DIST && started) {
				call_native(c, "__extend", first, 2 * count + 1);
			} else if (!started) {
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

static void compile_new(struct compiler *c, const struct node *n, unsigned target)
{
	const struct node *shape = c->program->globals[n->a->integer].node;
	unsigned saved = c->next, first = c->next, count = 0;
	for (const struct node *field = shape->list; field; field = field->next, count++) {
		const struct node *given = n->list;
		while (given && strcmp(given->text, field->text))
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

static void compile_lambda_value(struct compiler *c, const struct node *n, unsigned target)
{
	struct proto *inner = compile_lambda(c, n);
	unsigned index = c->proto->inner_count;
	struct proto **more = realloc(c->proto->inner, (index + 1) * sizeof(*more));
	if (!more)
		abort();
	c->proto->inner = more;
	c->proto->inner[c->proto->inner_count++] = inner;
	emit(c, OP_CLOSURE, target, index, 0, 0);
}

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
		if (literal_constant(c, n, &k))
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
		if (is_comparison(n) && (n->a->kind == N_INT || n->b->kind == N_INT))
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
		fail = join(c, fail, emit_jump(c, OP_JF, base, 0));
		unsigned i = 0;
		for (const struct node *e = p->list; e; e = e->next, i++) {
			at = emit(c, OP_LOADI, base + 1, 0, 0, 0);
			c->proto->code[at].jump = (int32_t)i;
			emit(c, OP_GETIDX, base, reg, base + 1, 0);
			fail = join(c, fail, compile_pattern(c, e, base));
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
			fail = join(c, fail, emit_jump(c, OP_JF, base, 0));
			expression_to(c, pair->a, base + 1);
			emit(c, OP_GETIDX, base, reg, base + 1, 0);
			fail = join(c, fail, compile_pattern(c, pair->b, base));
		}
		if (!p->list) {
			emit(c, OP_MOVE, base, reg, 0, 0);
			call_native(c, "is_map", base, 1);
			fail = join(c, fail, emit_jump(c, OP_JF, base, 0));
		}
		c->next = saved;
		return fail;
	}
	case N_NEW: {
		unsigned base = allocate(c, 2);
		emit(c, OP_MOVE, base, reg, 0, 0);
		emit(c, OP_GETG, base + 1, (unsigned)p->a->integer, 0, 0);
		call_native(c, "__is_struct", base, 2);
		fail = join(c, fail, emit_jump(c, OP_JF, base, 0));
		for (const struct node *pair = p->list; pair; pair = pair->next) {
			emit(c, OP_GETFIELD, base, reg, text_constant(c, pair->text, strlen(pair->text)),
			     new_cache(c));
			fail = join(c, fail, compile_pattern(c, pair->a, base));
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
				hit = join(c, hit, emit_jump(c, OP_JMP, 0, 0));
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
		end = join(c, end, emit_jump(c, OP_JMP, 0, 0));
		patch_here(c, fail);
		c->next = arm_saved;
	}
	if (want)
		emit(c, OP_LOADV, target, 0, 0, 0); /* nothing matched: nil */
	patch_here(c, end);
	c->next = saved;
}
