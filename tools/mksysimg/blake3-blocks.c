/* Digests for mksysimg: blake3-blocks BLOCK < FILE writes 32 raw bytes for each BLOCK bytes of standard input
 * (the last may be shorter); BLOCK 0 hashes all of it as one. */
#include <stdio.h>
#include <stdlib.h>
#include "crypto/blake3.h"

int main(int count, char **arguments)
{
	size_t block = count == 2 ? strtoul(arguments[1], 0, 10) : 0;
	size_t chunk = block ? block : 1 << 20;
	uint8_t *buffer = malloc(chunk);
	uint8_t digest[BLAKE3_SIZE];
	struct blake3 hash;
	if (!buffer)
		return 1;
	blake3_init(&hash);
	for (size_t got; (got = fread(buffer, 1, chunk, stdin)) > 0;) {
		if (block) {
			blake3_hash(digest, buffer, got);
			fwrite(digest, 1, sizeof(digest), stdout);
		} else {
			blake3_update(&hash, buffer, got);
		}
	}
	if (!block) {
		blake3_final(&hash, digest, sizeof(digest));
		fwrite(digest, 1, sizeof(digest), stdout);
	}
	free(buffer);
	return ferror(stdin) || fflush(stdout) ? 1 : 0;
}
