/*
 * Arithmetic of ML-KEM on polynomials of 256 coefficients modulo q = 3329 (internal).
 *
 * A polynomial is 256 16-bit integers in the standard's order, in both domains, so that plain C and AVX2
 * share every layout and the scheme above them is written once over struct mlkem_ops. Coefficients are signed
 * representatives; each operation says what range it takes and gives. Products go through Montgomery
 * reduction with R = 2^16. Nothing branches on or indexes by coefficients, except reject(), whose input is
 * public.
 */
#ifndef CRYPTO_MLKEM_POLY_H
#define CRYPTO_MLKEM_POLY_H

#include "bitpack.h"
#include "cpu.h"

#define MLKEM_N          256
#define MLKEM_Q          3329
#define MLKEM_QINV       (-3327) /* q^-1 modulo 2^16, signed */
#define MLKEM_R2         1353    /* R^2 modulo q */
#define MLKEM_INVNTT     1441    /* R^2 / 128 modulo q: ends the inverse transform and undoes one 1/R */
#define MLKEM_BARRETT    20159   /* round(2^26 / q) */
#define MLKEM_POLY_BYTES 384     /* 12 bits a coefficient */

struct mlkem_poly {
	int16_t c[MLKEM_N];
} __attribute__((aligned(32)));

struct mlkem_ops {
	/* Number-theoretic transform (algorithm 9). In: |c| < q; out: |c| <= 1670. */
	void (*ntt)(struct mlkem_poly *p);

	/* Inverse transform (algorithm 10), times R. In: |c| < q; out: |c| < q. */
	void (*inverse_ntt)(struct mlkem_poly *p);

	/* Prepares a second factor: out[2i] = b[2i], out[2i+1] = b[2i+1] times the pair's zeta. In and out:
	 * |c| < q. */
	void (*prepare)(struct mlkem_poly *out, const struct mlkem_poly *b);

	/* r = sum of a[i] times b[i] / R over i < k in the transformed domain (algorithms 11 and 12), with
	 * prepared[i] from prepare(b[i]). In: 0 <= a < 4096, |b| <= 1670; k at most 4; out: |c| < q. */
	void (*dot)(struct mlkem_poly *r, const struct mlkem_poly *a, const struct mlkem_poly *b,
	            const struct mlkem_poly *prepared, unsigned k);

	/* r = r R + b, reduced. In: |r| < q, |b| < 8 q; out: |c| <= 1670. */
	void (*scale_add)(struct mlkem_poly *r, const struct mlkem_poly *b);

	/* r = r + b, r = a - r; |r| < 4 q stays unreduced: out is |c| <= 1670. */
	void (*add)(struct mlkem_poly *r, const struct mlkem_poly *b);
	void (*subtract_from)(struct mlkem_poly *r, const struct mlkem_poly *a);

	/* SampleNTT (algorithm 7): appends the 12-bit values below q among `size` bytes (a multiple of 24) to
	 * p, which holds `have` coefficients, until it is full. Returns the new number. */
	unsigned (*reject)(struct mlkem_poly *p, unsigned have, const uint8_t *bytes, size_t size);

	/* SamplePolyCBD (algorithm 8) from 64 eta bytes, eta 2 or 3. Out: |c| <= eta. */
	void (*binomial)(struct mlkem_poly *p, const uint8_t *bytes, unsigned eta);

	/* ByteEncode and ByteDecode with 12 bits. In: |c| < q (written as 0..q-1); out: 0 <= c < 4096. */
	void (*to_bytes)(uint8_t out[MLKEM_POLY_BYTES], const struct mlkem_poly *p);
	void (*from_bytes)(struct mlkem_poly *p, const uint8_t in[MLKEM_POLY_BYTES]);

	/* ByteEncode of Compress and Decompress of ByteDecode (section 4.2.1), 32 d bytes; d is 1, 4, 5, 10
	 * or
	 * 11. In: |c| < q; out: 0 <= c < q. */
	void (*compress)(uint8_t *out, const struct mlkem_poly *p, unsigned d);
	void (*decompress)(struct mlkem_poly *p, const uint8_t *in, unsigned d);
};

extern const struct mlkem_ops mlkem_ops_c;
#if CRYPTO_VECTOR
extern const struct mlkem_ops mlkem_ops_avx2;
#endif

/* 17^BitRev7(i) R modulo q (FIPS 203, appendix A, in Montgomery form). */
extern const int16_t mlkem_zetas[128];

/* a b / R modulo q, for |a b| < q 2^15. Out: |.| < q. */
CRYPTO_INLINE int16_t mlkem_montgomery(int16_t a, int16_t b)
{
	int16_t high = (int16_t)((a * b) >> 16);
	int16_t m = (int16_t)((int16_t)(a * b) * MLKEM_QINV);
	int16_t low = (int16_t)((m * MLKEM_Q) >> 16);
	return (int16_t)(high - low);
}

/* a modulo q, as |.| <= 1670; any a. */
CRYPTO_INLINE int16_t mlkem_barrett(int16_t a)
{
	int16_t high = (int16_t)((a * MLKEM_BARRETT) >> 16);
	int16_t quotient = (int16_t)((int16_t)(high + 512) >> 10);
	return (int16_t)(a - (int16_t)(quotient * MLKEM_Q));
}

/* a + q if a is negative: 0..q-1 from |a| < q. */
CRYPTO_INLINE int16_t mlkem_canonical(int16_t a)
{
	return (int16_t)(a + ((a >> 15) & MLKEM_Q));
}

/*
 * Compress_d of 0 <= x < q without division. The estimate is the wanted quotient of 2^d x + q/2 by q or one
 * less, as it drops less than 1/19 and the rounding term; the remainder, exact in 16 bits, tells which.
 */
CRYPTO_INLINE uint16_t mlkem_compress1(uint16_t x, unsigned d)
{
	uint16_t estimate = (uint16_t)((x * ((1u << (16 + d)) / MLKEM_Q)) >> 16);
	int16_t rest = (int16_t)((uint16_t)(x << d) + MLKEM_Q / 2 - estimate * MLKEM_Q);
	uint32_t one_more = (uint32_t)(MLKEM_Q - 1 - rest) >> 31;
	return (uint16_t)((estimate + one_more) & ((1u << d) - 1));
}

/* Decompress_d of y < 2^d. */
CRYPTO_INLINE int16_t mlkem_decompress1(uint16_t y, unsigned d)
{
	return (int16_t)((y * MLKEM_Q + (1u << d) / 2) >> d);
}

#endif
