/* Keccak-f[1600] in plain C, and the choice between it and the processor's better ways. */
#include "keccak_vector.h"
#include "cpu.h"

const uint64_t keccak_round_constants[KECCAK_ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

#define LANE                   uint64_t
#define LANE_ROUND_CONSTANT(i) keccak_round_constants[i]
#define KECCAK_NAME(name)      name
#include "keccak_rounds.h"

void keccak_permute(uint64_t lanes[KECCAK_LANES])
{
#if CRYPTO_VECTOR
	unsigned features = crypto_cpu_features();
	if (features & CRYPTO_CPU_AVX512) {
		keccak_permute_avx512(lanes);
		return;
	}
	if (features & CRYPTO_CPU_AVX2) {
		keccak_permute_bmi2(lanes);
		return;
	}
#endif
	keccak_rounds(lanes);
}

void keccak_permute_x4(struct keccak_x4 *states)
{
#if CRYPTO_VECTOR
	unsigned features = crypto_cpu_features();
	if (features & CRYPTO_CPU_AVX512) {
		keccak_permute_x4_avx512(states);
		return;
	}
	if (features & CRYPTO_CPU_AVX2) {
		keccak_permute_x4_avx2(states);
		return;
	}
#endif
	uint64_t lanes[KECCAK_LANES];
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < KECCAK_LANES; j++)
			lanes[j] = states->lanes[j][i];
		keccak_permute(lanes);
		for (unsigned j = 0; j < KECCAK_LANES; j++)
			states->lanes[j][i] = lanes[j];
	}
	crypto_wipe(lanes, sizeof lanes);
}
