/*
 * Ed25519 verification alone, for the loader: portable to 32-bit machines, small, no tables, about 3 KiB of
 * stack.
 *
 * Field elements modulo p = 2^255 - 19 are ten limbs of 26 and 25 bits in turn, limb i counting 2^ceil(25.5
 * i). Results of fe_mul, fe_sub and fe_add are below 2^26 + 2^17 in every limb, which fe_mul takes without
 * overflow. Points are in extended coordinates (X : Y : Z : T), x = X/Z, y = Y/Z, xy = T/Z (Hisil, Wong,
 * Carter, Dawson 2008), whose addition law is complete, so no input needs a special case. All inputs are
 * public: nothing here runs in constant time.
 *
 * Accepts exactly what libsodium accepts (ed25519.h lists the checks); the tests hold the two together.
 */
#include "ed25519.h"
#include "sha2.h"

#define LIMBS 10

struct fe {
	uint32_t limb[LIMBS];
};

struct point {
	struct fe x, y, z, t;
};

static const struct fe fe_one = {{1}};
static const struct fe curve_d = {{0x35978a3, 0x0d37284, 0x3156ebd, 0x06a0a0e, 0x001c029, 0x179e898,
                                   0x3a03cbb, 0x1ce7198, 0x2e2b6ff, 0x1480db3}};
static const struct fe curve_2d = {{0x2b2f159, 0x1a6e509, 0x22add7a, 0x0d4141d, 0x0038052, 0x0f3d130,
                                    0x3407977, 0x19ce331, 0x1c56dff, 0x0901b67}};
static const struct fe sqrt_minus_1 = {{0x20ea0b0, 0x186c9d2, 0x08f189d, 0x035697f, 0x0bd0c60, 0x1fbd7a7,
                                        0x2804c9e, 0x1e16569, 0x004fc1d, 0x0ae0c92}};
static const struct point base_point = {
    {{0x325d51a, 0x18b5823, 0x0f6592a, 0x104a92d, 0x1a4b31d, 0x1d6dc5c, 0x27118fe, 0x07fd814, 0x13cd6e5,
      0x085a4db}},
    {{0x2666658, 0x1999999, 0x0cccccc, 0x1333333, 0x1999999, 0x0666666, 0x3333333, 0x0cccccc, 0x2666666,
      0x1999999}},
    {{1}},
    {{0x1b7dda3, 0x1a2ace9, 0x25eadbb, 0x003ba8a, 0x083c27e, 0x0abe37d, 0x1274732, 0x0ccacdd, 0x0fd78b7,
      0x19e1d7c}},
};

/* The order of the base point, 2^252 + 27742317777372353535851937790883648493, in 64-bit words. */
static const uint64_t group_order[4] = {0x5812631a5cf5d3ed, 0x14def9dea2f79cd6, 0, 0x1000000000000000};

CRYPTO_INLINE unsigned limb_bits(int i)
{
	return i % 2 ? 25 : 26;
}

CRYPTO_INLINE uint32_t limb_mask(int i)
{
	return ((uint32_t)1 << limb_bits(i)) - 1;
}

/* Brings sums below 2^63 down to limbs below 2^26 + 2^17. */
static void fe_carry(struct fe *out, uint64_t sum[LIMBS])
{
	uint64_t carry = 0;
	for (int i = 0; i < LIMBS; i++) {
		sum[i] += carry;
		out->limb[i] = (uint32_t)(sum[i] & limb_mask(i));
		carry = sum[i] >> limb_bits(i);
	}
	/* 2^255 = 19; the carry is below 2^38. */
	carry = out->limb[0] + 19 * carry;
	out->limb[0] = (uint32_t)(carry & limb_mask(0));
	out->limb[1] += (uint32_t)(carry >> 26);
}

static void fe_add(struct fe *out, const struct fe *a, const struct fe *b)
{
	uint64_t sum[LIMBS];
	for (int i = 0; i < LIMBS; i++)
		sum[i] = (uint64_t)a->limb[i] + b->limb[i];
	fe_carry(out, sum);
}

/* Adds 4p first, so that no limb goes below zero. */
static void fe_sub(struct fe *out, const struct fe *a, const struct fe *b)
{
	uint64_t sum[LIMBS];
	for (int i = 0; i < LIMBS; i++)
		sum[i] = (uint64_t)a->limb[i] + 4 * (limb_mask(i) - (i ? 0u : 18u)) - b->limb[i];
	fe_carry(out, sum);
}

/* Two odd limbs count 2^(25.5 i + 25.5 j + 1), hence the doubling. Ten terms stay below 10 * 19 * 2 * 2^53.
 */
static void fe_mul(struct fe *out, const struct fe *a, const struct fe *b)
{
	uint64_t sum[LIMBS] = {0};
	for (int i = 0; i < LIMBS; i++)
		for (int j = 0; j < LIMBS; j++) {
			uint32_t factor = i + j < LIMBS ? b->limb[j] : 19 * b->limb[j];
			sum[(i + j) % LIMBS] += (uint64_t)(a->limb[i] << (i & j & 1)) * factor;
		}
	fe_carry(out, sum);
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
	unsigned bit = 0;
	for (int i = 0; i < LIMBS; i++) {
		/* Eight bytes hold the limb; the last eight serve every limb that begins in them. */
		unsigned byte = bit / 8 < 24 ? bit / 8 : 24;
		out->limb[i] = (uint32_t)(load_le64(bytes + byte) >> (bit - 8 * byte) & limb_mask(i));
		bit += limb_bits(i);
	}
}

/* The one encoding below p. */
static void fe_to_bytes(uint8_t bytes[32], const struct fe *a)
{
	struct fe t;
	uint64_t sum[LIMBS];
	for (int i = 0; i < LIMBS; i++)
		sum[i] = a->limb[i];
	fe_carry(&t, sum);
	/* Below 2^255 + 2^44; q is 1 when it is p or more. */
	uint32_t q = 19;
	for (int i = 0; i < LIMBS; i++)
		q = (t.limb[i] + q) >> limb_bits(i);
	/* Adding 19 q and dropping the top bit subtracts q p. */
	uint64_t pending = 0;
	uint32_t carry = 19 * q;
	unsigned bits = 0;
	for (int i = 0; i < LIMBS; i++) {
		carry += t.limb[i];
		pending |= (uint64_t)(carry & limb_mask(i)) << bits;
		carry >>= limb_bits(i);
		for (bits += limb_bits(i); bits >= 8; bits -= 8) {
			*bytes++ = (uint8_t)(pending & 0xff);
			pending >>= 8;
		}
	}
	*bytes = (uint8_t)pending;
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
	if (memcmp(check, bytes, 32) != 0)
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
	return memcmp(encoded, signature, 32) != 0 || has_small_order(&sum) ? CRYPTO_BAD_SIGNATURE
	                                                                    : CRYPTO_OK;
}
