/* ML-DSA-65 with prepared keys. See mldsa_prepared.h. */
#include "mldsa_prepared.h"
#include "mldsa_internal.h"

void mldsa65_prepare(struct mldsa65_prepared *prepared, const uint8_t pk[MLDSA65_PK_SIZE])
{
	const struct mldsa_parameters *par = mldsa_find(MLDSA_65);
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_sampler sampler;
	memset(prepared, 0, sizeof *prepared);
	for (unsigned first = 0; first < MLDSA65_K * MLDSA65_L; first += 4)
		mldsa_sample_entries(par, ops, prepared->matrix + (size_t)MLDSA_PACKED_BYTES * first, pk,
		                     first, &sampler);
	for (unsigned row = 0; row < MLDSA65_K; row++) {
		ops->unpack_t1(&prepared->t1_hat[row], pk + 32 + MLDSA_T1_BYTES * row);
		ops->ntt(&prepared->t1_hat[row]);
	}
	shake256_hash(prepared->tr, sizeof prepared->tr, pk, MLDSA65_PK_SIZE);
}

/* The message representative, under the key's hash. */
static enum crypto_status representative(const uint8_t tr[MLDSA_TR_SIZE], const void *message,
                                         size_t message_size, const void *context, size_t context_size,
                                         uint8_t out[MLDSA_MU_SIZE])
{
	struct mldsa_mu mu;
	enum crypto_status status = mldsa_mu_start(&mu, tr, 0, context, context_size);
	if (status)
		return status;
	mldsa_mu_update(&mu, message, message_size);
	mldsa_mu_finish(&mu, out);
	return CRYPTO_OK;
}

enum crypto_status mldsa65_verify_prepared(const struct mldsa65_prepared *prepared, const void *message,
                                           size_t message_size, const void *context, size_t context_size,
                                           const uint8_t signature[MLDSA65_SIGNATURE_SIZE])
{
	uint8_t mu[MLDSA_MU_SIZE];
	enum crypto_status status =
	    representative(prepared->tr, message, message_size, context, context_size, mu);
	return status ? status
	              : mldsa_verify_rows(mldsa_find(MLDSA_65), NULL,
	                                  &(struct mldsa_rows){prepared->matrix, prepared->t1_hat}, mu,
	                                  signature);
}

enum crypto_status mldsa65_sign_prepared(const struct mldsa65_prepared *prepared,
                                         const uint8_t sk[MLDSA65_SK_SIZE], const void *message,
                                         size_t message_size, const void *context, size_t context_size,
                                         const uint8_t *rnd, uint8_t signature[MLDSA65_SIGNATURE_SIZE])
{
	uint8_t mu[MLDSA_MU_SIZE];
	memset(signature, 0, MLDSA65_SIGNATURE_SIZE);
	enum crypto_status status =
	    representative(prepared->tr, message, message_size, context, context_size, mu);
	if (!status)
		status = mldsa_sign_matrix(mldsa_find(MLDSA_65), sk, mu, rnd, prepared->matrix, signature);
	crypto_wipe(mu, sizeof mu);
	return status;
}
