/* Built-in functions of intentions: triggers, messages, waiting, goals. */
#include "capability.h"
#include "schedule.h"

#include <stdlib.h>

/* ---- built-in functions ---- */
static value make_trigger(struct vm *vm, enum trigger_kind kind, int64_t ns, struct string *channel)
{
	struct handle *h = handle_new(vm, HANDLE_TRIGGER);
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

/* A trigger whose handle holds [capability, path or name, test]. */
static value make_watch(struct vm *vm, enum trigger_kind kind, const char *prefix, value capability,
                        value path, value test, int64_t period)
{
	char channel[700];
	const char *text = string_bytes(vm, as_string(path));
	size_t prefix_length = strlen(prefix);
	if (strlen(text) > 500 || strlen(text) != as_string(path)->length)
		return vm_raise(vm, "type",
		                "what is watched has a name of at most 500 bytes, without zero bytes");
	memcpy(channel, prefix, prefix_length + 1);
	if (is_type(capability, T_HANDLE) && as_object(capability)->kind == HANDLE_FILES)
		files_full_path(vm, (struct handle *)as_object(capability), text, channel + prefix_length,
		                sizeof(channel) - prefix_length);
	else
		snprintf(channel + prefix_length, sizeof(channel) - prefix_length, "%s", text);
	value v = make_trigger(vm, kind, period, string_new(vm, channel, strlen(channel)));
	struct list *list = list_new(vm, 3);
	list_push(vm, list, capability);
	list_push(vm, list, path);
	list_push(vm, list, test);
	((struct handle *)as_object(v))->attached = from_object(list);
	return v;
}

static bool is_capability(value v, unsigned kind)
{
	return is_type(v, T_HANDLE) && as_object(v)->kind == kind;
}

NATIVE(intention_on_file)
{
	(void)count;
	if (!is_capability(args[0], HANDLE_FILES))
		return vm_raise(vm, "type", "on_file(files, path) needs a capability for files");
	ARG_STRING(1);
	return make_watch(vm, TRIGGER_MESSAGE, "file:", args[0], args[1], V_NIL, 0);
}

static bool period_of(value v, int64_t *ns)
{
	*ns = is_type(v, T_DURATION) ? ((struct duration *)as_object(v))->nanoseconds : 0;
	return *ns >= 1000000;
}

NATIVE(intention_on_metric)
{
	bool outside = !is_string(args[0]);
	int64_t period = 1000000000;
	unsigned name = outside ? 1 : 0;
	if (outside && !is_capability(args[0], HANDLE_FILES))
		return vm_raise(vm, "type", "on_metric(files, path, test, period) or on_metric(name, test)");
	if (count < name + 2 || (!outside && count > 2))
		return vm_raise(vm, "call", "on_metric(files, path, test, period) or on_metric(name, test)");
	ARG_STRING(name);
	if (!is_type(args[name + 1], T_FUNCTION))
		return vm_raise(vm, "type", "the test of a metric is a function of its value");
	if (count > 3 && !period_of(args[3], &period))
		return vm_raise(vm, "type", "the period of a metric is a duration from 1ms on");
	return make_watch(vm, TRIGGER_METRIC, "metric:", outside ? args[0] : V_NIL, args[name],
	                  args[name + 1], period);
}

NATIVE(intention_on_subkernel)
{
	int64_t period = 250000000;
	if (!is_capability(args[0], HANDLE_SUBKERNELS))
		return vm_raise(vm, "type",
		                "on_subkernel(subkernels, name) needs a capability for sub-kernels");
	ARG_STRING(1);
	if (count > 2 && !period_of(args[2], &period))
		return vm_raise(vm, "type", "the period is a duration from 1ms on");
	return make_watch(vm, TRIGGER_MESSAGE, "subkernel:", args[0], args[1], V_NIL, period);
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
	if (s->depth && !s->in_trigger &&
	    (!scheduler_activate_due(vm) || !scheduler_run_ready(vm, scheduler_priority(s))))
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
	return intention_pursue(vm, as_string(args[0]));
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
    {"on_file", intention_on_file, 2, 2, 0, "on_file(files, path)",
     "A trigger: when a file is created, changed or removed. message() has what and path."},
    {"on_metric", intention_on_metric, 2, 4, 0, "on_metric(files, path, test, period)",
     "A trigger: when test becomes true of a metric's value: the first number of a file's last line, looked "
     "at each "
     "period of a live run (1s), or what post(\"metric:NAME\", v) says: on_metric(name, test)."},
    {"on_subkernel", intention_on_subkernel, 2, 3, 0, "on_subkernel(subkernels, name, period)",
     "A trigger: when a sub-kernel's state changes. message() is running, frozen, ended or absent."},
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
