/* Keccak-f[1600] on one state, compiled for BMI: and-not and rotate-to-another-register are single
 * instructions. */
#include "keccak_vector.h"

#define LANE                   uint64_t
#define LANE_ROUND_CONSTANT(i) keccak_round_constants[i]
#define KECCAK_NAME(name)      name
#include "keccak_rounds.h"

void keccak_permute_bmi2(uint64_t lanes[KECCAK_LANES])
{
	keccak_rounds(lanes);
}
