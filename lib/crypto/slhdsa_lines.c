/*
 * SLH-DSA over a pipe, for test drivers: one request a line, one answer a line.
 *
 *   limit MASK                                          which processor features to use (crypto_cpu_limit)
 *   keygen SET SEED                                     -> PK SK
 *   public SET SK                                       -> PK
 *   sign SET HASH SK MESSAGE CONTEXT RND                -> SIGNATURE
 *   verify SET HASH PK MESSAGE CONTEXT SIGNATURE        -> ok
 *
 * SET is the standard's name. HASH is "pure", "internal", a pre-hash function's name (which is applied to
 * MESSAGE), or "digest:" and its name (MESSAGE is the digest). Byte strings are hexadecimal, "-" when empty;
 * RND "-" signs deterministically. A failure answers "error" and its name.
 */
#include "crypto/cpu.h"
#include "crypto/slhdsa.h"
#include "crypto/test_support.h"

#define MOST_FIELDS 8

struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes field_bytes(const char *text)
{
	size_t length = strlen(text);
	struct bytes bytes = {malloc(length / 2 + 1), 0};
	if (!bytes.data)
		abort();
	if (strcmp(text, "-") != 0) {
		long size = hex_decode(bytes.data, length / 2, text);
		if (size < 0) {
			fprintf(stderr, "slhdsa-lines: not hexadecimal: %.40s\n", text);
			exit(2);
		}
		bytes.size = (size_t)size;
	}
	return bytes;
}

static int find_set(const char *name)
{
	for (int i = 0; i < SLHDSA_SETS; i++)
		if (strcmp(name, slhdsa_name((enum slhdsa_set)i)) == 0)
			return i;
	return -1;
}

static int find_hash(const char *name)
{
	for (int i = 0; i < PREHASH_COUNT; i++)
		if (strcmp(name, prehash_name((enum prehash)i)) == 0)
			return i;
	return -1;
}

/* The pre-hash function of a request, and the digest. */
static enum crypto_status find_digest(const char *name, struct bytes message, enum prehash *hash,
                                      uint8_t digest[PREHASH_MAX_DIGEST_SIZE])
{
	static const char given[] = "digest:";
	if (strncmp(name, given, sizeof given - 1) != 0) {
		*hash = (enum prehash)find_hash(name);
		return prehash_message(*hash, message.data, message.size, digest);
	}
	*hash = (enum prehash)find_hash(name + sizeof given - 1);
	if (message.size != prehash_digest_size(*hash))
		return CRYPTO_BAD_LENGTH;
	memcpy(digest, message.data, message.size);
	return CRYPTO_OK;
}

static void print_bytes(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", data[i]);
}

static void answer(enum crypto_status status, const uint8_t *data, size_t size)
{
	if (status != CRYPTO_OK)
		printf("error %s", crypto_status_text(status));
	else if (size == 0)
		printf("ok");
	else
		print_bytes(data, size);
	printf("\n");
}

static void sign_line(char **field)
{
	static uint8_t signature[SLHDSA_MAX_SIGNATURE_SIZE];
	enum slhdsa_set set = (enum slhdsa_set)find_set(field[1]);
	struct bytes sk = field_bytes(field[3]), message = field_bytes(field[4]),
	             context = field_bytes(field[5]);
	struct bytes rnd = field_bytes(field[6]);
	const uint8_t *random = rnd.size > 0 ? rnd.data : NULL;
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	enum crypto_status status;
	if (strcmp(field[2], "pure") == 0) {
		status = slhdsa_sign(set, sk.data, sk.size, message.data, message.size, context.data,
		                     context.size, random, signature);
	} else if (strcmp(field[2], "internal") == 0) {
		status = slhdsa_sign_internal(set, sk.data, sk.size, message.data, message.size, random,
		                              signature);
	} else {
		enum prehash hash;
		status = find_digest(field[2], message, &hash, digest);
		if (status == CRYPTO_OK)
			status = slhdsa_sign_prehash(set, sk.data, sk.size, hash, digest,
			                             prehash_digest_size(hash), context.data, context.size,
			                             random, signature);
	}
	answer(status, signature, slhdsa_signature_size(set));
	free(sk.data);
	free(message.data);
	free(context.data);
	free(rnd.data);
}

static void verify_line(char **field)
{
	enum slhdsa_set set = (enum slhdsa_set)find_set(field[1]);
	struct bytes pk = field_bytes(field[3]), message = field_bytes(field[4]),
	             context = field_bytes(field[5]);
	struct bytes signature = field_bytes(field[6]);
	uint8_t digest[PREHASH_MAX_DIGEST_SIZE];
	enum crypto_status status;
	if (strcmp(field[2], "pure") == 0) {
		status = slhdsa_verify(set, pk.data, pk.size, message.data, message.size, context.data,
		                       context.size, signature.data, signature.size);
	} else if (strcmp(field[2], "internal") == 0) {
		status = slhdsa_verify_internal(set, pk.data, pk.size, message.data, message.size,
		                                signature.data, signature.size);
	} else {
		enum prehash hash;
		status = find_digest(field[2], message, &hash, digest);
		if (status == CRYPTO_OK)
			status = slhdsa_verify_prehash(set, pk.data, pk.size, hash, digest,
			                               prehash_digest_size(hash), context.data, context.size,
			                               signature.data, signature.size);
	}
	answer(status, NULL, 0);
	free(pk.data);
	free(message.data);
	free(context.data);
	free(signature.data);
}

static void key_line(char **field)
{
	uint8_t pk[SLHDSA_MAX_PK_SIZE], sk[SLHDSA_MAX_SK_SIZE];
	enum slhdsa_set set = (enum slhdsa_set)find_set(field[1]);
	struct bytes input = field_bytes(field[2]);
	if (strcmp(field[0], "public") == 0) {
		answer(slhdsa_public_from_secret(set, input.data, input.size, pk), pk, slhdsa_pk_size(set));
	} else if (input.size != slhdsa_seed_size(set)) {
		answer(CRYPTO_BAD_LENGTH, NULL, 0);
	} else {
		enum crypto_status status = slhdsa_keygen(set, input.data, pk, sk);
		if (status == CRYPTO_OK) {
			print_bytes(pk, slhdsa_pk_size(set));
			printf(" ");
		}
		answer(status, sk, slhdsa_sk_size(set));
	}
	free(input.data);
}

int main(void)
{
	char *line = NULL, *field[MOST_FIELDS];
	size_t capacity = 0;
	while (getline(&line, &capacity, stdin) > 0) {
		unsigned count = 0;
		for (char *word = strtok(line, " \n"); word && count < MOST_FIELDS;
		     word = strtok(NULL, " \n"))
			field[count++] = word;
		if (count == 2 && strcmp(field[0], "limit") == 0) {
			crypto_cpu_limit((unsigned)strtoul(field[1], NULL, 0));
			printf("ok\n");
		} else if (count == 3 &&
		           (strcmp(field[0], "keygen") == 0 || strcmp(field[0], "public") == 0)) {
			key_line(field);
		} else if (count == 7 && strcmp(field[0], "sign") == 0) {
			sign_line(field);
		} else if (count == 7 && strcmp(field[0], "verify") == 0) {
			verify_line(field);
		} else {
			printf("error bad request\n");
		}
		fflush(stdout);
	}
	free(line);
	return 0;
}
