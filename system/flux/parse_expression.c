/*
 * Expressions: operator precedence climbing over unary and postfix forms. From loose to tight:
 *   otherwise   try   ||   &&   == !=   < > <= >= in   | ^ & << >>   .. ..=   ++   + -   * / % ~/   - ! ~   **
 * . ( ) [ ] ?
 */
#include "parser.h"
#include "object.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum precedence {
	PREC_NONE,
	PREC_OTHERWISE,
	PREC_OR,
	PREC_AND,
	PREC_EQUALITY,
	PREC_COMPARISON,
	PREC_BITS,
	PREC_RANGE,
	PREC_CONCAT,
	PREC_TERM,
	PREC_FACTOR,
	PREC_UNARY,
};

static const uint8_t precedences[TOKEN_TYPES] = {
    [TOK_OTHERWISE] = PREC_OTHERWISE,
    [TOK_OR] = PREC_OR,
    [TOK_AND] = PREC_AND,
    [TOK_EQ] = PREC_EQUALITY,
    [TOK_NEQ] = PREC_EQUALITY,
    [TOK_LT] = PREC_COMPARISON,
    [TOK_GT] = PREC_COMPARISON,
    [TOK_LE] = PREC_COMPARISON,
    [TOK_GE] = PREC_COMPARISON,
    [TOK_IN] = PREC_COMPARISON,
    [TOK_PIPE] = PREC_BITS,
    [TOK_CARET] = PREC_BITS,
    [TOK_AMP] = PREC_BITS,
    [TOK_SHL] = PREC_BITS,
    [TOK_SHR] = PREC_BITS,
    [TOK_DOTDOT] = PREC_RANGE,
    [TOK_DOTDOT_EQ] = PREC_RANGE,
    [TOK_CONCAT] = PREC_CONCAT,
    [TOK_PLUS] = PREC_TERM,
    [TOK_MINUS] = PREC_TERM,
    [TOK_STAR] = PREC_FACTOR,
    [TOK_SLASH] = PREC_FACTOR,
    [TOK_PERCENT] = PREC_FACTOR,
    [TOK_TILDE_SLASH] = PREC_FACTOR,
};

static struct node *parse_unary(struct parser *p);
static struct node *parse_level(struct parser *p, unsigned least);
static struct node *parse_postfix(struct parser *p);

static struct node *binary(struct parser *p, struct node *left, const struct token *op, struct node *right)
{
	enum node_kind kind = N_BINARY;
	if (op->type == TOK_AND)
		kind = N_AND;
	else if (op->type == TOK_OR)
		kind = N_OR;
	else if (op->type == TOK_OTHERWISE)
		kind = N_OTHERWISE;
	else if (op->type == TOK_DOTDOT || op->type == TOK_DOTDOT_EQ)
		kind = N_RANGE;
	struct node *node = new_node(p, kind, left->begin);
	node->op = op->type;
	node->a = left;
	node->b = right;
	return finish(p, node);
}

static struct node *parse_level(struct parser *p, unsigned least)
{
	struct node *left = parse_unary(p);
	for (;;) {
		struct token *op = peek(p);
		unsigned level = precedences[op->type];
		if (p->too_deep || level < least || level == PREC_NONE)
			return left;
		advance(p);
		if (!enter(p))
			return left;
		struct node *right = parse_level(p, level + 1);
		leave(p);
		left = binary(p, left, op, right);
	}
}

struct node *parse_expression(struct parser *p)
{
	if (!enter(p))
		return new_node(p, N_NIL, peek(p)->begin);
	bool saved = p->no_struct;
	struct node *node = parse_level(p, PREC_OTHERWISE);
	p->no_struct = saved;
	leave(p);
	return node;
}

struct node *parse_condition(struct parser *p)
{
	bool saved = p->no_struct;
	p->no_struct = true;
	struct node *node = parse_expression(p);
	p->no_struct = saved;
	return node;
}

/* Inside brackets a struct may stand again. */
static struct node *parse_inner(struct parser *p)
{
	bool saved = p->no_struct;
	p->no_struct = false;
	struct node *node = parse_expression(p);
	p->no_struct = saved;
	return node;
}

static struct node *parse_unary(struct parser *p)
{
	struct token *t = peek(p);
	if (t->type == TOK_MINUS || t->type == TOK_NOT || t->type == TOK_TILDE || t->type == TOK_TRY) {
		if (!enter(p))
			return new_node(p, N_NIL, t->begin);
		advance(p);
		struct node *node = new_node(p, t->type == TOK_TRY ? N_TRY : N_UNARY, t->begin);
		node->op = t->type;
		/* try reaches over the whole expression, up to otherwise. */
		node->a = t->type == TOK_TRY ? parse_level(p, PREC_OR) : parse_unary(p);
		leave(p);
		return finish(p, node);
	}
	struct node *left = parse_postfix(p);
	if (check(p, TOK_POWER)) {
		struct token *op = advance(p);
		if (!enter(p))
			return left;
		struct node *right = parse_unary(p);
		leave(p);
		left = binary(p, left, op, right);
	}
	return left;
}

/* Arguments up to ')'. A name in front of one (key: x, key = x) goes to its text. */
static struct node *parse_arguments(struct parser *p)
{
	struct node *first = NULL, *last = NULL;
	expect(p, TOK_LPAREN);
	while (!check(p, TOK_RPAREN) && !check(p, TOK_EOF) && !p->panic) {
		const char *name = NULL;
		if (check(p, TOK_IDENT) &&
		    (peek_at(p, 1)->type == TOK_COLON || peek_at(p, 1)->type == TOK_ASSIGN)) {
			name = expect_name(p, "a name");
			advance(p);
		}
		struct node *argument = parse_inner(p);
		if (name) {
			struct node *pair = new_node(p, N_PAIR, argument->begin);
			pair->text = name;
			pair->a = argument;
			argument = finish(p, pair);
		}
		append(&first, &last, argument);
		if (!match(p, TOK_COMMA))
			break;
	}
	expect(p, TOK_RPAREN);
	return first;
}

static struct node *parse_call(struct parser *p, struct node *callee)
{
	struct node *node = new_node(p, N_CALL, callee->begin);
	node->a = callee;
	node->list = parse_arguments(p);
	return finish(p, node);
}

static struct node *parse_index(struct parser *p, struct node *object)
{
	struct node *node = new_node(p, N_INDEX, object->begin);
	advance(p);
	node->a = object;
	if (!check(p, TOK_COLON))
		node->b = parse_inner(p);
	if (match(p, TOK_COLON)) {
		node->kind = N_SLICE;
		if (!check(p, TOK_RBRACKET))
			node->c = parse_inner(p);
	}
	expect(p, TOK_RBRACKET);
	return finish(p, node);
}

static struct node *parse_struct_literal(struct parser *p, struct node *name)
{
	struct node *node = new_node(p, N_NEW, name->begin), *last = NULL;
	node->text = name->text;
	node->a = name;
	advance(p);
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->panic) {
		struct node *pair = new_node(p, N_PAIR, peek(p)->begin);
		pair->text = expect_name(p, "a field name");
		if (!pair->text || !expect(p, TOK_COLON))
			break;
		pair->a = parse_inner(p);
		append(&node->list, &last, finish(p, pair));
		if (!match(p, TOK_COMMA))
			break;
	}
	expect(p, TOK_RBRACE);
	return finish(p, node);
}

static struct node *parse_primary(struct parser *p);

static struct node *parse_postfix(struct parser *p)
{
	struct node *node = parse_primary(p);
	while (!p->panic) {
		if (check(p, TOK_LPAREN)) {
			node = parse_call(p, node);
		} else if (check(p, TOK_LBRACKET)) {
			node = parse_index(p, node);
		} else if (check(p, TOK_DOT)) {
			struct node *member = new_node(p, N_FIELD, node->begin);
			advance(p);
			/* Any word may be a member: `x.in`, `event.trigger`. */
			struct token *t = peek(p);
			if (t->type >= TOK_INTENTION && t->type <= TOK_THEN) {
				member->text =
				    source_intern(p->source, p->source->text + t->begin, t->end - t->begin);
				advance(p);
			} else {
				member->text = expect_name(p, "a member name");
			}
			if (!member->text)
				return node;
			member->a = node;
			if (check(p, TOK_LPAREN)) {
				member->kind = N_METHOD;
				member->list = parse_arguments(p);
			}
			node = finish(p, member);
		} else if (check(p, TOK_QUESTION)) {
			struct node *propagate = new_node(p, N_PROPAGATE, node->begin);
			advance(p);
			propagate->a = node;
			node = finish(p, propagate);
		} else if (check(p, TOK_LBRACE) && node->kind == N_NAME && !p->no_struct) {
			node = parse_struct_literal(p, node);
		} else {
			break;
		}
	}
	return node;
}

static int64_t parse_integer(struct parser *p, const struct token *t, bool *is_float, double *number)
{
	const char *text = p->source->text + t->begin;
	uint64_t value = 0;
	uint32_t length = t->end - t->begin, i = 0;
	unsigned base = 10;
	*is_float = false;
	if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'b')) {
		base = text[1] == 'x' ? 16 : 2;
		i = 2;
	}
	for (; i < length; i++) {
		unsigned digit =
		    text[i] <= '9' ? (unsigned)(text[i] - '0') : (unsigned)(text[i] | 32) - 'a' + 10;
		if (text[i] == '_')
			continue;
		uint64_t next;
		if (__builtin_mul_overflow(value, base, &next) ||
		    __builtin_add_overflow(next, digit, &next) || (base == 10 && next > INT64_MAX)) {
			if (base != 10) {
				parse_error(p, t, "an integer has 64 bits", "this number does not fit");
				return 0;
			}
			/* A whole number beyond 64 bits is a float, as results of that size are. */
			*is_float = true;
			*number = strtod(text, NULL);
			return 0;
		}
		value = next;
	}
	return (int64_t)value;
}

static struct node *parse_string(struct parser *p)
{
	struct token *t = advance(p);
	struct node *node = new_node(p, N_STRING, t->begin);
	const char *text = p->source->text + t->begin + 1;
	uint32_t length = t->end - t->begin;
	length = length >= 2 ? length - 2 : 0;
	char *bytes = arena_allocate(&p->source->arena, length + 1u);
	for (uint32_t i = 0; i < length; i++) {
		char c = text[i];
		if (c == '\\' && i + 1 < length) {
			c = text[++i];
			if (c == 'u' && i + 1 < length && text[i + 1] == '{') {
				uint32_t code = 0, digits = 0;
				for (i += 2; i < length && text[i] != '}' && digits < 7; i++, digits++) {
					char d = text[i] | 32;
					code =
					    code * 16 + (uint32_t)(d >= 'a' ? d - 'a' + 10 : text[i] - '0');
				}
				char *to = bytes + node->length;
				if (!digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
					parse_error(
					    p, t, "\\u{...} takes the number of a character, in hexadecimal",
					    "no such character");
				} else if (code < 0x80) {
					to[0] = (char)code;
					node->length += 1;
				} else if (code < 0x800) {
					to[0] = (char)(0xC0 | code >> 6);
					to[1] = (char)(0x80 | (code & 63));
					node->length += 2;
				} else if (code < 0x10000) {
					to[0] = (char)(0xE0 | code >> 12);
					to[1] = (char)(0x80 | (code >> 6 & 63));
					to[2] = (char)(0x80 | (code & 63));
					node->length += 3;
				} else {
					to[0] = (char)(0xF0 | code >> 18);
					to[1] = (char)(0x80 | (code >> 12 & 63));
					to[2] = (char)(0x80 | (code >> 6 & 63));
					to[3] = (char)(0x80 | (code & 63));
					node->length += 4;
				}
				continue;
			}
			c = c == 'n'   ? '\n'
			    : c == 't' ? '\t'
			    : c == 'r' ? '\r'
			    : c == '0' ? 0
			    : c == 'e' ? 27
			               : c;
		}
		bytes[node->length++] = c;
	}
	node->text = bytes;
	return finish(p, node);
}

static struct node *parse_list(struct parser *p)
{
	struct node *node = new_node(p, N_LIST, advance(p)->begin), *last = NULL;
	while (!check(p, TOK_RBRACKET) && !check(p, TOK_EOF) && !p->panic) {
		append(&node->list, &last, parse_inner(p));
		if (!match(p, TOK_COMMA))
			break;
	}
	expect(p, TOK_RBRACKET);
	return finish(p, node);
}

/* ": VALUE", after a pair's key. False: it was the last. */
static bool parse_pair_end(struct parser *p, struct node *pair, struct node *node, struct node **last)
{
	if (!expect(p, TOK_COLON))
		return false;
	pair->b = parse_inner(p);
	append(&node->list, last, finish(p, pair));
	return match(p, TOK_COMMA);
}

static struct node *parse_map(struct parser *p)
{
	struct node *node = new_node(p, N_MAP, advance(p)->begin), *last = NULL;
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->panic) {
		struct node *pair = new_node(p, N_PAIR, peek(p)->begin);
		struct token *t = peek(p);
		if ((t->type == TOK_IDENT || (t->type >= TOK_INTENTION && t->type <= TOK_THEN)) &&
		    peek_at(p, 1)->type == TOK_COLON) {
			struct node *key = new_node(p, N_STRING, t->begin);
			advance(p);
			key->text = source_intern(p->source, p->source->text + t->begin, t->end - t->begin);
			key->length = t->end - t->begin;
			pair->a = finish(p, key);
		} else {
			pair->a = parse_inner(p);
		}
		if (!parse_pair_end(p, pair, node, &last))
			break;
	}
	expect(p, TOK_RBRACE);
	return finish(p, node);
}

static struct node *parse_dist(struct parser *p)
{
	struct node *node = new_node(p, N_DIST, advance(p)->begin), *last = NULL;
	if (!expect(p, TOK_LBRACE))
		return node;
	if (check(p, TOK_RBRACE)) {
		parse_error(p, peek(p), "write at least one value:weight pair", "empty dist literal");
		p->panic = false;
		advance(p);
		return finish(p, node);
	}
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->panic) {
		struct node *pair = new_node(p, N_PAIR, peek(p)->begin);
		pair->a = parse_inner(p);
		if (!parse_pair_end(p, pair, node, &last))
			break;
	}
	expect(p, TOK_RBRACE);
	return finish(p, node);
}

static struct node *parse_listen(struct parser *p)
{
	struct node *node = new_node(p, N_LISTEN, advance(p)->begin);
	if (!expect(p, TOK_LPAREN))
		return node;
	/* A bare name is the source of that name, as in 1.2; anything else is evaluated. */
	if (check(p, TOK_IDENT) && (peek_at(p, 1)->type == TOK_COMMA || peek_at(p, 1)->type == TOK_RPAREN))
		node->text = expect_name(p, "a source");
	else
		node->a = parse_inner(p);
	if (match(p, TOK_COMMA)) {
		node->b = parse_inner(p);
		if (match(p, TOK_COMMA))
			node->c = parse_inner(p);
	}
	expect(p, TOK_RPAREN);
	return finish(p, node);
}

static struct node *parse_collapse(struct parser *p)
{
	struct node *node = new_node(p, N_COLLAPSE, advance(p)->begin);
	if (!expect(p, TOK_LPAREN))
		return node;
	node->a = parse_inner(p);
	expect(p, TOK_COMMA);
	struct token *t = peek(p);
	if (t->type == TOK_IDENT) {
		node->text = expect_name(p, "a method");
	} else if (t->type == TOK_STRING) {
		struct node *method = parse_string(p);
		node->text = source_intern(p->source, method->text, method->length);
	} else if (!p->panic) {
		parse_error(p, t, "one of first, max_weight, mean, weighted_random, random, learn",
		            "expected a collapse method, found %s", describe(p, t));
		if (check(p, TOK_RPAREN)) {
			p->panic = false;
			advance(p);
		}
		return finish(p, node);
	}
	if (check(p, TOK_LPAREN)) {
		advance(p);
		node->b = parse_inner(p);
		expect(p, TOK_RPAREN);
	} else if (match(p, TOK_COMMA)) {
		node->b = parse_inner(p);
	}
	expect(p, TOK_RPAREN);
	return finish(p, node);
}

static struct node *parse_lambda(struct parser *p)
{
	struct token *t = advance(p);
	struct node *node = new_node(p, N_LAMBDA, t->begin);
	if (t->type == TOK_LAMBDA) { /* lambda a, b: expression */
		node->list = parse_parameters(p, TOK_COLON);
		node->b = parse_expression(p);
		return finish(p, node);
	}
	if (!expect(p, TOK_LPAREN))
		return node;
	node->list = parse_parameters(p, TOK_RPAREN);
	if (match(p, TOK_ARROW))
		node->type = parse_type(p);
	if (match(p, TOK_FAT_ARROW)) {
		node->b = parse_expression(p);
	} else {
		bool saved = p->no_struct;
		p->no_struct = false;
		node->a = parse_block(p);
		p->no_struct = saved;
	}
	return finish(p, node);
}

static struct node *parse_if_expression(struct parser *p)
{
	struct node *node = new_node(p, N_IF_EXPR, advance(p)->begin);
	node->a = parse_expression(p);
	expect(p, TOK_THEN);
	node->b = parse_expression(p);
	expect(p, TOK_ELSE);
	node->c = parse_expression(p);
	return finish(p, node);
}

/* A pattern is an expression tree in which a name binds, _ matches all, and lists, maps and structs are taken
 * apart. */
static struct node *parse_match(struct parser *p)
{
	struct node *node = new_node(p, N_MATCH, advance(p)->begin), *last = NULL;
	node->a = parse_condition(p);
	expect(p, TOK_LBRACE);
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->panic) {
		struct node *arm = new_node(p, N_ARM, peek(p)->begin), *pattern_last = NULL;
		bool saved = p->no_struct;
		p->no_struct = false;
		do {
			/* Below '|', which joins alternatives here. */
			append(&arm->list, &pattern_last, parse_level(p, PREC_BITS + 1));
		} while (match(p, TOK_PIPE));
		p->no_struct = saved;
		if (match(p, TOK_IF))
			arm->c = parse_expression(p);
		expect(p, TOK_FAT_ARROW);
		if (check(p, TOK_LBRACE)) {
			p->no_struct = false;
			arm->a = parse_block(p);
			p->no_struct = saved;
		} else if (check(p, TOK_SEND) || check(p, TOK_RETURN) || check(p, TOK_FAIL) ||
		           check(p, TOK_BREAK) || check(p, TOK_CONTINUE)) {
			struct node *block = new_node(p, N_BLOCK, peek(p)->begin);
			block->list = parse_statement(p);
			arm->a = finish(p, block);
		} else {
			p->no_struct = false;
			arm->b = parse_expression(p);
			p->no_struct = saved;
		}
		append(&node->list, &last, finish(p, arm));
		if (!match(p, TOK_COMMA) && !match(p, TOK_SEMICOLON) && !arm->a && !check(p, TOK_RBRACE)) {
			parse_error(p, peek(p), "arms are separated by ','", "expected ',' or '}', found %s",
			            describe(p, peek(p)));
			break;
		}
	}
	expect(p, TOK_RBRACE);
	return finish(p, node);
}

static struct node *parse_primary(struct parser *p)
{
	struct token *t = peek(p);
	struct node *node;
	switch (t->type) {
	case TOK_INT: {
		bool is_float;
		double number = 0;
		int64_t integer = parse_integer(p, t, &is_float, &number);
		advance(p);
		node = new_node(p, is_float ? N_FLOAT : N_INT, t->begin);
		if (is_float)
			node->number = number;
		else
			node->integer = integer;
		return finish(p, node);
	}
	case TOK_FLOAT: {
		char digits[128];
		uint32_t length = 0;
		for (uint32_t i = t->begin; i < t->end && length < sizeof(digits) - 1; i++)
			if (p->source->text[i] != '_')
				digits[length++] = p->source->text[i];
		digits[length] = 0;
		advance(p);
		node = new_node(p, N_FLOAT, t->begin);
		node->number = strtod(digits, NULL);
		return finish(p, node);
	}
	case TOK_DURATION: {
		advance(p);
		node = new_node(p, N_DURATION, t->begin);
		node->text = source_intern(p->source, p->source->text + t->begin, t->end - t->begin);
		node->length = t->end - t->begin;
		if (!duration_parse(node->text, node->length, &node->integer))
			parse_error(p, t, "a duration fits 64 bits of nanoseconds: up to 292 years",
			            "this duration is too long");
		return finish(p, node);
	}
	case TOK_STRING:
		return parse_string(p);
	case TOK_TRUE:
	case TOK_FALSE:
		advance(p);
		node = new_node(p, N_BOOL, t->begin);
		node->integer = t->type == TOK_TRUE;
		return finish(p, node);
	case TOK_NIL:
		advance(p);
		return finish(p, new_node(p, N_NIL, t->begin));
	case TOK_IDENT:
		node = new_node(p, N_NAME, t->begin);
		node->text = expect_name(p, "a name");
		return finish(p, node);
	case TOK_LPAREN:
		advance(p);
		node = parse_inner(p);
		expect(p, TOK_RPAREN);
		return node;
	case TOK_LBRACKET:
		return parse_list(p);
	case TOK_LBRACE:
		return parse_map(p);
	case TOK_DIST:
		return parse_dist(p);
	case TOK_LISTEN:
		return parse_listen(p);
	case TOK_COLLAPSE:
		return parse_collapse(p);
	case TOK_FN:
	case TOK_LAMBDA:
		return parse_lambda(p);
	case TOK_IF:
		return parse_if_expression(p);
	case TOK_MATCH:
		return parse_match(p);
	default:
		parse_error(p, t, "a value, a name or '(' can stand here",
		            "unexpected %s where a value belongs", describe(p, t));
		return new_node(p, N_NIL, t->begin);
	}
}
