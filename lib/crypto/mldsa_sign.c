/*
 * ML-DSA signing (FIPS 204, algorithms 2, 4 and 7).
 *
 * An attempt is cheap to refuse and refused four times out of five, so the order of its checks is the one
 * that refuses soonest, and each polynomial is judged before the next is computed. The secret vectors stay in
 * their packed form in the key and are transformed when an attempt gets as far as to need them; together with
 * the packed matrix, for which each set takes what it needs, that keeps the largest below 64 KiB of stack.
 *
 * What is told by time: how many attempts there were, in which polynomial each failed, and the challenges.
 * The challenge of a refused attempt is a hash of a commitment that nobody sees and that never comes again.
 * Where an attempt failed does not depend on the key: the bounds are chosen so that what passes them, and
 * with which probability, is the same for every key.
 */
#include "mldsa_internal.h"

#define MATRIX_SIZE(k, l) ((k) * (l)*MLDSA_PACKED_BYTES + MLDSA_PACKED_SLACK)

struct attempt {
	struct mldsa_poly y_hat[MLDSA_MAX_L], c_hat, t;
	union {
		struct mldsa_poly w[MLDSA_MAX_K]; /* later its low bits */
		struct mldsa_sampler sampler;
	};
	uint8_t high[MLDSA_MAX_HIGH];                 /* a row of w1Encode(w1) */
	uint8_t hints[MLDSA_MAX_K][MLDSA_HINT_BYTES]; /* at first: where w1 is not 0 */
	uint8_t seed[64];                             /* rho'' */
	const uint8_t *matrix;                        /* packed, row by row */
	struct shake shake;
};

/* ExpandMask (algorithm 34), transformed. */
static void sample_mask(const struct mldsa_parameters *par, const struct mldsa_ops *ops, struct attempt *a,
                        unsigned kappa)
{
	uint8_t seeds[4][66];
	const uint8_t *const in[4] = {seeds[0], seeds[1], seeds[2], seeds[3]};
	uint8_t *const out[4] = {a->sampler.bytes[0], a->sampler.bytes[1], a->sampler.bytes[2],
	                         a->sampler.bytes[3]};
	unsigned size = 32u * par->gamma1_bits;
	for (unsigned lane = 0; lane < 4; lane++)
		memcpy(seeds[lane], a->seed, sizeof a->seed);
	for (unsigned first = 0; first < par->l; first += 4) {
		unsigned lanes = par->l - first < 4 ? par->l - first : 4;
		for (unsigned lane = 0; lane < 4; lane++)
			store_le16(seeds[lane] + 64, (uint16_t)(kappa + first + lane));
		if (lanes == 1) {
			shake256_hash(out[0], size, seeds[0], sizeof seeds[0]);
		} else {
			shake256_x4_init(&a->sampler.shake);
			shake_x4_absorb(&a->sampler.shake, in, sizeof seeds[0]);
			shake_x4_finalize(&a->sampler.shake);
			shake_x4_squeeze(&a->sampler.shake, out, size);
		}
		for (unsigned lane = 0; lane < lanes; lane++) {
			struct mldsa_poly *y = &a->y_hat[first + lane];
			ops->unpack(y, out[lane], par->gamma1_bits, 1 << (par->gamma1_bits - 1));
			ops->ntt(y);
		}
	}
	crypto_wipe(seeds, sizeof seeds);
}

/* A verdict on an attempt; see the head of the file. */
static bool refused(bool verdict)
{
	crypto_declassify(&verdict, sizeof verdict);
	return verdict;
}

/* t = c times the packed secret polynomial `bytes`, in the normal domain, plus y where given. */
static void times_challenge(const struct mldsa_ops *ops, struct attempt *a, const uint8_t *bytes,
                            unsigned bits, int32_t top, const struct mldsa_poly *y_hat)
{
	ops->unpack(&a->t, bytes, bits, top);
	ops->ntt(&a->t);
	ops->multiply(&a->t, &a->t, &a->c_hat, y_hat);
	ops->inverse_ntt(&a->t);
}

/* HintBitPack (algorithm 20). */
static void pack_hint(const struct mldsa_parameters *par, uint8_t *out,
                      const uint8_t hints[][MLDSA_HINT_BYTES])
{
	unsigned at = 0;
	memset(out, 0, par->omega);
	for (unsigned row = 0; row < par->k; row++) {
		for (unsigned i = 0; i < MLDSA_N; i++)
			if (hints[row][i / 8] >> i % 8 & 1)
				out[at++] = (uint8_t)i;
		out[par->omega + row] = (uint8_t)at;
	}
}

/* One attempt: true if it gave a signature. */
static bool try_to_sign(const struct mldsa_parameters *par, const struct mldsa_ops *ops, struct attempt *a,
                        const struct mldsa_secret_layout *key, const uint8_t mu[MLDSA_MU_SIZE],
                        unsigned kappa, uint8_t *signature)
{
	unsigned eta_bytes = mldsa_eta_bytes(par), z_size = 32u * par->gamma1_bits, ones = 0;
	int32_t gamma1 = 1 << (par->gamma1_bits - 1);
	uint8_t *z_bytes = signature + par->challenge_size;

	sample_mask(par, ops, a, kappa);
	shake256_init(&a->shake);
	shake_absorb(&a->shake, mu, MLDSA_MU_SIZE);
	for (unsigned i = 0; i < par->k; i++) {
		memset(&a->w[i], 0, sizeof a->w[i]);
		ops->multiply_add(&a->w[i], a->matrix + (size_t)MLDSA_PACKED_BYTES * par->l * i, a->y_hat,
		                  par->l);
		ops->inverse_ntt(&a->w[i]);
		ops->decompose(a->high, a->hints[i], &a->w[i], par->gamma2);
		shake_absorb(&a->shake, a->high, par->high_bytes);
	}
	shake_finalize(&a->shake);
	shake_squeeze(&a->shake, signature, par->challenge_size);
	crypto_declassify(signature, par->challenge_size);
	mldsa_challenge(par, &a->c_hat, signature);
	ops->ntt(&a->c_hat);

	/* r0 = LowBits(w - c s2) is short exactly when this is: then no high bits have changed. */
	for (unsigned i = 0; i < par->k; i++) {
		times_challenge(ops, a, key->s2 + eta_bytes * i, par->eta_bits, par->eta, NULL);
		ops->subtract(&a->w[i], &a->w[i], &a->t);
		if (refused(ops->exceeds(&a->w[i], par->gamma2 - par->beta)))
			return false;
	}
	/* z = y + c s1. */
	for (unsigned i = 0; i < par->l; i++) {
		times_challenge(ops, a, key->s1 + eta_bytes * i, par->eta_bits, par->eta, &a->y_hat[i]);
		ops->reduce(&a->t);
		if (refused(ops->exceeds(&a->t, gamma1 - par->beta)))
			return false;
		ops->pack(z_bytes + z_size * i, &a->t, par->gamma1_bits, gamma1);
	}
	for (unsigned i = 0; i < par->k; i++) {
		times_challenge(ops, a, key->t0 + MLDSA_T0_BYTES * i, MLDSA_D, 1 << (MLDSA_D - 1), NULL);
		ops->reduce(&a->t);
		if (refused(ops->exceeds(&a->t, par->gamma2)))
			return false;
		ops->add(&a->w[i], &a->w[i], &a->t);
		ones += ops->make_hint(a->hints[i], &a->w[i], par->gamma2);
	}
	if (refused(ones > par->omega))
		return false;
	/* From here on it is the signature: public. */
	crypto_declassify(a->hints, sizeof a->hints);
	crypto_declassify(z_bytes, (size_t)z_size * par->l);
	pack_hint(par, z_bytes + z_size * par->l, (const uint8_t(*)[MLDSA_HINT_BYTES])a->hints);
	return true;
}

/* Whether every coefficient of s1 and s2 is within eta (the encoding has room for more). */
static bool secret_in_range(const struct mldsa_parameters *par, const struct mldsa_ops *ops,
                            const struct mldsa_secret_layout *key, struct mldsa_poly *scratch)
{
	bool bad = false;
	for (unsigned i = 0; i < par->k + par->l; i++) {
		ops->unpack(scratch, key->s1 + mldsa_eta_bytes(par) * i, par->eta_bits, par->eta);
		bad |= ops->exceeds(scratch, par->eta + 1);
	}
	/* That a key is malformed is told to the caller, and says nothing of a well-formed one. */
	crypto_declassify(&bad, sizeof bad);
	return !bad;
}

/* Algorithm 7 after its checks on lengths and the matrix. */
__attribute__((noinline)) enum crypto_status
mldsa_sign_matrix(const struct mldsa_parameters *par, const uint8_t *sk, const uint8_t mu[MLDSA_MU_SIZE],
                  const uint8_t *rnd, const uint8_t *matrix, uint8_t *signature)
{
	static const uint8_t no_rnd[MLDSA_RND_SIZE];
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_secret_layout key = mldsa_secret_layout(par, sk);
	struct attempt a;
	a.matrix = matrix;
	if (!secret_in_range(par, ops, &key, &a.t)) {
		crypto_wipe(&a.t, sizeof a.t);
		return CRYPTO_BAD_KEY;
	}
	shake256_init(&a.shake);
	shake_absorb(&a.shake, key.k_seed, 32);
	shake_absorb(&a.shake, rnd ? rnd : no_rnd, MLDSA_RND_SIZE);
	shake_absorb(&a.shake, mu, MLDSA_MU_SIZE);
	shake_finalize(&a.shake);
	shake_squeeze(&a.shake, a.seed, sizeof a.seed);
	for (unsigned kappa = 0; !try_to_sign(par, ops, &a, &key, mu, kappa, signature);)
		kappa += par->l;
	crypto_wipe(&a, sizeof a);
	return CRYPTO_OK;
}

/* The matrix, into `matrix`; apart, so that the sampler is off the stack when signing begins. */
__attribute__((noinline)) static void sample_matrix(const struct mldsa_parameters *par, const uint8_t *sk,
                                                    uint8_t *matrix)
{
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_sampler sampler;
	/* rho is a part of the public key. */
	const uint8_t *rho = mldsa_secret_layout(par, sk).rho;
	crypto_declassify(rho, 32);
	for (unsigned first = 0; first < (unsigned)par->k * par->l; first += 4)
		mldsa_sample_entries(par, ops, matrix + (size_t)MLDSA_PACKED_BYTES * first, rho, first,
		                     &sampler);
}

/* Apart from each other, so that only the largest set pays for its matrix. The last four entries sampled may
 * reach beyond it. */
__attribute__((noinline)) static enum crypto_status sign_up_to_65(const struct mldsa_parameters *par,
                                                                  const uint8_t *sk,
                                                                  const uint8_t mu[MLDSA_MU_SIZE],
                                                                  const uint8_t *rnd, uint8_t *signature)
{
	uint8_t matrix[MATRIX_SIZE(8, 4)];
	sample_matrix(par, sk, matrix);
	return mldsa_sign_matrix(par, sk, mu, rnd, matrix, signature);
}

__attribute__((noinline)) static enum crypto_status sign_87(const struct mldsa_parameters *par,
                                                            const uint8_t *sk,
                                                            const uint8_t mu[MLDSA_MU_SIZE],
                                                            const uint8_t *rnd, uint8_t *signature)
{
	uint8_t matrix[MATRIX_SIZE(8, 7)];
	sample_matrix(par, sk, matrix);
	return mldsa_sign_matrix(par, sk, mu, rnd, matrix, signature);
}

enum crypto_status mldsa_sign_mu(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                 const uint8_t mu[MLDSA_MU_SIZE], const uint8_t *rnd, uint8_t *signature)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	memset(signature, 0, par->signature_size);
	if (sk_size != par->sk_size)
		return CRYPTO_BAD_LENGTH;
	return (set == MLDSA_87 ? sign_87 : sign_up_to_65)(par, sk, mu, rnd, signature);
}

/* Finishes mu and signs. */
static enum crypto_status sign_finish(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *sk,
                                      size_t sk_size, const uint8_t *rnd, uint8_t *signature)
{
	uint8_t representative[MLDSA_MU_SIZE];
	mldsa_mu_finish(mu, representative);
	enum crypto_status status = mldsa_sign_mu(set, sk, sk_size, representative, rnd, signature);
	crypto_wipe(representative, sizeof representative);
	return status;
}

/* Starts mu from a secret key of the right length; zeroes the signature if that fails. */
static enum crypto_status sign_start(struct mldsa_mu *mu, enum mldsa_set set, const uint8_t *sk,
                                     size_t sk_size, unsigned domain, const void *context,
                                     size_t context_size, uint8_t *signature)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	memset(signature, 0, par->signature_size);
	if (sk_size != par->sk_size)
		return CRYPTO_BAD_LENGTH;
	return mldsa_mu_start(mu, mldsa_secret_layout(par, sk).tr, domain, context, context_size);
}

enum crypto_status mldsa_sign(enum mldsa_set set, const uint8_t *sk, size_t sk_size, const void *message,
                              size_t message_size, const void *context, size_t context_size,
                              const uint8_t *rnd, uint8_t *signature)
{
	struct mldsa_mu mu;
	enum crypto_status status = sign_start(&mu, set, sk, sk_size, 0, context, context_size, signature);
	if (status)
		return status;
	mldsa_mu_update(&mu, message, message_size);
	return sign_finish(&mu, set, sk, sk_size, rnd, signature);
}

enum crypto_status mldsa_sign_prehash(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                      enum prehash hash, const uint8_t *digest, size_t digest_size,
                                      const void *context, size_t context_size, const uint8_t *rnd,
                                      uint8_t *signature)
{
	struct mldsa_mu mu;
	enum crypto_status status = sign_start(&mu, set, sk, sk_size, 1, context, context_size, signature);
	if (!status)
		status = mldsa_mu_digest(&mu, hash, digest, digest_size);
	if (status)
		return status;
	return sign_finish(&mu, set, sk, sk_size, rnd, signature);
}

enum crypto_status mldsa_sign_internal(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                       const void *message, size_t message_size, const uint8_t *rnd,
                                       uint8_t *signature)
{
	struct mldsa_mu mu;
	enum crypto_status status = sign_start(&mu, set, sk, sk_size, MLDSA_NO_DOMAIN, NULL, 0, signature);
	if (status)
		return status;
	mldsa_mu_update(&mu, message, message_size);
	return sign_finish(&mu, set, sk, sk_size, rnd, signature);
}
