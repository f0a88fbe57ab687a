/*
 * SLH-DSA (FIPS 205), stateless hash-based signatures, in all twelve parameter sets.
 *
 * Randomness comes from the caller: the seed of a key pair, and `rnd` for each signature: n fresh bytes for
 * hedged signing, which is to be preferred, or NULL for the deterministic variant. Keys and signatures are
 * the byte strings of the standard. Signing the "s" sets takes from a tenth of a second to seconds.
 * Intermediate secrets are wiped; on failure every output is zeroed. Verification alone needs neither
 * slhdsa_sign.c nor slhdsa_tree.c.
 *
 * Common errors: CRYPTO_BAD_ARGUMENT (unknown set or hash, context over 255 bytes), CRYPTO_BAD_LENGTH (a key,
 * signature or digest of the wrong length).
 */
#ifndef CRYPTO_SLHDSA_H
#define CRYPTO_SLHDSA_H

#include "prehash.h"

enum slhdsa_set {
	SLHDSA_SHA2_128S,
	SLHDSA_SHA2_128F,
	SLHDSA_SHA2_192S,
	SLHDSA_SHA2_192F,
	SLHDSA_SHA2_256S,
	SLHDSA_SHA2_256F,
	SLHDSA_SHAKE_128S,
	SLHDSA_SHAKE_128F,
	SLHDSA_SHAKE_192S,
	SLHDSA_SHAKE_192F,
	SLHDSA_SHAKE_256S,
	SLHDSA_SHAKE_256F,
};
#define SLHDSA_SETS 12

#define SLHDSA_MAX_CONTEXT 255

/* The sizes of the largest sets, for buffers. */
#define SLHDSA_MAX_SEED_SIZE      96
#define SLHDSA_MAX_RND_SIZE       32
#define SLHDSA_MAX_PK_SIZE        64
#define SLHDSA_MAX_SK_SIZE        128
#define SLHDSA_MAX_SIGNATURE_SIZE 49856

/* The standard's name, "SLH-DSA-SHA2-128s" and so on; NULL for an unknown set. */
const char *slhdsa_name(enum slhdsa_set set);

/* Sizes in bytes; 0 for an unknown set. */
size_t slhdsa_seed_size(enum slhdsa_set set); /* SK.seed, SK.prf and PK.seed: 3n */
size_t slhdsa_rnd_size(enum slhdsa_set set);  /* n */
size_t slhdsa_pk_size(enum slhdsa_set set);
size_t slhdsa_sk_size(enum slhdsa_set set);
size_t slhdsa_signature_size(enum slhdsa_set set);

/* Makes a key pair from SK.seed, SK.prf and PK.seed, one after the other (slh_keygen_internal, algorithm 18).
 */
enum crypto_status slhdsa_keygen(enum slhdsa_set set, const uint8_t *seed, uint8_t *pk,
                                 uint8_t *sk) CRYPTO_MUST_CHECK;

/*
 * Checks a secret key from outside: computes its root anew, at the cost of a key generation, and writes its
 * public key. CRYPTO_BAD_KEY: the root does not belong to the seeds.
 */
enum crypto_status slhdsa_public_from_secret(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                             uint8_t *pk) CRYPTO_MUST_CHECK;

/* Signs a message under a context (algorithm 22). `context` may be NULL if empty. */
enum crypto_status slhdsa_sign(enum slhdsa_set set, const uint8_t *sk, size_t sk_size, const void *message,
                               size_t message_size, const void *context, size_t context_size,
                               const uint8_t *rnd, uint8_t *signature) CRYPTO_MUST_CHECK;

/* Verifies a signature of a message (algorithm 24). Besides the common errors: CRYPTO_BAD_SIGNATURE. */
enum crypto_status slhdsa_verify(enum slhdsa_set set, const uint8_t *pk, size_t pk_size, const void *message,
                                 size_t message_size, const void *context, size_t context_size,
                                 const uint8_t *signature, size_t signature_size) CRYPTO_MUST_CHECK;

/*
 * HashSLH-DSA (algorithms 23 and 25) of a message given by its digest under `hash`; prehash_message()
 * computes it. The standard wants a hash of at least the strength of the set; that choice is the caller's.
 */
enum crypto_status slhdsa_sign_prehash(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                       enum prehash hash, const uint8_t *digest, size_t digest_size,
                                       const void *context, size_t context_size, const uint8_t *rnd,
                                       uint8_t *signature) CRYPTO_MUST_CHECK;
enum crypto_status slhdsa_verify_prehash(enum slhdsa_set set, const uint8_t *pk, size_t pk_size,
                                         enum prehash hash, const uint8_t *digest, size_t digest_size,
                                         const void *context, size_t context_size, const uint8_t *signature,
                                         size_t signature_size) CRYPTO_MUST_CHECK;

/*
 * slh_sign_internal and slh_verify_internal (algorithms 19 and 20): without the prefix that separates
 * contexts and pre-hashed messages. For test vectors only.
 */
enum crypto_status slhdsa_sign_internal(enum slhdsa_set set, const uint8_t *sk, size_t sk_size,
                                        const void *message, size_t message_size, const uint8_t *rnd,
                                        uint8_t *signature) CRYPTO_MUST_CHECK;
enum crypto_status slhdsa_verify_internal(enum slhdsa_set set, const uint8_t *pk, size_t pk_size,
                                          const void *message, size_t message_size, const uint8_t *signature,
                                          size_t signature_size) CRYPTO_MUST_CHECK;

#endif
