/* HMAC: the hash of the outer-padded key and the hash of the inner-padded key and the message. */
#include "hmac.h"

#define INNER_PAD 0x36
#define OUTER_PAD 0x5c

static void start(struct hash *hash, const struct hash_function *function, uint8_t *block, uint8_t pad)
{
	for (size_t i = 0; i < function->block; i++)
		block[i] ^= pad;
	hash_init(hash, function);
	hash_update(hash, block, function->block);
}

void hmac_init(struct hmac *hmac, const struct hash_function *function, const void *key, size_t key_length)
{
	uint8_t block[HASH_MAX_BLOCK] = {0};
	if (key_length > function->block)
		hash_message(function, key, key_length, block);
	else if (key_length > 0)
		memcpy(block, key, key_length);
	start(&hmac->inner, function, block, INNER_PAD);
	start(&hmac->outer, function, block, INNER_PAD ^ OUTER_PAD);
	crypto_wipe(block, sizeof block);
}

void hmac_update(struct hmac *hmac, const void *data, size_t length)
{
	hash_update(&hmac->inner, data, length);
}

void hmac_final(struct hmac *hmac, uint8_t *tag)
{
	uint8_t digest[HASH_MAX_SIZE];
	hash_final(&hmac->inner, digest);
	hash_update(&hmac->outer, digest, hmac->outer.function->size);
	hash_final(&hmac->outer, tag);
	crypto_wipe(digest, sizeof digest);
}

void hmac_message(const struct hash_function *function, const void *key, size_t key_length, const void *data,
                  size_t length, uint8_t *tag)
{
	struct hmac hmac;
	hmac_init(&hmac, function, key, key_length);
	hmac_update(&hmac, data, length);
	hmac_final(&hmac, tag);
}
