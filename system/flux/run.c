/* A run: build the program, hand it what it may reach, give its globals their values, run it, report how it
 * ended. */
#include "options.h"

#include <stdlib.h>

static void attach_state(struct vm *vm, uint32_t count)
{
	struct state *state = vm->state;
	value *items = realloc(state->items, (count ? count : 1) * sizeof(value));
	if (!items)
		abort();
	for (uint32_t i = state->count; i < count; i++)
		items[i] = V_NIL;
	state->items = items;
	state->count = count;
}

static struct shape *make_shape(struct vm *vm, const struct node *n)
{
	uint32_t count = 0, i = 0;
	for (const struct node *f = n->list; f; f = f->next)
		count++;
	struct shape *shape = heap_allocate(vm, T_SHAPE, sizeof(*shape));
	shape->count = 0;
	shape->id = vm->next_shape++;
	shape->name = string_of(vm, n->text);
	shape->fields = calloc(count ? count : 1, sizeof(struct string *));
	shape->types = calloc(count ? count : 1, 1);
	shape->structs = calloc(count ? count : 1, sizeof(struct shape *));
	if (!shape->fields || !shape->types || !shape->structs)
		abort();
	for (const struct node *f = n->list; f; f = f->next, i++) {
		shape->fields[i] = string_of(vm, f->text);
		shape->types[i] = f->type.kind;
	}
	shape->count = count;
	return shape;
}

static void freeze(value v)
{
	if (is_type(v, T_LIST) || is_type(v, T_MAP) || is_type(v, T_STRUCT))
		as_object(v)->flags |= OBJECT_FROZEN;
}

bool program_start(struct vm *vm)
{
	struct program *program = vm->program;
	uint32_t first = vm->state->count; /* those before have their values from the program before */
	attach_state(vm, program->global_count);
	for (uint32_t i = first; i < program->global_count; i++)
		if (program->globals[i].kind == GLOBAL_STRUCT)
			vm->state->items[i] = from_object(make_shape(vm, program->globals[i].node));
	/* Fields that are structs: now that all shapes exist. */
	for (uint32_t i = first; i < program->global_count; i++) {
		if (program->globals[i].kind != GLOBAL_STRUCT)
			continue;
		struct shape *shape = (struct shape *)as_object(vm->state->items[i]);
		uint32_t k = 0;
		for (const struct node *f = program->globals[i].node->list; f; f = f->next, k++)
			if ((f->type.kind & ~TYPE_OPTIONAL) == TYPE_STRUCT)
				shape->structs[k] =
				    (struct shape *)as_object(vm->state->items[f->type.index]);
	}
	for (uint32_t i = first; i < program->global_count; i++) {
		struct global *g = &program->globals[i];
		if (g->kind == GLOBAL_STRUCT)
			continue;
		value v = V_NIL;
		if (g->kind == GLOBAL_MOSAIC)
			v = mosaic_new(vm, g->name);
		else
			v = vm_call_proto(vm, g->initial, NULL, 0);
		if (v == V_RAISE)
			return false;
		if (g->kind == GLOBAL_CONST)
			freeze(v);
		vm->state->items[i] = v;
		gc_write(vm, &vm->state->object, v);
	}
	return true;
}

void report_error(struct vm *vm, FILE *out)
{
	if (!is_type(vm->error, T_ERROR))
		return;
	struct flux_error *e = (struct flux_error *)as_object(vm->error);
	fprintf(out, "runtime error: %s\n", string_bytes(vm, e->message));
	if (e->trace && e->trace->length)
		fprintf(out, "%s\n", string_bytes(vm, e->trace));
}

static void hand_over(struct vm *vm, const struct run_options *options)
{
	struct map *map = map_new(vm, 8);
	struct list *words = list_new(vm, options->word_count);
	vm->args = from_object(map);
	for (unsigned i = 0; i < options->word_count; i++)
		list_push(vm, words,
		          from_object(string_new(vm, options->words[i], strlen(options->words[i]))));
	map_set_text(vm, map, "words", from_object(words));
	if (options->read_directory || options->write_directory)
		map_set_text(vm, map, "files",
		             capability_files(vm,
		                              options->replay            ? NULL
		                              : options->write_directory ? options->write_directory
		                                                         : options->read_directory,
		                              options->write_directory != NULL));
	if (options->proc_directory)
		map_set_text(vm, map, "proc", capability_files(vm, options->proc_directory, false));
	if (options->allow_clock)
		map_set_text(vm, map, "clock", capability_simple(vm, "clock"));
	if (options->allow_process)
		map_set_text(vm, map, "process", capability_simple(vm, "process"));
	if (options->allow_net)
		map_set_text(vm, map, "net", capability_simple(vm, "net"));
	if (options->allow_subkernels)
		map_set_text(vm, map, "subkernels", capability_simple(vm, "subkernels"));
}

struct vm *run_prepare(struct source *source, const struct run_options *options, FILE *out)
{
	struct vm *vm = vm_create(options->memory ? options->memory : (size_t)1 << 30, options->seed);
	struct program *program = program_build(vm, source, options->debug);
	vm->out = out;
	vm->live = options->live;
	program_print(program, stderr, true);
	const char *wrong = program_ok(program) ? program_verify(program) : NULL;
	if (wrong)
		fprintf(stderr, "error: the compiler made wrong code: %s\n", wrong);
	if (!program_ok(program) || wrong) {
		vm_destroy(vm);
		program_free(program);
		return NULL;
	}
	vm->heap.stress = options->stress;
	if (options->fuel)
		vm_set_fuel(vm, options->fuel);
	if (options->limit_ns)
		scheduler_limit(vm, options->limit_ns);
	if (options->walk)
		walker_attach(vm);
	if (options->explain)
		scheduler_story(vm, stdout);
	hand_over(vm, options);
	return vm;
}

bool run_continue(struct vm *vm, struct source *source)
{
	struct program *before = vm->program, *program = program_build(vm, source, false);
	program_print(program, stderr, true);
	const char *wrong = program_ok(program) ? program_verify(program) : NULL;
	if (wrong)
		fprintf(stderr, "error: the compiler made wrong code: %s\n", wrong);
	if (!program_ok(program) || wrong) {
		vm->program = before;
		program_free(program);
		return false;
	}
	program->before = before;
	vm->program = program;
	return true;
}

bool run_to_end(struct vm *vm)
{
	jmp_buf jump;
	vm->memory_jump =
	    &jump; /* for what nothing further in catches: the plain evaluator, and work between calls */
	if (setjmp(jump)) {
		vm->memory_jump = NULL;
		vm->stopping = true;
		return false;
	}
	bool ok = program_start(vm) && scheduler_run(vm);
	if (ok)
		timelines_finish(vm);
	vm->memory_jump = NULL;
	return ok;
}

int run_program(struct vm *vm)
{
	bool ok = run_to_end(vm);
	fflush(vm->out);
	if (!ok)
		report_error(vm, stderr);
	return ok ? 0 : 1;
}

void run_finish(struct vm *vm)
{
	struct program *program = vm->program;
	if (vm->walker)
		walker_detach(vm);
	vm_destroy(vm);
	while (program) {
		struct program *before = program->before;
		program_free(program);
		program = before;
	}
}
