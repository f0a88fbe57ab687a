/*
 * The scheduler: messages, time, and which intention runs next. It runs them by priority, delivers events, and lets a more
 * urgent intention interrupt a less urgent one where that waits or posts, and between its instructions.
 *
 * Time is logical: it goes on when something waits, straight to what happens next, so a run is the same every time. In a
 * live run (vm->live) waiting takes real time, and what happens outside wakes it: events.c.
 */
#include "capability.h"
#include "schedule.h"

#include <stdlib.h>

#define PERIODIC_LIMIT 60000000000 /* logical time that a program with nothing but periodic events runs */

static void *must_allocate(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);
	if (!p)
		abort();
	return p;
}

struct scheduler *scheduler_of(struct vm *vm)
{
	if (!vm->scheduler) {
		vm->scheduler = calloc(1, sizeof(*vm->scheduler));
		if (!vm->scheduler)
			abort();
	}
	return vm->scheduler;
}

/* A line of the story that `flux explain` prints and a trace keeps. */
void scheduler_tell(struct vm *vm, const struct intention *i, const char *format, ...)
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
	s->marked -= i < s->marked;
}

bool scheduler_listens(const struct vm *vm, const char *source)
{
	const struct scheduler *s = vm->scheduler;
	for (uint32_t i = 0; s && s->triggers && i < vm->program->intention_count; i++)
		if (s->triggers[i].channel && !strcmp(s->triggers[i].channel, source))
			return true;
	return false;
}

/* The number of a message from this source that is due, or -1. */
static int64_t find_message(struct vm *vm, struct string *source)
{
	const struct scheduler *s = vm->scheduler;
	const char *name = string_bytes(vm, source);
	for (uint32_t i = 0; i < s->message_count; i++)
		if (s->messages[i].due_ns <= vm->clock_ns && !strcmp(s->messages[i].source, name))
			return i;
	return -1;
}

bool scheduler_take(struct vm *vm, struct string *source, value *item)
{
	struct scheduler *s = scheduler_of(vm);
	int64_t i = find_message(vm, source);
	if (i < 0)
		return false;
	*item = s->messages[i].item;
	remove_message(s, (uint32_t)i);
	return true;
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
		events_deliver(vm, source, at, (size_t)(to - at));
		s->messages[s->message_count - 1].due_ns = due;
		at = line_end + 1;
	}
	source_free(file);
	return true;
}

/* ---- waiting ---- */
double scheduler_priority(const struct scheduler *s)
{
	return s->depth ? s->running[s->depth - 1]->intention->priority : -1;
}

/* The first event after a time; messages that are due already wake nobody by themselves. */
static int64_t next_after(struct vm *vm, int64_t after, bool periodic)
{
	struct scheduler *s = vm->scheduler;
	int64_t next = INT64_MAX;
	for (uint32_t i = 0; i < s->message_count; i++)
		if (s->messages[i].due_ns > vm->clock_ns && s->messages[i].due_ns < next)
			next = s->messages[i].due_ns;
	for (uint32_t i = 0; s->triggers && i < vm->program->intention_count; i++) {
		const struct trigger *t = &s->triggers[i];
		if ((t->kind == TRIGGER_AFTER || (periodic && t->kind == TRIGGER_EVERY)) &&
		    t->next_ns > after && t->next_ns < next)
			next = t->next_ns;
	}
	for (uint32_t i = 0; i < s->active_count; i++)
		if (!s->active[i]->running && s->active[i]->next_ns > after && s->active[i]->next_ns < next)
			next = s->active[i]->next_ns;
	return next;
}

int64_t scheduler_next(struct vm *vm, bool periodic)
{
	return next_after(vm, INT64_MIN, periodic);
}

/* The same for what is not due yet. */
static int64_t next_later(struct vm *vm)
{
	return next_after(vm, vm->clock_ns, true);
}

/* Waits until that time, or, if there is a source, until a message came from it. */
static bool advance(struct vm *vm, int64_t until, struct string *source)
{
	struct scheduler *s = scheduler_of(vm);
	if (s->limit_ns && until > s->limit_ns && (vm->generation || !vm->program->intention_count)) {
		/* A program that is no set of intentions, and a child, end in the middle of a wait. */
		while (vm->clock_ns < s->limit_ns && !vm->interrupted)
			events_wait(vm, s->limit_ns);
		s->ended = !vm->generation;
		vm->stopping = true;
		vm_raise(vm, "limit", "the time is up");
		return false;
	}
	/* What is due already runs first; what is not urgent enough for that waits for the end of this wait. */
	if (vm->clock_ns < until && scheduler_next(vm, true) <= vm->clock_ns &&
	    (!scheduler_activate_due(vm) || !scheduler_run_ready(vm, scheduler_priority(s))))
		return false;
	while (vm->clock_ns < until) {
		int64_t next = next_later(vm);
		events_wait(vm, next < until ? next : until);
		if (!scheduler_activate_due(vm) || !scheduler_run_ready(vm, scheduler_priority(s)))
			return false;
		if (source && find_message(vm, source) >= 0)
			break;
	}
	return true;
}

bool scheduler_advance(struct vm *vm, int64_t until)
{
	return advance(vm, until, NULL);
}

bool scheduler_waiting_until(struct vm *vm, struct string *source, int64_t deadline, value *item)
{
	vm_root_push(vm, from_object(source));
	bool found = false;
	while (!found) {
		found = scheduler_take(vm, source, item);
		if (found || vm->clock_ns >= deadline)
			break;
		int64_t next = scheduler_next(vm, true);
		if (next == INT64_MAX && !vm->live)
			break; /* nobody will ever say anything: no time passes */
		next = next_later(vm);
		if (next > deadline)
			next = deadline;
		if (!advance(vm, next, source)) {
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
struct waiting *scheduler_activate(struct vm *vm, struct intention *i, value event)
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
		s->active = must_allocate(s->active, s->active_capacity * sizeof(struct waiting *));
	}
	s->active[s->active_count++] = w;
	return w;
}

void scheduler_deactivate(struct vm *vm, struct waiting *w)
{
	struct scheduler *s = vm->scheduler;
	for (uint32_t i = 0; i < s->active_count; i++)
		if (s->active[i] == w) {
			memmove(s->active + i, s->active + i + 1,
			        (s->active_count - i - 1) * sizeof(struct waiting *));
			s->active_count--;
			break;
		}
	free(w);
}

/* Timers and messages that are due, and `when` conditions that became true, activate their intentions. */
bool scheduler_activate_due(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s->triggers)
		return true;
	for (uint32_t i = 0; i < vm->program->intention_count; i++) {
		struct intention *intention = &vm->program->intentions[i];
		struct trigger *t = &s->triggers[i];
		if (t->kind == TRIGGER_EVERY && t->next_ns <= vm->clock_ns) {
			scheduler_activate(vm, intention, V_NIL);
			t->next_ns += t->period_ns;
			if (t->next_ns <= vm->clock_ns) /* missed ones are not made up for */
				t->next_ns = vm->clock_ns + t->period_ns;
		} else if (t->kind == TRIGGER_AFTER && t->next_ns <= vm->clock_ns) {
			scheduler_activate(vm, intention, V_NIL);
			t->kind = TRIGGER_NONE;
		} else if (t->kind == TRIGGER_MESSAGE || t->kind == TRIGGER_COMMAND) {
			for (uint32_t k = 0; k < s->message_count;) {
				struct message *m = &s->messages[k];
				const char *channel = t->kind == TRIGGER_COMMAND ? "command" : t->channel;
				const char *text =
				    is_string(m->item) ? string_bytes(vm, as_string(m->item)) : "";
				if (m->due_ns > vm->clock_ns || strcmp(m->source, channel) != 0 ||
				    (t->kind == TRIGGER_COMMAND && t->channel &&
				     strcmp(text, t->channel) != 0)) {
					k++;
					continue;
				}
				value item = m->item;
				remove_message(s, k);
				scheduler_activate(vm, intention, item);
			}
		} else if (t->kind == TRIGGER_METRIC && !s->in_trigger) {
			for (uint32_t k = 0; k < s->message_count;) {
				struct message *m = &s->messages[k];
				if (m->due_ns > vm->clock_ns || strcmp(m->source, t->channel) != 0) {
					k++;
					continue;
				}
				value item = m->item;
				remove_message(s, k);
				vm_root_push(vm, item);
				s->in_trigger = true;
				value v = vm_call(vm, t->test, &item, 1);
				s->in_trigger = false;
				vm_root_pop(vm, 1);
				if (v == V_RAISE)
					return false;
				if (value_truthy(v) && !t->held)
					scheduler_activate(vm, intention, item);
				t->held = value_truthy(v);
			}
		} else if (t->kind == TRIGGER_CHANGE && !s->in_trigger) {
			s->in_trigger = true;
			value v = intention_clause(vm, intention, CLAUSE_TRIGGER);
			s->in_trigger = false;
			if (v == V_RAISE)
				return false;
			bool now = value_truthy(v);
			if (now && !t->held)
				scheduler_activate(vm, intention, v);
			t->held = now;
		}
	}
	return true;
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

bool scheduler_run_ready(struct vm *vm, double above)
{
	struct waiting *w;
	while (!vm->scheduler->stopped && (w = pick(vm, above))) {
		if (intention_run(vm, w) == OUTCOME_RAISED)
			return false;
		if (!scheduler_activate_due(vm))
			return false;
	}
	return true;
}

/* ---- the run ---- */
/* What a trigger for something outside looks at: its handle holds a list [capability, path or name, test]. */
static void begin_watch(struct vm *vm, struct trigger *t, const struct handle *h)
{
	if (!is_type(h->attached, T_LIST))
		return;
	const struct list *list = as_list(h->attached);
	t->test = list->items[2];
	if (list->items[0] == V_NIL)
		return;
	const struct handle *c = (struct handle *)as_object(list->items[0]);
	const char *path = string_bytes(vm, as_string(list->items[1]));
	t->kept = h->attached;
	if (c->object.kind == HANDLE_SUBKERNELS)
		events_watch_subkernel(vm, path, t->channel, h->limit);
	else if (t->kind == TRIGGER_METRIC)
		events_watch_metric(vm, c->descriptor, path, t->channel, h->limit);
	else
		events_watch_file(vm, c->descriptor, path, t->channel);
}

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
	value v = intention_clause(vm, i, CLAUSE_TRIGGER);
	vm->scheduler->in_trigger = false;
	if (v == V_RAISE) {
		*raised = true;
		return false;
	}
	if (is_type(v, T_HANDLE) && as_object(v)->kind == HANDLE_TRIGGER) { /* made by every(), after() ... */
		struct handle *h = (struct handle *)as_object(v);
		t->kind = (uint8_t)h->rights;
		t->period_ns = h->limit;
		t->next_ns = vm->clock_ns + h->limit;
		if (h->path)
			t->channel = strdup(string_bytes(vm, h->path));
		begin_watch(vm, t, h);
		return false;
	}
	/* `when:` is looked at again; `trigger:` once, as in 1.2. */
	if (i->clauses[CLAUSE_TRIGGER]->node->flag) {
		t->kind = TRIGGER_CHANGE;
		vm->scheduler->watches_changes = true;
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
		struct waiting *w = scheduler_activate(vm, order[i], V_NIL);
		if (w && intention_run(vm, w) == OUTCOME_RAISED)
			raised = true;
		if (!raised && !scheduler_activate_due(vm))
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
				return vm_call_proto(vm, vm->program->functions[i], NULL, 0) != V_RAISE ||
				       s->ended;
		return true;
	}
	s->triggers = calloc(count, sizeof(*s->triggers));
	s->attempts = calloc(count, sizeof(*s->attempts));
	s->successes = calloc(count, sizeof(*s->successes));
	if (!s->triggers || !s->attempts || !s->successes)
		abort();
	for (uint32_t i = 0; i < count; i++)
		s->triggers[i].test = s->triggers[i].kept = V_NIL;
	if (!boot(vm) || !scheduler_run_ready(vm, -1))
		return false;
	int64_t limit = s->limit_ns ? s->limit_ns : vm->live ? INT64_MAX : INT64_MAX - 1;
	while (!s->stopped) {
		int64_t next = scheduler_next(vm, true);
		/* Live, what happens outside can wake us, too; a replay knows whether it did. */
		if (next == INT64_MAX && !(vm->live && events_expected(vm)))
			break;
		/* Periodic events alone do not keep a logical run alive for ever. */
		if (!s->limit_ns && !vm->live && scheduler_next(vm, false) == INT64_MAX &&
		    next > PERIODIC_LIMIT)
			break;
		if (next > limit) {
			if (!vm->live || limit == INT64_MAX || !events_expected(vm))
				break;
			next = limit;
			if (vm->clock_ns >= limit)
				break;
		}
		if (next > vm->clock_ns)
			events_wait(vm, next);
		if (!scheduler_activate_due(vm) || !scheduler_run_ready(vm, -1))
			return false;
	}
	return true;
}

value scheduler_launch(struct vm *vm, const char *name, const value *args, unsigned count)
{
	(void)args;
	for (uint32_t i = 0; i < vm->program->intention_count; i++) {
		struct intention *intention = &vm->program->intentions[i];
		if (strcmp(intention->name, name) != 0)
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

bool scheduler_mark(struct vm *vm)
{
	struct scheduler *s = vm->scheduler;
	if (!s)
		return true;
	if (s->marked_cycle != vm->heap.cycle)
		s->marked = 0;
	s->marked_cycle = vm->heap.cycle;
	for (; s->marked < s->message_count && vm->heap.work >= 0; s->marked++)
		gc_mark(vm, s->messages[s->marked].item);
	for (uint32_t i = 0; i < s->active_count; i++)
		gc_mark(vm, s->active[i]->event);
	for (uint32_t i = 0; s->triggers && vm->program && i < vm->program->intention_count; i++) {
		gc_mark(vm, s->triggers[i].test);
		gc_mark(vm, s->triggers[i].kept);
	}
	gc_mark_object(vm, s->reason);
	return s->marked == s->message_count;
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
