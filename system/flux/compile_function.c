/* Compiles functions, clauses and whole programs, and frees them. */
#include "compile.h"

#include <stdlib.h>

/* ---- functions ---- */
static void finish_proto(struct compiler *c)
{
	struct proto *p = c->proto;
	emit(c, OP_RETNIL, 0, 0, 0, 0);
	if (!p->registers)
		p->registers = 1;
	p->caches = calloc(p->cache_count ? p->cache_count : 1, sizeof(*p->caches));
	p->capture_count = c->scope->capture_count;
	p->captures = calloc(p->capture_count ? p->capture_count : 1, sizeof(*p->captures));
	if (!p->caches || !p->captures)
		abort();
	for (unsigned i = 0; i < p->capture_count; i++) {
		const struct variable *v = c->scope->captures[i];
		int index = c->outer ? captured_index(c->outer, v) : -1;
		p->captures[i] =
		    index >= 0 ? (struct capture){false, (uint16_t)index} : (struct capture){true, v->reg};
	}
}

static void compile_parameters(struct compiler *c, const struct node *list)
{
	unsigned count = 0;
	for (const struct node *p = list; p; p = p->next) {
		unsigned reg = allocate(c, 1);
		count++;
		if (!p->a)
			c->proto->required = (uint8_t)count;
		if (p->variable)
			p->variable->reg = (uint16_t)reg;
	}
	c->proto->params = (uint8_t)count;
	for (const struct node *p = list; p; p = p->next) {
		if (!p->variable)
			continue;
		c->place = p->begin;
		check_type(c, &p->type, p->variable->reg, p->text);
		declare_variable(c, p->variable, p->variable->reg);
	}
}

static void compile_body(struct compiler *c, const struct node *n)
{
	if (n->kind == N_FUNCTION || n->kind == N_FLOW || n->kind == N_LAMBDA)
		compile_parameters(c, n->list);
	if (n->a && n->a->kind == N_BLOCK) {
		compile_block(c, n->a);
	} else {
		const struct node *expression = n->kind == N_LAMBDA ? n->b : n->a;
		if (expression) {
			unsigned reg = expression_any(c, expression);
			emit(c, OP_RET, reg, 0, 0, 0);
		}
	}
	c->place = n->end ? n->end - 1 : 0;
	finish_proto(c);
}

struct proto *compile_lambda(struct compiler *outer, const struct node *n)
{
	struct proto *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->name = "fn";
	p->node = n;
	p->source = outer->proto->source;
	p->program = outer->program;
	struct compiler c = {
	    .vm = outer->vm, .program = outer->program, .proto = p, .outer = outer, .scope = n->scope};
	compile_body(&c, n);
	outer->failed |= c.failed;
	return p;
}

static void compile_proto(struct vm *vm, struct program *program, struct proto *proto)
{
	static struct scope_info nothing;
	struct compiler c = {.vm = vm, .program = program, .proto = proto};
	c.scope = proto->node->scope ? proto->node->scope : &nothing;
	if (!proto->node->scope && proto->node->kind != N_STRUCT)
		return;
	if (proto->node->kind == N_STRUCT) {
		finish_proto(&c);
		return;
	}
	compile_body(&c, proto->node);
}

void compile_one(struct vm *vm, struct program *program, struct proto *proto)
{
	compile_proto(vm, program, proto);
}

void program_adopt(struct program *program, struct proto *proto)
{
	program->adopted = realloc(program->adopted, (program->adopted_count + 1) * sizeof(struct proto *));
	if (!program->adopted)
		abort();
	program->adopted[program->adopted_count++] = proto;
	if (!program->originals) { /* functions[] may change from now on */
		size_t size = program->function_count * sizeof(struct proto *);
		program->originals = malloc(size ? size : 1);
		if (!program->originals)
			abort();
		memcpy(program->originals, program->functions, size);
	}
}

void program_compile(struct vm *vm, struct program *program)
{
	for (uint32_t i = 0; i < program->function_count; i++)
		compile_proto(vm, program, program->functions[i]);
	for (uint32_t i = 0; i < program->global_count; i++)
		compile_proto(vm, program, program->globals[i].initial);
	for (uint32_t i = 0; i < program->test_count; i++)
		compile_proto(vm, program, program->tests[i]);
	for (uint32_t i = 0; i < program->intention_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			if (program->intentions[i].clauses[k])
				compile_proto(vm, program, program->intentions[i].clauses[k]);
	for (uint32_t i = 0; i < program->paradox_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			if (program->paradoxes[i].clauses[k])
				compile_proto(vm, program, program->paradoxes[i].clauses[k]);
}

struct program *program_build(struct vm *vm, struct source *source, bool debug)
{
	struct program *program = calloc(1, sizeof(*program));
	if (!program)
		abort();
	program->source = source;
	program->debug = debug;
	program->bare = !vm;
	source_parse(source);
	program_resolve(program);
	if (program_ok(program))
		program_compile(vm, program);
	if (vm)
		vm->program = program;
	return program;
}

static void proto_free(struct proto *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->inner_count; i++)
		proto_free(p->inner[i]);
	free(p->code);
	free(p->places);
	free(p->constants);
	free(p->inner);
	free(p->caches);
	free(p->captures);
	free(p);
}

void program_free(struct program *program)
{
	if (!program)
		return;
	for (uint32_t i = 0; i < program->function_count; i++)
		proto_free(program->originals ? program->originals[i] : program->functions[i]);
	for (uint32_t i = 0; i < program->adopted_count; i++)
		proto_free(program->adopted[i]);
	free(program->adopted);
	free(program->originals);
	for (uint32_t i = 0; i < program->global_count; i++)
		proto_free(program->globals[i].initial);
	for (uint32_t i = 0; i < program->test_count; i++)
		proto_free(program->tests[i]);
	for (uint32_t i = 0; i < program->intention_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			proto_free(program->intentions[i].clauses[k]);
	for (uint32_t i = 0; i < program->paradox_count; i++)
		for (unsigned k = 0; k < CLAUSES; k++)
			proto_free(program->paradoxes[i].clauses[k]);
	free(program->functions);
	free(program->globals);
	free(program->tests);
	free(program->intentions);
	free(program->paradoxes);
	source_free(program->source);
	free(program);
}
