/*
 * The precompiled contracts. Each takes its input and the gas it may use, and either writes its output to the
 * machine's return data, lowers *gas and returns true, or returns false (the caller loses all the gas).
 */
#ifndef LEDGER_PRECOMPILE_H
#define LEDGER_PRECOMPILE_H

#include "evm/evm.h"

typedef bool precompile(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas);

precompile precompile_modexp;    /* modexp.c: EIP-198, 2565, 7823, 7883 */
precompile precompile_bn254_add; /* bn254_contract.c: EIP-196, 197, 1108 */
precompile precompile_bn254_mul;
precompile precompile_bn254_pairing;
precompile precompile_blake2f;          /* blake2f.c: EIP-152 */
precompile precompile_point_evaluation; /* bls12_381.c: EIP-4844 */
precompile precompile_bls_g1_add;       /* bls12_381.c: EIP-2537 */
precompile precompile_bls_g1_msm;
precompile precompile_bls_g2_add;
precompile precompile_bls_g2_msm;
precompile precompile_bls_pairing;
precompile precompile_bls_map_g1;
precompile precompile_bls_map_g2;

void ripemd160(uint8_t digest[20], const uint8_t *data, size_t size);

static inline bool precompile_charge(int64_t *gas, uint64_t cost)
{
	if (cost > (uint64_t)*gas)
		return false;
	*gas -= (int64_t)cost;
	return true;
}

/* Copies input[offset, offset + size) to out, zeros where the input has ended. */
static inline void precompile_input(uint8_t *out, const uint8_t *input, size_t input_size, size_t offset,
                                    size_t size)
{
	const size_t have = offset >= input_size         ? 0
	                    : input_size - offset < size ? input_size - offset
	                                                 : size;
	if (have)
		memcpy(out, input + offset, have);
	memset(out + have, 0, size - have);
}

#endif
