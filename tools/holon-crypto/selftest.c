/*
 * selftest: every algorithm on this machine, in plain C and with the vector code there is.
 *
 * Keys and inputs come from SHAKE128 of fixed labels, and signatures are deterministic, so all outputs of an
 * algorithm (public key, signature or ciphertext, shared secret) hash to one known answer. The answers were
 * recorded when the library agreed with the NIST vectors and with OpenSSL. Besides, each signature and
 * ciphertext is checked on the other side, and a damaged one must be refused.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/blake3.h"
#include "crypto/cpu.h"
#include "crypto/hkdf.h"
#include "crypto/sealed_box.h"
#include "crypto/sha2.h"
#include "crypto/sha3.h"
#include "selftest_answers.h"

static unsigned failures;

static void fill(uint8_t *out, size_t size, const char *label, const char *name)
{
	struct shake shake;
	shake128_init(&shake);
	shake_absorb(&shake, label, strlen(label) + 1);
	shake_absorb(&shake, name, strlen(name));
	shake_finalize(&shake);
	shake_squeeze(&shake, out, size);
}

static void result(const char *name, const char *path, bool good, const uint8_t digest[SHA3_256_SIZE])
{
	const char *expected = NULL;
	char hex[2 * SHA3_256_SIZE + 1];
	for (size_t i = 0; i < SHA3_256_SIZE; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	for (size_t i = 0; i < sizeof selftest_answers / sizeof *selftest_answers; i++)
		if (!strcmp(selftest_answers[i].name, name))
			expected = selftest_answers[i].digest;
	const char *why = !good       ? "it does not accept its own output, or accepts a damaged one"
	                  : !expected ? "there is no known answer"
	                  : strncmp(hex, expected, strlen(expected)) ? "the known answer differs"
	                                                             : NULL;
	if (why)
		printf("not ok %s, %s - %s (%s)\n", name, path, why, hex);
	else
		printf("ok %s, %s\n", name, path);
	fflush(stdout);
	failures += why != NULL;
}

/* Everything an algorithm with keys puts out. */
struct trial {
	uint8_t secret[KEY_MAX_SECRET_SIZE], pk[KEY_MAX_PUBLIC_SIZE], random[HYBRID_KEM_RANDOM_SIZE];
	uint8_t message[100], output[SLHDSA_MAX_SIGNATURE_SIZE], shared[32];
};

/* True when the signature verifies and, with a bit flipped, does not. */
static bool try_signature(const struct key_algorithm_info *info, struct trial *t)
{
	enum key_algorithm algorithm = info->algorithm;
	uint8_t sk[MLDSA_MAX_SK_SIZE];
	struct hybrid_sign_key hybrid;
	enum crypto_status status, verdict = CRYPTO_INTERNAL;
	if (algorithm == KEY_ED25519) {
		ed25519_keygen(t->secret, t->pk, sk);
		ed25519_sign(sk, t->message, sizeof t->message, t->output);
		status = CRYPTO_OK;
	} else if (algorithm == KEY_HYBRID_SIGN) {
		status = hybrid_sign_keygen(&hybrid, t->secret);
		memcpy(t->pk, hybrid.pk, sizeof hybrid.pk);
		if (status == CRYPTO_OK)
			status = hybrid_sign(&hybrid, t->message, sizeof t->message, "selftest", 8, NULL,
			                     t->output);
	} else if (algorithm < KEY_SLHDSA) {
		enum mldsa_set set = key_mldsa_set(algorithm);
		status = mldsa_keygen(set, t->secret, t->pk, sk);
		if (status == CRYPTO_OK)
			status = mldsa_sign(set, sk, mldsa_sk_size(set), t->message, sizeof t->message,
			                    "selftest", 8, NULL, t->output);
	} else {
		enum slhdsa_set set = key_slhdsa_set(algorithm);
		status = slhdsa_keygen(set, t->secret, t->pk, sk);
		if (status == CRYPTO_OK)
			status = slhdsa_sign(set, sk, slhdsa_sk_size(set), t->message, sizeof t->message,
			                     "selftest", 8, NULL, t->output);
	}
	for (int damaged = 0; status == CRYPTO_OK && damaged < 2; damaged++) {
		t->output[info->output_size / 2] ^= (uint8_t)damaged;
		if (algorithm == KEY_ED25519)
			verdict = ed25519_verify(t->pk, t->message, sizeof t->message, t->output);
		else if (algorithm == KEY_HYBRID_SIGN)
			verdict = hybrid_verify(t->pk, info->public_size, t->message, sizeof t->message,
			                        "selftest", 8, t->output, info->output_size);
		else if (algorithm < KEY_SLHDSA)
			verdict =
			    mldsa_verify(key_mldsa_set(algorithm), t->pk, info->public_size, t->message,
			                 sizeof t->message, "selftest", 8, t->output, info->output_size);
		else
			verdict =
			    slhdsa_verify(key_slhdsa_set(algorithm), t->pk, info->public_size, t->message,
			                  sizeof t->message, "selftest", 8, t->output, info->output_size);
		t->output[info->output_size / 2] ^= (uint8_t)damaged;
		if ((verdict == CRYPTO_OK) == (damaged == 1))
			return false;
	}
	return status == CRYPTO_OK;
}

/* True when both sides find one secret, and a damaged ciphertext gives another. */
static bool try_kem(const struct key_algorithm_info *info, struct trial *t)
{
	uint8_t dk[MLKEM_MAX_DK_SIZE], same[32], other[32];
	struct hybrid_kem_key hybrid;
	enum crypto_status status[3];
	if (info->algorithm == KEY_HYBRID_KEM) {
		if (hybrid_kem_keygen(&hybrid, t->secret))
			return false;
		memcpy(t->pk, hybrid.pk, sizeof hybrid.pk);
		status[0] = hybrid_kem_encapsulate(t->pk, info->public_size, t->random, t->output, t->shared);
		status[1] = hybrid_kem_decapsulate(&hybrid, t->output, info->output_size, same);
		t->output[7] ^= 1;
		status[2] = hybrid_kem_decapsulate(&hybrid, t->output, info->output_size, other);
	} else {
		enum mlkem_set set = key_mlkem_set(info->algorithm);
		if (mlkem_keygen(set, t->secret, t->secret + MLKEM_SEED_SIZE, t->pk, dk))
			return false;
		status[0] = mlkem_encapsulate(set, t->pk, info->public_size, t->random, t->output, t->shared);
		status[1] =
		    mlkem_decapsulate(set, dk, mlkem_dk_size(set), t->output, info->output_size, same);
		t->output[7] ^= 1;
		status[2] =
		    mlkem_decapsulate(set, dk, mlkem_dk_size(set), t->output, info->output_size, other);
	}
	t->output[7] ^= 1;
	return !status[0] && !status[1] && !status[2] && !memcmp(t->shared, same, 32) &&
	       memcmp(same, other, 32) != 0;
}

static void try_keys(const struct key_algorithm_info *info, const char *path)
{
	struct trial *t = calloc(1, sizeof *t);
	uint8_t digest[SHA3_256_SIZE];
	struct sha3 hash;
	bool good;
	if (!t)
		fail("no memory");
	fill(t->secret, sizeof t->secret, "secret", info->name);
	fill(t->random, sizeof t->random, "random", info->name);
	fill(t->message, sizeof t->message, "message", info->name);
	key_normalize_secret(info, t->secret);
	if (info->use == KEY_SIGNS) {
		good = try_signature(info, t);
	} else if (info->use == KEY_ENCAPSULATES) {
		good = try_kem(info, t);
	} else {
		uint8_t other[X25519_SIZE];
		x25519_public(t->pk, t->secret);
		x25519_public(other, t->random);
		good = x25519(t->output, t->secret, other) == CRYPTO_OK &&
		       x25519(t->shared, t->random, t->pk) == CRYPTO_OK && !memcmp(t->output, t->shared, 32);
	}
	sha3_256_init(&hash);
	sha3_update(&hash, t->pk, info->public_size);
	sha3_update(&hash, t->output, info->output_size);
	sha3_update(&hash, t->shared, sizeof t->shared);
	sha3_final(&hash, digest);
	result(info->name, path, good, digest);
	free(t);
}

static void try_hashes(const char *path)
{
	static uint8_t data[20000], out[SHA512_SIZE], digest[SHA3_256_SIZE];
	struct sha3 hash;
	fill(data, sizeof data, "data", "hashes");
	sha3_256_init(&hash);
	/* All but the SHAKEs, which have their own; BLAKE3 last. */
	for (unsigned i = 0; i <= PREHASH_SHAKE_128; i++)
		for (size_t size = 0; size <= sizeof data; size = 3 * size + 1) {
			memset(out, 0, sizeof out);
			if (i < PREHASH_SHAKE_128)
				hash_message(&hash_functions[i], data, size, out);
			else
				blake3_hash(out, data, size);
			sha3_update(&hash, out, sizeof out);
		}
	sha3_final(&hash, digest);
	result("hashes", path, true, digest);
}

static void try_macs(const char *path)
{
	uint8_t out[3 * 64 + 200], digest[SHA3_256_SIZE];
	memset(out, 0, sizeof out);
	hmac_message(&hash_functions[PREHASH_SHA2_256], "key", 3, "data", 4, out);
	hmac_message(&hash_functions[PREHASH_SHA2_384], "key", 3, "data", 4, out + 64);
	hmac_message(&hash_functions[PREHASH_SHA2_512], "key", 3, "data", 4, out + 128);
	bool good = hkdf(&hash_functions[PREHASH_SHA2_256], out + 192, 100, "salt", 4, "secret", 6, "info",
	                 4) == CRYPTO_OK &&
	            hkdf(&hash_functions[PREHASH_SHA2_512], out + 292, 100, "salt", 4, "secret", 6, "info",
	                 4) == CRYPTO_OK;
	sha3_256_hash(digest, out, sizeof out);
	result("hmac-hkdf", path, good, digest);
}

static void try_aeads(const char *path)
{
	static const enum aead algorithms[] = {AEAD_CHACHA20_POLY1305, AEAD_XCHACHA20_POLY1305,
	                                       AEAD_AES_256_GCM};
	static uint8_t key[32], nonce[24], plain[1000], out[1000 + 16], back[1000], digest[SHA3_256_SIZE];
	struct sha3 hash;
	bool good = true;
	fill(key, sizeof key, "key", "aead");
	fill(nonce, sizeof nonce, "nonce", "aead");
	fill(plain, sizeof plain, "plain", "aead");
	sha3_256_init(&hash);
	for (size_t i = 0; i < 3; i++) {
		size_t size = aead_nonce_size(algorithms[i]);
		good =
		    good &&
		    !aead_encrypt(algorithms[i], key, nonce, size, "data", 4, plain, 1000, out, out + 1000) &&
		    !aead_decrypt(algorithms[i], key, nonce, size, "data", 4, out, 1000, out + 1000, back) &&
		    !memcmp(plain, back, 1000) &&
		    aead_decrypt(algorithms[i], key, nonce, size, "dat", 3, out, 1000, out + 1000, back) ==
		        CRYPTO_BAD_CIPHERTEXT;
		sha3_update(&hash, out, sizeof out);
	}
	sha3_final(&hash, digest);
	result("aead", path, good, digest);
}

static void try_sealed_box(const char *path)
{
	static struct hybrid_kem_key pair;
	static uint8_t seed[32], random[SEALED_BOX_RANDOM_SIZE], plain[70000], box[72000], back[72000],
	    digest[SHA3_256_SIZE];
	size_t size = sealed_box_size(sizeof plain), opened = 0;
	fill(seed, sizeof seed, "seed", "box");
	fill(random, sizeof random, "random", "box");
	fill(plain, sizeof plain, "plain", "box");
	bool good = !hybrid_kem_keygen(&pair, seed) &&
	            !sealed_box_seal(pair.pk, sizeof pair.pk, "c", 1, random, plain, sizeof plain, box) &&
	            !sealed_box_open(&pair, "c", 1, box, size, back, &opened) && opened == sizeof plain &&
	            !memcmp(plain, back, opened) &&
	            sealed_box_open(&pair, "c", 1, box, size - 1, back, &opened);
	sha3_256_hash(digest, box, size);
	result("sealed-box", path, good, digest);
}

static void try_argon2id(const char *path)
{
	uint8_t out[32], digest[SHA3_256_SIZE];
	struct argon2id_cost cost = {.memory_kib = 1024, .passes = 2, .lanes = 2};
	bool good = argon2id(out, sizeof out, &cost, "passphrase", 10, (const uint8_t *)"some salt", 9, NULL,
	                     0, NULL, 0) == CRYPTO_OK;
	sha3_256_hash(digest, out, sizeof out);
	result("argon2id", path, good, digest);
}

static void try_all(const char *path, bool slow)
{
	try_hashes(path);
	try_macs(path);
	try_aeads(path);
	try_argon2id(path);
	for (size_t i = 0; i < KEY_ALGORITHMS; i++) {
		const char *name = key_algorithms[i].name;
		/* The small SLH-DSA sets take seconds in plain C. */
		if (slow || name[strlen(name) - 1] != 's')
			try_keys(&key_algorithms[i], path);
	}
	try_sealed_box(path);
}

void run_selftest(const struct options *options)
{
	(void)options;
	unsigned features = crypto_cpu_features();
	crypto_cpu_limit(0);
	try_all("plain C", features == 0);
	crypto_cpu_limit(~0u);
	if (features)
		try_all("vector code", true);
	if (failures)
		fail("%u of the checks failed: do not use this build on this machine", failures);
}
