/*
 * Intentions: goals that are held. The scheduler runs them by priority, delivers events, lets a more urgent
 * intention interrupt a less urgent one at a safe point, re-checks what was interrupted, and gives up for a
 * stated reason.
 *
 * Time is logical: it goes on when something waits, straight to what happens next, so a run is the same every
 * time. In a live run (vm->live) waiting takes real time.
 *
 * What an intention's life is: its trigger fires; its condition is looked at (false: nothing happens); it is
 * active until its `until` holds (or, without one, until its body ended). While active it is tried again,
 * after a pause that doubles from 10 ms to 10 s; it fails when `within` has passed, `budget` is used up,
 * `retries` tries failed or its condition no longer holds. Intentions that name one goal are plans for it:
 * see pursue().
 */
#include "runtime.h"

#include <stdlib.h>
#include <time.h>

#define QUEUE_MAX      100000
#define PERIODIC_LIMIT 60000000000 /* logical time that a program with nothing but periodic events runs */
#define INTERRUPTS_MAX 16          /* nested interruptions */

enum trigger_kind {
	TRIGGER_NONE,
	TRIGGER_EVERY,
	TRIGGER_AFTER,
	TRIGGER_MESSAGE,
	TRIGGER_COMMAND,
	TRIGGER_CHANGE
};

struct trigger {
	uint8_t kind;
	bool held; /* of a `when`: was true last time */
	int64_t period_ns, next_ns;
	char *channel;
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
	uint64_t next_order;
	uint32_t next_number;
	int64_t limit_ns; /* of logical time; 0: the default */
	bool commands;    /* the input has @command lines */
	bool booted, stopped, in_trigger;
	uint64_t *successes, *attempts; /* of each intention, as plans */
	struct string *reason;          /* of the last failure */
	FILE *story;
};

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

static struct scheduler *scheduler_of(struct vm *vm)
{
	if (!vm->scheduler) {
		vm->scheduler = calloc(1, sizeof(*vm->scheduler));
		if (!vm->scheduler)
			abort();
	}
	return vm->scheduler;
}

/* A line of the story that `flux explain` prints and a trace keeps. */
static void tell(struct vm *vm, const struct intention *i, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void tell(struct vm *vm, const struct intention *i, const char *format, ...)
{
	char text[300], when[40];
	va_list args;
	struct scheduler *s = vm->scheduler;
	if (!s->story && !vm->trace)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	duration_format(vm->clock_ns, when, sizeof(when));
	if (s->story)
		fprintf(s->story, "%10s  %s%s%s\n", when, i ? i->name : "", i ? ": " : "", text);
	trace_event(vm, "%s %s", i ? i->name : "-", text);
}

void scheduler_story(struct vm *vm, FILE *out)
{
	scheduler_of(vm)->story = out;
}

void scheduler_limit(struct vm *vm, int64_t ns)
{
	scheduler_of(vm)->limit_ns = ns;
}

/* ---- messages ---- */
void scheduler_post(struct vm *vm, const char *source, value item)
{
	struct scheduler *s = scheduler_of(vm);
	if (s->message_count >= QUEUE_MAX)
		return;
	if (s->message_count == s->message_capacity) {
		s->message_capacity = s->message_capacity ? s->message_capacity * 2 : 16;
		s->messages = must_allocate(s->messages, s->message_capacity * sizeof(*s->messages));
	}
	s->messages[s->message_count++] = (struct message){
	    .source = strdup(source), .item = item, .due_ns = vm->clock_ns, .order = s->next_order++};
}

static void remove_message(struct scheduler *s, uint32_t i)
{
	free(s->messages[i].source);
	memmove(s->messages + i, s->messages + i + 1, (s->message_count - i - 1) * sizeof(*s->messages));
	s->message_count--;
}

bool scheduler_take(struct vm *vm, struct string *source, value *item)
{
	struct scheduler *s = scheduler_of(vm);
	const char *name = string_bytes(vm, source);
	for (uint32_t i = 0; i < s->message_count; i++)
		if (s->messages[i].due_ns <= vm->clock_ns && !strcmp(s->messages[i].source, name)) {
			*item = s->messages[i].item;
			remove_message(s, i);
			return true;
		}
	return false;
}

/* Lines for the user; "@source text" for another source; "@source +2s text" for later. */
bool scheduler_load_input(struct vm *vm, const char *path)
{
	struct source *file = source_load(path);
	if (!file)
		return false;
	struct scheduler *s = scheduler_of(vm);
	const char *at = file->text, *end = at + file->length;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		const char *to = line_end;
		if (to > at && to[-1] == '\r')
			to--;
		char source[64] = "user";
		int64_t due = 0;
		if (at < to && *at == '@') {
			const char *space = memchr(at, ' ', (size_t)(to - at));
			size_t length = (size_t)((space ? space : to) - at - 1);
			if (length >= sizeof(source))
				length = sizeof(source) - 1;
			memcpy(source, at + 1, length);
			source[length] = 0;
			at = space ? space + 1 : to;
			if (at < to && *at == '+') {
				space = memchr(at, ' ', (size_t)(to - at));
				if (!duration_parse(at + 1, (size_t)((space ? space : to) - at - 1), &due))
					due = 0;
				at = space ? space + 1 : to;
			}
		}
		if (!strcmp(source, "command"))
			s->commands = true;
		scheduler_post(vm, source, from_object(string_new(vm, at, (size_t)(to - at))));
		s->messages[s->message_count - 1].due_ns = due;
		at = line_end + 1;
	}
	source_free(file);
	return true;
}

/* ---- waiting ---- */
static bool activate_due(struct vm *vm);
static bool run_ready(struct vm *vm, double above, bool boot);
static double current_priority(const struct scheduler *s)
{
	return s->depth ? s->running[s->depth - 1]->intention->priority : -1;
}

/* When the next thing happens by itself: INT64_MAX if nothing does. `periodic`: count repeated timers too. */
static int64_t next_event(struct vm *vm, bool periodic)
{
	struct scheduler *s = vm->scheduler;
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < s->message_count; i++)
		if (s->messages[i].due_ns > vm->clock_ns && s->messages[i].due_ns < next)
			next = s->messages[i].due_ns;
	for (uint32_t i = 0; s->triggers && i < vm->program->intention_count; i++) {
		struct trigger *t = &s->triggers[i];
		if (t->kind == TRIGGER_AFTER || (periodic && t->kind == TRIGGER_EVERY))
			if (t->next_ns < next)
				next = t->next_ns;
	}
	for (uint32_t i = 0; i < s->active_count; i++)
		if (!s->active[i]->running && s->active[i]->next_ns < next)
			next = s->active[i]->next_ns;
	return next;
}

static void live_wait(struct vm *vm, int64_t until)
{
	int64_t ns = until - vm->clock_ns;
	if (!vm->live || ns <= 0 || trace_replaying(vm))
		return;
	struct timespec t = {ns / 1000000000, ns % 1000000000};
	fflush(vm->out);
	nanosleep(&t, NULL);
}

bool scheduler_advance(struct vm *vm, int64_t until)
{
	struct scheduler *s = scheduler_of(vm);
	while (vm->clock_ns < until) {
		int64_t next = next_event(vm, true);
		if (next > until)
			next = until;
		if (next > vm->clock_ns) {
			live_wait(vm, next);
			vm->clock_ns = next;
		}
		if (!activate_due(vm) || !run_ready(vm, current_priority(s), false))
			return false;
		if (next_event(vm, true) <= vm->clock_ns && next_event(vm, true) < until) {
			/* What is due has too low a priority to interrupt: it waits for the end of this wait.
			 */
			int64_t later = until;
			for (uint32_t i = 0; i < s->message_count; i++)
				if (s->messages[i].due_ns > vm->clock_ns && s->messages[i].due_ns < later)
					later = s->messages[i].due_ns;
			for (uint32_t i = 0; s->triggers && i < vm->program->intention_count; i++)
				if (s->triggers[i].kind == TRIGGER_EVERY &&
				    s->triggers[i].next_ns > vm->clock_ns && s->triggers[i].next_ns < later)
					later = s->triggers[i].next_ns;
			live_wait(vm, later);
			vm->clock_ns = later;
		}
	}
	return true;
}

bool scheduler_waiting_until(struct vm *vm, struct string *source, int64_t deadline, value *item)
{
	vm_root_push(vm, from_object(source));
	bool found = false;
	while (!found) {
		found = scheduler_take(vm, source, item);
		if (found || vm->clock_ns >= deadline)
			break;
		int64_t next = next_event(vm, true);
		if (next == INT64_MAX && !vm->live)
			break; /* nobody will ever say anything: no time passes */
		if (next > deadline)
			next = deadline;
		if (next <= vm->clock_ns)
			next = vm->clock_ns + 1;
		if (!scheduler_advance(vm, next)) {
			vm_root_pop(vm, 1);
			return false;
		}
	}
	vm_root_pop(vm, 1);
	if (!found)
		*item = V_EMPTY;
	return true;
}

/* ---- activating ---- */
static value clause_value(struct vm *vm, const struct intention *i, enum clause which)
{
	return vm_call_proto(vm, i->clauses[which], NULL, 0);
}

static struct waiting *activate(struct vm *vm, struct intention *i, value event)
{
	struct scheduler *s = vm->scheduler;
	for (uint32_t k = 0; k < s->active_count; k++)
		if (s->active[k]->intention == i && !s->active[k]->running && i->clauses[CLAUSE_UNTIL])
			return s->active[k]; /* it is held already */
	if (s->active_count >= QUEUE_MAX)
		return NULL;
	struct waiting *w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	w->intention = i;
	w->number = s->next_number++;
	w->since_ns = w->next_ns = vm->clock_ns;
	w->deadline_ns = INT64_MAX;
	w->pause_ns = 10000000;
	w->event = event;
	if (s->active_count == s->active_capacity) {
		s->active_capacity = s->active_capacity ? s->active_capacity * 2 : 16;
		s->active = must_allocate(s->active, s->active_capacity * sizeof(*s->active));
	}
	s->active[s->active_count++] = w;
	return w;
}

static void deactivate(struct vm *vm, struct waiting *w)
{
	struct scheduler *s = vm->scheduler;
	for (uint32_t i = 0; i < s->active_count; i++)
		if (s->active[i] == w) {
			memmove(s->active + i, s->active + i + 1,
			        (s->active_count - i - 1) * sizeof(*s->active));
			s->active_count--;
			break;
		}
	free(w);
}

/* Timers and messages that are due, and `when` conditions that became true, activate their intentions. */
static bool activate_due(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s->triggers)
		return true;
	for (uint32_t i = 0; i < vm->program->intention_count; i++) {
		struct intention *intention = &vm->program->intentions[i];
		struct trigger *t = &s->triggers[i];
		if (t->kind == TRIGGER_EVERY && t->next_ns <= vm->clock_ns) {
			activate(vm, intention, V_NIL);
			t->next_ns += t->period_ns;
			if (t->next_ns <= vm->clock_ns) /* missed ones are not made up for */
				t->next_ns = vm->clock_ns + t->period_ns;
		} else if (t->kind == TRIGGER_AFTER && t->next_ns <= vm->clock_ns) {
			activate(vm, intention, V_NIL);
			t->kind = TRIGGER_NONE;
		} else if (t->kind == TRIGGER_MESSAGE || t->kind == TRIGGER_COMMAND) {
			for (uint32_t k = 0; k < s->message_count;) {
				struct message *m = &s->messages[k];
				const char *channel = t->kind == TRIGGER_COMMAND ? "command" : t->channel;
				const char *text =
				    is_string(m->item) ? string_bytes(vm, as_string(m->item)) : "";
				if (m->due_ns > vm->clock_ns || strcmp(m->source, channel) ||
				    (t->kind == TRIGGER_COMMAND && t->channel && strcmp(text, t->channel))) {
					k++;
					continue;
				}
				value item = m->item;
				remove_message(s, k);
				activate(vm, intention, item);
			}
		} else if (t->kind == TRIGGER_CHANGE && !s->in_trigger) {
			s->in_trigger = true;
			value v = clause_value(vm, intention, CLAUSE_TRIGGER);
			s->in_trigger = false;
			if (v == V_RAISE)
				return false;
			bool now = value_truthy(v);
			if (now && !t->held)
				activate(vm, intention, v);
			t->held = now;
		}
	}
	return true;
}

/* ---- running one ---- */
static bool is_out_of_budget(struct vm *vm, const struct waiting *w)
{
	uint64_t used = vm->fuel_used + (uint64_t)(vm->countdown_start - vm->countdown) - w->fuel_start;
	return (w->fuel_budget && used > w->fuel_budget) ||
	       (w->time_budget && vm->clock_ns - w->since_ns > w->time_budget);
}

/* Why a running intention must stop now, or NULL. Called when it goes on after something else ran. */
static const char *must_stop(struct vm *vm, struct waiting *w, bool interrupted, bool *raised)
{
	if (vm->clock_ns > w->deadline_ns)
		return "its time is up";
	if (is_out_of_budget(vm, w))
		return "its budget is used up";
	if (!interrupted)
		return NULL;
	if (w->intention->clauses[CLAUSE_UNTIL]) {
		value v = clause_value(vm, w->intention, CLAUSE_UNTIL);
		if (v == V_RAISE)
			*raised = true;
		else if (value_truthy(v))
			return "";
	}
	if (w->intention->clauses[CLAUSE_CONDITION] && !*raised) {
		value v = clause_value(vm, w->intention, CLAUSE_CONDITION);
		if (v == V_RAISE)
			*raised = true;
		else if (!value_truthy(v))
			return "its condition no longer holds";
	}
	return NULL;
}

/* Leaves the body of the intention on top: raises what no handler catches. */
static bool stop_running(struct vm *vm, struct waiting *w, const char *why)
{
	w->stop = why;
	vm->stopping = true;
	vm_raise(vm, "stop", "%s", why[0] ? why : "its goal is reached");
	return false;
}

bool scheduler_poll(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s->depth || s->in_trigger || vm->walker)
		return true;
	struct waiting *top = s->running[s->depth - 1];
	bool raised = false;
	const char *why = must_stop(vm, top, false, &raised);
	return why ? stop_running(vm, top, why) : true;
}

enum outcome { OUTCOME_DONE, OUTCOME_AGAIN, OUTCOME_FAILED, OUTCOME_SKIPPED, OUTCOME_RAISED };

static enum outcome give_up(struct vm *vm, struct waiting *w, const char *why)
{
	struct scheduler *s = vm->scheduler;
	s->reason = string_new(vm, why, strlen(why));
	tell(vm, w->intention, "gives up: %s", why);
	if (w->intention->clauses[CLAUSE_FAIL] && clause_value(vm, w->intention, CLAUSE_FAIL) == V_RAISE)
		return OUTCOME_RAISED;
	return OUTCOME_FAILED;
}

static bool begin(struct vm *vm, struct waiting *w)
{
	struct intention *i = w->intention;
	w->fuel_start = vm->fuel_used + (uint64_t)(vm->countdown_start - vm->countdown);
	if (i->clauses[CLAUSE_WITHIN]) {
		value v = clause_value(vm, i, CLAUSE_WITHIN);
		if (v == V_RAISE)
			return false;
		if (is_type(v, T_DURATION))
			w->deadline_ns = w->since_ns + ((struct duration *)as_object(v))->nanoseconds;
	}
	if (i->clauses[CLAUSE_BUDGET]) {
		int64_t steps;
		value v = clause_value(vm, i, CLAUSE_BUDGET);
		if (v == V_RAISE)
			return false;
		if (is_type(v, T_DURATION))
			w->time_budget = ((struct duration *)as_object(v))->nanoseconds;
		else if (to_whole(v, &steps) && steps > 0)
			w->fuel_budget = (uint64_t)steps;
	}
	return true;
}

static enum outcome attempt(struct vm *vm, struct waiting *w)
{
	struct scheduler *s = vm->scheduler;
	struct intention *i = w->intention;
	bool held = i->clauses[CLAUSE_UNTIL] != NULL;
	bool lenient =
	    held || i->clauses[CLAUSE_FAIL] || i->clauses[CLAUSE_RETRIES] || i->clauses[CLAUSE_GOAL];
	char why[200];
	if (!w->tries && !begin(vm, w))
		return OUTCOME_RAISED;
	if (i->clauses[CLAUSE_CONDITION]) {
		value v = clause_value(vm, i, CLAUSE_CONDITION);
		if (v == V_RAISE)
			return OUTCOME_RAISED;
		if (!value_truthy(v)) {
			if (w->tries)
				return give_up(vm, w, "its condition no longer holds");
			tell(vm, i, "does not start: its condition is false");
			return OUTCOME_SKIPPED;
		}
	}
	if (held) {
		value v = clause_value(vm, i, CLAUSE_UNTIL);
		if (v == V_RAISE)
			return OUTCOME_RAISED;
		if (value_truthy(v)) {
			tell(vm, i, w->tries ? "reached its goal after %u tries" : "has its goal already",
			     w->tries);
			return OUTCOME_DONE;
		}
	}
	if (vm->clock_ns > w->deadline_ns)
		return give_up(vm, w, "its time is up");
	w->tries++;
	tell(vm, i, "runs (try %u)", w->tries);
	value v = i->clauses[CLAUSE_EXECUTE] ? clause_value(vm, i, CLAUSE_EXECUTE) : V_NIL;
	snprintf(why, sizeof(why), "the tries are used up");
	if (v == V_RAISE) {
		if (w->stop) { /* we made it leave */
			vm->stopping = false;
			vm->error = V_NIL;
			if (!w->stop[0]) {
				tell(vm, i, "reached its goal while it was interrupted");
				return OUTCOME_DONE;
			}
			return give_up(vm, w, w->stop);
		}
		if (vm->stopping || !lenient)
			return OUTCOME_RAISED;
		struct string *message = ((struct flux_error *)as_object(vm->error))->message;
		snprintf(why, sizeof(why), "%s", string_bytes(vm, message));
		tell(vm, i, "failed: %s", why);
		vm->error = V_NIL;
	} else if (!held && !is_type(v, T_ERROR)) {
		tell(vm, i, "done");
		return OUTCOME_DONE;
	}
	if (is_type(v, T_ERROR)) {
		snprintf(why, sizeof(why), "%s",
		         string_bytes(vm, ((struct flux_error *)as_object(v))->message));
		tell(vm, i, "failed: %s", why);
	}
	if (held) {
		value reached = clause_value(vm, i, CLAUSE_UNTIL);
		if (reached == V_RAISE)
			return OUTCOME_RAISED;
		if (value_truthy(reached)) {
			tell(vm, i, "reached its goal after %u tr%s", w->tries, w->tries == 1 ? "y" : "ies");
			return OUTCOME_DONE;
		}
	}
	int64_t retries = held ? 1000 : 0;
	if (i->clauses[CLAUSE_RETRIES]) {
		v = clause_value(vm, i, CLAUSE_RETRIES);
		if (v == V_RAISE)
			return OUTCOME_RAISED;
		to_whole(v, &retries);
	}
	if (is_out_of_budget(vm, w))
		return give_up(vm, w, "its budget is used up");
	if (w->tries > retries)
		return give_up(vm, w, why);
	(void)s;
	w->next_ns = vm->clock_ns + w->pause_ns;
	if (w->next_ns > w->deadline_ns)
		return give_up(vm, w, "its time is up");
	w->pause_ns = w->pause_ns * 2 < 10000000000 ? w->pause_ns * 2 : 10000000000;
	return OUTCOME_AGAIN;
}

/* Runs one activation to its end or to its next try. */
static enum outcome run_waiting(struct vm *vm, struct waiting *w)
{
	struct scheduler *s = vm->scheduler;
	if (s->depth == INTERRUPTS_MAX)
		return OUTCOME_AGAIN;
	struct waiting *below = s->depth ? s->running[s->depth - 1] : NULL;
	if (below)
		tell(vm, w->intention, "interrupts %s", below->intention->name);
	w->running = true;
	s->running[s->depth++] = w;
	enum outcome outcome = attempt(vm, w);
	s->depth--;
	w->running = false;
	uint32_t index = (uint32_t)(w->intention - vm->program->intentions);
	if (s->attempts && (outcome == OUTCOME_DONE || outcome == OUTCOME_FAILED)) {
		s->attempts[index]++;
		s->successes[index] += outcome == OUTCOME_DONE;
	}
	if (outcome != OUTCOME_AGAIN)
		deactivate(vm, w);
	if (below && outcome != OUTCOME_RAISED) {
		bool raised = false;
		const char *why = must_stop(vm, below, true, &raised);
		if (raised)
			return OUTCOME_RAISED;
		if (why) {
			stop_running(vm, below, why);
			return OUTCOME_RAISED;
		}
		tell(vm, below->intention, "goes on");
	}
	return outcome;
}

/* The most urgent activation that may run now: by priority, then by age. */
static struct waiting *pick(struct vm *vm, double above)
{
	struct scheduler *s = vm->scheduler;
	struct waiting *best = NULL;
	for (uint32_t i = 0; i < s->active_count; i++) {
		struct waiting *w = s->active[i];
		if (w->running || w->next_ns > vm->clock_ns || w->intention->priority <= above)
			continue;
		if (!best || w->intention->priority > best->intention->priority ||
		    (w->intention->priority == best->intention->priority &&
		     (w->next_ns < best->next_ns ||
		      (w->next_ns == best->next_ns && w->number < best->number))))
			best = w;
	}
	return best;
}

static bool run_ready(struct vm *vm, double above, bool boot)
{
	struct waiting *w;
	(void)boot;
	while (!vm->scheduler->stopped && (w = pick(vm, above))) {
		if (run_waiting(vm, w) == OUTCOME_RAISED)
			return false;
		if (!activate_due(vm))
			return false;
	}
	return true;
}

/* ---- goals with several plans ---- */
static bool names_goal(struct vm *vm, const struct intention *i, struct string *goal, bool *raised)
{
	if (!i->clauses[CLAUSE_GOAL])
		return false;
	value v = clause_value(vm, i, CLAUSE_GOAL);
	if (v == V_RAISE) {
		*raised = true;
		return false;
	}
	return is_string(v) && string_equal(vm, as_string(v), goal);
}

/*
 * Tries the plans for a goal, best first: those whose condition holds, by priority, then by least cost, then
 * by their share of successes so far; each once. True, or an error value with the reasons; V_RAISE.
 */
static value pursue(struct vm *vm, struct string *goal)
{
	struct scheduler *s = vm->scheduler;
	uint32_t count = vm->program->intention_count;
	bool *tried = calloc(count ? count : 1, 1), raised = false;
	struct text reasons = {0};
	value result = V_EMPTY;
	if (!tried)
		abort();
	vm_root_push(vm, from_object(goal));
	while (result == V_EMPTY) {
		struct intention *best = NULL;
		double best_cost = 0, best_rate = 0;
		for (uint32_t i = 0; i < count && !raised; i++) {
			struct intention *plan = &vm->program->intentions[i];
			double cost = 0, rate;
			if (tried[i] || !names_goal(vm, plan, goal, &raised))
				continue;
			if (plan->clauses[CLAUSE_CONDITION]) {
				value v = clause_value(vm, plan, CLAUSE_CONDITION);
				raised |= v == V_RAISE;
				if (raised || !value_truthy(v))
					continue;
			}
			if (plan->clauses[CLAUSE_COST]) {
				value v = clause_value(vm, plan, CLAUSE_COST);
				raised |= v == V_RAISE;
				if (!raised)
					to_double(v, &cost);
			}
			rate = ((double)s->successes[i] + 1) / ((double)s->attempts[i] + 2);
			if (!best || plan->priority > best->priority ||
			    (plan->priority == best->priority &&
			     (cost < best_cost || (cost == best_cost && rate > best_rate)))) {
				best = plan;
				best_cost = cost;
				best_rate = rate;
			}
		}
		if (raised) {
			result = V_RAISE;
		} else if (!best) {
			result = from_object(
			    error_new(vm, "goal",
			              string_format(vm, "no plan reached '%s'%.300s", string_bytes(vm, goal),
			                            reasons.bytes ? reasons.bytes : "")));
		} else {
			tried[best - vm->program->intentions] = true;
			tell(vm, best, "is the plan for '%s'", string_bytes(vm, goal));
			struct waiting *w = activate(vm, best, from_object(goal));
			enum outcome outcome = OUTCOME_AGAIN;
			while (w && outcome == OUTCOME_AGAIN) {
				int64_t next = w->next_ns;
				w->running = true; /* nobody else takes it while we wait */
				bool ok = scheduler_advance(vm, next);
				w->running = false;
				outcome = ok ? run_waiting(vm, w) : OUTCOME_RAISED;
			}
			if (outcome == OUTCOME_RAISED)
				result = V_RAISE;
			else if (outcome == OUTCOME_DONE)
				result = V_TRUE;
			else if (outcome == OUTCOME_FAILED)
				text_print(&reasons, "; %s: %s", best->name, string_bytes(vm, s->reason));
		}
	}
	vm_root_pop(vm, 1);
	free(tried);
	free(reasons.bytes);
	return result;
}

/* ---- the run ---- */
/* Looks at an intention's trigger once. True: run it now. */
static bool boot_trigger(struct vm *vm, uint32_t index, bool *raised)
{
	struct intention *i = &vm->program->intentions[index];
	struct trigger *t = &vm->scheduler->triggers[index];
	if (i->clauses[CLAUSE_GOAL] && !i->clauses[CLAUSE_TRIGGER])
		return false; /* a plan: runs when somebody wants the goal */
	if (!i->clauses[CLAUSE_TRIGGER])
		return true;
	vm->scheduler->in_trigger = true;
	value v = clause_value(vm, i, CLAUSE_TRIGGER);
	vm->scheduler->in_trigger = false;
	if (v == V_RAISE) {
		*raised = true;
		return false;
	}
	if (is_type(v, T_HANDLE) && as_object(v)->kind == 255) { /* made by every(), after() ... */
		struct handle *h = (struct handle *)as_object(v);
		t->kind = (uint8_t)h->rights;
		t->period_ns = h->limit;
		t->next_ns = vm->clock_ns + h->limit;
		if (h->path)
			t->channel = strdup(string_bytes(vm, h->path));
		return false;
	}
	/* `when:` is looked at again; `trigger:` once, as in 1.2. */
	if (i->clauses[CLAUSE_TRIGGER]->node->flag) {
		t->kind = TRIGGER_CHANGE;
		t->held = value_truthy(v);
	}
	return value_truthy(v);
}

static int by_priority(const void *a, const void *b)
{
	const struct intention *x = *(struct intention *const *)a, *y = *(struct intention *const *)b;
	return x->priority > y->priority ? -1 : x->priority < y->priority ? 1 : x < y ? -1 : x > y;
}

static bool boot(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	uint32_t count = vm->program->intention_count;
	struct intention **order = must_allocate(NULL, count * sizeof(struct intention *));
	bool raised = false;
	for (uint32_t i = 0; i < count; i++)
		order[i] = &vm->program->intentions[i];
	if (count)
		qsort(order, count, sizeof(struct intention *), by_priority);
	/* In order of priority: look at the trigger, run, look at the next one's. */
	for (uint32_t i = 0; i < count && !raised && !s->stopped; i++) {
		uint32_t index = (uint32_t)(order[i] - vm->program->intentions);
		if (!boot_trigger(vm, index, &raised))
			continue;
		struct waiting *w = activate(vm, order[i], V_NIL);
		if (w && run_waiting(vm, w) == OUTCOME_RAISED)
			raised = true;
		if (!raised && !activate_due(vm))
			raised = true;
	}
	free(order);
	s->booted = true;
	return !raised;
}

bool scheduler_run(struct vm *vm)
{
	struct scheduler *s = scheduler_of(vm);
	uint32_t count = vm->program->intention_count;
	if (!count) {
		for (uint32_t i = 0; i < vm->program->function_count; i++)
			if (!strcmp(vm->program->functions[i]->name, "main") &&
			    vm->program->functions[i]->source == vm->program->source)
				return vm_call_proto(vm, vm->program->functions[i], NULL, 0) != V_RAISE;
		return true;
	}
	s->triggers = calloc(count, sizeof(*s->triggers));
	s->attempts = calloc(count, sizeof(*s->attempts));
	s->successes = calloc(count, sizeof(*s->successes));
	if (!s->triggers || !s->attempts || !s->successes)
		abort();
	if (!boot(vm) || !run_ready(vm, -1, false))
		return false;
	int64_t limit = s->limit_ns ? s->limit_ns : vm->live ? INT64_MAX : INT64_MAX - 1;
	while (!s->stopped) {
		int64_t next = next_event(vm, true);
		if (next == INT64_MAX) {
			if (!vm->live || !s->triggers)
				break;
			/* Live, and only messages can wake us: nobody sends any without a timer. */
			break;
		}
		/* Periodic events alone do not keep a logical run alive for ever. */
		if (!s->limit_ns && !vm->live && next_event(vm, false) == INT64_MAX && next > PERIODIC_LIMIT)
			break;
		if (next > limit)
			break;
		if (next > vm->clock_ns) {
			live_wait(vm, next);
			vm->clock_ns = next;
		}
		if (!activate_due(vm) || !run_ready(vm, -1, false))
			return false;
	}
	return true;
}

value scheduler_launch(struct vm *vm, const char *name, const value *args, unsigned count)
{
	(void)args;
	for (uint32_t i = 0; i < vm->program->intention_count; i++) {
		struct intention *intention = &vm->program->intentions[i];
		if (strcmp(intention->name, name))
			continue;
		/* As in 1.2: the body runs now, whatever its trigger and condition say. */
		if (!intention->clauses[CLAUSE_EXECUTE])
			return V_NIL;
		return vm_call_proto(vm, intention->clauses[CLAUSE_EXECUTE], NULL, 0) == V_RAISE ? V_RAISE
		                                                                                 : V_NIL;
	}
	(void)count;
	return vm_raise(vm, "call", "cannot launch '%s': no intention, flow or function has that name", name);
}

void scheduler_mark(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s)
		return;
	for (uint32_t i = 0; i < s->message_count; i++)
		gc_mark(vm, s->messages[i].item);
	for (uint32_t i = 0; i < s->active_count; i++)
		gc_mark(vm, s->active[i]->event);
	gc_mark_object(vm, s->reason);
}

void scheduler_free(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s)
		return;
	while (s->message_count)
		remove_message(s, s->message_count - 1);
	for (uint32_t i = 0; i < s->active_count; i++)
		free(s->active[i]);
	for (uint32_t i = 0; s->triggers && vm->program && i < vm->program->intention_count; i++)
		free(s->triggers[i].channel);
	free(s->messages);
	free(s->active);
	free(s->triggers);
	free(s->attempts);
	free(s->successes);
	free(s);
	vm->scheduler = NULL;
}

/* ---- built-in functions ---- */
static value make_trigger(struct vm *vm, enum trigger_kind kind, int64_t ns, struct string *channel)
{
	struct handle *h = handle_new(vm, 255);
	h->rights = kind;
	h->limit = ns;
	h->path = channel;
	return from_object(h);
}

NATIVE(intention_true)
{
	UNUSED_ARGS;
	return V_TRUE;
}

NATIVE(intention_on_command)
{
	struct scheduler *s = vm->scheduler;
	if (!s || !s->commands)
		return V_TRUE;
	if (count)
		ARG_STRING(0);
	return make_trigger(vm, TRIGGER_COMMAND, 0, count ? as_string(args[0]) : NULL);
}

NATIVE(intention_every)
{
	(void)count;
	ARG_TYPE(0, T_DURATION, "a duration");
	int64_t ns = ((struct duration *)as_object(args[0]))->nanoseconds;
	if (ns <= 0)
		return vm_raise(vm, "type", "every() needs a duration above 0");
	return make_trigger(vm, TRIGGER_EVERY, ns, NULL);
}

NATIVE(intention_after)
{
	(void)count;
	ARG_TYPE(0, T_DURATION, "a duration");
	int64_t ns = ((struct duration *)as_object(args[0]))->nanoseconds;
	return make_trigger(vm, TRIGGER_AFTER, ns > 0 ? ns : 0, NULL);
}

NATIVE(intention_on_message)
{
	(void)count;
	ARG_STRING(0);
	return make_trigger(vm, TRIGGER_MESSAGE, 0, as_string(args[0]));
}

NATIVE(intention_message)
{
	(void)args, (void)count;
	struct scheduler *s = vm->scheduler;
	return s && s->depth ? s->running[s->depth - 1]->event : V_NIL;
}

NATIVE(intention_post)
{
	ARG_STRING(0);
	if (scheduler_of(vm)->message_count >= QUEUE_MAX)
		return vm_raise(vm, "memory", "over %d messages wait", QUEUE_MAX);
	scheduler_post(vm, string_bytes(vm, as_string(args[0])), args[1]);
	if (count > 2 && is_type(args[2], T_DURATION)) {
		int64_t ns = ((struct duration *)as_object(args[2]))->nanoseconds;
		vm->scheduler->messages[vm->scheduler->message_count - 1].due_ns += ns > 0 ? ns : 0;
	}
	/* A more urgent intention that waits for this message runs at once. */
	struct scheduler *s = vm->scheduler;
	if (s->depth && !s->in_trigger && (!activate_due(vm) || !run_ready(vm, current_priority(s), false)))
		return V_RAISE;
	return V_NIL;
}

NATIVE(intention_listen)
{
	(void)count;
	struct string *source = value_to_string(vm, args[0]);
	value item = V_EMPTY;
	scheduler_of(vm);
	int64_t timeout =
	    is_type(args[1], T_DURATION) ? ((struct duration *)as_object(args[1]))->nanoseconds : 0;
	if (timeout > INT64_MAX / 2)
		timeout = INT64_MAX / 2;
	if (!scheduler_waiting_until(vm, source, vm->clock_ns + timeout, &item))
		return V_RAISE;
	return item == V_EMPTY ? args[2] : item;
}

NATIVE(intention_sleep)
{
	if (!count || !is_type(args[0], T_DURATION))
		return V_NIL;
	int64_t ns = ((struct duration *)as_object(args[0]))->nanoseconds, until;
	if (ns <= 0 || __builtin_add_overflow(vm->clock_ns, ns, &until))
		return V_NIL;
	scheduler_of(vm);
	return scheduler_advance(vm, until) ? V_NIL : V_RAISE;
}

NATIVE(intention_launch)
{
	if (!is_string(args[0]))
		return vm_raise(vm, "call", "launch needs a name");
	return scheduler_launch(vm, string_bytes(vm, as_string(args[0])), args + 1, count - 1);
}

NATIVE(intention_achieve)
{
	(void)count;
	ARG_STRING(0);
	struct scheduler *s = scheduler_of(vm);
	uint32_t n = vm->program->intention_count;
	if (!s->attempts) {
		s->attempts = calloc(n ? n : 1, sizeof(*s->attempts));
		s->successes = calloc(n ? n : 1, sizeof(*s->successes));
		if (!s->attempts || !s->successes)
			abort();
	}
	return pursue(vm, as_string(args[0]));
}

NATIVE(intention_reason)
{
	(void)args, (void)count;
	struct scheduler *s = vm->scheduler;
	return s && s->reason ? from_object(s->reason) : V_NIL;
}

NATIVE(intention_stop)
{
	(void)args, (void)count;
	scheduler_of(vm)->stopped = true;
	return V_NIL;
}

NATIVE(intention_active)
{
	(void)args, (void)count;
	struct scheduler *s = scheduler_of(vm);
	struct list *list = list_new(vm, 0);
	for (uint32_t i = 0; i < s->active_count; i++)
		list_push(vm, list,
		          from_object(string_new(vm, s->active[i]->intention->name,
		                                 strlen(s->active[i]->intention->name))));
	return from_object(list);
}

const struct native_entry intention_natives[] = {
    {"on_boot", intention_true, 0, -1, 0, "on_boot()", "A trigger: when the program starts."},
    {"on_user_intention", intention_true, 0, -1, 0, "on_user_intention()",
     "A trigger: when the program starts."},
    {"on_command", intention_on_command, 0, -1, 0, "on_command(name)",
     "A trigger: for each @command line of the input with that name; without such lines, at start."},
    {"every", intention_every, 1, 1, 0, "every(d)", "A trigger: again and again after the duration."},
    {"after", intention_after, 1, 1, 0, "after(d)", "A trigger: once, after the duration."},
    {"on_message", intention_on_message, 1, 1, 0, "on_message(channel)", "A trigger: for each message."},
    {"message", intention_message, 0, 0, 0, "message()", "What woke the running intention."},
    {"post", intention_post, 2, 3, 0, "post(channel, v, delay)", "Puts a message into a channel."},
    {"sleep", intention_sleep, 0, 1, 0, "sleep(d)", "Lets the time go on."},
    {"achieve", intention_achieve, 1, 1, 0, "achieve(goal)",
     "Tries the plans for a goal: true, or an error."},
    {"failure_reason", intention_reason, 0, 0, 0, "failure_reason()", "Why the last intention gave up."},
    {"stop", intention_stop, 0, 0, 0, "stop()", "Ends the run after the running intention."},
    {"active_intentions", intention_active, 0, 0, 0, "active_intentions()",
     "The names of what is not done yet."},
    {"__listen", intention_listen, 3, 3, NATIVE_HIDDEN, "", ""},
    {"__launch", intention_launch, 1, -1, NATIVE_HIDDEN, "", ""},
    {0},
};
