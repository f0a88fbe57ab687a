/* The compression functions, apart from the interface: what sha2.c chooses from. */
#ifndef CRYPTO_SHA2_BLOCKS_H
#define CRYPTO_SHA2_BLOCKS_H

#include "sha2.h"

extern const uint32_t sha256_round_constants[64];
extern const uint64_t sha512_round_constants[80];

/* With the SHA instructions. */
void sha256_blocks_shani(uint32_t state[8], const uint8_t *blocks, size_t count);
/* With BMI2 and, for the message schedule, AVX2. */
void sha256_blocks_avx2(uint32_t state[8], const uint8_t *blocks, size_t count);
void sha512_blocks_avx2(uint64_t state[8], const uint8_t *blocks, size_t count);

#endif
