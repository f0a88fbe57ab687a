/* SHA-2 compiled for BMI2 (rotations into another register, and-not) for processors without the SHA
 * instructions. */
#include "sha2_blocks.h"

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

void sha256_blocks_avx2(uint32_t state[8], const uint8_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sha256_compress(state, blocks + i * SHA256_BLOCK);
}

void sha512_blocks_avx2(uint64_t state[8], const uint8_t *blocks, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sha512_compress(state, blocks + i * SHA512_BLOCK);
}
