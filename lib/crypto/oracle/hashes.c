/* Oracle operations: hash functions, HMAC, HKDF. Messages are fed in uneven pieces, as callers do. */
#include "oracle.h"

#include <string.h>

#include "crypto/blake3.h"
#include "crypto/hkdf.h"
#include "crypto/prehash.h"
#include "crypto/sha2.h"
#include "crypto/sha3.h"

#define MAX_OUT (1 << 16)

/* Calls `update` on pieces of 1, 2, 3, … bytes and a last large one. */
#define FEED(update, state, bytes)                                                                           \
	do {                                                                                                 \
		size_t at_ = 0;                                                                              \
		for (size_t piece_ = 1; piece_ < 9 && at_ + piece_ <= (bytes).length; at_ += piece_++)       \
			update(state, (bytes).data + at_, piece_);                                           \
		update(state, (bytes).data + at_, (bytes).length - at_);                                     \
	} while (0)

static enum crypto_status run_sha2(const struct oracle_call *call)
{
	static const struct {
		const char *name;
		void (*start)(struct sha256 *);
		void (*start_wide)(struct sha512 *);
		size_t size;
	} functions[] = {
	    {"224", sha224_init, NULL, 28},         {"256", sha256_init, NULL, 32},
	    {"384", NULL, sha384_init, 48},         {"512", NULL, sha512_init, 64},
	    {"512-224", NULL, sha512_224_init, 28}, {"512-256", NULL, sha512_256_init, 32},
	};
	uint8_t digest[64];
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		if (strcmp(call->variant, functions[i].name) != 0)
			continue;
		if (functions[i].start) {
			struct sha256 hash;
			functions[i].start(&hash);
			FEED(sha256_update, &hash, call->argument[0]);
			sha256_final(&hash, digest);
		} else {
			struct sha512 hash;
			functions[i].start_wide(&hash);
			FEED(sha512_update, &hash, call->argument[0]);
			sha512_final(&hash, digest);
		}
		oracle_reply(digest, functions[i].size);
		return CRYPTO_OK;
	}
	return CRYPTO_BAD_ARGUMENT;
}

static enum crypto_status run_sha3(const struct oracle_call *call)
{
	static const struct {
		const char *name;
		void (*start)(struct sha3 *);
		size_t size;
	} functions[] = {{"224", sha3_224_init, 28},
	                 {"256", sha3_256_init, 32},
	                 {"384", sha3_384_init, 48},
	                 {"512", sha3_512_init, 64}};
	uint8_t digest[64];
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		if (strcmp(call->variant, functions[i].name) != 0)
			continue;
		struct sha3 hash;
		functions[i].start(&hash);
		FEED(sha3_update, &hash, call->argument[0]);
		sha3_final(&hash, digest);
		oracle_reply(digest, functions[i].size);
		return CRYPTO_OK;
	}
	return CRYPTO_BAD_ARGUMENT;
}

/* Message and output length. */
static enum crypto_status run_shake(const struct oracle_call *call)
{
	size_t size = (size_t)oracle_number(call, 1);
	bool wide = !strcmp(call->variant, "128");
	struct shake shake;
	if (size > MAX_OUT || (!wide && strcmp(call->variant, "256") != 0))
		return CRYPTO_BAD_ARGUMENT;
	uint8_t *out = oracle_scratch(size);
	if (wide)
		shake128_init(&shake);
	else
		shake256_init(&shake);
	FEED(shake_absorb, &shake, call->argument[0]);
	shake_finalize(&shake);
	shake_squeeze(&shake, out, size / 3);
	shake_squeeze(&shake, out + size / 3, size - size / 3);
	oracle_reply(out, size);
	return CRYPTO_OK;
}

/* Message, key (or context, by variant; empty for the plain hash), output length. */
static enum crypto_status run_blake3(const struct oracle_call *call)
{
	size_t size = (size_t)oracle_number(call, 2);
	struct blake3 hash;
	if (size > MAX_OUT)
		return CRYPTO_BAD_ARGUMENT;
	if (!strcmp(call->variant, "keyed")) {
		enum crypto_status status = oracle_expect(call, 1, BLAKE3_KEY_SIZE);
		if (status)
			return status;
		blake3_init_keyed(&hash, call->argument[1].data);
	} else if (!strcmp(call->variant, "derive")) {
		blake3_init_derive_key(&hash, call->argument[1].data, call->argument[1].length);
	} else {
		blake3_init(&hash);
	}
	uint8_t *out = oracle_scratch(size);
	FEED(blake3_update, &hash, call->argument[0]);
	blake3_final(&hash, out, size);
	oracle_reply(out, size);
	return CRYPTO_OK;
}

/* Key, message. */
static enum crypto_status run_hmac(const struct oracle_call *call)
{
	const struct oracle_bytes *key = &call->argument[0];
	uint8_t tag[64];
	if (!strcmp(call->variant, "256")) {
		struct hmac_sha256 hmac;
		hmac_sha256_init(&hmac, key->data, key->length);
		FEED(hmac_sha256_update, &hmac, call->argument[1]);
		hmac_sha256_final(&hmac, tag);
		oracle_reply(tag, 32);
		return CRYPTO_OK;
	}
	struct hmac_sha512 hmac;
	bool is_384 = !strcmp(call->variant, "384");
	if (!is_384 && strcmp(call->variant, "512") != 0)
		return CRYPTO_BAD_ARGUMENT;
	if (is_384)
		hmac_sha384_init(&hmac, key->data, key->length);
	else
		hmac_sha512_init(&hmac, key->data, key->length);
	FEED(hmac_sha512_update, &hmac, call->argument[1]);
	hmac_sha512_final(&hmac, tag);
	oracle_reply(tag, is_384 ? 48 : 64);
	return CRYPTO_OK;
}

/* Secret, salt, info, output length. */
static enum crypto_status run_hkdf(const struct oracle_call *call)
{
	const struct oracle_bytes *secret = &call->argument[0], *salt = &call->argument[1],
	                          *info = &call->argument[2];
	size_t size = (size_t)oracle_number(call, 3);
	enum crypto_status status = CRYPTO_BAD_ARGUMENT;
	if (size > MAX_OUT)
		return status;
	uint8_t *out = oracle_scratch(size);
	if (!strcmp(call->variant, "256"))
		status = hkdf_sha256(out, size, salt->data, salt->length, secret->data, secret->length,
		                     info->data, info->length);
	else if (!strcmp(call->variant, "512"))
		status = hkdf_sha512(out, size, salt->data, salt->length, secret->data, secret->length,
		                     info->data, info->length);
	oracle_reply(out, size);
	return status;
}

/* Function's number, message; digest. */
static enum crypto_status run_prehash(const struct oracle_call *call)
{
	enum prehash hash = (enum prehash)oracle_number(call, 0);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	enum crypto_status status =
	    prehash_message(hash, call->argument[1].data, call->argument[1].length, digest);
	oracle_reply(digest, prehash_digest_size(hash));
	return status;
}

const struct oracle_operation oracle_hash_operations[] = {
    {"sha2", 1, run_sha2}, {"sha3", 1, run_sha3}, {"shake", 2, run_shake},     {"blake3", 3, run_blake3},
    {"hmac", 2, run_hmac}, {"hkdf", 4, run_hkdf}, {"prehash", 2, run_prehash}, {NULL, 0, NULL},
};
