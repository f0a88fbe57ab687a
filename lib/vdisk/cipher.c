/*
 * Sealing blocks. Every block, data or map, is sealed once under a key of its own, which nothing but the
 * entry that points to it can give back:
 *
 *   key = HChaCha20(volume key, secret), secret = 16 bytes that no one can predict, kept in the entry
 *   AES-256-GCM under that key with the block's place as nonce, or ChaCha20-Poly1305 (together this is
 * XChaCha20-Poly1305 with the nonce secret || place)
 *
 * A key is used for one block, so nonces cannot repeat, whatever copy of a disk is put back. Secrets come
 * from a generator that is seeded with 32 fresh random bytes at every open and overwrites its own key as it
 * goes (fast key erasure).
 */
#include <sodium.h>
#include "gcm.h"
#include "internal.h"

#define POOL_SECRETS (sizeof(((struct vdisk *)0)->pool) / SECRET_SIZE)

int cipher_init(struct vdisk *disk, enum vdisk_cipher wanted)
{
	if (sodium_init() < 0)
		return VDISK_NO_MEMORY;
	disk->has_aes = crypto_aead_aes256gcm_is_available();
	disk->has_gcm = gcm_is_available();
	if (wanted == VDISK_CIPHER_AUTO)
		wanted = disk->has_aes ? VDISK_CIPHER_AES_256_GCM : VDISK_CIPHER_XCHACHA20_POLY1305;
	disk->cipher = wanted;
	return cipher_reseed(disk);
}

int cipher_reseed(struct vdisk *disk)
{
	disk->pool_left = 0;
	return disk->random(disk->pool_key, sizeof(disk->pool_key)) < 0 ? VDISK_IO : VDISK_OK;
}

void cipher_secret(struct vdisk *disk, uint8_t secret[SECRET_SIZE])
{
	if (!disk->pool_left) {
		static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
		uint8_t stream[sizeof(disk->pool) + VDISK_KEY_SIZE];
		crypto_stream_chacha20(stream, sizeof(stream), nonce, disk->pool_key);
		memcpy(disk->pool_key, stream, VDISK_KEY_SIZE);
		memcpy(disk->pool, stream + VDISK_KEY_SIZE, sizeof(disk->pool));
		sodium_memzero(stream, sizeof(stream));
		disk->pool_left = POOL_SECRETS;
	}
	uint8_t *next = disk->pool + --disk->pool_left * SECRET_SIZE;
	memcpy(secret, next, SECRET_SIZE);
	memset(next, 0, SECRET_SIZE);
}

struct associated {
	uint8_t id[VDISK_ID_SIZE];
	uint64_t kind, key;
};
_Static_assert(sizeof(struct associated) == 32, "gcm.h takes so many bytes");

static struct associated associate(const struct vdisk *disk, enum block_kind kind, uint64_t key)
{
	struct associated data = {.kind = kind, .key = key};
	memcpy(data.id, disk->id, sizeof(data.id));
	return data;
}

/* HChaCha20 (draft-irtf-cfrg-xchacha, 2.2) on the rows of its state, four words at once. */
typedef uint32_t row __attribute__((vector_size(16)));

static row rotate(row words, unsigned bits)
{
	return words << bits | words >> (32 - bits);
}

static void quarter_rounds(row s[4])
{
	s[0] += s[1], s[3] = rotate(s[3] ^ s[0], 16);
	s[2] += s[3], s[1] = rotate(s[1] ^ s[2], 12);
	s[0] += s[1], s[3] = rotate(s[3] ^ s[0], 8);
	s[2] += s[3], s[1] = rotate(s[1] ^ s[2], 7);
}

void cipher_hchacha20(uint8_t out[VDISK_KEY_SIZE], const uint8_t in[SECRET_SIZE],
                      const uint8_t key[VDISK_KEY_SIZE])
{
	row s[4];
	memcpy(&s[0], "expand 32-byte k", sizeof(row));
	memcpy(&s[1], key, 2 * sizeof(row));
	memcpy(&s[3], in, sizeof(row));
	for (unsigned i = 0; i < 10; i++) {
		quarter_rounds(s);
		s[1] = __builtin_shufflevector(s[1], s[1], 1, 2, 3, 0);
		s[2] = __builtin_shufflevector(s[2], s[2], 2, 3, 0, 1);
		s[3] = __builtin_shufflevector(s[3], s[3], 3, 0, 1, 2);
		quarter_rounds(s);
		s[1] = __builtin_shufflevector(s[1], s[1], 3, 0, 1, 2);
		s[2] = __builtin_shufflevector(s[2], s[2], 2, 3, 0, 1);
		s[3] = __builtin_shufflevector(s[3], s[3], 1, 2, 3, 0);
	}
	memcpy(out, &s[0], sizeof(row));
	memcpy(out + sizeof(row), &s[3], sizeof(row));
}

static void block_key(const struct vdisk *disk, const struct entry *entry, uint8_t key[VDISK_KEY_SIZE])
{
	cipher_hchacha20(key, entry->secret, disk->volume_keys[entry->place & KEY_BIT ? 1 : 0]);
}

static void block_nonce(const struct entry *entry, uint8_t nonce[12])
{
	uint64_t place = entry->place & PLACE_MASK;
	memset(nonce, 0, 4);
	memcpy(nonce + 4, &place, 8);
}

static void seal(const struct vdisk *disk, const uint8_t *key, const uint8_t *nonce,
                 const struct associated *data, const void *in, size_t bytes, void *out, uint8_t *tag)
{
	if (disk->cipher == VDISK_CIPHER_AES_256_GCM && disk->has_gcm) {
		gcm_seal(key, nonce, (const uint8_t *)data, in, bytes, out, tag);
	} else if (disk->cipher == VDISK_CIPHER_AES_256_GCM) {
		crypto_aead_aes256gcm_state state;
		crypto_aead_aes256gcm_beforenm(&state, key);
		crypto_aead_aes256gcm_encrypt_detached_afternm(
		    out, tag, NULL, in, bytes, (const uint8_t *)data, sizeof(*data), NULL, nonce,
		    (const crypto_aead_aes256gcm_state *)&state);
		sodium_memzero(&state, sizeof(state));
	} else {
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(
		    out, tag, NULL, in, bytes, (const uint8_t *)data, sizeof(*data), NULL, nonce, key);
	}
}

static bool open_sealed(const struct vdisk *disk, const uint8_t *key, const uint8_t *nonce,
                        const struct associated *data, const void *in, size_t bytes, const uint8_t *tag,
                        void *out)
{
	if (disk->cipher == VDISK_CIPHER_AES_256_GCM && disk->has_gcm)
		return gcm_open(key, nonce, (const uint8_t *)data, in, bytes, tag, out);
	if (disk->cipher == VDISK_CIPHER_AES_256_GCM) {
		crypto_aead_aes256gcm_state state;
		crypto_aead_aes256gcm_beforenm(&state, key);
		int result = crypto_aead_aes256gcm_decrypt_detached_afternm(
		    out, NULL, in, bytes, tag, (const uint8_t *)data, sizeof(*data), nonce,
		    (const crypto_aead_aes256gcm_state *)&state);
		sodium_memzero(&state, sizeof(state));
		return result == 0;
	}
	return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
	           out, NULL, in, bytes, tag, (const uint8_t *)data, sizeof(*data), nonce, key) == 0;
}

void cipher_seal(struct vdisk *disk, struct entry *entry, enum block_kind kind, uint64_t key, const void *in,
                 void *out)
{
	uint8_t block[VDISK_KEY_SIZE];
	uint8_t nonce[12];
	struct associated data = associate(disk, kind, key);
	cipher_secret(disk, entry->secret);
	entry->place = (entry->place & PLACE_MASK) | (disk->key_number ? KEY_BIT : 0);
	block_key(disk, entry, block);
	block_nonce(entry, nonce);
	seal(disk, block, nonce, &data, in, VDISK_BLOCK, out, entry->tag);
	sodium_memzero(block, sizeof(block));
}

bool cipher_open(struct vdisk *disk, const struct entry *entry, enum block_kind kind, uint64_t key,
                 const void *in, void *out)
{
	uint8_t block[VDISK_KEY_SIZE];
	uint8_t nonce[12];
	struct associated data = associate(disk, kind, key);
	block_key(disk, entry, block);
	block_nonce(entry, nonce);
	bool good = open_sealed(disk, block, nonce, &data, in, VDISK_BLOCK, entry->tag, out);
	if (!good && SEEDED(BUG_TAG_NOT_CHECKED)) {
		memcpy(out, in, VDISK_BLOCK);
		good = true;
	}
	sodium_memzero(block, sizeof(block));
	return good;
}

void cipher_seal_log(struct vdisk *disk, uint64_t sequence, const void *in, void *out)
{
	uint8_t nonce[12] = {0};
	struct associated data = associate(disk, KIND_LOG, sequence);
	memcpy(nonce + 4, &sequence, 8);
	seal(disk, disk->log_key, nonce, &data, in, VDISK_BLOCK - TAG_SIZE, (uint8_t *)out + TAG_SIZE, out);
}

bool cipher_open_log(struct vdisk *disk, uint64_t sequence, const void *in, void *out)
{
	uint8_t nonce[12] = {0};
	struct associated data = associate(disk, KIND_LOG, sequence);
	memcpy(nonce + 4, &sequence, 8);
	return open_sealed(disk, disk->log_key, nonce, &data, (const uint8_t *)in + TAG_SIZE,
	                   VDISK_BLOCK - TAG_SIZE, in, out);
}
