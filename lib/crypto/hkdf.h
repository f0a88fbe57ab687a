/* HKDF (RFC 5869) over SHA-256 and SHA-512. */
#ifndef CRYPTO_HKDF_H
#define CRYPTO_HKDF_H

#include "hmac.h"

/* Pseudorandom key from input key material. A NULL salt of length 0 stands for a block of zeros. */
void hkdf_sha256_extract(uint8_t prk[SHA256_SIZE], const void *salt, size_t salt_length, const void *secret,
                         size_t secret_length);
void hkdf_sha512_extract(uint8_t prk[SHA512_SIZE], const void *salt, size_t salt_length, const void *secret,
                         size_t secret_length);

/* `out_length` bytes of key material, at most 255 digests (CRYPTO_BAD_LENGTH beyond). */
enum crypto_status hkdf_sha256_expand(uint8_t *out, size_t out_length, const uint8_t prk[SHA256_SIZE],
                                      const void *info, size_t info_length) CRYPTO_MUST_CHECK;
enum crypto_status hkdf_sha512_expand(uint8_t *out, size_t out_length, const uint8_t prk[SHA512_SIZE],
                                      const void *info, size_t info_length) CRYPTO_MUST_CHECK;

/* Extract and expand. */
enum crypto_status hkdf_sha256(uint8_t *out, size_t out_length, const void *salt, size_t salt_length,
                               const void *secret, size_t secret_length, const void *info,
                               size_t info_length) CRYPTO_MUST_CHECK;
enum crypto_status hkdf_sha512(uint8_t *out, size_t out_length, const void *salt, size_t salt_length,
                               const void *secret, size_t secret_length, const void *info,
                               size_t info_length) CRYPTO_MUST_CHECK;

#endif
