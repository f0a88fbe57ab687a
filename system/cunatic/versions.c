/* See versions.h. */
#include "versions.h"

#include "crypto/sha3.h"
#include "crypto/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define CONTEXT     "cunatic version"
#define SOURCE_MOST (1u << 20)

static void put_hex(FILE *file, const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(file, "%02x", bytes[i]);
	fputc('\n', file);
}

static bool get_hex(FILE *file, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		int digits[2];
		for (int k = 0; k < 2; k++) {
			int c = getc(file);
			digits[k] = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
			if (digits[k] < 0)
				return false;
		}
		bytes[i] = (uint8_t)(digits[0] << 4 | digits[1]);
	}
	return getc(file) == '\n';
}

/* What is signed: number, kind, parent, reason and source, each with its length in front. */
static void digest_record(uint8_t digest[VERSION_HASH], uint64_t number, const char *kind,
                          const uint8_t *parent, const char *reason, const char *source, size_t length)
{
	struct sha3 hash;
	char head[96];
	sha3_256_init(&hash);
	int n = snprintf(head, sizeof(head), "%llu %zu %zu %zu\n", (unsigned long long)number, strlen(kind),
	                 strlen(reason), length);
	sha3_update(&hash, head, (size_t)n);
	sha3_update(&hash, kind, strlen(kind));
	sha3_update(&hash, parent, VERSION_HASH);
	sha3_update(&hash, reason, strlen(reason));
	sha3_update(&hash, source, length);
	sha3_final(&hash, digest);
}

bool versions_create(struct versions *v, const char *path)
{
	uint8_t seed[HYBRID_SIGN_SEED_SIZE];
	char name[1024];
	memset(v, 0, sizeof(*v));
	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) ||
	    hybrid_sign_keygen(&v->key, seed) != CRYPTO_OK)
		return false;
	crypto_wipe(seed, sizeof(seed));
	v->file = fopen(path, "wxb");
	int n = snprintf(name, sizeof(name), "%s.pub", path);
	FILE *public = v->file && n > 0 && (size_t)n < sizeof(name) ? fopen(name, "wb") : NULL;
	if (!public) {
		fprintf(stderr, "error: cannot make %s: %s\n", path, strerror(errno));
		if (v->file)
			fclose(v->file);
		return false;
	}
	put_hex(public, v->key.pk, sizeof(v->key.pk));
	return fclose(public) == 0;
}

bool versions_append(struct versions *v, const char *kind, const char *reason, const char *source,
                     size_t length)
{
	uint8_t digest[VERSION_HASH], signature[HYBRID_SIGN_SIGNATURE_SIZE], random[HYBRID_SIGN_RND_SIZE];
	char line[200];
	/* A reason is one line. */
	snprintf(line, sizeof(line), "%s", reason);
	for (char *c = line; *c; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	digest_record(digest, v->count, kind, v->last, line, source, length);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random) ||
	    hybrid_sign(&v->key, digest, sizeof(digest), CONTEXT, strlen(CONTEXT), random, signature) !=
	        CRYPTO_OK)
		return false;
	fprintf(v->file, "VERSION %llu %s %zu\n", (unsigned long long)v->count, kind, length);
	put_hex(v->file, v->last, VERSION_HASH);
	fprintf(v->file, "%s\n", line);
	fwrite(source, 1, length, v->file);
	fputc('\n', v->file);
	put_hex(v->file, signature, sizeof(signature));
	memcpy(v->last, digest, VERSION_HASH);
	v->count++;
	return fflush(v->file) == 0 && fdatasync(fileno(v->file)) == 0;
}

void versions_close(struct versions *v)
{
	if (v->file)
		fclose(v->file);
	crypto_wipe(&v->key, sizeof(v->key));
	v->file = NULL;
}

long versions_verify(const char *path, const uint8_t *public_key, char *why, size_t size)
{
	uint8_t last[VERSION_HASH] = {0}, parent[VERSION_HASH], digest[VERSION_HASH];
	static uint8_t signature[HYBRID_SIGN_SIGNATURE_SIZE];
	FILE *file = fopen(path, "rb");
	long count = 0;
	char line[256], kind[32], reason[256];
	if (!file)
		return snprintf(why, size, "cannot read it: %s", strerror(errno)), -1;
	while (fgets(line, sizeof(line), file)) {
		unsigned long long number;
		size_t length;
		char *source = NULL;
		const char *problem = NULL;
		if (sscanf(line, "VERSION %llu %31s %zu", &number, kind, &length) != 3 ||
		    number != (unsigned long long)count || length > SOURCE_MOST)
			problem = "a wrong head";
		else if (!get_hex(file, parent, sizeof(parent)) || memcmp(parent, last, VERSION_HASH) != 0)
			problem = "the chain is broken";
		else if (!fgets(reason, sizeof(reason), file) || !(source = malloc(length + 1)) ||
		         fread(source, 1, length, file) != length || getc(file) != '\n')
			problem = "cut short";
		else if (!get_hex(file, signature, sizeof(signature)))
			problem = "a wrong signature";
		else {
			reason[strcspn(reason, "\n")] = 0;
			digest_record(digest, number, kind, parent, reason, source, length);
			if (hybrid_verify(public_key, HYBRID_SIGN_PK_SIZE, digest, sizeof(digest), CONTEXT,
			                  strlen(CONTEXT), signature, sizeof(signature)) != CRYPTO_OK)
				problem = "a signature that does not verify";
			memcpy(last, digest, VERSION_HASH);
		}
		free(source);
		if (problem) {
			snprintf(why, size, "record %ld: %s", count, problem);
			fclose(file);
			return -1;
		}
		count++;
	}
	fclose(file);
	return count;
}
