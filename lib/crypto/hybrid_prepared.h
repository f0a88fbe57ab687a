/*
 * The hybrid signature with keys that are used again and again: what depends on the public key alone is computed once and kept, some
 * 31 KB a key. Signatures and verdicts are those of hybrid_sign.h.
 */
#ifndef CRYPTO_HYBRID_PREPARED_H
#define CRYPTO_HYBRID_PREPARED_H

#include "hybrid_sign.h"
#include "mldsa_prepared.h"

struct hybrid_prepared {
	struct mldsa65_prepared mldsa;
	struct sha3 hash; /* behind the label and the key */
	uint8_t pk[HYBRID_SIGN_PK_SIZE];
};

void hybrid_prepare(struct hybrid_prepared *prepared, const uint8_t pk[HYBRID_SIGN_PK_SIZE]);

/* As hybrid_verify(). */
enum crypto_status hybrid_verify_prepared(const struct hybrid_prepared *prepared, const void *message,
                                          size_t message_size, const void *context, size_t context_size,
                                          const uint8_t *signature, size_t signature_size) CRYPTO_MUST_CHECK;

/* As hybrid_sign(). CRYPTO_BAD_KEY: `prepared` is of another key. */
enum crypto_status hybrid_sign_prepared(const struct hybrid_prepared *prepared,
                                        const struct hybrid_sign_key *key, const void *message,
                                        size_t message_size, const void *context, size_t context_size,
                                        const uint8_t *rnd,
                                        uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;

#endif
