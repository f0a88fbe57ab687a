/*
 * The store of a mosaic's facts: numbered places in pages, a tree by time of those with one (subject, relation) (series.c),
 * a chain of those with one subject, and a table by number. A copy shares all pages until one side changes one.
 */
#ifndef FLUX_FACTS_H
#define FLUX_FACTS_H

#include "runtime.h"

#define RECENT      4 /* uses whose times are kept */
#define CAUSES_MAX  8
#define NONE        UINT32_MAX
#define FACTS_LIMIT (1u << 20) /* of a mosaic, if it says nothing else */

/* Of a fact and all below it in the tree of its pair. */
struct fact_sums {
	int64_t last_to, last_used;
	uint32_t heaviest; /* a place */
	uint32_t least_id, most_uses, height;
};

struct fact {
	value subject, relation, object, source;
	double weight;
	int64_t from_ns, to_ns; /* to: INT64_MAX while it holds */
	int64_t made_ns;
	int64_t used_ns[RECENT]; /* latest first */
	uint32_t uses;
	uint32_t earlier, later;                 /* below it in the tree */
	uint32_t next_subject, previous_subject; /* the newest is the chain's head */
	uint32_t cause_count;
	uint32_t causes[CAUSES_MAX];
	uint32_t id;
	bool dead;
	struct fact_sums sums;
};

struct slot_page;
struct fact_page;

struct table {
	struct slot_page **pages; /* of places + 1 of trees' roots and chains' heads */
	uint32_t mask, used;      /* mask 0: no slots yet */
};

struct facts {
	struct fact_page **pages;
	uint32_t page_count, page_capacity;
	uint32_t count, alive, limit, hand, next_id;
	uint32_t first_free; /* dead facts, chained by `later` */
	struct table pairs, subjects, numbers;
	uint64_t looked; /* facts that questions about a pair have looked at so far */
};

struct facts *facts_new(void);
struct facts *facts_copy(const struct facts *f);
void facts_free(struct vm *vm, struct facts *f);
const struct fact *facts_at(const struct facts *f, uint32_t place);
/* Pages, which copies share: where the one of a place ends, and whether a cycle of the collector (not 0) has seen it as it
 * is; from then on it has. */
uint32_t facts_page_end(uint32_t place);
bool facts_page_seen(const struct facts *f, uint32_t place, uint32_t cycle);
/* To be changed: a page that a copy shares becomes this one's own. Other pointers to its facts are to be got again. */
struct fact *facts_change(struct vm *vm, struct facts *f, uint32_t place);
/* A fact that holds from now on, used once: to be added. */
struct fact fact_new(const struct vm *vm, value subject, value relation, value object, double weight);
/* Adds it with a number of its own; its place. Forgets another where the limit is reached. */
uint32_t facts_add(struct vm *vm, struct facts *f, const struct fact *fact);
/* Another end, or a use now. */
void facts_end(struct vm *vm, struct facts *f, uint32_t place, int64_t to_ns);
void facts_use(struct vm *vm, struct facts *f, uint32_t place);
void facts_forget(struct vm *vm, struct facts *f, uint32_t place);
/* Forgets some fact; there is one. */
void facts_forget_any(struct vm *vm, struct facts *f);
void facts_limit(struct vm *vm, struct facts *f, uint32_t limit);
/* The root of a pair's tree, for series.c. */
uint32_t facts_pair(struct vm *vm, const struct facts *f, value subject, value relation);
/* The newest fact of a subject; others follow by next_subject. NONE at the end. */
uint32_t facts_chain(struct vm *vm, const struct facts *f, value subject);
uint32_t facts_numbered(const struct facts *f, int64_t id);
/* Base-level activation, see mosaic.c; in series.c. */
double fact_activation(const struct fact *fact, int64_t now_ns);
void fact_use(struct fact *fact, int64_t now_ns);

/* ---- keep.c: facts that last, in a file ---- */
struct keeper;

value keeper_open(struct vm *vm, struct facts *f, value files, const char *path, struct keeper **keeper);
void keeper_added(struct vm *vm, struct keeper *k, const struct fact *fact);
void keeper_forgot(struct vm *vm, struct keeper *k, uint32_t id);
void keeper_changed(struct vm *vm, struct keeper *k, const struct fact *fact); /* its times or uses */
/* Writes what waits to be written. False: it cannot; vm->effect_failed says why. */
bool keeper_flush(struct vm *vm, struct keeper *k);
/* Writes everything anew. */
bool keeper_write_all(struct vm *vm, struct keeper *k, const struct facts *f);
void keeper_free(struct keeper *k);
void keeper_mark(struct vm *vm, struct keeper *k);
bool keeper_accepts(struct vm *vm, value v); /* can a file hold it? */

#endif
