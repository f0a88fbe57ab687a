/* Keccak-f[1600] on four states at once, one AVX2 register a lane. */
#include <immintrin.h>

#include "keccak_vector.h"

typedef uint64_t lane_x4 __attribute__((vector_size(32)));

#define LANE                   lane_x4
#define LANE_ROUND_CONSTANT(i) ((lane_x4){0} + keccak_round_constants[i])
#define KECCAK_NAME(name)      name
#include "keccak_rounds.h"

void keccak_permute_x4_avx2(struct keccak_x4 *states)
{
	keccak_rounds((lane_x4 *)states->lanes);
}
