/* Oracle operations: SLH-DSA. The variant is the set's number in enum slhdsa_set. */
#include "oracle.h"

#include <stdlib.h>

#include "crypto/slhdsa.h"

static enum slhdsa_set set_of(const struct oracle_call *call)
{
	return (enum slhdsa_set)strtoul(call->variant, NULL, 10);
}

/* An argument that may be absent: NULL when empty. */
static const uint8_t *optional(const struct oracle_call *call, size_t index)
{
	return call->argument[index].length ? call->argument[index].data : NULL;
}

/* Seed; public key, secret key. */
static enum crypto_status run_keygen(const struct oracle_call *call)
{
	enum slhdsa_set set = set_of(call);
	enum crypto_status status = oracle_expect(call, 0, slhdsa_seed_size(set));
	if (status)
		return status;
	uint8_t *pk = oracle_scratch(slhdsa_pk_size(set)), *sk = oracle_scratch(slhdsa_sk_size(set));
	status = slhdsa_keygen(set, call->argument[0].data, pk, sk);
	oracle_reply(pk, slhdsa_pk_size(set));
	oracle_reply(sk, slhdsa_sk_size(set));
	return status;
}

/* Secret key, message, context, randomness or nothing; signature. */
static enum crypto_status run_sign(const struct oracle_call *call)
{
	enum slhdsa_set set = set_of(call);
	const struct oracle_bytes *a = call->argument;
	uint8_t *signature = oracle_scratch(slhdsa_signature_size(set));
	enum crypto_status status = a[3].length ? oracle_expect(call, 3, slhdsa_rnd_size(set)) : CRYPTO_OK;
	if (status)
		return status;
	status = slhdsa_sign(set, a[0].data, a[0].length, a[1].data, a[1].length, a[2].data, a[2].length,
	                     optional(call, 3), signature);
	oracle_reply(signature, slhdsa_signature_size(set));
	return status;
}

/* Public key, message, context, signature. */
static enum crypto_status run_verify(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	return slhdsa_verify(set_of(call), a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
	                     a[2].length, a[3].data, a[3].length);
}

/* Secret key, hash's number, message, context; signature, deterministic. */
static enum crypto_status run_sign_prehash(const struct oracle_call *call)
{
	enum slhdsa_set set = set_of(call);
	const struct oracle_bytes *a = call->argument;
	enum prehash hash = (enum prehash)oracle_number(call, 1);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	uint8_t *signature = oracle_scratch(slhdsa_signature_size(set));
	enum crypto_status status = prehash_message(hash, a[2].data, a[2].length, digest);
	if (status)
		return status;
	status = slhdsa_sign_prehash(set, a[0].data, a[0].length, hash, digest, prehash_digest_size(hash),
	                             a[3].data, a[3].length, NULL, signature);
	oracle_reply(signature, slhdsa_signature_size(set));
	return status;
}

/* Public key, hash's number, message, context, signature. */
static enum crypto_status run_verify_prehash(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	enum prehash hash = (enum prehash)oracle_number(call, 1);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	enum crypto_status status = prehash_message(hash, a[2].data, a[2].length, digest);
	if (status)
		return status;
	return slhdsa_verify_prehash(set_of(call), a[0].data, a[0].length, hash, digest,
	                             prehash_digest_size(hash), a[3].data, a[3].length, a[4].data,
	                             a[4].length);
}

/* Public key, M' itself, signature: for encodings made elsewhere. */
static enum crypto_status run_verify_internal(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	return slhdsa_verify_internal(set_of(call), a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
	                              a[2].length);
}

const struct oracle_operation oracle_slhdsa_operations[] = {
    {"slhdsa_keygen", 1, run_keygen},
    {"slhdsa_sign", 4, run_sign},
    {"slhdsa_verify", 4, run_verify},
    {"slhdsa_sign_prehash", 4, run_sign_prehash},
    {"slhdsa_verify_prehash", 5, run_verify_prehash},
    {"slhdsa_verify_internal", 3, run_verify_internal},
    {NULL, 0, NULL},
};
