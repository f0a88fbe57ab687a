/*
 * Arithmetic of ML-DSA on polynomials of 256 coefficients modulo q = 8380417 (internal).
 *
 * A polynomial is 256 32-bit integers in the standard's order, in both domains; each operation says what
 * range it takes and gives. Products go through Montgomery reduction with R = 2^32. The public matrix A_hat
 * is kept packed, three bytes a coefficient, so that all of it fits on the stack while signing. Nothing
 * branches on or indexes by coefficients, except sampling by rejection, which tells only which candidates
 * were refused: those are independent of the ones kept.
 */
#ifndef CRYPTO_MLDSA_POLY_H
#define CRYPTO_MLDSA_POLY_H

#include "bitpack.h"
#include "cpu.h"

#define MLDSA_N            256
#define MLDSA_Q            8380417
#define MLDSA_QINV         58728449 /* q^-1 modulo 2^32 */
#define MLDSA_INVNTT       41978    /* R^2 / 256 modulo q: ends the inverse transform and undoes one 1/R */
#define MLDSA_D            13
#define MLDSA_PACKED_BYTES 768 /* a polynomial of the packed matrix */
#define MLDSA_PACKED_SLACK 32  /* readable bytes that must follow a packed matrix */
#define MLDSA_HINT_BYTES   32  /* a bit for each coefficient */

#define MLDSA_GAMMA2_44 ((MLDSA_Q - 1) / 88)
#define MLDSA_GAMMA2_65 ((MLDSA_Q - 1) / 32)

struct mldsa_poly {
	int32_t c[MLDSA_N];
} __attribute__((aligned(32)));

struct mldsa_ops {
	/* Number-theoretic transform (algorithm 41). In: |c| < q; out: |c| < 9 q. */
	void (*ntt)(struct mldsa_poly *p);

	/* Inverse transform (algorithm 42), times R. In: |c| < 100 q; out: |c| < q. */
	void (*inverse_ntt)(struct mldsa_poly *p);

	/* sum = sum + (packed[i] times b[i] summed over i < count) / R, coefficient by coefficient. In:
	 * |b| < 9 q, count at most 8. The sum grows by less than q. */
	void (*multiply_add)(struct mldsa_poly *sum, const uint8_t *packed, const struct mldsa_poly *b,
	                     unsigned count);

	/* r = (a b + plus) / R; `plus` may be NULL. In: |a|, |b|, |plus| < 9 q; out: |c| < q. */
	void (*multiply)(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b,
	                 const struct mldsa_poly *plus);

	/* r = a - b and r = a + b, reduced: |c| < 6300000, and small results are exact. In: |.| < 100 q. */
	void (*subtract)(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b);
	void (*add)(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b);

	/* r = r reduced: |c| < 6300000, small values exact. */
	void (*reduce)(struct mldsa_poly *r);

	/* Whether some |c| >= bound. In: |c| < 2^30. */
	bool (*exceeds)(const struct mldsa_poly *p, int32_t bound);

	/* RejNTTPoly (algorithm 30): appends the 23-bit values below q among `size` bytes (a multiple of 24)
	 * to `packed`, which holds `have` coefficients, until it is full. Returns the new number. */
	unsigned (*reject)(uint8_t *packed, unsigned have, const uint8_t *bytes, size_t size);

	/* Decodes 256 values of `bits` bits: c = top - value. bits 18 or 20 with top gamma1 for y and z, 3 or
	 * 4 with top eta for s1 and s2, 13 with top 2^12 for t0. */
	void (*unpack)(struct mldsa_poly *p, const uint8_t *in, unsigned bits, int32_t top);

	/* The inverse of unpack(). In: top - 2^bits < c <= top. */
	void (*pack)(uint8_t *out, const struct mldsa_poly *p, unsigned bits, int32_t top);

	/* Decodes t1, 10 bits a coefficient, times 2^13. */
	void (*unpack_t1)(struct mldsa_poly *p, const uint8_t *in);

	/* Decompose (algorithm 36): leaves the low bits in p, packs the high bits as w1Encode does (6 or 4
	 * bits), and tells in `nonzero` which of them are not 0. In: |c| < q; out: |c| <= gamma2. */
	void (*decompose)(uint8_t *high, uint8_t nonzero[MLDSA_HINT_BYTES], struct mldsa_poly *p,
	                  int32_t gamma2);

	/* UseHint (algorithm 40), packed as w1Encode does. In: |c| < q; changes p. */
	void (*use_hint)(uint8_t *high, struct mldsa_poly *p, const uint8_t hint[MLDSA_HINT_BYTES],
	                 int32_t gamma2);

	/* MakeHint (algorithm 39) from the low bits after all corrections. `hint` comes with what decompose()
	 * told about the high bits, and goes with the hint. Returns the number of ones. */
	unsigned (*make_hint)(uint8_t hint[MLDSA_HINT_BYTES], const struct mldsa_poly *low, int32_t gamma2);
};

extern const struct mldsa_ops mldsa_ops_c;
#if CRYPTO_VECTOR
extern const struct mldsa_ops mldsa_ops_avx2;
#endif

/* 1753^BitRev8(i) R modulo q (FIPS 204, appendix B, in Montgomery form); the first is not used. */
extern const int32_t mldsa_zetas[MLDSA_N];

/* a / R modulo q for |a| < 2^31 q. Out: |.| < q. */
CRYPTO_INLINE int32_t mldsa_montgomery(int64_t a)
{
	int32_t m = (int32_t)((int64_t)(int32_t)a * MLDSA_QINV);
	return (int32_t)((a - (int64_t)m * MLDSA_Q) >> 32);
}

/* a modulo q for a < 2^31 - 2^22: |.| < 6300000; an a within 2^21 of a small multiple of q gives the
 * distance. */
CRYPTO_INLINE int32_t mldsa_reduce(int32_t a)
{
	return a - ((a + (1 << 22)) >> 23) * MLDSA_Q;
}

/* 0..q-1 from |a| < q. */
CRYPTO_INLINE int32_t mldsa_canonical(int32_t a)
{
	return a + ((a >> 31) & MLDSA_Q);
}

/*
 * HighBits of 0 <= a < q without division: a / (2 gamma2) rounded, by a reciprocal whose error does not
 * matter for a below q (the tests try them all). The one value that rounds up to q - 1 wraps to 0.
 */
CRYPTO_INLINE int32_t mldsa_high_bits(int32_t a, int32_t gamma2)
{
	int32_t high = (a + 127) >> 7;
	if (gamma2 == MLDSA_GAMMA2_65)
		return ((high * 1025 + (1 << 21)) >> 22) & 15;
	high = (high * 11275 + (1 << 23)) >> 24;
	return high & ~((43 - high) >> 31);
}

/* LowBits, given the high bits. */
CRYPTO_INLINE int32_t mldsa_low_bits(int32_t a, int32_t high, int32_t gamma2)
{
	int32_t low = a - high * 2 * gamma2;
	return low - ((((MLDSA_Q - 1) / 2 - low) >> 31) & MLDSA_Q);
}

/* UseHint of one coefficient, 0 <= a < q, `hint` 0 or 1. */
CRYPTO_INLINE int32_t mldsa_use_hint1(int32_t a, int32_t hint, int32_t gamma2)
{
	int32_t high = mldsa_high_bits(a, gamma2), low = mldsa_low_bits(a, high, gamma2);
	/* One up if the low bits are positive, else one down. */
	int32_t up = (int32_t)((uint32_t)-low >> 31);
	high += (2 * up - 1) * hint;
	if (gamma2 == MLDSA_GAMMA2_65)
		return high & 15;
	high += (high >> 31) & 44;
	return high & ~((43 - high) >> 31);
}

/* MakeHint of one coefficient: 0 or 1. The low bits lie within 2 gamma2; `nonzero` tells whether the high
 * bits are not 0. */
CRYPTO_INLINE uint32_t mldsa_make_hint1(int32_t low, uint32_t nonzero, int32_t gamma2)
{
	uint32_t above = (uint32_t)(gamma2 - low) >> 31;
	uint32_t below = (uint32_t)(low + gamma2) >> 31;
	uint32_t edge = (uint32_t)((low + gamma2) | -(low + gamma2)) >> 31 ^ 1;
	return above | below | (edge & nonzero);
}

#endif
