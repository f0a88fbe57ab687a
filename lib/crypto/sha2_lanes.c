/* Chooses how to compute several SHA-2 compressions at once. */
#include "sha2_lanes.h"
#include "cpu.h"

void sha256_compress_lanes(const uint32_t start[8], const uint8_t (*blocks)[SHA256_BLOCK], unsigned count,
                           uint32_t (*out)[8])
{
	unsigned i = 0;
#if CRYPTO_VECTOR
	unsigned features = crypto_cpu_features();
	if (features & CRYPTO_CPU_SHANI) {
		for (; count - i >= 2; i += 2)
			sha256_compress_two_shani(start, blocks + i, out + i);
	} else if ((features & CRYPTO_CPU_AVX2) && count > 1) {
		sha256_compress_eight_avx2(start, blocks, count, out);
		i = count;
	}
#endif
	for (; i < count; i++) {
		memcpy(out[i], start, sizeof out[i]);
		sha256_blocks(out[i], blocks[i], 1);
	}
}

void sha512_compress_lanes(const uint64_t start[8], const uint8_t (*blocks)[SHA512_BLOCK], unsigned count,
                           uint64_t (*out)[8])
{
	unsigned i = 0;
#if CRYPTO_VECTOR
	if (crypto_cpu_features() & CRYPTO_CPU_AVX2)
		for (; count - i >= 2; i += count - i < 4 ? count - i : 4)
			sha512_compress_four_avx2(start, blocks + i, count - i < 4 ? count - i : 4, out + i);
#endif
	for (; i < count; i++) {
		memcpy(out[i], start, sizeof out[i]);
		sha512_blocks(out[i], blocks[i], 1);
	}
}
