/*
 * Packing of small unsigned integers, `bits` bits each, least significant first, as ByteEncode (FIPS 203,
 * algorithm 5) and SimpleBitPack (FIPS 204, algorithm 16) lay them out: eight values fill `bits` bytes.
 * `bits` is meant to be a constant after inlining; then everything unrolls to straight code.
 */
#ifndef CRYPTO_BITPACK_H
#define CRYPTO_BITPACK_H

#include "util.h"

/* Under the sanitizers straight code is checked step by step, and takes half a minute to compile. */
#if __has_feature(address_sanitizer)
#define UNROLLED
#else
#define UNROLLED _Pragma("clang loop unroll(full)")
#endif

/* Packs eight values below 2^bits (bits at most 24) into `bits` bytes. */
CRYPTO_INLINE void bitpack8(uint8_t *out, const uint32_t values[8], unsigned bits)
{
	uint64_t window = 0;
	unsigned held = 0, at = 0;
	UNROLLED
	for (unsigned i = 0; i < 8; i++) {
		window |= (uint64_t)values[i] << held;
		held += bits;
		if (held >= 32) {
			store_le32(out + at, (uint32_t)window);
			at += 4;
			window >>= 32;
			held -= 32;
		}
	}
	UNROLLED
	for (; at < bits; at++) {
		out[at] = (uint8_t)window;
		window >>= 8;
	}
}

/* Unpacks `bits` bytes into eight values. */
CRYPTO_INLINE void bitunpack8(uint32_t values[8], const uint8_t *in, unsigned bits)
{
	uint64_t window = 0;
	unsigned held = 0, at = 0;
	UNROLLED
	for (unsigned i = 0; i < 8; i++) {
		UNROLLED
		while (held < bits) {
			window |= (uint64_t)in[at++] << held;
			held += 8;
		}
		values[i] = (uint32_t)(window & ((1u << bits) - 1));
		window >>= bits;
		held -= bits;
	}
}

#endif
