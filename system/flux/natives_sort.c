/* Sorting lists: a stable merge sort; numbers of one kind are sorted without calls. */
#include "natives_list.h"

#include <stdlib.h>

struct sorting {
	struct vm *vm;
	value before; /* a function (a, b) -> bool, or nil */
	value key;    /* a function (a) -> key, or nil */
	bool failed;
};

/* Whether b must come before a. */
static bool out_of_order(struct sorting *s, value a, value b)
{
	if (s->failed)
		return false;
	if (s->before != V_NIL) {
		value pair[2] = {b, a};
		value v = vm_call(s->vm, s->before, pair, 2);
		if (v == V_RAISE)
			s->failed = true;
		return v != V_RAISE && value_truthy(v);
	}
	if (both_int(a, b))
		return (int64_t)(b << 16) < (int64_t)(a << 16);
	int order = op_compare(s->vm, b, a, "<");
	if (order == -2)
		s->failed = true;
	return order == -1;
}

/* Sorts pairs of (sort key, item) when there is a key function: stride 2. */
static void merge_sort(struct sorting *s, value *items, value *spare, size_t count, size_t stride)
{
	for (size_t width = 1; width < count && !s->failed; width *= 2) {
		for (size_t from = 0; from < count; from += 2 * width) {
			size_t middle = from + width < count ? from + width : count;
			size_t end = middle + width < count ? middle + width : count;
			size_t a = from, b = middle, to = from;
			while (a < middle && b < end) {
				bool second = out_of_order(s, items[a * stride], items[b * stride]);
				size_t pick = second ? b++ : a++;
				memcpy(spare + to++ * stride, items + pick * stride, stride * sizeof(value));
			}
			memcpy(spare + to * stride, items + a * stride,
			       (middle - a) * stride * sizeof(value));
			to += middle - a;
			memcpy(spare + to * stride, items + b * stride, (end - b) * stride * sizeof(value));
		}
		memcpy(items, spare, count * stride * sizeof(value));
	}
}

static int by_int(const void *a, const void *b)
{
	int64_t x = as_small_int(*(const value *)a), y = as_small_int(*(const value *)b);
	return x < y ? -1 : x > y;
}

static int by_double(const void *a, const void *b)
{
	double x = as_double(*(const value *)a), y = as_double(*(const value *)b);
	return x < y ? -1 : x > y;
}

/* Least-significant-digit radix sort, for many small integers. */
static void radix_sort(value *items, value *spare, size_t count)
{
	for (unsigned shift = 0; shift < 48; shift += 12) {
		size_t counts[4096] = {0}, total = 0;
		value all_or = 0, all_and = ~(value)0;
		for (size_t i = 0; i < count; i++) {
			all_or |= items[i] >> shift & 4095;
			all_and &= items[i] >> shift & 4095;
		}
		if (all_or == all_and && !(shift == 36 && all_or & 2048))
			continue;                       /* all have the same digit */
		uint64_t flip = shift == 36 ? 2048 : 0; /* the sign bit */
		for (size_t i = 0; i < count; i++)
			counts[(items[i] >> shift & 4095) ^ flip]++;
		for (size_t d = 0; d < 4096; d++) {
			size_t n = counts[d];
			counts[d] = total;
			total += n;
		}
		for (size_t i = 0; i < count; i++)
			spare[counts[(items[i] >> shift & 4095) ^ flip]++] = items[i];
		memcpy(items, spare, count * sizeof(value));
	}
}

static value sort_list(struct vm *vm, struct list *list, value before, value key)
{
	struct sorting s = {.vm = vm, .before = before, .key = key};
	size_t count = list->length, stride = key == V_NIL ? 1 : 2;
	if (count < 2)
		return from_object(list);
	bool ints = before == V_NIL && key == V_NIL, doubles = ints;
	for (size_t i = 0; i < count; i++) {
		ints &= is_int(list->items[i]);
		doubles &=
		    is_double(list->items[i]) && as_double(list->items[i]) == as_double(list->items[i]);
	}
	vm_touch(vm, &list->object);
	if (doubles || (ints && count < 200)) {
		qsort(list->items, count, sizeof(value), ints ? by_int : by_double);
		return from_object(list);
	}
	/* Elements move about in memory of a list that looks empty; what keeps them alive is another list, which stays. */
	struct list *work = list_new(vm, (uint32_t)(2 * count * stride));
	value *items = work->items, *spare = items + count * stride;
	if (ints) {
		radix_sort(list->items, spare, count);
		return from_object(list);
	}
	struct list *held = list_slice(vm, list, 0, (uint32_t)count);
	vm_root_push(vm, from_object(work));
	vm_root_push(vm, from_object(list));
	vm_root_push(vm, from_object(held));
	for (size_t i = 0; i < count; i++) {
		value item = held->items[i];
		if (stride == 1) {
			items[i] = item;
			continue;
		}
		value k = vm_call(vm, key, &item, 1);
		if (k == V_RAISE) {
			vm_root_pop(vm, 3);
			return V_RAISE;
		}
		list_push(vm, held, k);
		items[2 * i] = k;
		items[2 * i + 1] = item;
	}
	merge_sort(&s, items, spare, count, stride);
	vm_root_pop(vm, 3);
	if (s.failed)
		return V_RAISE;
	if (list->length != count)
		return vm_raise(vm, "index", "the list changed while it was sorted");
	for (size_t i = 0; i < count; i++)
		list->items[i] = items[i * stride + (stride - 1)];
	gc_bulk(vm, &list->object);
	return from_object(list);
}

NATIVE(list_sort)
{
	ARG_LIST(0);
	FROZEN(0);
	return sort_list(vm, as_list(args[0]), count > 1 ? args[1] : V_NIL, V_NIL);
}

NATIVE(list_sorted)
{
	ARG_LIST(0);
	struct list *list = list_slice(vm, as_list(args[0]), 0, as_list(args[0])->length);
	return sort_list(vm, list, count > 1 ? args[1] : V_NIL, V_NIL);
}

NATIVE(list_sort_by)
{
	(void)count;
	ARG_LIST(0);
	return sort_list(vm, list_slice(vm, as_list(args[0]), 0, as_list(args[0])->length), V_NIL, args[1]);
}

const struct native_entry sort_natives[] = {
    {"sort", list_sort, 1, 2, 0, "sort(list, before)",
     "Sorts the list itself, stably; before(a, b) says the order."},
    {"sorted", list_sorted, 1, 2, 0, "sorted(list, before)", "A new list, sorted."},
    {"sort_by", list_sort_by, 2, 2, 0, "sort_by(list, key)", "A new list, sorted by key(element)."},
    {0},
};
