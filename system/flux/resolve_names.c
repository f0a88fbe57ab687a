/* What names mean: symbols of modules, scopes, captured variables, and suggestions for names that are unknown. */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

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

void resolve_define(struct resolver *r, const char *name, enum meaning meaning, uint32_t index,
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
	m->symbols = resolve_grow(m->symbols, m->symbol_count, &m->symbol_capacity, sizeof(*m->symbols));
	m->symbols[m->symbol_count++] =
	    (struct symbol){.name = name, .meaning = (uint8_t)meaning, .index = index, .node = node};
	index_last(m);
}

/* ---- scopes ---- */
void resolve_push_block(struct resolver *r, struct block_scope *scope)
{
	*scope = (struct block_scope){.outer = r->scope, .function = r->function};
	r->scope = scope;
}

void resolve_pop_block(struct resolver *r)
{
	r->scope = r->scope->outer;
}

struct variable *resolve_declare(struct resolver *r, const char *name, uint32_t begin, uint32_t end)
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
			    &r->source->arena, (info->capture_capacity * 2u + 8) * sizeof(struct variable *));
			if (info->capture_count)
				memcpy(more, info->captures, info->capture_count * sizeof(struct variable *));
			info->captures = more;
			info->capture_capacity = (uint16_t)(info->capture_capacity * 2 + 8);
		}
		info->captures[info->capture_count++] = v;
	}
}

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

const char *resolve_suggest(struct resolver *r, const char *name)
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
void resolve_bind_symbol(struct node *n, const struct symbol *s)
{
	n->flag = s->meaning;
	n->integer = s->index;
}

/* Binds a name; false if nothing has it. */
bool resolve_bind(struct resolver *r, struct node *n)
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
		resolve_bind_symbol(n, s);
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

void resolve_unknown_name(struct resolver *r, struct node *n)
{
	const char *best = resolve_suggest(r, n->text);
	char hint[100];
	if (best)
		snprintf(hint, sizeof(hint), "did you mean '%s'?", best);
	else
		snprintf(hint, sizeof(hint), "declare it with let before it is used");
	source_error(r->source, n->begin, n->end, hint, "unknown name '%s'", n->text);
}

struct node *resolve_struct_of(struct resolver *r, const char *name)
{
	struct symbol *s = name ? module_find(r->module, name) : NULL;
	return s && s->meaning == NAME_GLOBAL && s->node && s->node->kind == N_STRUCT ? s->node : NULL;
}

/* A type that names a struct gets the number of its global; unknown names mean any. */
void resolve_type(struct resolver *r, struct type_note *type)
{
	if ((type->kind & ~TYPE_OPTIONAL) != TYPE_STRUCT)
		return;
	if (resolve_struct_of(r, type->name)) {
		type->index = module_find(r->module, type->name)->index;
	} else {
		type->kind = TYPE_ANY;
		type->name = NULL;
	}
}

unsigned resolve_count_list(const struct node *n)
{
	unsigned count = 0;
	for (; n; n = n->next)
		count++;
	return count;
}

/* Arguments given by name are put where the parameters want them. */
void resolve_order_arguments(struct resolver *r, struct node *call, const struct node *params)
{
	struct node *slots[64] = {0}, *rest = NULL, *next;
	unsigned count = resolve_count_list(params), at = 0;
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
			for (place = 0; param && strcmp(param->text, a->text) != 0; param = param->next)
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

void resolve_check_count(struct resolver *r, struct node *call, const char *name, unsigned least, int most)
{
	unsigned given = resolve_count_list(call->list);
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

unsigned resolve_required_params(const struct node *params)
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
	if (meaning == NAME_FUNCTION && declaration) {
		resolve_order_arguments(r, call, declaration->list);
		resolve_check_count(r, call, name, resolve_required_params(declaration->list),
		                    (int)resolve_count_list(declaration->list));
	} else if (meaning == NAME_NATIVE) {
		resolve_check_count(r, call, name, (unsigned)natives[index].least, natives[index].most);
	} else if (meaning == NAME_GLOBAL && declaration && declaration->kind == N_STRUCT) {
		resolve_order_arguments(r, call, declaration->list);
		resolve_check_count(r, call, name, 0, (int)resolve_count_list(declaration->list));
	}
}

void resolve_arguments(struct resolver *r, struct node *list)
{
	for (; list; list = list->next)
		resolve_expression(r, list->kind == N_PAIR ? list->a : list);
}

void resolve_call(struct resolver *r, struct node *n)
{
	struct node *callee = n->a;
	resolve_arguments(r, n->list);
	if (callee->kind != N_NAME) {
		resolve_expression(r, callee);
		return;
	}
	if (!resolve_bind(r, callee)) {
		const char *best = resolve_suggest(r, callee->text);
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
bool resolve_module_member(struct resolver *r, struct node *n)
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
	resolve_bind_symbol(name, member);
	if (n->kind == N_METHOD) {
		n->kind = N_CALL;
		resolve_arguments(r, n->list);
		check_known_call(r, n, name->text, member->meaning, member->node, member->index);
	} else {
		n->kind = N_NAME;
		n->a = NULL;
		resolve_bind_symbol(n, member);
	}
	return true;
}
