/*
 * Cells, blocks and large objects: allocation, sweeping of a block, and the memory that objects have beside them. See gc.h
 * for the idea, gc.c for the collector.
 */
#include "gc.h"
#include "vm.h"

#include <malloc.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define SWEEPS_MAX 4 /* blocks that an allocation sweeps before it takes a new one */
#define PAGE_BYTES 4096u
#define JUNK_SIZE  (256u << 10) /* memory from this size on goes back piece by piece */
#define JUNK_MOST  (256u << 20) /* so much may wait to go back */
#define LARGE_PAGE (2u << 20)
#define LARGE_FROM (16u << 20) /* a heap of more asks for large pages */
#define LARGE_STEP (16u << 20) /* what malloc takes from the system at once, then */

static uint32_t class_size(unsigned c)
{
	return c <= 16 ? c * 16
	               : 256 + (c - 16) * 96; /* ... 352, 448, ... 1024 is the last but one below 1216 */
}

static unsigned size_class_of(size_t size)
{
	return size <= 256 ? (unsigned)(size + 15) / 16 : 16 + (unsigned)(size - 256 + 95) / 96;
}

void heap_init(struct heap *heap, size_t limit)
{
	memset(heap, 0, sizeof(*heap));
	heap->young_limit = heap->step_at = YOUNG_BYTES;
	heap->limit = limit;
	heap->paged_to = ((uintptr_t)sbrk(0) + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1);
	heap->colour = 1;
	heap->cycle = 1;
	heap->major_at = MAJOR_LEAST;
	heap->remembered_due = REMEMBERED_MAX;
	heap->minors_due = PROMOTED_MAX;
}

static _Noreturn void out_of_memory(void)
{
	fputs("flux: the machine has no memory left\n", stderr);
	abort();
}

void *must_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *pages_grow(void *old, size_t from, size_t to)
{
	void *p = from ? mremap(old, from, to, MREMAP_MAYMOVE)
	               : mmap(NULL, to, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		out_of_memory();
	return p;
}

static void stack_free(struct grey_stack *stack)
{
	if (stack->capacity)
		munmap(stack->items, stack->capacity * sizeof(struct grey));
}

/*
 * Objects of a large heap are met at random: with pages of 4 KiB nearly each costs a walk through the page tables, which takes
 * longer than the memory itself, several times so on a virtual machine. So what malloc takes from the system is
 * asked to be of large pages. This is advice: where there are none, all goes on as before.
 */
void heap_use_large_pages(struct heap *heap)
{
	if (heap->live < LARGE_FROM)
		return;
	if (!heap->large_pages) {
		mallopt(M_TOP_PAD, LARGE_STEP);
		mallopt(M_TRIM_THRESHOLD, 4 * LARGE_STEP);
		mallopt(M_MMAP_THRESHOLD, JUNK_SIZE);
		heap->large_pages = true;
	}
	uintptr_t end = (uintptr_t)sbrk(0) & ~(uintptr_t)(LARGE_PAGE - 1);
	if (end > heap->paged_to)
		madvise((void *)heap->paged_to, end - heap->paged_to, MADV_HUGEPAGE);
	heap->paged_to = end;
}

/* ---- memory that goes back ---- */
/* Shrinking a large allocation gives its end back to the system: a bounded piece at a time. */
void junk_release(struct heap *heap, size_t most)
{
	while (heap->junk_count && most) {
		struct junk *j = &heap->junk[heap->junk_count - 1];
		size_t part = j->size < most ? j->size : most;
		most -= part;
		heap->junk_bytes -= part;
		j->size -= part;
		if (j->size < JUNK_SIZE) {
			heap->junk_bytes -= j->size;
			heap->junk_count--;
			free(j->bytes);
		} else {
			j->bytes = must_realloc(j->bytes, j->size);
		}
	}
}

void heap_free(struct vm *vm, void *bytes, size_t size)
{
	struct heap *heap = &vm->heap;
	if (size < JUNK_SIZE) {
		free(bytes);
		return;
	}
	if (heap->junk_count == heap->junk_capacity) {
		heap->junk_capacity = heap->junk_capacity ? heap->junk_capacity * 2 : 16;
		heap->junk = must_realloc(heap->junk, heap->junk_capacity * sizeof(*heap->junk));
	}
	heap->junk[heap->junk_count++] = (struct junk){bytes, size};
	heap->junk_bytes += size;
}

/* ---- blocks ---- */
void block_push(struct block_list *list, struct block *b)
{
	b->next = list->first;
	if (!list->first)
		list->last = b;
	list->first = b;
}

static struct block *block_pop(struct block_list *list)
{
	struct block *b = list->first;
	if (b)
		list->first = b->next;
	return b;
}

void blocks_join(struct block_list *to, struct block_list *from)
{
	if (!from->first)
		return;
	from->last->next = to->first;
	if (!to->first)
		to->last = from->last;
	to->first = from->first;
	from->first = NULL;
}

/* Frees dead cells and links all free ones; returns their number. */
static uint32_t block_sweep(struct vm *vm, struct block *b, struct object **list)
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

/* Whether it pays to allocate from a block with so many free cells. */
static bool has_room(const struct block *b, uint32_t free)
{
	return free * 8 >= b->cells || b->cells < b->most;
}

uint32_t block_settle(struct vm *vm, struct size_class *c)
{
	struct block *b = block_pop(&c->sweep);
	struct object *list;
	if (!b)
		return 0;
	uint32_t cells = b->cells, free_cells = block_sweep(vm, b, &list);
	if (free_cells == cells && c->roomy.first) {
		vm->heap.blocks--;
		free(b);
	} else {
		block_push(has_room(b, free_cells) ? &c->roomy : &c->full, b);
	}
	return cells;
}

static struct block *block_new(struct vm *vm, unsigned class)
{
	struct block *b = malloc(BLOCK_SIZE);
	if (!b)
		vm_out_of_memory(vm);
	vm->heap.blocks++;
	*b = (struct block){.cell_size = class_size(class), .size_class = (uint8_t) class};
	b->most = (BLOCK_SIZE - (uint32_t)sizeof(*b)) / b->cell_size;
	return b;
}

/* Cuts more cells from the block, as many as it has and at least a page: a small program touches little memory. */
static struct object *block_cut(struct block *b)
{
	uint32_t more = PAGE_BYTES / b->cell_size;
	more = b->cells > more ? b->cells : more;
	more = more < b->most - b->cells ? more : b->most - b->cells;
	char *cell = (char *)b + sizeof(*b) + (size_t)(b->cells + more) * b->cell_size;
	struct object *free = NULL;
	for (uint32_t i = 0; i < more; i++) {
		cell -= b->cell_size;
		struct object *o = (struct object *)cell;
		o->type = T_FREE;
		*(struct object **)(o + 1) = free;
		free = o;
	}
	b->cells += more;
	return free;
}

/* Makes the first block of LIST the one that its class allocates from; false: there is none, or it has no room and is
 * put with the full ones. */
static bool take_first(struct vm *vm, struct size_class *c, struct block_list *list)
{
	struct block *b = block_pop(list);
	if (!b)
		return false;
	if (!has_room(b, block_sweep(vm, b, &c->free))) {
		c->free = NULL;
		block_push(&c->full, b);
		return false;
	}
	c->current = b;
	if (!c->free)
		c->free = block_cut(b);
	return true;
}

/* Gets the class some free cells: cuts them from its block, sweeps at most a few of the blocks that were in use lately, takes
 * one that is known to have room, else a new one. */
static void refill(struct vm *vm, unsigned class)
{
	struct size_class *c = &vm->heap.classes[class];
	if (c->current && c->current->cells < c->current->most) {
		c->free = block_cut(c->current);
		return;
	}
	if (c->current)
		block_push(&c->used, c->current);
	c->current = NULL;
	for (int tries = 0; c->sweep.first && tries < SWEEPS_MAX; tries++)
		if (take_first(vm, c, &c->sweep))
			return;
	if (take_first(vm, c, &c->roomy))
		return;
	c->current = block_new(vm, class);
	c->free = block_cut(c->current);
}

/* ---- allocation ---- */
void *heap_allocate_slow(struct vm *vm, enum object_type type, size_t size)
{
	struct heap *heap = &vm->heap;
	struct object *o;
	if (heap->live + heap->young + size > heap->limit)
		vm_out_of_memory(vm);
	if (size <= MAX_CELL) {
		unsigned class = size_class_of(size);
		struct size_class *c = &heap->classes[class];
		if (!c->free)
			refill(vm, class);
		size = class_size(class);
		o = c->free;
		if (!o)
			vm_out_of_memory(vm);
		c->free = *(struct object **)(o + 1);
		*o = (struct object){.type = (uint8_t)type, .stamp = vm->stamp};
	} else {
		o = must_realloc(NULL, size);
		*o = (struct object){.type = (uint8_t)type, .stamp = vm->stamp, .flags = OBJECT_LARGE};
		if (heap->large_count == heap->large_capacity) {
			heap->large_capacity = heap->large_capacity ? heap->large_capacity * 2 : 64;
			heap->large =
			    must_realloc(heap->large, heap->large_capacity * sizeof(struct object *));
		}
		heap->large[heap->large_count++] = o;
	}
	heap->young += size;
	if (heap_made(heap) >= heap->step_at || heap->stress)
		heap->wanted = true;
	return o;
}

void heap_note(struct vm *vm, ptrdiff_t bytes)
{
	struct heap *heap = &vm->heap;
	if (bytes < 0) {
		heap->live -= (size_t)-bytes < heap->live ? (size_t)-bytes : heap->live;
		return;
	}
	heap->live += (size_t)bytes;
	heap->external += (size_t)bytes;
}

void heap_account(struct vm *vm, ptrdiff_t bytes)
{
	struct heap *heap = &vm->heap;
	if (bytes < 0) {
		heap_note(vm, bytes);
		return;
	}
	if (heap->junk_bytes > JUNK_MOST)
		junk_release(heap, SIZE_MAX);
	if (heap->live + (size_t)bytes > heap->limit || (size_t)bytes > heap->limit)
		vm_out_of_memory(vm);
	heap_note(vm, bytes);
	if (heap_made(heap) >= heap->step_at)
		heap->wanted = true;
}

/* ---- the end ---- */
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
		free_blocks(vm, c->used.first);
		free_blocks(vm, c->sweep.first);
		free_blocks(vm, c->roomy.first);
		free_blocks(vm, c->full.first);
	}
	for (size_t i = 0; i < heap->large_count; i++) {
		object_free_parts(vm, heap->large[i]);
		free(heap->large[i]);
	}
	junk_release(heap, SIZE_MAX);
	free(heap->large);
	stack_free(&heap->greys);
	stack_free(&heap->minors);
	stack_free(&heap->pieces);
	stack_free(&heap->minor_pieces);
	free(heap->junk);
	free(heap->remembered);
}
