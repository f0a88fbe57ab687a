/* getrandom(2): ChaCha20 (RFC 8439) as a generator that replaces its key after every use, seeded from
 * what the loader gathered (by way of steward and manager), RDRAND where the CPU has it, and the time-stamp counter.
 */
#include "internal.h"
#include <processor.h>

static uint32_t key[8];
static uint64_t counter;

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

static void block(uint32_t out[16])
{
	uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	memcpy(state + 4, key, sizeof(key));
	state[12] = (uint32_t)counter;
	state[13] = (uint32_t)(counter >> 32);
	counter++;
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
}

void random_init(void)
{
	uint8_t seed[SEED_BYTES];
	(void)seed_read(linux_start_info(), seed);
	memcpy(key, seed, sizeof(key));
	memset(seed, 0, sizeof(seed));
	for (int i = 0; i < 8; i++) {
		uint64_t value = clock_monotonic();
		value ^= processor_counter() * 0x9e3779b97f4a7c15ull;
		if (processor_has_random())
			value ^= processor_random();
		key[i] ^= (uint32_t)(value ^ value >> 32);
	}
	uint32_t out[16];
	block(out);
	memcpy(key, out, sizeof(key));
}

void random_bytes(void *to, size_t bytes)
{
	uint32_t out[16], next[16];
	uint8_t *at = to;
	block(next);
	while (bytes) {
		size_t chunk = bytes < sizeof(out) ? bytes : sizeof(out);
		block(out);
		memcpy(at, out, chunk);
		at += chunk;
		bytes -= chunk;
	}
	memcpy(key, next, sizeof(key));
	memset(out, 0, sizeof(out));
}

SYSCALL_HANDLER(getrandom, uint64_t address, uint64_t bytes, uint32_t flags)
{
	uint8_t buffer[512];
	if (flags & ~7u)
		return -EINVAL;
	if (bytes > INT32_MAX)
		bytes = INT32_MAX;
	for (uint64_t done = 0; done < bytes;) {
		uint64_t chunk = bytes - done < sizeof(buffer) ? bytes - done : sizeof(buffer);
		random_bytes(buffer, chunk);
		if (copy_to_user(address + done, buffer, chunk))
			return done ? (int64_t)done : -EFAULT;
		done += chunk;
		if (signal_pending() && done >= 256 && done < bytes)
			return (int64_t)done;
	}
	return (int64_t)bytes;
}
