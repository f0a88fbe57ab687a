/*
 * What operators do when the operands are not two small integers or two floats: numbers of other forms,
 * durations, strings, indexing, fields, slices, iteration, methods and type checks. The interpreter and the
 * tree walker share it.
 */
#include "runtime.h"

#include <math.h>
#include <stdlib.h>

/* ---- arithmetic ---- */
static const char *op_symbol(enum opcode op)
{
	switch (op) {
	case OP_ADD:
		return "+";
	case OP_SUB:
		return "-";
	case OP_MUL:
		return "*";
	case OP_DIV:
		return "/";
	case OP_MOD:
		return "%";
	case OP_IDIV:
		return "~/";
	case OP_POW:
		return "**";
	case OP_BAND:
		return "&";
	case OP_BOR:
		return "|";
	case OP_BXOR:
		return "^";
	case OP_SHL:
		return "<<";
	default:
		return ">>";
	}
}

static value integer_arith(struct vm *vm, enum opcode op, int64_t a, int64_t b)
{
	int64_t r;
	switch (op) {
	case OP_ADD:
		if (!__builtin_add_overflow(a, b, &r))
			return from_int64(vm, r);
		return from_double((double)a + (double)b);
	case OP_SUB:
		if (!__builtin_sub_overflow(a, b, &r))
			return from_int64(vm, r);
		return from_double((double)a - (double)b);
	case OP_MUL:
		if (!__builtin_mul_overflow(a, b, &r))
			return from_int64(vm, r);
		return from_double((double)a * (double)b);
	case OP_DIV:
		if (!b)
			return vm_raise(vm, "arithmetic", "division by zero");
		return from_double((double)a / (double)b);
	case OP_MOD:
		if (!b)
			return vm_raise(vm, "arithmetic", "modulo by zero");
		if (b == -1)
			return from_small_int(0);
		r = a % b;
		if (r && (r ^ b) < 0)
			r += b;
		return from_int64(vm, r);
	case OP_IDIV:
		if (!b)
			return vm_raise(vm, "arithmetic", "division by zero");
		if (b == -1)
			return a == INT64_MIN ? from_double(-(double)a) : from_int64(vm, -a);
		r = a / b;
		if (a % b && (a ^ b) < 0)
			r--;
		return from_int64(vm, r);
	case OP_POW: {
		if (b < 0)
			return from_double(pow((double)a, (double)b));
		int64_t base = a, result = 1, n = b;
		while (n) {
			if (n & 1 && __builtin_mul_overflow(result, base, &result))
				return from_double(pow((double)a, (double)b));
			n >>= 1;
			if (n && __builtin_mul_overflow(base, base, &base))
				return from_double(pow((double)a, (double)b));
		}
		return from_int64(vm, result);
	}
	case OP_BAND:
		return from_int64(vm, a & b);
	case OP_BOR:
		return from_int64(vm, a | b);
	case OP_BXOR:
		return from_int64(vm, a ^ b);
	case OP_SHL:
	case OP_SHR:
		if (b < 0 || b > 63)
			return vm_raise(vm, "arithmetic", "a shift by %lld bits; 0 to 63 are possible",
			                (long long)b);
		return from_int64(vm, op == OP_SHL ? (int64_t)((uint64_t)a << b) : a >> b);
	default:
		return V_NIL;
	}
}

static value float_arith(struct vm *vm, enum opcode op, double a, double b)
{
	double r;
	switch (op) {
	case OP_ADD:
		return from_double(a + b);
	case OP_SUB:
		return from_double(a - b);
	case OP_MUL:
		return from_double(a * b);
	case OP_DIV:
		if (b == 0)
			return vm_raise(vm, "arithmetic", "division by zero");
		return from_double(a / b);
	case OP_MOD:
		if (b == 0)
			return vm_raise(vm, "arithmetic", "modulo by zero");
		r = fmod(a, b);
		if (r != 0 && (r < 0) != (b < 0))
			r += b;
		return from_double(r);
	case OP_IDIV:
		if (b == 0)
			return vm_raise(vm, "arithmetic", "division by zero");
		return from_double(floor(a / b));
	case OP_POW:
		return from_double(pow(a, b));
	default:
		return vm_raise(vm, "type", "%s needs integers", op_symbol(op));
	}
}

static value duration_arith(struct vm *vm, enum opcode op, value a, value b)
{
	bool left = is_type(a, T_DURATION), right = is_type(b, T_DURATION);
	int64_t x = left ? ((struct duration *)as_object(a))->nanoseconds : 0;
	int64_t y = right ? ((struct duration *)as_object(b))->nanoseconds : 0, r;
	double factor;
	if (left && right && (op == OP_ADD || op == OP_SUB)) {
		if (op == OP_ADD ? __builtin_add_overflow(x, y, &r) : __builtin_sub_overflow(x, y, &r))
			return vm_raise(vm, "arithmetic", "a duration over 292 years");
		return from_object(duration_new(vm, r, NULL));
	}
	if (left && right && op == OP_DIV) {
		if (!y)
			return vm_raise(vm, "arithmetic", "division by zero");
		return from_double((double)x / (double)y);
	}
	if ((left && to_double(b, &factor) && (op == OP_MUL || op == OP_DIV)) ||
	    (right && to_double(a, &factor) && op == OP_MUL)) {
		if (op == OP_DIV && factor == 0)
			return vm_raise(vm, "arithmetic", "division by zero");
		int64_t whole;
		value other = left ? b : a;
		if (op == OP_MUL && to_int64(other, &whole)) {
			if (__builtin_mul_overflow(left ? x : y, whole, &r))
				return vm_raise(vm, "arithmetic", "a duration over 292 years");
			return from_object(duration_new(vm, r, NULL));
		}
		double d = op == OP_MUL ? (double)(left ? x : y) * factor : (double)x / factor;
		if (!(fabs(d) < 9.2e18))
			return vm_raise(vm, "arithmetic", "a duration over 292 years");
		return from_object(duration_new(vm, (int64_t)d, NULL));
	}
	return vm_raise(vm, "type", "%s %s %s is not defined", value_type_name(a), op_symbol(op),
	                value_type_name(b));
}

value op_arith(struct vm *vm, enum opcode op, value a, value b)
{
	int64_t i, j;
	double x, y;
	if (a == V_TRUE || a == V_FALSE)
		a = from_small_int(a == V_TRUE);
	if (b == V_TRUE || b == V_FALSE)
		b = from_small_int(b == V_TRUE);
	if (to_int64(a, &i) && to_int64(b, &j))
		return integer_arith(vm, op, i, j);
	if (to_double(a, &x) && to_double(b, &y)) {
		int64_t m, n;
		/* Bits of floats that are whole numbers: what 1.2 programs have. */
		if (op >= OP_BAND && op <= OP_SHR && to_whole(a, &m) && to_whole(b, &n))
			return integer_arith(vm, op, m, n);
		return float_arith(vm, op, x, y);
	}
	if (is_type(a, T_DURATION) || is_type(b, T_DURATION))
		return duration_arith(vm, op, a, b);
	if (op == OP_ADD && is_string(a) && is_string(b))
		return from_object(string_concat(vm, as_string(a), as_string(b)));
	if (op == OP_ADD && is_type(a, T_LIST) && is_type(b, T_LIST))
		return op_concat(vm, a, b);
	return vm_raise(vm, "type", "%s %s %s is not defined", value_type_name(a), op_symbol(op),
	                value_type_name(b));
}

value op_negate(struct vm *vm, value a)
{
	int64_t i;
	if (is_double(a))
		return from_double(-as_double(a));
	if (to_int64(a, &i))
		return i == INT64_MIN ? from_double(-(double)i) : from_int64(vm, -i);
	if (is_type(a, T_DURATION)) {
		int64_t ns = ((struct duration *)as_object(a))->nanoseconds;
		return from_object(duration_new(vm, ns == INT64_MIN ? INT64_MAX : -ns, NULL));
	}
	return vm_raise(vm, "type", "- needs a number or a duration, not %s", value_type_name(a));
}

value op_concat(struct vm *vm, value a, value b)
{
	if (is_string(a) && is_string(b))
		return from_object(string_concat(vm, as_string(a), as_string(b)));
	if (is_type(a, T_LIST) && is_type(b, T_LIST)) {
		struct list *l = as_list(a), *m = as_list(b);
		if ((uint64_t)l->length + m->length > LIST_MAX)
			return vm_raise(vm, "memory", "a list of over %u elements", LIST_MAX);
		struct list *both = list_new(vm, l->length + m->length);
		if (l->length)
			memcpy(both->items, l->items, l->length * sizeof(value));
		if (m->length)
			memcpy(both->items + l->length, m->items, m->length * sizeof(value));
		both->length = l->length + m->length;
		return from_object(both);
	}
	return from_object(string_concat(vm, value_to_string(vm, a), value_to_string(vm, b)));
}

static int order_lists(struct vm *vm, const struct list *l, const struct list *m, const char *symbol,
                       unsigned depth);

static int order_values(struct vm *vm, value a, value b, const char *symbol, unsigned depth)
{
	int64_t i, j;
	double x, y;
	if (to_int64(a, &i) && to_int64(b, &j))
		return i < j ? -1 : i > j;
	if (to_double(a, &x) && to_double(b, &y))
		return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
	if (is_string(a) && is_string(b))
		return string_compare(vm, as_string(a), as_string(b));
	if (is_type(a, T_DURATION) && is_type(b, T_DURATION)) {
		i = ((struct duration *)as_object(a))->nanoseconds;
		j = ((struct duration *)as_object(b))->nanoseconds;
		return i < j ? -1 : i > j;
	}
	if (is_bool(a) && is_bool(b))
		return a < b ? -1 : a > b;
	if (is_type(a, T_LIST) && is_type(b, T_LIST) && depth < 100)
		return order_lists(vm, as_list(a), as_list(b), symbol, depth + 1);
	vm_raise(vm, "type", "cannot compare %s %s %s", value_type_name(a), symbol, value_type_name(b));
	return -2;
}

static int order_lists(struct vm *vm, const struct list *l, const struct list *m, const char *symbol,
                       unsigned depth)
{
	for (uint32_t i = 0; i < l->length && i < m->length; i++) {
		int order = order_values(vm, l->items[i], m->items[i], symbol, depth);
		if (order)
			return order;
	}
	return l->length < m->length ? -1 : l->length > m->length;
}

int op_compare(struct vm *vm, value a, value b, const char *symbol)
{
	return order_values(vm, a, b, symbol, 0);
}

/* ---- indexing ---- */
/* The place of element n (negative: from the end) among `length`; false if there is none. */
static bool place_of(int64_t n, uint32_t length, uint32_t *out)
{
	if (n < 0)
		n += length;
	if (n < 0 || n >= length)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool is_ascii(const char *bytes, size_t length)
{
	size_t i = 0;
	for (; i + 8 <= length; i += 8) {
		uint64_t word;
		memcpy(&word, bytes + i, 8);
		if (word & 0x8080808080808080u)
			return false;
	}
	for (; i < length; i++)
		if ((unsigned char)bytes[i] & 0x80)
			return false;
	return true;
}

uint32_t utf8_count(const char *bytes, size_t length)
{
	uint32_t count = 0;
	for (size_t i = 0; i < length; i++)
		count += ((unsigned char)bytes[i] & 0xC0) != 0x80;
	return count;
}

/* The offset at which character number `characters` begins. */
size_t utf8_offset(const char *bytes, size_t length, size_t characters)
{
	size_t i = 0;
	while (i < length && characters--) {
		i++;
		while (i < length && ((unsigned char)bytes[i] & 0xC0) == 0x80)
			i++;
	}
	return i;
}

static value string_at(struct vm *vm, struct string *s, int64_t n)
{
	const char *bytes = string_bytes(vm, s);
	uint32_t place;
	if (is_ascii(bytes, s->length)) {
		if (!place_of(n, s->length, &place))
			return vm_raise(vm, "index", "character %lld of a string of %u", (long long)n,
			                s->length);
		return from_object(string_new(vm, bytes + place, 1));
	}
	uint32_t count = utf8_count(bytes, s->length);
	if (!place_of(n, count, &place))
		return vm_raise(vm, "index", "character %lld of a string of %u", (long long)n, count);
	size_t from = utf8_offset(bytes, s->length, place),
	       to = from + utf8_offset(bytes + from, s->length - from, 1);
	return from_object(string_new(vm, bytes + from, to - from));
}

value op_get_index(struct vm *vm, value object, value at)
{
	int64_t n;
	uint32_t place;
	if (is_type(object, T_LIST)) {
		if (!to_whole(at, &n))
			return vm_raise(vm, "index", "a list is indexed by a whole number, not %s",
			                value_type_name(at));
		if (!place_of(n, as_list(object)->length, &place))
			return vm_raise(vm, "index", "element %lld of a list of %u", (long long)n,
			                as_list(object)->length);
		return as_list(object)->items[place];
	}
	if (is_type(object, T_MAP)) {
		if (!map_key_ok(at))
			return vm_raise(vm, "index", "%s cannot be a key of a map", value_type_name(at));
		value v = map_get(vm, as_map(object), at);
		return v == V_EMPTY ? V_NIL : v;
	}
	if (is_string(object)) {
		if (!to_whole(at, &n))
			return vm_raise(vm, "index", "a string is indexed by a whole number, not %s",
			                value_type_name(at));
		return string_at(vm, as_string(object), n);
	}
	if (is_type(object, T_STRUCT) && is_string(at)) {
		struct string *name = string_interned(vm, as_string(at)); /* no field has one that is not */
		return op_get_field(vm, object, name ? name : as_string(at));
	}
	return vm_raise(vm, "index", "%s cannot be indexed", value_type_name(object));
}

bool op_set_index(struct vm *vm, value object, value at, value v)
{
	int64_t n;
	uint32_t place;
	if (is_object(object) && as_object(object)->flags & OBJECT_FROZEN) {
		vm_raise(vm, "index", "this %s is a constant", value_type_name(object));
		return false;
	}
	if (is_type(object, T_LIST)) {
		if (to_whole(at, &n) && place_of(n, as_list(object)->length, &place)) {
			list_set(vm, as_list(object), place, v);
			return true;
		}
		if (to_whole(at, &n))
			vm_raise(vm, "index", "element %lld of a list of %u", (long long)n,
			         as_list(object)->length);
		else
			vm_raise(vm, "index", "a list is indexed by a whole number, not %s",
			         value_type_name(at));
		return false;
	}
	if (is_type(object, T_MAP)) {
		if (!map_key_ok(at)) {
			vm_raise(vm, "index", "%s cannot be a key of a map", value_type_name(at));
			return false;
		}
		map_set(vm, as_map(object), at, v);
		return true;
	}
	if (is_type(object, T_STRUCT) && is_string(at)) {
		struct string *name = string_interned(vm, as_string(at));
		return op_set_field(vm, object, name ? name : as_string(at), v);
	}
	vm_raise(vm, "index", "elements of %s cannot be set", value_type_name(object));
	return false;
}

value op_slice(struct vm *vm, value object, value from, value to)
{
	uint32_t length;
	int64_t ends[2];
	const char *bytes = NULL;
	bool ascii = true;
	if (is_type(object, T_LIST)) {
		length = as_list(object)->length;
	} else if (is_string(object)) {
		bytes = string_bytes(vm, as_string(object));
		ascii = is_ascii(bytes, as_string(object)->length);
		length = ascii ? as_string(object)->length : utf8_count(bytes, as_string(object)->length);
	} else {
		return vm_raise(vm, "type", "%s cannot be sliced", value_type_name(object));
	}
	value given[2] = {from, to};
	for (unsigned i = 0; i < 2; i++) {
		if (given[i] == V_NIL) {
			ends[i] = i ? length : 0;
		} else if (!to_whole(given[i], &ends[i])) {
			return vm_raise(vm, "type", "a slice ends at a whole number, not %s",
			                value_type_name(given[i]));
		} else {
			if (ends[i] < 0)
				ends[i] += length;
			ends[i] = ends[i] < 0 ? 0 : ends[i] > length ? length : ends[i];
		}
	}
	if (ends[1] < ends[0])
		ends[1] = ends[0];
	if (!bytes)
		return from_object(list_slice(vm, as_list(object), (uint32_t)ends[0], (uint32_t)ends[1]));
	size_t a = (size_t)ends[0], b = (size_t)ends[1];
	if (!ascii) {
		a = utf8_offset(bytes, as_string(object)->length, a);
		b = a + utf8_offset(bytes + a, as_string(object)->length - a, (size_t)(ends[1] - ends[0]));
	}
	return from_object(string_new(vm, bytes + a, b - a));
}
