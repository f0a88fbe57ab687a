/*
 * The constant-time check, run under valgrind by ct_test.py: secrets are marked as undefined memory, so that
 * valgrind reports every branch and every address that depends on one. The library is built with
 * CRYPTO_CT_CHECK, which makes crypto_declassify() mark what may be known as defined again; docs/crypto.md
 * lists and justifies those places.
 *
 *   ct_check plain|vector|leak
 *
 * "leak" branches on a secret on purpose and must be reported: the proof that the method sees it.
 */
#include "crypto/cpu.h"
#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_sign.h"
#include "crypto/mldsa.h"
#include "crypto/mlkem.h"
#include "crypto/slhdsa.h"
#include "crypto/test_support.h"
#include <valgrind/memcheck.h>

void crypto_declassify(const void *memory, size_t length)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(memory, length);
}

static void secret(void *memory, size_t length)
{
	(void)VALGRIND_MAKE_MEM_UNDEFINED(memory, length);
}

static void reveal(void *memory, size_t length)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(memory, length);
}

static const char *path;
static unsigned long errors_before;

static void begin(void)
{
	errors_before = (unsigned long)VALGRIND_COUNT_ERRORS;
}

static void end(const char *operation, const char *name, bool good)
{
	unsigned long errors = (unsigned long)VALGRIND_COUNT_ERRORS - errors_before;
	check(good && errors == 0, "constant time: %s %s, %s (%lu reports)", name, operation, path, errors);
}

static void check_mlkem(enum mlkem_set set, const char *name)
{
	static uint8_t ek[MLKEM_MAX_EK_SIZE], dk[MLKEM_MAX_DK_SIZE], ct[MLKEM_MAX_CT_SIZE];
	uint8_t d[32] = {1}, z[32] = {2}, m[32] = {3}, shared[32];
	bool good;
	begin();
	secret(d, sizeof d);
	secret(z, sizeof z);
	good = mlkem_keygen(set, d, z, ek, dk) == CRYPTO_OK;
	reveal(ek, sizeof ek);
	end("key generation", name, good);
	begin();
	secret(m, sizeof m);
	good = mlkem_encapsulate(set, ek, mlkem_ek_size(set), m, ct, shared) == CRYPTO_OK;
	reveal(ct, sizeof ct);
	end("encapsulation", name, good);
	for (unsigned bad = 0; bad < 2; bad++) {
		begin();
		ct[5] ^= (uint8_t)bad;
		secret(dk, mlkem_dk_size(set));
		good = mlkem_check_dk(set, dk, mlkem_dk_size(set)) == CRYPTO_OK;
		secret(dk, mlkem_dk_size(set));
		good &= mlkem_decapsulate(set, dk, mlkem_dk_size(set), ct, mlkem_ct_size(set), shared) ==
		        CRYPTO_OK;
		end(bad ? "decapsulation of a changed ciphertext" : "key check and decapsulation", name,
		    good);
	}
}

static void check_mldsa(enum mldsa_set set, const char *name)
{
	static uint8_t pk[MLDSA_MAX_PK_SIZE], sk[MLDSA_MAX_SK_SIZE], again[MLDSA_MAX_PK_SIZE];
	static uint8_t signature[MLDSA_MAX_SIGNATURE_SIZE];
	uint8_t seed[32] = {1}, rnd[32], message[40] = {4};
	bool good;
	begin();
	secret(seed, sizeof seed);
	good = mldsa_keygen(set, seed, pk, sk) == CRYPTO_OK;
	reveal(pk, sizeof pk);
	end("key generation", name, good);
	begin();
	for (unsigned i = 0; i < 8 && good; i++) {
		test_random(rnd, sizeof rnd, "rnd", i);
		secret(sk, mldsa_sk_size(set));
		secret(rnd, sizeof rnd);
		good = mldsa_sign(set, sk, mldsa_sk_size(set), message, sizeof message, NULL, 0, rnd,
		                  signature) == CRYPTO_OK;
		/* If a part of the signature were still secret, verification would report it. */
		good &= mldsa_verify(set, pk, mldsa_pk_size(set), message, sizeof message, NULL, 0, signature,
		                     mldsa_signature_size(set)) == CRYPTO_OK;
	}
	end("signing", name, good);
	begin();
	secret(sk, mldsa_sk_size(set));
	good = mldsa_public_from_secret(set, sk, mldsa_sk_size(set), again) == CRYPTO_OK;
	end("check of a secret key", name, good);
}

static void check_slhdsa(enum slhdsa_set set)
{
	static uint8_t signature[SLHDSA_MAX_SIGNATURE_SIZE];
	uint8_t pk[SLHDSA_MAX_PK_SIZE], sk[SLHDSA_MAX_SK_SIZE], seed[SLHDSA_MAX_SEED_SIZE] = {1};
	uint8_t rnd[SLHDSA_MAX_RND_SIZE] = {2}, message[40] = {4};
	size_t n = slhdsa_rnd_size(set);
	bool good;
	begin();
	secret(seed, 2 * n);
	good = slhdsa_keygen(set, seed, pk, sk) == CRYPTO_OK;
	reveal(pk, sizeof pk);
	end("key generation", slhdsa_name(set), good);
	begin();
	secret(sk, 2 * n);
	secret(rnd, n);
	good = slhdsa_sign(set, sk, slhdsa_sk_size(set), message, sizeof message, NULL, 0, rnd, signature) ==
	       CRYPTO_OK;
	reveal(signature, sizeof signature);
	good &= slhdsa_verify(set, pk, slhdsa_pk_size(set), message, sizeof message, NULL, 0, signature,
	                      slhdsa_signature_size(set)) == CRYPTO_OK;
	end("signing", slhdsa_name(set), good);
}

/* Branches and indexes by a secret byte. */
static void leak(void)
{
	static const volatile uint8_t table[256];
	volatile uint8_t value = 1;
	secret((void *)(uintptr_t)&value, 1);
	begin();
	if (value & 1)
		__asm__ volatile("nop");
	(void)table[value];
	unsigned long errors = (unsigned long)VALGRIND_COUNT_ERRORS - errors_before;
	check(errors >= 2, "constant time: a branch and an index by a secret are reported (%lu reports)",
	      errors);
}

/* The combined forms, and with them libsodium's Ed25519 signing and X25519. */
static void check_combined(void)
{
	static struct hybrid_sign_key sign_key;
	static struct hybrid_kem_key kem_key;
	static uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], ct[HYBRID_KEM_CT_SIZE];
	uint8_t seed[32] = {1}, rnd[32] = {2}, random[64] = {3}, shared[32];
	bool good;
	begin();
	secret(seed, sizeof seed);
	good = hybrid_sign_keygen(&sign_key, seed) == CRYPTO_OK;
	reveal(sign_key.pk, sizeof sign_key.pk);
	/* libsodium's secret key ends with the public one. */
	reveal(sign_key.ed25519_sk + ED25519_SEED_SIZE, ED25519_PK_SIZE);
	end("key generation", "hybrid signature", good);
	begin();
	secret(rnd, sizeof rnd);
	good = hybrid_sign(&sign_key, "message", 7, "context", 7, rnd, signature) == CRYPTO_OK;
	end("signing", "hybrid signature", good);
	begin();
	good = hybrid_kem_keygen(&kem_key, seed) == CRYPTO_OK;
	reveal(kem_key.pk, sizeof kem_key.pk);
	end("key generation", "X-Wing", good);
	begin();
	secret(random, sizeof random);
	good = hybrid_kem_encapsulate(kem_key.pk, sizeof kem_key.pk, random, ct, shared) == CRYPTO_OK;
	reveal(ct, sizeof ct);
	end("encapsulation", "X-Wing", good);
	begin();
	good = hybrid_kem_decapsulate(&kem_key, ct, sizeof ct, shared) == CRYPTO_OK;
	end("decapsulation", "X-Wing", good);
	begin();
	ct[5] ^= 1;
	good = hybrid_kem_decapsulate(&kem_key, ct, sizeof ct, shared) == CRYPTO_OK;
	end("implicit rejection", "X-Wing", good);
}

int main(int argc, char **argv)
{
	path = argc == 2 ? argv[1] : "";
	if (strcmp(path, "leak") == 0) {
		leak();
		return test_finish();
	}
	if (strcmp(path, "plain") == 0) {
		crypto_cpu_limit(0);
	} else if (strcmp(path, "vector") != 0) {
		fputs("usage: ct_check plain|vector|leak\n", stderr);
		return 2;
	} else if (!(crypto_cpu_features() & CRYPTO_CPU_AVX2)) {
		check(true, "constant time: no AVX2 here, the vector path is not checked");
		return test_finish();
	}
	check_mlkem(MLKEM_512, "ML-KEM-512");
	check_mlkem(MLKEM_768, "ML-KEM-768");
	check_mlkem(MLKEM_1024, "ML-KEM-1024");
	check_mldsa(MLDSA_44, "ML-DSA-44");
	check_mldsa(MLDSA_65, "ML-DSA-65");
	check_mldsa(MLDSA_87, "ML-DSA-87");
	check_slhdsa(SLHDSA_SHA2_128F);
	check_slhdsa(SLHDSA_SHA2_256F);
	check_slhdsa(SLHDSA_SHAKE_128F);
	check_slhdsa(SLHDSA_SHAKE_192F);
	check_combined();
	return test_finish();
}
