/*
 * Source text, tokens, diagnostics and the syntax tree. Everything of one source lives in its arena.
 *
 * Limits: 16 MiB of source, nesting of 200 levels, trees 1000 nodes high (a chain of operators or calls grows one a
 * link), 20 errors reported a file. What walks a tree by recursion rests on the height.
 */
#ifndef FLUX_SOURCE_H
#define FLUX_SOURCE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SOURCE_MAX  (16u << 20)
#define NESTING_MAX 200
#define HEIGHT_MAX  1000
#define ERRORS_MAX  20

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	char bytes[];
};

struct arena {
	struct arena_block *first;
};

void *arena_allocate(struct arena *arena, size_t size); /* zeroed; never NULL */
void arena_free(struct arena *arena);

/* ---- tokens ---- */
#define TOKENS(X)                                                                                            \
	X(EOF, "end of file")                                                                                \
	X(IDENT, "a name")                                                                                   \
	X(INT, "an integer")                                                                                 \
	X(FLOAT, "a number")                                                                                 \
	X(STRING, "a string")                                                                                \
	X(DURATION, "a duration")                                                                            \
	X(INTENTION, "'intention'")                                                                          \
	X(FLOW, "'flow'")                                                                                    \
	X(FUNCTION, "'function'")                                                                            \
	X(STRUCT, "'struct'")                                                                                \
	X(CAUSAL_MOSAIC, "'causal_mosaic'")                                                                  \
	X(LET, "'let'")                                                                                      \
	X(IF, "'if'")                                                                                        \
	X(ELSE, "'else'")                                                                                    \
	X(FOR, "'for'")                                                                                      \
	X(WHILE, "'while'")                                                                                  \
	X(IN, "'in'")                                                                                        \
	X(RETURN, "'return'")                                                                                \
	X(LAUNCH, "'launch'")                                                                                \
	X(SEND, "'send'")                                                                                    \
	X(LISTEN, "'listen'")                                                                                \
	X(COLLAPSE, "'collapse'")                                                                            \
	X(DIST, "'dist'")                                                                                    \
	X(TRUE, "'true'")                                                                                    \
	X(FALSE, "'false'")                                                                                  \
	X(NIL, "'nil'")                                                                                      \
	X(VAR, "'var'")                                                                                      \
	X(BREAK, "'break'")                                                                                  \
	X(CONTINUE, "'continue'")                                                                            \
	X(FN, "'fn'")                                                                                        \
	X(LAMBDA, "'lambda'")                                                                                \
	X(MATCH, "'match'")                                                                                  \
	X(TRY, "'try'")                                                                                      \
	X(CATCH, "'catch'")                                                                                  \
	X(FAIL, "'fail'")                                                                                    \
	X(OTHERWISE, "'otherwise'")                                                                          \
	X(THEN, "'then'")                                                                                    \
	X(ASSIGN, "'='")                                                                                     \
	X(ADD_ASSIGN, "'+='")                                                                                \
	X(SUB_ASSIGN, "'-='")                                                                                \
	X(MUL_ASSIGN, "'*='")                                                                                \
	X(DIV_ASSIGN, "'/='")                                                                                \
	X(CONCAT_ASSIGN, "'++='")                                                                            \
	X(EQ, "'=='")                                                                                        \
	X(NEQ, "'!='")                                                                                       \
	X(LT, "'<'")                                                                                         \
	X(GT, "'>'")                                                                                         \
	X(LE, "'<='")                                                                                        \
	X(GE, "'>='")                                                                                        \
	X(AND, "'&&'")                                                                                       \
	X(OR, "'||'")                                                                                        \
	X(NOT, "'!'")                                                                                        \
	X(PLUS, "'+'")                                                                                       \
	X(MINUS, "'-'")                                                                                      \
	X(STAR, "'*'")                                                                                       \
	X(POWER, "'**'")                                                                                     \
	X(SLASH, "'/'")                                                                                      \
	X(PERCENT, "'%'")                                                                                    \
	X(CONCAT, "'++'")                                                                                    \
	X(AMP, "'&'")                                                                                        \
	X(PIPE, "'|'")                                                                                       \
	X(CARET, "'^'")                                                                                      \
	X(TILDE, "'~'")                                                                                      \
	X(TILDE_SLASH, "'~/'")                                                                               \
	X(SHL, "'<<'")                                                                                       \
	X(SHR, "'>>'")                                                                                       \
	X(DOT, "'.'")                                                                                        \
	X(DOTDOT, "'..'")                                                                                    \
	X(DOTDOT_EQ, "'..='")                                                                                \
	X(QUESTION, "'?'")                                                                                   \
	X(COMMA, "','")                                                                                      \
	X(COLON, "':'")                                                                                      \
	X(SEMICOLON, "';'")                                                                                  \
	X(ARROW, "'->'")                                                                                     \
	X(FAT_ARROW, "'=>'")                                                                                 \
	X(LPAREN, "'('")                                                                                     \
	X(RPAREN, "')'")                                                                                     \
	X(LBRACE, "'{'")                                                                                     \
	X(RBRACE, "'}'")                                                                                     \
	X(LBRACKET, "'['")                                                                                   \
	X(RBRACKET, "']'")

enum token_type {
#define X(name, text) TOK_##name,
	TOKENS(X)
#undef X
	    TOKEN_TYPES
};
extern const char *const token_names[TOKEN_TYPES];

struct token {
	uint8_t type;
	bool line_before; /* a line ended between the token before and this one */
	uint32_t begin, end;
};

/* ---- the tree ---- */
enum node_kind {
	/* expressions */
	N_INT,
	N_FLOAT,
	N_STRING,
	N_BOOL,
	N_NIL,
	N_DURATION,
	N_NAME,
	N_LIST,
	N_MAP,
	N_DIST,
	N_PAIR,
	N_NEW,
	N_BINARY,
	N_AND,
	N_OR,
	N_UNARY,
	N_CALL,
	N_METHOD,
	N_FIELD,
	N_INDEX,
	N_SLICE,
	N_LISTEN,
	N_COLLAPSE,
	N_LAMBDA,
	N_IF_EXPR,
	N_MATCH,
	N_ARM,
	N_TRY,
	N_PROPAGATE,
	N_OTHERWISE,
	N_RANGE,
	/* statements */
	N_LET,
	N_ASSIGN,
	N_IF,
	N_WHILE,
	N_FOR,
	N_RETURN,
	N_BREAK,
	N_CONTINUE,
	N_LAUNCH,
	N_SEND,
	N_EXPR,
	N_BLOCK,
	N_CATCH,
	N_FAIL,
	/* declarations */
	N_INTENTION,
	N_CLAUSE,
	N_FUNCTION,
	N_FLOW,
	N_PARAM,
	N_STRUCT,
	N_MOSAIC,
	N_CONST,
	N_STATE,
	N_IMPORT,
	N_TEST,
	N_PARADOX,
	N_PROGRAM,
	NODE_KINDS
};

enum type_kind {
	TYPE_ANY,
	TYPE_NUMBER,
	TYPE_INTEGER,
	TYPE_STRING,
	TYPE_BOOL,
	TYPE_LIST,
	TYPE_MAP,
	TYPE_DURATION,
	TYPE_DIST,
	TYPE_FUNCTION,
	TYPE_ERROR,
	TYPE_NIL,
	TYPE_STRUCT,
	TYPE_CAPABILITY,
	TYPE_MOSAIC,
	TYPE_KINDS,
	TYPE_OPTIONAL = 0x80, /* nil is allowed too */
};

/* The parts of an intention. */
enum clause {
	CLAUSE_TRIGGER,
	CLAUSE_CONDITION,
	CLAUSE_PRIORITY,
	CLAUSE_EXECUTE,
	CLAUSE_UNTIL,
	CLAUSE_WITHIN,
	CLAUSE_BUDGET,
	CLAUSE_FAIL,
	CLAUSE_GOAL,
	CLAUSE_COST,
	CLAUSE_RETRIES,
	CLAUSE_VARY,
	CLAUSE_KEEP,
	CLAUSE_JUDGE,
	CLAUSE_LIMIT,
	CLAUSE_ROLLBACK, /* of a paradox */
	CLAUSES
};
extern const char *const clause_names[CLAUSES];

struct type_note {
	uint8_t kind;     /* enum type_kind, perhaps with TYPE_OPTIONAL */
	const char *name; /* as written, or NULL */
	uint32_t index;   /* the struct's global, set by resolve.c */
};

/*
 * One node for all kinds. a, b, c: children (see parser.c for each kind); list: the first of a list of
 * children, joined by next. text: an interned name or the bytes of a string.
 */
struct node {
	uint8_t kind;
	uint8_t op; /* enum token_type of an operator, or enum clause */
	uint8_t flag;
	uint16_t height; /* of the tree below; set by finish() for expressions, at most HEIGHT_MAX */
	uint32_t begin, end;
	struct node *a, *b, *c, *list, *next;
	const char *text;
	uint32_t length;
	struct type_note type;
	union {
		int64_t integer;
		double number;
	};
	/* filled in by resolve.c */
	struct variable *variable;
	struct scope_info *scope;
};

struct diagnostic {
	bool warning;
	uint32_t begin, end;
	char message[200];
	char hint[200];
	char note[200];
};

struct source {
	const char *name;
	char *text;
	uint32_t length;
	struct arena arena;
	struct token *tokens;
	uint32_t token_count;
	struct diagnostic *diagnostics;
	unsigned error_count, diagnostic_count;
	const char **names; /* interned */
	uint32_t name_count, name_capacity;
	uint32_t *lines; /* offsets at which lines begin */
	uint32_t line_count;
	struct node *program;
	struct source *next;   /* imported files */
	struct node *comments; /* N_STRING nodes with offsets, for fmt and doc */
};

/* Takes a copy of the text. NULL, with a message on stderr, if it is too long. */
struct source *source_new(const char *name, const char *text, size_t length);
struct source *source_load(const char *path); /* NULL: message printed */
/* Where source_load() looks instead, if set: the files of a trace. */
extern struct source *(*source_provider)(const char *path);
void source_free(struct source *source);
const char *source_intern(struct source *source, const char *text, size_t length);
void source_error(struct source *source, uint32_t begin, uint32_t end, const char *hint, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));
void source_warn(struct source *source, uint32_t begin, uint32_t end, const char *hint, const char *format,
                 ...) __attribute__((format(printf, 5, 6)));
/* Line and column from 1; columns count characters. */
void source_position(const struct source *source, uint32_t at, unsigned *line, unsigned *column);
void source_print(const struct source *source, FILE *out, bool warnings, bool color);

bool source_lex(struct source *source);   /* false after errors; tokens are there in any case */
bool source_parse(struct source *source); /* sets source->program; false after errors */

/* For tools that build text from trees (fmt, paradox): canonical source of a program or of one node. */
struct text {
	char *bytes;
	size_t length, capacity;
	size_t most; /* bytes; 0: as many as there is memory for */
	bool over;   /* more were put than `most`: from there on nothing is */
};
void text_put(struct text *text, const char *bytes, size_t length);
void text_print(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void print_node(struct text *out, const struct node *node, unsigned indent);

#endif
