/* Merging a branch: what it changed is taken over, by key, field and element; a rule decides where both sides changed something. */
#include "timeline.h"

#include <stdlib.h>

/* ---- merging ---- */
static struct saved *find_saved(struct segment *s, const struct object *o)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (s->log[i].object == o)
			return &s->log[i];
	return NULL;
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
		timeline_object_items(o, &items, &length);
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
void timeline_merge_path(struct merge *m, struct timeline *source, struct timeline *target)
{
	struct vm *vm = m->vm;
	struct segment *top = timeline_common_ancestor(source->leaf, target->leaf);
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
				timeline_swap_contents(
				    vm, change); /* the source goes away: its version becomes ours */
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
