/* See gate.h. */
#include "gate.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEARTBEAT_MS  250
#define AGENT_WAIT_MS 60000

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *duplicate(const char *source, size_t length)
{
	char *copy = malloc(length + 1);
	if (!copy)
		abort();
	memcpy(copy, source, length);
	copy[length] = 0;
	return copy;
}

static bool start_live(struct gate *gate)
{
	if (gate->live_runs)
		sandbox_end(&gate->live);
	gate->live_runs = sandbox_start(&gate->live, gate->current, gate->current_length);
	gate->live.timeout_ms = HEARTBEAT_MS;
	return gate->live_runs;
}

bool gate_open(struct gate *gate, const char *log_path, uint64_t seed, const char *policy, size_t length)
{
	struct sandbox sandbox;
	memset(gate, 0, sizeof(*gate));
	signal(SIGPIPE, SIG_IGN);
	gate->judge.seed = seed * 2654435761u + 17;
	gate->current = duplicate(policy, length);
	gate->current_length = length;
	if (!sandbox_start(&sandbox, policy, length)) {
		fputs("error: the policy to begin with does not load\n", stderr);
		return false;
	}
	bool ok = judge_score(&sandbox, gate->judge.seed + 100, &gate->judge.shadow) &&
	          judge_score(&sandbox, gate->judge.seed + 200, &gate->judge.canary);
	sandbox_end(&sandbox);
	if (!ok)
		fputs("error: the policy to begin with fails its workload\n", stderr);
	return ok && versions_create(&gate->versions, log_path) &&
	       versions_append(&gate->versions, "initial", "the policy to begin with", policy, length) &&
	       start_live(gate);
}

void gate_close(struct gate *gate)
{
	if (gate->live_runs)
		sandbox_end(&gate->live);
	for (unsigned i = 0; i < gate->history_count; i++)
		free(gate->history[i].source);
	free(gate->current);
	versions_close(&gate->versions);
}

/* ---- commit and rollback ---- */
static void remember(struct gate *gate)
{
	if (gate->history_count == HISTORY_MAX) {
		free(gate->history[0].source);
		memmove(gate->history, gate->history + 1, (HISTORY_MAX - 1) * sizeof(gate->history[0]));
		gate->history_count--;
	}
	gate->history[gate->history_count].source = gate->current;
	gate->history[gate->history_count].length = gate->current_length;
	gate->history[gate->history_count].shadow = gate->judge.shadow;
	gate->history[gate->history_count++].canary = gate->judge.canary;
}

static void roll_back(struct gate *gate, const char *why)
{
	double start = now_s();
	while (gate->history_count) {
		free(gate->current);
		gate->history_count--;
		gate->current = gate->history[gate->history_count].source;
		gate->current_length = gate->history[gate->history_count].length;
		gate->judge.shadow = gate->history[gate->history_count].shadow;
		gate->judge.canary = gate->history[gate->history_count].canary;
		struct question q = {10, 3, 1};
		double answer;
		if (start_live(gate) && sandbox_ask(&gate->live, &q, 1, &answer))
			break;
	}
	double took = now_s() - start;
	if (took > gate->slowest_rollback_s)
		gate->slowest_rollback_s = took;
	gate->rollbacks++;
	gate->changed = true;
	if (!versions_append(&gate->versions, "rollback", why, gate->current, gate->current_length))
		fputs("error: the rollback could not be logged\n", stderr);
}

bool gate_heartbeat(struct gate *gate)
{
	struct question q = {10, 3, 1};
	double answer, start = now_s();
	if (gate->live_runs && sandbox_ask(&gate->live, &q, 1, &answer) && answer >= 1 && answer < 65)
		return true;
	if (!gate->history_count) { /* the first version: start it again */
		start_live(gate);
		gate->rollbacks++;
	} else {
		roll_back(gate, "the heartbeat stopped");
	}
	double took = now_s() - start;
	if (took > gate->slowest_rollback_s)
		gate->slowest_rollback_s = took;
	return false;
}

enum stage gate_propose(struct gate *gate, const char *reason, const char *source, size_t length)
{
	struct verdict verdict;
	char why[300];
	gate->rounds++;
	judge_proposal(&gate->judge, source, length, &verdict);
	gate->failed_at[verdict.failed]++;
	if (verdict.failed != STAGE_ACCEPTED) {
		gate->rejected++;
		return verdict.failed;
	}
	snprintf(why, sizeof(why), "%.100s: shadow %.4f to %.4f, canary %.4f to %.4f", reason,
	         gate->judge.shadow, verdict.shadow, gate->judge.canary, verdict.canary);
	if (!versions_append(&gate->versions, "commit", why, source, length)) {
		gate->rejected++; /* what is not in the log does not happen */
		return STAGE_CANARY;
	}
	remember(gate);
	gate->current = duplicate(source, length);
	gate->current_length = length;
	gate->judge.shadow = verdict.shadow;
	gate->judge.canary = verdict.canary;
	gate->accepted++;
	gate->changed = true;
	if (!start_live(gate))
		roll_back(gate, "the new version does not start");
	return STAGE_ACCEPTED;
}

/* ---- the agent's messages ---- */
static bool receive(int socket, void *bytes, size_t size)
{
	struct pollfd p = {socket, POLLIN, 0};
	for (size_t done = 0; done < size;) {
		int ready = poll(&p, 1, AGENT_WAIT_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return false;
		ssize_t n = read(socket, (char *)bytes + done, size - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* One message; its answer is left in out[0..*size). False: it is none that the gate knows. */
static bool take_message(struct gate *gate, char kind, char *body, uint32_t length, uint64_t rounds,
                         char *out, size_t *size)
{
	uint32_t n;
	switch (kind) {
	case 'G':
		n = (uint32_t)gate->current_length;
		memcpy(out, &n, sizeof(n));
		memcpy(out + sizeof(n), gate->current, n);
		*size = sizeof(n) + n;
		gate->changed = false;
		return length == 0;
	case 'M':
		out[0] = gate->rounds < rounds;
		*size = 1;
		return length == 0;
	case 'P': {
		char reason[REASON_MAX];
		char *zero = memchr(body, 0, length < REASON_MAX ? length : REASON_MAX);
		if (!zero)
			return false;
		memcpy(reason, body, (size_t)(zero - body) + 1);
		uint32_t skip = (uint32_t)(zero - body) + 1;
		out[0] = (char)gate_propose(gate, reason, zero + 1, length - skip);
		out[1] = gate->changed;
		*size = 2;
		return true;
	}
	default:
		return false;
	}
}

void gate_serve(struct gate *gate, int socket, uint64_t rounds)
{
	static char body[SOURCE_LIMIT + REASON_MAX + 1], out[SOURCE_LIMIT + 64];
	char kind;
	uint32_t length;
	uint64_t random = gate->judge.seed | 1, hack = 0;
	while (receive(socket, &kind, 1) && receive(socket, &length, sizeof(length))) {
		size_t size = 0;
		if (length > sizeof(body) || (length && !receive(socket, body, length))) {
			gate->foreign++;
			break; /* it does not keep to the protocol: no more of it */
		}
		uint64_t before = gate->accepted;
		if (!take_message(gate, kind, body, length, rounds, out, &size)) {
			gate->foreign++;
			break;
		}
		if (!write_exact(socket, out, size))
			break;
		if (kind != 'P')
			continue;
		/* Now and then a hack instead of a proposal, and a failure that is forced on a new version. */
		random = random * 6364136223846793005u + 1442695040888963407u;
		if (gate->rounds % 250 == 0 && gate->rounds < rounds) {
			const char *name;
			if (gate_try_hack(gate, (unsigned)(hack++ % gate_hack_count), &name) ==
			    STAGE_ACCEPTED)
				gate->escapes++;
		}
		if (gate->accepted > before && random >> 61 == 0 && gate->live.pid > 0)
			kill(gate->live.pid, random >> 60 & 1 ? SIGKILL : SIGSTOP);
		if (gate->accepted > before || gate->rounds % 100 == 0)
			gate_heartbeat(gate);
	}
}
