/* The table of pre-hash functions. */
#include "prehash.h"
#include "sha2.h"
#include "sha3.h"

static void shake128_256_hash(uint8_t *digest, const void *message, size_t length)
{
	shake128_hash(digest, 32, message, length);
}

static void shake256_512_hash(uint8_t *digest, const void *message, size_t length)
{
	shake256_hash(digest, 64, message, length);
}

static const struct {
	const char *name;
	void (*hash)(uint8_t *digest, const void *message, size_t length);
	uint8_t size;
	uint8_t last_arc; /* of 2.16.840.1.101.3.4.2.x */
} functions[PREHASH_COUNT] = {
    [PREHASH_SHA2_224] = {"SHA2-224", sha224_hash, 28, 4},
    [PREHASH_SHA2_256] = {"SHA2-256", sha256_hash, 32, 1},
    [PREHASH_SHA2_384] = {"SHA2-384", sha384_hash, 48, 2},
    [PREHASH_SHA2_512] = {"SHA2-512", sha512_hash, 64, 3},
    [PREHASH_SHA2_512_224] = {"SHA2-512/224", sha512_224_hash, 28, 5},
    [PREHASH_SHA2_512_256] = {"SHA2-512/256", sha512_256_hash, 32, 6},
    [PREHASH_SHA3_224] = {"SHA3-224", sha3_224_hash, 28, 7},
    [PREHASH_SHA3_256] = {"SHA3-256", sha3_256_hash, 32, 8},
    [PREHASH_SHA3_384] = {"SHA3-384", sha3_384_hash, 48, 9},
    [PREHASH_SHA3_512] = {"SHA3-512", sha3_512_hash, 64, 10},
    [PREHASH_SHAKE_128] = {"SHAKE-128", shake128_256_hash, 32, 11},
    [PREHASH_SHAKE_256] = {"SHAKE-256", shake256_512_hash, 64, 12},
};

static bool known(enum prehash hash)
{
	return (unsigned)hash < PREHASH_COUNT;
}

size_t prehash_digest_size(enum prehash hash)
{
	return known(hash) ? functions[hash].size : 0;
}

const char *prehash_name(enum prehash hash)
{
	return known(hash) ? functions[hash].name : NULL;
}

enum crypto_status prehash_oid(enum prehash hash, uint8_t oid[PREHASH_OID_SIZE])
{
	static const uint8_t stem[PREHASH_OID_SIZE] = {0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
	                                               0x65, 0x03, 0x04, 0x02, 0};
	if (!known(hash)) {
		memset(oid, 0, PREHASH_OID_SIZE);
		return CRYPTO_BAD_ARGUMENT;
	}
	memcpy(oid, stem, PREHASH_OID_SIZE);
	oid[PREHASH_OID_SIZE - 1] = functions[hash].last_arc;
	return CRYPTO_OK;
}

enum crypto_status prehash_message(enum prehash hash, const void *message, size_t size,
                                   uint8_t digest[PREHASH_MAX_DIGEST_SIZE])
{
	memset(digest, 0, PREHASH_MAX_DIGEST_SIZE);
	if (!known(hash))
		return CRYPTO_BAD_ARGUMENT;
	functions[hash].hash(digest, message, size);
	return CRYPTO_OK;
}
