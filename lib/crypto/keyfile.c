/* Key files and signature files. See keyfile.h for the formats. */
#include "keyfile.h"
#include "sha3.h"

#define MAGIC_SIZE 8
#define VERSION    1

static const uint8_t key_magic[MAGIC_SIZE] = {'H', 'o', 'l', 'o', 'n', 'K', 'e', 'y'};
static const uint8_t signature_magic[MAGIC_SIZE] = {'H', 'o', 'l', 'o', 'n', 'S', 'i', 'g'};

static void write_header(uint8_t out[KEYFILE_HEADER_SIZE], const uint8_t magic[MAGIC_SIZE], unsigned form,
                         const struct key_algorithm_info *info)
{
	memcpy(out, magic, MAGIC_SIZE);
	out[8] = VERSION;
	out[9] = (uint8_t)form;
	store_le16(out + 10, (uint16_t)info->algorithm);
}

static enum crypto_status read_header(const uint8_t *in, size_t size, const uint8_t magic[MAGIC_SIZE],
                                      const struct key_algorithm_info **info)
{
	if (size < MAGIC_SIZE || memcmp(in, magic, MAGIC_SIZE) != 0)
		return CRYPTO_BAD_ENCODING;
	if (size < KEYFILE_HEADER_SIZE)
		return CRYPTO_BAD_LENGTH;
	*info = key_algorithm_find(load_le16(in + 10));
	return in[8] == VERSION && *info ? CRYPTO_OK : CRYPTO_UNSUPPORTED;
}

static bool cost_allowed(const struct argon2id_cost *cost)
{
	return cost->lanes >= 1 && cost->lanes <= KEYFILE_MAX_LANES && cost->passes >= 1 &&
	       cost->memory_kib >= 8 * cost->lanes && cost->memory_kib <= KEYFILE_MAX_MEMORY_KIB &&
	       (uint64_t)cost->memory_kib * cost->passes <= KEYFILE_MAX_WORK_KIB;
}

static void append_check(uint8_t *out, size_t *size, size_t at)
{
	sha3_256_hash(out + at, out, at);
	*size = at + KEYFILE_CHECK_SIZE;
}

static enum crypto_status give_up(uint8_t out[KEYFILE_MAX_SIZE], size_t *size, enum crypto_status status)
{
	crypto_wipe(out, KEYFILE_MAX_SIZE);
	*size = 0;
	return status;
}

enum crypto_status keyfile_encode(const struct key *key, uint8_t out[KEYFILE_MAX_SIZE], size_t *size)
{
	enum crypto_status status = CRYPTO_BAD_ARGUMENT;
	size_t length = key->kind == KEY_PUBLIC ? key->info->public_size : key->info->secret_size;
	if (key->kind == KEY_PUBLIC)
		status = key_check_public(key->info, key->bytes);
	else if (key->kind == KEY_SECRET)
		status = key_check_secret(key->info, key->bytes);
	if (status)
		return give_up(out, size, status);
	write_header(out, key_magic, key->kind, key->info);
	memcpy(out + KEYFILE_HEADER_SIZE, key->bytes, length);
	append_check(out, size, KEYFILE_HEADER_SIZE + length);
	return CRYPTO_OK;
}

/* What the libraries leave of the derived key in stack frames that have returned. */
static __attribute__((noinline)) void wipe_dead_stack(void)
{
	uint8_t dead[4096];
	crypto_wipe(dead, sizeof dead);
}

enum crypto_status passphrase_key(uint8_t out[AEAD_KEY_SIZE], const struct argon2id_cost *cost,
                                  const uint8_t salt[KEYFILE_SALT_SIZE], const void *passphrase,
                                  size_t passphrase_size)
{
	if (!cost_allowed(cost))
		return CRYPTO_BAD_ARGUMENT;
	enum crypto_status status = argon2id(out, AEAD_KEY_SIZE, cost, passphrase, passphrase_size, salt,
	                                     KEYFILE_SALT_SIZE, NULL, 0, NULL, 0);
	wipe_dead_stack();
	return status;
}

enum crypto_status keyfile_encode_protected(const struct key *key, const struct key_protection *protection,
                                            const void *passphrase, size_t passphrase_size,
                                            uint8_t out[KEYFILE_MAX_SIZE], size_t *size)
{
	uint8_t wrapping[AEAD_KEY_SIZE];
	if (key->kind != KEY_SECRET || !cost_allowed(&protection->cost))
		return give_up(out, size, CRYPTO_BAD_ARGUMENT);
	enum crypto_status status = key_check_secret(key->info, key->bytes);
	if (status == CRYPTO_OK)
		status = passphrase_key(wrapping, &protection->cost, protection->salt, passphrase,
		                        passphrase_size);
	if (status)
		return give_up(out, size, status);
	write_header(out, key_magic, KEY_PROTECTED, key->info);
	uint8_t *at = out + KEYFILE_HEADER_SIZE;
	store_le32(at, protection->cost.memory_kib);
	store_le32(at + 4, protection->cost.passes);
	store_le32(at + 8, protection->cost.lanes);
	memcpy(at + 12, protection->salt, KEYFILE_SALT_SIZE);
	memcpy(at + 12 + KEYFILE_SALT_SIZE, protection->nonce, KEYFILE_NONCE_SIZE);
	at += KEYFILE_PROTECTION_SIZE;
	size_t length = key->info->secret_size;
	status = aead_encrypt(AEAD_XCHACHA20_POLY1305, wrapping, protection->nonce, KEYFILE_NONCE_SIZE, out,
	                      (size_t)(at - out), key->bytes, length, at, at + length);
	crypto_wipe(wrapping, sizeof wrapping);
	wipe_dead_stack();
	if (status)
		return give_up(out, size, status);
	append_check(out, size, (size_t)(at - out) + length + AEAD_TAG_SIZE);
	return CRYPTO_OK;
}

/* What both readers do: everything but the key itself, whose bytes start at `body`. */
static enum crypto_status decode_frame(struct key *key, const uint8_t *in, size_t size,
                                       struct key_protection *protection, size_t *body)
{
	enum crypto_status status = read_header(in, size, key_magic, &key->info);
	if (status)
		return status;
	size_t length;
	*body = KEYFILE_HEADER_SIZE;
	switch (in[9]) {
	case KEY_PUBLIC:
		length = key->info->public_size;
		break;
	case KEY_SECRET:
		length = key->info->secret_size;
		break;
	case KEY_PROTECTED:
		length = key->info->secret_size + AEAD_TAG_SIZE;
		*body += KEYFILE_PROTECTION_SIZE;
		break;
	default:
		return CRYPTO_BAD_ENCODING;
	}
	key->kind = (enum key_kind)in[9];
	if (size != *body + length + KEYFILE_CHECK_SIZE)
		return CRYPTO_BAD_LENGTH;
	uint8_t digest[SHA3_256_SIZE];
	sha3_256_hash(digest, in, *body + length);
	if (!crypto_equal(digest, in + *body + length, KEYFILE_CHECK_SIZE))
		return CRYPTO_BAD_ENCODING;
	if (key->kind != KEY_PROTECTED)
		return CRYPTO_OK;
	const uint8_t *at = in + KEYFILE_HEADER_SIZE;
	protection->cost.memory_kib = load_le32(at);
	protection->cost.passes = load_le32(at + 4);
	protection->cost.lanes = load_le32(at + 8);
	memcpy(protection->salt, at + 12, KEYFILE_SALT_SIZE);
	memcpy(protection->nonce, at + 12 + KEYFILE_SALT_SIZE, KEYFILE_NONCE_SIZE);
	return cost_allowed(&protection->cost) ? CRYPTO_OK : CRYPTO_BAD_ARGUMENT;
}

enum crypto_status keyfile_decode(struct key *key, const uint8_t *in, size_t size)
{
	struct key_protection protection;
	size_t body;
	memset(key, 0, sizeof *key);
	enum crypto_status status = decode_frame(key, in, size, &protection, &body);
	if (status == CRYPTO_OK && key->kind == KEY_PUBLIC) {
		memcpy(key->bytes, in + body, key->info->public_size);
		status = key_check_public(key->info, key->bytes);
	} else if (status == CRYPTO_OK && key->kind == KEY_SECRET) {
		memcpy(key->bytes, in + body, key->info->secret_size);
		status = key_check_secret(key->info, key->bytes);
	}
	if (status)
		crypto_wipe(key, sizeof *key);
	return status;
}

enum crypto_status keyfile_unlock(struct key *key, const uint8_t *in, size_t size, const void *passphrase,
                                  size_t passphrase_size, struct key_protection *protection)
{
	struct key_protection found = {0};
	uint8_t wrapping[AEAD_KEY_SIZE];
	size_t body;
	memset(key, 0, sizeof *key);
	enum crypto_status status = decode_frame(key, in, size, &found, &body);
	if (status == CRYPTO_OK && key->kind != KEY_PROTECTED)
		status = CRYPTO_BAD_ARGUMENT;
	if (status == CRYPTO_OK)
		status = passphrase_key(wrapping, &found.cost, found.salt, passphrase, passphrase_size);
	if (status == CRYPTO_OK) {
		size_t length = key->info->secret_size;
		status = aead_decrypt(AEAD_XCHACHA20_POLY1305, wrapping, found.nonce, KEYFILE_NONCE_SIZE, in,
		                      body, in + body, length, in + body + length, key->bytes);
		crypto_wipe(wrapping, sizeof wrapping);
		wipe_dead_stack();
		if (status)
			status = CRYPTO_BAD_PASSPHRASE;
		else
			status = key_check_secret(key->info, key->bytes);
		key->kind = KEY_SECRET;
	}
	if (status) {
		crypto_wipe(key, sizeof *key);
		memset(&found, 0, sizeof found);
	}
	if (protection)
		*protection = found;
	return status;
}

void sigfile_encode_header(const struct key_algorithm_info *info, int form, const uint8_t key_id[KEY_ID_SIZE],
                           uint8_t out[SIGFILE_HEADER_SIZE])
{
	write_header(out, signature_magic, (unsigned)(form + 1), info);
	memcpy(out + KEYFILE_HEADER_SIZE, key_id, KEY_ID_SIZE);
}

enum crypto_status sigfile_decode(struct signature_file *file, const uint8_t *in, size_t size)
{
	memset(file, 0, sizeof *file);
	enum crypto_status status = read_header(in, size, signature_magic, &file->info);
	if (status == CRYPTO_OK && file->info->use != KEY_SIGNS)
		status = CRYPTO_BAD_ENCODING;
	if (status == CRYPTO_OK && in[9] > (key_takes_prehash(file->info) ? PREHASH_COUNT : 0))
		status = CRYPTO_BAD_ENCODING;
	if (status == CRYPTO_OK && size != SIGFILE_HEADER_SIZE + (size_t)file->info->output_size)
		status = CRYPTO_BAD_LENGTH;
	if (status) {
		memset(file, 0, sizeof *file);
		return status;
	}
	file->form = (int)in[9] - 1;
	memcpy(file->key_id, in + KEYFILE_HEADER_SIZE, KEY_ID_SIZE);
	file->signature = in + SIGFILE_HEADER_SIZE;
	return CRYPTO_OK;
}
