/*
 * ML-DSA (FIPS 204): parameter sets, and the sampling that signer and verifier share. The matrix is sampled
 * four entries at a time, across the ends of rows, with the 4-way SHAKE.
 */
#include "mldsa_internal.h"

static const struct mldsa_parameters parameter_sets[MLDSA_SETS] = {
    [MLDSA_44] =
        {
            .k = 4,
            .l = 4,
            .eta = 2,
            .eta_bits = 3,
            .tau = 39,
            .beta = 78,
            .omega = 80,
            .gamma1_bits = 18,
            .challenge_size = 32,
            .high_bytes = 192,
            .gamma2 = MLDSA_GAMMA2_44,
            .pk_size = MLDSA44_PK_SIZE,
            .sk_size = MLDSA44_SK_SIZE,
            .signature_size = MLDSA44_SIGNATURE_SIZE,
        },
    [MLDSA_65] =
        {
            .k = 6,
            .l = 5,
            .eta = 4,
            .eta_bits = 4,
            .tau = 49,
            .beta = 196,
            .omega = 55,
            .gamma1_bits = 20,
            .challenge_size = 48,
            .high_bytes = 128,
            .gamma2 = MLDSA_GAMMA2_65,
            .pk_size = MLDSA65_PK_SIZE,
            .sk_size = MLDSA65_SK_SIZE,
            .signature_size = MLDSA65_SIGNATURE_SIZE,
        },
    [MLDSA_87] =
        {
            .k = 8,
            .l = 7,
            .eta = 2,
            .eta_bits = 3,
            .tau = 60,
            .beta = 120,
            .omega = 75,
            .gamma1_bits = 20,
            .challenge_size = 64,
            .high_bytes = 128,
            .gamma2 = MLDSA_GAMMA2_65,
            .pk_size = MLDSA87_PK_SIZE,
            .sk_size = MLDSA87_SK_SIZE,
            .signature_size = MLDSA87_SIGNATURE_SIZE,
        },
};

const struct mldsa_parameters *mldsa_find(enum mldsa_set set)
{
	return (unsigned)set < MLDSA_SETS ? &parameter_sets[set] : NULL;
}

const struct mldsa_ops *mldsa_choose_ops(void)
{
#if CRYPTO_VECTOR
	if (crypto_cpu_features() & CRYPTO_CPU_AVX2)
		return &mldsa_ops_avx2;
#endif
	return &mldsa_ops_c;
}

size_t mldsa_pk_size(enum mldsa_set set)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	return par ? par->pk_size : 0;
}

size_t mldsa_sk_size(enum mldsa_set set)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	return par ? par->sk_size : 0;
}

size_t mldsa_signature_size(enum mldsa_set set)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	return par ? par->signature_size : 0;
}

struct mldsa_secret_layout mldsa_secret_layout(const struct mldsa_parameters *par, const uint8_t *sk)
{
	struct mldsa_secret_layout layout = {.rho = sk, .k_seed = sk + 32, .tr = sk + 64};
	layout.s1 = layout.tr + MLDSA_TR_SIZE;
	layout.s2 = layout.s1 + mldsa_eta_bytes(par) * par->l;
	layout.t0 = layout.s2 + mldsa_eta_bytes(par) * par->k;
	return layout;
}

void mldsa_sample_entries(const struct mldsa_parameters *par, const struct mldsa_ops *ops, uint8_t *packed,
                          const uint8_t rho[32], unsigned first, struct mldsa_sampler *sampler)
{
	uint8_t seeds[4][34];
	const uint8_t *const in[4] = {seeds[0], seeds[1], seeds[2], seeds[3]};
	uint8_t *const out[4] = {sampler->bytes[0], sampler->bytes[1], sampler->bytes[2], sampler->bytes[3]};
	unsigned have[4] = {0}, fewest = 0;
	for (unsigned lane = 0; lane < 4; lane++) {
		memcpy(seeds[lane], rho, 32);
		seeds[lane][32] = (uint8_t)((first + lane) % par->l);
		seeds[lane][33] = (uint8_t)((first + lane) / par->l);
	}
	shake128_x4_init(&sampler->shake);
	shake_x4_absorb(&sampler->shake, in, sizeof seeds[0]);
	shake_x4_finalize(&sampler->shake);
	/* Five blocks nearly always suffice. */
	for (size_t size = sizeof sampler->bytes[0]; fewest < MLDSA_N; size = SHAKE128_RATE) {
		shake_x4_squeeze(&sampler->shake, out, size);
		fewest = MLDSA_N;
		for (unsigned lane = 0; lane < 4; lane++) {
			have[lane] = ops->reject(packed + MLDSA_PACKED_BYTES * lane, have[lane],
			                         sampler->bytes[lane], size);
			fewest = have[lane] < fewest ? have[lane] : fewest;
		}
	}
}

void mldsa_row_product(const struct mldsa_parameters *par, const struct mldsa_ops *ops,
                       struct mldsa_matrix *matrix, const uint8_t rho[32], unsigned row,
                       const struct mldsa_poly *vector, struct mldsa_poly *sum)
{
	memset(sum, 0, sizeof *sum);
	for (unsigned column = 0, count; column < par->l; column += count) {
		unsigned entry = row * par->l + column, place = entry % 4;
		if (place == 0)
			mldsa_sample_entries(par, ops, matrix->packed, rho, entry, &matrix->sampler);
		count = 4 - place < par->l - column ? 4 - place : par->l - column;
		ops->multiply_add(sum, matrix->packed + MLDSA_PACKED_BYTES * place, vector + column, count);
	}
}

void mldsa_challenge(const struct mldsa_parameters *par, struct mldsa_poly *c, const uint8_t *seed)
{
	struct shake shake;
	uint8_t bytes[SHAKE256_RATE];
	unsigned at = 8;
	shake256_init(&shake);
	shake_absorb(&shake, seed, par->challenge_size);
	shake_finalize(&shake);
	shake_squeeze(&shake, bytes, sizeof bytes);
	uint64_t signs = load_le64(bytes);
	memset(c, 0, sizeof *c);
	for (unsigned i = MLDSA_N - par->tau; i < MLDSA_N; i++) {
		unsigned place;
		do {
			if (at == sizeof bytes) {
				shake_squeeze(&shake, bytes, sizeof bytes);
				at = 0;
			}
			place = bytes[at++];
		} while (place > i);
		c->c[i] = c->c[place];
		c->c[place] = 1 - 2 * (int32_t)(signs & 1);
		signs >>= 1;
	}
}
