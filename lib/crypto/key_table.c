/* The table of algorithms with keys, and the name of a public key: what a verifier that has no secrets needs. See keys.h. */
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
