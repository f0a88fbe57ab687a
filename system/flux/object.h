/*
 * The heap objects of Flux and how they are made and read. Makers allocate from the VM's heap (gc.h) and
 * never collect: a collection happens only between instructions, so C code may hold objects in locals as long
 * as it runs no Flux code.
 */
#ifndef FLUX_OBJECT_H
#define FLUX_OBJECT_H

#include "value.h"

struct vm;
struct proto;

#define STRING_MAX (1u << 30) /* bytes of one string */
#define LIST_MAX   (1u << 28) /* elements of one list or map */

enum string_kind {
	STRING_INLINE, /* the bytes follow the header */
	STRING_HEAP,   /* the bytes are in memory of their own */
	STRING_ROPE,   /* two strings not joined yet; string_bytes() joins them */
};

struct string {
	struct object object; /* kind: enum string_kind */
	uint32_t length;      /* bytes of UTF-8 */
	uint32_t hash;        /* 0: not computed yet */
	union {
		char inline_start[8]; /* and beyond: STRING_INLINE_BYTES() */
		char *heap_bytes;
		struct {
			struct string *left, *right;
		} rope;
	};
};

#define STRING_INLINE_BYTES(s) ((char *)(s) + offsetof(struct string, inline_start))

struct list {
	struct object object;
	uint32_t length, capacity;
	value *items;
};

struct map_entry {
	value key; /* V_EMPTY: removed */
	value item;
};

/* Keeps the order of insertion. index: power-of-two table of hash << 32 | entry + 1; none for up to 8
 * entries. */
struct map {
	struct object object;
	uint32_t count; /* live entries */
	uint32_t used;  /* entries in use, with removed ones */
	uint32_t capacity;
	uint32_t index_mask;
	struct map_entry *entries;
	uint64_t *index;
};

struct shape {
	struct object object;
	uint32_t count;
	uint32_t id; /* unique in a VM, for inline caches */
	struct string *name;
	struct string **fields;
	uint8_t *types;         /* enum type_kind of each field (ast.h) */
	struct shape **structs; /* the struct a field is annotated with, or NULL */
};

struct instance {
	struct object object;
	struct shape *shape;
	value fields[];
};

struct cell {
	struct object object;
	value item;
};

struct function {
	struct object object;
	uint32_t count;
	struct proto *proto;
	value captured[]; /* values, or cells of variables that are assigned to */
};

typedef value native_code(struct vm *vm, value *args, unsigned count);

struct native {
	struct object object;
	uint32_t index; /* in the table of natives */
};

struct big_int {
	struct object object;
	int64_t number;
};

struct duration {
	struct object object;
	int64_t nanoseconds;
	struct string *original; /* as written in the source, or NULL */
};

struct dist {
	struct object object;
	uint32_t count;
	struct {
		value item;
		double weight;
	} entries[];
};

struct flux_error {
	struct object object;
	struct string *message;
	struct string *kind;
	struct string *trace; /* one line a call, innermost first; or NULL */
	value data;
};

struct handle {
	struct object object; /* kind: enum handle_kind (capability.h) */
	int descriptor;
	uint32_t rights;
	int64_t limit;
	struct string *path;
	value attached;
};

struct iterator {
	struct object object;
	uint32_t at;
	int64_t next, end; /* of a range */
	value source;
};

/* Strings. `bytes` need not be valid UTF-8 here; what comes from outside is checked where it enters. */
struct string *string_new(struct vm *vm, const char *bytes, size_t length);
struct string *string_reserve(struct vm *vm, size_t length); /* bytes to be filled in by the caller at once */
struct string *string_of(struct vm *vm, const char *text);
struct string *string_intern(struct vm *vm, const char *bytes,
                             size_t length);                     /* stays for ever: names of programs */
struct string *string_interned(struct vm *vm, struct string *s); /* the interned one, or NULL */
struct string *string_format(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct string *string_concat(struct vm *vm, struct string *a, struct string *b);
const char *string_flatten(struct vm *vm, struct string *s);
uint32_t string_hash(struct vm *vm, struct string *s);
bool string_equal(struct vm *vm, struct string *a, struct string *b);
int string_compare(struct vm *vm, struct string *a, struct string *b);

static inline const char *string_bytes(struct vm *vm, struct string *s)
{
	if (s->object.kind == STRING_INLINE)
		return STRING_INLINE_BYTES(s);
	return s->object.kind == STRING_HEAP ? s->heap_bytes : string_flatten(vm, s);
}

static inline bool is_string(value v)
{
	return is_type(v, T_STRING);
}

static inline struct string *as_string(value v)
{
	return (struct string *)as_object(v);
}

/* A text that grows and becomes a string: no longer than a string, or what is left of the memory limit. text_end() gives the
 * string, or raises; it frees the text. A loop whose length the program chooses ends when it is `over`. */
struct text text_begin(const struct vm *vm);
value text_end(struct vm *vm, struct text *text);

/* Lists. */
struct list *list_new(struct vm *vm, uint32_t capacity);
void list_push(struct vm *vm, struct list *list, value v);
void list_set(struct vm *vm, struct list *list, uint32_t at, value v);
void list_resize(struct vm *vm, struct list *list, uint32_t length); /* new elements are nil */
struct list *list_slice(struct vm *vm, const struct list *list, uint32_t from, uint32_t to);
void list_grow(struct vm *vm, struct list *list, uint32_t capacity);
/* Before any other change to the items: the copy for the timelines, and the collector's barrier. */
void object_touch(struct vm *vm, struct object *object);

static inline struct list *as_list(value v)
{
	return (struct list *)as_object(v);
}

/* Maps. A key is a string, a number, a duration, a bool or nil; map_key_ok() says so. */
struct map *map_new(struct vm *vm, uint32_t capacity);
bool map_key_ok(value key);
value map_get(struct vm *vm, const struct map *map, value key); /* V_EMPTY if absent */
void map_set(struct vm *vm, struct map *map, value key, value item);
bool map_remove(struct vm *vm, struct map *map, value key);
void map_clear(struct vm *vm, struct map *map);
static inline value map_get_text(struct vm *vm, const struct map *map, const char *key)
{
	return map_get(vm, map, from_object(string_of(vm, key)));
}
static inline void map_set_text(struct vm *vm, struct map *map, const char *key, value item)
{
	map_set(vm, map, from_object(string_of(vm, key)), item);
}

static inline struct map *as_map(value v)
{
	return (struct map *)as_object(v);
}

/* The others. */
struct instance *instance_new(struct vm *vm, struct shape *shape); /* fields nil */
void instance_set(struct vm *vm, struct instance *instance, uint32_t at, value v);
int shape_field(const struct shape *shape, const struct string *name); /* interned name; -1 if none */
struct cell *cell_new(struct vm *vm, value v);
void cell_set(struct vm *vm, struct cell *cell, value v);
struct function *function_new(struct vm *vm, struct proto *proto, uint32_t captured);
struct duration *duration_new(struct vm *vm, int64_t nanoseconds, struct string *original);
struct dist *dist_new(struct vm *vm, uint32_t count);
struct flux_error *error_new(struct vm *vm, const char *kind, struct string *message);
struct handle *handle_new(struct vm *vm, unsigned kind);
value from_int64(struct vm *vm, int64_t i);

/* True and the number for an integer of either form. */
static inline bool to_int64(value v, int64_t *out)
{
	if (is_int(v)) {
		*out = as_small_int(v);
		return true;
	}
	if (is_type(v, T_BIG_INT)) {
		*out = ((struct big_int *)as_object(v))->number;
		return true;
	}
	return false;
}

static inline bool is_integer(value v)
{
	return is_int(v) || is_type(v, T_BIG_INT);
}

static inline bool is_number(value v)
{
	return is_double(v) || is_integer(v);
}

/* True and the number for any number. */
static inline bool to_double(value v, double *out)
{
	int64_t i;
	if (is_double(v)) {
		*out = as_double(v);
		return true;
	}
	if (to_int64(v, &i)) {
		*out = (double)i;
		return true;
	}
	return false;
}

/* Generic operations on values. */
bool value_truthy(value v);
bool value_equal(struct vm *vm, value a, value b);
uint32_t value_hash(struct vm *vm, value v);
const char *value_type_name(value v);
struct string *value_to_string(struct vm *vm, value v); /* as print shows it */
struct string *value_to_sent(struct vm *vm, value v);   /* as send shows it, and Flux 1.2 did */
struct string *value_inspect(struct vm *vm, value v);   /* with quotes, floats in full */
void duration_format(int64_t nanoseconds, char *buffer, size_t size);
bool duration_parse(const char *text, size_t length, int64_t *nanoseconds);
size_t number_format(double d, char *buffer, size_t size);       /* six digits, as Flux 1.2 prints */
size_t number_format_exact(double d, char *buffer, size_t size); /* shortest that reads back equal */

#endif
