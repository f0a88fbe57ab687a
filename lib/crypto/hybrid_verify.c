/* The hybrid signature's digest and its verification: the part the loader links. See hybrid_sign.h. */
#include "hybrid_internal.h"

/* Hashed with the zero at its end. A change to anything the digest covers needs a new label. */
static const char message_label[] = "Holon hybrid signature v1: Ed25519, ML-DSA-65, SHA3-512";

void hybrid_hash_start(struct sha3 *hash, const uint8_t pk[HYBRID_SIGN_PK_SIZE])
{
	sha3_512_init(hash);
	sha3_update(hash, message_label, sizeof message_label);
	sha3_update(hash, pk, HYBRID_SIGN_PK_SIZE);
}

enum crypto_status hybrid_message_start(struct hybrid_message *message, const uint8_t *pk, size_t pk_size,
                                        const void *context, size_t context_size)
{
	enum crypto_status status = CRYPTO_OK;
	if (pk_size != HYBRID_SIGN_PK_SIZE)
		status = CRYPTO_BAD_LENGTH;
	else if (context_size > HYBRID_SIGN_MAX_CONTEXT)
		status = CRYPTO_BAD_ARGUMENT;
	if (status) {
		crypto_wipe(message, sizeof *message);
		return status;
	}
	uint8_t length = (uint8_t)context_size;
	memcpy(message->pk, pk, HYBRID_SIGN_PK_SIZE);
	hybrid_hash_start(&message->hash, message->pk);
	sha3_update(&message->hash, &length, 1);
	sha3_update(&message->hash, context, context_size);
	return CRYPTO_OK;
}

void hybrid_message_update(struct hybrid_message *message, const void *data, size_t size)
{
	sha3_update(&message->hash, data, size);
}

void hybrid_message_finish(struct hybrid_message *message, uint8_t input[HYBRID_ED25519_INPUT_SIZE])
{
	memcpy(input, HYBRID_ED25519_LABEL, HYBRID_ED25519_LABEL_SIZE);
	sha3_final(&message->hash, input + HYBRID_ED25519_LABEL_SIZE);
	crypto_wipe(message, sizeof *message);
}

enum crypto_status hybrid_message_verify(struct hybrid_message *message, const uint8_t *signature,
                                         size_t signature_size)
{
	uint8_t pk[HYBRID_SIGN_PK_SIZE], input[HYBRID_ED25519_INPUT_SIZE];
	memcpy(pk, message->pk, sizeof pk);
	hybrid_message_finish(message, input);
	if (signature_size != HYBRID_SIGN_SIGNATURE_SIZE)
		return CRYPTO_BAD_LENGTH;
	enum crypto_status ed25519 = ed25519_verify(pk, input, sizeof input, signature);
	enum crypto_status mldsa =
	    mldsa_verify(MLDSA_65, pk + ED25519_PK_SIZE, MLDSA65_PK_SIZE, input + HYBRID_ED25519_LABEL_SIZE,
	                 SHA3_512_SIZE, HYBRID_MLDSA_LABEL, HYBRID_MLDSA_LABEL_SIZE,
	                 signature + ED25519_SIGNATURE_SIZE, MLDSA65_SIGNATURE_SIZE);
	return ed25519 == CRYPTO_OK && mldsa == CRYPTO_OK ? CRYPTO_OK : CRYPTO_BAD_SIGNATURE;
}

enum crypto_status hybrid_verify(const uint8_t *pk, size_t pk_size, const void *message, size_t message_size,
                                 const void *context, size_t context_size, const uint8_t *signature,
                                 size_t signature_size)
{
	struct hybrid_message state;
	enum crypto_status status = hybrid_message_start(&state, pk, pk_size, context, context_size);
	if (status)
		return status;
	hybrid_message_update(&state, message, message_size);
	return hybrid_message_verify(&state, signature, signature_size);
}
