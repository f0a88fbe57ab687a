/*
 * Declarations and statements, by recursive descent. After an error the parser skips to where a statement or
 * a declaration begins and goes on, so that one run reports several mistakes.
 *
 * Children of the nodes made here: N_LET text type a=value; N_ASSIGN op a=target b=value; N_IF a b c; N_WHILE
 * a b; N_FOR text (second name in c->text) a=source b=body; N_RETURN a; N_LAUNCH text list; N_SEND a b c;
 * N_EXPR a; N_BLOCK list; N_CATCH a=block text b=block; N_FAIL a; N_INTENTION text list of N_CLAUSE (op:
 * which; a: expression or block); N_FUNCTION, N_FLOW text list of N_PARAM type a=body; N_STRUCT text list of
 * N_PARAM (a: default); N_MOSAIC, N_CONST, N_STATE text a; N_IMPORT text=alias a=path; N_TEST text a=block;
 * N_PARADOX text list of N_CLAUSE.
 */
#include "parser_internal.h"

#include <string.h>

struct node *new_node(struct parser *p, enum node_kind kind, uint32_t begin)
{
	struct node *node = arena_allocate(&p->source->arena, sizeof(*node));
	node->kind = (uint8_t)kind;
	node->begin = begin;
	node->end = begin;
	return node;
}

static unsigned below(const struct node *child, unsigned height)
{
	return child && child->height >= height ? child->height + 1u : height;
}

struct node *finish(struct parser *p, struct node *node)
{
	node->end = p->at ? p->source->tokens[p->at - 1].end : node->begin;
	if (node->end < node->begin)
		node->end = node->begin;
	unsigned height = below(node->a, below(node->b, below(node->c, 0)));
	for (const struct node *child = node->list; child; child = child->next)
		height = below(child, height);
	if (height > HEIGHT_MAX) {
		if (!p->too_deep)
			parse_error(p, &p->source->tokens[p->at ? p->at - 1 : 0],
			            "give the part before here a name with let, or build it in a loop",
			            "a chain of over %d operators or calls", HEIGHT_MAX);
		p->too_deep = p->panic = true;
		height = HEIGHT_MAX;
	}
	node->height = (uint16_t)height;
	return node;
}

void append(struct node **first, struct node **last, struct node *node)
{
	if (*last)
		(*last)->next = node;
	else
		*first = node;
	*last = node;
}

const char *describe(struct parser *p, const struct token *token)
{
	static _Thread_local char buffer[80];
	unsigned length = token->end - token->begin;
	const char *text = p->source->text + token->begin;
	if (token->type == TOK_EOF)
		return "the end of the file";
	if (length > 30)
		length = 30;
	const char *what = token->type == TOK_STRING ? "the string " : "";
	if (token->type == TOK_STRING)
		snprintf(buffer, sizeof(buffer), "%s%.*s", what, (int)length, text);
	else
		snprintf(buffer, sizeof(buffer), "'%.*s'", (int)length, text);
	return buffer;
}

void parse_error(struct parser *p, const struct token *token, const char *hint, const char *format, ...)
{
	char message[200];
	va_list args;
	if (p->panic)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	source_error(p->source, token->begin, token->end, hint, "%s", message);
	p->panic = true;
}

bool enter(struct parser *p)
{
	if (p->depth++ < NESTING_MAX)
		return true;
	p->depth--;
	if (!p->too_deep)
		parse_error(p, peek(p), "move the inner part into a function of its own",
		            "nested over %d levels deep", NESTING_MAX);
	p->too_deep = p->panic = true;
	return false;
}

void leave(struct parser *p)
{
	p->depth--;
}

bool expect(struct parser *p, enum token_type type)
{
	char hint[64];
	if (match(p, type))
		return true;
	snprintf(hint, sizeof(hint), "add %s here", token_names[type]);
	parse_error(p, peek(p), hint, "expected %s, found %s", token_names[type], describe(p, peek(p)));
	return false;
}

void expect_semicolon(struct parser *p)
{
	if (match(p, TOK_SEMICOLON) || p->panic)
		return;
	if (p->at && peek(p)->line_before) {
		/* Forgotten at the end of the line before: say so there, and go on as if it stood there. */
		uint32_t end = p->source->tokens[p->at - 1].end;
		source_error(p->source, end, end + 1, "add ';' at the end of this line", "expected ';'");
		return;
	}
	expect(p, TOK_SEMICOLON);
}

const char *expect_name(struct parser *p, const char *what)
{
	struct token *t = peek(p);
	if (t->type == TOK_IDENT) {
		advance(p);
		return source_intern(p->source, p->source->text + t->begin, t->end - t->begin);
	}
	if (t->type >= TOK_INTENTION && t->type <= TOK_THEN)
		parse_error(p, t, "this word has a meaning of its own; choose another name",
		            "expected %s, found %s", what, describe(p, t));
	else
		parse_error(p, t, "a name begins with a letter or '_'", "expected %s, found %s", what,
		            describe(p, t));
	return NULL;
}

bool is_word(struct parser *p, const struct token *token, const char *word)
{
	return token->type == TOK_IDENT && token->end - token->begin == strlen(word) &&
	       !memcmp(p->source->text + token->begin, word, strlen(word));
}

/* ---- types ---- */
struct type_note parse_type(struct parser *p)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} known[] = {{"int", TYPE_NUMBER},
	             {"float", TYPE_NUMBER},
	             {"number", TYPE_NUMBER},
	             {"int64", TYPE_INTEGER},
	             {"string", TYPE_STRING},
	             {"bool", TYPE_BOOL},
	             {"list", TYPE_LIST},
	             {"map", TYPE_MAP},
	             {"duration", TYPE_DURATION},
	             {"dist", TYPE_DIST},
	             {"function", TYPE_FUNCTION},
	             {"error", TYPE_ERROR},
	             {"capability", TYPE_CAPABILITY}};
	struct type_note type = {0};
	if (match(p, TOK_DIST)) {
		type.kind = TYPE_DIST;
		type.name = "dist";
	} else if (match(p, TOK_FUNCTION)) {
		type.kind = TYPE_FUNCTION;
		type.name = "function";
	} else if (match(p, TOK_CAUSAL_MOSAIC)) {
		type.kind = TYPE_MOSAIC;
		type.name = "causal_mosaic";
	} else if (match(p, TOK_NIL)) {
		type.kind = TYPE_NIL;
		type.name = "nil";
	} else {
		type.name = expect_name(p, "a type");
		if (!type.name)
			return type;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (!strcmp(type.name, known[i].name))
				type.kind = known[i].kind;
		if (!type.kind && strcmp(type.name, "any") != 0)
			type.kind = TYPE_STRUCT; /* resolve.c drops it if no struct has that name */
	}
	if (match(p, TOK_LT)) { /* list<int>: the inside is for the reader */
		for (unsigned depth = 1; depth && !check(p, TOK_EOF);) {
			uint8_t t = advance(p)->type;
			depth += t == TOK_LT;
			depth -= t == TOK_GT ? 1 : t == TOK_SHR && depth > 1 ? 2 : 0;
		}
	}
	if (match(p, TOK_QUESTION))
		type.kind |= TYPE_OPTIONAL;
	return type;
}

struct node *parse_parameters(struct parser *p, enum token_type end)
{
	struct node *first = NULL, *last = NULL;
	while (!check(p, end) && !check(p, TOK_EOF) && !p->panic) {
		struct node *param = new_node(p, N_PARAM, peek(p)->begin);
		param->text = expect_name(p, "a parameter name");
		if (end != TOK_COLON && match(p, TOK_COLON))
			param->type = parse_type(p);
		if (match(p, TOK_ASSIGN))
			param->a = parse_expression(p);
		append(&first, &last, finish(p, param));
		if (!match(p, TOK_COMMA))
			break;
	}
	expect(p, end);
	return first;
}

/* ---- statements ---- */
/* Skips to the next place where a statement may begin. */
void parse_recover(struct parser *p)
{
	unsigned depth = 0;
	p->panic = false;
	while (!check(p, TOK_EOF)) {
		struct token *t = peek(p);
		if (!depth) {
			if (t->type == TOK_SEMICOLON) {
				advance(p);
				return;
			}
			if (t->type == TOK_RBRACE)
				return;
			if (t->line_before &&
			    ((t->type >= TOK_INTENTION && t->type <= TOK_WHILE) || t->type == TOK_RETURN ||
			     t->type == TOK_LAUNCH || t->type == TOK_SEND))
				return;
		}
		if (t->type == TOK_LBRACE)
			depth++;
		if (t->type == TOK_RBRACE)
			depth--;
		advance(p);
		if (t->type == TOK_RBRACE && !depth)
			return;
	}
}

bool parse_begins_declaration(struct parser *p)
{
	switch (peek(p)->type) {
	case TOK_INTENTION:
	case TOK_FLOW:
	case TOK_STRUCT:
	case TOK_CAUSAL_MOSAIC:
		return true;
	case TOK_FUNCTION:
		return peek_at(p, 1)->type == TOK_IDENT;
	default:
		return false;
	}
}

struct node *parse_block(struct parser *p)
{
	struct node *block = new_node(p, N_BLOCK, peek(p)->begin), *last = NULL;
	if (!expect(p, TOK_LBRACE) || !enter(p))
		return block;
	bool saved = p->no_struct;
	p->no_struct = false;
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->too_deep) {
		if (parse_begins_declaration(p) && peek(p)->line_before) {
			break; /* the '}' is missing: the next declaration begins */
		}
		uint32_t before = p->at;
		struct node *statement = parse_statement(p);
		if (statement)
			append(&block->list, &last, statement);
		if (p->panic)
			parse_recover(p);
		if (p->at == before)
			advance(p);
	}
	p->no_struct = saved;
	leave(p);
	if (!check(p, TOK_RBRACE)) {
		unsigned line, column;
		char hint[80];
		source_position(p->source, block->begin, &line, &column);
		snprintf(hint, sizeof(hint), "the '{' of line %u is still open", line);
		parse_error(p, peek(p), hint, "expected '}', found %s", describe(p, peek(p)));
		p->panic = false;
	} else {
		advance(p);
	}
	return finish(p, block);
}

static struct node *parse_let(struct parser *p)
{
	struct node *node = new_node(p, N_LET, advance(p)->begin);
	node->text = expect_name(p, "a variable name");
	if (match(p, TOK_COLON))
		node->type = parse_type(p);
	expect(p, TOK_ASSIGN);
	if (!p->panic)
		node->a = parse_expression(p);
	expect_semicolon(p);
	return finish(p, node);
}

static struct node *parse_if(struct parser *p)
{
	struct node *node = new_node(p, N_IF, advance(p)->begin);
	node->a = parse_condition(p);
	node->b = parse_block(p);
	if (match(p, TOK_ELSE)) {
		if (check(p, TOK_IF)) {
			/* `else if` chains may be long: they are not nesting. Each is an N_IF in the c of the
			 * one before. */
			node->c = enter(p) ? parse_if(p) : NULL;
			leave(p);
		} else {
			node->c = parse_block(p);
		}
	}
	return finish(p, node);
}

/* `if c then a else b;` as a statement is an expression. */
static bool is_if_expression(struct parser *p)
{
	unsigned depth = 0;
	for (uint32_t i = 1;; i++) {
		uint8_t t = peek_at(p, i)->type;
		if (t == TOK_LPAREN || t == TOK_LBRACKET)
			depth++;
		else if ((t == TOK_RPAREN || t == TOK_RBRACKET) && depth)
			depth--;
		else if (t == TOK_THEN && !depth)
			return true;
		else if ((t == TOK_LBRACE && !depth) || t == TOK_SEMICOLON || t == TOK_EOF)
			return false;
	}
}

static struct node *parse_for(struct parser *p)
{
	struct node *node = new_node(p, N_FOR, advance(p)->begin);
	node->text = expect_name(p, "a variable name");
	if (match(p, TOK_COMMA)) {
		node->c = new_node(p, N_NAME, peek(p)->begin);
		node->c->text = expect_name(p, "a variable name");
	}
	expect(p, TOK_IN);
	node->a = parse_condition(p);
	node->b = parse_block(p);
	return finish(p, node);
}

static struct node *parse_launch(struct parser *p)
{
	struct node *node = new_node(p, N_LAUNCH, advance(p)->begin), *last = NULL;
	expect(p, TOK_LPAREN);
	node->text = expect_name(p, "the name of an intention or flow");
	while (!p->panic && match(p, TOK_COMMA) && !check(p, TOK_RPAREN))
		append(&node->list, &last, parse_expression(p));
	expect(p, TOK_RPAREN);
	expect_semicolon(p);
	return finish(p, node);
}

static struct node *parse_send(struct parser *p)
{
	struct node *node = new_node(p, N_SEND, advance(p)->begin);
	expect(p, TOK_LPAREN);
	if (!p->panic)
		node->a = parse_expression(p);
	expect(p, TOK_COMMA);
	if (!p->panic)
		node->b = parse_expression(p);
	if (!p->panic && match(p, TOK_COMMA) && !check(p, TOK_RPAREN))
		node->c = parse_expression(p);
	expect(p, TOK_RPAREN);
	expect_semicolon(p);
	return finish(p, node);
}

static struct node *parse_assignment(struct parser *p)
{
	uint32_t begin = peek(p)->begin;
	struct node *target = parse_expression(p);
	uint8_t op = peek(p)->type;
	if (op >= TOK_ASSIGN && op <= TOK_CONCAT_ASSIGN) {
		struct node *node = new_node(p, N_ASSIGN, begin);
		struct token *t = advance(p);
		node->op = op;
		node->a = target;
		if (target->kind != N_NAME && target->kind != N_FIELD && target->kind != N_INDEX &&
		    !p->panic) {
			struct token place = *t;
			place.begin = target->begin;
			place.end = target->end;
			parse_error(p, &place, "only a variable, a field or an element can be assigned to",
			            "cannot assign to this");
			p->panic = false;
		}
		node->b = parse_expression(p);
		expect_semicolon(p);
		return finish(p, node);
	}
	struct node *node = new_node(p, N_EXPR, begin);
	node->a = target;
	if (target->kind == N_MATCH && !check(p, TOK_SEMICOLON))
		return finish(p, node); /* match { ... } needs no ';' */
	expect_semicolon(p);
	return finish(p, node);
}

struct node *parse_statement(struct parser *p)
{
	struct node *node;
	struct token *t = peek(p);
	if (!enter(p))
		return NULL;
	switch (t->type) {
	case TOK_LET:
	case TOK_VAR:
		node = parse_let(p);
		break;
	case TOK_IF:
		if (is_if_expression(p))
			node = parse_assignment(p);
		else
			node = parse_if(p);
		break;
	case TOK_FOR:
		node = parse_for(p);
		break;
	case TOK_WHILE:
		node = new_node(p, N_WHILE, advance(p)->begin);
		node->a = parse_condition(p);
		node->b = parse_block(p);
		finish(p, node);
		break;
	case TOK_RETURN:
		node = new_node(p, N_RETURN, advance(p)->begin);
		if (!check(p, TOK_SEMICOLON) && !check(p, TOK_RBRACE) && !peek(p)->line_before)
			node->a = parse_expression(p);
		expect_semicolon(p);
		finish(p, node);
		break;
	case TOK_BREAK:
	case TOK_CONTINUE:
		node = new_node(p, t->type == TOK_BREAK ? N_BREAK : N_CONTINUE, advance(p)->begin);
		expect_semicolon(p);
		finish(p, node);
		break;
	case TOK_FAIL:
		node = new_node(p, N_FAIL, advance(p)->begin);
		node->a = parse_expression(p);
		expect_semicolon(p);
		finish(p, node);
		break;
	case TOK_TRY:
		if (peek_at(p, 1)->type == TOK_LBRACE) {
			node = new_node(p, N_CATCH, advance(p)->begin);
			node->a = parse_block(p);
			if (expect(p, TOK_CATCH)) {
				bool paren = match(p, TOK_LPAREN);
				if (!check(p, TOK_LBRACE))
					node->text = expect_name(p, "a name for the error");
				if (paren)
					expect(p, TOK_RPAREN);
				node->b = parse_block(p);
			}
			finish(p, node);
			break;
		}
		node = parse_assignment(p);
		break;
	case TOK_LAUNCH:
		node = parse_launch(p);
		break;
	case TOK_SEND:
		node = parse_send(p);
		break;
	case TOK_LBRACE:
		node = parse_block(p);
		break;
	case TOK_SEMICOLON:
		parse_error(p, t, "remove it", "a ';' with no statement");
		p->panic = false;
		advance(p);
		node = NULL;
		break;
	default:
		node = parse_assignment(p);
	}
	leave(p);
	return node;
}
