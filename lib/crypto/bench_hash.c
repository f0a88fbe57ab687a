/* Rows for the hash functions, over messages that stay in the second-level cache. */
#include "bench.h"
#include "crypto/blake3.h"
#include "crypto/hmac.h"
#include "crypto/shake_x4.h"

#define LONG  ((size_t)256 * 1024)
#define SHORT ((size_t)64)

static uint8_t message[LONG], digest[4][64];

static void sha256_run(unsigned size)
{
	sha256_hash(digest[0], message, size);
}

static void sha512_run(unsigned size)
{
	sha512_hash(digest[0], message, size);
}

static void sha3_256_run(unsigned size)
{
	sha3_256_hash(digest[0], message, size);
}

static void sha3_512_run(unsigned size)
{
	sha3_512_hash(digest[0], message, size);
}

static void shake128_run(unsigned size)
{
	shake128_hash(digest[0], 32, message, size);
}

static void shake256_run(unsigned size)
{
	shake256_hash(digest[0], 64, message, size);
}

static void shake128_x4_run(unsigned size)
{
	const uint8_t *const in[4] = {message, message, message, message};
	uint8_t *const out[4] = {digest[0], digest[1], digest[2], digest[3]};
	shake128_x4_hash(out, 32, in, size / 4);
}

static void blake3_run(unsigned size)
{
	blake3_hash(digest[0], message, size);
}

static void hmac_sha256_run(unsigned size)
{
	hmac_message(&hash_functions[PREHASH_SHA2_256], message, 32, message, size, digest[0]);
}

const struct bench_row bench_hash_rows[] = {
    {"SHA-256, 256 KiB", LONG, NULL, sha256_run, LONG},
    {"SHA-512, 256 KiB", LONG, NULL, sha512_run, LONG},
    {"SHA3-256, 256 KiB", LONG, NULL, sha3_256_run, LONG},
    {"SHA3-512, 256 KiB", LONG, NULL, sha3_512_run, LONG},
    {"SHAKE128, 256 KiB", LONG, NULL, shake128_run, LONG},
    {"SHAKE256, 256 KiB", LONG, NULL, shake256_run, LONG},
    {"SHAKE128 x4, 4 x 64 KiB", LONG, NULL, shake128_x4_run, LONG},
    {"BLAKE3, 256 KiB", LONG, NULL, blake3_run, LONG},
    {"HMAC-SHA-256, 256 KiB", LONG, NULL, hmac_sha256_run, LONG},
    {"SHA-256, 64 B", SHORT, NULL, sha256_run, SHORT},
    {"SHA3-256, 64 B", SHORT, NULL, sha3_256_run, SHORT},
    {"BLAKE3, 64 B", SHORT, NULL, blake3_run, SHORT},
    {0},
};
