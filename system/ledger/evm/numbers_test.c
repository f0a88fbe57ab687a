/* 256-bit arithmetic against GMP, Keccak, RLP, and BN254's subgroup check against its definition. */
#include "num/hex.h"
#include "precompile/bn254_curve.h"
#include "rlp/rlp.h"

#include <gmp.h>
#include <stdio.h>
#include <stdlib.h>

static int failures;

static void check(bool good, const char *name)
{
	printf(good ? "ok numbers: %s\n" : "not ok numbers: %s - wrong result\n", name);
	failures += !good;
}

static uint64_t seed = 0x1234567;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Numbers of all lengths, many with limbs of zeros or ones: where carries go wrong. */
static struct u256 draw_word(void)
{
	struct u256 a;
	for (int i = 0; i < 4; i++) {
		const uint64_t kind = draw() % 6;
		a.w[i] = kind == 0   ? 0
		         : kind == 1 ? UINT64_MAX
		         : kind == 2 ? UINT64_C(1) << draw() % 64
		                     : draw();
	}
	for (int i = 3; i > 0 && draw() % 3 == 0; i--)
		a.w[i] = 0;
	return a;
}

static void to_mpz(mpz_t out, const struct u256 *a)
{
	mpz_import(out, 4, -1, 8, 0, 0, a->w);
}

static bool same(const struct u256 *a, mpz_t wanted)
{
	uint64_t limbs[4] = {0};
	mpz_t cut;
	mpz_init(cut);
	mpz_fdiv_r_2exp(cut, wanted, 256);
	mpz_export(limbs, NULL, -1, 8, 0, 0, cut);
	mpz_clear(cut);
	return memcmp(limbs, a->w, 32) == 0;
}

static void test_arithmetic(void)
{
	mpz_t a, b, m, r, q;
	bool divides = true, multiplies = true, adds = true, products = true, sums = true, again = true,
	     shifts = true;
	struct u256_modulus known = {0};
	struct u256 modulus = draw_word();
	mpz_inits(a, b, m, r, q, NULL);
	for (int i = 0; i < 30000; i++) {
		const struct u256 x = draw_word();
		const struct u256 y = draw_word();
		struct u256 z, w;
		if (i % 4 == 0)
			modulus = draw_word();
		to_mpz(a, &x);
		to_mpz(b, &y);
		to_mpz(m, &modulus);
		u256_mul(&z, &x, &y);
		mpz_mul(r, a, b);
		multiplies &= same(&z, r);
		u256_add(&z, &x, &y);
		mpz_add(r, a, b);
		adds &= same(&z, r);
		const unsigned n = (unsigned)(draw() % 256);
		u256_shift_left(&z, &x, n);
		mpz_mul_2exp(r, a, n);
		shifts &= same(&z, r);
		u256_shift_right(&z, &x, n, 0);
		mpz_fdiv_q_2exp(r, a, n);
		shifts &= same(&z, r);
		if (mpz_sgn(b)) {
			u256_divide(&z, &w, &x, &y);
			mpz_fdiv_qr(q, r, a, b);
			divides &= same(&z, q) && same(&w, r);
		}
		if (mpz_sgn(m)) {
			u256_mul_mod(&z, &x, &y, &modulus);
			u256_mul_mod_again(&w, &x, &y, &modulus, &known);
			mpz_mul(r, a, b);
			mpz_mod(r, r, m);
			products &= same(&z, r);
			again &= same(&w, r);
			u256_add_mod(&z, &x, &y, &modulus);
			mpz_add(r, a, b);
			mpz_mod(r, r, m);
			sums &= same(&z, r);
		}
	}
	mpz_clears(a, b, m, r, q, NULL);
	check(multiplies, "products");
	check(adds, "sums");
	check(shifts, "shifts");
	check(divides, "quotients and remainders");
	check(products, "products modulo a number");
	check(again, "products modulo a number seen before");
	check(sums, "sums modulo a number");
}

static void test_keccak(void)
{
	uint8_t digest[32];
	char text[67];
	keccak256(digest, "", 0);
	check(!memcmp(digest, keccak_of_nothing.bytes, 32), "Keccak-256 of nothing");
	keccak256(digest, "The quick brown fox jumps over the lazy dog", 43);
	check(!strcmp(hex_encode(text, digest, 32),
	              "0x4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15"),
	      "Keccak-256 of a sentence");
}

/* A random point of the twist is hardly ever in the subgroup, whose cofactor has 254 bits. */
static void test_subgroup(void)
{
	static const uint8_t generator[128] = {
	    0x19, 0x8e, 0x93, 0x93, 0x92, 0x0d, 0x48, 0x3a, 0x72, 0x60, 0xbf, 0xb7, 0x31, 0xfb, 0x5d, 0x25,
	    0xf1, 0xaa, 0x49, 0x33, 0x35, 0xa9, 0xe7, 0x12, 0x97, 0xe4, 0x85, 0xb7, 0xae, 0xf3, 0x12, 0xc2,
	    0x18, 0x00, 0xde, 0xef, 0x12, 0x1f, 0x1e, 0x76, 0x42, 0x6a, 0x00, 0x66, 0x5e, 0x5c, 0x44, 0x79,
	    0x67, 0x43, 0x22, 0xd4, 0xf7, 0x5e, 0xda, 0xdd, 0x46, 0xde, 0xbd, 0x5c, 0xd9, 0x92, 0xf6, 0xed,
	    0x09, 0x06, 0x89, 0xd0, 0x58, 0x5f, 0xf0, 0x75, 0xec, 0x9e, 0x99, 0xad, 0x69, 0x0c, 0x33, 0x95,
	    0xbc, 0x4b, 0x31, 0x33, 0x70, 0xb3, 0x8e, 0xf3, 0x55, 0xac, 0xda, 0xdc, 0xd1, 0x22, 0x97, 0x5b,
	    0x12, 0xc8, 0x5e, 0xa5, 0xdb, 0x8c, 0x6d, 0xeb, 0x4a, 0xab, 0x71, 0x80, 0x8d, 0xcb, 0x40, 0x8f,
	    0xe3, 0xd1, 0xe7, 0x69, 0x0c, 0x43, 0xd3, 0x7b, 0x4c, 0xe6, 0xcc, 0x01, 0x66, 0xfa, 0x7d, 0xaa};
	struct bn_g2 q;
	check(bn_g2_load(&q, generator), "BN254: the generator of G2 is in the subgroup");
	check(bn_g2_in_subgroup_by_order(&q), "BN254: the generator has order n");
	unsigned found = 0;
	bool agree = true;
	for (int i = 0; i < 40 && found < 6; i++) {
		struct bn_g2 p = {0};
		struct bn_fp2 right, root;
		p.x.a = u256_from(draw());
		p.x.b = u256_from(draw());
		bn_fp2_square(&right, &p.x);
		bn_fp2_mul(&right, &right, &p.x);
		bn_fp2_add(&right, &right, &bn_constants()->twist_b);
		/* a root by the complex method; half of the squares have theirs with the other sign, and are passed by */
		struct bn_fp norm, t, candidate;
		bn_fp_mul(&norm, &right.a, &right.a);
		bn_fp_mul(&t, &right.b, &right.b);
		bn_fp_add(&norm, &norm, &t);
		/* p = 3 mod 4: roots in Fp by a^((p + 1) / 4) */
		static const uint64_t quarter[4] = {0x4f082305b61f3f52, 0x65e05aa45a1c72a3,
		                                    0x6e14116da0605617, 0x0c19139cb84c680a};
		struct bn_fp2 power = {.a = norm};
		bn_fp2_power(&power, &power, quarter, 4);
		candidate = power.a;
		bn_fp_add(&t, &right.a, &candidate);
		bn_fp_mul(&t, &t, &bn_constants()->half);
		power = (struct bn_fp2){.a = t};
		bn_fp2_power(&power, &power, quarter, 4);
		root.a = power.a;
		struct bn_fp inverse;
		bn_fp_add(&inverse, &root.a, &root.a);
		bn_fp_invert(&inverse, &inverse);
		bn_fp_mul(&root.b, &right.b, &inverse);
		p.y = root;
		if (!bn_g2_on_curve(&p))
			continue;
		found++;
		agree &= bn_g2_in_subgroup(&p) == bn_g2_in_subgroup_by_order(&p);
		agree &= !bn_g2_in_subgroup(&p);
	}
	check(found >= 3, "BN254: points of the twist outside the subgroup are found");
	check(agree, "BN254: the fast subgroup check agrees with multiplication by the order");
}

static void test_rlp(void)
{
	static const struct {
		uint8_t bytes[8];
		size_t size;
		bool good;
	} cases[] = {{{0x00}, 1, true},
	             {{0x7f}, 1, true},
	             {{0x81, 0x80}, 2, true},
	             {{0x81, 0x7f}, 2, false},
	             {{0x80}, 1, true},
	             {{0x82, 0x01}, 2, false},
	             {{0xb8, 0x01}, 2, false},
	             {{0xb8}, 1, false},
	             {{0xb9, 0x00, 0x40}, 3, false},
	             {{0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, false}};
	bool good = true;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint8_t *copy = malloc(cases[i].size); /* so that a read beyond the end is seen */
		memcpy(copy, cases[i].bytes, cases[i].size);
		struct rlp_reader reader = rlp_reader(copy, cases[i].size);
		const uint8_t *bytes;
		size_t length;
		good &= rlp_read_bytes(&reader, &bytes, &length) == cases[i].good;
		free(copy);
	}
	check(good, "RLP takes canonical strings and nothing else");
}

int main(void)
{
	test_arithmetic();
	test_keccak();
	test_subgroup();
	test_rlp();
	return failures ? 1 : 0;
}
