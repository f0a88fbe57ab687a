/*
 * Binds names to variables, functions, globals and built-ins, and reports what a reader of the program would
 * stumble over: unknown names, assignments to nothing, wrong numbers of arguments, unknown fields of structs.
 *
 * Names of one source are interned, so they compare by address within it; across imported files they compare
 * by text.
 */
#include "program.h"
#include "vm.h"

#include <stdlib.h>
#include <string.h>

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

static void *grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
	if (count < *capacity)
		return array;
	*capacity = *capacity ? *capacity * 2 : 8;
	array = realloc(array, *capacity * size);
	if (!array)
		abort();
	return array;
}

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h ^ h >> 15;
}

struct symbol *module_find(const struct module_info *module, const char *name)
{
	for (uint32_t at = hash_name(name); module->index_mask; at++) {
		uint32_t entry = module->index[at & module->index_mask];
		if (!entry)
			break;
		if (!strcmp(module->symbols[entry - 1].name, name))
			return &module->symbols[entry - 1];
	}
	return NULL;
}

static void index_symbol(struct module_info *m, uint32_t number)
{
	uint32_t at = hash_name(m->symbols[number].name);
	while (m->index[at & m->index_mask])
		at++;
	m->index[at & m->index_mask] = number + 1;
}

/* After a symbol was added. */
static void index_last(struct module_info *m)
{
	if (m->index_mask && m->symbol_count * 2 <= m->index_mask) {
		index_symbol(m, m->symbol_count - 1);
		return;
	}
	uint32_t size = m->index_mask ? (m->index_mask + 1) * 2 : 64;
	free(m->index);
	m->index = calloc(size, sizeof(*m->index));
	if (!m->index)
		abort();
	m->index_mask = size - 1;
	for (uint32_t i = 0; i < m->symbol_count; i++)
		index_symbol(m, i);
}

static void define(struct resolver *r, const char *name, enum meaning meaning, uint32_t index,
                   struct node *node)
{
	struct module_info *m = r->module;
	if (!name)
		return;
	struct symbol *old = module_find(m, name);
	if (old) {
		unsigned line = 0, column = 0;
		char hint[80];
		if (old->node)
			source_position(r->source, old->node->begin, &line, &column);
		snprintf(hint, sizeof(hint), "line %u declares it already; choose another name", line);
		source_error(r->source, node->begin, node->begin + 1, hint, "'%s' is declared twice", name);
		return;
	}
	m->symbols = grow(m->symbols, m->symbol_count, &m->symbol_capacity, sizeof(*m->symbols));
	m->symbols[m->symbol_count++] =
	    (struct symbol){.name = name, .meaning = (uint8_t)meaning, .index = index, .node = node};
	index_last(m);
}

/* ---- scopes ---- */
static void push_block(struct resolver *r, struct block_scope *scope)
{
	*scope = (struct block_scope){.outer = r->scope, .function = r->function};
	r->scope = scope;
}

static void pop_block(struct resolver *r)
{
	r->scope = r->scope->outer;
}

static struct variable *declare(struct resolver *r, const char *name, uint32_t begin, uint32_t end)
{
	if (!name)
		return NULL;
	struct variable *v = arena_allocate(&r->source->arena, sizeof(*v));
	v->name = name;
	v->owner = r->function;
	v->begin = begin;
	v->end = end;
	v->slot = r->function->info->slots;
	if (r->function->info->slots == 4000)
		source_error(r->source, begin, end, "split the function",
		             "over 4000 variables in one function");
	else
		r->function->info->slots++;
	v->next = r->scope->variables;
	r->scope->variables = v;
	return v;
}

static struct variable *find_variable(struct resolver *r, const char *name)
{
	for (struct block_scope *s = r->scope; s; s = s->outer)
		for (struct variable *v = s->variables; v; v = v->next)
			if (v->name == name)
				return v;
	return NULL;
}

/* Notes that a function uses a variable of an outer one: it and all functions between capture it. */
static void capture(struct resolver *r, struct variable *v)
{
	v->captured = true;
	for (struct function_scope *f = r->function; f && f != v->owner; f = f->outer) {
		struct scope_info *info = f->info;
		bool known = false;
		for (unsigned i = 0; i < info->capture_count; i++)
			known |= info->captures[i] == v;
		if (known)
			continue;
		if (info->capture_count == info->capture_capacity) {
			struct variable **more = arena_allocate(
			    &r->source->arena, (info->capture_capacity * 2u + 8) * sizeof(*more));
			if (info->capture_count)
				memcpy(more, info->captures, info->capture_count * sizeof(*more));
			info->captures = more;
			info->capture_capacity = (uint16_t)(info->capture_capacity * 2 + 8);
		}
		info->captures[info->capture_count++] = v;
	}
}

static void resolve_expression(struct resolver *r, struct node *n);
static void resolve_statement(struct resolver *r, struct node *n);
static void resolve_block(struct resolver *r, struct node *block);

/* ---- suggestions ---- */
static unsigned distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned row[33];
	if (n > 32 || m > 32)
		return 99;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned up = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
			if (up + 1 < best)
				best = up + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = up;
			row[j] = best;
		}
	}
	return row[m];
}

static const char *suggest(struct resolver *r, const char *name)
{
	const char *best = NULL;
	unsigned least = strlen(name) > 4 ? 3 : 2;
#define CONSIDER(candidate)                                                                                  \
	do {                                                                                                 \
		unsigned d = distance(name, candidate);                                                      \
		if (d < least) {                                                                             \
			least = d;                                                                           \
			best = candidate;                                                                    \
		}                                                                                            \
	} while (0)
	for (struct block_scope *s = r->scope; s; s = s->outer)
		for (struct variable *v = s->variables; v; v = v->next)
			CONSIDER(v->name);
	for (uint32_t i = 0; i < r->module->symbol_count; i++)
		CONSIDER(r->module->symbols[i].name);
	for (unsigned i = 0; i < native_count; i++)
		if (!(natives[i].flags & NATIVE_HIDDEN))
			CONSIDER(natives[i].name);
#undef CONSIDER
	return best;
}

/* ---- names ---- */
static void bind_symbol(struct node *n, const struct symbol *s)
{
	n->flag = s->meaning;
	n->integer = s->index;
}

/* Binds a name; false if nothing has it. */
static bool bind(struct resolver *r, struct node *n)
{
	struct variable *v = find_variable(r, n->text);
	if (v) {
		v->used = true;
		n->flag = NAME_LOCAL;
		n->variable = v;
		if (v->owner != r->function)
			capture(r, v);
		return true;
	}
	struct symbol *s = module_find(r->module, n->text);
	if (s) {
		bind_symbol(n, s);
		return true;
	}
	int native = native_find(n->text, strlen(n->text));
	if (native >= 0) {
		n->flag = NAME_NATIVE;
		n->integer = native;
		return true;
	}
	return false;
}

static void unknown_name(struct resolver *r, struct node *n)
{
	const char *best = suggest(r, n->text);
	char hint[100];
	if (best)
		snprintf(hint, sizeof(hint), "did you mean '%s'?", best);
	else
		snprintf(hint, sizeof(hint), "declare it with let before it is used");
	source_error(r->source, n->begin, n->end, hint, "unknown name '%s'", n->text);
}

static struct node *struct_of(struct resolver *r, const char *name)
{
	struct symbol *s = name ? module_find(r->module, name) : NULL;
	return s && s->meaning == NAME_GLOBAL && s->node && s->node->kind == N_STRUCT ? s->node : NULL;
}

/* A type that names a struct gets the number of its global; unknown names mean any. */
static void resolve_type(struct resolver *r, struct type_note *type)
{
	if ((type->kind & ~TYPE_OPTIONAL) != TYPE_STRUCT)
		return;
	if (struct_of(r, type->name)) {
		type->index = module_find(r->module, type->name)->index;
	} else {
		type->kind = TYPE_ANY;
		type->name = NULL;
	}
}

static unsigned count_list(const struct node *n)
{
	unsigned count = 0;
	for (; n; n = n->next)
		count++;
	return count;
}

/* Arguments given by name are put where the parameters want them. */
static void order_arguments(struct resolver *r, struct node *call, const struct node *params)
{
	struct node *slots[64] = {0}, *rest = NULL, *next;
	unsigned count = count_list(params), at = 0;
	bool named = false;
	for (struct node *a = call->list; a; a = a->next)
		named |= a->kind == N_PAIR;
	if (!named || count > 64)
		return;
	for (struct node *a = call->list; a; a = next) {
		next = a->next;
		unsigned place = at++;
		if (a->kind == N_PAIR) {
			const struct node *param = params;
			for (place = 0; param && strcmp(param->text, a->text); param = param->next)
				place++;
			if (!param) {
				source_error(r->source, a->begin, a->end, "see the function's parameters",
				             "no parameter is named '%s'", a->text);
				return;
			}
		}
		if (place >= 64 || slots[place]) {
			source_error(r->source, a->begin, a->end, "give each parameter once",
			             "an argument too many");
			return;
		}
		slots[place] = a;
	}
	for (unsigned i = 64; i--;)
		if (slots[i]) {
			slots[i]->next = rest;
			rest = slots[i];
		} else if (rest) {
			struct node *nothing = arena_allocate(&r->source->arena, sizeof(*nothing));
			nothing->kind = N_NIL;
			nothing->begin = nothing->end = call->begin;
			nothing->next = rest;
			rest = nothing;
		}
	call->list = rest;
}

static void check_count(struct resolver *r, struct node *call, const char *name, unsigned least, int most)
{
	unsigned given = count_list(call->list);
	char hint[100];
	if (given >= least && (most < 0 || given <= (unsigned)most))
		return;
	if (most == (int)least)
		snprintf(hint, sizeof(hint), "it takes %u", least);
	else if (most < 0)
		snprintf(hint, sizeof(hint), "it takes %u or more", least);
	else
		snprintf(hint, sizeof(hint), "it takes %u to %d", least, most);
	source_error(r->source, call->begin, call->end, hint, "'%s' is called with %u argument%s", name,
	             given, given == 1 ? "" : "s");
}

static unsigned required_params(const struct node *params)
{
	unsigned required = 0, i = 0;
	for (; params; params = params->next) {
		i++;
		if (!params->a)
			required = i;
	}
	return required;
}

static void check_known_call(struct resolver *r, struct node *call, const char *name, enum meaning meaning,
                             const struct node *declaration, int64_t index)
{
	if (meaning == NAME_FUNCTION) {
		order_arguments(r, call, declaration->list);
		check_count(r, call, name, required_params(declaration->list),
		            (int)count_list(declaration->list));
	} else if (meaning == NAME_NATIVE) {
		check_count(r, call, name, (unsigned)natives[index].least, natives[index].most);
	} else if (meaning == NAME_GLOBAL && declaration && declaration->kind == N_STRUCT) {
		order_arguments(r, call, declaration->list);
		check_count(r, call, name, 0, (int)count_list(declaration->list));
	}
}

static void resolve_arguments(struct resolver *r, struct node *list)
{
	for (; list; list = list->next)
		resolve_expression(r, list->kind == N_PAIR ? list->a : list);
}

static void resolve_call(struct resolver *r, struct node *n)
{
	struct node *callee = n->a;
	resolve_arguments(r, n->list);
	if (callee->kind != N_NAME) {
		resolve_expression(r, callee);
		return;
	}
	if (!bind(r, callee)) {
		const char *best = suggest(r, callee->text);
		char hint[100];
		snprintf(hint, sizeof(hint), best ? "did you mean '%s'?" : "calling it will raise an error",
		         best);
		source_warn(r->source, callee->begin, callee->end, hint, "unknown function '%s'",
		            callee->text);
		callee->flag = NAME_UNKNOWN;
		return;
	}
	if (callee->flag == NAME_LOCAL)
		return;
	struct symbol *s = module_find(r->module, callee->text);
	check_known_call(r, n, callee->text, callee->flag, s ? s->node : NULL, callee->integer);
}

/* name.member where name is an imported module: the node becomes a name bound there. */
static bool resolve_module_member(struct resolver *r, struct node *n)
{
	struct node *receiver = n->a;
	if (receiver->kind != N_NAME || find_variable(r, receiver->text))
		return false;
	struct symbol *s = module_find(r->module, receiver->text);
	if (!s || s->meaning != NAME_MODULE)
		return false;
	struct symbol *member = s->module ? module_find(s->module, n->text) : NULL;
	if (!member || member->meaning == NAME_MODULE) {
		if (s->module)
			source_error(r->source, n->begin, n->end, "look at the module's declarations",
			             "module '%s' has no '%s'", receiver->text, n->text);
		n->kind = N_NIL;
		return true;
	}
	struct node *name = receiver;
	name->text = n->text;
	name->end = n->end;
	bind_symbol(name, member);
	if (n->kind == N_METHOD) {
		n->kind = N_CALL;
		resolve_arguments(r, n->list);
		check_known_call(r, n, name->text, member->meaning, member->node, member->index);
	} else {
		n->kind = N_NAME;
		n->a = NULL;
		bind_symbol(n, member);
	}
	return true;
}

/* ---- functions ---- */
static void enter_function(struct resolver *r, struct function_scope *f, struct block_scope *scope,
                           struct node *n)
{
	n->scope = arena_allocate(&r->source->arena, sizeof(*n->scope));
	*f = (struct function_scope){.outer = r->function, .info = n->scope};
	r->function = f;
	push_block(r, scope);
	f->block = scope;
}

static void leave_function(struct resolver *r)
{
	pop_block(r);
	r->function = r->function->outer;
}

static void resolve_function(struct resolver *r, struct node *n)
{
	struct function_scope f;
	struct block_scope scope;
	for (struct node *p = n->list; p; p = p->next) {
		resolve_type(r, &p->type);
		if (p->a)
			resolve_expression(r, p->a);
	}
	resolve_type(r, &n->type);
	enter_function(r, &f, &scope, n);
	for (struct node *p = n->list; p; p = p->next) {
		for (struct node *q = n->list; q != p; q = q->next)
			if (q->text == p->text)
				source_error(r->source, p->begin, p->end, "rename one of them",
				             "two parameters named '%s'", p->text ? p->text : "");
		p->variable = declare(r, p->text, p->begin, p->end);
		if (p->variable)
			p->variable->parameter = true;
	}
	if (n->a)
		resolve_block(r, n->a);
	if (n->b)
		resolve_expression(r, n->b);
	leave_function(r);
}

/* A clause or an initial value: a function without parameters. */
static void resolve_thunk(struct resolver *r, struct node *holder, struct node *body)
{
	struct function_scope f;
	struct block_scope scope;
	enter_function(r, &f, &scope, holder);
	if (body && body->kind == N_BLOCK)
		resolve_block(r, body);
	else if (body)
		resolve_expression(r, body);
	leave_function(r);
}

/* ---- patterns ---- */
static void resolve_pattern(struct resolver *r, struct node *p)
{
	if (r->depth++ > NESTING_MAX) {
		r->depth--;
		return;
	}
	switch (p->kind) {
	case N_NAME: {
		struct symbol *s = module_find(r->module, p->text);
		if (s && s->meaning == NAME_GLOBAL && s->node->kind == N_CONST) {
			bind_symbol(p, s); /* a constant is compared with */
		} else if (strcmp(p->text, "_")) {
			p->flag = NAME_LOCAL;
			p->variable = declare(r, p->text, p->begin, p->end);
		}
		break;
	}
	case N_LIST:
		for (struct node *e = p->list; e; e = e->next) {
			if (e->kind == N_RANGE)
				source_error(r->source, e->begin, e->end, "write the elements out",
				             "a range cannot stand in a list pattern");
			resolve_pattern(r, e);
		}
		break;
	case N_MAP:
		for (struct node *pair = p->list; pair; pair = pair->next) {
			resolve_expression(r, pair->a);
			resolve_pattern(r, pair->b);
		}
		break;
	case N_NEW: {
		struct node *shape = struct_of(r, p->text);
		if (!shape)
			source_error(r->source, p->begin, p->end, "declare it with struct",
			             "no struct is named '%s'", p->text ? p->text : "");
		else if (!bind(r, p->a))
			unknown_name(r, p->a);
		for (struct node *pair = p->list; pair; pair = pair->next)
			resolve_pattern(r, pair->a);
		break;
	}
	case N_RANGE:
		resolve_expression(r, p->a);
		resolve_expression(r, p->b);
		break;
	default:
		resolve_expression(r, p);
	}
	r->depth--;
}

/* ---- expressions ---- */
static void check_new(struct resolver *r, struct node *n)
{
	struct node *shape = struct_of(r, n->text);
	if (!shape) {
		source_error(r->source, n->a->begin, n->a->end, "declare it with struct",
		             "no struct is named '%s'", n->text ? n->text : "");
		return;
	}
	if (!bind(r, n->a))
		unknown_name(r, n->a);
	for (struct node *pair = n->list; pair; pair = pair->next) {
		struct node *field = shape->list;
		while (field && field->text != pair->text)
			field = field->next;
		if (!field)
			source_error(r->source, pair->begin, pair->end, "see the struct's declaration",
			             "struct '%s' has no field '%s'", n->text, pair->text ? pair->text : "");
		resolve_expression(r, pair->a);
	}
}

static void resolve_expression(struct resolver *r, struct node *n)
{
	struct block_scope scope;
	if (!n)
		return;
	if (r->depth++ > HEIGHT_MAX + 3 * NESTING_MAX) {
		r->depth--;
		return;
	}
	switch (n->kind) {
	case N_NAME:
		if (!bind(r, n))
			unknown_name(r, n);
		else if (n->flag == NAME_MODULE)
			source_error(r->source, n->begin, n->end, "use a member: name.member",
			             "'%s' is a module", n->text);
		break;
	case N_CALL:
		resolve_call(r, n);
		break;
	case N_METHOD:
		if (resolve_module_member(r, n))
			break;
		resolve_expression(r, n->a);
		resolve_arguments(r, n->list);
		break;
	case N_FIELD:
		if (!resolve_module_member(r, n))
			resolve_expression(r, n->a);
		break;
	case N_LIST:
		for (struct node *e = n->list; e; e = e->next)
			resolve_expression(r, e);
		break;
	case N_MAP:
	case N_DIST:
		for (struct node *pair = n->list; pair; pair = pair->next) {
			resolve_expression(r, pair->a);
			resolve_expression(r, pair->b);
		}
		break;
	case N_NEW:
		check_new(r, n);
		break;
	case N_LAMBDA:
		resolve_function(r, n);
		break;
	case N_LISTEN: {
		static const char *const known[] = {"user", "system", "flow", "intention", "causal_void"};
		bool ok = !n->text;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !ok; i++)
			ok = !strcmp(n->text, known[i]);
		if (!ok)
			source_warn(r->source, n->begin, n->end,
			            "use user, system, or a channel's name in quotes",
			            "unknown listen source '%s'", n->text);
		resolve_expression(r, n->a);
		resolve_expression(r, n->b);
		resolve_expression(r, n->c);
		break;
	}
	case N_COLLAPSE: {
		static const char *const known[] = {"max_weight", "mean",  "weighted_random",
		                                    "random",     "first", "learn"};
		bool ok = !n->text;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !ok; i++)
			ok = !strcmp(n->text, known[i]);
		if (!ok)
			source_warn(r->source, n->begin, n->end, "max_weight will be used",
			            "unknown collapse method '%s'", n->text);
		resolve_expression(r, n->a);
		resolve_expression(r, n->b);
		break;
	}
	case N_MATCH:
		resolve_expression(r, n->a);
		for (struct node *arm = n->list; arm; arm = arm->next) {
			push_block(r, &scope);
			for (struct node *p = arm->list; p; p = p->next)
				resolve_pattern(r, p);
			if (arm->list && arm->list->next && scope.variables)
				source_error(r->source, arm->list->begin, arm->list->end,
				             "split the arm, or use _ for the parts",
				             "alternatives joined by '|' cannot bind names");
			resolve_expression(r, arm->c);
			if (arm->a)
				resolve_block(r, arm->a);
			resolve_expression(r, arm->b);
			pop_block(r);
		}
		break;
	default:
		resolve_expression(r, n->a);
		resolve_expression(r, n->b);
		resolve_expression(r, n->c);
	}
	r->depth--;
}

/* ---- statements ---- */
static void resolve_let(struct resolver *r, struct node *n)
{
	resolve_type(r, &n->type);
	/* A function may call itself by the name it is bound to. */
	if (n->a && n->a->kind == N_LAMBDA) {
		n->variable = declare(r, n->text, n->begin, n->end);
		if (n->variable) {
			resolve_expression(r, n->a);
			n->variable->assigned |= n->variable->captured;
		}
		return;
	}
	resolve_expression(r, n->a);
	n->variable = declare(r, n->text, n->begin, n->end);
}

static void resolve_assign(struct resolver *r, struct node *n)
{
	resolve_expression(r, n->b);
	if (n->a->kind != N_NAME) {
		resolve_expression(r, n->a);
		return;
	}
	if (!bind(r, n->a) || n->a->flag == NAME_NATIVE) {
		const char *best = suggest(r, n->a->text);
		char hint[100];
		snprintf(hint, sizeof(hint),
		         best && n->a->flag != NAME_NATIVE ? "did you mean '%s'?"
		                                           : "declare it first: let %s = ...;",
		         best && n->a->flag != NAME_NATIVE ? best : n->a->text);
		source_error(r->source, n->a->begin, n->a->end, hint,
		             "assignment to undeclared variable '%s'", n->a->text);
		return;
	}
	if (n->a->flag == NAME_LOCAL) {
		n->a->variable->assigned = true;
		return;
	}
	struct symbol *s = module_find(r->module, n->a->text);
	if (!s || s->meaning != NAME_GLOBAL || s->node->kind != N_STATE)
		source_error(r->source, n->a->begin, n->a->end, "only variables and state can be assigned to",
		             "'%s' cannot change", n->a->text);
}

static void resolve_statement(struct resolver *r, struct node *n)
{
	struct block_scope scope;
	if (r->depth++ > HEIGHT_MAX + 3 * NESTING_MAX) {
		r->depth--;
		return;
	}
	switch (n->kind) {
	case N_LET:
		resolve_let(r, n);
		break;
	case N_ASSIGN:
		resolve_assign(r, n);
		break;
	case N_IF: {
		/* A chain of else-ifs is a loop here, so that its length costs no stack. */
		struct node *at = n;
		while (at && at->kind == N_IF) {
			resolve_expression(r, at->a);
			resolve_block(r, at->b);
			at = at->c;
		}
		if (at)
			resolve_block(r, at);
		break;
	}
	case N_WHILE:
		resolve_expression(r, n->a);
		r->function->loops++;
		resolve_block(r, n->b);
		r->function->loops--;
		break;
	case N_FOR:
		resolve_expression(r, n->a);
		push_block(r, &scope);
		n->variable = declare(r, n->text, n->begin, n->end);
		if (n->c)
			n->c->variable = declare(r, n->c->text, n->c->begin, n->c->end);
		r->function->loops++;
		resolve_block(r, n->b);
		r->function->loops--;
		pop_block(r);
		break;
	case N_BREAK:
	case N_CONTINUE:
		if (!r->function->loops)
			source_error(r->source, n->begin, n->end, "it belongs into while or for",
			             "'%s' outside a loop", n->kind == N_BREAK ? "break" : "continue");
		break;
	case N_LAUNCH: {
		struct symbol *s = n->text ? module_find(r->module, n->text) : NULL;
		if (s && (s->meaning == NAME_FUNCTION || s->meaning == NAME_INTENTION)) {
			n->flag = s->meaning;
			n->integer = s->index;
		} else {
			n->flag = NAME_UNKNOWN;
			source_warn(r->source, n->begin, n->end, "launching it will raise an error",
			            "launching unknown intention or flow '%s'", n->text ? n->text : "");
		}
		resolve_arguments(r, n->list);
		if (n->flag == NAME_FUNCTION) {
			order_arguments(r, n, s->node->list);
			check_count(r, n, n->text, required_params(s->node->list),
			            (int)count_list(s->node->list));
		}
		break;
	}
	case N_SEND:
		resolve_expression(r, n->a);
		resolve_expression(r, n->b);
		resolve_expression(r, n->c);
		break;
	case N_BLOCK:
		resolve_block(r, n);
		break;
	case N_CATCH:
		resolve_block(r, n->a);
		push_block(r, &scope);
		if (n->text)
			n->variable = declare(r, n->text, n->begin, n->end);
		if (n->b)
			resolve_block(r, n->b);
		pop_block(r);
		break;
	default: /* N_EXPR, N_RETURN, N_FAIL */
		resolve_expression(r, n->a);
	}
	r->depth--;
}

static void resolve_block(struct resolver *r, struct node *block)
{
	struct block_scope scope;
	push_block(r, &scope);
	bool dead = false;
	for (struct node *s = block->list; s; s = s->next) {
		if (dead && s->kind != N_BLOCK) {
			source_warn(r->source, s->begin, s->end, "the statement before it always leaves",
			            "this is never reached");
			dead = false;
		}
		resolve_statement(r, s);
		dead =
		    s->kind == N_RETURN || s->kind == N_BREAK || s->kind == N_CONTINUE || s->kind == N_FAIL;
	}
	pop_block(r);
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
	program->functions = grow(program->functions, program->function_count, &program->function_capacity,
	                          sizeof(*program->functions));
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
	define(r, n->text, NAME_GLOBAL, program->global_count++, n);
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
	define(r, n->text, NAME_INTENTION, program->intention_count++, n);
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
			define(r, n->text, NAME_FUNCTION, index, n);
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
			    realloc(program->tests, (program->test_count + 1) * sizeof(*program->tests));
			if (!program->tests)
				abort();
			struct proto *p = new_proto(r, n->text, n);
			p->test = true;
			program->tests[program->test_count++] = p;
			break;
		}
		case N_IMPORT: {
			struct module_info *m = load_module(r, n);
			define(r, n->text, NAME_MODULE, 0, n);
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
