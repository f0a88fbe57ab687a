/* Literals: numbers and durations, strings with their escapes, lists, maps and distributions. */
#include "parser_internal.h"
#include "object.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */
static double parse_float(struct parser *p, const struct token *t)
{
	char *digits = arena_allocate(&p->source->arena, t->end - t->begin + 1u);
	uint32_t length = 0;
	for (uint32_t i = t->begin; i < t->end; i++)
		if (p->source->text[i] != '_')
			digits[length++] = p->source->text[i];
	digits[length] = 0;
	return strtod(digits, NULL);
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
			*number = parse_float(p, t);
			return 0;
		}
		value = next;
	}
	return (int64_t)value;
}

struct node *parse_number(struct parser *p)
{
	struct token *t = advance(p);
	struct node *node;
	if (t->type == TOK_INT) {
		bool is_float;
		double number = 0;
		int64_t integer = parse_integer(p, t, &is_float, &number);
		node = new_node(p, is_float ? N_FLOAT : N_INT, t->begin);
		if (is_float)
			node->number = number;
		else
			node->integer = integer;
	} else if (t->type == TOK_FLOAT) {
		node = new_node(p, N_FLOAT, t->begin);
		node->number = parse_float(p, t);
	} else {
		node = new_node(p, N_DURATION, t->begin);
		node->text = source_intern(p->source, p->source->text + t->begin, t->end - t->begin);
		node->length = t->end - t->begin;
		if (!duration_parse(node->text, node->length, &node->integer))
			parse_error(p, t, "a duration fits 64 bits of nanoseconds: up to 292 years",
			            "this duration is too long");
	}
	return finish(p, node);
}

/* ---- strings ---- */
/* \u{...}, from its first digit on, as UTF-8; where it ends. */
static uint32_t parse_code(struct parser *p, const struct token *t, const char *text, uint32_t length,
                           uint32_t i, char *bytes, uint32_t *used)
{
	uint32_t code = 0, digits = 0;
	for (; i < length && text[i] != '}' && digits < 7; i++, digits++) {
		char d = text[i] | 32;
		code = code * 16 + (uint32_t)(d >= 'a' ? d - 'a' + 10 : text[i] - '0');
	}
	char *to = bytes + *used;
	if (!digits || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
		parse_error(p, t, "\\u{...} takes the number of a character, in hexadecimal",
		            "no such character");
	} else if (code < 0x80) {
		to[0] = (char)code;
		*used += 1;
	} else if (code < 0x800) {
		to[0] = (char)(0xC0 | code >> 6);
		to[1] = (char)(0x80 | (code & 63));
		*used += 2;
	} else if (code < 0x10000) {
		to[0] = (char)(0xE0 | code >> 12);
		to[1] = (char)(0x80 | (code >> 6 & 63));
		to[2] = (char)(0x80 | (code & 63));
		*used += 3;
	} else {
		to[0] = (char)(0xF0 | code >> 18);
		to[1] = (char)(0x80 | (code >> 12 & 63));
		to[2] = (char)(0x80 | (code >> 6 & 63));
		to[3] = (char)(0x80 | (code & 63));
		*used += 4;
	}
	return i;
}

struct node *parse_string(struct parser *p)
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
				i = parse_code(p, t, text, length, i + 2, bytes, &node->length);
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

/* ---- lists, maps and distributions ---- */
struct node *parse_list(struct parser *p)
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

struct node *parse_map(struct parser *p)
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

struct node *parse_dist(struct parser *p)
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
