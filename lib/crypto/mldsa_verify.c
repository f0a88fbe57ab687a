/*
 * ML-DSA verification (FIPS 204, algorithms 3, 5 and 8). Everything here is public, so nothing is wiped. The
 * matrix passes by four entries at a time: the stack stays small enough for a boot loader.
 */
#include "mldsa_internal.h"

/*
 * HintBitUnpack (algorithm 21) into a bit for each coefficient. Only one encoding of a hint is accepted:
 * positions rise within a row, the counts rise up to at most omega, and the unused bytes are zero.
 */
static bool unpack_hint(const struct mldsa_parameters *par, uint8_t hints[][MLDSA_HINT_BYTES],
                        const uint8_t *bytes)
{
	unsigned at = 0;
	memset(hints, 0, (size_t)par->k * MLDSA_HINT_BYTES);
	for (unsigned row = 0; row < par->k; row++) {
		unsigned first = at, end = bytes[par->omega + row];
		if (end < at || end > par->omega)
			return false;
		for (; at < end; at++) {
			if (at > first && bytes[at - 1] >= bytes[at])
				return false;
			hints[row][bytes[at] / 8] |= (uint8_t)(1u << bytes[at] % 8);
		}
	}
	for (; at < par->omega; at++)
		if (bytes[at])
			return false;
	return true;
}

enum crypto_status mldsa_verify_rows(const struct mldsa_parameters *par, const uint8_t *pk,
                                     const struct mldsa_rows *rows, const uint8_t mu[MLDSA_MU_SIZE],
                                     const uint8_t *signature)
{
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_poly z_hat[MLDSA_MAX_L], c_hat, sum, t;
	struct mldsa_matrix matrix;
	uint8_t hints[MLDSA_MAX_K][MLDSA_HINT_BYTES], high[MLDSA_MAX_HIGH], challenge[MLDSA_MAX_CHALLENGE];
	struct shake shake;
	const uint8_t *z_bytes = signature + par->challenge_size;
	unsigned z_size = 32u * par->gamma1_bits;
	int32_t gamma1 = 1 << (par->gamma1_bits - 1);

	if (!unpack_hint(par, hints, z_bytes + z_size * par->l))
		return CRYPTO_BAD_ENCODING;
	for (unsigned i = 0; i < par->l; i++) {
		ops->unpack(&z_hat[i], z_bytes + z_size * i, par->gamma1_bits, gamma1);
		if (ops->exceeds(&z_hat[i], gamma1 - par->beta))
			return CRYPTO_BAD_ENCODING;
		ops->ntt(&z_hat[i]);
	}
	mldsa_challenge(par, &c_hat, signature);
	ops->ntt(&c_hat);

	shake256_init(&shake);
	shake_absorb(&shake, mu, MLDSA_MU_SIZE);
	for (unsigned row = 0; row < par->k; row++) {
		/* w'approx = NTT^-1(A_hat z_hat - c_hat NTT(t1 2^d)) */
		if (rows) {
			memset(&sum, 0, sizeof sum);
			ops->multiply_add(&sum, rows->matrix + (size_t)MLDSA_PACKED_BYTES * par->l * row,
			                  z_hat, par->l);
			ops->multiply(&t, &rows->t1_hat[row], &c_hat, NULL);
		} else {
			mldsa_row_product(par, ops, &matrix, pk, row, z_hat, &sum);
			ops->unpack_t1(&t, pk + 32 + MLDSA_T1_BYTES * row);
			ops->ntt(&t);
			ops->multiply(&t, &t, &c_hat, NULL);
		}
		ops->subtract(&sum, &sum, &t);
		ops->inverse_ntt(&sum);
		ops->use_hint(high, &sum, hints[row], par->gamma2);
		shake_absorb(&shake, high, par->high_bytes);
	}
	shake_finalize(&shake);
	shake_squeeze(&shake, challenge, par->challenge_size);
	return memcmp(challenge, signature, par->challenge_size) == 0 ? CRYPTO_OK : CRYPTO_BAD_SIGNATURE;
}

enum crypto_status mldsa_verify_mu(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                   const uint8_t mu[MLDSA_MU_SIZE], const uint8_t *signature,
                                   size_t signature_size)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != par->pk_size || signature_size != par->signature_size)
		return CRYPTO_BAD_LENGTH;
	return mldsa_verify_rows(par, pk, NULL, mu, signature);
}

/* Finishes mu and verifies. */
static enum crypto_status verify_finish(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *pk,
                                        size_t pk_size, const uint8_t *signature, size_t signature_size)
{
	uint8_t representative[MLDSA_MU_SIZE];
	mldsa_mu_finish(mu, representative);
	return mldsa_verify_mu(set, pk, pk_size, representative, signature, signature_size);
}

enum crypto_status mldsa_verify(enum mldsa_set set, const uint8_t *pk, size_t pk_size, const void *message,
                                size_t message_size, const void *context, size_t context_size,
                                const uint8_t *signature, size_t signature_size)
{
	struct mldsa_mu mu;
	enum crypto_status status = mldsa_mu_start_public(&mu, set, pk, pk_size, context, context_size);
	if (status)
		return status;
	mldsa_mu_update(&mu, message, message_size);
	return verify_finish(&mu, set, pk, pk_size, signature, signature_size);
}

enum crypto_status mldsa_verify_prehash(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                        enum prehash hash, const uint8_t *digest, size_t digest_size,
                                        const void *context, size_t context_size, const uint8_t *signature,
                                        size_t signature_size)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	struct mldsa_mu mu;
	uint8_t tr[MLDSA_TR_SIZE];
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != par->pk_size)
		return CRYPTO_BAD_LENGTH;
	shake256_hash(tr, sizeof tr, pk, pk_size);
	enum crypto_status status = mldsa_mu_start(&mu, tr, 1, context, context_size);
	if (!status)
		status = mldsa_mu_digest(&mu, hash, digest, digest_size);
	if (status)
		return status;
	return verify_finish(&mu, set, pk, pk_size, signature, signature_size);
}

enum crypto_status mldsa_verify_internal(enum mldsa_set set, const uint8_t *pk, size_t pk_size,
                                         const void *message, size_t message_size, const uint8_t *signature,
                                         size_t signature_size)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	struct mldsa_mu mu;
	uint8_t tr[MLDSA_TR_SIZE];
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (pk_size != par->pk_size)
		return CRYPTO_BAD_LENGTH;
	shake256_hash(tr, sizeof tr, pk, pk_size);
	enum crypto_status status = mldsa_mu_start(&mu, tr, MLDSA_NO_DOMAIN, NULL, 0);
	if (status)
		return status;
	mldsa_mu_update(&mu, message, message_size);
	return verify_finish(&mu, set, pk, pk_size, signature, signature_size);
}
