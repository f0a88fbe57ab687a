/* Built-in functions on numbers, and random ones. */
#include "runtime.h"

#include <math.h>

#define ONE(name, expression)                                                                                \
	NATIVE(math_##name)                                                                                  \
	{                                                                                                    \
		(void)count;                                                                                 \
		ARG_NUMBER(0, x);                                                                            \
		return from_double(expression);                                                              \
	}
ONE(sqrt, sqrt(x))
ONE(sin, sin(x))
ONE(cos, cos(x))
ONE(tan, tan(x))
ONE(asin, asin(x))
ONE(acos, acos(x))
ONE(atan, atan(x))
ONE(exp, exp(x))
ONE(log, log(x))
ONE(log2, log2(x))
ONE(log10, log10(x))

NATIVE(math_atan2)
{
	(void)count;
	ARG_NUMBER(0, y);
	ARG_NUMBER(1, x);
	return from_double(atan2(y, x));
}

static value whole(struct vm *vm, double d)
{
	return fabs(d) < 9.2e18 ? from_int64(vm, (int64_t)d) : from_double(d);
}

#define WHOLE(name, expression)                                                                              \
	NATIVE(math_##name)                                                                                  \
	{                                                                                                    \
		(void)count;                                                                                 \
		if (is_integer(args[0]))                                                                     \
			return args[0];                                                                      \
		ARG_NUMBER(0, x);                                                                            \
		return whole(vm, expression);                                                                \
	}
WHOLE(floor, floor(x))
WHOLE(ceil, ceil(x))
WHOLE(trunc, trunc(x))

NATIVE(math_round)
{
	ARG_NUMBER(0, x);
	if (count > 1) {
		ARG_INT(1, digits);
		if (digits > 15 || digits < -15)
			return args[0];
		double scale = pow(10, (double)digits);
		return from_double(round(x * scale) / scale);
	}
	return is_integer(args[0]) ? args[0] : whole(vm, round(x));
}

NATIVE(math_abs)
{
	(void)count;
	int64_t i;
	if (to_int64(args[0], &i))
		return i == INT64_MIN ? from_double(9223372036854775808.0) : from_int64(vm, i < 0 ? -i : i);
	if (is_type(args[0], T_DURATION)) {
		int64_t ns = ((struct duration *)as_object(args[0]))->nanoseconds;
		return ns < 0 ? op_negate(vm, args[0]) : args[0];
	}
	ARG_NUMBER(0, x);
	return from_double(fabs(x));
}

NATIVE(math_pow)
{
	(void)count;
	return op_arith(vm, OP_POW, args[0], args[1]);
}

NATIVE(math_idiv)
{
	(void)count;
	return op_arith(vm, OP_IDIV, args[0], args[1]);
}

NATIVE(math_clamp)
{
	(void)count;
	int low = op_compare(vm, args[0], args[1], "<"), high = op_compare(vm, args[0], args[2], ">");
	if (low == -2 || high == -2)
		return V_RAISE;
	return low == -1 ? args[1] : high == 1 ? args[2] : args[0];
}

NATIVE(math_is_nan)
{
	UNUSED_ARGS;
	return from_bool(is_double(args[0]) && as_double(args[0]) != as_double(args[0]));
}

#define WRAPPING(name, op)                                                                                   \
	NATIVE(math_wrap_##name)                                                                             \
	{                                                                                                    \
		(void)count;                                                                                 \
		ARG_INT(0, a);                                                                               \
		ARG_INT(1, b);                                                                               \
		return from_int64(vm, (int64_t)((uint64_t)a op(uint64_t) b));                                \
	}
WRAPPING(add, +)
WRAPPING(sub, -)
WRAPPING(mul, *)

NATIVE(math_shift_right)
{
	(void)count;
	ARG_INT(0, a);
	ARG_INT(1, b);
	if (b < 0 || b > 63)
		return vm_raise(vm, "arithmetic", "a shift by %lld bits; 0 to 63 are possible", (long long)b);
	return from_int64(vm, (int64_t)((uint64_t)a >> b));
}

NATIVE(math_random)
{
	(void)args, (void)count;
	return from_double(rng_double(&vm->rng));
}

/* A number below n, by rejection, so that all are equally likely. */
static uint64_t below(struct vm *vm, uint64_t n)
{
	unsigned bits = 64 - (unsigned)__builtin_clzll(n);
	uint64_t r;
	do
		r = rng_bits(&vm->rng, bits);
	while (r >= n);
	return r;
}

NATIVE(math_random_int)
{
	int64_t low = 0, high;
	double d;
	/* Ends may be floats, whose whole part counts. */
	if (!to_double(args[count - 1], &d) || fabs(d) > 1e15 ||
	    (count > 1 && (!to_double(args[0], &d) || fabs(d) > 1e15)))
		return vm_raise(vm, "type", "random_int needs two whole numbers");
	if (count > 1)
		low = (int64_t)d;
	to_double(args[count - 1], &d);
	high = (int64_t)d;
	if (high < low)
		return vm_raise(vm, "index", "random_int from %lld to %lld", (long long)low, (long long)high);
	return from_int64(vm, low + (int64_t)below(vm, (uint64_t)(high - low) + 1));
}

NATIVE(math_shuffle)
{
	(void)count;
	ARG_TYPE(0, T_LIST, "a list");
	struct list *list = list_slice(vm, as_list(args[0]), 0, as_list(args[0])->length);
	for (uint32_t i = list->length; i > 1; i--) {
		uint32_t k = (uint32_t)below(vm, i);
		value v = list->items[i - 1];
		list->items[i - 1] = list->items[k];
		list->items[k] = v;
	}
	return from_object(list);
}

NATIVE(math_choose)
{
	(void)count;
	ARG_TYPE(0, T_LIST, "a list");
	uint32_t n = as_list(args[0])->length;
	return n ? as_list(args[0])->items[below(vm, n)] : V_NIL;
}

NATIVE(math_seed)
{
	(void)count;
	ARG_INT(0, seed);
	rng_seed(&vm->rng, (uint64_t)(seed < 0 ? -seed : seed));
	return V_NIL;
}

NATIVE(math_pi)
{
	UNUSED_ARGS;
	return from_double(3.14159265358979323846);
}

const struct native_entry math_natives[] = {
    {"sqrt", math_sqrt, 1, 1, 0, "sqrt(x)", "The square root."},
    {"sin", math_sin, 1, 1, 0, "sin(x)", "The sine."},
    {"cos", math_cos, 1, 1, 0, "cos(x)", "The cosine."},
    {"tan", math_tan, 1, 1, 0, "tan(x)", "The tangent."},
    {"asin", math_asin, 1, 1, 0, "asin(x)", "The inverse of the sine."},
    {"acos", math_acos, 1, 1, 0, "acos(x)", "The inverse of the cosine."},
    {"atan", math_atan, 1, 1, 0, "atan(x)", "The inverse of the tangent."},
    {"atan2", math_atan2, 2, 2, 0, "atan2(y, x)", "The angle of the point (x, y)."},
    {"exp", math_exp, 1, 1, 0, "exp(x)", "e to the power of x."},
    {"log", math_log, 1, 1, 0, "log(x)", "The natural logarithm."},
    {"log2", math_log2, 1, 1, 0, "log2(x)", "The logarithm to base 2."},
    {"log10", math_log10, 1, 1, 0, "log10(x)", "The logarithm to base 10."},
    {"floor", math_floor, 1, 1, 0, "floor(x)", "The greatest integer not above x."},
    {"ceil", math_ceil, 1, 1, 0, "ceil(x)", "The least integer not below x."},
    {"trunc", math_trunc, 1, 1, 0, "trunc(x)", "The integer towards zero."},
    {"round", math_round, 1, 2, 0, "round(x, digits)", "The nearest integer, or to so many digits."},
    {"abs", math_abs, 1, 1, 0, "abs(x)", "Without its sign."},
    {"pow", math_pow, 2, 2, 0, "pow(a, b)", "a to the power of b."},
    {"idiv", math_idiv, 2, 2, 0, "idiv(a, b)", "The quotient rounded down; also a ~/ b."},
    {"clamp", math_clamp, 3, 3, 0, "clamp(x, low, high)", "x, but not outside low to high."},
    {"is_nan", math_is_nan, 1, 1, 0, "is_nan(x)", "Whether x is not a number."},
    {"wrap_add", math_wrap_add, 2, 2, 0, "wrap_add(a, b)", "The sum modulo 2 to the 64."},
    {"wrap_sub", math_wrap_sub, 2, 2, 0, "wrap_sub(a, b)", "The difference modulo 2 to the 64."},
    {"wrap_mul", math_wrap_mul, 2, 2, 0, "wrap_mul(a, b)", "The product modulo 2 to the 64."},
    {"shift_right", math_shift_right, 2, 2, 0, "shift_right(a, n)", "Without regard to the sign."},
    {"random", math_random, 0, 0, 0, "random()", "A float from 0 up to 1."},
    {"random_int", math_random_int, 1, 2, 0, "random_int(low, high)", "A whole number, both ends included."},
    {"shuffle", math_shuffle, 1, 1, 0, "shuffle(list)", "A new list in random order."},
    {"choose", math_choose, 1, 1, 0, "choose(list)", "A random element, or nil."},
    {"random_seed", math_seed, 1, 1, 0, "random_seed(n)", "Begins the random numbers anew."},
    {"pi", math_pi, 0, 0, 0, "pi()", "3.14159..."},
    {0},
};
