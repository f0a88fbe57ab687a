/*
 * SHA-2 (FIPS 180-4): SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224 and SHA-512/256.
 *
 * Uses the SHA instructions or AVX2 where the processor has them. An object is plain data: it may be copied
 * to fork a computation. sha256_final() and sha512_final() wipe it.
 */
#ifndef CRYPTO_SHA2_H
#define CRYPTO_SHA2_H

#include "util.h"

#define SHA224_SIZE     28
#define SHA256_SIZE     32
#define SHA384_SIZE     48
#define SHA512_SIZE     64
#define SHA512_224_SIZE 28
#define SHA512_256_SIZE 32
#define SHA256_BLOCK    64
#define SHA512_BLOCK    128

struct sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes absorbed so far */
	uint32_t digest_size;
	uint8_t buffer[SHA256_BLOCK];
};

struct sha512 {
	uint64_t state[8];
	uint64_t length; /* bytes absorbed so far */
	uint32_t digest_size;
	uint8_t buffer[SHA512_BLOCK];
};

/* Start a computation. The same update and final serve all functions of a family. */
void sha224_init(struct sha256 *hash);
void sha256_init(struct sha256 *hash);
void sha384_init(struct sha512 *hash);
void sha512_init(struct sha512 *hash);
void sha512_224_init(struct sha512 *hash);
void sha512_256_init(struct sha512 *hash);

/* Add `length` bytes of message. */
void sha256_update(struct sha256 *hash, const void *data, size_t length);
void sha512_update(struct sha512 *hash, const void *data, size_t length);

/* Write the digest (its size set by init) and wipe the object. */
void sha256_final(struct sha256 *hash, uint8_t *digest);
void sha512_final(struct sha512 *hash, uint8_t *digest);

/* Whole messages at once; the other functions through hash.h. */
void sha256_hash(uint8_t digest[SHA256_SIZE], const void *data, size_t length);
void sha512_hash(uint8_t digest[SHA512_SIZE], const void *data, size_t length);

/* The compression functions: `count` whole blocks into `state`. For code that lays out its own blocks
 * (SLH-DSA). */
void sha256_blocks(uint32_t state[8], const uint8_t *blocks, size_t count);
void sha512_blocks(uint64_t state[8], const uint8_t *blocks, size_t count);

#endif
