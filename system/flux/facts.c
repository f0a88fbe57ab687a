/* See facts.h. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>

#define DECAY      0.5
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

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

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
		struct fact_page *own = must_allocate(NULL, sizeof(*own));
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
	const struct slot_page *page = t->pages[at / PAGE_SLOTS];
	return page ? page->slots[at % PAGE_SLOTS] : 0;
}

static void set_slot(struct vm *vm, struct table *t, uint32_t at, uint32_t v)
{
	struct slot_page **page = &t->pages[at / PAGE_SLOTS];
	if ((*page)->shares > 1) {
		struct slot_page *own = must_allocate(NULL, sizeof(*own));
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
	struct slot_page **pages = must_allocate(NULL, count * sizeof(struct slot_page *));
	for (uint32_t i = 0; i < count; i++) {
		pages[i] = t->pages[i];
		pages[i]->shares++;
	}
	t->pages = pages;
}

struct facts *facts_copy(const struct facts *f)
{
	struct facts *copy = must_allocate(NULL, sizeof(*copy));
	*copy = *f;
	copy->page_capacity = f->page_count;
	copy->pages = must_allocate(NULL, f->page_count * sizeof(struct fact_page *));
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

/* ---- hash tables of chains ---- */
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

/* The slot of the chain for a pair (or a subject alone), or the empty one where it belongs. */
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
	t->pages = must_allocate(NULL, count * sizeof(struct slot_page *));
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

static void link_fact(struct vm *vm, struct facts *f, enum which which, uint32_t place)
{
	grow_table(vm, f, which);
	struct table *t = table_of(f, which);
	uint32_t at = slot_of(vm, f, which, place), head = slot(t, at);
	t->used += !head;
	set_slot(vm, t, at, place + 1);
	if (which == NUMBERS)
		return;
	bool pair = which == PAIRS;
	uint32_t next = head ? head - 1 : NONE;
	struct fact *fact = facts_change(vm, f, place);
	*(pair ? &fact->next_pair : &fact->next_subject) = next;
	*(pair ? &fact->previous_pair : &fact->previous_subject) = NONE;
	if (next == NONE)
		return;
	fact = facts_change(vm, f, next);
	*(pair ? &fact->previous_pair : &fact->previous_subject) = place;
}

static void unlink_fact(struct vm *vm, struct facts *f, enum which which, uint32_t place)
{
	const struct fact *fact = facts_at(f, place);
	bool pair = which == PAIRS;
	uint32_t next = pair ? fact->next_pair : fact->next_subject;
	uint32_t previous = pair ? fact->previous_pair : fact->previous_subject;
	if (which == NUMBERS || (previous == NONE && next == NONE)) {
		empty_slot(vm, f, which, slot_of(vm, f, which, place));
		return;
	}
	if (previous == NONE) {
		set_slot(vm, table_of(f, which), slot_of(vm, f, which, place), next + 1);
	} else {
		struct fact *before = facts_change(vm, f, previous);
		*(pair ? &before->next_pair : &before->next_subject) = next;
	}
	if (next != NONE) {
		struct fact *after = facts_change(vm, f, next);
		*(pair ? &after->previous_pair : &after->previous_subject) = previous;
	}
}

uint32_t facts_chain(struct vm *vm, const struct facts *f, value subject, value relation, bool pair)
{
	const struct table *t = pair ? &f->pairs : &f->subjects;
	if (!t->mask)
		return NONE;
	uint32_t head = slot(t, find_slot(vm, f, t, subject, relation, pair));
	return head ? head - 1 : NONE;
}

uint32_t facts_numbered(const struct facts *f, int64_t id)
{
	if (id < 0 || id >= f->next_id || !f->numbers.mask)
		return NONE;
	uint32_t place = slot(&f->numbers, find_number(f, (uint32_t)id));
	return place ? place - 1 : NONE;
}

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

/* ---- changing ---- */
void facts_forget(struct vm *vm, struct facts *f, uint32_t place)
{
	unlink_fact(vm, f, PAIRS, place);
	unlink_fact(vm, f, SUBJECTS, place);
	unlink_fact(vm, f, NUMBERS, place);
	struct fact *fact = facts_change(vm, f, place);
	fact->dead = true;
	fact->subject = fact->relation = fact->object = fact->source = V_NIL;
	fact->next_pair = f->first_free;
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

uint32_t facts_add(struct vm *vm, struct facts *f, value subject, value relation, value object, double weight)
{
	uint32_t place = f->first_free;
	while (f->alive && f->alive >= f->limit) {
		forget_one(vm, f);
		place = f->first_free;
	}
	if (place != NONE) {
		f->first_free = facts_at(f, place)->next_pair;
	} else {
		if (f->count == f->page_count * PAGE_FACTS) {
			heap_account(vm, sizeof(struct fact_page)); /* raises, before anything is changed */
			if (f->page_count == f->page_capacity) {
				f->page_capacity = f->page_capacity ? f->page_capacity * 2 : 4;
				f->pages =
				    must_allocate(f->pages, f->page_capacity * sizeof(struct fact_page *));
			}
			struct fact_page *page = must_allocate(NULL, sizeof(*page));
			page->shares = 1;
			page->seen = 0;
			f->pages[f->page_count++] = page;
		}
		place = f->count++;
	}
	struct fact *fact = facts_change(vm, f, place);
	memset(fact, 0, sizeof(*fact));
	fact->subject = subject;
	fact->relation = relation;
	fact->object = object;
	fact->source = V_NIL;
	fact->weight = weight;
	fact->from_ns = fact->made_ns = vm->clock_ns;
	fact->to_ns = INT64_MAX;
	fact->id = f->next_id++;
	fact_use(fact, vm->clock_ns);
	f->alive++;
	link_fact(vm, f, PAIRS, place);
	link_fact(vm, f, SUBJECTS, place);
	link_fact(vm, f, NUMBERS, place);
	return place;
}
