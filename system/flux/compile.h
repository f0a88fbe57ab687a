/* Shared by compile.c (functions, statements) and compile_expression.c. */
#ifndef FLUX_COMPILE_H
#define FLUX_COMPILE_H

#include "program.h"
#include "vm.h"

struct loop {
	struct loop *outer;
	int breaks, continues; /* lists of jumps, -1: empty */
	unsigned tries;
};

struct compiler {
	struct vm *vm;
	struct program *program;
	struct proto *proto;
	struct compiler *outer;
	struct scope_info *scope;
	struct loop *loop;
	unsigned next;      /* the first free register */
	unsigned tries;     /* open try blocks */
	unsigned temporary; /* 1 + the register that was just made for the value to come, or 0 */
	uint32_t place;
	bool failed;
};

/* Instructions. Jumps return their number; patch_here() makes a list of them land at the next instruction. */
int emit(struct compiler *c, enum opcode op, unsigned a, unsigned b, unsigned cc, unsigned d);
int emit_jump(struct compiler *c, enum opcode op, unsigned a, unsigned b);
void emit_loop(struct compiler *c, enum opcode op, unsigned a, unsigned b, int target);
void patch_here(struct compiler *c, int list);
int join(struct compiler *c, int list, int more);
unsigned add_constant(struct compiler *c, value v);
unsigned text_constant(struct compiler *c, const char *text, size_t length);
unsigned new_cache(struct compiler *c);
unsigned allocate(struct compiler *c, unsigned count);
void compile_error(struct compiler *c, const struct node *n, const char *message, const char *hint);

/* Expressions: into a given register, which nothing in the expression reads; into a fresh one; or wherever it
 * is. */
void expression_to(struct compiler *c, const struct node *n, unsigned target);
unsigned expression_fresh(struct compiler *c, const struct node *n);
unsigned expression_any(struct compiler *c, const struct node *n);
/* Jumps taken when the truth of n is `sense`: a list. */
int jump_if(struct compiler *c, const struct node *n, bool sense);
bool is_simple(const struct node *n); /* the target may be a variable that the expression reads */
void load_name(struct compiler *c, const struct node *n, unsigned target);
void load_variable(struct compiler *c, struct variable *v, unsigned target);
void store_variable(struct compiler *c, struct variable *v, unsigned from);
int captured_index(const struct compiler *c, const struct variable *v);
/* Arguments go to registers from the next free one on; returns their number. */
unsigned compile_arguments(struct compiler *c, const struct node *list);
void compile_match(struct compiler *c, const struct node *n, unsigned target, bool want);
unsigned call_native(struct compiler *c, const char *name, unsigned base, unsigned count);
void check_type(struct compiler *c, const struct type_note *type, unsigned reg, const char *name);
void declare_variable(struct compiler *c, struct variable *v, unsigned reg);

void compile_block(struct compiler *c, const struct node *block);
void compile_statement(struct compiler *c, const struct node *n);
/* One more function of a program that is compiled already; the program owns it. */
void compile_one(struct vm *vm, struct program *program, struct proto *proto);
void program_adopt(struct program *program, struct proto *proto);
struct proto *compile_lambda(struct compiler *c, const struct node *n);

static inline bool is_celled(const struct variable *v)
{
	return v->captured && v->assigned;
}

#endif
