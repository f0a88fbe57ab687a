/* One static program that times what Linux programs do most, on whatever kernel runs it: each row is warmed
 * up, measured several times with CLOCK_MONOTONIC, and its median printed as "bench: NAME<tab>NANOSECONDS".
 * Two things would make runs differ: addresses, which are not randomised here (where a stack or heap falls in
 * its page tables is several percent of a fork), and what still happens to the last line on its way out
 * through terminals and machines, which a pause after it leaves out of the next row.
 *
 *   bench [--quick] [--size MIB] [WORD...]   rows whose names contain one of the words; --quick does a tenth
 *   bench --tsc                              the processor's time stamp: under QEMU, the time since power on
 */
#include "bench.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum { REPEATS_MAX = 15, DRAIN_US = 20000 };

const char *self;
long megabytes = 2;

void fail(const char *what)
{
	printf("bench: failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const struct row *row, bool quick)
{
	double times[REPEATS_MAX];
	int repeats = quick && row->repeats > 3 ? 3 : row->repeats;
	long n = quick && row->n >= 10 ? row->n / 10 : row->n;
	if (row->prepare)
		row->prepare();
	if (row->n > 1)
		row->run(n / 10 + 1);
	for (int i = 0; i < repeats; i++) {
		double start = now();
		row->run(n);
		times[i] = (now() - start) / (double)n / (double)row->per;
	}
	if (row->finish)
		row->finish();
	qsort(times, (size_t)repeats, sizeof times[0], by_value);
	printf("bench: %s\t%.0f\n", row->name, times[repeats / 2]);
	usleep(DRAIN_US);
}

static bool wanted(const char *name, char **words)
{
	for (char **word = words; *word; word++)
		if (strstr(name, *word))
			return true;
	return !*words;
}

int main(int argc, char **argv)
{
	bool quick = false;
	static char path[4096];
	MUST(readlink("/proc/self/exe", path, sizeof path - 1) > 0);
	self = path;
	if (argc == 2 && !strcmp(argv[1], "--exit"))
		_exit(0);
	if (argc == 2 && !strcmp(argv[1], "--tsc"))
		return printf("bench: tsc\t%llu\n", (unsigned long long)__rdtsc()) < 0;
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
		MUST(personality(ADDR_NO_RANDOMIZE) >= 0);
		execv(self, argv);
		fail("exec");
	}
	char **words = argv + 1;
	for (; *words && !strncmp(*words, "--", 2); words++)
		if (!strcmp(*words, "--quick"))
			quick = true;
		else if (!strcmp(*words, "--size") && words[1])
			megabytes = atol(*++words);
		else
			fail("unknown option");
	setvbuf(stdout, NULL, _IOLBF, 0);
	const struct row *tables[] = {call_rows, process_rows, network_rows, program_rows};
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
		for (const struct row *row = tables[i]; row->name; row++)
			if (wanted(row->name, words))
				measure(row, quick);
	puts("bench: done");
	return 0;
}
