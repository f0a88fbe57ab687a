/*
 * The gate: the only way by which a policy changes. It lives in a process of its own, holds the judge, the signing key and
 * the log, and talks with the agent's process over one socket in messages of a kind, a length and bytes:
 *   'P' a proposal: reason, zero byte, source    -> stage byte, changed byte
 *   'G' the policy in force, please              -> length, source
 *   'M' may I propose again?                     -> one byte
 * Any other message, or one too long, is refused and counted.
 */
#ifndef CUNATIC_GATE_H
#define CUNATIC_GATE_H

#include "judge.h"
#include "versions.h"

#define REASON_MAX  160
#define HISTORY_MAX 8

struct gate {
	struct judge judge;
	struct versions versions;
	char *current;
	size_t current_length;
	/* Versions before the current one, the latest last: where a rollback goes. */
	struct {
		char *source;
		size_t length;
		double shadow, canary;
	} history[HISTORY_MAX];
	unsigned history_count;
	struct sandbox live; /* the version in force, running */
	bool live_runs;
	uint64_t rounds, accepted, rejected, escapes, rollbacks, foreign;
	uint64_t failed_at[STAGE_ACCEPTED + 1];
	double slowest_rollback_s;
	bool changed; /* since the agent asked last */
};

bool gate_open(struct gate *gate, const char *log_path, uint64_t seed, const char *policy, size_t length);
void gate_close(struct gate *gate);
/* Judges a proposal and commits it if it passes all stages. */
enum stage gate_propose(struct gate *gate, const char *reason, const char *source, size_t length);
/* The watchdog's look at the running version: a heartbeat in time, else the last good version comes back. */
bool gate_heartbeat(struct gate *gate);
/* Serves the agent's process on a socket until it ends or `rounds` proposals were made. */
void gate_serve(struct gate *gate, int socket, uint64_t rounds);
/* The planted hacks: refused, every one? Prints a line each when `out` is given; the number that got through. */
unsigned gate_try_hacks(struct gate *gate, FILE *out);
extern const unsigned gate_hack_count;
enum stage gate_try_hack(struct gate *gate, unsigned which, const char **name);

/* agent.c: the agent's side, in its own confined process. */
_Noreturn void agent_main(int socket, uint64_t seed);

/* The program `cunatic`: its exit status. */
int cunatic_main(int argc, char **argv);

#endif
