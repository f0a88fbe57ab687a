/* Boxes for several keys or a passphrase. See shared_box.h for the format. */
#include "shared_box.h"
#include "hkdf.h"
#include "keyfile.h"
#include "sha3.h"

static const uint8_t prefix[9] = {'H', 'o', 'l', 'o', 'n', 'B', 'o', 'x', 2};
static const char label[] = "Holon sealed box v2: HKDF-SHA512, ChaCha20-Poly1305, 65536";
static const char wrap_label[] =
    "Holon sealed box v2, a key's opener: X-Wing, HKDF-SHA512, ChaCha20-Poly1305";
static const uint8_t no_nonce[12];

static size_t size_of(unsigned kind, size_t count)
{
	size_t opener = kind == SHARED_BOX_KEYS ? SHARED_BOX_KEY_SIZE : SHARED_BOX_PASSPHRASE_SIZE;
	return SHARED_BOX_FIXED_SIZE + count * opener + SEALED_BOX_COMMIT_SIZE;
}

size_t shared_box_header_size(const uint8_t fixed[SHARED_BOX_FIXED_SIZE])
{
	unsigned kind = fixed[9], count = fixed[10];
	if (memcmp(fixed, prefix, sizeof prefix) != 0)
		return 0;
	if (kind == SHARED_BOX_KEYS ? !count || count > SHARED_BOX_OPENERS_MAX
	                            : kind != SHARED_BOX_PASSPHRASE || count != 1)
		return 0;
	return size_of(kind, count);
}

enum shared_box_kind shared_box_kind(const uint8_t fixed[SHARED_BOX_FIXED_SIZE])
{
	return (enum shared_box_kind)fixed[9];
}

/* Derives the body's key, and the commitment, from the box's secret. */
static enum crypto_status derive(struct sealed_box *box, uint8_t commitment[SEALED_BOX_COMMIT_SIZE],
                                 const uint8_t secret[SHARED_BOX_SECRET_SIZE], const uint8_t *header,
                                 size_t header_size, const void *context, size_t context_size)
{
	uint8_t length[8], info[SHA3_256_SIZE], keys[AEAD_KEY_SIZE + SEALED_BOX_COMMIT_SIZE];
	struct sha3 hash;
	store_le64(length, context_size);
	sha3_256_init(&hash);
	sha3_update(&hash, header, header_size - SEALED_BOX_COMMIT_SIZE);
	sha3_update(&hash, length, sizeof length);
	sha3_update(&hash, context, context_size);
	sha3_final(&hash, info);
	enum crypto_status status = hkdf(&hash_functions[PREHASH_SHA2_512], keys, sizeof keys, label,
	                                 sizeof label, secret, SHARED_BOX_SECRET_SIZE, info, sizeof info);
	memcpy(box->key, keys, AEAD_KEY_SIZE);
	memcpy(commitment, keys + AEAD_KEY_SIZE, SEALED_BOX_COMMIT_SIZE);
	crypto_wipe(keys, sizeof keys);
	box->chunk = 0;
	box->open = status == CRYPTO_OK;
	return status;
}

/* The key that wraps the box's secret for the holder of PK. */
static enum crypto_status wrapping_key(uint8_t out[AEAD_KEY_SIZE],
                                       const uint8_t shared[HYBRID_KEM_SHARED_SIZE], const uint8_t *ct,
                                       const uint8_t *pk)
{
	uint8_t info[SHA3_256_SIZE];
	struct sha3 hash;
	sha3_256_init(&hash);
	sha3_update(&hash, ct, HYBRID_KEM_CT_SIZE);
	sha3_update(&hash, pk, HYBRID_KEM_PK_SIZE);
	sha3_final(&hash, info);
	return hkdf(&hash_functions[PREHASH_SHA2_512], out, AEAD_KEY_SIZE, wrap_label, sizeof wrap_label,
	            shared, HYBRID_KEM_SHARED_SIZE, info, sizeof info);
}

static enum crypto_status wrap(uint8_t out[SHARED_BOX_WRAPPED_SIZE], const uint8_t key[AEAD_KEY_SIZE],
                               const uint8_t secret[SHARED_BOX_SECRET_SIZE])
{
	return aead_encrypt(AEAD_CHACHA20_POLY1305, key, no_nonce, sizeof no_nonce, NULL, 0, secret,
	                    SHARED_BOX_SECRET_SIZE, out, out + SHARED_BOX_SECRET_SIZE);
}

static enum crypto_status unwrap(uint8_t secret[SHARED_BOX_SECRET_SIZE], const uint8_t key[AEAD_KEY_SIZE],
                                 const uint8_t wrapped[SHARED_BOX_WRAPPED_SIZE])
{
	return aead_decrypt(AEAD_CHACHA20_POLY1305, key, no_nonce, sizeof no_nonce, NULL, 0, wrapped,
	                    SHARED_BOX_SECRET_SIZE, wrapped + SHARED_BOX_SECRET_SIZE, secret);
}

static uint8_t *begin(uint8_t *header, enum shared_box_kind kind, size_t count)
{
	memcpy(header, prefix, sizeof prefix);
	header[9] = (uint8_t)kind;
	header[10] = (uint8_t)count;
	return header + SHARED_BOX_FIXED_SIZE;
}

/* Ends a header whose openers are written, or wipes what there is of it. */
static enum crypto_status finish(struct sealed_box *box, enum crypto_status status, const uint8_t *secret,
                                 const void *context, size_t context_size, uint8_t *header, size_t *size)
{
	if (status == CRYPTO_OK)
		status = derive(box, header + *size - SEALED_BOX_COMMIT_SIZE, secret, header, *size, context,
		                context_size);
	if (status) {
		crypto_wipe(header, SHARED_BOX_HEADER_MAX);
		crypto_wipe(box, sizeof *box);
		*size = 0;
	}
	return status;
}

enum crypto_status shared_box_seal_keys(struct sealed_box *box, const uint8_t *const *keys, size_t count,
                                        const void *context, size_t context_size, const uint8_t *random,
                                        uint8_t header[SHARED_BOX_HEADER_MAX], size_t *header_size)
{
	uint8_t shared[HYBRID_KEM_SHARED_SIZE], key[AEAD_KEY_SIZE];
	enum crypto_status status =
	    count && count <= SHARED_BOX_OPENERS_MAX ? CRYPTO_OK : CRYPTO_BAD_ARGUMENT;
	uint8_t *at = begin(header, SHARED_BOX_KEYS, count);
	*header_size = size_of(SHARED_BOX_KEYS, count);
	for (size_t i = 0; status == CRYPTO_OK && i < count; i++, at += SHARED_BOX_KEY_SIZE) {
		status = hybrid_kem_encapsulate(keys[i], HYBRID_KEM_PK_SIZE,
		                                random + SHARED_BOX_SECRET_SIZE + i * SEALED_BOX_RANDOM_SIZE,
		                                at, shared);
		if (status == CRYPTO_OK)
			status = wrapping_key(key, shared, at, keys[i]);
		if (status == CRYPTO_OK)
			status = wrap(at + HYBRID_KEM_CT_SIZE, key, random);
	}
	crypto_wipe(shared, sizeof shared);
	crypto_wipe(key, sizeof key);
	return finish(box, status, random, context, context_size, header, header_size);
}

enum crypto_status
shared_box_seal_passphrase(struct sealed_box *box, const struct argon2id_cost *cost, const void *passphrase,
                           size_t passphrase_size, const void *context, size_t context_size,
                           const uint8_t random[SHARED_BOX_SECRET_SIZE + SHARED_BOX_SALT_SIZE],
                           uint8_t header[SHARED_BOX_HEADER_MAX], size_t *header_size)
{
	uint8_t key[AEAD_KEY_SIZE];
	uint8_t *at = begin(header, SHARED_BOX_PASSPHRASE, 1);
	*header_size = size_of(SHARED_BOX_PASSPHRASE, 1);
	store_le32(at, cost->memory_kib);
	store_le32(at + 4, cost->passes);
	store_le32(at + 8, cost->lanes);
	memcpy(at + 12, random + SHARED_BOX_SECRET_SIZE, SHARED_BOX_SALT_SIZE);
	enum crypto_status status = passphrase_key(key, cost, at + 12, passphrase, passphrase_size);
	if (status == CRYPTO_OK)
		status = wrap(at + 12 + SHARED_BOX_SALT_SIZE, key, random);
	crypto_wipe(key, sizeof key);
	return finish(box, status, random, context, context_size, header, header_size);
}

/* Ends the opening of a header: STATUS, and the SECRET if that is good. */
static enum crypto_status enter(struct sealed_box *box, enum crypto_status status,
                                uint8_t secret[SHARED_BOX_SECRET_SIZE], const void *context,
                                size_t context_size, const uint8_t *header, size_t size,
                                enum crypto_status refused)
{
	uint8_t commitment[SEALED_BOX_COMMIT_SIZE];
	if (status == CRYPTO_OK)
		status = derive(box, commitment, secret, header, size, context, context_size);
	if (status == CRYPTO_OK &&
	    !crypto_equal(commitment, header + size - SEALED_BOX_COMMIT_SIZE, SEALED_BOX_COMMIT_SIZE))
		status = refused;
	crypto_wipe(secret, SHARED_BOX_SECRET_SIZE);
	crypto_wipe(commitment, sizeof commitment);
	if (status)
		crypto_wipe(box, sizeof *box);
	return status;
}

/* Whether a header is whole, and of KIND. */
static enum crypto_status check_header(const uint8_t *header, size_t size, enum shared_box_kind kind)
{
	if (size < SHARED_BOX_FIXED_SIZE)
		return CRYPTO_BAD_LENGTH;
	size_t wanted = shared_box_header_size(header);
	if (!wanted || shared_box_kind(header) != kind)
		return CRYPTO_BAD_ENCODING;
	return size == wanted ? CRYPTO_OK : CRYPTO_BAD_LENGTH;
}

enum crypto_status shared_box_open_key(struct sealed_box *box, const struct hybrid_kem_key *own,
                                       const void *context, size_t context_size, const uint8_t *header,
                                       size_t header_size)
{
	uint8_t shared[HYBRID_KEM_SHARED_SIZE], key[AEAD_KEY_SIZE], secret[SHARED_BOX_SECRET_SIZE] = {0};
	enum crypto_status status = check_header(header, header_size, SHARED_BOX_KEYS);
	size_t count = status == CRYPTO_OK ? header[10] : 0;
	if (count)
		status = CRYPTO_BAD_CIPHERTEXT;
	for (size_t i = 0; i < count && status == CRYPTO_BAD_CIPHERTEXT; i++) {
		const uint8_t *at = header + SHARED_BOX_FIXED_SIZE + i * SHARED_BOX_KEY_SIZE;
		status = hybrid_kem_decapsulate(own, at, HYBRID_KEM_CT_SIZE, shared);
		if (status == CRYPTO_OK)
			status = wrapping_key(key, shared, at, own->pk);
		if (status == CRYPTO_OK)
			status = unwrap(secret, key, at + HYBRID_KEM_CT_SIZE);
	}
	crypto_wipe(shared, sizeof shared);
	crypto_wipe(key, sizeof key);
	if (status == CRYPTO_BAD_CIPHERTEXT)
		status = CRYPTO_BAD_KEY;
	return enter(box, status, secret, context, context_size, header, header_size, CRYPTO_BAD_KEY);
}

enum crypto_status shared_box_open_passphrase(struct sealed_box *box, const void *passphrase,
                                              size_t passphrase_size, const void *context,
                                              size_t context_size, const uint8_t *header, size_t header_size)
{
	uint8_t key[AEAD_KEY_SIZE], secret[SHARED_BOX_SECRET_SIZE] = {0};
	const uint8_t *at = header + SHARED_BOX_FIXED_SIZE;
	enum crypto_status status = check_header(header, header_size, SHARED_BOX_PASSPHRASE);
	if (status == CRYPTO_OK) {
		struct argon2id_cost cost = {load_le32(at), load_le32(at + 4), load_le32(at + 8)};
		status = passphrase_key(key, &cost, at + 12, passphrase, passphrase_size);
	}
	if (status == CRYPTO_OK)
		status = unwrap(secret, key, at + 12 + SHARED_BOX_SALT_SIZE);
	crypto_wipe(key, sizeof key);
	if (status == CRYPTO_BAD_CIPHERTEXT)
		status = CRYPTO_BAD_PASSPHRASE;
	return enter(box, status, secret, context, context_size, header, header_size, CRYPTO_BAD_PASSPHRASE);
}
