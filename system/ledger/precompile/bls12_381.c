/*
 * BLS12-381 over blst (from the npm package c-kzg): the seven contracts of EIP-2537 and the point evaluation
 * of EIP-4844.
 */
#include "precompile/precompile.h"

#include "num/arena.h"

#include "crypto/sha2.h"

#include <blst.h>
#include <stdlib.h>

#define FP_SIZE     64 /* as contracts write an element of Fp: 16 zeros and 48 bytes */
#define G1_SIZE     128
#define G2_SIZE     256
#define SCALAR_SIZE 32
#define SCALAR_BITS 256

static const uint16_t discount_g1[128] = {
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665,
    661,  658, 654, 651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615,
    613,  611, 609, 608, 606, 604, 603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585,
    584,  582, 581, 580, 579, 577, 576, 575, 574, 573, 572, 570, 569, 568, 567, 566, 565, 564, 563,
    562,  561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551, 550, 549, 548, 547, 547, 546, 545,
    544,  543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532, 532, 531, 530, 529,
    528,  528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519};
static const uint16_t discount_g2[128] = {
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699,
    693,  688,  683, 679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629,
    627,  624,  622, 620, 618, 615, 613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592,
    590,  589,  587, 586, 584, 583, 582, 580, 579, 578, 576, 575, 574, 573, 571, 570, 569, 568, 567,
    566,  565,  563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 552, 551, 550, 549, 548,
    547,  546,  545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536, 535, 535, 534, 533,
    532,  532,  531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524};

/* ---- reading and writing ---- */
static bool read_fp(blst_fp *out, const uint8_t in[FP_SIZE])
{
	static const uint8_t modulus[48] = {
	    0x1a, 0x01, 0x11, 0xea, 0x39, 0x7f, 0xe6, 0x9a, 0x4b, 0x1b, 0xa7, 0xb6, 0x43, 0x4b, 0xac, 0xd7,
	    0x64, 0x77, 0x4b, 0x84, 0xf3, 0x85, 0x12, 0xbf, 0x67, 0x30, 0xd2, 0xa0, 0xf6, 0xb0, 0xf6, 0x24,
	    0x1e, 0xab, 0xff, 0xfe, 0xb1, 0x53, 0xff, 0xff, 0xb9, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xaa, 0xab};
	static const uint8_t zeros[16];
	if (memcmp(in, zeros, 16) != 0 || memcmp(in + 16, modulus, 48) >= 0)
		return false;
	blst_fp_from_bendian(out, in + 16);
	return true;
}

static bool all_zero(const uint8_t *in, size_t size)
{
	uint8_t any = 0;
	for (size_t i = 0; i < size; i++)
		any |= in[i];
	return any == 0;
}

static bool read_g1(blst_p1_affine *out, const uint8_t in[G1_SIZE])
{
	if (all_zero(in, G1_SIZE)) {
		memset(out, 0, sizeof *out);
		return true;
	}
	return read_fp(&out->x, in) && read_fp(&out->y, in + FP_SIZE) && blst_p1_affine_on_curve(out);
}

static bool read_g2(blst_p2_affine *out, const uint8_t in[G2_SIZE])
{
	if (all_zero(in, G2_SIZE)) {
		memset(out, 0, sizeof *out);
		return true;
	}
	for (int i = 0; i < 2; i++)
		if (!read_fp(&out->x.fp[i], in + FP_SIZE * i) ||
		    !read_fp(&out->y.fp[i], in + FP_SIZE * (2 + i)))
			return false;
	return blst_p2_affine_on_curve(out);
}

static void write_fp(uint8_t out[FP_SIZE], const blst_fp *a)
{
	memset(out, 0, 16);
	blst_bendian_from_fp(out + 16, a);
}

static bool answer_g1(struct evm *evm, const blst_p1 *a)
{
	uint8_t *out = evm_return_buffer(evm, G1_SIZE);
	blst_p1_affine affine;
	memset(out, 0, G1_SIZE);
	if (blst_p1_is_inf(a))
		return true;
	blst_p1_to_affine(&affine, a);
	write_fp(out, &affine.x);
	write_fp(out + FP_SIZE, &affine.y);
	return true;
}

static bool answer_g2(struct evm *evm, const blst_p2 *a)
{
	uint8_t *out = evm_return_buffer(evm, G2_SIZE);
	blst_p2_affine affine;
	memset(out, 0, G2_SIZE);
	if (blst_p2_is_inf(a))
		return true;
	blst_p2_to_affine(&affine, a);
	for (int i = 0; i < 2; i++) {
		write_fp(out + FP_SIZE * i, &affine.x.fp[i]);
		write_fp(out + FP_SIZE * (2 + i), &affine.y.fp[i]);
	}
	return true;
}

/* ---- EIP-2537 ---- */
bool precompile_bls_g1_add(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	blst_p1_affine a, b;
	blst_p1 sum;
	if (!precompile_charge(gas, 375) || size != 2 * G1_SIZE || !read_g1(&a, input) ||
	    !read_g1(&b, input + G1_SIZE))
		return false;
	blst_p1_from_affine(&sum, &a);
	blst_p1_add_or_double_affine(&sum, &sum, &b);
	return answer_g1(evm, &sum);
}

bool precompile_bls_g2_add(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	blst_p2_affine a, b;
	blst_p2 sum;
	if (!precompile_charge(gas, 600) || size != 2 * G2_SIZE || !read_g2(&a, input) ||
	    !read_g2(&b, input + G2_SIZE))
		return false;
	blst_p2_from_affine(&sum, &a);
	blst_p2_add_or_double_affine(&sum, &sum, &b);
	return answer_g2(evm, &sum);
}

static uint64_t msm_cost(size_t count, uint64_t one, const uint16_t *discount)
{
	return (uint64_t)count * one * discount[count <= 128 ? count - 1 : 127] / 1000;
}

static void read_scalar(uint8_t out[SCALAR_SIZE], const uint8_t in[SCALAR_SIZE])
{
	for (int i = 0; i < SCALAR_SIZE; i++) /* blst has them little-endian */
		out[i] = in[SCALAR_SIZE - 1 - i];
}

/* Sum of products; points at infinity are left out, as blst's algorithm for many points needs. */
#define MSM(group, number, label, one, discount)                                                             \
	bool precompile_bls_##group##_msm(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)  \
	{                                                                                                    \
		const size_t item = label##_SIZE + SCALAR_SIZE;                                              \
		const size_t count = size / item;                                                            \
		if (count == 0 || size % item || !precompile_charge(gas, msm_cost(count, one, discount)))    \
			return false;                                                                        \
		blst_p##number##_affine *points = checked_alloc(count * sizeof *points);                     \
		uint8_t(*scalars)[SCALAR_SIZE] = checked_alloc(count * SCALAR_SIZE);                         \
		bool valid = true;                                                                           \
		size_t used = 0;                                                                             \
		for (size_t i = 0; valid && i < count; i++) {                                                \
			const uint8_t *in = input + item * i;                                                \
			valid = read_##group(&points[used], in) &&                                           \
			        blst_p##number##_affine_in_##group(&points[used]);                           \
			read_scalar(scalars[used], in + label##_SIZE);                                       \
			used += valid && !blst_p##number##_affine_is_inf(&points[used]);                     \
		}                                                                                            \
		blst_p##number sum;                                                                          \
		memset(&sum, 0, sizeof sum);                                                                 \
		if (valid && used == 1) {                                                                    \
			blst_p##number##_from_affine(&sum, &points[0]);                                      \
			blst_p##number##_mult(&sum, &sum, scalars[0], SCALAR_BITS);                          \
		} else if (valid && used) {                                                                  \
			const blst_p##number##_affine *const point_list[2] = {points, NULL};                 \
			const byte *const scalar_list[2] = {scalars[0], NULL};                               \
			limb_t *scratch =                                                                    \
			    checked_alloc(blst_p##number##s_mult_pippenger_scratch_sizeof(used));            \
			blst_p##number##s_mult_pippenger(&sum, point_list, used, scalar_list, SCALAR_BITS,   \
			                                 scratch);                                           \
			free(scratch);                                                                       \
		}                                                                                            \
		free(points);                                                                                \
		free(scalars);                                                                               \
		return valid && answer_##group(evm, &sum);                                                   \
	}
MSM(g1, 1, G1, 12000, discount_g1)
MSM(g2, 2, G2, 22500, discount_g2)

bool precompile_bls_pairing(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	const size_t item = G1_SIZE + G2_SIZE;
	const size_t count = size / item;
	if (count == 0 || size % item || !precompile_charge(gas, 32600 * (uint64_t)count + 37700))
		return false;
	blst_fp12 product = *blst_fp12_one();
	for (size_t i = 0; i < count; i++) {
		blst_p1_affine p;
		blst_p2_affine q;
		blst_fp12 f;
		if (!read_g1(&p, input + item * i) || !read_g2(&q, input + item * i + G1_SIZE) ||
		    !blst_p1_affine_in_g1(&p) || !blst_p2_affine_in_g2(&q))
			return false;
		if (blst_p1_affine_is_inf(&p) || blst_p2_affine_is_inf(&q))
			continue;
		blst_miller_loop(&f, &q, &p);
		blst_fp12_mul(&product, &product, &f);
	}
	blst_final_exp(&product, &product);
	uint8_t *out = evm_return_buffer(evm, 32);
	memset(out, 0, 32);
	out[31] = blst_fp12_is_one(&product);
	return true;
}

bool precompile_bls_map_g1(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	blst_fp u;
	blst_p1 point;
	if (!precompile_charge(gas, 5500) || size != FP_SIZE || !read_fp(&u, input))
		return false;
	blst_map_to_g1(&point, &u, NULL);
	return answer_g1(evm, &point);
}

bool precompile_bls_map_g2(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	blst_fp2 u;
	blst_p2 point;
	if (!precompile_charge(gas, 23800) || size != 2 * FP_SIZE || !read_fp(&u.fp[0], input) ||
	    !read_fp(&u.fp[1], input + FP_SIZE))
		return false;
	blst_map_to_g2(&point, &u, NULL);
	return answer_g2(evm, &point);
}

/* ---- EIP-4844 ---- */
/* The second power of the ceremony's secret in G2, compressed: [tau]G2. It is public and fixed for ever. */
static const uint8_t tau_g2[96] = {
    0xb5, 0xbf, 0xd7, 0xdd, 0x8c, 0xde, 0xb1, 0x28, 0x84, 0x3b, 0xc2, 0x87, 0x23, 0x0a, 0xf3, 0x89,
    0x26, 0x18, 0x70, 0x75, 0xcb, 0xfb, 0xef, 0xa8, 0x10, 0x09, 0xa2, 0xce, 0x61, 0x5a, 0xc5, 0x3d,
    0x29, 0x14, 0xe5, 0x87, 0x0c, 0xb4, 0x52, 0xd2, 0xaf, 0xaa, 0xab, 0x24, 0xf3, 0x49, 0x9f, 0x72,
    0x18, 0x5c, 0xbf, 0xee, 0x53, 0x49, 0x27, 0x14, 0x73, 0x44, 0x29, 0xb7, 0xb3, 0x86, 0x08, 0xe2,
    0x39, 0x26, 0xc9, 0x11, 0xcc, 0xec, 0xea, 0xc9, 0xa3, 0x68, 0x51, 0x47, 0x7b, 0xa4, 0xc6, 0x0b,
    0x08, 0x70, 0x41, 0xde, 0x62, 0x10, 0x00, 0xed, 0xc9, 0x8e, 0xda, 0xda, 0x20, 0xc1, 0xde, 0xf2};

static const uint8_t scalar_modulus[32] = {0x73, 0xed, 0xa7, 0x53, 0x29, 0x9d, 0x7d, 0x48, 0x33, 0x39, 0xd8,
                                           0x08, 0x09, 0xa1, 0xd8, 0x05, 0x53, 0xbd, 0xa4, 0x02, 0xff, 0xfe,
                                           0x5b, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x01};

static bool read_compressed(blst_p1_affine *out, const uint8_t in[48])
{
	return blst_p1_uncompress(out, in) == BLST_SUCCESS && blst_p1_affine_in_g1(out);
}

/* e(C - [y]G1, G2) = e(proof, [tau]G2 - [z]G2) */
static bool verify_proof(const blst_p1_affine *commitment, const uint8_t z[32], const uint8_t y[32],
                         const blst_p1_affine *proof)
{
	uint8_t scalar[SCALAR_SIZE];
	blst_p1 left;
	blst_p2 right;
	blst_p1_affine left_affine;
	blst_p2_affine right_affine;
	read_scalar(scalar, y);
	blst_p1_mult(&left, blst_p1_generator(), scalar, SCALAR_BITS);
	blst_p1_cneg(&left, true);
	blst_p1_add_or_double_affine(&left, &left, commitment);
	read_scalar(scalar, z);
	blst_p2_mult(&right, blst_p2_generator(), scalar, SCALAR_BITS);
	blst_p2_cneg(&right, true);
	if (blst_p2_uncompress(&right_affine, tau_g2) != BLST_SUCCESS)
		return false;
	blst_p2_add_or_double_affine(&right, &right, &right_affine);
	blst_p1_to_affine(&left_affine, &left);
	blst_p2_to_affine(&right_affine, &right);

	const bool left_one = blst_p1_is_inf(&left);
	const bool right_one = blst_p1_affine_is_inf(proof) || blst_p2_is_inf(&right);
	blst_fp12 a = *blst_fp12_one();
	blst_fp12 b = *blst_fp12_one();
	if (!left_one)
		blst_miller_loop(&a, blst_p2_affine_generator(), &left_affine);
	if (!right_one)
		blst_miller_loop(&b, &right_affine, proof);
	return blst_fp12_finalverify(&a, &b);
}

bool precompile_point_evaluation(struct evm *evm, const uint8_t *input, size_t size, int64_t *gas)
{
	uint8_t digest[32];
	blst_p1_affine commitment, proof;
	if (!precompile_charge(gas, 50000) || size != 192)
		return false;
	sha256_hash(digest, input + 96, 48);
	digest[0] = 0x01;
	if (memcmp(input, digest, 32) != 0 || memcmp(input + 32, scalar_modulus, 32) >= 0 ||
	    memcmp(input + 64, scalar_modulus, 32) >= 0 || !read_compressed(&commitment, input + 96) ||
	    !read_compressed(&proof, input + 144) ||
	    !verify_proof(&commitment, input + 32, input + 64, &proof))
		return false;
	uint8_t *out = evm_return_buffer(evm, 64);
	memset(out, 0, 32);
	out[30] = 0x10; /* 4,096 field elements a blob */
	memcpy(out + 32, scalar_modulus, 32);
	return true;
}
