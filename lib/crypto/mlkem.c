/*
 * ML-KEM (FIPS 203): the scheme over the arithmetic of mlkem_poly.h.
 *
 * Polynomial names follow the standard; those in the transformed domain end in _hat. The noise is sampled
 * four polynomials at a time with the 4-way SHAKE, the matrix in mlkem_expand.c. Everything secret lives in
 * one struct per operation, wiped at its end; the matrix is public.
 */
#include "mlkem.h"
#include "mlkem_expand.h"
#include "sha3.h"
#include "shake_x4.h"

#define MAX_K 4

#define MAX_ETA_BYTES (64 * 3)

struct parameters {
	uint8_t k, eta1, du, dv;
	uint16_t ek_size, dk_size, ct_size;
};

#define ETA2 2

static const struct parameters parameter_sets[MLKEM_SETS] = {
    [MLKEM_512] = {2, 3, 10, 4, MLKEM512_EK_SIZE, MLKEM512_DK_SIZE, MLKEM512_CT_SIZE},
    [MLKEM_768] = {3, 2, 10, 4, MLKEM768_EK_SIZE, MLKEM768_DK_SIZE, MLKEM768_CT_SIZE},
    [MLKEM_1024] = {4, 2, 11, 5, MLKEM1024_EK_SIZE, MLKEM1024_DK_SIZE, MLKEM1024_CT_SIZE},
};

static const struct parameters *find(enum mlkem_set set)
{
	return (unsigned)set < MLKEM_SETS ? &parameter_sets[set] : NULL;
}

static const struct mlkem_ops *choose_ops(void)
{
#if CRYPTO_VECTOR
	if (crypto_cpu_features() & CRYPTO_CPU_AVX2)
		return &mlkem_ops_avx2;
#endif
	return &mlkem_ops_c;
}

size_t mlkem_ek_size(enum mlkem_set set)
{
	const struct parameters *par = find(set);
	return par ? par->ek_size : 0;
}

size_t mlkem_dk_size(enum mlkem_set set)
{
	const struct parameters *par = find(set);
	return par ? par->dk_size : 0;
}

size_t mlkem_ct_size(enum mlkem_set set)
{
	const struct parameters *par = find(set);
	return par ? par->ct_size : 0;
}

/*
 * `count` polynomials of noise with PRF(seed, first nonce and on): the first `with_eta1` of them with eta1,
 * the others with eta2.
 */
static void sample_noise(const struct mlkem_ops *ops, struct mlkem_poly *p, unsigned count,
                         unsigned with_eta1, unsigned eta1, const uint8_t seed[32])
{
	struct {
		uint8_t seeds[4][33], bytes[4][MAX_ETA_BYTES];
	} s;
	const uint8_t *const in[4] = {s.seeds[0], s.seeds[1], s.seeds[2], s.seeds[3]};
	uint8_t *const out[4] = {s.bytes[0], s.bytes[1], s.bytes[2], s.bytes[3]};
	for (unsigned lane = 0; lane < 4; lane++)
		memcpy(s.seeds[lane], seed, 32);
	for (unsigned first = 0; first < count; first += 4) {
		unsigned longest = 64 * (first < with_eta1 ? eta1 : ETA2);
		unsigned lanes = count - first < 4 ? count - first : 4;
		for (unsigned lane = 0; lane < 4; lane++)
			s.seeds[lane][32] = (uint8_t)(first + lane);
		if (lanes == 1)
			shake256_hash(s.bytes[0], longest, s.seeds[0], sizeof s.seeds[0]);
		else
			shake256_x4_hash(out, longest, in, sizeof s.seeds[0]);
		for (unsigned lane = 0; lane < lanes; lane++)
			ops->binomial(&p[first + lane], s.bytes[lane],
			              first + lane < with_eta1 ? eta1 : ETA2);
	}
	crypto_wipe(&s, sizeof s);
}

/* G (section 4.1) of two parts: SHA3-512. */
static void hash_g(uint8_t out[64], const void *first, size_t first_size, const void *second,
                   size_t second_size)
{
	struct sha3 hash;
	sha3_512_init(&hash);
	sha3_update(&hash, first, first_size);
	sha3_update(&hash, second, second_size);
	sha3_final(&hash, out);
}

enum crypto_status mlkem_keygen(enum mlkem_set set, const uint8_t d[MLKEM_SEED_SIZE],
                                const uint8_t z[MLKEM_SEED_SIZE], uint8_t *ek, uint8_t *dk)
{
	const struct parameters *par = find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	const struct mlkem_ops *ops = choose_ops();
	unsigned k = par->k;
	struct mlkem_poly a_hat[MAX_K * MAX_K];
	struct {
		struct mlkem_poly noise[2 * MAX_K], prepared[MAX_K], t_hat;
		uint8_t seeds[64]; /* rho, sigma */
	} s;
	struct mlkem_poly *s_hat = s.noise, *e_hat = s.noise + k;
	uint8_t k_byte = par->k;

	/* K-PKE.KeyGen (algorithm 13). rho becomes part of the encapsulation key: public. */
	hash_g(s.seeds, d, MLKEM_SEED_SIZE, &k_byte, 1);
	crypto_declassify(s.seeds, 32);
	mlkem_expand(ops, a_hat, s.seeds, k, false, NULL, 0);
	sample_noise(ops, s.noise, 2 * k, 2 * k, par->eta1, s.seeds + 32);
	for (unsigned i = 0; i < 2 * k; i++)
		ops->ntt(&s.noise[i]);
	for (unsigned i = 0; i < k; i++) {
		ops->prepare(&s.prepared[i], &s_hat[i]);
		ops->to_bytes(dk + MLKEM_POLY_BYTES * i, &s_hat[i]);
	}
	for (unsigned i = 0; i < k; i++) {
		ops->dot(&s.t_hat, a_hat + k * i, s_hat, s.prepared, k);
		ops->scale_add(&s.t_hat, &e_hat[i]);
		ops->to_bytes(ek + MLKEM_POLY_BYTES * i, &s.t_hat);
	}
	memcpy(ek + MLKEM_POLY_BYTES * k, s.seeds, 32);
	/* The encapsulation key is public by definition. */
	crypto_declassify(ek, par->ek_size);

	/* ML-KEM.KeyGen_internal (algorithm 16). */
	uint8_t *tail = dk + MLKEM_POLY_BYTES * k;
	memcpy(tail, ek, par->ek_size);
	sha3_256_hash(tail + par->ek_size, ek, par->ek_size);
	memcpy(tail + par->ek_size + 32, z, MLKEM_SEED_SIZE);
	crypto_wipe(&s, sizeof s);
	return CRYPTO_OK;
}

/* The check of section 7.2 on the coefficients: each 12-bit value is below q. */
static bool modulus_check(const struct mlkem_ops *ops, const uint8_t *bytes, unsigned k)
{
	struct mlkem_poly p;
	int32_t above = 0;
	for (unsigned i = 0; i < k; i++) {
		ops->from_bytes(&p, bytes + MLKEM_POLY_BYTES * i);
		for (unsigned j = 0; j < MLKEM_N; j++)
			above |= MLKEM_Q - 1 - p.c[j];
	}
	crypto_wipe(&p, sizeof p);
	return above >= 0;
}

enum crypto_status mlkem_check_ek(enum mlkem_set set, const uint8_t *ek, size_t ek_size)
{
	const struct parameters *par = find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (ek_size != par->ek_size)
		return CRYPTO_BAD_LENGTH;
	return modulus_check(choose_ops(), ek, par->k) ? CRYPTO_OK : CRYPTO_BAD_KEY;
}

enum crypto_status mlkem_check_dk(enum mlkem_set set, const uint8_t *dk, size_t dk_size)
{
	const struct parameters *par = find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (dk_size != par->dk_size)
		return CRYPTO_BAD_LENGTH;
	const struct mlkem_ops *ops = choose_ops();
	const uint8_t *ek = dk + MLKEM_POLY_BYTES * par->k;
	uint8_t hash[32];
	sha3_256_hash(hash, ek, par->ek_size);
	bool good = crypto_equal(hash, ek + par->ek_size, sizeof hash);
	good &= modulus_check(ops, ek, par->k);
	good &= modulus_check(ops, dk, par->k);
	/* That a key is malformed is told to the caller, and says nothing of a well-formed one. */
	crypto_declassify(&good, sizeof good);
	return good ? CRYPTO_OK : CRYPTO_BAD_KEY;
}

/*
 * K-PKE.Encrypt (algorithm 14). `a_hat` is the transposed matrix; it is overwritten. `ek` has passed its
 * check, or belongs to a checked decapsulation key.
 */
static void encrypt(const struct parameters *par, const struct mlkem_ops *ops, uint8_t *ct, const uint8_t *ek,
                    struct mlkem_poly *a_hat, const uint8_t message[32], const uint8_t coins[32])
{
	unsigned k = par->k;
	struct {
		struct mlkem_poly noise[2 * MAX_K + 1], prepared[MAX_K], mu, sum;
	} s;
	struct mlkem_poly *y_hat = s.noise, *e1 = s.noise + k, *e2 = s.noise + 2 * k;

	sample_noise(ops, s.noise, 2 * k + 1, k, par->eta1, coins);
	for (unsigned i = 0; i < k; i++) {
		ops->ntt(&y_hat[i]);
		ops->prepare(&s.prepared[i], &y_hat[i]);
	}
	for (unsigned i = 0; i < k; i++) {
		ops->dot(&s.sum, a_hat + k * i, y_hat, s.prepared, k);
		ops->inverse_ntt(&s.sum);
		ops->add(&s.sum, &e1[i]);
		ops->compress(ct + 32 * par->du * i, &s.sum, par->du);
	}
	/* The matrix is used up; its memory takes t_hat. */
	for (unsigned i = 0; i < k; i++)
		ops->from_bytes(&a_hat[i], ek + MLKEM_POLY_BYTES * i);
	ops->dot(&s.sum, a_hat, y_hat, s.prepared, k);
	ops->inverse_ntt(&s.sum);
	ops->decompress(&s.mu, message, 1);
	ops->add(&s.sum, e2);
	ops->add(&s.sum, &s.mu);
	ops->compress(ct + 32 * par->du * k, &s.sum, par->dv);
	crypto_wipe(&s, sizeof s);
}

/* K-PKE.Decrypt (algorithm 15). */
static void decrypt(const struct parameters *par, const struct mlkem_ops *ops, uint8_t message[32],
                    const uint8_t *dk, const uint8_t *ct)
{
	unsigned k = par->k;
	struct {
		struct mlkem_poly s_hat[MAX_K], u_hat[MAX_K], prepared[MAX_K], v, w;
	} s;
	for (unsigned i = 0; i < k; i++) {
		ops->from_bytes(&s.s_hat[i], dk + MLKEM_POLY_BYTES * i);
		ops->decompress(&s.u_hat[i], ct + 32 * par->du * i, par->du);
		ops->ntt(&s.u_hat[i]);
		ops->prepare(&s.prepared[i], &s.u_hat[i]);
	}
	ops->decompress(&s.v, ct + 32 * par->du * k, par->dv);
	ops->dot(&s.w, s.s_hat, s.u_hat, s.prepared, k);
	ops->inverse_ntt(&s.w);
	ops->subtract_from(&s.w, &s.v);
	ops->compress(message, &s.w, 1);
	crypto_wipe(&s, sizeof s);
}

enum crypto_status mlkem_encapsulate(enum mlkem_set set, const uint8_t *ek, size_t ek_size,
                                     const uint8_t m[MLKEM_SEED_SIZE], uint8_t *ct,
                                     uint8_t shared[MLKEM_SHARED_SIZE])
{
	memset(shared, 0, MLKEM_SHARED_SIZE);
	const struct parameters *par = find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	enum crypto_status status = mlkem_check_ek(set, ek, ek_size);
	if (status) {
		memset(ct, 0, par->ct_size);
		return status;
	}
	const struct mlkem_ops *ops = choose_ops();
	struct mlkem_poly a_hat[MAX_K * MAX_K];
	uint8_t hash[32], secrets[64]; /* K, r */
	const struct mlkem_digest h = {.body = ek, .body_size = ek_size, .suffix = MLKEM_SHA3, .out = hash};
	mlkem_expand(ops, a_hat, ek + MLKEM_POLY_BYTES * par->k, par->k, true, &h, 1);
	hash_g(secrets, m, MLKEM_SEED_SIZE, hash, sizeof hash);
	encrypt(par, ops, ct, ek, a_hat, m, secrets + 32);
	memcpy(shared, secrets, MLKEM_SHARED_SIZE);
	crypto_wipe(secrets, sizeof secrets);
	return CRYPTO_OK;
}

enum crypto_status mlkem_decapsulate(enum mlkem_set set, const uint8_t *dk, size_t dk_size, const uint8_t *ct,
                                     size_t ct_size, uint8_t shared[MLKEM_SHARED_SIZE])
{
	memset(shared, 0, MLKEM_SHARED_SIZE);
	const struct parameters *par = find(set);
	if (!par)
		return CRYPTO_BAD_ARGUMENT;
	if (dk_size != par->dk_size || ct_size != par->ct_size)
		return CRYPTO_BAD_LENGTH;
	const struct mlkem_ops *ops = choose_ops();
	const uint8_t *ek = dk + MLKEM_POLY_BYTES * par->k, *ek_hash = ek + par->ek_size, *z = ek_hash + 32;
	struct mlkem_poly a_hat[MAX_K * MAX_K];
	struct {
		uint8_t message[32], secrets[64], rejected[32], again[MLKEM_MAX_CT_SIZE];
	} s;
	uint8_t hash[32];
	/* H(ek) for the check of the key, and J(z, c). */
	const struct mlkem_digest digests[2] = {
	    {.body = ek, .body_size = par->ek_size, .suffix = MLKEM_SHA3, .out = hash},
	    {z, ct, MLKEM_SEED_SIZE, ct_size, MLKEM_SHAKE, s.rejected},
	};
	/* The encapsulation key is public, as is whether the stored hash is right: see mlkem_check_dk. */
	crypto_declassify(ek, par->ek_size);
	mlkem_expand(ops, a_hat, ek + MLKEM_POLY_BYTES * par->k, par->k, true, digests, 2);
	bool good = crypto_equal(hash, ek_hash, sizeof hash);
	crypto_declassify(&good, sizeof good);
	if (!good) {
		crypto_wipe(&s, sizeof s);
		return CRYPTO_BAD_KEY;
	}
	decrypt(par, ops, s.message, dk, ct);
	hash_g(s.secrets, s.message, sizeof s.message, ek_hash, 32);
	encrypt(par, ops, s.again, ek, a_hat, s.message, s.secrets + 32);
	/* Both secrets exist by now; a mask, not a branch, chooses. */
	uint32_t accept = crypto_barrier32((uint32_t) - (int32_t)crypto_equal(s.again, ct, ct_size));
	for (unsigned i = 0; i < MLKEM_SHARED_SIZE; i++)
		shared[i] = (uint8_t)((s.secrets[i] & accept) | (s.rejected[i] & ~accept));
	crypto_wipe(&s, sizeof s);
	return CRYPTO_OK;
}
