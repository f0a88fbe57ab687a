/* Shared by the files of compile_control.c, compile_expression.c. */
#ifndef FLUX_COMPILE_EXPRESSION_H
#define FLUX_COMPILE_EXPRESSION_H

#include "compile.h"

bool compile_literal_constant(struct compiler *c, const struct node *n, value *out);
void compile_binary(struct compiler *c, const struct node *n, unsigned target, bool temporary);
bool compile_is_comparison(const struct node *n);
void compile_truth(struct compiler *c, const struct node *n, unsigned target);
void compile_call(struct compiler *c, const struct node *n, unsigned target);
void compile_method(struct compiler *c, const struct node *n, unsigned target);
void compile_native(struct compiler *c, const char *name, const struct node *n, unsigned target,
                    const struct node **arguments, unsigned count);
void compile_list(struct compiler *c, const struct node *n, unsigned target);
void compile_pairs(struct compiler *c, const struct node *n, unsigned target);
void compile_new(struct compiler *c, const struct node *n, unsigned target);
void compile_lambda_value(struct compiler *c, const struct node *n, unsigned target);

#endif
