/* BLAKE3 on eight inputs at once: word i of the eight states lies in one AVX2 register. */
#include "blake3_compress.h"
#include "vector_avx2.h"

CRYPTO_INLINE word_x8 rotate_16(word_x8 words)
{
	const __m256i order = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13, 2, 3, 0,
	                                       1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
	return (word_x8)_mm256_shuffle_epi8((__m256i)words, order);
}

CRYPTO_INLINE word_x8 rotate_8(word_x8 words)
{
	const __m256i order = _mm256_setr_epi8(1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12, 1, 2, 3,
	                                       0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12);
	return (word_x8)_mm256_shuffle_epi8((__m256i)words, order);
}

CRYPTO_WRAPS CRYPTO_INLINE void mix(word_x8 *v, unsigned a, unsigned b, unsigned c, unsigned d, word_x8 x,
                                    word_x8 y)
{
	v[a] = v[a] + v[b] + x;
	v[d] = rotate_16(v[d] ^ v[a]);
	v[c] = v[c] + v[d];
	v[b] ^= v[c];
	v[b] = v[b] >> 12 | v[b] << 20;
	v[a] = v[a] + v[b] + y;
	v[d] = rotate_8(v[d] ^ v[a]);
	v[c] = v[c] + v[d];
	v[b] ^= v[c];
	v[b] = v[b] >> 7 | v[b] << 25;
}

CRYPTO_INLINE void round(word_x8 v[16], const word_x8 m[16], const uint8_t order[16])
{
	mix(v, 0, 4, 8, 12, m[order[0]], m[order[1]]);
	mix(v, 1, 5, 9, 13, m[order[2]], m[order[3]]);
	mix(v, 2, 6, 10, 14, m[order[4]], m[order[5]]);
	mix(v, 3, 7, 11, 15, m[order[6]], m[order[7]]);
	mix(v, 0, 5, 10, 15, m[order[8]], m[order[9]]);
	mix(v, 1, 6, 11, 12, m[order[10]], m[order[11]]);
	mix(v, 2, 7, 8, 13, m[order[12]], m[order[13]]);
	mix(v, 3, 4, 9, 14, m[order[14]], m[order[15]]);
}

void blake3_hash_eight_avx2(const struct blake3_many *many, const uint8_t *inputs, size_t count,
                            uint32_t (*out)[8])
{
	const uint8_t *input[8];
	uint32_t counter_low[8], counter_high[8];
	word_x8 chaining[8];
	for (unsigned i = 0; i < 8; i++) {
		size_t lane = i < count ? i : 0;
		uint64_t counter = many->counter + (many->count_up ? lane : 0);
		input[i] = inputs + lane * many->blocks * BLAKE3_BLOCK;
		counter_low[i] = (uint32_t)(counter & UINT32_MAX);
		counter_high[i] = (uint32_t)(counter >> 32);
		chaining[i] = words_broadcast(many->key[i]);
	}

	for (uint32_t block = 0; block < many->blocks; block++) {
		uint32_t flags = many->flags | (block == 0 ? many->first_flags : 0) |
		                 (block + 1 == many->blocks ? many->last_flags : 0);
		word_x8 m[16], v[16];
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 8; i++) {
			m[i] = words_load(input[i] + block * BLAKE3_BLOCK);
			m[i + 8] = words_load(input[i] + block * BLAKE3_BLOCK + 32);
		}
		words_transpose(m);
		words_transpose(m + 8);
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 8; i++)
			v[i] = chaining[i];
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 4; i++)
			v[i + 8] = words_broadcast(blake3_start[i]);
		v[12] = words_load(counter_low);
		v[13] = words_load(counter_high);
		v[14] = words_broadcast(BLAKE3_BLOCK);
		v[15] = words_broadcast(flags);
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 7; i++)
			round(v, m, blake3_schedule[i]);
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 8; i++)
			chaining[i] = v[i] ^ v[i + 8];
	}

	words_transpose(chaining);
	for (unsigned i = 0; i < 8 && i < count; i++)
		words_store(out[i], chaining[i]);
}
