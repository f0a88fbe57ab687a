/* Instructions that compute: arithmetic, comparison, bits; and the fused forms that hold a constant or end in
 * a jump. */
#include "evm/frame.h"
#include "evm/opcodes.h"

/* Binary operations: a is the top of the stack, b below it, the result takes b's place. */
#define BINARY(name, statement)                                                                              \
	OP(name)                                                                                             \
	{                                                                                                    \
		const struct u256 *a = sp;                                                                   \
		struct u256 *b = sp - 1;                                                                     \
		statement;                                                                                   \
		sp--;                                                                                        \
		NEXT;                                                                                        \
	}
/* PUSH of `value`, then a binary operation. */
#define CONSTANT(name, statement)                                                                            \
	OP(name##_constant)                                                                                  \
	{                                                                                                    \
		const uint64_t value = ip->value;                                                            \
		struct u256 *b = sp;                                                                         \
		statement;                                                                                   \
		NEXT;                                                                                        \
	}
/* SWAP1, then a binary operation: a is below the top. The result takes a's place. */
#define SWAPPED(name, statement)                                                                             \
	OP(swap1_##name)                                                                                     \
	{                                                                                                    \
		const struct u256 *a = sp - 1;                                                               \
		const struct u256 *b = sp;                                                                   \
		struct u256 *out = sp - 1;                                                                   \
		statement;                                                                                   \
		sp--;                                                                                        \
		NEXT;                                                                                        \
	}
#define BOTH(name, statement)                                                                                \
	BINARY(name, struct u256 *out = b; statement)                                                        \
	SWAPPED(name, statement)

static inline void set_bool(struct u256 *out, bool value)
{
	*out = u256_from(value);
}

BOTH(add, u256_add(out, a, b))
BOTH(mul, u256_mul(out, a, b))
BOTH(sub, u256_sub(out, a, b))
BOTH(div, u256_divide(out, NULL, a, b))
BOTH(sdiv, u256_signed_divide(out, NULL, a, b))
BOTH(mod, u256_divide(NULL, out, a, b))
BINARY(smod, u256_signed_divide(NULL, b, a, b))
BOTH(lt, set_bool(out, u256_less(a, b)))
BOTH(gt, set_bool(out, u256_less(b, a)))
BOTH(slt, set_bool(out, u256_signed_less(a, b)))
BOTH(sgt, set_bool(out, u256_signed_less(b, a)))
BINARY(eq, set_bool(b, u256_equal(a, b)))
BINARY(and, for (int i = 0; i < 4; i++) b->w[i] &= a->w[i])
BINARY(or, for (int i = 0; i < 4; i++) b->w[i] |= a->w[i])
BINARY(xor, for (int i = 0; i < 4; i++) b->w[i] ^= a->w[i])

/* An operand of 64 bits makes these short. */
CONSTANT(add, {
	unsigned long long carry;
	b->w[0] = __builtin_addcll(b->w[0], value, 0, &carry);
	if (UNLIKELY(carry) && ++b->w[1] == 0 && ++b->w[2] == 0)
		++b->w[3];
})
CONSTANT(and, *b = u256_from(b->w[0] & value))
CONSTANT(or, b->w[0] |= value)
CONSTANT(xor, b->w[0] ^= value)
CONSTANT(eq, *b = u256_from(u256_fits64(b) && b->w[0] == value))
CONSTANT(lt, *b = u256_from(!u256_fits64(b) || b->w[0] > value))
CONSTANT(gt, *b = u256_from(u256_fits64(b) && b->w[0] < value))
CONSTANT(sub, {
	const struct u256 a = u256_from(value);
	u256_sub(b, &a, b);
})
CONSTANT(mul, {
	u128 p = (u128)b->w[0] * value;
	b->w[0] = (uint64_t)p;
	p = (u128)b->w[1] * value + (uint64_t)(p >> 64);
	b->w[1] = (uint64_t)p;
	p = (u128)b->w[2] * value + (uint64_t)(p >> 64);
	b->w[2] = (uint64_t)p;
	b->w[3] = b->w[3] * value + (uint64_t)(p >> 64);
})
CONSTANT(shl, {
	if (value < 256)
		u256_shift_left(b, b, (unsigned)value);
	else
		*b = U256_ZERO;
})
CONSTANT(shr, {
	if (value < 256)
		u256_shift_right(b, b, (unsigned)value, 0);
	else
		*b = U256_ZERO;
})
CONSTANT(sar, {
	const uint64_t fill = 0 - (b->w[3] >> 63);
	u256_shift_right(b, b, value < 255 ? (unsigned)value : 255, fill);
})

OP(addmod)
{
	u256_add_mod(sp - 2, sp, sp - 1, sp - 2);
	sp -= 2;
	NEXT;
}

OP(mulmod)
{
	const struct u256 m = sp[-2];
	u256_mul_mod_again(sp - 2, sp, sp - 1, &m, &f->evm->modulus);
	sp -= 2;
	NEXT;
}

/* EIP-160: 50 gas a byte of the exponent, beside the fixed 10. */
OP(exp)
{
	gas -= 50 * (int64_t)((u256_bits(sp - 1) + 7) / 8);
	if (UNLIKELY(gas < 0))
		FAIL(EVM_OUT_OF_GAS);
	u256_power(sp - 1, sp, sp - 1);
	sp--;
	NEXT;
}

static void extend_sign(struct u256 *x, unsigned byte)
{
	const unsigned bit = 8 * byte + 7;
	const unsigned limb = bit / 64;
	const bool negative = x->w[limb] >> bit % 64 & 1;
	const uint64_t above = bit % 64 == 63 ? 0 : UINT64_MAX << (bit % 64 + 1);
	x->w[limb] = negative ? x->w[limb] | above : x->w[limb] & ~above;
	for (unsigned i = limb + 1; i < 4; i++)
		x->w[i] = negative ? UINT64_MAX : 0;
}

OP(signextend)
{
	if (u256_fits64(sp) && sp->w[0] < 31)
		extend_sign(sp - 1, (unsigned)sp->w[0]);
	sp--;
	NEXT;
}

CONSTANT(signextend, {
	if (value < 31)
		extend_sign(b, (unsigned)value);
})

OP(iszero)
{
	set_bool(sp, u256_is_zero(sp));
	NEXT;
}

OP(not )
{
	for (int i = 0; i < 4; i++)
		sp->w[i] = ~sp->w[i];
	NEXT;
}

OP(byte)
{
	uint64_t result = 0;
	if (u256_fits64(sp) && sp->w[0] < 32) {
		const unsigned bit = 8 * (31 - (unsigned)sp->w[0]);
		result = sp[-1].w[bit / 64] >> bit % 64 & 0xff;
	}
	sp--;
	*sp = u256_from(result);
	NEXT;
}

OP(shl)
{
	if (u256_fits64(sp) && sp->w[0] < 256)
		u256_shift_left(sp - 1, sp - 1, (unsigned)sp->w[0]);
	else
		sp[-1] = U256_ZERO;
	sp--;
	NEXT;
}

OP(shr)
{
	if (u256_fits64(sp) && sp->w[0] < 256)
		u256_shift_right(sp - 1, sp - 1, (unsigned)sp->w[0], 0);
	else
		sp[-1] = U256_ZERO;
	sp--;
	NEXT;
}

OP(sar)
{
	const uint64_t fill = 0 - (sp[-1].w[3] >> 63);
	const unsigned count = u256_fits64(sp) && sp->w[0] < 255 ? (unsigned)sp->w[0] : 255;
	u256_shift_right(sp - 1, sp - 1, count, fill);
	sp--;
	NEXT;
}

/* EIP-7939 */
OP(clz)
{
	*sp = u256_from(256 - u256_bits(sp));
	NEXT;
}

/* ---- a condition and the jump on it ---- */
#define CONDITION(name, takes, condition)                                                                    \
	OP(name##_jumpi)                                                                                     \
	{                                                                                                    \
		const struct u256 *a = sp;                                                                   \
		const struct u256 *b = sp - 1;                                                               \
		(void)b;                                                                                     \
		const bool holds = condition;                                                                \
		sp -= (takes);                                                                               \
		if (holds)                                                                                   \
			GO(ip->target);                                                                      \
		NEXT;                                                                                        \
	}
#define CONDITIONS(name, condition)                                                                          \
	CONDITION(name, 2, condition)                                                                        \
	CONDITION(not_##name, 2, !(condition))

CONDITIONS(lt, u256_less(a, b))
CONDITIONS(gt, u256_less(b, a))
CONDITIONS(slt, u256_signed_less(a, b))
CONDITIONS(sgt, u256_signed_less(b, a))
CONDITIONS(eq, u256_equal(a, b))
CONDITION(iszero, 1, u256_is_zero(a))
