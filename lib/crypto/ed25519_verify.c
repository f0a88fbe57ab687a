/*
 * Ed25519 verification alone, for the loader: portable, small, no tables, about 2 KiB of stack.
 *
 * Field elements are five limbs of 51 bits modulo p = 2^255 - 19. Results of fe_mul, fe_sub and fe_add are
 * below 2^52 in every limb, which fe_mul takes without overflow. Points are in extended coordinates (X : Y :
 * Z : T), x = X/Z, y = Y/Z, xy = T/Z (Hisil, Wong, Carter, Dawson 2008), whose addition law is complete, so
 * no input needs a special case. All inputs are public: nothing here runs in constant time.
 *
 * Accepts exactly what libsodium accepts (ed25519.h lists the checks); the tests hold the two together.
 */
#include "ed25519.h"
#include "sha2.h"

#define LIMB_MASK (((uint64_t)1 << 51) - 1)

typedef unsigned __int128 uint128_t;

struct fe {
	uint64_t limb[5];
};

struct point {
	struct fe x, y, z, t;
};

static const struct fe fe_one = {{1}};
static const struct fe curve_d = {
    {0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
static const struct fe curve_2d = {
    {0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052, 0x6738cc7407977, 0x2406d9dc56dff}};
static const struct fe sqrt_minus_1 = {
    {0x61b274a0ea0b0, 0xd5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};
static const struct point base_point = {
    {{0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d, 0x1ff60527118fe, 0x216936d3cd6e5}},
    {{0x6666666666658, 0x4cccccccccccc, 0x1999999999999, 0x3333333333333, 0x6666666666666}},
    {{1}},
    {{0x68ab3a5b7dda3, 0xeea2a5eadbb, 0x2af8df483c27e, 0x332b375274732, 0x67875f0fd78b7}},
};

/* The order of the base point, 2^252 + 27742317777372353535851937790883648493, in 64-bit words. */
static const uint64_t group_order[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};

/* Brings limbs below 2^63 down below 2^51 + 2^13 * 19. */
static void fe_carry(struct fe *a)
{
	uint64_t carry = 0;
	for (int i = 0; i < 5; i++) {
		a->limb[i] += carry;
		carry = a->limb[i] >> 51;
		a->limb[i] &= LIMB_MASK;
	}
	a->limb[0] += 19 * carry;
}

static void fe_add(struct fe *out, const struct fe *a, const struct fe *b)
{
	for (int i = 0; i < 5; i++)
		out->limb[i] = a->limb[i] + b->limb[i];
	fe_carry(out);
}

/* Adds 4p first, so that no limb goes below zero. */
static void fe_sub(struct fe *out, const struct fe *a, const struct fe *b)
{
	for (int i = 0; i < 5; i++)
		out->limb[i] = a->limb[i] + (i ? 4 * LIMB_MASK : 4 * (LIMB_MASK - 18)) - b->limb[i];
	fe_carry(out);
}

static void fe_mul(struct fe *out, const struct fe *a, const struct fe *b)
{
	uint128_t sum[5] = {0};
	for (int i = 0; i < 5; i++)
		for (int j = 0; j < 5; j++)
			sum[(i + j) % 5] +=
			    (uint128_t)a->limb[i] * (i + j < 5 ? b->limb[j] : 19 * b->limb[j]);
	uint128_t carry = 0;
	for (int i = 0; i < 5; i++) {
		sum[i] += carry;
		out->limb[i] = (uint64_t)sum[i] & LIMB_MASK;
		carry = sum[i] >> 51;
	}
	/* No term of the last sum has the factor 19, so the carry is below 2^56. */
	out->limb[0] += 19 * (uint64_t)carry;
	out->limb[1] += out->limb[0] >> 51;
	out->limb[0] &= LIMB_MASK;
}

static void fe_square_times(struct fe *out, const struct fe *a, int times)
{
	*out = *a;
	while (times--)
		fe_mul(out, out, out);
}

/* a^(2^252 - 3) into `power`, and a^11 into `eleven`: the chain that inversion and square root share. */
static void fe_power_chain(struct fe *power, struct fe *eleven, const struct fe *a)
{
	struct fe t, u, a5, a10, a20, a50;
	fe_mul(&t, a, a);
	fe_square_times(&u, &t, 2);
	fe_mul(&u, &u, a);
	fe_mul(eleven, &u, &t);
	fe_mul(&t, eleven, eleven);
	fe_mul(&a5, &t, &u); /* 2^5 - 1 */
	fe_square_times(&t, &a5, 5);
	fe_mul(&a10, &t, &a5);
	fe_square_times(&t, &a10, 10);
	fe_mul(&a20, &t, &a10);
	fe_square_times(&t, &a20, 20);
	fe_mul(&t, &t, &a20);
	fe_square_times(&t, &t, 10);
	fe_mul(&a50, &t, &a10);
	fe_square_times(&t, &a50, 50);
	fe_mul(&u, &t, &a50); /* 2^100 - 1 */
	fe_square_times(&t, &u, 100);
	fe_mul(&t, &t, &u);
	fe_square_times(&t, &t, 50);
	fe_mul(&t, &t, &a50); /* 2^250 - 1 */
	fe_square_times(&t, &t, 2);
	fe_mul(power, &t, a);
}

/* a^(p - 2) = a^(2^255 - 21) */
static void fe_invert(struct fe *out, const struct fe *a)
{
	struct fe power, eleven;
	fe_power_chain(&power, &eleven, a); /* 2^252 - 3 */
	fe_square_times(&power, &power, 3); /* 2^255 - 24 */
	struct fe cube;
	fe_mul(&cube, a, a);
	fe_mul(&cube, &cube, a);
	fe_mul(out, &power, &cube);
}

static void fe_from_bytes(struct fe *out, const uint8_t bytes[32])
{
	static const uint8_t first_bit[5] = {0, 51, 102, 153, 204};
	for (int i = 0; i < 5; i++) {
		/* The last limb's eight bytes end with the number; the others' begin at their first bit. */
		unsigned byte = i == 4 ? 24 : first_bit[i] / 8;
		out->limb[i] = load_le64(bytes + byte) >> (first_bit[i] - 8 * byte) & LIMB_MASK;
	}
}

/* The one encoding below p. */
static void fe_to_bytes(uint8_t bytes[32], const struct fe *a)
{
	struct fe t = *a;
	fe_carry(&t);
	fe_carry(&t);
	/* t is below 2^255 + 19; q is 1 when it is p or more. */
	uint64_t q = (t.limb[0] + 19) >> 51;
	for (int i = 1; i < 5; i++)
		q = (t.limb[i] + q) >> 51;
	t.limb[0] += 19 * q;
	for (int i = 0; i < 4; i++) {
		t.limb[i + 1] += t.limb[i] >> 51;
		t.limb[i] &= LIMB_MASK;
	}
	t.limb[4] &= LIMB_MASK;
	store_le64(bytes, t.limb[0] | (t.limb[1] & 0x1fff) << 51);
	store_le64(bytes + 8, t.limb[1] >> 13 | (t.limb[2] & 0x3ffffff) << 38);
	store_le64(bytes + 16, t.limb[2] >> 26 | (t.limb[3] & 0x7fffffffff) << 25);
	store_le64(bytes + 24, t.limb[3] >> 39 | t.limb[4] << 12);
}

static bool fe_equal(const struct fe *a, const struct fe *b)
{
	uint8_t left[32], right[32];
	fe_to_bytes(left, a);
	fe_to_bytes(right, b);
	return memcmp(left, right, 32) == 0;
}

/* Unified addition (section 3.1 of the paper, a = -1); doubling too. `out` may be either operand. */
static void point_add(struct point *out, const struct point *p, const struct point *q)
{
	struct fe a, b, c, d, e, f, g, h;
	fe_sub(&a, &p->y, &p->x);
	fe_sub(&b, &q->y, &q->x);
	fe_mul(&a, &a, &b);
	fe_add(&b, &p->y, &p->x);
	fe_add(&c, &q->y, &q->x);
	fe_mul(&b, &b, &c);
	fe_mul(&c, &p->t, &q->t);
	fe_mul(&c, &c, &curve_2d);
	fe_mul(&d, &p->z, &q->z);
	fe_add(&d, &d, &d);
	fe_sub(&e, &b, &a);
	fe_sub(&f, &d, &c);
	fe_add(&g, &d, &c);
	fe_add(&h, &b, &a);
	fe_mul(&out->x, &e, &f);
	fe_mul(&out->y, &g, &h);
	fe_mul(&out->z, &f, &g);
	fe_mul(&out->t, &e, &h);
}

static void point_encode(uint8_t bytes[32], const struct point *p)
{
	struct fe inverse, x, y;
	uint8_t x_bytes[32];
	fe_invert(&inverse, &p->z);
	fe_mul(&x, &p->x, &inverse);
	fe_mul(&y, &p->y, &inverse);
	fe_to_bytes(x_bytes, &x);
	fe_to_bytes(bytes, &y);
	bytes[31] |= (uint8_t)((x_bytes[0] & 1) << 7);
}

/* False unless `bytes` is the canonical encoding of a point (RFC 8032 section 5.1.3). */
static bool point_decode(struct point *out, const uint8_t bytes[32])
{
	uint8_t check[32];
	struct fe u, v, v3, t, minus_u;
	fe_from_bytes(&out->y, bytes);
	fe_to_bytes(check, &out->y);
	check[31] |= bytes[31] & 0x80;
	if (memcmp(check, bytes, 32))
		return false;
	/* x^2 = (y^2 - 1) / (d y^2 + 1); the root is u v^3 (u v^7)^((p-5)/8), times sqrt(-1) perhaps. */
	fe_mul(&t, &out->y, &out->y);
	fe_sub(&u, &t, &fe_one);
	fe_mul(&v, &t, &curve_d);
	fe_add(&v, &v, &fe_one);
	fe_mul(&v3, &v, &v);
	fe_mul(&v3, &v3, &v);
	fe_mul(&t, &v3, &v3);
	fe_mul(&t, &t, &v);
	fe_mul(&t, &t, &u);
	struct fe power, unused;
	fe_power_chain(&power, &unused, &t);
	fe_mul(&out->x, &u, &v3);
	fe_mul(&out->x, &out->x, &power);
	fe_mul(&t, &out->x, &out->x);
	fe_mul(&t, &t, &v);
	fe_sub(&minus_u, &(struct fe){{0}}, &u);
	if (fe_equal(&t, &minus_u))
		fe_mul(&out->x, &out->x, &sqrt_minus_1);
	else if (!fe_equal(&t, &u))
		return false;
	fe_to_bytes(check, &out->x);
	if ((check[0] & 1) != bytes[31] >> 7)
		fe_sub(&out->x, &(struct fe){{0}}, &out->x);
	out->z = fe_one;
	fe_mul(&out->t, &out->x, &out->y);
	return true;
}

static bool has_small_order(const struct point *p)
{
	static const struct fe zero;
	struct point q = *p;
	for (int i = 0; i < 3; i++)
		point_add(&q, &q, &q);
	return fe_equal(&q.x, &zero) && fe_equal(&q.y, &q.z);
}

/* a - b of four words into `out`; the borrow. */
CRYPTO_WRAPS static uint64_t subtract(uint64_t out[4], const uint64_t a[4], const uint64_t b[4])
{
	uint64_t borrow = 0;
	for (int i = 0; i < 4; i++) {
		uint64_t difference = a[i] - b[i];
		uint64_t next = (a[i] < b[i]) | (difference < borrow);
		out[i] = difference - borrow;
		borrow = next;
	}
	return borrow;
}

/* The 512-bit number modulo the group order, bit by bit from the top. */
CRYPTO_WRAPS static void reduce(uint64_t out[4], const uint8_t wide[64])
{
	uint64_t difference[4];
	memset(out, 0, 4 * sizeof *out);
	for (int bit = 511; bit >= 0; bit--) {
		for (int i = 3; i > 0; i--)
			out[i] = out[i] << 1 | out[i - 1] >> 63;
		out[0] = out[0] << 1 | (wide[bit / 8] >> bit % 8 & 1);
		if (!subtract(difference, out, group_order))
			memcpy(out, difference, sizeof difference);
	}
}

enum crypto_status ed25519_verify(const uint8_t pk[ED25519_PK_SIZE], const void *message, size_t size,
                                  const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
	struct point a, sum, table[4];
	uint64_t s[4], h[4], unused[4];
	uint8_t digest[SHA512_SIZE], encoded[32];

	for (int i = 0; i < 4; i++)
		s[i] = load_le64(signature + 32 + 8 * i);
	if (!subtract(unused, s, group_order))
		return CRYPTO_BAD_SIGNATURE;
	if (!point_decode(&a, pk) || has_small_order(&a))
		return CRYPTO_BAD_SIGNATURE;

	struct sha512 hash;
	sha512_init(&hash);
	sha512_update(&hash, signature, 32);
	sha512_update(&hash, pk, ED25519_PK_SIZE);
	sha512_update(&hash, message, size);
	sha512_final(&hash, digest);
	reduce(h, digest);

	/* sB - hA, one bit of both scalars at a time. */
	static const struct fe zero;
	fe_sub(&a.x, &zero, &a.x);
	fe_sub(&a.t, &zero, &a.t);
	table[1] = base_point;
	table[2] = a;
	point_add(&table[3], &base_point, &a);
	sum = (struct point){.y = fe_one, .z = fe_one};
	for (int bit = 252; bit >= 0; bit--) {
		unsigned both =
		    (unsigned)(s[bit / 64] >> bit % 64 & 1) | (unsigned)(h[bit / 64] >> bit % 64 & 1) << 1;
		point_add(&sum, &sum, &sum);
		if (both)
			point_add(&sum, &sum, &table[both]);
	}
	point_encode(encoded, &sum);
	return memcmp(encoded, signature, 32) || has_small_order(&sum) ? CRYPTO_BAD_SIGNATURE : CRYPTO_OK;
}
