/*
 * Fuzzes everything a stranger or a peer can send: the responder's first messages, the initiator's answers,
 * records of both modes. The first byte chooses; the handshakes stand at the state in question, made once.
 */
#include <stdlib.h>

#include "secure/secure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hybrid_sign_key alice, bob;
static struct secure_cookies cookies;
static struct secure_handshake waits_cookie, waits_answer, waits_finish;
static struct secure_channel channels[2];
static const uint8_t random_bytes[SECURE_RANDOM_SIZE] = {7};

static void prepare(void)
{
	uint8_t seed[32] = {1}, reply[SECURE_MAX_HANDSHAKE];
	size_t used, length, reply_size;
	struct secure_identity from = {&alice, "fuzz", SECURE_STREAM}, to = {&bob, "fuzz", SECURE_STREAM};
	struct secure_handshake last;
	if (hybrid_sign_keygen(&alice, seed) != CRYPTO_OK || hybrid_sign_keygen(&bob, seed) != CRYPTO_OK ||
	    secure_initiate(&waits_cookie, &from, bob.pk, random_bytes) != CRYPTO_OK)
		abort();
	const uint8_t *out = secure_handshake_output(&waits_cookie, &length);
	if (secure_respond(&waits_finish, &to, &cookies, "a", 1, out, length, &used, random_bytes, reply,
	                   &reply_size) != SECURE_OK)
		abort();
	waits_answer = waits_cookie;
	if (secure_handshake_input(&waits_answer, reply, reply_size, &used) != SECURE_OK)
		abort();
	out = secure_handshake_output(&waits_answer, &length);
	if (secure_respond(&waits_finish, &to, &cookies, "a", 1, out, length, &used, random_bytes, reply,
	                   &reply_size) != SECURE_DONE)
		abort();
	last = waits_answer;
	out = secure_handshake_output(&waits_finish, &length);
	if (secure_handshake_input(&last, out, length, &used) != SECURE_DONE)
		abort();
	secure_handshake_finish(&last, &channels[0], 0);
	channels[1] = channels[0];
	channels[1].mode = SECURE_DATAGRAM;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	if (!ready)
		prepare();
	ready = true;
	if (!size)
		return 0;
	unsigned what = *data++ % 6;
	size_t used, length, plain_size;
	uint8_t reply[SECURE_MAX_HANDSHAKE], *copy = malloc(size), *plain;
	struct secure_handshake handshake;
	size--;
	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (what == 0) {
		struct secure_identity to = {&bob, "fuzz", SECURE_STREAM};
		enum secure_status status = secure_respond(&handshake, &to, &cookies, "a", 1, copy, size,
		                                           &used, random_bytes, reply, &length);
		if (status == SECURE_OK && (used > size || length > size))
			abort();
	} else if (what <= 3) {
		handshake = what == 1 ? waits_cookie : what == 2 ? waits_answer : waits_finish;
		enum secure_status status = secure_handshake_input(&handshake, copy, size, &used);
		/* Nobody but the peer can complete a handshake. */
		if (used > size || status == SECURE_DONE || (status == SECURE_APPROVE && what != 3))
			abort();
	} else {
		struct secure_channel channel = channels[what - 4];
		enum secure_status status = secure_open(&channel, 1, copy, size, &used, &plain, &plain_size);
		if (status == SECURE_OK)
			abort();
	}
	free(copy);
	return 0;
}
