/*
 * Several independent SHA-2 compressions from one starting state, one block each. Used where many short
 * messages share their first block (SLH-DSA).
 */
#ifndef CRYPTO_SHA2_LANES_H
#define CRYPTO_SHA2_LANES_H

#include "sha2_blocks.h"

#define SHA2_LANES 8

/* `count` is 1 to 8. */
void sha256_compress_lanes(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK], unsigned count,
                           uint32_t (*out)[8]);
void sha512_compress_lanes(const uint64_t start[8], const uint8_t (*blocks)[SHA512_BLOCK], unsigned count,
                           uint64_t (*out)[8]);

/* Two at a time with the SHA instructions, so that each hides the other's latency. */
void sha256_compress_two_shani(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK],
                               uint32_t (*out)[8]);
/* Eight and four at a time with AVX2; lanes from `count` on are not written. */
void sha256_compress_eight_avx2(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK],
                                unsigned count, uint32_t (*out)[8]);
void sha512_compress_four_avx2(const uint64_t start[8], const uint8_t (*blocks)[SHA512_BLOCK], unsigned count,
                               uint64_t (*out)[8]);

#endif
