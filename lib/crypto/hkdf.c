/* HKDF: extract is one HMAC; expand chains HMACs over the last block, the info and a counter (RFC 5869
 * section 2). */
#include "hkdf.h"

#define MOST_BLOCKS 255

void hkdf_sha256_extract(uint8_t prk[SHA256_SIZE], const void *salt, size_t salt_length, const void *secret,
                         size_t secret_length)
{
	hmac_sha256(prk, salt, salt_length, secret, secret_length);
}

void hkdf_sha512_extract(uint8_t prk[SHA512_SIZE], const void *salt, size_t salt_length, const void *secret,
                         size_t secret_length)
{
	hmac_sha512(prk, salt, salt_length, secret, secret_length);
}

enum crypto_status hkdf_sha256_expand(uint8_t *out, size_t out_length, const uint8_t prk[SHA256_SIZE],
                                      const void *info, size_t info_length)
{
	struct hmac_sha256 keyed, hmac;
	uint8_t block[SHA256_SIZE], counter = 0;
	if (out_length > MOST_BLOCKS * sizeof block) {
		memset(out, 0, out_length);
		return CRYPTO_BAD_LENGTH;
	}
	hmac_sha256_init(&keyed, prk, SHA256_SIZE);
	while (out_length > 0) {
		size_t part = out_length < sizeof block ? out_length : sizeof block;
		hmac = keyed;
		if (counter++ > 0)
			hmac_sha256_update(&hmac, block, sizeof block);
		hmac_sha256_update(&hmac, info, info_length);
		hmac_sha256_update(&hmac, &counter, 1);
		hmac_sha256_final(&hmac, block);
		memcpy(out, block, part);
		out += part;
		out_length -= part;
	}
	crypto_wipe(&keyed, sizeof keyed);
	crypto_wipe(block, sizeof block);
	return CRYPTO_OK;
}

enum crypto_status hkdf_sha512_expand(uint8_t *out, size_t out_length, const uint8_t prk[SHA512_SIZE],
                                      const void *info, size_t info_length)
{
	struct hmac_sha512 keyed, hmac;
	uint8_t block[SHA512_SIZE], counter = 0;
	if (out_length > MOST_BLOCKS * sizeof block) {
		memset(out, 0, out_length);
		return CRYPTO_BAD_LENGTH;
	}
	hmac_sha512_init(&keyed, prk, SHA512_SIZE);
	while (out_length > 0) {
		size_t part = out_length < sizeof block ? out_length : sizeof block;
		hmac = keyed;
		if (counter++ > 0)
			hmac_sha512_update(&hmac, block, sizeof block);
		hmac_sha512_update(&hmac, info, info_length);
		hmac_sha512_update(&hmac, &counter, 1);
		hmac_sha512_final(&hmac, block);
		memcpy(out, block, part);
		out += part;
		out_length -= part;
	}
	crypto_wipe(&keyed, sizeof keyed);
	crypto_wipe(block, sizeof block);
	return CRYPTO_OK;
}

enum crypto_status hkdf_sha256(uint8_t *out, size_t out_length, const void *salt, size_t salt_length,
                               const void *secret, size_t secret_length, const void *info, size_t info_length)
{
	uint8_t prk[SHA256_SIZE];
	hkdf_sha256_extract(prk, salt, salt_length, secret, secret_length);
	enum crypto_status status = hkdf_sha256_expand(out, out_length, prk, info, info_length);
	crypto_wipe(prk, sizeof prk);
	return status;
}

enum crypto_status hkdf_sha512(uint8_t *out, size_t out_length, const void *salt, size_t salt_length,
                               const void *secret, size_t secret_length, const void *info, size_t info_length)
{
	uint8_t prk[SHA512_SIZE];
	hkdf_sha512_extract(prk, salt, salt_length, secret, secret_length);
	enum crypto_status status = hkdf_sha512_expand(out, out_length, prk, info, info_length);
	crypto_wipe(prk, sizeof prk);
	return status;
}
