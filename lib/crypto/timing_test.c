/*
 * Do decapsulation and signing take the same time whatever the secret is? A statistical test in the manner of
 * dudect (Reparaz, Balasch, Verbauwhede, 2017): two classes of inputs in random order, Welch's t-test on the
 * cycle counts, all of them and cropped at several percentiles against interrupts. |t| above 10 is a
 * difference that is there; what the test does not see may still exist, so ct_test.py stands beside it.
 *
 * The classes share all that is public, as its time may differ: decapsulation gets honest or forged
 * ciphertexts for one key; signing gets keys with one rho and one set of secrets, or many. A comparison that
 * stops early is the control: the method must see it.
 */
#include "crypto/cpu.h"
#include "crypto/mldsa_internal.h"
#include "crypto/mlkem.h"
#include "crypto/test_support.h"
#include <math.h>
#include <time.h>

#define POOL       64
#define MOST_INPUT MLDSA_MAX_SK_SIZE
#define CROPS      8
#define LIMIT      10.0

#define MOST_SAMPLES 1000000

static size_t samples = 20000;
static double times[MOST_SAMPLES], sorted[MOST_SAMPLES];
static uint8_t classes[MOST_SAMPLES];

static uint64_t now(void)
{
#if defined(__x86_64__)
	uint32_t low, high;
	__asm__ volatile("mfence; rdtsc; lfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
#else
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Welch's t of the samples up to `limit`. */
static double welch(double limit)
{
	double count[2] = {0}, mean[2] = {0}, square[2] = {0};
	for (size_t i = 0; i < samples; i++) {
		unsigned c = classes[i];
		if (times[i] > limit)
			continue;
		double delta = times[i] - mean[c];
		count[c]++;
		mean[c] += delta / count[c];
		square[c] += delta * (times[i] - mean[c]);
	}
	if (count[0] < 100 || count[1] < 100)
		return 0;
	double variance = square[0] / (count[0] - 1) / count[0] + square[1] / (count[1] - 1) / count[1];
	return variance > 0 ? (mean[0] - mean[1]) / sqrt(variance) : 0;
}

/* What an operation works on: each input is copied here first, since where it lies would tell the classes
 * apart.
 */
static uint8_t input[MOST_INPUT];

/* Runs `operation` on inputs of `size` bytes drawn at random from the pools of both classes; the largest |t|.
 */
static double measure(void (*operation)(void), const uint8_t (*pools)[POOL][MOST_INPUT], size_t size)
{
	static uint64_t seed;
	static uint8_t random[2 * MOST_SAMPLES];
	test_random(random, 2 * samples, "order", seed++);
	for (size_t i = 0; i < samples; i++) {
		unsigned class = random[2 * i] & 1, number = random[2 * i + 1] % POOL;
		memcpy(input, pools[class][number], size);
		uint64_t start = now();
		operation();
		times[i] = (double)(now() - start);
		classes[i] = (uint8_t) class;
	}
	double largest = 0;
	memcpy(sorted, times, samples * sizeof *sorted);
	qsort(sorted, samples, sizeof *sorted, compare);
	for (unsigned crop = 0; crop < CROPS; crop++) {
		/* All, 99 %, 95 %, 90 %, ... */
		static const double parts[CROPS] = {1, 0.99, 0.95, 0.9, 0.75, 0.5, 0.3, 0.2};
		size_t at = (size_t)(parts[crop] * (double)(samples - 1));
		double t = fabs(welch(sorted[at]));
		largest = t > largest ? t : largest;
	}
	return largest;
}

static uint8_t dk[MLKEM_MAX_DK_SIZE];
static uint8_t ciphertexts[2][POOL][MOST_INPUT], secrets[2][POOL][MOST_INPUT];
static unsigned current_set;
static volatile unsigned sink;

static void decapsulate(void)
{
	enum mlkem_set set = (enum mlkem_set)current_set;
	uint8_t shared[32];
	if (mlkem_decapsulate(set, dk, mlkem_dk_size(set), input, mlkem_ct_size(set), shared))
		abort();
}

static void prepare_decapsulation(void)
{
	enum mlkem_set set = (enum mlkem_set)current_set;
	uint8_t ek[MLKEM_MAX_EK_SIZE], seed[32] = {0}, shared[32];
	if (mlkem_keygen(set, seed, seed, ek, dk))
		abort();
	for (unsigned i = 0; i < POOL; i++) {
		for (unsigned class = 0; class < 2; class ++) {
			test_random(seed, sizeof seed, "m", 2 * i + class);
			if (mlkem_encapsulate(set, ek, mlkem_ek_size(set), seed, ciphertexts[class][i],
			                      shared))
				abort();
		}
		ciphertexts[1][i][i] ^= 1;
	}
}

static void sign(void)
{
	static uint64_t run;
	static uint8_t signature[MLDSA_MAX_SIGNATURE_SIZE];
	enum mldsa_set set = (enum mldsa_set)current_set;
	uint8_t mu[MLDSA_MU_SIZE] = {0}, rnd[MLDSA_RND_SIZE] = {0};
	store_le64(rnd, run++);
	if (mldsa_sign_mu(set, input, mldsa_sk_size(set), mu, rnd, signature))
		abort();
}

static void prepare_signing(void)
{
	enum mldsa_set set = (enum mldsa_set)current_set;
	uint8_t pk[MLDSA_MAX_PK_SIZE], seed[32];
	for (unsigned i = 0; i < POOL; i++) {
		test_random(seed, sizeof seed, "secret", i);
		if (mldsa_keygen(set, seed, pk, secrets[1][i]))
			abort();
		/* rho of the first. */
		memcpy(secrets[1][i], secrets[1][0], 32);
		memcpy(secrets[0][i], secrets[1][0], mldsa_sk_size(set));
	}
}

/* The control. */
static void leaky(void)
{
	unsigned i = 0;
	while (i < 2000 && input[i] == secrets[0][0][i])
		i++;
	sink = i;
}

int main(void)
{
	static const char *const paths[] = {"plain C", "vector code"};
	static const char *const kem_names[] = {"ML-KEM-512", "ML-KEM-768", "ML-KEM-1024"};
	static const char *const dsa_names[] = {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"};
	if (getenv("HOLON_SOAK"))
		samples = MOST_SAMPLES;
	setvbuf(stdout, NULL, _IOLBF, 0); /* it takes half an hour */
	double t = 0;
	prepare_signing();
	t = measure(leaky, (const uint8_t(*)[POOL][MOST_INPUT])secrets, MOST_INPUT);
	check(t > LIMIT, "timing: a comparison that stops early is seen (t = %.1f)", t);
	for (unsigned path = 0; path < 2; path++) {
		crypto_cpu_limit(path ? ~0u : 0);
		for (current_set = 0; current_set < 3; current_set++) {
			prepare_decapsulation();
			t = measure(decapsulate, (const uint8_t(*)[POOL][MOST_INPUT])ciphertexts,
			            mlkem_ct_size((enum mlkem_set)current_set));
			check(t < LIMIT, "timing: %s decapsulation, honest and forged, %s (t = %.1f)",
			      kem_names[current_set], paths[path], t);
		}
		for (current_set = 0; current_set < 3; current_set++) {
			prepare_signing();
			t = measure(sign, (const uint8_t(*)[POOL][MOST_INPUT])secrets,
			            mldsa_sk_size((enum mldsa_set)current_set));
			check(t < LIMIT, "timing: %s signing, one key and many, %s (t = %.1f)",
			      dsa_names[current_set], paths[path], t);
		}
	}
	return test_finish();
}
