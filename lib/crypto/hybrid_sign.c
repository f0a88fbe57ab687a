/* Key generation and signing of the hybrid signature. See hybrid_sign.h. */
#include "hybrid_internal.h"

static const char keygen_label[] = "Holon hybrid signature v1: key generation";

enum crypto_status hybrid_sign_keygen(struct hybrid_sign_key *key, const uint8_t seed[HYBRID_SIGN_SEED_SIZE])
{
	struct shake shake;
	uint8_t seeds[ED25519_SEED_SIZE + MLDSA_SEED_SIZE];
	shake256_init(&shake);
	shake_absorb(&shake, keygen_label, sizeof keygen_label);
	shake_absorb(&shake, seed, HYBRID_SIGN_SEED_SIZE);
	shake_finalize(&shake);
	shake_squeeze(&shake, seeds, sizeof seeds);
	ed25519_keygen(seeds, key->pk, key->ed25519_sk);
	enum crypto_status status =
	    mldsa_keygen(MLDSA_65, seeds + ED25519_SEED_SIZE, key->pk + ED25519_PK_SIZE, key->mldsa_sk);
	crypto_wipe(&shake, sizeof shake);
	crypto_wipe(seeds, sizeof seeds);
	if (status)
		crypto_wipe(key, sizeof *key);
	return status;
}

/* Both halves over the label and T. */
static enum crypto_status sign_input(const struct hybrid_sign_key *key,
                                     const uint8_t input[HYBRID_ED25519_INPUT_SIZE], const uint8_t *rnd,
                                     uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	ed25519_sign(key->ed25519_sk, input, HYBRID_ED25519_INPUT_SIZE, signature);
	enum crypto_status status = mldsa_sign(
	    MLDSA_65, key->mldsa_sk, sizeof key->mldsa_sk, input + HYBRID_ED25519_LABEL_SIZE, SHA3_512_SIZE,
	    HYBRID_MLDSA_LABEL, HYBRID_MLDSA_LABEL_SIZE, rnd, signature + ED25519_SIGNATURE_SIZE);
	if (status)
		crypto_wipe(signature, HYBRID_SIGN_SIGNATURE_SIZE);
	return status;
}

enum crypto_status hybrid_message_sign(struct hybrid_message *message, const struct hybrid_sign_key *key,
                                       const uint8_t *rnd, uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	uint8_t input[HYBRID_ED25519_INPUT_SIZE];
	bool same_key = memcmp(message->pk, key->pk, sizeof message->pk) == 0;
	hybrid_message_finish(message, input);
	if (same_key)
		return sign_input(key, input, rnd, signature);
	crypto_wipe(signature, HYBRID_SIGN_SIGNATURE_SIZE);
	return CRYPTO_BAD_KEY;
}

/* Apart, so that the message's state is off the stack when ML-DSA, which needs most of it, begins. */
__attribute__((noinline)) static enum crypto_status make_input(uint8_t input[HYBRID_ED25519_INPUT_SIZE],
                                                               const struct hybrid_sign_key *key,
                                                               const void *message, size_t message_size,
                                                               const void *context, size_t context_size)
{
	struct hybrid_message state;
	enum crypto_status status =
	    hybrid_message_start(&state, key->pk, sizeof key->pk, context, context_size);
	if (status)
		return status;
	hybrid_message_update(&state, message, message_size);
	hybrid_message_finish(&state, input);
	return CRYPTO_OK;
}

enum crypto_status hybrid_sign(const struct hybrid_sign_key *key, const void *message, size_t message_size,
                               const void *context, size_t context_size, const uint8_t *rnd,
                               uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE])
{
	uint8_t input[HYBRID_ED25519_INPUT_SIZE];
	enum crypto_status status = make_input(input, key, message, message_size, context, context_size);
	if (status == CRYPTO_OK)
		return sign_input(key, input, rnd, signature);
	crypto_wipe(signature, HYBRID_SIGN_SIGNATURE_SIZE);
	return status;
}
