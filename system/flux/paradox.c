/*
 * Paradoxes: controlled variation of a function of the program itself.
 *
 *   paradox Name { vary: f  keep: g  judge: h  limit: n  rollback: k }
 *
 * evolve("Name") copies f's syntax tree and changes it a little, n times. A changed f must compile, pass the
 * verifier and satisfy every invariant of `keep` (functions of the candidate that return true); then `judge`
 * gives it a score, on data of its own: the candidate gets its arguments and nothing else, a budget of steps,
 * and its errors count as refusals. A better one takes f's place. `rollback` is asked at the end, about the
 * final f: if it says false, the first f returns.
 *
 * The other names (generate_paradox and so on) are vocabulary of Flux 1.2 with the same mundane meanings.
 */
#include "compile.h"
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

#define STEPS     200000 /* of a candidate in one call of keep or judge */
#define LIMIT_MAX 100000
#define SPOTS_MAX 4096

/* ---- changing a tree ---- */
static struct node *clone(struct source *source, const struct node *n)
{
	if (!n)
		return NULL;
	struct node *copy = arena_allocate(&source->arena, sizeof(*copy));
	*copy = *n;
	copy->a = clone(source, n->a);
	copy->b = clone(source, n->b);
	copy->c = clone(source, n->c);
	/* Along the list without recursion: lists are long, trees are not deep. */
	struct node **link = &copy->list;
	for (const struct node *e = n->list; e; e = e->next) {
		struct node *element = arena_allocate(&source->arena, sizeof(*element));
		*element = *e;
		element->a = clone(source, e->a);
		element->b = clone(source, e->b);
		element->c = clone(source, e->c);
		if (e->list) {
			struct node holder = {.list = e->list};
			struct node *inner = clone(source, &holder);
			element->list = inner->list;
		}
		element->next = NULL;
		*link = element;
		link = &element->next;
	}
	copy->next = NULL;
	return copy;
}

struct spots {
	struct node *at[SPOTS_MAX];
	unsigned count;
};

static bool changeable(const struct node *n)
{
	switch (n->kind) {
	case N_INT:
	case N_FLOAT:
	case N_BOOL:
	case N_BINARY:
	case N_AND:
	case N_OR:
	case N_IF:
	case N_IF_EXPR:
	case N_DURATION:
		return true;
	default:
		return false;
	}
}

static void find_spots(struct spots *s, struct node *n, bool in_params)
{
	for (; n; n = n->next) {
		if (!in_params && changeable(n) && s->count < SPOTS_MAX)
			s->at[s->count++] = n;
		find_spots(s, n->a, false);
		find_spots(s, n->b, false);
		find_spots(s, n->c, false);
		find_spots(s, n->list, n->kind == N_FUNCTION || n->kind == N_FLOW || n->kind == N_LAMBDA);
	}
}

static unsigned below(struct vm *vm, unsigned n)
{
	return (unsigned)(rng_double(&vm->rng) * n);
}

static void change(struct vm *vm, struct source *source, struct node *n)
{
	static const uint8_t comparisons[] = {TOK_LT, TOK_GT, TOK_LE, TOK_GE, TOK_EQ, TOK_NEQ};
	static const uint8_t arithmetic[] = {TOK_PLUS, TOK_MINUS, TOK_STAR, TOK_SLASH};
	double r = rng_double(&vm->rng);
	struct node *swap;
	switch (n->kind) {
	case N_INT: {
		int64_t step = r < 0.5   ? 1
		               : r < 0.7 ? 10
		                         : (n->integer < 0 ? -n->integer : n->integer) / 4 + 1;
		if (r > 0.92)
			n->integer = 0;
		else if (n->integer < INT64_MAX / 4 && n->integer > INT64_MIN / 4)
			n->integer += below(vm, 2) ? step : -step;
		break;
	}
	case N_FLOAT:
		if (r < 0.7)
			n->number *= 0.5 + rng_double(&vm->rng);
		else
			n->number += (rng_double(&vm->rng) - 0.5) * (fabs(n->number) + 1);
		break;
	case N_DURATION: {
		double ns = (double)n->integer * (0.5 + rng_double(&vm->rng));
		char text[40];
		n->integer = ns < 9e18 ? (int64_t)ns : INT64_MAX;
		duration_format(n->integer, text, sizeof(text));
		n->text = source_intern(source, text, strlen(text));
		n->length = (uint32_t)strlen(text);
		break;
	}
	case N_BOOL:
		n->integer = !n->integer;
		break;
	case N_AND:
	case N_OR:
		n->kind = n->kind == N_AND ? N_OR : N_AND;
		n->op = n->kind == N_AND ? TOK_AND : TOK_OR;
		break;
	case N_BINARY:
		if (r < 0.25 && n->op != TOK_CONCAT) {
			swap = n->a;
			n->a = n->b;
			n->b = swap;
			break;
		}
		for (size_t i = 0; i < sizeof(comparisons); i++)
			if (n->op == comparisons[i]) {
				n->op = comparisons[below(vm, sizeof(comparisons))];
				return;
			}
		for (size_t i = 0; i < sizeof(arithmetic); i++)
			if (n->op == arithmetic[i]) {
				n->op = arithmetic[below(vm, sizeof(arithmetic))];
				return;
			}
		break;
	case N_IF:
		if (n->c && n->c->kind == N_BLOCK) {
			swap = n->b;
			n->b = n->c;
			n->c = swap;
		} else {
			/* negate the condition */
			struct node *not = arena_allocate(&vm->program->source->arena, sizeof(*not ));
			not ->kind = N_UNARY;
			not ->op = TOK_NOT;
			not ->begin = n->a->begin;
			not ->end = n->a->end;
			not ->a = n->a;
			n->a = not ;
		}
		break;
	case N_IF_EXPR:
		swap = n->b;
		n->b = n->c;
		n->c = swap;
		break;
	default:
		break;
	}
}

char *paradox_vary_source(struct vm *vm, const char *text, size_t length)
{
	struct source *source = source_new("varied", text, length);
	struct text out = {0};
	if (source && source_parse(source)) {
		struct spots *spots = calloc(1, sizeof(*spots));
		if (!spots)
			abort();
		for (struct node *n = source->program->list; n; n = n->next)
			if (n->kind == N_FUNCTION)
				find_spots(spots, n->a, false);
		unsigned changes = 1 + below(vm, 3);
		for (unsigned k = 0; k < changes && spots->count; k++)
			change(vm, source, spots->at[below(vm, spots->count)]);
		free(spots);
		print_node(&out, source->program, 0);
	}
	source_free(source);
	return out.bytes;
}

/* ---- one round ---- */
static struct proto *compile_candidate(struct vm *vm, const struct proto *original, struct node *node)
{
	struct proto *p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	p->name = original->name;
	p->source = original->source;
	p->program = original->program;
	p->node = node;
	p->flow = original->flow;
	unsigned errors = original->source->error_count;
	compile_one(vm, original->program, p);
	program_adopt(original->program, p);
	if (original->source->error_count != errors) {
		original->source->error_count = errors;
		return NULL;
	}
	return proto_verify(p) ? NULL : p;
}

static bool holds(struct vm *vm, value keep, value candidate)
{
	if (keep == V_NIL)
		return true;
	if (is_type(keep, T_LIST)) {
		for (uint32_t i = 0; i < as_list(keep)->length; i++)
			if (!holds(vm, as_list(keep)->items[i], candidate))
				return false;
		return true;
	}
	value v = vm_call_limited(vm, keep, &candidate, 1, STEPS);
	if (v == V_RAISE)
		vm->error = V_NIL;
	return v != V_RAISE && value_truthy(v);
}

static bool score_of(struct vm *vm, value judge, value candidate, double *score)
{
	value v = vm_call_limited(vm, judge, &candidate, 1, STEPS);
	if (v == V_RAISE)
		vm->error = V_NIL;
	return v != V_RAISE && to_double(v, score) && *score == *score;
}

static value clause(struct vm *vm, const struct paradox *p, enum clause which)
{
	return p->clauses[which] ? vm_call_proto(vm, p->clauses[which], NULL, 0) : V_NIL;
}

NATIVE(paradox_evolve)
{
	(void)count;
	ARG_STRING(0);
	struct program *program = vm->program;
	const char *name = string_bytes(vm, as_string(args[0]));
	const struct paradox *p = NULL;
	for (uint32_t i = 0; i < program->paradox_count; i++)
		if (!strcmp(program->paradoxes[i].name, name))
			p = &program->paradoxes[i];
	if (!p || !p->clauses[CLAUSE_VARY] || !p->clauses[CLAUSE_JUDGE])
		return vm_raise(vm, "paradox",
		                p ? "paradox %s needs vary and judge" : "there is no paradox '%s'", name);
	uint32_t roots = vm->root_count;
	value varied = clause(vm, p, CLAUSE_VARY);
	if (varied == V_RAISE)
		return V_RAISE;
	vm_root_push(vm, varied);
	value keep = clause(vm, p, CLAUSE_KEEP);
	vm_root_push(vm, keep == V_RAISE ? V_NIL : keep);
	value judge = keep == V_RAISE ? V_RAISE : clause(vm, p, CLAUSE_JUDGE);
	vm_root_push(vm, judge == V_RAISE ? V_NIL : judge);
	value limit_value = judge == V_RAISE ? V_RAISE : clause(vm, p, CLAUSE_LIMIT);
	value rollback = limit_value == V_RAISE ? V_RAISE : clause(vm, p, CLAUSE_ROLLBACK);
	vm_root_push(vm, rollback == V_RAISE ? V_NIL : rollback);
	int64_t limit = 100, accepted = 0, refused = 0;
	uint32_t index = 0;
	if (rollback == V_RAISE) {
		vm_root_pop(vm, vm->root_count - roots);
		return V_RAISE;
	}
	while (index < program->function_count &&
	       !(is_type(varied, T_FUNCTION) &&
	         program->functions[index] == ((struct function *)as_object(varied))->proto))
		index++;
	if (index == program->function_count ||
	    (limit_value != V_NIL && (!to_whole(limit_value, &limit) || limit < 0 || limit > LIMIT_MAX))) {
		vm_root_pop(vm, vm->root_count - roots);
		return vm_raise(vm, "paradox", "vary names a top-level function, limit a number up to %d",
		                LIMIT_MAX);
	}
	struct proto *first = program->functions[index], *best = first;
	value candidate = from_object(function_new(vm, best, 0));
	double before = 0, score;
	vm_root_push(vm, candidate);
	uint32_t candidate_root = vm->root_count - 1;
	bool known = score_of(vm, judge, candidate, &before);
	score = known ? before : -INFINITY;
	for (int64_t round = 0; round < limit && !vm->stopping; round++) {
		struct spots *spots = calloc(1, sizeof(*spots));
		if (!spots)
			abort();
		struct node *tree = clone(program->source, best->node);
		find_spots(spots, tree->a, false);
		unsigned changes = 1 + below(vm, 2);
		for (unsigned k = 0; k < changes && spots->count; k++)
			change(vm, program->source, spots->at[below(vm, spots->count)]);
		free(spots);
		struct proto *next = compile_candidate(vm, best, tree);
		double s = 0;
		bool ok = next != NULL;
		if (ok) {
			candidate = from_object(function_new(vm, next, 0));
			vm->roots[candidate_root] = candidate;
			/* The candidate calls itself by its own name: it stands in while it is judged. */
			program->functions[index] = next;
			ok = holds(vm, keep, candidate) && score_of(vm, judge, candidate, &s) && s > score;
			if (!ok)
				program->functions[index] = best;
		}
		accepted += ok;
		refused += !ok;
		if (ok) {
			score = s;
			best = next;
			trace_event(vm, "paradox %s: round %lld, score %.17g", name, (long long)round, s);
		}
	}
	bool rolled_back = false;
	if (rollback != V_NIL && best != first) {
		candidate = from_object(function_new(vm, best, 0));
		vm->roots[candidate_root] = candidate;
		if (!holds(vm, rollback, candidate)) {
			program->functions[index] = first;
			best = first;
			rolled_back = true;
		}
	}
	vm_root_pop(vm, vm->root_count - roots);
	if (vm->stopping)
		return V_RAISE;
	struct map *map = map_new(vm, 8);
	struct text text = {0};
	print_node(&text, best->node, 0);
	map_set_text(vm, map, "rounds", from_int64(vm, limit));
	map_set_text(vm, map, "accepted", from_int64(vm, accepted));
	map_set_text(vm, map, "rejected", from_int64(vm, refused));
	map_set_text(vm, map, "score_before", known ? from_double(before) : V_NIL);
	map_set_text(vm, map, "score_after",
	             rolled_back ? (known ? from_double(before) : V_NIL) : from_double(score));
	map_set_text(vm, map, "rolled_back", from_bool(rolled_back));
	map_set_text(vm, map, "source",
	             from_object(string_new(vm, text.bytes ? text.bytes : "", text.length)));
	free(text.bytes);
	return from_object(map);
}

/* ---- the words of 1.2 ---- */
NATIVE(paradox_generate)
{
	(void)args, (void)count;
	return from_object(string_format(vm, "P%06llu", (unsigned long long)++vm->paradox_count));
}

NATIVE(paradox_resolve)
{
	(void)vm;
	return count ? args[0] : V_NIL;
}

NATIVE(paradox_cost)
{
	UNUSED_ARGS;
	return from_double(0.001);
}

NATIVE(paradox_nothing)
{
	UNUSED_ARGS;
	return V_NIL;
}

NATIVE(paradox_user)
{
	(void)args, (void)count;
	return from_object(string_of(vm, "user"));
}

const struct native_entry paradox_natives[] = {
    {"evolve", paradox_evolve, 1, 1, 0, "evolve(name)",
     "Varies a function as its paradox says; a map of what came out."},
    {"generate_paradox", paradox_generate, 0, -1, 0, "generate_paradox()",
     "A code that no other call returns."},
    {"resolve_paradox", paradox_resolve, 0, -1, 0, "resolve_paradox(p)", "p."},
    {"estimate_hardening_cost", paradox_cost, 0, -1, 0, "estimate_hardening_cost()", "0.001."},
    {"causal_hardening", paradox_nothing, 0, -1, 0, "causal_hardening(d, cost)", "Nothing."},
    {"current_user", paradox_user, 0, 0, 0, "current_user()", "\"user\"."},
    {0},
};
