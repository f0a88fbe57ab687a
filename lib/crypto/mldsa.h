/*
 * ML-DSA (FIPS 204): signatures in the parameter sets 44, 65 and 87.
 *
 * Randomness comes from the caller: the seed of a key pair, and `rnd` for each signature: 32 fresh bytes for
 * hedged signing, which is to be preferred, or NULL for the deterministic variant. Keys and signatures are
 * the byte strings of the standard. A message is signed as one byte string, as a digest (HashML-DSA), or in
 * pieces through struct mldsa_mu. Intermediate secrets are wiped; on failure every output is zeroed.
 *
 * Common errors: CRYPTO_BAD_ARGUMENT (unknown set or hash, context over 255 bytes), CRYPTO_BAD_LENGTH (a key,
 * signature or digest of the wrong length), CRYPTO_BAD_KEY (a secret key with a coefficient out of range).
 */
#ifndef CRYPTO_MLDSA_H
#define CRYPTO_MLDSA_H

#include "prehash.h"
#include "sha3.h"

enum mldsa_set {
	MLDSA_44,
	MLDSA_65,
	MLDSA_87,
};
#define MLDSA_SETS 3

#define MLDSA_SEED_SIZE   32
#define MLDSA_RND_SIZE    32
#define MLDSA_MU_SIZE     64
#define MLDSA_MAX_CONTEXT 255

#define MLDSA44_PK_SIZE        1312
#define MLDSA44_SK_SIZE        2560
#define MLDSA44_SIGNATURE_SIZE 2420
#define MLDSA65_PK_SIZE        1952
#define MLDSA65_SK_SIZE        4032
#define MLDSA65_SIGNATURE_SIZE 3309
#define MLDSA87_PK_SIZE        2592
#define MLDSA87_SK_SIZE        4896
#define MLDSA87_SIGNATURE_SIZE 4627

/* The sizes of the largest set, for buffers. */
#define MLDSA_MAX_PK_SIZE        MLDSA87_PK_SIZE
#define MLDSA_MAX_SK_SIZE        MLDSA87_SK_SIZE
#define MLDSA_MAX_SIGNATURE_SIZE MLDSA87_SIGNATURE_SIZE

/* Sizes in bytes; 0 for an unknown set. */
size_t mldsa_pk_size(enum mldsa_set set);
size_t mldsa_sk_size(enum mldsa_set set);
size_t mldsa_signature_size(enum mldsa_set set);

/* Makes a key pair from `seed`, xi in the standard (ML-DSA.KeyGen_internal, algorithm 6). */
enum crypto_status mldsa_keygen(enum mldsa_set set, const uint8_t seed[MLDSA_SEED_SIZE], uint8_t *pk,
                                uint8_t *sk) CRYPTO_MUST_CHECK;

/*
 * Checks a secret key and finds its public key: the ranges of its coefficients, and that t0 and the hash of
 * the public key inside it follow from the rest (CRYPTO_BAD_KEY). For keys from outside; signing itself
 * checks only the ranges.
 */
enum crypto_status mldsa_public_from_secret(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                            uint8_t *pk) CRYPTO_MUST_CHECK;

/* Signs a message under a context (algorithm 2). `rnd`: 32 bytes, or NULL. `context` may be NULL if empty. */
enum crypto_status mldsa_sign(enum mldsa_set set, const uint8_t *sk, size_t sk_size, const void *message,
                              size_t message_size, const void *context, size_t context_size,
                              const uint8_t *rnd, uint8_t *signature) CRYPTO_MUST_CHECK;

/*
 * Verifies a signature of a message (algorithm 3). Besides the common errors: CRYPTO_BAD_ENCODING (the hint
 * is not the one encoding the standard allows, or z is out of range) and CRYPTO_BAD_SIGNATURE.
 */
enum crypto_status mldsa_verify(enum mldsa_set set, const uint8_t *pk, size_t pk_size, const void *message,
                                size_t message_size, const void *context, size_t context_size,
                                const uint8_t *signature, size_t signature_size) CRYPTO_MUST_CHECK;

/*
 * HashML-DSA (algorithms 4 and 5) of a message given by its digest under `hash`; prehash_message() computes
 * it. The standard wants a hash of at least the strength of the set; that choice is the caller's.
 */
enum crypto_status mldsa_sign_prehash(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                      enum prehash hash, const uint8_t *digest, size_t digest_size,
                                      const void *context, size_t context_size, const uint8_t *rnd,
                                      uint8_t *signature) CRYPTO_MUST_CHECK;
enum crypto_status mldsa_verify_prehash(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                        enum prehash hash, const uint8_t *digest, size_t digest_size,
                                        const void *context, size_t context_size, const uint8_t *signature,
                                        size_t signature_size) CRYPTO_MUST_CHECK;

/*
 * A message in pieces: start with the key that signs or verifies (both give the same result for one key
 * pair), update any number of times, finish to the message representative mu, then mldsa_sign_mu() or
 * mldsa_verify_mu(). The result is exactly that of mldsa_sign() and mldsa_verify().
 */
struct mldsa_mu {
	struct shake shake;
};

enum crypto_status mldsa_mu_start_public(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *pk,
                                         size_t pk_size, const void *context,
                                         size_t context_size) CRYPTO_MUST_CHECK;
enum crypto_status mldsa_mu_start_secret(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *sk,
                                         size_t sk_size, const void *context,
                                         size_t context_size) CRYPTO_MUST_CHECK;
void mldsa_mu_update(struct mldsa_mu *mu, const void *message, size_t size);
/* Writes mu and wipes the object. */
void mldsa_mu_finish(struct mldsa_mu *mu, uint8_t out[MLDSA_MU_SIZE]);

enum crypto_status mldsa_sign_mu(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                 const uint8_t mu[MLDSA_MU_SIZE], const uint8_t *rnd,
                                 uint8_t *signature) CRYPTO_MUST_CHECK;
enum crypto_status mldsa_verify_mu(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                   const uint8_t mu[MLDSA_MU_SIZE], const uint8_t *signature,
                                   size_t signature_size) CRYPTO_MUST_CHECK;

/*
 * The internal interface (algorithms 7 and 8): `message` is the standard's M', without context and prefix.
 * For test vectors and for protocols that define M' themselves; elsewhere use the functions above.
 */
enum crypto_status mldsa_sign_internal(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                       const void *message, size_t message_size, const uint8_t *rnd,
                                       uint8_t *signature) CRYPTO_MUST_CHECK;
enum crypto_status mldsa_verify_internal(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                         const void *message, size_t message_size, const uint8_t *signature,
                                         size_t signature_size) CRYPTO_MUST_CHECK;

#endif
