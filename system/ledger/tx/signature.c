/* Recovery and signing; one context for the process, randomised once. */
#include "tx/signature.h"

#include <pthread.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <stdlib.h>
#include <sys/random.h>

static secp256k1_context *context;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void create_context(void)
{
	uint8_t seed[32];
	context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
	if (!context || getrandom(seed, sizeof seed, 0) != sizeof seed ||
	    !secp256k1_context_randomize(context, seed))
		abort();
}

static void address_of_key(struct address *out, const secp256k1_pubkey *key)
{
	uint8_t bytes[65];
	uint8_t digest[32];
	size_t size = sizeof bytes;
	(void)secp256k1_ec_pubkey_serialize(context, bytes, &size, key, SECP256K1_EC_UNCOMPRESSED);
	keccak256(digest, bytes + 1, 64);
	memcpy(out->bytes, digest + 12, 20);
}

bool signature_recover(struct address *out, const struct hash32 *digest, unsigned y_parity,
                       const struct u256 *r, const struct u256 *s)
{
	pthread_once(&once, create_context);
	uint8_t compact[64];
	secp256k1_ecdsa_recoverable_signature signature;
	secp256k1_pubkey key;
	u256_store(compact, r);
	u256_store(compact + 32, s);
	if (y_parity > 1 ||
	    !secp256k1_ecdsa_recoverable_signature_parse_compact(context, &signature, compact,
	                                                         (int)y_parity) ||
	    !secp256k1_ecdsa_recover(context, &key, &signature, digest->bytes))
		return false;
	address_of_key(out, &key);
	return true;
}

bool signature_s_is_high(const struct u256 *s)
{
	static const struct u256 half = {
	    {0xdfe92f46681b20a0, 0x5d576e7357a4501d, 0xffffffffffffffff, 0x7fffffffffffffff}};
	return u256_less(&half, s);
}

bool signature_sign(const struct hash32 *digest, const uint8_t key[32], unsigned *y_parity, struct u256 *r,
                    struct u256 *s)
{
	pthread_once(&once, create_context);
	secp256k1_ecdsa_recoverable_signature signature;
	uint8_t compact[64];
	int recovery;
	if (!secp256k1_ecdsa_sign_recoverable(context, &signature, digest->bytes, key, NULL, NULL))
		return false;
	(void)secp256k1_ecdsa_recoverable_signature_serialize_compact(context, compact, &recovery,
	                                                              &signature);
	u256_load(r, compact);
	u256_load(s, compact + 32);
	*y_parity = (unsigned)recovery & 1;
	return true;
}

bool signature_address(struct address *out, const uint8_t key[32])
{
	pthread_once(&once, create_context);
	secp256k1_pubkey public;
	if (!secp256k1_ec_pubkey_create(context, &public, key))
		return false;
	address_of_key(out, &public);
	return true;
}
