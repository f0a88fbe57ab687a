/*
 * The optimal ate pairing on BN254. Miller loop over 6x + 2 with the twist's points in homogeneous
 * coordinates (C. Costello, T. Lange, M. Naehrig, "Faster pairing computations on curves with high-degree
 * twists", PKC 2010); the loops of all pairs share their squarings. Final exponentiation: M. Scott et al.,
 * "On the final exponentiation for calculating pairings on ordinary elliptic curves", Pairing 2009.
 */
#include "precompile/bn254_curve.h"

#include "num/arena.h"

#include <pthread.h>
#include <stdlib.h>

static struct bn_constants constants;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void compute_constants(void)
{
	/* (p - 1) / 6 */
	const struct u256 p = {{BN_P0, BN_P1, BN_P2, BN_P3}};
	const struct u256 one = u256_from(1);
	const struct u256 six = u256_from(6);
	struct u256 exponent;
	u256_sub(&exponent, &p, &one);
	u256_divide(&exponent, NULL, &exponent, &six);
	struct bn_fp2 unit = {.a = bn_one};
	struct bn_fp2 xi;
	bn_fp2_mul_xi(&xi, &unit);
	constants.gamma[0] = unit;
	bn_fp2_power(&constants.gamma[1], &xi, exponent.w, 4);
	for (int i = 2; i < 6; i++)
		bn_fp2_mul(&constants.gamma[i], &constants.gamma[i - 1], &constants.gamma[1]);
	struct bn_fp2 three = unit;
	bn_fp2_add(&three, &three, &unit);
	bn_fp2_add(&three, &three, &unit);
	bn_fp2_invert(&constants.twist_b, &xi);
	bn_fp2_mul(&constants.twist_b, &constants.twist_b, &three);
	struct bn_fp two;
	bn_fp_add(&two, &bn_one, &bn_one);
	bn_fp_invert(&constants.half, &two);
}

const struct bn_constants *bn_constants(void)
{
	pthread_once(&once, compute_constants);
	return &constants;
}

/* ---- Miller loop ---- */
struct line {
	struct bn_fp2 c0; /* constant */
	struct bn_fp2 c1; /* times y of the point of G1 */
	struct bn_fp2 c2; /* times x */
};

static void double_step(struct line *line, struct bn_fp2 *x, struct bn_fp2 *y, struct bn_fp2 *z)
{
	struct bn_fp2 a, b, c, d, e, f, g, h, i, j, t;
	bn_fp2_mul(&a, x, y);
	bn_fp2_scale(&a, &a, &constants.half);
	bn_fp2_square(&b, y);
	bn_fp2_square(&c, z);
	bn_fp2_double(&d, &c);
	bn_fp2_add(&d, &d, &c);
	bn_fp2_mul(&e, &constants.twist_b, &d);
	bn_fp2_double(&f, &e);
	bn_fp2_add(&f, &f, &e);
	bn_fp2_add(&g, &b, &f);
	bn_fp2_scale(&g, &g, &constants.half);
	bn_fp2_add(&h, y, z);
	bn_fp2_square(&h, &h);
	bn_fp2_add(&t, &b, &c);
	bn_fp2_sub(&h, &h, &t);
	bn_fp2_sub(&i, &e, &b);
	bn_fp2_square(&j, x);
	bn_fp2_sub(&t, &b, &f);
	bn_fp2_mul(x, &a, &t);
	bn_fp2_square(&t, &e);
	bn_fp2_square(y, &g);
	bn_fp2_sub(y, y, &t);
	bn_fp2_sub(y, y, &t);
	bn_fp2_sub(y, y, &t);
	bn_fp2_mul(z, &b, &h);
	bn_fp2_mul_xi(&line->c0, &i);
	bn_fp2_negate(&line->c1, &h);
	bn_fp2_double(&line->c2, &j);
	bn_fp2_add(&line->c2, &line->c2, &j);
}

static void add_step(struct line *line, struct bn_fp2 *x, struct bn_fp2 *y, struct bn_fp2 *z,
                     const struct bn_fp2 *qx, const struct bn_fp2 *qy)
{
	struct bn_fp2 d, e, f, g, h, i, j, t;
	bn_fp2_mul(&t, z, qx);
	bn_fp2_sub(&d, x, &t);
	bn_fp2_mul(&t, z, qy);
	bn_fp2_sub(&e, y, &t);
	bn_fp2_square(&f, &d);
	bn_fp2_square(&g, &e);
	bn_fp2_mul(&h, &d, &f);
	bn_fp2_mul(&i, x, &f);
	bn_fp2_mul(&j, z, &g);
	bn_fp2_add(&j, &j, &h);
	bn_fp2_sub(&j, &j, &i);
	bn_fp2_sub(&j, &j, &i);
	bn_fp2_mul(x, &d, &j);
	bn_fp2_sub(&t, &i, &j);
	bn_fp2_mul(&t, &t, &e);
	bn_fp2_mul(y, &h, y);
	bn_fp2_sub(y, &t, y);
	bn_fp2_mul(z, z, &h);
	bn_fp2_mul(&t, &e, qx);
	bn_fp2_mul(&f, &d, qy);
	bn_fp2_sub(&t, &t, &f);
	bn_fp2_mul_xi(&line->c0, &t);
	bn_fp2_negate(&line->c2, &e);
	line->c1 = d;
}

static void apply(struct bn_fp12 *f, const struct line *line, const struct bn_g1 *p)
{
	struct bn_fp2 c1, c2;
	bn_fp2_scale(&c1, &line->c1, &p->y);
	bn_fp2_scale(&c2, &line->c2, &p->x);
	bn_fp12_mul_line(f, f, &line->c0, &c1, &c2);
}

struct pair {
	const struct bn_g1 *p;
	const struct bn_g2 *q;
	struct bn_fp2 x;
	struct bn_fp2 y;
	struct bn_fp2 z;
};

static void add_to_pair(struct bn_fp12 *f, struct pair *pair, const struct bn_fp2 *x, const struct bn_fp2 *y)
{
	struct line line;
	add_step(&line, &pair->x, &pair->y, &pair->z, x, y);
	apply(f, &line, pair->p);
}

/* 6x + 2 = 29793968203157093288, 65 bits: bit 64 is set. */
#define LOOP_LOW UINT64_C(0x9d797039be763ba8)

static void miller_loop(struct bn_fp12 *f, struct pair *pairs, size_t count)
{
	struct line line;
	bn_fp12_set_one(f);
	for (int bit = 63; bit >= 0; bit--) {
		bn_fp12_square(f, f);
		for (size_t i = 0; i < count; i++) {
			double_step(&line, &pairs[i].x, &pairs[i].y, &pairs[i].z);
			apply(f, &line, pairs[i].p);
			if (LOOP_LOW >> bit & 1)
				add_to_pair(f, &pairs[i], &pairs[i].q->x, &pairs[i].q->y);
		}
	}
	for (size_t i = 0; i < count; i++) {
		struct bn_fp2 x = pairs[i].q->x;
		struct bn_fp2 y = pairs[i].q->y;
		bn_fp2_conjugate(&x, &x);
		bn_fp2_conjugate(&y, &y);
		bn_fp2_mul(&x, &x, &constants.gamma[2]);
		bn_fp2_mul(&y, &y, &constants.gamma[3]);
		add_to_pair(f, &pairs[i], &x, &y);
		bn_fp2_conjugate(&x, &x);
		bn_fp2_conjugate(&y, &y);
		bn_fp2_mul(&x, &x, &constants.gamma[2]);
		bn_fp2_mul(&y, &y, &constants.gamma[3]);
		bn_fp2_negate(&y, &y);
		add_to_pair(f, &pairs[i], &x, &y);
	}
}

/* ---- final exponentiation ---- */
static void frobenius(struct bn_fp12 *out, const struct bn_fp12 *a)
{
	for (int i = 0; i < 3; i++) {
		bn_fp2_conjugate(&out->a.c[i], &a->a.c[i]);
		bn_fp2_mul(&out->a.c[i], &out->a.c[i], &constants.gamma[2 * i]);
		bn_fp2_conjugate(&out->b.c[i], &a->b.c[i]);
		bn_fp2_mul(&out->b.c[i], &out->b.c[i], &constants.gamma[2 * i + 1]);
	}
}

static void power_x(struct bn_fp12 *out, const struct bn_fp12 *a)
{
	struct bn_fp12 result = *a;
	for (int bit = 61; bit >= 0; bit--) { /* bit 62 is the highest */
		bn_fp12_square(&result, &result);
		if (BN_X >> bit & 1)
			bn_fp12_mul(&result, &result, a);
	}
	*out = result;
}

static void final_exponentiation(struct bn_fp12 *f)
{
	struct bn_fp12 t0, t1, t2;
	/* easy part: (p^6 - 1)(p^2 + 1) */
	bn_fp12_conjugate(&t1, f);
	bn_fp12_invert(&t0, f);
	bn_fp12_mul(&t1, &t1, &t0);
	frobenius(&t2, &t1);
	frobenius(&t2, &t2);
	bn_fp12_mul(&t1, &t1, &t2);

	struct bn_fp12 fp, fp2, fp3, fx, fx2, fx3, y0, y1, y2, y3, y4, y5, y6;
	frobenius(&fp, &t1);
	frobenius(&fp2, &fp);
	frobenius(&fp3, &fp2);
	power_x(&fx, &t1);
	power_x(&fx2, &fx);
	power_x(&fx3, &fx2);
	frobenius(&y3, &fx);
	bn_fp12_conjugate(&y3, &y3);
	frobenius(&y4, &fx2); /* fx2^p, for now */
	frobenius(&y2, &y4);
	bn_fp12_mul(&y4, &y4, &fx);
	bn_fp12_conjugate(&y4, &y4);
	frobenius(&y6, &fx3);
	bn_fp12_mul(&y6, &y6, &fx3);
	bn_fp12_conjugate(&y6, &y6);
	bn_fp12_mul(&y0, &fp, &fp2);
	bn_fp12_mul(&y0, &y0, &fp3);
	bn_fp12_conjugate(&y1, &t1);
	bn_fp12_conjugate(&y5, &fx2);

	bn_fp12_square(&t0, &y6);
	bn_fp12_mul(&t0, &t0, &y4);
	bn_fp12_mul(&t0, &t0, &y5);
	bn_fp12_mul(&t1, &y3, &y5);
	bn_fp12_mul(&t1, &t1, &t0);
	bn_fp12_mul(&t0, &t0, &y2);
	bn_fp12_square(&t1, &t1);
	bn_fp12_mul(&t1, &t1, &t0);
	bn_fp12_square(&t1, &t1);
	bn_fp12_mul(&t0, &t1, &y1);
	bn_fp12_mul(&t1, &t1, &y0);
	bn_fp12_square(&t0, &t0);
	bn_fp12_mul(f, &t0, &t1);
}

bool bn_pairing_is_one(const struct bn_g1 *g1, const struct bn_g2 *g2, size_t count)
{
	(void)bn_constants();
	struct pair *pairs = checked_alloc(count * sizeof *pairs);
	size_t used = 0;
	for (size_t i = 0; i < count; i++)
		if (!g1[i].infinity && !g2[i].infinity)
			pairs[used++] = (struct pair){&g1[i], &g2[i], g2[i].x, g2[i].y, {.a = bn_one}};
	struct bn_fp12 f;
	bool one = true;
	if (used) {
		miller_loop(&f, pairs, used);
		final_exponentiation(&f);
		one = bn_fp12_is_one(&f);
	}
	free(pairs);
	return one;
}
