/* SHA-3 and SHAKE over one sponge: absorb into the block under way, permute when it is full. */
#include "sha3.h"

#define SHA3_SUFFIX  0x06
#define SHAKE_SUFFIX 0x1f

static void sponge_init(struct keccak_sponge *sponge, unsigned rate)
{
	memset(sponge, 0, sizeof *sponge);
	sponge->rate = rate;
}

static void sponge_xor_byte(struct keccak_sponge *sponge, unsigned position, uint8_t byte)
{
	sponge->lanes[position / 8] ^= (uint64_t)byte << (8 * (position % 8));
}

static void sponge_absorb(struct keccak_sponge *sponge, const uint8_t *data, size_t length)
{
	unsigned position = sponge->position, rate = sponge->rate;
	while (length > 0) {
		if (position % 8 == 0 && length >= 8) {
			unsigned lanes = (rate - position) / 8;
			if (lanes > length / 8)
				lanes = (unsigned)(length / 8);
			uint64_t *lane = sponge->lanes + position / 8;
			for (unsigned i = 0; i < lanes; i++)
				lane[i] ^= load_le64(data + 8 * i);
			position += 8 * lanes;
			data += 8 * lanes;
			length -= 8 * lanes;
		} else {
			sponge_xor_byte(sponge, position++, *data++);
			length--;
		}
		if (position == rate) {
			keccak_permute(sponge->lanes);
			position = 0;
		}
	}
	sponge->position = position;
}

/* Pads the last block; the next squeeze permutes, because the position stands at the block's end. */
static void sponge_finalize(struct keccak_sponge *sponge, uint8_t suffix)
{
	sponge_xor_byte(sponge, sponge->position, suffix);
	sponge_xor_byte(sponge, sponge->rate - 1, 0x80);
	sponge->position = sponge->rate;
}

static void sponge_squeeze(struct keccak_sponge *sponge, uint8_t *out, size_t length)
{
	unsigned position = sponge->position, rate = sponge->rate;
	while (length > 0) {
		if (position == rate) {
			keccak_permute(sponge->lanes);
			position = 0;
		}
		if (position % 8 == 0 && length >= 8) {
			unsigned lanes = (rate - position) / 8;
			if (lanes > length / 8)
				lanes = (unsigned)(length / 8);
			const uint64_t *lane = sponge->lanes + position / 8;
			for (unsigned i = 0; i < lanes; i++)
				store_le64(out + 8 * i, lane[i]);
			position += 8 * lanes;
			out += 8 * lanes;
			length -= 8 * lanes;
		} else {
			*out++ = (uint8_t)(sponge->lanes[position / 8] >> (8 * (position % 8)));
			position++;
			length--;
		}
	}
	sponge->position = position;
}

static void sha3_init(struct sha3 *hash, unsigned digest_size)
{
	sponge_init(&hash->sponge, KECCAK_LANES * 8 - 2 * digest_size);
	hash->digest_size = digest_size;
}

void sha3_224_init(struct sha3 *hash)
{
	sha3_init(hash, SHA3_224_SIZE);
}

void sha3_256_init(struct sha3 *hash)
{
	sha3_init(hash, SHA3_256_SIZE);
}

void sha3_384_init(struct sha3 *hash)
{
	sha3_init(hash, SHA3_384_SIZE);
}

void sha3_512_init(struct sha3 *hash)
{
	sha3_init(hash, SHA3_512_SIZE);
}

void sha3_update(struct sha3 *hash, const void *data, size_t length)
{
	sponge_absorb(&hash->sponge, data, length);
}

void sha3_final(struct sha3 *hash, uint8_t *digest)
{
	sponge_finalize(&hash->sponge, SHA3_SUFFIX);
	sponge_squeeze(&hash->sponge, digest, hash->digest_size);
	crypto_wipe(hash, sizeof *hash);
}

static void sha3_hash(uint8_t *digest, unsigned digest_size, const void *data, size_t length)
{
	struct sha3 hash;
	sha3_init(&hash, digest_size);
	sha3_update(&hash, data, length);
	sha3_final(&hash, digest);
}

void sha3_256_hash(uint8_t digest[SHA3_256_SIZE], const void *data, size_t length)
{
	sha3_hash(digest, SHA3_256_SIZE, data, length);
}

void sha3_512_hash(uint8_t digest[SHA3_512_SIZE], const void *data, size_t length)
{
	sha3_hash(digest, SHA3_512_SIZE, data, length);
}

void shake128_init(struct shake *shake)
{
	sponge_init(&shake->sponge, SHAKE128_RATE);
}

void shake256_init(struct shake *shake)
{
	sponge_init(&shake->sponge, SHAKE256_RATE);
}

void shake_absorb(struct shake *shake, const void *data, size_t length)
{
	sponge_absorb(&shake->sponge, data, length);
}

void shake_finalize(struct shake *shake)
{
	sponge_finalize(&shake->sponge, SHAKE_SUFFIX);
}

void shake_squeeze(struct shake *shake, void *out, size_t length)
{
	sponge_squeeze(&shake->sponge, out, length);
}

static void shake_hash(struct shake *shake, void *out, size_t out_length, const void *data, size_t length)
{
	shake_absorb(shake, data, length);
	shake_finalize(shake);
	shake_squeeze(shake, out, out_length);
	crypto_wipe(shake, sizeof *shake);
}

void shake128_hash(void *out, size_t out_length, const void *data, size_t length)
{
	struct shake shake;
	shake128_init(&shake);
	shake_hash(&shake, out, out_length, data, length);
}

void shake256_hash(void *out, size_t out_length, const void *data, size_t length)
{
	struct shake shake;
	shake256_init(&shake);
	shake_hash(&shake, out, out_length, data, length);
}
