/*
 * The hybrid signature: Ed25519 and ML-DSA-65 over one digest; both must verify.
 *
 *   T         = SHA3-512(LABEL || Ed25519 public key || ML-DSA public key || |context| as one byte || context
 * || message)                                      LABEL names the scheme, its algorithms, its version
 *   signature = Ed25519(ED_LABEL || T) || ML-DSA-65(T, under the ML-DSA context ML_LABEL)
 *
 * Every field before the message has a fixed length or a length in front, so T binds each of them. Both
 * halves sign both public keys, and under labels of their own: a half taken out is no signature of anything
 * in plain Ed25519 or ML-DSA, and a half made with another partner key does not verify. The two secret seeds
 * are derived from one, so neither half's key is used anywhere else. Ed25519 signatures are checked strictly
 * (ed25519.h), ML-DSA's have one encoding: nobody can make a second signature out of a first without a
 * secret key, except by hedged signing itself.
 *
 * Because the message enters a hash, it may be given in pieces and verified with little memory. Finding two
 * messages of one signature takes a collision of SHA3-512.
 */
#ifndef CRYPTO_HYBRID_SIGN_H
#define CRYPTO_HYBRID_SIGN_H

#include "ed25519.h"
#include "mldsa.h"
#include "sha3.h"

#define HYBRID_SIGN_SEED_SIZE      32
#define HYBRID_SIGN_RND_SIZE       MLDSA_RND_SIZE
#define HYBRID_SIGN_PK_SIZE        (ED25519_PK_SIZE + MLDSA65_PK_SIZE)               /* 1984 */
#define HYBRID_SIGN_SIGNATURE_SIZE (ED25519_SIGNATURE_SIZE + MLDSA65_SIGNATURE_SIZE) /* 3373 */
#define HYBRID_SIGN_MAX_CONTEXT    255

/* A key pair ready to sign. The owner wipes it with crypto_wipe(). What is stored is the seed. */
struct hybrid_sign_key {
	uint8_t pk[HYBRID_SIGN_PK_SIZE];
	uint8_t ed25519_sk[ED25519_SK_SIZE];
	uint8_t mldsa_sk[MLDSA65_SK_SIZE];
};

/* A message on its way into the digest T, under a public key and a context. */
struct hybrid_message {
	struct sha3 hash;
	uint8_t pk[HYBRID_SIGN_PK_SIZE];
};

/* Makes the key pair of 32 random bytes. */
enum crypto_status hybrid_sign_keygen(struct hybrid_sign_key *key,
                                      const uint8_t seed[HYBRID_SIGN_SEED_SIZE]) CRYPTO_MUST_CHECK;

/* CRYPTO_BAD_LENGTH: `pk_size`; CRYPTO_BAD_ARGUMENT: a context over 255 bytes. `context` may be NULL if
 * empty. */
enum crypto_status hybrid_message_start(struct hybrid_message *message, const uint8_t *pk, size_t pk_size,
                                        const void *context, size_t context_size) CRYPTO_MUST_CHECK;
void hybrid_message_update(struct hybrid_message *message, const void *data, size_t size);

/*
 * Signs. `rnd`: 32 fresh bytes for hedged signing, to be preferred, or NULL. Ends the message.
 * CRYPTO_BAD_KEY: the message was started with another public key than `key`'s.
 */
enum crypto_status hybrid_message_sign(struct hybrid_message *message, const struct hybrid_sign_key *key,
                                       const uint8_t *rnd,
                                       uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;

/*
 * Verifies under the public key and context the message was started with. Ends the message.
 * CRYPTO_BAD_LENGTH: `signature_size`; CRYPTO_BAD_SIGNATURE: either half is not valid.
 */
enum crypto_status hybrid_message_verify(struct hybrid_message *message, const uint8_t *signature,
                                         size_t signature_size) CRYPTO_MUST_CHECK;

/* Whole messages at once. */
enum crypto_status hybrid_sign(const struct hybrid_sign_key *key, const void *message, size_t message_size,
                               const void *context, size_t context_size, const uint8_t *rnd,
                               uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;
enum crypto_status hybrid_verify(const uint8_t *pk, size_t pk_size, const void *message, size_t message_size,
                                 const void *context, size_t context_size, const uint8_t *signature,
                                 size_t signature_size) CRYPTO_MUST_CHECK;

#endif
