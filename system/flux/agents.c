/*
 * Children: spawn() runs a function of the program in a machine of its own, which has its own state, holds only the
 * capabilities it is handed, and ends when its budget of steps or its time is used up, or its memory. What it has found out
 * comes back; merge_findings() weighs what several found.
 *
 * A child runs to its end before spawn() returns, so a run is the same every time. What it takes from outside stands in its
 * parent's trace. Its steps come out of its parent's fuel.
 */
#include "capability.h"
#include "options.h"

#include <stdlib.h>
#include <unistd.h>

#define CHILD_STEPS  1000000
#define CHILD_MEMORY 64 /* MiB */
#define CHILD_TIME   60000000000
#define OUTPUT_MAX   (1u << 20)
#define DEPTH_MAX    4
#define FINDINGS_MAX 100000

/* ---- what a child finds ---- */
NATIVE(agents_finding)
{
	double weight = 1;
	if (count > 3 && (!to_double(args[3], &weight) || !(weight >= 0 && weight <= 1)))
		return vm_raise(vm, "type", "the weight of a finding is a number from 0 to 1");
	if (!map_key_ok(args[0]) || !map_key_ok(args[1]))
		return vm_raise(
		    vm, "type",
		    "a finding's subject and relation are strings, numbers, durations, bools or nil");
	if (vm->findings == V_NIL)
		vm->findings = from_object(list_new(vm, 0));
	struct list *list = as_list(vm->findings);
	if (list->length >= FINDINGS_MAX)
		return vm_raise(vm, "memory", "over %d findings", FINDINGS_MAX);
	struct map *map = map_new(vm, 5);
	map_set_text(vm, map, "subject", args[0]);
	map_set_text(vm, map, "relation", args[1]);
	map_set_text(vm, map, "object", args[2]);
	map_set_text(vm, map, "weight", from_double(weight));
	map_set_text(vm, map, "evidence", count > 4 ? args[4] : V_NIL);
	list_push(vm, list, from_object(map));
	return V_NIL;
}

/* ---- spawning ---- */
struct child {
	const char *name, *function;
	int64_t steps, time_ns, memory;
	value words;
	value handed[5]; /* files, clock, process, net, subkernels: nil if not */
};

static const char *const capability_names[] = {"files", "clock", "process", "net", "subkernels"};
static const uint8_t capability_kinds[] = {HANDLE_FILES, HANDLE_CLOCK, HANDLE_PROCESS, HANDLE_NET,
                                           HANDLE_SUBKERNELS};
#define CAPABILITIES (sizeof(capability_kinds))

static bool read_options(struct vm *vm, struct map *map, struct child *c)
{
	for (uint32_t i = 0; i < map->used; i++) {
		value key = map->entries[i].key, item = map->entries[i].item;
		if (key == V_EMPTY)
			continue;
		const char *name = is_string(key) ? string_bytes(vm, as_string(key)) : "";
		bool known = false;
		for (size_t k = 0; k < CAPABILITIES; k++)
			if (!strcmp(name, capability_names[k])) {
				known = true;
				c->handed[k] = item;
				if (item != V_NIL && (!is_type(item, T_HANDLE) ||
				                      as_object(item)->kind != capability_kinds[k])) {
					vm_raise(vm, "type", "'%s' of a child must be that capability", name);
					return false;
				}
			}
		if (!strcmp(name, "name") && is_string(item))
			c->name = string_bytes(vm, as_string(item));
		else if ((!strcmp(name, "budget") && to_whole(item, &c->steps) && c->steps > 0) ||
		         (!strcmp(name, "memory") && to_whole(item, &c->memory) && c->memory > 0 &&
		          c->memory <= 1024))
			continue;
		else if (!strcmp(name, "within") && is_type(item, T_DURATION) &&
		         ((struct duration *)as_object(item))->nanoseconds > 0)
			c->time_ns = ((struct duration *)as_object(item))->nanoseconds;
		else if (!strcmp(name, "words"))
			c->words = item;
		else if (!known) {
			vm_raise(vm, "type",
			         "a child has name, budget (steps), within (a duration), memory (MiB), "
			         "words, files, clock, "
			         "process, net, subkernels; not '%.60s', or not with such a value",
			         name);
			return false;
		}
	}
	return true;
}

static value hand_down(struct vm *child, value v)
{
	const struct handle *from = (struct handle *)as_object(v);
	struct handle *to = handle_new(child, from->object.kind);
	to->rights = from->rights;
	if (from->descriptor >= 0)
		to->descriptor = dup(from->descriptor);
	if (from->path)
		to->path = string_new(child, string_bytes(child, from->path), from->path->length);
	return from_object(to);
}

static struct proto *find_function(const struct program *program, const char *name)
{
	for (uint32_t i = 0; i < program->function_count; i++)
		if (!strcmp(program->functions[i]->name, name) &&
		    program->functions[i]->source == program->source)
			return program->functions[i];
	return NULL;
}

static struct vm *make_child(struct vm *vm, const struct child *c, FILE *out)
{
	struct source *own = vm->program->source;
	struct source *source = source_new(own->name, own->text, own->length);
	if (!source)
		return NULL;
	struct run_options options = {.fuel = c->steps,
	                              .memory = (uint64_t)c->memory << 20,
	                              .limit_ns = c->time_ns,
	                              .stress = vm->heap.stress,
	                              .walk = vm->walker != NULL,
	                              .seed = rng_bits(&vm->rng, 32)};
	struct vm *child = run_prepare(source, &options, out);
	if (!child)
		return NULL;
	child->generation = vm->generation + 1;
	struct map *handed = as_map(child->args);
	for (size_t i = 0; i < CAPABILITIES; i++)
		if (c->handed[i] != V_NIL)
			map_set_text(child, handed, capability_names[i], hand_down(child, c->handed[i]));
	value words = value_transfer(vm, child, c->words);
	map_set_text(child, handed, "words", words == V_EMPTY ? V_NIL : words);
	return child;
}

static value outcome_of(struct vm *vm, struct vm *child, bool ok)
{
	const char *what = "done";
	if (!ok && is_type(child->error, T_ERROR)) {
		struct flux_error *e = (struct flux_error *)as_object(child->error);
		const char *kind = string_bytes(child, e->kind), *text = string_bytes(child, e->message);
		if (!strcmp(kind, "fuel"))
			what = "its budget is used up";
		else if (!strcmp(kind, "limit"))
			what = "its time is up";
		else
			return from_object(string_format(vm, "%.400s", text));
	}
	return from_object(string_of(vm, what));
}

/* Runs a child's function. False: it failed; memory that runs out where nothing in it catches that ends it, not its parent. */
static bool run_child(struct vm *child, const char *function)
{
	jmp_buf jump;
	child->memory_jump = &jump;
	if (setjmp(jump)) {
		child->memory_jump = NULL;
		child->stopping = true;
		return false;
	}
	bool ok = program_start(child);
	struct proto *main = find_function(child->program, function);
	ok = ok && main && vm_call_proto(child, main, NULL, 0) != V_RAISE;
	child->memory_jump = NULL;
	return ok;
}

NATIVE(agents_spawn)
{
	struct child c = {.name = "child",
	                  .steps = CHILD_STEPS,
	                  .time_ns = CHILD_TIME,
	                  .memory = CHILD_MEMORY,
	                  .words = V_NIL};
	struct proto *function = NULL;
	for (size_t i = 0; i < CAPABILITIES; i++)
		c.handed[i] = V_NIL;
	if (is_type(args[0], T_FUNCTION)) {
		struct function *f = (struct function *)as_object(args[0]);
		c.function = f->count ? "" : f->proto->name;
	} else if (is_string(args[0])) {
		c.function = string_bytes(vm, as_string(args[0]));
	} else {
		c.function = "";
	}
	if (vm->program)
		function = find_function(vm->program, c.function);
	if (!function || function->required)
		return vm_raise(vm, "call",
		                "spawn needs a function of the program that takes no arguments, by name");
	c.name = function->name;
	if (count > 1) {
		ARG_TYPE(1, T_MAP, "a map");
		if (!read_options(vm, as_map(args[1]), &c))
			return V_RAISE;
	}
	if (vm->generation >= DEPTH_MAX)
		return vm_raise(vm, "depth", "children of children end after %d generations", DEPTH_MAX);
	for (size_t i = 0; timeline_is_branch(vm) && i < CAPABILITIES; i++)
		if (c.handed[i] != V_NIL)
			return vm_raise(vm, "timeline",
			                "a child that holds capabilities cannot wait for a merge");
	int64_t left = vm->fuel - (vm->countdown_start - vm->countdown);
	if (vm->fuel_limited && c.steps > left)
		c.steps = left > 1 ? left : 1;

	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	if (!out)
		abort();
	struct vm *child = make_child(vm, &c, out);
	if (!child) {
		fclose(out);
		free(text);
		return vm_raise(vm, "call", "the child's program could not be built");
	}
	struct trace *trace = vm->trace;
	child->trace = trace;
	bool ok = run_child(child, c.function);
	uint64_t steps = vm_steps(child);
	child->trace = NULL;
	fflush(out);

	value findings = child->findings == V_NIL ? from_object(list_new(vm, 0))
	                                          : value_transfer(child, vm, child->findings);
	struct map *result = map_new(vm, 6);
	map_set_text(vm, result, "name", from_object(string_new(vm, c.name, strlen(c.name))));
	map_set_text(vm, result, "outcome", outcome_of(vm, child, ok));
	map_set_text(vm, result, "findings", findings == V_EMPTY ? from_object(list_new(vm, 0)) : findings);
	map_set_text(vm, result, "steps", from_int64(vm, (int64_t)steps));
	map_set_text(vm, result, "output",
	             from_object(string_new(vm, text, length < OUTPUT_MAX ? length : OUTPUT_MAX)));
	run_finish(child);
	fclose(out);
	free(text);
	vm->fuel_used += steps;
	vm->fuel -= (int64_t)steps;
	trace_event(vm, "child %s ends after %llu steps", c.name, (unsigned long long)steps);
	return from_object(result);
}

/* ---- weighing what several found ---- */
struct claim {
	value subject, relation, object, evidence;
	double weight;
	struct string *child;
	uint32_t group, choice; /* the first claim of the pair; of the pair and object */
};

static bool read_claims(struct vm *vm, struct list *results, struct claim **claims, uint32_t *count)
{
	uint32_t capacity = 0;
	for (uint32_t i = 0; i < results->length; i++) {
		value name = V_EMPTY, list = V_EMPTY;
		if (is_type(results->items[i], T_MAP)) {
			name = map_get_text(vm, as_map(results->items[i]), "name");
			list = map_get_text(vm, as_map(results->items[i]), "findings");
		}
		if (name == V_EMPTY || !is_string(name) || !is_type(list, T_LIST)) {
			vm_raise(vm, "type", "merge_findings takes a list of what spawn() gave");
			return false;
		}
		for (uint32_t k = 0; k < as_list(list)->length; k++) {
			value v = as_list(list)->items[k], weight;
			struct claim c = {.weight = 1, .child = as_string(name)};
			if (!is_type(v, T_MAP))
				continue;
			if (*count == capacity) {
				capacity = capacity ? capacity * 2 : 16;
				*claims = realloc(*claims, capacity * sizeof(**claims));
				if (!*claims)
					abort();
			}
			c.subject = map_get_text(vm, as_map(v), "subject");
			c.relation = map_get_text(vm, as_map(v), "relation");
			c.object = map_get_text(vm, as_map(v), "object");
			c.evidence = map_get_text(vm, as_map(v), "evidence");
			weight = map_get_text(vm, as_map(v), "weight");
			to_double(weight, &c.weight);
			if (c.evidence == V_EMPTY)
				c.evidence = V_NIL;
			if (c.subject != V_EMPTY && c.relation != V_EMPTY && c.object != V_EMPTY)
				(*claims)[(*count)++] = c;
		}
	}
	return true;
}

/* Claims of one pair, and of one object, find each other through maps of numbers. */
static void group_claims(struct vm *vm, struct claim *claims, uint32_t count)
{
	struct map *groups = map_new(vm, 0);
	for (uint32_t i = 0; i < count; i++) {
		value inner = map_get(vm, groups, claims[i].subject), first;
		if (inner == V_EMPTY) {
			inner = from_object(map_new(vm, 0));
			map_set(vm, groups, claims[i].subject, inner);
		}
		first = map_get(vm, as_map(inner), claims[i].relation);
		if (first == V_EMPTY) {
			first = from_small_int(i);
			map_set(vm, as_map(inner), claims[i].relation, first);
		}
		claims[i].group = (uint32_t)as_small_int(first);
		claims[i].choice = i;
	}
}

/* How sure one choice is: each piece of evidence counts once, with its greatest weight; a child without evidence is its own. */
static double confidence(struct vm *vm, const struct claim *claims, const uint32_t *members, uint32_t count,
                         uint32_t choice)
{
	double doubt = 1;
	for (uint32_t a = 0; a < count; a++) {
		const struct claim *x = &claims[members[a]];
		bool greatest = x->choice == choice;
		for (uint32_t b = 0; greatest && b < count; b++) {
			const struct claim *y = &claims[members[b]];
			if (a == b || y->choice != choice)
				continue;
			bool same = x->evidence == V_NIL
			                ? y->evidence == V_NIL && string_equal(vm, x->child, y->child)
			                : value_equal(vm, x->evidence, y->evidence);
			greatest = !same || x->weight > y->weight || (x->weight == y->weight && a < b);
		}
		if (greatest)
			doubt *= 1 - (x->weight > 1 ? 1 : x->weight);
	}
	return 1 - doubt;
}

static struct map *choice_map(struct vm *vm, const struct claim *claims, const uint32_t *members,
                              uint32_t count, uint32_t choice, double sure)
{
	struct map *map = map_new(vm, 6);
	struct list *children = list_new(vm, 0), *evidence = list_new(vm, 0);
	map_set_text(vm, map, "subject", claims[choice].subject);
	map_set_text(vm, map, "relation", claims[choice].relation);
	map_set_text(vm, map, "object", claims[choice].object);
	map_set_text(vm, map, "confidence", from_double(sure));
	for (uint32_t i = 0; i < count; i++) {
		const struct claim *c = &claims[members[i]];
		if (c->choice != choice)
			continue;
		bool known = false;
		for (uint32_t k = 0; k < children->length; k++)
			known |= string_equal(vm, as_string(children->items[k]), c->child);
		if (!known)
			list_push(vm, children, from_object(c->child));
		known = c->evidence == V_NIL;
		for (uint32_t k = 0; k < evidence->length && !known; k++)
			known = value_equal(vm, evidence->items[k], c->evidence);
		if (!known)
			list_push(vm, evidence, c->evidence);
	}
	map_set_text(vm, map, "children", from_object(children));
	map_set_text(vm, map, "evidence", from_object(evidence));
	return map;
}

/* One pair: the surest choice is the fact, of equals the first said; others are a disagreement. */
static void weigh(struct vm *vm, struct claim *claims, const uint32_t *members, uint32_t count,
                  struct list *facts, struct list *disagreements)
{
	uint32_t best = members[0];
	double best_sure = -1;
	struct list *others = list_new(vm, 0);
	for (uint32_t a = 0; a < count; a++)
		for (uint32_t b = 0; b < a; b++)
			if (claims[members[b]].choice == members[b] &&
			    value_equal(vm, claims[members[a]].object, claims[members[b]].object)) {
				claims[members[a]].choice = members[b];
				break;
			}
	for (uint32_t a = 0; a < count; a++) {
		if (claims[members[a]].choice != members[a])
			continue;
		double sure = confidence(vm, claims, members, count, members[a]);
		if (sure > best_sure) {
			best = members[a];
			best_sure = sure;
		}
	}
	struct map *chosen = choice_map(vm, claims, members, count, best, best_sure);
	list_push(vm, facts, from_object(chosen));
	for (uint32_t a = 0; a < count; a++)
		if (claims[members[a]].choice == members[a] && members[a] != best)
			list_push(
			    vm, others,
			    from_object(choice_map(vm, claims, members, count, members[a],
			                           confidence(vm, claims, members, count, members[a]))));
	if (!others->length)
		return;
	struct map *d = map_new(vm, 4);
	map_set_text(vm, d, "subject", claims[best].subject);
	map_set_text(vm, d, "relation", claims[best].relation);
	map_set_text(vm, d, "chosen", from_object(chosen));
	map_set_text(vm, d, "others", from_object(others));
	list_push(vm, disagreements, from_object(d));
}

#define GROUP_MAX 200 /* claims about one pair that are weighed */

NATIVE(agents_merge)
{
	struct claim *claims = NULL;
	uint32_t n = 0;
	(void)count;
	ARG_TYPE(0, T_LIST, "a list of what spawn() gave");
	if (!read_claims(vm, as_list(args[0]), &claims, &n)) {
		free(claims);
		return V_RAISE;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!map_key_ok(claims[i].subject) || !map_key_ok(claims[i].relation)) {
			const char *type = value_type_name(map_key_ok(claims[i].subject) ? claims[i].relation
			                                                                 : claims[i].subject);
			free(claims);
			return vm_raise(vm, "type", "%s is no subject or relation of a finding", type);
		}
	group_claims(vm, claims, n);
	struct map *result = map_new(vm, 2);
	struct list *facts = list_new(vm, 0), *disagreements = list_new(vm, 0);
	/* Claims of one pair, in order: counted, then collected. */
	uint32_t *next = malloc((n + 1) * sizeof(uint32_t)), *members = malloc(GROUP_MAX * sizeof(uint32_t));
	uint32_t *last = malloc((n + 1) * sizeof(uint32_t));
	if (!next || !members || !last)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		next[i] = UINT32_MAX;
		if (claims[i].group != i)
			next[last[claims[i].group]] = i;
		last[claims[i].group] = i;
	}
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = 0;
		if (claims[i].group != i)
			continue;
		for (uint32_t k = i; k != UINT32_MAX && size < GROUP_MAX; k = next[k])
			members[size++] = k;
		weigh(vm, claims, members, size, facts, disagreements);
	}
	free(next);
	free(last);
	free(members);
	free(claims);
	map_set_text(vm, result, "facts", from_object(facts));
	map_set_text(vm, result, "disagreements", from_object(disagreements));
	return from_object(result);
}

const struct native_entry agents_natives[] = {
    {"spawn", agents_spawn, 1, 2, 0, "spawn(function, options)",
     "Runs a function in a machine of its own, with only the capabilities in the options, to its end or its "
     "budget's; a map "
     "of name, outcome, findings, steps, output."},
    {"finding", agents_finding, 3, 5, 0, "finding(subject, relation, object, weight, evidence)",
     "A child's finding, with a weight from 0 to 1, for who spawned it."},
    {"merge_findings", agents_merge, 1, 1, 0, "merge_findings(results)",
     "Weighs what children found: a map of facts and disagreements."},
    {0},
};
