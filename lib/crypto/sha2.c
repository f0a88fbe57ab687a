/*
 * SHA-2: buffering, padding and starting values (FIPS 180-4 section 5). The work is in sha2_blocks.c.
 */
#include "sha2.h"

static const uint32_t sha224_start[8] = {
    0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4,
};
static const uint32_t sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint64_t sha384_start[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};
static const uint64_t sha512_start[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint64_t sha512_224_start[8] = {
    0x8c3d37c819544da2, 0x73e1996689dcd4d6, 0x1dfab7ae32ff9c82, 0x679dd514582f9fcf,
    0x0f6d2b697bd44da8, 0x77e36f7304c48942, 0x3f9d85a86a1d36c8, 0x1112e6ad91d692a1,
};
static const uint64_t sha512_256_start[8] = {
    0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151, 0x963877195940eabd,
    0x96283ee2a88effe3, 0xbe5e1e2553863992, 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2,
};

static void sha256_start_at(struct sha256 *hash, const uint32_t start[8], unsigned digest_size)
{
	memset(hash, 0, sizeof *hash);
	memcpy(hash->state, start, sizeof hash->state);
	hash->digest_size = digest_size;
}

static void sha512_start_at(struct sha512 *hash, const uint64_t start[8], unsigned digest_size)
{
	memset(hash, 0, sizeof *hash);
	memcpy(hash->state, start, sizeof hash->state);
	hash->digest_size = digest_size;
}

void sha224_init(struct sha256 *hash)
{
	sha256_start_at(hash, sha224_start, SHA224_SIZE);
}

void sha256_init(struct sha256 *hash)
{
	sha256_start_at(hash, sha256_start, SHA256_SIZE);
}

void sha384_init(struct sha512 *hash)
{
	sha512_start_at(hash, sha384_start, SHA384_SIZE);
}

void sha512_init(struct sha512 *hash)
{
	sha512_start_at(hash, sha512_start, SHA512_SIZE);
}

void sha512_224_init(struct sha512 *hash)
{
	sha512_start_at(hash, sha512_224_start, SHA512_224_SIZE);
}

void sha512_256_init(struct sha512 *hash)
{
	sha512_start_at(hash, sha512_256_start, SHA512_256_SIZE);
}

void sha256_update(struct sha256 *hash, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t used = hash->length % SHA256_BLOCK;
	if (length == 0)
		return;
	hash->length += length;
	if (used > 0) {
		size_t room = SHA256_BLOCK - used, part = length < room ? length : room;
		memcpy(hash->buffer + used, bytes, part);
		if (part < room)
			return;
		sha256_blocks(hash->state, hash->buffer, 1);
		bytes += part;
		length -= part;
	}
	sha256_blocks(hash->state, bytes, length / SHA256_BLOCK);
	memcpy(hash->buffer, bytes + length / SHA256_BLOCK * SHA256_BLOCK, length % SHA256_BLOCK);
}

void sha512_update(struct sha512 *hash, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t used = hash->length % SHA512_BLOCK;
	if (length == 0)
		return;
	hash->length += length;
	if (used > 0) {
		size_t room = SHA512_BLOCK - used, part = length < room ? length : room;
		memcpy(hash->buffer + used, bytes, part);
		if (part < room)
			return;
		sha512_blocks(hash->state, hash->buffer, 1);
		bytes += part;
		length -= part;
	}
	sha512_blocks(hash->state, bytes, length / SHA512_BLOCK);
	memcpy(hash->buffer, bytes + length / SHA512_BLOCK * SHA512_BLOCK, length % SHA512_BLOCK);
}

void sha256_final(struct sha256 *hash, uint8_t *digest)
{
	size_t used = hash->length % SHA256_BLOCK;
	uint8_t words[SHA256_SIZE];
	hash->buffer[used++] = 0x80;
	if (used > SHA256_BLOCK - 8) {
		memset(hash->buffer + used, 0, SHA256_BLOCK - used);
		sha256_blocks(hash->state, hash->buffer, 1);
		used = 0;
	}
	memset(hash->buffer + used, 0, SHA256_BLOCK - 8 - used);
	store_be64(hash->buffer + SHA256_BLOCK - 8, (hash->length & UINT64_MAX >> 3) << 3);
	sha256_blocks(hash->state, hash->buffer, 1);
	for (unsigned i = 0; i < 8; i++)
		store_be32(words + 4 * i, hash->state[i]);
	memcpy(digest, words, hash->digest_size);
	crypto_wipe(words, sizeof words);
	crypto_wipe(hash, sizeof *hash);
}

void sha512_final(struct sha512 *hash, uint8_t *digest)
{
	size_t used = hash->length % SHA512_BLOCK;
	uint8_t words[SHA512_SIZE];
	hash->buffer[used++] = 0x80;
	if (used > SHA512_BLOCK - 16) {
		memset(hash->buffer + used, 0, SHA512_BLOCK - used);
		sha512_blocks(hash->state, hash->buffer, 1);
		used = 0;
	}
	memset(hash->buffer + used, 0, SHA512_BLOCK - 16 - used);
	store_be64(hash->buffer + SHA512_BLOCK - 16, hash->length >> 61);
	store_be64(hash->buffer + SHA512_BLOCK - 8, (hash->length & UINT64_MAX >> 3) << 3);
	sha512_blocks(hash->state, hash->buffer, 1);
	for (unsigned i = 0; i < 8; i++)
		store_be64(words + 8 * i, hash->state[i]);
	memcpy(digest, words, hash->digest_size);
	crypto_wipe(words, sizeof words);
	crypto_wipe(hash, sizeof *hash);
}

void sha256_hash(uint8_t digest[SHA256_SIZE], const void *data, size_t length)
{
	struct sha256 hash;
	sha256_init(&hash);
	sha256_update(&hash, data, length);
	sha256_final(&hash, digest);
}

void sha512_hash(uint8_t digest[SHA512_SIZE], const void *data, size_t length)
{
	struct sha512 hash;
	sha512_init(&hash);
	sha512_update(&hash, data, length);
	sha512_final(&hash, digest);
}
