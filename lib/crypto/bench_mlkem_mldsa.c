/* Rows for ML-KEM and ML-DSA: every parameter set; ML-DSA signs a message of 64 bytes, hedged. */
#include "bench.h"
#include "crypto/mldsa.h"
#include "crypto/mlkem.h"

static uint8_t seed[32], ek[MLKEM_MAX_EK_SIZE], dk[MLKEM_MAX_DK_SIZE], ct[MLKEM_MAX_CT_SIZE], shared[32];
static uint8_t pk[MLDSA_MAX_PK_SIZE], sk[MLDSA_MAX_SK_SIZE], message[64], signature[MLDSA_MAX_SIGNATURE_SIZE];

static void kem_keygen(unsigned variant)
{
	bench_must(mlkem_keygen((enum mlkem_set)variant, seed, seed, ek, dk));
}

static void encapsulate(unsigned variant)
{
	enum mlkem_set set = (enum mlkem_set)variant;
	bench_must(mlkem_encapsulate(set, ek, mlkem_ek_size(set), seed, ct, shared));
}

static void decapsulate_setup(unsigned variant)
{
	kem_keygen(variant);
	encapsulate(variant);
}

static void decapsulate(unsigned variant)
{
	enum mlkem_set set = (enum mlkem_set)variant;
	bench_must(mlkem_decapsulate(set, dk, mlkem_dk_size(set), ct, mlkem_ct_size(set), shared));
}

static void dsa_keygen(unsigned variant)
{
	bench_must(mldsa_keygen((enum mldsa_set)variant, seed, pk, sk));
}

/* The randomness changes with every run, and the number of attempts with it. */
static void sign(unsigned variant)
{
	static uint64_t run;
	enum mldsa_set set = (enum mldsa_set)variant;
	uint8_t rnd[MLDSA_RND_SIZE] = {0};
	store_le64(rnd, run++);
	bench_must(mldsa_sign(set, sk, mldsa_sk_size(set), message, sizeof message, NULL, 0, rnd, signature));
}

static void verify_setup(unsigned variant)
{
	dsa_keygen(variant);
	sign(variant);
}

static void verify(unsigned variant)
{
	enum mldsa_set set = (enum mldsa_set)variant;
	bench_must(mldsa_verify(set, pk, mldsa_pk_size(set), message, sizeof message, NULL, 0, signature,
	                        mldsa_signature_size(set)));
}

#define KEM_ROWS(name, set)                                                                                  \
	{"ML-KEM-" name " keygen", 0, NULL, kem_keygen, MLKEM_##set},                                        \
	    {"ML-KEM-" name " encapsulate", 0, kem_keygen, encapsulate, MLKEM_##set},                        \
	{                                                                                                    \
		"ML-KEM-" name " decapsulate", 0, decapsulate_setup, decapsulate, MLKEM_##set                \
	}
#define DSA_ROWS(name, set)                                                                                  \
	{"ML-DSA-" name " keygen", 0, NULL, dsa_keygen, MLDSA_##set},                                        \
	    {"ML-DSA-" name " sign", 0, dsa_keygen, sign, MLDSA_##set},                                      \
	{                                                                                                    \
		"ML-DSA-" name " verify", 0, verify_setup, verify, MLDSA_##set                               \
	}

const struct bench_row bench_mlkem_mldsa_rows[] = {
    KEM_ROWS("512", 512),
    KEM_ROWS("768", 768),
    KEM_ROWS("1024", 1024),
    DSA_ROWS("44", 44),
    DSA_ROWS("65", 65),
    DSA_ROWS("87", 87),
    {0},
};
