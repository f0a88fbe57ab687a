/* Shared by the files of timeline.c, timeline_contents.c, timeline_merge.c. */
#ifndef FLUX_TIMELINE_H
#define FLUX_TIMELINE_H

#include "runtime.h"

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
	/* For the collector: the entries before this one are marked in that cycle, and of the next one the values before `from`. */
	uint32_t seen, seen_from, cycle;
	struct segment *before, *after; /* all segments in a row: those with something left to mark first */
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
	struct segment *first, *last;
	struct timeline *primary;
};

/* Contents: lists, structs, cells, state. */
struct values_copy {
	uint32_t length, capacity;
	value *items;
};

struct map_copy {
	struct map map;
};

/* Which side decides where both changed something differently. */
enum rule { RULE_SOURCE, RULE_TARGET, RULE_FAIL };

struct merge {
	struct vm *vm;
	enum rule rule;
	value decide; /* a function (base, source, target) -> value, or nil */
	bool dry, conflict, raised;
};

#define NOT_WHILE_MERGING                                                                                    \
	if (vm->merging)                                                                                     \
	return vm_raise(vm, "timeline", "the rule of a merge cannot change the timelines")

void *timeline_must_allocate(void *old, size_t size);
struct segment *timeline_common_ancestor(struct segment *a, struct segment *b);
void timeline_object_items(struct object *o, value **items, uint32_t *length);
void *timeline_save_contents(struct vm *vm, struct object *o);
void timeline_free_contents(struct vm *vm, struct saved *s);
void timeline_swap_contents(struct vm *vm, struct saved *s);
/* Marks some values, from this one on: where to go on, 0 when all are marked. */
uint32_t timeline_mark_contents(struct vm *vm, const struct saved *s, uint32_t from);
void timeline_merge_path(struct merge *m, struct timeline *source, struct timeline *target);

#endif
