/* See pool.h. */
#include "pool.h"

#include <crypto/blake3.h>
#include <crypto/util.h>
#include "text.h"

void pool_init(struct pool *pool)
{
	*pool = (struct pool){.bits = 0};
}

void pool_add(struct pool *pool, const char *source, const void *data, size_t bytes, uint32_t bits)
{
	struct blake3 hash;
	uint64_t length = bytes;
	blake3_init_keyed(&hash, pool->state);
	blake3_update(&hash, source, strlen(source) + 1);
	blake3_update(&hash, &length, sizeof(length));
	blake3_update(&hash, data, bytes);
	blake3_final(&hash, pool->state, sizeof(pool->state));
	crypto_wipe(&hash, sizeof(hash));
	pool->bits = bits > POOL_WANTED_BITS - pool->bits ? POOL_WANTED_BITS : pool->bits + bits;
}

bool pool_seed(struct pool *pool, uint8_t seed[POOL_SEED_BYTES])
{
	uint8_t output[sizeof(pool->state) + POOL_SEED_BYTES];
	struct blake3 hash;
	if (pool->bits < POOL_WANTED_BITS)
		return false;
	pool->number++;
	blake3_init_keyed(&hash, pool->state);
	blake3_update(&hash, "output", 7);
	blake3_update(&hash, &pool->number, sizeof(pool->number));
	blake3_final(&hash, output, sizeof(output));
	memcpy(pool->state, output, sizeof(pool->state));
	memcpy(seed, output + sizeof(pool->state), POOL_SEED_BYTES);
	crypto_wipe(output, sizeof(output));
	crypto_wipe(&hash, sizeof(hash));
	return true;
}

static bool healthy(const uint8_t samples[JITTER_BLOCK])
{
	unsigned repeats = 1, longest = 1, most = 0, distinct = 0;
	uint16_t counts[256] = {0};
	for (unsigned i = 0; i < JITTER_BLOCK; i++) {
		unsigned count = ++counts[samples[i]];
		repeats = i && samples[i] == samples[i - 1] ? repeats + 1 : 1;
		longest = repeats > longest ? repeats : longest;
		most = count > most ? count : most;
		distinct += count == 1;
	}
	return longest <= JITTER_REPEATS_MAX && most <= JITTER_PROPORTION_MAX &&
	       distinct >= JITTER_DISTINCT_MIN;
}

bool jitter_add(struct jitter *jitter, struct pool *pool, uint64_t time, bool counts, uint32_t *bits)
{
	jitter->samples[jitter->count++] = (uint8_t)time;
	if (jitter->count < JITTER_BLOCK)
		return false;
	*bits = counts && healthy(jitter->samples) ? JITTER_BLOCK / JITTER_SAMPLES_A_BIT : 0;
	pool_add(pool, "jitter", jitter->samples, sizeof(jitter->samples), *bits);
	crypto_wipe(jitter->samples, sizeof(jitter->samples));
	jitter->count = 0;
	return true;
}
