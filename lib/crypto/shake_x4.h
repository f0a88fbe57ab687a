/*
 * Four SHAKE computations side by side, over messages and outputs of equal lengths. With AVX2 they cost about
 * as much as one; without, they are computed in turn. The order of calls is that of struct shake; the owner
 * wipes the object.
 */
#ifndef CRYPTO_SHAKE_X4_H
#define CRYPTO_SHAKE_X4_H

#include "sha3.h"

struct shake_x4 {
	struct keccak_x4 states;
	uint32_t rate;
	uint32_t position;
};

void shake128_x4_init(struct shake_x4 *shake);
void shake256_x4_init(struct shake_x4 *shake);

/* Absorbs `length` bytes of each of the four inputs. Inputs may be the same memory. */
void shake_x4_absorb(struct shake_x4 *shake, const uint8_t *const data[4], size_t length);
void shake_x4_finalize(struct shake_x4 *shake);

/* Writes the next `length` bytes of each of the four outputs. Fastest in multiples of the rate. */
void shake_x4_squeeze(struct shake_x4 *shake, uint8_t *const out[4], size_t length);

/* The above at once; wipes its state. */
void shake128_x4_hash(uint8_t *const out[4], size_t out_length, const uint8_t *const data[4], size_t length);
void shake256_x4_hash(uint8_t *const out[4], size_t out_length, const uint8_t *const data[4], size_t length);

#endif
