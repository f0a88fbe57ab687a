/* The contracts on BN254: addition, multiplication, pairing check. Costs: EIP-1108. */
#include "precompile/bn254.h"
#include "precompile/precompile.h"

#include <stdlib.h>

#define PAIR_SIZE 192

bool precompile_bn254_add(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	uint8_t in[128];
	struct bn_g1 a;
	struct bn_g1 b;
	if (!precompile_charge(gas, 150))
		return false;
	precompile_input(in, input, size, 0, sizeof in);
	if (!bn_g1_load(&a, in) || !bn_g1_load(&b, in + 64))
		return false;
	bn_g1_add(&a, &a, &b);
	bn_g1_store(evm_return_buffer(evm, 64), &a);
	return true;
}

bool precompile_bn254_mul(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	uint8_t in[96];
	struct bn_g1 a;
	struct u256 scalar;
	if (!precompile_charge(gas, 6000))
		return false;
	precompile_input(in, input, size, 0, sizeof in);
	u256_load(&scalar, in + 64);
	if (!bn_g1_load(&a, in))
		return false;
	bn_g1_mul(&a, &a, &scalar);
	bn_g1_store(evm_return_buffer(evm, 64), &a);
	return true;
}

bool precompile_bn254_pairing(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	const size_t count = size / PAIR_SIZE;
	if (!precompile_charge(gas, 45000 + 34000 * (uint64_t)count) || size % PAIR_SIZE)
		return false;
	struct bn_g1 *g1 = checked_alloc(count * sizeof *g1);
	struct bn_g2 *g2 = checked_alloc(count * sizeof *g2);
	bool valid = true;
	for (size_t i = 0; valid && i < count; i++)
		valid = bn_g1_load(&g1[i], input + PAIR_SIZE * i) &&
		        bn_g2_load(&g2[i], input + PAIR_SIZE * i + 64);
	if (valid) {
		const bool one = bn_pairing_is_one(g1, g2, count);
		uint8_t *out = evm_return_buffer(evm, 32);
		memset(out, 0, 32);
		out[31] = one;
	}
	free(g1);
	free(g2);
	return valid;
}
