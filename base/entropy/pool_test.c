/* Tests of the pool: nothing before 256 bits, nothing twice, every source counts; and of the health tests of jitter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pool.h"

static int failures;

static void check(const char *name, bool right)
{
	printf(right ? "ok entropy pool: %s\n" : "not ok entropy pool: %s - see the check of this name\n",
	       name);
	failures += !right;
}

static bool same(const struct pool *from, struct pool other)
{
	uint8_t a[POOL_SEED_BYTES], b[POOL_SEED_BYTES];
	struct pool copy = *from;
	copy.bits = other.bits = POOL_WANTED_BITS;
	return pool_seed(&copy, a) && pool_seed(&other, b) && !memcmp(a, b, sizeof(a));
}

static void test_credit(void)
{
	struct pool pool;
	uint8_t seed[POOL_SEED_BYTES];
	pool_init(&pool);
	pool_add(&pool, "a", "12345", 5, POOL_WANTED_BITS - 1);
	check("255 bits give nothing", !pool_seed(&pool, seed));
	pool_add(&pool, "a", "12345", 5, 0);
	check("nor does what is worth nothing", !pool_seed(&pool, seed));
	pool_add(&pool, "a", "12345", 5, 1);
	check("256 do", pool_seed(&pool, seed));
	pool_add(&pool, "a", "12345", 5, UINT32_MAX);
	check("credit does not wrap", pool.bits == POOL_WANTED_BITS);
}

static void test_outputs(void)
{
	static uint8_t seeds[1000][POOL_SEED_BYTES];
	struct pool pool;
	bool repeats = false, inside = false;
	pool_init(&pool);
	pool_add(&pool, "a", "1", 1, POOL_WANTED_BITS);
	for (unsigned i = 0; i < 1000; i++) {
		pool_seed(&pool, seeds[i]);
		inside = inside || !memcmp(pool.state, seeds[i], sizeof(seeds[i]));
		for (unsigned j = 0; j < i; j++)
			repeats = repeats || !memcmp(seeds[i], seeds[j], sizeof(seeds[i]));
	}
	check("1,000 outputs without an input between them differ", !repeats);
	check("the state is not what was given out", !inside);
}

static void test_sources(void)
{
	struct pool pool, other;
	pool_init(&pool);
	other = pool;
	check("control: equal pools give equal seeds", same(&pool, other));
	pool_add(&other, "a", "x", 1, 0);
	check("what is worth nothing still changes the pool", !same(&pool, other));
	struct pool first = other;
	pool_add(&other, "a", "x", 1, 0);
	check("the same again does not take it back", !same(&pool, other) && !same(&first, other));
	struct pool ab = pool, a_b = pool, name = pool;
	pool_add(&ab, "s", "ab", 2, 0);
	pool_add(&a_b, "s", "a", 1, 0);
	pool_add(&a_b, "s", "b", 1, 0);
	pool_add(&name, "sa", "b", 1, 0);
	check("borders of inputs count", !same(&ab, a_b) && !same(&ab, name));
}

/* What a block of samples by NEXT is worth. */
static uint32_t block(uint64_t (*next)(unsigned))
{
	struct pool pool;
	struct jitter jitter = {.count = 0};
	uint32_t bits = UINT32_MAX;
	unsigned full = 0;
	pool_init(&pool);
	for (unsigned i = 0; i < JITTER_BLOCK; i++)
		full += jitter_add(&jitter, &pool, next(i), true, &bits);
	return full == 1 && pool.bits == bits ? bits : UINT32_MAX;
}

static uint64_t constant(unsigned i)
{
	(void)i;
	return 42;
}

static uint64_t rounding(unsigned i)
{
	return 40 + i * 7 % 5;
}

static uint64_t mostly(unsigned i)
{
	return i % 16 ? 42 : i;
}

static uint64_t stuck_late(unsigned i)
{
	return i < JITTER_BLOCK - JITTER_REPEATS_MAX - 1 ? (uint64_t)rand() : 42;
}

static uint64_t good(unsigned i)
{
	(void)i;
	return (uint64_t)rand();
}

int main(void)
{
	srand(1);
	test_credit();
	test_outputs();
	test_sources();
	check("jitter that varies is worth a quarter of a bit a sample",
	      block(good) == JITTER_BLOCK / JITTER_SAMPLES_A_BIT);
	check("a clock that stands is worth nothing", block(constant) == 0);
	check("nor is one that only rounds differently", block(rounding) == 0);
	check("nor is one value nearly all the time", block(mostly) == 0);
	check("nor is a clock that stops", block(stuck_late) == 0);
	return failures != 0;
}
