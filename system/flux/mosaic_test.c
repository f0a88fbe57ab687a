/*
 * The store of a mosaic's facts against a plain list of all facts, each of which is looked at: random series with open,
 * overlapping, ended, forgotten and used facts, in a store and its copies. And how many facts a question looks at in a series
 * of 200,000.
 */
#include "options.h"
#include "series.h"

#include <math.h>
#include <stdlib.h>

#define KEYS   3
#define MOST   3000
#define STORES 3
#define LONG   200000
#define SECOND INT64_C(1000000000)

static unsigned failed;

static void check(bool ok, const char *name)
{
	failed += !ok;
	printf(ok ? "ok flux mosaic: %s\n" : "not ok flux mosaic: %s - see the source\n", name);
}

static uint64_t random_state = 88172645463325252u;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 20) % below;
}

/* ---- the plain list ---- */
struct model {
	struct facts *f;
	struct fact facts[MOST];
	uint32_t count;
};

static bool of(const struct fact *fact, uint32_t key)
{
	return fact->subject == from_small_int(key);
}

static uint32_t plain_heaviest(const struct model *m, uint32_t key, int64_t at)
{
	const struct fact *best = NULL;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct fact *fact = &m->facts[i];
		if (of(fact, key) && fact->from_ns <= at && at < fact->to_ns &&
		    (!best || fact->weight > best->weight))
			best = fact;
	}
	return best ? best->id : NONE;
}

static uint32_t plain_recall(const struct model *m, uint32_t key, int64_t now, double *score)
{
	const struct fact *best = NULL;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct fact *fact = &m->facts[i];
		if (!of(fact, key) || fact->from_ns > now || now >= fact->to_ns)
			continue;
		double s = fact_activation(fact, now) + log(fact->weight > 0 ? fact->weight : 1e-9);
		if (!best || s > *score) {
			best = fact;
			*score = s;
		}
	}
	return best ? best->id : NONE;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static bool same_during(struct vm *vm, struct model *m, uint32_t key, int64_t from, int64_t to)
{
	uint32_t count, at = 0;
	uint32_t root = facts_pair(vm, m->f, from_small_int(key), V_TRUE);
	uint32_t *ids = series_during(m->f, root, from, to, &count);
	bool same = true;
	for (uint32_t i = 0; i < count; i++)
		ids[i] = facts_at(m->f, ids[i])->id;
	if (count)
		qsort(ids, count, sizeof(uint32_t), by_number);
	for (uint32_t i = 0; i < m->count; i++)
		if (of(&m->facts[i], key) && m->facts[i].to_ns > from && m->facts[i].from_ns <= to)
			same = same && at < count && ids[at++] == m->facts[i].id;
	free(ids);
	return same && at == count;
}

/* ---- both changed alike ---- */
static int64_t any_time(const struct vm *vm)
{
	return draw(4) ? (int64_t)draw(100) * SECOND : vm->clock_ns - (int64_t)draw(5) * SECOND;
}

static void add(struct vm *vm, struct model *m)
{
	static const double weights[] = {0, 0.5, 0.5, 0.5, 0.9, 1, 1e-12, 3};
	struct fact fact = fact_new(vm, from_small_int(draw(KEYS)), V_TRUE, V_NIL, weights[draw(8)]);
	if (m->count == MOST)
		return;
	if (!draw(3))
		fact.weight = draw(1000) / 1000.0;
	if (draw(2))
		fact.from_ns = any_time(vm);
	if (draw(2))
		fact.to_ns = fact.from_ns + ((int64_t)draw(30) - 2) * SECOND;
	uint32_t place = facts_add(vm, m->f, &fact);
	m->facts[m->count++] = *facts_at(m->f, place);
}

static void change(struct vm *vm, struct model *m)
{
	uint32_t kind = draw(100);
	if (kind < 60 || !m->count) {
		add(vm, m);
		return;
	}
	uint32_t i = draw(m->count), place = facts_numbered(m->f, m->facts[i].id);
	if (kind < 75) {
		if (draw(2)) { /* the same few often */
			i = draw(m->count < 5 ? m->count : 5);
			place = facts_numbered(m->f, m->facts[i].id);
		}
		fact_use(&m->facts[i], vm->clock_ns);
		facts_use(vm, m->f, place);
	} else if (kind < 88) {
		m->facts[i].to_ns = vm->clock_ns;
		facts_end(vm, m->f, place, vm->clock_ns);
	} else {
		facts_forget(vm, m->f, place);
		m->count--;
		memmove(&m->facts[i], &m->facts[i + 1], (m->count - i) * sizeof(struct fact));
	}
}

static bool agree(struct vm *vm, struct model *m)
{
	uint32_t key = draw(KEYS), root = facts_pair(vm, m->f, from_small_int(key), V_TRUE), place;
	int64_t at = draw(8) ? any_time(vm) : INT64_MAX - 1, now = vm->clock_ns;
	double expected = 0, score = 0;
	place = series_heaviest(m->f, root, at);
	if ((place == NONE ? NONE : facts_at(m->f, place)->id) != plain_heaviest(m, key, at))
		return false;
	place = series_recall(m->f, root, now, &score);
	if ((place == NONE ? NONE : facts_at(m->f, place)->id) != plain_recall(m, key, now, &expected))
		return false;
	if (place != NONE && !(score == expected))
		return false;
	int64_t to = draw(2) ? at : any_time(vm);
	return same_during(vm, m, key, any_time(vm), to) && same_during(vm, m, key, INT64_MIN, INT64_MAX);
}

/* Random changes of a store and of copies made of each other, which must not disturb one another. */
static bool random_series(struct vm *vm, unsigned rounds)
{
	struct model *stores = calloc(STORES, sizeof(*stores));
	bool ok = stores != NULL;
	for (unsigned i = 0; ok && i < STORES; i++)
		stores[i].f = facts_new();
	for (unsigned round = 0; ok && round < rounds; round++) {
		struct model *m = &stores[draw(STORES)];
		if (!draw(500)) {
			struct model *other = &stores[draw(STORES)];
			if (other != m) {
				facts_free(vm, m->f);
				*m = *other;
				m->f = facts_copy(other->f);
			}
		}
		if (!draw(3))
			vm->clock_ns += draw(2) ? (int64_t)draw(1000) : (int64_t)draw(1000) * (SECOND / 500);
		change(vm, m);
		ok = agree(vm, &stores[draw(STORES)]);
	}
	for (unsigned i = 0; stores && i < STORES; i++)
		facts_free(vm, stores[i].f);
	free(stores);
	return ok;
}

/* ---- what is looked at ---- */
enum order { SUCCESSIVE, OPEN, BACKWARDS, WEIGHTS, SHUFFLED, ORDERS };

static uint64_t looked(struct facts *f)
{
	uint64_t n = f->looked;
	f->looked = 0;
	return n;
}

static void long_series(struct vm *vm, enum order order)
{
	static const char *names[] = {"one after the other", "all at once and open", "from late to early",
	                              "weights in turn", "in any order of times"};
	struct facts *f = facts_new();
	vm->clock_ns = SECOND;
	for (uint32_t i = 0; i < LONG; i++) {
		struct fact fact = fact_new(vm, V_TRUE, V_TRUE, V_NIL, order == WEIGHTS ? i % 7 : 1);
		if (order == SUCCESSIVE)
			fact.to_ns = fact.from_ns + SECOND;
		else if (order == BACKWARDS)
			fact.from_ns = (int64_t)(LONG - i);
		else if (order == SHUFFLED)
			fact.from_ns = (int64_t)draw(LONG);
		facts_add(vm, f, &fact);
		if (order == SUCCESSIVE || order == SHUFFLED)
			vm->clock_ns += SECOND;
	}
	uint64_t most = 0, n;
	uint32_t root = facts_pair(vm, f, V_TRUE, V_TRUE), count = 0;
	double score;
	bool right = true;
	for (unsigned i = 0; i < 200; i++) {
		int64_t at =
		    order == SUCCESSIVE ? (int64_t)draw(LONG) * SECOND + SECOND : (int64_t)draw(LONG);
		uint32_t place = series_heaviest(f, root, i ? at : INT64_MAX - 1);
		n = looked(f);
		most = n > most ? n : most;
		if (order == SUCCESSIVE) {
			free(series_during(f, root, at, at + 9 * SECOND, &count));
			n = looked(f);
			most = n > most ? n : most;
			right = right && (!i || (place != NONE && facts_at(f, place)->from_ns == at));
		}
		place = series_recall(f, root, vm->clock_ns - (order == SUCCESSIVE), &score);
		n = looked(f);
		most = n > most ? n : most;
		right = right && place != NONE;
		if (place != NONE && i % 3 == 0)
			facts_use(vm, f, place);
	}
	/* Half of them forgotten: what is left is no deeper. */
	for (uint32_t id = 0; id < LONG; id += 2)
		facts_forget(vm, f, facts_numbered(f, id));
	root = facts_pair(vm, f, V_TRUE, V_TRUE);
	free(series_during(f, root, INT64_MIN, INT64_MAX, &count));
	right = right && count == LONG / 2 && facts_at(f, root)->sums.height < 26;
	char line[128];
	snprintf(line, sizeof(line), "200,000 facts, %s: a question looks at %u at most", names[order],
	         (unsigned)most);
	check(right && most < 120, line);
	facts_free(vm, f);
}

int main(void)
{
	const char *text = "function main() { }";
	struct run_options options = {.seed = 1, .fuel = 1000, .memory = 512u << 20};
	struct source *source = source_new("test", text, strlen(text));
	struct vm *vm = source ? run_prepare(source, &options, stdout) : NULL;
	if (!vm)
		abort();
	check(random_series(vm, 8000), "random series answer as a list of all facts does");
	for (enum order order = SUCCESSIVE; order < ORDERS; order++)
		long_series(vm, order);
	run_finish(vm);
	return failed != 0;
}
