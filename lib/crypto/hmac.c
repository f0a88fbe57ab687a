/* HMAC: the hash of the outer-padded key and the hash of the inner-padded key and the message. */
#include "hmac.h"

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

static void pad_key(uint8_t *block, size_t length, uint8_t pad)
{
	for (size_t i = 0; i < length; i++)
		block[i] ^= pad;
}

void hmac_sha256_init(struct hmac_sha256 *hmac, const void *key, size_t key_length)
{
	uint8_t block[SHA256_BLOCK] = {0};
	if (key_length > sizeof block)
		sha256_hash(block, key, key_length);
	else if (key_length > 0)
		memcpy(block, key, key_length);
	pad_key(block, sizeof block, INNER_PAD);
	sha256_init(&hmac->inner);
	sha256_update(&hmac->inner, block, sizeof block);
	pad_key(block, sizeof block, INNER_PAD ^ OUTER_PAD);
	sha256_init(&hmac->outer);
	sha256_update(&hmac->outer, block, sizeof block);
	crypto_wipe(block, sizeof block);
}

void hmac_sha256_update(struct hmac_sha256 *hmac, const void *data, size_t length)
{
	sha256_update(&hmac->inner, data, length);
}

void hmac_sha256_final(struct hmac_sha256 *hmac, uint8_t tag[SHA256_SIZE])
{
	uint8_t digest[SHA256_SIZE];
	sha256_final(&hmac->inner, digest);
	sha256_update(&hmac->outer, digest, sizeof digest);
	sha256_final(&hmac->outer, tag);
	crypto_wipe(digest, sizeof digest);
}

static void init_512(struct hmac_sha512 *hmac, void (*hash_init)(struct sha512 *hash), const void *key,
                     size_t key_length)
{
	uint8_t block[SHA512_BLOCK] = {0};
	if (key_length > sizeof block) {
		hash_init(&hmac->inner);
		sha512_update(&hmac->inner, key, key_length);
		sha512_final(&hmac->inner, block);
	} else if (key_length > 0) {
		memcpy(block, key, key_length);
	}
	pad_key(block, sizeof block, INNER_PAD);
	hash_init(&hmac->inner);
	sha512_update(&hmac->inner, block, sizeof block);
	pad_key(block, sizeof block, INNER_PAD ^ OUTER_PAD);
	hash_init(&hmac->outer);
	sha512_update(&hmac->outer, block, sizeof block);
	crypto_wipe(block, sizeof block);
}

void hmac_sha384_init(struct hmac_sha512 *hmac, const void *key, size_t key_length)
{
	init_512(hmac, sha384_init, key, key_length);
}

void hmac_sha512_init(struct hmac_sha512 *hmac, const void *key, size_t key_length)
{
	init_512(hmac, sha512_init, key, key_length);
}

void hmac_sha512_update(struct hmac_sha512 *hmac, const void *data, size_t length)
{
	sha512_update(&hmac->inner, data, length);
}

void hmac_sha512_final(struct hmac_sha512 *hmac, uint8_t *tag)
{
	uint8_t digest[SHA512_SIZE];
	size_t size = hmac->inner.digest_size;
	sha512_final(&hmac->inner, digest);
	sha512_update(&hmac->outer, digest, size);
	sha512_final(&hmac->outer, tag);
	crypto_wipe(digest, sizeof digest);
}

void hmac_sha256(uint8_t tag[SHA256_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length)
{
	struct hmac_sha256 hmac;
	hmac_sha256_init(&hmac, key, key_length);
	hmac_sha256_update(&hmac, data, length);
	hmac_sha256_final(&hmac, tag);
}

void hmac_sha384(uint8_t tag[SHA384_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length)
{
	struct hmac_sha512 hmac;
	hmac_sha384_init(&hmac, key, key_length);
	hmac_sha512_update(&hmac, data, length);
	hmac_sha512_final(&hmac, tag);
}

void hmac_sha512(uint8_t tag[SHA512_SIZE], const void *key, size_t key_length, const void *data,
                 size_t length)
{
	struct hmac_sha512 hmac;
	hmac_sha512_init(&hmac, key, key_length);
	hmac_sha512_update(&hmac, data, length);
	hmac_sha512_final(&hmac, tag);
}
