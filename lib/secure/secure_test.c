/* The secure channel: handshakes in both modes, every byte of every message damaged, records, windows,
 * rekeying. */
#include "crypto/test_support.h"
#include "secure/secure.h"

static struct hybrid_sign_key alice, bob, eve;
static struct secure_cookies cookies;
static uint8_t random_a[SECURE_RANDOM_SIZE], random_b[SECURE_RANDOM_SIZE];
static struct secure_handshake initiator, responder;
static struct secure_channel a, b;

/* Damage: message number (1 to 5, 0 none), byte, and what to flip. */
static bool handshake(enum secure_mode mode, unsigned message, size_t byte, uint8_t flip,
                      const char *other_context)
{
	struct secure_identity from = {&alice, "test", mode}, to = {&bob, other_context, mode};
	uint8_t wire[SECURE_MAX_HANDSHAKE], reply[SECURE_MAX_HANDSHAKE];
	size_t size, used, reply_size = 0;
	if (secure_initiate(&initiator, &from, bob.pk, random_a) != CRYPTO_OK)
		return false;
	for (unsigned step = 1; step <= 5; step++) {
		bool from_initiator = step == 1 || step == 3 || step == 5;
		const uint8_t *out =
		    step == 2 ? reply
		              : secure_handshake_output(from_initiator ? &initiator : &responder, &size);
		if (step == 2)
			size = reply_size;
		if (!out || !size)
			return false;
		memcpy(wire, out, size);
		if (step == message)
			wire[byte % size] ^= flip;
		enum secure_status status;
		if (step == 1 || step == 3) {
			status = secure_respond(&responder, &to, &cookies, "addr", 4, wire, size, &used,
			                        random_b, reply, &reply_size);
			if (status != (step == 1 ? SECURE_OK : SECURE_DONE))
				return false;
			continue;
		}
		status = secure_handshake_input(from_initiator ? &responder : &initiator, wire, size, &used);
		if (step == 5) {
			if (status != SECURE_APPROVE ||
			    memcmp(secure_peer(&responder), alice.pk, sizeof(alice.pk)) != 0 ||
			    secure_handshake_approve(&responder) != SECURE_DONE)
				return false;
		} else if (status != (step == 2 ? SECURE_OK : SECURE_DONE)) {
			return false;
		}
	}
	secure_handshake_finish(&initiator, &a, 0);
	secure_handshake_finish(&responder, &b, 0);
	return true;
}

static void test_handshake(void)
{
	for (unsigned mode = SECURE_STREAM; mode <= SECURE_DATAGRAM; mode++) {
		uint8_t one[32], two[32];
		const char *name = mode == SECURE_STREAM ? "stream" : "datagram";
		check(handshake(mode, 0, 0, 0, "test"), "secure: a handshake, %s", name);
		secure_export(&a, "label", one, 32);
		secure_export(&b, "label", two, 32);
		bool same = !memcmp(one, two, 32);
		secure_export(&b, "another", two, 32);
		check(same && memcmp(one, two, 32) != 0, "secure: both export the same, by label, %s", name);
		check(!handshake(mode, 0, 0, 0, "tests"), "secure: another context is refused, %s", name);
		static const size_t sizes[6] = {0, 104, 68, 1316, 6497, 5377};
		bool none = true;
		unsigned tried = 0;
		/* All of the short messages, and of the long ones every field's beginning, end and a stride
		 * between. */
		for (unsigned message = 1; message <= 5; message++)
			for (size_t byte = 0;
			     byte<sizes[message]; byte += sizes[message]> 200 && byte > 40 ? 211 : 1, tried++)
				none = none &&
				       (!handshake(mode, message, byte, (uint8_t)(1u << byte % 8), "test") ||
				        (message == 1 && byte >= 68));
		check(none, "secure: any damaged byte ends it (%u tried), %s", tried, name);
	}
	struct secure_identity from = {&alice, "test", SECURE_STREAM};
	struct secure_identity long_context = {
	    &alice, "a context of more than sixty-four bytes, which is one more than is allowed!",
	    SECURE_STREAM};
	check(secure_initiate(&initiator, &long_context, bob.pk, random_a) == CRYPTO_BAD_ARGUMENT,
	      "secure: a context that is too long is refused");
	/* A responder that is not whom we called. */
	struct secure_identity to = {&eve, "test", SECURE_STREAM};
	uint8_t reply[SECURE_MAX_HANDSHAKE];
	size_t size, used, reply_size;
	bool good = secure_initiate(&initiator, &from, bob.pk, random_a) == CRYPTO_OK;
	const uint8_t *out = secure_handshake_output(&initiator, &size);
	good = good && secure_respond(&responder, &to, &cookies, "x", 1, out, size, &used, random_b, reply,
	                              &reply_size) == SECURE_OK;
	check(good && reply_size <= size, "secure: a cookie is not larger than the hello that draws it");
	good = good && secure_handshake_input(&initiator, reply, reply_size, &used) == SECURE_OK;
	out = secure_handshake_output(&initiator, &size);
	check(secure_respond(&responder, &to, &cookies, "y", 1, out, size, &used, random_b, reply,
	                     &reply_size) == SECURE_BAD,
	      "secure: a cookie of another address is refused");
	uint8_t offer[SECURE_MAX_HANDSHAKE];
	memcpy(offer, out, size);
	good = good && secure_respond(&responder, &to, &cookies, "x", 1, offer, size, &used, random_b, reply,
	                              &reply_size) == SECURE_DONE;
	out = secure_handshake_output(&responder, &size);
	check(good && secure_handshake_input(&initiator, out, size, &used) == SECURE_BAD,
	      "secure: a responder with another key is refused");
	bool more = true;
	for (size_t cut = 0; cut < 1316; cut += 7)
		more = more && secure_respond(&responder, &to, &cookies, "x", 1, offer, cut, &used, random_b,
		                              reply, &reply_size) == SECURE_MORE;
	check(more, "secure: a stream's beginning of a message waits for the rest");
}

static uint8_t buffer[SECURE_MAX_RECORD + 64], plain[SECURE_MAX_RECORD], stored[4000][64];

static void test_stream(void)
{
	size_t size, used, length;
	uint8_t *out;
	bool good = handshake(SECURE_STREAM, 0, 0, 0, "test");
	for (size_t i = 0; i <= SECURE_MAX_RECORD; i = i * 3 + 1) {
		good = good && secure_seal(&a, 1, plain, i, buffer, &size) == SECURE_OK &&
		       size == i + SECURE_STREAM_COST &&
		       secure_open(&b, 1, buffer, size - 1, &used, &out, &length) == SECURE_MORE &&
		       secure_open(&b, 1, buffer, size, &used, &out, &length) == SECURE_OK && used == size &&
		       length == i && !memcmp(out, plain, i);
	}
	check(good, "secure: stream records of many sizes");
	good = secure_seal(&b, 1, plain, 5, buffer, &size) == SECURE_OK &&
	       secure_open(&a, 1, buffer, size, &used, &out, &length) == SECURE_OK;
	check(good, "secure: the other direction");
	good = secure_seal(&a, 1, plain, 5, buffer, &size) == SECURE_OK;
	memcpy(stored[0], buffer, size);
	good = good && secure_open(&b, 1, buffer, size, &used, &out, &length) == SECURE_OK &&
	       secure_open(&b, 1, stored[0], size, &used, &out, &length) == SECURE_BAD;
	check(good, "secure: a stream record does not open twice");
	good = handshake(SECURE_STREAM, 0, 0, 0, "test");
	for (uint64_t i = 0; good && i < 6; i++) /* by time */
		good = secure_seal(&a, i * SECURE_REKEY_US, plain, 9, buffer, &size) == SECURE_OK &&
		       secure_open(&b, 1, buffer, size, &used, &out, &length) == SECURE_OK;
	check(good && b.receive.generation == 5, "secure: keys move on with time, both sides together");
	a.send.records = SECURE_REKEY_RECORDS;
	b.receive.records = SECURE_REKEY_RECORDS;
	good = secure_seal(&a, 5 * SECURE_REKEY_US, plain, 9, buffer, &size) == SECURE_OK &&
	       secure_open(&b, 1, buffer, size, &used, &out, &length) == SECURE_OK &&
	       b.receive.generation == 6;
	check(good, "secure: keys move on with the number of records");
	b.receive.records = SECURE_REKEY_RECORDS;
	good = secure_seal(&a, 5 * SECURE_REKEY_US, plain, 9, buffer, &size) == SECURE_OK &&
	       secure_open(&b, 1, buffer, size, &used, &out, &length) == SECURE_BAD;
	check(good, "secure: a peer that does not change its key is refused");
	a.send.counter = UINT64_MAX;
	check(secure_seal(&a, 1, plain, 9, buffer, &size) == SECURE_SPENT, "secure: counters do not wrap");
}

static void test_datagrams(void)
{
	size_t size, used, length;
	uint8_t *out;
	bool good = handshake(SECURE_DATAGRAM, 0, 0, 0, "test");
	for (unsigned i = 0; i < 4000; i++)
		good = good && secure_seal(&a, 1 + i / 1500 * SECURE_REKEY_US, (uint8_t *)&i, sizeof(i),
		                           stored[i], &size) == SECURE_OK;
	uint8_t copy[64];
	unsigned opened = 0;
	/* Backwards within blocks of 500, each twice. */
	for (unsigned block = 0; block < 4000; block += 500)
		for (unsigned i = 500; i-- > 0;)
			for (unsigned again = 0; again < 2; again++) {
				unsigned number;
				memcpy(copy, stored[block + i], sizeof(copy));
				enum secure_status status =
				    secure_open(&b, 1, copy, size, &used, &out, &length);
				good = good && status == (again ? SECURE_REPLAY : SECURE_OK);
				if (status == SECURE_OK) {
					memcpy(&number, out, sizeof(number));
					good = good && number == block + i && length == sizeof(number);
					opened++;
				}
			}
	check(good && opened == 4000, "secure: datagrams in any order, once each, across changes of keys");
	memcpy(copy, stored[100], sizeof(copy));
	check(secure_open(&b, 1, copy, size, &used, &out, &length) == SECURE_REPLAY,
	      "secure: older than the window is refused");
	good = handshake(SECURE_DATAGRAM, 0, 0, 0, "test");
	for (unsigned i = 0; i < 1100; i++)
		good = good && secure_seal(&a, 1, (uint8_t *)&i, sizeof(i), stored[i], &size) == SECURE_OK;
	memcpy(copy, stored[1099], sizeof(copy));
	good = good && secure_open(&b, 1, copy, size, &used, &out, &length) == SECURE_OK;
	memcpy(copy, stored[1099 - 1023], sizeof(copy));
	good = good && secure_open(&b, 1, copy, size, &used, &out, &length) == SECURE_OK;
	memcpy(copy, stored[1099 - 1024], sizeof(copy));
	good = good && secure_open(&b, 1, copy, size, &used, &out, &length) == SECURE_REPLAY;
	check(good, "secure: the window is 1,024 wide, to the record");
	bool refused = true;
	for (size_t byte = 0; byte < size; byte++) {
		memcpy(copy, stored[1000], sizeof(copy));
		copy[byte] ^= 4;
		refused = refused && secure_open(&b, 1, copy, size, &used, &out, &length) != SECURE_OK;
	}
	memcpy(copy, stored[1000], sizeof(copy));
	check(refused && secure_open(&b, 1, copy, size, &used, &out, &length) == SECURE_OK,
	      "secure: damaged datagrams are dropped and change nothing");
}

int main(void)
{
	uint8_t seed[HYBRID_SIGN_SEED_SIZE] = {1};
	bool good = hybrid_sign_keygen(&alice, seed) == CRYPTO_OK;
	seed[0] = 2;
	good = good && hybrid_sign_keygen(&bob, seed) == CRYPTO_OK;
	seed[0] = 3;
	good = good && hybrid_sign_keygen(&eve, seed) == CRYPTO_OK;
	check(good, "secure: keys");
	memset(random_a, 0xa5, sizeof(random_a));
	memset(random_b, 0x5a, sizeof(random_b));
	test_handshake();
	test_stream();
	test_datagrams();
	return test_finish();
}
