/*
 * What the files of ML-DSA share (internal): the parameter sets, the choice of arithmetic, and sampling.
 *
 * mldsa_common.c has the sets, the matrix and the challenge; mldsa_message.c what is hashed before signing;
 * mldsa_verify.c verification, which is all a boot loader needs beside those two; mldsa_sign.c and
 * mldsa_keygen.c the secret half.
 */
#ifndef CRYPTO_MLDSA_INTERNAL_H
#define CRYPTO_MLDSA_INTERNAL_H

#include "mldsa.h"
#include "mldsa_poly.h"
#include "shake_x4.h"

#define MLDSA_MAX_K         8
#define MLDSA_MAX_L         7
#define MLDSA_MAX_CHALLENGE 64
#define MLDSA_T1_BYTES      320
#define MLDSA_T0_BYTES      416
#define MLDSA_MAX_HIGH      192 /* a row of w1Encode */
#define MLDSA_TR_SIZE       64
#define MLDSA_NO_DOMAIN     2 /* for mldsa_mu_start() */

/* FIPS 204, tables 1 and 2. */
struct mldsa_parameters {
	uint8_t k, l, eta, eta_bits, tau, beta, omega;
	uint8_t gamma1_bits;    /* gamma1 is 2^(gamma1_bits - 1); a coefficient of z takes gamma1_bits */
	uint8_t challenge_size; /* of c~ */
	uint8_t high_bytes;     /* a row of w1Encode */
	int32_t gamma2;
	uint16_t pk_size, sk_size, signature_size;
};

/* NULL for an unknown set. */
const struct mldsa_parameters *mldsa_find(enum mldsa_set set);
const struct mldsa_ops *mldsa_choose_ops(void);

/* Where the parts of a secret key begin: rho, K, tr, s1, s2, t0 (algorithm 24). */
struct mldsa_secret_layout {
	const uint8_t *rho, *k_seed, *tr, *s1, *s2, *t0;
};
struct mldsa_secret_layout mldsa_secret_layout(const struct mldsa_parameters *par, const uint8_t *sk);

/* The bytes of one packed polynomial with coefficients of at most eta. */
CRYPTO_INLINE unsigned mldsa_eta_bytes(const struct mldsa_parameters *par)
{
	return 32u * par->eta_bits;
}

/* Working memory of four samplings at once. */
struct mldsa_sampler {
	struct shake_x4 shake;
	uint8_t bytes[4][5 * SHAKE128_RATE];
};

/* Samples the entries `first` to `first` + 3, counted row by row, of the matrix ExpandA(rho) (algorithm 32),
 * packed, into four places at `packed`; entries beyond the last are arbitrary. */
void mldsa_sample_entries(const struct mldsa_parameters *par, const struct mldsa_ops *ops, uint8_t *packed,
                          const uint8_t rho[32], unsigned first, struct mldsa_sampler *sampler);

/* The matrix as a stream: no more than four entries exist at a time. Rows are used in order, from 0. */
struct mldsa_matrix {
	uint8_t packed[4 * MLDSA_PACKED_BYTES + MLDSA_PACKED_SLACK];
	struct mldsa_sampler sampler;
};

/* sum = row `row` of the matrix times `vector`, divided by R; |c| < 3 q. */
void mldsa_row_product(const struct mldsa_parameters *par, const struct mldsa_ops *ops,
                       struct mldsa_matrix *matrix, const uint8_t rho[32], unsigned row,
                       const struct mldsa_poly *vector, struct mldsa_poly *sum);

/* A key's matrix, packed row by row, and t1 2^d, transformed: computed before (mldsa_prepared.h). */
struct mldsa_rows {
	const uint8_t *matrix;
	const struct mldsa_poly *t1_hat;
};
/* Verifies by ROWS, or where that is NULL by the public key PK, whose rows are computed as they are needed. */
enum crypto_status mldsa_verify_rows(const struct mldsa_parameters *par, const uint8_t *pk,
                                     const struct mldsa_rows *rows, const uint8_t mu[MLDSA_MU_SIZE],
                                     const uint8_t *signature) CRYPTO_MUST_CHECK;
/* Signs with the whole MATRIX, packed row by row. */
enum crypto_status mldsa_sign_matrix(const struct mldsa_parameters *par, const uint8_t *sk,
                                     const uint8_t mu[MLDSA_MU_SIZE], const uint8_t *rnd,
                                     const uint8_t *matrix, uint8_t *signature) CRYPTO_MUST_CHECK;

/* SampleInBall (algorithm 29). */
void mldsa_challenge(const struct mldsa_parameters *par, struct mldsa_poly *c, const uint8_t *seed);

/* Starts mu for the key with hash `tr`. `domain` is 0 (pure) or 1 (digest), absorbed with the context, or
 * MLDSA_NO_DOMAIN. */
enum crypto_status mldsa_mu_start(struct mldsa_mu *mu, const uint8_t tr[MLDSA_TR_SIZE], unsigned domain,
                                  const void *context, size_t context_size) CRYPTO_MUST_CHECK;
/* Absorbs a digest with its identifier, having checked its size. */
enum crypto_status mldsa_mu_digest(struct mldsa_mu *mu, enum prehash hash, const uint8_t *digest,
                                   size_t digest_size) CRYPTO_MUST_CHECK;

#endif
