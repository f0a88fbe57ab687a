/* See entropy.h. */
#include "entropy.h"

#include <crypto/sha2.h>

#include "arch.h"
#include "loader.h"
#include "string.h"
#include "tpm.h"

enum { WANTED_BITS = 256, JITTER_BLOCK = 1024, JITTER_BLOCKS = 8, SAMPLES_A_BIT = 4, REPEATS_MAX = 16 };

static void add(struct sha512 *pool, const char *source, const void *bytes, uint32_t count)
{
	sha512_update(pool, source, strlen(source) + 1);
	sha512_update(pool, &count, sizeof(count));
	sha512_update(pool, bytes, count);
}

/* One block of samples; the bits it is worth: none when one value repeats too often, or fewer than three differ. */
static uint32_t jitter(struct sha512 *pool)
{
	static uint64_t samples[JITTER_BLOCK];
	uint32_t repeats = 0, changes = 0;
	bool healthy = true;
	for (uint32_t i = 0; i < JITTER_BLOCK; i++) {
		samples[i] = arch_jitter();
		bool same = i && samples[i] == samples[i - 1];
		repeats = same ? repeats + 1 : 0;
		changes += !same;
		healthy = healthy && repeats < REPEATS_MAX;
	}
	add(pool, "jitter", samples, sizeof(samples));
	crypto_wipe(samples, sizeof(samples));
	return healthy && changes > JITTER_BLOCK / 4 ? JITTER_BLOCK / SAMPLES_A_BIT : 0;
}

void entropy_gather(struct handoff *handoff, const void *seed, uint32_t size, uint32_t places[2])
{
	uint8_t bytes[64];
	uint64_t words[8], counter = arch_counter();
	struct sha512 pool;
	uint32_t bits = 0, count = 0;
	sha512_init(&pool);
	add(&pool, "counter", &counter, sizeof(counter));
	add(&pool, "seed", seed, size);
	uint32_t given = platform_random(bytes, 32);
	add(&pool, "firmware", bytes, given);
	bits += 8 * given;
	given = tpm_random(bytes, 32);
	add(&pool, "tpm", bytes, given);
	bits += 8 * given;
	while (count < 8 && arch_random(&words[count]))
		count++;
	add(&pool, "processor", words, (uint32_t)(count * sizeof(words[0])));
	for (uint32_t i = 0; i < count; i++) /* half of what it promises; nothing for what repeats itself */
		bits += i && words[i] == words[i - 1] ? 0 : 32;
	uint32_t worth = jitter(&pool);
	for (uint32_t block = 1; bits + worth < WANTED_BITS && block < JITTER_BLOCKS; block++)
		worth += jitter(&pool);
	bits += worth;
	if (!worth)
		handoff->seed_flags |= HANDOFF_SEED_STEADY;
	uint64_t clock = arch_wall_clock();
	add(&pool, "clock", &clock, sizeof(clock));
	counter = arch_counter();
	add(&pool, "counter", &counter, sizeof(counter));
	sha512_final(&pool, bytes);
	memcpy(handoff->seed, bytes, sizeof(handoff->seed));
	memcpy(places, bytes + sizeof(handoff->seed), 2 * sizeof(*places));
	handoff->seed_bits = bits;
	crypto_wipe(bytes, sizeof(bytes));
	crypto_wipe(words, sizeof(words));
	if (size) {
		say("A seed came from outside, without a signature: who gave it can tell every key.");
		handoff->seed_bits += 8 * size;
	}
	if (handoff->seed_bits < WANTED_BITS)
		say("Randomness: %u bits are credited of %u. Who makes keys will wait for more.",
		    handoff->seed_bits, (unsigned)WANTED_BITS);
}
