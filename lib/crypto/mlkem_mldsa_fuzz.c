/*
 * Fuzzes what ML-KEM and ML-DSA read from outside: encapsulation and decapsulation keys, ciphertexts, public
 * and secret keys, signatures. The first byte picks the operation and the set, the rest overwrites the
 * beginning, or by a second choice the end, of a valid object, so that inputs get past the length checks.
 * Plain C and AVX2 must agree on every verdict and every output; a failure must leave zeros.
 */
#include "crypto/cpu.h"
#include "crypto/mldsa.h"
#include "crypto/mlkem.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool kept)
{
	if (!kept)
		abort();
}

static bool all_zero(const uint8_t *bytes, size_t size)
{
	uint8_t any = 0;
	for (size_t i = 0; i < size; i++)
		any |= bytes[i];
	return any == 0;
}

static struct {
	uint8_t ek[MLKEM_MAX_EK_SIZE], dk[MLKEM_MAX_DK_SIZE], ct[MLKEM_MAX_CT_SIZE];
} kem[MLKEM_SETS];
static struct {
	uint8_t pk[MLDSA_MAX_PK_SIZE], sk[MLDSA_MAX_SK_SIZE], signature[MLDSA_MAX_SIGNATURE_SIZE];
} dsa[MLDSA_SETS];
static const uint8_t message[8] = "message";

static void make_objects(void)
{
	static const uint8_t seed[32] = {1};
	uint8_t shared[32];
	for (unsigned i = 0; i < 3; i++) {
		enum mlkem_set k = (enum mlkem_set)i;
		enum mldsa_set d = (enum mldsa_set)i;
		promise(!mlkem_keygen(k, seed, seed, kem[i].ek, kem[i].dk));
		promise(!mlkem_encapsulate(k, kem[i].ek, mlkem_ek_size(k), seed, kem[i].ct, shared));
		promise(!mldsa_keygen(d, seed, dsa[i].pk, dsa[i].sk));
		promise(!mldsa_sign(d, dsa[i].sk, mldsa_sk_size(d), message, sizeof message, NULL, 0, NULL,
		                    dsa[i].signature));
	}
}

/* The valid object with the input over its beginning or its end; returns its length, which `shorten` cuts. */
static size_t mix(uint8_t *out, const uint8_t *valid, size_t valid_size, const uint8_t *data, size_t size,
                  bool at_end, unsigned shorten)
{
	size_t used = size < valid_size ? size : valid_size;
	memcpy(out, valid, valid_size);
	if (used)
		memcpy(at_end ? out + valid_size - used : out, data, used);
	return valid_size - shorten;
}

struct result {
	int status, second;
	uint8_t out[MLDSA_MAX_SIGNATURE_SIZE], more[32];
};

static void run(struct result *r, unsigned operation, unsigned index, const uint8_t *data, size_t size,
                bool at_end, unsigned shorten)
{
	enum mlkem_set k = (enum mlkem_set)index;
	enum mldsa_set d = (enum mldsa_set)index;
	static uint8_t object[MLDSA_MAX_SK_SIZE];
	static const uint8_t m[32] = {7};
	size_t length;
	memset(r, 0xee, sizeof *r);
	switch (operation) {
	case 0:
		length = mix(object, kem[index].ek, mlkem_ek_size(k), data, size, at_end, shorten);
		r->status = mlkem_encapsulate(k, object, length, m, r->out, r->more);
		r->second = mlkem_check_ek(k, object, length);
		promise((r->status == CRYPTO_OK) == (r->second == CRYPTO_OK));
		promise(!r->status || (all_zero(r->out, mlkem_ct_size(k)) && all_zero(r->more, 32)));
		break;
	case 1:
		length = mix(object, kem[index].dk, mlkem_dk_size(k), data, size, at_end, shorten);
		r->status = mlkem_decapsulate(k, object, length, kem[index].ct, mlkem_ct_size(k), r->more);
		r->second = mlkem_check_dk(k, object, length);
		promise(r->second || !r->status);
		promise(!r->status || all_zero(r->more, 32));
		break;
	case 2:
		length = mix(object, kem[index].ct, mlkem_ct_size(k), data, size, at_end, shorten);
		r->status = mlkem_decapsulate(k, kem[index].dk, mlkem_dk_size(k), object, length, r->more);
		promise((r->status == CRYPTO_OK) == (shorten == 0));
		break;
	case 3:
		length = mix(object, dsa[index].pk, mldsa_pk_size(d), data, size, at_end, shorten);
		r->status = mldsa_verify(d, object, length, message, sizeof message, NULL, 0,
		                         dsa[index].signature, mldsa_signature_size(d));
		promise(r->status || (length == mldsa_pk_size(d) && !memcmp(object, dsa[index].pk, length)));
		break;
	case 4:
		length =
		    mix(object, dsa[index].signature, mldsa_signature_size(d), data, size, at_end, shorten);
		r->status = mldsa_verify(d, dsa[index].pk, mldsa_pk_size(d), message, sizeof message, NULL, 0,
		                         object, length);
		/* Nobody finds a second signature by chance: strong unforgeability. */
		promise(r->status || !memcmp(object, dsa[index].signature, length));
		break;
	default:
		length = mix(object, dsa[index].sk, mldsa_sk_size(d), data, size, at_end, shorten);
		r->status = mldsa_public_from_secret(d, object, length, r->out);
		promise(!r->status || all_zero(r->out, mldsa_pk_size(d)));
		if (!r->status)
			r->second =
			    mldsa_sign(d, object, length, message, sizeof message, NULL, 0, NULL, r->out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	static struct result plain, vector;
	if (!ready) {
		make_objects();
		ready = true;
	}
	if (size < 2)
		return 0;
	unsigned operation = data[0] % 6, index = data[0] / 6 % 3;
	bool at_end = data[1] & 1;
	unsigned shorten = data[1] >= 250;
	crypto_cpu_limit(0);
	run(&plain, operation, index, data + 2, size - 2, at_end, shorten);
	crypto_cpu_limit(CRYPTO_CPU_AVX2);
	run(&vector, operation, index, data + 2, size - 2, at_end, shorten);
	promise(plain.status == vector.status && plain.second == vector.second);
	promise(!memcmp(plain.out, vector.out, sizeof plain.out));
	promise(!memcmp(plain.more, vector.more, sizeof plain.more));
	return 0;
}
