/* Merging a branch: what it changed is taken over, by key, field and element; a rule decides where both sides changed something. */
#include "timeline.h"

#include <stdlib.h>

/* ---- merging ---- */
/* What segments saved of each object: an open hash table. An object that is put again keeps what was put last. */
struct places {
	struct object **objects;
	void **contents;
	size_t mask;
};

static size_t place_of(const struct places *p, const struct object *o)
{
	size_t at = (size_t)((uint64_t)(uintptr_t)o * 0x9E3779B97F4A7C15u >> 20) & p->mask;
	while (p->objects[at] && p->objects[at] != o)
		at = (at + 1) & p->mask;
	return at;
}

/* Empty, for the objects of the segments from `leaf` up to `top`. */
static struct places places_new(const struct segment *leaf, const struct segment *top)
{
	size_t count = 0, size = 16;
	for (const struct segment *s = leaf; s != top; s = s->parent)
		count += s->count;
	while (size < 2 * count)
		size *= 2;
	struct places p = {calloc(size, sizeof(struct object *)), calloc(size, sizeof(void *)), size - 1};
	if (!p.objects || !p.contents)
		abort();
	return p;
}

static void places_free(struct places *p)
{
	free(p->objects);
	free(p->contents);
}

/* Asks the rule that is a function. False: it raised. */
static bool ask(struct merge *m, value base, value source, value target, value *answer)
{
	struct vm *vm = m->vm;
	value three[3] = {base, source, target};
	vm->merging++;
	vm->unbroken++;
	*answer = vm_call(vm, m->decide, three, 3);
	vm->unbroken--;
	vm->merging--;
	m->raised = *answer == V_RAISE;
	return !m->raised;
}

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
		value v;
		return ask(m, base, source, target, &v) ? v : target;
	}
	return m->rule == RULE_TARGET ? target : source;
}

static value list_of(struct vm *vm, const value *items, uint32_t length)
{
	struct list *list = list_new(vm, length);
	if (length)
		memcpy(list->items, items, length * sizeof(value));
	list->length = length;
	return from_object(list);
}

/* Lists that grew or shrank are one thing. */
static void merge_lists(struct merge *m, struct list *list, const struct values_copy *base,
                        const struct values_copy *source)
{
	struct vm *vm = m->vm;
	const value *items = source->items;
	uint32_t length = source->length;
	bool target_same = list->length == base->length &&
	                   (!base->length || !memcmp(list->items, base->items, base->length * sizeof(value)));
	m->conflict |= !target_same;
	if (m->dry || (!target_same && m->rule == RULE_TARGET && m->decide == V_NIL))
		return;
	if (!target_same && m->decide != V_NIL) {
		value v;
		if (!ask(m, list_of(vm, base->items, base->length), list_of(vm, items, length),
		         list_of(vm, list->items, list->length), &v))
			return;
		if (!is_type(v, T_LIST)) {
			vm_raise(vm, "type", "a rule for lists gives a list, not %s", value_type_name(v));
			m->raised = true;
			return;
		}
		items = as_list(v)->items;
		length = as_list(v)->length;
	}
	list_resize(vm, list, length);
	if (length)
		memcpy(list->items, items, length * sizeof(value));
	gc_bulk(vm, &list->object);
}

static void merge_values(struct merge *m, struct object *o, const struct values_copy *base,
                         const struct values_copy *source)
{
	struct vm *vm = m->vm;
	struct list *list = o->type == T_LIST ? (struct list *)o : NULL;
	value *items = NULL;
	uint32_t length;
	if (list) {
		if (list->length != base->length || source->length != base->length) {
			merge_lists(m, list, base, source);
			return;
		}
		length = list->length;
	} else {
		timeline_object_items(o, &items, &length);
	}
	if (!m->dry)
		vm_touch(vm, o);
	for (uint32_t i = 0; i < length && i < base->length && i < source->length; i++) {
		if (list)
			items = list->items;
		value v = settle(m, base->items[i], source->items[i], items[i]);
		if (m->dry || m->raised)
			continue;
		if (list)
			items = list->items;
		items[i] = v;
		gc_slot(vm, o, v, length);
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
		/* What the source took away, the target may have changed. */
		value v = settle(m, base->entries[i].item, V_NIL, t);
		if (m->dry || m->raised)
			continue;
		if (v == V_NIL)
			map_remove(vm, target, key);
		else if (v != t)
			map_set(vm, target, key, v);
	}
}

/* Takes over what was made of an object: `change` in the source, from `base` on, or NULL if the target did not change it. */
static void merge_object(struct merge *m, struct saved *change, void *base)
{
	struct vm *vm = m->vm;
	struct object *o = change->object;
	if (o->type == T_MOSAIC) {
		if (!m->dry)
			mosaic_merge(vm, o, base, change->contents);
	} else if (!base || o->type == T_BANDIT) {
		m->conflict |= base != NULL;
		if (m->dry || (base && m->rule == RULE_TARGET))
			return;
		vm_touch(vm, o);
		change->stamp = o->stamp;
		timeline_swap_contents(vm, change); /* the source goes away: its version becomes ours */
		o->stamp = vm->stamp;
	} else if (o->type == T_MAP) {
		merge_maps(m, (struct map *)o, &((struct map_copy *)base)->map,
		           &((struct map_copy *)change->contents)->map);
	} else {
		merge_values(m, o, base, change->contents);
	}
}

/* Takes over what the source's path changed since the common ancestor. We are in the target. */
void timeline_merge_path(struct merge *m, struct timeline *source, struct timeline *target)
{
	struct segment *top = timeline_common_ancestor(source->leaf, target->leaf);
	struct places seen = places_new(source->leaf, top), bases = places_new(target->leaf, top);
	for (struct segment *s = target->leaf; s != top; s = s->parent)
		for (uint32_t i = 0; i < s->count; i++) { /* the one nearest to the ancestor comes last */
			size_t at = place_of(&bases, s->log[i].object);
			bases.objects[at] = s->log[i].object;
			bases.contents[at] = s->log[i].contents;
		}
	for (struct segment *s = source->leaf; s != top && !m->raised; s = s->parent)
		for (uint32_t i = 0; i < s->count && !m->raised; i++) {
			struct object *o = s->log[i].object;
			size_t at = place_of(&seen, o);
			if (seen.objects[at])
				continue; /* what a newer segment has is what counts */
			seen.objects[at] = o;
			at = place_of(&bases, o);
			void *base = bases.objects[at] ? bases.contents[at] : NULL;
			/* A rule that is a function may just have changed it. */
			for (uint32_t k = target->leaf->count; !base && o->stamp == m->vm->stamp && k--;)
				if (target->leaf->log[k].object == o)
					base = target->leaf->log[k].contents;
			merge_object(m, &s->log[i], base);
		}
	places_free(&seen);
	places_free(&bases);
}
