/* See memory_test.h. */
#include "memory_test.h"

#include <stdbool.h>

/* What the words of a pass hold, one after another: cheap, since the 32-bit loader writes and reads hundreds of MiB of them. */
struct pattern {
	uint64_t first, step, flip;
};

static struct pattern pattern_of(const volatile uint64_t *words, unsigned pass)
{
	const uint64_t factor = 0x9e3779b97f4a7c15ull, place = (uint64_t)(uintptr_t)words * factor;
	switch (pass) {
	case 0:
		return (struct pattern){place, factor, 0};
	case 1:
		return (struct pattern){~place, -factor, 0};
	case 2:
		return (struct pattern){0xaaaaaaaaaaaaaaaaull, 0, ~0ull};
	default:
		return (struct pattern){0x5555555555555555ull, 0, ~0ull};
	}
}

size_t memory_test(volatile uint64_t *words, size_t count, void (*between)(unsigned pass))
{
	for (unsigned pass = 0; pass < 4; pass++) {
		const struct pattern pattern = pattern_of(words, pass);
		uint64_t value = pattern.first;
		for (size_t i = 0; i < count; i++) {
			words[i] = value;
			value = (value + pattern.step) ^ pattern.flip;
		}
		between(pass);
		value = pattern.first;
		for (size_t i = 0; i < count; i++) {
			if (words[i] != value)
				return i;
			value = (value + pattern.step) ^ pattern.flip;
		}
	}
	return count;
}
