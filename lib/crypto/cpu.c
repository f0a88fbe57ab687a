/*
 * Asks the processor which vector instructions may be used: CPUID says what it has, XGETBV what state the
 * system saves.
 *
 * The answer never changes while a program runs, so it is kept in one word that every thread may write with
 * the same value; 0 means not yet asked.
 */
#include "cpu.h"

#if CRYPTO_VECTOR

#define PROBED      (1u << 31)
#define XCR0_AVX    0x06u /* SSE and AVX state */
#define XCR0_AVX512 0xe6u /* the above, mask registers and both halves of the 512-bit registers */

static unsigned cached_features;
static unsigned feature_limit = ~0u;

static void cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	__asm__ volatile("cpuid"
	                 : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
	                 : "a"(leaf), "c"(subleaf));
}

/* Bits per the Intel SDM, volume 2, CPUID, leaves 1 and 7. */
static unsigned probe(void)
{
	uint32_t basic[4], leaf1[4], leaf7[4], state = 0, state_high = 0;
	unsigned features = 0;
	cpuid(0, 0, basic);
	if (basic[0] < 7)
		return 0;
	cpuid(1, 0, leaf1);
	cpuid(7, 0, leaf7);
	bool sse41 = leaf1[2] >> 19 & 1, osxsave = leaf1[2] >> 27 & 1, avx = leaf1[2] >> 28 & 1;
	bool avx2 = leaf7[1] >> 5 & 1, bmi1 = leaf7[1] >> 3 & 1, bmi2 = leaf7[1] >> 8 & 1;
	bool sha = leaf7[1] >> 29 & 1, avx512f = leaf7[1] >> 16 & 1, avx512vl = leaf7[1] >> 31 & 1;
	if (osxsave)
		__asm__ volatile("xgetbv" : "=a"(state), "=d"(state_high) : "c"(0));
	if (avx && avx2 && bmi1 && bmi2 && (state & XCR0_AVX) == XCR0_AVX)
		features |= CRYPTO_CPU_AVX2;
	if (sha && sse41)
		features |= CRYPTO_CPU_SHANI;
	if ((features & CRYPTO_CPU_AVX2) && avx512f && avx512vl && (state & XCR0_AVX512) == XCR0_AVX512)
		features |= CRYPTO_CPU_AVX512;
	return features;
}

unsigned crypto_cpu_features(void)
{
	unsigned features = __atomic_load_n(&cached_features, __ATOMIC_RELAXED);
	if (features == 0) {
		features = (probe() & __atomic_load_n(&feature_limit, __ATOMIC_RELAXED)) | PROBED;
		__atomic_store_n(&cached_features, features, __ATOMIC_RELAXED);
	}
	return features & ~PROBED;
}

void crypto_cpu_limit(unsigned mask)
{
	__atomic_store_n(&feature_limit, mask, __ATOMIC_RELAXED);
	__atomic_store_n(&cached_features, 0, __ATOMIC_RELAXED);
}

#endif
