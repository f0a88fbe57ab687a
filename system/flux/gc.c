/*
 * The collector: see gc.h for the idea, heap.c for blocks and allocation.
 *
 * Colours: a young object has mark 0. An old one has mark 1 or 2; heap.colour is the one that counts as reached. A major
 * cycle begins by swapping colours, so that all old objects are unreached at once. An object is pushed when it gets its
 * colour; the barrier compares the two marks and comes here whenever they differ.
 *
 * Marking a young object early is always safe: it only becomes old sooner. So a minor collection may be left open, as long
 * as its last step looks at all roots, at all that is remembered, and at everything pushed. A major cycle ends in a step in
 * which a minor collection was done and nothing was left to look at.
 */
#include "gc.h"
#include "program.h"
#include "runtime.h"
#include "vm.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define OBJECT_WORK   4  /* what looking at an object costs, in references to young ones */
#define VALUES_PLAIN  16 /* so many values that are no references count as one */
#define OLD_WORK      7  /* and what a reference to an old one costs more: it is seldom in the caches */
#define SWEEP_BLOCKS  4  /* swept in one step */
#define CELL_WORK     16 /* so many cells swept count as one reference */
#define LARGE_WORK    32 /* so many large objects swept count as one block */
#define RELEASE_BYTES (2u << 20) /* memory that goes back in one step */
#define VALUES_AHEAD  8
#define OBJECTS_AHEAD 16
#define STRESS_WORK   64          /* in the test mode, every other step */
#define LEAST_GROWTH  (16u << 20) /* of a heap during a cycle */
/* A step is twice as long when so much was made, or a quarter of the heap, while a collection did not end, and doubles on when that is OUTRUN_FAR
 * times as much: twice as long is long enough for arrays of megabytes, one after another. */
#define OUTRUN_BYTES (16u << 20)
#define OUTRUN_FAR   8

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void push(struct grey_stack *stack, struct grey grey)
{
	if (stack->count == stack->capacity) {
		size_t more = stack->capacity ? stack->capacity * 2 : 1024;
		stack->items = pages_grow(stack->items, stack->capacity * sizeof(struct grey),
		                          more * sizeof(struct grey));
		stack->capacity = more;
	}
	stack->items[stack->count++] = grey;
}

static struct grey pop(struct grey_stack *stack)
{
	return stack->items[--stack->count];
}

/* ---- marking ---- */
void gc_mark_object(struct vm *vm, void *object)
{
	struct heap *heap = &vm->heap;
	struct object *o = object;
	if (!o)
		return;
	heap->work -= o->mark ? 1 + OLD_WORK : 1;
	if (o->mark == heap->colour)
		return;
	if (!o->mark) {
		o->mark = heap->colour;
		heap->survivors++;
		push(&heap->minors, (struct grey){o, 0});
	} else if (heap->marking) {
		o->mark = heap->colour;
		push(&heap->greys, (struct grey){o, 0});
	}
}

void gc_mark(struct vm *vm, value v)
{
	if (is_object(v))
		gc_mark_object(vm, as_object(v));
}

/* Where the piece from `from` on ends. What comes after it is kept for later. */
static size_t piece_end(struct vm *vm, struct grey grey, size_t count, bool minor)
{
	struct heap *heap = &vm->heap;
	size_t end = grey.from + LARGE_ARRAY;
	if (end >= count)
		return count;
	struct grey rest = {grey.object, (uint32_t)end};
	grey.object->flags |= OBJECT_PIECES;
	push(minor ? &heap->minor_pieces : &heap->pieces, rest);
	return end;
}

/* What is marked is seldom in the caches: several objects are on their way at once. */
static void prefetch(value v)
{
	if (is_object(v))
		__builtin_prefetch(as_object(v), 1);
}

void gc_mark_values(struct vm *vm, const value *items, size_t count)
{
	size_t i = 0;
	for (; i < count && i < VALUES_AHEAD; i++)
		prefetch(items[i]);
	for (i = 0; i + VALUES_AHEAD < count; i++) {
		prefetch(items[i + VALUES_AHEAD]);
		gc_mark(vm, items[i]);
	}
	for (; i < count; i++)
		gc_mark(vm, items[i]);
}

static void mark_values(struct vm *vm, struct grey grey, const value *items, size_t count, bool minor)
{
	size_t end = piece_end(vm, grey, count, minor);
	if (end <= grey.from) /* it shrank */
		return;
	vm->heap.work -= (ptrdiff_t)(end - grey.from) / VALUES_PLAIN;
	gc_mark_values(vm, items + grey.from, end - grey.from);
}

/* About how many bytes an object takes. */
static size_t object_bytes(const struct object *o)
{
	switch (o->type) {
	case T_STRING:
		return 32 + (o->kind == STRING_ROPE ? 0 : ((const struct string *)o)->length);
	case T_LIST:
		return 48 + ((const struct list *)o)->capacity * sizeof(value);
	case T_MAP:
		return 64 + ((const struct map *)o)->capacity * (sizeof(struct map_entry) + 16);
	case T_STRUCT:
		return 32 + ((const struct instance *)o)->shape->count * sizeof(value);
	case T_MOSAIC:
		return mosaic_item_count(o) * 192;
	default:
		return 64;
	}
}

static void mark_children(struct vm *vm, struct grey grey, bool minor)
{
	struct object *o = grey.object;
	vm->heap.work -= OBJECT_WORK;
	if (!minor && !grey.from)
		vm->heap.reached += object_bytes(o);
	switch (o->type) {
	case T_LIST:
		mark_values(vm, grey, ((struct list *)o)->items, ((struct list *)o)->length, minor);
		break;
	case T_MAP:
		mark_values(vm, grey, (value *)((struct map *)o)->entries,
		            2 * (size_t)((struct map *)o)->used, minor);
		break;
	case T_STRUCT: {
		struct instance *instance = (struct instance *)o;
		gc_mark_object(vm, instance->shape);
		gc_mark_values(vm, instance->fields, instance->shape->count);
		break;
	}
	case T_STRING:
		if (o->kind == STRING_ROPE) {
			gc_mark_object(vm, ((struct string *)o)->rope.left);
			gc_mark_object(vm, ((struct string *)o)->rope.right);
		}
		break;
	case T_DIST: {
		const struct dist *dist = (struct dist *)o;
		size_t end = piece_end(vm, grey, dist->count, minor);
		for (size_t i = grey.from; i < end; i++)
			gc_mark(vm, dist->entries[i].item);
		vm->heap.work -= (ptrdiff_t)(end - grey.from) / VALUES_PLAIN;
		break;
	}
	case T_MOSAIC: {
		size_t count = mosaic_item_count(o), end = piece_end(vm, grey, count, minor);
		vm->heap.work -= 4 * (ptrdiff_t)(end - grey.from);
		mosaic_mark_items(vm, o, grey.from, (uint32_t)end);
		break;
	}
	default:
		object_mark_parts(vm, grey);
	}
}

static bool has_piece(const struct grey_stack *pieces, const struct object *o)
{
	for (size_t i = 0; i < pieces->count; i++)
		if (pieces->items[i].object == o)
			return true;
	return false;
}

static void take_piece(struct vm *vm, bool minor)
{
	struct heap *heap = &vm->heap;
	struct grey piece = pop(minor ? &heap->minor_pieces : &heap->pieces);
	mark_children(vm, piece, minor);
	if (!has_piece(&heap->pieces, piece.object) && !has_piece(&heap->minor_pieces, piece.object))
		piece.object->flags &= (uint8_t)~OBJECT_PIECES;
}

/* Where the values of an object are that holds them apart. */
static const void *object_values(const struct object *o)
{
	return o->type == T_LIST  ? (const void *)((const struct list *)o)->items
	       : o->type == T_MAP ? (const void *)((const struct map *)o)->entries
	                          : (const void *)(o + 2);
}

/*
 * Looks at what is pushed, last in, first out, but for a few objects between: when an object enters that row it is fetched,
 * in the middle of it its values are, and when it leaves they are looked at.
 */
static void drain(struct vm *vm, bool minor)
{
	struct heap *heap = &vm->heap;
	struct grey_stack *stack = minor ? &heap->minors : &heap->greys;
	struct grey row[OBJECTS_AHEAD];
	unsigned first = 0, count = 0;
	while (heap->work >= 0) {
		for (; count < OBJECTS_AHEAD && stack->count; count++) {
			struct grey next = pop(stack);
			__builtin_prefetch(next.object);
			row[(first + count) % OBJECTS_AHEAD] = next;
		}
		if (!count)
			return;
		__builtin_prefetch(object_values(row[(first + count / 2) % OBJECTS_AHEAD].object));
		mark_children(vm, row[first], minor);
		first = (first + 1) % OBJECTS_AHEAD;
		count--;
	}
	while (count--)
		push(stack, row[(first + count) % OBJECTS_AHEAD]);
}

static bool drain_remembered(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	while (heap->remembered_count && heap->work >= 0) {
		size_t last = --heap->remembered_count;
		struct object *o = heap->remembered[last];
		if (last >= OBJECTS_AHEAD) {
			__builtin_prefetch(heap->remembered[last - OBJECTS_AHEAD], 1);
			__builtin_prefetch(object_values(heap->remembered[last - OBJECTS_AHEAD / 2]));
		}
		o->flags &= (uint8_t)~OBJECT_REMEMBERED;
		mark_children(vm, (struct grey){o, 0}, true);
	}
	return !heap->remembered_count;
}

static bool drain_minor(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	while (heap->minors.count || heap->minor_pieces.count) {
		if (heap->work < 0)
			return false;
		if (heap->minors.count)
			drain(vm, true);
		else
			take_piece(vm, true);
	}
	return true;
}

static bool drain_major(struct vm *vm, ptrdiff_t work)
{
	struct heap *heap = &vm->heap;
	heap->work = work;
	bool done = false;
	while (!done && heap->work >= 0) {
		if (heap->greys.count)
			drain(vm, false);
		else if (heap->pieces.count)
			take_piece(vm, false);
		else
			done = interned_mark(vm);
	}
	heap->cycle_work += (uint64_t)(work - heap->work);
	return done;
}

/* ---- barriers ---- */
static void remember(struct heap *heap, struct object *o)
{
	if (o->flags & OBJECT_REMEMBERED)
		return;
	o->flags |= OBJECT_REMEMBERED;
	if (heap->remembered_count == heap->remembered_capacity) {
		heap->remembered_capacity = heap->remembered_capacity ? heap->remembered_capacity * 2 : 256;
		heap->remembered =
		    must_realloc(heap->remembered, heap->remembered_capacity * sizeof(struct object *));
	}
	heap->remembered[heap->remembered_count++] = o;
	if (heap->remembered_count >= heap->remembered_due)
		heap->wanted = true;
}

void gc_write_slow(struct vm *vm, struct object *o, struct object *item)
{
	if (!item->mark)
		remember(&vm->heap, o);
	else if (vm->heap.marking && o->mark == vm->heap.colour)
		gc_mark_object(vm, item);
}

void gc_slot_slow(struct vm *vm, struct object *o, struct object *item, uint32_t length)
{
	if (item->mark || length < LARGE_ARRAY) {
		gc_write_slow(vm, o, item);
		return;
	}
	gc_mark_object(vm, item);
	if (vm->heap.minors.count >= vm->heap.minors_due)
		vm->heap.wanted = true;
}

static bool restart_pieces(struct grey_stack *pieces, const struct object *o)
{
	bool found = false;
	for (size_t i = 0; i < pieces->count; i++)
		if (pieces->items[i].object == o) {
			pieces->items[i].from = 0;
			found = true;
		}
	return found;
}

void gc_bulk_slow(struct vm *vm, struct object *o)
{
	struct heap *heap = &vm->heap;
	bool again = false;
	if (o->flags & OBJECT_PIECES) {
		restart_pieces(&heap->minor_pieces, o);
		again = restart_pieces(&heap->pieces, o);
	}
	remember(heap, o);
	if (heap->marking && o->mark == heap->colour && !again)
		push(&heap->greys, (struct grey){o, 0});
}

static void move_pieces(struct grey_stack *pieces, const struct object *o, uint32_t at)
{
	for (size_t i = 0; i < pieces->count; i++)
		if (pieces->items[i].object == o && pieces->items[i].from > at)
			pieces->items[i].from--;
}

void gc_moved_slow(struct vm *vm, struct object *o, uint32_t at)
{
	move_pieces(&vm->heap.pieces, o, at);
	move_pieces(&vm->heap.minor_pieces, o, at);
}

/* ---- minor collections ---- */
/* What was allocated from since the last minor collection may now hold dead cells. */
static void retire_blocks(struct heap *heap)
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		if (c->current)
			block_push(&c->used, c->current);
		c->current = NULL;
		c->free = NULL;
		blocks_join(&c->sweep, &c->used);
	}
}

/*
 * How much a step may look at: WORK, unless the program outruns the collector. What it can do between two steps is bounded (STEP_BYTES,
 * REMEMBERED_MAX, PROMOTED_MAX), but for built-ins that make or move a great deal at once. So it is what was made `beyond` what a
 * collection has until its end that makes steps grow, not their number: a large debt alone is paid off in even steps.
 */
static ptrdiff_t step_work(const struct heap *heap, ptrdiff_t work, size_t beyond)
{
	size_t unit = heap->live / 4 > OUTRUN_BYTES ? heap->live / 4 : OUTRUN_BYTES, units = beyond / unit;
	size_t more = units < OUTRUN_FAR ? units > 0 : units - OUTRUN_FAR + 2;
	return more < 16 && work < PTRDIFF_MAX >> more ? work << more : PTRDIFF_MAX;
}

void gc_grant_rest(struct heap *heap)
{
	ptrdiff_t least = heap->granted / 2;
	if (heap->work >= least)
		return;
	heap->granted += least - heap->work;
	heap->work = least;
}

/* One step; true when the collection is done. */
static bool minor(struct vm *vm, ptrdiff_t work)
{
	struct heap *heap = &vm->heap;
	if (!heap->minor_open) {
		heap->survivors = 0;
		heap->minor_open = true;
		heap->opened_at = heap->young + heap->external;
	}
	heap->minor_steps++;
	heap->granted = heap->work = step_work(heap, work, heap->young + heap->external - heap->opened_at);
	if (!vm_mark_roots(vm) || !drain_remembered(vm))
		return false;
	if (!timelines_mark(vm) || !drain_minor(vm))
		return false;
	heap->minor_open = false;
	heap_use_large_pages(heap);
	retire_blocks(heap);
	/* Young large objects that were not reached are freed at once. */
	size_t keep = heap->large_young;
	for (size_t i = heap->large_young; i < heap->large_count; i++) {
		struct object *o = heap->large[i];
		if (o->mark) {
			heap->large[keep++] = o;
		} else {
			object_free_parts(vm, o);
			free(o);
		}
	}
	heap->large_count = heap->large_young = keep;
	heap->live += heap->young; /* the sweep takes away what died */
	heap->young = heap->external = 0;
	heap->minor_collections++;
	/* What survives decides how long a minor collection takes: collect more often when much does. */
	if (heap->survivors > 5000 && heap->young_limit > YOUNG_BYTES / 8)
		heap->young_limit /= 2;
	else if (heap->survivors < 1500 && heap->young_limit < YOUNG_BYTES)
		heap->young_limit *= 2;
	return true;
}

/* ---- major cycles ---- */

/* Sweeps up to `count` waiting blocks, or as many large objects as cost the same. True when done. */
static bool sweep_slice(struct vm *vm, size_t count)
{
	struct heap *heap = &vm->heap;
	for (size_t left = count * LARGE_WORK; heap->large_sweep; left--) {
		if (!left)
			return false;
		struct object *o = heap->large[--heap->large_sweep];
		if (o->mark == heap->colour || !o->mark)
			continue;
		object_free_parts(vm, o);
		free(o);
		heap->large[heap->large_sweep] = heap->large[--heap->large_young];
		heap->large[heap->large_young] = heap->large[--heap->large_count];
	}
	for (unsigned class = 1; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		for (uint32_t cells; c->sweep.first; heap->work -= cells / CELL_WORK) {
			if (!count--)
				return false;
			cells = block_settle(vm, c);
		}
	}
	return true;
}

static void begin_major(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	heap->colour = heap->colour == 1 ? 2 : 1;
	heap->cycle = heap->cycle == UINT32_MAX ? 1 : heap->cycle + 1;
	heap->marking = true;
	heap->cycle_work = 0;
	heap->reached = 0;
	heap->interned_at = 0; /* roots are marked at the end of the next minor collection */
}

static void end_major(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	heap->marking = false;
	heap->sweeping = true;
	heap->large_sweep = heap->large_young;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		/* Those with room first: they are what is allocated from meanwhile. */
		blocks_join(&c->full, &c->sweep);
		blocks_join(&c->full, &c->roomy);
		blocks_join(&c->sweep, &c->full);
	}
	heap->major_collections++;
}

static void end_sweep(struct heap *heap)
{
	size_t least = heap->live + MAJOR_LEAST / 4;
	heap->sweeping = false;
	/* What became old during the cycle may be dead: were it counted as alive, each cycle would come later than the last. */
	heap->major_at = heap->reached + (heap->reached > MAJOR_LEAST ? heap->reached : MAJOR_LEAST);
	if (heap->major_at < least)
		heap->major_at = least;
	if (heap->major_at > heap->limit / 4 * 3)
		heap->major_at = heap->limit / 4 * 3;
}

/* The memory in use at which a cycle should be over: when the heap has grown by half. */
static size_t cycle_end(const struct heap *heap)
{
	return heap->cycle_live + (heap->major_at / 2 > LEAST_GROWTH ? heap->major_at / 2 : LEAST_GROWTH);
}

/* A slice of marking or sweeping. `done`: a minor collection was just done. */
static void major(struct vm *vm, bool done, ptrdiff_t work)
{
	struct heap *heap = &vm->heap;
	if (heap->marking) {
		if (drain_major(vm, work) && done)
			end_major(vm);
	} else if (heap->sweeping) {
		heap->work = work;
		if (sweep_slice(vm, SWEEP_BLOCKS))
			end_sweep(heap);
	} else if (done && (heap->live > heap->major_at || heap->stress)) {
		begin_major(vm);
	}
}

/*
 * When the next step is due. A cycle should be over at cycle_end(), or when the memory limit is reached: what is left of it is
 * divided by what may be allocated until then.
 */
static void plan_next(struct heap *heap)
{
	heap->hurry = heap->minor_open;
	heap->remembered_due = REMEMBERED_MAX + (heap->minor_open ? heap->remembered_count : 0);
	heap->minors_due = PROMOTED_MAX + (heap->minor_open ? heap->minors.count : 0);
	if (heap->minor_open) {
		heap->step_at = heap_made(heap) + STEP_BYTES / 8;
		return;
	}
	heap->step_at = heap->young_limit;
	if (!heap->marking && !heap->sweeping && !heap->junk_count)
		return;
	size_t used = heap->live + heap->young, room = heap->limit > used ? heap->limit - used : 0;
	size_t end = cycle_end(heap), growth = end > used ? end - used : 0;
	if (growth < room)
		room = growth;
	size_t steps = heap->blocks / SWEEP_BLOCKS + 1;
	if (heap->marking && heap->cycle_live / 2 > heap->cycle_work)
		steps += (heap->cycle_live / 2 - heap->cycle_work) / SLICE_WORK;
	size_t each = room / steps;
	heap->hurry = each < BLOCK_SIZE; /* more often than the allocator notices */
	size_t next = heap_made(heap) + (each < STEP_BYTES ? each : STEP_BYTES);
	if (next < heap->step_at)
		heap->step_at = next;
}

static uint64_t microseconds(struct timeval from, struct timeval to)
{
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000u + (uint64_t)(to.tv_usec - from.tv_usec);
}

/* Keeps what the longest pause was made of. */
static void note_longest(struct heap *heap, uint64_t cpu, const struct rusage *before)
{
	struct rusage after;
	heap->longest_cpu_ns = cpu;
	if (!heap->parts)
		return;
	getrusage(RUSAGE_THREAD, &after);
	heap->longest_user_us = microseconds(before->ru_utime, after.ru_utime);
	heap->longest_system_us = microseconds(before->ru_stime, after.ru_stime);
	heap->longest_faults =
	    (uint64_t)(after.ru_minflt - before->ru_minflt + after.ru_majflt - before->ru_majflt);
}

void gc_collect(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	struct rusage before = {0};
	if (heap->parts)
		getrusage(RUSAGE_THREAD, &before);
	uint64_t start = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	ptrdiff_t minor_work = MINOR_WORK, slice = SLICE_WORK, used = 0;
	bool due = heap->minor_open || heap->stress || heap->remembered_count >= heap->remembered_due ||
	           heap->minors.count >= heap->minors_due || heap_made(heap) >= heap->young_limit;
	bool done = false;
	heap->wanted = false;
	if (heap->stress && heap->minor_steps & 1)
		minor_work = slice = STRESS_WORK;
	size_t in_use = heap->live + heap->young, end = cycle_end(heap);
	if (heap->marking || heap->sweeping)
		slice = step_work(heap, slice, in_use > end ? in_use - end : 0);
	/* Nearly out of memory: rather a pause than an error. */
	if (in_use > heap->limit / 16 * 15)
		minor_work = slice = PTRDIFF_MAX;
	if (due) {
		done = minor(vm, minor_work);
		used += heap->granted - heap->work;
	}
	if (!due || done) {
		bool began = heap->marking || heap->sweeping;
		if (used > minor_work / 2 && slice < PTRDIFF_MAX)
			slice /= 4;
		heap->work = slice;
		major(vm, done, slice);
		used += began ? slice - heap->work : 0;
		if (!began)
			heap->cycle_live = heap->live;
	}
	junk_release(heap, RELEASE_BYTES);
	plan_next(heap);
	uint64_t pause = now_ns(CLOCK_MONOTONIC) - start;
	cpu = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	heap->total_pause_ns += pause;
	if (cpu > heap->longest_cpu_ns)
		note_longest(heap, cpu, &before);
	if (pause > heap->longest_pause_ns)
		heap->longest_pause_ns = pause;
	if (used > 0 && (uint64_t)used > heap->most_work)
		heap->most_work = (uint64_t)used;
	unsigned class = 0;
	while (class < PAUSE_CLASSES - 1 && cpu >= 125000u << class)
		class ++;
	heap->pauses[class]++;
}

size_t gc_full(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	/* A cycle that is under way keeps what died since it began: two more begin and end after it. */
	for (uint64_t end = heap->major_collections + 3; heap->major_collections < end || heap->sweeping;) {
		if (!minor(vm, PTRDIFF_MAX))
			continue;
		if (!heap->marking && !heap->sweeping)
			begin_major(vm);
		else
			major(vm, true, PTRDIFF_MAX);
	}
	junk_release(heap, SIZE_MAX);
	plan_next(heap);
	return heap->live;
}
