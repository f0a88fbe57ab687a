/*
 * Strings: UTF-8 bytes that never change. Joining makes a rope, so that building a text piece by piece is
 * linear; the rope is written out once, when somebody reads its bytes. Names in programs are interned: equal
 * means identical.
 */
#include "object.h"
#include "program.h"
#include "vm.h"

#include <stdarg.h>
#include <stdlib.h>

#define ROPE_LEAST 48 /* shorter results are copied at once */

struct string *string_reserve(struct vm *vm, size_t length)
{
	if (length > STRING_MAX)
		vm_out_of_memory(vm);
	struct string *s;
	if (length < MAX_CELL - 32) {
		s = heap_allocate(vm, T_STRING, sizeof(*s) - 8 + (length < 8 ? 8 : length + 1));
		s->object.kind = STRING_INLINE;
		STRING_INLINE_BYTES(s)[length] = 0;
	} else {
		heap_account(vm, (ptrdiff_t)length + 1);
		char *bytes = malloc(length + 1);
		if (!bytes)
			vm_out_of_memory(vm);
		bytes[length] = 0;
		s = heap_allocate(vm, T_STRING, sizeof(*s));
		s->object.kind = STRING_HEAP;
		s->heap_bytes = bytes;
	}
	s->length = (uint32_t)length;
	s->hash = 0;
	return s;
}

static char *writable(struct string *s)
{
	return s->object.kind == STRING_INLINE ? STRING_INLINE_BYTES(s) : s->heap_bytes;
}

struct string *string_new(struct vm *vm, const char *bytes, size_t length)
{
	if (!length && vm->empty_string)
		return vm->empty_string;
	if (length == 1 && (unsigned char)bytes[0] < 128) {
		struct string **single = &vm->single[(unsigned char)bytes[0]];
		if (!*single)
			*single = string_intern(vm, bytes, 1);
		return *single;
	}
	struct string *s = string_reserve(vm, length);
	if (length)
		memcpy(writable(s), bytes, length);
	return s;
}

struct string *string_of(struct vm *vm, const char *text)
{
	return string_intern(vm, text, strlen(text));
}

struct string *string_format(struct vm *vm, const char *format, ...)
{
	char buffer[512];
	va_list args;
	va_start(args, format);
	int length = vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	if (length < 0)
		length = 0;
	return string_new(vm, buffer, (size_t)length < sizeof(buffer) ? (size_t)length : sizeof(buffer) - 1);
}

struct string *string_concat(struct vm *vm, struct string *a, struct string *b)
{
	if (!a->length)
		return b;
	if (!b->length)
		return a;
	size_t length = (size_t)a->length + b->length;
	if (length > STRING_MAX)
		vm_out_of_memory(vm);
	if (length < ROPE_LEAST) {
		struct string *s = string_reserve(vm, length);
		char *to = writable(s);
		memcpy(to, string_bytes(vm, a), a->length);
		memcpy(to + a->length, string_bytes(vm, b), b->length);
		return s;
	}
	/* A short piece joins the rope's last piece, if that stays short: builders of single characters stay
	 * small. */
	if (a->object.kind == STRING_ROPE && a->rope.right->object.kind == STRING_INLINE &&
	    a->rope.right->length + b->length < 256 && b->object.kind == STRING_INLINE) {
		struct string *last = string_reserve(vm, (size_t)a->rope.right->length + b->length);
		memcpy(STRING_INLINE_BYTES(last), STRING_INLINE_BYTES(a->rope.right), a->rope.right->length);
		memcpy(STRING_INLINE_BYTES(last) + a->rope.right->length, STRING_INLINE_BYTES(b), b->length);
		b = last;
		a = a->rope.left;
	}
	struct string *s = heap_allocate(vm, T_STRING, sizeof(*s));
	s->object.kind = STRING_ROPE;
	s->length = (uint32_t)length;
	s->hash = 0;
	s->rope.left = a;
	s->rope.right = b;
	return s;
}

/* Writes a rope out, from the right end to the left: ropes grow on the left side, so the stack stays short.
 */
const char *string_flatten(struct vm *vm, struct string *s)
{
	heap_account(vm, (ptrdiff_t)s->length + 1);
	char *bytes = malloc(s->length + 1u);
	if (!bytes)
		vm_out_of_memory(vm);
	size_t at = s->length, depth = 0, capacity = 64;
	struct string **stack = malloc(capacity * sizeof(struct string *));
	if (!stack) {
		free(bytes);
		vm_out_of_memory(vm);
	}
	bytes[at] = 0;
	stack[depth++] = s;
	while (depth) {
		struct string *part = stack[--depth];
		while (part->object.kind == STRING_ROPE) {
			if (depth == capacity) {
				struct string **more =
				    realloc(stack, (capacity *= 2) * sizeof(struct string *));
				if (!more) {
					free(stack);
					free(bytes);
					vm_out_of_memory(vm);
				}
				stack = more;
			}
			stack[depth++] = part->rope.left;
			part = part->rope.right;
		}
		at -= part->length;
		memcpy(bytes + at,
		       part->object.kind == STRING_INLINE ? STRING_INLINE_BYTES(part) : part->heap_bytes,
		       part->length);
	}
	free(stack);
	s->object.kind = STRING_HEAP;
	s->heap_bytes = bytes;
	return bytes;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__uint128_t product = (__uint128_t)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint32_t hash_bytes(const char *bytes, size_t length, uint64_t seed)
{
	uint64_t h = seed ^ (length * 0x9E3779B97F4A7C15u), word = 0;
	while (length >= 8) {
		memcpy(&word, bytes, 8);
		h = mix(h ^ word, 0xD6E8FEB86659FD93u);
		bytes += 8;
		length -= 8;
	}
	word = 0;
	memcpy(&word, bytes, length);
	h = mix(h ^ word, 0xA0761D6478BD642Fu);
	return (uint32_t)(h ^ h >> 32) | 1; /* 0 means "not computed" */
}

uint32_t string_hash(struct vm *vm, struct string *s)
{
	if (!s->hash)
		s->hash = hash_bytes(string_bytes(vm, s), s->length, vm->hash_seed);
	return s->hash;
}

bool string_equal(struct vm *vm, struct string *a, struct string *b)
{
	if (a == b)
		return true;
	if (a->length != b->length || (a->hash && b->hash && a->hash != b->hash))
		return false;
	return !memcmp(string_bytes(vm, a), string_bytes(vm, b), a->length);
}

int string_compare(struct vm *vm, struct string *a, struct string *b)
{
	uint32_t least = a->length < b->length ? a->length : b->length;
	int order = memcmp(string_bytes(vm, a), string_bytes(vm, b), least);
	if (!order)
		return a->length < b->length ? -1 : a->length > b->length;
	return order < 0 ? -1 : 1;
}

/* ---- interning ---- */
static void interned_grow(struct vm *vm)
{
	uint32_t old = vm->interned_capacity, size = old ? old * 2 : 512;
	struct string **table = calloc(size, sizeof(struct string *));
	if (!table)
		vm_out_of_memory(vm);
	for (uint32_t i = 0; i < old; i++) {
		struct string *s = vm->interned[i];
		if (!s)
			continue;
		uint32_t at = s->hash & (size - 1);
		while (table[at])
			at = (at + 1) & (size - 1);
		table[at] = s;
	}
	free(vm->interned);
	vm->interned = table;
	vm->interned_capacity = size;
	vm->heap.interned_at = 0;
}

/* Where a text stands in the table, or the empty place where it belongs. */
static uint32_t interned_place(struct vm *vm, const char *bytes, size_t length, uint32_t hash)
{
	uint32_t mask = vm->interned_capacity - 1, at = hash & mask;
	for (; vm->interned[at]; at = (at + 1) & mask) {
		struct string *s = vm->interned[at];
		if (s->hash == hash && s->length == length && !memcmp(string_bytes(vm, s), bytes, length))
			break;
	}
	return at;
}

struct string *string_intern(struct vm *vm, const char *bytes, size_t length)
{
	if ((vm->interned_count + 1) * 2 > vm->interned_capacity)
		interned_grow(vm);
	uint32_t hash = hash_bytes(bytes, length, vm->hash_seed);
	uint32_t at = interned_place(vm, bytes, length, hash);
	if (vm->interned[at])
		return vm->interned[at];
	struct string *s = string_reserve(vm, length);
	memcpy(writable(s), bytes, length);
	s->hash = hash;
	s->object.mark = vm->heap.colour; /* old at once */
	vm->interned[at] = s;
	vm->interned_count++;
	return s;
}

struct string *string_interned(struct vm *vm, struct string *s)
{
	return vm->interned[interned_place(vm, string_bytes(vm, s), s->length, string_hash(vm, s))];
}

bool interned_mark(struct vm *vm)
{
	uint32_t *at = &vm->heap.interned_at, end = vm->interned_capacity;
	if (end > *at + LARGE_ARRAY)
		end = *at + LARGE_ARRAY;
	vm->heap.work -= end - *at;
	for (; *at < end; ++*at)
		if (vm->interned[*at])
			gc_mark_object(vm, vm->interned[*at]);
	return *at >= vm->interned_capacity && !vm->heap.greys.count;
}

/* ---- texts that become strings ---- */
struct text text_begin(const struct vm *vm)
{
	size_t used = vm->heap.live + vm->heap.young,
	       room = vm->heap.limit > used ? vm->heap.limit - used : 1;
	return (struct text){.most = room < STRING_MAX ? room : STRING_MAX};
}

value text_end(struct vm *vm, struct text *text)
{
	struct string *s = text->over ? NULL : string_new(vm, text->bytes ? text->bytes : "", text->length);
	free(text->bytes);
	return s ? from_object(s) : vm_raise(vm, "memory", "the memory limit is reached");
}
