/* RIPEMD-160 (H. Dobbertin, A. Bosselaers, B. Preneel, 1996). */
#include "precompile/precompile.h"

static const uint8_t left_word[80] = {
    0,  1, 2,  3,  4, 5,  6,  7,  8, 9, 10, 11, 12, 13, 14, 15, 7, 4,  13, 1, 10, 6, 15, 3,  12, 0, 9,
    5,  2, 14, 11, 8, 3,  10, 14, 4, 9, 15, 8,  1,  2,  7,  0,  6, 13, 11, 5, 12, 1, 9,  11, 10, 0, 8,
    12, 4, 13, 3,  7, 15, 14, 5,  6, 2, 4,  0,  5,  9,  7,  12, 2, 10, 14, 1, 3,  8, 11, 6,  15, 13};
static const uint8_t right_word[80] = {
    5,  14, 7, 0,  9, 2,  11, 4, 13, 6,  15, 8,  1,  10, 3, 12, 6, 11, 3, 7, 0,  13, 5, 10, 14, 15, 8,
    12, 4,  9, 1,  2, 15, 5,  1, 3,  7,  14, 6,  9,  11, 8, 12, 2, 10, 0, 4, 13, 8,  6, 4,  1,  3,  11,
    15, 0,  5, 12, 2, 13, 9,  7, 10, 14, 12, 15, 10, 4,  1, 5,  8, 7,  6, 2, 13, 14, 0, 3,  9,  11};
static const uint8_t left_shift[80] = {
    11, 14, 15, 12, 5,  8,  7,  9, 11, 13, 14, 15, 6,  7,  9, 8,  7,  6,  8,  13, 11, 9,  7,  15, 7,  12, 15,
    9,  11, 7,  13, 12, 11, 13, 6, 7,  14, 9,  13, 15, 14, 8, 13, 6,  5,  12, 7,  5,  11, 12, 14, 15, 14, 15,
    9,  8,  9,  14, 5,  6,  8,  6, 5,  12, 9,  15, 5,  11, 6, 8,  13, 12, 5,  12, 13, 14, 11, 8,  5,  6};
static const uint8_t right_shift[80] = {
    8, 9,  9,  11, 13, 15, 15, 5,  7,  7, 8, 11, 14, 14, 12, 6, 9,  13, 15, 7,  12, 8,  9,  11, 7,  7,  12,
    7, 6,  15, 13, 11, 9,  7,  15, 11, 8, 6, 6,  14, 12, 13, 5, 14, 13, 13, 7,  5,  15, 5,  8,  11, 14, 14,
    6, 14, 6,  9,  12, 9,  12, 5,  15, 8, 8, 5,  12, 9,  12, 5, 14, 6,  8,  13, 6,  5,  15, 13, 11, 11};
static const uint32_t left_constant[5] = {0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e};
static const uint32_t right_constant[5] = {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static uint32_t mix(unsigned kind, uint32_t x, uint32_t y, uint32_t z)
{
	switch (kind) {
	case 0:
		return x ^ y ^ z;
	case 1:
		return (x & y) | (~x & z);
	case 2:
		return (x | ~y) ^ z;
	case 3:
		return (x & z) | (y & ~z);
	default:
		return x ^ (y | ~z);
	}
}

static void line(uint32_t v[5], const uint32_t words[16], const uint8_t *word, const uint8_t *shift,
                 const uint32_t *constant, bool right)
{
	for (unsigned j = 0; j < 80; j++) {
		const unsigned round = j / 16;
		const uint32_t t = rotate(v[0] + mix(right ? 4 - round : round, v[1], v[2], v[3]) +
		                              words[word[j]] + constant[round],
		                          shift[j]) +
		                   v[4];
		v[0] = v[4];
		v[4] = v[3];
		v[3] = rotate(v[2], 10);
		v[2] = v[1];
		v[1] = t;
	}
}

static void compress(uint32_t h[5], const uint8_t block[64])
{
	uint32_t words[16];
	uint32_t a[5];
	uint32_t b[5];
	for (unsigned i = 0; i < 16; i++)
		words[i] = (uint32_t)block[4 * i] | (uint32_t)block[4 * i + 1] << 8 |
		           (uint32_t)block[4 * i + 2] << 16 | (uint32_t)block[4 * i + 3] << 24;
	memcpy(a, h, sizeof a);
	memcpy(b, h, sizeof b);
	line(a, words, left_word, left_shift, left_constant, false);
	line(b, words, right_word, right_shift, right_constant, true);
	const uint32_t t = h[1] + a[2] + b[3];
	h[1] = h[2] + a[3] + b[4];
	h[2] = h[3] + a[4] + b[0];
	h[3] = h[4] + a[0] + b[1];
	h[4] = h[0] + a[1] + b[2];
	h[0] = t;
}

void ripemd160(uint8_t digest[20], const uint8_t *data, size_t size)
{
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	const uint64_t bits = (uint64_t)size * 8;
	for (; size >= 64; size -= 64, data += 64)
		compress(h, data);
	uint8_t block[128] = {0};
	if (size)
		memcpy(block, data, size);
	block[size] = 0x80;
	const size_t padded = size < 56 ? 64 : 128;
	for (unsigned i = 0; i < 8; i++)
		block[padded - 8 + i] = (uint8_t)(bits >> 8 * i);
	compress(h, block);
	if (padded == 128)
		compress(h, block + 64);
	for (unsigned i = 0; i < 20; i++)
		digest[i] = (uint8_t)(h[i / 4] >> 8 * (i % 4));
}
