/* HKDF (RFC 5869) over any function of hash.h. */
#ifndef CRYPTO_HKDF_H
#define CRYPTO_HKDF_H

#include "hmac.h"

/* Pseudorandom key, of a digest's size, from input key material. A NULL salt of length 0 stands for zeros. */
void hkdf_extract(const struct hash_function *function, uint8_t *prk, const void *salt, size_t salt_length,
                  const void *secret, size_t secret_length);

/* `out_length` bytes of key material, at most 255 digests (CRYPTO_BAD_LENGTH beyond). */
enum crypto_status hkdf_expand(const struct hash_function *function, uint8_t *out, size_t out_length,
                               const void *prk, size_t prk_length, const void *info,
                               size_t info_length) CRYPTO_MUST_CHECK;

/* Extract and expand. */
enum crypto_status hkdf(const struct hash_function *function, uint8_t *out, size_t out_length,
                        const void *salt, size_t salt_length, const void *secret, size_t secret_length,
                        const void *info, size_t info_length) CRYPTO_MUST_CHECK;

#endif
