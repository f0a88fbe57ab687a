/*
 * Intentions: goals that are held. What was interrupted is looked at again, and given up for a stated reason.
 *
 * What an intention's life is: its trigger fires; its condition is looked at (false: nothing happens); it is
 * active until its `until` holds (or, without one, until its body ended). While active it is tried again,
 * after a pause that doubles from 10 ms to 10 s; it fails when `within` has passed, `budget` is used up,
 * `retries` tries failed or its condition no longer holds. Intentions that name one goal are plans for it:
 * see intention_pursue().
 */
#include "schedule.h"

#include <stdlib.h>

value intention_clause(struct vm *vm, const struct intention *i, enum clause which)
{
	if (which == CLAUSE_EXECUTE || which == CLAUSE_FAIL)
		return vm_call_proto(vm, i->clauses[which], NULL, 0);
	vm->unbroken++; /* a question is answered in one go */
	value v = vm_call_proto(vm, i->clauses[which], NULL, 0);
	vm->unbroken--;
	return v;
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
		value v = intention_clause(vm, w->intention, CLAUSE_UNTIL);
		if (v == V_RAISE)
			*raised = true;
		else if (value_truthy(v))
			return "";
	}
	if (w->intention->clauses[CLAUSE_CONDITION] && !*raised) {
		value v = intention_clause(vm, w->intention, CLAUSE_CONDITION);
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
	if (!s->depth || s->in_trigger || vm->unbroken || vm->walker)
		return true;
	struct waiting *top = s->running[s->depth - 1];
	/* In the middle of its work it is interrupted by what is more urgent; not on a branch, whose state is not yet real. */
	if (!timeline_is_branch(vm) && s->triggers) {
		int64_t due = vm->live ? scheduler_next(vm, true) : INT64_MAX;
		if (vm->live)
			events_poll(vm, due < top->deadline_ns ? due : top->deadline_ns);
		if ((vm->live || s->watches_changes) &&
		    (!scheduler_activate_due(vm) || !scheduler_run_ready(vm, scheduler_priority(s))))
			return false;
	}
	bool raised = false;
	const char *why = must_stop(vm, top, false, &raised);
	return why ? stop_running(vm, top, why) : true;
}

static enum outcome give_up(struct vm *vm, struct waiting *w, const char *why)
{
	struct scheduler *s = vm->scheduler;
	s->reason = string_new(vm, why, strlen(why));
	scheduler_tell(vm, w->intention, "gives up: %s", why);
	if (w->intention->clauses[CLAUSE_FAIL] && intention_clause(vm, w->intention, CLAUSE_FAIL) == V_RAISE)
		return OUTCOME_RAISED;
	return OUTCOME_FAILED;
}

static bool begin(struct vm *vm, struct waiting *w)
{
	struct intention *i = w->intention;
	w->fuel_start = vm->fuel_used + (uint64_t)(vm->countdown_start - vm->countdown);
	if (i->clauses[CLAUSE_WITHIN]) {
		value v = intention_clause(vm, i, CLAUSE_WITHIN);
		if (v == V_RAISE)
			return false;
		if (is_type(v, T_DURATION))
			w->deadline_ns = w->since_ns + ((struct duration *)as_object(v))->nanoseconds;
	}
	if (i->clauses[CLAUSE_BUDGET]) {
		int64_t steps;
		value v = intention_clause(vm, i, CLAUSE_BUDGET);
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
		value v = intention_clause(vm, i, CLAUSE_CONDITION);
		if (v == V_RAISE)
			return OUTCOME_RAISED;
		if (!value_truthy(v)) {
			if (w->tries)
				return give_up(vm, w, "its condition no longer holds");
			scheduler_tell(vm, i, "does not start: its condition is false");
			return OUTCOME_SKIPPED;
		}
	}
	if (held) {
		value v = intention_clause(vm, i, CLAUSE_UNTIL);
		if (v == V_RAISE)
			return OUTCOME_RAISED;
		if (value_truthy(v)) {
			scheduler_tell(vm, i,
			               w->tries ? "reached its goal after %u tries" : "has its goal already",
			               w->tries);
			return OUTCOME_DONE;
		}
	}
	if (vm->clock_ns > w->deadline_ns)
		return give_up(vm, w, "its time is up");
	w->tries++;
	scheduler_tell(vm, i, "runs (try %u)", w->tries);
	value v = i->clauses[CLAUSE_EXECUTE] ? intention_clause(vm, i, CLAUSE_EXECUTE) : V_NIL;
	snprintf(why, sizeof(why), "the tries are used up");
	if (v == V_RAISE) {
		if (w->stop) { /* we made it leave */
			vm->stopping = false;
			vm->error = V_NIL;
			if (!w->stop[0]) {
				scheduler_tell(vm, i, "reached its goal while it was interrupted");
				return OUTCOME_DONE;
			}
			return give_up(vm, w, w->stop);
		}
		if (vm->stopping || !lenient)
			return OUTCOME_RAISED;
		struct string *message = ((struct flux_error *)as_object(vm->error))->message;
		snprintf(why, sizeof(why), "%s", string_bytes(vm, message));
		scheduler_tell(vm, i, "failed: %s", why);
		vm->error = V_NIL;
	} else if (!held && !is_type(v, T_ERROR)) {
		scheduler_tell(vm, i, "done");
		return OUTCOME_DONE;
	}
	if (is_type(v, T_ERROR)) {
		snprintf(why, sizeof(why), "%s",
		         string_bytes(vm, ((struct flux_error *)as_object(v))->message));
		scheduler_tell(vm, i, "failed: %s", why);
	}
	if (held) {
		value reached = intention_clause(vm, i, CLAUSE_UNTIL);
		if (reached == V_RAISE)
			return OUTCOME_RAISED;
		if (value_truthy(reached)) {
			scheduler_tell(vm, i, "reached its goal after %u tr%s", w->tries,
			               w->tries == 1 ? "y" : "ies");
			return OUTCOME_DONE;
		}
	}
	int64_t retries = held ? 1000 : 0;
	if (i->clauses[CLAUSE_RETRIES]) {
		v = intention_clause(vm, i, CLAUSE_RETRIES);
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
enum outcome intention_run(struct vm *vm, struct waiting *w)
{
	struct scheduler *s = vm->scheduler;
	if (s->depth == INTERRUPTS_MAX)
		return OUTCOME_AGAIN;
	struct waiting *below = s->depth ? s->running[s->depth - 1] : NULL;
	if (below)
		scheduler_tell(vm, w->intention, "interrupts %s", below->intention->name);
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
		scheduler_deactivate(vm, w);
	if (below && outcome != OUTCOME_RAISED) {
		bool raised = false;
		const char *why = must_stop(vm, below, true, &raised);
		if (raised)
			return OUTCOME_RAISED;
		if (why) {
			stop_running(vm, below, why);
			return OUTCOME_RAISED;
		}
		scheduler_tell(vm, below->intention, "goes on");
	}
	return outcome;
}

/* ---- goals with several plans ---- */
static bool names_goal(struct vm *vm, const struct intention *i, struct string *goal, bool *raised)
{
	if (!i->clauses[CLAUSE_GOAL])
		return false;
	value v = intention_clause(vm, i, CLAUSE_GOAL);
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
value intention_pursue(struct vm *vm, struct string *goal)
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
				value v = intention_clause(vm, plan, CLAUSE_CONDITION);
				raised |= v == V_RAISE;
				if (raised || !value_truthy(v))
					continue;
			}
			if (plan->clauses[CLAUSE_COST]) {
				value v = intention_clause(vm, plan, CLAUSE_COST);
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
			scheduler_tell(vm, best, "is the plan for '%s'", string_bytes(vm, goal));
			struct waiting *w = scheduler_activate(vm, best, from_object(goal));
			enum outcome outcome = OUTCOME_AGAIN;
			while (w && outcome == OUTCOME_AGAIN) {
				int64_t next = w->next_ns;
				w->running = true; /* nobody else takes it while we wait */
				bool ok = scheduler_advance(vm, next);
				w->running = false;
				outcome = ok ? intention_run(vm, w) : OUTCOME_RAISED;
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
