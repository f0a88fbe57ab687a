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
#include "parser.h"

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
		if (!type.kind && strcmp(type.name, "any"))
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
static void recover(struct parser *p)
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

static bool begins_declaration(struct parser *p)
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
		if (begins_declaration(p) && peek(p)->line_before) {
			break; /* the '}' is missing: the next declaration begins */
		}
		uint32_t before = p->at;
		struct node *statement = parse_statement(p);
		if (statement)
			append(&block->list, &last, statement);
		if (p->panic)
			recover(p);
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

/* ---- declarations ---- */
static const struct {
	const char *word;
	uint8_t clause;
	bool block, paradox;
} clauses[] = {
    {"trigger", CLAUSE_TRIGGER, 0, 0},     {"when", CLAUSE_TRIGGER, 0, 0},
    {"condition", CLAUSE_CONDITION, 0, 0}, {"given", CLAUSE_CONDITION, 0, 0},
    {"priority", CLAUSE_PRIORITY, 0, 0},   {"execute", CLAUSE_EXECUTE, 1, 0},
    {"do", CLAUSE_EXECUTE, 1, 0},          {"until", CLAUSE_UNTIL, 0, 0},
    {"within", CLAUSE_WITHIN, 0, 0},       {"budget", CLAUSE_BUDGET, 0, 0},
    {"fail", CLAUSE_FAIL, 1, 0},           {"goal", CLAUSE_GOAL, 0, 0},
    {"cost", CLAUSE_COST, 0, 0},           {"retries", CLAUSE_RETRIES, 0, 0},
    {"vary", CLAUSE_VARY, 0, 1},           {"keep", CLAUSE_KEEP, 0, 1},
    {"judge", CLAUSE_JUDGE, 0, 1},         {"limit", CLAUSE_LIMIT, 0, 1},
    {"rollback", CLAUSE_ROLLBACK, 0, 1},
};

static struct node *parse_clauses(struct parser *p, struct node *node, bool paradox)
{
	struct node *last = NULL;
	node->text = expect_name(p, "a name");
	if (!expect(p, TOK_LBRACE))
		return node;
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF)) {
		struct token *t = peek(p);
		size_t i = 0, count = sizeof(clauses) / sizeof(clauses[0]);
		for (; i < count; i++)
			if (clauses[i].paradox == paradox && t->end - t->begin == strlen(clauses[i].word) &&
			    !memcmp(p->source->text + t->begin, clauses[i].word, t->end - t->begin))
				break;
		if (i == count) {
			if (begins_declaration(p))
				break;
			parse_error(
			    p, t,
			    paradox
			        ? "a paradox has vary, keep, judge, limit, rollback"
			        : "an intention has trigger, priority, condition, execute, until, within, "
			          "budget, goal, cost, retries, fail",
			    "unexpected %s in %s", describe(p, t), paradox ? "a paradox" : "an intention");
			recover(p);
			if (peek(p) == t)
				advance(p);
			continue;
		}
		struct node *clause = new_node(p, N_CLAUSE, advance(p)->begin);
		clause->op = clauses[i].clause;
		clause->flag = !strcmp(clauses[i].word, "when"); /* looked at again and again, not once */
		expect(p, TOK_COLON);
		if (p->panic) {
			recover(p);
			continue;
		}
		if (clauses[i].block) {
			clause->a = parse_block(p);
		} else if (clause->op == CLAUSE_PRIORITY) {
			bool minus = match(p, TOK_MINUS);
			struct node *number = parse_expression(p);
			if (number->kind == N_INT)
				clause->number = (double)number->integer;
			else if (number->kind == N_FLOAT)
				clause->number = number->number;
			else if (!p->panic)
				source_error(p->source, t->begin, t->end,
				             "write a number from 0 to 1, such as 0.9",
				             "the priority must be a numeric literal");
			if (minus)
				clause->number = -clause->number;
			clause->a = number;
		} else {
			clause->a = parse_expression(p);
		}
		for (struct node *other = node->list; other; other = other->next)
			if (other->op == clause->op)
				source_error(p->source, clause->begin, clause->end, "keep one of the two",
				             "'%s' is given twice", clauses[i].word);
		append(&node->list, &last, finish(p, clause));
		if (p->panic)
			recover(p);
		if (!match(p, TOK_SEMICOLON))
			match(p, TOK_COMMA);
	}
	if (!match(p, TOK_RBRACE)) {
		parse_error(p, peek(p), "close the declaration with '}'", "expected '}', found %s",
		            describe(p, peek(p)));
		p->panic = false;
	}
	return finish(p, node);
}

static struct node *parse_function(struct parser *p, enum node_kind kind)
{
	struct node *node = new_node(p, kind, advance(p)->begin);
	node->text = expect_name(p, "a name");
	if (kind == N_FLOW && check(p, TOK_LBRACE)) {
		/* flow Name { execute: { ... } } */
		struct node *holder = new_node(p, N_FLOW, node->begin);
		p->at--;
		parse_clauses(p, holder, false);
		for (struct node *c = holder->list; c; c = c->next)
			if (c->op == CLAUSE_EXECUTE)
				node->a = c->a;
		if (!node->a)
			source_error(p->source, node->begin, node->end, "add execute: { ... }",
			             "this flow has no body");
		return finish(p, node);
	}
	if (expect(p, TOK_LPAREN))
		node->list = parse_parameters(p, TOK_RPAREN);
	if (match(p, TOK_ARROW))
		node->type = parse_type(p);
	if (!p->panic)
		node->a = parse_block(p);
	return finish(p, node);
}

static struct node *parse_struct(struct parser *p)
{
	struct node *node = new_node(p, N_STRUCT, advance(p)->begin), *last = NULL;
	node->text = expect_name(p, "a name");
	expect(p, TOK_LBRACE);
	while (!check(p, TOK_RBRACE) && !check(p, TOK_EOF) && !p->panic) {
		struct node *field = new_node(p, N_PARAM, peek(p)->begin);
		field->text = expect_name(p, "a field name");
		if (match(p, TOK_COLON))
			field->type = parse_type(p);
		if (match(p, TOK_ASSIGN))
			field->a = parse_expression(p);
		append(&node->list, &last, finish(p, field));
		if (!match(p, TOK_COMMA))
			match(p, TOK_SEMICOLON);
	}
	expect(p, TOK_RBRACE);
	return finish(p, node);
}

static struct node *parse_named_value(struct parser *p, enum node_kind kind)
{
	struct node *node = new_node(p, kind, advance(p)->begin);
	node->text = expect_name(p, "a name");
	if (match(p, TOK_COLON))
		node->type = parse_type(p);
	if (expect(p, TOK_ASSIGN))
		node->a = parse_expression(p);
	if (kind == N_MOSAIC)
		match(p, TOK_SEMICOLON);
	else
		expect_semicolon(p);
	return finish(p, node);
}

static struct node *parse_import(struct parser *p)
{
	struct node *node = new_node(p, N_IMPORT, advance(p)->begin);
	if (!check(p, TOK_STRING)) {
		parse_error(p, peek(p), "import \"path.flux\" as name;", "expected a path, found %s",
		            describe(p, peek(p)));
		return node;
	}
	node->a = parse_expression(p);
	if (is_word(p, peek(p), "as")) {
		advance(p);
		node->text = expect_name(p, "a name");
	} else {
		parse_error(p, peek(p), "import \"path.flux\" as name;", "expected 'as', found %s",
		            describe(p, peek(p)));
	}
	expect_semicolon(p);
	return finish(p, node);
}

static struct node *parse_declaration(struct parser *p)
{
	struct token *t = peek(p);
	uint8_t after = peek_at(p, 1)->type;
	switch (t->type) {
	case TOK_INTENTION:
		return parse_clauses(p, new_node(p, N_INTENTION, advance(p)->begin), false);
	case TOK_FUNCTION:
		return parse_function(p, N_FUNCTION);
	case TOK_FLOW:
		return parse_function(p, N_FLOW);
	case TOK_STRUCT:
		return parse_struct(p);
	case TOK_CAUSAL_MOSAIC:
		return parse_named_value(p, N_MOSAIC);
	default:
		break;
	}
	if (is_word(p, t, "const") && after == TOK_IDENT)
		return parse_named_value(p, N_CONST);
	if (is_word(p, t, "state") && after == TOK_IDENT)
		return parse_named_value(p, N_STATE);
	if (is_word(p, t, "import"))
		return parse_import(p);
	if (is_word(p, t, "paradox") && after == TOK_IDENT)
		return parse_clauses(p, new_node(p, N_PARADOX, advance(p)->begin), true);
	if (is_word(p, t, "test") && after == TOK_STRING) {
		struct node *node = new_node(p, N_TEST, advance(p)->begin);
		struct node *name = parse_expression(p);
		node->text = name->text;
		node->length = name->length;
		node->a = parse_block(p);
		return finish(p, node);
	}
	parse_error(p, t,
	            t->type == TOK_LET || t->type == TOK_VAR
	                ? "put it into an intention or a function; module variables are 'state' or 'const'"
	                : "a file holds intention, function, flow, struct, causal_mosaic, const, state, "
	                  "import, test, "
	                  "paradox",
	            "expected a top-level declaration, found %s", describe(p, t));
	return NULL;
}

bool source_parse(struct source *source)
{
	struct parser parser = {.source = source}, *p = &parser;
	if (!source->tokens)
		source_lex(source);
	struct node *program = new_node(p, N_PROGRAM, 0), *last = NULL;
	while (!check(p, TOK_EOF) && !p->too_deep && source->error_count < ERRORS_MAX) {
		uint32_t before = p->at;
		struct node *declaration = parse_declaration(p);
		if (declaration)
			append(&program->list, &last, declaration);
		if (p->panic || p->at == before) {
			/* Go on at the next declaration. */
			p->panic = false;
			if (p->at == before)
				advance(p);
			while (!check(p, TOK_EOF) &&
			       !(begins_declaration(p) ||
			         (peek(p)->line_before &&
			          (is_word(p, peek(p), "const") || is_word(p, peek(p), "state") ||
			           is_word(p, peek(p), "import")))))
				advance(p);
		}
	}
	program->end = source->length;
	source->program = program;
	return !source->error_count;
}
