/*
 * Division of 256-bit and 512-bit numbers, and modular arithmetic made of it.
 *
 * Schoolbook division (Knuth, TAOCP volume 2, 4.3.1, algorithm D) whose quotient digits come from a
 * precomputed reciprocal instead of the processor's divide instruction: N. Moller, T. Granlund, "Improved
 * division by invariant integers", IEEE Transactions on Computers 60 (2011), algorithms 2 to 6.
 */
#include "num/u256.h"

void u256_load_short(struct u256 *out, const uint8_t *bytes, size_t length)
{
	uint8_t padded[32] = {0};
	if (length > 32) {
		bytes += length - 32;
		length = 32;
	}
	if (length)
		memcpy(padded + 32 - length, bytes, length);
	u256_load(out, padded);
}

/* floor((2^128 - 1) / d) - 2^64 for a normalised d (algorithm 3). */
static uint64_t reciprocal_2by1(uint64_t d)
{
	const uint64_t v0 = ((UINT64_C(1) << 19) - 3 * (UINT64_C(1) << 8)) / (uint32_t)(d >> 55);
	const uint64_t d40 = (d >> 24) + 1;
	const uint64_t v1 = (v0 << 11) - (uint32_t)(v0 * v0 * d40 >> 40) - 1;
	const uint64_t v2 = (v1 << 13) + (v1 * (UINT64_C(0x1000000000000000) - v1 * d40) >> 47);
	const uint64_t low = d & 1;
	const uint64_t d63 = (d >> 1) + low;
	const uint64_t e = ((v2 >> 1) & (0 - low)) - v2 * d63;
	const uint64_t v3 = ((uint64_t)(((u128)v2 * e) >> 64) >> 1) + (v2 << 31);
	return v3 - (uint64_t)(((u128)v3 * d + d) >> 64) - d;
}

/* Algorithm 6. */
static uint64_t reciprocal_3by2(uint64_t d1, uint64_t d0)
{
	uint64_t v = reciprocal_2by1(d1);
	uint64_t p = d1 * v + d0;
	if (p < d0) {
		v--;
		if (p >= d1) {
			v--;
			p -= d1;
		}
		p -= d1;
	}
	const u128 t = (u128)v * d0;
	p += (uint64_t)(t >> 64);
	if (p < (uint64_t)(t >> 64)) {
		v--;
		if (p > d1 || (p == d1 && (uint64_t)t >= d0))
			v--;
	}
	return v;
}

/* Algorithm 4: (u1, u0) / d with u1 < d. */
static inline uint64_t divide_2by1(uint64_t u1, uint64_t u0, uint64_t d, uint64_t v, uint64_t *remainder)
{
	const u128 q = (u128)v * u1 + (((u128)u1 << 64) | u0);
	uint64_t q1 = (uint64_t)(q >> 64) + 1;
	uint64_t r = u0 - q1 * d;
	if (r > (uint64_t)q) {
		q1--;
		r += d;
	}
	if (__builtin_expect(r >= d, 0)) {
		q1++;
		r -= d;
	}
	*remainder = r;
	return q1;
}

/* Algorithm 5: (u2, u1, u0) / d with (u2, u1) < d. */
static inline uint64_t divide_3by2(uint64_t u2, uint64_t u1, uint64_t u0, u128 d, uint64_t v, u128 *remainder)
{
	const u128 q = (u128)v * u2 + (((u128)u2 << 64) | u1);
	uint64_t q1 = (uint64_t)(q >> 64);
	const uint64_t r1 = u1 - q1 * (uint64_t)(d >> 64);
	u128 r = (((u128)r1 << 64) | u0) - (u128)(uint64_t)d * q1 - d;
	q1++;
	if ((uint64_t)(r >> 64) >= (uint64_t)q) {
		q1--;
		r += d;
	}
	if (__builtin_expect(r >= d, 0)) {
		q1++;
		r -= d;
	}
	*remainder = r;
	return q1;
}

/* One digit of the quotient for m of 3 or 4; inlined with m constant, so that the loops unroll. */
static inline __attribute__((always_inline)) uint64_t divide_step(uint64_t *part, const uint64_t *dn,
                                                                  u128 top, uint64_t v, const int m)
{
	uint64_t digit;
	const u128 head = (u128)part[m] << 64 | part[m - 1];
	if (__builtin_expect(head == top, 0)) {
		digit = UINT64_MAX;
		u128 carry = 0;
		uint64_t borrow = 0;
		for (int i = 0; i < m; i++) {
			carry += (u128)digit * dn[i];
			const u128 difference = (u128)part[i] - (uint64_t)carry - borrow;
			part[i] = (uint64_t)difference;
			borrow = (uint64_t)(difference >> 64) & 1;
			carry >>= 64;
		}
		part[m] -= (uint64_t)carry + borrow;
		return digit;
	}
	u128 rest;
	digit = divide_3by2(part[m], part[m - 1], part[m - 2], top, v, &rest);
	u128 carry = 0;
	uint64_t borrow = 0;
	for (int i = 0; i < m - 2; i++) {
		carry += (u128)digit * dn[i];
		const u128 difference = (u128)part[i] - (uint64_t)carry - borrow;
		part[i] = (uint64_t)difference;
		borrow = (uint64_t)(difference >> 64) & 1;
		carry >>= 64;
	}
	const u128 taken = carry + borrow;
	const bool negative = rest < taken;
	rest -= taken;
	part[m - 2] = (uint64_t)rest;
	part[m - 1] = (uint64_t)(rest >> 64);
	part[m] = 0;
	if (__builtin_expect(negative, 0)) {
		digit--;
		u128 sum = 0;
		for (int i = 0; i < m; i++) {
			sum += (u128)part[i] + dn[i];
			part[i] = (uint64_t)sum;
			sum >>= 64;
		}
	}
	return digit;
}

/*
 * u (n limbs, at most 8) by d (m limbs, 1 to 4, the top one not 0). The quotient's n - m + 1 limbs are
 * written when q is not NULL, the remainder's m limbs to r. n >= m.
 */
static void divide(uint64_t *q, uint64_t *r, const uint64_t *u, int n, const uint64_t *d, int m)
{
	uint64_t un[9];
	uint64_t dn[4] = {0};
	const unsigned shift = (unsigned)__builtin_clzll(d[m - 1]);
	un[n] = u[n - 1] >> 1 >> (63 - shift);
	for (int i = n - 1; i > 0; i--)
		un[i] = u[i] << shift | (u[i - 1] >> 1 >> (63 - shift));
	un[0] = u[0] << shift;
	for (int i = m - 1; i > 0; i--)
		dn[i] = d[i] << shift | (d[i - 1] >> 1 >> (63 - shift));
	dn[0] = d[0] << shift;

	if (m == 1) {
		const uint64_t v = reciprocal_2by1(dn[0]);
		uint64_t rest = un[n];
		for (int i = n - 1; i >= 0; i--) {
			const uint64_t digit = divide_2by1(rest, un[i], dn[0], v, &rest);
			if (q)
				q[i] = digit;
		}
		r[0] = rest >> shift;
		return;
	}
	const u128 top = (u128)dn[m - 1] << 64 | dn[m - 2];
	const uint64_t v = reciprocal_3by2(dn[m - 1], dn[m - 2]);
	if (m == 2) {
		u128 rest = (u128)un[n] << 64 | un[n - 1];
		for (int i = n - 2; i >= 0; i--) {
			const uint64_t digit =
			    divide_3by2((uint64_t)(rest >> 64), (uint64_t)rest, un[i], top, v, &rest);
			if (q)
				q[i] = digit;
		}
		rest >>= shift;
		r[0] = (uint64_t)rest;
		r[1] = (uint64_t)(rest >> 64);
		return;
	}
	for (int j = n - m; j >= 0; j--) {
		const uint64_t digit =
		    m == 4 ? divide_step(un + j, dn, top, v, 4) : divide_step(un + j, dn, top, v, 3);
		if (q)
			q[j] = digit;
	}
	for (int i = 0; i < m - 1; i++)
		r[i] = un[i] >> shift | (un[i + 1] << 1 << (63 - shift));
	r[m - 1] = un[m - 1] >> shift;
}

static int limbs(const uint64_t *a, int n)
{
	while (n && !a[n - 1])
		n--;
	return n;
}

void u256_divide(struct u256 *quotient, struct u256 *remainder, const struct u256 *a, const struct u256 *b)
{
	struct u256 q = U256_ZERO;
	struct u256 r = U256_ZERO;
	const int m = limbs(b->w, 4);
	const int n = limbs(a->w, 4);
	if (m == 1 && n == 1) {
		q.w[0] = a->w[0] / b->w[0];
		r.w[0] = a->w[0] % b->w[0];
	} else if (m && n >= m) {
		divide(q.w, r.w, a->w, n, b->w, m);
	} else if (m) {
		r = *a;
	}
	if (quotient)
		*quotient = q;
	if (remainder)
		*remainder = r;
}

void u256_signed_divide(struct u256 *quotient, struct u256 *remainder, const struct u256 *a,
                        const struct u256 *b)
{
	const bool negative_a = a->w[3] >> 63;
	const bool negative_b = b->w[3] >> 63;
	struct u256 x = *a;
	struct u256 y = *b;
	if (negative_a)
		u256_negate(&x);
	if (negative_b)
		u256_negate(&y);
	u256_divide(quotient, remainder, &x, &y);
	if (quotient && negative_a != negative_b)
		u256_negate(quotient);
	if (remainder && negative_a)
		u256_negate(remainder);
}

void u256_mul_wide(uint64_t out[8], const struct u256 *a, const struct u256 *b)
{
	uint64_t r[8] = {0};
#pragma clang loop unroll(full)
	for (int i = 0; i < 4; i++) {
		uint64_t carry = 0;
#pragma clang loop unroll(full)
		for (int j = 0; j < 4; j++) {
			const u128 t = (u128)a->w[i] * b->w[j] + r[i + j] + carry;
			r[i + j] = (uint64_t)t;
			carry = (uint64_t)(t >> 64);
		}
		r[i + 4] = carry;
	}
	memcpy(out, r, sizeof r);
}

/* out = wide (n limbs) modulo m. */
static void reduce(struct u256 *out, const uint64_t *wide, int n, const struct u256 *m)
{
	struct u256 r = U256_ZERO;
	const int size = limbs(m->w, 4);
	n = limbs(wide, n);
	if (size && n >= size)
		divide(NULL, r.w, wide, n, m->w, size);
	else if (size)
		memcpy(r.w, wide, (size_t)n * 8);
	*out = r;
}

void u256_add_mod(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m)
{
	/* Mostly both are below a large modulus already: one subtraction is enough. */
	if (m->w[3] && !u256_less(m, a) && !u256_less(m, b)) {
		struct u256 x = *a;
		struct u256 y = *b;
		if (u256_equal(&x, m))
			x = U256_ZERO;
		if (u256_equal(&y, m))
			y = U256_ZERO;
		struct u256 sum;
		struct u256 reduced;
		const bool carry = u256_add(&sum, &x, &y);
		const bool borrow = u256_sub(&reduced, &sum, m);
		*out = carry || !borrow ? reduced : sum;
		return;
	}
	struct u256 sum;
	uint64_t wide[5];
	wide[4] = u256_add(&sum, a, b);
	memcpy(wide, sum.w, 32);
	reduce(out, wide, 5, m);
}

void u256_mul_mod(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m)
{
	uint64_t wide[8];
	u256_mul_wide(wide, a, b);
	reduce(out, wide, 8, m);
}

void u256_power(struct u256 *out, const struct u256 *base, const struct u256 *exponent)
{
	struct u256 result = u256_from(1);
	struct u256 square = *base;
	const unsigned bits = u256_bits(exponent);
	for (unsigned i = 0; i < bits; i++) {
		if (exponent->w[i / 64] >> i % 64 & 1)
			u256_mul(&result, &result, &square);
		u256_mul(&square, &square, &square);
	}
	*out = result;
}

/* Algorithm 4 with digits of 256 bits: (u1, u0) modulo normal, u1 below normal. */
static void reduce_by_reciprocal(struct u256 *out, struct u256 u1, struct u256 u0,
                                 const struct u256_modulus *known)
{
	uint64_t wide[8];
	struct u256 q0;
	struct u256 q1;
	struct u256 r;
	struct u256 product;
	const struct u256 one = u256_from(1);
	u256_mul_wide(wide, &known->reciprocal, &u1);
	memcpy(q0.w, wide, 32);
	memcpy(q1.w, wide + 4, 32);
	const struct u256 carry = u256_from(u256_add(&q0, &q0, &u0));
	u256_add(&q1, &q1, &u1);
	u256_add(&q1, &q1, &carry);
	u256_add(&q1, &q1, &one);
	u256_mul(&product, &q1, &known->normal);
	u256_sub(&r, &u0, &product);
	if (u256_less(&q0, &r))
		u256_add(&r, &r, &known->normal);
	if (!u256_less(&r, &known->normal))
		u256_sub(&r, &r, &known->normal);
	*out = r;
}

static void learn(struct u256_modulus *known)
{
	uint64_t all[8];
	uint64_t quotient[8] = {0};
	uint64_t rest[4];
	known->shift = (unsigned)__builtin_clzll(known->m.w[3]);
	u256_shift_left(&known->normal, &known->m, known->shift);
	memset(all, 0xff, sizeof all);
	divide(quotient, rest, all, 8, known->normal.w, 4);
	memcpy(known->reciprocal.w, quotient, 32); /* the quotient's fifth limb is 1 */
	known->ready = true;
}

void u256_mul_mod_again(struct u256 *out, const struct u256 *a, const struct u256 *b, const struct u256 *m,
                        struct u256_modulus *known)
{
	uint64_t wide[8];
	struct u256 u1;
	struct u256 u0;
	if (!u256_equal(m, &known->m)) {
		*known = (struct u256_modulus){.m = *m};
		u256_mul_mod(out, a, b, m);
		return;
	}
	if (!known->ready) {
		if (m->w[3] == 0) {
			u256_mul_mod(out, a, b, m);
			return;
		}
		learn(known);
	}
	u256_mul_wide(wide, a, b);
	memcpy(u0.w, wide, 32);
	memcpy(u1.w, wide + 4, 32);
	if (!u256_less(&u1, m))
		u256_divide(NULL, &u1, &u1, m);
	if (known->shift) {
		struct u256 high;
		u256_shift_left(&u1, &u1, known->shift);
		u256_shift_right(&high, &u0, 256 - known->shift, 0);
		for (int i = 0; i < 4; i++)
			u1.w[i] |= high.w[i];
		u256_shift_left(&u0, &u0, known->shift);
	}
	reduce_by_reciprocal(out, u1, u0, known);
	if (known->shift)
		u256_shift_right(out, out, known->shift, 0);
}
