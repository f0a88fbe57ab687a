/*
 * The hash functions that sign a digest in place of a message: HashML-DSA (FIPS 204 section 5.4) and
 * HashSLH-DSA (FIPS 205 section 10.2). Each has an object identifier that is signed together with the digest.
 * hash.h computes their digests in pieces.
 */
#ifndef CRYPTO_PREHASH_H
#define CRYPTO_PREHASH_H

#include "util.h"

enum prehash {
	PREHASH_SHA2_224,
	PREHASH_SHA2_256,
	PREHASH_SHA2_384,
	PREHASH_SHA2_512,
	PREHASH_SHA2_512_224,
	PREHASH_SHA2_512_256,
	PREHASH_SHA3_224,
	PREHASH_SHA3_256,
	PREHASH_SHA3_384,
	PREHASH_SHA3_512,
	PREHASH_SHAKE_128, /* 256 bits of output */
	PREHASH_SHAKE_256, /* 512 bits of output */
};
#define PREHASH_COUNT           12
#define PREHASH_OID_SIZE        11
#define PREHASH_MAX_DIGEST_SIZE 64

/* The digest's size in bytes; 0 for an unknown function. */
size_t prehash_digest_size(enum prehash hash);

/* "SHA2-256" and so on, as NIST's vectors name them; NULL for an unknown function. */
const char *prehash_name(enum prehash hash);

/* Writes the function's object identifier in DER. CRYPTO_BAD_ARGUMENT: unknown function. */
enum crypto_status prehash_oid(enum prehash hash, uint8_t oid[PREHASH_OID_SIZE]) CRYPTO_MUST_CHECK;

/* Hashes a whole message into `digest`, which holds prehash_digest_size() bytes. CRYPTO_BAD_ARGUMENT: unknown
 * function. */
enum crypto_status prehash_message(enum prehash hash, const void *message, size_t size,
                                   uint8_t digest[PREHASH_MAX_DIGEST_SIZE]) CRYPTO_MUST_CHECK;

#endif
