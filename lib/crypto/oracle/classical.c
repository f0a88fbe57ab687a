/* Oracle operations: Ed25519, X25519, the AEADs, Argon2id. */
#include "oracle.h"

#include <string.h>

#include "crypto/aead.h"
#include "crypto/argon2id.h"
#include "crypto/ed25519.h"
#include "crypto/x25519.h"

/* Seed; public key. */
static enum crypto_status run_ed25519_keygen(const struct oracle_call *call)
{
	uint8_t pk[ED25519_PK_SIZE], sk[ED25519_SK_SIZE];
	enum crypto_status status = oracle_expect(call, 0, ED25519_SEED_SIZE);
	if (status)
		return status;
	ed25519_keygen(call->argument[0].data, pk, sk);
	oracle_reply(pk, sizeof pk);
	return CRYPTO_OK;
}

/* Seed, message; signature. */
static enum crypto_status run_ed25519_sign(const struct oracle_call *call)
{
	uint8_t pk[ED25519_PK_SIZE], sk[ED25519_SK_SIZE], signature[ED25519_SIGNATURE_SIZE];
	enum crypto_status status = oracle_expect(call, 0, ED25519_SEED_SIZE);
	if (status)
		return status;
	ed25519_keygen(call->argument[0].data, pk, sk);
	ed25519_sign(sk, call->argument[1].data, call->argument[1].length, signature);
	oracle_reply(signature, sizeof signature);
	return CRYPTO_OK;
}

/* Public key, message, signature. */
static enum crypto_status run_ed25519_verify(const struct oracle_call *call)
{
	enum crypto_status status = oracle_expect(call, 0, ED25519_PK_SIZE);
	if (status == CRYPTO_OK)
		status = oracle_expect(call, 2, ED25519_SIGNATURE_SIZE);
	return status ? status
	              : ed25519_verify(call->argument[0].data, call->argument[1].data,
	                               call->argument[1].length, call->argument[2].data);
}

/* Secret key; public key. */
static enum crypto_status run_x25519_public(const struct oracle_call *call)
{
	uint8_t pk[X25519_SIZE];
	enum crypto_status status = oracle_expect(call, 0, X25519_SIZE);
	if (status)
		return status;
	x25519_public(pk, call->argument[0].data);
	oracle_reply(pk, sizeof pk);
	return CRYPTO_OK;
}

/* Secret key, peer; shared secret. */
static enum crypto_status run_x25519(const struct oracle_call *call)
{
	uint8_t shared[X25519_SIZE];
	enum crypto_status status = oracle_expect(call, 0, X25519_SIZE);
	if (status == CRYPTO_OK)
		status = oracle_expect(call, 1, X25519_SIZE);
	if (status == CRYPTO_OK)
		status = x25519(shared, call->argument[0].data, call->argument[1].data);
	oracle_reply(shared, sizeof shared);
	return status;
}

static int aead_of(const struct oracle_call *call)
{
	static const char *const names[] = {"chacha20", "xchacha20", "aes256gcm"};
	for (int i = 0; i < 3; i++)
		if (!strcmp(call->variant, names[i]))
			return i;
	return -1;
}

/* Key, nonce, associated data, text; ciphertext, tag. */
static enum crypto_status run_encrypt(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	uint8_t *out = oracle_scratch(a[3].length), tag[AEAD_TAG_SIZE];
	enum crypto_status status = oracle_expect(call, 0, AEAD_KEY_SIZE);
	if (status == CRYPTO_OK)
		status = aead_encrypt((enum aead)aead_of(call), a[0].data, a[1].data, a[1].length, a[2].data,
		                      a[2].length, a[3].data, a[3].length, out, tag);
	oracle_reply(out, a[3].length);
	oracle_reply(tag, sizeof tag);
	return status;
}

/* Key, nonce, associated data, ciphertext, tag; text. */
static enum crypto_status run_decrypt(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	uint8_t *out = oracle_scratch(a[3].length);
	enum crypto_status status = oracle_expect(call, 0, AEAD_KEY_SIZE);
	if (status == CRYPTO_OK)
		status = oracle_expect(call, 4, AEAD_TAG_SIZE);
	if (status == CRYPTO_OK)
		status = aead_decrypt((enum aead)aead_of(call), a[0].data, a[1].data, a[1].length, a[2].data,
		                      a[2].length, a[3].data, a[3].length, a[4].data, out);
	oracle_reply(out, a[3].length);
	return status;
}

/* Passphrase, salt, secret, associated data, memory in KiB, passes, lanes, output length. */
static enum crypto_status run_argon2id(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	struct argon2id_cost cost = {.memory_kib = (uint32_t)oracle_number(call, 4),
	                             .passes = (uint32_t)oracle_number(call, 5),
	                             .lanes = (uint32_t)oracle_number(call, 6)};
	size_t size = (size_t)oracle_number(call, 7);
	if (size > 1024)
		return CRYPTO_BAD_LENGTH;
	uint8_t *out = oracle_scratch(size);
	enum crypto_status status = argon2id(out, size, &cost, a[0].data, a[0].length, a[1].data, a[1].length,
	                                     a[2].data, a[2].length, a[3].data, a[3].length);
	oracle_reply(out, size);
	return status;
}

const struct oracle_operation oracle_classical_operations[] = {
    {"ed25519_keygen", 1, run_ed25519_keygen},
    {"ed25519_sign", 2, run_ed25519_sign},
    {"ed25519_verify", 3, run_ed25519_verify},
    {"x25519_public", 1, run_x25519_public},
    {"x25519", 2, run_x25519},
    {"encrypt", 4, run_encrypt},
    {"decrypt", 5, run_decrypt},
    {"argon2id", 8, run_argon2id},
    {NULL, 0, NULL},
};
