/* The groups G1 and G2 of BN254: reading points, adding, multiplying. */
#include "precompile/bn254_curve.h"

/* Jacobian coordinates of G1: (X/Z^2, Y/Z^3). */
struct jacobian {
	struct bn_fp x;
	struct bn_fp y;
	struct bn_fp z;
};

static void fp_small(struct bn_fp *out, unsigned value)
{
	*out = (struct bn_fp){{0}};
	for (unsigned i = 0; i < value; i++)
		bn_fp_add(out, out, &bn_one);
}

bool bn_g1_load(struct bn_g1 *out, const uint8_t bytes[64])
{
	if (!bn_fp_load(&out->x, bytes) || !bn_fp_load(&out->y, bytes + 32))
		return false;
	out->infinity = bn_fp_is_zero(&out->x) && bn_fp_is_zero(&out->y);
	if (out->infinity)
		return true;
	struct bn_fp left, right, three;
	fp_small(&three, 3);
	bn_fp_mul(&left, &out->y, &out->y);
	bn_fp_mul(&right, &out->x, &out->x);
	bn_fp_mul(&right, &right, &out->x);
	bn_fp_add(&right, &right, &three);
	return bn_fp_equal(&left, &right);
}

void bn_g1_store(uint8_t bytes[64], const struct bn_g1 *a)
{
	memset(bytes, 0, 64);
	if (a->infinity)
		return;
	bn_fp_store(bytes, &a->x);
	bn_fp_store(bytes + 32, &a->y);
}

/* Doubling for a = 0: "dbl-2009-l" of the Explicit-Formulas Database. */
static void jacobian_double(struct jacobian *out, const struct jacobian *p)
{
	struct bn_fp a, b, c, d, e, f, z;
	bn_fp_mul(&a, &p->x, &p->x);
	bn_fp_mul(&b, &p->y, &p->y);
	bn_fp_mul(&c, &b, &b);
	bn_fp_add(&d, &p->x, &b);
	bn_fp_mul(&d, &d, &d);
	bn_fp_sub(&d, &d, &a);
	bn_fp_sub(&d, &d, &c);
	bn_fp_add(&d, &d, &d);
	bn_fp_add(&e, &a, &a);
	bn_fp_add(&e, &e, &a);
	bn_fp_mul(&f, &e, &e);
	bn_fp_mul(&z, &p->y, &p->z);
	bn_fp_add(&out->z, &z, &z);
	bn_fp_sub(&f, &f, &d);
	bn_fp_sub(&out->x, &f, &d);
	bn_fp_sub(&d, &d, &out->x);
	bn_fp_mul(&d, &d, &e);
	bn_fp_add(&c, &c, &c);
	bn_fp_add(&c, &c, &c);
	bn_fp_add(&c, &c, &c);
	bn_fp_sub(&out->y, &d, &c);
}

/* Mixed addition "madd-2007-bl", with the cases it does not cover. q is not infinity. */
static void jacobian_add(struct jacobian *out, const struct jacobian *p, const struct bn_g1 *q)
{
	if (bn_fp_is_zero(&p->z)) {
		*out = (struct jacobian){q->x, q->y, bn_one};
		return;
	}
	struct bn_fp zz, u, s, h, r, hh, i, j, v;
	bn_fp_mul(&zz, &p->z, &p->z);
	bn_fp_mul(&u, &q->x, &zz);
	bn_fp_mul(&s, &q->y, &p->z);
	bn_fp_mul(&s, &s, &zz);
	bn_fp_sub(&h, &u, &p->x);
	bn_fp_sub(&r, &s, &p->y);
	if (bn_fp_is_zero(&h)) {
		if (bn_fp_is_zero(&r))
			jacobian_double(out, p);
		else
			*out = (struct jacobian){bn_one, bn_one, {{0}}};
		return;
	}
	bn_fp_add(&r, &r, &r);
	bn_fp_mul(&hh, &h, &h);
	bn_fp_add(&i, &hh, &hh);
	bn_fp_add(&i, &i, &i);
	bn_fp_mul(&j, &h, &i);
	bn_fp_mul(&v, &p->x, &i);
	struct bn_fp x, y, z, t;
	bn_fp_mul(&x, &r, &r);
	bn_fp_sub(&x, &x, &j);
	bn_fp_sub(&x, &x, &v);
	bn_fp_sub(&x, &x, &v);
	bn_fp_sub(&y, &v, &x);
	bn_fp_mul(&y, &y, &r);
	bn_fp_mul(&t, &p->y, &j);
	bn_fp_add(&t, &t, &t);
	bn_fp_sub(&y, &y, &t);
	bn_fp_add(&z, &p->z, &h);
	bn_fp_mul(&z, &z, &z);
	bn_fp_sub(&z, &z, &zz);
	bn_fp_sub(&z, &z, &hh);
	*out = (struct jacobian){x, y, z};
}

static void to_affine(struct bn_g1 *out, const struct jacobian *p)
{
	out->infinity = bn_fp_is_zero(&p->z);
	if (out->infinity)
		return;
	struct bn_fp inverse, square;
	bn_fp_invert(&inverse, &p->z);
	bn_fp_mul(&square, &inverse, &inverse);
	bn_fp_mul(&out->x, &p->x, &square);
	bn_fp_mul(&square, &square, &inverse);
	bn_fp_mul(&out->y, &p->y, &square);
}

void bn_g1_add(struct bn_g1 *out, const struct bn_g1 *a, const struct bn_g1 *b)
{
	if (a->infinity || b->infinity) {
		*out = a->infinity ? *b : *a;
		return;
	}
	const struct jacobian p = {a->x, a->y, bn_one};
	struct jacobian sum;
	jacobian_add(&sum, &p, b);
	to_affine(out, &sum);
}

void bn_g1_mul(struct bn_g1 *out, const struct bn_g1 *a, const struct u256 *scalar)
{
	struct jacobian sum = {bn_one, bn_one, {{0}}};
	if (!a->infinity)
		for (unsigned i = u256_bits(scalar); i-- > 0;) {
			jacobian_double(&sum, &sum);
			if (scalar->w[i / 64] >> i % 64 & 1)
				jacobian_add(&sum, &sum, a);
		}
	to_affine(out, &sum);
}

/* ---- G2 ---- */
struct jacobian2 {
	struct bn_fp2 x;
	struct bn_fp2 y;
	struct bn_fp2 z;
};

static void jacobian2_double(struct jacobian2 *out, const struct jacobian2 *p)
{
	struct bn_fp2 a, b, c, d, e, f, z;
	bn_fp2_square(&a, &p->x);
	bn_fp2_square(&b, &p->y);
	bn_fp2_square(&c, &b);
	bn_fp2_add(&d, &p->x, &b);
	bn_fp2_square(&d, &d);
	bn_fp2_sub(&d, &d, &a);
	bn_fp2_sub(&d, &d, &c);
	bn_fp2_double(&d, &d);
	bn_fp2_double(&e, &a);
	bn_fp2_add(&e, &e, &a);
	bn_fp2_square(&f, &e);
	bn_fp2_mul(&z, &p->y, &p->z);
	bn_fp2_double(&out->z, &z);
	bn_fp2_sub(&f, &f, &d);
	bn_fp2_sub(&out->x, &f, &d);
	bn_fp2_sub(&d, &d, &out->x);
	bn_fp2_mul(&d, &d, &e);
	bn_fp2_double(&c, &c);
	bn_fp2_double(&c, &c);
	bn_fp2_double(&c, &c);
	bn_fp2_sub(&out->y, &d, &c);
}

/* "add-2007-bl", with the cases it does not cover. */
static void jacobian2_add(struct jacobian2 *out, const struct jacobian2 *p, const struct jacobian2 *q)
{
	if (bn_fp2_is_zero(&p->z) || bn_fp2_is_zero(&q->z)) {
		*out = bn_fp2_is_zero(&p->z) ? *q : *p;
		return;
	}
	struct bn_fp2 z1, z2, u1, u2, s1, s2, h, r, i, j, v, x, y, z, t;
	bn_fp2_square(&z1, &p->z);
	bn_fp2_square(&z2, &q->z);
	bn_fp2_mul(&u1, &p->x, &z2);
	bn_fp2_mul(&u2, &q->x, &z1);
	bn_fp2_mul(&s1, &p->y, &q->z);
	bn_fp2_mul(&s1, &s1, &z2);
	bn_fp2_mul(&s2, &q->y, &p->z);
	bn_fp2_mul(&s2, &s2, &z1);
	bn_fp2_sub(&h, &u2, &u1);
	bn_fp2_sub(&r, &s2, &s1);
	if (bn_fp2_is_zero(&h)) {
		if (bn_fp2_is_zero(&r))
			jacobian2_double(out, p);
		else
			memset(out, 0, sizeof *out);
		return;
	}
	bn_fp2_double(&r, &r);
	bn_fp2_double(&i, &h);
	bn_fp2_square(&i, &i);
	bn_fp2_mul(&j, &h, &i);
	bn_fp2_mul(&v, &u1, &i);
	bn_fp2_square(&x, &r);
	bn_fp2_sub(&x, &x, &j);
	bn_fp2_sub(&x, &x, &v);
	bn_fp2_sub(&x, &x, &v);
	bn_fp2_sub(&y, &v, &x);
	bn_fp2_mul(&y, &y, &r);
	bn_fp2_mul(&t, &s1, &j);
	bn_fp2_double(&t, &t);
	bn_fp2_sub(&y, &y, &t);
	bn_fp2_add(&z, &p->z, &q->z);
	bn_fp2_square(&z, &z);
	bn_fp2_sub(&z, &z, &z1);
	bn_fp2_sub(&z, &z, &z2);
	bn_fp2_mul(&z, &z, &h);
	*out = (struct jacobian2){x, y, z};
}

static void jacobian2_mul(struct jacobian2 *out, const struct jacobian2 *p, const uint64_t *scalar,
                          unsigned limbs)
{
	struct jacobian2 sum = {0};
	for (unsigned i = limbs * 64; i-- > 0;) {
		if (!bn_fp2_is_zero(&sum.z))
			jacobian2_double(&sum, &sum);
		if (scalar[i / 64] >> i % 64 & 1)
			jacobian2_add(&sum, &sum, p);
	}
	*out = sum;
}

/* The Frobenius endomorphism on the twist, k times; Z is conjugated, so it holds in Jacobian coordinates too.
 */
static void jacobian2_frobenius(struct jacobian2 *p, unsigned times)
{
	const struct bn_constants *constants = bn_constants();
	for (unsigned i = 0; i < times; i++) {
		bn_fp2_conjugate(&p->x, &p->x);
		bn_fp2_conjugate(&p->y, &p->y);
		bn_fp2_conjugate(&p->z, &p->z);
		bn_fp2_mul(&p->x, &p->x, &constants->gamma[2]);
		bn_fp2_mul(&p->y, &p->y, &constants->gamma[3]);
	}
}

static bool jacobian2_equal(const struct jacobian2 *p, const struct jacobian2 *q)
{
	if (bn_fp2_is_zero(&p->z) || bn_fp2_is_zero(&q->z))
		return bn_fp2_is_zero(&p->z) && bn_fp2_is_zero(&q->z);
	struct bn_fp2 z1, z2, a, b;
	bn_fp2_square(&z1, &p->z);
	bn_fp2_square(&z2, &q->z);
	bn_fp2_mul(&a, &p->x, &z2);
	bn_fp2_mul(&b, &q->x, &z1);
	if (!bn_fp2_equal(&a, &b))
		return false;
	bn_fp2_mul(&z1, &z1, &p->z);
	bn_fp2_mul(&z2, &z2, &q->z);
	bn_fp2_mul(&a, &p->y, &z2);
	bn_fp2_mul(&b, &q->y, &z1);
	return bn_fp2_equal(&a, &b);
}

/*
 * Membership in the subgroup of order n: [x+1]Q + psi([x]Q) + psi^2([x]Q) = psi^3([2x]Q), a quarter of the
 * work of [n]Q = O (Y. El Housni, A. Guillevic, T. Piellard, "Co-factor clearing and subgroup membership
 * testing on pairing-friendly curves", AFRICACRYPT 2022). bn254_test.c holds it against [n]Q = O.
 */
bool bn_g2_in_subgroup(const struct bn_g2 *q)
{
	static const uint64_t x[1] = {BN_X};
	const struct jacobian2 p = {q->x, q->y, {.a = bn_one}};
	struct jacobian2 xp, left, right, t;
	jacobian2_mul(&xp, &p, x, 1);
	jacobian2_add(&left, &xp, &p);
	t = xp;
	jacobian2_frobenius(&t, 1);
	jacobian2_add(&left, &left, &t);
	jacobian2_frobenius(&t, 1);
	jacobian2_add(&left, &left, &t);
	jacobian2_double(&right, &xp);
	jacobian2_frobenius(&right, 3);
	return jacobian2_equal(&left, &right);
}

bool bn_g2_in_subgroup_by_order(const struct bn_g2 *q)
{
	static const uint64_t n[4] = {0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d,
	                              0x30644e72e131a029};
	const struct jacobian2 p = {q->x, q->y, {.a = bn_one}};
	struct jacobian2 product;
	jacobian2_mul(&product, &p, n, 4);
	return bn_fp2_is_zero(&product.z);
}

bool bn_g2_on_curve(const struct bn_g2 *q)
{
	struct bn_fp2 left, right;
	bn_fp2_square(&left, &q->y);
	bn_fp2_square(&right, &q->x);
	bn_fp2_mul(&right, &right, &q->x);
	bn_fp2_add(&right, &right, &bn_constants()->twist_b);
	return bn_fp2_equal(&left, &right);
}

bool bn_g2_load(struct bn_g2 *out, const uint8_t bytes[128])
{
	if (!bn_fp_load(&out->x.b, bytes) || !bn_fp_load(&out->x.a, bytes + 32) ||
	    !bn_fp_load(&out->y.b, bytes + 64) || !bn_fp_load(&out->y.a, bytes + 96))
		return false;
	out->infinity = bn_fp2_is_zero(&out->x) && bn_fp2_is_zero(&out->y);
	return out->infinity || (bn_g2_on_curve(out) && bn_g2_in_subgroup(out));
}
