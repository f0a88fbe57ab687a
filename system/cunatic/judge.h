/*
 * The judge: everything a proposed policy has to pass, in a process that the agent cannot name. It holds the tests, the
 * held-out cases and the workloads; from it comes one word a proposal.
 *
 * A policy is a Flux program with a function decide(queue, rate, cost) that gives the size of the next batch, 1 to 64, of
 * a service with `queue` waiting requests, `rate` arriving a tick and `cost` a fixed cost a batch.
 */
#ifndef CUNATIC_JUDGE_H
#define CUNATIC_JUDGE_H

#include "sandbox.h"

#include <stdint.h>

enum stage {
	STAGE_PARSE,
	STAGE_CAPABILITIES,
	STAGE_LOAD,
	STAGE_CONFORMANCE,
	STAGE_REPLAY,
	STAGE_SHADOW,
	STAGE_CANARY,
	STAGE_ACCEPTED
};
extern const char *const stage_names[STAGE_ACCEPTED + 1];

struct verdict {
	enum stage failed; /* STAGE_ACCEPTED: none */
	double shadow, canary;
	char reason[160];
};

struct judge {
	uint64_t seed;         /* of the workloads; never leaves this process */
	double shadow, canary; /* of the version in force */
};

/* The score of a policy on the workloads of a seed: the mean reward a tick. False: it failed. */
bool judge_score(struct sandbox *sandbox, uint64_t seed, double *score);
/* All stages in order; stops at the first that refuses. */
void judge_proposal(struct judge *judge, const char *source, size_t length, struct verdict *verdict);
/* The capability difference: what the text names beyond pure computation; NULL if nothing. */
const char *judge_capabilities(const char *source, size_t length, char *reason, size_t size);

#endif
