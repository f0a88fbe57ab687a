/*
 * Which instruction sets the library may use here.
 *
 * CRYPTO_VECTOR is 1 where vector code is compiled in: x86_64 without CRYPTO_NO_VECTOR. The UEFI loader and
 * other code that must not touch vector registers defines CRYPTO_NO_VECTOR; then no vector source is needed
 * at link time and crypto_cpu_features() is the constant 0.
 */
#ifndef CRYPTO_CPU_H
#define CRYPTO_CPU_H

#include "util.h"

#if defined(__x86_64__) && !defined(CRYPTO_NO_VECTOR)
#define CRYPTO_VECTOR 1
#else
#define CRYPTO_VECTOR 0
#endif

#define CRYPTO_CPU_AVX2   (1u << 0) /* AVX2 and BMI2, with the vector state enabled by the system */
#define CRYPTO_CPU_SHANI  (1u << 1) /* SHA-256 instructions and SSE4.1 */
#define CRYPTO_CPU_AVX512 (1u << 2) /* AVX-512 F and VL, with the vector state enabled by the system */

#if CRYPTO_VECTOR
/* The usable CRYPTO_CPU_ bits. Asks the processor once; later calls read one cached word. */
unsigned crypto_cpu_features(void);

/*
 * Narrows what crypto_cpu_features() reports to `mask` (all bits: everything again), for tests and benchmarks
 * that compare the code paths. Not for use while another thread computes.
 */
void crypto_cpu_limit(unsigned mask);
#else
CRYPTO_INLINE unsigned crypto_cpu_features(void)
{
	return 0;
}

CRYPTO_INLINE void crypto_cpu_limit(unsigned mask)
{
	(void)mask;
}
#endif

#endif
