/*
 * Authenticated encryption with associated data: ChaCha20-Poly1305 (RFC 8439), XChaCha20-Poly1305
 * (draft-irtf-cfrg-xchacha), AES-256-GCM (NIST SP 800-38D with 96-bit nonces).
 *
 * A nonce must never be used twice with one key, except that XChaCha20's is long enough to be drawn at
 * random. None of the three commits to its key: where an attacker could choose among keys, bind the key first
 * (as sealed boxes do). ChaCha20 and Poly1305 are libsodium's, AES-GCM is BearSSL's; all run in constant
 * time.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include "util.h"

#define AEAD_KEY_SIZE       32
#define AEAD_TAG_SIZE       16
#define AEAD_MAX_NONCE_SIZE 24

enum aead {
	AEAD_CHACHA20_POLY1305,
	AEAD_XCHACHA20_POLY1305,
	AEAD_AES_256_GCM,
};

/*
 * 12 or 24 bytes; 0 for an unknown algorithm. AES-GCM takes nonces of any length but 0, for what others have
 * made: use 12, since hashed ones may collide.
 */
size_t aead_nonce_size(enum aead algorithm);

/*
 * Encrypts `size` bytes of `in` to `out`, which may be `in` itself but must not overlap it otherwise, and
 * writes the tag over ciphertext and associated data. `data`, `in` and `out` may be NULL when empty.
 * CRYPTO_BAD_ARGUMENT: unknown algorithm; CRYPTO_BAD_LENGTH: the nonce, or more than 2^36 - 64 bytes of
 * input.
 */
enum crypto_status aead_encrypt(enum aead algorithm, const uint8_t key[AEAD_KEY_SIZE], const uint8_t *nonce,
                                size_t nonce_size, const void *data, size_t data_size, const uint8_t *in,
                                size_t size, uint8_t *out, uint8_t tag[AEAD_TAG_SIZE]) CRYPTO_MUST_CHECK;

/* The reverse. CRYPTO_BAD_CIPHERTEXT: the tag does not match; `out` is zeroed. */
enum crypto_status aead_decrypt(enum aead algorithm, const uint8_t key[AEAD_KEY_SIZE], const uint8_t *nonce,
                                size_t nonce_size, const void *data, size_t data_size, const uint8_t *in,
                                size_t size, const uint8_t tag[AEAD_TAG_SIZE],
                                uint8_t *out) CRYPTO_MUST_CHECK;

#endif
