/* Parses declarations: functions, structs, intentions and what else stands at the top of a file. */
#include "parser_internal.h"

#include <string.h>

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
			if (parse_begins_declaration(p))
				break;
			parse_error(
			    p, t,
			    paradox
			        ? "a paradox has vary, keep, judge, limit, rollback"
			        : "an intention has trigger, priority, condition, execute, until, within, "
			          "budget, goal, cost, retries, fail",
			    "unexpected %s in %s", describe(p, t), paradox ? "a paradox" : "an intention");
			parse_recover(p);
			if (peek(p) == t)
				advance(p);
			continue;
		}
		struct node *clause = new_node(p, N_CLAUSE, advance(p)->begin);
		clause->op = clauses[i].clause;
		clause->flag = !strcmp(clauses[i].word, "when"); /* looked at again and again, not once */
		expect(p, TOK_COLON);
		if (p->panic) {
			parse_recover(p);
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
			parse_recover(p);
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
			       !(parse_begins_declaration(p) ||
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
