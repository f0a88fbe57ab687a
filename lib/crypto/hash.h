/*
 * The hash functions of FIPS 180-4 and FIPS 202 behind one object, for code that learns at run time which one
 * it needs, and for what is built on any of them (HMAC, HKDF). BLAKE3, whose object is ten times as large, is
 * in blake3.h alone.
 */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "prehash.h"
#include "sha2.h"
#include "sha3.h"

#define HASH_MAX_SIZE  64
#define HASH_MAX_BLOCK 168

union hash_state {
	struct sha256 sha256;
	struct sha512 sha512;
	struct sha3 sha3;
	struct shake shake;
};

/* What a function is made of; only hash_functions[] holds any. */
struct hash_function {
	const char *name; /* as NIST writes it: "SHA2-512/256" */
	void (*init)(union hash_state *state);
	void (*update)(union hash_state *state, const void *data, size_t length);
	void (*final)(union hash_state *state, uint8_t *digest, size_t size);
	uint8_t size;     /* of the digest, in bytes */
	uint8_t block;    /* bytes that are compressed or absorbed at once: what HMAC pads its key to */
	uint8_t last_arc; /* the object identifier is 2.16.840.1.101.3.4.2. and this */
};

/* By enum prehash. The two SHAKEs give 32 and 64 bytes. */
extern const struct hash_function hash_functions[PREHASH_COUNT];

/* A computation. It may be copied to fork it; hash_final() wipes it. */
struct hash {
	const struct hash_function *function;
	union hash_state state;
};

void hash_init(struct hash *hash, const struct hash_function *function);
void hash_update(struct hash *hash, const void *data, size_t length);
/* Writes function->size bytes. */
void hash_final(struct hash *hash, uint8_t *digest);

/* A whole message at once. */
void hash_message(const struct hash_function *function, const void *data, size_t length, uint8_t *digest);

#endif
