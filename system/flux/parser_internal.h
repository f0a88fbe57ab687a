/* What the parser's own files tell each other. */
#ifndef FLUX_PARSER_INTERNAL_H
#define FLUX_PARSER_INTERNAL_H

#include "parser.h"

void parse_recover(struct parser *p);
bool parse_begins_declaration(struct parser *p);
struct node *
parse_inner(struct parser *p); /* an expression inside brackets, where a struct may stand again */
/* Literals: the token at hand begins one. */
struct node *parse_number(struct parser *p);
struct node *parse_string(struct parser *p);
struct node *parse_list(struct parser *p);
struct node *parse_map(struct parser *p);
struct node *parse_dist(struct parser *p);

#endif
