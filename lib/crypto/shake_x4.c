/* Four sponges with one position: the same steps as in sha3.c on lanes four wide. */
#include "shake_x4.h"

static void sponge_init(struct shake_x4 *shake, unsigned rate)
{
	memset(shake, 0, sizeof *shake);
	shake->rate = rate;
}

void shake128_x4_init(struct shake_x4 *shake)
{
	sponge_init(shake, SHAKE128_RATE);
}

void shake256_x4_init(struct shake_x4 *shake)
{
	sponge_init(shake, SHAKE256_RATE);
}

void shake_x4_absorb(struct shake_x4 *shake, const uint8_t *const data[4], size_t length)
{
	unsigned position = shake->position, rate = shake->rate;
	size_t done = 0;
	while (done < length) {
		uint64_t *lane = shake->states.lanes[position / 8];
		if (position % 8 == 0 && length - done >= 8) {
			for (unsigned i = 0; i < 4; i++)
				lane[i] ^= load_le64(data[i] + done);
			position += 8;
			done += 8;
		} else {
			for (unsigned i = 0; i < 4; i++)
				lane[i] ^= (uint64_t)data[i][done] << (8 * (position % 8));
			position++;
			done++;
		}
		if (position == rate) {
			keccak_permute_x4(&shake->states);
			position = 0;
		}
	}
	shake->position = position;
}

void shake_x4_finalize(struct shake_x4 *shake)
{
	for (unsigned i = 0; i < 4; i++) {
		shake->states.lanes[shake->position / 8][i] ^= (uint64_t)0x1f << (8 * (shake->position % 8));
		shake->states.lanes[shake->rate / 8 - 1][i] ^= (uint64_t)0x80 << 56;
	}
	shake->position = shake->rate;
}

void shake_x4_squeeze(struct shake_x4 *shake, uint8_t *const out[4], size_t length)
{
	unsigned position = shake->position, rate = shake->rate;
	size_t done = 0;
	while (done < length) {
		if (position == rate) {
			keccak_permute_x4(&shake->states);
			position = 0;
		}
		const uint64_t *lane = shake->states.lanes[position / 8];
		if (position % 8 == 0 && length - done >= 8) {
			for (unsigned i = 0; i < 4; i++)
				store_le64(out[i] + done, lane[i]);
			position += 8;
			done += 8;
		} else {
			for (unsigned i = 0; i < 4; i++)
				out[i][done] = (uint8_t)(lane[i] >> (8 * (position % 8)));
			position++;
			done++;
		}
	}
	shake->position = position;
}

static void shake_x4_hash(struct shake_x4 *shake, uint8_t *const out[4], size_t out_length,
                          const uint8_t *const data[4], size_t length)
{
	shake_x4_absorb(shake, data, length);
	shake_x4_finalize(shake);
	shake_x4_squeeze(shake, out, out_length);
	crypto_wipe(shake, sizeof *shake);
}

void shake128_x4_hash(uint8_t *const out[4], size_t out_length, const uint8_t *const data[4], size_t length)
{
	struct shake_x4 shake;
	shake128_x4_init(&shake);
	shake_x4_hash(&shake, out, out_length, data, length);
}

void shake256_x4_hash(uint8_t *const out[4], size_t out_length, const uint8_t *const data[4], size_t length)
{
	struct shake_x4 shake;
	shake256_x4_init(&shake);
	shake_x4_hash(&shake, out, out_length, data, length);
}
