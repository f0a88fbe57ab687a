/*
 * Blocks, allocation and the collector: see gc.h for the idea.
 *
 * Colours: a young object has mark 0. An old one has mark 1 or 2; heap.colour is the one that counts as
 * reached. A major cycle begins by swapping colours, so that all old objects are unreached at once. An object
 * is pushed when it gets its colour; the barrier compares the two marks and comes here whenever they differ.
 */
#include "gc.h"
#include "program.h"
#include "vm.h"

#include <stdlib.h>
#include <time.h>

static uint32_t class_size(unsigned c)
{
	return c <= 16 ? c * 16
	               : 256 + (c - 16) * 96; /* ... 352, 448, ... 1024 is the last but one below 1216 */
}

static unsigned size_class_of(size_t size)
{
	return size <= 256 ? (unsigned)(size + 15) / 16 : 16 + (unsigned)(size - 256 + 95) / 96;
}

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void heap_init(struct heap *heap, size_t limit)
{
	memset(heap, 0, sizeof(*heap));
	heap->young_limit = YOUNG_BYTES;
	heap->limit = limit;
	heap->colour = 1;
	heap->major_at = 8u << 20;
}

static void *must_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p) {
		fputs("flux: the machine has no memory left\n", stderr);
		abort();
	}
	return p;
}

static void push_grey(struct heap *heap, struct object *o, uint32_t from)
{
	if (heap->grey_count == heap->grey_capacity) {
		heap->grey_capacity = heap->grey_capacity ? heap->grey_capacity * 2 : 1024;
		heap->greys = must_realloc(heap->greys, heap->grey_capacity * sizeof(*heap->greys));
	}
	heap->greys[heap->grey_count++] = (struct grey){o, from};
}

static void push_minor(struct heap *heap, struct object *o, uint32_t from)
{
	if (heap->minor_count == heap->minor_capacity) {
		heap->minor_capacity = heap->minor_capacity ? heap->minor_capacity * 2 : 1024;
		heap->minors = must_realloc(heap->minors, heap->minor_capacity * sizeof(*heap->minors));
	}
	heap->minors[heap->minor_count++] = (struct grey){o, from};
}

/* ---- marking ---- */
void gc_mark_object(struct vm *vm, void *object)
{
	struct heap *heap = &vm->heap;
	struct object *o = object;
	if (!o || o->mark == heap->colour)
		return;
	if (!o->mark) {
		o->mark = heap->colour;
		heap->survivors++;
		push_minor(heap, o, 0);
	} else if (heap->marking) {
		o->mark = heap->colour;
		push_grey(heap, o, 0);
	}
}

void gc_mark(struct vm *vm, value v)
{
	if (is_object(v))
		gc_mark_object(vm, as_object(v));
}

/* Large arrays are marked in pieces, so that one of them cannot make a slice long. */
#define PIECE 512
static void mark_values(struct vm *vm, struct grey grey, const value *items, size_t count, bool minor)
{
	size_t end = grey.from + PIECE < count ? grey.from + PIECE : count;
	if (end < count) {
		if (minor)
			push_minor(&vm->heap, grey.object, (uint32_t)end);
		else
			push_grey(&vm->heap, grey.object, (uint32_t)end);
	}
	vm->heap.work -= (ptrdiff_t)(end - grey.from);
	for (size_t i = grey.from; i < end; i++)
		gc_mark(vm, items[i]);
}

static void mark_children(struct vm *vm, struct grey grey, bool minor)
{
	struct object *o = grey.object;
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
		for (uint32_t i = 0; i < instance->shape->count; i++)
			gc_mark(vm, instance->fields[i]);
		break;
	}
	case T_STRING:
		if (o->kind == STRING_ROPE) {
			gc_mark_object(vm, ((struct string *)o)->rope.left);
			gc_mark_object(vm, ((struct string *)o)->rope.right);
		}
		break;
	default:
		object_mark_parts(vm, grey);
	}
}

static void drain_minor(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	while (heap->minor_count)
		mark_children(vm, heap->minors[--heap->minor_count], true);
}

static bool drain_major(struct vm *vm, ptrdiff_t work)
{
	struct heap *heap = &vm->heap;
	heap->work = work;
	while (heap->grey_count) {
		heap->work -= 4;
		if (heap->work < 0)
			return false;
		mark_children(vm, heap->greys[--heap->grey_count], false);
		drain_minor(vm); /* only at the end of a cycle are there none young */
	}
	return true;
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
		    must_realloc(heap->remembered, heap->remembered_capacity * sizeof(*heap->remembered));
	}
	heap->remembered[heap->remembered_count++] = o;
}

void gc_write_slow(struct vm *vm, struct object *o, struct object *item)
{
	if (!item->mark)
		remember(&vm->heap, o);
	else if (vm->heap.marking && o->mark == vm->heap.colour)
		gc_mark_object(vm, item);
}

void gc_slot_slow(struct vm *vm, struct object *o, struct object *item, uint32_t at)
{
	struct heap *heap = &vm->heap;
	size_t length = o->type == T_LIST ? ((struct list *)o)->length : ((struct map *)o)->used;
	if (item->mark || length < 256) {
		gc_write_slow(vm, o, item);
		return;
	}
	if (o->flags & OBJECT_REMEMBERED)
		return;
	if (heap->slot_count == heap->slot_capacity) {
		heap->slot_capacity = heap->slot_capacity ? heap->slot_capacity * 2 : 1024;
		heap->slots = must_realloc(heap->slots, heap->slot_capacity * sizeof(*heap->slots));
	}
	heap->slots[heap->slot_count++] = (struct slot){o, at};
	if (heap->slot_count >= 65536)
		heap->wanted = true;
}

void gc_bulk_slow(struct vm *vm, struct object *o)
{
	remember(&vm->heap, o);
	if (vm->heap.marking && o->mark == vm->heap.colour)
		push_grey(&vm->heap, o, 0);
}

/* ---- sweeping ---- */
/* Frees dead cells and links all free ones, lowest address first; returns their number. */
static uint32_t sweep_block(struct vm *vm, struct block *b, struct object **list)
{
	struct heap *heap = &vm->heap;
	struct object *free = NULL;
	uint8_t keep = heap->marking ? 0 : heap->colour; /* while marking, both colours are alive */
	uint32_t size = b->cell_size, count = 0;
	char *cell = (char *)b + sizeof(struct block) + (size_t)(b->cells - 1) * size;
	size_t freed = 0;
	for (uint32_t i = 0; i < b->cells; i++, cell -= size) {
		struct object *o = (struct object *)cell;
		if (o->type != T_FREE) {
			if (keep ? o->mark == keep : o->mark != 0)
				continue;
			if (o->type != T_STRUCT)
				object_free_parts(vm, o);
			o->type = T_FREE;
			freed += size;
		}
		*(struct object **)(o + 1) = free;
		free = o;
		count++;
	}
	heap->live -= freed < heap->live ? freed : heap->live;
	*list = free;
	return count;
}

static struct block *block_new(struct vm *vm, unsigned class)
{
	struct block *b = aligned_alloc(BLOCK_SIZE, BLOCK_SIZE);
	if (!b)
		vm_out_of_memory(vm);
	memset(b, 0, sizeof(*b));
	b->cell_size = class_size(class);
	b->size_class = (uint8_t) class;
	b->cells = (BLOCK_SIZE - (uint32_t)sizeof(*b)) / b->cell_size;
	char *cell = (char *)b + sizeof(*b);
	for (uint32_t i = 0; i < b->cells; i++, cell += b->cell_size)
		((struct object *)cell)->type = T_FREE;
	return b;
}

/* Gets the class some free cells: sweeps at most a few blocks, else takes a new one. */
static void refill(struct vm *vm, unsigned class)
{
	struct size_class *c = &vm->heap.classes[class];
	if (c->current) {
		c->current->next = c->used;
		c->used = c->current;
		c->current = NULL;
	}
	for (int tries = 0; c->sweep && tries < 12; tries++) {
		struct block *b = c->sweep;
		c->sweep = b->next;
		if (sweep_block(vm, b, &c->free) * 8 >= b->cells) {
			c->current = b;
			return;
		}
		b->next = c->full;
		c->full = b;
	}
	c->current = block_new(vm, class);
	sweep_block(vm, c->current, &c->free);
}

static void request(struct vm *vm)
{
	vm->heap.wanted = true;
}

void *heap_allocate_slow(struct vm *vm, enum object_type type, size_t size)
{
	struct heap *heap = &vm->heap;
	struct object *o;
	if (heap->live + heap->young + size > heap->limit)
		vm_out_of_memory(vm);
	if (size <= MAX_CELL) {
		unsigned class = size_class_of(size);
		struct size_class *c = &heap->classes[class];
		if (!c->free) {
			if (heap->young >= heap->young_limit)
				request(vm);
			refill(vm, class);
		}
		size = class_size(class);
		o = c->free;
		c->free = *(struct object **)(o + 1);
		*o = (struct object){.type = (uint8_t)type, .stamp = vm->stamp};
	} else {
		o = must_realloc(NULL, size);
		*o = (struct object){.type = (uint8_t)type, .stamp = vm->stamp, .flags = OBJECT_LARGE};
		if (heap->large_count == heap->large_capacity) {
			heap->large_capacity = heap->large_capacity ? heap->large_capacity * 2 : 64;
			heap->large = must_realloc(heap->large, heap->large_capacity * sizeof(*heap->large));
		}
		heap->large[heap->large_count++] = o;
	}
	heap->young += size;
	if (heap->young >= heap->young_limit || heap->stress)
		request(vm);
	return o;
}

void heap_account(struct vm *vm, ptrdiff_t bytes)
{
	struct heap *heap = &vm->heap;
	if (bytes < 0) {
		heap->live -= (size_t)-bytes < heap->live ? (size_t)-bytes : heap->live;
		return;
	}
	if (heap->live + (size_t)bytes > heap->limit || (size_t)bytes > heap->limit)
		vm_out_of_memory(vm);
	heap->live += (size_t)bytes;
	heap->external += (size_t)bytes;
	if (heap->young + heap->external / 4 >= heap->young_limit)
		request(vm);
}

/* ---- collections ---- */
static void minor(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	vm_mark_roots(vm);
	for (size_t i = 0; i < heap->remembered_count; i++) {
		struct object *o = heap->remembered[i];
		o->flags &= (uint8_t)~OBJECT_REMEMBERED;
		mark_children(vm, (struct grey){o, 0}, true);
	}
	for (size_t i = 0; i < heap->slot_count; i++) {
		struct slot s = heap->slots[i];
		if (s.object->type == T_LIST) {
			struct list *list = (struct list *)s.object;
			if (s.at < list->length)
				gc_mark(vm, list->items[s.at]);
		} else {
			struct map *map = (struct map *)s.object;
			if (s.at < map->used) {
				gc_mark(vm, map->entries[s.at].key);
				gc_mark(vm, map->entries[s.at].item);
			}
		}
	}
	heap->remembered_count = heap->slot_count = 0;
	drain_minor(vm);
	interned_mark(vm);
	/* What was allocated from since the last time may now hold dead cells. */
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		if (c->current) {
			c->current->next = c->used;
			c->used = c->current;
			c->current = NULL;
			c->free = NULL;
		}
		while (c->used) {
			struct block *b = c->used;
			c->used = b->next;
			b->next = c->sweep;
			c->sweep = b;
		}
	}
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
}

static void move_full_to_sweep(struct heap *heap)
{
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		struct block *last = c->full;
		while (last && last->next)
			last = last->next;
		if (last) {
			last->next = c->sweep;
			c->sweep = c->full;
			c->full = NULL;
		}
	}
}

/* Sweeps up to `count` waiting blocks; blocks with free cells go to the end of the class's list. True when
 * done. */
static bool sweep_slice(struct vm *vm, unsigned count)
{
	struct heap *heap = &vm->heap;
	while (heap->large_sweep && count) {
		struct object *o = heap->large[--heap->large_sweep];
		if (o->mark == heap->colour || !o->mark)
			continue;
		object_free_parts(vm, o);
		free(o);
		heap->large[heap->large_sweep] = heap->large[--heap->large_young];
		heap->large[heap->large_young] = heap->large[--heap->large_count];
		count--;
	}
	if (heap->large_sweep)
		return false;
	for (unsigned class = 1; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		while (c->sweep) {
			if (!count--)
				return false;
			struct block *b = c->sweep;
			c->sweep = b->next;
			struct object *unused;
			if (sweep_block(vm, b, &unused) == b->cells) {
				free(b);
				continue;
			}
			b->next = c->full;
			c->full = b;
		}
	}
	return true;
}

static void begin_major(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	heap->colour = heap->colour == 1 ? 2 : 1;
	heap->marking = true;
	heap->finish_tries = 0;
	vm_mark_roots(vm);
}

static void end_major(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	interned_mark(vm);
	heap->marking = false;
	heap->sweeping = true;
	heap->large_sweep = heap->large_young;
	move_full_to_sweep(heap);
	heap->major_collections++;
}

void gc_collect(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	uint64_t start = now_ns();
	heap->wanted = false;
	heap->survivors = 0;
	minor(vm);
	size_t survivors = heap->survivors;
	if (heap->marking) {
		if (drain_major(vm, SLICE_WORK)) {
			/* Roots are not behind the barrier: look again, and finish if little was found. */
			vm_mark_roots(vm);
			drain_minor(vm);
			if (drain_major(vm, heap->finish_tries++ < 20 ? SLICE_WORK : PTRDIFF_MAX))
				end_major(vm);
		}
	} else if (heap->sweeping) {
		if (sweep_slice(vm, 4)) {
			heap->sweeping = false;
			move_full_to_sweep(heap); /* so that their free cells are used */
			heap->major_at = heap->live * 2 > (8u << 20) ? heap->live * 2 : 8u << 20;
			if (heap->major_at > heap->limit / 4 * 3)
				heap->major_at = heap->limit / 4 * 3;
		}
	} else if (heap->live > heap->major_at || heap->stress) {
		begin_major(vm);
	}
	/* What survives decides how long a minor collection takes: collect more often when much does. */
	if (survivors > 5000 && heap->young_limit > YOUNG_BYTES / 8)
		heap->young_limit /= 2;
	else if (survivors < 1500 && heap->young_limit < YOUNG_BYTES)
		heap->young_limit *= 2;
	uint64_t pause = now_ns() - start;
	heap->total_pause_ns += pause;
	if (pause > heap->longest_pause_ns)
		heap->longest_pause_ns = pause;
}

void gc_full(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	minor(vm);
	if (!heap->marking)
		begin_major(vm);
	drain_major(vm, PTRDIFF_MAX);
	vm_mark_roots(vm);
	drain_minor(vm);
	drain_major(vm, PTRDIFF_MAX);
	end_major(vm);
	while (!sweep_slice(vm, 1000000))
		;
	heap->sweeping = false;
	move_full_to_sweep(heap);
	heap->wanted = false;
}

static void free_blocks(struct vm *vm, struct block *b)
{
	while (b) {
		struct block *next = b->next;
		char *cell = (char *)b + sizeof(*b);
		for (uint32_t i = 0; i < b->cells; i++, cell += b->cell_size)
			if (((struct object *)cell)->type != T_FREE)
				object_free_parts(vm, (struct object *)cell);
		free(b);
		b = next;
	}
}

void heap_deinit(struct vm *vm)
{
	struct heap *heap = &vm->heap;
	for (unsigned class = 0; class < SIZE_CLASSES; class ++) {
		struct size_class *c = &heap->classes[class];
		if (c->current)
			c->current->next = NULL;
		free_blocks(vm, c->current);
		free_blocks(vm, c->used);
		free_blocks(vm, c->sweep);
		free_blocks(vm, c->full);
	}
	for (size_t i = 0; i < heap->large_count; i++) {
		object_free_parts(vm, heap->large[i]);
		free(heap->large[i]);
	}
	free(heap->large);
	free(heap->greys);
	free(heap->minors);
	free(heap->remembered);
	free(heap->slots);
}
