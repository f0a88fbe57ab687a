/* SHA-256 on eight blocks and SHA-512 on four: word i of all states lies in one AVX2 register. */
#include "sha2_lanes.h"
#include "vector_avx2.h"

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

void sha256_compress_eight_avx2(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK],
                                unsigned count, uint32_t (*out)[8])
{
	word_x8 words[16], state[8];
	for (unsigned i = 0; i < 8; i++) {
		const uint8_t *block = blocks[i < count ? i : 0];
		words[i] = words_load_be(block);
		words[i + 8] = words_load_be(block + 32);
		state[i] = words_broadcast(start[i]);
	}
	words_transpose(words);
	words_transpose(words + 8);
	sha256_x8_compress(state, words);
	words_transpose(state);
	for (unsigned i = 0; i < count; i++)
		words_store(out[i], state[i]);
}

void sha512_compress_four_avx2(const uint64_t start[8], const uint8_t (*blocks)[SHA512_BLOCK], unsigned count,
                               uint64_t (*out)[8])
{
	word_x4 words[16], state[8];
	for (unsigned i = 0; i < 16; i++)
		words[i] =
		    (word_x4){load_be64(blocks[0] + 8 * i), load_be64(blocks[1 < count ? 1 : 0] + 8 * i),
		              load_be64(blocks[2 < count ? 2 : 0] + 8 * i),
		              load_be64(blocks[3 < count ? 3 : 0] + 8 * i)};
	for (unsigned i = 0; i < 8; i++)
		state[i] = (word_x4){start[i], start[i], start[i], start[i]};
	sha512_x4_compress(state, words);
	for (unsigned i = 0; i < 8; i++)
		for (unsigned j = 0; j < count; j++)
			out[j][i] = state[i][j];
}
