/*
 * Every algorithm that has keys, under one number, one name and one stored form: what key files, signature
 * files and tools need to treat them alike.
 *
 * A secret key is stored as the random bytes it was generated from, which are few and have one encoding each:
 *   Ed25519, X25519, ML-DSA, hybrids: 32 bytes (X25519: clamped as RFC 7748 section 5 says)
 *   ML-KEM: d || z, 64 bytes; SLH-DSA: SK.seed || SK.prf || PK.seed, three times n bytes
 * A public key is stored as the bytes of its standard.
 */
#ifndef CRYPTO_KEYS_H
#define CRYPTO_KEYS_H

#include "hybrid_kem.h"
#include "hybrid_sign.h"
#include "slhdsa.h"

/* Numbers of file formats: never reused. */
enum key_algorithm {
	KEY_ED25519 = 0x01,
	KEY_X25519 = 0x02,
	KEY_MLKEM_512 = 0x10,
	KEY_MLKEM_768 = 0x11,
	KEY_MLKEM_1024 = 0x12,
	KEY_MLDSA_44 = 0x20,
	KEY_MLDSA_65 = 0x21,
	KEY_MLDSA_87 = 0x22,
	KEY_SLHDSA = 0x30, /* plus enum slhdsa_set, up to 0x3b */
	KEY_HYBRID_SIGN = 0x40,
	KEY_HYBRID_KEM = 0x41,
};
#define KEY_ALGORITHMS 22

enum key_use {
	KEY_SIGNS,
	KEY_ENCAPSULATES,
	KEY_AGREES, /* X25519 alone */
};

struct key_algorithm_info {
	enum key_algorithm algorithm;
	enum key_use use;
	const char *name; /* as people write it: "ml-dsa-65", "hybrid-sign" */
	uint32_t public_size;
	uint32_t secret_size; /* of the stored form */
	uint32_t output_size; /* of a signature, a KEM's ciphertext, or X25519's shared secret */
};

#define KEY_MAX_PUBLIC_SIZE MLDSA_MAX_PK_SIZE
#define KEY_MAX_SECRET_SIZE 96
#define KEY_MAX_SIZE        KEY_MAX_PUBLIC_SIZE

/* All of them, in the order of their numbers. */
extern const struct key_algorithm_info key_algorithms[KEY_ALGORITHMS];

/* NULL when there is none. */
const struct key_algorithm_info *key_algorithm_find(unsigned number);
const struct key_algorithm_info *key_algorithm_find_name(const char *name, size_t length);

/* The SLH-DSA, ML-DSA or ML-KEM set of an algorithm of that family. */
enum slhdsa_set key_slhdsa_set(enum key_algorithm algorithm);
enum mldsa_set key_mldsa_set(enum key_algorithm algorithm);
enum mlkem_set key_mlkem_set(enum key_algorithm algorithm);

/* Whether the algorithm has a pre-hashed form: ML-DSA and SLH-DSA. */
bool key_takes_prehash(const struct key_algorithm_info *info);

/* Turns `info->secret_size` random bytes into a secret key's stored form (clamps X25519's). */
void key_normalize_secret(const struct key_algorithm_info *info, uint8_t *secret);

/* CRYPTO_BAD_KEY: not a stored form that key_normalize_secret() leaves alone. */
enum crypto_status key_check_secret(const struct key_algorithm_info *info,
                                    const uint8_t *secret) CRYPTO_MUST_CHECK;

/*
 * CRYPTO_BAD_KEY: a public key that no key generation makes, as far as that can be told: a coefficient or
 * coordinate not below its modulus.
 */
enum crypto_status key_check_public(const struct key_algorithm_info *info,
                                    const uint8_t *public_key) CRYPTO_MUST_CHECK;

/* Computes the public key, by generating the pair anew (up to about 0.1 s for SLH-DSA's small sets). */
enum crypto_status key_public_from_secret(const struct key_algorithm_info *info, const uint8_t *secret,
                                          uint8_t *public_key) CRYPTO_MUST_CHECK;

/*
 * The name of a public key in 32 bytes: SHA3-256 of a label, its algorithm and its bytes. For X25519 and
 * Ed25519 as for the others; a secret key's is that of its public key.
 */
#define KEY_ID_SIZE 32
void key_id(const struct key_algorithm_info *info, const uint8_t *public_key, uint8_t id[KEY_ID_SIZE]);

#endif
