/*
 * The arithmetic of ML-KEM with AVX2: sixteen coefficients a vector, in the same order and with the same
 * bounds as mlkem_poly.c.
 *
 * Layers of the transforms whose butterflies reach across vectors run on whole vectors. For the last three
 * (distance 8, 4, 2) a pair of vectors is regrouped so that partners stand in the same lane of two registers,
 * and put back in order at the end: twelve shuffles a pair, cheaper than giving the scheme a second layout.
 * Multiplication in the transformed domain uses the pairwise multiply-add, which fits pairs of coefficients
 * as they lie and sums products in 32 bits before one reduction.
 */
#include "mlkem_poly.h"

#if CRYPTO_VECTOR
#include <immintrin.h>

#define VECTORS (MLKEM_N / 16)

CRYPTO_INLINE __m256i load(const int16_t *from)
{
	return _mm256_load_si256((const __m256i *)from);
}

CRYPTO_INLINE void store(int16_t *to, __m256i value)
{
	_mm256_store_si256((__m256i *)to, value);
}

/* mlkem_montgomery() with the second factor's product with q^-1 at hand. */
CRYPTO_INLINE __m256i montgomery(__m256i a, __m256i b, __m256i b_qinv)
{
	const __m256i q = _mm256_set1_epi16(MLKEM_Q);
	__m256i m = _mm256_mullo_epi16(a, b_qinv);
	return _mm256_sub_epi16(_mm256_mulhi_epi16(a, b), _mm256_mulhi_epi16(m, q));
}

CRYPTO_INLINE __m256i times_qinv(__m256i a)
{
	return _mm256_mullo_epi16(a, _mm256_set1_epi16(MLKEM_QINV));
}

CRYPTO_INLINE __m256i barrett(__m256i a)
{
	__m256i t = _mm256_mulhi_epi16(a, _mm256_set1_epi16(MLKEM_BARRETT));
	t = _mm256_srai_epi16(_mm256_add_epi16(t, _mm256_set1_epi16(512)), 10);
	return _mm256_sub_epi16(a, _mm256_mullo_epi16(t, _mm256_set1_epi16(MLKEM_Q)));
}

CRYPTO_INLINE __m256i canonical(__m256i a)
{
	return _mm256_add_epi16(a, _mm256_and_si256(_mm256_srai_epi16(a, 15), _mm256_set1_epi16(MLKEM_Q)));
}

CRYPTO_INLINE void butterfly(__m256i *low, __m256i *high, __m256i zeta, __m256i zeta_qinv)
{
	__m256i t = montgomery(*high, zeta, zeta_qinv);
	*high = _mm256_sub_epi16(*low, t);
	*low = _mm256_add_epi16(*low, t);
}

CRYPTO_INLINE void inverse_butterfly(__m256i *low, __m256i *high, __m256i zeta, __m256i zeta_qinv)
{
	__m256i difference = _mm256_sub_epi16(*high, *low);
	*low = _mm256_add_epi16(*low, *high);
	*high = montgomery(difference, zeta, zeta_qinv);
}

/*
 * Regrouping a pair of vectors for distance 8, 4 and 2. Each step is its own inverse: it exchanges the upper
 * half (of the register, of each 128 bits, of each 64 bits) of one vector with the lower half of the other.
 */
CRYPTO_INLINE void exchange8(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_permute2x128_si256(*a, *b, 0x20);
	*b = _mm256_permute2x128_si256(*a, *b, 0x31);
	*a = low;
}

CRYPTO_INLINE void exchange4(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_unpacklo_epi64(*a, *b);
	*b = _mm256_unpackhi_epi64(*a, *b);
	*a = low;
}

CRYPTO_INLINE void exchange2(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_blend_epi32(*a, _mm256_slli_epi64(*b, 32), 0xaa);
	*b = _mm256_blend_epi32(_mm256_srli_epi64(*a, 32), *b, 0xaa);
	*a = low;
}

/* Zetas of pair number `pair`: two of distance 8, four of distance 4, eight of distance 2, spread over the
 * lanes they apply to. For the inverse transform they run backwards through the table: `reversed`. */
CRYPTO_INLINE __m256i zetas8(unsigned pair, bool reversed)
{
	unsigned at = reversed ? 31 - 2 * pair : 16 + 2 * pair;
	return _mm256_set_m128i(_mm_set1_epi16(mlkem_zetas[reversed ? at - 1 : at + 1]),
	                        _mm_set1_epi16(mlkem_zetas[at]));
}

CRYPTO_INLINE __m256i zetas4(unsigned pair, bool reversed)
{
	const int16_t *at = mlkem_zetas + (reversed ? 60 - 4 * pair : 32 + 4 * pair);
	__m128i four = _mm_loadl_epi64((const __m128i *)at);
	if (reversed)
		four = _mm_shufflelo_epi16(four, 0x1b);
	const __m256i spread = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9, 0, 1, 0, 1, 0,
	                                        1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9);
	return _mm256_shuffle_epi8(_mm256_cvtepu16_epi64(four), spread);
}

CRYPTO_INLINE __m256i zetas2(unsigned pair, bool reversed)
{
	const int16_t *at = mlkem_zetas + (reversed ? 120 - 8 * pair : 64 + 8 * pair);
	__m128i eight = _mm_loadu_si128((const __m128i *)at);
	if (reversed)
		eight = _mm_shuffle_epi8(eight,
		                         _mm_setr_epi8(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1));
	__m256i wide = _mm256_cvtepu16_epi32(eight);
	return _mm256_or_si256(wide, _mm256_slli_epi32(wide, 16));
}

/* One layer over the vectors at, at + distance, ... of a transform. */
CRYPTO_INLINE void layer(__m256i *v, unsigned count, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < count; start += 2 * distance) {
		__m256i zeta = _mm256_set1_epi16(*zetas++), zeta_qinv = times_qinv(zeta);
		for (unsigned i = start; i < start + distance; i++)
			butterfly(&v[i], &v[i + distance], zeta, zeta_qinv);
	}
}

CRYPTO_INLINE void inverse_layer(__m256i *v, unsigned count, unsigned distance, const int16_t *zetas)
{
	for (unsigned start = 0; start < count; start += 2 * distance) {
		__m256i zeta = _mm256_set1_epi16(*zetas--), zeta_qinv = times_qinv(zeta);
		for (unsigned i = start; i < start + distance; i++)
			inverse_butterfly(&v[i], &v[i + distance], zeta, zeta_qinv);
	}
}

static void ntt(struct mlkem_poly *p)
{
	/* Distances 128 and 64: four vectors that are 64 coefficients apart. */
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j++)
			v[j] = load(p->c + 16 * i + 64 * j);
		layer(v, 4, 2, mlkem_zetas + 1);
		layer(v, 4, 1, mlkem_zetas + 2);
		for (unsigned j = 0; j < 4; j++)
			store(p->c + 16 * i + 64 * j, v[j]);
	}
	/* Distances 32 to 2 stay within 64 neighbours. */
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j++)
			v[j] = load(p->c + 64 * i + 16 * j);
		layer(v, 4, 2, mlkem_zetas + 4 + i);
		layer(v, 4, 1, mlkem_zetas + 8 + 2 * i);
		for (unsigned j = 0; j < 4; j += 2) {
			unsigned pair = 2 * i + j / 2;
			__m256i a = v[j], b = v[j + 1], zeta = zetas8(pair, false);
			exchange8(&a, &b);
			butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange4(&a, &b);
			zeta = zetas4(pair, false);
			butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange2(&a, &b);
			zeta = zetas2(pair, false);
			butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange2(&a, &b);
			exchange4(&a, &b);
			exchange8(&a, &b);
			store(p->c + 32 * pair, barrett(a));
			store(p->c + 32 * pair + 16, barrett(b));
		}
	}
}

static void inverse_ntt(struct mlkem_poly *p)
{
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j += 2) {
			unsigned pair = 2 * i + j / 2;
			__m256i a = load(p->c + 32 * pair), b = load(p->c + 32 * pair + 16);
			__m256i zeta = zetas2(pair, true);
			exchange8(&a, &b);
			exchange4(&a, &b);
			exchange2(&a, &b);
			inverse_butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange2(&a, &b);
			zeta = zetas4(pair, true);
			inverse_butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange4(&a, &b);
			zeta = zetas8(pair, true);
			inverse_butterfly(&a, &b, zeta, times_qinv(zeta));
			exchange8(&a, &b);
			v[j] = barrett(a);
			v[j + 1] = barrett(b);
		}
		inverse_layer(v, 4, 1, mlkem_zetas + 15 - 2 * i);
		inverse_layer(v, 4, 2, mlkem_zetas + 7 - i);
		for (unsigned j = 0; j < 4; j++)
			store(p->c + 64 * i + 16 * j, v[j]);
	}
	const __m256i scale = _mm256_set1_epi16(MLKEM_INVNTT), scale_qinv = times_qinv(scale);
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j++)
			v[j] = load(p->c + 16 * i + 64 * j);
		inverse_layer(v, 4, 1, mlkem_zetas + 3);
		for (unsigned j = 0; j < 4; j++)
			v[j] = barrett(v[j]);
		inverse_layer(v, 4, 2, mlkem_zetas + 1);
		for (unsigned j = 0; j < 4; j++)
			store(p->c + 16 * i + 64 * j, montgomery(v[j], scale, scale_qinv));
	}
}

static void prepare(struct mlkem_poly *out, const struct mlkem_poly *b)
{
	/* The table has the zeta of every other pair; those between have its negative. */
	const __m256i signs = _mm256_set1_epi64x((long long)0xffffffff00010001);
	const __m256i spread = _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 0, 1, -1, -1, 8, 9, -1, -1, 8, 9, -1,
	                                        -1, 0, 1, -1, -1, 0, 1, -1, -1, 8, 9, -1, -1, 8, 9);
	for (unsigned i = 0; i < VECTORS; i++) {
		__m128i four = _mm_loadl_epi64((const __m128i *)(mlkem_zetas + 64 + 4 * i));
		__m256i zeta = _mm256_shuffle_epi8(_mm256_cvtepu16_epi64(four), spread);
		zeta = _mm256_sign_epi16(zeta, signs);
		__m256i x = load(b->c + 16 * i), product = montgomery(x, zeta, times_qinv(zeta));
		store(out->c + 16 * i, _mm256_blend_epi16(x, product, 0xaa));
	}
}

/* 32-bit Montgomery reduction: the result is in the upper 16 bits of each lane. */
CRYPTO_INLINE __m256i reduce32(__m256i a)
{
	__m256i m = _mm256_mullo_epi16(a, _mm256_set1_epi32((uint16_t)MLKEM_QINV));
	return _mm256_sub_epi32(a, _mm256_madd_epi16(m, _mm256_set1_epi32(MLKEM_Q)));
}

static void dot(struct mlkem_poly *r, const struct mlkem_poly *a, const struct mlkem_poly *b,
                const struct mlkem_poly *prepared, unsigned k)
{
	for (unsigned i = 0; i < MLKEM_N; i += 16) {
		__m256i even = _mm256_setzero_si256(), odd = even;
		for (unsigned j = 0; j < k; j++) {
			__m256i x = load(a[j].c + i), y = load(b[j].c + i);
			y = _mm256_or_si256(_mm256_slli_epi32(y, 16), _mm256_srli_epi32(y, 16));
			even = _mm256_add_epi32(even, _mm256_madd_epi16(x, load(prepared[j].c + i)));
			odd = _mm256_add_epi32(odd, _mm256_madd_epi16(x, y));
		}
		even = _mm256_srli_epi32(reduce32(even), 16);
		store(r->c + i, _mm256_blend_epi16(even, reduce32(odd), 0xaa));
	}
}

static void scale_add(struct mlkem_poly *r, const struct mlkem_poly *b)
{
	const __m256i r2 = _mm256_set1_epi16(MLKEM_R2), r2_qinv = times_qinv(r2);
	for (unsigned i = 0; i < MLKEM_N; i += 16) {
		__m256i scaled = montgomery(load(r->c + i), r2, r2_qinv);
		store(r->c + i, barrett(_mm256_add_epi16(scaled, load(b->c + i))));
	}
}

static void add(struct mlkem_poly *r, const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N; i += 16)
		store(r->c + i, barrett(_mm256_add_epi16(load(r->c + i), load(b->c + i))));
}

static void subtract_from(struct mlkem_poly *r, const struct mlkem_poly *a)
{
	for (unsigned i = 0; i < MLKEM_N; i += 16)
		store(r->c + i, barrett(_mm256_sub_epi16(load(a->c + i), load(r->c + i))));
}

/* Loads 24 bytes, 12 into each half. */
CRYPTO_INLINE __m256i load_twice_12(const uint8_t *from)
{
	__m128i low = _mm_loadu_si128((const __m128i *)from);
	__m128i high = _mm_bsrli_si128(_mm_loadu_si128((const __m128i *)(from + 8)), 4);
	return _mm256_set_m128i(high, low);
}

/* Sixteen 12-bit values from two times 12 bytes. */
CRYPTO_INLINE __m256i unpack12(__m256i bytes)
{
	const __m256i pick = _mm256_setr_epi8(0, 1, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, 0, 1, 1, 2,
	                                      3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11);
	__m256i words = _mm256_shuffle_epi8(bytes, pick);
	__m256i odd = _mm256_srli_epi16(words, 4);
	return _mm256_and_si256(_mm256_blend_epi16(words, odd, 0xaa), _mm256_set1_epi16(0xfff));
}

/* Stores those of eight values whose byte in `kept` is 255 (not 0) one after the other; how many they are. */
CRYPTO_INLINE unsigned store_kept(int16_t *to, __m128i values, uint64_t kept)
{
	/* The byte shuffle that moves them to the front. */
	__m128i low = _mm_cvtsi64_si128((long long)_pext_u64(0x0e0c0a0806040200, kept));
	__m128i order = _mm_unpacklo_epi8(low, _mm_add_epi8(low, _mm_set1_epi8(1)));
	_mm_storeu_si128((__m128i *)to, _mm_shuffle_epi8(values, order));
	return (unsigned)__builtin_popcountll(kept) / 8;
}

static unsigned reject(struct mlkem_poly *p, unsigned have, const uint8_t *bytes, size_t size)
{
	size_t at = 0;
	for (; at + 24 <= size && have + 16 <= MLKEM_N; at += 24) {
		__m256i values = unpack12(load_twice_12(bytes + at));
		__m256i good = _mm256_cmpgt_epi16(_mm256_set1_epi16(MLKEM_Q), values);
		__m128i packed =
		    _mm_packs_epi16(_mm256_castsi256_si128(good), _mm256_extracti128_si256(good, 1));
		have += store_kept(p->c + have, _mm256_castsi256_si128(values),
		                   (uint64_t)_mm_cvtsi128_si64(packed));
		have += store_kept(p->c + have, _mm256_extracti128_si256(values, 1),
		                   (uint64_t)_mm_extract_epi64(packed, 1));
	}
	return have < MLKEM_N ? mlkem_ops_c.reject(p, have, bytes + at, size - at) : have;
}

static void binomial(struct mlkem_poly *p, const uint8_t *bytes, unsigned eta)
{
	if (eta != 2) {
		/* 24 bits give 4 coefficients: 12 bytes in a half of the register give 16 halves of 3 bits.
		 */
		const __m256i pick = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0,
		                                      1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
		const __m256i thirds = _mm256_set1_epi32(0x249249), threes = _mm256_set1_epi32(7);
		for (unsigned i = 0; i < MLKEM_N / 32; i++) {
			__m256i t = _mm256_shuffle_epi8(load_twice_12(bytes + 24 * i), pick);
			__m256i sum = _mm256_and_si256(t, thirds);
			sum = _mm256_add_epi32(sum, _mm256_and_si256(_mm256_srli_epi32(t, 1), thirds));
			sum = _mm256_add_epi32(sum, _mm256_and_si256(_mm256_srli_epi32(t, 2), thirds));
			/* Differences of neighbouring 3-bit sums, biased by 8 in 16 bits: coefficients 0 and
			 * 1 of four in one register, 2 and 3 in the other. */
			__m256i c[4];
			for (int j = 0; j < 4; j++) {
				__m256i plus = _mm256_and_si256(_mm256_srli_epi32(sum, 6 * j), threes);
				__m256i minus = _mm256_and_si256(_mm256_srli_epi32(sum, 6 * j + 3), threes);
				c[j] = _mm256_sub_epi32(plus, minus);
			}
			__m256i first = _mm256_blend_epi16(c[0], _mm256_slli_epi32(c[1], 16), 0xaa);
			__m256i second = _mm256_blend_epi16(c[2], _mm256_slli_epi32(c[3], 16), 0xaa);
			__m256i a = _mm256_unpacklo_epi32(first, second);
			__m256i b = _mm256_unpackhi_epi32(first, second);
			exchange8(&a, &b);
			store(p->c + 32 * i, a);
			store(p->c + 32 * i + 16, b);
		}
		return;
	}
	const __m256i pairs = _mm256_set1_epi8(0x55), two = _mm256_set1_epi8(0x33),
	              low = _mm256_set1_epi8(15);
	for (unsigned i = 0; i < MLKEM_N / 64; i++) {
		__m256i t = _mm256_loadu_si256((const __m256i *)(bytes + 32 * i));
		t = _mm256_add_epi8(_mm256_and_si256(t, pairs),
		                    _mm256_and_si256(_mm256_srli_epi16(t, 1), pairs));
		/* A nibble holds both sums of a coefficient; their difference, plus 3 to stay positive. */
		__m256i plus = _mm256_and_si256(t, two);
		__m256i minus = _mm256_and_si256(_mm256_srli_epi16(t, 2), two);
		t = _mm256_sub_epi8(_mm256_add_epi8(plus, two), minus);
		__m256i three = _mm256_set1_epi8(3);
		__m256i even = _mm256_sub_epi8(_mm256_and_si256(t, low), three);
		__m256i odd = _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(t, 4), low), three);
		__m256i first = _mm256_unpacklo_epi8(even, odd), second = _mm256_unpackhi_epi8(even, odd);
		store(p->c + 64 * i, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(first)));
		store(p->c + 64 * i + 16, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(second)));
		store(p->c + 64 * i + 32, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(first, 1)));
		store(p->c + 64 * i + 48, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(second, 1)));
	}
}

/* Stores the first 12 bytes of each half. */
CRYPTO_INLINE void store_twice_12(uint8_t *to, __m256i value)
{
	__m128i low = _mm256_castsi256_si128(value), high = _mm256_extracti128_si256(value, 1);
	_mm_storeu_si128((__m128i *)to, _mm_blend_epi32(low, _mm_shuffle_epi32(high, 0), 8));
	_mm_storel_epi64((__m128i *)(to + 16), _mm_bsrli_si128(high, 4));
}

static void to_bytes(uint8_t out[MLKEM_POLY_BYTES], const struct mlkem_poly *p)
{
	const __m256i join = _mm256_set1_epi32(1 | 1 << 28);
	const __m256i pack = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2,
	                                      4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i pairs = _mm256_madd_epi16(canonical(load(p->c + 16 * i)), join);
		store_twice_12(out + 24 * i, _mm256_shuffle_epi8(pairs, pack));
	}
}

static void from_bytes(struct mlkem_poly *p, const uint8_t in[MLKEM_POLY_BYTES])
{
	for (unsigned i = 0; i < VECTORS; i++)
		store(p->c + 16 * i, unpack12(load_twice_12(in + 24 * i)));
}

/* mlkem_compress1() of sixteen coefficients of any sign. */
CRYPTO_INLINE __m256i compress1(__m256i x, int d)
{
	const __m256i q = _mm256_set1_epi16(MLKEM_Q);
	x = canonical(x);
	__m256i estimate = _mm256_mulhi_epu16(x, _mm256_set1_epi16((short)((1u << (16 + d)) / MLKEM_Q)));
	__m256i rest = _mm256_add_epi16(_mm256_slli_epi16(x, d), _mm256_set1_epi16(MLKEM_Q / 2));
	rest = _mm256_sub_epi16(rest, _mm256_mullo_epi16(estimate, q));
	__m256i one_more = _mm256_cmpgt_epi16(rest, _mm256_set1_epi16(MLKEM_Q - 1));
	return _mm256_and_si256(_mm256_sub_epi16(estimate, one_more),
	                        _mm256_set1_epi16((short)((1 << d) - 1)));
}

/* Two times 8 values below 2^d, as bytes, of vectors a and b in order. */
CRYPTO_INLINE __m256i as_bytes(__m256i a, __m256i b)
{
	return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

/* Groups of 20 bits in 32 become 40 in 64, and 10 bytes in each half. */
CRYPTO_INLINE __m256i join20(__m256i groups)
{
	const __m256i shift = _mm256_setr_epi32(12, 0, 12, 0, 12, 0, 12, 0);
	const __m256i pack = _mm256_setr_epi8(0, 1, 2, 3, 4, 8, 9, 10, 11, 12, -1, -1, -1, -1, -1, -1, 0, 1,
	                                      2, 3, 4, 8, 9, 10, 11, 12, -1, -1, -1, -1, -1, -1);
	groups = _mm256_srli_epi64(_mm256_sllv_epi32(groups, shift), 12);
	return _mm256_shuffle_epi8(groups, pack);
}

/* Stores the first `size` (9 to 16) bytes of each half, one after the other. */
CRYPTO_INLINE void store_halves(uint8_t *to, __m256i value, unsigned size)
{
	uint8_t buffer[32];
	_mm256_storeu_si256((__m256i *)buffer, value);
	memcpy(to, buffer, size);
	memcpy(to + size, buffer + 16, size);
}

static void compress(uint8_t *out, const struct mlkem_poly *p, unsigned d)
{
	switch (d) {
	case 1:
		for (unsigned i = 0; i < MLKEM_N / 32; i++) {
			__m256i a = compress1(load(p->c + 32 * i), 1),
			        b = compress1(load(p->c + 32 * i + 16), 1);
			__m256i bits = _mm256_slli_epi16(as_bytes(a, b), 7);
			store_le32(out + 4 * i, (uint32_t)_mm256_movemask_epi8(bits));
		}
		break;
	case 4:
		for (unsigned i = 0; i < MLKEM_N / 32; i++) {
			__m256i a = compress1(load(p->c + 32 * i), 4),
			        b = compress1(load(p->c + 32 * i + 16), 4);
			__m256i nibbles = _mm256_maddubs_epi16(as_bytes(a, b), _mm256_set1_epi16(0x1001));
			__m128i packed = _mm_packus_epi16(_mm256_castsi256_si128(nibbles),
			                                  _mm256_extracti128_si256(nibbles, 1));
			_mm_storeu_si128((__m128i *)(out + 16 * i), packed);
		}
		break;
	case 5:
		for (unsigned i = 0; i < MLKEM_N / 32; i++) {
			__m256i a = compress1(load(p->c + 32 * i), 5),
			        b = compress1(load(p->c + 32 * i + 16), 5);
			__m256i tens = _mm256_maddubs_epi16(as_bytes(a, b), _mm256_set1_epi16(0x2001));
			__m256i twenties = _mm256_madd_epi16(tens, _mm256_set1_epi32(1 | 1 << 26));
			store_halves(out + 20 * i, join20(twenties), 10);
		}
		break;
	case 10:
		for (unsigned i = 0; i < VECTORS; i++) {
			__m256i tens = compress1(load(p->c + 16 * i), 10);
			__m256i twenties = _mm256_madd_epi16(tens, _mm256_set1_epi32(1 | 1 << 26));
			store_halves(out + 20 * i, join20(twenties), 10);
		}
		break;
	default:
		for (unsigned i = 0; i < VECTORS; i++) {
			__m256i x = _mm256_madd_epi16(compress1(load(p->c + 16 * i), 11),
			                              _mm256_set1_epi32(1 | 1 << 27));
			/* 22 bits in 32, 44 in 64, 88 in a half. */
			x = _mm256_sllv_epi32(x, _mm256_setr_epi32(10, 0, 10, 0, 10, 0, 10, 0));
			x = _mm256_srli_epi64(x, 10);
			__m256i swapped = _mm256_shuffle_epi32(x, 0x4e);
			swapped = _mm256_sllv_epi64(swapped, _mm256_setr_epi64x(44, 64, 44, 64));
			x = _mm256_srlv_epi64(x, _mm256_setr_epi64x(0, 20, 0, 20));
			store_halves(out + 22 * i, _mm256_or_si256(x, swapped), 11);
		}
	}
}

/* mlkem_decompress1() of values already shifted left by 15 - d. */
CRYPTO_INLINE __m256i decompress1(__m256i shifted)
{
	return _mm256_mulhrs_epi16(shifted, _mm256_set1_epi16(MLKEM_Q));
}

/* Vector number `i` of coefficients of d bits: a half register holds eight of them in d bytes, picks each
 * one's two bytes by `pick`, and multiplies by `raise` to bring it to the upper end of its word. */
CRYPTO_INLINE __m256i unpack(const uint8_t *in, unsigned i, __m256i pick, __m256i raise, unsigned d)
{
	uint8_t buffer[32];
	in += 2 * d * i;
	/* Near the end a load of 16 bytes would reach too far. */
	if ((VECTORS - i) * 2 * d < d + 16) {
		memset(buffer, 0, sizeof buffer);
		memcpy(buffer, in, 2 * (size_t)d);
		in = buffer;
	}
	__m256i words = _mm256_set_m128i(_mm_loadu_si128((const __m128i *)(in + d)),
	                                 _mm_loadu_si128((const __m128i *)in));
	words = _mm256_mullo_epi16(_mm256_shuffle_epi8(words, pick), raise);
	words = _mm256_srli_epi16(words, 1);
	return _mm256_and_si256(words, _mm256_set1_epi16((short)(((1 << d) - 1) << (15 - d))));
}

static void decompress(struct mlkem_poly *p, const uint8_t *in, unsigned d)
{
	switch (d) {
	case 1: {
		const __m256i bit = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096,
		                                      8192, 16384, (short)0x8000);
		for (unsigned i = 0; i < VECTORS; i++) {
			__m256i bits = _mm256_set1_epi16((short)load_le16(in + 2 * i));
			__m256i set = _mm256_cmpeq_epi16(_mm256_and_si256(bits, bit), bit);
			store(p->c + 16 * i, _mm256_and_si256(set, _mm256_set1_epi16((MLKEM_Q + 1) / 2)));
		}
		break;
	}
	case 4:
		for (unsigned i = 0; i < VECTORS; i++) {
			const __m256i pick =
			    _mm256_setr_epi8(0, -1, 0, -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1, 0, -1, 0,
			                     -1, 1, -1, 1, -1, 2, -1, 2, -1, 3, -1, 3, -1);
			const __m256i raise = _mm256_set1_epi32(1 << 12 | 1 << 24);
			store(p->c + 16 * i, decompress1(unpack(in, i, pick, raise, 4)));
		}
		break;
	case 5:
		for (unsigned i = 0; i < VECTORS; i++) {
			const __m256i pick =
			    _mm256_setr_epi8(0, 1, 0, 1, 1, 2, 1, 2, 2, 3, 3, 4, 3, 4, 4, -1, 0, 1, 0, 1, 1,
			                     2, 1, 2, 2, 3, 3, 4, 3, 4, 4, -1);
			const __m256i raise = _mm256_setr_epi16(2048, 64, 512, 16, 128, 1024, 32, 256, 2048,
			                                        64, 512, 16, 128, 1024, 32, 256);
			store(p->c + 16 * i, decompress1(unpack(in, i, pick, raise, 5)));
		}
		break;
	case 10:
		for (unsigned i = 0; i < VECTORS; i++) {
			const __m256i pick = _mm256_setr_epi8(0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8, 8, 9,
			                                      0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 6, 7, 7, 8, 8, 9);
			const __m256i raise = _mm256_set1_epi64x(0x0001000400100040);
			store(p->c + 16 * i, decompress1(unpack(in, i, pick, raise, 10)));
		}
		break;
	default:
		mlkem_ops_c.decompress(p, in, d);
	}
}

const struct mlkem_ops mlkem_ops_avx2 = {
    .ntt = ntt,
    .inverse_ntt = inverse_ntt,
    .prepare = prepare,
    .dot = dot,
    .scale_add = scale_add,
    .add = add,
    .subtract_from = subtract_from,
    .reject = reject,
    .binomial = binomial,
    .to_bytes = to_bytes,
    .from_bytes = from_bytes,
    .compress = compress,
    .decompress = decompress,
};

#endif
