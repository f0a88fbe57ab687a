/*
 * The classical algorithms: known answers of their standards, refusals, and the loader's Ed25519 verification
 * against libsodium's on random, mutated and adversarial signatures.
 */
#include "crypto/aead.h"
#include "crypto/argon2id.h"
#include "crypto/ed25519.h"
#include "crypto/test_support.h"
#include "crypto/x25519.h"

#include <sodium/crypto_core_ed25519.h>
#include <sodium/crypto_hash_sha512.h>

/* The loader's implementation under a name of its own, beside libsodium's. */
enum crypto_status ed25519_verify_portable(const uint8_t *pk, const void *message, size_t size,
                                           const uint8_t *signature);
#define ed25519_verify ed25519_verify_portable
#include "ed25519_verify.c" /* NOLINT(bugprone-suspicious-include): under another name */
#undef ed25519_verify

static void test_ed25519_vectors(void)
{
	/* RFC 8032 section 7.1, tests 1 to 3. */
	static const struct {
		const char *seed, *pk, *message, *signature;
	} cases[] = {
	    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
	     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46"
	     "bd25bf5f0"
	     "595bbe24655141438e7a100b"},
	    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
	     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8"
	     "c387b2eae"
	     "b4302aeeb00d291612bb0c00"},
	    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
	     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc65"
	     "94a7c15e9"
	     "716ed28dc027beceea1ec40a"},
	};
	bool good = true;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t seed[32], pk[32], sk[64], signature[64], message[2];
		hex_decode(seed, sizeof seed, cases[i].seed);
		size_t size = (size_t)hex_decode(message, sizeof message, cases[i].message);
		ed25519_keygen(seed, pk, sk);
		ed25519_sign(sk, message, size, signature);
		good = good && hex_equal(pk, 32, cases[i].pk) &&
		       hex_equal(signature, 64, cases[i].signature) &&
		       ed25519_verify(pk, message, size, signature) == CRYPTO_OK &&
		       ed25519_verify_portable(pk, message, size, signature) == CRYPTO_OK;
	}
	check(good, "Ed25519: the vectors of RFC 8032, both verifiers");
}

/* Both verifiers' common verdict, or fails the test. */
static bool both_agree = true;

static bool verifies(const uint8_t *pk, const void *message, size_t size, const uint8_t *signature)
{
	bool library = ed25519_verify(pk, message, size, signature) == CRYPTO_OK;
	bool portable = ed25519_verify_portable(pk, message, size, signature) == CRYPTO_OK;
	both_agree = both_agree && library == portable;
	return portable;
}

static void test_ed25519_random(void)
{
	bool accepted = true, refused = true;
	for (uint64_t i = 0; i < 300; i++) {
		uint8_t seed[32], pk[32], sk[64], signature[64], message[200], choice[4];
		size_t size = i % sizeof message;
		test_random(seed, sizeof seed, "ed25519 seed", i);
		test_random(message, sizeof message, "ed25519 message", i);
		test_random(choice, sizeof choice, "ed25519 mutation", i);
		ed25519_keygen(seed, pk, sk);
		ed25519_sign(sk, message, size, signature);
		accepted = accepted && verifies(pk, message, size, signature);
		uint8_t *field = i % 3 == 0 ? pk : signature;
		field[choice[0] % (i % 3 == 0 ? 32 : 64)] ^= (uint8_t)(1 << choice[1] % 8);
		refused = refused && !verifies(pk, message, size, signature);
	}
	check(accepted && both_agree, "Ed25519: 300 random signatures verify with both");
	check(refused && both_agree, "Ed25519: 300 mutated ones verify with neither");
}

/* S + L signs the same message; it must not verify (RFC 8032 section 5.1.7). */
static void test_ed25519_malleable(void)
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
	                                  0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	uint8_t seed[32] = {1}, pk[32], sk[64], signature[64];
	ed25519_keygen(seed, pk, sk);
	ed25519_sign(sk, "m", 1, signature);
	unsigned carry = 0;
	for (int i = 0; i < 32; i++) {
		carry += (unsigned)signature[32 + i] + order[i];
		signature[32 + i] = (uint8_t)(carry & 0xff);
		carry >>= 8;
	}
	check(!verifies(pk, "m", 1, signature) && both_agree, "Ed25519: S above the group order is refused");
}

/* All encodings of the points of small order: y of orders 1, 2, 4, 8, 8, and p, p + 1; either sign bit. */
static const char *const small_order[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};
#define SMALL_ORDER_COUNT (sizeof small_order / sizeof *small_order)

static void test_ed25519_small_order(void)
{
	bool refused = true;
	for (size_t i = 0; i < 2 * SMALL_ORDER_COUNT; i++)
		for (size_t j = 0; j < 2 * SMALL_ORDER_COUNT; j++)
			for (unsigned message = 0; message < 8; message++) {
				uint8_t pk[32], signature[64] = {0};
				hex_decode(pk, 32, small_order[i / 2]);
				hex_decode(signature, 32, small_order[j / 2]);
				pk[31] |= (uint8_t)(i % 2 << 7);
				signature[31] |= (uint8_t)(j % 2 << 7);
				/* S = 0: then R = -hA, true for some messages. */
				refused = refused && !verifies(pk, &message, sizeof message, signature);
			}
	check(refused && both_agree, "Ed25519: keys and R of small order are refused, every encoding");
}

/* A key with a component of small order, and a signature by whoever made it: only the equation without
 * cofactor decides, so the two implementations must have the same one. */
static void test_ed25519_mixed_order(void)
{
	unsigned accepted = 0;
	for (uint64_t i = 0; i < 200; i++) {
		uint8_t seed[32], pk[32], sk[64], torsion[32], mixed[32], expanded[64], wide[64], r[32],
		    h[32], a[32], signature[64];
		test_random(seed, sizeof seed, "mixed order", i);
		ed25519_keygen(seed, pk, sk);
		hex_decode(torsion, 32, small_order[1 + i % 4]);
		if (crypto_core_ed25519_add(mixed, pk, torsion))
			continue;
		crypto_hash_sha512(expanded, seed, 32);
		memset(wide, 0, sizeof wide);
		memcpy(wide, expanded, 32);
		wide[0] &= 248;
		wide[31] = (uint8_t)((wide[31] & 127) | 64);
		crypto_core_ed25519_scalar_reduce(a, wide);
		test_random(wide, sizeof wide, "mixed order r", i);
		crypto_core_ed25519_scalar_reduce(r, wide);
		/* R = rB, by signing with libsodium's base multiplication: the public key of no seed, so
		 * computed here from B by additions. */
		uint8_t base[32] = {0x58}, sum[32] = {1};
		memset(base + 1, 0x66, 31);
		for (int bit = 255; bit >= 0; bit--) {
			uint8_t doubled[32];
			if (crypto_core_ed25519_add(doubled, sum, sum))
				return;
			memcpy(sum, doubled, 32);
			if (r[bit / 8] >> bit % 8 & 1) {
				if (crypto_core_ed25519_add(doubled, sum, base))
					return;
				memcpy(sum, doubled, 32);
			}
		}
		memcpy(signature, sum, 32);
		crypto_hash_sha512_state state;
		crypto_hash_sha512_init(&state);
		crypto_hash_sha512_update(&state, signature, 32);
		crypto_hash_sha512_update(&state, mixed, 32);
		crypto_hash_sha512_update(&state, seed, 32);
		crypto_hash_sha512_final(&state, wide);
		crypto_core_ed25519_scalar_reduce(h, wide);
		crypto_core_ed25519_scalar_mul(h, h, a);
		crypto_core_ed25519_scalar_add(signature + 32, h, r);
		accepted += verifies(mixed, seed, 32, signature);
	}
	check(both_agree && accepted > 20 && accepted < 180,
	      "Ed25519: on keys of mixed order both verifiers give one verdict (%u of 200 accepted)",
	      accepted);
}

static void test_x25519(void)
{
	uint8_t sk[32], u[32], out[32], zero[32] = {0};
	/* RFC 7748 section 5.2, both vectors; the second has the top bit of u set. */
	hex_decode(sk, 32, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
	hex_decode(u, 32, "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
	bool good = x25519(out, sk, u) == CRYPTO_OK &&
	            hex_equal(out, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	hex_decode(sk, 32, "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d");
	hex_decode(u, 32, "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493");
	good = good && x25519(out, sk, u) == CRYPTO_OK &&
	       hex_equal(out, 32, "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
	check(good, "X25519: the vectors of RFC 7748");

	uint8_t k[32] = {9}, point[32] = {9};
	for (int i = 0; i < 1000; i++) {
		good = good && x25519(out, k, point) == CRYPTO_OK;
		memcpy(point, k, 32);
		memcpy(k, out, 32);
	}
	check(good && hex_equal(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"),
	      "X25519: a thousand iterations (RFC 7748 section 5.2)");
	x25519_public(out, sk);
	uint8_t nine[32] = {9}, same[32];
	check(x25519(same, sk, nine) == CRYPTO_OK && !memcmp(out, same, 32), "X25519: the public key");
	memset(out, 1, sizeof out);
	check(x25519(out, sk, zero) == CRYPTO_BAD_KEY && !memcmp(out, zero, 32),
	      "X25519: a point of small order is reported, its result zero");
}

static void test_aead_vectors(void)
{
	static const char text[] =
	    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for "
	    "the future, sunscreen would be it.";
	static const struct {
		enum aead algorithm;
		const char *name, *nonce, *start, *tag;
	} cases[] = {
	    {AEAD_CHACHA20_POLY1305, "ChaCha20-Poly1305: RFC 8439 section 2.8.2", "070000004041424344454647",
	     "d31a8d34648e60db7b86afbc53ef7ec2", "1ae10b594f09e26a7e902ecbd0600691"},
	    {AEAD_XCHACHA20_POLY1305, "XChaCha20-Poly1305: draft-irtf-cfrg-xchacha-03 appendix A.3.1",
	     "404142434445464748494a4b4c4d4e4f5051525354555657", "bd6d179d3e83d43b9576579493c0e939",
	     "c0875924c1c7987947deafd8780acf49"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t key[32], nonce[24], data[12], out[sizeof text], tag[16];
		for (int k = 0; k < 32; k++)
			key[k] = (uint8_t)(0x80 + k);
		size_t nonce_size = (size_t)hex_decode(nonce, sizeof nonce, cases[i].nonce);
		hex_decode(data, sizeof data, "50515253c0c1c2c3c4c5c6c7");
		bool good = aead_encrypt(cases[i].algorithm, key, nonce, nonce_size, data, sizeof data,
		                         (const uint8_t *)text, sizeof text - 1, out, tag) == CRYPTO_OK;
		check(good && hex_equal(out, 16, cases[i].start) && hex_equal(tag, 16, cases[i].tag), "%s",
		      cases[i].name);
	}
	/* The GCM submission's test cases 13, 14 and 16. */
	uint8_t key[32] = {0}, nonce[12] = {0}, block[16] = {0}, out[64], tag[16];
	bool good =
	    aead_encrypt(AEAD_AES_256_GCM, key, nonce, 12, NULL, 0, NULL, 0, out, tag) == CRYPTO_OK &&
	    hex_equal(tag, 16, "530f8afbc74536b9a963b4f1c4cb738b") &&
	    aead_encrypt(AEAD_AES_256_GCM, key, nonce, 12, NULL, 0, block, 16, out, tag) == CRYPTO_OK &&
	    hex_equal(out, 16, "cea7403d4d606b6e074ec5d3baf39d18") &&
	    hex_equal(tag, 16, "d0d1c8a799996bf0265b98b5d48ab919");
	uint8_t plain[60], data[20];
	hex_decode(key, 32, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
	hex_decode(nonce, 12, "cafebabefacedbaddecaf888");
	hex_decode(data, 20, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
	hex_decode(
	    plain, 60,
	    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
	    "b16aedf5aa0de657ba637b39");
	good = good &&
	       aead_encrypt(AEAD_AES_256_GCM, key, nonce, 12, data, 20, plain, 60, out, tag) == CRYPTO_OK &&
	       hex_equal(tag, 16, "76fc6ece0f4e1768cddf8853bb2d551b");
	/* 17 and 18: other lengths of the nonce. */
	uint8_t long_nonce[60];
	hex_decode(
	    long_nonce, 60,
	    "9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b"
	    "525416aedbf5a0de6a57a637b39b");
	good =
	    good &&
	    aead_encrypt(AEAD_AES_256_GCM, key, nonce, 8, data, 20, plain, 60, out, tag) == CRYPTO_OK &&
	    hex_equal(tag, 16, "3a337dbf46a792c45e454913fe2ea8f2") &&
	    aead_encrypt(AEAD_AES_256_GCM, key, long_nonce, 60, data, 20, plain, 60, out, tag) == CRYPTO_OK &&
	    hex_equal(tag, 16, "a44a8266ee1c8eb0c8b5d4cf5ae9f19a");
	check(good, "AES-256-GCM: the GCM submission's test cases");
}

static void test_aead_refusals(enum aead algorithm, const char *name)
{
	bool round_trips = true, refuses = true;
	for (uint64_t i = 0; i < 200; i++) {
		uint8_t key[32], nonce[24], data[40], plain[300], out[300], back[300], tag[16], choice[4],
		    zero[300] = {0};
		size_t size = (size_t)i * 7 % sizeof plain, data_size = (size_t)i % sizeof data;
		size_t nonce_size = aead_nonce_size(algorithm);
		test_random(key, sizeof key, "aead key", i);
		test_random(nonce, sizeof nonce, "aead nonce", i);
		test_random(data, sizeof data, "aead data", i);
		test_random(plain, sizeof plain, "aead plain", i);
		test_random(choice, sizeof choice, "aead mutation", i);
		round_trips = round_trips &&
		              aead_encrypt(algorithm, key, nonce, nonce_size, data, data_size, plain, size,
		                           out, tag) == CRYPTO_OK &&
		              aead_decrypt(algorithm, key, nonce, nonce_size, data, data_size, out, size, tag,
		                           back) == CRYPTO_OK &&
		              !memcmp(plain, back, size);
		/* In place. */
		memcpy(back, plain, size);
		uint8_t same_tag[16];
		round_trips = round_trips &&
		              aead_encrypt(algorithm, key, nonce, nonce_size, data, data_size, back, size,
		                           back, same_tag) == CRYPTO_OK &&
		              !memcmp(back, out, size) && !memcmp(tag, same_tag, 16) &&
		              aead_decrypt(algorithm, key, nonce, nonce_size, data, data_size, back, size,
		                           tag, back) == CRYPTO_OK &&
		              !memcmp(back, plain, size);
		struct {
			uint8_t *field;
			size_t size;
		} fields[] = {{key, 32}, {nonce, nonce_size}, {data, data_size}, {out, size}, {tag, 16}};
		size_t chosen = i % 5;
		if (fields[chosen].size == 0)
			continue;
		uint8_t *byte = fields[chosen].field + (choice[0] | choice[1] << 8) % fields[chosen].size;
		*byte ^= (uint8_t)(1 << choice[2] % 8);
		memset(back, 0xaa, sizeof back);
		refuses = refuses &&
		          aead_decrypt(algorithm, key, nonce, nonce_size, data, data_size, out, size, tag,
		                       back) == CRYPTO_BAD_CIPHERTEXT &&
		          !memcmp(back, zero, size);
	}
	uint8_t tag[16], out[1], key[32] = {0}, nonce[25] = {0};
	size_t usual = aead_nonce_size(algorithm);
	round_trips = round_trips &&
	              aead_encrypt(algorithm, key, nonce, usual, NULL, 0, NULL, 0, NULL, tag) == CRYPTO_OK &&
	              aead_decrypt(algorithm, key, nonce, usual, NULL, 0, NULL, 0, tag, NULL) == CRYPTO_OK;
	size_t long_nonce = aead_nonce_size(algorithm) + 1;
	refuses = refuses &&
	          aead_encrypt(algorithm, key, nonce, 0, NULL, 0, out, 1, out, tag) == CRYPTO_BAD_LENGTH &&
	          (algorithm == AEAD_AES_256_GCM || aead_encrypt(algorithm, key, nonce, long_nonce, NULL, 0,
	                                                         out, 1, out, tag) == CRYPTO_BAD_LENGTH);
	check(round_trips, "%s: round trips, in place too", name);
	check(refuses, "%s: every mutated field is refused and the output zeroed", name);
}

static void test_argon2id(void)
{
	/* RFC 9106 section 5.3 */
	uint8_t passphrase[32], salt[16], secret[8], data[12], out[32], zero[32] = {0};
	memset(passphrase, 1, sizeof passphrase);
	memset(salt, 2, sizeof salt);
	memset(secret, 3, sizeof secret);
	memset(data, 4, sizeof data);
	struct argon2id_cost cost = {.memory_kib = 32, .passes = 3, .lanes = 4};
	check(argon2id(out, 32, &cost, passphrase, 32, salt, 16, secret, 8, data, 12) == CRYPTO_OK &&
	          hex_equal(out, 32, "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"),
	      "Argon2id: the vector of RFC 9106");
	bool refuses = true;
	static const struct argon2id_cost bad[] = {{31, 3, 4}, {32, 0, 4}, {32, 3, 0}, {0, 1, 1}};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(out, 1, sizeof out);
		refuses =
		    refuses &&
		    argon2id(out, 32, &bad[i], "p", 1, salt, 16, NULL, 0, NULL, 0) == CRYPTO_BAD_ARGUMENT &&
		    !memcmp(out, zero, 32);
	}
	refuses = refuses &&
	          argon2id(out, 32, &cost, "p", 1, salt, 7, NULL, 0, NULL, 0) == CRYPTO_BAD_LENGTH &&
	          argon2id(out, 3, &cost, "p", 1, salt, 16, NULL, 0, NULL, 0) == CRYPTO_BAD_LENGTH;
	check(refuses, "Argon2id: costs and lengths out of range are refused");
}

int main(void)
{
	test_ed25519_vectors();
	test_ed25519_random();
	test_ed25519_malleable();
	test_ed25519_small_order();
	test_ed25519_mixed_order();
	test_x25519();
	test_aead_vectors();
	test_aead_refusals(AEAD_CHACHA20_POLY1305, "ChaCha20-Poly1305");
	test_aead_refusals(AEAD_XCHACHA20_POLY1305, "XChaCha20-Poly1305");
	test_aead_refusals(AEAD_AES_256_GCM, "AES-256-GCM");
	test_argon2id();
	return test_finish();
}
