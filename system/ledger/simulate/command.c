/* holon-ledger simulate: many seeded runs; the last line sums them up. */
#include "ledger/command.h"
#include "ledger/simulate/simulate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return !errno && *text && !*end && *out >= least && *out <= most;
}

static int usage(void)
{
	fprintf(stderr,
	        "usage: holon-ledger simulate --validators N --runs R --seed S [--rule bullshark|mysticeti] "
	        "[--verbose]\n"
	        "  N from 1 to 50; run i has the seed S + i. Status 0 only without violations and stalls.\n");
	return 2;
}

int command_simulate(int count, char **arguments)
{
	uint64_t validators = 4, runs = 100, seed = 1, events = 0, violations = 0, stalls = 0;
	struct sim_config config = {.mode = DAG_CERTIFIED};
	for (int i = 1; i < count; i++) {
		const char *value = i + 1 < count ? arguments[i + 1] : NULL;
		bool good = true;
		if (!strcmp(arguments[i], "--verbose"))
			config.verbose = true;
		else if (!strcmp(arguments[i], "--validators") && value)
			good = number(arguments[++i], 1, 50, &validators);
		else if (!strcmp(arguments[i], "--runs") && value)
			good = number(arguments[++i], 1, UINT32_MAX, &runs);
		else if (!strcmp(arguments[i], "--seed") && value)
			good = number(arguments[++i], 0, UINT64_MAX / 2, &seed);
		else if (!strcmp(arguments[i], "--rule") && value && !strcmp(value, "mysticeti"))
			config.mode = DAG_UNCERTIFIED, i++;
		else if (!strcmp(arguments[i], "--rule") && value && !strcmp(value, "bullshark"))
			i++;
		else
			good = false;
		if (!good)
			return usage();
	}
	config.validators = (unsigned)validators;
	for (uint64_t run = 0; run < runs; run++) {
		char why[256];
		enum sim_verdict verdict = sim_run(&config, seed + run, why, &events);
		violations += verdict == SIM_VIOLATION;
		stalls += verdict == SIM_STALL;
		if (verdict != SIM_GOOD)
			printf("%s seed %lu: %s\n", verdict == SIM_STALL ? "stall" : "violation", seed + run,
			       why);
		fflush(stdout);
	}
	printf("events %lu\n", events);
	printf("runs %lu violations %lu stalls %lu\n", runs, violations, stalls);
	return violations || stalls;
}
