/* Oracle operations: the hybrid signature, X-Wing, sealed boxes. */
#include "oracle.h"

#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_sign.h"
#include "crypto/sealed_box.h"

/* Seed; public key. */
static enum crypto_status run_sign_keygen(const struct oracle_call *call)
{
	struct hybrid_sign_key key;
	enum crypto_status status = oracle_expect(call, 0, HYBRID_SIGN_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_sign_keygen(&key, call->argument[0].data);
	oracle_reply(key.pk, sizeof key.pk);
	return status;
}

/* Seed, message, context, randomness or nothing; signature. */
static enum crypto_status run_sign(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	struct hybrid_sign_key key;
	uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE];
	enum crypto_status status = oracle_expect(call, 0, HYBRID_SIGN_SEED_SIZE);
	if (status == CRYPTO_OK && a[3].length)
		status = oracle_expect(call, 3, HYBRID_SIGN_RND_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_sign_keygen(&key, a[0].data);
	if (status == CRYPTO_OK)
		status = hybrid_sign(&key, a[1].data, a[1].length, a[2].data, a[2].length,
		                     a[3].length ? a[3].data : NULL, signature);
	oracle_reply(signature, sizeof signature);
	return status;
}

/* Public key, message, context, signature. */
static enum crypto_status run_verify(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	return hybrid_verify(a[0].data, a[0].length, a[1].data, a[1].length, a[2].data, a[2].length,
	                     a[3].data, a[3].length);
}

/* Seed; public key. */
static enum crypto_status run_kem_keygen(const struct oracle_call *call)
{
	struct hybrid_kem_key key;
	enum crypto_status status = oracle_expect(call, 0, HYBRID_KEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_kem_keygen(&key, call->argument[0].data);
	oracle_reply(key.pk, sizeof key.pk);
	return status;
}

/* Public key, 64 random bytes; ciphertext, shared secret. */
static enum crypto_status run_encapsulate(const struct oracle_call *call)
{
	uint8_t ct[HYBRID_KEM_CT_SIZE], shared[HYBRID_KEM_SHARED_SIZE];
	enum crypto_status status = oracle_expect(call, 1, HYBRID_KEM_RANDOM_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_kem_encapsulate(call->argument[0].data, call->argument[0].length,
		                                call->argument[1].data, ct, shared);
	oracle_reply(ct, sizeof ct);
	oracle_reply(shared, sizeof shared);
	return status;
}

/* Seed, ciphertext; shared secret. */
static enum crypto_status run_decapsulate(const struct oracle_call *call)
{
	struct hybrid_kem_key key;
	uint8_t shared[HYBRID_KEM_SHARED_SIZE];
	enum crypto_status status = oracle_expect(call, 0, HYBRID_KEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_kem_keygen(&key, call->argument[0].data);
	if (status == CRYPTO_OK)
		status =
		    hybrid_kem_decapsulate(&key, call->argument[1].data, call->argument[1].length, shared);
	oracle_reply(shared, sizeof shared);
	return status;
}

/* Public key, context, 64 random bytes, content; box. */
static enum crypto_status run_seal(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	size_t size = sealed_box_size(a[3].length);
	uint8_t *box = oracle_scratch(size);
	enum crypto_status status = oracle_expect(call, 2, SEALED_BOX_RANDOM_SIZE);
	if (status == CRYPTO_OK)
		status = sealed_box_seal(a[0].data, a[0].length, a[1].data, a[1].length, a[2].data, a[3].data,
		                         a[3].length, box);
	oracle_reply(box, size);
	return status;
}

/* Seed, context, box; content. */
static enum crypto_status run_open(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	struct hybrid_kem_key key;
	size_t size = 0;
	uint8_t *content = oracle_scratch(a[2].length);
	enum crypto_status status = oracle_expect(call, 0, HYBRID_KEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = hybrid_kem_keygen(&key, a[0].data);
	if (status == CRYPTO_OK)
		status =
		    sealed_box_open(&key, a[1].data, a[1].length, a[2].data, a[2].length, content, &size);
	oracle_reply(content, size);
	return status;
}

const struct oracle_operation oracle_combined_operations[] = {
    {"hybrid_sign_keygen", 1, run_sign_keygen},
    {"hybrid_sign", 4, run_sign},
    {"hybrid_verify", 4, run_verify},
    {"xwing_keygen", 1, run_kem_keygen},
    {"xwing_encapsulate", 2, run_encapsulate},
    {"xwing_decapsulate", 2, run_decapsulate},
    {"seal", 4, run_seal},
    {"open", 3, run_open},
    {NULL, 0, NULL},
};
