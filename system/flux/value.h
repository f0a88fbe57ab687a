/*
 * A Flux value in 64 bits (NaN boxing), and the header that every heap object begins with.
 *
 * A float is its own IEEE 754 bits. All bit patterns from 0xFFF9 << 48 upwards are NaNs that no arithmetic
 * makes (the processor's own NaN is 0xFFF8 << 48), and the top 16 bits of those are a tag: an integer of 48
 * bits, a pointer, or one of the small constants. An integer that needs more than 48 bits lives on the heap
 * (struct big_int), so every integer has exactly one form: equal integers have equal bits or both are boxes.
 */
#ifndef FLUX_VALUE_H
#define FLUX_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t value;

#define TAG_SHIFT     48
#define FIRST_TAGGED  0xFFF9000000000000u
#define BITS_OBJECT   0xFFFC000000000000u
#define BITS_SPECIAL  0xFFFD000000000000u
#define BITS_INT      0xFFFF000000000000u
#define PAYLOAD_MASK  0x0000FFFFFFFFFFFFu
#define SMALL_INT_MAX ((INT64_C(1) << 47) - 1)
#define SMALL_INT_MIN (-(INT64_C(1) << 47))

#define V_NIL   (BITS_SPECIAL | 0)
#define V_FALSE (BITS_SPECIAL | 2)
#define V_TRUE  (BITS_SPECIAL | 3)
#define V_EMPTY (BITS_SPECIAL | 4) /* a hole in a map; never seen by a program */
#define V_RAISE (BITS_SPECIAL | 5) /* what a native returns after vm_raise(); never stored */

enum object_type {
	T_FREE, /* a free cell of a block */
	T_STRING,
	T_LIST,
	T_MAP,
	T_STRUCT,
	T_FUNCTION, /* a closure over a compiled function */
	T_NATIVE,   /* a built-in function as a value */
	T_CELL,     /* a captured variable that is assigned to */
	T_BIG_INT,
	T_DURATION,
	T_DIST,
	T_ERROR,
	T_SHAPE, /* what a struct declaration makes */
	T_MOSAIC,
	T_CURSOR, /* a mosaic with an accepted key */
	T_TASK,
	T_HANDLE, /* a capability: a file tree, a clock, processes, sockets ... */
	T_ITERATOR,
	T_STATE, /* the module-level state variables of a program */
	T_MODULE,
	T_BANDIT,
	T_VOID, /* causal_void */
	T_TYPES,
};

/* mark: 0 young; 1 or 2 old, in the colour of a major cycle (gc.c). stamp: the timeline that owns the
 * contents. */
struct object {
	uint8_t type;
	uint8_t mark;
	uint8_t flags;
	uint8_t kind;
	uint32_t stamp;
};

#define OBJECT_REMEMBERED 1 /* stands in the remembered set */
#define OBJECT_LARGE      2 /* allocated on its own, not in a block */
#define OBJECT_FROZEN     4 /* a constant list or map: writing raises */
#define OBJECT_PIECES     8 /* the collector has looked at a part of it */

static inline bool is_double(value v)
{
	return v < FIRST_TAGGED;
}

static inline bool is_int(value v)
{
	return v >= BITS_INT;
}

static inline bool both_int(value a, value b)
{
	return (a & b) >= BITS_INT;
}

static inline bool is_object(value v)
{
	return v >> TAG_SHIFT == BITS_OBJECT >> TAG_SHIFT;
}

static inline bool is_bool(value v)
{
	return (v | 1) == V_TRUE;
}

static inline struct object *as_object(value v)
{
	return (struct object *)(uintptr_t)(v & PAYLOAD_MASK);
}

static inline bool is_type(value v, enum object_type type)
{
	return is_object(v) && as_object(v)->type == type;
}

static inline value from_object(const void *object)
{
	return BITS_OBJECT | (uint64_t)(uintptr_t)object;
}

static inline value from_bool(bool b)
{
	return V_FALSE | (uint64_t)b;
}

static inline double as_double(value v)
{
	double d;
	memcpy(&d, &v, sizeof(d));
	return d;
}

/* Any NaN is stored as the one NaN, so that no payload can look like a tag. */
static inline value from_double(double d)
{
	value v;
	memcpy(&v, &d, sizeof(v));
	return d != d ? 0x7FF8000000000000u : v;
}

static inline int64_t as_small_int(value v)
{
	return (int64_t)(v << 16) >> 16;
}

static inline bool fits_small_int(int64_t i)
{
	return i >= SMALL_INT_MIN && i <= SMALL_INT_MAX;
}

/* Only for integers that fit_small_int(); from_int64() of object.h takes any. */
static inline value from_small_int(int64_t i)
{
	return BITS_INT | ((uint64_t)i & PAYLOAD_MASK);
}

#endif
