/*
 * Causal mosaics: memory of weighted facts (subject, relation, object) that hold from one time to another,
 * come from a source, may name their causes, and fade.
 *
 * What accept(key).write(value, weight) stores is a fact (key, "is", value); read() gives the value of the
 * greatest weight, the first written among equals, as in Flux 1.2.
 *
 * How well a fact is remembered is its base-level activation (Anderson and Schooler, "Reflections of the
 * Environment in Memory", 1991; ACT-R 6 manual): ln of the sum over its uses of (seconds since the use) ^
 * -0.5. The last four uses are kept exactly; older ones by Petrov's approximation ("Computationally Efficient
 * Approximation of the Base-Level Learning Equation in ACT-R", ICCM 2006): n uses spread evenly over the time
 * before.
 *
 * Facts of one (subject, relation), and of one subject, are chained from hash tables: finding them takes
 * constant time. A mosaic holds at most `limit` facts; then the least active of a few looked at is forgotten.
 */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

#define RECENT        4
#define DECAY         0.5
#define DEFAULT_LIMIT (1u << 20)
#define CAUSES_MAX    8
#define NONE          UINT32_MAX

struct fact {
	value subject, relation, object, source;
	double weight;
	int64_t from_ns, to_ns; /* to: INT64_MAX while it holds */
	int64_t made_ns;
	int64_t used_ns[RECENT]; /* latest first */
	uint32_t uses;
	uint32_t next_pair, next_subject; /* chains, oldest first is not promised */
	uint32_t cause_count;
	uint32_t causes[CAUSES_MAX];
	uint32_t id;
	bool dead;
};

struct table {
	uint32_t *slots; /* fact index + 1 of a chain's head */
	uint32_t mask, used;
};

struct facts {
	struct fact *all;
	uint32_t count, capacity, alive, limit, hand, next_id;
	uint32_t first_free; /* dead facts, chained by next_pair */
	struct table pairs, subjects;
};

struct mosaic {
	struct object object;
	struct facts *facts;
	struct string *name;
};

struct cursor {
	struct object object;
	struct mosaic *mosaic;
	value key;
};

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

value mosaic_new(struct vm *vm, const char *name)
{
	struct facts *facts = calloc(1, sizeof(*facts));
	if (!facts)
		abort();
	facts->limit = DEFAULT_LIMIT;
	facts->first_free = NONE;
	struct mosaic *m = heap_allocate(vm, T_MOSAIC, sizeof(*m));
	m->facts = facts;
	m->name = NULL;
	m->name = string_of(vm, name);
	return from_object(m);
}

/* ---- hash tables of chains ---- */
static uint32_t hash_pair(struct vm *vm, value subject, value relation)
{
	return (uint32_t)((value_hash(vm, subject) * 0x9E3779B97F4A7C15u ^ value_hash(vm, relation)) *
	                      0xD6E8FEB86659FD93u >>
	                  32);
}

static bool same(struct vm *vm, value a, value b)
{
	return a == b || value_equal(vm, a, b);
}

/* The slot of the chain for a pair (or a subject alone), or the empty one where it belongs. */
static uint32_t find_slot(struct vm *vm, const struct facts *f, const struct table *t, value subject,
                          value relation, bool pair)
{
	uint32_t hash = pair ? hash_pair(vm, subject, relation) : value_hash(vm, subject) * 2654435761u;
	for (uint32_t at = hash & t->mask;; at = (at + 1) & t->mask) {
		if (!t->slots[at])
			return at;
		const struct fact *head = &f->all[t->slots[at] - 1];
		if (same(vm, head->subject, subject) && (!pair || same(vm, head->relation, relation)))
			return at;
	}
}

static void grow_table(struct vm *vm, struct facts *f, struct table *t, bool pair)
{
	if (t->slots && (t->used + 1) * 2 <= t->mask + 1)
		return;
	uint32_t size = t->slots ? (t->mask + 1) * 2 : 64, old_size = t->slots ? t->mask + 1 : 0;
	uint32_t *old = t->slots;
	t->slots = calloc(size, sizeof(uint32_t));
	if (!t->slots)
		abort();
	t->mask = size - 1;
	for (uint32_t i = 0; i < old_size; i++)
		if (old[i]) {
			const struct fact *head = &f->all[old[i] - 1];
			t->slots[find_slot(vm, f, t, head->subject, head->relation, pair)] = old[i];
		}
	free(old);
}

static void link_fact(struct vm *vm, struct facts *f, struct table *t, uint32_t index, bool pair)
{
	struct fact *fact = &f->all[index];
	grow_table(vm, f, t, pair);
	uint32_t slot = find_slot(vm, f, t, fact->subject, fact->relation, pair);
	uint32_t *next = pair ? &fact->next_pair : &fact->next_subject;
	*next = t->slots[slot] ? t->slots[slot] - 1 : NONE;
	t->used += !t->slots[slot];
	t->slots[slot] = index + 1;
}

static void unlink_fact(struct vm *vm, struct facts *f, struct table *t, uint32_t index, bool pair)
{
	struct fact *fact = &f->all[index];
	uint32_t slot = find_slot(vm, f, t, fact->subject, fact->relation, pair);
	uint32_t at = t->slots[slot] - 1, next = pair ? fact->next_pair : fact->next_subject;
	if (at == index) {
		if (next != NONE) {
			t->slots[slot] = next + 1;
			return;
		}
		/* The chain is empty: take the slot out, moving later ones of the run up (linear probing). */
		t->slots[slot] = 0;
		t->used--;
		for (uint32_t i = (slot + 1) & t->mask; t->slots[i]; i = (i + 1) & t->mask) {
			uint32_t head = t->slots[i];
			t->slots[i] = 0;
			t->slots[find_slot(vm, f, t, f->all[head - 1].subject, f->all[head - 1].relation,
			                   pair)] = head;
		}
		return;
	}
	while (at != NONE) {
		uint32_t *link = pair ? &f->all[at].next_pair : &f->all[at].next_subject;
		if (*link == index) {
			*link = next;
			return;
		}
		at = *link;
	}
}

static uint32_t chain(struct vm *vm, const struct facts *f, value subject, value relation, bool pair)
{
	const struct table *t = pair ? &f->pairs : &f->subjects;
	if (!t->slots)
		return NONE;
	uint32_t slot = find_slot(vm, f, t, subject, relation, pair);
	return t->slots[slot] ? t->slots[slot] - 1 : NONE;
}

/* ---- activation ---- */
static double activation(const struct fact *fact, int64_t now)
{
	double sum = 0, oldest = 0;
	uint32_t exact = fact->uses < RECENT ? fact->uses : RECENT;
	for (uint32_t i = 0; i < exact; i++) {
		double age = (double)(now - fact->used_ns[i]) / 1e9;
		oldest = age < 0.001 ? 0.001 : age;
		sum += pow(oldest, -DECAY);
	}
	if (fact->uses > RECENT) {
		double life = (double)(now - fact->made_ns) / 1e9;
		if (life > oldest)
			sum += (double)(fact->uses - RECENT) *
			       (pow(life, 1 - DECAY) - pow(oldest, 1 - DECAY)) /
			       ((1 - DECAY) * (life - oldest));
		else
			sum += (double)(fact->uses - RECENT) * pow(oldest, -DECAY);
	}
	return log(sum);
}

static void use(struct fact *fact, int64_t now)
{
	memmove(fact->used_ns + 1, fact->used_ns, (RECENT - 1) * sizeof(int64_t));
	fact->used_ns[0] = now;
	fact->uses++;
}

/* ---- changing ---- */
static void forget(struct vm *vm, struct facts *f, uint32_t index)
{
	struct fact *fact = &f->all[index];
	unlink_fact(vm, f, &f->pairs, index, true);
	unlink_fact(vm, f, &f->subjects, index, false);
	fact->dead = true;
	fact->subject = fact->relation = fact->object = fact->source = V_NIL;
	fact->next_pair = f->first_free;
	f->first_free = index;
	f->alive--;
}

static void make_room(struct vm *vm, struct facts *f)
{
	while (f->alive >= f->limit && f->count) {
		uint32_t worst = NONE;
		double least = 0;
		for (unsigned looked = 0; looked < 16;) {
			f->hand = f->hand + 1 < f->count ? f->hand + 1 : 0;
			if (f->all[f->hand].dead)
				continue;
			double a = activation(&f->all[f->hand], vm->clock_ns);
			if (worst == NONE || a < least) {
				worst = f->hand;
				least = a;
			}
			looked++;
		}
		forget(vm, f, worst);
	}
}

/* The collector's barrier: after a value was stored in a fact. */
static void keep_value(struct vm *vm, struct mosaic *m, value v)
{
	gc_slot(vm, &m->object, v, m->facts->count);
}

static uint32_t add_fact(struct vm *vm, struct mosaic *m, value subject, value relation, value object,
                         double weight)
{
	vm_touch(vm, &m->object);
	struct facts *f = m->facts;
	uint32_t index;
	make_room(vm, f);
	if (f->first_free != NONE) {
		index = f->first_free;
		f->first_free = f->all[index].next_pair;
	} else {
		if (f->count == f->capacity) {
			uint32_t capacity = f->capacity ? f->capacity * 2 : 16;
			heap_account(vm, (ptrdiff_t)((capacity - f->capacity) * sizeof(struct fact)));
			f->all = must_allocate(f->all, capacity * sizeof(struct fact));
			f->capacity = capacity;
		}
		index = f->count++;
	}
	struct fact *fact = &f->all[index];
	memset(fact, 0, sizeof(*fact));
	fact->subject = subject;
	fact->relation = relation;
	fact->object = object;
	fact->source = V_NIL;
	fact->weight = weight;
	fact->from_ns = fact->made_ns = vm->clock_ns;
	fact->to_ns = INT64_MAX;
	fact->id = f->next_id++;
	use(fact, vm->clock_ns);
	f->alive++;
	link_fact(vm, f, &f->pairs, index, true);
	link_fact(vm, f, &f->subjects, index, false);
	keep_value(vm, m, subject);
	keep_value(vm, m, relation);
	keep_value(vm, m, object);
	return index;
}

/* ---- reading ---- */
static value time_value(struct vm *vm, int64_t ns)
{
	return ns == INT64_MAX ? V_NIL : from_object(duration_new(vm, ns, NULL));
}

static value fact_value(struct vm *vm, const struct fact *fact)
{
	struct map *map = map_new(vm, 12);
	map_set_text(vm, map, "id", from_small_int(fact->id));
	map_set_text(vm, map, "subject", fact->subject);
	map_set_text(vm, map, "relation", fact->relation);
	map_set_text(vm, map, "object", fact->object);
	map_set_text(vm, map, "weight", from_double(fact->weight));
	map_set_text(vm, map, "source", fact->source);
	map_set_text(vm, map, "from", time_value(vm, fact->from_ns));
	map_set_text(vm, map, "to", time_value(vm, fact->to_ns));
	map_set_text(vm, map, "uses", from_small_int(fact->uses));
	return from_object(map);
}

/* The fact of the greatest weight, the earliest among equals. */
static uint32_t heaviest(struct vm *vm, const struct facts *f, value subject, value relation, int64_t at)
{
	uint32_t best = NONE;
	for (uint32_t i = chain(vm, f, subject, relation, true); i != NONE; i = f->all[i].next_pair) {
		const struct fact *fact = &f->all[i];
		if (at < fact->from_ns || at >= fact->to_ns)
			continue;
		if (best == NONE || fact->weight > f->all[best].weight ||
		    (fact->weight == f->all[best].weight && fact->id < f->all[best].id))
			best = i;
	}
	return best;
}

static int by_id(const void *a, const void *b)
{
	const struct fact *x = *(struct fact *const *)a, *y = *(struct fact *const *)b;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Facts of a chain that satisfy the times, oldest first, in an array that the caller frees. */
static struct fact **collect(struct vm *vm, struct facts *f, value subject, value relation, bool pair,
                             int64_t from, int64_t to, uint32_t *count)
{
	uint32_t capacity = 0;
	struct fact **found = NULL;
	*count = 0;
	for (uint32_t i = chain(vm, f, subject, relation, pair); i != NONE;
	     i = pair ? f->all[i].next_pair : f->all[i].next_subject) {
		struct fact *fact = &f->all[i];
		if (fact->to_ns <= from || fact->from_ns > to)
			continue;
		if (*count == capacity)
			found = must_allocate(found, (capacity = capacity ? capacity * 2 : 8) *
			                                 sizeof(struct fact *));
		found[(*count)++] = fact;
	}
	if (*count)
		qsort(found, *count, sizeof(struct fact *), by_id);
	return found;
}

static struct fact *by_number(struct facts *f, int64_t id)
{
	/* Numbers rise with the index as long as nothing was forgotten: look there first. */
	if (id >= 0 && id < f->count && f->all[id].id == id && !f->all[id].dead)
		return &f->all[id];
	for (uint32_t i = 0; i < f->count; i++)
		if (!f->all[i].dead && f->all[i].id == id)
			return &f->all[i];
	return NULL;
}

static bool to_time(value v, int64_t *ns)
{
	double d;
	if (is_type(v, T_DURATION)) {
		*ns = ((struct duration *)as_object(v))->nanoseconds;
		return true;
	}
	if (to_double(v, &d) && fabs(d) < 9e9) {
		*ns = (int64_t)(d * 1e9);
		return true;
	}
	return false;
}

static value relation_is(struct vm *vm)
{
	return from_object(string_of(vm, "is"));
}

/* ---- methods ---- */
static value method_fact(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	double weight = 1;
	struct map *options = count > 3 && is_type(args[3], T_MAP) ? as_map(args[3]) : NULL;
	if (count < 3 || count > 4 || (count == 4 && !options))
		return vm_raise(vm, "call",
		                "fact(subject, relation, object, {weight, source, from, to, because})");
	if (!map_key_ok(args[0]) || !map_key_ok(args[1]))
		return vm_raise(
		    vm, "type",
		    "a fact's subject and relation are strings, numbers, durations, bools or nil");
	int64_t from = vm->clock_ns, to = INT64_MAX;
	uint32_t causes[CAUSES_MAX], cause_count = 0;
	value source = V_NIL;
	if (options) {
		value v = map_get_text(vm, options, "weight");
		if (v != V_EMPTY && (!to_double(v, &weight) || !(weight >= 0)))
			return vm_raise(vm, "type", "a weight is a number from 0 on");
		v = map_get_text(vm, options, "from");
		if (v != V_EMPTY && !to_time(v, &from))
			return vm_raise(vm, "type", "'from' is a duration since the start");
		v = map_get_text(vm, options, "to");
		if (v != V_EMPTY && v != V_NIL && !to_time(v, &to))
			return vm_raise(vm, "type", "'to' is a duration since the start");
		v = map_get_text(vm, options, "source");
		if (v != V_EMPTY)
			source = v;
		v = map_get_text(vm, options, "because");
		struct list *list = is_type(v, T_LIST) ? as_list(v) : NULL;
		for (uint32_t i = 0; v != V_EMPTY && i < (list ? list->length : 1); i++) {
			int64_t id;
			if (!to_whole(list ? list->items[i] : v, &id) || !by_number(m->facts, id))
				return vm_raise(vm, "index",
				                "'because' names the numbers of facts that are there");
			if (cause_count < CAUSES_MAX)
				causes[cause_count++] = (uint32_t)id;
		}
	}
	uint32_t index = add_fact(vm, m, args[0], args[1], args[2], weight);
	struct fact *fact = &m->facts->all[index];
	fact->from_ns = from;
	fact->to_ns = to;
	fact->source = source;
	fact->cause_count = cause_count;
	memcpy(fact->causes, causes, cause_count * sizeof(uint32_t));
	keep_value(vm, m, source);
	return from_small_int(fact->id);
}

/* The most active fact of a pair is remembered, which is a use of it; nil if all lie below the threshold. */
static value method_recall(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	double threshold = -INFINITY, best_score = 0;
	uint32_t best = NONE;
	struct facts *f = m->facts;
	if (count > 2 && !to_double(args[2], &threshold))
		return vm_raise(vm, "type", "the threshold is a number");
	for (uint32_t i = chain(vm, f, args[0], args[1], true); i != NONE; i = f->all[i].next_pair) {
		if (vm->clock_ns < f->all[i].from_ns || vm->clock_ns >= f->all[i].to_ns)
			continue;
		double score = activation(&f->all[i], vm->clock_ns) +
		               log(f->all[i].weight > 0 ? f->all[i].weight : 1e-9);
		if (best == NONE || score > best_score ||
		    (score == best_score && f->all[i].id < f->all[best].id)) {
			best = i;
			best_score = score;
		}
	}
	if (best == NONE || best_score < threshold)
		return V_NIL;
	vm_touch(vm, &m->object);
	use(&m->facts->all[best], vm->clock_ns);
	return m->facts->all[best].object;
}

/* How sure the mosaic is: sources agree independently, 1 - product of (1 - the greatest weight of each
 * source). */
static value method_confidence(struct vm *vm, struct mosaic *m, value *args)
{
	uint32_t n;
	struct fact **found = collect(vm, m->facts, args[0], args[1], true, vm->clock_ns, vm->clock_ns, &n);
	double doubt = 1;
	for (uint32_t i = 0; i < n; i++) {
		if (!value_equal(vm, found[i]->object, args[2]))
			continue;
		bool counted = false, greatest = true;
		for (uint32_t k = 0; k < n; k++) {
			if (k == i || !value_equal(vm, found[k]->object, args[2]) ||
			    !value_equal(vm, found[k]->source, found[i]->source))
				continue;
			greatest &= found[k]->weight < found[i]->weight ||
			            (found[k]->weight == found[i]->weight && k > i);
		}
		counted = greatest;
		double w = found[i]->weight > 1 ? 1 : found[i]->weight;
		if (counted)
			doubt *= 1 - w;
	}
	free(found);
	return from_double(1 - doubt);
}

/* The fact itself, then what caused it, level by level, each once. */
static value method_why(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	struct facts *f = m->facts;
	struct fact *start = NULL;
	int64_t id;
	if (count == 1 && to_whole(args[0], &id)) {
		start = by_number(f, id);
	} else if (count == 2) {
		uint32_t best = heaviest(vm, f, args[0], args[1], vm->clock_ns);
		start = best == NONE ? NULL : &f->all[best];
	} else {
		return vm_raise(vm, "call", "why(number) or why(subject, relation)");
	}
	struct list *list = list_new(vm, 0);
	if (!start)
		return from_object(list);
	uint32_t *queue = must_allocate(NULL, 1024 * sizeof(uint32_t)), head = 0, tail = 0;
	queue[tail++] = start->id;
	while (head < tail) {
		struct fact *fact = by_number(f, queue[head++]);
		if (!fact)
			continue;
		list_push(vm, list, fact_value(vm, fact));
		for (uint32_t i = 0; i < fact->cause_count && tail < 1024; i++) {
			bool seen = false;
			for (uint32_t k = 0; k < tail && !seen; k++)
				seen = queue[k] == fact->causes[i];
			if (!seen)
				queue[tail++] = fact->causes[i];
		}
	}
	free(queue);
	return from_object(list);
}

static value list_facts(struct vm *vm, struct fact **found, uint32_t n)
{
	struct list *list = list_new(vm, n);
	for (uint32_t i = 0; i < n; i++)
		list_push(vm, list, fact_value(vm, found[i]));
	free(found);
	return from_object(list);
}

static value method_forget(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	struct facts *f;
	int64_t forgotten = 0;
	double threshold;
	vm_touch(vm, &m->object);
	f = m->facts;
	if (count == 1 && to_double(args[0], &threshold)) { /* everything less active than that */
		for (uint32_t i = 0; i < f->count; i++)
			if (!f->all[i].dead && activation(&f->all[i], vm->clock_ns) < threshold) {
				forget(vm, f, i);
				forgotten++;
			}
		return from_small_int(forgotten);
	}
	if (count < 1 || count > 2)
		return vm_raise(vm, "call",
		                "forget(subject, relation), forget(subject) or forget(activation)");
	for (;;) {
		uint32_t i = chain(vm, f, args[0], count > 1 ? args[1] : V_NIL, count > 1);
		if (i == NONE)
			return from_small_int(forgotten);
		forget(vm, f, i);
		forgotten++;
	}
}

static value cursor_method(struct vm *vm, struct cursor *c, const char *name, value *args, unsigned count)
{
	struct mosaic *m = c->mosaic;
	if (!strcmp(name, "accept")) {
		if (!count)
			return vm_raise(vm, "call", "accept needs a key");
		struct cursor *again = heap_allocate(vm, T_CURSOR, sizeof(*again));
		again->mosaic = m;
		again->key = args[0];
		return from_object(again);
	}
	if (!strcmp(name, "write")) {
		double weight = 1;
		if (count > 1 && !to_double(args[1], &weight))
			return vm_raise(vm, "type", "a weight must be a number, not %s",
			                value_type_name(args[1]));
		if (!map_key_ok(c->key))
			return vm_raise(vm, "type", "%s cannot be a key of a mosaic",
			                value_type_name(c->key));
		add_fact(vm, m, c->key, relation_is(vm), count ? args[0] : V_NIL, weight);
		return V_NIL;
	}
	if (!strcmp(name, "read")) {
		if (!map_key_ok(c->key))
			return V_NIL;
		uint32_t best = heaviest(vm, m->facts, c->key, relation_is(vm), INT64_MAX - 1);
		return best == NONE ? V_NIL : m->facts->all[best].object;
	}
	if (!strcmp(name, "dist")) {
		struct dist *dist = mosaic_dist(vm, from_object(c));
		return dist ? from_object(dist) : V_RAISE;
	}
	if (!strcmp(name, "forget")) {
		value both[2] = {c->key, relation_is(vm)};
		return method_forget(vm, m, both, 2);
	}
	if (!strcmp(name, "recall")) {
		value both[2] = {c->key, relation_is(vm)};
		return method_recall(vm, m, both, 2);
	}
	return vm_raise(vm, "field", "no mosaic method '%s' after accept()", name);
}

value mosaic_method(struct vm *vm, value receiver, struct string *method, value *args, unsigned count)
{
	const char *name = string_bytes(vm, method);
	if (is_type(receiver, T_CURSOR))
		return cursor_method(vm, (struct cursor *)as_object(receiver), name, args, count);
	struct mosaic *m = (struct mosaic *)as_object(receiver);
	struct facts *f = m->facts;
	int64_t from, to;
	uint32_t n;
	if (!strcmp(name, "accept")) {
		struct cursor c = {.mosaic = m};
		return cursor_method(vm, &c, name, args, count);
	}
	if (!strcmp(name, "write") || !strcmp(name, "read"))
		return vm_raise(vm, "call", "mosaic %s needs accept(key) first", name);
	if (!strcmp(name, "fact"))
		return method_fact(vm, m, args, count);
	for (unsigned i = 0; i < count && i < 2; i++)
		if (!map_key_ok(args[i]))
			return vm_raise(vm, "type", "%s is no subject or relation of a fact",
			                value_type_name(args[i]));
	if (!strcmp(name, "recall") && (count == 2 || count == 3))
		return method_recall(vm, m, args, count);
	if (!strcmp(name, "at") && count == 3) {
		if (!to_time(args[2], &from))
			return vm_raise(vm, "type", "at(subject, relation, time)");
		uint32_t best = heaviest(vm, f, args[0], args[1], from);
		return best == NONE ? V_NIL : f->all[best].object;
	}
	if (!strcmp(name, "between") && count == 4) {
		if (!to_time(args[2], &from) || !to_time(args[3], &to))
			return vm_raise(vm, "type", "between(subject, relation, from, to)");
		struct fact **found = collect(vm, f, args[0], args[1], true, from, to, &n);
		return list_facts(vm, found, n);
	}
	if (!strcmp(name, "facts") && (count == 1 || count == 2)) {
		struct fact **found =
		    collect(vm, f, args[0], count > 1 ? args[1] : V_NIL, count > 1, INT64_MIN, INT64_MAX, &n);
		return list_facts(vm, found, n);
	}
	if (!strcmp(name, "why"))
		return method_why(vm, m, args, count);
	if (!strcmp(name, "forget"))
		return method_forget(vm, m, args, count);
	if (!strcmp(name, "confidence") && count == 3)
		return method_confidence(vm, m, args);
	if (!strcmp(name, "activation") && count == 2) {
		uint32_t best = heaviest(vm, f, args[0], args[1], vm->clock_ns);
		return best == NONE ? V_NIL : from_double(activation(&f->all[best], vm->clock_ns));
	}
	if (!strcmp(name, "end") &&
	    (count == 2 || count == 3)) { /* it holds no longer, from now or from a time on */
		int64_t ended = 0, when = vm->clock_ns;
		if (count == 3 && !to_time(args[2], &when))
			return vm_raise(vm, "type", "end(subject, relation, time)");
		vm_touch(vm, &m->object);
		f = m->facts;
		for (uint32_t i = chain(vm, f, args[0], args[1], true); i != NONE; i = f->all[i].next_pair)
			if (f->all[i].to_ns == INT64_MAX) {
				f->all[i].to_ns = when;
				ended++;
			}
		return from_small_int(ended);
	}
	if (!strcmp(name, "count") && !count)
		return from_small_int(f->alive);
	if (!strcmp(name, "limit") && count == 1) {
		if (!to_whole(args[0], &from) || from < 1 || from > 16 << 20)
			return vm_raise(vm, "type", "a limit is a number of facts from 1 to %d", 16 << 20);
		vm_touch(vm, &m->object);
		m->facts->limit = (uint32_t)from;
		while (m->facts->alive > m->facts->limit) {
			uint32_t wanted = (uint32_t)from;
			m->facts->limit = m->facts->alive;
			make_room(vm, m->facts);
			m->facts->limit = wanted;
		}
		return V_NIL;
	}
	if (!strcmp(name, "all") && !count) {
		struct list *list = list_new(vm, f->alive);
		for (uint32_t i = 0; i < f->count; i++)
			if (!f->all[i].dead)
				list_push(vm, list, fact_value(vm, &f->all[i]));
		return from_object(list);
	}
	return vm_raise(vm, "field", "a mosaic has no method '%s' with %u arguments", name, count);
}

struct dist *mosaic_dist(struct vm *vm, value cursor)
{
	struct cursor *c = (struct cursor *)as_object(cursor);
	uint32_t n;
	if (!c->mosaic || !map_key_ok(c->key))
		return dist_make(vm, NULL, 0);
	struct fact **found =
	    collect(vm, c->mosaic->facts, c->key, relation_is(vm), true, INT64_MIN, INT64_MAX, &n);
	value *pairs = must_allocate(NULL, 2 * n * sizeof(value));
	for (uint32_t i = 0; i < n; i++) {
		pairs[2 * i] = found[i]->object;
		pairs[2 * i + 1] = from_double(found[i]->weight);
	}
	struct dist *dist = dist_make(vm, pairs, n);
	free(pairs);
	free(found);
	return dist;
}

/* ---- for the collector and the timelines ---- */
static void free_facts(struct facts *f)
{
	free(f->all);
	free(f->pairs.slots);
	free(f->subjects.slots);
	free(f);
}

void mosaic_free_parts(struct vm *vm, struct object *object)
{
	struct facts *f = ((struct mosaic *)object)->facts;
	heap_account(vm, -(ptrdiff_t)(f->capacity * sizeof(struct fact)));
	free_facts(f);
}

static void mark_facts(struct vm *vm, const struct facts *f, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to && i < f->count; i++) {
		gc_mark(vm, f->all[i].subject);
		gc_mark(vm, f->all[i].relation);
		gc_mark(vm, f->all[i].object);
		gc_mark(vm, f->all[i].source);
	}
}

size_t mosaic_item_count(const struct object *object)
{
	return ((const struct mosaic *)object)->facts->count;
}

void mosaic_mark_items(struct vm *vm, const struct object *object, uint32_t from, uint32_t to)
{
	const struct mosaic *m = (const struct mosaic *)object;
	if (!from)
		gc_mark_object(vm, m->name);
	mark_facts(vm, m->facts, from, to);
}

void cursor_mark_parts(struct vm *vm, struct object *object)
{
	gc_mark_object(vm, ((struct cursor *)object)->mosaic);
	gc_mark(vm, ((struct cursor *)object)->key);
}

static void *duplicate(const void *bytes, size_t size)
{
	void *copy = must_allocate(NULL, size);
	if (size)
		memcpy(copy, bytes, size);
	return copy;
}

void *mosaic_copy(struct object *object)
{
	const struct facts *f = ((struct mosaic *)object)->facts;
	struct facts *copy = duplicate(f, sizeof(*f));
	copy->all = duplicate(f->all, f->capacity * sizeof(struct fact));
	if (f->pairs.slots)
		copy->pairs.slots = duplicate(f->pairs.slots, (f->pairs.mask + 1) * sizeof(uint32_t));
	if (f->subjects.slots)
		copy->subjects.slots =
		    duplicate(f->subjects.slots, (f->subjects.mask + 1) * sizeof(uint32_t));
	return copy;
}

void mosaic_swap(struct object *object, void *saved)
{
	/* `saved` stays the holder of what is not in force: exchange the contents. */
	struct facts *f = ((struct mosaic *)object)->facts, now = *f;
	*f = *(struct facts *)saved;
	*(struct facts *)saved = now;
}

void mosaic_free_copy(void *saved)
{
	free_facts(saved);
}

void mosaic_mark_copy(struct vm *vm, void *saved)
{
	const struct facts *f = saved;
	mark_facts(vm, f, 0, f->count);
}

/* What the source learnt since the branch is added; what it forgot stays here. */
void mosaic_merge(struct vm *vm, struct object *object, void *base, void *source)
{
	struct mosaic *m = (struct mosaic *)object;
	struct facts *from = source;
	uint32_t first = base ? ((struct facts *)base)->next_id : m->facts->next_id;
	uint32_t n = 0;
	struct fact **fresh = must_allocate(NULL, from->count * sizeof(struct fact *));
	for (uint32_t i = 0; i < from->count; i++)
		if (!from->all[i].dead && from->all[i].id >= first)
			fresh[n++] = &from->all[i];
	if (n)
		qsort(fresh, n, sizeof(struct fact *), by_id);
	for (uint32_t i = 0; i < n; i++) {
		struct fact *old = fresh[i];
		uint32_t index = add_fact(vm, m, old->subject, old->relation, old->object, old->weight);
		struct fact *fact = &m->facts->all[index];
		uint32_t id = fact->id, next_pair = fact->next_pair, next_subject = fact->next_subject;
		*fact = *old;
		fact->id = id;
		fact->next_pair = next_pair;
		fact->next_subject = next_subject;
		for (uint32_t k = 0; k < fact->cause_count; k++)
			if (fact->causes[k] >= first)
				fact->causes[k] += id - old->id;
	}
	free(fresh);
	gc_bulk(vm, object);
}

const struct native_entry mosaic_natives[] = {
    {0},
};
