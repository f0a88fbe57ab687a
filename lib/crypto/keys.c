/* The table of algorithms with keys, and what differs between their stored forms. See keys.h. */
#include "keys.h"
#include "ed25519.h"
#include "sha3.h"
#include "x25519.h"

#define SLHDSA(set, set_name, n, signature_size)                                                             \
	{                                                                                                    \
		(enum key_algorithm)(KEY_SLHDSA + (set)), KEY_SIGNS, "slh-dsa-" set_name, 2 * (n), 3 * (n),  \
		    signature_size                                                                           \
	}

const struct key_algorithm_info key_algorithms[KEY_ALGORITHMS] = {
    {KEY_ED25519, KEY_SIGNS, "ed25519", ED25519_PK_SIZE, ED25519_SEED_SIZE, ED25519_SIGNATURE_SIZE},
    {KEY_X25519, KEY_AGREES, "x25519", X25519_SIZE, X25519_SIZE, X25519_SIZE},
    {KEY_MLKEM_512, KEY_ENCAPSULATES, "ml-kem-512", MLKEM512_EK_SIZE, 2 * MLKEM_SEED_SIZE, MLKEM512_CT_SIZE},
    {KEY_MLKEM_768, KEY_ENCAPSULATES, "ml-kem-768", MLKEM768_EK_SIZE, 2 * MLKEM_SEED_SIZE, MLKEM768_CT_SIZE},
    {KEY_MLKEM_1024, KEY_ENCAPSULATES, "ml-kem-1024", MLKEM1024_EK_SIZE, 2 * MLKEM_SEED_SIZE,
     MLKEM1024_CT_SIZE},
    {KEY_MLDSA_44, KEY_SIGNS, "ml-dsa-44", MLDSA44_PK_SIZE, MLDSA_SEED_SIZE, MLDSA44_SIGNATURE_SIZE},
    {KEY_MLDSA_65, KEY_SIGNS, "ml-dsa-65", MLDSA65_PK_SIZE, MLDSA_SEED_SIZE, MLDSA65_SIGNATURE_SIZE},
    {KEY_MLDSA_87, KEY_SIGNS, "ml-dsa-87", MLDSA87_PK_SIZE, MLDSA_SEED_SIZE, MLDSA87_SIGNATURE_SIZE},
    SLHDSA(SLHDSA_SHA2_128S, "sha2-128s", 16, 7856),
    SLHDSA(SLHDSA_SHA2_128F, "sha2-128f", 16, 17088),
    SLHDSA(SLHDSA_SHA2_192S, "sha2-192s", 24, 16224),
    SLHDSA(SLHDSA_SHA2_192F, "sha2-192f", 24, 35664),
    SLHDSA(SLHDSA_SHA2_256S, "sha2-256s", 32, 29792),
    SLHDSA(SLHDSA_SHA2_256F, "sha2-256f", 32, 49856),
    SLHDSA(SLHDSA_SHAKE_128S, "shake-128s", 16, 7856),
    SLHDSA(SLHDSA_SHAKE_128F, "shake-128f", 16, 17088),
    SLHDSA(SLHDSA_SHAKE_192S, "shake-192s", 24, 16224),
    SLHDSA(SLHDSA_SHAKE_192F, "shake-192f", 24, 35664),
    SLHDSA(SLHDSA_SHAKE_256S, "shake-256s", 32, 29792),
    SLHDSA(SLHDSA_SHAKE_256F, "shake-256f", 32, 49856),
    {KEY_HYBRID_SIGN, KEY_SIGNS, "hybrid-sign", HYBRID_SIGN_PK_SIZE, HYBRID_SIGN_SEED_SIZE,
     HYBRID_SIGN_SIGNATURE_SIZE},
    {KEY_HYBRID_KEM, KEY_ENCAPSULATES, "hybrid-kem", HYBRID_KEM_PK_SIZE, HYBRID_KEM_SEED_SIZE,
     HYBRID_KEM_CT_SIZE},
};

const struct key_algorithm_info *key_algorithm_find(unsigned number)
{
	for (size_t i = 0; i < KEY_ALGORITHMS; i++)
		if ((unsigned)key_algorithms[i].algorithm == number)
			return &key_algorithms[i];
	return NULL;
}

const struct key_algorithm_info *key_algorithm_find_name(const char *name, size_t length)
{
	for (size_t i = 0; i < KEY_ALGORITHMS; i++) {
		const char *known = key_algorithms[i].name;
		size_t at = 0;
		while (at < length && known[at] && known[at] == name[at])
			at++;
		if (at == length && !known[at])
			return &key_algorithms[i];
	}
	return NULL;
}

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

void key_id(const struct key_algorithm_info *info, const uint8_t *public_key, uint8_t id[KEY_ID_SIZE])
{
	static const char label[] = "Holon key id v1";
	uint8_t number[2];
	struct sha3 hash;
	store_le16(number, (uint16_t)info->algorithm);
	sha3_256_init(&hash);
	sha3_update(&hash, label, sizeof label);
	sha3_update(&hash, number, sizeof number);
	sha3_update(&hash, public_key, info->public_size);
	sha3_final(&hash, id);
}
