/*
 * ML-DSA-65 with keys that are used again and again: what depends on a public key alone (the matrix, t1 transformed, the key's
 * hash) is computed once and kept, some 31 KB a key. The signatures are those of mldsa.h, and accepted is exactly what
 * mldsa_verify() accepts.
 */
#ifndef CRYPTO_MLDSA_PREPARED_H
#define CRYPTO_MLDSA_PREPARED_H

#include "mldsa.h"
#include "mldsa_poly.h"

#define MLDSA65_K 6
#define MLDSA65_L 5

struct mldsa65_prepared {
	struct mldsa_poly t1_hat[MLDSA65_K];
	/* Entries are sampled four at a time: the last two are of no row. */
	uint8_t matrix[(MLDSA65_K * MLDSA65_L + 2) * MLDSA_PACKED_BYTES + MLDSA_PACKED_SLACK];
	uint8_t tr[64];
};

void mldsa65_prepare(struct mldsa65_prepared *prepared, const uint8_t pk[MLDSA65_PK_SIZE]);

/* As mldsa_verify(), of MLDSA_65. */
enum crypto_status mldsa65_verify_prepared(const struct mldsa65_prepared *prepared, const void *message,
                                           size_t message_size, const void *context, size_t context_size,
                                           const uint8_t signature[MLDSA65_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;

/* As mldsa_sign(), of MLDSA_65. `prepared`: of the secret key's own public key; with another's, what comes out is no signature. */
enum crypto_status mldsa65_sign_prepared(const struct mldsa65_prepared *prepared,
                                         const uint8_t sk[MLDSA65_SK_SIZE], const void *message,
                                         size_t message_size, const void *context, size_t context_size,
                                         const uint8_t *rnd,
                                         uint8_t signature[MLDSA65_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;

#endif
