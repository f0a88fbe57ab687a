/*
 * Keccak-f[1600] with AVX-512 VL: 32 registers hold a whole state, rotations and three-operand logic are
 * single instructions. One state uses one element of each register, four states all four.
 */
#include "keccak_vector.h"

typedef uint64_t lane_x2 __attribute__((vector_size(16)));
typedef uint64_t lane_x4 __attribute__((vector_size(32)));

#define LANE                   lane_x4
#define LANE_ROUND_CONSTANT(i) ((lane_x4){0} + keccak_round_constants[i])
#define KECCAK_NAME(name)      name##_x4
#include "keccak_rounds.h"

#define LANE                   lane_x2
#define LANE_ROUND_CONSTANT(i) ((lane_x2){0} + keccak_round_constants[i])
#define KECCAK_NAME(name)      name##_x1
#include "keccak_rounds.h"

void keccak_permute_x4_avx512(struct keccak_x4 *states)
{
	keccak_rounds_x4((lane_x4 *)states->lanes);
}

void keccak_permute_avx512(uint64_t lanes[KECCAK_LANES])
{
	lane_x2 state[KECCAK_LANES];
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		state[i] = (lane_x2){lanes[i], 0};
	keccak_rounds_x1(state);
	for (unsigned i = 0; i < KECCAK_LANES; i++)
		lanes[i] = state[i][0];
}
