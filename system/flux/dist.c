/*
 * Distributions, collapse and bandits.
 *
 * collapse(d, learn) chooses an arm of a bandit by UCB1-Tuned (Auer, Cesa-Bianchi, Fischer, "Finite-time
 * Analysis of the Multiarmed Bandit Problem", 2002, section 4): every arm once, then the arm with the
 * greatest upper confidence bound, which takes the observed variance into account. Rewards belong into [0,
 * 1].
 */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

struct arm {
	value item;
	uint64_t pulls;
	double sum, squares;
};

struct bandit {
	struct object object;
	uint32_t count;
	int32_t last; /* the arm that collapse chose last, -1: none waits for a reward */
	uint64_t total;
	struct arm *arms;
};

struct dist *dist_make(struct vm *vm, const value *pairs, unsigned count)
{
	unsigned kept = 0;
	for (unsigned i = 0; i < count; i++) {
		double w;
		value weight = pairs[2 * i + 1];
		if (is_bool(weight))
			w = weight == V_TRUE;
		else if (!to_double(weight, &w) || w != w) {
			vm_raise(vm, "type", "the weight of a distribution must be a number, not %s",
			         value_type_name(weight));
			return NULL;
		}
		kept += w > 0;
	}
	struct dist *dist = dist_new(vm, kept ? kept : 1);
	unsigned at = 0;
	for (unsigned i = 0; i < count; i++) {
		double w = 1;
		if (is_bool(pairs[2 * i + 1]))
			w = pairs[2 * i + 1] == V_TRUE;
		else
			to_double(pairs[2 * i + 1], &w);
		if (w > 0) {
			dist->entries[at].item = pairs[2 * i];
			dist->entries[at++].weight = w;
		}
	}
	if (!kept)
		dist->entries[0].weight = 1; /* of nil */
	return dist;
}

/* ---- collapse ---- */
static value heaviest(const struct dist *dist)
{
	uint32_t best = 0;
	for (uint32_t i = 1; i < dist->count; i++)
		if (dist->entries[i].weight > dist->entries[best].weight)
			best = i;
	return dist->entries[best].item;
}

static value mean_of(const struct dist *dist)
{
	double total = 0, sum = 0;
	for (uint32_t i = 0; i < dist->count; i++) {
		double x;
		if (is_bool(dist->entries[i].item))
			x = dist->entries[i].item == V_TRUE;
		else if (!to_double(dist->entries[i].item, &x))
			return heaviest(dist);
		sum += x * dist->entries[i].weight;
		total += dist->entries[i].weight;
	}
	return from_double(total == 0 ? 0 : sum / total);
}

static value sample(struct vm *vm, const struct dist *dist)
{
	double total = 0, at = 0;
	for (uint32_t i = 0; i < dist->count; i++)
		total += dist->entries[i].weight;
	double r = rng_double(&vm->rng) * total;
	for (uint32_t i = 0; i < dist->count; i++) {
		at += dist->entries[i].weight;
		if (r <= at)
			return dist->entries[i].item;
	}
	return dist->entries[dist->count - 1].item;
}

/* What collapse works on: a distribution; a list, each element as likely; anything else alone. */
static struct dist *as_dist(struct vm *vm, value v)
{
	if (is_type(v, T_DIST))
		return (struct dist *)as_object(v);
	if (is_type(v, T_CURSOR))
		return mosaic_dist(vm, v);
	struct dist *dist;
	if (is_type(v, T_LIST)) {
		struct list *list = as_list(v);
		if (!list->length) {
			vm_raise(vm, "index", "collapse of an empty list");
			return NULL;
		}
		dist = dist_new(vm, list->length);
		for (uint32_t i = 0; i < list->length; i++) {
			dist->entries[i].item = list->items[i];
			dist->entries[i].weight = 1;
		}
		return dist;
	}
	dist = dist_new(vm, 1);
	dist->entries[0].item = v;
	dist->entries[0].weight = 1;
	return dist;
}

/* ---- bandits ---- */
static double bound(const struct bandit *b, const struct arm *arm)
{
	double n = (double)arm->pulls, mean = arm->sum / n, log_total = log((double)b->total);
	double variance = arm->squares / n - mean * mean + sqrt(2 * log_total / n);
	return mean + sqrt(log_total / n * (variance < 0.25 ? variance > 0 ? variance : 0 : 0.25));
}

static uint32_t pull(struct vm *vm, struct bandit *b)
{
	uint32_t best = 0;
	vm_touch(vm, &b->object);
	for (uint32_t i = 0; i < b->count; i++)
		if (!b->arms[i].pulls) {
			b->last = (int32_t)i;
			return i;
		}
	for (uint32_t i = 1; i < b->count; i++)
		if (bound(b, &b->arms[i]) > bound(b, &b->arms[best]))
			best = i;
	b->last = (int32_t)best;
	return best;
}

static value credit(struct vm *vm, struct bandit *b, uint32_t arm, value reward)
{
	double r;
	if (!to_double(reward, &r) || !(r >= 0 && r <= 1))
		return vm_raise(vm, "type", "a reward is a number from 0 to 1");
	vm_touch(vm, &b->object);
	b->arms[arm].pulls++;
	b->arms[arm].sum += r;
	b->arms[arm].squares += r * r;
	b->total++;
	return V_NIL;
}

NATIVE(dist_collapse)
{
	if (!is_string(args[1]))
		return vm_raise(vm, "type", "the method of a collapse is a word, not %s",
		                value_type_name(args[1]));
	const char *method = string_bytes(vm, as_string(args[1]));
	if (is_type(args[0], T_BANDIT)) {
		struct bandit *b = (struct bandit *)as_object(args[0]);
		if (count > 2) {
			if (b->last < 0)
				return vm_raise(vm, "index", "no choice of this bandit waits for a reward");
			if (credit(vm, b, (uint32_t)b->last, args[2]) == V_RAISE)
				return V_RAISE;
		}
		if (!strcmp(method, "learn")) {
			value choice = b->arms[pull(vm, b)].item;
			trace_event(vm, "collapse learn: %s", string_bytes(vm, value_to_string(vm, choice)));
			return choice;
		}
		struct dist *dist = dist_new(vm, b->count);
		for (uint32_t i = 0; i < b->count; i++) {
			dist->entries[i].item = b->arms[i].item;
			dist->entries[i].weight =
			    b->arms[i].pulls ? b->arms[i].sum / (double)b->arms[i].pulls : 0;
		}
		args[0] = from_object(dist);
	}
	struct dist *dist = as_dist(vm, args[0]);
	if (!dist)
		return V_RAISE;
	if (!strcmp(method, "learn"))
		return vm_raise(vm, "type", "learn needs a bandit; bandit(list) makes one");
	if (!strcmp(method, "mean"))
		return mean_of(dist);
	if (!strcmp(method, "first"))
		return dist->entries[0].item;
	if (!strcmp(method, "weighted_random") || !strcmp(method, "random")) {
		value choice = sample(vm, dist);
		if (vm->trace)
			trace_event(vm, "collapse %s: %s", method,
			            string_bytes(vm, value_to_string(vm, choice)));
		return choice;
	}
	return heaviest(dist);
}

NATIVE(dist_bandit)
{
	(void)count;
	struct dist *dist = as_dist(vm, args[0]);
	if (!dist)
		return V_RAISE;
	if (dist->count > 10000)
		return vm_raise(vm, "memory", "a bandit of over 10000 arms");
	struct arm *arms = calloc(dist->count, sizeof(*arms));
	if (!arms)
		vm_out_of_memory(vm);
	struct bandit *b = heap_allocate(vm, T_BANDIT, sizeof(*b));
	b->count = dist->count;
	b->last = -1;
	b->total = 0;
	b->arms = arms;
	for (uint32_t i = 0; i < b->count; i++)
		b->arms[i].item = dist->entries[i].item;
	return from_object(b);
}

value bandit_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count)
{
	struct bandit *b = (struct bandit *)as_object(receiver);
	const char *text = string_bytes(vm, name);
	if (!strcmp(text, "choose") && !count)
		return b->arms[pull(vm, b)].item;
	if (!strcmp(text, "reward") && count >= 1 && count <= 2) {
		int64_t arm = b->last;
		if (count == 2) {
			for (arm = 0; arm < b->count; arm++)
				if (value_equal(vm, b->arms[arm].item, args[0]))
					break;
			if (arm == b->count)
				return vm_raise(vm, "index", "the bandit has no such arm");
		}
		if (arm < 0)
			return vm_raise(vm, "index", "no choice of this bandit waits for a reward");
		return credit(vm, b, (uint32_t)arm, args[count - 1]);
	}
	if (!strcmp(text, "best") && !count) {
		uint32_t best = 0;
		double most = -1;
		for (uint32_t i = 0; i < b->count; i++)
			if (b->arms[i].pulls && b->arms[i].sum / (double)b->arms[i].pulls > most) {
				most = b->arms[i].sum / (double)b->arms[i].pulls;
				best = i;
			}
		return b->arms[best].item;
	}
	if (!strcmp(text, "regret") && !count) {
		/* By the observed means: what always pulling the best arm would have brought more. */
		double most = 0, sum = 0;
		for (uint32_t i = 0; i < b->count; i++) {
			sum += b->arms[i].sum;
			if (b->arms[i].pulls && b->arms[i].sum / (double)b->arms[i].pulls > most)
				most = b->arms[i].sum / (double)b->arms[i].pulls;
		}
		return from_double(most * (double)b->total - sum);
	}
	if (!strcmp(text, "pulls") && !count) {
		struct list *list = list_new(vm, b->count);
		for (uint32_t i = 0; i < b->count; i++)
			list->items[list->length++] = from_int64(vm, (int64_t)b->arms[i].pulls);
		return from_object(list);
	}
	return vm_raise(vm, "field", "a bandit has choose, reward, best, regret, pulls, not '%s'", text);
}

void bandit_free_parts(struct object *object)
{
	free(((struct bandit *)object)->arms);
}

void bandit_mark_parts(struct vm *vm, struct object *object)
{
	struct bandit *b = (struct bandit *)object;
	for (uint32_t i = 0; i < b->count; i++)
		gc_mark(vm, b->arms[i].item);
}

/* For timelines: a copy of everything that changes. */
struct bandit_copy {
	int32_t last;
	uint64_t total;
	struct arm arms[];
};

void *bandit_copy(const struct object *object, size_t *size)
{
	const struct bandit *b = (const struct bandit *)object;
	*size = sizeof(struct bandit_copy) + b->count * sizeof(struct arm);
	struct bandit_copy *copy = malloc(*size);
	if (!copy)
		abort();
	copy->last = b->last;
	copy->total = b->total;
	memcpy(copy->arms, b->arms, b->count * sizeof(struct arm));
	return copy;
}

void bandit_swap(struct object *object, void *saved)
{
	struct bandit *b = (struct bandit *)object;
	struct bandit_copy *copy = saved;
	int32_t last = b->last;
	uint64_t total = b->total;
	b->last = copy->last;
	b->total = copy->total;
	copy->last = last;
	copy->total = total;
	for (uint32_t i = 0; i < b->count; i++) {
		struct arm arm = b->arms[i];
		b->arms[i] = copy->arms[i];
		copy->arms[i] = arm;
	}
}

/* ---- functions on distributions ---- */
#define ARG_DIST(n) ARG_TYPE(n, T_DIST, "a distribution")

NATIVE(dist_support)
{
	(void)count;
	ARG_DIST(0);
	struct dist *dist = (struct dist *)as_object(args[0]);
	struct list *list = list_new(vm, dist->count);
	for (uint32_t i = 0; i < dist->count; i++)
		list->items[list->length++] = dist->entries[i].item;
	return from_object(list);
}

NATIVE(dist_weight_of)
{
	(void)count;
	ARG_DIST(0);
	struct dist *dist = (struct dist *)as_object(args[0]);
	double sum = 0;
	for (uint32_t i = 0; i < dist->count; i++)
		if (value_equal(vm, dist->entries[i].item, args[1]))
			sum += dist->entries[i].weight;
	return from_double(sum);
}

NATIVE(dist_normalize)
{
	(void)count;
	ARG_DIST(0);
	struct dist *from = (struct dist *)as_object(args[0]), *to = dist_new(vm, from->count);
	double total = 0;
	for (uint32_t i = 0; i < from->count; i++)
		total += from->entries[i].weight;
	for (uint32_t i = 0; i < from->count; i++) {
		to->entries[i].item = from->entries[i].item;
		to->entries[i].weight = total > 0 ? from->entries[i].weight / total : from->entries[i].weight;
	}
	return from_object(to);
}

NATIVE(dist_of)
{
	ARG_TYPE(0, T_LIST, "a list");
	struct list *items = as_list(args[0]), *weights = NULL;
	if (count > 1) {
		ARG_TYPE(1, T_LIST, "a list of weights");
		weights = as_list(args[1]);
		if (weights->length != items->length)
			return vm_raise(vm, "index", "%u values, but %u weights", items->length,
			                weights->length);
	}
	value *pairs = calloc(items->length ? items->length : 1, 2 * sizeof(value));
	if (!pairs)
		vm_out_of_memory(vm);
	for (uint32_t i = 0; i < items->length; i++) {
		pairs[2 * i] = items->items[i];
		pairs[2 * i + 1] = weights ? weights->items[i] : from_small_int(1);
	}
	struct dist *dist = dist_make(vm, pairs, items->length);
	free(pairs);
	return dist ? from_object(dist) : V_RAISE;
}

NATIVE(dist_entropy)
{
	(void)count;
	ARG_DIST(0);
	struct dist *dist = (struct dist *)as_object(args[0]);
	double total = 0, h = 0;
	for (uint32_t i = 0; i < dist->count; i++)
		total += dist->entries[i].weight;
	for (uint32_t i = 0; i < dist->count; i++) {
		double p = dist->entries[i].weight / total;
		h -= p * log2(p);
	}
	return from_double(h <= 0 ? 0 : h);
}

const struct native_entry dist_natives[] = {
    {"__collapse", dist_collapse, 2, 3, NATIVE_HIDDEN, "", ""},
    {"support", dist_support, 1, 1, 0, "support(d)", "The values of a distribution, in order."},
    {"weight_of", dist_weight_of, 2, 2, 0, "weight_of(d, v)", "The weight of v, 0 if it is not there."},
    {"normalize", dist_normalize, 1, 1, 0, "normalize(d)", "The same with weights that add up to 1."},
    {"dist_of", dist_of, 1, 2, 0, "dist_of(values, weights)", "A distribution of a list."},
    {"entropy", dist_entropy, 1, 1, 0, "entropy(d)", "The uncertainty in bits."},
    {"bandit", dist_bandit, 1, 1, 0, "bandit(arms)", "Learns which arm is best: collapse(b, learn)."},
    {0},
};
