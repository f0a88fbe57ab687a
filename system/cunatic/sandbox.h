/*
 * A candidate's process: it loads a policy, gives up every way out (seccomp, where the kernel has it; limits on memory,
 * files and processes everywhere) and answers questions over a pipe. The judge asks; the candidate never sees a score.
 */
#ifndef CUNATIC_SANDBOX_H
#define CUNATIC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define BATCH_MAX    16
#define SOURCE_LIMIT 16384 /* bytes of a policy */

struct question {
	double queue, rate, cost;
};

struct sandbox {
	pid_t pid;
	int to, from;
	int timeout_ms; /* for one answer; 0: 2000 */
};

/* Starts a candidate; false: it did not load (errors, time, memory). */
bool sandbox_start(struct sandbox *sandbox, const char *source, size_t length);
/* Asks `count` questions; false: no proper answer in time. Answers are finite numbers. */
bool sandbox_ask(struct sandbox *sandbox, const struct question *questions, unsigned count, double *answers);
void sandbox_end(struct sandbox *sandbox);
/* Writes all of it to FD, through interruptions; false: that end is closed or broken. */
bool write_exact(int fd, const void *bytes, size_t size);
/* Gives up everything but reading, writing and memory. Used by the agent's process too. */
void confine(size_t memory);

#endif
