/*
 * Expressions: operator precedence climbing over unary and postfix forms. From loose to tight:
 *   otherwise   try   ||   &&   == !=   < > <= >= in   | ^ & << >>   .. ..=   ++   + -   * / % ~/   - ! ~   **
 * . ( ) [ ] ?
 * Literals are parse_literal.c's.
 */
#include "parser_internal.h"

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

struct node *parse_inner(struct parser *p)
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

/* '{' and a word that begins a statement, and is no key of a map. */
static bool begins_block(struct parser *p)
{
	enum token_type word = peek_at(p, 1)->type;
	return check(p, TOK_LBRACE) && peek_at(p, 2)->type != TOK_COLON &&
	       (word == TOK_LET || word == TOK_VAR || word == TOK_IF || word == TOK_FOR ||
	        word == TOK_WHILE || word == TOK_RETURN || word == TOK_FAIL || word == TOK_TRY ||
	        word == TOK_SEND || word == TOK_LAUNCH);
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
	/* After => comes a value; a block is taken where no map can be meant. */
	if (match(p, TOK_FAT_ARROW) && !begins_block(p)) {
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
	case TOK_INT:
	case TOK_FLOAT:
	case TOK_DURATION:
		return parse_number(p);
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
