/*
 * Fuzzes everything that takes bytes from outside. The first byte of an input picks the decoder, the rest is
 * its input. Besides memory errors, each target looks for a broken promise: decoding that does not encode
 * back, outputs left behind by a failure, two implementations that disagree.
 */
#include "crypto/hybrid_sign.h"
#include "crypto/keyfile.h"
#include "crypto/sealed_box.h"
#include "crypto/shared_box.h"
#include "crypto/slhdsa.h"

#include <stdlib.h>

#include <sodium/crypto_sign_ed25519.h>

/* The loader's verifier beside libsodium's. */
enum crypto_status ed25519_verify_portable(const uint8_t *pk, const void *message, size_t size,
                                           const uint8_t *signature);
#define ed25519_verify ed25519_verify_portable
#include "ed25519_verify.c" /* NOLINT(bugprone-suspicious-include): under another name */
#undef ed25519_verify

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

static void promise_zero(const void *memory, size_t size)
{
	const uint8_t *bytes = memory;
	for (size_t i = 0; i < size; i++)
		promise(bytes[i] == 0);
}

/* A mutated file rarely has a right check; half of the inputs get one. */
static size_t with_check(uint8_t *out, const uint8_t *data, size_t size)
{
	if (size < KEYFILE_CHECK_SIZE || size > KEYFILE_MAX_SIZE)
		return 0;
	memcpy(out, data, size);
	sha3_256_hash(out + size - KEYFILE_CHECK_SIZE, out, size - KEYFILE_CHECK_SIZE);
	return size;
}

static void fuzz_keyfile(const uint8_t *data, size_t size)
{
	static uint8_t again[KEYFILE_MAX_SIZE];
	static struct key key;
	struct key_protection protection;
	size_t again_size;
	enum crypto_status status = keyfile_decode(&key, data, size);
	if (status) {
		promise_zero(&key, sizeof key);
		return;
	}
	if (key.kind != KEY_PROTECTED) {
		promise(keyfile_encode(&key, again, &again_size) == CRYPTO_OK && again_size == size &&
		        !memcmp(again, data, size));
		return;
	}
	/* The fuzzer's time is not for Argon2id. */
	if (size < KEYFILE_HEADER_SIZE + KEYFILE_PROTECTION_SIZE ||
	    load_le32(data + KEYFILE_HEADER_SIZE) > 64 || load_le32(data + KEYFILE_HEADER_SIZE + 4) > 2)
		return;
	status = keyfile_unlock(&key, data, size, "fuzz", 4, &protection);
	if (status)
		promise_zero(&key, sizeof key);
	else
		promise(keyfile_encode_protected(&key, &protection, "fuzz", 4, again, &again_size) ==
		            CRYPTO_OK &&
		        again_size == size && !memcmp(again, data, size));
}

static void fuzz_forged_keyfile(const uint8_t *data, size_t size)
{
	static uint8_t file[KEYFILE_MAX_SIZE];
	size = with_check(file, data, size);
	uint8_t *exact = size ? malloc(size) : NULL;
	if (!exact)
		return;
	memcpy(exact, file, size);
	fuzz_keyfile(exact, size);
	free(exact);
}

static void fuzz_signature_file(const uint8_t *data, size_t size)
{
	static uint8_t again[SIGFILE_HEADER_SIZE];
	struct signature_file file;
	if (sigfile_decode(&file, data, size)) {
		promise_zero(&file, sizeof file);
		return;
	}
	sigfile_encode_header(file.info, file.form, file.key_id, again);
	promise(!memcmp(again, data, SIGFILE_HEADER_SIZE) &&
	        file.signature + file.info->output_size == data + size);
}

static const struct hybrid_kem_key *recipient(void)
{
	static struct hybrid_kem_key key;
	static bool ready;
	static const uint8_t seed[HYBRID_KEM_SEED_SIZE] = {1};
	if (!ready)
		promise(hybrid_kem_keygen(&key, seed) == CRYPTO_OK);
	ready = true;
	return &key;
}

/* A box from outside never opens: only one we made does. */
static void fuzz_sealed_box(const uint8_t *data, size_t size)
{
	size_t opened;
	uint8_t *out = malloc(size + 1);
	if (!out)
		return;
	memset(out, 0x55, size + 1);
	promise(sealed_box_open(recipient(), "fuzz", 4, data, size, out, &opened) != CRYPTO_OK &&
	        opened == 0);
	promise_zero(out, size);
	free(out);
}

/* Seals, then changes the box as the input says: it opens only if the change was none. */
static void fuzz_damaged_box(const uint8_t *data, size_t size)
{
	static const uint8_t random[SEALED_BOX_RANDOM_SIZE] = {2};
	size_t length = size > 3 ? load_le16(data) % 1000 : 0, box_size = sealed_box_size(length), opened;
	uint8_t *plain = calloc(1, length + 1), *box = malloc(box_size), *copy = malloc(box_size),
	        *out = malloc(box_size);
	if (plain && box && copy && out &&
	    sealed_box_seal(recipient()->pk, HYBRID_KEM_PK_SIZE, "fuzz", 4, random, plain, length, box) ==
	        CRYPTO_OK) {
		memcpy(copy, box, box_size);
		for (size_t i = 2; i + 2 < size; i += 3)
			copy[load_le16(data + i) % box_size] = data[i + 2];
		bool same = !memcmp(copy, box, box_size);
		enum crypto_status status =
		    sealed_box_open(recipient(), "fuzz", 4, copy, box_size, out, &opened);
		promise((status == CRYPTO_OK) == same && (!same || opened == length));
	}
	free(plain);
	free(box);
	free(copy);
	free(out);
}

/* Headers of boxes for several: whatever they are, none opens that was not made for the key. */
static void fuzz_shared_box(const uint8_t *data, size_t size)
{
	static const uint8_t begin[9] = {'H', 'o', 'l', 'o', 'n', 'B', 'o', 'x', 2};
	struct sealed_box opening;
	uint8_t *header = malloc(size + 1);
	if (!header)
		return;
	memcpy(header, data, size);
	memcpy(header, begin, size < sizeof begin ? size : sizeof begin);
	promise(shared_box_open_key(&opening, recipient(), "fuzz", 4, header, size) != CRYPTO_OK);
	promise_zero(&opening, sizeof opening);
	/* The fuzzer's time is not for Argon2id. */
	if (size < 23 || (load_le32(header + 11) <= 64 && load_le32(header + 15) <= 2)) {
		promise(shared_box_open_passphrase(&opening, "fuzz", 4, "fuzz", 4, header, size) !=
		        CRYPTO_OK);
		promise_zero(&opening, sizeof opening);
	}
	free(header);
}

/* A sound header, changed as the input says. */
static void fuzz_damaged_shared_box(const uint8_t *data, size_t size)
{
	static const uint8_t random[SHARED_BOX_SECRET_SIZE + 2 * SEALED_BOX_RANDOM_SIZE] = {3};
	static uint8_t header[SHARED_BOX_HEADER_MAX], copy[SHARED_BOX_HEADER_MAX];
	const uint8_t *keys[] = {recipient()->pk, recipient()->pk};
	struct sealed_box box;
	size_t length;
	promise(shared_box_seal_keys(&box, keys, 1 + size % 2, "fuzz", 4, random, header, &length) ==
	        CRYPTO_OK);
	memcpy(copy, header, length);
	for (size_t i = 0; i + 2 < size; i += 3)
		copy[load_le16(data + i) % length] = data[i + 2];
	bool same = !memcmp(copy, header, length);
	promise((shared_box_open_key(&box, recipient(), "fuzz", 4, copy, length) == CRYPTO_OK) == same);
}

static void fuzz_ed25519(const uint8_t *data, size_t size)
{
	if (size < 96)
		return;
	bool library = crypto_sign_ed25519_verify_detached(data + 32, data + 96, size - 96, data) == 0;
	promise(library == (ed25519_verify_portable(data, data + 96, size - 96, data + 32) == CRYPTO_OK));
}

/* Ed25519 signatures and keys near valid ones: random bytes rarely decode as points. */
static void fuzz_near_ed25519(const uint8_t *data, size_t size)
{
	uint8_t seed[32] = {0}, pk[32], sk[64], bytes[96 + 8];
	if (size < 9)
		return;
	memcpy(seed, data, 8);
	ed25519_keygen(seed, pk, sk);
	memcpy(bytes, pk, 32);
	memcpy(bytes + 96, data, 8);
	ed25519_sign(sk, data, 8, bytes + 32);
	for (size_t i = 8; i + 1 < size; i += 2)
		bytes[data[i] % 96] ^= data[i + 1];
	fuzz_ed25519(bytes, sizeof bytes);
}

/* Verification of what is not a signature: keys and signatures of every algorithm, at their sizes and near.
 */
static void fuzz_verify(const uint8_t *data, size_t size)
{
	if (size < 4)
		return;
	const struct key_algorithm_info *info = &key_algorithms[data[0] % KEY_ALGORITHMS];
	enum key_algorithm algorithm = info->algorithm;
	size_t signature_size = info->output_size + (size_t)(data[1] % 3) - 1;
	uint8_t *signature = calloc(1, signature_size + 1), *pk = calloc(1, info->public_size);
	if (signature && pk) {
		for (size_t i = 3; i < size; i++) {
			pk[(i * 7) % info->public_size] = data[i];
			signature[(i * (data[2] | 1u)) % (signature_size + 1)] = data[i];
		}
		/* The hint's counters, at the end of ML-DSA signatures, are what decoding is about. */
		if (size > 20 && signature_size > 20)
			memcpy(signature + signature_size - 12, data + size - 12, 12);
		uint8_t *exact = realloc(signature, signature_size ? signature_size : 1);
		signature = exact ? exact : signature;
		enum crypto_status status = CRYPTO_BAD_SIGNATURE;
		uint8_t ct[MLKEM_MAX_CT_SIZE], shared[32];
		if (algorithm == KEY_HYBRID_SIGN)
			status = hybrid_verify(pk, info->public_size, data, size, NULL, 0, signature,
			                       signature_size);
		else if (algorithm >= KEY_MLDSA_44 && algorithm <= KEY_MLDSA_87)
			status = mldsa_verify(key_mldsa_set(algorithm), pk, info->public_size, data, size,
			                      NULL, 0, signature, signature_size);
		else if (algorithm >= KEY_SLHDSA && algorithm < KEY_HYBRID_SIGN)
			status = slhdsa_verify(key_slhdsa_set(algorithm), pk, info->public_size, data, size,
			                       NULL, 0, signature, signature_size);
		else if (algorithm >= KEY_MLKEM_512 && algorithm <= KEY_MLKEM_1024)
			/* Encapsulation takes exactly the keys that pass the check. */
			promise(
			    (mlkem_encapsulate(key_mlkem_set(algorithm), pk, info->public_size,
			                       recipient()->pk, ct, shared) == CRYPTO_OK) ==
			    (mlkem_check_ek(key_mlkem_set(algorithm), pk, info->public_size) == CRYPTO_OK));
		promise(status != CRYPTO_OK);
	}
	free(signature);
	free(pk);
}

/* Secret keys from outside. */
static void fuzz_secret(const uint8_t *data, size_t size)
{
	if (size < 2)
		return;
	uint8_t out[MLDSA_MAX_PK_SIZE];
	unsigned set = data[0] % 3;
	enum crypto_status status = mlkem_check_dk((enum mlkem_set)set, data + 1, size - 1);
	status = status ? status : mldsa_public_from_secret((enum mldsa_set)set, data + 1, size - 1, out);
	(void)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const uint8_t *, size_t) = {
	    fuzz_keyfile,
	    fuzz_forged_keyfile,
	    fuzz_signature_file,
	    fuzz_sealed_box,
	    fuzz_damaged_box,
	    fuzz_shared_box,
	    fuzz_damaged_shared_box,
	    fuzz_ed25519,
	    fuzz_near_ed25519,
	    fuzz_verify,
	    fuzz_secret,
	};
	if (size)
		targets[data[0] % (sizeof targets / sizeof *targets)](data + 1, size - 1);
	return 0;
}
