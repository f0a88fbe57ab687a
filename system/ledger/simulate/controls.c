/*
 * Positive controls: the simulator run on cores with one seeded mistake each. A checker that finds nothing
 * proves nothing unless it is known to find; every mistake must come to light within the stated number of
 * runs, as a violation or, where the mistake costs progress and not agreement, as a stall.
 */
#include "ledger/simulate/simulate.h"

#include <stdio.h>

#define RUNS 400

static const struct {
	unsigned bug;
	const char *name;
	unsigned validators;
} controls[] = {
    {BUG_QUORUM, "a certificate from f+1 votes", 7},
    {BUG_VOTE_EARLY, "a vote leaves before it is durable", 4},
    {BUG_PARENTS, "parents are not checked", 4},
    {BUG_VOTE_TWICE, "two votes for one author and round", 4},
    {BUG_BATCH_UNSEEN, "a vote without the batches", 4},
    {BUG_SIGNATURE, "votes' signatures are not checked", 4},
    {BUG_DIRECT_COMMIT, "a leader committed by one link", 7},
    {BUG_TIME, "a commit's time is its leader's word", 4},
    {BUG_GC_LOCAL, "the horizon is our own round's", 4},
    {BUG_STATE_UNCHECKED, "a state on one peer's word", 4},
    {BUG_PROPOSE_FORGOTTEN, "a header leaves before it is durable", 4},
    {BUG_NO_REPROPOSAL, "payload lost to garbage collection is forgotten", 4},
};

int main(void)
{
	unsigned missed = 0;
	for (unsigned i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
		struct sim_config config = {.validators = controls[i].validators, .mode = DAG_CERTIFIED};
		enum sim_verdict verdict = SIM_GOOD;
		char why[256] = "";
		uint64_t events = 0, seed = 0;
		dag_bug = controls[i].bug;
		while (verdict == SIM_GOOD && seed < RUNS)
			verdict = sim_run(&config, ++seed, why, &events);
		if (verdict != SIM_GOOD) {
			printf("ok control: %s: caught by seed %lu (%s)\n", controls[i].name, seed, why);
		} else {
			printf("not ok control: %s - not caught in %u runs\n", controls[i].name, RUNS);
			missed++;
		}
		fflush(stdout);
	}
	/* The same seeds without a mistake find nothing. */
	dag_bug = BUG_NONE;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_config config = {.validators = 4, .mode = DAG_CERTIFIED};
		char why[256];
		uint64_t events = 0;
		if (sim_run(&config, seed, why, &events) != SIM_GOOD) {
			printf("not ok control: no mistake - seed %lu: %s\n", seed, why);
			missed++;
		}
	}
	return missed != 0;
}
