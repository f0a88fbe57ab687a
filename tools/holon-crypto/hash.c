/* The hash functions by name, over inputs of any length; the command hash. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/blake3.h"
#include "crypto/sha2.h"
#include "crypto/sha3.h"

#define PIECE (1 << 18)

enum family { FAMILY_SHA256, FAMILY_SHA512, FAMILY_SHA3, FAMILY_SHAKE, FAMILY_BLAKE3 };

const struct hash_function hash_functions[] = {
    {"sha224", PREHASH_SHA2_224, 28, false},
    {"sha256", PREHASH_SHA2_256, 32, false},
    {"sha384", PREHASH_SHA2_384, 48, false},
    {"sha512", PREHASH_SHA2_512, 64, false},
    {"sha512-224", PREHASH_SHA2_512_224, 28, false},
    {"sha512-256", PREHASH_SHA2_512_256, 32, false},
    {"sha3-224", PREHASH_SHA3_224, 28, false},
    {"sha3-256", PREHASH_SHA3_256, 32, false},
    {"sha3-384", PREHASH_SHA3_384, 48, false},
    {"sha3-512", PREHASH_SHA3_512, 64, false},
    {"shake128", PREHASH_SHAKE_128, 32, true},
    {"shake256", PREHASH_SHAKE_256, 64, true},
    {"blake3", -1, 32, true},
};
const size_t hash_function_count = sizeof hash_functions / sizeof *hash_functions;

const struct hash_function *find_hash(const char *name)
{
	for (size_t i = 0; i < hash_function_count; i++)
		if (!strcmp(hash_functions[i].name, name))
			return &hash_functions[i];
	fail_usage("there is no hash function '%s'", name);
}

union state {
	struct sha256 sha256;
	struct sha512 sha512;
	struct sha3 sha3;
	struct shake shake;
	struct blake3 blake3;
};

static enum family start(int prehash, union state *state)
{
	switch (prehash) {
	case PREHASH_SHA2_224:
		return sha224_init(&state->sha256), FAMILY_SHA256;
	case PREHASH_SHA2_256:
		return sha256_init(&state->sha256), FAMILY_SHA256;
	case PREHASH_SHA2_384:
		return sha384_init(&state->sha512), FAMILY_SHA512;
	case PREHASH_SHA2_512:
		return sha512_init(&state->sha512), FAMILY_SHA512;
	case PREHASH_SHA2_512_224:
		return sha512_224_init(&state->sha512), FAMILY_SHA512;
	case PREHASH_SHA2_512_256:
		return sha512_256_init(&state->sha512), FAMILY_SHA512;
	case PREHASH_SHA3_224:
		return sha3_224_init(&state->sha3), FAMILY_SHA3;
	case PREHASH_SHA3_256:
		return sha3_256_init(&state->sha3), FAMILY_SHA3;
	case PREHASH_SHA3_384:
		return sha3_384_init(&state->sha3), FAMILY_SHA3;
	case PREHASH_SHA3_512:
		return sha3_512_init(&state->sha3), FAMILY_SHA3;
	case PREHASH_SHAKE_128:
		return shake128_init(&state->shake), FAMILY_SHAKE;
	case PREHASH_SHAKE_256:
		return shake256_init(&state->shake), FAMILY_SHAKE;
	default:
		return blake3_init(&state->blake3), FAMILY_BLAKE3;
	}
}

static void update(enum family family, union state *state, const void *data, size_t size)
{
	switch (family) {
	case FAMILY_SHA256:
		sha256_update(&state->sha256, data, size);
		break;
	case FAMILY_SHA512:
		sha512_update(&state->sha512, data, size);
		break;
	case FAMILY_SHA3:
		sha3_update(&state->sha3, data, size);
		break;
	case FAMILY_SHAKE:
		shake_absorb(&state->shake, data, size);
		break;
	case FAMILY_BLAKE3:
		blake3_update(&state->blake3, data, size);
		break;
	}
}

static void finish(enum family family, union state *state, uint8_t *out, size_t size)
{
	switch (family) {
	case FAMILY_SHA256:
		sha256_final(&state->sha256, out);
		break;
	case FAMILY_SHA512:
		sha512_final(&state->sha512, out);
		break;
	case FAMILY_SHA3:
		sha3_final(&state->sha3, out);
		break;
	case FAMILY_SHAKE:
		shake_finalize(&state->shake);
		shake_squeeze(&state->shake, out, size);
		break;
	case FAMILY_BLAKE3:
		blake3_final(&state->blake3, out, size);
		break;
	}
}

void hash_input(const struct hash_function *function, struct input *input, uint8_t *out, size_t size)
{
	static uint8_t piece[PIECE];
	union state state;
	enum family family = start(function->prehash, &state);
	size_t got;
	do {
		got = input_read(input, piece, sizeof piece);
		update(family, &state, piece, got);
	} while (got == sizeof piece);
	finish(family, &state, out, size);
}

void run_hash(const struct options *options)
{
	static char standard[] = "-";
	static char *only_standard[] = {standard};
	const struct hash_function *function = find_hash(options->arguments[0]);
	size_t size = options->length ? (size_t)options->length : function->size;
	char **paths = options->count > 1 ? options->arguments + 1 : only_standard;
	int count = options->count > 1 ? options->count - 1 : 1;
	if (options->length && !function->extendable && size != function->size)
		fail_usage("%s has %zu bytes; --length is for shake128, shake256 and blake3", function->name,
		           function->size);
	uint8_t *digest = malloc(size);
	if (!digest)
		fail("no memory for %zu bytes of output", size);
	for (int i = 0; i < count; i++) {
		struct input input;
		input_open(&input, paths[i], "hashing", options->quiet);
		hash_input(function, &input, digest, size);
		input_close(&input);
		print_hex(stdout, digest, size);
		printf("  %s\n", paths[i]);
	}
	free(digest);
}
