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
#include "runtime.h"

#include <stdlib.h>

#define TIMELINES_MAX 100000

struct saved {
	struct object *object;
	uint32_t stamp;
	void *contents; /* layout by type: see save_contents() */
};

struct segment {
	struct segment *parent;
	uint32_t children, stamp, depth;
	struct saved *log;
	uint32_t count, capacity;
	uint64_t seen;
};

struct effect {
	uint8_t kind; /* enum effect_kind */
	char *target, *bytes;
	size_t length;
};

struct timeline {
	char name[48];
	struct segment *leaf;
	struct timeline *parent;
	struct effect *effects;
	uint32_t effect_count, effect_capacity, inherited;
	bool closed;
};

struct timelines {
	struct timeline **all;
	uint32_t count, capacity, alive;
	uint32_t next_stamp, next_number;
	uint64_t serial;
	struct timeline *primary;
};

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

/* ---- contents of objects ---- */
struct values_copy { /* lists, structs, cells, state */
	uint32_t length, capacity;
	value *items;
};

struct map_copy {
	struct map map;
};

static void object_items(struct object *o, value **items, uint32_t *length)
{
	switch (o->type) {
	case T_STRUCT:
		*items = ((struct instance *)o)->fields;
		*length = ((struct instance *)o)->shape->count;
		break;
	case T_CELL:
		*items = &((struct cell *)o)->item;
		*length = 1;
		break;
	case T_STATE:
		*items = ((struct state *)o)->items;
		*length = ((struct state *)o)->count;
		break;
	default:
		*items = NULL;
		*length = 0;
	}
}

static void *save_contents(struct vm *vm, struct object *o)
{
	size_t size;
	switch (o->type) {
	case T_LIST: {
		struct list *list = (struct list *)o;
		struct values_copy *copy = must_allocate(NULL, sizeof(*copy));
		heap_account(vm, (ptrdiff_t)(list->capacity * sizeof(value)));
		copy->length = list->length;
		copy->capacity = list->capacity;
		copy->items = must_allocate(NULL, list->capacity * sizeof(value));
		if (list->length)
			memcpy(copy->items, list->items, list->length * sizeof(value));
		return copy;
	}
	case T_MAP: {
		struct map_copy *copy = must_allocate(NULL, sizeof(*copy));
		struct map *map = (struct map *)o;
		copy->map = *map;
		size = map->capacity * sizeof(struct map_entry);
		heap_account(vm,
		             (ptrdiff_t)(size + (map->index ? (map->index_mask + 1) * sizeof(uint64_t) : 0)));
		copy->map.entries = must_allocate(NULL, size);
		if (map->used)
			memcpy(copy->map.entries, map->entries, map->used * sizeof(struct map_entry));
		if (map->index) {
			size = (map->index_mask + 1) * sizeof(uint64_t);
			copy->map.index = must_allocate(NULL, size);
			memcpy(copy->map.index, map->index, size);
		}
		return copy;
	}
	case T_MOSAIC:
		return mosaic_copy(o);
	case T_BANDIT:
		return bandit_copy(o, &size);
	default: {
		value *items;
		struct values_copy *copy = must_allocate(NULL, sizeof(*copy));
		object_items(o, &items, &copy->length);
		copy->capacity = copy->length;
		copy->items = must_allocate(NULL, copy->length * sizeof(value));
		if (copy->length)
			memcpy(copy->items, items, copy->length * sizeof(value));
		return copy;
	}
	}
}

static void free_contents(struct vm *vm, struct saved *s)
{
	switch (s->object->type) {
	case T_MAP: {
		struct map *map = &((struct map_copy *)s->contents)->map;
		heap_account(vm, -(ptrdiff_t)(map->capacity * sizeof(struct map_entry) +
		                              (map->index ? (map->index_mask + 1) * sizeof(uint64_t) : 0)));
		free(map->entries);
		free(map->index);
		free(s->contents);
		break;
	}
	case T_MOSAIC:
		mosaic_free_copy(vm, s->contents);
		break;
	case T_BANDIT:
		free(s->contents);
		break;
	case T_LIST:
		heap_account(vm, -(ptrdiff_t)(((struct values_copy *)s->contents)->capacity * sizeof(value)));
		__attribute__((fallthrough));
	default:
		free(((struct values_copy *)s->contents)->items);
		free(s->contents);
	}
}

static void swap_contents(struct vm *vm, struct saved *s)
{
	struct object *o = s->object;
	uint32_t stamp = o->stamp;
	o->stamp = s->stamp;
	s->stamp = stamp;
	switch (o->type) {
	case T_LIST: {
		struct list *list = (struct list *)o;
		struct values_copy *copy = s->contents, now = {list->length, list->capacity, list->items};
		list->length = copy->length;
		list->capacity = copy->capacity;
		list->items = copy->items;
		*copy = now;
		break;
	}
	case T_MAP: {
		struct map *map = (struct map *)o, now = *map, *copy = &((struct map_copy *)s->contents)->map;
		struct object header = map->object;
		*map = *copy;
		map->object = header;
		*copy = now;
		break;
	}
	case T_MOSAIC:
		mosaic_swap(o, s->contents);
		break;
	case T_BANDIT:
		bandit_swap(o, s->contents);
		break;
	default: {
		value *items;
		uint32_t length;
		struct values_copy *copy = s->contents;
		object_items(o, &items, &length);
		for (uint32_t i = 0; i < length && i < copy->length; i++) {
			value v = items[i];
			items[i] = copy->items[i];
			copy->items[i] = v;
		}
	}
	}
	gc_bulk(vm, o);
}

static void mark_contents(struct vm *vm, const struct saved *s)
{
	switch (s->object->type) {
	case T_MAP: {
		const struct map *map = &((const struct map_copy *)s->contents)->map;
		for (uint32_t i = 0; i < map->used; i++) {
			gc_mark(vm, map->entries[i].key);
			gc_mark(vm, map->entries[i].item);
		}
		break;
	}
	case T_MOSAIC:
		mosaic_mark_copy(vm, s->object, s->contents);
		break;
	case T_BANDIT:
		break; /* its arms are the same in all versions */
	default: {
		const struct values_copy *copy = s->contents;
		for (uint32_t i = 0; i < copy->length; i++)
			gc_mark(vm, copy->items[i]);
	}
	}
}

/* ---- segments ---- */
static struct segment *segment_new(struct vm *vm, struct segment *parent)
{
	struct segment *s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->parent = parent;
	s->stamp = vm->timelines->next_stamp++;
	if (parent) {
		parent->children++;
		s->depth = parent->depth + 1;
	}
	return s;
}

static void segment_clear(struct vm *vm, struct segment *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free_contents(vm, &s->log[i]);
	free(s->log);
	s->log = NULL;
	s->count = s->capacity = 0;
}

/* Frees a leaf and its ancestors that nobody else needs. */
static void segment_drop(struct vm *vm, struct segment *s)
{
	while (s && !s->children) {
		struct segment *parent = s->parent;
		segment_clear(vm, s);
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
		void *contents = save_contents(vm, object);
		if (s->count == s->capacity) {
			s->capacity = s->capacity ? s->capacity * 2 : 16;
			s->log = must_allocate(s->log, s->capacity * sizeof(*s->log));
		}
		s->log[s->count++] = (struct saved){object, object->stamp, contents};
	}
	object->stamp = vm->stamp;
}

static void swap_segment(struct vm *vm, struct segment *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		swap_contents(vm, &s->log[i]);
}

static struct segment *common_ancestor(struct segment *a, struct segment *b)
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
	struct segment **path = must_allocate(NULL, count * sizeof(struct segment *)), *s = to;
	for (size_t i = count; i--; s = s->parent)
		path[i] = s;
	for (size_t i = 0; i < count; i++)
		swap_segment(vm, path[i]);
	free(path);
}

static void switch_to(struct vm *vm, struct timeline *t)
{
	struct segment *from = vm->timeline->leaf, *to = t->leaf;
	struct segment *top = common_ancestor(from, to);
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
		ts->all = must_allocate(ts->all, ts->capacity * sizeof(struct timeline *));
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

void timelines_mark(struct vm *vm)
{
	struct timelines *ts = vm->timelines;
	if (!ts || ts->alive < 2)
		return;
	ts->serial++; /* shared ancestors are looked at once */
	for (uint32_t i = 0; i < ts->count; i++) {
		if (ts->all[i]->closed)
			continue;
		for (struct segment *s = ts->all[i]->leaf; s && s->seen != ts->serial; s = s->parent) {
			s->seen = ts->serial;
			for (uint32_t k = 0; k < s->count; k++) {
				gc_mark_object(vm, s->log[k].object);
				mark_contents(vm, &s->log[k]);
			}
		}
	}
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
			last->bytes = must_allocate(last->bytes, last->length + length);
			memcpy(last->bytes + last->length, bytes, length);
			last->length += length;
			return;
		}
	}
	if (t->effect_count == t->effect_capacity) {
		t->effect_capacity = t->effect_capacity ? t->effect_capacity * 2 : 8;
		t->effects = must_allocate(t->effects, t->effect_capacity * sizeof(struct effect));
	}
	struct effect *e = &t->effects[t->effect_count++];
	*e = (struct effect){.kind = (uint8_t)kind, .length = length};
	e->target = target ? strdup(target) : NULL;
	e->bytes = must_allocate(NULL, length + 1);
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

/* ---- merging ---- */
static struct saved *find_saved(struct segment *s, const struct object *o)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->log[i].object == o)
			return &s->log[i];
	return NULL;
}

/* Which side decides where both changed something differently. */
enum rule { RULE_SOURCE, RULE_TARGET, RULE_FAIL };

struct merge {
	struct vm *vm;
	enum rule rule;
	value decide; /* a function (base, source, target) -> value, or nil */
	bool dry, conflict, raised;
};

static value settle(struct merge *m, value base, value source, value target)
{
	struct vm *vm = m->vm;
	if (value_equal(vm, source, base) && (!is_object(source) || source == base))
		return target;
	if ((value_equal(vm, target, base) && (!is_object(target) || target == base)) || source == target ||
	    (!is_object(source) && value_equal(vm, source, target)))
		return source;
	m->conflict = true;
	if (m->dry)
		return target;
	if (m->decide != V_NIL) {
		value three[3] = {base, source, target};
		value v = vm_call(vm, m->decide, three, 3);
		if (v == V_RAISE) {
			m->raised = true;
			return target;
		}
		return v;
	}
	return m->rule == RULE_TARGET ? target : source;
}

static void merge_values(struct merge *m, struct object *o, const struct values_copy *base,
                         const struct values_copy *source)
{
	struct vm *vm = m->vm;
	value *items;
	uint32_t length;
	if (o->type == T_LIST) {
		struct list *list = (struct list *)o;
		if (list->length != base->length || source->length != base->length) {
			/* Lists that grew or shrank are one thing. */
			bool target_same = list->length == base->length &&
			                   (!base->length ||
			                    !memcmp(list->items, base->items, base->length * sizeof(value)));
			m->conflict |= !target_same;
			if (m->dry || (!target_same && m->rule == RULE_TARGET && m->decide == V_NIL))
				return;
			list_resize(vm, list, source->length);
			if (source->length)
				memcpy(list->items, source->items, source->length * sizeof(value));
			gc_bulk(vm, o);
			return;
		}
		length = list->length;
	} else {
		object_items(o, &items, &length);
	}
	if (!m->dry)
		vm_touch(vm, o);
	for (uint32_t i = 0; i < length && i < base->length && i < source->length; i++) {
		if (o->type == T_LIST)
			items = ((struct list *)o)->items;
		value v = settle(m, base->items[i], source->items[i], items[i]);
		if (m->dry || m->raised)
			continue;
		if (o->type == T_LIST)
			items = ((struct list *)o)->items;
		items[i] = v;
		gc_bulk(vm, o);
	}
}

static void merge_maps(struct merge *m, struct map *target, const struct map *base, const struct map *source)
{
	struct vm *vm = m->vm;
	for (uint32_t i = 0; i < source->used; i++) {
		value key = source->entries[i].key;
		if (key == V_EMPTY)
			continue;
		value b = map_get(vm, base, key), t = map_get(vm, target, key);
		value v =
		    settle(m, b == V_EMPTY ? V_NIL : b, source->entries[i].item, t == V_EMPTY ? V_NIL : t);
		if (!m->dry && !m->raised && (t == V_EMPTY || v != t))
			map_set(vm, target, key, v);
	}
	for (uint32_t i = 0; i < base->used; i++) {
		value key = base->entries[i].key;
		if (key == V_EMPTY || map_get(vm, source, key) != V_EMPTY)
			continue;
		value t = map_get(vm, target, key);
		if (t == V_EMPTY)
			continue;
		bool changed = !value_equal(vm, t, base->entries[i].item);
		m->conflict |= changed;
		if (!m->dry && (!changed || m->rule != RULE_TARGET))
			map_remove(vm, target, key);
	}
}

/* Takes over what the source's path changed since the common ancestor. We are in the target. */
static void merge_path(struct merge *m, struct timeline *source, struct timeline *target)
{
	struct vm *vm = m->vm;
	struct segment *top = common_ancestor(source->leaf, target->leaf);
	for (struct segment *s = source->leaf; s != top; s = s->parent) {
		for (uint32_t i = 0; i < s->count; i++) {
			struct saved *change = &s->log[i], *base = NULL;
			struct object *o = change->object;
			bool newer = false;
			for (struct segment *t = source->leaf; t != s && !newer; t = t->parent)
				newer = find_saved(t, o) != NULL;
			if (newer)
				continue;
			for (struct segment *t = target->leaf; t != top; t = t->parent) {
				struct saved *entry = find_saved(t, o);
				if (entry)
					base = entry; /* the one nearest to the ancestor is the last found */
			}
			if (o->type == T_MOSAIC) {
				if (!m->dry)
					mosaic_merge(vm, o, base ? base->contents : NULL, change->contents);
				continue;
			}
			if (!base || o->type == T_BANDIT) {
				m->conflict |= base != NULL;
				if (m->dry || (base && m->rule == RULE_TARGET))
					continue;
				vm_touch(vm, o);
				uint32_t stamp = change->stamp;
				change->stamp = o->stamp;
				swap_contents(vm,
				              change); /* the source goes away: its version becomes ours */
				(void)stamp;
				o->stamp = vm->stamp;
			} else if (o->type == T_MAP) {
				merge_maps(m, (struct map *)o, &((struct map_copy *)base->contents)->map,
				           &((struct map_copy *)change->contents)->map);
			} else {
				merge_values(m, o, base->contents, change->contents);
			}
			if (m->raised)
				return;
		}
	}
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
		if (ts->all[i] == t)
			free(t);
		else
			ts->all[keep++] = ts->all[i];
	}
	ts->count = keep;
}

/* ---- built-in functions ---- */
NATIVE(timeline_current)
{
	(void)args, (void)count;
	return from_object(string_new(vm, vm->timeline->name, strlen(vm->timeline->name)));
}

NATIVE(timeline_create)
{
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
	(void)count;
	struct timeline *t = find_timeline(vm, args[0]);
	if (t && t != vm->timeline)
		switch_to(vm, t);
	return V_NIL;
}

NATIVE(timeline_merge)
{
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
		else if (strcmp(rule, "source"))
			return vm_raise(vm, "type",
			                "the rule is \"source\", \"target\", \"fail\" or a function");
	}
	if (!source || !target || source == target || source == vm->timelines->primary)
		return V_NIL;
	if (here != target)
		switch_to(vm, target);
	if (m.rule == RULE_FAIL) {
		m.dry = true;
		merge_path(&m, source, target);
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
	merge_path(&m, source, target);
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
