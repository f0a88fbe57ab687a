/*
 * SLH-DSA under sanitizers: the fast sets of every size on each code path, and what happens to wrong
 * arguments. The standard's vectors run in vectors_test.py, with optimised code.
 */
#include "crypto/cpu.h"
#include "crypto/sha2.h"
#include "crypto/slhdsa.h"
#include "crypto/test_support.h"

static uint8_t seed[SLHDSA_MAX_SEED_SIZE], pk[SLHDSA_MAX_PK_SIZE], sk[SLHDSA_MAX_SK_SIZE];
static uint8_t first[SLHDSA_MAX_SIGNATURE_SIZE], signature[SLHDSA_MAX_SIGNATURE_SIZE];
static const char message[] = "a message";

static bool zero(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

/* Plain, AVX2 and everything: one signature, accepted by all. */
static void test_paths(enum slhdsa_set set)
{
	static const unsigned masks[] = {0, CRYPTO_CPU_AVX2, ~0u};
	uint8_t first_pk[SLHDSA_MAX_PK_SIZE];
	size_t size = slhdsa_signature_size(set);
	bool fine = true, same = true;
	test_random(seed, sizeof seed, slhdsa_name(set), 0);
	for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
		crypto_cpu_limit(masks[i]);
		fine = fine && slhdsa_keygen(set, seed, pk, sk) == CRYPTO_OK;
		fine = fine && slhdsa_sign(set, sk, slhdsa_sk_size(set), message, sizeof message, NULL, 0,
		                           seed, signature) == CRYPTO_OK;
		fine = fine && slhdsa_verify(set, pk, slhdsa_pk_size(set), message, sizeof message, NULL, 0,
		                             signature, size) == CRYPTO_OK;
		if (i == 0) {
			memcpy(first, signature, size);
			memcpy(first_pk, pk, sizeof pk);
		}
		same = same && memcmp(first, signature, size) == 0 && memcmp(first_pk, pk, sizeof pk) == 0;
		signature[size / 2] ^= 1;
		fine = fine && slhdsa_verify(set, pk, slhdsa_pk_size(set), message, sizeof message, NULL, 0,
		                             signature, size) == CRYPTO_BAD_SIGNATURE;
	}
	check(fine, "%s: signs, verifies, refuses", slhdsa_name(set));
	check(same, "%s: every code path makes the same key and signature", slhdsa_name(set));
}

static void test_hedging(enum slhdsa_set set)
{
	size_t size = slhdsa_signature_size(set), sk_size = slhdsa_sk_size(set);
	enum crypto_status status =
	    slhdsa_sign(set, sk, sk_size, message, sizeof message, NULL, 0, NULL, first);
	bool fine = status == CRYPTO_OK;
	status = slhdsa_sign(set, sk, sk_size, message, sizeof message, NULL, 0, NULL, signature);
	fine = fine && status == CRYPTO_OK && memcmp(first, signature, size) == 0;
	/* opt_rand = PK.seed is what deterministic means (FIPS 205 algorithm 19). */
	status = slhdsa_sign(set, sk, sk_size, message, sizeof message, NULL, 0, pk, signature);
	fine = fine && status == CRYPTO_OK && memcmp(first, signature, size) == 0;
	check(fine, "%s: deterministic without randomness", slhdsa_name(set));
	status = slhdsa_sign(set, sk, sk_size, message, sizeof message, NULL, 0, seed, signature);
	check(status == CRYPTO_OK && memcmp(first, signature, size) != 0,
	      "%s: randomness changes the signature", slhdsa_name(set));
}

/* A message that looks like a digest, a context that looks like a message: none is taken for the other. */
static void test_separation(enum slhdsa_set set)
{
	size_t size = slhdsa_signature_size(set), pk_size = slhdsa_pk_size(set);
	uint8_t digest[SHA256_SIZE];
	sha256_hash(digest, message, sizeof message);
	bool fine = slhdsa_sign_prehash(set, sk, slhdsa_sk_size(set), PREHASH_SHA2_256, digest, sizeof digest,
	                                "ab", 2, NULL, signature) == CRYPTO_OK;
	fine = fine && slhdsa_verify_prehash(set, pk, pk_size, PREHASH_SHA2_256, digest, sizeof digest, "ab",
	                                     2, signature, size) == CRYPTO_OK;
	fine = fine && slhdsa_verify_prehash(set, pk, pk_size, PREHASH_SHA3_256, digest, sizeof digest, "ab",
	                                     2, signature, size) == CRYPTO_BAD_SIGNATURE;
	fine = fine && slhdsa_verify_prehash(set, pk, pk_size, PREHASH_SHA2_256, digest, sizeof digest, "a",
	                                     1, signature, size) == CRYPTO_BAD_SIGNATURE;
	fine = fine && slhdsa_verify(set, pk, pk_size, digest, sizeof digest, "ab", 2, signature, size) ==
	                   CRYPTO_BAD_SIGNATURE;
	check(fine, "%s: pre-hash function and context are bound", slhdsa_name(set));
}

static void test_arguments(enum slhdsa_set set)
{
	static const uint8_t long_context[256];
	enum slhdsa_set unknown = (enum slhdsa_set)SLHDSA_SETS;
	enum prehash no_hash = (enum prehash)PREHASH_COUNT;
	size_t size = slhdsa_signature_size(set), sk_size = slhdsa_sk_size(set),
	       pk_size = slhdsa_pk_size(set);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE] = {0};

	memset(signature, 1, size);
	bool fine = slhdsa_sign(set, sk, sk_size, message, 1, long_context, 256, NULL, signature) ==
	            CRYPTO_BAD_ARGUMENT;
	check(fine && zero(signature, size), "slhdsa: a context of 256 bytes is refused, the output zeroed");
	memset(signature, 1, size);
	fine = slhdsa_sign(set, sk, sk_size - 1, message, 1, NULL, 0, NULL, signature) == CRYPTO_BAD_LENGTH;
	check(fine && zero(signature, size), "slhdsa: a short secret key is refused, the output zeroed");
	memset(signature, 1, size);
	fine = slhdsa_sign_prehash(set, sk, sk_size, no_hash, digest, 32, NULL, 0, NULL, signature) ==
	       CRYPTO_BAD_ARGUMENT;
	check(fine && zero(signature, size),
	      "slhdsa: an unknown pre-hash function is refused, the output zeroed");
	memset(signature, 1, size);
	fine = slhdsa_sign_prehash(set, sk, sk_size, PREHASH_SHA2_512, digest, 32, NULL, 0, NULL,
	                           signature) == CRYPTO_BAD_LENGTH;
	check(fine && zero(signature, size),
	      "slhdsa: a digest of another length is refused, the output zeroed");

	fine =
	    slhdsa_verify(set, pk, pk_size, message, 1, long_context, 256, signature, size) ==
	        CRYPTO_BAD_ARGUMENT &&
	    slhdsa_verify(set, pk, pk_size + 1, message, 1, NULL, 0, signature, size) == CRYPTO_BAD_LENGTH &&
	    slhdsa_verify(set, pk, pk_size, message, 1, NULL, 0, signature, size - 1) == CRYPTO_BAD_LENGTH &&
	    slhdsa_verify(set, pk, pk_size, message, 1, NULL, 0, NULL, 0) == CRYPTO_BAD_LENGTH &&
	    slhdsa_verify_prehash(set, pk, pk_size, no_hash, digest, 32, NULL, 0, signature, size) ==
	        CRYPTO_BAD_ARGUMENT;
	check(fine, "slhdsa: verification refuses wrong lengths and arguments");
	fine =
	    slhdsa_keygen(unknown, seed, pk, sk) == CRYPTO_BAD_ARGUMENT &&
	    slhdsa_sign(unknown, sk, sk_size, message, 1, NULL, 0, NULL, signature) == CRYPTO_BAD_ARGUMENT &&
	    slhdsa_verify(unknown, pk, pk_size, message, 1, NULL, 0, signature, size) ==
	        CRYPTO_BAD_ARGUMENT &&
	    slhdsa_signature_size(unknown) == 0 && slhdsa_pk_size(unknown) == 0 &&
	    slhdsa_name(unknown) == NULL;
	check(fine, "slhdsa: unknown sets are refused");
}

static void test_sizes(void)
{
	static const uint16_t sizes[SLHDSA_SETS] = {7856, 17088, 16224, 35664, 29792, 49856,
	                                            7856, 17088, 16224, 35664, 29792, 49856};
	bool fine = true;
	for (int i = 0; i < SLHDSA_SETS; i++)
		fine = fine && slhdsa_signature_size((enum slhdsa_set)i) == sizes[i];
	check(fine, "slhdsa: signature sizes are those of FIPS 205 table 2");
}

int main(void)
{
	static const enum slhdsa_set fast[] = {SLHDSA_SHA2_256F,  SLHDSA_SHAKE_256F, SLHDSA_SHA2_192F,
	                                       SLHDSA_SHAKE_192F, SLHDSA_SHA2_128F,  SLHDSA_SHAKE_128F};
	test_sizes();
	for (unsigned i = 0; i < sizeof fast / sizeof *fast; i++)
		test_paths(fast[i]);
	test_hedging(SLHDSA_SHAKE_128F);
	test_separation(SLHDSA_SHAKE_128F);
	test_arguments(SLHDSA_SHAKE_128F);
	return test_finish();
}
