/* Oracle operations: SLH-DSA. The variant is the set's name in the standard without "SLH-DSA-" ("SHA2-128s").
 */
#include "oracle.h"

#include <string.h>

#include "crypto/slhdsa.h"

static enum slhdsa_set set_of(const struct oracle_call *call)
{
	unsigned i = 0;
	while (i < SLHDSA_SETS && strcmp(call->variant, slhdsa_name((enum slhdsa_set)i) + 8) != 0)
		i++;
	return (enum slhdsa_set)i;
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

/* Secret key; public key. */
static enum crypto_status run_public(const struct oracle_call *call)
{
	enum slhdsa_set set = set_of(call);
	uint8_t *pk = oracle_scratch(slhdsa_pk_size(set));
	enum crypto_status status =
	    slhdsa_public_from_secret(set, call->argument[0].data, call->argument[0].length, pk);
	oracle_reply(pk, slhdsa_pk_size(set));
	return status;
}

/* The three ways to sign: secret key, what is signed, and randomness or nothing last; signature. */
static enum crypto_status run_sign(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	enum slhdsa_set set = set_of(call);
	uint8_t *signature = oracle_scratch(slhdsa_signature_size(set));
	const uint8_t *rnd = NULL;
	enum crypto_status status = oracle_optional(call, call->count - 1, slhdsa_rnd_size(set), &rnd);
	if (status)
		return status;
	if (!strcmp(call->name, "slhdsa_sign"))
		status = slhdsa_sign(set, a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
		                     a[2].length, rnd, signature);
	else if (!strcmp(call->name, "slhdsa_sign_prehash"))
		status =
		    slhdsa_sign_prehash(set, a[0].data, a[0].length, (enum prehash)oracle_number(call, 1),
		                        a[2].data, a[2].length, a[3].data, a[3].length, rnd, signature);
	else
		status =
		    slhdsa_sign_internal(set, a[0].data, a[0].length, a[1].data, a[1].length, rnd, signature);
	oracle_reply(signature, slhdsa_signature_size(set));
	return status;
}

/* The three ways to verify: public key, what was signed, signature. */
static enum crypto_status run_verify(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument, *signature = &a[call->count - 1];
	enum slhdsa_set set = set_of(call);
	if (!strcmp(call->name, "slhdsa_verify"))
		return slhdsa_verify(set, a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
		                     a[2].length, signature->data, signature->length);
	if (!strcmp(call->name, "slhdsa_verify_prehash"))
		return slhdsa_verify_prehash(set, a[0].data, a[0].length,
		                             (enum prehash)oracle_number(call, 1), a[2].data, a[2].length,
		                             a[3].data, a[3].length, signature->data, signature->length);
	return slhdsa_verify_internal(set, a[0].data, a[0].length, a[1].data, a[1].length, signature->data,
	                              signature->length);
}

const struct oracle_operation oracle_slhdsa_operations[] = {
    {"slhdsa_keygen", 1, run_keygen},
    {"slhdsa_public", 1, run_public},
    {"slhdsa_sign", 4, run_sign},
    {"slhdsa_sign_prehash", 5, run_sign},
    {"slhdsa_sign_internal", 3, run_sign},
    {"slhdsa_verify", 4, run_verify},
    {"slhdsa_verify_prehash", 5, run_verify},
    {"slhdsa_verify_internal", 3, run_verify},
    {NULL, 0, NULL},
};
