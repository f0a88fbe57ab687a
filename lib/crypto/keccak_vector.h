/* The forms of the permutation that need vector units or BMI2; called only where crypto_cpu_features() allows
 * them. */
#ifndef CRYPTO_KECCAK_VECTOR_H
#define CRYPTO_KECCAK_VECTOR_H

#include "keccak.h"

/* Offsets of rho, FIPS 202 table 2, modulo 64, at index x + 5 y. */
static const uint8_t keccak_rotation[KECCAK_LANES] = {0,  1,  62, 28, 27, 36, 44, 6,  55, 20, 3,  10, 43,
                                                      25, 39, 41, 45, 15, 21, 8,  18, 2,  61, 56, 14};

void keccak_permute_bmi2(uint64_t lanes[KECCAK_LANES]);
void keccak_permute_x4_avx2(struct keccak_x4 *states);
void keccak_permute_avx512(uint64_t lanes[KECCAK_LANES]);
void keccak_permute_x4_avx512(struct keccak_x4 *states);

#endif
