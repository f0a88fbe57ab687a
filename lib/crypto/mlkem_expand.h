/* Sampling the matrix of ML-KEM, and digests beside it (internal). */
#ifndef CRYPTO_MLKEM_EXPAND_H
#define CRYPTO_MLKEM_EXPAND_H

#include "mlkem_poly.h"

/* 32 bytes of SHA3-256 or SHAKE256 over `head` and `body`, one after the other. `head` is shorter than a
 * block of 136 bytes. */
struct mlkem_digest {
	const uint8_t *head, *body;
	size_t head_size, body_size;
	uint8_t suffix; /* MLKEM_SHA3 or MLKEM_SHAKE */
	uint8_t *out;
};
#define MLKEM_SHA3  0x06
#define MLKEM_SHAKE 0x1f

/*
 * Samples the k rows of k entries of A_hat (FIPS 203, SampleNTT, algorithm 7), or of its transpose, from
 * `rho`, and computes `digest_count` digests at the same time. Takes a time that depends on `rho`, which is
 * public, and on the sizes.
 */
void mlkem_expand(const struct mlkem_ops *ops, struct mlkem_poly *a_hat, const uint8_t rho[32], unsigned k,
                  bool transposed, const struct mlkem_digest *digests, unsigned digest_count);

#endif
