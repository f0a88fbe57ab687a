/* The table of hash functions, and their use as pre-hash functions. */
#include "hash.h"

#define INIT(name, member)                                                                                   \
	static void name##_start(union hash_state *state)                                                    \
	{                                                                                                    \
		name##_init(&state->member);                                                                 \
	}
INIT(sha224, sha256)
INIT(sha256, sha256)
INIT(sha384, sha512)
INIT(sha512, sha512)
INIT(sha512_224, sha512)
INIT(sha512_256, sha512)
INIT(sha3_224, sha3)
INIT(sha3_256, sha3)
INIT(sha3_384, sha3)
INIT(sha3_512, sha3)
INIT(shake128, shake)
INIT(shake256, shake)

static void sha256_more(union hash_state *state, const void *data, size_t length)
{
	sha256_update(&state->sha256, data, length);
}

static void sha256_end(union hash_state *state, uint8_t *digest, size_t size)
{
	(void)size; /* the object knows it */
	sha256_final(&state->sha256, digest);
}

static void sha512_more(union hash_state *state, const void *data, size_t length)
{
	sha512_update(&state->sha512, data, length);
}

static void sha512_end(union hash_state *state, uint8_t *digest, size_t size)
{
	(void)size;
	sha512_final(&state->sha512, digest);
}

static void sha3_more(union hash_state *state, const void *data, size_t length)
{
	sha3_update(&state->sha3, data, length);
}

static void sha3_end(union hash_state *state, uint8_t *digest, size_t size)
{
	(void)size;
	sha3_final(&state->sha3, digest);
}

static void shake_more(union hash_state *state, const void *data, size_t length)
{
	shake_absorb(&state->shake, data, length);
}

static void shake_end(union hash_state *state, uint8_t *digest, size_t size)
{
	shake_finalize(&state->shake);
	shake_squeeze(&state->shake, digest, size);
	crypto_wipe(state, sizeof *state);
}

/* FUNCTION, ITS FAMILY: the three functions of a row. */
#define OPS(name, family) name##_start, family##_more, family##_end

const struct hash_function hash_functions[PREHASH_COUNT] = {
    [PREHASH_SHA2_224] = {"SHA2-224", OPS(sha224, sha256), 28, 64, 4},
    [PREHASH_SHA2_256] = {"SHA2-256", OPS(sha256, sha256), 32, 64, 1},
    [PREHASH_SHA2_384] = {"SHA2-384", OPS(sha384, sha512), 48, 128, 2},
    [PREHASH_SHA2_512] = {"SHA2-512", OPS(sha512, sha512), 64, 128, 3},
    [PREHASH_SHA2_512_224] = {"SHA2-512/224", OPS(sha512_224, sha512), 28, 128, 5},
    [PREHASH_SHA2_512_256] = {"SHA2-512/256", OPS(sha512_256, sha512), 32, 128, 6},
    [PREHASH_SHA3_224] = {"SHA3-224", OPS(sha3_224, sha3), 28, 144, 7},
    [PREHASH_SHA3_256] = {"SHA3-256", OPS(sha3_256, sha3), 32, 136, 8},
    [PREHASH_SHA3_384] = {"SHA3-384", OPS(sha3_384, sha3), 48, 104, 9},
    [PREHASH_SHA3_512] = {"SHA3-512", OPS(sha3_512, sha3), 64, 72, 10},
    [PREHASH_SHAKE_128] = {"SHAKE-128", OPS(shake128, shake), 32, SHAKE128_RATE, 11},
    [PREHASH_SHAKE_256] = {"SHAKE-256", OPS(shake256, shake), 64, SHAKE256_RATE, 12},
};

void hash_init(struct hash *hash, const struct hash_function *function)
{
	hash->function = function;
	function->init(&hash->state);
}

void hash_update(struct hash *hash, const void *data, size_t length)
{
	hash->function->update(&hash->state, data, length);
}

void hash_final(struct hash *hash, uint8_t *digest)
{
	hash->function->final(&hash->state, digest, hash->function->size);
}

void hash_message(const struct hash_function *function, const void *data, size_t length, uint8_t *digest)
{
	struct hash hash;
	hash_init(&hash, function);
	hash_update(&hash, data, length);
	hash_final(&hash, digest);
}

static bool known(enum prehash hash)
{
	return (unsigned)hash < PREHASH_COUNT;
}

size_t prehash_digest_size(enum prehash hash)
{
	return known(hash) ? hash_functions[hash].size : 0;
}

const char *prehash_name(enum prehash hash)
{
	return known(hash) ? hash_functions[hash].name : NULL;
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
	oid[PREHASH_OID_SIZE - 1] = hash_functions[hash].last_arc;
	return CRYPTO_OK;
}

enum crypto_status prehash_message(enum prehash hash, const void *message, size_t size,
                                   uint8_t digest[PREHASH_MAX_DIGEST_SIZE])
{
	memset(digest, 0, PREHASH_MAX_DIGEST_SIZE);
	if (!known(hash))
		return CRYPTO_BAD_ARGUMENT;
	hash_message(&hash_functions[hash], message, size, digest);
	return CRYPTO_OK;
}
