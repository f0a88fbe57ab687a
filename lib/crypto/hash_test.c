/*
 * SHA-2, SHA-3 and SHAKE: known answers, every length around the block sizes, every cut into updates, and the
 * same on each code path the processor has. The "sweep" answers are SHA-256 over the digests of the first
 * 0..599, 1000, 1024 and 1200 bytes of the pattern 7i + 3, made with another implementation (Python's
 * hashlib).
 */
#include "crypto/cpu.h"
#include "crypto/hash.h"
#include "crypto/shake_x4.h"
#include "crypto/test_support.h"

#define MESSAGE_SIZE 1200

static uint8_t message[MESSAGE_SIZE];

#define SHAKE_OUT 500

static void shake_pieces(struct shake *shake, uint8_t *out, const uint8_t *data, size_t length, size_t piece)
{
	for (size_t at = 0; at < length; at += piece)
		shake_absorb(shake, data + at, length - at < piece ? length - at : piece);
	shake_finalize(shake);
	for (size_t at = 0; at < SHAKE_OUT; at += piece)
		shake_squeeze(shake, out + at, SHAKE_OUT - at < piece ? SHAKE_OUT - at : piece);
}

struct hash_case {
	const char *abc;   /* the start of the digest of "abc" */
	const char *sweep; /* see the top of this file */
};

/* The SHAKEs with SHAKE_OUT bytes. */
static size_t digest_size(enum prehash which)
{
	return which < PREHASH_SHAKE_128 ? hash_functions[which].size : SHAKE_OUT;
}

/* `piece` bytes at a time (0: everything at once). */
static void digest_of(enum prehash which, uint8_t *digest, const uint8_t *data, size_t length, size_t piece)
{
	struct hash hash;
	struct shake shake;
	if (which >= PREHASH_SHAKE_128) {
		(which == PREHASH_SHAKE_128 ? shake128_init : shake256_init)(&shake);
		if (piece > 0)
			shake_pieces(&shake, digest, data, length, piece);
		else
			(which == PREHASH_SHAKE_128 ? shake128_hash : shake256_hash)(digest, SHAKE_OUT, data,
			                                                             length);
	} else if (piece == 0) {
		hash_message(&hash_functions[which], data, length, digest);
	} else {
		hash_init(&hash, &hash_functions[which]);
		for (size_t at = 0; at < length; at += piece)
			hash_update(&hash, data + at, length - at < piece ? length - at : piece);
		hash_final(&hash, digest);
	}
}

static const struct hash_case cases[PREHASH_COUNT] = {
    [PREHASH_SHA2_224] = {"23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
                          "7818a8215cd47d840de4190d49cbf11717df3d23c753abe5cf7ba054e9c9af64"},
    [PREHASH_SHA2_256] = {"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                          "d0e24ae2d1c3697eae98f09ba556fbfd8f36d8256e19bc240e0e39e9e39bb8a2"},
    [PREHASH_SHA2_384] =
        {"cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
         "db1e79ada5cc025dd945fea7d61c218e1f6fa394bfacb043f1b3f923c9c890f3"},
    [PREHASH_SHA2_512] = {"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836"
                          "ba3c23a3feebbd454d442"
                          "3643ce80e2a9ac94fa54ca49f",
                          "c8b66447566bf2f1b420b2eee21b67d98b1756aac13d744e539d7f0cd7b82ae1"},
    [PREHASH_SHA2_512_224] = {"4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
                              "27cbdb5cb77fc665ffd1c70db3527deb5fcaeada54fef76e8f98cbc5076d8f53"},
    [PREHASH_SHA2_512_256] = {"53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
                              "5ba057c4a730d78de97de8a17c8bdf2a5c3f6169fffbec854993638977068d82"},
    [PREHASH_SHA3_224] = {"e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
                          "f3ffb93f85c1570acebcca655ec251013fc82b793fe2e9ff9846c0d36cc0e10d"},
    [PREHASH_SHA3_256] = {"3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
                          "5cf0f81d54b003d3930e83bd9236bdf3c59f0ad00a4e53f03757c567a5dffe28"},
    [PREHASH_SHA3_384] =
        {"ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
         "bf29559c1328e0f2c133f89a6928c51a491238aae7c1a8efb2574237c180ac5e"},
    [PREHASH_SHA3_512] = {"b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a"
                          "7ec57647e3934057340b4"
                          "cf408d5a56592f8274eec53f0",
                          "5837ce504745ddabb7cfcaa3cae7278b40cb645825903b53735ec792678528d2"},
    [PREHASH_SHAKE_128] = {"5881092dd818bf5cf8a3ddb793fbcba74097d5c526a6d35f97b83351940f2cc8",
                           "8b68712c454cfa869852f515782e5e456f5509882e0d9b88129a7b6f8d859316"},
    [PREHASH_SHAKE_256] = {"483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739",
                           "88853e1c27e75697a989076476d2c569010c3db282b1eda37dbdb52c4f2d2ae9"},
};

static void test_case(enum prehash which, const char *path)
{
	const struct hash_case *test = &cases[which];
	const char *name = hash_functions[which].name;
	uint8_t digest[SHAKE_OUT], whole[SHAKE_OUT], total[SHA256_SIZE];
	struct sha256 sweep;
	bool same = true;

	digest_of(which, digest, (const uint8_t *)"abc", 3, 0);
	check(hex_equal(digest, strlen(test->abc) / 2, test->abc), "hash %s %s: abc", name, path);

	sha256_init(&sweep);
	for (size_t length = 0; length <= MESSAGE_SIZE; length++) {
		if (length == 600)
			length = 1000;
		else if (length == 1001)
			length = 1024;
		else if (length == 1025)
			length = MESSAGE_SIZE;
		digest_of(which, digest, message, length, 0);
		sha256_update(&sweep, digest, digest_size(which));
	}
	sha256_final(&sweep, total);
	check(hex_equal(total, sizeof total, test->sweep), "hash %s %s: all lengths", name, path);

	for (size_t piece = 1; piece < 300; piece++) {
		size_t length = MESSAGE_SIZE - piece;
		digest_of(which, whole, message, length, 0);
		digest_of(which, digest, message, length, piece);
		same = same && memcmp(whole, digest, digest_size(which)) == 0;
	}
	check(same, "hash %s %s: pieces of 1 to 299 bytes", name, path);
}

/* Four SHAKEs at once give what four alone give, however the calls are cut. */
static void test_x4(bool wide, const char *path)
{
	bool same = true;
	for (size_t length = 0; length < 400; length += 7) {
		uint8_t out[4][SHAKE_OUT], expected[SHAKE_OUT];
		uint8_t *outs[4] = {out[0], out[1], out[2], out[3]};
		const uint8_t *data[4] = {message, message + 100, message + 201, message + 302};
		struct shake_x4 shake;
		(wide ? shake256_x4_hash : shake128_x4_hash)(outs, SHAKE_OUT, data, length);
		for (unsigned i = 0; i < 4; i++) {
			(wide ? shake256_hash : shake128_hash)(expected, SHAKE_OUT, data[i], length);
			same = same && memcmp(out[i], expected, SHAKE_OUT) == 0;
		}
		(wide ? shake256_x4_init : shake128_x4_init)(&shake);
		for (size_t at = 0; at < length; at += 13) {
			const uint8_t *part[4] = {data[0] + at, data[1] + at, data[2] + at, data[3] + at};
			shake_x4_absorb(&shake, part, length - at < 13 ? length - at : 13);
		}
		shake_x4_finalize(&shake);
		memset(out, 0, sizeof out);
		for (size_t at = 0; at < SHAKE_OUT; at += 19) {
			uint8_t *part[4] = {out[0] + at, out[1] + at, out[2] + at, out[3] + at};
			shake_x4_squeeze(&shake, part, SHAKE_OUT - at < 19 ? SHAKE_OUT - at : 19);
		}
		same = same && memcmp(out[3], expected, SHAKE_OUT) == 0;
	}
	check(same, "hash shake%d x4 %s: equals four alone", wide ? 256 : 128, path);
}

/* FIPS 180-4 example: a million letters a. */
static void test_million(void)
{
	struct sha256 hash;
	uint8_t digest[SHA256_SIZE], block[1000];
	memset(block, 'a', sizeof block);
	sha256_init(&hash);
	for (int i = 0; i < 1000; i++)
		sha256_update(&hash, block, sizeof block);
	sha256_final(&hash, digest);
	check(hex_equal(digest, sizeof digest,
	                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
	      "hash sha256: a million letters a");
}

static void test_util(void)
{
	uint8_t a[40] = {0}, b[40] = {0};
	bool found = true;
	check(crypto_equal(a, b, sizeof a) && crypto_equal(a, b, 0), "util: equal memory compares equal");
	for (unsigned i = 0; i < 8 * sizeof a; i++) {
		a[i / 8] ^= (uint8_t)(1u << i % 8);
		found = found && !crypto_equal(a, b, sizeof a);
		a[i / 8] = 0;
	}
	check(found, "util: every differing bit is found");
	memset(a, 0x5a, sizeof a);
	crypto_wipe(a + 1, sizeof a - 2);
	check(a[0] == 0x5a && a[sizeof a - 1] == 0x5a && memcmp(a + 1, b, sizeof a - 2) == 0,
	      "util: wipe zeroes exactly");
}

int main(void)
{
	static const struct {
		const char *name;
		unsigned mask;
	} paths[] = {{"plain", 0}, {"avx2", CRYPTO_CPU_AVX2}, {"all", ~0u}};

	for (unsigned i = 0; i < MESSAGE_SIZE; i++)
		message[i] = (uint8_t)(7 * i + 3);
	for (unsigned p = 0; p < sizeof paths / sizeof *paths; p++) {
		crypto_cpu_limit(paths[p].mask);
		for (unsigned i = 0; i < PREHASH_COUNT; i++)
			test_case((enum prehash)i, paths[p].name);
		test_x4(false, paths[p].name);
		test_x4(true, paths[p].name);
	}
	test_million();
	test_util();
	return test_finish();
}
