/* Shared by the files of resolve.c, resolve_code.c, resolve_names.c. */
#ifndef FLUX_RESOLVE_H
#define FLUX_RESOLVE_H

#include "program.h"
#include "vm.h"

struct block_scope {
	struct block_scope *outer;
	struct function_scope *function;
	struct variable *variables;
};

struct function_scope {
	struct function_scope *outer;
	struct block_scope *block;
	struct scope_info *info;
	unsigned loops;
};

struct resolver {
	struct program *program;
	struct source *source;
	struct module_info *modules, *module;
	struct block_scope *scope;
	struct function_scope *function;
	unsigned depth;
};

void *resolve_grow(void *array, uint32_t count, uint32_t *capacity, size_t size);
void resolve_define(struct resolver *r, const char *name, enum meaning meaning, uint32_t index,
                    struct node *node);
void resolve_push_block(struct resolver *r, struct block_scope *scope);
void resolve_pop_block(struct resolver *r);
struct variable *resolve_declare(struct resolver *r, const char *name, uint32_t begin, uint32_t end);
const char *resolve_suggest(struct resolver *r, const char *name);
void resolve_bind_symbol(struct node *n, const struct symbol *s);
bool resolve_bind(struct resolver *r, struct node *n);
void resolve_unknown_name(struct resolver *r, struct node *n);
struct node *resolve_struct_of(struct resolver *r, const char *name);
void resolve_type(struct resolver *r, struct type_note *type);
unsigned resolve_count_list(const struct node *n);
void resolve_order_arguments(struct resolver *r, struct node *call, const struct node *params);
void resolve_check_count(struct resolver *r, struct node *call, const char *name, unsigned least, int most);
unsigned resolve_required_params(const struct node *params);
void resolve_arguments(struct resolver *r, struct node *list);
void resolve_call(struct resolver *r, struct node *n);
bool resolve_module_member(struct resolver *r, struct node *n);
void resolve_function(struct resolver *r, struct node *n);
void resolve_thunk(struct resolver *r, struct node *holder, struct node *body);
void resolve_expression(struct resolver *r, struct node *n);
void resolve_statement(struct resolver *r, struct node *n);
void resolve_block(struct resolver *r, struct node *block);

#endif
