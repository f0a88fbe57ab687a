/*
 * What the scheduler's files share. scheduler.c: messages, time, what is due, the run. intention.c: the life of one
 * intention, and goals with several plans. natives_intention.c: the built-in functions. events.c: what happens outside.
 */
#ifndef FLUX_SCHEDULE_H
#define FLUX_SCHEDULE_H

#include "runtime.h"

#define QUEUE_MAX      100000 /* messages that wait */
#define INTERRUPTS_MAX 16     /* nested interruptions */

enum trigger_kind {
	TRIGGER_NONE,
	TRIGGER_EVERY,
	TRIGGER_AFTER,
	TRIGGER_MESSAGE,
	TRIGGER_COMMAND,
	TRIGGER_METRIC,
	TRIGGER_CHANGE
};

struct trigger {
	uint8_t kind;
	bool held; /* of a `when`: was true last time */
	int64_t period_ns, next_ns;
	char *channel;
	value kept; /* what the watch needs */
	value test; /* of a metric: a function that says whether a value wakes the intention */
};

struct waiting { /* an intention that was activated and is not done */
	struct intention *intention;
	uint32_t number;
	uint32_t tries, order;
	int64_t since_ns, next_ns, deadline_ns;
	int64_t pause_ns;
	uint64_t fuel_start, fuel_budget;
	int64_t time_budget;
	value event; /* what the trigger brought */
	bool running;
	const char *stop; /* why its body is being left */
};

struct message {
	char *source;
	value item;
	int64_t due_ns;
	uint64_t order;
};

struct scheduler {
	struct trigger *triggers; /* one for each intention of the program */
	struct waiting **active;
	uint32_t active_count, active_capacity;
	struct waiting *running[INTERRUPTS_MAX];
	unsigned depth;
	struct message *messages;
	uint32_t message_count, message_capacity;
	/* So many of them, the first, are marked in that cycle of the collector. */
	uint32_t marked, marked_cycle;
	uint64_t next_order;
	uint32_t next_number;
	int64_t limit_ns; /* of logical time; 0: the default */
	bool commands;    /* the input has @command lines */
	bool booted, stopped, in_trigger;
	bool ended;                     /* the time that the run was given is over */
	bool watches_changes;           /* some intention waits for a condition */
	uint64_t *successes, *attempts; /* of each intention, as plans */
	struct string *reason;          /* of the last failure */
	FILE *story;
};

/* ---- scheduler.c ---- */
struct scheduler *scheduler_of(struct vm *vm);
/* A line of the story that `flux explain` prints and a trace keeps. */
void scheduler_tell(struct vm *vm, const struct intention *i, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
struct waiting *scheduler_activate(struct vm *vm, struct intention *i, value event);
void scheduler_deactivate(struct vm *vm, struct waiting *w);
/* Timers and messages that are due, and conditions that became true, activate their intentions. False: raised. */
bool scheduler_activate_due(struct vm *vm);
/* Runs what may run and is more urgent than `above`. False: raised. */
bool scheduler_run_ready(struct vm *vm, double above);
/* When the next thing happens by itself: INT64_MAX if nothing does. `periodic`: count repeated timers too. */
int64_t scheduler_next(struct vm *vm, bool periodic);
double scheduler_priority(const struct scheduler *s); /* of what runs; -1 if nothing does */

/* ---- intention.c ---- */
enum outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_FAILED, OUTCOME_SKIPPED, OUTCOME_RAISED };

value intention_clause(struct vm *vm, const struct intention *i, enum clause which);
/* Runs one activation to its end or to its next try. */
enum outcome intention_run(struct vm *vm, struct waiting *w);
/* Tries the plans for a goal: true, an error value with the reasons, or V_RAISE. */
value intention_pursue(struct vm *vm, struct string *goal);

#endif
