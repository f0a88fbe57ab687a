/* Shared by the files of walk.c, walk_expression.c. */
#ifndef FLUX_WALK_H
#define FLUX_WALK_H

#include "runtime.h"

#define WALK_DEPTH_MAX 1500

struct environment {
	struct cell **slots;
	const struct scope_info *scope;
	struct cell **captured; /* in the order of scope->captures */
};

#define ARGS_MAX 250

struct held { /* the head of a piece of memory that the evaluator has in use */
	struct held *next, *previous;
};

struct walker {
	unsigned depth;
	struct held held;    /* a ring: what is in it when memory runs out is freed with the walker */
	struct proto **made; /* of function values */
	uint32_t made_count;
};

enum flow { FLOW_NORMAL, FLOW_BREAK, FLOW_CONTINUE, FLOW_RETURN, FLOW_RAISE };

struct run {
	struct vm *vm;
	struct environment *env;
	const struct node *owner; /* of the function */
	value result;
};

#define EVAL(variable, node)                                                                                 \
	value variable = walk_evaluate(r, node);                                                             \
	if (variable == V_RAISE)                                                                             \
	return V_RAISE

/* Zeroed memory that is freed with the walker, at the latest. */
void *walk_hold(struct walker *w, size_t size);
void walk_release(void *memory);
struct cell *walk_cell_of(struct run *r, const struct variable *v);
void walk_declare(struct run *r, const struct variable *v, value item);
bool walk_check_note(struct run *r, const struct type_note *type, value v, const char *name);
value walk_call_node(struct vm *vm, const struct node *n, struct cell **captured, const value *args,
                     unsigned count);
value walk_make_function(struct run *r, const struct node *n);
value walk_call_value(struct vm *vm, value callee, value *args, unsigned count);
enum flow walk_execute(struct run *r, const struct node *n);
enum flow walk_execute_block(struct run *r, const struct node *block);
int walk_evaluate_arguments(struct run *r, const struct node *list, value *args, unsigned from);
value walk_evaluate_match(struct run *r, const struct node *n, enum flow *flow);
value walk_evaluate(struct run *r, const struct node *n);

#endif
