/* See gcm.h.
 *
 * Products are summed before they are reduced: with powers H^8 ... H^1 of the hash key eight blocks take one reduction. Values are
 * byte-reversed, so that GHASH is POLYVAL with the key times x (RFC 8452, appendix A); the reduction folds 64 bits at a time
 * by x^127 + x^126 + x^121 + 1 (Gueron, "Intel Carry-Less Multiplication Instruction and its Usage for Computing the GCM Mode"). */
#include "gcm.h"
#include <sodium.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("aes,pclmul,avx")))
#define INLINE TARGET __attribute__((always_inline)) static inline
#define EIGHT  _Pragma("clang loop unroll(full)") for (unsigned i = 0; i < 8; i++)

enum { ROUNDS = 14, WIDE = 8, BLOCK = 16 };

struct gcm {
	__m128i keys[ROUNDS + 1];
	__m128i powers[WIDE]; /* of the hash key: H^8 first */
	__m128i counter;      /* byte-reversed: the low 32 bits count */
	__m128i hash;
	__m128i mask; /* of the tag */
};

/* A product that is not reduced yet. */
struct product {
	__m128i low, middle, high;
};

bool gcm_is_available(void)
{
	return sodium_runtime_has_aesni() && sodium_runtime_has_pclmul() && sodium_runtime_has_avx();
}

INLINE __m128i reversed(__m128i value)
{
	return _mm_shuffle_epi8(value, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

INLINE __m128i load(const uint8_t *from)
{
	return _mm_loadu_si128((const __m128i *)(const void *)from);
}

INLINE void store(uint8_t *to, __m128i value)
{
	_mm_storeu_si128((__m128i *)(void *)to, value);
}

/* ---- The hash ---- */

INLINE void product_add(struct product *sum, __m128i a, __m128i b)
{
	sum->low = _mm_xor_si128(sum->low, _mm_clmulepi64_si128(a, b, 0x00));
	sum->high = _mm_xor_si128(sum->high, _mm_clmulepi64_si128(a, b, 0x11));
	sum->middle = _mm_xor_si128(
	    sum->middle, _mm_xor_si128(_mm_clmulepi64_si128(a, b, 0x01), _mm_clmulepi64_si128(a, b, 0x10)));
}

INLINE __m128i product_reduce(const struct product *sum)
{
	const __m128i polynomial = _mm_set_epi64x(0, (long long)0xc200000000000000ull);
	__m128i low = _mm_xor_si128(sum->low, _mm_slli_si128(sum->middle, 8));
	__m128i high = _mm_xor_si128(sum->high, _mm_srli_si128(sum->middle, 8));
	for (unsigned fold = 0; fold < 2; fold++)
		low =
		    _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x00));
	return _mm_xor_si128(low, high);
}

INLINE __m128i product_of(__m128i a, __m128i b)
{
	struct product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
	product_add(&sum, a, b);
	return product_reduce(&sum);
}

INLINE void hash_one(struct gcm *gcm, __m128i block)
{
	gcm->hash = product_of(_mm_xor_si128(gcm->hash, reversed(block)), gcm->powers[WIDE - 1]);
}

/* ---- The cipher ---- */

INLINE __m128i key_step(__m128i key, __m128i assist)
{
	key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
	key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
	return _mm_xor_si128(key, assist);
}

/* FIPS 197, 5.2. */
INLINE void key_expand(__m128i keys[ROUNDS + 1], const uint8_t key[32])
{
	keys[0] = load(key);
	keys[1] = load(key + 16);
#define STEP(at, constant)                                                                                   \
	keys[at] = key_step(keys[(at)-2],                                                                    \
	                    _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[(at)-1], constant), 0xff));     \
	if ((at) < ROUNDS)                                                                                   \
	keys[(at) + 1] =                                                                                     \
	    key_step(keys[(at)-1], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[at], 0), 0xaa))
	STEP(2, 0x01);
	STEP(4, 0x02);
	STEP(6, 0x04);
	STEP(8, 0x08);
	STEP(10, 0x10);
	STEP(12, 0x20);
	keys[14] = key_step(keys[12], _mm_shuffle_epi32(_mm_aeskeygenassist_si128(keys[13], 0x40), 0xff));
#undef STEP
}

INLINE __m128i encrypt_one(const struct gcm *gcm, __m128i block)
{
	block = _mm_xor_si128(block, gcm->keys[0]);
	for (unsigned round = 1; round < ROUNDS; round++)
		block = _mm_aesenc_si128(block, gcm->keys[round]);
	return _mm_aesenclast_si128(block, gcm->keys[ROUNDS]);
}

INLINE __m128i counter_next(struct gcm *gcm)
{
	gcm->counter = _mm_add_epi32(gcm->counter, _mm_set_epi32(0, 0, 0, 1));
	return reversed(gcm->counter);
}

/* The next eight blocks of key stream. */
INLINE void stream_eight(struct gcm *gcm, __m128i *stream)
{
	EIGHT stream[i] = _mm_xor_si128(counter_next(gcm), gcm->keys[0]);
	_Pragma("clang loop unroll(full)") for (unsigned round = 1; round < ROUNDS; round++) EIGHT stream[i] =
	    _mm_aesenc_si128(stream[i], gcm->keys[round]);
	EIGHT stream[i] = _mm_aesenclast_si128(stream[i], gcm->keys[ROUNDS]);
}

/* ---- Both ---- */

TARGET static void begin(struct gcm *gcm, const uint8_t key[32], const uint8_t nonce[12],
                         const uint8_t data[32])
{
	uint8_t first[BLOCK] = {0};
	key_expand(gcm->keys, key);
	/* The hash key times x: a carry out of the top comes back as the polynomial. */
	__m128i hash_key = reversed(encrypt_one(gcm, _mm_setzero_si128()));
	__m128i carries = _mm_srli_epi64(hash_key, 63);
	__m128i carry_out = _mm_sub_epi64(_mm_setzero_si128(), _mm_srli_si128(carries, 8));
	carry_out = _mm_and_si128(_mm_unpacklo_epi64(carry_out, carry_out),
	                          _mm_set_epi64x((long long)0xc200000000000000ull, 1));
	hash_key = _mm_or_si128(_mm_slli_epi64(hash_key, 1), _mm_slli_si128(carries, 8));
	gcm->powers[WIDE - 1] = _mm_xor_si128(hash_key, carry_out);
	for (unsigned i = WIDE - 1; i > 0; i--)
		gcm->powers[i - 1] = product_of(gcm->powers[i], gcm->powers[WIDE - 1]);
	for (unsigned i = 0; i < 12; i++)
		first[i] = nonce[i];
	first[BLOCK - 1] = 1;
	gcm->mask = encrypt_one(gcm, load(first));
	gcm->counter = reversed(load(first));
	gcm->hash = _mm_setzero_si128();
	hash_one(gcm, load(data));
	hash_one(gcm, load(data + BLOCK));
}

/* The tag. */
TARGET static __m128i end(struct gcm *gcm, size_t bytes)
{
	hash_one(gcm, reversed(_mm_set_epi64x((long long)32 * 8, (long long)bytes * 8)));
	__m128i tag = _mm_xor_si128(reversed(gcm->hash), gcm->mask);
	sodium_memzero(gcm, sizeof(*gcm));
	return tag;
}

/* Eight blocks by the key stream, and the sealed ones into the hash. */
INLINE void eight(struct gcm *gcm, bool seals, const uint8_t *from, uint8_t *to)
{
	struct product sum = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};
	__m128i stream[WIDE];
	stream_eight(gcm, stream);
	EIGHT
	{
		/* One block behind the other: all at once, as the compiler would have it, they do not fit the registers. */
		__asm__("" : "+r"(from), "+x"(sum.low), "+x"(sum.middle), "+x"(sum.high));
		__m128i block = load(from + (size_t)i * BLOCK);
		__m128i result = _mm_xor_si128(stream[i], block);
		store(to + (size_t)i * BLOCK, result);
		__m128i hashed = reversed(seals ? result : block);
		product_add(&sum, i ? hashed : _mm_xor_si128(hashed, gcm->hash), gcm->powers[i]);
	}
	gcm->hash = product_reduce(&sum);
}

INLINE void cipher(struct gcm *gcm, bool seals, const uint8_t *from, size_t bytes, uint8_t *to)
{
	size_t at = 0;
	for (; bytes - at >= (size_t)WIDE * BLOCK; at += (size_t)WIDE * BLOCK)
		eight(gcm, seals, from + at, to + at);
	for (; at < bytes; at += BLOCK) {
		__m128i block = load(from + at);
		__m128i result = _mm_xor_si128(encrypt_one(gcm, counter_next(gcm)), block);
		store(to + at, result);
		hash_one(gcm, seals ? result : block);
	}
}

TARGET void gcm_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t data[32], const void *in,
                     size_t bytes, void *out, uint8_t tag[16])
{
	struct gcm gcm;
	begin(&gcm, key, nonce, data);
	cipher(&gcm, true, in, bytes, out);
	store(tag, end(&gcm, bytes));
}

TARGET bool gcm_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t data[32], const void *in,
                     size_t bytes, const uint8_t tag[16], void *out)
{
	struct gcm gcm;
	begin(&gcm, key, nonce, data);
	cipher(&gcm, false, in, bytes, out);
	bool good = _mm_movemask_epi8(_mm_cmpeq_epi8(end(&gcm, bytes), load(tag))) == 0xffff;
	if (!good)
		sodium_memzero(out, bytes);
	return good;
}

#else /* libsodium's, or ChaCha20-Poly1305, elsewhere */

bool gcm_is_available(void)
{
	return false;
}

void gcm_seal(const uint8_t key[32], const uint8_t nonce[12], const uint8_t data[32], const void *in,
              size_t bytes, void *out, uint8_t tag[16])
{
	(void)key, (void)nonce, (void)data, (void)in, (void)bytes, (void)out, (void)tag;
	__builtin_trap();
}

bool gcm_open(const uint8_t key[32], const uint8_t nonce[12], const uint8_t data[32], const void *in,
              size_t bytes, const uint8_t tag[16], void *out)
{
	(void)key, (void)nonce, (void)data, (void)in, (void)bytes, (void)tag, (void)out;
	return false;
}
#endif
