/*
 * Factors: what a person or a machine has, turned into 32 bytes that a slot is locked with. Parameters lie in
 * the header in the clear and are not trusted: the slot's own seal tells whether they are right; here only
 * their cost is bounded.
 */
#include "crypto/argon2id.h"
#include "crypto/hybrid_kem.h"
#include "crypto/keyfile.h"
#include "internal.h"

#define SALT_SIZE 16u

struct passphrase_params {
	uint8_t salt[SALT_SIZE];
	uint32_t memory_kib, passes, lanes, reserved;
};

struct key_file_params {
	uint8_t id[KEY_ID_SIZE];
	uint8_t ciphertext[HYBRID_KEM_CT_SIZE];
	uint64_t reserved;
};
_Static_assert(sizeof(struct key_file_params) <= FACTOR_PARAMS_MAX, "the longest parameters");

struct sealed_params {
	uint8_t salt[SALT_SIZE];
	uint32_t bytes;
	uint8_t sealed[VDISK_SEALED_MAX];
};

#define RECOVERY_BYTES 16u
#define WORD_COUNT     9u
static const char consonants[] = "bdfghjklmnprstvz";
static const char vowels[] = "aiou";

size_t factor_params_size(enum vdisk_factor factor)
{
	switch (factor) {
	case VDISK_FACTOR_OPEN:
		return VDISK_KEY_SIZE;
	case VDISK_FACTOR_PASSPHRASE:
		return sizeof(struct passphrase_params);
	case VDISK_FACTOR_KEY_FILE:
		return sizeof(struct key_file_params);
	case VDISK_FACTOR_RECOVERY:
	case VDISK_FACTOR_SECRET_FILE:
	case VDISK_FACTOR_MACHINE:
		return SALT_SIZE;
	case VDISK_FACTOR_SEALED:
		return sizeof(struct sealed_params);
	case VDISK_FACTOR_NONE:
		break;
	}
	return 0;
}

static void derive(uint8_t key[VDISK_KEY_SIZE], const char *use, const uint8_t salt[SALT_SIZE],
                   const void *secret, size_t bytes)
{
	struct blake3 hash;
	blake3_init_derive_key(&hash, use, strlen(use));
	blake3_update(&hash, salt, SALT_SIZE);
	blake3_update(&hash, secret, bytes);
	blake3_final(&hash, key, VDISK_KEY_SIZE);
	crypto_wipe(&hash, sizeof(hash));
}

static int run_long(const struct vdisk_credentials *credentials, int (*work)(void *argument), void *argument)
{
	const struct vdisk_helper *helper = credentials->helper;
	return helper ? helper->run(helper->context, work, argument) : work(argument);
}

struct passphrase_work {
	struct argon2id_cost cost;
	const struct passphrase_params *params;
	const struct vdisk_credentials *credentials;
	uint8_t *key;
};

static int run_argon2id(void *argument)
{
	const struct passphrase_work *work = argument;
	return (int)argon2id(work->key, VDISK_KEY_SIZE, &work->cost, work->credentials->passphrase,
	                     work->credentials->passphrase_bytes, work->params->salt, SALT_SIZE, NULL, 0,
	                     NULL, 0);
}

static int derive_passphrase(const struct passphrase_params *params,
                             const struct vdisk_credentials *credentials, uint8_t key[VDISK_KEY_SIZE])
{
	struct argon2id_cost cost = {params->memory_kib, params->passes, params->lanes};
	if (!cost.memory_kib || cost.memory_kib > KEYFILE_MAX_MEMORY_KIB || !cost.passes || !cost.lanes ||
	    cost.lanes > KEYFILE_MAX_LANES || cost.passes > KEYFILE_MAX_WORK_KIB / cost.memory_kib)
		return VDISK_DAMAGED;
	struct passphrase_work work = {cost, params, credentials, key};
	int status = run_long(credentials, run_argon2id, &work);
	return status == CRYPTO_OK ? VDISK_OK : status == CRYPTO_NO_MEMORY ? VDISK_NO_MEMORY : VDISK_DAMAGED;
}

/* ---- Recovery words: 16 bytes and a check of two, each pair as a word of five letters (the proquint
 * spelling: arXiv 0901.4016) ---- */

static void spell(const uint8_t bytes[2 * WORD_COUNT], char words[VDISK_RECOVERY_WORDS_SIZE])
{
	for (unsigned i = 0; i < WORD_COUNT; i++) {
		unsigned pair = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
		*words++ = consonants[pair >> 12];
		*words++ = vowels[pair >> 10 & 3];
		*words++ = consonants[pair >> 6 & 15];
		*words++ = vowels[pair >> 4 & 3];
		*words++ = consonants[pair & 15];
		*words++ = i + 1 < WORD_COUNT ? '-' : 0;
	}
}

static void recovery_check(const uint8_t secret[RECOVERY_BYTES], uint8_t check[2])
{
	uint8_t digest[BLAKE3_SIZE];
	blake3_derive_key(digest, sizeof(digest), "Holon vdisk recovery check", 26, secret, RECOVERY_BYTES);
	memcpy(check, digest, 2);
}

/* Letters in either case; whatever stands between words is skipped. */
static bool read_words(const char *words, uint8_t bytes[2 * WORD_COUNT])
{
	unsigned letters = 0;
	unsigned pair = 0;
	uint8_t check[2];
	for (; *words; words++) {
		char letter = (char)(*words >= 'A' && *words <= 'Z' ? *words - 'A' + 'a' : *words);
		const char *set = letters % 5 % 2 ? vowels : consonants;
		const char *found = strchr(set, letter);
		if (letter < 'a' || letter > 'z')
			continue;
		if (!found || letters == 5 * WORD_COUNT)
			return false;
		pair = pair << (letters % 5 % 2 ? 2 : 4) | (unsigned)(found - set);
		if (++letters % 5 == 0) {
			bytes[2 * (letters / 5) - 2] = (uint8_t)(pair >> 8);
			bytes[2 * (letters / 5) - 1] = (uint8_t)pair;
			pair = 0;
		}
	}
	recovery_check(bytes, check);
	return letters == 5 * WORD_COUNT && memcmp(check, bytes + RECOVERY_BYTES, 2) == 0;
}

/* ---- Key files ---- */

static bool is_holon_key(const uint8_t *bytes, size_t size)
{
	return size >= 8 && memcmp(bytes, "HolonKey", 8) == 0;
}

enum vdisk_factor vdisk_key_file_factor(const uint8_t *bytes, size_t size)
{
	struct key key;
	if (size < VDISK_KEY_SIZE)
		return VDISK_FACTOR_NONE;
	if (!is_holon_key(bytes, size))
		return VDISK_FACTOR_SECRET_FILE;
	if (keyfile_decode(&key, bytes, size) != CRYPTO_OK)
		return VDISK_FACTOR_NONE;
	enum vdisk_factor factor = key.info->algorithm == KEY_HYBRID_KEM ? VDISK_FACTOR_KEY_FILE
	                           : key.kind == KEY_SECRET              ? VDISK_FACTOR_SECRET_FILE
	                                                                 : VDISK_FACTOR_NONE;
	crypto_wipe(&key, sizeof(key));
	return factor;
}

/* Whether the passphrase is what the key file is protected by. */
static bool passphrase_protects(const struct vdisk_credentials *credentials)
{
	struct key key;
	bool protects =
	    is_holon_key(credentials->key_file, credentials->key_file_bytes) &&
	    keyfile_decode(&key, credentials->key_file, credentials->key_file_bytes) == CRYPTO_OK &&
	    key.kind == KEY_PROTECTED;
	crypto_wipe(&key, sizeof(key));
	return protects;
}

int vdisk_credentials_factors(const struct vdisk_credentials *credentials, bool draws,
                              enum vdisk_factor factors[2])
{
	enum vdisk_factor all[5];
	unsigned count = 0;
	if (credentials->key_file) {
		all[count] = vdisk_key_file_factor(credentials->key_file, credentials->key_file_bytes);
		if (all[count++] == VDISK_FACTOR_NONE)
			return VDISK_KEY;
	}
	if (credentials->passphrase && !(credentials->key_file && passphrase_protects(credentials)))
		all[count++] = VDISK_FACTOR_PASSPHRASE;
	if (draws)
		all[count++] = VDISK_FACTOR_RECOVERY;
	if (credentials->machine)
		all[count++] = VDISK_FACTOR_MACHINE;
	if (credentials->sealer)
		all[count++] = VDISK_FACTOR_SEALED;
	for (unsigned i = 0; i < 2; i++)
		factors[i] = i < count ? all[i] : VDISK_FACTOR_NONE;
	return !count ? VDISK_KEY : count > 2 ? VDISK_LIMIT : VDISK_OK;
}

struct unlock_work {
	const struct vdisk_credentials *credentials;
	struct key *key;
};

static int run_unlock(void *argument)
{
	const struct unlock_work *work = argument;
	const struct vdisk_credentials *credentials = work->credentials;
	return (int)keyfile_unlock(work->key, credentials->key_file, credentials->key_file_bytes,
	                           credentials->passphrase, credentials->passphrase_bytes, NULL);
}

/* A protected key file needs the passphrase; a public one only serves to make a slot. */
static int read_key(const struct vdisk_credentials *credentials, bool need_secret, struct key *key)
{
	const uint8_t *bytes = credentials->key_file;
	size_t size = credentials->key_file_bytes;
	if (!bytes || keyfile_decode(key, bytes, size) != CRYPTO_OK || key->info->algorithm != KEY_HYBRID_KEM)
		return VDISK_KEY;
	struct unlock_work work = {credentials, key};
	if (key->kind == KEY_PROTECTED &&
	    (!credentials->passphrase || run_long(credentials, run_unlock, &work) != CRYPTO_OK))
		return VDISK_KEY;
	return need_secret && key->kind == KEY_PUBLIC ? VDISK_KEY : VDISK_OK;
}

static int create_key_file(struct vdisk *disk, const struct vdisk_credentials *credentials,
                           struct key_file_params *params, uint8_t key[VDISK_KEY_SIZE])
{
	struct key owner;
	uint8_t public_key[KEY_MAX_PUBLIC_SIZE];
	uint8_t random[HYBRID_KEM_RANDOM_SIZE];
	TRY(read_key(credentials, false, &owner));
	int status = VDISK_OK;
	if (owner.kind == KEY_PUBLIC)
		memcpy(public_key, owner.bytes, owner.info->public_size);
	else if (key_public_from_secret(owner.info, owner.bytes, public_key) != CRYPTO_OK)
		status = VDISK_KEY;
	key_id(owner.info, public_key, params->id);
	crypto_wipe(&owner.bytes, sizeof(owner.bytes));
	if (!status && disk->random(random, sizeof(random)) < 0)
		status = VDISK_IO;
	if (!status && hybrid_kem_encapsulate(public_key, HYBRID_KEM_PK_SIZE, random, params->ciphertext,
	                                      key) != CRYPTO_OK)
		status = VDISK_KEY;
	crypto_wipe(random, sizeof(random));
	return status;
}

static int open_key_file(const struct vdisk_credentials *credentials, const struct key_file_params *params,
                         uint8_t key[VDISK_KEY_SIZE])
{
	struct key owner;
	struct hybrid_kem_key pair;
	TRY(read_key(credentials, true, &owner));
	int status = hybrid_kem_keygen(&pair, owner.bytes) == CRYPTO_OK &&
	                     hybrid_kem_decapsulate(&pair, params->ciphertext, sizeof(params->ciphertext),
	                                            key) == CRYPTO_OK
	                 ? VDISK_OK
	                 : VDISK_KEY;
	crypto_wipe(&owner, sizeof(owner));
	crypto_wipe(&pair, sizeof(pair));
	return status;
}

/* ---- What a TPM unseals ---- */

static int create_sealed(struct vdisk *disk, const struct vdisk_credentials *credentials,
                         struct sealed_params *params, uint8_t key[VDISK_KEY_SIZE])
{
	const struct vdisk_sealer *sealer = credentials->sealer;
	uint8_t secret[VDISK_KEY_SIZE];
	size_t bytes = 0;
	if (!sealer)
		return VDISK_KEY;
	if (disk->random(params->salt, sizeof(params->salt)) < 0 || disk->random(secret, sizeof(secret)) < 0)
		return VDISK_IO;
	int status = sealer->seal(sealer->context, secret, params->sealed, &bytes);
	params->bytes = (uint32_t)bytes;
	if (status == VDISK_OK)
		derive(key, "Holon vdisk sealed", params->salt, secret, sizeof(secret));
	crypto_wipe(secret, sizeof(secret));
	return status;
}

static int open_sealed(const struct vdisk_credentials *credentials, const struct sealed_params *params,
                       uint8_t key[VDISK_KEY_SIZE])
{
	const struct vdisk_sealer *sealer = credentials->sealer;
	uint8_t secret[VDISK_KEY_SIZE];
	if (!sealer || params->bytes > sizeof(params->sealed))
		return VDISK_KEY;
	int status = sealer->unseal(sealer->context, params->sealed, params->bytes, secret);
	if (status == VDISK_OK)
		derive(key, "Holon vdisk sealed", params->salt, secret, sizeof(secret));
	crypto_wipe(secret, sizeof(secret));
	return status;
}

/* ---- All factors ---- */

int factor_open(enum vdisk_factor factor, const struct vdisk_credentials *credentials, const uint8_t *params,
                uint8_t key[VDISK_KEY_SIZE])
{
	uint8_t words[2 * WORD_COUNT] = {0};
	struct passphrase_params passphrase;
	struct key_file_params key_file;
	struct sealed_params sealed;
	switch (factor) {
	case VDISK_FACTOR_OPEN:
		memcpy(key, params, VDISK_KEY_SIZE);
		return VDISK_OK;
	case VDISK_FACTOR_PASSPHRASE:
		if (!credentials->passphrase)
			return VDISK_KEY;
		memcpy(&passphrase, params, sizeof(passphrase));
		return derive_passphrase(&passphrase, credentials, key);
	case VDISK_FACTOR_RECOVERY:
		if (!credentials->recovery_words || !read_words(credentials->recovery_words, words))
			return VDISK_KEY;
		derive(key, "Holon vdisk recovery words", params, words, RECOVERY_BYTES);
		crypto_wipe(words, sizeof(words));
		return VDISK_OK;
	case VDISK_FACTOR_KEY_FILE:
		memcpy(&key_file, params, sizeof(key_file));
		return open_key_file(credentials, &key_file, key);
	case VDISK_FACTOR_SECRET_FILE:
		if (!credentials->key_file || credentials->key_file_bytes < VDISK_KEY_SIZE)
			return VDISK_KEY;
		derive(key, "Holon vdisk secret file", params, credentials->key_file,
		       credentials->key_file_bytes);
		return VDISK_OK;
	case VDISK_FACTOR_MACHINE:
		if (!credentials->machine)
			return VDISK_KEY;
		derive(key, "Holon vdisk machine", params, credentials->machine, VDISK_KEY_SIZE);
		return VDISK_OK;
	case VDISK_FACTOR_SEALED:
		memcpy(&sealed, params, sizeof(sealed));
		return open_sealed(credentials, &sealed, key);
	case VDISK_FACTOR_NONE:
		break;
	}
	return VDISK_KEY;
}

int factor_create(struct vdisk *disk, enum vdisk_factor factor, const struct vdisk_credentials *credentials,
                  const struct vdisk_cost *cost, char *words, uint8_t *params, uint8_t key[VDISK_KEY_SIZE])
{
	struct passphrase_params passphrase = {.lanes = argon2id_default_cost.lanes};
	struct key_file_params key_file = {0};
	struct sealed_params sealed = {0};
	struct vdisk_credentials drawn = *credentials;
	uint8_t secret[2 * WORD_COUNT];
	char spelled[VDISK_RECOVERY_WORDS_SIZE];
	size_t size = factor_params_size(factor);
	if (!size)
		return VDISK_RANGE;
	if (factor == VDISK_FACTOR_KEY_FILE) {
		TRY(create_key_file(disk, credentials, &key_file, key));
		memcpy(params, &key_file, sizeof(key_file));
		return VDISK_OK;
	}
	if (factor == VDISK_FACTOR_SEALED) {
		TRY(create_sealed(disk, credentials, &sealed, key));
		memcpy(params, &sealed, sizeof(sealed));
		return VDISK_OK;
	}
	if (disk->random(params, size) < 0)
		return VDISK_IO;
	if (factor == VDISK_FACTOR_PASSPHRASE) {
		if (!credentials->passphrase_bytes)
			return VDISK_KEY;
		memcpy(passphrase.salt, params, SALT_SIZE);
		passphrase.memory_kib =
		    cost && cost->memory_kib ? cost->memory_kib : argon2id_default_cost.memory_kib;
		passphrase.passes = cost && cost->passes ? cost->passes : argon2id_default_cost.passes;
		memcpy(params, &passphrase, sizeof(passphrase));
	}
	if (factor == VDISK_FACTOR_RECOVERY) {
		if (!words)
			return VDISK_RANGE;
		if (disk->random(secret, RECOVERY_BYTES) < 0)
			return VDISK_IO;
		recovery_check(secret, secret + RECOVERY_BYTES);
		spell(secret, spelled);
		memcpy(words, spelled, sizeof(spelled));
		drawn.recovery_words = spelled;
	}
	int status = factor_open(factor, &drawn, params, key);
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(spelled, sizeof(spelled));
	return status == VDISK_DAMAGED ? VDISK_RANGE : status;
}
