/* Randomness: the seed that this unit was given, which the loader gathered and judged, and before every use the
 * processor's own where it has it (RDRAND, Intel SDM volume 1, section 7.3.17), the time-stamp counter, and all
 * that was drawn before, conditioned by BLAKE3. Without seed and RDRAND no key is made. */
#include <crypto/blake3.h>
#include "vault.h"

#define WORDS      16u
#define TRIES      64u
#define OUTPUT_MAX 64u

static bool draw(uint64_t *value)
{
	unsigned char good = 0;
	for (unsigned i = 0; i < TRIES && !good; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(*value), "=qm"(good) : : "cc");
	return good;
}

static bool has_random(void)
{
	uint32_t a = 1, b, c = 0, d;
	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c >> 30 & 1;
}

int entropy_get(void *buffer, size_t bytes)
{
	static uint8_t state[32];
	static bool started, seeded;
	uint8_t *to = buffer;
	bool random = has_random();
	if (!started) {
		uint8_t seed[SEED_BYTES];
		seeded = seed_read(service.info, seed);
		blake3_keyed_hash(state, seed, "vault", 5);
		crypto_wipe(seed, sizeof(seed));
		started = true;
	}
	if (!random && !seeded)
		return -1;
	while (bytes) {
		struct {
			uint8_t state[32];
			uint64_t words[WORDS], counter, time;
		} input = {0};
		uint8_t output[sizeof(state) + OUTPUT_MAX];
		struct blake3 hash;
		size_t part = bytes < OUTPUT_MAX ? bytes : OUTPUT_MAX;
		memcpy(input.state, state, sizeof(state));
		for (unsigned i = 0; random && i < WORDS; i++)
			if (!draw(&input.words[i]))
				return -1;
		input.counter = __builtin_ia32_rdtsc();
		input.time = clock_ns();
		blake3_init(&hash);
		blake3_update(&hash, &input, sizeof(input));
		blake3_final(&hash, output, sizeof(output));
		memcpy(state, output, sizeof(state));
		memcpy(to, output + sizeof(state), part);
		crypto_wipe(&input, sizeof(input));
		crypto_wipe(output, sizeof(output));
		crypto_wipe(&hash, sizeof(hash));
		to += part;
		bytes -= part;
	}
	return 0;
}
