/* The pre-hash functions' identifiers, digest sizes and one-shot computation. */
#include "prehash.h"
#include "sha2.h"
#include "sha3.h"

/* Last arc of 2.16.840.1.101.3.4.2.x (NIST's hash algorithms) and the digest's size, by enum prehash. */
static const struct {
	uint8_t arc;
	uint8_t digest_size;
} functions[PREHASH_COUNT] = {
    [PREHASH_SHA2_224] = {4, SHA224_SIZE},
    [PREHASH_SHA2_256] = {1, SHA256_SIZE},
    [PREHASH_SHA2_384] = {2, SHA384_SIZE},
    [PREHASH_SHA2_512] = {3, SHA512_SIZE},
    [PREHASH_SHA2_512_224] = {5, SHA512_224_SIZE},
    [PREHASH_SHA2_512_256] = {6, SHA512_256_SIZE},
    [PREHASH_SHA3_224] = {7, SHA3_224_SIZE},
    [PREHASH_SHA3_256] = {8, SHA3_256_SIZE},
    [PREHASH_SHA3_384] = {9, SHA3_384_SIZE},
    [PREHASH_SHA3_512] = {10, SHA3_512_SIZE},
    [PREHASH_SHAKE_128] = {11, 32},
    [PREHASH_SHAKE_256] = {12, 64},
};

size_t prehash_digest_size(enum prehash hash)
{
	return (unsigned)hash < PREHASH_COUNT ? functions[hash].digest_size : 0;
}

enum crypto_status prehash_oid(enum prehash hash, uint8_t oid[PREHASH_OID_SIZE])
{
	static const uint8_t prefix[PREHASH_OID_SIZE - 1] = {0x06, 0x09, 0x60, 0x86, 0x48,
	                                                     0x01, 0x65, 0x03, 0x04, 0x02};
	memset(oid, 0, PREHASH_OID_SIZE);
	if ((unsigned)hash >= PREHASH_COUNT)
		return CRYPTO_BAD_ARGUMENT;
	memcpy(oid, prefix, sizeof prefix);
	oid[sizeof prefix] = functions[hash].arc;
	return CRYPTO_OK;
}

enum crypto_status prehash_message(enum prehash hash, const void *message, size_t size,
                                   uint8_t digest[PREHASH_MAX_DIGEST_SIZE])
{
	switch (hash) {
	case PREHASH_SHA2_224:
		sha224_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA2_256:
		sha256_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA2_384:
		sha384_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA2_512:
		sha512_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA2_512_224:
		sha512_224_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA2_512_256:
		sha512_256_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA3_224:
		sha3_224_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA3_256:
		sha3_256_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA3_384:
		sha3_384_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHA3_512:
		sha3_512_hash(digest, message, size);
		return CRYPTO_OK;
	case PREHASH_SHAKE_128:
		shake128_hash(digest, functions[hash].digest_size, message, size);
		return CRYPTO_OK;
	case PREHASH_SHAKE_256:
		shake256_hash(digest, functions[hash].digest_size, message, size);
		return CRYPTO_OK;
	}
	return CRYPTO_BAD_ARGUMENT;
}
