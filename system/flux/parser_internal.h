/* Shared by the files of parse_declaration.c, parser.c. */
#ifndef FLUX_PARSER_INTERNAL_H
#define FLUX_PARSER_INTERNAL_H

#include "parser.h"

void parse_recover(struct parser *p);
bool parse_begins_declaration(struct parser *p);

#endif
