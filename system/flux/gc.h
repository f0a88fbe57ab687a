/*
 * The heap: cells of fixed sizes in blocks of 64 KiB, larger objects on their own, and a collector that is
 * precise, generational and, for the old generation, incremental.
 *
 * Objects do not move. Young objects are those made since the last minor collection; a minor collection marks
 * from the roots and the remembered set, and what it reaches becomes old by its mark. A major cycle marks the
 * old generation in slices with an insertion barrier, each slice after a minor collection; blocks are swept
 * one at a time, when the allocator needs a cell or in slices. Collections happen only where gc_poll() is
 * called: between instructions.
 */
#ifndef FLUX_GC_H
#define FLUX_GC_H

#include "object.h"

#define SIZE_CLASSES 26
#define MAX_CELL     1024
#define BLOCK_SIZE   65536u
#define YOUNG_BYTES  (768u << 10) /* allocated between two minor collections */
#define SLICE_WORK   30000        /* references looked at in one slice of marking */

struct block {
	struct block *next;
	uint32_t cell_size, cells;
	uint8_t size_class;
};

struct size_class {
	struct object *free;   /* cells ready for use */
	struct block *current; /* the block that `free` is in */
	struct block *used;    /* blocks allocated from since the last minor collection */
	struct block *sweep;   /* blocks that may hold dead cells */
	struct block *full;    /* all others */
};

struct grey {
	struct object *object;
	uint32_t from; /* elements before this one are done */
};

struct slot {
	struct object *object;
	uint32_t at;
};

struct heap {
	size_t young;    /* bytes allocated since the last minor collection */
	size_t external; /* bytes beside objects, allocated since then */
	ptrdiff_t work;  /* left in this slice */
	size_t young_limit;
	size_t survivors; /* objects that a minor collection reached */
	size_t live;      /* bytes in use, estimated */
	size_t limit;     /* memory limit in bytes */
	bool wanted;      /* a collection is due at the next poll */
	bool stress;      /* collect at every allocation */
	bool marking;     /* a major cycle is running */
	bool sweeping;
	uint8_t colour; /* what a marked object gets */
	unsigned finish_tries;
	size_t major_at; /* start a major cycle at this many live bytes */
	struct size_class classes[SIZE_CLASSES];
	struct object **large;
	size_t large_count, large_capacity, large_sweep, large_young;
	struct grey *greys;
	size_t grey_count, grey_capacity;
	struct grey *minors;
	size_t minor_count, minor_capacity;
	struct object **remembered;
	size_t remembered_count, remembered_capacity;
	struct slot *slots;
	size_t slot_count, slot_capacity;
	uint64_t minor_collections, major_collections;
	uint64_t longest_pause_ns, total_pause_ns;
};

void heap_init(struct heap *heap, size_t limit);
void heap_deinit(struct vm *vm);
void *heap_allocate_slow(struct vm *vm, enum object_type type, size_t size);
/* Memory of a list, map or string beside its object counts too: call with the change. Raises through
 * vm_out_of_memory. */
void heap_account(struct vm *vm, ptrdiff_t bytes);
void gc_collect(struct vm *vm); /* what is due: a minor collection, a slice, or the end of a cycle */
void gc_full(struct vm *vm);    /* everything, at once */
void gc_write_slow(struct vm *vm, struct object *object, struct object *item);
void gc_slot_slow(struct vm *vm, struct object *object, struct object *item, uint32_t at);
void gc_bulk_slow(struct vm *vm, struct object *object);
/* object.c and string.c: what an object owns and refers to. */
void object_free_parts(struct vm *vm, struct object *object);
void object_mark_parts(struct vm *vm, struct grey grey);
void interned_mark(struct vm *vm);
/* For the marking functions of other files (roots). */
void gc_mark(struct vm *vm, value v);
void gc_mark_object(struct vm *vm, void *object);

/* Barriers: after storing `v` into an object. */
static inline void gc_write(struct vm *vm, struct object *object, value v)
{
	if (object->mark && is_object(v) && as_object(v)->mark != object->mark)
		gc_write_slow(vm, object, as_object(v));
}

static inline void gc_write_object(struct vm *vm, struct object *object, void *item)
{
	if (object->mark && item && ((struct object *)item)->mark != object->mark)
		gc_write_slow(vm, object, (struct object *)item);
}

static inline void gc_slot(struct vm *vm, struct object *object, value v, uint32_t at)
{
	if (object->mark && is_object(v) && as_object(v)->mark != object->mark)
		gc_slot_slow(vm, object, as_object(v), at);
}

/* After several stores at once, or after elements moved. */
static inline void gc_bulk(struct vm *vm, struct object *object)
{
	if (object->mark)
		gc_bulk_slow(vm, object);
}

#endif
