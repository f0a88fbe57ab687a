/* The permutation Keccak-f[1600] (FIPS 202 section 3.3) on 25 lanes, lane [x, y] at index x + 5 y. */
#ifndef CRYPTO_KECCAK_H
#define CRYPTO_KECCAK_H

#include "util.h"

#define KECCAK_LANES  25
#define KECCAK_ROUNDS 24

extern const uint64_t keccak_round_constants[KECCAK_ROUNDS];

void keccak_permute(uint64_t lanes[KECCAK_LANES]);

/* The lane of four independent states, for keccak_permute_x4. */
struct keccak_x4 {
	uint64_t lanes[KECCAK_LANES][4];
} __attribute__((aligned(32)));

/* Permutes four states; with AVX2 all at once. */
void keccak_permute_x4(struct keccak_x4 *states);

#endif
