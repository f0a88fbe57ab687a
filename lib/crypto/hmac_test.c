/*
 * HMAC and HKDF: the RFCs' examples, and sweeps over key and message lengths against another implementation
 * (the answers are SHA-256 over all outputs, made with Python's hmac over the pattern i*i/7 + 3i).
 */
#include "crypto/hkdf.h"
#include "crypto/test_support.h"

static uint8_t message[1024];

static void test_hmac_sweep(void)
{
	struct sha256 sweep[3];
	static const char *const names[] = {"sha256", "sha384", "sha512"};
	static const char *const answers[] = {
	    "6abb8e63a394292f162ffbf182da0bd4b494354c58c74e5820a5504c5fd40430",
	    "c865a3623bdad08fe8802e5a0b7316df833f04edd2a19527680d4fd9f90f73a4",
	    "810ccb4b696c36ebf8b86aa56e2ba2a12966ac79e5c44d5a5cb880baee72e0f7",
	};
	uint8_t tag[SHA512_SIZE];
	for (unsigned i = 0; i < 3; i++)
		sha256_init(&sweep[i]);
	for (size_t length = 0; length < 300; length++) {
		hmac_sha256(tag, message, length, message + length, length + 5);
		sha256_update(&sweep[0], tag, SHA256_SIZE);
		hmac_sha384(tag, message, length, message + length, length + 5);
		sha256_update(&sweep[1], tag, SHA384_SIZE);
		hmac_sha512(tag, message, length, message + length, length + 5);
		sha256_update(&sweep[2], tag, SHA512_SIZE);
	}
	for (unsigned i = 0; i < 3; i++) {
		sha256_final(&sweep[i], tag);
		check(hex_equal(tag, SHA256_SIZE, answers[i]), "hmac %s: keys of 0 to 299 bytes", names[i]);
	}
}

static void test_hkdf_sweep(void)
{
	static uint8_t out[255 * SHA512_SIZE];
	struct sha256 narrow, wide;
	uint8_t digest[SHA256_SIZE];
	bool fine = true;
	sha256_init(&narrow);
	sha256_init(&wide);
	for (size_t i = 0; i <= 200; i++) {
		size_t k = i < 200 ? i : 40, length = i < 200 ? i : 255 * SHA256_SIZE;
		fine = fine && hkdf_sha256(out, length, message, k, message + 10, k, message + 20, k / 2) ==
		                   CRYPTO_OK;
		sha256_update(&narrow, out, length);
		length = i < 200 ? i : 255 * SHA512_SIZE;
		fine = fine && hkdf_sha512(out, length, message, k, message + 10, k, message + 20, k / 2) ==
		                   CRYPTO_OK;
		sha256_update(&wide, out, length);
	}
	check(fine, "hkdf: every length up to 255 digests is served");
	sha256_final(&narrow, digest);
	check(hex_equal(digest, sizeof digest,
	                "1f9fa2cb3dd21e8929117b5baa225fd65424b1501f93516e991d92898932d06d"),
	      "hkdf sha256: lengths");
	sha256_final(&wide, digest);
	check(hex_equal(digest, sizeof digest,
	                "30960ff6950219eb42a8e7da953cc24c22cdad5db1ec00c5c1477826a441fde9"),
	      "hkdf sha512: lengths");

	memset(out, 1, sizeof out);
	fine = hkdf_sha256(out, 255 * SHA256_SIZE + 1, NULL, 0, message, 32, NULL, 0) == CRYPTO_BAD_LENGTH;
	for (size_t i = 0; i < 255 * SHA256_SIZE + 1; i++)
		fine = fine && out[i] == 0;
	check(fine, "hkdf: one byte more is refused and the output zeroed");
}

/* RFC 4231 test case 2 and RFC 5869 test case 1. */
static void test_examples(void)
{
	uint8_t tag[SHA512_SIZE], out[42], ikm[22], salt[13], info[10];
	hmac_sha256(tag, "Jefe", 4, "what do ya want for nothing?", 28);
	check(hex_equal(tag, SHA256_SIZE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
	      "hmac sha256: RFC 4231 case 2");
	memset(ikm, 0x0b, sizeof ikm);
	for (unsigned i = 0; i < sizeof salt; i++)
		salt[i] = (uint8_t)i;
	for (unsigned i = 0; i < sizeof info; i++)
		info[i] = (uint8_t)(0xf0 + i);
	enum crypto_status status =
	    hkdf_sha256(out, sizeof out, salt, sizeof salt, ikm, sizeof ikm, info, sizeof info);
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
