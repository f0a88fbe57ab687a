/* Rows for SLH-DSA: every parameter set, a message of 64 bytes. */
#include "bench.h"
#include "crypto/slhdsa.h"

static uint8_t seed[SLHDSA_MAX_SEED_SIZE], pk[SLHDSA_MAX_PK_SIZE], sk[SLHDSA_MAX_SK_SIZE], message[64];
static uint8_t signature[SLHDSA_MAX_SIGNATURE_SIZE];

static void keygen_run(unsigned set)
{
	bench_must(slhdsa_keygen((enum slhdsa_set)set, seed, pk, sk));
}

static void sign_run(unsigned set)
{
	bench_must(slhdsa_sign((enum slhdsa_set)set, sk, slhdsa_sk_size((enum slhdsa_set)set), message,
	                       sizeof message, NULL, 0, seed, signature));
}

static void verify_run(unsigned set)
{
	bench_must(slhdsa_verify((enum slhdsa_set)set, pk, slhdsa_pk_size((enum slhdsa_set)set), message,
	                         sizeof message, NULL, 0, signature,
	                         slhdsa_signature_size((enum slhdsa_set)set)));
}

static void verify_setup(unsigned set)
{
	keygen_run(set);
	sign_run(set);
}

#define ROWS(name, set)                                                                                      \
	{"SLH-DSA-" name " keygen", 0, NULL, keygen_run, SLHDSA_##set},                                      \
	    {"SLH-DSA-" name " sign", 0, keygen_run, sign_run, SLHDSA_##set},                                \
	{                                                                                                    \
		"SLH-DSA-" name " verify", 0, verify_setup, verify_run, SLHDSA_##set                         \
	}

const struct bench_row bench_slhdsa_rows[] = {
    ROWS("SHA2-128s", SHA2_128S),
    ROWS("SHA2-128f", SHA2_128F),
    ROWS("SHA2-192s", SHA2_192S),
    ROWS("SHA2-192f", SHA2_192F),
    ROWS("SHA2-256s", SHA2_256S),
    ROWS("SHA2-256f", SHA2_256F),
    ROWS("SHAKE-128s", SHAKE_128S),
    ROWS("SHAKE-128f", SHAKE_128F),
    ROWS("SHAKE-192s", SHAKE_192S),
    ROWS("SHAKE-192f", SHAKE_192F),
    ROWS("SHAKE-256s", SHAKE_256S),
    ROWS("SHAKE-256f", SHAKE_256F),
    {0},
};
