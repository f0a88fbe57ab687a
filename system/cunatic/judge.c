/* See judge.h. */
#include "judge.h"

#include "../flux/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WORKLOADS 8
#define TICKS     60

const char *const stage_names[STAGE_ACCEPTED + 1] = {"parse",  "capabilities", "load",   "conformance",
                                                     "replay", "shadow",       "canary", "accepted"};

/* ---- capabilities ---- */
/* Built-in functions that only compute. A policy may name these, its own functions, and nothing else. */
static const char *const pure[] = {"min",   "max",  "abs", "clamp", "floor",  "ceil",   "round",
                                   "trunc", "sqrt", "log", "log2",  "log10",  "exp",    "pow",
                                   "idiv",  "len",  "sum", "range", "is_nil", "to_int", "to_float"};

struct naming {
	const char *refused;
	const struct source *source;
};

static bool is_pure(const char *name)
{
	for (size_t i = 0; i < sizeof(pure) / sizeof(pure[0]); i++)
		if (!strcmp(name, pure[i]))
			return true;
	return false;
}

static bool is_own(const struct source *source, const char *name)
{
	for (const struct node *n = source->program->list; n; n = n->next)
		if (n->kind == N_FUNCTION && n->text && !strcmp(n->text, name))
			return true;
	return false;
}

static void look(struct naming *naming, const struct node *n)
{
	for (; n && !naming->refused; n = n->next) {
		switch (n->kind) {
		case N_LISTEN:
			naming->refused = "listen";
			break;
		case N_SEND:
			naming->refused = "send";
			break;
		case N_LAUNCH:
			naming->refused = "launch";
			break;
		case N_COLLAPSE:
			naming->refused = "collapse";
			break;
		case N_METHOD:
			naming->refused = "a method call";
			break;
		case N_CATCH:
		case N_TRY:
			naming->refused = "try";
			break;
		case N_NAME:
			/* A built-in's name that is not called, or one that does more than compute. */
			if (native_find(n->text, strlen(n->text)) >= 0 && !is_pure(n->text) &&
			    !is_own(naming->source, n->text))
				naming->refused = n->text;
			break;
		default:
			break;
		}
		look(naming, n->a);
		look(naming, n->b);
		look(naming, n->c);
		look(naming, n->list);
	}
}

const char *judge_capabilities(const char *text, size_t length, char *reason, size_t size)
{
	natives_init();
	struct source *source = source_new("proposal", text, length);
	struct naming naming = {.source = source};
	bool decides = false;
	reason[0] = 0;
	if (!source)
		return snprintf(reason, size, "too long"), reason;
	if (!source_parse(source)) {
		snprintf(reason, size, "parse: %.100s",
		         source->diagnostic_count ? source->diagnostics[0].message : "?");
	} else {
		for (const struct node *n = source->program->list; n && !naming.refused; n = n->next) {
			if (n->kind != N_FUNCTION) {
				naming.refused = "a declaration that is no function";
				break;
			}
			/* A name of a built-in function must mean the built-in function. */
			if (n->text && native_find(n->text, strlen(n->text)) >= 0)
				naming.refused = "a function that hides a built-in";
			decides |= n->text && !strcmp(n->text, "decide");
			look(&naming, n->list);
			look(&naming, n->a);
		}
		if (naming.refused)
			snprintf(reason, size, "names %.100s", naming.refused);
		else if (!decides)
			snprintf(reason, size, "no function decide");
	}
	source_free(source);
	return reason[0] ? reason : NULL;
}

/* ---- workloads ---- */
static uint64_t next_random(uint64_t *state)
{
	uint64_t x = *state;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return *state = x;
}

static double uniform(uint64_t *state)
{
	return (double)(next_random(state) >> 11) / 9007199254740992.0;
}

struct service {
	double queue, rate, cost, swing, phase;
	uint64_t random;
};

bool judge_score(struct sandbox *sandbox, uint64_t seed, double *score)
{
	struct service services[WORKLOADS];
	double total = 0;
	for (unsigned i = 0; i < WORKLOADS; i++) {
		struct service *s = &services[i];
		s->random = (seed + 1) * 0x9E3779B97F4A7C15u + (i + 1) * 0xD6E8FEB86659FD93u;
		for (unsigned k = 0; k < 4; k++)
			next_random(&s->random);
		s->queue = 10 * uniform(&s->random);
		s->rate = 2 + 10 * uniform(&s->random);
		s->cost = 0.2 + 2 * uniform(&s->random);
		s->swing = uniform(&s->random);
		s->phase = 6.28 * uniform(&s->random);
	}
	for (unsigned tick = 0; tick < TICKS; tick++) {
		struct question questions[WORKLOADS];
		double answers[WORKLOADS];
		for (unsigned i = 0; i < WORKLOADS; i++)
			questions[i] =
			    (struct question){floor(services[i].queue), services[i].rate, services[i].cost};
		if (!sandbox_ask(sandbox, questions, WORKLOADS, answers))
			return false;
		for (unsigned i = 0; i < WORKLOADS; i++) {
			struct service *s = &services[i];
			double batch = floor(answers[i]);
			if (!(batch >= 1 && batch <= 64))
				return false;
			/* A batch costs a fixed part and a part for each place in it, used or not. */
			double served = batch < s->queue ? batch : s->queue;
			double arriving = s->rate * (1 + s->swing * sin(s->phase + 0.2 * tick)) *
			                  (0.5 + uniform(&s->random));
			s->queue = s->queue - served + arriving;
			if (s->queue > 400)
				s->queue = 400;
			total += served - s->cost - 0.25 * batch - 0.04 * s->queue;
		}
	}
	*score = total / (WORKLOADS * TICKS);
	return true;
}

/* ---- stages ---- */
static bool refuse(struct verdict *v, enum stage stage, const char *reason)
{
	v->failed = stage;
	if (reason != v->reason)
		snprintf(v->reason, sizeof(v->reason), "%s", reason);
	return false;
}

/* On a grid of questions: an answer in range, the same one each time, in whatever order they are asked. */
static bool conform(struct sandbox *sandbox)
{
	struct question grid[BATCH_MAX];
	double first[BATCH_MAX], second[BATCH_MAX];
	for (unsigned i = 0; i < BATCH_MAX; i++) {
		unsigned queue = i % 4 * 20, rate = 1 + 3 * (i / 4 % 2), group = i / 8;
		grid[i] = (struct question){queue, rate, 0.5 + group};
	}
	if (!sandbox_ask(sandbox, grid, BATCH_MAX, first))
		return false;
	for (unsigned i = 0; i < BATCH_MAX / 2; i++) {
		struct question q = grid[i];
		grid[i] = grid[BATCH_MAX - 1 - i];
		grid[BATCH_MAX - 1 - i] = q;
	}
	if (!sandbox_ask(sandbox, grid, BATCH_MAX, second))
		return false;
	for (unsigned i = 0; i < BATCH_MAX; i++)
		if (!(first[i] >= 1 && first[i] < 65) || first[i] != second[BATCH_MAX - 1 - i])
			return false;
	return true;
}

/* Held-out situations that happened: extremes, and pairs whose answers must not contradict each other. */
static bool replay(struct sandbox *sandbox, uint64_t seed)
{
	uint64_t random = seed ^ 0x5851F42D4C957F2Du;
	for (unsigned round = 0; round < 6; round++) {
		struct question q[BATCH_MAX];
		double answers[BATCH_MAX];
		for (unsigned i = 0; i < BATCH_MAX; i += 2) {
			q[i] = (struct question){floor(400 * uniform(&random)), 20 * uniform(&random),
			                         3 * uniform(&random)};
			if (round == 0)
				q[i] = (struct question){i % 4 ? 0 : 400, i % 8 ? 0 : 40, i % 3 ? 0 : 10};
			q[i + 1] = q[i];
			q[i + 1].queue = floor(q[i].queue + 1 + 50 * uniform(&random));
		}
		if (!sandbox_ask(sandbox, q, BATCH_MAX, answers))
			return false;
		for (unsigned i = 0; i < BATCH_MAX; i += 2) {
			if (!(answers[i] >= 1 && answers[i] < 65 && answers[i + 1] >= 1 &&
			      answers[i + 1] < 65))
				return false;
			/* A longer queue never calls for a much smaller batch. */
			if (answers[i + 1] < answers[i] - 8)
				return false;
		}
	}
	return true;
}

static bool judge_stages(struct judge *judge, const char *source, size_t length, struct verdict *v)
{
	struct sandbox sandbox;
	if (length > SOURCE_LIMIT)
		return refuse(v, STAGE_PARSE, "the program is too long");
	if (memchr(source, 0, length))
		return refuse(v, STAGE_PARSE, "a zero byte");
	if (judge_capabilities(source, length, v->reason, sizeof(v->reason)))
		return refuse(v, strncmp(v->reason, "parse:", 6) != 0 ? STAGE_CAPABILITIES : STAGE_PARSE,
		              v->reason);
	if (!sandbox_start(&sandbox, source, length))
		return refuse(v, STAGE_LOAD, "it does not compile, or not in time");
	bool ok =
	    (conform(&sandbox) || refuse(v, STAGE_CONFORMANCE, "a wrong answer to a test")) &&
	    (replay(&sandbox, judge->seed) || refuse(v, STAGE_REPLAY, "a wrong answer to a held-out case")) &&
	    (judge_score(&sandbox, judge->seed + 100, &v->shadow) ||
	     refuse(v, STAGE_SHADOW, "it failed beside the version in force")) &&
	    (v->shadow > judge->shadow + 0.002 ||
	     refuse(v, STAGE_SHADOW, "no better than the version in force")) &&
	    (judge_score(&sandbox, judge->seed + 200, &v->canary) ||
	     refuse(v, STAGE_CANARY, "it failed as canary")) &&
	    (v->canary > judge->canary || refuse(v, STAGE_CANARY, "a regression as canary"));
	sandbox_end(&sandbox);
	return ok;
}

void judge_proposal(struct judge *judge, const char *source, size_t length, struct verdict *v)
{
	memset(v, 0, sizeof(*v));
	v->failed = STAGE_ACCEPTED;
	judge_stages(judge, source, length, v);
}
