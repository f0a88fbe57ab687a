/*
 * The heap: cells of fixed sizes in blocks of 64 KiB, larger objects on their own (heap.c), and a collector that is
 * precise, generational and incremental (gc.c).
 *
 * Objects do not move. Young objects are those made since the last minor collection; a minor collection marks from the
 * roots and the remembered set, and what it reaches becomes old by its mark. A major cycle marks the old generation with
 * an insertion barrier, then sweeps. All of it is done in steps of bounded work: a minor collection that finds more than
 * one step's work goes on at the next, with the roots looked at anew each time; blocks it may sweep are let go only when
 * it is done. Large arrays are looked at in pieces. Large memory goes back to the system piece by piece. Collections
 * happen only between instructions.
 *
 * Work is counted in references looked at, not in time, so that a run collects at the same places every time.
 */
#ifndef FLUX_GC_H
#define FLUX_GC_H

#include "object.h"

#define SIZE_CLASSES 26
#define MAX_CELL     1024
#define BLOCK_SIZE   65536u
#define YOUNG_BYTES  (768u << 10) /* allocated between two minor collections */
#define MAJOR_LEAST  (2u << 20)   /* a heap of less is not looked through as a whole */
#define STEP_BYTES   (128u << 10) /* allocated between two steps of what is not done */
#define MINOR_WORK   36000        /* references looked at in one step of a minor collection */
#define SLICE_WORK   16000        /* and in one of marking the old generation */
#define LARGE_ARRAY  512          /* values; arrays beyond are looked at in pieces of this */
/* What makes a step of a minor collection due, beside bytes: so many more objects remembered, or items of large arrays marked. */
#define REMEMBERED_MAX 4096
#define PROMOTED_MAX   8192

struct block {
	struct block *next;
	uint32_t cell_size;
	uint32_t cells,
	    most; /* cells that exist: a block is cut into them as they are needed; how many fit */
	uint8_t size_class;
};

#define PAUSE_CLASSES 12

struct block_list {
	struct block *first, *last;
};

struct size_class {
	struct object *free;     /* cells ready for use */
	struct block *current;   /* the block that `free` is in */
	struct block_list used;  /* blocks allocated from since the last minor collection */
	struct block_list sweep; /* blocks that may hold dead cells */
	struct block_list roomy; /* swept, with free cells worth taking */
	struct block_list full;  /* swept, without */
};

struct grey {
	struct object *object;
	uint32_t from; /* elements before this one are done */
};

struct grey_stack {
	struct grey *items;
	size_t count, capacity;
};

/* Memory of a large array or object on its way back to the system. */
struct junk {
	char *bytes;
	size_t size;
};

struct heap {
	size_t young;    /* bytes allocated since the last minor collection */
	size_t external; /* bytes beside objects, allocated since then */
	ptrdiff_t work;  /* left in this step */
	size_t young_limit;
	size_t step_at;       /* at this many young bytes the next step is due */
	bool minor_open;      /* a minor collection is not done */
	size_t opened_at;     /* bytes made before it began */
	ptrdiff_t granted;    /* work of its last step */
	uint64_t minor_steps; /* of all minor collections */
	/* With so many to look at, the next step of a minor collection is due. */
	size_t remembered_due, minors_due;
	size_t survivors; /* objects that a minor collection reached */
	size_t live;      /* bytes in use, estimated */
	size_t blocks;
	size_t limit;       /* memory limit in bytes */
	bool large_pages;   /* malloc takes its memory in large steps */
	uintptr_t paged_to; /* its memory has been asked to be of large pages up to here */
	bool wanted;        /* a collection is due at the next poll */
	bool stress;        /* collect at every allocation */
	bool marking;       /* a major cycle is running */
	bool sweeping;
	uint8_t colour;       /* what a marked object gets */
	uint32_t cycle;       /* the number of the major cycle, from 1 on */
	bool hurry;           /* a step at each poll, too */
	uint32_t interned_at; /* interned strings before this one are marked */
	size_t cycle_live;    /* bytes in use when the cycle began */
	uint64_t cycle_work;
	size_t reached;  /* about how many bytes the cycle has marked that were old when it began */
	size_t major_at; /* start a major cycle at this many live bytes */
	struct size_class classes[SIZE_CLASSES];
	struct object **large;
	size_t large_count, large_capacity, large_sweep, large_young;
	/* What a major cycle and a minor collection have to look at, and large arrays that they have looked at in part. */
	struct grey_stack greys, minors, pieces, minor_pieces;
	struct junk *junk;
	size_t junk_count, junk_capacity, junk_bytes;
	struct object **remembered;
	size_t remembered_count, remembered_capacity;
	uint64_t minor_collections, major_collections;
	uint64_t longest_pause_ns, total_pause_ns;
	uint64_t longest_cpu_ns; /* of processor time: what other programs take meanwhile is not in it */
	bool parts; /* whether these are asked for, which takes a system call more a collection: */
	uint64_t longest_user_us, longest_system_us, longest_faults; /* of that pause: what it was made of */
	uint64_t most_work;             /* references looked at and cells swept in one pause */
	uint64_t pauses[PAUSE_CLASSES]; /* how many took under 2^i / 8 ms */
};

/* Bytes that a program made since the last minor collection, as they count for the next step: memory beside objects costs less to look
 * at, but what an open collection has still to look at must not grow faster than it does. */
static inline size_t heap_made(const struct heap *heap)
{
	return heap->young + (heap->minor_open ? heap->external : heap->external / 4);
}

void heap_init(struct heap *heap, size_t limit);
void heap_deinit(struct vm *vm);
void *heap_allocate_slow(struct vm *vm, enum object_type type, size_t size);
/* Memory of a list, map or string beside its object counts too: call with the change. Raises through
 * vm_out_of_memory. */
void heap_account(struct vm *vm, ptrdiff_t bytes);
/* heap.c, for gc.c: frees the dead cells of the first block that waits for it, and puts the block where it belongs now, or
 * gives it back to the system; returns how many cells it has, 0 when no block waits. */
uint32_t block_settle(struct vm *vm, struct size_class *c);
/* Puts all blocks of FROM before those of TO. */
void blocks_join(struct block_list *to, struct block_list *from);
void block_push(struct block_list *list, struct block *b);
/* Frees memory of an object, large memory piece by piece: at most so many bytes a call of junk_release(). */
void heap_free(struct vm *vm, void *bytes, size_t size);
void junk_release(struct heap *heap, size_t most);
void *must_realloc(void *old, size_t size);
/* A stack of the collector, grown to so many bytes. Its pages come from the system: malloc, asked for much at once, first puts in order all
 * that was given back to it, which took ten milliseconds in a pause. */
void *pages_grow(void *old, size_t from, size_t to);
void heap_use_large_pages(struct heap *heap); /* to be called now and then */

/* The same, never raising: for what must not be broken off in the middle. */
void heap_note(struct vm *vm, ptrdiff_t bytes);
/* Frees all that is not reached, at once and whatever it takes; returns the bytes in use. Between runs alone. */
size_t gc_full(struct vm *vm);
void gc_collect(struct vm *vm); /* what is due: a step of a minor collection, of marking, or of sweeping */
void gc_write_slow(struct vm *vm, struct object *object, struct object *item);
void gc_slot_slow(struct vm *vm, struct object *object, struct object *item, uint32_t length);
void gc_bulk_slow(struct vm *vm, struct object *object);
void gc_moved_slow(struct vm *vm, struct object *object, uint32_t at);
/* object.c and string.c: what an object owns and refers to. */
void object_free_parts(struct vm *vm, struct object *object);
void object_mark_parts(struct vm *vm, struct grey grey);
/* Marks the stack; false: some of it is left for the next step. */
struct task;
bool task_mark(struct vm *vm, struct task *task);
/* Marks some interned strings, which live for ever; true when all are. */
bool interned_mark(struct vm *vm);
/* mosaic.c: its facts, by number. */
size_t mosaic_item_count(const struct object *object);
void mosaic_mark_items(struct vm *vm, const struct object *object, uint32_t from, uint32_t to);
/* For the marking functions of other files (roots). */
/* What was marked so far in this step is bounded by the program's text: half of the step is for the rest, whatever it took. */
void gc_grant_rest(struct heap *heap);
void gc_mark(struct vm *vm, value v);
void gc_mark_object(struct vm *vm, void *object);
void gc_mark_values(struct vm *vm, const value *items, size_t count);

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

/* The same for an array of so many values: of a large one, the item alone is remembered. */
static inline void gc_slot(struct vm *vm, struct object *object, value v, uint32_t length)
{
	if (object->mark && is_object(v) && as_object(v)->mark != object->mark)
		gc_slot_slow(vm, object, as_object(v), length);
}

/* After several stores at once, or after elements moved about. */
static inline void gc_bulk(struct vm *vm, struct object *object)
{
	if (object->mark)
		gc_bulk_slow(vm, object);
}

/* After elements moved one place down, to `at` and above; nothing was stored. */
static inline void gc_moved(struct vm *vm, struct object *object, uint32_t at)
{
	if (object->flags & OBJECT_PIECES)
		gc_moved_slow(vm, object, at);
}

#endif
