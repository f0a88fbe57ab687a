/* Keccak-256 in one call, and the keyed hash of tables. */
#include "num/types.h"

#include "crypto/keccak.h"

#include <stdlib.h>
#include <sys/random.h>

#define RATE 136

const struct hash32 keccak_of_nothing = {{0xc5, 0xd2, 0x46, 0x01, 0x86, 0xf7, 0x23, 0x3c, 0x92, 0x7e, 0x7d,
                                          0xb2, 0xdc, 0xc7, 0x03, 0xc0, 0xe5, 0x00, 0xb6, 0x53, 0xca, 0x82,
                                          0x27, 0x3b, 0x7b, 0xfa, 0xd8, 0x04, 0x5d, 0x85, 0xa4, 0x70}};

void keccak256(uint8_t digest[32], const void *data, size_t length)
{
	uint64_t lanes[KECCAK_LANES] = {0};
	const uint8_t *bytes = data;
	uint64_t lane;
	while (length >= RATE) {
		for (unsigned i = 0; i < RATE / 8; i++) {
			memcpy(&lane, bytes + 8 * (size_t)i, 8);
			lanes[i] ^= lane;
		}
		keccak_permute(lanes);
		bytes += RATE;
		length -= RATE;
	}
	unsigned i = 0;
	for (; length >= 8; i++, length -= 8, bytes += 8) {
		memcpy(&lane, bytes, 8);
		lanes[i] ^= lane;
	}
	lane = 0;
	if (length)
		memcpy(&lane, bytes, length);
	lanes[i] ^= lane ^ UINT64_C(1) << 8 * length;
	lanes[RATE / 8 - 1] ^= UINT64_C(1) << 63;
	keccak_permute(lanes);
	memcpy(digest, lanes, 32);
}

static uint64_t secret[2];

__attribute__((constructor)) static void draw_secret(void)
{
	if (getrandom(secret, sizeof secret, 0) != sizeof secret)
		abort();
	secret[0] |= 1;
	secret[1] |= 1;
}

uint64_t table_hash(const void *data, size_t words)
{
	const uint8_t *bytes = data;
	uint64_t h = secret[0];
	for (size_t i = 0; i < words; i++) {
		uint64_t word;
		memcpy(&word, bytes + 8 * i, 8);
		const u128 p =
		    (u128)(word ^ h) * (secret[1] ^ (i * UINT64_C(0x9e3779b97f4a7c15) & ~UINT64_C(1)));
		h = (uint64_t)p ^ (uint64_t)(p >> 64) ^ (h << 23 | h >> 41);
	}
	const u128 p = (u128)(h ^ secret[0]) * UINT64_C(0xd6e8feb86659fd93);
	return (uint64_t)p ^ (uint64_t)(p >> 64);
}
