/* Arithmetic of BN254's tower of fields. */
#include "precompile/bn254_field.h"

static const struct u256 modulus = {{BN_P0, BN_P1, BN_P2, BN_P3}};
/* 2^256 and 2^512 modulo p */
const struct bn_fp bn_one = {
    {0xd35d438dc58f0d9d, 0x0a78eb28f5c70b3d, 0x666ea36f7879462c, 0x0e0a77c19a07df2f}};
static const struct bn_fp r_squared = {
    {0xf32cfc5b538afa89, 0xb5e71911d44501fb, 0x47ab1eff0a417ff6, 0x06d89f71cab8351f}};

/* Montgomery product, one limb of a at a time. p is below 2^254, so no carry leaves the fifth limb. */
void bn_fp_mul(struct bn_fp *out, const struct bn_fp *a, const struct bn_fp *b)
{
	const uint64_t b0 = b->w[0], b1 = b->w[1], b2 = b->w[2], b3 = b->w[3];
	uint64_t t0 = 0, t1 = 0, t2 = 0, t3 = 0;
	for (int i = 0; i < 4; i++) {
		const uint64_t ai = a->w[i];
		u128 p = (u128)ai * b0 + t0;
		const uint64_t low = (uint64_t)p;
		const uint64_t m = low * BN_INVERSE;
		u128 q = (u128)m * BN_P0 + low;
		p = (u128)ai * b1 + t1 + (uint64_t)(p >> 64);
		q = (u128)m * BN_P1 + (uint64_t)p + (uint64_t)(q >> 64);
		t0 = (uint64_t)q;
		p = (u128)ai * b2 + t2 + (uint64_t)(p >> 64);
		q = (u128)m * BN_P2 + (uint64_t)p + (uint64_t)(q >> 64);
		t1 = (uint64_t)q;
		p = (u128)ai * b3 + t3 + (uint64_t)(p >> 64);
		q = (u128)m * BN_P3 + (uint64_t)p + (uint64_t)(q >> 64);
		t2 = (uint64_t)q;
		t3 = (uint64_t)(p >> 64) + (uint64_t)(q >> 64);
	}
	*out = (struct bn_fp){{t0, t1, t2, t3}};
	bn_fp_reduce(out);
}

static void fp_power(struct bn_fp *out, const struct bn_fp *a, const struct u256 *exponent)
{
	struct bn_fp result = bn_one;
	for (unsigned i = u256_bits(exponent); i-- > 0;) {
		bn_fp_mul(&result, &result, &result);
		if (exponent->w[i / 64] >> i % 64 & 1)
			bn_fp_mul(&result, &result, a);
	}
	*out = result;
}

void bn_fp_invert(struct bn_fp *out, const struct bn_fp *a)
{
	struct u256 exponent;
	const struct u256 two = u256_from(2);
	u256_sub(&exponent, &modulus, &two);
	fp_power(out, a, &exponent);
}

bool bn_fp_load(struct bn_fp *out, const uint8_t bytes[32])
{
	struct u256 value;
	u256_load(&value, bytes);
	if (!u256_less(&value, &modulus))
		return false;
	bn_fp_mul(out, &value, &r_squared);
	return true;
}

void bn_fp_store(uint8_t bytes[32], const struct bn_fp *a)
{
	static const struct bn_fp plain_one = {{1}};
	struct u256 value;
	bn_fp_mul(&value, a, &plain_one);
	u256_store(bytes, &value);
}

/* ---- Fp2 ---- */
void bn_fp2_mul(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b)
{
	struct bn_fp aa, bb, sum_a, sum_b;
	bn_fp_mul(&aa, &a->a, &b->a);
	bn_fp_mul(&bb, &a->b, &b->b);
	bn_fp_add(&sum_a, &a->a, &a->b);
	bn_fp_add(&sum_b, &b->a, &b->b);
	bn_fp_mul(&sum_a, &sum_a, &sum_b);
	bn_fp_sub(&sum_a, &sum_a, &aa);
	bn_fp_sub(&out->b, &sum_a, &bb);
	bn_fp_sub(&out->a, &aa, &bb);
}

void bn_fp2_square(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	struct bn_fp sum, difference, product;
	bn_fp_add(&sum, &a->a, &a->b);
	bn_fp_sub(&difference, &a->a, &a->b);
	bn_fp_mul(&product, &a->a, &a->b);
	bn_fp_mul(&out->a, &sum, &difference);
	bn_fp_add(&out->b, &product, &product);
}

void bn_fp2_scale(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp *b)
{
	bn_fp_mul(&out->a, &a->a, b);
	bn_fp_mul(&out->b, &a->b, b);
}

void bn_fp2_mul_xi(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	struct bn_fp2 t;
	struct bn_fp nine_a, nine_b;
	bn_fp2_double(&t, a);
	bn_fp2_double(&t, &t);
	bn_fp2_double(&t, &t);
	bn_fp_add(&nine_a, &t.a, &a->a);
	bn_fp_add(&nine_b, &t.b, &a->b);
	bn_fp_sub(&nine_a, &nine_a, &a->b);
	bn_fp_add(&out->b, &nine_b, &a->a);
	out->a = nine_a;
}

void bn_fp2_invert(struct bn_fp2 *out, const struct bn_fp2 *a)
{
	struct bn_fp norm, t;
	bn_fp_mul(&norm, &a->a, &a->a);
	bn_fp_mul(&t, &a->b, &a->b);
	bn_fp_add(&norm, &norm, &t);
	bn_fp_invert(&norm, &norm);
	bn_fp_mul(&out->a, &a->a, &norm);
	bn_fp_mul(&t, &a->b, &norm);
	bn_fp_negate(&out->b, &t);
}

void bn_fp2_power(struct bn_fp2 *out, const struct bn_fp2 *a, const uint64_t *exponent, unsigned limbs)
{
	struct bn_fp2 result = {.a = bn_one};
	for (unsigned i = limbs * 64; i-- > 0;) {
		bn_fp2_square(&result, &result);
		if (exponent[i / 64] >> i % 64 & 1)
			bn_fp2_mul(&result, &result, a);
	}
	*out = result;
}

/* ---- Fp6 ---- */
static void fp6_add(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
	for (int i = 0; i < 3; i++)
		bn_fp2_add(&out->c[i], &a->c[i], &b->c[i]);
}

static void fp6_sub(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
	for (int i = 0; i < 3; i++)
		bn_fp2_sub(&out->c[i], &a->c[i], &b->c[i]);
}

static void fp6_negate(struct bn_fp6 *out, const struct bn_fp6 *a)
{
	for (int i = 0; i < 3; i++)
		bn_fp2_negate(&out->c[i], &a->c[i]);
}

static void fp6_mul_v(struct bn_fp6 *out, const struct bn_fp6 *a)
{
	const struct bn_fp2 c0 = a->c[0], c1 = a->c[1];
	bn_fp2_mul_xi(&out->c[0], &a->c[2]);
	out->c[1] = c0;
	out->c[2] = c1;
}

/* (a + b)(c + d) - x - y */
static void cross(struct bn_fp2 *out, const struct bn_fp2 *a, const struct bn_fp2 *b, const struct bn_fp2 *c,
                  const struct bn_fp2 *d, const struct bn_fp2 *x, const struct bn_fp2 *y)
{
	struct bn_fp2 s, t;
	bn_fp2_add(&s, a, b);
	bn_fp2_add(&t, c, d);
	bn_fp2_mul(&s, &s, &t);
	bn_fp2_sub(&s, &s, x);
	bn_fp2_sub(out, &s, y);
}

static void fp6_mul(struct bn_fp6 *out, const struct bn_fp6 *a, const struct bn_fp6 *b)
{
	struct bn_fp2 v0, v1, v2, t0, t1, t2;
	bn_fp2_mul(&v0, &a->c[0], &b->c[0]);
	bn_fp2_mul(&v1, &a->c[1], &b->c[1]);
	bn_fp2_mul(&v2, &a->c[2], &b->c[2]);
	cross(&t0, &a->c[1], &a->c[2], &b->c[1], &b->c[2], &v1, &v2);
	cross(&t1, &a->c[0], &a->c[1], &b->c[0], &b->c[1], &v0, &v1);
	cross(&t2, &a->c[0], &a->c[2], &b->c[0], &b->c[2], &v0, &v2);
	bn_fp2_mul_xi(&t0, &t0);
	bn_fp2_add(&out->c[0], &t0, &v0);
	bn_fp2_add(&out->c[2], &t2, &v1);
	bn_fp2_mul_xi(&v2, &v2);
	bn_fp2_add(&out->c[1], &t1, &v2);
}

static void fp6_invert(struct bn_fp6 *out, const struct bn_fp6 *a)
{
	struct bn_fp2 c0, c1, c2, t, norm;
	bn_fp2_square(&c0, &a->c[0]);
	bn_fp2_mul(&t, &a->c[1], &a->c[2]);
	bn_fp2_mul_xi(&t, &t);
	bn_fp2_sub(&c0, &c0, &t);
	bn_fp2_square(&c1, &a->c[2]);
	bn_fp2_mul_xi(&c1, &c1);
	bn_fp2_mul(&t, &a->c[0], &a->c[1]);
	bn_fp2_sub(&c1, &c1, &t);
	bn_fp2_square(&c2, &a->c[1]);
	bn_fp2_mul(&t, &a->c[0], &a->c[2]);
	bn_fp2_sub(&c2, &c2, &t);
	bn_fp2_mul(&norm, &a->c[2], &c1);
	bn_fp2_mul(&t, &a->c[1], &c2);
	bn_fp2_add(&norm, &norm, &t);
	bn_fp2_mul_xi(&norm, &norm);
	bn_fp2_mul(&t, &a->c[0], &c0);
	bn_fp2_add(&norm, &norm, &t);
	bn_fp2_invert(&norm, &norm);
	bn_fp2_mul(&out->c[0], &c0, &norm);
	bn_fp2_mul(&out->c[1], &c1, &norm);
	bn_fp2_mul(&out->c[2], &c2, &norm);
}

/* ---- Fp12 ---- */
void bn_fp12_mul(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp12 *b)
{
	struct bn_fp6 aa, bb, s, t;
	fp6_mul(&aa, &a->a, &b->a);
	fp6_mul(&bb, &a->b, &b->b);
	fp6_add(&s, &a->a, &a->b);
	fp6_add(&t, &b->a, &b->b);
	fp6_mul(&s, &s, &t);
	fp6_sub(&s, &s, &aa);
	fp6_sub(&out->b, &s, &bb);
	fp6_mul_v(&bb, &bb);
	fp6_add(&out->a, &aa, &bb);
}

void bn_fp12_square(struct bn_fp12 *out, const struct bn_fp12 *a)
{
	struct bn_fp6 product, s, t;
	fp6_mul(&product, &a->a, &a->b);
	fp6_add(&s, &a->a, &a->b);
	fp6_mul_v(&t, &a->b);
	fp6_add(&t, &t, &a->a);
	fp6_mul(&s, &s, &t);
	fp6_sub(&s, &s, &product);
	fp6_mul_v(&t, &product);
	fp6_sub(&out->a, &s, &t);
	fp6_add(&out->b, &product, &product);
}

void bn_fp12_invert(struct bn_fp12 *out, const struct bn_fp12 *a)
{
	struct bn_fp6 s, t;
	fp6_mul(&s, &a->a, &a->a);
	fp6_mul(&t, &a->b, &a->b);
	fp6_mul_v(&t, &t);
	fp6_sub(&s, &s, &t);
	fp6_invert(&s, &s);
	fp6_mul(&out->a, &a->a, &s);
	fp6_mul(&t, &a->b, &s);
	fp6_negate(&out->b, &t);
}

void bn_fp12_conjugate(struct bn_fp12 *out, const struct bn_fp12 *a)
{
	out->a = a->a;
	fp6_negate(&out->b, &a->b);
}

void bn_fp12_mul_line(struct bn_fp12 *out, const struct bn_fp12 *a, const struct bn_fp2 *c0,
                      const struct bn_fp2 *c1, const struct bn_fp2 *c2)
{
	/* (A + B w)(L + M w), L = c0 + c2 v^2, M = c1 v */
	struct bn_fp6 al, bm, am_bl;
	const struct bn_fp6 l = {{*c0, {{{0}}, {{0}}}, *c2}};
	struct bn_fp6 sum_l = l;
	sum_l.c[1] = *c1;
	fp6_mul(&al, &a->a, &l);
	/* B times c1 v */
	bn_fp2_mul(&bm.c[0], &a->b.c[2], c1);
	bn_fp2_mul_xi(&bm.c[0], &bm.c[0]);
	bn_fp2_mul(&bm.c[1], &a->b.c[0], c1);
	bn_fp2_mul(&bm.c[2], &a->b.c[1], c1);
	fp6_add(&am_bl, &a->a, &a->b);
	fp6_mul(&am_bl, &am_bl, &sum_l);
	fp6_sub(&am_bl, &am_bl, &al);
	fp6_sub(&out->b, &am_bl, &bm);
	fp6_mul_v(&bm, &bm);
	fp6_add(&out->a, &al, &bm);
}

void bn_fp12_set_one(struct bn_fp12 *out)
{
	memset(out, 0, sizeof *out);
	out->a.c[0].a = bn_one;
}

bool bn_fp12_is_one(const struct bn_fp12 *a)
{
	struct bn_fp12 one;
	bn_fp12_set_one(&one);
	return memcmp(a, &one, sizeof one) == 0;
}
