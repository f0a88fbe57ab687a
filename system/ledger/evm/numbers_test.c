/* 256-bit arithmetic against GMP, Keccak, RLP, BN254's subgroup check against its definition, and P256VERIFY's corners. */
#include "evm/evm.h"
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

/* ---- P256VERIFY: corners of EIP-7951, computed by its text in plain arithmetic ---- */
static const struct {
	const char *name;
	bool valid;
	const char *input;
} p256_cases[] = {
    {"an honest signature", true,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f43571579aed8002707ef1782623a41ce"
     "c336181d38c597f9f4e442abb98045d526efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"the other s", true,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8fbca8ea855127ffd9f810e87d9dc5be30"
     "f9b0e2906e52068afed5881742e2df7c26efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"a digest of 0", true,
     "0000000000000000000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f5a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea4226efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"a digest that is the order", true,
     "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f5a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea4226efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"the largest digest", true,
     "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f260462e6da7145089a8c94611b64199c"
     "b68e53606aefaa841742b6e193b3637226efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"r that is the order", false,
     "00000000abcdef00000000000000000000000000000000000000000000000000ffffffff00000000"
     "ffffffffffffffffbce6faada7179e84f3b9cac2fc63255143571579aed8002707ef1782623a41ce"
     "c336181d38c597f9f4e442abb98045d526efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"s that is the order", false,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8fffffffff00000000ffffffffffffffff"
     "bce6faada7179e84f3b9cac2fc63255126efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"r 0", false,
     "00000000abcdef000000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000043571579aed8002707ef1782623a41ce"
     "c336181d38c597f9f4e442abb98045d526efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"s 0", false,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f00000000000000000000000000000000"
     "0000000000000000000000000000000026efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"the key 0, 0", false,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f43571579aed8002707ef1782623a41ce"
     "c336181d38c597f9f4e442abb98045d5000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000"},
    {"a key off the curve", false,
     "00000000abcdef00000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f43571579aed8002707ef1782623a41ce"
     "c336181d38c597f9f4e442abb98045d526efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e7"},
    {"a key whose x is 0", true,
     "f2abc912e271a439008f3ba61091bb82b82dc4a51989bccfc908df70b1d5537ae80203893132f465"
     "cdce9e91510651851acccc9e41e5083eda14effba963decefd558e9c93b0540c334fd8bad01d2580"
     "558ebcabf12e7160b7fccee5ba46c826000000000000000000000000000000000000000000000000"
     "000000000000000066485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"},
    {"the same, not reduced", false,
     "f2abc912e271a439008f3ba61091bb82b82dc4a51989bccfc908df70b1d5537ae80203893132f465"
     "cdce9e91510651851acccc9e41e5083eda14effba963decefd558e9c93b0540c334fd8bad01d2580"
     "558ebcabf12e7160b7fccee5ba46c826ffffffff00000001000000000000000000000000ffffffff"
     "ffffffffffffffff66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4"},
    {"a point whose x is above the order", true,
     "b13b13b089d89d8a89d89d89d89d89d86f1610021137bc836da80286fd7fb7620000000000000000"
     "000000000000000000000000000000000000000000000003276276273b13b13b3b13b13b13b13b13"
     "a6e87555caeff100c308e41dff71b6f913db6d8890b9b50957ba6c3c72e6c4dc1232198fd522867c"
     "b4b1b16727627eb0406d242c25f48b0dc3a38105d84e0af62710af88e167ad59008b2b21fd296d3a"},
    {"a sum that is no point", false,
     "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fba6f6e20000000000000000"
     "0000000000000000000000000000000000000000000003e700000000000000000000000000000000"
     "0000000000000000000000000000022b26efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"a sum of equal points", true,
     "d48569e91113933512ab6654b461da329cf37bd062e23db3b208b710d8d168b26780c5fc70275e2c"
     "7061a0e7877bb174deadeb9887027f3fa83654158ba7f50c228041fed00d1f642575e04d2d293b26"
     "f4e4a3dd82562a6a8d67715c83e2a7048e533b6fa0bf7b4625bb30667c01fb607ef9f8b8a80fef5b"
     "300628703187b2a373eb1dbde03318366d069f83a6f5900053c73633cb041b21c55e1a86c1f400b4"},
    {"the generator as key", true,
     "00000000abcdef00000000000000000000000000000000000000000000000000e2534a3532d08fbb"
     "a02dde659ee62bd0031fe2db785596ef509302446b030852b894d28cf7a79faf680b779967b98af3"
     "df3b760db1a134fe4e01a5f298f254bd6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0"
     "f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"},
    {"its negative as key", true,
     "00000000abcdef00000000000000000000000000000000000000000000000000e2534a3532d08fbb"
     "a02dde659ee62bd0031fe2db785596ef509302446b030852476b2d725e3f57d197f488669846750b"
     "ddab849ff5766986a5b824d06370d0946b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0"
     "f4a13945d898c296b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a"},
    {"a digest of 0 with another r", false,
     "0000000000000000000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea905a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea4226efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"a digest of 0 with another s", false,
     "0000000000000000000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f5a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea4326efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e6"},
    {"a digest of 0 and a key off the curve", false,
     "0000000000000000000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f5a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea4226efcebd0ee9e34a669187e18b3a9122b2f733945b649cc9"
     "f9f921e9f9dad81290238bde9cc7bb330d150c67704dd25ae7055205744b6f31bf4070745872d0e7"},
    {"a digest of 0 and the key 0, 0", false,
     "0000000000000000000000000000000000000000000000000000000000000000100effdbc0e5a386"
     "048b0931a3a3bc9949d3875670819d1bf7c43440fa16ea8f5a12e213c94f55820ddd4ce242992524"
     "bb46a6f6479c3365a3bd6871eb96ea42000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000"},
    {"a digest of 0 and a small x", true,
     "0000000000000000000000000000000000000000000000000000000000000000fa0b1b1fb5959352"
     "d41e2aba5517ace5afd6433a3ef4f2905e9fde8e58e5bf808d8f74ca309ed77b6ce6e84d97ad4c19"
     "677e76e1df7b0c123df28f4a084597a4000000000000000000000000000000000000000000000000"
     "0000000000000005459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc"},
    {"a digest of 0 and that x not reduced", false,
     "0000000000000000000000000000000000000000000000000000000000000000fa0b1b1fb5959352"
     "d41e2aba5517ace5afd6433a3ef4f2905e9fde8e58e5bf808d8f74ca309ed77b6ce6e84d97ad4c19"
     "677e76e1df7b0c123df28f4a084597a4ffffffff0000000100000000000000000000000100000000"
     "0000000000000004459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc"},
    {"a digest of 0, and r the key's own x", true,
     "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
     "00000000000000000000000000000000000000000000000500000000000000000000000000000000"
     "00000000000000000000000000000005000000000000000000000000000000000000000000000000"
     "0000000000000005459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc"},
};

static void test_p256(void)
{
	struct evm *evm = evm_create(FORK_OSAKA);
	const struct address address = {.bytes = {[18] = 0x01}};
	const unsigned number = precompile_number(FORK_OSAKA, &address);
	bool others = number && !precompile_number(FORK_PRAGUE, &address);
	for (size_t i = 0; i < sizeof p256_cases / sizeof p256_cases[0]; i++) {
		uint8_t input[161] = {0};
		char text[2 * 160 + 3] = "0x", name[128];
		int64_t gas = 6900;
		strcat(text, p256_cases[i].input);
		const bool read = hex_decode(input, 160, text) == 160 &&
		                  precompile_run(evm, number, input, 160, &gas) && gas == 0;
		const bool valid = evm->return_size == 32 && evm->return_data[31] == 1;
		snprintf(name, sizeof name, "P256VERIFY %s %s", p256_cases[i].valid ? "takes" : "refuses",
		         p256_cases[i].name);
		check(read && valid == p256_cases[i].valid && (valid || evm->return_size == 0), name);
		gas = 7000;
		others &=
		    precompile_run(evm, number, input, 161, &gas) && evm->return_size == 0 && gas == 100;
		gas = 6900;
		others &= precompile_run(evm, number, input, 159, &gas) && evm->return_size == 0;
	}
	int64_t little = 6899;
	others &= !precompile_run(evm, number, (const uint8_t *)"", 0, &little);
	check(others, "P256VERIFY refuses other sizes, and too little gas, and is not there before Osaka");
	evm_destroy(evm);
}

int main(void)
{
	test_arithmetic();
	test_keccak();
	test_subgroup();
	test_rlp();
	test_p256();
	return failures ? 1 : 0;
}
