/* HMAC (FIPS 198-1, RFC 2104) over SHA-256, SHA-384 and SHA-512. Objects are wiped by final. */
#ifndef CRYPTO_HMAC_H
#define CRYPTO_HMAC_H

#include "sha2.h"

struct hmac_sha256 {
	struct sha256 inner;
	struct sha256 outer;
};

struct hmac_sha512 {
	struct sha512 inner;
	struct sha512 outer;
};

/* The key may have any length; keys longer than a block are hashed first, as the standard says. */
void hmac_sha256_init(struct hmac_sha256 *hmac, const void *key, size_t key_length);
void hmac_sha256_update(struct hmac_sha256 *hmac, const void *data, size_t length);
void hmac_sha256_final(struct hmac_sha256 *hmac, uint8_t tag[SHA256_SIZE]);

/* The SHA-384 form has its own init; the tag's size follows it. */
void hmac_sha384_init(struct hmac_sha512 *hmac, const void *key, size_t key_length);
void hmac_sha512_init(struct hmac_sha512 *hmac, const void *key, size_t key_length);
void hmac_sha512_update(struct hmac_sha512 *hmac, const void *data, size_t length);
void hmac_sha512_final(struct hmac_sha512 *hmac, uint8_t *tag);

void hmac_sha256(uint8_t tag[SHA256_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length);
void hmac_sha384(uint8_t tag[SHA384_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length);
void hmac_sha512(uint8_t tag[SHA512_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length);

#endif
