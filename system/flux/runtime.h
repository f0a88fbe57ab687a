/* What the parts of the runtime offer to one another beside vm.h. */
#ifndef FLUX_RUNTIME_H
#define FLUX_RUNTIME_H

#include "program.h"
#include "vm.h"

/* ---- run.c: starting a program ---- */
/* Gives state, constants, structs and mosaics their first values. False: raised. */
bool program_start(struct vm *vm);
void program_mark(struct vm *vm, const struct program *program);
/* Prints what is raised, with its trace, to `out`. */
void report_error(struct vm *vm, FILE *out);

/* ---- intention.c ---- */
/* Runs all intentions until none has anything to do, or function main. False: raised. */
bool scheduler_run(struct vm *vm);
bool scheduler_poll(struct vm *vm);
void scheduler_free(struct vm *vm);
bool scheduler_mark(struct vm *vm); /* false: some messages are left for the next step */
value scheduler_launch(struct vm *vm, const char *name, const value *args, unsigned count);
/* Logical time goes on to `until`, or to what happens before; events that become due are delivered. */
bool scheduler_advance(struct vm *vm, int64_t until);
/* An input for a source: from a file of inputs or sent by the program. */
void scheduler_post(struct vm *vm, const char *source, value item);
bool scheduler_take(struct vm *vm, struct string *source, value *item);
bool scheduler_load_input(struct vm *vm, const char *path);
void scheduler_story(struct vm *vm, FILE *out);
void scheduler_limit(struct vm *vm, int64_t ns);
bool scheduler_waiting_until(struct vm *vm, struct string *source, int64_t deadline, value *item);

/* Is there an intention that a message of this source would wake? */
bool scheduler_listens(const struct vm *vm, const char *source);

/* ---- events.c ---- */
void events_free(struct vm *vm);
/* Time goes on to `until`, or, in a live run, to where something happens outside. */
void events_wait(struct vm *vm, int64_t until);
/* A look outside while the program is at work; `due`: when something is due by itself. True: time went on. */
bool events_poll(struct vm *vm, int64_t due);
bool events_expected(const struct vm *vm);
/* A message of an event, made from its text. */
void events_deliver(struct vm *vm, const char *source, const char *text, size_t length);
/* The program's clock was set forward. */
void events_clock_moved(struct vm *vm);
/* Lines of standard input are events from now on. */
void events_read_input(struct vm *vm);
void events_watch_file(struct vm *vm, int directory, const char *path, const char *channel);
void events_watch_metric(struct vm *vm, int directory, const char *path, const char *channel,
                         int64_t period_ns);
/* From now on ends of processes are counted. False: errno. */
bool events_watch_processes(void);
/* Waits until some process ended, at the latest until that time. False: raised. */
bool events_wait_process(struct vm *vm, int64_t until, bool *ended);
void events_watch_subkernel(struct vm *vm, const char *name, const char *channel, int64_t period_ns);
/* The program changed a file, which is an event too. */
void events_file_changed(struct vm *vm, const char *path, const char *what);

/* ---- timeline.c ---- */
void timelines_init(struct vm *vm);
void timelines_free(struct vm *vm);
/* Marks what timelines keep, as far as the step goes; true when all of it is marked in this cycle, and none is young. */
bool timelines_mark(struct vm *vm);
void timelines_finish(struct vm *vm); /* the run ends: what the current timeline did, happened */
bool timeline_is_branch(const struct vm *vm);
const char *timeline_name(const struct vm *vm);
/* Something for outside: now, or when the current branch is merged. effect_apply() of capability.c does it.
 */
enum effect_kind { EFFECT_TEXT, EFFECT_WRITE, EFFECT_APPEND, EFFECT_REMOVE, EFFECT_MOVE };
void timeline_effect(struct vm *vm, unsigned kind, const char *target, const char *bytes, size_t length);
void effect_apply(struct vm *vm, unsigned kind, const char *target, const char *bytes, size_t length);

/* ---- trace.c ---- */
void trace_close(struct vm *vm);
int trace_replay(const char *path, FILE *out);
/* The same with the trace in memory, which is taken over (malloc). Fuel and memory of the run are at most what is given;
 * 0: as the trace says. `name` is for messages. */
int trace_replay_bytes(const char *name, char *bytes, size_t length, int64_t fuel_most, uint64_t memory_most,
                       FILE *out);
/* An outside value: the recorded one in a replay, else NULL; then trace_note() records the real one. */
bool trace_replaying(const struct vm *vm);
bool trace_outside(struct vm *vm, const char *what, struct string **text);
void trace_note(struct vm *vm, const char *what, const char *bytes, size_t length);
void trace_output(struct vm *vm, const char *bytes, size_t length);
void trace_event(struct vm *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Steps done so far: where in a run something was noticed. */
static inline uint64_t vm_steps(const struct vm *vm)
{
	return vm->fuel_used + (uint64_t)(vm->countdown_start - vm->countdown);
}
/* Something was noticed, while waiting ('W') or at work ('P'): so many events follow, each by trace_note_happened(). */
void trace_note_wake(struct vm *vm, char where, int64_t clock_ns, unsigned events);
void trace_note_happened(struct vm *vm, const char *source, const char *text, size_t length);
/* In a replay: was something noticed here? */
bool trace_wake(struct vm *vm, char where, int64_t *clock_ns, unsigned *events);
bool trace_happened(struct vm *vm, const char **source, const char **text, size_t *length);

/* ---- transfer.c ---- */
/* A value for another machine; V_EMPTY if it belongs to its own, or is too large or deep. */
value value_transfer(struct vm *from, struct vm *to, value v);

/* ---- mosaic.c, dist.c, bandit.c ---- */
value mosaic_new(struct vm *vm, const char *name);
value mosaic_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count);
struct dist *dist_make(struct vm *vm, const value *pairs, unsigned count); /* NULL: raised */
value bandit_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count);
value capability_method(struct vm *vm, value receiver, struct string *name, value *args, unsigned count);

/* ---- walk.c: the plain evaluator ---- */
value walker_call_proto(struct vm *vm, struct proto *proto, const value *args, unsigned count);
value walker_call(struct vm *vm, struct function *function, const value *args, unsigned count);
void walker_attach(struct vm *vm);
void walker_detach(struct vm *vm);

/* ---- what kinds of objects own, for object.c and timeline.c: a copy of the contents that change, and
 * exchanging it ---- */
void handle_close(struct handle *handle);
void mosaic_free_parts(struct vm *vm, struct object *object);
void cursor_mark_parts(struct vm *vm, struct object *object);
void *mosaic_copy(struct object *object);
void mosaic_swap(struct object *object, void *saved);
void mosaic_free_copy(struct vm *vm, void *saved);
/* The facts of a copy, from a page's first place on: where to go on, 0 when all are marked. */
uint32_t mosaic_mark_copy(struct vm *vm, const void *saved, uint32_t from);
/* Writes what lasting mosaics learnt; everything anew, or what is not written yet. */
void mosaic_flush(struct vm *vm, bool everything);
void mosaic_merge(struct vm *vm, struct object *object, void *base, void *source);
struct dist *mosaic_dist(struct vm *vm, value cursor); /* NULL: raised */
void bandit_free_parts(struct object *object);
void bandit_mark_parts(struct vm *vm, struct object *object);
void *bandit_copy(const struct object *object, size_t *size);
void bandit_swap(struct object *object, void *saved);

/* ---- capability.c ---- */
/* A directory tree; directory NULL: in a replay, where nothing outside is touched. */
value capability_files(struct vm *vm, const char *directory, bool writable);
value capability_simple(struct vm *vm, const char *name);

/* A capability whose methods vm->host answers: for programs that embed the machine. */
value capability_host(struct vm *vm);

/* ---- paradox.c ---- */
/* A program's text with one to three small changes in its functions; NULL if it has errors. Freed by the caller. */
char *paradox_vary_source(struct vm *vm, const char *text, size_t length);

/* ---- json.c ---- */
bool json_put(struct vm *vm, struct text *out, value v);        /* false: raised, as it has no form in JSON */
value json_get(struct vm *vm, const char *text, size_t length); /* V_EMPTY: it is no JSON */

/* ---- UTF-8 (operations.c) ---- */
uint32_t utf8_count(const char *bytes, size_t length);
size_t utf8_offset(const char *bytes, size_t length,
                   size_t characters); /* where character number `characters` begins */

/* ---- print.c ---- */
/* Called before each declaration, clause and statement is printed, and at the end of a block; NULL: nothing.
 */
extern void (*print_before)(struct text *out, const struct node *n, unsigned indent);

/* ---- arguments of natives ---- */
#define ARG_STRING(n)                                                                                        \
	do {                                                                                                 \
		if (!is_string(args[n]))                                                                     \
			return vm_raise(vm, "type", "argument %d must be a string, not %s", (n) + 1,         \
			                value_type_name(args[n]));                                           \
	} while (0)
#define ARG_TYPE(n, type, name)                                                                              \
	do {                                                                                                 \
		if (!is_type(args[n], type))                                                                 \
			return vm_raise(vm, "type", "argument %d must be %s, not %s", (n) + 1, name,         \
			                value_type_name(args[n]));                                           \
	} while (0)
#define ARG_INT(n, variable)                                                                                 \
	int64_t variable;                                                                                    \
	do {                                                                                                 \
		if (!to_whole(args[n], &(variable)))                                                         \
			return vm_raise(vm, "type", "argument %d must be a whole number, not %s", (n) + 1,   \
			                value_type_name(args[n]));                                           \
	} while (0)
#define ARG_NUMBER(n, variable)                                                                              \
	double variable;                                                                                     \
	do {                                                                                                 \
		if (!to_double(args[n], &(variable)))                                                        \
			return vm_raise(vm, "type", "argument %d must be a number, not %s", (n) + 1,         \
			                value_type_name(args[n]));                                           \
	} while (0)

/* An integer, or a float that is a whole number. */
static inline bool to_whole(value v, int64_t *out)
{
	if (to_int64(v, out))
		return true;
	if (is_double(v) && as_double(v) >= -9.2e18 && as_double(v) <= 9.2e18) {
		*out = (int64_t)as_double(v);
		return (double)*out == as_double(v);
	}
	return false;
}

#define NATIVE(function) static value function(struct vm *vm, value *args, unsigned count)
#define UNUSED_ARGS      (void)vm, (void)args, (void)count

#endif
