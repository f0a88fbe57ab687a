/* Oracle operations: ML-KEM and ML-DSA. The variant is the set's number in the standard's name ("768", "65").
 */
#include "oracle.h"

#include <string.h>

#include "crypto/mldsa.h"
#include "crypto/mlkem.h"

/* The index of the call's variant among the three; out of range when there is none such. */
static unsigned set_of(const struct oracle_call *call, const char *const names[3])
{
	unsigned i = 0;
	while (i < 3 && strcmp(call->variant, names[i]) != 0)
		i++;
	return i;
}

static enum mlkem_set kem_of(const struct oracle_call *call)
{
	return (enum mlkem_set)set_of(call, (const char *const[3]){"512", "768", "1024"});
}

static enum mldsa_set dsa_of(const struct oracle_call *call)
{
	return (enum mldsa_set)set_of(call, (const char *const[3]){"44", "65", "87"});
}

/* d, z; encapsulation key, decapsulation key. */
static enum crypto_status run_kem_keygen(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	enum mlkem_set set = kem_of(call);
	uint8_t *ek = oracle_scratch(mlkem_ek_size(set)), *dk = oracle_scratch(mlkem_dk_size(set));
	enum crypto_status status = oracle_expect(call, 0, MLKEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = oracle_expect(call, 1, MLKEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = mlkem_keygen(set, a[0].data, a[1].data, ek, dk);
	oracle_reply(ek, mlkem_ek_size(set));
	oracle_reply(dk, mlkem_dk_size(set));
	return status;
}

/* Encapsulation key, m; ciphertext, shared secret. */
static enum crypto_status run_encapsulate(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	enum mlkem_set set = kem_of(call);
	uint8_t *ct = oracle_scratch(mlkem_ct_size(set)), shared[MLKEM_SHARED_SIZE];
	enum crypto_status status = oracle_expect(call, 1, MLKEM_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = mlkem_encapsulate(set, a[0].data, a[0].length, a[1].data, ct, shared);
	oracle_reply(ct, mlkem_ct_size(set));
	oracle_reply(shared, sizeof shared);
	return status;
}

/* Decapsulation key, ciphertext; shared secret. */
static enum crypto_status run_decapsulate(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	uint8_t shared[MLKEM_SHARED_SIZE];
	enum crypto_status status =
	    mlkem_decapsulate(kem_of(call), a[0].data, a[0].length, a[1].data, a[1].length, shared);
	oracle_reply(shared, sizeof shared);
	return status;
}

static enum crypto_status run_check_ek(const struct oracle_call *call)
{
	return mlkem_check_ek(kem_of(call), call->argument[0].data, call->argument[0].length);
}

static enum crypto_status run_check_dk(const struct oracle_call *call)
{
	return mlkem_check_dk(kem_of(call), call->argument[0].data, call->argument[0].length);
}

/* Seed; public key, secret key. */
static enum crypto_status run_dsa_keygen(const struct oracle_call *call)
{
	enum mldsa_set set = dsa_of(call);
	uint8_t *pk = oracle_scratch(mldsa_pk_size(set)), *sk = oracle_scratch(mldsa_sk_size(set));
	enum crypto_status status = oracle_expect(call, 0, MLDSA_SEED_SIZE);
	if (status == CRYPTO_OK)
		status = mldsa_keygen(set, call->argument[0].data, pk, sk);
	oracle_reply(pk, mldsa_pk_size(set));
	oracle_reply(sk, mldsa_sk_size(set));
	return status;
}

/* Secret key; public key. */
static enum crypto_status run_public(const struct oracle_call *call)
{
	enum mldsa_set set = dsa_of(call);
	uint8_t *pk = oracle_scratch(mldsa_pk_size(set));
	enum crypto_status status =
	    mldsa_public_from_secret(set, call->argument[0].data, call->argument[0].length, pk);
	oracle_reply(pk, mldsa_pk_size(set));
	return status;
}

/* The four ways to sign: secret key, what is signed, and randomness or nothing last; signature. */
static enum crypto_status run_sign(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument;
	enum mldsa_set set = dsa_of(call);
	uint8_t *signature = oracle_scratch(mldsa_signature_size(set));
	const uint8_t *rnd = NULL;
	enum crypto_status status = oracle_optional(call, call->count - 1, MLDSA_RND_SIZE, &rnd);
	if (status)
		return status;
	if (!strcmp(call->name, "mldsa_sign"))
		status = mldsa_sign(set, a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
		                    a[2].length, rnd, signature);
	else if (!strcmp(call->name, "mldsa_sign_prehash"))
		status = mldsa_sign_prehash(set, a[0].data, a[0].length, (enum prehash)oracle_number(call, 1),
		                            a[2].data, a[2].length, a[3].data, a[3].length, rnd, signature);
	else if (!strcmp(call->name, "mldsa_sign_internal"))
		status =
		    mldsa_sign_internal(set, a[0].data, a[0].length, a[1].data, a[1].length, rnd, signature);
	else if ((status = oracle_expect(call, 1, MLDSA_MU_SIZE)) == CRYPTO_OK)
		status = mldsa_sign_mu(set, a[0].data, a[0].length, a[1].data, rnd, signature);
	oracle_reply(signature, mldsa_signature_size(set));
	return status;
}

/* The four ways to verify: public key, what was signed, signature. */
static enum crypto_status run_verify(const struct oracle_call *call)
{
	const struct oracle_bytes *a = call->argument, *signature = &a[call->count - 1];
	enum mldsa_set set = dsa_of(call);
	if (!strcmp(call->name, "mldsa_verify"))
		return mldsa_verify(set, a[0].data, a[0].length, a[1].data, a[1].length, a[2].data,
		                    a[2].length, signature->data, signature->length);
	if (!strcmp(call->name, "mldsa_verify_prehash"))
		return mldsa_verify_prehash(set, a[0].data, a[0].length, (enum prehash)oracle_number(call, 1),
		                            a[2].data, a[2].length, a[3].data, a[3].length, signature->data,
		                            signature->length);
	if (!strcmp(call->name, "mldsa_verify_internal"))
		return mldsa_verify_internal(set, a[0].data, a[0].length, a[1].data, a[1].length,
		                             signature->data, signature->length);
	enum crypto_status status = oracle_expect(call, 1, MLDSA_MU_SIZE);
	return status ? status
	              : mldsa_verify_mu(set, a[0].data, a[0].length, a[1].data, signature->data,
	                                signature->length);
}

const struct oracle_operation oracle_mlkem_mldsa_operations[] = {
    {"mlkem_keygen", 2, run_kem_keygen},
    {"mlkem_encapsulate", 2, run_encapsulate},
    {"mlkem_decapsulate", 2, run_decapsulate},
    {"mlkem_check_ek", 1, run_check_ek},
    {"mlkem_check_dk", 1, run_check_dk},
    {"mldsa_keygen", 1, run_dsa_keygen},
    {"mldsa_public", 1, run_public},
    {"mldsa_sign", 4, run_sign},
    {"mldsa_sign_prehash", 5, run_sign},
    {"mldsa_sign_internal", 3, run_sign},
    {"mldsa_sign_mu", 3, run_sign},
    {"mldsa_verify", 4, run_verify},
    {"mldsa_verify_prehash", 5, run_verify},
    {"mldsa_verify_internal", 3, run_verify},
    {"mldsa_verify_mu", 3, run_verify},
    {NULL, 0, NULL},
};
