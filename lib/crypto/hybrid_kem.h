/*
 * The hybrid KEM: X-Wing (draft-connolly-cfrg-xwing-kem, versions 06 and later), X25519 with ML-KEM-768.
 *
 *   seed (32 bytes) -> SHAKE256, 96 bytes: ML-KEM's d and z, the X25519 secret key
 *   shared secret   =  SHA3-256(ML-KEM secret || X25519 secret || X25519 ciphertext || X25519 public key ||
 * \./ /^\)
 *
 * Secure if either component is. ML-KEM's ciphertext need not be hashed again: its own secret is bound to it.
 */
#ifndef CRYPTO_HYBRID_KEM_H
#define CRYPTO_HYBRID_KEM_H

#include "mlkem.h"
#include "x25519.h"

#define HYBRID_KEM_SEED_SIZE   32                               /* the secret key as it is stored */
#define HYBRID_KEM_PK_SIZE     (MLKEM768_EK_SIZE + X25519_SIZE) /* 1216 */
#define HYBRID_KEM_CT_SIZE     (MLKEM768_CT_SIZE + X25519_SIZE) /* 1120 */
#define HYBRID_KEM_RANDOM_SIZE (MLKEM_SEED_SIZE + X25519_SIZE)  /* for encapsulation */
#define HYBRID_KEM_SHARED_SIZE 32

/* A key pair ready to decapsulate. The owner wipes it with crypto_wipe(); it is never stored or sent. */
struct hybrid_kem_key {
	uint8_t pk[HYBRID_KEM_PK_SIZE];
	uint8_t mlkem_dk[MLKEM768_DK_SIZE];
	uint8_t x25519_sk[X25519_SIZE];
};

/* Makes the key pair of 32 random bytes. */
enum crypto_status hybrid_kem_keygen(struct hybrid_kem_key *key,
                                     const uint8_t seed[HYBRID_KEM_SEED_SIZE]) CRYPTO_MUST_CHECK;

/*
 * Makes a shared secret for the holder of `pk` from 64 random bytes. CRYPTO_BAD_LENGTH: `pk_size`;
 * CRYPTO_BAD_KEY: the ML-KEM key fails the check of FIPS 203 section 7.2.
 */
enum crypto_status hybrid_kem_encapsulate(const uint8_t *pk, size_t pk_size,
                                          const uint8_t random[HYBRID_KEM_RANDOM_SIZE],
                                          uint8_t ct[HYBRID_KEM_CT_SIZE],
                                          uint8_t shared[HYBRID_KEM_SHARED_SIZE]) CRYPTO_MUST_CHECK;

/*
 * Finds the shared secret. A ciphertext that was not made for this key gives an unpredictable secret, without
 * an error. CRYPTO_BAD_LENGTH: `ct_size`.
 */
enum crypto_status hybrid_kem_decapsulate(const struct hybrid_kem_key *key, const uint8_t *ct, size_t ct_size,
                                          uint8_t shared[HYBRID_KEM_SHARED_SIZE]) CRYPTO_MUST_CHECK;

#endif
