/*
 * The compression functions of SHA-2 for any word type: include after defining SHA2_NAME(name) (what the
 * functions are called), WORD (an unsigned type or a vector of them), WORD_BITS (32 or 64), WORD_BLOCK (what
 * a block is an array of), WORD_LOAD(block, i) (message word i) and WORD_CONSTANT(i). Defines compress, and
 * its halves schedule and rounds; and undefines its parameters.
 *
 * The message schedule is a ring of 16 words, extended by 16 rounds at a time (FIPS 180-4 sections 6.2.2
 * and 6.4.2).
 */
#if WORD_BITS == 32
#define SHA2_ROUNDS    64
#define SHA2_BIG0(x)   (word_rotate(x, 2) ^ word_rotate(x, 13) ^ word_rotate(x, 22))
#define SHA2_BIG1(x)   (word_rotate(x, 6) ^ word_rotate(x, 11) ^ word_rotate(x, 25))
#define SHA2_SMALL0(x) (word_rotate(x, 7) ^ word_rotate(x, 18) ^ (x) >> 3)
#define SHA2_SMALL1(x) (word_rotate(x, 17) ^ word_rotate(x, 19) ^ (x) >> 10)
#else
#define SHA2_ROUNDS    80
#define SHA2_BIG0(x)   (word_rotate(x, 28) ^ word_rotate(x, 34) ^ word_rotate(x, 39))
#define SHA2_BIG1(x)   (word_rotate(x, 14) ^ word_rotate(x, 18) ^ word_rotate(x, 41))
#define SHA2_SMALL0(x) (word_rotate(x, 1) ^ word_rotate(x, 8) ^ (x) >> 7)
#define SHA2_SMALL1(x) (word_rotate(x, 19) ^ word_rotate(x, 61) ^ (x) >> 6)
#endif

CRYPTO_WRAPS CRYPTO_INLINE WORD SHA2_NAME(word_rotate)(WORD word, unsigned bits)
{
	return word >> bits | word << (WORD_BITS - bits);
}
#define word_rotate SHA2_NAME(word_rotate)

/* v[] holds a to h, rotated by the round number instead of being moved. */
#define V(i) v[(i - round) & 7]

CRYPTO_WRAPS CRYPTO_INLINE void SHA2_NAME(round)(WORD *v, unsigned round, WORD input)
{
	WORD a = V(0), b = V(1), c = V(2), e = V(4), f = V(5), g = V(6);
	WORD t = V(7) + SHA2_BIG1(e) + (g ^ (e & (f ^ g))) + input;
	V(3) += t;
	V(7) = t + SHA2_BIG0(a) + (((a ^ b) & (b ^ c)) ^ b);
}

/* The ring's word `i` becomes the one 16 further on. */
CRYPTO_WRAPS CRYPTO_INLINE void SHA2_NAME(extend)(WORD w[16], unsigned i)
{
	w[i] += SHA2_SMALL0(w[(i + 1) & 15]) + w[(i + 9) & 15] + SHA2_SMALL1(w[(i + 14) & 15]);
}

/* One block into `state`. */
CRYPTO_WRAPS CRYPTO_INLINE void SHA2_NAME(compress)(WORD *state, const WORD_BLOCK *block)
{
	WORD w[16], v[8];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i++)
		v[i] = state[i];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 16; i++) {
		w[i] = WORD_LOAD(block, i);
		SHA2_NAME(round)(v, i, w[i] + WORD_CONSTANT(i));
	}
#pragma clang loop unroll(disable)
	for (unsigned base = 16; base < SHA2_ROUNDS; base += 16) {
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 16; i++) {
			SHA2_NAME(extend)(w, i);
			SHA2_NAME(round)(v, i, w[i] + WORD_CONSTANT(base + i));
		}
	}
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i++)
		state[i] += v[i];
}

/* The whole schedule of a block, constants added. */
CRYPTO_WRAPS CRYPTO_INLINE void SHA2_NAME(schedule)(WORD schedule[SHA2_ROUNDS], const WORD_BLOCK *block)
{
	WORD w[16];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 16; i++) {
		w[i] = WORD_LOAD(block, i);
		schedule[i] = w[i] + WORD_CONSTANT(i);
	}
#pragma clang loop unroll(disable)
	for (unsigned base = 16; base < SHA2_ROUNDS; base += 16) {
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 16; i++) {
			SHA2_NAME(extend)(w, i);
			schedule[base + i] = w[i] + WORD_CONSTANT(base + i);
		}
	}
}

/* The rounds over such a schedule, whose words lie `stride` apart. */
CRYPTO_WRAPS CRYPTO_INLINE void SHA2_NAME(rounds)(WORD *state, const WORD *schedule, size_t stride)
{
	WORD v[8];
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i++)
		v[i] = state[i];
#pragma clang loop unroll(disable)
	for (unsigned base = 0; base < SHA2_ROUNDS; base += 16) {
#pragma clang loop unroll(full)
		for (unsigned i = 0; i < 16; i++)
			SHA2_NAME(round)(v, i, schedule[(base + i) * stride]);
	}
#pragma clang loop unroll(full)
	for (unsigned i = 0; i < 8; i++)
		state[i] += v[i];
}

#undef V
#undef word_rotate
#undef SHA2_ROUNDS
#undef SHA2_BIG0
#undef SHA2_BIG1
#undef SHA2_SMALL0
#undef SHA2_SMALL1
#undef SHA2_NAME
#undef WORD
#undef WORD_BITS
#undef WORD_BLOCK
#undef WORD_LOAD
#undef WORD_CONSTANT
