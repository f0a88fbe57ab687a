/* A native program on newlib that tests it: stdio, malloc, math, errno of each thread. Boots in a unit of its
 * own (newlib_test.py); what it prints goes to the kernel log. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "native_newlib.h"
#include "steward.interface.h"

#define THREADS 4
#define ROUNDS  2000

static int failures;
static volatile int wrong[THREADS];
static volatile double sums[THREADS];

static void check(const char *name, int right)
{
	printf(right ? "ok newlib: %s\n" : "not ok newlib: %s\n", name);
	failures += !right;
}

/* Allocates, computes and sets errno beside the others. */
static void work(void *argument)
{
	int number = (int)(intptr_t)argument;
	char *kept[16] = {0};
	double sum = 0;
	for (int round = 0; round < ROUNDS; round++) {
		char **place = &kept[round % 16];
		if (*place && **place != (char)number)
			wrong[number]++;
		free(*place);
		*place = malloc((size_t)(round * 37 % 900) + 1);
		if (!*place) {
			wrong[number]++;
			break;
		}
		memset(*place, number, (size_t)(round * 37 % 900) + 1);
		sum += sqrt((double)round) * (number + 1);
		errno = number + 100;
		if (round % 64 == 0)
			thread_yield();
		if (errno != number + 100)
			wrong[number]++;
	}
	for (unsigned i = 0; i < 16; i++)
		free(kept[i]);
	sums[number] = sum;
}

/* Every length up to some hundred, at every offset from 16 bytes: what was to be copied, and nothing beside it. */
static int copies_are_right(void)
{
	static unsigned char from[512];
	static unsigned char to[512];
	for (unsigned i = 0; i < sizeof(from); i++)
		from[i] = (unsigned char)(i * 7 + 1);
	for (size_t bytes = 0; bytes < 300; bytes++)
		for (unsigned at = 0; at < 16; at++) {
			memset(to, 0, sizeof(to));
			if (memcpy(to + 16 + at, from + 15 - at, bytes) != to + 16 + at)
				return 0;
			for (unsigned i = 0; i < sizeof(to); i++) {
				int inside = i >= 16 + at && i < 16 + at + bytes;
				if (to[i] != (inside ? from[15 - at + i - 16 - at] : 0))
					return 0;
			}
		}
	return 1;
}

int main(int argument_count, char **arguments)
{
	char text[64];
	snprintf(text, sizeof(text), "%.3f %5d %s %llx", 3.14159, -42, "text", 0x123456789abcull);
	check("printf with floating point", strcmp(text, "3.142   -42 text 123456789abc") == 0);
	check("strtod and math",
	      fabs(pow(strtod("2.5", 0), 3) - 15.625) < 1e-12 && fabs(sin(1.0) - 0.8414709848) < 1e-9);
	check("memcpy of every length", copies_are_right());
	char *large = malloc(1 << 20);
	check("malloc of a MiB", large && memset(large, 7, 1 << 20));
	free(large);
	errno = 0;
	check("malloc of too much fails", !malloc(1ull << 40) && errno == ENOMEM);
	check("arguments", argument_count == 2 && strcmp(arguments[1], "two") == 0);

	int64_t done = event_create();
	int started = 0;
	for (int i = 0; i < THREADS; i++)
		started +=
		    native_thread_start(work, (void *)(intptr_t)i, 64 << 10, (handle_t)done, 1ull << i) >= 0;
	check("threads start", done >= 0 && started == THREADS);
	uint64_t ended = 0;
	while (ended != (1ull << THREADS) - 1) {
		uint64_t bits = 0;
		if (event_wait((handle_t)done, clock_ns() + 20000000000ull, &bits) < 0)
			break;
		ended |= bits;
	}
	int right = ended == (1ull << THREADS) - 1;
	for (int i = 0; i < THREADS; i++)
		right = right && !wrong[i] && fabs(sums[i] - sums[0] * (i + 1)) < 1e-3 && sums[i] > 1000;
	check("threads share malloc, and each has its errno and its vector registers", right);
	printf("newlib: the end\n");
	(void)steward_finished(start_find(native_start, "steward", 0), native_page(), failures ? 1 << 8 : 0,
	                       0, DEADLINE_NEVER);
	return failures != 0;
}
