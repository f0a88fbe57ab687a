/*
 * SHA-256 with the SHA instructions (Intel SDM volume 2, SHA256RNDS2, SHA256MSG1, SHA256MSG2).
 *
 * The instructions want the state as two registers, ABEF and CDGH; four message words a register make four
 * rounds.
 */
#include <immintrin.h>

#include "sha2_lanes.h"

/* Four rounds with the words of `w` (constants added). */
CRYPTO_INLINE void four_rounds(__m128i *abef, __m128i *cdgh, __m128i w, unsigned round)
{
	__m128i input = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(sha256_round_constants + round)));
	*cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, input);
	*abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32(input, 0x0e));
}

/* Words t to t+3 from the sixteen before them, oldest first. */
CRYPTO_INLINE __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
	__m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
	return _mm_sha256msg2_epu32(sum, w3);
}

struct registers {
	__m128i abef, cdgh;
};

CRYPTO_INLINE struct registers registers_load(const uint32_t state[8])
{
	__m128i dcba = _mm_loadu_si128((const __m128i *)state),
	        hgfe = _mm_loadu_si128((const __m128i *)(state + 4));
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	return (struct registers){_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0)};
}

CRYPTO_INLINE void registers_store(uint32_t state[8], struct registers r)
{
	__m128i feba = _mm_shuffle_epi32(r.abef, 0x1b), dchg = _mm_shuffle_epi32(r.cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

/* One block each into `count` (1 or 2) states. */
CRYPTO_INLINE void compress(struct registers *r, const uint8_t *const *blocks, unsigned count)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
	struct registers start[2];
	__m128i w[2][4];
#pragma clang loop unroll(full)
	for (unsigned k = 0; k < count; k++)
		start[k] = r[k];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 4; i++)
#pragma clang loop unroll(full)
		for (unsigned k = 0; k < count; k++) {
			w[k][i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)blocks[k] + i), swap);
			four_rounds(&r[k].abef, &r[k].cdgh, w[k][i], 4 * i);
		}
#pragma clang loop unroll(full)
	for (unsigned round = 16; round < 64; round += 4)
#pragma clang loop unroll(full)
		for (unsigned k = 0; k < count; k++) {
			unsigned i = round / 4;
			w[k][i & 3] =
			    next_words(w[k][i & 3], w[k][(i + 1) & 3], w[k][(i + 2) & 3], w[k][(i + 3) & 3]);
			four_rounds(&r[k].abef, &r[k].cdgh, w[k][i & 3], round);
		}
#pragma clang loop unroll(full)
	for (unsigned k = 0; k < count; k++) {
		r[k].abef = _mm_add_epi32(r[k].abef, start[k].abef);
		r[k].cdgh = _mm_add_epi32(r[k].cdgh, start[k].cdgh);
	}
}

void sha256_blocks_shani(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	struct registers r = registers_load(state);
	for (; count > 0; count--, blocks += SHA256_BLOCK)
		compress(&r, &blocks, 1);
	registers_store(state, r);
}

void sha256_compress_two_shani(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK],
                               uint32_t (*out)[8])
{
	struct registers r[2] = {registers_load(start), registers_load(start)};
	const uint8_t *const both[2] = {blocks[0], blocks[1]};
	compress(r, both, 2);
	registers_store(out[0], r[0]);
	registers_store(out[1], r[1]);
}
