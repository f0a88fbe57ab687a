/*
 * A peer for tests: ML-KEM and ML-DSA over lines of text, so that scripts can run vectors and other
 * implementations against the library without a process each.
 *
 * A request is OPERATION SET ARGUMENT..., separated by spaces; arguments are hexadecimal, "-" is the empty
 * string. The answer is one line: "ok" and the outputs in hexadecimal, or "error" and the status as a number.
 * The option --plain forbids vector instructions, --avx2 allows nothing beyond AVX2.
 */
#include "cpu.h"
#include "mldsa.h"
#include "mlkem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGUMENTS 8

struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes arguments[MAX_ARGUMENTS];
static unsigned argument_count;

static void fail(const char *why)
{
	fprintf(stderr, "mlkem_mldsa_lines: %s\n", why);
	exit(2);
}

static struct bytes from_hex(const char *text)
{
	struct bytes out = {malloc(strlen(text) / 2 + 1), 0};
	if (strcmp(text, "-") == 0)
		return out;
	for (; *text; text += 2) {
		unsigned value = 0;
		if (!text[1] || sscanf(text, "%2x", &value) != 1)
			fail("not hexadecimal");
		out.data[out.size++] = (uint8_t)value;
	}
	return out;
}

static void put_hex(const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	putchar(' ');
	for (size_t i = 0; i < size; i++) {
		putchar(digits[data[i] >> 4]);
		putchar(digits[data[i] & 15]);
	}
}

static void answer(enum crypto_status status, const uint8_t *a, size_t a_size, const uint8_t *b,
                   size_t b_size)
{
	if (status)
		printf("error %d", status);
	else
		printf("ok");
	if (status == CRYPTO_OK && a_size)
		put_hex(a, a_size);
	if (status == CRYPTO_OK && b_size)
		put_hex(b, b_size);
	putchar('\n');
	fflush(stdout);
}

/* Seeds and the like, whose length the interface fixes. */
static const uint8_t *fixed(unsigned i, size_t size)
{
	if (arguments[i].size != size)
		fail("an argument has the wrong length");
	return arguments[i].data;
}

/* Empty: deterministic signing. */
static const uint8_t *rnd(unsigned i)
{
	return arguments[i].size ? fixed(i, MLDSA_RND_SIZE) : NULL;
}

static void need(unsigned count)
{
	if (argument_count != count)
		fail("wrong number of arguments");
}

static bool run_mlkem(const char *operation, enum mlkem_set set)
{
	static uint8_t first[MLKEM_MAX_DK_SIZE], second[MLKEM_MAX_DK_SIZE];
	const struct bytes *a = arguments;
	if (strcmp(operation, "kem-keygen") == 0) {
		need(2);
		enum crypto_status status = mlkem_keygen(set, fixed(0, 32), fixed(1, 32), first, second);
		answer(status, first, mlkem_ek_size(set), second, mlkem_dk_size(set));
	} else if (strcmp(operation, "kem-encapsulate") == 0) {
		need(2);
		enum crypto_status status =
		    mlkem_encapsulate(set, a[0].data, a[0].size, fixed(1, 32), first, second);
		answer(status, first, mlkem_ct_size(set), second, 32);
	} else if (strcmp(operation, "kem-decapsulate") == 0) {
		need(2);
		enum crypto_status status =
		    mlkem_decapsulate(set, a[0].data, a[0].size, a[1].data, a[1].size, first);
		answer(status, first, 32, NULL, 0);
	} else if (strcmp(operation, "kem-check-ek") == 0) {
		need(1);
		answer(mlkem_check_ek(set, a[0].data, a[0].size), NULL, 0, NULL, 0);
	} else if (strcmp(operation, "kem-check-dk") == 0) {
		need(1);
		answer(mlkem_check_dk(set, a[0].data, a[0].size), NULL, 0, NULL, 0);
	} else {
		return false;
	}
	return true;
}

static bool run_mldsa(const char *operation, enum mldsa_set set)
{
	static uint8_t first[MLDSA_MAX_SK_SIZE], second[MLDSA_MAX_SK_SIZE];
	const struct bytes *a = arguments;
	size_t size = mldsa_signature_size(set);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	enum crypto_status status = CRYPTO_OK;
	if (strcmp(operation, "dsa-keygen") == 0) {
		need(1);
		status = mldsa_keygen(set, fixed(0, 32), first, second);
		answer(status, first, mldsa_pk_size(set), second, mldsa_sk_size(set));
	} else if (strcmp(operation, "dsa-public") == 0) {
		need(1);
		status = mldsa_public_from_secret(set, a[0].data, a[0].size, first);
		answer(status, first, mldsa_pk_size(set), NULL, 0);
	} else if (strcmp(operation, "dsa-sign") == 0) {
		need(4);
		status = mldsa_sign(set, a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size,
		                    rnd(3), first);
		answer(status, first, size, NULL, 0);
	} else if (strcmp(operation, "dsa-sign-internal") == 0) {
		need(3);
		status = mldsa_sign_internal(set, a[0].data, a[0].size, a[1].data, a[1].size, rnd(2), first);
		answer(status, first, size, NULL, 0);
	} else if (strcmp(operation, "dsa-sign-mu") == 0) {
		need(3);
		status = mldsa_sign_mu(set, a[0].data, a[0].size, fixed(1, 64), rnd(2), first);
		answer(status, first, size, NULL, 0);
	} else if (strcmp(operation, "dsa-sign-prehash") == 0) {
		need(5);
		enum prehash hash = fixed(4, 1)[0];
		status = prehash_message(hash, a[1].data, a[1].size, digest);
		if (!status)
			status = mldsa_sign_prehash(set, a[0].data, a[0].size, hash, digest,
			                            prehash_digest_size(hash), a[2].data, a[2].size, rnd(3),
			                            first);
		answer(status, first, size, NULL, 0);
	} else if (strcmp(operation, "dsa-verify") == 0) {
		need(4);
		answer(mldsa_verify(set, a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size,
		                    a[3].data, a[3].size),
		       NULL, 0, NULL, 0);
	} else if (strcmp(operation, "dsa-verify-internal") == 0) {
		need(3);
		answer(mldsa_verify_internal(set, a[0].data, a[0].size, a[1].data, a[1].size, a[2].data,
		                             a[2].size),
		       NULL, 0, NULL, 0);
	} else if (strcmp(operation, "dsa-verify-mu") == 0) {
		need(3);
		answer(mldsa_verify_mu(set, a[0].data, a[0].size, fixed(1, 64), a[2].data, a[2].size), NULL,
		       0, NULL, 0);
	} else if (strcmp(operation, "dsa-verify-prehash") == 0) {
		need(5);
		enum prehash hash = fixed(4, 1)[0];
		status = prehash_message(hash, a[1].data, a[1].size, digest);
		if (!status)
			status = mldsa_verify_prehash(set, a[0].data, a[0].size, hash, digest,
			                              prehash_digest_size(hash), a[2].data, a[2].size,
			                              a[3].data, a[3].size);
		answer(status, NULL, 0, NULL, 0);
	} else {
		return false;
	}
	(void)second;
	return true;
}

/* The set's index by its number in the standard's names. */
static unsigned find_set(const char *operation, const char *name)
{
	static const char *const kem[MLKEM_SETS] = {"512", "768", "1024"};
	static const char *const dsa[MLDSA_SETS] = {"44", "65", "87"};
	const char *const *names = strncmp(operation, "kem-", 4) == 0 ? kem : dsa;
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	fail("unknown parameter set");
	return 0;
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;
	if (argc > 1 && strcmp(argv[1], "--plain") == 0)
		crypto_cpu_limit(0);
	else if (argc > 1 && strcmp(argv[1], "--avx2") == 0)
		crypto_cpu_limit(CRYPTO_CPU_AVX2);
	else if (argc > 1)
		fail("unknown option");
	while (getline(&line, &room, stdin) > 0) {
		char *operation = strtok(line, " \n"), *name = strtok(NULL, " \n"), *word = NULL;
		if (!operation || !name)
			fail("a request needs an operation and a set");
		argument_count = 0;
		while ((word = strtok(NULL, " \n"))) {
			if (argument_count == MAX_ARGUMENTS)
				fail("too many arguments");
			arguments[argument_count++] = from_hex(word);
		}
		unsigned set = find_set(operation, name);
		if (!run_mlkem(operation, (enum mlkem_set)set) && !run_mldsa(operation, (enum mldsa_set)set))
			fail("unknown operation");
		for (unsigned i = 0; i < argument_count; i++)
			free(arguments[i].data);
	}
	free(line);
	return 0;
}
