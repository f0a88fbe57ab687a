/*
 * Binds names to variables, functions, globals and built-ins, and reports what a reader of the program would
 * stumble over: unknown names, assignments to nothing, wrong numbers of arguments, unknown fields of structs.
 *
 * Names of one source are interned, so they compare by address within it; across imported files they compare
 * by text.
 */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

void *resolve_grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : 8;
	array = realloc(array, *capacity * size);
	if (!array)
		abort();
	return array;
}

/* ---- declarations ---- */
static void collect(struct resolver *r);

static char *directory_of(const char *path, char *buffer, size_t size)
{
	const char *slash = strrchr(path, '/');
	snprintf(buffer, size, "%.*s", slash ? (int)(slash - path + 1) : 0, path);
	return buffer;
}

static struct module_info *load_module(struct resolver *r, struct node *n)
{
	char path[1024], directory[1024];
	const char *name = n->a && n->a->kind == N_STRING ? n->a->text : NULL;
	if (!name)
		return NULL;
	directory_of(r->source->name, directory, sizeof(directory));
	int length = snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : directory, name);
	if (length < 0 || (size_t)length >= sizeof(path)) {
		source_error(r->source, n->begin, n->end, "use a shorter path", "this path is too long");
		return NULL;
	}
	unsigned count = 0;
	for (struct module_info *m = r->modules; m; m = m->next, count++)
		if (!strcmp(m->path, path))
			return m;
	if (count > 200) {
		source_error(r->source, n->begin, n->end, "at most 200 files make a program",
		             "too many imports");
		return NULL;
	}
	struct source *source = source_load(path);
	if (!source) {
		source_error(r->source, n->begin, n->end, "paths are relative to the importing file",
		             "cannot read the module '%s'", name);
		return NULL;
	}
	source_parse(source);
	struct source *last = r->program->source;
	while (last->next)
		last = last->next;
	last->next = source;
	struct module_info *m = arena_allocate(&r->program->source->arena, sizeof(*m)), **tail = &r->modules;
	m->source = source;
	m->path = source->name;
	while (*tail)
		tail = &(*tail)->next;
	*tail = m;
	/* Its own declarations, before those of the importer go on. */
	struct module_info *saved_module = r->module;
	struct source *saved_source = r->source;
	r->module = m;
	r->source = source;
	if (r->depth++ < 50)
		collect(r);
	r->depth--;
	r->module = saved_module;
	r->source = saved_source;
	return m;
}

static struct proto *new_proto(struct resolver *r, const char *name, const struct node *node)
{
	struct proto *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->name = name ? name : "?";
	p->node = node;
	p->source = r->source;
	p->program = r->program;
	return p;
}

static uint32_t add_function(struct resolver *r, const char *name, const struct node *node)
{
	struct program *program = r->program;
	program->functions = resolve_grow(program->functions, program->function_count,
	                                  &program->function_capacity, sizeof(struct proto *));
	program->functions[program->function_count] = new_proto(r, name, node);
	return program->function_count++;
}

static void add_global(struct resolver *r, struct node *n, enum global_kind kind)
{
	struct program *program = r->program;
	program->globals = realloc(program->globals, (program->global_count + 1) * sizeof(*program->globals));
	if (!program->globals)
		abort();
	program->globals[program->global_count] = (struct global){
	    .name = n->text, .kind = (uint8_t)kind, .node = n, .initial = new_proto(r, n->text, n)};
	resolve_define(r, n->text, NAME_GLOBAL, program->global_count++, n);
}

static void add_intention(struct resolver *r, struct node *n)
{
	struct program *program = r->program;
	program->intentions =
	    realloc(program->intentions, (program->intention_count + 1) * sizeof(*program->intentions));
	if (!program->intentions)
		abort();
	struct intention *i = &program->intentions[program->intention_count];
	*i = (struct intention){.name = n->text, .priority = 1.0, .node = n, .source = r->source};
	for (struct node *c = n->list; c; c = c->next) {
		if (c->op == CLAUSE_PRIORITY) {
			i->priority = c->number;
			if (!(c->number >= 0 && c->number <= 1))
				source_error(r->source, c->begin, c->end, "0 is the least, 1 the most urgent",
				             "priority %g is not in [0, 1]", c->number);
			continue;
		}
		if (!i->clauses[c->op]) /* given twice: the parser said so */
			i->clauses[c->op] = new_proto(r, n->text, c);
	}
	resolve_define(r, n->text, NAME_INTENTION, program->intention_count++, n);
}

static void add_paradox(struct resolver *r, struct node *n)
{
	struct program *program = r->program;
	program->paradoxes =
	    realloc(program->paradoxes, (program->paradox_count + 1) * sizeof(*program->paradoxes));
	if (!program->paradoxes)
		abort();
	struct paradox *p = &program->paradoxes[program->paradox_count++];
	*p = (struct paradox){.name = n->text, .node = n, .source = r->source};
	for (struct node *c = n->list; c; c = c->next)
		if (!p->clauses[c->op])
			p->clauses[c->op] = new_proto(r, n->text, c);
}

static void collect(struct resolver *r)
{
	for (struct node *n = r->source->program->list; n; n = n->next) {
		switch (n->kind) {
		case N_FUNCTION:
		case N_FLOW: {
			uint32_t index = add_function(r, n->text, n);
			r->program->functions[index]->flow = n->kind == N_FLOW;
			resolve_define(r, n->text, NAME_FUNCTION, index, n);
			break;
		}
		case N_INTENTION:
			add_intention(r, n);
			break;
		case N_STRUCT:
			add_global(r, n, GLOBAL_STRUCT);
			break;
		case N_MOSAIC:
			add_global(r, n, GLOBAL_MOSAIC);
			break;
		case N_CONST:
			add_global(r, n, GLOBAL_CONST);
			break;
		case N_STATE:
			add_global(r, n, GLOBAL_STATE);
			break;
		case N_PARADOX:
			add_paradox(r, n);
			break;
		case N_TEST: {
			struct program *program = r->program;
			program->tests =
			    realloc(program->tests, (program->test_count + 1) * sizeof(struct proto *));
			if (!program->tests)
				abort();
			struct proto *p = new_proto(r, n->text, n);
			p->test = true;
			program->tests[program->test_count++] = p;
			break;
		}
		case N_IMPORT: {
			struct module_info *m = load_module(r, n);
			resolve_define(r, n->text, NAME_MODULE, 0, n);
			struct symbol *s = n->text ? module_find(r->module, n->text) : NULL;
			if (s && s->node == n)
				s->module = m;
			break;
		}
		default:
			break;
		}
	}
}

static void resolve_declarations(struct resolver *r)
{
	for (struct node *n = r->source->program->list; n; n = n->next) {
		switch (n->kind) {
		case N_FUNCTION:
		case N_FLOW:
			resolve_function(r, n);
			break;
		case N_INTENTION:
		case N_PARADOX:
			for (struct node *c = n->list; c; c = c->next)
				resolve_thunk(r, c, c->a);
			break;
		case N_MOSAIC:
		case N_CONST:
		case N_STATE:
			resolve_type(r, &n->type);
			resolve_thunk(r, n, n->a);
			break;
		case N_STRUCT: {
			unsigned count = 0;
			for (struct node *field = n->list; field; field = field->next) {
				resolve_type(r, &field->type);
				for (struct node *other = n->list; other != field; other = other->next)
					if (other->text == field->text)
						source_error(r->source, field->begin, field->end,
						             "rename one of them", "two fields named '%s'",
						             field->text ? field->text : "");
				if (field->a)
					resolve_thunk(r, field, field->a);
				if (++count == 200)
					source_error(r->source, field->begin, field->end, "split the struct",
					             "over 199 fields");
			}
			break;
		}
		case N_TEST:
			resolve_thunk(r, n, n->a);
			break;
		default:
			break;
		}
	}
}

bool program_resolve(struct program *program)
{
	struct resolver r = {.program = program, .source = program->source};
	struct module_info *main = arena_allocate(&program->source->arena, sizeof(*main));
	main->source = program->source;
	main->path = program->source->name;
	r.modules = r.module = main;
	natives_init();
	collect(&r);
	for (struct module_info *m = r.modules; m; m = m->next) {
		r.module = m;
		r.source = m->source;
		resolve_declarations(&r);
	}
	for (struct module_info *m = r.modules; m; m = m->next) {
		free(m->symbols);
		free(m->index);
	}
	return program_ok(program);
}

bool program_ok(const struct program *program)
{
	for (const struct source *s = program->source; s; s = s->next)
		if (s->error_count)
			return false;
	return true;
}

void program_print(const struct program *program, FILE *out, bool warnings)
{
	source_print(program->source, out, warnings, false);
}
