/* Inside BLAKE3: its compression function and the hashing of many equal inputs (chunks, or pairs of chaining
 * values). */
#ifndef CRYPTO_BLAKE3_COMPRESS_H
#define CRYPTO_BLAKE3_COMPRESS_H

#include "blake3.h"

/* Domain separation flags, paper section 2.1, table 3. */
#define BLAKE3_CHUNK_START         (1u << 0)
#define BLAKE3_CHUNK_END           (1u << 1)
#define BLAKE3_PARENT              (1u << 2)
#define BLAKE3_ROOT                (1u << 3)
#define BLAKE3_KEYED_HASH          (1u << 4)
#define BLAKE3_DERIVE_KEY_CONTEXT  (1u << 5)
#define BLAKE3_DERIVE_KEY_MATERIAL (1u << 6)

/* Starting value: that of SHA-256. */
extern const uint32_t blake3_start[8];

/* Order of the message words in each round: the permutation of paper section 2.2, applied 0 to 6 times. */
static const uint8_t blake3_schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

/* What many inputs have in common. Input i lies at i * blocks * 64 and has the counter `counter` + i (or
 * `counter`). */
struct blake3_many {
	const uint32_t *key;
	uint64_t counter;
	bool count_up;
	uint32_t blocks; /* in each input */
	uint32_t flags;
	uint32_t first_flags; /* added at the first block */
	uint32_t last_flags;  /* added at the last block */
};

/* Writes `count` chaining values. `out` may be the inputs' own memory when the inputs have one block each. */
void blake3_hash_many(const struct blake3_many *many, const uint8_t *inputs, size_t count,
                      uint32_t (*out)[8]);

/* The same for at most eight inputs at once; missing ones cost as much as present ones. */
void blake3_hash_eight_avx2(const struct blake3_many *many, const uint8_t *inputs, size_t count,
                            uint32_t (*out)[8]);

#endif
