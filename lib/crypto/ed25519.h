/*
 * Ed25519 (RFC 8032, the pure form).
 *
 * Two implementations stand behind this interface. ed25519.c is libsodium's, for the host and for units with
 * vector registers. ed25519_verify.c is verification alone, in portable C, for the loader, where no library
 * can be linked (docs/security.md says why). A program links one of them.
 *
 * Both verify alike, byte for byte: S must be below the group order, the public key must be a canonical
 * encoding, neither the public key nor R may have small order, and R must equal the encoding of SB - hA (the
 * equation without cofactor).
 */
#ifndef CRYPTO_ED25519_H
#define CRYPTO_ED25519_H

#include "util.h"

#define ED25519_SEED_SIZE      32
#define ED25519_PK_SIZE        32
#define ED25519_SK_SIZE        64 /* the seed and the public key, which signing needs: one unit, never split */
#define ED25519_SIGNATURE_SIZE 64

/* Makes a key pair from 32 random bytes. */
void ed25519_keygen(const uint8_t seed[ED25519_SEED_SIZE], uint8_t pk[ED25519_PK_SIZE],
                    uint8_t sk[ED25519_SK_SIZE]);

/* Signs; deterministic. */
void ed25519_sign(const uint8_t sk[ED25519_SK_SIZE], const void *message, size_t size,
                  uint8_t signature[ED25519_SIGNATURE_SIZE]);

/* CRYPTO_BAD_SIGNATURE covers bad encodings and bad keys too. Not constant-time: all inputs are public. */
enum crypto_status ed25519_verify(const uint8_t pk[ED25519_PK_SIZE], const void *message, size_t size,
                                  const uint8_t signature[ED25519_SIGNATURE_SIZE]) CRYPTO_MUST_CHECK;

#endif
