/* Shared by parser.c (declarations and statements) and parse_expression.c. */
#ifndef FLUX_PARSER_H
#define FLUX_PARSER_H

#include "source.h"

struct parser {
	struct source *source;
	uint32_t at;
	unsigned depth;
	bool no_struct; /* in a condition: NAME { begins a block, not a struct */
	bool panic;     /* an error was reported; skip to a place to go on from */
	bool too_deep;
};

struct node *parse_expression(struct parser *p);
struct node *parse_condition(struct parser *p); /* an expression before a block */
struct node *parse_block(struct parser *p);
struct node *parse_statement(struct parser *p);
struct node *parse_parameters(struct parser *p, enum token_type end);
struct type_note parse_type(struct parser *p);

static inline struct token *peek(struct parser *p)
{
	return &p->source->tokens[p->at];
}

static inline struct token *peek_at(struct parser *p, uint32_t n)
{
	uint32_t at = p->at + n;
	return &p->source->tokens[at < p->source->token_count ? at : p->source->token_count - 1];
}

static inline bool check(struct parser *p, enum token_type type)
{
	return peek(p)->type == type;
}

static inline struct token *advance(struct parser *p)
{
	struct token *t = peek(p);
	if (t->type != TOK_EOF)
		p->at++;
	return t;
}

static inline bool match(struct parser *p, enum token_type type)
{
	if (!check(p, type))
		return false;
	advance(p);
	return true;
}

struct node *new_node(struct parser *p, enum node_kind kind, uint32_t begin);
/* Sets the end, to the last token read, and the height. An error if the tree is too high. */
struct node *finish(struct parser *p, struct node *node);
bool expect(struct parser *p, enum token_type type);
void expect_semicolon(struct parser *p);
const char *expect_name(struct parser *p, const char *what);
const char *describe(struct parser *p, const struct token *token);
void parse_error(struct parser *p, const struct token *token, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool enter(struct parser *p); /* one level deeper; false, with an error, if that is too deep */
void leave(struct parser *p);
void append(struct node **first, struct node **last, struct node *node);
bool is_word(struct parser *p, const struct token *token, const char *word);

#endif
