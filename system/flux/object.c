/*
 * Making, reading and changing lists, maps and the smaller objects. Strings are in string.c.
 *
 * Every change first calls vm_touch(), which keeps the old contents where a timeline still needs them, and
 * afterwards tells the collector what was stored.
 */
#include "object.h"
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

#define HANDLE_COST 32768 /* bytes that a handle counts for, so that descriptors nobody has are closed soon */

/* Memory beside an object: counted, and never NULL. */
static void *parts_realloc(struct vm *vm, void *old, size_t old_size, size_t size)
{
	heap_account(vm, (ptrdiff_t)size - (ptrdiff_t)old_size);
	void *p = realloc(old, size);
	if (!p)
		vm_out_of_memory(vm);
	return p;
}

void object_touch(struct vm *vm, struct object *object)
{
	vm_touch(vm, object);
	gc_bulk(vm, object);
}

/* ---- lists ---- */
struct list *list_new(struct vm *vm, uint32_t capacity)
{
	struct list *list = heap_allocate(vm, T_LIST, sizeof(*list));
	list->length = list->capacity = 0;
	list->items = NULL;
	if (capacity) {
		list->items = parts_realloc(vm, NULL, 0, capacity * sizeof(value));
		list->capacity = capacity;
	}
	return list;
}

void list_grow(struct vm *vm, struct list *list, uint32_t capacity)
{
	if (capacity <= list->capacity)
		return;
	if (capacity > LIST_MAX)
		vm_out_of_memory(vm);
	uint32_t wanted = list->capacity ? list->capacity + list->capacity / 2 + 2 : 4;
	if (wanted < capacity)
		wanted = capacity;
	list->items = parts_realloc(vm, list->items, list->capacity * sizeof(value), wanted * sizeof(value));
	list->capacity = wanted;
}

void list_push(struct vm *vm, struct list *list, value v)
{
	vm_touch(vm, &list->object);
	if (list->length == list->capacity)
		list_grow(vm, list, list->length + 1);
	list->items[list->length] = v;
	list->length++;
	gc_slot(vm, &list->object, v, list->length);
}

void list_set(struct vm *vm, struct list *list, uint32_t at, value v)
{
	vm_touch(vm, &list->object);
	list->items[at] = v;
	gc_slot(vm, &list->object, v, list->length);
}

void list_resize(struct vm *vm, struct list *list, uint32_t length)
{
	vm_touch(vm, &list->object);
	list_grow(vm, list, length);
	for (uint32_t i = list->length; i < length; i++)
		list->items[i] = V_NIL;
	list->length = length;
}

struct list *list_slice(struct vm *vm, const struct list *list, uint32_t from, uint32_t to)
{
	struct list *part = list_new(vm, to - from);
	if (to > from && part->items && list->items)
		memcpy(part->items, list->items + from, (to - from) * sizeof(value));
	part->length = to - from;
	return part;
}

/* ---- maps ---- */
bool map_key_ok(value key)
{
	if (!is_object(key))
		return key != V_EMPTY;
	uint8_t type = as_object(key)->type;
	return type == T_STRING || type == T_BIG_INT || type == T_DURATION;
}

/* Keys that compare equal have one hash, and one form where it is short: a float that is a whole number is looked up as the
 * integer. */
static value canonical(value key)
{
	if (is_double(key)) {
		double d = as_double(key);
		if (d >= -140737488355328.0 && d < 140737488355328.0 && d == (double)(int64_t)d)
			return from_small_int((int64_t)d);
	}
	return key;
}

uint32_t value_hash(struct vm *vm, value v)
{
	if (is_string(v))
		return string_hash(vm, as_string(v));
	if (is_double(v)) {
		v = canonical(v);
		if (is_double(v) && fabs(as_double(v)) < 9.2e18)
			v = (uint64_t)(int64_t)as_double(v); /* one beyond 48 bits may equal a big integer */
	}
	if (is_type(v, T_BIG_INT))
		v = (uint64_t)((struct big_int *)as_object(v))->number;
	else if (is_type(v, T_DURATION))
		v = (uint64_t)((struct duration *)as_object(v))->nanoseconds + 1;
	v ^= vm->hash_seed;
	v *= 0x9E3779B97F4A7C15u;
	return (uint32_t)(v >> 32);
}

struct map *map_new(struct vm *vm, uint32_t capacity)
{
	struct map *map = heap_allocate(vm, T_MAP, sizeof(*map));
	map->count = map->used = map->capacity = map->index_mask = 0;
	map->entries = NULL;
	map->index = NULL;
	if (capacity) {
		map->entries = parts_realloc(vm, NULL, 0, capacity * sizeof(struct map_entry));
		map->capacity = capacity;
	}
	return map;
}

static inline bool key_equal(struct vm *vm, value a, value b)
{
	if (a == b)
		return true;
	if (is_string(a) && is_string(b))
		return string_equal(vm, as_string(a), as_string(b));
	if (!is_object(a) && !is_object(b))
		return false;
	return value_equal(vm, a, b);
}

/* The entry of a key, or -1. *slot is where its index stands, if the map has an index. */
static int64_t map_find(struct vm *vm, const struct map *map, value key, uint32_t *slot)
{
	if (!map->index) {
		if (is_string(key)) {
			struct string *s = as_string(key);
			for (uint32_t i = 0; i < map->used; i++) {
				value k = map->entries[i].key;
				if (k == key || (is_string(k) && as_string(k)->length == s->length &&
				                 string_equal(vm, as_string(k), s)))
					return i;
			}
			return -1;
		}
		for (uint32_t i = 0; i < map->used; i++)
			if (key_equal(vm, map->entries[i].key, key))
				return i;
		return -1;
	}
	uint32_t hash = value_hash(vm, key);
	for (uint32_t at = hash & map->index_mask;; at = (at + 1) & map->index_mask) {
		uint64_t entry = map->index[at];
		if (!entry)
			return -1;
		if (entry >> 32 == hash) {
			uint32_t i = (uint32_t)entry - 1;
			if (i < map->used && key_equal(vm, map->entries[i].key, key)) {
				*slot = at;
				return i;
			}
		}
	}
}

static void map_index(struct vm *vm, struct map *map)
{
	uint32_t size = 16;
	while (size < map->capacity * 2)
		size *= 2;
	uint32_t old = map->index ? map->index_mask + 1 : 0;
	if (old != size)
		map->index = parts_realloc(vm, map->index, old * sizeof(uint64_t), size * sizeof(uint64_t));
	memset(map->index, 0, size * sizeof(uint64_t));
	map->index_mask = size - 1;
	for (uint32_t i = 0; i < map->used; i++) {
		uint32_t hash = value_hash(vm, map->entries[i].key), at = hash & map->index_mask;
		while (map->index[at])
			at = (at + 1) & map->index_mask;
		map->index[at] = (uint64_t)hash << 32 | (i + 1);
	}
}

/* Makes room for one more entry, dropping removed ones. */
static void map_grow(struct vm *vm, struct map *map)
{
	if (map->count < map->used) {
		uint32_t to = 0;
		for (uint32_t i = 0; i < map->used; i++)
			if (map->entries[i].key != V_EMPTY)
				map->entries[to++] = map->entries[i];
		map->used = to;
		gc_bulk(vm, &map->object);
	}
	if (map->count >= map->capacity - map->capacity / 4 || map->capacity < 4) {
		uint32_t capacity = map->capacity ? map->capacity * 2 : 4;
		if (capacity > LIST_MAX)
			vm_out_of_memory(vm);
		map->entries = parts_realloc(vm, map->entries, map->capacity * sizeof(struct map_entry),
		                             capacity * sizeof(struct map_entry));
		map->capacity = capacity;
	}
	if (map->capacity > 8)
		map_index(vm, map);
}

value map_get(struct vm *vm, const struct map *map, value key)
{
	uint32_t slot;
	int64_t at = map_find(vm, map, canonical(key), &slot);
	return at < 0 ? V_EMPTY : map->entries[at].item;
}

void map_set(struct vm *vm, struct map *map, value key, value item)
{
	uint32_t slot;
	key = canonical(key);
	vm_touch(vm, &map->object);
	int64_t at = map_find(vm, map, key, &slot);
	if (at >= 0) {
		map->entries[at].item = item;
		gc_slot(vm, &map->object, item, 2 * map->used);
		return;
	}
	if (map->used == map->capacity)
		map_grow(vm, map);
	uint32_t i = map->used++;
	map->entries[i] = (struct map_entry){key, item};
	map->count++;
	gc_slot(vm, &map->object, key, 2 * map->used);
	gc_slot(vm, &map->object, item, 2 * map->used);
	if (map->index) {
		uint32_t hash = value_hash(vm, key);
		for (slot = hash & map->index_mask; map->index[slot];)
			slot = (slot + 1) & map->index_mask;
		map->index[slot] = (uint64_t)hash << 32 | (i + 1);
	}
}

bool map_remove(struct vm *vm, struct map *map, value key)
{
	uint32_t slot = 0;
	vm_touch(vm, &map->object);
	int64_t at = map_find(vm, map, canonical(key), &slot);
	if (at < 0)
		return false;
	map->entries[at].key = V_EMPTY;
	map->entries[at].item = V_NIL;
	map->count--;
	if (map->index) {
		/* The slot stays taken, by an entry number that no entry has, until the next growth. */
		map->index[slot] = (map->index[slot] >> 32 << 32) | UINT32_MAX;
	}
	if (!map->count && !map->index)
		map->used = 0;
	return true;
}

void map_clear(struct vm *vm, struct map *map)
{
	vm_touch(vm, &map->object);
	map->count = map->used = 0;
	if (map->index)
		memset(map->index, 0, (map->index_mask + 1) * sizeof(uint64_t));
}

/* ---- the others ---- */
struct instance *instance_new(struct vm *vm, struct shape *shape)
{
	struct instance *instance =
	    heap_allocate(vm, T_STRUCT, sizeof(*instance) + shape->count * sizeof(value));
	instance->shape = shape;
	for (uint32_t i = 0; i < shape->count; i++)
		instance->fields[i] = V_NIL;
	return instance;
}

void instance_set(struct vm *vm, struct instance *instance, uint32_t at, value v)
{
	vm_touch(vm, &instance->object);
	instance->fields[at] = v;
	gc_write(vm, &instance->object, v);
}

int shape_field(const struct shape *shape, const struct string *name)
{
	for (uint32_t i = 0; i < shape->count; i++)
		if (shape->fields[i] == name)
			return (int)i;
	return -1;
}

struct cell *cell_new(struct vm *vm, value v)
{
	struct cell *cell = heap_allocate(vm, T_CELL, sizeof(*cell));
	cell->item = v;
	return cell;
}

void cell_set(struct vm *vm, struct cell *cell, value v)
{
	vm_touch(vm, &cell->object);
	cell->item = v;
	gc_write(vm, &cell->object, v);
}

struct function *function_new(struct vm *vm, struct proto *proto, uint32_t captured)
{
	struct function *f = heap_allocate(vm, T_FUNCTION, sizeof(*f) + captured * sizeof(value));
	f->proto = proto;
	f->count = captured;
	for (uint32_t i = 0; i < captured; i++)
		f->captured[i] = V_NIL;
	return f;
}

struct duration *duration_new(struct vm *vm, int64_t nanoseconds, struct string *original)
{
	struct duration *d = heap_allocate(vm, T_DURATION, sizeof(*d));
	d->nanoseconds = nanoseconds;
	d->original = original;
	return d;
}

struct dist *dist_new(struct vm *vm, uint32_t count)
{
	struct dist *dist = heap_allocate(vm, T_DIST, sizeof(*dist) + count * sizeof(dist->entries[0]));
	dist->count = count;
	for (uint32_t i = 0; i < count; i++) {
		dist->entries[i].item = V_NIL;
		dist->entries[i].weight = 0;
	}
	return dist;
}

struct flux_error *error_new(struct vm *vm, const char *kind, struct string *message)
{
	struct flux_error *error = heap_allocate(vm, T_ERROR, sizeof(*error));
	error->message = message;
	error->kind = string_intern(vm, kind, strlen(kind));
	error->trace = NULL;
	error->data = V_NIL;
	return error;
}

struct handle *handle_new(struct vm *vm, unsigned kind)
{
	struct handle *handle = heap_allocate(vm, T_HANDLE, sizeof(*handle));
	heap_note(vm, HANDLE_COST);
	handle->object.kind = (uint8_t)kind;
	handle->descriptor = -1;
	handle->rights = 0;
	handle->limit = 0;
	handle->path = NULL;
	handle->attached = V_NIL;
	return handle;
}

value from_int64(struct vm *vm, int64_t i)
{
	if (fits_small_int(i))
		return from_small_int(i);
	struct big_int *big = heap_allocate(vm, T_BIG_INT, sizeof(*big));
	big->number = i;
	return from_object(big);
}

/* ---- for the collector ---- */
void object_free_parts(struct vm *vm, struct object *object)
{
	size_t freed = 0;
	switch (object->type) {
	case T_STRING:
		if (object->kind == STRING_HEAP) {
			freed = ((struct string *)object)->length + 1;
			heap_free(vm, ((struct string *)object)->heap_bytes, freed);
		}
		break;
	case T_LIST:
		freed = ((struct list *)object)->capacity * sizeof(value);
		heap_free(vm, ((struct list *)object)->items, freed);
		break;
	case T_MAP: {
		struct map *map = (struct map *)object;
		size_t entries = map->capacity * sizeof(struct map_entry);
		size_t index = map->index ? (map->index_mask + 1) * sizeof(uint64_t) : 0;
		freed = entries + index;
		heap_free(vm, map->entries, entries);
		heap_free(vm, map->index, index);
		break;
	}
	case T_SHAPE:
		free(((struct shape *)object)->fields);
		free(((struct shape *)object)->types);
		free(((struct shape *)object)->structs);
		break;
	case T_TASK:
		free(((struct task *)object)->stack);
		free(((struct task *)object)->frames);
		free(((struct task *)object)->handlers);
		break;
	case T_STATE:
		free(((struct state *)object)->items);
		break;
	case T_HANDLE:
		handle_close((struct handle *)object);
		freed = HANDLE_COST;
		break;
	case T_MOSAIC:
		mosaic_free_parts(vm, object);
		break;
	case T_BANDIT:
		bandit_free_parts(object);
		break;
	default:
		break;
	}
	if (freed)
		heap_account(vm, -(ptrdiff_t)freed);
}

/*
 * A frame's registers change while it is the last one. So where the frame above it is still the one that was there when both were
 * marked, nothing below has changed, and what is marked in a cycle stays so: a deep stack is gone through once a cycle, in steps.
 */
bool task_mark(struct vm *vm, struct task *task)
{
	uint32_t count = task->frame_count, at = task->marked_frames < count ? task->marked_frames : count,
	         top = 0;
	while (at && task->frames[at - 1].seen != vm->heap.cycle)
		at--;
	for (at = at ? at - 1 : 0; at < count; at++) {
		struct frame *f = &task->frames[at];
		uint32_t end = at + 1 < count ? f[1].base : f->base;
		task->marked_frames = at;
		if (vm->heap.work < 0)
			return false;
		vm->heap.work -= 1 + (end - f->base) / 2;
		gc_mark_object(vm, f->function);
		gc_mark_values(vm, task->stack + f->base, end - f->base);
		f->seen = vm->heap.cycle;
	}
	task->marked_frames = count;
	/* From the last one's base on, all that any frame may use; what is above may be left over from calls that ended, and must not
	 * outlive this collection. */
	for (uint32_t i = 0; i < count; i++) {
		uint32_t end = task->frames[i].base + task->frames[i].proto->registers;
		top = end > top ? end : top;
	}
	if (top > task->stack_size)
		top = task->stack_size;
	uint32_t base = count ? task->frames[count - 1].base : 0;
	gc_mark_values(vm, task->stack + base, top - base);
	for (uint32_t i = top; i < task->stack_size; i++)
		task->stack[i] = V_NIL;
	/* And the next time only what was in use since then needs a look: see vm_grow_stack(). */
	while (task->stack_size > 512 && task->stack_size / 4 > top)
		task->stack_size /= 2;
	vm->heap.work -= (top - base) / 2 + count / 64;
	gc_mark_object(vm, task->channel);
	gc_mark(vm, task->result);
	return true;
}

void object_mark_parts(struct vm *vm, struct grey grey)
{
	struct object *object = grey.object;
	switch (object->type) {
	case T_FUNCTION: {
		struct function *f = (struct function *)object;
		for (uint32_t i = 0; i < f->count; i++)
			gc_mark(vm, f->captured[i]);
		break;
	}
	case T_CELL:
		gc_mark(vm, ((struct cell *)object)->item);
		break;
	case T_DURATION:
		gc_mark_object(vm, ((struct duration *)object)->original);
		break;
	case T_ERROR: {
		struct flux_error *error = (struct flux_error *)object;
		gc_mark_object(vm, error->message);
		gc_mark_object(vm, error->kind);
		gc_mark_object(vm, error->trace);
		gc_mark(vm, error->data);
		break;
	}
	case T_SHAPE: {
		struct shape *shape = (struct shape *)object;
		gc_mark_object(vm, shape->name);
		for (uint32_t i = 0; i < shape->count; i++) {
			gc_mark_object(vm, shape->fields[i]);
			gc_mark_object(vm, shape->structs[i]);
		}
		break;
	}
	case T_TASK:
		break; /* the running one alone, which is a root */
	case T_HANDLE:
		gc_mark_object(vm, ((struct handle *)object)->path);
		gc_mark(vm, ((struct handle *)object)->attached);
		break;
	case T_ITERATOR:
		gc_mark(vm, ((struct iterator *)object)->source);
		break;
	case T_STATE: {
		struct state *state = (struct state *)object;
		for (uint32_t i = 0; i < state->count; i++)
			gc_mark(vm, state->items[i]);
		break;
	}
	case T_CURSOR:
		cursor_mark_parts(vm, object);
		break;
	case T_BANDIT:
		bandit_mark_parts(vm, object);
		break;
	default:
		break;
	}
}
