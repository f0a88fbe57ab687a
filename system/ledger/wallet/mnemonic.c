/* BIP-39 words and BIP-32 keys. The list of words comes from npm's @scure/bip39 at build time. */
#include "wallet/wallet.h"

#include "bip39_words.h"
#include "crypto/hmac.h"
#include "crypto/sha2.h"

#include <secp256k1.h>
#include <stdio.h>
#include <stdlib.h>

void words_from_entropy(char out[WALLET_WORDS_SIZE], const uint8_t *entropy, size_t size)
{
	uint8_t bits[WALLET_ENTROPY_MAX + 32];
	memcpy(bits, entropy, size);
	sha256_hash(bits + size, entropy, size);
	char *next = out;
	for (size_t i = 0; i < size * 8 / 32 * 3; i++) {
		unsigned index = 0;
		for (size_t bit = 11 * i; bit < 11 * i + 11; bit++)
			index = index << 1 | (bits[bit / 8] >> (7 - bit % 8) & 1U);
		next += snprintf(next, (size_t)(out + WALLET_WORDS_SIZE - next), "%s%s", i ? " " : "",
		                 bip39_words[index]);
	}
	crypto_wipe(bits, sizeof bits);
}

static int find_word(const char *word, size_t length)
{
	for (int i = 0; i < 2048; i++)
		if (strlen(bip39_words[i]) == length && !strncmp(bip39_words[i], word, length))
			return i;
	return -1;
}

bool words_to_entropy(const char *words, uint8_t entropy[WALLET_ENTROPY_MAX], size_t *size)
{
	uint8_t bits[WALLET_ENTROPY_MAX + 1] = {0};
	uint8_t digest[32];
	size_t count = 0;
	for (const char *next = words; *next;) {
		next += strspn(next, " \t\n");
		const size_t length = strcspn(next, " \t\n");
		if (length == 0)
			break;
		const int index = find_word(next, length);
		if (index < 0 || count == 24)
			return false;
		for (size_t bit = 0; bit < 11; bit++)
			if (index >> (10 - bit) & 1)
				bits[(11 * count + bit) / 8] |= (uint8_t)(0x80 >> (11 * count + bit) % 8);
		count++;
		next += length;
	}
	if (count < 12 || count % 3)
		return false;
	*size = count / 3 * 4;
	sha256_hash(digest, bits, *size);
	const unsigned checked = (unsigned)count / 3;
	if ((digest[0] ^ bits[*size]) >> (8 - checked))
		return false;
	memcpy(entropy, bits, *size);
	return true;
}

/* PBKDF2 with HMAC-SHA512, one block of output, 2,048 rounds (BIP-39). */
void words_seed(uint8_t seed[64], const char *words, const char *passphrase)
{
	const struct hash_function *sha512 = &hash_functions[PREHASH_SHA2_512];
	char salt[256 + 12];
	uint8_t block[64];
	const int length = snprintf(salt, sizeof salt - 4, "mnemonic%s", passphrase);
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	memcpy(salt + length, first_block, 4);
	hmac_message(sha512, words, strlen(words), salt, (size_t)length + 4, block);
	memcpy(seed, block, 64);
	for (int round = 1; round < 2048; round++) {
		hmac_message(sha512, words, strlen(words), block, 64, block);
		for (int i = 0; i < 64; i++)
			seed[i] ^= block[i];
	}
	crypto_wipe(block, sizeof block);
}

static bool child(const secp256k1_context *context, uint8_t key[32], uint8_t chain[32], uint32_t index)
{
	uint8_t data[37];
	uint8_t out[64];
	if (index & 0x80000000U) {
		data[0] = 0;
		memcpy(data + 1, key, 32);
	} else {
		secp256k1_pubkey public;
		size_t size = 33;
		if (!secp256k1_ec_pubkey_create(context, &public, key) ||
		    !secp256k1_ec_pubkey_serialize(context, data, &size, &public, SECP256K1_EC_COMPRESSED))
			return false;
	}
	for (int i = 0; i < 4; i++)
		data[33 + i] = (uint8_t)(index >> (24 - 8 * i));
	hmac_message(&hash_functions[PREHASH_SHA2_512], chain, 32, data, sizeof data, out);
	const bool good = secp256k1_ec_seckey_tweak_add(context, key, out);
	memcpy(chain, out + 32, 32);
	crypto_wipe(out, sizeof out);
	crypto_wipe(data, sizeof data);
	return good;
}

bool wallet_derive(uint8_t key[32], const uint8_t seed[64], uint32_t index)
{
	const uint32_t path[5] = {0x80000000U + 44, 0x80000000U + 60, 0x80000000U, 0, index};
	secp256k1_context *context = secp256k1_context_create(SECP256K1_CONTEXT_SIGN);
	uint8_t master[64];
	if (!context)
		return false;
	hmac_message(&hash_functions[PREHASH_SHA2_512], "Bitcoin seed", 12, seed, 64, master);
	bool good = secp256k1_ec_seckey_verify(context, master);
	for (int i = 0; good && i < 5; i++)
		good = child(context, master, master + 32, path[i]);
	memcpy(key, master, 32);
	crypto_wipe(master, sizeof master);
	secp256k1_context_destroy(context);
	return good;
}
