/*
 * HMAC and HKDF: the RFCs' examples, and sweeps over key and message lengths against another implementation
 * (the answers are SHA-256 over all outputs, made with Python's hmac over the pattern i*i/7 + 3i).
 */
#include "crypto/hkdf.h"
#include "crypto/test_support.h"

static uint8_t message[1024];

static void test_hmac_sweep(void)
{
	static const char *const answers[PREHASH_COUNT] = {
	    "461f5cf957490a4d4d8709240d9b05b316cb0c1d76b378c7c1036ec5f0aa80ee",
	    "6abb8e63a394292f162ffbf182da0bd4b494354c58c74e5820a5504c5fd40430",
	    "c865a3623bdad08fe8802e5a0b7316df833f04edd2a19527680d4fd9f90f73a4",
	    "810ccb4b696c36ebf8b86aa56e2ba2a12966ac79e5c44d5a5cb880baee72e0f7",
	    "ec2820d1336a61f521b34d609ba968a886c247a11260f3f1595ac50fe0ebbc2c",
	    "7f395ac7e180a8b59a12648cec312483f2120d696d83c95235f3604ff1440521",
	    "3383f91d75edd1a91f7df81a92352da58d5c199925482a80e3a1dca13077981f",
	    "792fc265634a754f7ee625a5796c570aaca1edf8800b0f95798dffafaa613e0b",
	    "c6c812d02852fb2114efb49749c6b0b60f9c446010c794e178d62f5813ef035b",
	    "d2336a8094c93cb57b8c4bbdc2d58376d66422729934d4c1a2a237f18cd679ee",
	};
	uint8_t tag[HASH_MAX_SIZE];
	for (unsigned i = 0; i < PREHASH_COUNT && answers[i]; i++) {
		const struct hash_function *function = &hash_functions[i];
		struct sha256 sweep;
		sha256_init(&sweep);
		for (size_t length = 0; length < 300; length++) {
			hmac_message(function, message, length, message + length, length + 5, tag);
			sha256_update(&sweep, tag, function->size);
		}
		sha256_final(&sweep, tag);
		check(hex_equal(tag, SHA256_SIZE, answers[i]), "hmac %s: keys of 0 to 299 bytes",
		      function->name);
	}
}

static void test_hkdf_sweep(void)
{
	static const char *const answers[PREHASH_COUNT] = {
	    "a506e0018f2fab986e9b12d4b96c476d24bce8b13a850e40c9c970cd58cea648",
	    "1f9fa2cb3dd21e8929117b5baa225fd65424b1501f93516e991d92898932d06d",
	    "f2c7c1b52b2ec7051cc40684d6773d7f3e35bf40b4dfb85d0a24bb7b0c39d420",
	    "30960ff6950219eb42a8e7da953cc24c22cdad5db1ec00c5c1477826a441fde9",
	    "c8d4b7672cf8baba1b817d38b418f1557d6e27fc84be67c5df4fcfc3680d097a",
	    "51b5c0d05962c9af15764049178c47a701cbf0e16ffa3faaa3131bcb6c8ba9a1",
	    "36be14896f449e48f87d2b7819e73e0fa1c3440bdb692d8014a7f5ddaf5a9512",
	    "5bccb0ce75d2836247b4450ff08c3919aee90bbb43a0f1510ac7bf076b8b962e",
	    "e0d07f652e0007bdf488ec954bed72ccae07a939ed0b792f53bb6e52ad87a5e6",
	    "d3fa12f26096567934e53c151734ed6202a489f2c7c7e68ab51851d3065c0776",
	};
	static uint8_t out[255 * HASH_MAX_SIZE + 1];
	uint8_t digest[SHA256_SIZE];
	for (unsigned i = 0; i < PREHASH_COUNT && answers[i]; i++) {
		const struct hash_function *function = &hash_functions[i];
		size_t most = (size_t)255 * function->size;
		struct sha256 sweep;
		bool fine = true;
		sha256_init(&sweep);
		for (size_t j = 0; j <= 200; j++) {
			size_t k = j < 200 ? j : 40, length = j < 200 ? j : most;
			fine = fine && hkdf(function, out, length, message, k, message + 10, k, message + 20,
			                    k / 2) == CRYPTO_OK;
			sha256_update(&sweep, out, length);
		}
		sha256_final(&sweep, digest);
		check(fine && hex_equal(digest, sizeof digest, answers[i]),
		      "hkdf %s: lengths up to 255 digests", function->name);
		memset(out, 1, most + 1);
		fine = hkdf(function, out, most + 1, NULL, 0, message, 32, NULL, 0) == CRYPTO_BAD_LENGTH;
		for (size_t j = 0; j < most + 1; j++)
			fine = fine && out[j] == 0;
		check(fine, "hkdf %s: one byte more is refused and the output zeroed", function->name);
	}
}

/* RFC 4231 test case 2 and RFC 5869 test case 1. */
static void test_examples(void)
{
	uint8_t tag[SHA512_SIZE], out[42], ikm[22], salt[13], info[10];
	hmac_message(&hash_functions[PREHASH_SHA2_256], "Jefe", 4, "what do ya want for nothing?", 28, tag);
	check(hex_equal(tag, SHA256_SIZE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
	      "hmac sha256: RFC 4231 case 2");
	memset(ikm, 0x0b, sizeof ikm);
	for (unsigned i = 0; i < sizeof salt; i++)
		salt[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof info; i++)
		info[i] = (uint8_t)(0xf0 + i);
	enum crypto_status status = hkdf(&hash_functions[PREHASH_SHA2_256], out, sizeof out, salt,
	                                 sizeof salt, ikm, sizeof ikm, info, sizeof info);
	check(status == CRYPTO_OK &&
	          hex_equal(out, sizeof out,
	                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	                    "34007208d5b887185865"),
	      "hkdf sha256: RFC 5869 case 1");
}

int main(void)
{
	for (size_t i = 0; i < sizeof message; i++)
		message[i] = (uint8_t)(i * i / 7 + 3 * i);
	test_hmac_sweep();
	test_hkdf_sweep();
	test_examples();
	return test_finish();
}
