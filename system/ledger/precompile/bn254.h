/*
 * The pairing-friendly curve BN254 (alt_bn128): y^2 = x^3 + 3 over Fp, its twist over Fp2, the optimal ate
 * pairing. Field elements are in Montgomery form, below p. Nothing here is secret, and nothing runs in
 * constant time.
 *
 * Sources: EIP-196, EIP-197 for the parameters; P. Barreto, M. Naehrig, "Pairing-friendly elliptic curves of
 * prime order", SAC 2005; F. Vercauteren, "Optimal pairings", 2008.
 */
#ifndef LEDGER_BN254_H
#define LEDGER_BN254_H

#include "num/u256.h"

#include <stddef.h>

#define bn_fp u256 /* an element of Fp is four limbs like any number, in Montgomery form */

struct bn_fp2 { /* a + b u, u^2 = -1 */
	struct bn_fp a;
	struct bn_fp b;
};
struct bn_g1 { /* affine */
	bool infinity;
	struct bn_fp x;
	struct bn_fp y;
};
struct bn_g2 {
	bool infinity;
	struct bn_fp2 x;
	struct bn_fp2 y;
};

/* To and from 32 bytes, big-endian; false when the number is not below p. */
bool bn_fp_load(struct bn_fp *out, const uint8_t bytes[32]);
void bn_fp_store(uint8_t bytes[32], const struct bn_fp *a);

/* Points as EIP-196 and EIP-197 write them (zeros: infinity); false when not on the curve, or for G2 not in
 * the subgroup of order n. */
bool bn_g1_load(struct bn_g1 *out, const uint8_t bytes[64]);
void bn_g1_store(uint8_t bytes[64], const struct bn_g1 *a);
bool bn_g2_load(struct bn_g2 *out, const uint8_t bytes[128]);

void bn_g1_add(struct bn_g1 *out, const struct bn_g1 *a, const struct bn_g1 *b);
void bn_g1_mul(struct bn_g1 *out, const struct bn_g1 *a, const struct u256 *scalar);

/* Is the product of the pairings of `count` pairs one? */
bool bn_pairing_is_one(const struct bn_g1 *g1, const struct bn_g2 *g2, size_t count);

#endif
