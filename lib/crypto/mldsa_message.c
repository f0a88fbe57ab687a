/* ML-DSA: the message representative mu (FIPS 204, algorithms 2 to 5 up to the internal functions). */
#include "mldsa_internal.h"

enum crypto_status mldsa_mu_start(struct mldsa_mu *mu, const uint8_t tr[MLDSA_TR_SIZE], unsigned domain,
                                  const void *context, size_t context_size)
{
	if (context_size > MLDSA_MAX_CONTEXT)
		return CRYPTO_BAD_ARGUMENT;
	shake256_init(&mu->shake);
	shake_absorb(&mu->shake, tr, MLDSA_TR_SIZE);
	if (domain < MLDSA_NO_DOMAIN) {
		uint8_t prefix[2] = {(uint8_t)domain, (uint8_t)context_size};
		shake_absorb(&mu->shake, prefix, sizeof prefix);
		if (context_size)
			shake_absorb(&mu->shake, context, context_size);
	}
	return CRYPTO_OK;
}

enum crypto_status mldsa_mu_digest(struct mldsa_mu *mu, enum prehash hash, const uint8_t *digest,
                                   size_t digest_size)
{
	uint8_t oid[PREHASH_OID_SIZE];
	enum crypto_status status = prehash_oid(hash, oid);
	if (status)
		return status;
	if (digest_size != prehash_digest_size(hash))
		return CRYPTO_BAD_LENGTH;
	shake_absorb(&mu->shake, oid, sizeof oid);
	shake_absorb(&mu->shake, digest, digest_size);
	return CRYPTO_OK;
}

enum crypto_status mldsa_mu_start_public(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *pk,
                                         size_t pk_size, const void *context, size_t context_size)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	memset(mu, 0, sizeof *mu);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != par->pk_size)
		return CRYPTO_BAD_LENGTH;
	uint8_t tr[MLDSA_TR_SIZE];
	shake256_hash(tr, sizeof tr, pk, pk_size);
	return mldsa_mu_start(mu, tr, 0, context, context_size);
}

enum crypto_status mldsa_mu_start_secret(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *sk,
                                         size_t sk_size, const void *context, size_t context_size)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	memset(mu, 0, sizeof *mu);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (sk_size != par->sk_size)
		return CRYPTO_BAD_LENGTH;
	return mldsa_mu_start(mu, mldsa_secret_layout(par, sk).tr, 0, context, context_size);
}

void mldsa_mu_update(struct mldsa_mu *mu, const void *message, size_t size)
{
	if (size)
		shake_absorb(&mu->shake, message, size);
}

void mldsa_mu_finish(struct mldsa_mu *mu, uint8_t out[MLDSA_MU_SIZE])
{
	shake_finalize(&mu->shake);
	shake_squeeze(&mu->shake, out, MLDSA_MU_SIZE);
	crypto_wipe(mu, sizeof *mu);
}
