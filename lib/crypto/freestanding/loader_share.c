/*
 * The loader's share of the library as a program: it links what image verification needs and nothing else, so
 * its size and its undefined symbols are the loader's. Run, it reads from standard input 'h' || hybrid public
 * key || signature || message       or 's' || number of the SLH-DSA set || public key || signature || message
 * and exits with 0 if the signature is valid under the context "boot", 1 if not, 2 if its hashes are wrong.
 */
#include "bare.h"

#include "crypto/blake3.h"
#include "crypto/hybrid_sign.h"
#include "crypto/slhdsa.h"

static uint8_t input[1 << 17];

/* BLAKE3 of nothing and SHAKE256 of nothing, by their first bytes. */
static bool hashes_work(void)
{
	uint8_t blake[BLAKE3_SIZE], shaken[32];
	blake3_hash(blake, NULL, 0);
	shake256_hash(shaken, sizeof shaken, NULL, 0);
	return load_be64(blake) == 0xaf1349b9f5f9a1a6 && load_be64(shaken) == 0x46b9dd2b0ba88d13;
}

int bare_main(void)
{
	size_t size = bare_read(input, sizeof input);
	const uint8_t *at = input + 1, *end = input + size;
	if (!hashes_work())
		return 2;
	if (size > 1 && input[0] == 'h' && size > 1 + HYBRID_SIGN_PK_SIZE + HYBRID_SIGN_SIGNATURE_SIZE) {
		const uint8_t *signature = at + HYBRID_SIGN_PK_SIZE;
		const uint8_t *message = signature + HYBRID_SIGN_SIGNATURE_SIZE;
		return hybrid_verify(at, HYBRID_SIGN_PK_SIZE, message, (size_t)(end - message), "boot", 4,
		                     signature, HYBRID_SIGN_SIGNATURE_SIZE) != CRYPTO_OK;
	}
	enum slhdsa_set set = (enum slhdsa_set)input[1];
	size_t pk_size = slhdsa_pk_size(set), signature_size = slhdsa_signature_size(set);
	if (input[0] != 's' || !pk_size || size < 2 + pk_size + signature_size)
		return 1;
	const uint8_t *signature = ++at + pk_size, *message = signature + signature_size;
	return slhdsa_verify(set, at, pk_size, message, (size_t)(end - message), "boot", 4, signature,
	                     signature_size) != CRYPTO_OK;
}
