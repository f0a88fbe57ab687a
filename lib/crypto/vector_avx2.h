/* Vectors of eight 32-bit or four 64-bit words, and the transposition of the former; for sources compiled
 * with AVX2 only. */
#ifndef CRYPTO_VECTOR_AVX2_H
#define CRYPTO_VECTOR_AVX2_H

#include <immintrin.h>

#include "util.h"

typedef uint32_t word_x8 __attribute__((vector_size(32)));
typedef uint64_t word_x4 __attribute__((vector_size(32)));

CRYPTO_INLINE word_x8 words_broadcast(uint32_t word)
{
	return (word_x8)_mm256_set1_epi32((int)word);
}

CRYPTO_INLINE word_x8 words_load(const void *from)
{
	return (word_x8)_mm256_loadu_si256(from);
}

/* Eight big-endian words. */
CRYPTO_INLINE word_x8 words_load_be(const void *from)
{
	const __m256i swap =
	    _mm256_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203, 0x0c0d0e0f08090a0b, 0x0405060700010203);
	return (word_x8)_mm256_shuffle_epi8((__m256i)words_load(from), swap);
}

CRYPTO_INLINE void words_store(void *to, word_x8 words)
{
	_mm256_storeu_si256(to, (__m256i)words);
}

/* Word j of rows[i] becomes word i of rows[j]. */
CRYPTO_INLINE void words_transpose(word_x8 rows[8])
{
	__m256i pair[8], quad[8];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i += 2) {
		pair[i] = _mm256_unpacklo_epi32((__m256i)rows[i], (__m256i)rows[i + 1]);
		pair[i + 1] = _mm256_unpackhi_epi32((__m256i)rows[i], (__m256i)rows[i + 1]);
	}
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i += 4) {
		quad[i] = _mm256_unpacklo_epi64(pair[i], pair[i + 2]);
		quad[i + 1] = _mm256_unpackhi_epi64(pair[i], pair[i + 2]);
		quad[i + 2] = _mm256_unpacklo_epi64(pair[i + 1], pair[i + 3]);
		quad[i + 3] = _mm256_unpackhi_epi64(pair[i + 1], pair[i + 3]);
	}
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 4; i++) {
		rows[i] = (word_x8)_mm256_permute2x128_si256(quad[i], quad[i + 4], 0x20);
		rows[i + 4] = (word_x8)_mm256_permute2x128_si256(quad[i], quad[i + 4], 0x31);
	}
}

#endif
