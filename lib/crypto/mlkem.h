/*
 * ML-KEM (FIPS 203): key encapsulation in the parameter sets 512, 768 and 1024.
 *
 * Randomness comes from the caller, 32 fresh bytes per argument. Keys and ciphertexts are the byte strings of
 * the standard. Time depends on the sizes and on public values alone: the encapsulation key, its seed rho,
 * and the ciphertext's length. Intermediate secrets are wiped; on failure every output is zeroed.
 */
#ifndef CRYPTO_MLKEM_H
#define CRYPTO_MLKEM_H

#include "util.h"

enum mlkem_set {
	MLKEM_512,
	MLKEM_768,
	MLKEM_1024,
};
#define MLKEM_SETS 3

#define MLKEM_SEED_SIZE   32 /* each of d, z and m */
#define MLKEM_SHARED_SIZE 32

#define MLKEM512_EK_SIZE  800
#define MLKEM512_DK_SIZE  1632
#define MLKEM512_CT_SIZE  768
#define MLKEM768_EK_SIZE  1184
#define MLKEM768_DK_SIZE  2400
#define MLKEM768_CT_SIZE  1088
#define MLKEM1024_EK_SIZE 1568
#define MLKEM1024_DK_SIZE 3168
#define MLKEM1024_CT_SIZE 1568

/* The sizes of the largest set, for buffers. */
#define MLKEM_MAX_EK_SIZE MLKEM1024_EK_SIZE
#define MLKEM_MAX_DK_SIZE MLKEM1024_DK_SIZE
#define MLKEM_MAX_CT_SIZE MLKEM1024_CT_SIZE

/* Sizes in bytes of the encapsulation key, the decapsulation key and the ciphertext; 0 for an unknown set. */
size_t mlkem_ek_size(enum mlkem_set set);
size_t mlkem_dk_size(enum mlkem_set set);
size_t mlkem_ct_size(enum mlkem_set set);

/*
 * Makes a key pair from the seeds `d` and `z` (ML-KEM.KeyGen_internal, algorithm 16). `ek` and `dk` hold
 * mlkem_ek_size() and mlkem_dk_size() bytes. CRYPTO_BAD_ARGUMENT: unknown set.
 */
enum crypto_status mlkem_keygen(enum mlkem_set set, const uint8_t d[MLKEM_SEED_SIZE],
                                const uint8_t z[MLKEM_SEED_SIZE], uint8_t *ek, uint8_t *dk) CRYPTO_MUST_CHECK;

/*
 * Checks an encapsulation key as section 7.2 demands: length (CRYPTO_BAD_LENGTH) and every coefficient below
 * the modulus (CRYPTO_BAD_KEY).
 */
enum crypto_status mlkem_check_ek(enum mlkem_set set, const uint8_t *ek, size_t ek_size) CRYPTO_MUST_CHECK;

/*
 * Checks a decapsulation key as section 7.3 demands: length (CRYPTO_BAD_LENGTH) and the hash of the
 * encapsulation key inside it (CRYPTO_BAD_KEY); moreover that this encapsulation key passes its own check and
 * that the coefficients of the secret are below the modulus (CRYPTO_BAD_KEY).
 */
enum crypto_status mlkem_check_dk(enum mlkem_set set, const uint8_t *dk, size_t dk_size) CRYPTO_MUST_CHECK;

/*
 * Makes a shared secret for the holder of `ek` from the seed `m` (ML-KEM.Encaps_internal, algorithm 17, with
 * the checks of section 7.2, whose errors it returns). `ct` holds mlkem_ct_size() bytes.
 */
enum crypto_status mlkem_encapsulate(enum mlkem_set set, const uint8_t *ek, size_t ek_size,
                                     const uint8_t m[MLKEM_SEED_SIZE], uint8_t *ct,
                                     uint8_t shared[MLKEM_SHARED_SIZE]) CRYPTO_MUST_CHECK;

/*
 * Finds the shared secret of `ct` (ML-KEM.Decaps_internal, algorithm 18, with the checks of section 7.3). A
 * ciphertext of the right length never fails: one that was not made for this key gives a secret that only
 * the holder of `dk` can compute (implicit rejection), in the same time. CRYPTO_BAD_LENGTH: `dk` or `ct`;
 * CRYPTO_BAD_KEY: the hash inside `dk` is not that of its encapsulation key.
 */
enum crypto_status mlkem_decapsulate(enum mlkem_set set, const uint8_t *dk, size_t dk_size, const uint8_t *ct,
                                     size_t ct_size, uint8_t shared[MLKEM_SHARED_SIZE]) CRYPTO_MUST_CHECK;

#endif
