/*
 * BLAKE3 (the BLAKE3 paper, version 20211102): hash, keyed hash, key derivation, output of any length.
 *
 * The message is a binary tree of chunks of 1,024 bytes. The object keeps the chunk under way and one
 * chaining value for every completed subtree; large updates hash whole subtrees with the widest vector code
 * there is. Output does not depend on how the message is cut into updates.
 */
#ifndef CRYPTO_BLAKE3_H
#define CRYPTO_BLAKE3_H

#include "util.h"

#define BLAKE3_SIZE      32
#define BLAKE3_KEY_SIZE  32
#define BLAKE3_BLOCK     64
#define BLAKE3_CHUNK     1024
#define BLAKE3_MAX_DEPTH 54 /* 2^64 bytes are 2^54 chunks */

struct blake3 {
	uint32_t key[8];
	uint32_t flags;
	uint32_t block_length;      /* bytes in `block` */
	uint32_t blocks_compressed; /* of the current chunk */
	uint32_t stack_depth;
	uint64_t chunk; /* index of the current chunk */
	uint32_t chaining[8];
	uint8_t block[BLAKE3_BLOCK];
	uint32_t stack[BLAKE3_MAX_DEPTH + 1][8];
};

void blake3_init(struct blake3 *hash);
void blake3_init_keyed(struct blake3 *hash, const uint8_t key[BLAKE3_KEY_SIZE]);
/* `context` should be hard-coded, globally unique and specific to the use (paper, section 2.3). */
void blake3_init_derive_key(struct blake3 *hash, const void *context, size_t context_length);
void blake3_update(struct blake3 *hash, const void *data, size_t length);

/* Writes the first `length` bytes of the output. The object is unchanged: more may be added, or it may be
 * wiped. */
void blake3_final(const struct blake3 *hash, uint8_t *out, size_t length);
/* `length` bytes of the output from byte `offset` on. */
void blake3_final_seek(const struct blake3 *hash, uint64_t offset, uint8_t *out, size_t length);

/* Whole messages at once, 32 bytes out. */
void blake3_hash(uint8_t digest[BLAKE3_SIZE], const void *data, size_t length);
void blake3_keyed_hash(uint8_t digest[BLAKE3_SIZE], const uint8_t key[BLAKE3_KEY_SIZE], const void *data,
                       size_t length);
/* `out_length` bytes of key from `secret`, bound to `context`. */
void blake3_derive_key(uint8_t *out, size_t out_length, const void *context, size_t context_length,
                       const void *secret, size_t secret_length);

#endif
