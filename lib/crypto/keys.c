/* What differs between the stored forms of the algorithms with keys, and their public keys. See keys.h. */
#include "keys.h"
#include "ed25519.h"
#include "sha3.h"
#include "x25519.h"

static bool is_slhdsa(enum key_algorithm algorithm)
{
	return algorithm >= KEY_SLHDSA && algorithm < KEY_SLHDSA + SLHDSA_SETS;
}

static bool is_mldsa(enum key_algorithm algorithm)
{
	return algorithm >= KEY_MLDSA_44 && algorithm <= KEY_MLDSA_87;
}

static bool is_mlkem(enum key_algorithm algorithm)
{
	return algorithm >= KEY_MLKEM_512 && algorithm <= KEY_MLKEM_1024;
}

enum slhdsa_set key_slhdsa_set(enum key_algorithm algorithm)
{
	return (enum slhdsa_set)(algorithm - KEY_SLHDSA);
}

enum mldsa_set key_mldsa_set(enum key_algorithm algorithm)
{
	return (enum mldsa_set)(algorithm - KEY_MLDSA_44);
}

enum mlkem_set key_mlkem_set(enum key_algorithm algorithm)
{
	return (enum mlkem_set)(algorithm - KEY_MLKEM_512);
}

bool key_takes_prehash(const struct key_algorithm_info *info)
{
	return is_mldsa(info->algorithm) || is_slhdsa(info->algorithm);
}

void key_normalize_secret(const struct key_algorithm_info *info, uint8_t *secret)
{
	if (info->algorithm != KEY_X25519)
		return;
	secret[0] &= 248;
	secret[31] = (uint8_t)((secret[31] & 127) | 64);
}

enum crypto_status key_check_secret(const struct key_algorithm_info *info, const uint8_t *secret)
{
	if (info->algorithm != KEY_X25519)
		return CRYPTO_OK;
	return (secret[0] & 7) == 0 && secret[31] >> 6 == 1 ? CRYPTO_OK : CRYPTO_BAD_KEY;
}

/* Whether a little-endian number is below 2^255 - 19. */
static bool below_field(const uint8_t bytes[32], uint8_t top)
{
	if (top != 0x7f || bytes[0] < 0xed)
		return top <= 0x7f;
	for (int i = 1; i < 31; i++)
		if (bytes[i] != 0xff)
			return true;
	return false;
}

enum crypto_status key_check_public(const struct key_algorithm_info *info, const uint8_t *public_key)
{
	enum key_algorithm algorithm = info->algorithm;
	const uint8_t *field = NULL;
	if (is_mlkem(algorithm))
		return mlkem_check_ek(key_mlkem_set(algorithm), public_key, info->public_size);
	if (algorithm == KEY_HYBRID_KEM) {
		enum crypto_status status = mlkem_check_ek(MLKEM_768, public_key, MLKEM768_EK_SIZE);
		if (status)
			return status;
		field = public_key + MLKEM768_EK_SIZE;
	} else if (algorithm == KEY_X25519) {
		field = public_key;
	} else if (algorithm == KEY_ED25519 || algorithm == KEY_HYBRID_SIGN) {
		/* The top bit is the sign of x. */
		return below_field(public_key, public_key[31] & 0x7f) ? CRYPTO_OK : CRYPTO_BAD_KEY;
	}
	return !field || below_field(field, field[31]) ? CRYPTO_OK : CRYPTO_BAD_KEY;
}

static enum crypto_status mlkem_public(enum key_algorithm algorithm, const uint8_t *secret,
                                       uint8_t *public_key)
{
	uint8_t dk[MLKEM_MAX_DK_SIZE];
	enum crypto_status status =
	    mlkem_keygen(key_mlkem_set(algorithm), secret, secret + MLKEM_SEED_SIZE, public_key, dk);
	crypto_wipe(dk, sizeof dk);
	return status;
}

static enum crypto_status mldsa_public(enum key_algorithm algorithm, const uint8_t *secret,
                                       uint8_t *public_key)
{
	uint8_t sk[MLDSA_MAX_SK_SIZE];
	enum crypto_status status = mldsa_keygen(key_mldsa_set(algorithm), secret, public_key, sk);
	crypto_wipe(sk, sizeof sk);
	return status;
}

static enum crypto_status slhdsa_public(enum key_algorithm algorithm, const uint8_t *secret,
                                        uint8_t *public_key)
{
	uint8_t sk[SLHDSA_MAX_SK_SIZE];
	enum crypto_status status = slhdsa_keygen(key_slhdsa_set(algorithm), secret, public_key, sk);
	crypto_wipe(sk, sizeof sk);
	return status;
}

static enum crypto_status hybrid_sign_public(const uint8_t *secret, uint8_t *public_key)
{
	struct hybrid_sign_key key;
	enum crypto_status status = hybrid_sign_keygen(&key, secret);
	memcpy(public_key, key.pk, sizeof key.pk);
	crypto_wipe(&key, sizeof key);
	return status;
}

static enum crypto_status hybrid_kem_public(const uint8_t *secret, uint8_t *public_key)
{
	struct hybrid_kem_key key;
	enum crypto_status status = hybrid_kem_keygen(&key, secret);
	memcpy(public_key, key.pk, sizeof key.pk);
	crypto_wipe(&key, sizeof key);
	return status;
}

enum crypto_status key_public_from_secret(const struct key_algorithm_info *info, const uint8_t *secret,
                                          uint8_t *public_key)
{
	enum key_algorithm algorithm = info->algorithm;
	if (is_mlkem(algorithm))
		return mlkem_public(algorithm, secret, public_key);
	if (is_mldsa(algorithm))
		return mldsa_public(algorithm, secret, public_key);
	if (is_slhdsa(algorithm))
		return slhdsa_public(algorithm, secret, public_key);
	if (algorithm == KEY_HYBRID_SIGN)
		return hybrid_sign_public(secret, public_key);
	if (algorithm == KEY_HYBRID_KEM)
		return hybrid_kem_public(secret, public_key);
	if (algorithm == KEY_X25519) {
		x25519_public(public_key, secret);
		return CRYPTO_OK;
	}
	uint8_t sk[ED25519_SK_SIZE];
	ed25519_keygen(secret, public_key, sk);
	crypto_wipe(sk, sizeof sk);
	return CRYPTO_OK;
}
