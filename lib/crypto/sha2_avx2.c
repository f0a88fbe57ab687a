/*
 * SHA-2 for processors with AVX2: the message schedules of eight (SHA-256) or four (SHA-512) blocks are
 * computed side by side, one vector a step; the rounds, which depend on one another, run in scalar registers
 * with BMI2's rotations. Blocks that are left over are compressed one by one.
 */
#include "sha2_blocks.h"
#include "vector_avx2.h"

#define SHA2_NAME(name)     sha256_##name
#define WORD                uint32_t
#define WORD_BITS           32
#define WORD_BLOCK          uint8_t
#define WORD_LOAD(block, i) load_be32((block) + 4 * (i))
#define WORD_CONSTANT(i)    sha256_round_constants[i]
#include "sha2_rounds.h"

#define SHA2_NAME(name)     sha512_##name
#define WORD                uint64_t
#define WORD_BITS           64
#define WORD_BLOCK          uint8_t
#define WORD_LOAD(block, i) load_be64((block) + 8 * (i))
#define WORD_CONSTANT(i)    sha512_round_constants[i]
#include "sha2_rounds.h"

#define SHA2_NAME(name)     sha256_x8_##name
#define WORD                word_x8
#define WORD_BITS           32
#define WORD_BLOCK          word_x8
#define WORD_LOAD(block, i) (block)[i]
#define WORD_CONSTANT(i)    words_broadcast(sha256_round_constants[i])
#include "sha2_rounds.h"

#define SHA2_NAME(name)     sha512_x4_##name
#define WORD                word_x4
#define WORD_BITS           64
#define WORD_BLOCK          word_x4
#define WORD_LOAD(block, i) (block)[i]
#define WORD_CONSTANT(i)    ((word_x4){0} + sha512_round_constants[i])
#include "sha2_rounds.h"

void sha256_blocks_avx2(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	word_x8 words[16], schedule[64];
	if (count >= 8) {
		for (; count >= 8; count -= 8, blocks += 8 * SHA256_BLOCK) {
			for (unsigned i = 0; i < 8; i++) {
				words[i] = words_load_be(blocks + i * SHA256_BLOCK);
				words[i + 8] = words_load_be(blocks + i * SHA256_BLOCK + 32);
			}
			words_transpose(words);
			words_transpose(words + 8);
			sha256_x8_schedule(schedule, words);
			for (unsigned i = 0; i < 8; i++)
				sha256_rounds(state, (const uint32_t *)schedule + i, 8);
		}
		crypto_wipe(words, sizeof words);
		crypto_wipe(schedule, sizeof schedule);
	}
	for (; count > 0; count--, blocks += SHA256_BLOCK)
		sha256_compress(state, blocks);
}

void sha512_blocks_avx2(uint64_t state[8], const uint8_t *blocks, size_t count)
{
	word_x4 words[16], schedule[80];
	if (count >= 4) {
		for (; count >= 4; count -= 4, blocks += 4 * SHA512_BLOCK) {
			for (unsigned i = 0; i < 16; i++)
				words[i] = (word_x4){load_be64(blocks + 8 * i),
				                     load_be64(blocks + SHA512_BLOCK + 8 * i),
				                     load_be64(blocks + 2 * SHA512_BLOCK + 8 * i),
				                     load_be64(blocks + 3 * SHA512_BLOCK + 8 * i)};
			sha512_x4_schedule(schedule, words);
			for (unsigned i = 0; i < 4; i++)
				sha512_rounds(state, (const uint64_t *)schedule + i, 4);
		}
		crypto_wipe(words, sizeof words);
		crypto_wipe(schedule, sizeof schedule);
	}
	for (; count > 0; count--, blocks += SHA512_BLOCK)
		sha512_compress(state, blocks);
}
