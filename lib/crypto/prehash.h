/*
 * The hash functions allowed in front of ML-DSA and SLH-DSA (FIPS 204 section 5.4.1, FIPS 205 section 10.2.2;
 * the registry of object identifiers is NIST's CSOR, 2.16.840.1.101.3.4.2).
 *
 * A pre-hash signature is as strong as the weaker of the two: choose a digest of at least twice the parameter
 * set's security level. The standards' vectors use every combination, so every combination is accepted here.
 */
#ifndef CRYPTO_PREHASH_H
#define CRYPTO_PREHASH_H

#include "util.h"

enum crypto_prehash {
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
	PREHASH_SHAKE128, /* 256 bits of output */
	PREHASH_SHAKE256, /* 512 bits of output */
	PREHASH_COUNT
};

#define PREHASH_OID_SIZE        11 /* DER, with tag and length */
#define PREHASH_MAX_DIGEST_SIZE 64

/* Digest size in bytes; 0 for a value outside the enumeration. */
size_t prehash_digest_size(enum crypto_prehash hash);

/* "SHA2-256" and so on, as NIST's vectors name them; NULL for a value outside the enumeration. */
const char *prehash_name(enum crypto_prehash hash);

/* The DER encoding of the function's object identifier. CRYPTO_BAD_ARGUMENT for a value outside the
 * enumeration. */
enum crypto_status prehash_oid(uint8_t oid[PREHASH_OID_SIZE], enum crypto_prehash hash) CRYPTO_MUST_CHECK;

/* Writes prehash_digest_size(hash) bytes. CRYPTO_BAD_ARGUMENT for a value outside the enumeration. */
enum crypto_status prehash_digest(uint8_t digest[PREHASH_MAX_DIGEST_SIZE], enum crypto_prehash hash,
                                  const void *message, size_t length) CRYPTO_MUST_CHECK;

#endif
