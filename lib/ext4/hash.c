/* ext4's checksums (CRC-32C, CRC-16) and the hashes of names in directory indexes (chapter "Hash Tree
 * Directories": legacy, half MD4, TEA, each for signed and unsigned characters). */
#include "internal.h"

static uint32_t table32[8][256];
static uint16_t table16[256];

static void tables_make(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		uint16_t small = (uint16_t)i;
		for (unsigned bit = 0; bit < 8; bit++) {
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
			small = (uint16_t)(small >> 1 ^ (small & 1 ? 0xa001 : 0));
		}
		table32[0][i] = crc;
		table16[i] = small;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (unsigned k = 1; k < 8; k++)
			table32[k][i] = table32[k - 1][i] >> 8 ^ table32[0][table32[k - 1][i] & 255];
}

/* Eight bytes at a time: the remainder of each is looked up on its own. */
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	if (!table16[1])
		tables_make();
	for (; bytes >= 8; bytes -= 8, at += 8) {
		uint64_t word = get64(at) ^ crc;
		crc = 0;
		for (unsigned k = 0; k < 8; k++)
			crc ^= table32[7 - k][word >> 8 * k & 255];
	}
	while (bytes--)
		crc = crc >> 8 ^ table32[0][(crc ^ *at++) & 255];
	return crc;
}

uint16_t crc16(uint16_t crc, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	if (!table16[1])
		tables_make();
	while (bytes--)
		crc = (uint16_t)(crc >> 8 ^ table16[(crc ^ *at++) & 255]);
	return crc;
}

/* ---- Names ---- */

static uint32_t character(const char *name, size_t at, bool is_signed)
{
	return is_signed ? (uint32_t)(int32_t)(int8_t)name[at] : (uint32_t)(uint8_t)name[at];
}

/* COUNT words of NAME, padded by its length. */
static void words(const char *name, size_t bytes, bool is_signed, uint32_t *to, unsigned count)
{
	uint32_t pad = (uint32_t)bytes | (uint32_t)bytes << 8;
	pad |= pad << 16;
	size_t most = bytes < (size_t)count * 4 ? bytes : (size_t)count * 4;
	for (unsigned word = 0; word < count; word++) {
		uint32_t value = pad;
		for (size_t i = (size_t)word * 4; i < (size_t)word * 4 + 4 && i < most; i++)
			value = character(name, i, is_signed) + (value << 8);
		to[word] = value;
	}
}

static uint32_t rotate(uint32_t value, unsigned by)
{
	return value << by | value >> (32 - by);
}

static void half_md4(uint32_t state[4], const uint32_t in[8])
{
	static const uint8_t order[3][8] = {
	    {0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}};
	static const uint8_t shifts[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
	static const uint32_t constants[3] = {0, 0x5a827999, 0x6ed9eba1};
	uint32_t v[4] = {state[0], state[1], state[2], state[3]};
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			/* a, d, c, b in turn take the change. */
			uint32_t *a = &v[(4 - i % 4) % 4];
			uint32_t b = v[(5 - i % 4) % 4];
			uint32_t c = v[(6 - i % 4) % 4];
			uint32_t d = v[(7 - i % 4) % 4];
			uint32_t mixed = round == 0   ? d ^ (b & (c ^ d))
			                 : round == 1 ? (b & c) + ((b ^ c) & d)
			                              : b ^ c ^ d;
			*a =
			    rotate(*a + mixed + in[order[round][i]] + constants[round], shifts[round][i % 4]);
		}
	}
	for (unsigned i = 0; i < 4; i++)
		state[i] += v[i];
}

static void tea(uint32_t state[2], const uint32_t in[4])
{
	uint32_t sum = 0, left = state[0], right = state[1];
	for (unsigned i = 0; i < 16; i++) {
		sum += 0x9e3779b9;
		left += ((right << 4) + in[0]) ^ (right + sum) ^ ((right >> 5) + in[1]);
		right += ((left << 4) + in[2]) ^ (left + sum) ^ ((left >> 5) + in[3]);
	}
	state[0] += left;
	state[1] += right;
}

static uint32_t legacy(const char *name, size_t bytes, bool is_signed)
{
	uint32_t last = 0x12a3fe2d, before = 0x37abe8f9;
	for (size_t i = 0; i < bytes; i++) {
		uint32_t hash = before + (last ^ character(name, i, is_signed) * 7152373u);
		if (hash & 0x80000000)
			hash -= 0x7fffffff;
		before = last;
		last = hash;
	}
	return last << 1;
}

bool name_hash(const uint8_t seed[16], unsigned version, const char *name, size_t bytes, uint32_t *hash)
{
	uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}, in[8];
	bool is_signed = version < 3;
	bool seeded = false;
	if (version > 5)
		return false;
	for (unsigned i = 0; i < 16; i++)
		seeded |= seed[i] != 0;
	for (unsigned i = 0; i < 4 && seeded; i++)
		state[i] = get32(seed + 4 * i);
	if (version % 3 == 0)
		state[0] = legacy(name, bytes, is_signed);
	const size_t step = version % 3 == 1 ? 32 : 16;
	for (size_t at = 0; version % 3 && at < bytes; at += step) {
		words(name + at, bytes - at, is_signed, in, (unsigned)step / 4);
		if (version % 3 == 1)
			half_md4(state, in);
		else
			tea(state, in);
	}
	*hash = (version % 3 == 1 ? state[1] : state[0]) & ~1u;
	if (*hash == 0xfffffffe) /* the end of a listing */
		*hash = 0xfffffffc;
	return true;
}
