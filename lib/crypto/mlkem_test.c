/*
 * ML-KEM: its arithmetic against the standard's definitions and plain C against AVX2, then the scheme's
 * checks with hostile keys and ciphertexts. That its results are right is shown by
 * vectors_test.py.
 */
#include "crypto/mlkem.h"
#include "crypto/mlkem_poly.h"
#include "crypto/test_support.h"

static const unsigned limits[] = {0, CRYPTO_CPU_AVX2, ~0u};
static const char *const limit_names[] = {"plain C", "AVX2", "all features"};
static const char *const set_names[MLKEM_SETS] = {"512", "768", "1024"};

static unsigned power(unsigned base, unsigned exponent)
{
	unsigned result = 1;
	for (; exponent; exponent--)
		result = result * base % MLKEM_Q;
	return result;
}

static unsigned reverse7(unsigned i)
{
	unsigned result = 0;
	for (unsigned bit = 0; bit < 7; bit++)
		result |= (i >> bit & 1) << (6 - bit);
	return result;
}

/* 0..q-1 of any integer. */
static unsigned modulo(long a)
{
	return (unsigned)((a % MLKEM_Q + MLKEM_Q) % MLKEM_Q);
}

static bool same(const struct mlkem_poly *a, const struct mlkem_poly *b)
{
	for (unsigned i = 0; i < MLKEM_N; i++)
		if (modulo(a->c[i]) != modulo(b->c[i]))
			return false;
	return true;
}

/* Coefficients of absolute value at most `bound`, among them both bounds. */
static void random_poly(struct mlkem_poly *p, int low, int high, const char *label, unsigned number)
{
	uint16_t words[MLKEM_N];
	test_random(words, sizeof words, label, number);
	for (unsigned i = 0; i < MLKEM_N; i++)
		p->c[i] = (int16_t)(words[i] % 16 == 0   ? low
		                    : words[i] % 16 == 1 ? high
		                                         : low + words[i] % (high - low + 1));
}

static void test_tables(void)
{
	bool zetas = true, compress = true, barrett = true;
	for (unsigned i = 0; i < 128; i++)
		zetas &= modulo(mlkem_zetas[i]) == power(17, reverse7(i)) * 65536ul % MLKEM_Q;
	check(zetas, "mlkem: the table of zetas is as defined");
	static const unsigned widths[] = {1, 4, 5, 10, 11};
	for (unsigned w = 0; w < 5; w++) {
		unsigned d = widths[w], full = 1u << d;
		for (unsigned x = 0; x < MLKEM_Q; x++)
			compress &= mlkem_compress1((uint16_t)x, d) ==
			            (x * full * 2 + MLKEM_Q) / (2 * MLKEM_Q) % full;
		for (unsigned y = 0; y < full; y++)
			compress &=
			    mlkem_decompress1((uint16_t)y, d) == (int)((y * MLKEM_Q * 2 + full) / (2 * full));
	}
	check(compress, "mlkem: compression and decompression of every value round as defined");
	for (int a = -32768; a < 32768; a++) {
		int16_t r = mlkem_barrett((int16_t)a);
		barrett &= r <= 1670 && r >= -1670 && modulo(r) == modulo(a);
	}
	check(barrett, "mlkem: Barrett reduction of every 16-bit value");
}

/* a b modulo x^256 + 1, as the definition says. */
static void schoolbook(struct mlkem_poly *r, const struct mlkem_poly *a, const struct mlkem_poly *b)
{
	long sum[2 * MLKEM_N] = {0};
	for (unsigned i = 0; i < MLKEM_N; i++)
		for (unsigned j = 0; j < MLKEM_N; j++)
			sum[i + j] += (long)a->c[i] * b->c[j];
	for (unsigned i = 0; i < MLKEM_N; i++)
		r->c[i] = (int16_t)modulo(sum[i] - sum[i + MLKEM_N]);
}

static void test_multiplication(const struct mlkem_ops *ops, const char *name)
{
	bool good = true;
	for (unsigned round = 0; round < 20; round++) {
		struct mlkem_poly a, b, expected, product, prepared;
		random_poly(&a, -3328, 3328, "a", round);
		random_poly(&b, -3328, 3328, "b", round);
		schoolbook(&expected, &a, &b);
		ops->ntt(&a);
		ops->ntt(&b);
		ops->prepare(&prepared, &b);
		for (unsigned i = 0; i < MLKEM_N; i++)
			a.c[i] = (int16_t)modulo(a.c[i]);
		ops->dot(&product, &a, &b, &prepared, 1);
		ops->inverse_ntt(&product);
		good &= same(&product, &expected);
	}
	check(good, "mlkem: multiplication through the transform, %s", name);
}

#if CRYPTO_VECTOR
static void test_paths_agree(void)
{
	const struct mlkem_ops *c = &mlkem_ops_c, *v = &mlkem_ops_avx2;
	bool transforms = true, sums = true, sampling = true, coding = true;
	static const unsigned widths[] = {1, 4, 5, 10, 11};
	for (unsigned round = 0; round < 200; round++) {
		struct mlkem_poly a[4], b[4], x, y, prepared[2][4];
		uint8_t bytes[504], out[2][MLKEM_POLY_BYTES];
		test_random(bytes, sizeof bytes, "bytes", round);
		for (unsigned i = 0; i < 4; i++) {
			random_poly(&a[i], 0, 4095, "a", 4 * round + i);
			random_poly(&b[i], -1670, 1670, "b", 4 * round + i);
			c->prepare(&prepared[0][i], &b[i]);
			v->prepare(&prepared[1][i], &b[i]);
			transforms &= same(&prepared[0][i], &prepared[1][i]);
		}
		random_poly(&x, -3328, 3328, "x", round);
		y = x;
		c->ntt(&x);
		v->ntt(&y);
		transforms &= same(&x, &y);
		random_poly(&x, -3328, 3328, "i", round);
		y = x;
		c->inverse_ntt(&x);
		v->inverse_ntt(&y);
		transforms &= same(&x, &y);
		for (unsigned k = 1; k <= 4; k++) {
			c->dot(&x, a, b, prepared[0], k);
			v->dot(&y, a, b, prepared[1], k);
			sums &= same(&x, &y);
		}
		c->scale_add(&x, &b[0]);
		v->scale_add(&y, &b[0]);
		sums &= same(&x, &y);
		c->add(&x, &b[1]);
		v->add(&y, &b[1]);
		c->subtract_from(&x, &b[2]);
		v->subtract_from(&y, &b[2]);
		sums &= same(&x, &y);
		/* Every third round only the last coefficients are missing, or refused values stand in front.
		 */
		unsigned have = round % 3 == 0 ? 256 - round % 40 : 0;
		if (round % 3 == 1)
			memset(bytes, 0xff, 48);
		memset(&x, 0, sizeof x);
		memset(&y, 0, sizeof y);
		unsigned reached = c->reject(&x, have, bytes, sizeof bytes);
		sampling &= reached == v->reject(&y, have, bytes, sizeof bytes);
		sampling &= memcmp(x.c + have, y.c + have, (reached - have) * sizeof x.c[0]) == 0;
		for (unsigned eta = 2; eta <= 3; eta++) {
			c->binomial(&x, bytes, eta);
			v->binomial(&y, bytes, eta);
			sampling &= memcmp(&x, &y, sizeof x) == 0;
		}
		c->from_bytes(&x, bytes);
		v->from_bytes(&y, bytes);
		coding &= memcmp(&x, &y, sizeof x) == 0;
		for (unsigned w = 0; w < 5; w++) {
			c->decompress(&x, bytes, widths[w]);
			v->decompress(&y, bytes, widths[w]);
			coding &= memcmp(&x, &y, sizeof x) == 0;
		}
		random_poly(&x, -3328, 3328, "c", round);
		c->to_bytes(out[0], &x);
		v->to_bytes(out[1], &x);
		coding &= memcmp(out[0], out[1], MLKEM_POLY_BYTES) == 0;
		for (unsigned w = 0; w < 5; w++) {
			c->compress(out[0], &x, widths[w]);
			v->compress(out[1], &x, widths[w]);
			coding &= memcmp(out[0], out[1], 32 * widths[w]) == 0;
		}
	}
	check(transforms, "mlkem: plain C and AVX2 agree on transforms");
	check(sums, "mlkem: plain C and AVX2 agree on sums and products");
	check(sampling, "mlkem: plain C and AVX2 agree on sampling");
	check(coding, "mlkem: plain C and AVX2 agree on encodings");
}
#endif

static bool all_zero(const uint8_t *bytes, size_t size)
{
	uint8_t any = 0;
	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return any == 0;
}

static uint8_t ek[MLKEM_MAX_EK_SIZE], dk[MLKEM_MAX_DK_SIZE], ct[MLKEM_MAX_CT_SIZE], again[MLKEM_MAX_CT_SIZE];

static void make_key(enum mlkem_set set, unsigned number)
{
	uint8_t d[32], z[32];
	test_random(d, sizeof d, "d", number);
	test_random(z, sizeof z, "z", number);
	if (mlkem_keygen(set, d, z, ek, dk))
		abort();
}

static void test_scheme(enum mlkem_set set, const char *path)
{
	const char *name = set_names[set];
	size_t ek_size = mlkem_ek_size(set), dk_size = mlkem_dk_size(set), ct_size = mlkem_ct_size(set);
	uint8_t m[32], sent[32], received[32], expected[32];
	bool agree = true, implicit = true;
	for (unsigned round = 0; round < 12; round++) {
		make_key(set, round);
		test_random(m, sizeof m, "m", round);
		agree &= mlkem_check_ek(set, ek, ek_size) == CRYPTO_OK;
		agree &= mlkem_check_dk(set, dk, dk_size) == CRYPTO_OK;
		agree &= mlkem_encapsulate(set, ek, ek_size, m, ct, sent) == CRYPTO_OK;
		agree &= mlkem_decapsulate(set, dk, dk_size, ct, ct_size, received) == CRYPTO_OK;
		agree &= memcmp(sent, received, 32) == 0;
		/* One changed bit anywhere: success, and the secret is J(z, c). */
		for (unsigned bit = 0; bit < 24; bit++) {
			size_t at = bit < 8 ? ct_size - 1 - bit * 31 : (bit * 97 + round * 13) % ct_size;
			struct shake shake;
			ct[at] ^= (uint8_t)(1u << bit % 8);
			implicit &= mlkem_decapsulate(set, dk, dk_size, ct, ct_size, received) == CRYPTO_OK;
			shake256_init(&shake);
			shake_absorb(&shake, dk + dk_size - 32, 32);
			shake_absorb(&shake, ct, ct_size);
			shake_finalize(&shake);
			shake_squeeze(&shake, expected, 32);
			implicit &= memcmp(received, expected, 32) == 0;
			ct[at] ^= (uint8_t)(1u << bit % 8);
		}
	}
	check(agree, "mlkem-%s: both sides find the same secret, %s", name, path);
	check(implicit, "mlkem-%s: a changed ciphertext gives J(z, c), %s", name, path);
}

static void test_hostile(enum mlkem_set set)
{
	const char *name = set_names[set];
	size_t ek_size = mlkem_ek_size(set), dk_size = mlkem_dk_size(set), ct_size = mlkem_ct_size(set);
	unsigned coefficients = (unsigned)(ek_size - 32) / 3 * 2;
	uint8_t m[32] = {1}, shared[32];
	bool good = true;
	make_key(set, 100);
	for (unsigned i = 0; i < coefficients; i++) {
		/* q, q + 1 and 4095 in place of coefficient i. */
		static const unsigned bad[] = {MLKEM_Q, MLKEM_Q + 1, 4095};
		uint8_t kept[3], *at = ek + i / 2 * 3;
		unsigned value = bad[i % 3];
		memcpy(kept, at, 3);
		if (i % 2) {
			at[1] = (uint8_t)((at[1] & 15) | value << 4);
			at[2] = (uint8_t)(value >> 4);
		} else {
			at[0] = (uint8_t)value;
			at[1] = (uint8_t)((at[1] & 0xf0) | value >> 8);
		}
		good &= mlkem_check_ek(set, ek, ek_size) == CRYPTO_BAD_KEY;
		if (i % 37 == 0) {
			memset(ct, 0xaa, sizeof ct);
			memset(shared, 0xaa, sizeof shared);
			good &= mlkem_encapsulate(set, ek, ek_size, m, ct, shared) == CRYPTO_BAD_KEY;
			good &= all_zero(ct, ct_size) && all_zero(shared, sizeof shared);
		}
		memcpy(at, kept, 3);
	}
	check(good && mlkem_check_ek(set, ek, ek_size) == CRYPTO_OK,
	      "mlkem-%s: a coefficient of q or more in any place of an encapsulation key is refused", name);

	good = mlkem_encapsulate(set, ek, ek_size, m, ct, shared) == CRYPTO_OK;
	static const int changes[] = {-1, 1};
	for (unsigned i = 0; i < 2; i++) {
		size_t change = (size_t)changes[i];
		good &= mlkem_check_ek(set, ek, ek_size + change) == CRYPTO_BAD_LENGTH;
		good &= mlkem_check_dk(set, dk, dk_size + change) == CRYPTO_BAD_LENGTH;
		good &= mlkem_encapsulate(set, ek, ek_size + change, m, again, shared) == CRYPTO_BAD_LENGTH;
		good &=
		    mlkem_decapsulate(set, dk, dk_size + change, ct, ct_size, shared) == CRYPTO_BAD_LENGTH;
		memset(shared, 0xaa, sizeof shared);
		good &=
		    mlkem_decapsulate(set, dk, dk_size, ct, ct_size + change, shared) == CRYPTO_BAD_LENGTH;
		good &= all_zero(shared, sizeof shared);
	}
	good &= mlkem_check_ek(set, ek, 0) == CRYPTO_BAD_LENGTH;
	check(good, "mlkem-%s: keys and ciphertexts of other lengths are refused", name);

	good = true;
	size_t secret = dk_size - 64 - ek_size;
	for (size_t at = secret; at < dk_size - 32; at += 7) {
		dk[at] ^= 1;
		good &= mlkem_check_dk(set, dk, dk_size) == CRYPTO_BAD_KEY;
		memset(shared, 0xaa, sizeof shared);
		good &= mlkem_decapsulate(set, dk, dk_size, ct, ct_size, shared) == CRYPTO_BAD_KEY;
		good &= all_zero(shared, sizeof shared);
		dk[at] ^= 1;
	}
	check(good, "mlkem-%s: a decapsulation key whose hash does not match is refused", name);
	for (size_t at = 0; at < secret; at += 3) {
		uint8_t kept = dk[at + 2];
		dk[at + 2] = 0xff;
		good &= mlkem_check_dk(set, dk, dk_size) == CRYPTO_BAD_KEY;
		dk[at + 2] = kept;
	}
	check(good, "mlkem-%s: a secret coefficient of q or more is refused by the key check", name);
}

int main(void)
{
	uint8_t seed[32] = {0}, out[32];
	test_tables();
	test_multiplication(&mlkem_ops_c, "plain C");
#if CRYPTO_VECTOR
	if (crypto_cpu_features() & CRYPTO_CPU_AVX2) {
		test_multiplication(&mlkem_ops_avx2, "AVX2");
		test_paths_agree();
	} else {
		check(true, "mlkem: this processor has no AVX2, its path is not tested");
	}
#endif
	for (unsigned i = 0; i < 3; i++) {
		crypto_cpu_limit(limits[i]);
		for (unsigned set = 0; set < MLKEM_SETS; set++)
			test_scheme((enum mlkem_set)set, limit_names[i]);
	}
	for (unsigned set = 0; set < MLKEM_SETS; set++)
		test_hostile((enum mlkem_set)set);
	enum mlkem_set unknown = (enum mlkem_set)MLKEM_SETS;
	check(mlkem_ek_size(unknown) == 0 && mlkem_dk_size(unknown) == 0 && mlkem_ct_size(unknown) == 0 &&
	          mlkem_keygen(unknown, seed, seed, ek, dk) == CRYPTO_BAD_ARGUMENT &&
	          mlkem_check_ek(unknown, ek, 800) == CRYPTO_BAD_ARGUMENT &&
	          mlkem_check_dk(unknown, dk, 1632) == CRYPTO_BAD_ARGUMENT &&
	          mlkem_encapsulate(unknown, ek, 800, seed, ct, out) == CRYPTO_BAD_ARGUMENT &&
	          mlkem_decapsulate(unknown, dk, 1632, ct, 768, out) == CRYPTO_BAD_ARGUMENT,
	      "mlkem: an unknown parameter set is refused");
	return test_finish();
}
