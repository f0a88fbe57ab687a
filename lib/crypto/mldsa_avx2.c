/*
 * The arithmetic of ML-DSA with AVX2: eight coefficients a vector, in the same order and with the same bounds
 * as mldsa_poly.c.
 *
 * Layers of the transforms whose butterflies reach across vectors run on whole vectors; for the last three
 * (distance 4, 2, 1) a pair of vectors is regrouped so that partners stand in the same lane of two registers,
 * and put back in order at the end.
 */
#include "mldsa_poly.h"
#include "mldsa_zetas.h"

#if CRYPTO_VECTOR
#include <immintrin.h>

#define VECTORS (MLDSA_N / 8)

CRYPTO_INLINE __m256i load(const int32_t *from)
{
	return _mm256_load_si256((const __m256i *)from);
}

CRYPTO_INLINE void store(int32_t *to, __m256i value)
{
	_mm256_store_si256((__m256i *)to, value);
}

CRYPTO_INLINE __m256i odd_lanes(__m256i a)
{
	return _mm256_srli_epi64(a, 32);
}

/* The upper halves of two vectors of 64-bit lanes, interleaved as lanes 0, 2, ... and 1, 3, ... */
CRYPTO_INLINE __m256i upper_halves(__m256i even, __m256i odd)
{
	return _mm256_blend_epi32(odd_lanes(even), odd, 0xaa);
}

/* mldsa_montgomery() of products given in even and odd lanes. */
CRYPTO_INLINE __m256i montgomery(__m256i even, __m256i odd)
{
	const __m256i q = _mm256_set1_epi32(MLDSA_Q), qinv = _mm256_set1_epi32(MLDSA_QINV);
	even = _mm256_sub_epi64(even, _mm256_mul_epi32(_mm256_mul_epi32(even, qinv), q));
	odd = _mm256_sub_epi64(odd, _mm256_mul_epi32(_mm256_mul_epi32(odd, qinv), q));
	return upper_halves(even, odd);
}

/* A constant factor, for even and odd lanes (they differ where neighbouring lanes have factors of their own),
 * and its product with q^-1, which shortens the chain of multiplications. */
struct factor {
	__m256i even, odd, qinv;
};

#define TIMES_QINV(zeta) (int32_t)((int64_t)zeta * MLDSA_QINV),
static const int32_t zetas_qinv[MLDSA_N] __attribute__((aligned(32))) = {MLDSA_ZETAS(TIMES_QINV)};

CRYPTO_INLINE struct factor equal_lanes(int32_t value, int32_t value_qinv)
{
	__m256i v = _mm256_set1_epi32(value), m = _mm256_set1_epi32(value_qinv);
	return (struct factor){v, v, m};
}

CRYPTO_INLINE struct factor zeta(unsigned at)
{
	return equal_lanes(mldsa_zetas[at], zetas_qinv[at]);
}

CRYPTO_INLINE __m256i times(__m256i a, struct factor b)
{
	const __m256i q = _mm256_set1_epi32(MLDSA_Q);
	__m256i even = _mm256_mul_epi32(a, b.even), odd = _mm256_mul_epi32(odd_lanes(a), b.odd);
	__m256i m = _mm256_mullo_epi32(a, b.qinv);
	even = _mm256_sub_epi64(even, _mm256_mul_epi32(m, q));
	odd = _mm256_sub_epi64(odd, _mm256_mul_epi32(odd_lanes(m), q));
	return upper_halves(even, odd);
}

CRYPTO_INLINE __m256i reduce1(__m256i a)
{
	__m256i t = _mm256_srai_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(1 << 22)), 23);
	return _mm256_sub_epi32(a, _mm256_mullo_epi32(t, _mm256_set1_epi32(MLDSA_Q)));
}

CRYPTO_INLINE __m256i canonical(__m256i a)
{
	return _mm256_add_epi32(a, _mm256_and_si256(_mm256_srai_epi32(a, 31), _mm256_set1_epi32(MLDSA_Q)));
}

CRYPTO_INLINE void butterfly(__m256i *low, __m256i *high, struct factor by)
{
	__m256i t = times(*high, by);
	*high = _mm256_sub_epi32(*low, t);
	*low = _mm256_add_epi32(*low, t);
}

CRYPTO_INLINE void inverse_butterfly(__m256i *low, __m256i *high, struct factor by)
{
	__m256i difference = _mm256_sub_epi32(*high, *low);
	*low = _mm256_add_epi32(*low, *high);
	*high = times(difference, by);
}

/*
 * Regrouping a pair of vectors for distance 4, 2 and 1. Each step is its own inverse: it exchanges the upper
 * half (of the register, of each 128 bits, of each 64 bits) of one vector with the lower half of the other.
 */
CRYPTO_INLINE void exchange4(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_permute2x128_si256(*a, *b, 0x20);
	*b = _mm256_permute2x128_si256(*a, *b, 0x31);
	*a = low;
}

CRYPTO_INLINE void exchange2(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_unpacklo_epi64(*a, *b);
	*b = _mm256_unpackhi_epi64(*a, *b);
	*a = low;
}

CRYPTO_INLINE void exchange1(__m256i *a, __m256i *b)
{
	__m256i low = _mm256_blend_epi32(*a, _mm256_slli_epi64(*b, 32), 0xaa);
	*b = _mm256_blend_epi32(odd_lanes(*a), *b, 0xaa);
	*a = low;
}

/*
 * Zetas of pair number `pair`: two of distance 4, four of distance 2, eight of distance 1, spread over the
 * lanes they apply to. For the inverse transform they run backwards through the table: `reversed`.
 */
CRYPTO_INLINE __m256i spread4(const int32_t *table, unsigned pair, bool reversed)
{
	unsigned at = reversed ? 63 - 2 * pair : 32 + 2 * pair;
	return _mm256_set_m128i(_mm_set1_epi32(table[reversed ? at - 1 : at + 1]), _mm_set1_epi32(table[at]));
}

CRYPTO_INLINE __m256i spread2(const int32_t *table, unsigned pair, bool reversed)
{
	const int32_t *at = table + (reversed ? 124 - 4 * pair : 64 + 4 * pair);
	__m256i four = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)at));
	const __m256i forward = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
	const __m256i backward = _mm256_setr_epi32(3, 3, 2, 2, 1, 1, 0, 0);
	return _mm256_permutevar8x32_epi32(four, reversed ? backward : forward);
}

CRYPTO_INLINE __m256i spread1(const int32_t *table, unsigned pair, bool reversed)
{
	const int32_t *at = table + (reversed ? 248 - 8 * pair : 128 + 8 * pair);
	__m256i eight = _mm256_loadu_si256((const __m256i *)at);
	return reversed ? _mm256_permutevar8x32_epi32(eight, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0))
	                : eight;
}

CRYPTO_INLINE struct factor zetas4(unsigned pair, bool reversed)
{
	__m256i v = spread4(mldsa_zetas, pair, reversed), m = spread4(zetas_qinv, pair, reversed);
	return (struct factor){v, v, m};
}

CRYPTO_INLINE struct factor zetas2(unsigned pair, bool reversed)
{
	__m256i v = spread2(mldsa_zetas, pair, reversed), m = spread2(zetas_qinv, pair, reversed);
	return (struct factor){v, v, m};
}

CRYPTO_INLINE struct factor zetas1(unsigned pair, bool reversed)
{
	__m256i v = spread1(mldsa_zetas, pair, reversed), m = spread1(zetas_qinv, pair, reversed);
	return (struct factor){v, odd_lanes(v), m};
}

/* One layer over `count` vectors, with the zetas from number `first` on. */
CRYPTO_INLINE void layer(__m256i *v, unsigned count, unsigned distance, unsigned first)
{
#pragma clang loop unroll(full)
	for (unsigned start = 0; start < count; start += 2 * distance) {
		struct factor by = zeta(first++);
#pragma clang loop unroll(full)
		for (unsigned i = start; i < start + distance; i++)
			butterfly(&v[i], &v[i + distance], by);
	}
}

/* The same backwards: from number `first` down. */
CRYPTO_INLINE void inverse_layer(__m256i *v, unsigned count, unsigned distance, unsigned first)
{
#pragma clang loop unroll(full)
	for (unsigned start = 0; start < count; start += 2 * distance) {
		struct factor by = zeta(first--);
#pragma clang loop unroll(full)
		for (unsigned i = start; i < start + distance; i++)
			inverse_butterfly(&v[i], &v[i + distance], by);
	}
}

static void ntt(struct mldsa_poly *p)
{
	/* Distances 128, 64 and 32: eight vectors that are 32 coefficients apart. */
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[8];
		for (unsigned j = 0; j < 8; j++)
			v[j] = load(p->c + 8 * i + 32 * j);
		layer(v, 8, 4, 1);
		layer(v, 8, 2, 2);
		layer(v, 8, 1, 4);
		for (unsigned j = 0; j < 8; j++)
			store(p->c + 8 * i + 32 * j, v[j]);
	}
	/* Distances 16 to 1 stay within 32 neighbours. */
	for (unsigned i = 0; i < 8; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j++)
			v[j] = load(p->c + 32 * i + 8 * j);
		layer(v, 4, 2, 8 + i);
		layer(v, 4, 1, 16 + 2 * i);
		for (unsigned j = 0; j < 4; j += 2) {
			unsigned pair = 2 * i + j / 2;
			__m256i a = v[j], b = v[j + 1];
			exchange4(&a, &b);
			butterfly(&a, &b, zetas4(pair, false));
			exchange2(&a, &b);
			butterfly(&a, &b, zetas2(pair, false));
			exchange1(&a, &b);
			butterfly(&a, &b, zetas1(pair, false));
			exchange1(&a, &b);
			exchange2(&a, &b);
			exchange4(&a, &b);
			store(p->c + 16 * pair, a);
			store(p->c + 16 * pair + 8, b);
		}
	}
}

static void inverse_ntt(struct mldsa_poly *p)
{
	for (unsigned i = 0; i < 8; i++) {
		__m256i v[4];
		for (unsigned j = 0; j < 4; j += 2) {
			unsigned pair = 2 * i + j / 2;
			__m256i a = reduce1(load(p->c + 16 * pair)), b = reduce1(load(p->c + 16 * pair + 8));
			exchange4(&a, &b);
			exchange2(&a, &b);
			exchange1(&a, &b);
			inverse_butterfly(&a, &b, zetas1(pair, true));
			exchange1(&a, &b);
			inverse_butterfly(&a, &b, zetas2(pair, true));
			exchange2(&a, &b);
			inverse_butterfly(&a, &b, zetas4(pair, true));
			exchange4(&a, &b);
			v[j] = a;
			v[j + 1] = b;
		}
		inverse_layer(v, 4, 1, 31 - 2 * i);
		inverse_layer(v, 4, 2, 15 - i);
		for (unsigned j = 0; j < 4; j++)
			store(p->c + 32 * i + 8 * j, v[j]);
	}
	const struct factor scale = equal_lanes(MLDSA_INVNTT, (int32_t)((int64_t)MLDSA_INVNTT * MLDSA_QINV));
	for (unsigned i = 0; i < 4; i++) {
		__m256i v[8];
		for (unsigned j = 0; j < 8; j++)
			v[j] = load(p->c + 8 * i + 32 * j);
		inverse_layer(v, 8, 1, 7);
		inverse_layer(v, 8, 2, 3);
		inverse_layer(v, 8, 4, 1);
		for (unsigned j = 0; j < 8; j++)
			store(p->c + 8 * i + 32 * j, times(v[j], scale));
	}
}

/* Eight coefficients of the packed matrix; reads 32 bytes for 24. */
CRYPTO_INLINE __m256i unpack24(const uint8_t *from)
{
	__m256i bytes = _mm256_loadu_si256((const __m256i *)from);
	bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 1, 2, 7, 3, 4, 5, 7));
	const __m256i spread = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 0, 1, 2,
	                                        -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1);
	return _mm256_shuffle_epi8(bytes, spread);
}

static void multiply_add(struct mldsa_poly *sum, const uint8_t *packed, const struct mldsa_poly *b,
                         unsigned count)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i even = _mm256_setzero_si256(), odd = even;
		for (unsigned j = 0; j < count; j++) {
			__m256i x = unpack24(packed + MLDSA_PACKED_BYTES * j + 24 * i),
			        y = load(b[j].c + 8 * i);
			even = _mm256_add_epi64(even, _mm256_mul_epi32(x, y));
			odd = _mm256_add_epi64(odd, _mm256_mul_epi32(odd_lanes(x), odd_lanes(y)));
		}
		store(sum->c + 8 * i, _mm256_add_epi32(load(sum->c + 8 * i), montgomery(even, odd)));
	}
}

static void multiply(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b,
                     const struct mldsa_poly *plus)
{
	const __m256i one = _mm256_set1_epi32(1);
	for (unsigned i = 0; i < MLDSA_N; i += 8) {
		__m256i x = load(a->c + i), y = load(b->c + i);
		__m256i even = _mm256_mul_epi32(x, y), odd = _mm256_mul_epi32(odd_lanes(x), odd_lanes(y));
		if (plus) {
			/* A product with 1 extends the sign. */
			__m256i z = load(plus->c + i);
			even = _mm256_add_epi64(even, _mm256_mul_epi32(z, one));
			odd = _mm256_add_epi64(odd, _mm256_mul_epi32(odd_lanes(z), one));
		}
		store(r->c + i, montgomery(even, odd));
	}
}

static void subtract(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i += 8)
		store(r->c + i, reduce1(_mm256_sub_epi32(load(a->c + i), load(b->c + i))));
}

static void add(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i += 8)
		store(r->c + i, reduce1(_mm256_add_epi32(load(a->c + i), load(b->c + i))));
}

static void reduce(struct mldsa_poly *r)
{
	for (unsigned i = 0; i < MLDSA_N; i += 8)
		store(r->c + i, reduce1(load(r->c + i)));
}

static bool exceeds(const struct mldsa_poly *p, int32_t bound)
{
	const __m256i most = _mm256_set1_epi32(bound - 1);
	__m256i verdict = _mm256_setzero_si256();
	for (unsigned i = 0; i < MLDSA_N; i += 8)
		verdict =
		    _mm256_or_si256(verdict, _mm256_cmpgt_epi32(_mm256_abs_epi32(load(p->c + i)), most));
	return _mm256_movemask_epi8(verdict) != 0;
}

static unsigned reject(uint8_t *packed, unsigned have, const uint8_t *bytes, size_t size)
{
	const __m256i pack = _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1, 0, 1, 2,
	                                      4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
	size_t at = 0;
	for (; at + 32 <= size && have + 16 <= MLDSA_N; at += 24) {
		__m256i values = _mm256_and_si256(unpack24(bytes + at), _mm256_set1_epi32(0x7fffff));
		__m256i good = _mm256_cmpgt_epi32(_mm256_set1_epi32(MLDSA_Q), values);
		unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(good));
		/* The lanes to keep move to the front; then three of four bytes are written, 24 or fewer that
		 * count. */
		uint64_t lanes = _pdep_u64(mask, 0x0101010101010101) * 0xff;
		__m128i order = _mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100, lanes));
		values = _mm256_permutevar8x32_epi32(values, _mm256_cvtepu8_epi32(order));
		values = _mm256_shuffle_epi8(values, pack);
		uint8_t *to = packed + 3 * (size_t)have;
		_mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(values));
		_mm_storeu_si128((__m128i *)(to + 12), _mm256_extracti128_si256(values, 1));
		have += (unsigned)__builtin_popcount(mask);
	}
	return have < MLDSA_N ? mldsa_ops_c.reject(packed, have, bytes + at, size - at) : have;
}

/*
 * Eight values of `bits` (at most 25) bits: each lane picks the four bytes its value lies in, then shifts.
 * A half register holds four values and begins at bit 4 `bits`.
 */
CRYPTO_INLINE __m256i unpack8(const uint8_t *in, unsigned room, unsigned bits)
{
	uint8_t buffer[32];
	unsigned second = bits / 2, skew = 4 * bits % 8;
	if (room < second + 16) {
		memset(buffer, 0, sizeof buffer);
		memcpy(buffer, in, bits);
		in = buffer;
	}
	int8_t pick[32];
	int32_t shift[8];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i++) {
		unsigned bit = i < 4 ? i * bits : (i - 4) * bits + skew;
		shift[i] = (int32_t)(bit % 8);
#pragma clang loop unroll(full)
		for (unsigned j = 0; j < 4; j++)
			pick[4 * i + j] = (int8_t)(bit / 8 + j < 16 ? bit / 8 + j : 0x80);
	}
	__m256i bytes = _mm256_set_m128i(_mm_loadu_si128((const __m128i *)(in + second)),
	                                 _mm_loadu_si128((const __m128i *)in));
	bytes = _mm256_shuffle_epi8(bytes, _mm256_loadu_si256((const __m256i *)pick));
	bytes = _mm256_srlv_epi32(bytes, _mm256_loadu_si256((const __m256i *)shift));
	return _mm256_and_si256(bytes, _mm256_set1_epi32((1 << bits) - 1));
}

CRYPTO_INLINE void unpack_bits(struct mldsa_poly *p, const uint8_t *in, unsigned bits, int32_t top)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i values = unpack8(in + bits * i, (VECTORS - i) * bits, bits);
		store(p->c + 8 * i, _mm256_sub_epi32(_mm256_set1_epi32(top), values));
	}
}

static void unpack(struct mldsa_poly *p, const uint8_t *in, unsigned bits, int32_t top)
{
	switch (bits) {
	case 3:
		unpack_bits(p, in, 3, top);
		break;
	case 4:
		unpack_bits(p, in, 4, top);
		break;
	case 13:
		unpack_bits(p, in, 13, top);
		break;
	case 18:
		unpack_bits(p, in, 18, top);
		break;
	default:
		unpack_bits(p, in, 20, top);
	}
}

static void unpack_t1(struct mldsa_poly *p, const uint8_t *in)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i values = unpack8(in + 10 * i, (VECTORS - i) * 10, 10);
		store(p->c + 8 * i, _mm256_slli_epi32(values, MLDSA_D));
	}
}

/* Packs eight values of `bits` bits, an even number up to 20: two in 64 bits, then four in each half. */
CRYPTO_INLINE void pack8(uint8_t *out, __m256i values, int bits)
{
	uint8_t buffer[32];
	const __m256i shift = _mm256_set1_epi64x(32 - bits);
	__m256i pairs = _mm256_srli_epi64(_mm256_sllv_epi32(values, shift), 32 - bits);
	__m256i swapped = _mm256_shuffle_epi32(pairs, 0x4e);
	swapped = _mm256_sllv_epi64(swapped, _mm256_setr_epi64x(2 * bits, 64, 2 * bits, 64));
	pairs = _mm256_srlv_epi64(pairs, _mm256_setr_epi64x(0, 64 - 2 * bits, 0, 64 - 2 * bits));
	_mm256_storeu_si256((__m256i *)buffer, _mm256_or_si256(pairs, swapped));
	memcpy(out, buffer, (size_t)bits / 2);
	memcpy(out + bits / 2, buffer + 16, (size_t)bits / 2);
}

CRYPTO_INLINE void pack_bits(uint8_t *out, const struct mldsa_poly *p, int bits, int32_t top)
{
	for (unsigned i = 0; i < VECTORS; i++)
		pack8(out + (size_t)bits * i, _mm256_sub_epi32(_mm256_set1_epi32(top), load(p->c + 8 * i)),
		      bits);
}

static void pack(uint8_t *out, const struct mldsa_poly *p, unsigned bits, int32_t top)
{
	switch (bits) {
	case 18:
		pack_bits(out, p, 18, top);
		break;
	case 20:
		pack_bits(out, p, 20, top);
		break;
	default:
		mldsa_ops_c.pack(out, p, bits, top);
	}
}

/* mldsa_high_bits() and mldsa_low_bits() of canonical values. */
CRYPTO_INLINE __m256i high_bits(__m256i a, int32_t gamma2)
{
	__m256i high = _mm256_srai_epi32(_mm256_add_epi32(a, _mm256_set1_epi32(127)), 7);
	if (gamma2 == MLDSA_GAMMA2_65) {
		high = _mm256_mullo_epi32(high, _mm256_set1_epi32(1025));
		high = _mm256_srai_epi32(_mm256_add_epi32(high, _mm256_set1_epi32(1 << 21)), 22);
		return _mm256_and_si256(high, _mm256_set1_epi32(15));
	}
	high = _mm256_mullo_epi32(high, _mm256_set1_epi32(11275));
	high = _mm256_srai_epi32(_mm256_add_epi32(high, _mm256_set1_epi32(1 << 23)), 24);
	return _mm256_andnot_si256(_mm256_cmpgt_epi32(high, _mm256_set1_epi32(43)), high);
}

CRYPTO_INLINE __m256i low_bits(__m256i a, __m256i high, int32_t gamma2)
{
	__m256i low = _mm256_sub_epi32(a, _mm256_mullo_epi32(high, _mm256_set1_epi32(2 * gamma2)));
	__m256i above = _mm256_cmpgt_epi32(low, _mm256_set1_epi32((MLDSA_Q - 1) / 2));
	return _mm256_sub_epi32(low, _mm256_and_si256(above, _mm256_set1_epi32(MLDSA_Q)));
}

CRYPTO_INLINE void decompose_bits(uint8_t *packed, uint8_t *nonzero, struct mldsa_poly *p, int32_t gamma2,
                                  int bits)
{
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i a = canonical(load(p->c + 8 * i)), high = high_bits(a, gamma2);
		__m256i positive = _mm256_cmpgt_epi32(high, _mm256_setzero_si256());
		nonzero[i] = (uint8_t)_mm256_movemask_ps(_mm256_castsi256_ps(positive));
		store(p->c + 8 * i, low_bits(a, high, gamma2));
		pack8(packed + (size_t)bits * i, high, bits);
	}
}

static void decompose(uint8_t *high, uint8_t nonzero[MLDSA_HINT_BYTES], struct mldsa_poly *p, int32_t gamma2)
{
	if (gamma2 == MLDSA_GAMMA2_65)
		decompose_bits(high, nonzero, p, MLDSA_GAMMA2_65, 4);
	else
		decompose_bits(high, nonzero, p, MLDSA_GAMMA2_44, 6);
}

CRYPTO_INLINE void use_hint_bits(uint8_t *packed, const struct mldsa_poly *p, const uint8_t *hint,
                                 int32_t gamma2, int bits)
{
	const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128), one = _mm256_set1_epi32(1);
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i a = canonical(load(p->c + 8 * i)), high = high_bits(a, gamma2);
		__m256i up = _mm256_cmpgt_epi32(low_bits(a, high, gamma2), _mm256_setzero_si256());
		__m256i hinted = _mm256_and_si256(_mm256_set1_epi32(hint[i]), bit);
		hinted = _mm256_cmpeq_epi32(hinted, bit);
		/* 1 where up (-1), -1 elsewhere (0). */
		__m256i step =
		    _mm256_sub_epi32(_mm256_sub_epi32(_mm256_setzero_si256(), one), _mm256_add_epi32(up, up));
		high = _mm256_add_epi32(high, _mm256_and_si256(step, hinted));
		if (gamma2 == MLDSA_GAMMA2_65) {
			high = _mm256_and_si256(high, _mm256_set1_epi32(15));
		} else {
			__m256i negative = _mm256_srai_epi32(high, 31);
			high = _mm256_add_epi32(high, _mm256_and_si256(negative, _mm256_set1_epi32(44)));
			high = _mm256_andnot_si256(_mm256_cmpgt_epi32(high, _mm256_set1_epi32(43)), high);
		}
		pack8(packed + (size_t)bits * i, high, bits);
	}
}

static void use_hint(uint8_t *high, struct mldsa_poly *p, const uint8_t hint[MLDSA_HINT_BYTES],
                     int32_t gamma2)
{
	if (gamma2 == MLDSA_GAMMA2_65)
		use_hint_bits(high, p, hint, MLDSA_GAMMA2_65, 4);
	else
		use_hint_bits(high, p, hint, MLDSA_GAMMA2_44, 6);
}

static unsigned make_hint(uint8_t hint[MLDSA_HINT_BYTES], const struct mldsa_poly *low, int32_t gamma2)
{
	const __m256i bound = _mm256_set1_epi32(gamma2), minus = _mm256_set1_epi32(-gamma2);
	unsigned ones = 0;
	for (unsigned i = 0; i < VECTORS; i++) {
		__m256i x = load(low->c + 8 * i);
		__m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(x, bound), _mm256_cmpgt_epi32(minus, x));
		unsigned mask = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(outside));
		__m256i edge = _mm256_cmpeq_epi32(x, minus);
		mask |= hint[i] & (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(edge));
		hint[i] = (uint8_t)mask;
		ones += (unsigned)__builtin_popcount(mask);
	}
	return ones;
}

const struct mldsa_ops mldsa_ops_avx2 = {
    .ntt = ntt,
    .inverse_ntt = inverse_ntt,
    .multiply_add = multiply_add,
    .multiply = multiply,
    .subtract = subtract,
    .add = add,
    .reduce = reduce,
    .exceeds = exceeds,
    .reject = reject,
    .unpack = unpack,
    .pack = pack,
    .unpack_t1 = unpack_t1,
    .decompose = decompose,
    .use_hint = use_hint,
    .make_hint = make_hint,
};

#endif
