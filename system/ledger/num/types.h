/* Addresses, 32-byte hashes and Keccak-256, the words everything in the ledger's execution half is written
 * in. */
#ifndef LEDGER_TYPES_H
#define LEDGER_TYPES_H

#include "num/u256.h"

#include <stddef.h>

struct address {
	uint8_t bytes[20];
};

struct hash32 {
	uint8_t bytes[32];
};

static inline bool address_equal(const struct address *a, const struct address *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

static inline bool hash32_equal(const struct hash32 *a, const struct hash32 *b)
{
	return memcmp(a, b, sizeof *a) == 0;
}

/* The low 160 bits of a word, and back. */
static inline void address_from_word(struct address *out, const struct u256 *word)
{
	uint8_t bytes[32];
	u256_store(bytes, word);
	memcpy(out->bytes, bytes + 12, 20);
}

static inline void word_from_address(struct u256 *out, const struct address *address)
{
	uint8_t bytes[32] = {0};
	memcpy(bytes + 12, address->bytes, 20);
	u256_load(out, bytes);
}

/* Keccak-256 with the original padding (0x01), as Ethereum uses it; not SHA3-256. */
void keccak256(uint8_t digest[32], const void *data, size_t length);

extern const struct hash32 keccak_of_nothing;

/*
 * A 64-bit hash of n words under a secret drawn once a process, for tables whose keys come from outside:
 * nobody can choose keys that collide. It never reaches anything that leaves the process.
 */
uint64_t table_hash(const void *data, size_t words);

#endif
