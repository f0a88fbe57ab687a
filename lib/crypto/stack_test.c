/*
 * How much stack every operation takes: it runs on a painted stack of its own, on plain and on vector code,
 * and the deepest byte it touched is found afterwards. No operation may use more than 64 KiB, none that the
 * loader verifies images with more than 32 KiB. `--table` prints the figures for docs/crypto.md.
 *
 * A part of the library adds rows to operations[]; what they work on is static, so that only the library's
 * use counts.
 */
#include <sys/mman.h>
#include <ucontext.h>

#include "crypto/aead.h"
#include "crypto/blake3.h"
#include "crypto/cpu.h"
#include "crypto/ed25519.h"
#include "crypto/hkdf.h"
#include "crypto/hybrid_kem.h"
#include "crypto/hybrid_sign.h"
#include "crypto/keyfile.h"
#include "crypto/mldsa.h"
#include "crypto/mlkem.h"
#include "crypto/sealed_box.h"
#include "crypto/shake_x4.h"
#include "crypto/slhdsa.h"
#include "crypto/test_support.h"
#include "crypto/x25519.h"

#define STACK_SIZE   ((size_t)512 * 1024)
#define PAINT        0xa5
#define LIMIT        ((size_t)64 * 1024)
#define LOADER_LIMIT ((size_t)32 * 1024)

static uint8_t seed[128], message[100000], pk[4096], sk[8192], signature[SLHDSA_MAX_SIGNATURE_SIZE],
    out[110000];
static size_t out_size;
static bool failed;

/* Results are looked at, and a failure would make the figure meaningless. */
static void must(enum crypto_status status)
{
	failed = failed || status != CRYPTO_OK;
}

static void run_hashes(unsigned variant)
{
	const uint8_t *const in[4] = {message, message, message, message};
	uint8_t *const outs[4] = {out, out + 1000, out + 2000, out + 3000};
	(void)variant;
	sha256_hash(out, message, sizeof message);
	sha512_hash(out, message, sizeof message);
	sha3_256_hash(out, message, sizeof message);
	shake256_hash(out, 1000, message, sizeof message);
	shake256_x4_hash(outs, 1000, in, 10000);
}

static void run_blake3(unsigned variant)
{
	(void)variant;
	blake3_hash(out, message, sizeof message);
}

static void run_hkdf(unsigned variant)
{
	(void)variant;
	must(hkdf(&hash_functions[PREHASH_SHA2_256], out, 100, seed, 32, message, 32, seed, 10));
	must(hkdf(&hash_functions[PREHASH_SHA2_512], out, 100, seed, 32, message, 32, seed, 10));
}

static void run_slhdsa_keygen(unsigned set)
{
	must(slhdsa_keygen((enum slhdsa_set)set, seed, pk, sk));
}

static void run_slhdsa_sign(unsigned set)
{
	must(slhdsa_sign((enum slhdsa_set)set, sk, slhdsa_sk_size((enum slhdsa_set)set), message, 100, seed,
	                 10, seed, signature));
}

static void run_slhdsa_verify(unsigned set)
{
	must(slhdsa_verify((enum slhdsa_set)set, pk, slhdsa_pk_size((enum slhdsa_set)set), message, 100, seed,
	                   10, signature, slhdsa_signature_size((enum slhdsa_set)set)));
}

static void run_mlkem_keygen(unsigned set)
{
	must(mlkem_keygen((enum mlkem_set)set, seed, seed + 32, pk, sk));
}

static void run_mlkem_encapsulate(unsigned set)
{
	must(mlkem_encapsulate((enum mlkem_set)set, pk, mlkem_ek_size((enum mlkem_set)set), seed, signature,
	                       out));
}

static void run_mlkem_decapsulate(unsigned set)
{
	must(mlkem_decapsulate((enum mlkem_set)set, sk, mlkem_dk_size((enum mlkem_set)set), signature,
	                       mlkem_ct_size((enum mlkem_set)set), out));
}

static void run_mldsa_keygen(unsigned set)
{
	must(mldsa_keygen((enum mldsa_set)set, seed, pk, sk));
}

static void run_mldsa_sign(unsigned set)
{
	must(mldsa_sign((enum mldsa_set)set, sk, mldsa_sk_size((enum mldsa_set)set), message, 100, NULL, 0,
	                seed, signature));
}

static void run_mldsa_verify(unsigned set)
{
	must(mldsa_verify((enum mldsa_set)set, pk, mldsa_pk_size((enum mldsa_set)set), message, 100, NULL, 0,
	                  signature, mldsa_signature_size((enum mldsa_set)set)));
}

static struct hybrid_sign_key sign_key;
static struct hybrid_kem_key kem_key;

static void run_hybrid_keygen(unsigned variant)
{
	(void)variant;
	must(hybrid_sign_keygen(&sign_key, seed));
	must(hybrid_kem_keygen(&kem_key, seed));
}

static void run_hybrid_sign(unsigned variant)
{
	(void)variant;
	must(hybrid_sign(&sign_key, message, 100, NULL, 0, seed, signature));
}

static void run_hybrid_verify(unsigned variant)
{
	(void)variant;
	must(hybrid_verify(sign_key.pk, sizeof sign_key.pk, message, 100, NULL, 0, signature,
	                   HYBRID_SIGN_SIGNATURE_SIZE));
}

static void run_box(unsigned variant)
{
	(void)variant;
	must(sealed_box_seal(kem_key.pk, sizeof kem_key.pk, NULL, 0, seed, message, 50000, out));
	must(sealed_box_open(&kem_key, NULL, 0, out, sealed_box_size(50000), message, &out_size));
}

static void run_mldsa_check(unsigned set)
{
	must(mldsa_public_from_secret((enum mldsa_set)set, sk, mldsa_sk_size((enum mldsa_set)set), out));
}

static void run_classical(unsigned variant)
{
	static uint8_t ed_pk[ED25519_PK_SIZE], ed_sk[ED25519_SK_SIZE];
	(void)variant;
	ed25519_keygen(seed, ed_pk, ed_sk);
	ed25519_sign(ed_sk, message, 100, signature);
	must(ed25519_verify(ed_pk, message, 100, signature));
	x25519_public(pk, seed);
	must(x25519(out, seed + 32, pk));
}

static void run_aead(unsigned algorithm)
{
	size_t nonce_size = aead_nonce_size((enum aead)algorithm);
	must(aead_encrypt((enum aead)algorithm, seed, seed, nonce_size, seed, 10, message, 5000, out, pk));
	must(aead_decrypt((enum aead)algorithm, seed, seed, nonce_size, seed, 10, out, 5000, pk, out));
}

static void run_keyfile(unsigned lanes)
{
	static struct key key;
	struct key_protection protection = {.cost = {.memory_kib = 256, .passes = 1, .lanes = lanes}};
	key.info = key_algorithm_find_name("hybrid-sign", 11);
	key.kind = KEY_SECRET;
	memcpy(key.bytes, seed, key.info->secret_size);
	must(keyfile_encode_protected(&key, &protection, "words", 5, out, &out_size));
	must(keyfile_unlock(&key, out, out_size, "words", 5, NULL));
}

struct operation {
	const char *name;
	void (*run)(unsigned variant);
	unsigned variant;
	bool loader; /* part of image verification */
};

/* In this order: what a row works on, the rows before it have made. */
static const struct operation operations[] = {
    {"SHA-2, SHA-3, SHAKE, SHAKE x4", run_hashes, 0, true},
    {"BLAKE3", run_blake3, 0, true},
    {"HKDF", run_hkdf, 0, false},
    {"SLH-DSA-SHA2-256f keygen", run_slhdsa_keygen, SLHDSA_SHA2_256F, false},
    {"SLH-DSA-SHA2-256f sign", run_slhdsa_sign, SLHDSA_SHA2_256F, false},
    {"SLH-DSA-SHA2-256f verify", run_slhdsa_verify, SLHDSA_SHA2_256F, true},
    {"SLH-DSA-SHAKE-192f keygen", run_slhdsa_keygen, SLHDSA_SHAKE_192F, false},
    {"SLH-DSA-SHAKE-192f sign", run_slhdsa_sign, SLHDSA_SHAKE_192F, false},
    {"SLH-DSA-SHAKE-192f verify", run_slhdsa_verify, SLHDSA_SHAKE_192F, true},
    {"SLH-DSA-SHA2-128s keygen", run_slhdsa_keygen, SLHDSA_SHA2_128S, false},
    {"SLH-DSA-SHA2-128s sign", run_slhdsa_sign, SLHDSA_SHA2_128S, false},
    {"SLH-DSA-SHA2-128s verify", run_slhdsa_verify, SLHDSA_SHA2_128S, true},
    {"ML-KEM-768 keygen", run_mlkem_keygen, MLKEM_768, false},
    {"ML-KEM-768 encapsulate", run_mlkem_encapsulate, MLKEM_768, false},
    {"ML-KEM-768 decapsulate", run_mlkem_decapsulate, MLKEM_768, false},
    {"ML-KEM-1024 keygen", run_mlkem_keygen, MLKEM_1024, false},
    {"ML-KEM-1024 encapsulate", run_mlkem_encapsulate, MLKEM_1024, false},
    {"ML-KEM-1024 decapsulate", run_mlkem_decapsulate, MLKEM_1024, false},
    {"ML-DSA-65 keygen", run_mldsa_keygen, MLDSA_65, false},
    {"ML-DSA-65 sign", run_mldsa_sign, MLDSA_65, false},
    {"ML-DSA-65 verify", run_mldsa_verify, MLDSA_65, true},
    {"ML-DSA-87 keygen", run_mldsa_keygen, MLDSA_87, false},
    {"ML-DSA-87 check of a secret key", run_mldsa_check, MLDSA_87, false},
    {"ML-DSA-87 sign", run_mldsa_sign, MLDSA_87, false},
    {"ML-DSA-87 verify", run_mldsa_verify, MLDSA_87, true},
    {"hybrid keys", run_hybrid_keygen, 0, false},
    {"hybrid sign", run_hybrid_sign, 0, false},
    {"hybrid verify", run_hybrid_verify, 0, true},
    {"sealed box, seal and open", run_box, 0, false},
    {"Ed25519, X25519", run_classical, 0, false},
    {"ChaCha20-Poly1305", run_aead, AEAD_CHACHA20_POLY1305, false},
    {"XChaCha20-Poly1305", run_aead, AEAD_XCHACHA20_POLY1305, false},
    {"AES-256-GCM", run_aead, AEAD_AES_256_GCM, false},
    {"key file, protect and unlock", run_keyfile, 1, false},
    {"key file, four lanes", run_keyfile, 4, false},
};

static ucontext_t here, there;
static const struct operation *current;

static void on_painted_stack(void)
{
	current->run(current->variant);
}

/* Bytes of stack that one run takes, the switch of stacks included. */
static size_t measure(const struct operation *operation)
{
	uint8_t *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t untouched = 0;
	if (stack == MAP_FAILED)
		abort();
	memset(stack, PAINT, STACK_SIZE);
	current = operation;
	getcontext(&there);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = STACK_SIZE;
	there.uc_link = &here;
	makecontext(&there, on_painted_stack, 0);
	swapcontext(&here, &there);
	while (untouched < STACK_SIZE && stack[untouched] == PAINT)
		untouched++;
	munmap(stack, STACK_SIZE);
	return STACK_SIZE - untouched;
}

int main(int count, char **arguments)
{
	bool table = count > 1 && strcmp(arguments[1], "--table") == 0;
	for (size_t i = 0; i < sizeof seed; i++)
		seed[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		const struct operation *operation = &operations[i];
		size_t limit = operation->loader ? LOADER_LIMIT : LIMIT;
		failed = false;
		crypto_cpu_limit(0);
		size_t plain = measure(operation);
		crypto_cpu_limit(~0u);
		size_t vector = measure(operation);
		if (table)
			printf("| %s | %zu | %zu | %zu |\n", operation->name, plain, vector, limit);
		else
			check(!failed && plain <= limit && vector <= limit,
			      "stack: %s: %zu bytes plain, %zu vector, limit %zu%s", operation->name, plain,
			      vector, limit, failed ? " - the operation failed" : "");
	}
	return test_finish();
}
