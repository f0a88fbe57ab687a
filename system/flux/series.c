/*
 * See series.h. Each fact of a tree knows of all below and itself the latest end, the latest use, the most uses, the heaviest
 * and the least number: what cannot be the answer is passed over whole. A question about a time looks at no part of the
 * series that had ended by then; a heaviest fact that holds answers for its whole part; and a part whose facts, had all been
 * used as often and as lately as any and weighed as much, would be remembered less than one already found is left out.
 */
#include "series.h"

#include <math.h>
#include <stdlib.h>

#define DECAY  0.5
#define LIGHT  1e-9 /* the weight of what has none, for remembering */
#define ROUNDS 1e-9 /* more than rounding can add to an activation */

/* ---- activation ---- */
double fact_activation(const struct fact *fact, int64_t now)
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

void fact_use(struct fact *fact, int64_t now)
{
	memmove(fact->used_ns + 1, fact->used_ns, (RECENT - 1) * sizeof(int64_t));
	fact->used_ns[0] = now;
	fact->uses++;
}

static double remembered(const struct fact *fact, int64_t now)
{
	return fact_activation(fact, now) + log(fact->weight > 0 ? fact->weight : LIGHT);
}

/* No fact of the tree is remembered better than this (and ROUNDS, unless all were used once: then it is calculated as theirs
 * is). The approximation for more than RECENT uses is a difference of nearly equal numbers when made and last used lie close:
 * rounding makes it up to nine times as great. */
static double remembered_at_most(const struct facts *f, const struct fact *root, int64_t now)
{
	const struct fact_sums *s = &root->sums;
	double age = (double)(now - s->last_used) / 1e9, weight = facts_at(f, s->heaviest)->weight;
	double uses = s->most_uses > RECENT ? 16.0 * s->most_uses : s->most_uses;
	return log(uses * pow(age < 0.001 ? 0.001 : age, -DECAY)) + log(weight > LIGHT ? weight : LIGHT);
}

/* ---- the tree ---- */
static uint32_t child(const struct facts *f, uint32_t root, bool later)
{
	return later ? facts_at(f, root)->later : facts_at(f, root)->earlier;
}

static void set_child(struct vm *vm, struct facts *f, uint32_t root, bool later, uint32_t place)
{
	if (child(f, root, later) == place)
		return;
	struct fact *fact = facts_change(vm, f, root);
	*(later ? &fact->later : &fact->earlier) = place;
}

static uint32_t height(const struct facts *f, uint32_t root)
{
	return root == NONE ? 0 : facts_at(f, root)->sums.height;
}

static bool comes_before(const struct facts *f, uint32_t one, uint32_t other)
{
	const struct fact *a = facts_at(f, one), *b = facts_at(f, other);
	return a->from_ns != b->from_ns ? a->from_ns < b->from_ns : a->id < b->id;
}

/* What is no number is lighter than all. */
static bool heavier(const struct facts *f, uint32_t one, uint32_t other)
{
	const struct fact *a = facts_at(f, one), *b = facts_at(f, other);
	if (a->weight > b->weight || a->weight < b->weight || isnan(a->weight) != isnan(b->weight))
		return a->weight > b->weight || isnan(b->weight);
	return a->id < b->id;
}

static void sum_up(struct vm *vm, struct facts *f, uint32_t root)
{
	const struct fact *fact = facts_at(f, root);
	struct fact_sums s = {.last_to = fact->to_ns,
	                      .last_used = fact->used_ns[0],
	                      .heaviest = root,
	                      .least_id = fact->id,
	                      .most_uses = fact->uses,
	                      .height = 1};
	/* A file may say them in any order. */
	for (uint32_t i = 1; i < RECENT && i < fact->uses; i++)
		if (fact->used_ns[i] > s.last_used)
			s.last_used = fact->used_ns[i];
	for (unsigned side = 0; side < 2; side++) {
		uint32_t place = child(f, root, side);
		if (place == NONE)
			continue;
		const struct fact_sums *c = &facts_at(f, place)->sums;
		if (c->last_to > s.last_to)
			s.last_to = c->last_to;
		if (c->last_used > s.last_used)
			s.last_used = c->last_used;
		if (heavier(f, c->heaviest, s.heaviest))
			s.heaviest = c->heaviest;
		if (c->least_id < s.least_id)
			s.least_id = c->least_id;
		if (c->most_uses > s.most_uses)
			s.most_uses = c->most_uses;
		if (c->height >= s.height)
			s.height = c->height + 1;
	}
	if (memcmp(&s, &fact->sums, sizeof(s)) != 0)
		facts_change(vm, f, root)->sums = s;
}

/* The child of that side becomes the root. */
static uint32_t turn(struct vm *vm, struct facts *f, uint32_t root, bool later)
{
	uint32_t top = child(f, root, later);
	set_child(vm, f, root, later, child(f, top, !later));
	set_child(vm, f, top, !later, root);
	sum_up(vm, f, root);
	sum_up(vm, f, top);
	return top;
}

static uint32_t balance(struct vm *vm, struct facts *f, uint32_t root)
{
	uint32_t earlier = height(f, child(f, root, false)), later = height(f, child(f, root, true));
	if (earlier <= later + 1 && later <= earlier + 1) {
		sum_up(vm, f, root);
		return root;
	}
	bool side = later > earlier;
	uint32_t high = child(f, root, side);
	if (height(f, child(f, high, !side)) > height(f, child(f, high, side)))
		set_child(vm, f, root, side, turn(vm, f, high, !side));
	return turn(vm, f, root, side);
}

uint32_t series_add(struct vm *vm, struct facts *f, uint32_t root, uint32_t place)
{
	if (root == NONE) {
		struct fact *fact = facts_change(vm, f, place);
		fact->earlier = fact->later = NONE;
		sum_up(vm, f, place);
		return place;
	}
	bool later = comes_before(f, root, place);
	set_child(vm, f, root, later, series_add(vm, f, child(f, root, later), place));
	return balance(vm, f, root);
}

uint32_t series_remove(struct vm *vm, struct facts *f, uint32_t root, uint32_t place)
{
	if (root != place) {
		bool later = comes_before(f, root, place);
		set_child(vm, f, root, later, series_remove(vm, f, child(f, root, later), place));
		return balance(vm, f, root);
	}
	uint32_t earlier = child(f, root, false), later = child(f, root, true), next = later;
	if (earlier == NONE || later == NONE)
		return earlier == NONE ? later : earlier;
	while (child(f, next, false) != NONE)
		next = child(f, next, false);
	later = series_remove(vm, f, later, next);
	set_child(vm, f, next, false, earlier);
	set_child(vm, f, next, true, later);
	return balance(vm, f, next);
}

void series_changed(struct vm *vm, struct facts *f, uint32_t root, uint32_t place)
{
	if (root != place)
		series_changed(vm, f, child(f, root, comes_before(f, root, place)), place);
	sum_up(vm, f, root);
}

/* ---- questions ---- */
static bool holds(const struct fact *fact, int64_t at)
{
	return fact->from_ns <= at && at < fact->to_ns;
}

static uint32_t heaviest(struct facts *f, uint32_t root, int64_t at, uint32_t best)
{
	if (root == NONE)
		return best;
	const struct fact *fact = facts_at(f, root);
	uint32_t top = fact->sums.heaviest;
	f->looked++;
	if (fact->sums.last_to <= at || (best != NONE && !heavier(f, top, best)))
		return best;
	if (holds(facts_at(f, top), at))
		return top;
	if (fact->from_ns <= at) {
		if (at < fact->to_ns && (best == NONE || heavier(f, root, best)))
			best = root;
		best = heaviest(f, fact->later, at, best);
	}
	return heaviest(f, fact->earlier, at, best);
}

uint32_t series_heaviest(struct facts *f, uint32_t root, int64_t at)
{
	return heaviest(f, root, at, NONE);
}

struct search {
	struct facts *f;
	int64_t now;
	uint32_t best;
	double score;
};

static void recall(struct search *s, uint32_t root, double most)
{
	const struct fact *fact = facts_at(s->f, root);
	bool once = fact->sums.most_uses == 1;
	s->f->looked++;
	if (s->best != NONE &&
	    (most < s->score - (once ? 0 : ROUNDS) ||
	     (once && most <= s->score && fact->sums.least_id > facts_at(s->f, s->best)->id)))
		return;
	if (holds(fact, s->now)) {
		double score = remembered(fact, s->now);
		if (s->best == NONE || score > s->score ||
		    (score == s->score && fact->id < facts_at(s->f, s->best)->id)) {
			s->best = root;
			s->score = score;
		}
	}
	/* First where more can be hoped for, among equals where the first written is. */
	uint32_t sides[2] = {fact->earlier, fact->from_ns <= s->now ? fact->later : NONE};
	double hope[2] = {0};
	for (unsigned i = 0; i < 2; i++) {
		if (sides[i] != NONE && facts_at(s->f, sides[i])->sums.last_to <= s->now)
			sides[i] = NONE;
		if (sides[i] != NONE)
			hope[i] = remembered_at_most(s->f, facts_at(s->f, sides[i]), s->now);
	}
	unsigned first = 0;
	if (sides[0] != NONE && sides[1] != NONE)
		first = hope[1] > hope[0] ||
		        (hope[1] == hope[0] &&
		         facts_at(s->f, sides[1])->sums.least_id < facts_at(s->f, sides[0])->sums.least_id);
	for (unsigned i = 0; i < 2; i++)
		if (sides[first ^ i] != NONE)
			recall(s, sides[first ^ i], hope[first ^ i]);
}

uint32_t series_recall(struct facts *f, uint32_t root, int64_t now, double *score)
{
	struct search s = {.f = f, .now = now, .best = NONE};
	if (root != NONE)
		recall(&s, root, INFINITY);
	*score = s.score;
	return s.best;
}

struct places {
	uint32_t *all;
	uint32_t count, capacity;
};

static void gather(struct facts *f, uint32_t root, int64_t from, int64_t to, struct places *p)
{
	if (root == NONE)
		return;
	const struct fact *fact = facts_at(f, root);
	f->looked++;
	if (fact->sums.last_to <= from)
		return;
	gather(f, fact->earlier, from, to, p);
	if (fact->from_ns > to)
		return;
	if (fact->to_ns > from) {
		if (p->count == p->capacity) {
			p->capacity = p->capacity ? p->capacity * 2 : 8;
			p->all = must_realloc(p->all, p->capacity * sizeof(uint32_t));
		}
		p->all[p->count++] = root;
	}
	gather(f, fact->later, from, to, p);
}

uint32_t *series_during(struct facts *f, uint32_t root, int64_t from, int64_t to, uint32_t *count)
{
	struct places p = {0};
	gather(f, root, from, to, &p);
	*count = p.count;
	return p.all;
}
