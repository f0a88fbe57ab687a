/*
 * The combined forms: X-Wing against its published vectors, the hybrid signature against stripping and
 * mixing, sealed boxes against every way to cut and reorder them.
 */
#include "crypto/hybrid_internal.h"
#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_prepared.h"
#include "crypto/hybrid_sign.h"
#include "crypto/keyfile.h"
#include "crypto/sealed_box.h"
#include "crypto/shared_box.h"
#include "crypto/test_support.h"

static void test_xwing_vectors(void)
{
	/* The draft's appendix C takes its seeds from the stream SHAKE128(""): 32 bytes of key, 64 of
	 * encapsulation, for each of three cases. Here stands SHA3-256(public key || ciphertext || shared
	 * secret). */
	static const char *const digests[] = {
	    "d18dc2d299d611766365c4814587a68838c8bd8f27d2c0ea44c622ee065fbbd6",
	    "f571d714051e428fd168f977789d0c8da1d522a66c10aee1bf669148e4262ea9",
	    "7a70ad3d6b419879d27a61c3a985d5c74bba9c3b53ae6b0c0f9d8466e64d4858",
	};
	static struct hybrid_kem_key key;
	static uint8_t ct[HYBRID_KEM_CT_SIZE], shared[32], again[32], random[96];
	struct shake stream;
	bool good = true;
	shake128_init(&stream);
	shake_finalize(&stream);
	for (size_t i = 0; i < 3; i++) {
		struct sha3 hash;
		uint8_t digest[32];
		shake_squeeze(&stream, random, sizeof random);
		good = good && hybrid_kem_keygen(&key, random) == CRYPTO_OK &&
		       hybrid_kem_encapsulate(key.pk, sizeof key.pk, random + 32, ct, shared) == CRYPTO_OK &&
		       hybrid_kem_decapsulate(&key, ct, sizeof ct, again) == CRYPTO_OK &&
		       !memcmp(shared, again, 32);
		sha3_256_init(&hash);
		sha3_update(&hash, key.pk, sizeof key.pk);
		sha3_update(&hash, ct, sizeof ct);
		sha3_update(&hash, shared, sizeof shared);
		sha3_final(&hash, digest);
		good = good && hex_equal(digest, 32, digests[i]);
	}
	check(good, "X-Wing: the draft's three vectors");
}

static void test_xwing_refusals(void)
{
	static struct hybrid_kem_key key;
	static uint8_t ct[HYBRID_KEM_CT_SIZE], bad[HYBRID_KEM_CT_SIZE], pk[HYBRID_KEM_PK_SIZE];
	uint8_t shared[32], other[32], zero[32] = {0}, random[64] = {7}, seed[32] = {3};
	bool good = hybrid_kem_keygen(&key, seed) == CRYPTO_OK &&
	            hybrid_kem_encapsulate(key.pk, sizeof key.pk, random, ct, shared) == CRYPTO_OK;
	bool changes = good;
	for (size_t byte = 0; byte < sizeof ct; byte += 37) {
		memcpy(bad, ct, sizeof ct);
		bad[byte] ^= 1;
		changes = changes && hybrid_kem_decapsulate(&key, bad, sizeof bad, other) == CRYPTO_OK &&
		          memcmp(shared, other, 32) != 0;
	}
	memcpy(bad, ct, sizeof ct);
	bad[sizeof bad - 1] ^= 1;
	changes = changes && hybrid_kem_decapsulate(&key, bad, sizeof bad, other) == CRYPTO_OK &&
	          memcmp(shared, other, 32) != 0;
	check(changes, "X-Wing: a mutated ciphertext gives another secret, without an error");
	memset(bad + MLKEM768_CT_SIZE, 0, X25519_SIZE);
	check(hybrid_kem_decapsulate(&key, bad, sizeof bad, other) == CRYPTO_OK &&
	          memcmp(other, zero, 32) != 0,
	      "X-Wing: an X25519 point of small order is no error");
	memset(other, 1, sizeof other);
	check(hybrid_kem_decapsulate(&key, ct, sizeof ct - 1, other) == CRYPTO_BAD_LENGTH &&
	          !memcmp(other, zero, 32),
	      "X-Wing: a short ciphertext is refused, the secret zeroed");
	memcpy(pk, key.pk, sizeof pk);
	pk[0] = 0xff;
	pk[1] |= 0x0f; /* the first coefficient is 4095 */
	check(hybrid_kem_encapsulate(pk, sizeof pk, random, bad, other) == CRYPTO_BAD_KEY &&
	          !memcmp(other, zero, 32),
	      "X-Wing: an ML-KEM key above the modulus is refused");
	check(hybrid_kem_encapsulate(pk, sizeof pk - 1, random, bad, other) == CRYPTO_BAD_LENGTH,
	      "X-Wing: a short public key is refused");
}

static struct hybrid_sign_key alice, bob;
static uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE], forged[HYBRID_SIGN_SIGNATURE_SIZE];
static const char text[] = "the message";

static bool accepts(const struct hybrid_sign_key *key, const char *message, const char *context,
                    const uint8_t *candidate)
{
	return hybrid_verify(key->pk, sizeof key->pk, message, strlen(message), context, strlen(context),
	                     candidate, sizeof signature) == CRYPTO_OK;
}

static void test_hybrid_sign(void)
{
	uint8_t seed[32] = {1}, other_seed[32] = {2}, rnd[32] = {9};
	bool good = hybrid_sign_keygen(&alice, seed) == CRYPTO_OK &&
	            hybrid_sign_keygen(&bob, other_seed) == CRYPTO_OK &&
	            hybrid_sign(&alice, text, sizeof text - 1, "ctx", 3, rnd, signature) == CRYPTO_OK;
	check(good && accepts(&alice, text, "ctx", signature), "hybrid signature: verifies");
	check(!accepts(&bob, text, "ctx", signature), "hybrid signature: another key refuses");
	check(!accepts(&alice, "the message.", "ctx", signature),
	      "hybrid signature: another message is refused");
	check(
	    !accepts(&alice, text, "ctx2", signature) && !accepts(&alice, text, "", signature) &&
	        !accepts(&alice, "xthe message", "ct", signature),
	    "hybrid signature: another context is refused, and a boundary moved between context and message");

	bool refused = true;
	for (size_t byte = 0; byte < sizeof signature; byte += byte < 64 ? 1 : 61) {
		memcpy(forged, signature, sizeof forged);
		forged[byte] ^= 4;
		refused = refused && !accepts(&alice, text, "ctx", forged);
	}
	check(refused, "hybrid signature: a bit flipped in either half is refused");
	check(hybrid_verify(alice.pk, sizeof alice.pk, text, sizeof text - 1, "ctx", 3, signature,
	                    sizeof signature - 1) == CRYPTO_BAD_LENGTH &&
	          hybrid_verify(alice.pk, sizeof alice.pk - 1, text, sizeof text - 1, "ctx", 3, signature,
	                        sizeof signature) == CRYPTO_BAD_LENGTH,
	      "hybrid signature: wrong lengths are refused");

	/* One good half is not enough. */
	memcpy(forged, signature, sizeof forged);
	memset(forged, 0, ED25519_SIGNATURE_SIZE);
	bool both_needed = !accepts(&alice, text, "ctx", forged);
	memcpy(forged, signature, sizeof forged);
	memset(forged + ED25519_SIGNATURE_SIZE, 0, MLDSA65_SIGNATURE_SIZE);
	check(both_needed && !accepts(&alice, text, "ctx", forged),
	      "hybrid signature: either half alone is refused");

	/* Pieces, and the deterministic form. */
	static uint8_t whole[HYBRID_SIGN_SIGNATURE_SIZE];
	struct hybrid_message message;
	good = hybrid_sign(&alice, text, sizeof text - 1, NULL, 0, NULL, whole) == CRYPTO_OK &&
	       hybrid_message_start(&message, alice.pk, sizeof alice.pk, NULL, 0) == CRYPTO_OK;
	for (size_t i = 0; i < sizeof text - 1; i++)
		hybrid_message_update(&message, text + i, 1);
	good = good && hybrid_message_sign(&message, &alice, NULL, forged) == CRYPTO_OK;
	check(good && !memcmp(whole, forged, sizeof whole), "hybrid signature: the same in pieces");
	good = hybrid_message_start(&message, alice.pk, sizeof alice.pk, NULL, 0) == CRYPTO_OK;
	check(good && hybrid_message_sign(&message, &bob, NULL, forged) == CRYPTO_BAD_KEY,
	      "hybrid signature: signing with a key the message was not started for is refused");
	static const char long_context[256];
	check(hybrid_sign(&alice, text, 1, long_context, 256, NULL, forged) == CRYPTO_BAD_ARGUMENT &&
	          hybrid_sign(&alice, text, 1, long_context, 255, NULL, forged) == CRYPTO_OK,
	      "hybrid signature: contexts up to 255 bytes");
}

/* With prepared keys: the same signatures, and the same verdicts. */
static void test_hybrid_prepared(void)
{
	static struct hybrid_prepared a, b;
	static uint8_t plain[HYBRID_SIGN_SIGNATURE_SIZE];
	static const char long_context[256];
	uint8_t rnd[32] = {7};
	bool same = true, accepted = true, refused = true;
	hybrid_prepare(&a, alice.pk);
	hybrid_prepare(&b, bob.pk);
	for (unsigned i = 0; i < 40; i++) {
		uint8_t message[40] = {(uint8_t)i};
		size_t size = i % sizeof message, context_size = i % 4;
		rnd[1] = (uint8_t)i;
		bool good = hybrid_sign(&alice, message, size, "ctx", context_size, i % 2 ? rnd : NULL,
		                        plain) == CRYPTO_OK &&
		            hybrid_sign_prepared(&a, &alice, message, size, "ctx", context_size,
		                                 i % 2 ? rnd : NULL, forged) == CRYPTO_OK;
		same = same && good && !memcmp(plain, forged, sizeof plain);
		accepted = accepted && hybrid_verify_prepared(&a, message, size, "ctx", context_size, plain,
		                                              sizeof plain) == CRYPTO_OK;
		for (unsigned k = 0; k < 8; k++) {
			size_t byte = (k * 1009u + i * 401u + (k ? 0 : i)) % sizeof forged;
			memcpy(forged, plain, sizeof forged);
			forged[byte] ^= (uint8_t)(1u << k);
			enum crypto_status verdict =
			    hybrid_verify(alice.pk, sizeof alice.pk, message, size, "ctx", context_size,
			                  forged, sizeof forged);
			refused = refused && verdict != CRYPTO_OK &&
			          hybrid_verify_prepared(&a, message, size, "ctx", context_size, forged,
			                                 sizeof forged) == verdict;
		}
		refused = refused &&
		          hybrid_verify_prepared(&b, message, size, "ctx", context_size, plain,
		                                 sizeof plain) == CRYPTO_BAD_SIGNATURE &&
		          hybrid_verify_prepared(&a, message, size + 1, "ctx", context_size, plain,
		                                 sizeof plain) == CRYPTO_BAD_SIGNATURE;
	}
	check(same, "prepared keys: the same signatures");
	check(accepted, "prepared keys: they verify");
	check(refused, "prepared keys: what is refused otherwise is refused");
	check(hybrid_sign_prepared(&a, &bob, text, 1, NULL, 0, NULL, forged) == CRYPTO_BAD_KEY &&
	          hybrid_sign_prepared(&a, &alice, text, 1, long_context, 256, NULL, forged) ==
	              CRYPTO_BAD_ARGUMENT &&
	          hybrid_verify_prepared(&a, text, 1, long_context, 256, plain, sizeof plain) ==
	              CRYPTO_BAD_ARGUMENT &&
	          hybrid_verify_prepared(&a, text, 1, NULL, 0, plain, sizeof plain - 1) == CRYPTO_BAD_LENGTH,
	      "prepared keys: another's secret key, a context and a signature of a wrong length");
}

/* Halves must not be worth anything outside their pair, and a pair must not be assembled from two. */
static void test_hybrid_separation(void)
{
	struct hybrid_message message;
	uint8_t input[HYBRID_ED25519_INPUT_SIZE];
	bool good = hybrid_message_start(&message, alice.pk, sizeof alice.pk, "ctx", 3) == CRYPTO_OK;
	hybrid_message_update(&message, text, sizeof text - 1);
	hybrid_message_finish(&message, input);
	const uint8_t *digest = input + HYBRID_ED25519_LABEL_SIZE;
	const uint8_t *mldsa_half = signature + ED25519_SIGNATURE_SIZE;
	good = good && ed25519_verify(alice.pk, text, sizeof text - 1, signature) == CRYPTO_BAD_SIGNATURE &&
	       ed25519_verify(alice.pk, digest, SHA3_512_SIZE, signature) == CRYPTO_BAD_SIGNATURE &&
	       ed25519_verify(alice.pk, input, sizeof input, signature) == CRYPTO_OK;
	check(good, "hybrid signature: the Ed25519 half signs only under its label");
	good =
	    mldsa_verify(MLDSA_65, alice.pk + 32, MLDSA65_PK_SIZE, digest, SHA3_512_SIZE, NULL, 0, mldsa_half,
	                 MLDSA65_SIGNATURE_SIZE) != CRYPTO_OK &&
	    mldsa_verify(MLDSA_65, alice.pk + 32, MLDSA65_PK_SIZE, text, sizeof text - 1, "ctx", 3,
	                 mldsa_half, MLDSA65_SIGNATURE_SIZE) != CRYPTO_OK &&
	    mldsa_verify(MLDSA_65, alice.pk + 32, MLDSA65_PK_SIZE, digest, SHA3_512_SIZE, HYBRID_MLDSA_LABEL,
	                 HYBRID_MLDSA_LABEL_SIZE, mldsa_half, MLDSA65_SIGNATURE_SIZE) == CRYPTO_OK;
	check(good, "hybrid signature: the ML-DSA half signs only under its label");

	/* Mallory pairs Alice's Ed25519 key with her own ML-DSA key, and reuses Alice's half. */
	static struct hybrid_sign_key mixed;
	memcpy(&mixed, &bob, sizeof mixed);
	memcpy(mixed.pk, alice.pk, ED25519_PK_SIZE);
	memcpy(mixed.ed25519_sk, alice.ed25519_sk, sizeof mixed.ed25519_sk);
	static uint8_t own[HYBRID_SIGN_SIGNATURE_SIZE];
	good = hybrid_sign(&mixed, text, sizeof text - 1, "ctx", 3, NULL, own) == CRYPTO_OK &&
	       accepts(&mixed, text, "ctx", own);
	memcpy(own, signature, ED25519_SIGNATURE_SIZE);
	check(good && !accepts(&mixed, text, "ctx", own),
	      "hybrid signature: a half made under one pair of keys is refused under another");
}

#define BOX_PLAIN (2 * SEALED_BOX_CHUNK + 1000)
static uint8_t plain[BOX_PLAIN + 1], box[BOX_PLAIN + 2000], copy[BOX_PLAIN + 2000], out[BOX_PLAIN + 2000];
static struct hybrid_kem_key recipient, stranger;

static enum crypto_status open_box(const uint8_t *in, size_t size)
{
	size_t opened;
	memset(out, 0x55, sizeof out);
	enum crypto_status status = sealed_box_open(&recipient, "c", 1, in, size, out, &opened);
	if (status == CRYPTO_OK)
		return status;
	for (size_t i = 0; i < size; i++)
		if (out[i])
			return CRYPTO_INTERNAL;
	return opened ? CRYPTO_INTERNAL : status;
}

static void test_sealed_box_sizes(void)
{
	static const size_t sizes[] = {0,
	                               1,
	                               15,
	                               SEALED_BOX_CHUNK - 1,
	                               SEALED_BOX_CHUNK,
	                               SEALED_BOX_CHUNK + 1,
	                               2 * SEALED_BOX_CHUNK,
	                               BOX_PLAIN};
	uint8_t random[SEALED_BOX_RANDOM_SIZE] = {5};
	bool good = true;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size_t opened;
		good = good &&
		       sealed_box_seal(recipient.pk, sizeof recipient.pk, "c", 1, random,
		                       sizes[i] ? plain : NULL, sizes[i], box) == CRYPTO_OK &&
		       sealed_box_open(&recipient, "c", 1, box, sealed_box_size(sizes[i]), out, &opened) ==
		           CRYPTO_OK &&
		       opened == sizes[i] && !memcmp(out, plain, opened);
	}
	check(good, "sealed box: round trips at the chunk boundaries");
	check(sealed_box_size(SIZE_MAX) == 0 && sealed_box_size(SIZE_MAX - 2000) == 0,
	      "sealed box: a size that does not fit is none");
}

static void test_sealed_box_refusals(void)
{
	uint8_t random[SEALED_BOX_RANDOM_SIZE] = {6};
	size_t size = sealed_box_size(BOX_PLAIN), chunk = SEALED_BOX_CHUNK + SEALED_BOX_TAG_SIZE;
	uint8_t *first = copy + SEALED_BOX_HEADER_SIZE;
	bool good = sealed_box_seal(recipient.pk, sizeof recipient.pk, "c", 1, random, plain, BOX_PLAIN,
	                            box) == CRYPTO_OK;
	check(good && open_box(box, size) == CRYPTO_OK, "sealed box: opens");

	bool refused = true;
	for (size_t cut = 0; cut < size; cut += cut < SEALED_BOX_HEADER_SIZE + 40 ? 31 : 9973)
		refused = refused && open_box(box, cut) < 0 && open_box(box, cut) != CRYPTO_INTERNAL;
	refused = refused && open_box(box, size - 1) == CRYPTO_BAD_CIPHERTEXT &&
	          open_box(box, SEALED_BOX_HEADER_SIZE + chunk) == CRYPTO_BAD_CIPHERTEXT &&
	          open_box(box, SEALED_BOX_HEADER_SIZE + 2 * chunk) == CRYPTO_BAD_CIPHERTEXT;
	check(refused, "sealed box: cut off anywhere, also between chunks, it is refused");

	memcpy(copy, box, size);
	refused = open_box(copy, size + 1) == CRYPTO_BAD_CIPHERTEXT;
	memcpy(copy + size, first, chunk < sizeof copy - size ? chunk : sizeof copy - size);
	refused = refused && open_box(copy, sizeof copy) < 0;
	check(refused, "sealed box: bytes after its end are refused");

	memcpy(copy, box, size);
	memcpy(first, box + SEALED_BOX_HEADER_SIZE + chunk, chunk);
	memcpy(first + chunk, box + SEALED_BOX_HEADER_SIZE, chunk);
	refused = open_box(copy, size) == CRYPTO_BAD_CIPHERTEXT;
	memcpy(first, box + SEALED_BOX_HEADER_SIZE, chunk);
	refused = refused && open_box(copy, size) == CRYPTO_BAD_CIPHERTEXT;
	memcpy(first + chunk, box + SEALED_BOX_HEADER_SIZE + 2 * chunk,
	       size - SEALED_BOX_HEADER_SIZE - 2 * chunk);
	refused = refused && open_box(copy, size - chunk) == CRYPTO_BAD_CIPHERTEXT;
	check(refused, "sealed box: chunks exchanged, repeated or left out are refused");

	refused = true;
	for (size_t i = 0; i < 60; i++) {
		uint8_t where[8];
		test_random(where, sizeof where, "box mutation", i);
		size_t at = i < 20 ? load_le64(where) % SEALED_BOX_HEADER_SIZE : load_le64(where) % size;
		memcpy(copy, box, size);
		copy[at] ^= (uint8_t)(1 << i % 8);
		enum crypto_status expected = at < 9                        ? CRYPTO_BAD_ENCODING
		                              : at < SEALED_BOX_HEADER_SIZE ? CRYPTO_BAD_KEY
		                                                            : CRYPTO_BAD_CIPHERTEXT;
		refused = refused && open_box(copy, size) == expected;
	}
	check(refused, "sealed box: a flipped bit is refused, the right part named, the output zeroed");

	size_t opened;
	check(sealed_box_open(&stranger, "c", 1, box, size, out, &opened) == CRYPTO_BAD_KEY &&
	          sealed_box_open(&recipient, "", 0, box, size, out, &opened) == CRYPTO_BAD_KEY &&
	          sealed_box_open(&recipient, "c\0", 2, box, size, out, &opened) == CRYPTO_BAD_KEY,
	      "sealed box: another key or context is told at the header");
}

static bool is_wiped(const struct sealed_box *state)
{
	uint8_t any = 0;
	for (size_t i = 0; i < sizeof state->key; i++)
		any |= state->key[i];
	return !any && !state->open && state->chunk == 0;
}

static void test_sealed_box_states(void)
{
	static struct sealed_box state;
	uint8_t random[SEALED_BOX_RANDOM_SIZE] = {8}, header[SEALED_BOX_HEADER_SIZE];
	bool good = sealed_box_seal_start(&state, recipient.pk, sizeof recipient.pk, NULL, 0, random,
	                                  header) == CRYPTO_OK &&
	            sealed_box_seal_chunk(&state, plain, 100, false, out) == CRYPTO_BAD_ARGUMENT &&
	            is_wiped(&state);
	check(good, "sealed box: a short chunk that is not the last is refused, and ends the box");
	good = sealed_box_seal_start(&state, recipient.pk, sizeof recipient.pk, NULL, 0, random, header) ==
	           CRYPTO_OK &&
	       sealed_box_seal_chunk(&state, plain, SEALED_BOX_CHUNK, false, out) == CRYPTO_OK &&
	       sealed_box_seal_chunk(&state, plain, 0, true, out) == CRYPTO_BAD_ARGUMENT;
	check(good, "sealed box: an empty last chunk is only for empty boxes");
	good = sealed_box_seal_start(&state, recipient.pk, sizeof recipient.pk, NULL, 0, random, header) ==
	           CRYPTO_OK &&
	       sealed_box_seal_chunk(&state, plain, 5, true, out) == CRYPTO_OK && is_wiped(&state) &&
	       sealed_box_seal_chunk(&state, plain, 5, true, out) == CRYPTO_BAD_ARGUMENT;
	check(good, "sealed box: nothing follows the last chunk, and the key is gone with it");
}

static uint8_t shared_header[SHARED_BOX_HEADER_MAX], changed[SHARED_BOX_HEADER_MAX];

/* Opens a header as each kind of opener; whether a body's first chunk then comes out as it was. */
static enum crypto_status open_shared(const struct hybrid_kem_key *key, const char *passphrase,
                                      const char *context, const uint8_t *header, size_t size)
{
	static uint8_t sealed[100 + SEALED_BOX_TAG_SIZE];
	struct sealed_box opening;
	uint8_t result[100];
	enum crypto_status status =
	    key ? shared_box_open_key(&opening, key, context, strlen(context), header, size)
	        : shared_box_open_passphrase(&opening, passphrase, strlen(passphrase), context,
	                                     strlen(context), header, size);
	if (status)
		return opening.open ? CRYPTO_INTERNAL : status;
	struct sealed_box sealing = opening;
	if (sealed_box_seal_chunk(&sealing, plain, 100, true, sealed) ||
	    sealed_box_open_chunk(&opening, sealed, sizeof sealed, true, result) ||
	    memcmp(result, plain, 100) != 0)
		return CRYPTO_INTERNAL;
	return CRYPTO_OK;
}

static void test_shared_box_keys(void)
{
	static uint8_t random[SHARED_BOX_SECRET_SIZE + 3 * SEALED_BOX_RANDOM_SIZE];
	static struct hybrid_kem_key third;
	const uint8_t *keys[] = {recipient.pk, third.pk, recipient.pk};
	uint8_t seed[32] = {13};
	struct sealed_box sealing;
	size_t size = 0, wrong = 0;
	test_random(random, sizeof random, "shared box", 0);
	check(hybrid_kem_keygen(&third, seed) == CRYPTO_OK &&
	          shared_box_seal_keys(&sealing, keys, 2, "c", 1, random, shared_header, &size) ==
	              CRYPTO_OK &&
	          size == SHARED_BOX_FIXED_SIZE + 2 * SHARED_BOX_KEY_SIZE + SEALED_BOX_COMMIT_SIZE &&
	          shared_box_header_size(shared_header) == size,
	      "shared box: a header for two");
	check(open_shared(&recipient, NULL, "c", shared_header, size) == CRYPTO_OK &&
	          open_shared(&third, NULL, "c", shared_header, size) == CRYPTO_OK,
	      "shared box: each of them opens it");
	check(open_shared(&stranger, NULL, "c", shared_header, size) == CRYPTO_BAD_KEY &&
	          open_shared(&recipient, NULL, "d", shared_header, size) == CRYPTO_BAD_KEY &&
	          open_shared(NULL, "phrase", "c", shared_header, size) == CRYPTO_BAD_ENCODING,
	      "shared box: nobody else, with no other context, and no passphrase");
	for (size_t at = 0; at < size; at++) {
		memcpy(changed, shared_header, size);
		changed[at] ^= (uint8_t)(1u << at % 8);
		wrong += open_shared(&third, NULL, "c", changed, size) == CRYPTO_OK;
		wrong += at % 37 == 0 && open_shared(&third, NULL, "c", shared_header, at) == CRYPTO_OK;
	}
	check(!wrong, "shared box: a header changed or cut off anywhere is refused");
	check(shared_box_seal_keys(&sealing, keys, 0, "c", 1, random, shared_header, &size) ==
	              CRYPTO_BAD_ARGUMENT &&
	          size == 0 && !sealing.open && shared_header[0] == 0 &&
	          shared_box_seal_keys(&sealing, keys, SHARED_BOX_OPENERS_MAX + 1, "c", 1, random,
	                               shared_header, &size) == CRYPTO_BAD_ARGUMENT,
	      "shared box: none and too many are refused");
}

static void test_shared_box_passphrase(void)
{
	static uint8_t random[SHARED_BOX_SECRET_SIZE + SHARED_BOX_SALT_SIZE];
	struct argon2id_cost cost = {64, 1, 1}, vast = {KEYFILE_MAX_MEMORY_KIB + 1, 1, 1};
	struct sealed_box sealing;
	size_t size = 0, wrong = 0;
	check(shared_box_seal_passphrase(&sealing, &cost, "phrase", 6, "c", 1, random, shared_header,
	                                 &size) == CRYPTO_OK &&
	          open_shared(NULL, "phrase", "c", shared_header, size) == CRYPTO_OK,
	      "shared box: a passphrase opens it");
	check(open_shared(NULL, "phrasf", "c", shared_header, size) == CRYPTO_BAD_PASSPHRASE &&
	          open_shared(NULL, "phrase", "", shared_header, size) == CRYPTO_BAD_PASSPHRASE &&
	          open_shared(&recipient, NULL, "c", shared_header, size) == CRYPTO_BAD_ENCODING,
	      "shared box: no other one, with no other context, and no key");
	for (size_t at = SHARED_BOX_FIXED_SIZE + 12; at < size; at++) {
		memcpy(changed, shared_header, size);
		changed[at] ^= (uint8_t)(1u << at % 8);
		wrong += open_shared(NULL, "phrase", "c", changed, size) != CRYPTO_BAD_PASSPHRASE;
	}
	check(!wrong, "shared box: what follows its cost cannot be changed");
	memcpy(changed, shared_header, size);
	store_le32(changed + SHARED_BOX_FIXED_SIZE, vast.memory_kib);
	check(open_shared(NULL, "phrase", "c", changed, size) == CRYPTO_BAD_ARGUMENT &&
	          shared_box_seal_passphrase(&sealing, &vast, "phrase", 6, "c", 1, random, shared_header,
	                                     &size) == CRYPTO_BAD_ARGUMENT,
	      "shared box: a cost beyond the bounds is refused");
}

int main(void)
{
	uint8_t seed[32] = {11}, other_seed[32] = {12};
	test_xwing_vectors();
	test_xwing_refusals();
	test_hybrid_sign();
	test_hybrid_prepared();
	test_hybrid_separation();
	test_random(plain, sizeof plain, "box plain", 0);
	if (hybrid_kem_keygen(&recipient, seed) || hybrid_kem_keygen(&stranger, other_seed))
		return 1;
	test_sealed_box_sizes();
	test_sealed_box_refusals();
	test_sealed_box_states();
	test_shared_box_keys();
	test_shared_box_passphrase();
	return test_finish();
}
