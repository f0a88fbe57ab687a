/*
 * 256-bit unsigned integers as the EVM has them: arithmetic modulo 2^256, limb 0 the least significant.
 *
 * Everything short is inline here; division and what is made of it is in u256.c. Signed forms read the number
 * as two's complement (Ethereum yellow paper, appendix H.2).
 */
#ifndef LEDGER_U256_H
#define LEDGER_U256_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct u256 {
	uint64_t w[4];
};

typedef unsigned __int128 u128;

#define U256_ZERO ((struct u256){{0, 0, 0, 0}})

static inline struct u256 u256_from(uint64_t value)
{
	return (struct u256){{value, 0, 0, 0}};
}

static inline bool u256_is_zero(const struct u256 *a)
{
	return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

static inline bool u256_equal(const struct u256 *a, const struct u256 *b)
{
	return ((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3])) == 0;
}

static inline bool u256_fits64(const struct u256 *a)
{
	return (a->w[1] | a->w[2] | a->w[3]) == 0;
}

/* out = a + b; returns the carry. out may be a or b. */
static inline bool u256_add(struct u256 *out, const struct u256 *a, const struct u256 *b)
{
	unsigned long long carry = 0;
	out->w[0] = __builtin_addcll(a->w[0], b->w[0], carry, &carry);
	out->w[1] = __builtin_addcll(a->w[1], b->w[1], carry, &carry);
	out->w[2] = __builtin_addcll(a->w[2], b->w[2], carry, &carry);
	out->w[3] = __builtin_addcll(a->w[3], b->w[3], carry, &carry);
	return carry;
}

/* out = a - b; returns the borrow. */
static inline bool u256_sub(struct u256 *out, const struct u256 *a, const struct u256 *b)
{
	unsigned long long borrow = 0;
	out->w[0] = __builtin_subcll(a->w[0], b->w[0], borrow, &borrow);
	out->w[1] = __builtin_subcll(a->w[1], b->w[1], borrow, &borrow);
	out->w[2] = __builtin_subcll(a->w[2], b->w[2], borrow, &borrow);
	out->w[3] = __builtin_subcll(a->w[3], b->w[3], borrow, &borrow);
	return borrow;
}

static inline bool u256_less(const struct u256 *a, const struct u256 *b)
{
	unsigned long long borrow = 0;
	(void)__builtin_subcll(a->w[0], b->w[0], borrow, &borrow);
	(void)__builtin_subcll(a->w[1], b->w[1], borrow, &borrow);
	(void)__builtin_subcll(a->w[2], b->w[2], borrow, &borrow);
	(void)__builtin_subcll(a->w[3], b->w[3], borrow, &borrow);
	return borrow;
}

static inline bool u256_signed_less(const struct u256 *a, const struct u256 *b)
{
	const bool negative_a = a->w[3] >> 63, negative_b = b->w[3] >> 63;
	return negative_a != negative_b ? negative_a : u256_less(a, b);
}

static inline void u256_negate(struct u256 *a)
{
	u256_sub(a, &U256_ZERO, a);
}

/* out = low 256 bits of a * b. out may be a or b. */
static inline void u256_mul(struct u256 *out, const struct u256 *a, const struct u256 *b)
{
	const uint64_t a0 = a->w[0], a1 = a->w[1], a2 = a->w[2], a3 = a->w[3];
	const uint64_t b0 = b->w[0], b1 = b->w[1], b2 = b->w[2], b3 = b->w[3];
	if ((a1 | a2 | a3 | b1 | b2 | b3) == 0) {
		const u128 p = (u128)a0 * b0;
		*out = (struct u256){{(uint64_t)p, (uint64_t)(p >> 64), 0, 0}};
		return;
	}
	u128 p = (u128)a0 * b0;
	const uint64_t r0 = (uint64_t)p;
	u128 c = p >> 64;
	p = (u128)a0 * b1 + (uint64_t)c;
	u128 t1 = p;
	p = (u128)a1 * b0 + (uint64_t)t1;
	const uint64_t r1 = (uint64_t)p;
	c = (t1 >> 64) + (p >> 64);
	const uint64_t c_high = (uint64_t)(c >> 64);
	p = (u128)a0 * b2 + (uint64_t)c;
	u128 t2 = p;
	p = (u128)a1 * b1 + (uint64_t)t2;
	u128 t3 = p;
	p = (u128)a2 * b0 + (uint64_t)t3;
	const uint64_t r2 = (uint64_t)p;
	const uint64_t r3 = (uint64_t)(t2 >> 64) + (uint64_t)(t3 >> 64) + (uint64_t)(p >> 64) + c_high +
	                    a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0;
	*out = (struct u256){{r0, r1, r2, r3}};
}

/* Number of significant bits; 0 for 0. */
static inline unsigned u256_bits(const struct u256 *a)
{
	for (int i = 3; i >= 0; i--)
		if (a->w[i])
			return (unsigned)i * 64 + 64 - (unsigned)__builtin_clzll(a->w[i]);
	return 0;
}

/* Shifts by n bits, n below 256. */
static inline void u256_shift_left(struct u256 *out, const struct u256 *a, unsigned n)
{
	uint64_t wide[8] = {0, 0, 0, 0, a->w[0], a->w[1], a->w[2], a->w[3]};
	const uint64_t *from = wide + 4 - n / 64;
	const unsigned bits = n % 64;
	for (int i = 3; i >= 0; i--)
		out->w[i] = from[i] << bits | (from[i - 1] >> 1 >> (63 - bits));
}

/* `fill` is what comes in at the top: 0, or all ones for an arithmetic shift of a negative number. */
static inline void u256_shift_right(struct u256 *out, const struct u256 *a, unsigned n, uint64_t fill)
{
	uint64_t wide[9] = {a->w[0], a->w[1], a->w[2], a->w[3], fill, fill, fill, fill, fill};
	const uint64_t *from = wide + n / 64;
	const unsigned bits = n % 64;
	for (int i = 0; i < 4; i++)
		out->w[i] = from[i] >> bits | (from[i + 1] << 1 << (63 - bits));
}

static inline void u256_load(struct u256 *out, const uint8_t bytes[32])
{
	uint64_t w[4];
	memcpy(w, bytes, 32);
	out->w[3] = __builtin_bswap64(w[0]);
	out->w[2] = __builtin_bswap64(w[1]);
	out->w[1] = __builtin_bswap64(w[2]);
	out->w[0] = __builtin_bswap64(w[3]);
}

static inline void u256_store(uint8_t bytes[32], const struct u256 *a)
{
	const uint64_t w[4] = {__builtin_bswap64(a->w[3]), __builtin_bswap64(a->w[2]),
	                       __builtin_bswap64(a->w[1]), __builtin_bswap64(a->w[0])};
	memcpy(bytes, w, 32);
}

/* Big-endian number of at most 32 bytes. */
void u256_load_short(struct u256 *out, const uint8_t *bytes, size_t length);

/* a / b and a % b; both 0 when b is 0. Either result may be NULL. */
void u256_divide(struct u256 *quotient, struct u256 *remainder, const struct u256 *a, const struct u256 *b);
void u256_signed_divide(struct u256 *quotient, struct u256 *remainder, const struct u256 *a,
                        const struct u256 *b);
/* (a + b) % m and (a * b) % m without overflow; 0 when m is 0. */
void u256_add_mod(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m);
void u256_mul_mod(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m);
/*
 * Products modulo one modulus, again and again: its reciprocal is computed when it comes the second time in a
 * row, and a product then takes two multiplications and no division. Zero-initialised is empty.
 */
struct u256_modulus {
	struct u256 m;
	struct u256 normal;     /* m shifted left until its top bit is set */
	struct u256 reciprocal; /* floor((2^512 - 1) / normal) - 2^256 */
	unsigned shift;
	bool ready;
};
void u256_mul_mod_again(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m,
                        struct u256_modulus *known);
/* The whole product, eight limbs. */
void u256_mul_wide(uint64_t out[8], const struct u256 *a, const struct u256 *b);
/* base^exponent modulo 2^256. */
void u256_power(struct u256 *out, const struct u256 *base, const struct u256 *exponent);

#endif
