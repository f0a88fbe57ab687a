/* Binds the names in functions, patterns, expressions and statements. */
#include "resolve.h"

#include <stdlib.h>
#include <string.h>

/* ---- functions ---- */
static void enter_function(struct resolver *r, struct function_scope *f, struct block_scope *scope,
                           struct node *n)
{
	n->scope = arena_allocate(&r->source->arena, sizeof(*n->scope));
	*f = (struct function_scope){.outer = r->function, .info = n->scope};
	r->function = f;
	resolve_push_block(r, scope);
	f->block = scope;
}

static void leave_function(struct resolver *r)
{
	resolve_pop_block(r);
	r->function = r->function->outer;
}

void resolve_function(struct resolver *r, struct node *n)
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
		p->variable = resolve_declare(r, p->text, p->begin, p->end);
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
void resolve_thunk(struct resolver *r, struct node *holder, struct node *body)
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
			resolve_bind_symbol(p, s); /* a constant is compared with */
		} else if (strcmp(p->text, "_") != 0) {
			p->flag = NAME_LOCAL;
			p->variable = resolve_declare(r, p->text, p->begin, p->end);
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
		struct node *shape = resolve_struct_of(r, p->text);
		if (!shape)
			source_error(r->source, p->begin, p->end, "declare it with struct",
			             "no struct is named '%s'", p->text ? p->text : "");
		else if (!resolve_bind(r, p->a))
			resolve_unknown_name(r, p->a);
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
	struct node *shape = resolve_struct_of(r, n->text);
	if (!shape) {
		source_error(r->source, n->a->begin, n->a->end, "declare it with struct",
		             "no struct is named '%s'", n->text ? n->text : "");
		return;
	}
	if (!resolve_bind(r, n->a))
		resolve_unknown_name(r, n->a);
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

void resolve_expression(struct resolver *r, struct node *n)
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
		if (!resolve_bind(r, n))
			resolve_unknown_name(r, n);
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
			resolve_push_block(r, &scope);
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
			resolve_pop_block(r);
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
		n->variable = resolve_declare(r, n->text, n->begin, n->end);
		if (n->variable) {
			resolve_expression(r, n->a);
			n->variable->assigned |= n->variable->captured;
		}
		return;
	}
	resolve_expression(r, n->a);
	n->variable = resolve_declare(r, n->text, n->begin, n->end);
}

static void resolve_assign(struct resolver *r, struct node *n)
{
	resolve_expression(r, n->b);
	if (n->a->kind != N_NAME) {
		resolve_expression(r, n->a);
		return;
	}
	if (!resolve_bind(r, n->a) || n->a->flag == NAME_NATIVE) {
		const char *best = resolve_suggest(r, n->a->text);
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

void resolve_statement(struct resolver *r, struct node *n)
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
		resolve_push_block(r, &scope);
		n->variable = resolve_declare(r, n->text, n->begin, n->end);
		if (n->c)
			n->c->variable = resolve_declare(r, n->c->text, n->c->begin, n->c->end);
		r->function->loops++;
		resolve_block(r, n->b);
		r->function->loops--;
		resolve_pop_block(r);
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
			resolve_order_arguments(r, n, s->node->list);
			resolve_check_count(r, n, n->text, resolve_required_params(s->node->list),
			                    (int)resolve_count_list(s->node->list));
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
		resolve_push_block(r, &scope);
		if (n->text)
			n->variable = resolve_declare(r, n->text, n->begin, n->end);
		if (n->b)
			resolve_block(r, n->b);
		resolve_pop_block(r);
		break;
	default: /* N_EXPR, N_RETURN, N_FAIL */
		resolve_expression(r, n->a);
	}
	r->depth--;
}

void resolve_block(struct resolver *r, struct node *block)
{
	struct block_scope scope;
	resolve_push_block(r, &scope);
	bool dead = false;
	for (struct node *s = block->list; s; s = s->next) {
		if (dead && s->kind != N_BLOCK)
			source_warn(r->source, s->begin, s->end, "the statement before it always leaves",
			            "this is never reached");
		resolve_statement(r, s);
		dead =
		    s->kind == N_RETURN || s->kind == N_BREAK || s->kind == N_CONTINUE || s->kind == N_FAIL;
	}
	resolve_pop_block(r);
}
