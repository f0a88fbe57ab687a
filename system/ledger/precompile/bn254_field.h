/* BN254's fields: Fp in Montgomery form, Fp2 = Fp[u]/(u^2+1), Fp6 = Fp2[v]/(v^3-(9+u)), Fp12 =
 * Fp6[w]/(w^2-v). */
#ifndef LEDGER_BN254_FIELD_H
#define LEDGER_BN254_FIELD_H

#include "precompile/bn254.h"

struct bn_fp6 {
	struct bn_fp2 c[3];
};
struct bn_fp12 {
	struct bn_fp6 a;
	struct bn_fp6 b;
};

#define BN_P0      UINT64_C(0x3c208c16d87cfd47)
#define BN_P1      UINT64_C(0x97816a916871ca8d)
#define BN_P2      UINT64_C(0xb85045b68181585d)
#define BN_P3      UINT64_C(0x30644e72e131a029)
#define BN_INVERSE UINT64_C(0x87d20782e4866389) /* -1/p modulo 2^64 */

extern const struct bn_fp bn_one;

static inline bool bn_fp_is_zero(const struct bn_fp *a)
{
	return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}

static inline bool bn_fp_equal(const struct bn_fp *a, const struct bn_fp *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* Takes p off once when a is not below it. */
static inline void bn_fp_reduce(struct bn_fp *a)
{
	static const struct u256 p = {{BN_P0, BN_P1, BN_P2, BN_P3}};
	struct bn_fp t;
	if (!u256_sub(&t, a, &p))
		*a = t;
}

static inline void bn_fp_add(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
	u256_add(out, a, b); /* 2 p is below 2^255 */
	bn_fp_reduce(out);
}

static inline void bn_fp_sub(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
	static const struct u256 p = {{BN_P0, BN_P1, BN_P2, BN_P3}};
	if (u256_sub(out, a, b))
		u256_add(out, out, &p);
}

static inline void bn_fp_negate(struct bn_fp *out, const struct bn_fp *a)
{
	const struct bn_fp zero = {{0}};
	bn_fp_sub(out, &zero, a);
}

void bn_fp_mul(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b);
void bn_fp_invert(struct bn_fp *out, const struct bn_fp *a); /* 0 for 0 */

static inline bool bn_fp2_is_zero(const struct bn_fp2 *a)
{
	return bn_fp_is_zero(&a->a) && bn_fp_is_zero(&a->b);
}

static inline bool bn_fp2_equal(const struct bn_fp2 *a, const struct bn_fp2 *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static inline void bn_fp2_add(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
	bn_fp_add(&out->a, &a->a, &b->a);
	bn_fp_add(&out->b, &a->b, &b->b);
}

static inline void bn_fp2_sub(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
	bn_fp_sub(&out->a, &a->a, &b->a);
	bn_fp_sub(&out->b, &a->b, &b->b);
}

static inline void bn_fp2_double(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	bn_fp2_add(out, a, a);
}

static inline void bn_fp2_negate(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	bn_fp_negate(&out->a, &a->a);
	bn_fp_negate(&out->b, &a->b);
}

static inline void bn_fp2_conjugate(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	out->a = a->a;
	bn_fp_negate(&out->b, &a->b);
}

void bn_fp2_mul(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b);
void bn_fp2_square(struct bn_fp2 *out, const struct bn_fp2 *a);
void bn_fp2_scale(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp *b);
void bn_fp2_mul_xi(struct bn_fp2 *out, const struct bn_fp2 *a); /* by 9 + u */
void bn_fp2_invert(struct bn_fp2 *out, const struct bn_fp2 *a);
/* a^e for an exponent of `limbs` 64-bit limbs. */
void bn_fp2_power(struct bn_fp2 *out, const struct bn_fp2 *a, const uint64_t *exponent, unsigned limbs);

void bn_fp12_mul(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp12 *b);
void bn_fp12_square(struct bn_fp12 *out, const struct bn_fp12 *a);
void bn_fp12_invert(struct bn_fp12 *out, const struct bn_fp12 *a);
void bn_fp12_conjugate(struct bn_fp12 *out, const struct bn_fp12 *a);
/* By an element with c0 and c2 v^2 in the first half and c1 v in the second: a line of the Miller loop. */
void bn_fp12_mul_line(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp2 *c0,
                      const struct bn_fp2 *c1, const struct bn_fp2 *c2);
void bn_fp12_set_one(struct bn_fp12 *out);
bool bn_fp12_is_one(const struct bn_fp12 *a);

#endif
