/*
 * HMAC (FIPS 198-1, RFC 2104) over any function of hash.h. The tag has the digest's size. Written out for the
 * SHAKEs too, but standard only over SHA-2 and SHA-3.
 */
#ifndef CRYPTO_HMAC_H
#define CRYPTO_HMAC_H

#include "hash.h"

/* A computation. It may be copied to fork it; hmac_final() wipes it. */
struct hmac {
	struct hash inner;
	struct hash outer;
};

/* The key may have any length; keys longer than a block are hashed first, as the standard says. */
void hmac_init(struct hmac *hmac, const struct hash_function *function, const void *key, size_t key_length);
void hmac_update(struct hmac *hmac, const void *data, size_t length);
void hmac_final(struct hmac *hmac, uint8_t *tag);

/* A whole message at once. */
void hmac_message(const struct hash_function *function, const void *key, size_t key_length, const void *data,
                  size_t length, uint8_t *tag);

#endif
