/* See generator.h. */
#include "generator.h"

#include "entropy.interface.h"
#include "text.h"

#define WAIT_NS  1000000000ull /* for the service to take the call: it may be starting again */
#define RETRY_NS 100000000ull  /* after one that did not */

static void wipe(void *bytes, size_t size)
{
	memset(bytes, 0, size);
	__asm__ volatile("" : : "r"(bytes) : "memory");
}

static void quarter(uint32_t *s, int a, int b, int c, int d)
{
#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
	s[a] += s[b];
	s[d] = ROTATE(s[d] ^ s[a], 16);
	s[c] += s[d];
	s[b] = ROTATE(s[b] ^ s[c], 12);
	s[a] += s[b];
	s[d] = ROTATE(s[d] ^ s[a], 8);
	s[c] += s[d];
	s[b] = ROTATE(s[b] ^ s[c], 7);
}

static void block(const struct generator *generator, uint64_t counter, uint32_t out[16])
{
	uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	memcpy(state + 4, generator->key, sizeof(generator->key));
	state[12] = (uint32_t)counter;
	state[13] = (uint32_t)(counter >> 32);
	memcpy(out, state, sizeof(state));
	for (int round = 0; round < 10; round++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += state[i];
	wipe(state, sizeof(state));
}

static void mix(struct generator *generator, const uint64_t words[4])
{
	uint32_t out[16];
	for (unsigned i = 0; i < 8; i++)
		generator->key[i] ^= (uint32_t)(words[i / 2] >> 32 * (i % 2));
	block(generator, 0, out);
	memcpy(generator->key, out, sizeof(generator->key));
	wipe(out, sizeof(out));
}

void generator_init(struct generator *generator, const struct start_info *info)
{
	handle_t generation = start_find(info, "generation", 0);
	uint64_t times[4] = {clock_ns(), info->unit, (uintptr_t)info, (uintptr_t)generator};
	*generator = (struct generator){.service = start_find(info, "entropy", 0)};
	generator->generation = generation ? window_map(generation, 0, PAGE_SIZE_BYTES, MAP_READ) : 0;
	mix(generator, times);
}

static uint64_t generation_now(const struct generator *generator)
{
	return generator->generation ? *generator->generation : 0;
}

bool generator_fresh(const struct generator *generator)
{
	return generator->seeded && generator->seen == generation_now(generator) &&
	       clock_ns() < generator->next_ns;
}

int64_t generator_fetch(const struct generator *generator, struct thread_page *page,
                        struct generator_seed *seed)
{
	seed->generation = generation_now(generator);
	return generator->service ? entropy_seed(generator->service, page, &seed->words[0], &seed->words[1],
	                                         &seed->words[2], &seed->words[3], clock_ns() + WAIT_NS)
	                          : E_NOT_FOUND;
}

bool generator_put(struct generator *generator, struct generator_seed *seed, int64_t result)
{
	if (result >= 0) {
		mix(generator, seed->words);
		generator->seeded = true;
		generator->seen = seed->generation;
		generator->next_ns = clock_ns() + GENERATOR_RESEED_NS;
	} else {
		generator->next_ns = clock_ns() + RETRY_NS;
	}
	wipe(seed, sizeof(*seed));
	return generator->seeded && generator->seen == generation_now(generator);
}

bool generator_ready(struct generator *generator, struct thread_page *page)
{
	struct generator_seed seed;
	return generator_fresh(generator) ||
	       generator_put(generator, &seed, generator_fetch(generator, page, &seed));
}

void generator_draw(struct generator *generator, void *to, size_t bytes)
{
	uint32_t out[16], next[16];
	uint8_t *at = to;
	uint64_t counter = 0;
	block(generator, counter++, next);
	while (bytes) {
		size_t part = bytes < sizeof(out) ? bytes : sizeof(out);
		block(generator, counter++, out);
		memcpy(at, out, part);
		at += part;
		bytes -= part;
	}
	memcpy(generator->key, next, sizeof(generator->key));
	wipe(out, sizeof(out));
	wipe(next, sizeof(next));
}
