/*
 * Causal mosaics: memory of weighted facts (subject, relation, object) that hold from one time to another,
 * come from a source, may name their causes, and fade. facts.c stores them, keep.c makes them last, mosaic_methods.c
 * is what a program sees of them. Here: their life, their changes, and what collector and timelines need.
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
 * Hash tables find the facts of one (subject, relation), a tree in the order of their times (series.c), and
 * those of one subject, a chain, in constant time. A mosaic holds at most `limit` facts; then the least active
 * of a few looked at is forgotten.
 */
#include "mosaic.h"

value mosaic_new(struct vm *vm, const char *name)
{
	struct mosaic *m = heap_allocate(vm, T_MOSAIC, sizeof(*m));
	m->facts = facts_new();
	m->name = NULL;
	m->keeper = NULL;
	m->name = string_of(vm, name);
	return from_object(m);
}

/* ---- changing ---- */
/* A branch's changes are written when they are merged. */
struct keeper *mosaic_keeper(struct vm *vm, struct mosaic *m)
{
	return m->keeper && !timeline_is_branch(vm) ? m->keeper : NULL;
}

/* The collector's barrier: after a value was stored in a fact. */
void mosaic_keep_value(struct vm *vm, struct mosaic *m, value v)
{
	gc_slot(vm, &m->object, v, m->facts->count);
}

uint32_t mosaic_add(struct vm *vm, struct mosaic *m, const struct fact *fact)
{
	vm_touch(vm, &m->object);
	struct facts *f = m->facts;
	struct keeper *k = mosaic_keeper(vm, m);
	if (k &&
	    f->alive >= f->limit) /* what is forgotten for it is not told one by one: all is written anew */
		keeper_forgot(vm, k, NONE);
	uint32_t place = facts_add(vm, f, fact);
	mosaic_keep_value(vm, m, fact->subject);
	mosaic_keep_value(vm, m, fact->relation);
	mosaic_keep_value(vm, m, fact->object);
	mosaic_keep_value(vm, m, fact->source);
	return place;
}

/* ---- lasting ---- */
void mosaic_flush(struct vm *vm, bool everything)
{
	struct list *kept = is_type(vm->kept, T_LIST) ? as_list(vm->kept) : NULL;
	for (uint32_t i = 0; kept && i < kept->length; i++) {
		struct mosaic *m = (struct mosaic *)as_object(kept->items[i]);
		if (everything)
			keeper_write_all(vm, m->keeper, m->facts);
		else
			keeper_flush(vm, m->keeper);
	}
}

/* ---- for the collector and the timelines ---- */
void mosaic_free_parts(struct vm *vm, struct object *object)
{
	facts_free(vm, ((struct mosaic *)object)->facts);
	keeper_free(((struct mosaic *)object)->keeper);
}

static void mark_fact(struct vm *vm, const struct fact *fact)
{
	gc_mark(vm, fact->subject);
	gc_mark(vm, fact->relation);
	gc_mark(vm, fact->object);
	gc_mark(vm, fact->source);
}

size_t mosaic_item_count(const struct object *object)
{
	return ((const struct mosaic *)object)->facts->count;
}

void mosaic_mark_items(struct vm *vm, const struct object *object, uint32_t from, uint32_t to)
{
	const struct mosaic *m = (const struct mosaic *)object;
	if (!from) {
		gc_mark_object(vm, m->name);
		if (m->keeper)
			keeper_mark(vm, m->keeper);
	}
	for (uint32_t i = from; i < to && i < m->facts->count; i++)
		mark_fact(vm, facts_at(m->facts, i));
}

void cursor_mark_parts(struct vm *vm, struct object *object)
{
	gc_mark_object(vm, ((struct cursor *)object)->mosaic);
	gc_mark(vm, ((struct cursor *)object)->key);
}

void *mosaic_copy(struct object *object)
{
	return facts_copy(((struct mosaic *)object)->facts);
}

void mosaic_swap(struct object *object, void *saved)
{
	/* `saved` stays the holder of what is not in force: exchange the contents. */
	struct facts *f = ((struct mosaic *)object)->facts, now = *f;
	*f = *(struct facts *)saved;
	*(struct facts *)saved = now;
}

void mosaic_free_copy(struct vm *vm, void *saved)
{
	facts_free(vm, saved);
}

uint32_t mosaic_mark_copy(struct vm *vm, const void *saved, uint32_t from)
{
	const struct facts *f = saved;
	uint32_t end = from < f->count ? facts_page_end(from) : from;
	if (end > from && !facts_page_seen(f, from, vm->heap.cycle)) {
		vm->heap.work -= 4 * (ptrdiff_t)(end - from);
		for (uint32_t i = from; i < end && i < f->count; i++)
			mark_fact(vm, facts_at(f, i));
	}
	return end < f->count ? end : 0;
}

/* What the source learnt since the branch is added; what it forgot stays here. */
void mosaic_merge(struct vm *vm, struct object *object, void *base, void *source)
{
	struct mosaic *m = (struct mosaic *)object;
	const struct facts *from = source;
	uint32_t first = base ? ((struct facts *)base)->next_id : m->facts->next_id;
	uint32_t shift = m->facts->next_id - first;
	for (uint32_t id = first; id < from->next_id; id++) {
		uint32_t old_place = facts_numbered(from, id);
		if (old_place == NONE)
			continue;
		struct fact fact = *facts_at(from, old_place);
		for (uint32_t k = 0; k < fact.cause_count; k++)
			fact.causes[k] += fact.causes[k] >= first ? shift : 0;
		uint32_t place = mosaic_add(vm, m, &fact);
		if (mosaic_keeper(vm, m))
			keeper_added(vm, m->keeper, facts_at(m->facts, place));
	}
}
