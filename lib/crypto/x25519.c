/* X25519 by libsodium, which refuses points of small order; the function's value there is zero. */
#include "x25519.h"

#include <sodium/crypto_scalarmult_curve25519.h>

void x25519_public(uint8_t pk[X25519_SIZE], const uint8_t sk[X25519_SIZE])
{
	crypto_scalarmult_curve25519_base(pk, sk);
}

enum crypto_status x25519(uint8_t shared[X25519_SIZE], const uint8_t sk[X25519_SIZE],
                          const uint8_t peer[X25519_SIZE])
{
	int small_order = crypto_scalarmult_curve25519(shared, sk, peer);
	/* A property of the public point alone: secret scalars are multiples of 8 and below the group order.
	 */
	crypto_declassify(&small_order, sizeof small_order);
	if (!small_order)
		return CRYPTO_OK;
	memset(shared, 0, X25519_SIZE);
	return CRYPTO_BAD_KEY;
}
