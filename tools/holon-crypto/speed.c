/* speed: how long each operation takes here. For a look; `make bench-crypto` compares with OpenSSL. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/blake3.h"
#include "crypto/cpu.h"
#include "crypto/sha2.h"
#include "crypto/sha3.h"

#define RUN_NS   200000000u
#define MAX_RUNS 4096
#define BULK     (1u << 20)

static const char *filter;
static uint8_t *bulk;

static uint64_t now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

/* The median time of `run` in nanoseconds. */
static uint64_t median_ns(void (*run)(void *), void *argument)
{
	static uint64_t times[MAX_RUNS];
	size_t count = 0;
	uint64_t start = now_ns(), before = start, after;
	do {
		run(argument);
		after = now_ns();
		times[count++] = after - before;
		before = after;
	} while (count < MAX_RUNS && (after - start < RUN_NS || count < 3));
	qsort(times, count, sizeof *times, compare);
	return times[count / 2];
}

static void report(const char *name, const char *operation, uint64_t ns)
{
	if (ns < 1000000)
		printf("%-20s %-12s %9.1f us\n", name, operation, (double)ns / 1e3);
	else
		printf("%-20s %-12s %9.1f ms\n", name, operation, (double)ns / 1e6);
	fflush(stdout);
}

static void report_bulk(const char *name, uint64_t ns)
{
	printf("%-20s %-12s %9.0f MB/s\n", name, "1 MiB", BULK * 1e3 / (double)ns);
	fflush(stdout);
}

/* Everything one algorithm with keys needs. */
struct subject {
	const struct key_algorithm_info *info;
	uint8_t secret[KEY_MAX_SECRET_SIZE], pk[KEY_MAX_PUBLIC_SIZE], random[HYBRID_KEM_RANDOM_SIZE],
	    shared[32];
	union {
		uint8_t mldsa[MLDSA_MAX_SK_SIZE];
		uint8_t slhdsa[SLHDSA_MAX_SK_SIZE];
		uint8_t mlkem[MLKEM_MAX_DK_SIZE];
		uint8_t ed25519[ED25519_SK_SIZE];
		struct hybrid_sign_key hybrid_sign;
		struct hybrid_kem_key hybrid_kem;
	} sk;
	uint8_t output[SLHDSA_MAX_SIGNATURE_SIZE];
	enum crypto_status status;
};

static void generate(void *argument)
{
	struct subject *s = argument;
	enum key_algorithm algorithm = s->info->algorithm;
	if (algorithm == KEY_ED25519)
		ed25519_keygen(s->secret, s->pk, s->sk.ed25519);
	else if (algorithm == KEY_X25519)
		x25519_public(s->pk, s->secret);
	else if (algorithm == KEY_HYBRID_SIGN)
		s->status = hybrid_sign_keygen(&s->sk.hybrid_sign, s->secret);
	else if (algorithm == KEY_HYBRID_KEM)
		s->status = hybrid_kem_keygen(&s->sk.hybrid_kem, s->secret);
	else if (s->info->use == KEY_ENCAPSULATES)
		s->status = mlkem_keygen(key_mlkem_set(algorithm), s->secret, s->secret + MLKEM_SEED_SIZE,
		                         s->pk, s->sk.mlkem);
	else if (algorithm < KEY_SLHDSA)
		s->status = mldsa_keygen(key_mldsa_set(algorithm), s->secret, s->pk, s->sk.mldsa);
	else
		s->status = slhdsa_keygen(key_slhdsa_set(algorithm), s->secret, s->pk, s->sk.slhdsa);
	if (algorithm == KEY_HYBRID_SIGN)
		memcpy(s->pk, s->sk.hybrid_sign.pk, HYBRID_SIGN_PK_SIZE);
	else if (algorithm == KEY_HYBRID_KEM)
		memcpy(s->pk, s->sk.hybrid_kem.pk, HYBRID_KEM_PK_SIZE);
	must(s->status, s->info->name);
}

/* Signs, encapsulates or agrees. A changing random input gives rejection loops their average. */
static void produce(void *argument)
{
	struct subject *s = argument;
	enum key_algorithm algorithm = s->info->algorithm;
	s->random[0]++;
	s->random[1] = (uint8_t)(s->random[1] + !s->random[0]);
	if (algorithm == KEY_ED25519)
		ed25519_sign(s->sk.ed25519, s->random, 32, s->output);
	else if (algorithm == KEY_X25519)
		s->status = x25519(s->output, s->secret, s->pk);
	else if (algorithm == KEY_HYBRID_SIGN)
		s->status = hybrid_sign(&s->sk.hybrid_sign, bulk, 32, NULL, 0, s->random, s->output);
	else if (algorithm == KEY_HYBRID_KEM)
		s->status =
		    hybrid_kem_encapsulate(s->pk, HYBRID_KEM_PK_SIZE, s->random, s->output, s->shared);
	else if (s->info->use == KEY_ENCAPSULATES)
		s->status = mlkem_encapsulate(key_mlkem_set(algorithm), s->pk, s->info->public_size,
		                              s->random, s->output, s->shared);
	else if (algorithm < KEY_SLHDSA)
		s->status =
		    mldsa_sign(key_mldsa_set(algorithm), s->sk.mldsa, mldsa_sk_size(key_mldsa_set(algorithm)),
		               bulk, 32, NULL, 0, s->random, s->output);
	else
		s->status = slhdsa_sign(key_slhdsa_set(algorithm), s->sk.slhdsa,
		                        slhdsa_sk_size(key_slhdsa_set(algorithm)), bulk, 32, NULL, 0,
		                        s->random, s->output);
	must(s->status, s->info->name);
}

/* Verifies or decapsulates what was produced last. */
static void consume(void *argument)
{
	struct subject *s = argument;
	enum key_algorithm algorithm = s->info->algorithm;
	if (algorithm == KEY_ED25519)
		s->status = ed25519_verify(s->pk, s->random, 32, s->output);
	else if (algorithm == KEY_HYBRID_SIGN)
		s->status = hybrid_verify(s->pk, HYBRID_SIGN_PK_SIZE, bulk, 32, NULL, 0, s->output,
		                          HYBRID_SIGN_SIGNATURE_SIZE);
	else if (algorithm == KEY_HYBRID_KEM)
		s->status =
		    hybrid_kem_decapsulate(&s->sk.hybrid_kem, s->output, HYBRID_KEM_CT_SIZE, s->shared);
	else if (s->info->use == KEY_ENCAPSULATES)
		s->status = mlkem_decapsulate(key_mlkem_set(algorithm), s->sk.mlkem,
		                              mlkem_dk_size(key_mlkem_set(algorithm)), s->output,
		                              s->info->output_size, s->shared);
	else if (algorithm < KEY_SLHDSA)
		s->status = mldsa_verify(key_mldsa_set(algorithm), s->pk, s->info->public_size, bulk, 32,
		                         NULL, 0, s->output, s->info->output_size);
	else
		s->status = slhdsa_verify(key_slhdsa_set(algorithm), s->pk, s->info->public_size, bulk, 32,
		                          NULL, 0, s->output, s->info->output_size);
	must(s->status, s->info->name);
}

static void time_keys(const struct key_algorithm_info *info)
{
	static const char *const produces[] = {"sign", "encapsulate", "agree"};
	static const char *const consumes[] = {"verify", "decapsulate"};
	struct subject *subject = calloc(1, sizeof *subject);
	if (!subject)
		fail("no memory");
	subject->info = info;
	random_bytes(subject->secret, sizeof subject->secret);
	report(info->name, "keygen", median_ns(generate, subject));
	report(info->name, produces[info->use], median_ns(produce, subject));
	if (info->use != KEY_AGREES)
		report(info->name, consumes[info->use], median_ns(consume, subject));
	free(subject);
}

/* Bulk operations by number: the hash functions, then the AEADs. */
static void run_bulk_hash(void *argument)
{
	uint8_t out[64];
	switch (*(const int *)argument) {
	case 0:
		sha256_hash(out, bulk, BULK);
		break;
	case 1:
		sha512_hash(out, bulk, BULK);
		break;
	case 2:
		sha3_256_hash(out, bulk, BULK);
		break;
	case 3:
		sha3_512_hash(out, bulk, BULK);
		break;
	case 4:
		shake128_hash(out, 32, bulk, BULK);
		break;
	case 5:
		shake256_hash(out, 64, bulk, BULK);
		break;
	case 6:
		blake3_hash(out, bulk, BULK);
		break;
	}
}

static void run_bulk_aead(void *argument)
{
	static const uint8_t key[AEAD_KEY_SIZE], nonce[AEAD_MAX_NONCE_SIZE];
	enum aead algorithm = *(const enum aead *)argument;
	uint8_t tag[AEAD_TAG_SIZE];
	must(aead_encrypt(algorithm, key, nonce, aead_nonce_size(algorithm), NULL, 0, bulk, BULK, bulk, tag),
	     "AEAD");
}

static bool chosen(const char *name)
{
	return !filter || strstr(name, filter);
}

void run_speed(const struct options *options)
{
	static const char *const hashes[] = {"sha256",   "sha512",   "sha3-256", "sha3-512",
	                                     "shake128", "shake256", "blake3"};
	static const char *const aeads[] = {"chacha20-poly1305", "xchacha20-poly1305", "aes-256-gcm"};
	static const enum aead aead_numbers[] = {AEAD_CHACHA20_POLY1305, AEAD_XCHACHA20_POLY1305,
	                                         AEAD_AES_256_GCM};
	unsigned features = crypto_cpu_features(), timed = 0;
	filter = options->count ? options->arguments[0] : NULL;
	bulk = calloc(1, BULK);
	if (!bulk)
		fail("no memory");
	printf("vector code in use:%s%s%s%s\n", features & CRYPTO_CPU_AVX2 ? " AVX2" : "",
	       features & CRYPTO_CPU_SHANI ? " SHA" : "", features & CRYPTO_CPU_AVX512 ? " AVX-512" : "",
	       features ? "" : " none");
	for (int i = 0; i < 7; i++)
		if (chosen(hashes[i])) {
			report_bulk(hashes[i], median_ns(run_bulk_hash, &i));
			timed++;
		}
	for (int i = 0; i < 3; i++)
		if (chosen(aeads[i])) {
			enum aead algorithm = aead_numbers[i];
			report_bulk(aeads[i], median_ns(run_bulk_aead, &algorithm));
			timed++;
		}
	for (size_t i = 0; i < KEY_ALGORITHMS; i++)
		if (chosen(key_algorithms[i].name)) {
			time_keys(&key_algorithms[i]);
			timed++;
		}
	free(bulk);
	if (!timed)
		fail("no algorithm's name contains '%s'", filter);
}
