/* See facts.h. */
#include "series.h"

#include <stdlib.h>

#define PAGE_FACTS 64
#define PAGE_SLOTS 4096

struct fact_page {
	uint32_t shares; /* copies that use it */
	uint32_t seen;   /* the cycle of the collector that looked at it; 0: none since it was changed */
	struct fact facts[PAGE_FACTS];
};

struct slot_page {
	uint32_t shares;
	uint32_t slots[PAGE_SLOTS];
};

/* ---- pages ---- */
struct facts *facts_new(void)
{
	struct facts *f = calloc(1, sizeof(*f));
	if (!f)
		abort();
	f->limit = FACTS_LIMIT;
	f->first_free = NONE;
	return f;
}

const struct fact *facts_at(const struct facts *f, uint32_t place)
{
	return &f->pages[place / PAGE_FACTS]->facts[place % PAGE_FACTS];
}

uint32_t facts_page_end(uint32_t place)
{
	return place - place % PAGE_FACTS + PAGE_FACTS;
}

bool facts_page_seen(const struct facts *f, uint32_t place, uint32_t cycle)
{
	struct fact_page *page = f->pages[place / PAGE_FACTS];
	bool seen = page->seen == cycle;
	page->seen = cycle;
	return seen;
}

struct fact *facts_change(struct vm *vm, struct facts *f, uint32_t place)
{
	struct fact_page **page = &f->pages[place / PAGE_FACTS];
	if ((*page)->shares > 1) {
		struct fact_page *own = must_realloc(NULL, sizeof(*own));
		heap_note(vm, sizeof(*own));
		memcpy(own, *page, sizeof(*own));
		own->shares = 1;
		(*page)->shares--;
		*page = own;
	}
	(*page)->seen = 0;
	return &(*page)->facts[place % PAGE_FACTS];
}

static uint32_t table_pages(const struct table *t)
{
	return t->mask ? (t->mask + 1 + PAGE_SLOTS - 1) / PAGE_SLOTS : 0;
}

static uint32_t slot(const struct table *t, uint32_t at)
{
	return t->pages[at / PAGE_SLOTS]->slots[at % PAGE_SLOTS];
}

static void set_slot(struct vm *vm, struct table *t, uint32_t at, uint32_t v)
{
	struct slot_page **page = &t->pages[at / PAGE_SLOTS];
	if ((*page)->shares > 1) {
		struct slot_page *own = must_realloc(NULL, sizeof(*own));
		heap_note(vm, sizeof(*own));
		memcpy(own, *page, sizeof(*own));
		own->shares = 1;
		(*page)->shares--;
		*page = own;
	}
	(*page)->slots[at % PAGE_SLOTS] = v;
}

static void table_free(struct vm *vm, struct table *t)
{
	for (uint32_t i = 0; i < table_pages(t); i++)
		if (!--t->pages[i]->shares) {
			heap_note(vm, -(ptrdiff_t)sizeof(struct slot_page));
			free(t->pages[i]);
		}
	free(t->pages);
}

static void table_share(struct table *t)
{
	uint32_t count = table_pages(t);
	struct slot_page **pages = must_realloc(NULL, count * sizeof(struct slot_page *));
	for (uint32_t i = 0; i < count; i++) {
		pages[i] = t->pages[i];
		pages[i]->shares++;
	}
	t->pages = pages;
}

struct facts *facts_copy(const struct facts *f)
{
	struct facts *copy = must_realloc(NULL, sizeof(*copy));
	*copy = *f;
	copy->page_capacity = f->page_count;
	copy->pages = must_realloc(NULL, f->page_count * sizeof(struct fact_page *));
	for (uint32_t i = 0; i < f->page_count; i++) {
		copy->pages[i] = f->pages[i];
		copy->pages[i]->shares++;
	}
	table_share(&copy->pairs);
	table_share(&copy->subjects);
	table_share(&copy->numbers);
	return copy;
}

void facts_free(struct vm *vm, struct facts *f)
{
	for (uint32_t i = 0; i < f->page_count; i++)
		if (!--f->pages[i]->shares) {
			heap_note(vm, -(ptrdiff_t)sizeof(struct fact_page));
			free(f->pages[i]);
		}
	free(f->pages);
	table_free(vm, &f->pairs);
	table_free(vm, &f->subjects);
	table_free(vm, &f->numbers);
	free(f);
}

/* ---- hash tables of trees and chains ---- */
static uint32_t hash_pair(struct vm *vm, value subject, value relation)
{
	return (uint32_t)((value_hash(vm, subject) * 0x9E3779B97F4A7C15u ^ value_hash(vm, relation)) *
	                      0xD6E8FEB86659FD93u >>
	                  32);
}

static uint32_t hash_number(uint32_t id)
{
	return id * 2654435761u;
}

static bool same(struct vm *vm, value a, value b)
{
	return a == b || value_equal(vm, a, b);
}

/* The slot of the tree of a pair (or the chain of a subject), or the empty one where it belongs. */
static uint32_t find_slot(struct vm *vm, const struct facts *f, const struct table *t, value subject,
                          value relation, bool pair)
{
	uint32_t hash = pair ? hash_pair(vm, subject, relation) : value_hash(vm, subject) * 2654435761u;
	for (uint32_t at = hash & t->mask;; at = (at + 1) & t->mask) {
		uint32_t head = slot(t, at);
		if (!head)
			return at;
		const struct fact *fact = facts_at(f, head - 1);
		if (same(vm, fact->subject, subject) && (!pair || same(vm, fact->relation, relation)))
			return at;
	}
}

static uint32_t find_number(const struct facts *f, uint32_t id)
{
	const struct table *t = &f->numbers;
	for (uint32_t at = hash_number(id) & t->mask;; at = (at + 1) & t->mask) {
		uint32_t place = slot(t, at);
		if (!place || facts_at(f, place - 1)->id == id)
			return at;
	}
}

enum which { PAIRS, SUBJECTS, NUMBERS };

static struct table *table_of(struct facts *f, enum which which)
{
	return which == PAIRS ? &f->pairs : which == SUBJECTS ? &f->subjects : &f->numbers;
}

static uint32_t slot_of(struct vm *vm, struct facts *f, enum which which, uint32_t place)
{
	const struct fact *fact = facts_at(f, place);
	return which == NUMBERS
	           ? find_number(f, fact->id)
	           : find_slot(vm, f, table_of(f, which), fact->subject, fact->relation, which == PAIRS);
}

static void grow_table(struct vm *vm, struct facts *f, enum which which)
{
	struct table *t = table_of(f, which), old = *t;
	if (t->mask && (t->used + 1) * 2 <= t->mask + 1)
		return;
	uint32_t size = t->mask ? (t->mask + 1) * 2 : 64;
	t->mask = size - 1;
	uint32_t count = table_pages(t);
	t->pages = must_realloc(NULL, count * sizeof(struct slot_page *));
	for (uint32_t i = 0; i < count; i++) {
		t->pages[i] = calloc(1, sizeof(struct slot_page));
		if (!t->pages[i])
			abort();
		t->pages[i]->shares = 1;
		heap_note(vm, sizeof(struct slot_page));
	}
	for (uint32_t i = 0; old.mask && i <= old.mask; i++) {
		uint32_t head = slot(&old, i);
		if (head)
			set_slot(vm, t, slot_of(vm, f, which, head - 1), head);
	}
	table_free(vm, &old);
}

/* Takes a slot out, moving later ones of the run up (linear probing). */
static void empty_slot(struct vm *vm, struct facts *f, enum which which, uint32_t at)
{
	struct table *t = table_of(f, which);
	set_slot(vm, t, at, 0);
	t->used--;
	for (uint32_t i = (at + 1) & t->mask, head; (head = slot(t, i)); i = (i + 1) & t->mask) {
		set_slot(vm, t, i, 0);
		set_slot(vm, t, slot_of(vm, f, which, head - 1), head);
	}
}

static void link_pair(struct vm *vm, struct facts *f, uint32_t place)
{
	grow_table(vm, f, PAIRS);
	uint32_t at = slot_of(vm, f, PAIRS, place), head = slot(&f->pairs, at);
	uint32_t root = series_add(vm, f, head ? head - 1 : NONE, place);
	f->pairs.used += !head;
	if (root + 1 != head)
		set_slot(vm, &f->pairs, at, root + 1);
}

static void unlink_pair(struct vm *vm, struct facts *f, uint32_t place)
{
	uint32_t at = slot_of(vm, f, PAIRS, place), head = slot(&f->pairs, at);
	uint32_t root = series_remove(vm, f, head - 1, place);
	if (root == NONE)
		empty_slot(vm, f, PAIRS, at);
	else if (root + 1 != head)
		set_slot(vm, &f->pairs, at, root + 1);
}

static void link_subject(struct vm *vm, struct facts *f, uint32_t place)
{
	grow_table(vm, f, SUBJECTS);
	uint32_t at = slot_of(vm, f, SUBJECTS, place), head = slot(&f->subjects, at);
	f->subjects.used += !head;
	set_slot(vm, &f->subjects, at, place + 1);
	struct fact *fact = facts_change(vm, f, place);
	fact->next_subject = head ? head - 1 : NONE;
	fact->previous_subject = NONE;
	if (head)
		facts_change(vm, f, head - 1)->previous_subject = place;
}

static void unlink_subject(struct vm *vm, struct facts *f, uint32_t place)
{
	uint32_t next = facts_at(f, place)->next_subject, previous = facts_at(f, place)->previous_subject;
	if (previous == NONE && next == NONE)
		empty_slot(vm, f, SUBJECTS, slot_of(vm, f, SUBJECTS, place));
	else if (previous == NONE)
		set_slot(vm, &f->subjects, slot_of(vm, f, SUBJECTS, place), next + 1);
	else
		facts_change(vm, f, previous)->next_subject = next;
	if (next != NONE)
		facts_change(vm, f, next)->previous_subject = previous;
}

static void link_number(struct vm *vm, struct facts *f, uint32_t place)
{
	grow_table(vm, f, NUMBERS);
	set_slot(vm, &f->numbers, slot_of(vm, f, NUMBERS, place), place + 1);
	f->numbers.used++;
}

uint32_t facts_pair(struct vm *vm, const struct facts *f, value subject, value relation)
{
	if (!f->pairs.mask)
		return NONE;
	uint32_t head = slot(&f->pairs, find_slot(vm, f, &f->pairs, subject, relation, true));
	return head ? head - 1 : NONE;
}

uint32_t facts_chain(struct vm *vm, const struct facts *f, value subject)
{
	if (!f->subjects.mask)
		return NONE;
	uint32_t head = slot(&f->subjects, find_slot(vm, f, &f->subjects, subject, V_NIL, false));
	return head ? head - 1 : NONE;
}

uint32_t facts_numbered(const struct facts *f, int64_t id)
{
	if (id < 0 || id >= f->next_id || !f->numbers.mask)
		return NONE;
	uint32_t place = slot(&f->numbers, find_number(f, (uint32_t)id));
	return place ? place - 1 : NONE;
}

/* ---- changing ---- */
void facts_forget(struct vm *vm, struct facts *f, uint32_t place)
{
	unlink_pair(vm, f, place);
	unlink_subject(vm, f, place);
	empty_slot(vm, f, NUMBERS, slot_of(vm, f, NUMBERS, place));
	struct fact *fact = facts_change(vm, f, place);
	fact->dead = true;
	fact->subject = fact->relation = fact->object = fact->source = V_NIL;
	fact->later = f->first_free;
	f->first_free = place;
	f->alive--;
}

/* Forgets the least active of sixteen. */
static void forget_one(struct vm *vm, struct facts *f)
{
	uint32_t worst = NONE;
	double least = 0;
	for (unsigned looked = 0; looked < 16;) {
		f->hand = f->hand + 1 < f->count ? f->hand + 1 : 0;
		const struct fact *fact = facts_at(f, f->hand);
		if (fact->dead)
			continue;
		double a = fact_activation(fact, vm->clock_ns);
		if (worst == NONE || a < least) {
			worst = f->hand;
			least = a;
		}
		looked++;
	}
	facts_forget(vm, f, worst);
}

void facts_forget_any(struct vm *vm, struct facts *f)
{
	while (facts_at(f, f->hand)->dead)
		f->hand = f->hand + 1 < f->count ? f->hand + 1 : 0;
	facts_forget(vm, f, f->hand);
}

void facts_limit(struct vm *vm, struct facts *f, uint32_t limit)
{
	f->limit = limit;
	while (f->alive > f->limit)
		forget_one(vm, f);
}

struct fact fact_new(const struct vm *vm, value subject, value relation, value object, double weight)
{
	struct fact fact = {.subject = subject,
	                    .relation = relation,
	                    .object = object,
	                    .source = V_NIL,
	                    .weight = weight,
	                    .from_ns = vm->clock_ns,
	                    .made_ns = vm->clock_ns,
	                    .to_ns = INT64_MAX};
	fact_use(&fact, vm->clock_ns);
	return fact;
}

uint32_t facts_add(struct vm *vm, struct facts *f, const struct fact *added)
{
	uint32_t place = f->first_free;
	while (f->alive && f->alive >= f->limit) {
		forget_one(vm, f);
		place = f->first_free;
	}
	if (place != NONE) {
		f->first_free = facts_at(f, place)->later;
	} else {
		if (f->count == f->page_count * PAGE_FACTS) {
			heap_account(vm, sizeof(struct fact_page)); /* raises, before anything is changed */
			if (f->page_count == f->page_capacity) {
				f->page_capacity = f->page_capacity ? f->page_capacity * 2 : 4;
				f->pages =
				    must_realloc(f->pages, f->page_capacity * sizeof(struct fact_page *));
			}
			struct fact_page *page = must_realloc(NULL, sizeof(*page));
			page->shares = 1;
			page->seen = 0;
			f->pages[f->page_count++] = page;
		}
		place = f->count++;
	}
	struct fact *fact = facts_change(vm, f, place);
	*fact = *added;
	fact->dead = false;
	fact->id = f->next_id++;
	f->alive++;
	link_pair(vm, f, place);
	link_subject(vm, f, place);
	link_number(vm, f, place);
	return place;
}

static void changed(struct vm *vm, struct facts *f, uint32_t place)
{
	const struct fact *fact = facts_at(f, place);
	series_changed(vm, f, facts_pair(vm, f, fact->subject, fact->relation), place);
}

void facts_end(struct vm *vm, struct facts *f, uint32_t place, int64_t to_ns)
{
	facts_change(vm, f, place)->to_ns = to_ns;
	changed(vm, f, place);
}

void facts_use(struct vm *vm, struct facts *f, uint32_t place)
{
	fact_use(facts_change(vm, f, place), vm->clock_ns);
	changed(vm, f, place);
}
