/* The compression function F of BLAKE2b (RFC 7693) as a contract (EIP-152). One gas a round. */
#include "precompile/precompile.h"

static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};
static const uint64_t iv[8] = {0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                               0xa54ff53a5f1d36f1, 0x510e527fade682d1, 0x9b05688c2b3e6c1f,
                               0x1f83d9abfb41bd6b, 0x5be0cd19137e2179};

static uint64_t load_little(const uint8_t *bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

static inline uint64_t rotate(uint64_t x, unsigned n)
{
	return x >> n | x << (64 - n);
}

static inline void quarter(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, uint64_t x, uint64_t y)
{
	*a += *b + x;
	*d = rotate(*d ^ *a, 32);
	*c += *d;
	*b = rotate(*b ^ *c, 24);
	*a += *b + y;
	*d = rotate(*d ^ *a, 16);
	*c += *d;
	*b = rotate(*b ^ *c, 63);
}

bool precompile_blake2f(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	if (size != 213 || input[212] > 1)
		return false;
	const uint32_t rounds = (uint32_t)input[0] << 24 | (uint32_t)input[1] << 16 |
	                        (uint32_t)input[2] << 8 | (uint32_t)input[3];
	if (!precompile_charge(gas, rounds))
		return false;
	uint64_t v[16];
	uint64_t m[16];
	for (unsigned i = 0; i < 8; i++) {
		v[i] = load_little(input + 4 + 8 * i);
		v[8 + i] = iv[i];
	}
	for (unsigned i = 0; i < 16; i++)
		m[i] = load_little(input + 68 + 8 * i);
	v[12] ^= load_little(input + 196);
	v[13] ^= load_little(input + 204);
	if (input[212])
		v[14] = ~v[14];
	for (uint32_t r = 0, row = 0; r < rounds; r++, row = row == 9 ? 0 : row + 1) {
		const uint8_t *s = sigma[row];
		quarter(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]]);
		quarter(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]]);
		quarter(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]]);
		quarter(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]]);
		quarter(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]]);
		quarter(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]]);
		quarter(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]]);
		quarter(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]]);
	}
	uint8_t *out = evm_return_buffer(evm, 64);
	for (unsigned i = 0; i < 8; i++) {
		const uint64_t h = load_little(input + 4 + 8 * i) ^ v[i] ^ v[8 + i];
		for (unsigned k = 0; k < 8; k++)
			out[8 * i + k] = (uint8_t)(h >> 8 * k);
	}
	return true;
}
