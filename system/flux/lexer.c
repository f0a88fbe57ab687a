/*
 * From source text to tokens. Words that came after Flux 1.2 (nil, match, try, ...) are ordinary names in a
 * file that declares something by that name, so that old programs keep their meaning.
 */
#include "source.h"

#include <stdlib.h>
#include <string.h>

struct keyword {
	const char *word;
	uint8_t type;
	bool since_1_2;
};

static const struct keyword keywords[] = {
    {"intention", TOK_INTENTION, 0},
    {"flow", TOK_FLOW, 0},
    {"function", TOK_FUNCTION, 0},
    {"struct", TOK_STRUCT, 0},
    {"causal_mosaic", TOK_CAUSAL_MOSAIC, 0},
    {"let", TOK_LET, 0},
    {"if", TOK_IF, 0},
    {"else", TOK_ELSE, 0},
    {"for", TOK_FOR, 0},
    {"while", TOK_WHILE, 0},
    {"in", TOK_IN, 0},
    {"return", TOK_RETURN, 0},
    {"launch", TOK_LAUNCH, 0},
    {"send", TOK_SEND, 0},
    {"listen", TOK_LISTEN, 0},
    {"collapse", TOK_COLLAPSE, 0},
    {"dist", TOK_DIST, 0},
    {"true", TOK_TRUE, 0},
    {"false", TOK_FALSE, 0},
    {"nil", TOK_NIL, 1},
    {"var", TOK_VAR, 1},
    {"break", TOK_BREAK, 1},
    {"continue", TOK_CONTINUE, 1},
    {"fn", TOK_FN, 1},
    {"lambda", TOK_LAMBDA, 1},
    {"match", TOK_MATCH, 1},
    {"try", TOK_TRY, 1},
    {"catch", TOK_CATCH, 1},
    {"fail", TOK_FAIL, 1},
    {"otherwise", TOK_OTHERWISE, 1},
    {"then", TOK_THEN, 1},
    {"and", TOK_AND, 1},
    {"or", TOK_OR, 1},
    {"not", TOK_NOT, 1},
};
#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

struct lexer {
	struct source *source;
	uint32_t at;
	uint32_t capacity;
	bool line_before;
};

static void add(struct lexer *l, uint8_t type, uint32_t begin)
{
	struct source *s = l->source;
	if (s->token_count == l->capacity) {
		l->capacity = l->capacity ? l->capacity * 2 : 256;
		s->tokens = realloc(s->tokens, l->capacity * sizeof(*s->tokens));
		if (!s->tokens)
			abort();
	}
	s->tokens[s->token_count++] = (struct token){type, l->line_before, begin, l->at};
	l->line_before = false;
}

static void number(struct lexer *l)
{
	const char *t = l->source->text;
	uint32_t begin = l->at;
	bool fraction = false;
	if (t[l->at] == '0' && (t[l->at + 1] == 'x' || t[l->at + 1] == 'b')) {
		bool hex = t[l->at + 1] == 'x';
		l->at += 2;
		uint32_t digits = l->at;
		while (hex ? strchr("0123456789abcdefABCDEF_", t[l->at]) && t[l->at]
		           : t[l->at] == '0' || t[l->at] == '1' || t[l->at] == '_')
			l->at++;
		if (l->at == digits)
			source_error(l->source, begin, l->at, "write digits after the prefix",
			             "a number without digits");
		add(l, TOK_INT, begin);
		return;
	}
	while (is_digit(t[l->at]) || (t[l->at] == '_' && is_digit(t[l->at + 1])))
		l->at++;
	if (t[l->at] == '.' && is_digit(t[l->at + 1])) {
		fraction = true;
		for (l->at++; is_digit(t[l->at]);)
			l->at++;
	}
	if ((t[l->at] == 'e' || t[l->at] == 'E') &&
	    (is_digit(t[l->at + 1]) ||
	     ((t[l->at + 1] == '-' || t[l->at + 1] == '+') && is_digit(t[l->at + 2])))) {
		fraction = true;
		for (l->at += 2; is_digit(t[l->at]);)
			l->at++;
	}
	static const char *const units[] = {"cycles", "ms", "us", "ns", "s", "m", "h", "d"};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t length = strlen(units[i]);
		char after = 0;
		if (strncmp(t + l->at, units[i], length) != 0)
			continue;
		after = t[l->at + length];
		if (is_letter(after) || is_digit(after))
			continue;
		l->at += (uint32_t)length;
		add(l, TOK_DURATION, begin);
		return;
	}
	add(l, fraction ? TOK_FLOAT : TOK_INT, begin);
}

static void string(struct lexer *l)
{
	const char *t = l->source->text;
	uint32_t begin = l->at++;
	while (l->at < l->source->length && t[l->at] != '"') {
		if (t[l->at] == '\\' && l->at + 1 < l->source->length)
			l->at++;
		l->at++;
	}
	if (l->at >= l->source->length) {
		l->at = l->source->length;
		source_error(l->source, begin, begin + 1, "the string that begins here has no closing '\"'",
		             "unterminated string literal");
	} else {
		l->at++;
	}
	add(l, TOK_STRING, begin);
}

static void word(struct lexer *l)
{
	const char *t = l->source->text;
	uint32_t begin = l->at;
	while (is_letter(t[l->at]) || is_digit(t[l->at]))
		l->at++;
	uint8_t type = TOK_IDENT;
	for (size_t i = 0; i < KEYWORDS; i++)
		if (strlen(keywords[i].word) == l->at - begin &&
		    !memcmp(keywords[i].word, t + begin, l->at - begin))
			type = keywords[i].type;
	add(l, type, begin);
}

/* Longest first. */
static const struct {
	const char *text;
	uint8_t type;
} operators[] = {
    {"++=", TOK_CONCAT_ASSIGN},
    {"..=", TOK_DOTDOT_EQ},
    {"==", TOK_EQ},
    {"!=", TOK_NEQ},
    {"<=", TOK_LE},
    {">=", TOK_GE},
    {"&&", TOK_AND},
    {"||", TOK_OR},
    {"++", TOK_CONCAT},
    {"->", TOK_ARROW},
    {"=>", TOK_FAT_ARROW},
    {"+=", TOK_ADD_ASSIGN},
    {"-=", TOK_SUB_ASSIGN},
    {"*=", TOK_MUL_ASSIGN},
    {"/=", TOK_DIV_ASSIGN},
    {"**", TOK_POWER},
    {"~/", TOK_TILDE_SLASH},
    {"<<", TOK_SHL},
    {">>", TOK_SHR},
    {"..", TOK_DOTDOT},
    {"=", TOK_ASSIGN},
    {"<", TOK_LT},
    {">", TOK_GT},
    {"!", TOK_NOT},
    {"+", TOK_PLUS},
    {"-", TOK_MINUS},
    {"*", TOK_STAR},
    {"/", TOK_SLASH},
    {"%", TOK_PERCENT},
    {"&", TOK_AMP},
    {"|", TOK_PIPE},
    {"^", TOK_CARET},
    {"~", TOK_TILDE},
    {".", TOK_DOT},
    {"?", TOK_QUESTION},
    {",", TOK_COMMA},
    {":", TOK_COLON},
    {";", TOK_SEMICOLON},
    {"(", TOK_LPAREN},
    {")", TOK_RPAREN},
    {"{", TOK_LBRACE},
    {"}", TOK_RBRACE},
    {"[", TOK_LBRACKET},
    {"]", TOK_RBRACKET},
};

static void comment(struct lexer *l)
{
	const char *t = l->source->text;
	uint32_t begin = l->at;
	while (l->at < l->source->length && t[l->at] != '\n')
		l->at++;
	struct node *node = arena_allocate(&l->source->arena, sizeof(*node));
	node->kind = N_STRING;
	node->begin = begin;
	node->end = l->at;
	/* list: the last one, kept in the first */
	if (!l->source->comments)
		l->source->comments = node;
	else
		l->source->comments->list->next = node;
	l->source->comments->list = node;
}

static void demote_declared_words(struct source *s)
{
	for (size_t k = 0; k < KEYWORDS; k++) {
		if (!keywords[k].since_1_2)
			continue;
		bool declared = false;
		for (uint32_t i = 1; i < s->token_count && !declared; i++) {
			if (s->tokens[i].type != keywords[k].type ||
			    s->text[s->tokens[i].begin] != keywords[k].word[0])
				continue;
			uint8_t before = s->tokens[i - 1].type, after = s->tokens[i + 1].type;
			declared = before == TOK_LET || before == TOK_FUNCTION || before == TOK_FLOW ||
			           before == TOK_INTENTION || (before == TOK_FOR && after == TOK_IN) ||
			           before == TOK_STRUCT ||
			           ((before == TOK_LPAREN || before == TOK_COMMA) && after == TOK_COLON);
		}
		for (uint32_t i = 0; declared && i < s->token_count; i++)
			if (s->tokens[i].type == keywords[k].type &&
			    s->text[s->tokens[i].begin] == keywords[k].word[0])
				s->tokens[i].type = TOK_IDENT;
	}
}

bool source_lex(struct source *source)
{
	struct lexer l = {.source = source};
	const char *t = source->text;
	if (source->length >= 3 && !memcmp(t, "\xEF\xBB\xBF", 3))
		l.at = 3;
	/* Text that tools hand on (fmt, doc, traces) ends at a zero byte. */
	const char *zero = memchr(t, 0, source->length);
	if (zero)
		source_error(source, (uint32_t)(zero - t), (uint32_t)(zero - t) + 1,
		             "remove it, or write \\0 in a string", "a zero byte in the text");
	while (l.at < source->length) {
		char c = t[l.at];
		if (c == '\n')
			l.line_before = true;
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v') {
			l.at++;
		} else if (c == '#' || (c == '/' && t[l.at + 1] == '/')) {
			comment(&l);
		} else if (is_letter(c)) {
			word(&l);
		} else if (is_digit(c)) {
			number(&l);
		} else if (c == '"') {
			string(&l);
		} else {
			size_t i = 0, count = sizeof(operators) / sizeof(operators[0]);
			while (i < count &&
			       strncmp(t + l.at, operators[i].text, strlen(operators[i].text)) != 0)
				i++;
			uint32_t begin = l.at;
			if (i < count) {
				l.at += (uint32_t)strlen(operators[i].text);
				add(&l, operators[i].type, begin);
				continue;
			}
			l.at++;
			if (c >= ' ' && c < 127)
				source_error(source, begin, l.at, "no part of Flux's syntax",
				             "unknown character '%c'", c);
			else
				source_error(source, begin, l.at, "no part of Flux's syntax",
				             "unknown character 0x%02x", (unsigned char)c);
		}
	}
	add(&l, TOK_EOF, l.at);
	/* Two more, so that the parser may look ahead. */
	add(&l, TOK_EOF, l.at);
	add(&l, TOK_EOF, l.at);
	source->token_count -= 2;
	demote_declared_words(source);
	return !source->error_count;
}
