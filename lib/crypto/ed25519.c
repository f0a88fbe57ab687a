/* Ed25519 by libsodium. None of these functions needs sodium_init(): they use no random numbers. */
#include "ed25519.h"

#include <sodium/crypto_sign_ed25519.h>

_Static_assert(ED25519_SK_SIZE == crypto_sign_ed25519_SECRETKEYBYTES, "libsodium's secret key");

void ed25519_keygen(const uint8_t seed[ED25519_SEED_SIZE], uint8_t pk[ED25519_PK_SIZE],
                    uint8_t sk[ED25519_SK_SIZE])
{
	crypto_sign_ed25519_seed_keypair(pk, sk, seed);
}

void ed25519_sign(const uint8_t sk[ED25519_SK_SIZE], const void *message, size_t size,
                  uint8_t signature[ED25519_SIGNATURE_SIZE])
{
	crypto_sign_ed25519_detached(signature, NULL, message, size, sk);
}

enum crypto_status ed25519_verify(const uint8_t pk[ED25519_PK_SIZE], const void *message, size_t size,
                                  const uint8_t signature[ED25519_SIGNATURE_SIZE])
{
	return crypto_sign_ed25519_verify_detached(signature, message, size, pk) ? CRYPTO_BAD_SIGNATURE
	                                                                         : CRYPTO_OK;
}
