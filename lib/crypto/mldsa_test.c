/*
 * ML-DSA: its arithmetic against the standard's definitions and plain C against AVX2, then the scheme's
 * interfaces and checks with hostile input. That its results are right is shown by
 * vectors_test.py.
 */
#include "crypto/mldsa_internal.h"
#include "crypto/test_support.h"

static const unsigned limits[] = {0, CRYPTO_CPU_AVX2, ~0u};
static const char *const limit_names[] = {"plain C", "AVX2", "all features"};
static const char *const set_names[MLDSA_SETS] = {"44", "65", "87"};

static int64_t modulo(int64_t a)
{
	return (a % MLDSA_Q + MLDSA_Q) % MLDSA_Q;
}

static bool same(const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	for (unsigned i = 0; i < MLDSA_N; i++)
		if (modulo(a->c[i]) != modulo(b->c[i]))
			return false;
	return true;
}

/* Coefficients from `low` to `high`, among them both bounds. */
static void random_poly(struct mldsa_poly *p, int32_t low, int32_t high, const char *label, unsigned number)
{
	uint32_t words[MLDSA_N];
	test_random(words, sizeof words, label, number);
	for (unsigned i = 0; i < MLDSA_N; i++) {
		uint32_t word = words[i] >> 4;
		p->c[i] = words[i] % 16 == 0   ? low
		          : words[i] % 16 == 1 ? high
		                               : low + (int32_t)(word % (uint32_t)(high - low + 1));
	}
}

static void test_zetas(void)
{
	bool good = true;
	for (unsigned i = 1; i < MLDSA_N; i++) {
		unsigned reversed = 0;
		int64_t value = 1;
		for (unsigned bit = 0; bit < 8; bit++)
			reversed |= (i >> bit & 1) << (7 - bit);
		for (unsigned j = 0; j < reversed; j++)
			value = value * 1753 % MLDSA_Q;
		good &= modulo(mldsa_zetas[i]) == value * (1ll << 32) % MLDSA_Q;
	}
	check(good, "mldsa: the table of zetas is as defined");
}

/* Decompose (algorithm 36), word for word. */
static void decompose(int32_t r, int32_t gamma2, int32_t *r1, int32_t *r0)
{
	*r0 = r % (2 * gamma2);
	if (*r0 > gamma2)
		*r0 -= 2 * gamma2;
	if (r - *r0 == MLDSA_Q - 1) {
		*r1 = 0;
		*r0 -= 1;
	} else {
		*r1 = (r - *r0) / (2 * gamma2);
	}
}

static void test_rounding(int32_t gamma2, const char *name)
{
	int32_t m = (MLDSA_Q - 1) / (2 * gamma2);
	bool good = true, hints = true, inverse = true;
	for (int32_t r = 0; r < MLDSA_Q; r++) {
		int32_t r1, r0, high = mldsa_high_bits(r, gamma2);
		decompose(r, gamma2, &r1, &r0);
		good &= high == r1 && mldsa_low_bits(r, high, gamma2) == r0;
		hints &= mldsa_use_hint1(r, 0, gamma2) == r1;
		hints &= mldsa_use_hint1(r, 1, gamma2) == (r0 > 0 ? (r1 + 1) % m : (r1 + m - 1) % m);
	}
	check(good, "mldsa: decomposition of every value, %s", name);
	check(hints, "mldsa: UseHint of every value, %s", name);
	/* MakeHint as the standard has it compares high bits; ours looks at the corrected low bits. */
	for (unsigned round = 0; round < 400000; round++) {
		static uint32_t words[2000];
		if (round % 1000 == 0)
			test_random(words, sizeof words, name, round);
		int32_t r = (int32_t)(words[2 * (round % 1000)] % MLDSA_Q), r1, r0, v1, v0;
		int32_t z = (int32_t)(words[2 * (round % 1000) + 1] % (uint32_t)(2 * gamma2 + 1)) - gamma2;
		decompose(r, gamma2, &r1, &r0);
		if (round % 3 == 0)
			z = -gamma2 - r0; /* the edge */
		else if (round % 3 == 1)
			z = gamma2 - r0;
		if (z > gamma2 || z < -gamma2)
			continue;
		decompose((int32_t)modulo(r + z), gamma2, &v1, &v0);
		inverse &= mldsa_make_hint1(r0 + z, r1 != 0, gamma2) == (r1 != v1);
	}
	check(inverse, "mldsa: MakeHint tells when high bits change, %s", name);
}

/* a b modulo x^256 + 1, as the definition says. */
static void schoolbook(struct mldsa_poly *r, const struct mldsa_poly *a, const struct mldsa_poly *b)
{
	int64_t sum[2 * MLDSA_N] = {0};
	for (unsigned i = 0; i < MLDSA_N; i++)
		for (unsigned j = 0; j < MLDSA_N; j++)
			sum[i + j] = modulo(sum[i + j] + (int64_t)a->c[i] * b->c[j]);
	for (unsigned i = 0; i < MLDSA_N; i++)
		r->c[i] = (int32_t)modulo(sum[i] - sum[i + MLDSA_N]);
}

static void pack_matrix(uint8_t *packed, const struct mldsa_poly *p)
{
	for (unsigned i = 0; i < MLDSA_N; i++) {
		packed[3 * i] = (uint8_t)p->c[i];
		packed[3 * i + 1] = (uint8_t)(p->c[i] >> 8);
		packed[3 * i + 2] = (uint8_t)(p->c[i] >> 16);
	}
}

static void test_multiplication(const struct mldsa_ops *ops, const char *name)
{
	bool good = true;
	for (unsigned round = 0; round < 8; round++) {
		struct mldsa_poly a, b, expected, product;
		uint8_t packed[MLDSA_PACKED_BYTES + MLDSA_PACKED_SLACK] = {0};
		random_poly(&a, -MLDSA_Q + 1, MLDSA_Q - 1, "a", round);
		random_poly(&b, -MLDSA_Q + 1, MLDSA_Q - 1, "b", round);
		schoolbook(&expected, &a, &b);
		ops->ntt(&a);
		ops->ntt(&b);
		ops->multiply(&product, &a, &b, NULL);
		ops->inverse_ntt(&product);
		good &= same(&product, &expected);
		for (unsigned i = 0; i < MLDSA_N; i++)
			a.c[i] = (int32_t)modulo(a.c[i]);
		pack_matrix(packed, &a);
		memset(&product, 0, sizeof product);
		ops->multiply_add(&product, packed, &b, 1);
		ops->inverse_ntt(&product);
		good &= same(&product, &expected);
	}
	check(good, "mldsa: multiplication through the transform, %s", name);
}

#if CRYPTO_VECTOR
static void test_paths_agree(void)
{
	const struct mldsa_ops *c = &mldsa_ops_c, *v = &mldsa_ops_avx2;
	static const struct {
		unsigned bits;
		int32_t top;
	} codes[] = {{3, 2}, {4, 4}, {13, 4096}, {18, 1 << 17}, {20, 1 << 19}};
	static const int32_t gamma2s[] = {MLDSA_GAMMA2_44, MLDSA_GAMMA2_65};
	bool transforms = true, sums = true, sampling = true, coding = true, rounding = true;
	for (unsigned round = 0; round < 200; round++) {
		struct mldsa_poly a[8], x, y;
		static uint8_t packed[8 * MLDSA_PACKED_BYTES + MLDSA_PACKED_SLACK], bytes[840];
		uint8_t out[2][MLDSA_PACKED_BYTES], hint[2][MLDSA_HINT_BYTES];
		test_random(bytes, sizeof bytes, "bytes", round);
		for (unsigned i = 0; i < 8; i++) {
			random_poly(&x, 0, MLDSA_Q - 1, "m", 8 * round + i);
			pack_matrix(packed + MLDSA_PACKED_BYTES * i, &x);
			random_poly(&a[i], -9 * MLDSA_Q + 1, 9 * MLDSA_Q - 1, "v", 8 * round + i);
		}
		random_poly(&x, -MLDSA_Q + 1, MLDSA_Q - 1, "x", round);
		y = x;
		c->ntt(&x);
		v->ntt(&y);
		transforms &= memcmp(&x, &y, sizeof x) == 0;
		random_poly(&x, -99 * MLDSA_Q, 99 * MLDSA_Q, "i", round);
		y = x;
		c->inverse_ntt(&x);
		v->inverse_ntt(&y);
		transforms &= memcmp(&x, &y, sizeof x) == 0;
		for (unsigned count = 1; count <= 8; count++) {
			c->multiply_add(&x, packed, a, count);
			v->multiply_add(&y, packed, a, count);
			sums &= memcmp(&x, &y, sizeof x) == 0;
		}
		c->multiply(&x, &a[0], &a[1], round % 2 ? &a[2] : NULL);
		v->multiply(&y, &a[0], &a[1], round % 2 ? &a[2] : NULL);
		sums &= memcmp(&x, &y, sizeof x) == 0;
		c->subtract(&x, &x, &a[3]);
		v->subtract(&y, &y, &a[3]);
		c->add(&x, &x, &a[4]);
		v->add(&y, &y, &a[4]);
		sums &= memcmp(&x, &y, sizeof x) == 0;
		c->reduce(&a[5]);
		y = a[5];
		v->reduce(&y);
		sums &= same(&a[5], &y);
		for (int32_t bound = 1; bound < 1 << 24; bound *= 7) {
			random_poly(&x, -bound + 1, bound - 1, "bound", round);
			sums &= !c->exceeds(&x, bound) && !v->exceeds(&x, bound);
			x.c[round % MLDSA_N] = round % 2 ? bound : -bound;
			sums &= c->exceeds(&x, bound) && v->exceeds(&x, bound);
		}
		/* A part is there already, or refused values stand in front. */
		unsigned have = round % 3 == 0 ? 256 - round % 40 : 0;
		if (round % 3 == 1)
			memset(bytes, 0xff, 48);
		memset(out, 0, sizeof out);
		unsigned reached = c->reject(out[0], have, bytes, sizeof bytes);
		sampling &= reached == v->reject(out[1], have, bytes, sizeof bytes);
		sampling &= memcmp(out[0] + 3 * have, out[1] + 3 * have, 3 * (reached - have)) == 0;
		for (unsigned i = 0; i < 5; i++) {
			c->unpack(&x, bytes, codes[i].bits, codes[i].top);
			v->unpack(&y, bytes, codes[i].bits, codes[i].top);
			coding &= memcmp(&x, &y, sizeof x) == 0;
			c->pack(out[0], &x, codes[i].bits, codes[i].top);
			v->pack(out[1], &x, codes[i].bits, codes[i].top);
			coding &= memcmp(out[0], bytes, 32 * codes[i].bits) == 0;
			coding &= memcmp(out[1], bytes, 32 * codes[i].bits) == 0;
		}
		c->unpack_t1(&x, bytes);
		v->unpack_t1(&y, bytes);
		coding &= memcmp(&x, &y, sizeof x) == 0;
		for (unsigned g = 0; g < 2; g++) {
			size_t high = g ? 128 : 192;
			random_poly(&x, -MLDSA_Q + 1, MLDSA_Q - 1, "d", round);
			y = x;
			c->use_hint(out[0], &x, bytes, gamma2s[g]);
			v->use_hint(out[1], &y, bytes, gamma2s[g]);
			rounding &= memcmp(out[0], out[1], high) == 0;
			random_poly(&x, -MLDSA_Q + 1, MLDSA_Q - 1, "d", round);
			y = x;
			c->decompose(out[0], hint[0], &x, gamma2s[g]);
			v->decompose(out[1], hint[1], &y, gamma2s[g]);
			rounding &= memcmp(hint[0], hint[1], MLDSA_HINT_BYTES) == 0;
			rounding &= memcmp(out[0], out[1], high) == 0 && memcmp(&x, &y, sizeof x) == 0;
			for (unsigned i = 0; i < MLDSA_N; i++)
				x.c[i] = i % 5 == 0 ? -gamma2s[g] : i % 5 == 1 ? gamma2s[g] : 2 * x.c[i];
			unsigned ones = c->make_hint(hint[0], &x, gamma2s[g]);
			rounding &= ones == v->make_hint(hint[1], &x, gamma2s[g]);
			rounding &= memcmp(hint[0], hint[1], MLDSA_HINT_BYTES) == 0;
		}
	}
	check(transforms, "mldsa: plain C and AVX2 agree on transforms");
	check(sums, "mldsa: plain C and AVX2 agree on sums, products and bounds");
	check(sampling, "mldsa: plain C and AVX2 agree on sampling");
	check(coding, "mldsa: plain C and AVX2 agree on encodings, both ways");
	check(rounding, "mldsa: plain C and AVX2 agree on rounding and hints");
}
#endif

static uint8_t pk[MLDSA_MAX_PK_SIZE], sk[MLDSA_MAX_SK_SIZE], signature[MLDSA_MAX_SIGNATURE_SIZE],
    again[MLDSA_MAX_SK_SIZE], message[3000], context[256];

static bool all_zero(const uint8_t *bytes, size_t size)
{
	uint8_t any = 0;
	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return any == 0;
}

static void make_key(enum mldsa_set set, unsigned number)
{
	uint8_t seed[32];
	test_random(seed, sizeof seed, "seed", number);
	if (mldsa_keygen(set, seed, pk, sk))
		abort();
}

static enum crypto_status verify(enum mldsa_set set, size_t size, size_t context_size)
{
	return mldsa_verify(set, pk, mldsa_pk_size(set), message, size, context, context_size, signature,
	                    mldsa_signature_size(set));
}

static void test_scheme(enum mldsa_set set, const char *path)
{
	const char *name = set_names[set];
	size_t sk_size = mldsa_sk_size(set), pk_size = mldsa_pk_size(set), size = mldsa_signature_size(set);
	uint8_t rnd[32], mu[MLDSA_MU_SIZE], digest[PREHASH_MAX_DIGEST_SIZE];
	static const size_t sizes[] = {0, 1, 71, 72, 136, 3000};
	bool good = true, streamed = true, derived = true, prehashed = true;
	for (unsigned i = 0; i < 6; i++) {
		size_t context_size = i * 51;
		struct mldsa_mu state;
		make_key(set, i);
		test_random(rnd, sizeof rnd, "rnd", i);
		good &= mldsa_sign(set, sk, sk_size, message, sizes[i], context, context_size, rnd,
		                   signature) == CRYPTO_OK;
		good &= verify(set, sizes[i], context_size) == CRYPTO_OK;
		good &= verify(set, sizes[i], context_size ? context_size - 1 : 1) == CRYPTO_BAD_SIGNATURE;
		/* In pieces, from either key. */
		streamed &=
		    mldsa_mu_start_secret(&state, set, sk, sk_size, context, context_size) == CRYPTO_OK;
		for (size_t at = 0; at < sizes[i]; at += 13)
			mldsa_mu_update(&state, message + at, sizes[i] - at < 13 ? sizes[i] - at : 13);
		mldsa_mu_finish(&state, mu);
		streamed &= mldsa_sign_mu(set, sk, sk_size, mu, rnd, again) == CRYPTO_OK;
		streamed &= memcmp(signature, again, size) == 0;
		streamed &=
		    mldsa_mu_start_public(&state, set, pk, pk_size, context, context_size) == CRYPTO_OK;
		mldsa_mu_update(&state, message, sizes[i]);
		mldsa_mu_finish(&state, mu);
		streamed &= mldsa_verify_mu(set, pk, pk_size, mu, signature, size) == CRYPTO_OK;
		derived &= mldsa_public_from_secret(set, sk, sk_size, again) == CRYPTO_OK;
		derived &= memcmp(pk, again, pk_size) == 0;
	}
	for (unsigned hash = 0; hash < PREHASH_COUNT; hash++) {
		enum prehash h = (enum prehash)hash, other = (enum prehash)((hash + 1) % PREHASH_COUNT);
		size_t digest_size = prehash_digest_size(h);
		prehashed &= prehash_message(h, message, 200, digest) == CRYPTO_OK;
		prehashed &= mldsa_sign_prehash(set, sk, sk_size, h, digest, digest_size, context, 3, NULL,
		                                signature) == CRYPTO_OK;
		prehashed &= mldsa_verify_prehash(set, pk, pk_size, h, digest, digest_size, context, 3,
		                                  signature, size) == CRYPTO_OK;
		prehashed &= mldsa_verify_prehash(set, pk, pk_size, h, digest, digest_size, context, 2,
		                                  signature, size) == CRYPTO_BAD_SIGNATURE;
		/* The same bytes as a message, or under another hash of that length, are something else. */
		prehashed &= mldsa_verify(set, pk, pk_size, digest, digest_size, context, 3, signature,
		                          size) == CRYPTO_BAD_SIGNATURE;
		enum crypto_status status = mldsa_verify_prehash(set, pk, pk_size, other, digest, digest_size,
		                                                 context, 3, signature, size);
		prehashed &= status == (prehash_digest_size(other) == digest_size ? CRYPTO_BAD_SIGNATURE
		                                                                  : CRYPTO_BAD_LENGTH);
		prehashed &= mldsa_sign_prehash(set, sk, sk_size, h, digest, digest_size - 1, context, 3,
		                                NULL, signature) == CRYPTO_BAD_LENGTH;
		prehashed &= all_zero(signature, size);
	}
	check(good, "mldsa-%s: signatures verify, and only under their context, %s", name, path);
	check(streamed, "mldsa-%s: a message in pieces gives the same signature, %s", name, path);
	check(derived, "mldsa-%s: the public key follows from the secret one, %s", name, path);
	check(prehashed, "mldsa-%s: all pre-hash functions, bound to their identifiers, %s", name, path);
}

static void test_mutations(enum mldsa_set set)
{
	const char *name = set_names[set];
	size_t pk_size = mldsa_pk_size(set), size = mldsa_signature_size(set);
	unsigned accepted = 0;
	make_key(set, 7);
	if (mldsa_sign(set, sk, mldsa_sk_size(set), message, 100, context, 5, NULL, signature))
		abort();
	for (size_t at = 0; at<size; at += at> size - 100 ? 1 : 17) {
		for (unsigned bit = 0; bit < 8; bit += 3) {
			signature[at] ^= (uint8_t)(1u << bit);
			accepted += verify(set, 100, 5) == CRYPTO_OK;
			signature[at] ^= (uint8_t)(1u << bit);
		}
	}
	for (size_t at = 0; at < pk_size; at += 29) {
		pk[at] ^= 0x10;
		accepted += verify(set, 100, 5) == CRYPTO_OK;
		pk[at] ^= 0x10;
	}
	for (size_t at = 0; at < 100; at += 9) {
		message[at] ^= 1;
		accepted += verify(set, 100, 5) == CRYPTO_OK;
		message[at] ^= 1;
	}
	accepted += verify(set, 99, 5) == CRYPTO_OK;
	check(accepted == 0 && verify(set, 100, 5) == CRYPTO_OK,
	      "mldsa-%s: no changed signature, key or message is accepted (%u were)", name, accepted);
}

/* A signature whose hint has at least two ones in its first row; gives the hint's place. */
static uint8_t *sign_with_hints(enum mldsa_set set, unsigned omega, unsigned k)
{
	uint8_t *hint = signature + mldsa_signature_size(set) - omega - k;
	uint8_t rnd[32] = {0};
	do {
		rnd[0]++;
		if (mldsa_sign(set, sk, mldsa_sk_size(set), message, 10, NULL, 0, rnd, signature))
			abort();
	} while (hint[omega] < 2 || hint[omega + k - 1] > omega - 2);
	return hint;
}

static void test_encodings(enum mldsa_set set)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	const char *name = set_names[set];
	unsigned omega = par->omega, k = par->k;
	make_key(set, 8);
	uint8_t *hint = sign_with_hints(set, omega, k), kept[100];
	memcpy(kept, hint, omega + k);
	bool good = verify(set, 10, 0) == CRYPTO_OK;
	/* Positions in falling order, then equal ones: a verifier that only sets bits would not notice. */
	uint8_t first = hint[0];
	hint[0] = hint[1];
	hint[1] = first;
	good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
	hint[1] = hint[0];
	good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
	memcpy(hint, kept, omega + k);
	/* Unused places that are not zero. */
	for (unsigned at = hint[omega + k - 1]; at < omega; at++) {
		hint[at] = 1;
		good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
		hint[at] = 0;
	}
	/* Counts that fall, and counts beyond omega. */
	for (unsigned row = 0; row < k; row++) {
		hint[omega + row] = (uint8_t)(omega + 1);
		good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
		hint[omega + row] = 255;
		good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
		memcpy(hint, kept, omega + k);
		if (row && hint[omega + row - 1]) {
			hint[omega + row] = (uint8_t)(hint[omega + row - 1] - 1);
			good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
		}
		memcpy(hint, kept, omega + k);
	}
	check(good && verify(set, 10, 0) == CRYPTO_OK,
	      "mldsa-%s: hints in any encoding but the one allowed are refused", name);

	/* z at the bound: gamma1 - beta is the first refused value, with either sign. */
	good = true;
	int32_t gamma1 = 1 << (par->gamma1_bits - 1);
	for (unsigned i = 0; i < par->l; i++) {
		uint8_t *z_bytes = signature + par->challenge_size + 32u * par->gamma1_bits * i;
		struct mldsa_poly z, changed;
		mldsa_ops_c.unpack(&z, z_bytes, par->gamma1_bits, gamma1);
		for (int sign = -1; sign <= 1; sign += 2) {
			changed = z;
			changed.c[37 * i] = sign * (gamma1 - par->beta);
			mldsa_ops_c.pack(z_bytes, &changed, par->gamma1_bits, gamma1);
			good &= verify(set, 10, 0) == CRYPTO_BAD_ENCODING;
			changed.c[37 * i] = sign * (gamma1 - par->beta - 1);
			mldsa_ops_c.pack(z_bytes, &changed, par->gamma1_bits, gamma1);
			good &= verify(set, 10, 0) == CRYPTO_BAD_SIGNATURE;
		}
		mldsa_ops_c.pack(z_bytes, &z, par->gamma1_bits, gamma1);
	}
	check(good && verify(set, 10, 0) == CRYPTO_OK, "mldsa-%s: z is refused from gamma1 - beta on", name);
}

static void test_bad_secrets(enum mldsa_set set)
{
	const struct mldsa_parameters *par = mldsa_find(set);
	const char *name = set_names[set];
	size_t sk_size = par->sk_size, size = par->signature_size;
	unsigned eta_bytes = mldsa_eta_bytes(par);
	bool ranges = true, links = true;
	make_key(set, 9);
	for (unsigned i = 0; i < par->k + par->l; i++) {
		/* The largest value the bits can hold stands for less than -eta. */
		uint8_t *at = sk + 128 + eta_bytes * i + 3 * i, kept = *at;
		*at |= par->eta == 2 ? 0x07 : 0x0f;
		memset(signature, 0xaa, sizeof signature);
		ranges &=
		    mldsa_sign(set, sk, sk_size, message, 1, NULL, 0, NULL, signature) == CRYPTO_BAD_KEY;
		ranges &= all_zero(signature, size);
		memset(again, 0xaa, sizeof again);
		ranges &= mldsa_public_from_secret(set, sk, sk_size, again) == CRYPTO_BAD_KEY;
		ranges &= all_zero(again, par->pk_size);
		*at = kept;
	}
	check(ranges, "mldsa-%s: secret coefficients out of range are refused", name);
	for (size_t at = 0; at < sk_size; at += 31) {
		if (at >= 32 && at < 64)
			continue; /* K is free */
		sk[at] ^= 1;
		links &= mldsa_public_from_secret(set, sk, sk_size, again) == CRYPTO_BAD_KEY;
		sk[at] ^= 1;
	}
	check(links, "mldsa-%s: a secret key whose parts do not belong together is refused", name);
}

static void test_arguments(enum mldsa_set set)
{
	const char *name = set_names[set];
	size_t pk_size = mldsa_pk_size(set), sk_size = mldsa_sk_size(set), size = mldsa_signature_size(set);
	uint8_t mu[MLDSA_MU_SIZE] = {0};
	struct mldsa_mu state;
	bool good = true;
	make_key(set, 10);
	good &= mldsa_sign(set, sk, sk_size, message, 1, context, 255, NULL, signature) == CRYPTO_OK;
	good &= verify(set, 1, 255) == CRYPTO_OK;
	good &= verify(set, 1, 256) == CRYPTO_BAD_ARGUMENT;
	for (unsigned longer = 0; longer < 2; longer++) {
		size_t change = longer ? 1 : (size_t)-1;
		good &= mldsa_verify(set, pk, pk_size + change, message, 1, NULL, 0, signature, size) ==
		        CRYPTO_BAD_LENGTH;
		good &= mldsa_verify(set, pk, pk_size, message, 1, NULL, 0, signature, size + change) ==
		        CRYPTO_BAD_LENGTH;
		good &= mldsa_verify_internal(set, pk, pk_size + change, message, 1, signature, size) ==
		        CRYPTO_BAD_LENGTH;
		good &= mldsa_verify_mu(set, pk, pk_size, mu, signature, size + change) == CRYPTO_BAD_LENGTH;
		good &= mldsa_sign_mu(set, sk, sk_size + change, mu, NULL, again) == CRYPTO_BAD_LENGTH;
		good &= mldsa_sign_internal(set, sk, sk_size + change, message, 1, NULL, again) ==
		        CRYPTO_BAD_LENGTH;
		good &= mldsa_public_from_secret(set, sk, sk_size + change, again) == CRYPTO_BAD_LENGTH;
		good &=
		    mldsa_mu_start_public(&state, set, pk, pk_size + change, NULL, 0) == CRYPTO_BAD_LENGTH;
		good &=
		    mldsa_mu_start_secret(&state, set, sk, sk_size + change, NULL, 0) == CRYPTO_BAD_LENGTH;
	}
	good &= mldsa_verify(set, pk, pk_size, message, 1, NULL, 0, signature, 0) == CRYPTO_BAD_LENGTH;
	good &=
	    mldsa_sign(set, sk, sk_size, message, 1, context, 256, NULL, signature) == CRYPTO_BAD_ARGUMENT;
	good &= all_zero(signature, size);
	good &= mldsa_sign_prehash(set, sk, sk_size, (enum prehash)PREHASH_COUNT, mu, 32, NULL, 0, NULL,
	                           signature) == CRYPTO_BAD_ARGUMENT;
	check(good, "mldsa-%s: lengths, contexts and unknown hashes are checked", name);
}

int main(void)
{
	test_zetas();
	test_rounding(MLDSA_GAMMA2_44, "gamma2 of 44");
	test_rounding(MLDSA_GAMMA2_65, "gamma2 of 65 and 87");
	test_multiplication(&mldsa_ops_c, "plain C");
#if CRYPTO_VECTOR
	if (crypto_cpu_features() & CRYPTO_CPU_AVX2) {
		test_multiplication(&mldsa_ops_avx2, "AVX2");
		test_paths_agree();
	} else {
		check(true, "mldsa: this processor has no AVX2, its path is not tested");
	}
#endif
	test_random(message, sizeof message, "message", 0);
	test_random(context, sizeof context, "context", 0);
	for (unsigned i = 0; i < 3; i++) {
		crypto_cpu_limit(limits[i]);
		for (unsigned set = 0; set < MLDSA_SETS; set++)
			test_scheme((enum mldsa_set)set, limit_names[i]);
	}
	for (unsigned i = 0; i < MLDSA_SETS; i++) {
		enum mldsa_set set = (enum mldsa_set)i;
		test_mutations(set);
		test_encodings(set);
		test_bad_secrets(set);
		test_arguments(set);
	}
	enum mldsa_set unknown = (enum mldsa_set)MLDSA_SETS;
	check(mldsa_pk_size(unknown) == 0 && mldsa_sk_size(unknown) == 0 &&
	          mldsa_signature_size(unknown) == 0 &&
	          mldsa_keygen(unknown, context, pk, sk) == CRYPTO_BAD_ARGUMENT &&
	          mldsa_sign_mu(unknown, sk, 1, message, NULL, again) == CRYPTO_BAD_ARGUMENT &&
	          mldsa_verify_mu(unknown, pk, 1, message, signature, 1) == CRYPTO_BAD_ARGUMENT &&
	          mldsa_public_from_secret(unknown, sk, 1, pk) == CRYPTO_BAD_ARGUMENT,
	      "mldsa: an unknown parameter set is refused");
	return test_finish();
}
