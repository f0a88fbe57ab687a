/*
 * Timelines: branches of the program's whole state, by copy on write.
 *
 * The state is every list, map, struct, captured variable, state variable, mosaic and bandit; local variables
 * belong to the code that runs. Segments form a tree; each timeline's present is a leaf. A segment's log
 * holds, for each object changed in it, the other contents: those before the change while the segment is in
 * force, those after it while it is not. Switching swaps. An object knows by its stamp whether the current
 * segment has logged it already.
 *
 * What a branch sends outside waits in its list of effects until it is merged into the primary timeline.
 */
#include "timeline.h"

#include <stdlib.h>

#define ENTRY_WORK    12 /* what an entry of a log costs the collector, in references to young objects */
#define ENTRIES_AHEAD 8

void *timeline_must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

/* ---- what the collector has seen of them ---- */
/*
 * A log holds values that only entries added to it and switches of timelines change. So each entry is marked once in a cycle, in
 * steps; from then on none of its values is young. Segments with something left stand first in the row of all.
 */
static void row_remove(struct timelines *ts, struct segment *s)
{
	*(s->before ? &s->before->after : &ts->first) = s->after;
	*(s->after ? &s->after->before : &ts->last) = s->before;
}

static void row_put_first(struct timelines *ts, struct segment *s)
{
	s->before = NULL;
	s->after = ts->first;
	*(ts->first ? &ts->first->before : &ts->last) = s;
	ts->first = s;
}

static void row_put_last(struct timelines *ts, struct segment *s)
{
	s->after = NULL;
	s->before = ts->last;
	*(ts->last ? &ts->last->after : &ts->first) = s;
	ts->last = s;
}

/* Its log has changed: all of it, or by an entry at its end. */
static void segment_changed(struct timelines *ts, struct segment *s, bool all)
{
	if (all)
		s->seen = s->seen_from = 0;
	if (ts->first != s) {
		row_remove(ts, s);
		row_put_first(ts, s);
	}
}

static bool segment_mark(struct vm *vm, struct segment *s)
{
	struct heap *heap = &vm->heap;
	if (s->cycle != heap->cycle) {
		s->cycle = heap->cycle;
		s->seen = s->seen_from = 0;
	}
	while (s->seen < s->count) {
		if (heap->work < 0)
			return false;
		const struct saved *entry = &s->log[s->seen];
		if (s->seen + ENTRIES_AHEAD < s->count) {
			__builtin_prefetch(entry[ENTRIES_AHEAD].object, 1);
			__builtin_prefetch(entry[ENTRIES_AHEAD].contents);
		}
		heap->work -= ENTRY_WORK;
		gc_mark_object(vm, entry->object);
		s->seen_from = timeline_mark_contents(vm, entry, s->seen_from);
		s->seen += s->seen_from == 0;
	}
	return true;
}

bool timelines_mark(struct vm *vm)
{
	struct timelines *ts = vm->timelines;
	while (ts && ts->alive > 1) {
		struct segment *s = ts->first;
		if (s->cycle == vm->heap.cycle && s->seen == s->count)
			return true;
		vm->heap.work--;
		if (!segment_mark(vm, s))
			return false;
		row_remove(ts, s);
		row_put_last(ts, s);
	}
	return true;
}

/* ---- segments ---- */
static struct segment *segment_new(struct vm *vm, struct segment *parent)
{
	struct segment *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->parent = parent;
	s->stamp = vm->timelines->next_stamp++;
	row_put_first(vm->timelines, s);
	if (parent) {
		parent->children++;
		s->depth = parent->depth + 1;
	}
	return s;
}

static void segment_clear(struct vm *vm, struct segment *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		timeline_free_contents(vm, &s->log[i]);
	free(s->log);
	s->log = NULL;
	s->count = s->capacity = s->seen = s->seen_from = 0;
	row_remove(vm->timelines, s);
	row_put_last(vm->timelines, s);
}

/* Frees a leaf and its ancestors that nobody else needs. */
static void segment_drop(struct vm *vm, struct segment *s)
{
	while (s && !s->children) {
		struct segment *parent = s->parent;
		segment_clear(vm, s);
		row_remove(vm->timelines, s);
		free(s);
		if (parent)
			parent->children--;
		s = parent;
	}
}

void timeline_save(struct vm *vm, struct object *object)
{
	struct segment *s = vm->timeline->leaf;
	if (vm->timelines->alive > 1) {
		void *contents = timeline_save_contents(vm, object);
		if (s->count == s->capacity) {
			s->capacity = s->capacity ? s->capacity * 2 : 16;
			s->log = timeline_must_allocate(s->log, s->capacity * sizeof(*s->log));
		}
		s->log[s->count++] = (struct saved){object, object->stamp, contents};
		segment_changed(vm->timelines, s, false);
	}
	object->stamp = vm->stamp;
}

static void swap_segment(struct vm *vm, struct segment *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		timeline_swap_contents(vm, &s->log[i]);
	segment_changed(vm->timelines, s, true);
}

struct segment *timeline_common_ancestor(struct segment *a, struct segment *b)
{
	while (a != b) {
		if (a->depth >= b->depth)
			a = a->parent;
		else
			b = b->parent;
	}
	return a;
}

static void redo(struct vm *vm, struct segment *from, struct segment *to)
{
	if (from == to)
		return;
	/* From the ancestor down: collect the path first; its length is the depth of branching. */
	size_t count = to->depth - from->depth;
	struct segment **path = timeline_must_allocate(NULL, count * sizeof(struct segment *)), *s = to;
	for (size_t i = count; i--; s = s->parent)
		path[i] = s;
	for (size_t i = 0; i < count; i++)
		swap_segment(vm, path[i]);
	free(path);
}

static void switch_to(struct vm *vm, struct timeline *t)
{
	struct segment *from = vm->timeline->leaf, *to = t->leaf;
	struct segment *top = timeline_common_ancestor(from, to);
	for (struct segment *s = from; s != top; s = s->parent)
		swap_segment(vm, s);
	redo(vm, top, to);
	vm->timeline = t;
	vm->stamp = to->stamp;
}

/* ---- timelines ---- */
static struct timeline *timeline_new(struct vm *vm, const char *name)
{
	struct timelines *ts = vm->timelines;
	struct timeline *t = calloc(1, sizeof(*t));
	if (!t)
		abort();
	snprintf(t->name, sizeof(t->name), "%s", name);
	if (ts->count == ts->capacity) {
		ts->capacity = ts->capacity ? ts->capacity * 2 : 16;
		ts->all = timeline_must_allocate(ts->all, ts->capacity * sizeof(struct timeline *));
	}
	ts->all[ts->count++] = t;
	ts->alive++;
	return t;
}

void timelines_init(struct vm *vm)
{
	vm->timelines = calloc(1, sizeof(*vm->timelines));
	if (!vm->timelines)
		abort();
	vm->timelines->primary = timeline_new(vm, "primary");
	vm->timelines->primary->leaf = segment_new(vm, NULL);
	vm->timeline = vm->timelines->primary;
	vm->stamp = vm->timeline->leaf->stamp;
}

static void drop_effects(struct timeline *t, uint32_t from)
{
	for (uint32_t i = from; i < t->effect_count; i++) {
		free(t->effects[i].target);
		free(t->effects[i].bytes);
	}
	t->effect_count = from;
}

void timelines_free(struct vm *vm)
{
	struct timelines *ts = vm->timelines;
	for (uint32_t i = 0; i < ts->count; i++) {
		struct timeline *t = ts->all[i];
		if (!t->closed)
			segment_drop(vm, t->leaf);
		drop_effects(t, 0);
		free(t->effects);
		free(t);
	}
	free(ts->all);
	free(ts);
	vm->timelines = NULL;
}

static struct timeline *find_timeline(struct vm *vm, value name)
{
	if (!is_string(name))
		return NULL;
	const char *text = string_bytes(vm, as_string(name));
	struct timelines *ts = vm->timelines;
	for (uint32_t i = ts->count; i--;)
		if (!ts->all[i]->closed && !strcmp(ts->all[i]->name, text))
			return ts->all[i];
	return NULL;
}

bool timeline_is_branch(const struct vm *vm)
{
	return vm->timeline != vm->timelines->primary;
}

const char *timeline_name(const struct vm *vm)
{
	return vm->timeline->name;
}

/* ---- effects ---- */
static void add_effect(struct timeline *t, unsigned kind, const char *target, const char *bytes,
                       size_t length)
{
	/* Text after text is one effect. */
	if (!target && t->effect_count > t->inherited) {
		struct effect *last = &t->effects[t->effect_count - 1];
		if (last->kind == kind && !last->target) {
			last->bytes = timeline_must_allocate(last->bytes, last->length + length);
			memcpy(last->bytes + last->length, bytes, length);
			last->length += length;
			return;
		}
	}
	if (t->effect_count == t->effect_capacity) {
		t->effect_capacity = t->effect_capacity ? t->effect_capacity * 2 : 8;
		t->effects = timeline_must_allocate(t->effects, t->effect_capacity * sizeof(struct effect));
	}
	struct effect *e = &t->effects[t->effect_count++];
	*e = (struct effect){.kind = (uint8_t)kind, .length = length};
	e->target = target ? strdup(target) : NULL;
	e->bytes = timeline_must_allocate(NULL, length + 1);
	memcpy(e->bytes, bytes, length);
	e->bytes[length] = 0;
}

void timeline_effect(struct vm *vm, unsigned kind, const char *target, const char *bytes, size_t length)
{
	if (timeline_is_branch(vm))
		add_effect(vm->timeline, kind, target, bytes, length);
	else
		effect_apply(vm, kind, target, bytes, length);
}

void vm_output(struct vm *vm, const char *bytes, size_t length)
{
	timeline_effect(vm, 0, NULL, bytes, length);
}

static void release_effects(struct vm *vm, struct timeline *from, struct timeline *to, uint32_t first)
{
	for (uint32_t i = first; i < from->effect_count; i++) {
		struct effect *e = &from->effects[i];
		if (to == vm->timelines->primary)
			effect_apply(vm, e->kind, e->target, e->bytes, e->length);
		else
			add_effect(to, e->kind, e->target, e->bytes, e->length);
	}
	drop_effects(from, first);
}

void timelines_finish(struct vm *vm)
{
	bool branch = timeline_is_branch(vm);
	if (branch)
		release_effects(vm, vm->timeline, vm->timelines->primary, 0);
	mosaic_flush(vm, branch);
}

static void close_timeline(struct vm *vm, struct timeline *t)
{
	struct timelines *ts = vm->timelines;
	segment_drop(vm, t->leaf);
	t->leaf = NULL;
	t->closed = true;
	drop_effects(t, 0);
	free(t->effects);
	t->effects = NULL;
	ts->alive--;
	for (uint32_t i = 0; i < ts->count; i++)
		if (ts->all[i]->parent == t)
			ts->all[i]->parent = t->parent;
	if (ts->alive == 1) {
		/* Nobody else needs the past. */
		struct timeline *last = vm->timeline;
		for (struct segment *s = last->leaf; s; s = s->parent)
			segment_clear(vm, s);
	}
	uint32_t keep = 0;
	for (uint32_t i = 0; i < ts->count; i++) {
		if (ts->all[i] != t)
			ts->all[keep++] = ts->all[i];
	}
	ts->count = keep;
	free(t);
}

/* ---- built-in functions ---- */
NATIVE(timeline_current)
{
	(void)args, (void)count;
	return from_object(string_new(vm, vm->timeline->name, strlen(vm->timeline->name)));
}

NATIVE(timeline_create)
{
	NOT_WHILE_MERGING;
	struct timelines *ts = vm->timelines;
	char name[48];
	if (ts->alive >= TIMELINES_MAX)
		return vm_raise(vm, "memory", "over %d timelines at once; merge or discard some",
		                TIMELINES_MAX);
	ts->next_number++;
	if (count && is_string(args[0])) {
		if (find_timeline(vm, args[0]))
			return vm_raise(vm, "index", "there is a timeline of that name already");
		snprintf(name, sizeof(name), "%s", string_bytes(vm, as_string(args[0])));
	} else {
		snprintf(name, sizeof(name), "timeline_%u", ts->next_number);
	}
	struct timeline *from = vm->timeline, *t = timeline_new(vm, name);
	struct segment *branch = from->leaf;
	from->leaf = segment_new(vm, branch);
	t->leaf = segment_new(vm, branch);
	t->parent = from;
	vm->stamp = from->leaf->stamp;
	if (from != ts->primary) {
		for (uint32_t i = 0; i < from->effect_count; i++)
			add_effect(t, from->effects[i].kind, from->effects[i].target, from->effects[i].bytes,
			           from->effects[i].length);
		t->inherited = t->effect_count;
	}
	trace_event(vm, "timeline %s begins in %s", t->name, from->name);
	return from_object(string_new(vm, name, strlen(name)));
}

NATIVE(timeline_set)
{
	NOT_WHILE_MERGING;
	(void)count;
	struct timeline *t = find_timeline(vm, args[0]);
	if (t && t != vm->timeline)
		switch_to(vm, t);
	return V_NIL;
}

NATIVE(timeline_merge)
{
	NOT_WHILE_MERGING;
	struct timeline *source = find_timeline(vm, args[0]), *target = find_timeline(vm, args[1]);
	struct timeline *here = vm->timeline;
	struct merge m = {.vm = vm, .decide = V_NIL};
	if (count > 2) {
		const char *rule = is_string(args[2]) ? string_bytes(vm, as_string(args[2])) : "";
		if (is_type(args[2], T_FUNCTION))
			m.decide = args[2];
		else if (!strcmp(rule, "target"))
			m.rule = RULE_TARGET;
		else if (!strcmp(rule, "fail"))
			m.rule = RULE_FAIL;
		else if (strcmp(rule, "source") != 0)
			return vm_raise(vm, "type",
			                "the rule is \"source\", \"target\", \"fail\" or a function");
	}
	if (!source || !target || source == target || source == vm->timelines->primary)
		return V_NIL;
	if (here != target)
		switch_to(vm, target);
	if (m.rule == RULE_FAIL) {
		m.dry = true;
		timeline_merge_path(&m, source, target);
		m.dry = false;
		if (m.conflict) {
			if (here != target)
				switch_to(vm, here);
			return from_object(
			    error_new(vm, "conflict",
			              string_format(vm, "timelines %s and %s changed the same thing",
			                            source->name, target->name)));
		}
	}
	timeline_merge_path(&m, source, target);
	if (m.raised) {
		if (here != target)
			switch_to(vm, here);
		return V_RAISE;
	}
	release_effects(vm, source, target, source->inherited);
	trace_event(vm, "timeline %s merged into %s", source->name, target->name);
	if (here != source && here != target)
		switch_to(vm, here);
	close_timeline(vm, source);
	return V_NIL;
}

NATIVE(timeline_discard)
{
	NOT_WHILE_MERGING;
	(void)count;
	struct timeline *t = find_timeline(vm, args[0]);
	if (!t || t == vm->timelines->primary)
		return V_FALSE;
	if (t == vm->timeline)
		switch_to(vm, t->parent ? t->parent : vm->timelines->primary);
	trace_event(vm, "timeline %s discarded", t->name);
	close_timeline(vm, t);
	return V_TRUE;
}

/* A branch goes back to how it began; what it was going to send is forgotten. */
NATIVE(timeline_reset)
{
	NOT_WHILE_MERGING;
	(void)count;
	struct timeline *t = find_timeline(vm, args[0]);
	if (!t || t == vm->timelines->primary || t->leaf->children)
		return V_NIL;
	if (t == vm->timeline)
		swap_segment(vm, t->leaf);
	segment_clear(vm, t->leaf);
	drop_effects(t, t->inherited);
	return V_NIL;
}

NATIVE(timeline_all)
{
	(void)args, (void)count;
	struct list *list = list_new(vm, vm->timelines->count);
	for (uint32_t i = 0; i < vm->timelines->count; i++) {
		const char *name = vm->timelines->all[i]->name;
		list_push(vm, list, from_object(string_new(vm, name, strlen(name))));
	}
	return from_object(list);
}

const struct native_entry timeline_natives[] = {
    {"current_timeline", timeline_current, 0, 0, 0, "current_timeline()", "The current timeline's name."},
    {"create_timeline", timeline_create, 0, 1, 0, "create_timeline(name)",
     "Branches off here; returns the name."},
    {"set_current_timeline", timeline_set, 1, 1, 0, "set_current_timeline(t)", "Goes on in timeline t."},
    {"merge_timelines", timeline_merge, 2, 3, 0, "merge_timelines(from, to, rule)",
     "Takes over what `from` changed; rule: \"source\", \"target\", \"fail\" or f(base, from, to)."},
    {"discard_timeline", timeline_discard, 1, 1, 0, "discard_timeline(t)",
     "Forgets a branch and its effects."},
    {"reset_timeline", timeline_reset, 1, 1, 0, "reset_timeline(t)", "A branch goes back to how it began."},
    {"timelines", timeline_all, 0, 0, 0, "timelines()", "The names of all timelines."},
    {0},
};
