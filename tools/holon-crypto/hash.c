/* The hash functions by name, over inputs of any length; the command hash. */
#include "tool.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/blake3.h"
#include "crypto/hash.h"

#define PIECE (1 << 18)

const struct tool_hash tool_hashes[] = {
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
const size_t tool_hash_count = sizeof tool_hashes / sizeof *tool_hashes;

const struct tool_hash *find_hash(const char *name)
{
	for (size_t i = 0; i < tool_hash_count; i++)
		if (!strcmp(tool_hashes[i].name, name))
			return &tool_hashes[i];
	fail_usage("there is no hash function '%s'", name);
}

void hash_input(const struct tool_hash *function, struct input *input, uint8_t *out, size_t size)
{
	static uint8_t piece[PIECE];
	struct hash hash;
	struct shake shake;
	struct blake3 blake3;
	size_t got;
	/* The two with output of any length on their own. */
	if (function->prehash < 0)
		blake3_init(&blake3);
	else if (function->prehash == PREHASH_SHAKE_128)
		shake128_init(&shake);
	else if (function->prehash == PREHASH_SHAKE_256)
		shake256_init(&shake);
	else
		hash_init(&hash, &hash_functions[function->prehash]);
	do {
		got = input_read(input, piece, sizeof piece);
		if (function->prehash < 0)
			blake3_update(&blake3, piece, got);
		else if (function->extendable)
			shake_absorb(&shake, piece, got);
		else
			hash_update(&hash, piece, got);
	} while (got == sizeof piece);
	if (function->prehash < 0) {
		blake3_final(&blake3, out, size);
	} else if (function->extendable) {
		shake_finalize(&shake);
		shake_squeeze(&shake, out, size);
	} else {
		hash_final(&hash, out);
	}
}

void run_hash(const struct options *options)
{
	static char standard[] = "-";
	static char *only_standard[] = {standard};
	const struct tool_hash *function = find_hash(options->arguments[0]);
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
