/*
 * A compiled program: functions as instructions and constants, intentions, state variables, structs and
 * tests.
 *
 * resolve.c binds every name of the tree and reports what is wrong; compile.c turns the tree into functions;
 * verify.c checks a function before it may run.
 */
#ifndef FLUX_PROGRAM_H
#define FLUX_PROGRAM_H

#include "object.h"
#include "opcode.h"
#include "source.h"

#define REGISTERS_MAX 240
#define CODE_MAX      (1u << 20)

struct cache {
	uint32_t shape, slot;
};

struct capture {
	bool local; /* a register of the enclosing function, else one of its captured values */
	uint16_t index;
};

struct proto {
	const char *name;
	struct source *source;
	struct program *program;
	const struct node *node; /* of the function; for the tree walker and tools */
	uint8_t params, required;
	uint16_t registers;
	bool flow, test;
	bool verified;
	struct ins *code;
	uint32_t count, capacity;
	uint32_t *places; /* offset in the source of each instruction */
	value *constants;
	uint32_t constant_count, constant_capacity;
	struct proto **inner;
	uint32_t inner_count;
	struct cache *caches;
	uint32_t cache_count;
	struct capture *captures;
	uint32_t capture_count;
	uint64_t calls, samples; /* profiler */
};

struct intention {
	const char *name;
	double priority;
	struct proto *clauses[CLAUSES]; /* NULL where not given */
	struct node *node;
	struct source *source;
};

struct paradox {
	const char *name;
	struct proto *clauses[CLAUSES];
	struct node *node;
	struct source *source;
};

enum global_kind { GLOBAL_STATE, GLOBAL_CONST, GLOBAL_MOSAIC, GLOBAL_STRUCT };

struct global {
	const char *name;
	uint8_t kind;
	struct node *node;
	struct proto *initial; /* computes the first value */
};

struct program {
	struct source *source;    /* the main file, then its imports by next */
	struct proto **functions; /* top-level functions and flows, then all others that are numbered */
	uint32_t function_count, function_capacity;
	struct intention *intentions;
	uint32_t intention_count;
	struct paradox *paradoxes;
	uint32_t paradox_count;
	struct proto **tests;
	uint32_t test_count;
	struct global *globals;
	uint32_t global_count;
	struct proto **adopted, **originals; /* functions that a paradox made; functions[] as compiled */
	uint32_t adopted_count;
	struct program *before; /* in a session: what values may still refer to */
	bool debug;             /* emit LINE instructions */
	bool bare;              /* no constants from a VM yet */
};

/* What a name means (node->flag of N_NAME, N_CALL callees and so on). */
enum meaning {
	NAME_UNKNOWN,
	NAME_LOCAL,
	NAME_FUNCTION,
	NAME_GLOBAL,
	NAME_NATIVE,
	NAME_INTENTION,
	NAME_MODULE
};

struct variable {
	const char *name;
	struct function_scope *owner;
	struct variable *next; /* in the same scope */
	bool captured, assigned, used, parameter;
	uint16_t slot; /* number within its function, for the tree walker */
	uint16_t reg;
	uint32_t begin, end;
};

/* Left by the resolver on every node that begins a function (N_FUNCTION, N_LAMBDA, clauses ...). */
struct scope_info {
	uint16_t slots; /* variables of the function */
	struct variable **captures;
	uint16_t capture_count, capture_capacity;
};

struct symbol {
	const char *name;
	uint8_t meaning;
	uint32_t index;
	struct node *node;
	struct module_info *module;
};

struct module_info {
	struct source *source;
	const char *path;
	struct symbol *symbols;
	uint32_t symbol_count, symbol_capacity;
	uint32_t *index, index_mask; /* by name: number + 1 */
	struct module_info *next;
};

/*
 * Parses, resolves and compiles a file and what it imports. The program is returned even when there are
 * errors (source->error_count of each source says so); it must not be run then. `vm` may be NULL to check
 * only.
 */
struct program *program_build(struct vm *vm, struct source *source, bool debug);
bool program_ok(const struct program *program);
void program_free(struct program *program);
void program_print(const struct program *program, FILE *out, bool warnings);

/* resolve.c */
bool program_resolve(struct program *program);
/* compile.c */
void program_compile(struct vm *vm, struct program *program);
/* verify.c: NULL, or what is wrong. */
const char *proto_verify(const struct proto *proto);
const char *program_verify(struct program *program);
/* dump.c */
void program_dump(struct vm *vm, const struct program *program, FILE *out);
void proto_dump(struct vm *vm, const struct proto *proto, FILE *out);

struct symbol *module_find(const struct module_info *module, const char *name);

#endif
