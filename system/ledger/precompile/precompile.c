/* The table of precompiled contracts, and those that are a few lines over a library. */
#include "precompile/precompile.h"

#include "tx/signature.h"

#include "crypto/sha2.h"

#include <bearssl.h>
#include <gmp.h>

#define FIRST_OF_P256 0x100

static uint64_t words(size_t size)
{
	return (size + 31) / 32;
}

static bool recover(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	uint8_t in[128];
	struct hash32 digest;
	struct u256 v;
	struct u256 r;
	struct u256 s;
	struct address signer;
	if (!precompile_charge(gas, 3000))
		return false;
	precompile_input(in, input, size, 0, sizeof in);
	memcpy(digest.bytes, in, 32);
	u256_load(&v, in + 32);
	u256_load(&r, in + 64);
	u256_load(&s, in + 96);
	if (!u256_fits64(&v) || (v.w[0] != 27 && v.w[0] != 28) ||
	    !signature_recover(&signer, &digest, (unsigned)v.w[0] - 27, &r, &s)) {
		evm_return_buffer(evm, 0);
		return true;
	}
	uint8_t *out = evm_return_buffer(evm, 32);
	memset(out, 0, 12);
	memcpy(out + 12, signer.bytes, 20);
	return true;
}

static bool sha_256(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	if (!precompile_charge(gas, 60 + 12 * words(size)))
		return false;
	sha256_hash(evm_return_buffer(evm, 32), input, size);
	return true;
}

static bool ripemd_160(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	if (!precompile_charge(gas, 600 + 120 * words(size)))
		return false;
	uint8_t *out = evm_return_buffer(evm, 32);
	memset(out, 0, 12);
	ripemd160(out + 12, input, size);
	return true;
}

static bool identity(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	if (!precompile_charge(gas, 15 + 3 * words(size)))
		return false;
	uint8_t *out = evm_return_buffer(evm, size);
	if (size)
		memcpy(out, input, size);
	return true;
}

static const struct u256 p256_order = {
    {0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}};

/* 0 < number < the order of P-256; BearSSL itself lets some of the others pass. */
static bool is_p256_scalar(const uint8_t bytes[32])
{
	struct u256 value;
	u256_load(&value, bytes);
	return !u256_is_zero(&value) && u256_less(&value, &p256_order);
}

/*
 * A digest that is 0 modulo the order: then r is the x of r/s times the key, if anything is. BearSSL's sum of two products takes no
 * factor 0, and refuses such a signature.
 */
static bool p256_verify_zero(uint8_t point[65], const uint8_t r[32], const uint8_t s[32])
{
	uint8_t factor[32] = {0};
	mpz_t order;
	mpz_t a;
	mpz_t b;
	mpz_inits(order, a, b, NULL);
	mpz_import(order, sizeof p256_order.w / 8, -1, 8, 0, 0, p256_order.w);
	mpz_import(a, 32, 1, 1, 1, 0, r);
	mpz_import(b, 32, 1, 1, 1, 0, s);
	(void)mpz_invert(b, b, order);
	mpz_mul(b, a, b);
	mpz_mod(b, b, order);
	mpz_export(factor + 32 - (mpz_sizeinbase(b, 2) + 7) / 8, NULL, 1, 1, 1, 0, b);
	bool valid = br_ec_get_default()->mul(point, 65, factor, sizeof factor, BR_EC_secp256r1) == 1;
	mpz_import(b, 32, 1, 1, 1, 0, point + 1);
	mpz_mod(b, b, order);
	valid = valid && mpz_cmp(a, b) == 0;
	mpz_clears(order, a, b, NULL);
	return valid;
}

/* EIP-7951: digest, r, s, x, y; 1 when the signature verifies, nothing otherwise. */
static bool p256_verify(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	if (!precompile_charge(gas, 6900))
		return false;
	bool valid = false;
	if (size == 160 && is_p256_scalar(input + 32) && is_p256_scalar(input + 64)) {
		uint8_t point[65];
		point[0] = 0x04;
		memcpy(point + 1, input + 96, 64);
		const br_ec_public_key key = {.curve = BR_EC_secp256r1, .q = point, .qlen = sizeof point};
		struct u256 digest;
		u256_load(&digest, input);
		valid =
		    u256_is_zero(&digest) || u256_equal(&digest, &p256_order)
		        ? p256_verify_zero(point, input + 32, input + 64)
		        : br_ecdsa_i31_vrfy_raw(br_ec_get_default(), input, 32, &key, input + 32, 64) == 1;
	}
	uint8_t *out = evm_return_buffer(evm, valid ? 32 : 0);
	if (valid) {
		memset(out, 0, 31);
		out[31] = 1;
	}
	return true;
}

static const struct {
	precompile *run;
	uint8_t since; /* enum fork */
} contracts[] = {
    [0x01] = {recover, FORK_CANCUN},
    [0x02] = {sha_256, FORK_CANCUN},
    [0x03] = {ripemd_160, FORK_CANCUN},
    [0x04] = {identity, FORK_CANCUN},
    [0x05] = {precompile_modexp, FORK_CANCUN},
    [0x06] = {precompile_bn254_add, FORK_CANCUN},
    [0x07] = {precompile_bn254_mul, FORK_CANCUN},
    [0x08] = {precompile_bn254_pairing, FORK_CANCUN},
    [0x09] = {precompile_blake2f, FORK_CANCUN},
    [0x0a] = {precompile_point_evaluation, FORK_CANCUN},
    [0x0b] = {precompile_bls_g1_add, FORK_PRAGUE},
    [0x0c] = {precompile_bls_g1_msm, FORK_PRAGUE},
    [0x0d] = {precompile_bls_g2_add, FORK_PRAGUE},
    [0x0e] = {precompile_bls_g2_msm, FORK_PRAGUE},
    [0x0f] = {precompile_bls_pairing, FORK_PRAGUE},
    [0x10] = {precompile_bls_map_g1, FORK_PRAGUE},
    [0x11] = {precompile_bls_map_g2, FORK_PRAGUE},
    [FIRST_OF_P256] = {p256_verify, FORK_OSAKA},
};

unsigned precompile_number(enum fork fork, const struct address *address)
{
	static const uint8_t zeros[18];
	if (memcmp(address->bytes, zeros, sizeof zeros) != 0)
		return 0;
	const unsigned number = (unsigned)address->bytes[18] << 8 | address->bytes[19];
	return number < sizeof contracts / sizeof contracts[0] && contracts[number].run &&
	               contracts[number].since <= fork
	           ? number
	           : 0;
}

bool precompile_run(struct evm *evm, unsigned number, const uint8_t *input, size_t size, int64_t *gas)
{
	return contracts[number].run(evm, input, size, gas);
}
