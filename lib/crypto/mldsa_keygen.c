/*
 * ML-DSA key generation (FIPS 204, algorithm 6), and the reverse: from a secret key to its public key, which
 * is also the check of a key from outside.
 */
#include "mldsa_internal.h"

/* Two blocks of SHAKE256 fill a polynomial of s1 or s2 mostly. */
#define FIRST_BLOCKS 2

struct keygen {
	struct mldsa_poly s1_hat[MLDSA_MAX_L], t, t0;
	uint8_t seeds[128]; /* rho, rho', K */
	uint8_t bytes[4][FIRST_BLOCKS * SHAKE256_RATE];
	uint8_t hash[MLDSA_TR_SIZE], packed_t0[MLDSA_T0_BYTES];
	struct shake_x4 shake;
	struct shake single;
};

/*
 * RejBoundedPoly (algorithm 31): appends coefficients from half bytes. Which half bytes are refused is
 * public; refused and kept ones are independent.
 */
static unsigned reject_eta(struct mldsa_poly *p, unsigned have, const uint8_t *bytes, size_t size, int eta)
{
	for (size_t i = 0; i < 2 * size && have < MLDSA_N; i++) {
		int32_t half = bytes[i / 2] >> 4 * (i % 2) & 15;
		/* For eta 2, half modulo 5. */
		int32_t value = eta == 2 ? half - ((half * 205) >> 10) * 5 : half;
		bool kept = half < (eta == 2 ? 15 : 9);
		crypto_declassify(&kept, sizeof kept);
		p->c[have] = eta - value;
		have += kept;
	}
	return have;
}

/* ExpandS (algorithm 33): polynomials `first` to `first` + 3 of s1 and s2 together, into `p`. */
static void sample_secrets(const struct mldsa_parameters *par, struct keygen *s,
                           struct mldsa_poly *const p[4], unsigned first)
{
	uint8_t seeds[4][66];
	const uint8_t *const in[4] = {seeds[0], seeds[1], seeds[2], seeds[3]};
	uint8_t *const out[4] = {s->bytes[0], s->bytes[1], s->bytes[2], s->bytes[3]};
	unsigned have[4] = {0}, fewest = 0;
	for (unsigned lane = 0; lane < 4; lane++) {
		memcpy(seeds[lane], s->seeds + 32, 64);
		store_le16(seeds[lane] + 64, (uint16_t)(first + lane));
	}
	shake256_x4_init(&s->shake);
	shake_x4_absorb(&s->shake, in, sizeof seeds[0]);
	shake_x4_finalize(&s->shake);
	for (size_t size = sizeof s->bytes[0]; fewest < MLDSA_N; size = SHAKE256_RATE) {
		shake_x4_squeeze(&s->shake, out, size);
		fewest = MLDSA_N;
		for (unsigned lane = 0; lane < 4; lane++) {
			have[lane] = reject_eta(p[lane], have[lane], s->bytes[lane], size, par->eta);
			fewest = have[lane] < fewest ? have[lane] : fewest;
		}
	}
	crypto_wipe(seeds, sizeof seeds);
}

/* Power2Round (algorithm 35) of a row of t, its high part packed: t1 into pk, t0 into t0. */
static void power2round(uint8_t *t1, struct mldsa_poly *t0, const struct mldsa_poly *t)
{
	for (unsigned i = 0; i < MLDSA_N / 8; i++) {
		uint32_t group[8];
		for (unsigned j = 0; j < 8; j++) {
			int32_t a = mldsa_canonical(t->c[8 * i + j]);
			int32_t high = (a + (1 << (MLDSA_D - 1)) - 1) >> MLDSA_D;
			group[j] = (uint32_t)high;
			t0->c[8 * i + j] = a - high * (1 << MLDSA_D);
		}
		bitpack8(t1 + 10 * i, group, 10);
	}
}

/* Rows of t = A s1 + s2: t1 goes into the public key; t0 into the secret key, or is compared with it. */
static bool finish_rows(const struct mldsa_parameters *par, const struct mldsa_ops *ops, struct keygen *s,
                        const struct mldsa_secret_layout *key, uint8_t *pk, uint8_t *t0_out)
{
	struct mldsa_matrix matrix;
	bool same = true;
	for (unsigned row = 0; row < par->k; row++) {
		mldsa_row_product(par, ops, &matrix, key->rho, row, s->s1_hat, &s->t);
		ops->inverse_ntt(&s->t);
		ops->unpack(&s->t0, key->s2 + mldsa_eta_bytes(par) * row, par->eta_bits, par->eta);
		ops->add(&s->t, &s->t, &s->t0);
		power2round(pk + 32 + MLDSA_T1_BYTES * row, &s->t0, &s->t);
		ops->pack(s->packed_t0, &s->t0, MLDSA_D, 1 << (MLDSA_D - 1));
		if (t0_out)
			memcpy(t0_out + MLDSA_T0_BYTES * row, s->packed_t0, MLDSA_T0_BYTES);
		else
			same &= crypto_equal(key->t0 + MLDSA_T0_BYTES * row, s->packed_t0, MLDSA_T0_BYTES);
	}
	memcpy(pk, key->rho, 32);
	/* The public key is public. */
	crypto_declassify(pk, par->pk_size);
	shake256_hash(s->hash, MLDSA_TR_SIZE, pk, par->pk_size);
	return same;
}

enum crypto_status mldsa_keygen(enum mldsa_set set, const uint8_t seed[MLDSA_SEED_SIZE], uint8_t *pk,
                                uint8_t *sk)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_secret_layout key = mldsa_secret_layout(par, sk);
	struct keygen s;
	uint8_t sizes[2] = {par->k, par->l};
	unsigned eta_bytes = mldsa_eta_bytes(par), vectors = par->k + par->l;

	shake256_init(&s.single);
	shake_absorb(&s.single, seed, MLDSA_SEED_SIZE);
	shake_absorb(&s.single, sizes, sizeof sizes);
	shake_finalize(&s.single);
	shake_squeeze(&s.single, s.seeds, sizeof s.seeds);
	crypto_declassify(s.seeds, 32);
	memcpy(sk, s.seeds, 32);
	memcpy(sk + 32, s.seeds + 96, 32);

	/* s1 is kept, transformed; s2 goes into the key at once. */
	for (unsigned first = 0; first < vectors; first += 4) {
		struct mldsa_poly spare[4], *p[4];
		for (unsigned lane = 0; lane < 4; lane++)
			p[lane] = first + lane < par->l ? &s.s1_hat[first + lane] : &spare[lane];
		sample_secrets(par, &s, p, first);
		for (unsigned lane = 0; lane < 4 && first + lane < vectors; lane++) {
			uint8_t *to = sk + (key.s1 - sk) + (size_t)eta_bytes * (first + lane);
			ops->pack(to, p[lane], par->eta_bits, par->eta);
			if (first + lane < par->l)
				ops->ntt(p[lane]);
		}
		crypto_wipe(spare, sizeof spare);
	}
	(void)finish_rows(par, ops, &s, &key, pk, sk + (key.t0 - sk));
	memcpy(sk + 64, s.hash, MLDSA_TR_SIZE);
	crypto_wipe(&s, sizeof s);
	return CRYPTO_OK;
}

enum crypto_status mldsa_public_from_secret(enum mldsa_set set, const uint8_t *sk, size_t sk_size,
                                            uint8_t *pk)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	memset(pk, 0, par->pk_size);
	if (sk_size != par->sk_size)
		return CRYPTO_BAD_LENGTH;
	const struct mldsa_ops *ops = mldsa_choose_ops();
	struct mldsa_secret_layout key = mldsa_secret_layout(par, sk);
	struct keygen s;
	bool good = true;
	for (unsigned i = 0; i < par->k; i++) {
		ops->unpack(&s.t, key.s2 + mldsa_eta_bytes(par) * i, par->eta_bits, par->eta);
		good &= !ops->exceeds(&s.t, par->eta + 1);
	}
	for (unsigned i = 0; i < par->l; i++) {
		ops->unpack(&s.s1_hat[i], key.s1 + mldsa_eta_bytes(par) * i, par->eta_bits, par->eta);
		good &= !ops->exceeds(&s.s1_hat[i], par->eta + 1);
		ops->ntt(&s.s1_hat[i]);
	}
	crypto_declassify(key.rho, 32);
	good &= finish_rows(par, ops, &s, &key, pk, NULL);
	good &= crypto_equal(s.hash, key.tr, MLDSA_TR_SIZE);
	crypto_wipe(&s, sizeof s);
	/* That a key is malformed is told to the caller, and says nothing of a well-formed one. */
	crypto_declassify(&good, sizeof good);
	if (good)
		return CRYPTO_OK;
	crypto_wipe(pk, par->pk_size);
	return CRYPTO_BAD_KEY;
}
