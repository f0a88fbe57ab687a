/*
 * The handshake. Every message is type, version, length (2 bytes), body. The transcript is a running hash of
 * all messages from the offer on; what is signed is the transcript, what is derived is derived from it, so
 * both sides end with equal keys only if they saw equal bytes, contexts and identities.
 */
#include "secure/secure.h"

#include "crypto/aead.h"
#include "crypto/blake3.h"
#include "secure/internal.h"

enum {
	HELLO = 1,
	COOKIE,
	OFFER,
	ANSWER,
	FINISH,
};

enum {
	WAIT_COOKIE = 1,
	WAIT_ANSWER,
	WAIT_FINISH,
	WAIT_APPROVAL,
	COMPLETE,
	FAILED,
};

#define VERSION     1
#define FRAME       4
#define NONCE       32
#define HASH        32
#define HELLO_BODY  (HASH + NONCE + 36) /* padded beyond a cookie's size */
#define COOKIE_BODY (NONCE + HASH)
#define OFFER_BODY  (HASH + NONCE + HASH + HYBRID_KEM_PK_SIZE)
#define PROOF       (HYBRID_SIGN_PK_SIZE + HYBRID_SIGN_SIGNATURE_SIZE)
#define SEALED      (PROOF + AEAD_TAG_SIZE)
#define ANSWER_BODY (HYBRID_KEM_CT_SIZE + SEALED)
#define FINISH_BODY SEALED

/* Where the caller's randomness goes. */
#define RANDOM_NONCE 0
#define RANDOM_KEM   32 /* 32 of the initiator's key, 64 of the responder's encapsulation */
#define RANDOM_SIGN  96

_Static_assert(FRAME + ANSWER_BODY <= SECURE_MAX_HANDSHAKE, "the largest message fits");
_Static_assert(COOKIE_BODY <= HELLO_BODY, "a cookie is no amplification");

static const char responder_context[] = "Holon secure channel v1: responder";
static const char initiator_context[] = "Holon secure channel v1: initiator";

static uint8_t *frame(uint8_t *out, unsigned type, size_t body)
{
	out[0] = (uint8_t)type;
	out[1] = VERSION;
	store_le16(out + 2, (uint16_t)body);
	return out + FRAME;
}

/* The body of the one message that may stand here. SECURE_MORE: a stream's beginning of it. */
static enum secure_status unframe(enum secure_mode mode, const uint8_t *in, size_t size, unsigned type,
                                  size_t body, size_t *used)
{
	*used = 0;
	if ((size > 0 && in[0] != type) || (size > 1 && in[1] != VERSION) ||
	    (size >= FRAME && load_le16(in + 2) != body))
		return SECURE_BAD;
	if (size < FRAME + body)
		return mode == SECURE_STREAM ? SECURE_MORE : SECURE_BAD;
	if (mode == SECURE_DATAGRAM && size != FRAME + body)
		return SECURE_BAD;
	*used = FRAME + body;
	return SECURE_OK;
}

static bool context_hash(const struct secure_identity *identity, uint8_t out[HASH])
{
	size_t length = 0;
	while (length <= SECURE_MAX_CONTEXT && identity->context[length])
		length++;
	if (length == 0 || length > SECURE_MAX_CONTEXT)
		return false;
	struct blake3 hash;
	uint8_t mode = (uint8_t)identity->mode;
	blake3_init_derive_key(&hash, "Holon secure channel v1: context", 32);
	blake3_update(&hash, &mode, 1);
	blake3_update(&hash, identity->context, length);
	blake3_final(&hash, out, HASH);
	return true;
}

static void absorb(struct secure_handshake *handshake, const uint8_t *in, size_t size)
{
	struct blake3 hash;
	blake3_init_derive_key(&hash, "Holon secure channel v1: transcript", 35);
	blake3_update(&hash, handshake->transcript, HASH);
	blake3_update(&hash, in, size);
	blake3_final(&hash, handshake->transcript, HASH);
}

static void derive(const char *label, const uint8_t secret[32], const uint8_t transcript[HASH],
                   uint8_t out[32])
{
	uint8_t both[32 + HASH];
	size_t length = 0;
	while (label[length])
		length++;
	memcpy(both, secret, 32);
	memcpy(both + 32, transcript, HASH);
	blake3_derive_key(out, 32, label, length, both, sizeof(both));
	crypto_wipe(both, sizeof(both));
}

/* Identity and signature of the transcript, encrypted: {key, signature}. */
static bool prove(struct secure_handshake *handshake, const uint8_t key[32], const char *context,
                  uint8_t *out)
{
	static const uint8_t nonce[12];
	const struct hybrid_sign_key *own = handshake->identity.key;
	memcpy(out, own->pk, HYBRID_SIGN_PK_SIZE);
	size_t length = sizeof(responder_context) - 1; /* both labels have one length */
	return hybrid_sign(own, handshake->transcript, HASH, context, length, handshake->random + RANDOM_SIGN,
	                   out + HYBRID_SIGN_PK_SIZE) == CRYPTO_OK &&
	       aead_encrypt(AEAD_AES_256_GCM, key, nonce, sizeof(nonce), handshake->transcript, HASH, out,
	                    PROOF, out, out + PROOF) == CRYPTO_OK;
}

/* Decrypts the peer's proof; its signature is checked apart. */
static bool uncover(struct secure_handshake *handshake, const uint8_t key[32], const uint8_t *in)
{
	static const uint8_t nonce[12];
	uint8_t proof[PROOF];
	if (aead_decrypt(AEAD_AES_256_GCM, key, nonce, sizeof(nonce), handshake->transcript, HASH, in, PROOF,
	                 in + PROOF, proof) != CRYPTO_OK)
		return false;
	memcpy(handshake->peer, proof, HYBRID_SIGN_PK_SIZE);
	memcpy(handshake->peer_signature, proof + HYBRID_SIGN_PK_SIZE, HYBRID_SIGN_SIGNATURE_SIZE);
	return true;
}

static bool proof_holds(const struct secure_handshake *handshake, const char *context)
{
	return hybrid_verify(handshake->peer, HYBRID_SIGN_PK_SIZE, handshake->transcript, HASH, context,
	                     sizeof(responder_context) - 1, handshake->peer_signature,
	                     HYBRID_SIGN_SIGNATURE_SIZE) == CRYPTO_OK;
}

static void handshake_keys(struct secure_handshake *handshake, const uint8_t shared[32])
{
	derive("Holon secure channel v1: master", shared, handshake->transcript, handshake->master);
	derive("Holon secure channel v1: initiator proof", handshake->master, handshake->transcript,
	       handshake->key_initiator);
	derive("Holon secure channel v1: responder proof", handshake->master, handshake->transcript,
	       handshake->key_responder);
}

/* After the last message: the channel's keys, from all that was said. */
static void channel_keys(struct secure_handshake *handshake)
{
	struct secure_channel *channel = &handshake->channel;
	uint8_t initiator[32], responder[32];
	derive("Holon secure channel v1: initiator records", handshake->master, handshake->transcript,
	       initiator);
	derive("Holon secure channel v1: responder records", handshake->master, handshake->transcript,
	       responder);
	derive("Holon secure channel v1: exporter", handshake->master, handshake->transcript,
	       channel->exporter);
	channel->mode = handshake->identity.mode;
	secure_direction_start(&channel->send, handshake->initiator ? initiator : responder);
	secure_direction_start(&channel->receive, handshake->initiator ? responder : initiator);
	memcpy(channel->peer, handshake->peer, HYBRID_SIGN_PK_SIZE);
	crypto_wipe(initiator, sizeof(initiator));
	crypto_wipe(responder, sizeof(responder));
	handshake->state = COMPLETE;
}

static enum secure_status fail(struct secure_handshake *handshake)
{
	/* A forged datagram must not end a handshake: only streams fail for good. */
	if (handshake->identity.mode == SECURE_STREAM) {
		handshake->state = FAILED;
		handshake->output_size = 0;
	}
	return SECURE_BAD;
}

enum crypto_status secure_initiate(struct secure_handshake *handshake, const struct secure_identity *identity,
                                   const uint8_t peer[HYBRID_SIGN_PK_SIZE],
                                   const uint8_t random[SECURE_RANDOM_SIZE])
{
	memset(handshake, 0, sizeof(*handshake));
	handshake->identity = *identity;
	handshake->initiator = true;
	if (!context_hash(identity, handshake->context_hash))
		return CRYPTO_BAD_ARGUMENT;
	memcpy(handshake->random, random, SECURE_RANDOM_SIZE);
	memcpy(handshake->expected, peer, HYBRID_SIGN_PK_SIZE);
	memcpy(handshake->nonce, random + RANDOM_NONCE, NONCE);
	memcpy(handshake->kem_seed, random + RANDOM_KEM, HYBRID_KEM_SEED_SIZE);
	uint8_t *body = frame(handshake->output, HELLO, HELLO_BODY);
	memcpy(body, handshake->context_hash, HASH);
	memcpy(body + HASH, handshake->nonce, NONCE);
	handshake->output_size = FRAME + HELLO_BODY;
	handshake->state = WAIT_COOKIE;
	return CRYPTO_OK;
}

static void make_cookie(const uint8_t secret[SECURE_SECRET_SIZE], const void *address, size_t address_size,
                        const uint8_t *hello, uint8_t out[HASH])
{
	struct blake3 hash;
	uint8_t size = (uint8_t)address_size;
	blake3_init_keyed(&hash, secret);
	blake3_update(&hash, &size, 1);
	blake3_update(&hash, address, address_size);
	blake3_update(&hash, hello, HASH + NONCE);
	blake3_final(&hash, out, HASH);
	crypto_wipe(&hash, sizeof(hash));
}

static enum secure_status answer(struct secure_handshake *handshake, const uint8_t *message)
{
	const uint8_t *kem_key = message + FRAME + HASH + NONCE + HASH;
	uint8_t shared[HYBRID_KEM_SHARED_SIZE];
	uint8_t *body = frame(handshake->output, ANSWER, ANSWER_BODY);
	absorb(handshake, message, FRAME + OFFER_BODY);
	if (hybrid_kem_encapsulate(kem_key, HYBRID_KEM_PK_SIZE, handshake->random + RANDOM_KEM, body,
	                           shared) != CRYPTO_OK)
		return SECURE_BAD;
	absorb(handshake, handshake->output, FRAME + HYBRID_KEM_CT_SIZE);
	handshake_keys(handshake, shared);
	crypto_wipe(shared, sizeof(shared));
	if (!prove(handshake, handshake->key_responder, responder_context, body + HYBRID_KEM_CT_SIZE))
		return SECURE_BAD;
	absorb(handshake, body + HYBRID_KEM_CT_SIZE, SEALED);
	handshake->output_size = FRAME + ANSWER_BODY;
	handshake->state = WAIT_FINISH;
	return SECURE_DONE;
}

enum secure_status secure_respond(struct secure_handshake *handshake, const struct secure_identity *identity,
                                  const struct secure_cookies *cookies, const void *address,
                                  size_t address_size, const uint8_t *in, size_t size, size_t *used,
                                  const uint8_t random[SECURE_RANDOM_SIZE], uint8_t *reply,
                                  size_t *reply_size)
{
	uint8_t context[HASH], cookie[HASH];
	*used = 0;
	if (address_size > SECURE_MAX_ADDRESS || !context_hash(identity, context))
		return SECURE_BAD;
	if (!size)
		return identity->mode == SECURE_STREAM ? SECURE_MORE : SECURE_BAD;
	bool offer = in[0] == OFFER;
	enum secure_status status =
	    unframe(identity->mode, in, size, offer ? OFFER : HELLO, offer ? OFFER_BODY : HELLO_BODY, used);
	if (status != SECURE_OK)
		return status;
	if (memcmp(in + FRAME, context, HASH) != 0)
		return SECURE_BAD;
	if (!offer) {
		uint8_t *body = frame(reply, COOKIE, COOKIE_BODY);
		memcpy(body, in + FRAME + HASH, NONCE);
		make_cookie(cookies->secret[0], address, address_size, in + FRAME, body + NONCE);
		*reply_size = FRAME + COOKIE_BODY;
		return SECURE_OK;
	}
	bool good = false;
	for (unsigned i = 0; i < 2; i++) {
		make_cookie(cookies->secret[i], address, address_size, in + FRAME, cookie);
		good |= crypto_equal(cookie, in + FRAME + HASH + NONCE, HASH);
	}
	if (!good)
		return SECURE_BAD;
	memset(handshake, 0, sizeof(*handshake));
	handshake->identity = *identity;
	memcpy(handshake->context_hash, context, HASH);
	memcpy(handshake->random, random, SECURE_RANDOM_SIZE);
	status = answer(handshake, in);
	if (status != SECURE_DONE)
		secure_handshake_wipe(handshake);
	return status;
}

const uint8_t *secure_handshake_output(const struct secure_handshake *handshake, size_t *size)
{
	*size = handshake->output_size;
	return handshake->output_size ? handshake->output : NULL;
}

static enum secure_status take_cookie(struct secure_handshake *handshake, const uint8_t *body)
{
	if (memcmp(body, handshake->nonce, NONCE) != 0)
		return fail(handshake);
	struct hybrid_kem_key key;
	uint8_t *out = frame(handshake->output, OFFER, OFFER_BODY);
	memcpy(out, handshake->context_hash, HASH);
	memcpy(out + HASH, handshake->nonce, NONCE);
	memcpy(out + HASH + NONCE, body + NONCE, HASH);
	if (hybrid_kem_keygen(&key, handshake->kem_seed) != CRYPTO_OK)
		return fail(handshake);
	memcpy(out + HASH + NONCE + HASH, key.pk, HYBRID_KEM_PK_SIZE);
	crypto_wipe(&key, sizeof(key));
	handshake->output_size = FRAME + OFFER_BODY;
	handshake->state = WAIT_ANSWER;
	return SECURE_OK;
}

static enum secure_status take_answer(struct secure_handshake *handshake, const uint8_t *message)
{
	struct hybrid_kem_key key;
	uint8_t shared[HYBRID_KEM_SHARED_SIZE], before[HASH];
	const uint8_t *body = message + FRAME;
	memcpy(before, handshake->transcript, HASH);
	bool good = hybrid_kem_keygen(&key, handshake->kem_seed) == CRYPTO_OK &&
	            hybrid_kem_decapsulate(&key, body, HYBRID_KEM_CT_SIZE, shared) == CRYPTO_OK;
	crypto_wipe(&key, sizeof(key));
	if (good) {
		absorb(handshake, handshake->output, FRAME + OFFER_BODY);
		absorb(handshake, message, FRAME + HYBRID_KEM_CT_SIZE);
		handshake_keys(handshake, shared);
	}
	crypto_wipe(shared, sizeof(shared));
	if (!good || !uncover(handshake, handshake->key_responder, body + HYBRID_KEM_CT_SIZE) ||
	    memcmp(handshake->peer, handshake->expected, HYBRID_SIGN_PK_SIZE) != 0 ||
	    !proof_holds(handshake, responder_context)) {
		memcpy(handshake->transcript, before, HASH);
		return fail(handshake);
	}
	absorb(handshake, body + HYBRID_KEM_CT_SIZE, SEALED);
	uint8_t *out = frame(handshake->output, FINISH, FINISH_BODY);
	if (!prove(handshake, handshake->key_initiator, initiator_context, out))
		return fail(handshake);
	absorb(handshake, handshake->output, FRAME + FINISH_BODY);
	handshake->output_size = FRAME + FINISH_BODY;
	channel_keys(handshake);
	return SECURE_DONE;
}

static enum secure_status take_finish(struct secure_handshake *handshake, const uint8_t *message)
{
	if (!uncover(handshake, handshake->key_initiator, message + FRAME))
		return fail(handshake);
	/* Kept until the approval, which checks the signature over the transcript before this message. */
	memcpy(handshake->output, message, FRAME + FINISH_BODY);
	handshake->output_size = 0;
	handshake->state = WAIT_APPROVAL;
	return SECURE_APPROVE;
}

enum secure_status secure_handshake_input(struct secure_handshake *handshake, const uint8_t *in, size_t size,
                                          size_t *used)
{
	static const struct {
		unsigned type;
		size_t body;
	} expected[] = {[WAIT_COOKIE] = {COOKIE, COOKIE_BODY},
	                [WAIT_ANSWER] = {ANSWER, ANSWER_BODY},
	                [WAIT_FINISH] = {FINISH, FINISH_BODY}};
	*used = 0;
	if (handshake->state < WAIT_COOKIE || handshake->state > WAIT_FINISH)
		return SECURE_BAD;
	enum secure_status status =
	    unframe(handshake->identity.mode, in, size, expected[handshake->state].type,
	            expected[handshake->state].body, used);
	if (status != SECURE_OK)
		return status == SECURE_BAD ? fail(handshake) : status;
	switch (handshake->state) {
	case WAIT_COOKIE:
		return take_cookie(handshake, in + FRAME);
	case WAIT_ANSWER:
		return take_answer(handshake, in);
	default:
		return take_finish(handshake, in);
	}
}

const uint8_t *secure_peer(const struct secure_handshake *handshake)
{
	return handshake->peer;
}

enum secure_status secure_handshake_approve(struct secure_handshake *handshake)
{
	if (handshake->state != WAIT_APPROVAL)
		return SECURE_BAD;
	if (!proof_holds(handshake, initiator_context)) {
		handshake->state = FAILED;
		return SECURE_BAD;
	}
	absorb(handshake, handshake->output, FRAME + FINISH_BODY);
	channel_keys(handshake);
	return SECURE_DONE;
}

void secure_handshake_finish(struct secure_handshake *handshake, struct secure_channel *channel,
                             uint64_t now_us)
{
	*channel = handshake->channel;
	channel->send.since_us = channel->receive.since_us = now_us;
	secure_handshake_wipe(handshake);
}

void secure_handshake_wipe(struct secure_handshake *handshake)
{
	crypto_wipe(handshake, sizeof(*handshake));
}
