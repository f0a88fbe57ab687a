/* HKDF: extract is one HMAC; expand chains HMACs over the last block, the info and a counter (RFC 5869
 * section 2). */
#include "hkdf.h"

#define MOST_BLOCKS 255

void hkdf_extract(const struct hash_function *function, uint8_t *prk, const void *salt, size_t salt_length,
                  const void *secret, size_t secret_length)
{
	hmac_message(function, salt, salt_length, secret, secret_length, prk);
}

enum crypto_status hkdf_expand(const struct hash_function *function, uint8_t *out, size_t out_length,
                               const void *prk, size_t prk_length, const void *info, size_t info_length)
{
	struct hmac keyed, hmac;
	uint8_t block[HASH_MAX_SIZE], counter = 0;
	size_t size = function->size;
	if (out_length > MOST_BLOCKS * size) {
		memset(out, 0, out_length);
		return CRYPTO_BAD_LENGTH;
	}
	hmac_init(&keyed, function, prk, prk_length);
	while (out_length > 0) {
		size_t part = out_length < size ? out_length : size;
		hmac = keyed;
		if (counter++ > 0)
			hmac_update(&hmac, block, size);
		hmac_update(&hmac, info, info_length);
		hmac_update(&hmac, &counter, 1);
		hmac_final(&hmac, block);
		memcpy(out, block, part);
		out += part;
		out_length -= part;
	}
	crypto_wipe(&keyed, sizeof keyed);
	crypto_wipe(block, sizeof block);
	return CRYPTO_OK;
}

enum crypto_status hkdf(const struct hash_function *function, uint8_t *out, size_t out_length,
                        const void *salt, size_t salt_length, const void *secret, size_t secret_length,
                        const void *info, size_t info_length)
{
	uint8_t prk[HASH_MAX_SIZE];
	hkdf_extract(function, prk, salt, salt_length, secret, secret_length);
	enum crypto_status status =
	    hkdf_expand(function, out, out_length, prk, function->size, info, info_length);
	crypto_wipe(prk, sizeof prk);
	return status;
}
