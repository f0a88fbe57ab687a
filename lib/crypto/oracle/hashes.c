/* Oracle operations: hash functions, HMAC, HKDF. Messages are fed in uneven pieces, as callers do. */
#include "oracle.h"

#include <string.h>

#include "crypto/blake3.h"
#include "crypto/hkdf.h"

#define MAX_OUT (1 << 16)

/* Calls `update` on pieces of 1, 2, 3, … bytes and a last large one. */
#define FEED(update, state, bytes)                                                                           \
	do {                                                                                                 \
		size_t at_ = 0;                                                                              \
		for (size_t piece_ = 1; piece_ < 9 && at_ + piece_ <= (bytes).length; at_ += piece_++)       \
			update(state, (bytes).data + at_, piece_);                                           \
		update(state, (bytes).data + at_, (bytes).length - at_);                                     \
	} while (0)

/* The function of an operation and its variant: "sha2:512-256", "sha3:224", "hmac:256", "hkdf:3-384"; NULL if
 * there is none. */
static const struct hash_function *function_of(const struct oracle_call *call)
{
	static const char *const variants[PREHASH_SHAKE_128] = {
	    "224", "256", "384", "512", "512-224", "512-256", "3-224", "3-256", "3-384", "3-512",
	};
	const char *prefix = strcmp(call->name, "sha3") ? "" : "3-";
	size_t skip = strlen(prefix);
	for (unsigned i = 0; i < PREHASH_SHAKE_128; i++)
		if (!strncmp(variants[i], prefix, skip) && !strcmp(variants[i] + skip, call->variant))
			return &hash_functions[i];
	return NULL;
}

/* Message. */
static enum crypto_status run_hash(const struct oracle_call *call)
{
	const struct hash_function *function = function_of(call);
	uint8_t digest[HASH_MAX_SIZE];
	struct hash hash;
	if (!function)
		return CRYPTO_BAD_ARGUMENT;
	hash_init(&hash, function);
	FEED(hash_update, &hash, call->argument[0]);
	hash_final(&hash, digest);
	oracle_reply(digest, function->size);
	return CRYPTO_OK;
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
	const struct hash_function *function = function_of(call);
	uint8_t tag[HASH_MAX_SIZE];
	struct hmac hmac;
	if (!function)
		return CRYPTO_BAD_ARGUMENT;
	hmac_init(&hmac, function, call->argument[0].data, call->argument[0].length);
	FEED(hmac_update, &hmac, call->argument[1]);
	hmac_final(&hmac, tag);
	oracle_reply(tag, function->size);
	return CRYPTO_OK;
}

/* Secret, salt, info, output length. */
static enum crypto_status run_hkdf(const struct oracle_call *call)
{
	const struct oracle_bytes *secret = &call->argument[0], *salt = &call->argument[1],
	                          *info = &call->argument[2];
	const struct hash_function *function = function_of(call);
	size_t size = (size_t)oracle_number(call, 3);
	if (!function || size > MAX_OUT)
		return CRYPTO_BAD_ARGUMENT;
	uint8_t *out = oracle_scratch(size);
	enum crypto_status status = hkdf(function, out, size, salt->data, salt->length, secret->data,
	                                 secret->length, info->data, info->length);
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
    {"sha2", 1, run_hash}, {"sha3", 1, run_hash}, {"shake", 2, run_shake},     {"blake3", 3, run_blake3},
    {"hmac", 2, run_hmac}, {"hkdf", 4, run_hkdf}, {"prehash", 2, run_prehash}, {NULL, 0, NULL},
};
