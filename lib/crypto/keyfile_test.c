/*
 * Key files and signature files: every algorithm's round trip, and that nothing decodes but what was encoded.
 */
#include "crypto/keyfile.h"
#include "crypto/test_support.h"

static uint8_t file[KEYFILE_MAX_SIZE], again[KEYFILE_MAX_SIZE], bad[KEYFILE_MAX_SIZE + 1];
static const struct argon2id_cost cheap = {.memory_kib = 8, .passes = 1, .lanes = 1};

static bool is_zero(const void *memory, size_t size)
{
	const uint8_t *bytes = memory;
	for (size_t i = 0; i < size; i++)
		if (bytes[i])
			return false;
	return true;
}

static struct key make_secret(const struct key_algorithm_info *info)
{
	struct key key = {.info = info, .kind = KEY_SECRET};
	test_random(key.bytes, info->secret_size, info->name, 0);
	key_normalize_secret(info, key.bytes);
	return key;
}

/* The sizes in the table against the ones the algorithms report. */
static void test_table(void)
{
	bool good = true;
	for (size_t i = 0; i < KEY_ALGORITHMS; i++) {
		const struct key_algorithm_info *info = &key_algorithms[i];
		enum key_algorithm algorithm = info->algorithm;
		good = good && key_algorithm_find((unsigned)algorithm) == info &&
		       key_algorithm_find_name(info->name, strlen(info->name)) == info &&
		       !key_algorithm_find_name(info->name, strlen(info->name) - 1) &&
		       info->secret_size <= KEY_MAX_SECRET_SIZE && info->public_size <= KEY_MAX_PUBLIC_SIZE;
		if (algorithm >= KEY_SLHDSA && algorithm < KEY_HYBRID_SIGN) {
			enum slhdsa_set set = key_slhdsa_set(algorithm);
			good = good && info->public_size == slhdsa_pk_size(set) &&
			       info->secret_size == slhdsa_seed_size(set) &&
			       info->output_size == slhdsa_signature_size(set);
		}
	}
	check(good, "keys: the table of algorithms is consistent");
	check(!key_algorithm_find(0) && !key_algorithm_find(0x3c) && !key_algorithm_find(0xffff) &&
	          !key_algorithm_find_name("ed25519x", 8) && !key_algorithm_find_name("", 0),
	      "keys: unknown numbers and names are none");
}

/* Whether the file decodes to something that encodes to the same bytes. */
static bool round_trips(const uint8_t *in, size_t size)
{
	struct key key;
	size_t again_size;
	return keyfile_decode(&key, in, size) == CRYPTO_OK &&
	       keyfile_encode(&key, again, &again_size) == CRYPTO_OK && again_size == size &&
	       !memcmp(in, again, size);
}

static bool refused(const uint8_t *in, size_t size)
{
	struct key key;
	memset(&key, 0x55, sizeof key);
	return keyfile_decode(&key, in, size) != CRYPTO_OK && is_zero(&key, sizeof key);
}

static void test_every_algorithm(void)
{
	for (size_t i = 0; i < KEY_ALGORITHMS; i++) {
		const struct key_algorithm_info *info = &key_algorithms[i];
		struct key secret = make_secret(info), public = {.info = info, .kind = KEY_PUBLIC};
		size_t size;
		bool good = keyfile_encode(&secret, file, &size) == CRYPTO_OK && round_trips(file, size) &&
		            key_public_from_secret(info, secret.bytes, public.bytes) == CRYPTO_OK &&
		            keyfile_encode(&public, file, &size) == CRYPTO_OK && round_trips(file, size);
		check(good, "key file: %s, both keys", info->name);
		bool strict = true;
		for (size_t at = 0; at < size; at++) {
			memcpy(bad, file, size);
			bad[at] ^= (uint8_t)(1 << at % 8);
			strict = strict && refused(bad, size);
		}
		for (size_t cut = 0; cut < size; cut++)
			strict = strict && refused(file, cut);
		memcpy(bad, file, size);
		bad[size] = 0;
		strict = strict && refused(bad, size + 1);
		check(strict, "key file: %s, every flipped bit and every cut is refused", info->name);
	}
}

/* Puts the right check after the changed bytes, as a forger would. */
static void seal_check(uint8_t *bytes, size_t size)
{
	sha3_256_hash(bytes + size - KEYFILE_CHECK_SIZE, bytes, size - KEYFILE_CHECK_SIZE);
}

static void test_forged(void)
{
	struct key key = make_secret(key_algorithm_find(KEY_X25519)), out;
	size_t size;
	bool good = keyfile_encode(&key, file, &size) == CRYPTO_OK;
	static const struct {
		size_t at;
		uint8_t value;
		enum crypto_status expected;
		const char *what;
	} cases[] = {
	    {8, 2, CRYPTO_UNSUPPORTED, "another version"},
	    {9, 0, CRYPTO_BAD_ENCODING, "kind 0"},
	    {9, 4, CRYPTO_BAD_ENCODING, "kind 4"},
	    {9, KEY_PROTECTED, CRYPTO_BAD_LENGTH, "a plain key called protected"},
	    {10, 0x99, CRYPTO_UNSUPPORTED, "an unknown algorithm"},
	    {10, KEY_MLKEM_512, CRYPTO_BAD_LENGTH, "another algorithm's number"},
	    {12, 1, CRYPTO_BAD_KEY, "an X25519 key that is not clamped"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		memcpy(bad, file, size);
		bad[cases[i].at] = cases[i].value;
		seal_check(bad, size);
		check(good && keyfile_decode(&out, bad, size) == cases[i].expected, "key file: %s is refused",
		      cases[i].what);
	}

	/* Public keys with coordinates or coefficients not below their modulus. */
	static const enum key_algorithm algorithms[] = {KEY_X25519,     KEY_ED25519,   KEY_HYBRID_SIGN,
	                                                KEY_HYBRID_KEM, KEY_MLKEM_512, KEY_MLKEM_768,
	                                                KEY_MLKEM_1024};
	bool strict = true;
	for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++) {
		struct key public = {.info = key_algorithm_find(algorithms[i]), .kind = KEY_PUBLIC};
		struct key secret = make_secret(public.info);
		strict =
		    strict && key_public_from_secret(public.info, secret.bytes, public.bytes) == CRYPTO_OK;
		size_t at = algorithms[i] == KEY_HYBRID_KEM ? MLKEM768_EK_SIZE : 0;
		if (algorithms[i] >= KEY_MLKEM_512 && algorithms[i] <= KEY_MLKEM_1024) {
			public.bytes[0] = 1;
			public.bytes[1] = (uint8_t)((public.bytes[1] & 0xf0) | 0x0d); /* 3329 */
		} else {
			memset(public.bytes + at, 0xff, 32);
			public.bytes[at] = 0xed;
			public.bytes[at + 31] = 0x7f; /* p */
		}
		strict = strict && keyfile_encode(&public, again, &size) == CRYPTO_BAD_KEY && size == 0 &&
		         is_zero(again, sizeof again);
		public.bytes[at] = (uint8_t)(public.bytes[at] - 1); /* below the modulus */
		strict = strict && keyfile_encode(&public, file, &size) == CRYPTO_OK;
		file[KEYFILE_HEADER_SIZE + at]++;
		seal_check(file, size);
		strict = strict && keyfile_decode(&out, file, size) == CRYPTO_BAD_KEY;
	}
	check(strict, "key file: public keys at their modulus are refused, just below accepted");
}

static void test_protected(void)
{
	struct key key = make_secret(key_algorithm_find(KEY_HYBRID_SIGN)), out;
	struct key_protection protection = {.cost = cheap, .salt = {1}, .nonce = {2}}, found;
	size_t size, again_size;
	bool good = keyfile_encode_protected(&key, &protection, "secret", 6, file, &size) == CRYPTO_OK;
	check(good && keyfile_decode(&out, file, size) == CRYPTO_OK && out.kind == KEY_PROTECTED &&
	          out.info == key.info && is_zero(out.bytes, sizeof out.bytes),
	      "protected key file: its kind is told without the passphrase, the key is not");
	check(keyfile_unlock(&out, file, size, "secret", 6, &found) == CRYPTO_OK && out.kind == KEY_SECRET &&
	          !memcmp(out.bytes, key.bytes, sizeof out.bytes) &&
	          keyfile_encode_protected(&out, &found, "secret", 6, again, &again_size) == CRYPTO_OK &&
	          again_size == size && !memcmp(again, file, size),
	      "protected key file: unlocks, and encodes to the same bytes again");
	check(keyfile_unlock(&out, file, size, "Secret", 6, NULL) == CRYPTO_BAD_PASSPHRASE &&
	          is_zero(&out, sizeof out) &&
	          keyfile_unlock(&out, file, size, "secret", 5, NULL) == CRYPTO_BAD_PASSPHRASE,
	      "protected key file: a wrong passphrase is told apart from damage");
	bool strict = true;
	for (size_t at = 0; at < size; at++) {
		memcpy(bad, file, size);
		bad[at] ^= (uint8_t)(1 << at % 8);
		strict = strict && keyfile_unlock(&out, bad, size, "secret", 6, NULL) < 0 &&
		         is_zero(&out, sizeof out);
	}
	check(strict, "protected key file: every flipped bit is refused");
	strict = true;
	for (size_t at = KEYFILE_HEADER_SIZE + 12; at < size - KEYFILE_CHECK_SIZE; at++) {
		memcpy(bad, file, size);
		bad[at] ^= 1;
		seal_check(bad, size);
		strict =
		    strict && keyfile_unlock(&out, bad, size, "secret", 6, NULL) == CRYPTO_BAD_PASSPHRASE;
	}
	/* The algorithm is bound: another of the same size does not unlock. */
	memcpy(bad, file, size);
	bad[10] = KEY_HYBRID_KEM;
	seal_check(bad, size);
	strict = strict && keyfile_unlock(&out, bad, size, "secret", 6, NULL) == CRYPTO_BAD_PASSPHRASE;
	check(strict, "protected key file: forged with a right check, it does not unlock");

	static const struct argon2id_cost out_of_bounds[] = {{7, 1, 1},
	                                                     {8, 0, 1},
	                                                     {8, 1, 0},
	                                                     {8, 1, 2},
	                                                     {0xffffffff, 1, 1},
	                                                     {KEYFILE_MAX_MEMORY_KIB + 1, 1, 1},
	                                                     {KEYFILE_MAX_MEMORY_KIB, 5, 1},
	                                                     {8, 0xffffffff, 1},
	                                                     {1024, 1, 17},
	                                                     {1024, 1, 0xffffffff}};
	strict = true;
	for (size_t i = 0; i < sizeof out_of_bounds / sizeof *out_of_bounds; i++) {
		memcpy(bad, file, size);
		store_le32(bad + KEYFILE_HEADER_SIZE, out_of_bounds[i].memory_kib);
		store_le32(bad + KEYFILE_HEADER_SIZE + 4, out_of_bounds[i].passes);
		store_le32(bad + KEYFILE_HEADER_SIZE + 8, out_of_bounds[i].lanes);
		seal_check(bad, size);
		protection.cost = out_of_bounds[i];
		strict = strict && keyfile_decode(&out, bad, size) == CRYPTO_BAD_ARGUMENT &&
		         keyfile_unlock(&out, bad, size, "secret", 6, NULL) == CRYPTO_BAD_ARGUMENT &&
		         keyfile_encode_protected(&key, &protection, "s", 1, again, &again_size) ==
		             CRYPTO_BAD_ARGUMENT;
	}
	check(strict, "protected key file: a cost out of bounds is refused before it is paid");
	good = keyfile_encode(&key, file, &size) == CRYPTO_OK;
	check(good && keyfile_unlock(&out, file, size, "secret", 6, NULL) == CRYPTO_BAD_ARGUMENT,
	      "protected key file: a plain one needs no passphrase, and says so");
}

static void test_signature_files(void)
{
	static uint8_t signature[SIGFILE_HEADER_SIZE + SLHDSA_MAX_SIGNATURE_SIZE + 1];
	uint8_t id[KEY_ID_SIZE];
	bool good = true, strict = true;
	test_random(id, sizeof id, "id", 0);
	for (size_t i = 0; i < KEY_ALGORITHMS; i++) {
		const struct key_algorithm_info *info = &key_algorithms[i];
		size_t size = SIGFILE_HEADER_SIZE + (size_t)info->output_size;
		struct signature_file out;
		for (int form = SIGFILE_PURE; form <= PREHASH_COUNT; form++) {
			bool allowed = info->use == KEY_SIGNS && form < PREHASH_COUNT &&
			               (form == SIGFILE_PURE || key_takes_prehash(info));
			sigfile_encode_header(info, form, id, signature);
			enum crypto_status status = sigfile_decode(&out, signature, size);
			good = good && (status == CRYPTO_OK) == allowed &&
			       (!allowed ||
			        (out.info == info && out.form == form && !memcmp(out.key_id, id, sizeof id) &&
			         out.signature == signature + SIGFILE_HEADER_SIZE));
		}
		sigfile_encode_header(info, SIGFILE_PURE, id, signature);
		strict = strict && sigfile_decode(&out, signature, size + 1) != CRYPTO_OK &&
		         sigfile_decode(&out, signature, size - 1) != CRYPTO_OK;
		for (size_t cut = 0; cut < SIGFILE_HEADER_SIZE; cut++)
			strict = strict && sigfile_decode(&out, signature, cut) != CRYPTO_OK;
	}
	check(good, "signature file: round trips in the forms each algorithm has, and no others");
	check(strict, "signature file: cut off or too long, it is refused");
}

int main(void)
{
	test_table();
	test_every_algorithm();
	test_forged();
	test_protected();
	test_signature_files();
	return test_finish();
}
