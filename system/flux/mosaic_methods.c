/*
 * What a program can do with a mosaic: facts written, read back at a time, recalled by activation, asked for their causes,
 * ended and forgotten; and the cursors of accept(). See mosaic.c.
 */
#include "capability.h"
#include "mosaic.h"
#include "series.h"

#include <math.h>
#include <stdlib.h>

static bool can_keep(struct vm *vm, const struct mosaic *m, const value *values, unsigned count)
{
	for (unsigned i = 0; m->keeper && i < count; i++)
		if (!keeper_accepts(vm, values[i])) {
			vm_raise(vm, "type",
			         "a mosaic that lasts cannot hold this %s: it takes what JSON can hold, and "
			         "durations, up to 255 KiB each",
			         value_type_name(values[i]));
			return false;
		}
	return true;
}

static void forget(struct vm *vm, struct mosaic *m, uint32_t place)
{
	if (mosaic_keeper(vm, m))
		keeper_forgot(vm, m->keeper, facts_at(m->facts, place)->id);
	facts_forget(vm, m->facts, place);
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

/* The fact of the greatest weight, the first written among equals. */
static uint32_t heaviest(struct vm *vm, struct facts *f, value subject, value relation, int64_t at)
{
	return series_heaviest(f, facts_pair(vm, f, subject, relation), at);
}

static int by_id(const void *a, const void *b)
{
	const struct fact *x = *(const struct fact *const *)a, *y = *(const struct fact *const *)b;
	return x->id < y->id ? -1 : x->id > y->id;
}

/* Facts of a pair that satisfy the times, oldest first, in an array that the caller frees. */
static const struct fact **collect(struct vm *vm, struct facts *f, value subject, value relation,
                                   int64_t from, int64_t to, uint32_t *count)
{
	uint32_t *places = series_during(f, facts_pair(vm, f, subject, relation), from, to, count);
	const struct fact **found = must_realloc(NULL, *count * sizeof(const struct fact *));
	for (uint32_t i = 0; i < *count; i++)
		found[i] = facts_at(f, places[i]);
	free(places);
	qsort(found, *count, sizeof(const struct fact *), by_id);
	return found;
}

/* All of a subject, likewise. */
static const struct fact **collect_subject(struct vm *vm, struct facts *f, value subject, uint32_t *count)
{
	uint32_t capacity = 0;
	const struct fact **found = NULL;
	*count = 0;
	for (uint32_t i = facts_chain(vm, f, subject); i != NONE; i = facts_at(f, i)->next_subject) {
		if (*count == capacity)
			found = must_realloc(found, (capacity = capacity ? capacity * 2 : 8) *
			                                sizeof(const struct fact *));
		found[(*count)++] = facts_at(f, i);
	}
	if (*count)
		qsort(found, *count, sizeof(const struct fact *), by_id);
	return found;
}

/* The numbers of a pair's facts that end after a time, oldest first. */
static uint32_t *numbers(struct vm *vm, struct facts *f, value subject, value relation, int64_t after,
                         uint32_t *count)
{
	const struct fact **found = collect(vm, f, subject, relation, after, INT64_MAX, count);
	uint32_t *ids = must_realloc(NULL, *count * sizeof(uint32_t));
	for (uint32_t i = 0; i < *count; i++)
		ids[i] = found[i]->id;
	free(found);
	return ids;
}

static const struct fact *by_number(const struct facts *f, int64_t id)
{
	uint32_t place = facts_numbered(f, id);
	return place == NONE ? NULL : facts_at(f, place);
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
	value all[4] = {args[0], args[1], args[2], source};
	if (!can_keep(vm, m, all, 4))
		return V_RAISE;
	struct fact fact = fact_new(vm, args[0], args[1], args[2], weight);
	fact.from_ns = from;
	fact.to_ns = to;
	fact.source = source;
	fact.cause_count = cause_count;
	memcpy(fact.causes, causes, cause_count * sizeof(uint32_t));
	const struct fact *added = facts_at(m->facts, mosaic_add(vm, m, &fact));
	if (mosaic_keeper(vm, m))
		keeper_added(vm, m->keeper, added);
	return from_small_int(added->id);
}

/* The most active fact of a pair is remembered, which is a use of it; nil if all lie below the threshold. */
static value method_recall(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	double threshold = -INFINITY, score;
	if (count > 2 && !to_double(args[2], &threshold))
		return vm_raise(vm, "type", "the threshold is a number");
	uint32_t best =
	    series_recall(m->facts, facts_pair(vm, m->facts, args[0], args[1]), vm->clock_ns, &score);
	if (best == NONE || score < threshold)
		return V_NIL;
	vm_touch(vm, &m->object);
	facts_use(vm, m->facts, best);
	const struct fact *used = facts_at(m->facts, best);
	if (mosaic_keeper(vm, m))
		keeper_changed(vm, m->keeper, used);
	return used->object;
}

/* How sure the mosaic is: sources agree independently, 1 - product of (1 - the greatest weight of each source). */
static value method_confidence(struct vm *vm, struct mosaic *m, value *args)
{
	uint32_t n;
	const struct fact **found = collect(vm, m->facts, args[0], args[1], vm->clock_ns, vm->clock_ns, &n);
	struct map *greatest =
	    map_new(vm, 0); /* weight of each source; one that is no key goes by its text */
	double doubt = 1, known;
	for (uint32_t i = 0; i < n; i++) {
		if (!value_equal(vm, found[i]->object, args[2]))
			continue;
		value source = found[i]->source;
		if (!map_key_ok(source))
			source = from_object(value_inspect(vm, source));
		value before = map_get(vm, greatest, source);
		if (before == V_EMPTY || !to_double(before, &known) || known < found[i]->weight)
			map_set(vm, greatest, source, from_double(found[i]->weight));
	}
	free(found);
	for (uint32_t i = 0; i < greatest->used; i++)
		if (to_double(greatest->entries[i].item, &known))
			doubt *= 1 - (known > 1 ? 1 : known);
	return from_double(1 - doubt);
}

/* The fact itself, then what caused it, level by level, each once. */
static value method_why(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	struct facts *f = m->facts;
	const struct fact *start = NULL;
	int64_t id;
	if (count == 1 && to_whole(args[0], &id)) {
		start = by_number(f, id);
	} else if (count == 2) {
		uint32_t best = heaviest(vm, f, args[0], args[1], vm->clock_ns);
		start = best == NONE ? NULL : facts_at(f, best);
	} else {
		return vm_raise(vm, "call", "why(number) or why(subject, relation)");
	}
	struct list *list = list_new(vm, 0);
	if (!start)
		return from_object(list);
	uint32_t *queue = must_realloc(NULL, 1024 * sizeof(uint32_t)), head = 0, tail = 0;
	queue[tail++] = start->id;
	while (head < tail) {
		const struct fact *fact = by_number(f, queue[head++]);
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

static value list_facts(struct vm *vm, const struct fact **found, uint32_t n)
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
			if (!facts_at(f, i)->dead &&
			    fact_activation(facts_at(f, i), vm->clock_ns) < threshold) {
				forget(vm, m, i);
				forgotten++;
			}
		return from_small_int(forgotten);
	}
	if (count < 1 || count > 2)
		return vm_raise(vm, "call",
		                "forget(subject, relation), forget(subject) or forget(activation)");
	if (count == 1) {
		for (uint32_t i; (i = facts_chain(vm, f, args[0])) != NONE; forgotten++)
			forget(vm, m, i);
		return from_small_int(forgotten);
	}
	uint32_t n, *ids = numbers(vm, f, args[0], args[1], INT64_MIN, &n);
	for (uint32_t i = n; i--;)
		forget(vm, m, facts_numbered(f, ids[i]));
	free(ids);
	for (uint32_t i; (i = facts_pair(vm, f, args[0], args[1])) != NONE; n++) /* ended before all time */
		forget(vm, m, i);
	return from_small_int(n);
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
		value item = count ? args[0] : V_NIL;
		if (!can_keep(vm, m, &item, 1))
			return V_RAISE;
		struct fact fact = fact_new(vm, c->key, relation_is(vm), item, weight);
		uint32_t place = mosaic_add(vm, m, &fact);
		if (mosaic_keeper(vm, m))
			keeper_added(vm, m->keeper, facts_at(m->facts, place));
		return V_NIL;
	}
	if (!strcmp(name, "read")) {
		if (!map_key_ok(c->key))
			return V_NIL;
		uint32_t best = heaviest(vm, m->facts, c->key, relation_is(vm), INT64_MAX - 1);
		return best == NONE ? V_NIL : facts_at(m->facts, best)->object;
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

/* ---- lasting ---- */
static value method_keep(struct vm *vm, struct mosaic *m, value *args, unsigned count)
{
	if (count != 2 || !is_type(args[0], T_HANDLE) || as_object(args[0])->kind != HANDLE_FILES ||
	    !is_string(args[1]))
		return vm_raise(vm, "call", "keep(files, path)");
	if (m->keeper)
		return vm_raise(vm, "call", "this mosaic is kept already");
	if (m->facts->next_id)
		return vm_raise(vm, "call", "keep() comes before the first fact");
	if (timeline_is_branch(vm))
		return vm_raise(vm, "timeline", "a mosaic is made to last in the primary timeline");
	vm_touch(vm, &m->object);
	value v = keeper_open(vm, m->facts, args[0], string_bytes(vm, as_string(args[1])), &m->keeper);
	gc_bulk(vm, &m->object);
	if (!m->keeper)
		return v;
	if (vm->kept == V_NIL)
		vm->kept = from_object(list_new(vm, 0));
	list_push(vm, as_list(vm->kept), from_object(m));
	return v;
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
	if (!strcmp(name, "keep"))
		return method_keep(vm, m, args, count);
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
		return best == NONE ? V_NIL : facts_at(f, best)->object;
	}
	if (!strcmp(name, "between") && count == 4) {
		if (!to_time(args[2], &from) || !to_time(args[3], &to))
			return vm_raise(vm, "type", "between(subject, relation, from, to)");
		const struct fact **found = collect(vm, f, args[0], args[1], from, to, &n);
		return list_facts(vm, found, n);
	}
	if (!strcmp(name, "facts") && (count == 1 || count == 2)) {
		const struct fact **found = count > 1
		                                ? collect(vm, f, args[0], args[1], INT64_MIN, INT64_MAX, &n)
		                                : collect_subject(vm, f, args[0], &n);
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
		return best == NONE ? V_NIL : from_double(fact_activation(facts_at(f, best), vm->clock_ns));
	}
	if (!strcmp(name, "end") &&
	    (count == 2 || count == 3)) { /* it holds no longer, from now or from a time on */
		int64_t when = vm->clock_ns;
		if (count == 3 && !to_time(args[2], &when))
			return vm_raise(vm, "type", "end(subject, relation, time)");
		vm_touch(vm, &m->object);
		f = m->facts;
		uint32_t *ids = numbers(vm, f, args[0], args[1], INT64_MAX - 1, &n);
		for (uint32_t i = n; i--;) {
			uint32_t place = facts_numbered(f, ids[i]);
			facts_end(vm, f, place, when);
			if (mosaic_keeper(vm, m))
				keeper_changed(vm, m->keeper, facts_at(f, place));
		}
		free(ids);
		return from_small_int(n);
	}
	if (!strcmp(name, "save") && !count) {
		if (!m->keeper)
			return vm_raise(vm, "call", "save() is for a mosaic that keep() made last");
		if (timeline_is_branch(vm))
			return vm_raise(vm, "timeline", "what a branch learnt is saved when it is merged");
		if (keeper_flush(vm, m->keeper))
			return V_TRUE;
		return from_object(error_new(vm, "outside", string_format(vm, "%s", vm->effect_failed)));
	}
	if (!strcmp(name, "count") && !count)
		return from_small_int(f->alive);
	if (!strcmp(name, "limit") && count == 1) {
		if (!to_whole(args[0], &from) || from < 1 || from > 16 << 20)
			return vm_raise(vm, "type", "a limit is a number of facts from 1 to %d", 16 << 20);
		vm_touch(vm, &m->object);
		if (m->facts->alive > from && mosaic_keeper(vm, m))
			keeper_forgot(vm, m->keeper, NONE);
		facts_limit(vm, m->facts, (uint32_t)from);
		return V_NIL;
	}
	if (!strcmp(name, "all") && !count) {
		struct list *list = list_new(vm, f->alive);
		for (uint32_t i = 0; i < f->count; i++)
			if (!facts_at(f, i)->dead)
				list_push(vm, list, fact_value(vm, facts_at(f, i)));
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
	const struct fact **found =
	    collect(vm, c->mosaic->facts, c->key, relation_is(vm), INT64_MIN, INT64_MAX, &n);
	value *pairs = must_realloc(NULL, 2 * n * sizeof(value));
	for (uint32_t i = 0; i < n; i++) {
		pairs[2 * i] = found[i]->object;
		pairs[2 * i + 1] = from_double(found[i]->weight);
	}
	struct dist *dist = dist_make(vm, pairs, n);
	free(pairs);
	free(found);
	return dist;
}
