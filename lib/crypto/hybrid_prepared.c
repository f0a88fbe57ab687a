/* See hybrid_prepared.h. */
#include "hybrid_prepared.h"
#include "hybrid_internal.h"

void hybrid_prepare(struct hybrid_prepared *prepared, const uint8_t pk[HYBRID_SIGN_PK_SIZE])
{
	memcpy(prepared->pk, pk, HYBRID_SIGN_PK_SIZE);
	hybrid_hash_start(&prepared->hash, prepared->pk);
	mldsa65_prepare(&prepared->mldsa, pk + ED25519_PK_SIZE);
}

/* The Ed25519 label and T. */
static enum crypto_status make_input(const struct hybrid_prepared *prepared, const void *message,
                                     size_t message_size, const void *context, size_t context_size,
                                     uint8_t input[HYBRID_ED25519_INPUT_SIZE])
{
	struct sha3 hash = prepared->hash;
	uint8_t length = (uint8_t)context_size;
	if (context_size > HYBRID_SIGN_MAX_CONTEXT)
		return CRYPTO_BAD_ARGUMENT;
	sha3_update(&hash, &length, 1);
	sha3_update(&hash, context, context_size);
	sha3_update(&hash, message, message_size);
	memcpy(input, HYBRID_ED25519_LABEL, HYBRID_ED25519_LABEL_SIZE);
	sha3_final(&hash, input + HYBRID_ED25519_LABEL_SIZE);
	return CRYPTO_OK;
}

enum crypto_status hybrid_verify_prepared(const struct hybrid_prepared *prepared, const void *message,
                                          size_t message_size, const void *context, size_t context_size,
                                          const uint8_t *signature, size_t signature_size)
{
	uint8_t input[HYBRID_ED25519_INPUT_SIZE];
	enum crypto_status status = make_input(prepared, message, message_size, context, context_size, input);
	if (status)
		return status;
	if (signature_size != HYBRID_SIGN_SIGNATURE_SIZE)
		return CRYPTO_BAD_LENGTH;
	if (ed25519_verify(prepared->pk, input, sizeof input, signature) != CRYPTO_OK ||
	    mldsa65_verify_prepared(&prepared->mldsa, input + HYBRID_ED25519_LABEL_SIZE, SHA3_512_SIZE,
	                            HYBRID_MLDSA_LABEL, HYBRID_MLDSA_LABEL_SIZE,
	                            signature + ED25519_SIGNATURE_SIZE) != CRYPTO_OK)
		return CRYPTO_BAD_SIGNATURE;
	return CRYPTO_OK;
}

enum crypto_status hybrid_sign_prepared(const struct hybrid_prepared *prepared,
                                        const struct hybrid_sign_key *key, const void *message,
                                        size_t message_size, const void *context, size_t context_size,
                                        const uint8_t *rnd, uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	uint8_t input[HYBRID_ED25519_INPUT_SIZE];
	enum crypto_status status =
	    memcmp(prepared->pk, key->pk, sizeof key->pk) ? CRYPTO_BAD_KEY : CRYPTO_OK;
	if (!status)
		status = make_input(prepared, message, message_size, context, context_size, input);
	if (!status) {
		ed25519_sign(key->ed25519_sk, input, HYBRID_ED25519_INPUT_SIZE, signature);
		status = mldsa65_sign_prepared(
		    &prepared->mldsa, key->mldsa_sk, input + HYBRID_ED25519_LABEL_SIZE, SHA3_512_SIZE,
		    HYBRID_MLDSA_LABEL, HYBRID_MLDSA_LABEL_SIZE, rnd, signature + ED25519_SIGNATURE_SIZE);
	}
	if (status)
		crypto_wipe(signature, HYBRID_SIGN_SIGNATURE_SIZE);
	return status;
}
