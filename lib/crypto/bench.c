/*
 * Times the library's operations on request; bench_openssl.mjs asks, in turn with OpenSSL, and prints the
 * table.
 *
 * Requests, one a line: "rows" lists the operations as "name<TAB>bytes", ended by an empty line; "time
 * NAME<TAB>MASK" answers nanoseconds of processor time a run, the mean of one stretch of about STRETCH_NS,
 * with the processor features in MASK.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "crypto/cpu.h"

#define STRETCH_NS 20000000.0

static const struct bench_row *const tables[] = {
    bench_hash_rows,
    bench_slhdsa_rows,
    bench_mlkem_mldsa_rows,
    NULL,
};

_Noreturn void bench_fail(const char *what)
{
	fprintf(stderr, "crypto-bench: failed: %s\n", what);
	exit(1);
}

/* Processor time, so that what else the machine does counts as little as may be. */
static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double time_row(const struct bench_row *row)
{
	double spent = 0;
	unsigned long runs = 1;
	if (row->setup)
		row->setup(row->variant);
	for (;;) {
		double start = now_ns();
		for (unsigned long i = 0; i < runs; i++)
			row->run(row->variant);
		spent = now_ns() - start;
		if (spent >= STRETCH_NS / 2)
			return spent / (double)runs;
		/* Aim at the stretch, at most ten times further, so that a first slow run misleads little. */
		double factor = STRETCH_NS / (spent + 1);
		runs = (unsigned long)((double)runs * (factor > 10 ? 10 : factor)) + 1;
	}
}

static const struct bench_row *find(const char *name)
{
	for (const struct bench_row *const *table = tables; *table; table++)
		for (const struct bench_row *row = *table; row->name; row++)
			if (strcmp(row->name, name) == 0)
				return row;
	return NULL;
}

int main(void)
{
	char line[256];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *mask = strchr(line, '\t');
		if (strcmp(line, "rows") == 0) {
			for (const struct bench_row *const *table = tables; *table; table++)
				for (const struct bench_row *row = *table; row->name; row++)
					printf("%s\t%zu\n", row->name, row->bytes);
			printf("\n");
		} else if (strncmp(line, "time ", 5) == 0 && mask) {
			*mask = 0;
			const struct bench_row *row = find(line + 5);
			if (!row)
				bench_fail(line);
			crypto_cpu_limit((unsigned)strtoul(mask + 1, NULL, 0));
			printf("%.1f\n", time_row(row));
		} else {
			bench_fail(line);
		}
		fflush(stdout);
	}
	return 0;
}
