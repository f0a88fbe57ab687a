/*
 * BLAKE3: known answers, every interesting length, every cut into updates, on each code path.
 *
 * The sweep answers are SHA-256 over 131-byte outputs for the lengths of sweep_lengths(), made with the
 * reference implementation (Debian package b3sum) over the pattern i*i/7 + 3i.
 */
#include "crypto/blake3.h"
#include "crypto/cpu.h"
#include "crypto/sha2.h"
#include "crypto/test_support.h"

#define MESSAGE_SIZE 300000
#define OUT_SIZE     131

static uint8_t message[MESSAGE_SIZE];
static const char context[] = "holon lib/crypto blake3 test";
static const uint16_t chunk_counts[] = {1,  2,  3,  4,  5,   7,   8,   9,   15,  16,  17,  31,  32,
                                        33, 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257, 290};

/* The i-th length of the sweep; false after the last. */
static bool sweep_length(size_t i, size_t *length)
{
	size_t counts = sizeof chunk_counts / sizeof *chunk_counts;
	if (i < 200)
		*length = i;
	else if (i < 200 + 3 * counts)
		*length = (size_t)chunk_counts[(i - 200) / 3] * BLAKE3_CHUNK + (i - 200) % 3 - 1;
	else
		*length = MESSAGE_SIZE;
	return i <= 200 + 3 * counts;
}

static void start(struct blake3 *hash, unsigned mode)
{
	uint8_t key[BLAKE3_KEY_SIZE];
	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	if (mode == 0)
		blake3_init(hash);
	else if (mode == 1)
		blake3_init_keyed(hash, key);
	else
		blake3_init_derive_key(hash, context, sizeof context - 1);
}

static void test_mode(unsigned mode, const char *path)
{
	static const char *const names[] = {"hash", "keyed", "derive"};
	static const char *const answers[] = {
	    "96665fb94bdbcab118fcc48afaa88635036de3ebc7f035278de89c2924835a97",
	    "5abfd69901a5264cbd60ff94e776c9ed16581b84f66c807b50213bc4a613fad6",
	    "382b40e24ca435a3adb2ae36e100d26420e5740143efc6c95d99f49720ff9001",
	};
	struct sha256 sweep;
	struct blake3 hash;
	uint8_t out[OUT_SIZE], whole[OUT_SIZE], total[SHA256_SIZE];
	size_t length;
	bool same = true;

	sha256_init(&sweep);
	for (size_t i = 0; sweep_length(i, &length); i++) {
		start(&hash, mode);
		blake3_update(&hash, message, length);
		blake3_final(&hash, out, sizeof out);
		sha256_update(&sweep, out, sizeof out);
	}
	sha256_final(&sweep, total);
	check(hex_equal(total, sizeof total, answers[mode]), "blake3 %s %s: all lengths", names[mode], path);

	start(&hash, mode);
	blake3_update(&hash, message, MESSAGE_SIZE);
	blake3_final(&hash, whole, sizeof whole);
	for (size_t piece = 1; piece < 200000; piece = piece * 7 / 4 + 1) {
		start(&hash, mode);
		for (size_t at = 0; at < MESSAGE_SIZE; at += piece)
			blake3_update(&hash, message + at,
			              MESSAGE_SIZE - at < piece ? MESSAGE_SIZE - at : piece);
		blake3_final(&hash, out, sizeof out);
		same = same && memcmp(whole, out, sizeof out) == 0;
	}
	check(same, "blake3 %s %s: pieces of many sizes", names[mode], path);
}

static void test_output(const char *path)
{
	static uint8_t whole[13345], part[1000];
	struct blake3 hash;
	uint8_t digest[SHA256_SIZE];
	bool same = true;

	blake3_init(&hash);
	blake3_update(&hash, message, 5000);
	blake3_final(&hash, whole, sizeof whole);
	sha256_hash(digest, whole + 12345, 1000);
	check(hex_equal(digest, sizeof digest,
	                "86b3afcf25f9fbfcb3daa2de8a56967525dd27489513554f9f0339d6846bbb9d"),
	      "blake3 %s: long output", path);
	for (size_t offset = 0; offset < 300; offset++) {
		blake3_final_seek(&hash, offset, part, sizeof part - offset);
		same = same && memcmp(part, whole + offset, sizeof part - offset) == 0;
	}
	check(same, "blake3 %s: output from any offset", path);

	blake3_hash(digest, "abc", 3);
	check(hex_equal(digest, sizeof digest,
	                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
	      "blake3 %s: abc", path);
	blake3_hash(digest, NULL, 0);
	check(hex_equal(digest, sizeof digest,
	                "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"),
	      "blake3 %s: empty", path);
}

static void test_shortcuts(void)
{
	uint8_t key[BLAKE3_KEY_SIZE], out[40], expected[40];
	struct blake3 hash;
	for (unsigned i = 0; i < sizeof key; i++)
		key[i] = (uint8_t)i;
	start(&hash, 1);
	blake3_update(&hash, message, 3000);
	blake3_final(&hash, expected, BLAKE3_SIZE);
	blake3_keyed_hash(out, key, message, 3000);
	check(memcmp(out, expected, BLAKE3_SIZE) == 0, "blake3: keyed hash at once");
	start(&hash, 2);
	blake3_update(&hash, message, 3000);
	blake3_final(&hash, expected, sizeof expected);
	blake3_derive_key(out, sizeof out, context, sizeof context - 1, message, 3000);
	check(memcmp(out, expected, sizeof expected) == 0, "blake3: key derivation at once");
}

int main(void)
{
	for (size_t i = 0; i < MESSAGE_SIZE; i++)
		message[i] = (uint8_t)(i * i / 7 + 3 * i);
	for (unsigned path = 0; path < 2; path++) {
		const char *name = path ? "all" : "plain";
		crypto_cpu_limit(path ? ~0u : 0);
		for (unsigned mode = 0; mode < 3; mode++)
			test_mode(mode, name);
		test_output(name);
	}
	test_shortcuts();
	return test_finish();
}
