/* The forms of the permutation that need vector units or BMI2; called only where crypto_cpu_features() allows
 * them. */
#ifndef CRYPTO_KECCAK_VECTOR_H
#define CRYPTO_KECCAK_VECTOR_H

#include "keccak.h"

void keccak_permute_bmi2(uint64_t lanes[KECCAK_LANES]);
void keccak_permute_x4_avx2(struct keccak_x4 *states);

#endif
