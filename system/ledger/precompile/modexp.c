/*
 * MODEXP over GMP. Cost: EIP-2565, from Osaka EIP-7883; from Osaka no operand is over 1,024 bytes (EIP-7823).
 * Before, the cost bounds the work: it grows with the square of the longer of base and modulus.
 */
#include "precompile/precompile.h"

#include <gmp.h>

#define OSAKA_LIMIT 1024

/* Lengths above this cost more gas than any transaction has, unless base and modulus are empty. */
#define LENGTH_LIMIT ((uint64_t)1 << 32)

static bool read_length(uint64_t *out, const uint8_t *input, size_t size, size_t offset)
{
	uint8_t bytes[32];
	struct u256 value;
	precompile_input(bytes, input, size, offset, 32);
	u256_load(&value, bytes);
	*out = u256_fits64(&value) && value.w[0] < LENGTH_LIMIT ? value.w[0] : LENGTH_LIMIT;
	return *out < LENGTH_LIMIT;
}

/* base_size and modulus_size are below LENGTH_LIMIT; the result saturates. */
static uint64_t cost(enum fork fork, uint64_t base_size, uint64_t exponent_size, uint64_t modulus_size,
                     const struct u256 *head)
{
	const bool osaka = fork >= FORK_OSAKA;
	const uint64_t longest = base_size > modulus_size ? base_size : modulus_size;
	const uint64_t words = (longest + 7) / 8;
	u128 complexity = (u128)words * words;
	if (osaka)
		complexity = longest > 32 ? 2 * complexity : 16;
	const unsigned bits = u256_bits(head);
	uint64_t iterations = bits ? bits - 1 : 0;
	if (exponent_size > 32)
		iterations += (osaka ? 16 : 8) * (exponent_size - 32);
	if (iterations == 0)
		iterations = 1;
	if (complexity > UINT64_MAX)
		return UINT64_MAX;
	u128 total = complexity * iterations / (osaka ? 1 : 3);
	const uint64_t least = osaka ? 500 : 200;
	if (total < least)
		total = least;
	return total > UINT64_MAX ? UINT64_MAX : (uint64_t)total;
}

/* A big-endian number of the input, zeros beyond its end. */
static void read_number(mpz_t out, const uint8_t *input, size_t size, size_t offset, size_t length)
{
	const size_t have = offset >= size ? 0 : size - offset < length ? size - offset : length;
	mpz_import(out, have, 1, 1, 1, 0, input + (have ? offset : 0));
	mpz_mul_2exp(out, out, 8 * (length - have));
}

bool precompile_modexp(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	uint64_t base_size;
	uint64_t exponent_size;
	uint64_t modulus_size;
	const bool small_base = read_length(&base_size, input, size, 0);
	const bool small_exponent = read_length(&exponent_size, input, size, 32);
	const bool small_modulus = read_length(&modulus_size, input, size, 64);
	if (!small_base || !small_modulus)
		return false;
	if (evm->fork >= FORK_OSAKA &&
	    (base_size > OSAKA_LIMIT || exponent_size > OSAKA_LIMIT || modulus_size > OSAKA_LIMIT))
		return false;
	uint8_t bytes[32];
	struct u256 head;
	const size_t head_size = exponent_size < 32 ? exponent_size : 32;
	precompile_input(bytes, input, size, 96 + base_size, head_size);
	u256_load_short(&head, bytes, head_size);
	if (!precompile_charge(gas, cost(evm->fork, base_size, exponent_size, modulus_size, &head)))
		return false;
	if (modulus_size == 0) {
		evm_return_buffer(evm, 0);
		return true;
	}
	if (!small_exponent)
		return false;

	mpz_t base;
	mpz_t exponent;
	mpz_t modulus;
	mpz_inits(base, exponent, modulus, NULL);
	read_number(base, input, size, 96, base_size);
	read_number(exponent, input, size, 96 + base_size, exponent_size);
	read_number(modulus, input, size, 96 + base_size + exponent_size, modulus_size);
	uint8_t *out = evm_return_buffer(evm, modulus_size);
	memset(out, 0, modulus_size);
	if (mpz_sgn(modulus)) {
		mpz_powm(base, base, exponent, modulus);
		const size_t length = (mpz_sizeinbase(base, 2) + 7) / 8;
		if (mpz_sgn(base))
			mpz_export(out + modulus_size - length, NULL, 1, 1, 1, 0, base);
	}
	mpz_clears(base, exponent, modulus, NULL);
	return true;
}
