/* The pool of entropy: what came from all sources, hashed together (BLAKE3, keyed by what was there before), and how many bits of it are
 * credited. Nothing is given out before POOL_WANTED_BITS are; from then on the pool is as good as its first 256 bits, and later
 * sources only add. Portable; tested on the host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POOL_WANTED_BITS 256u
#define POOL_SEED_BYTES  32u
/* Jitter is judged in blocks of samples, by the two continuous tests of NIST SP 800-90B, section 4.4, for an entropy of 1/4 bit a sample
 * and a false alarm of 2^-20: the repetition count (cutoff 1 + 20 / H) and the adaptive proportion (window 512; cutoff 468, one
 * more than the binomial's critical value for a most likely value of 2^-H). A clock that only rounds differently is no source: a block
 * of fewer than JITTER_DISTINCT_MIN values fails too. */
#define JITTER_BLOCK          512u
#define JITTER_SAMPLES_A_BIT  4u
#define JITTER_REPEATS_MAX    80u
#define JITTER_PROPORTION_MAX 467u
#define JITTER_DISTINCT_MIN   8u

struct pool {
	uint8_t state[32];
	uint32_t bits;
	uint64_t number; /* of outputs */
};

struct jitter {
	uint8_t samples[JITTER_BLOCK];
	unsigned count;
};

void pool_init(struct pool *pool);
/* BYTES from SOURCE, which are worth BITS. Two sources cannot cancel each other. */
void pool_add(struct pool *pool, const char *source, const void *data, size_t bytes, uint32_t bits);
/* A seed, never the same twice; what is in the pool afterwards does not tell it. False: too few bits are credited yet. */
bool pool_seed(struct pool *pool, uint8_t seed[POOL_SEED_BYTES]);

/* One more sample, the low bits of a time. True: the block is full, and *BITS what it is worth: nothing where a health test fails, or it
 * does not COUNT on this machine. It is
 * put into POOL in any case, and a new block begins. */
bool jitter_add(struct jitter *jitter, struct pool *pool, uint64_t time, bool counts, uint32_t *bits);
