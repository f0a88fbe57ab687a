/* What stands in the files of a control group, and what can be written to them. */
#include "../internal.h"
#include "../proc/proc.h"
#include "../task/turn.h"
#include "cgroup.h"

#define PIDS_MAX ((1 << 22) - 1) /* of a limit */

enum { QUOTA_MIN_US = 1000, PERIOD_MIN_US = 1000, PERIOD_MAX_US = 1000000 };
#define QUOTA_MAX_US (1ull << 44)

/* ---- Numbers ---- */

/* A number at *TEXT, which then points behind it; false: there is none, or it is too large. */
static bool digits(const char **text, uint64_t *value)
{
	const char *at = *text;
	*value = 0;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(*at - '0'), value))
			return false;
	bool some = at != *text;
	*text = at;
	return some;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

static const char *skip(const char *text)
{
	while (blank(*text))
		text++;
	return text;
}

/* The whole of LINE: a number from LOW to HIGH. -EINVAL: it is none; -ERANGE. */
static int whole_number(const char *line, int64_t low, int64_t high, int64_t *value)
{
	const char *at = skip(line);
	bool negative = *at == '-';
	uint64_t absolute;
	if (*at == '-' || *at == '+')
		at++;
	if (!digits(&at, &absolute) || *skip(at) || absolute > INT64_MAX)
		return -EINVAL;
	*value = negative ? -(int64_t)absolute : (int64_t)absolute;
	return *value < low || *value > high ? -ERANGE : 0;
}

/* "max", or a number up to HIGH. */
static int limit(const char *line, int64_t high, uint64_t *value)
{
	int64_t number;
	if (strcmp(skip(line), "max") == 0) {
		*value = CGROUP_UNLIMITED;
		return 0;
	}
	int error = whole_number(line, 0, high, &number);
	if (!error)
		*value = (uint64_t)number;
	return error;
}

static void print_limit(struct proc_text *text, uint64_t value)
{
	if (value == CGROUP_UNLIMITED)
		proc_print(text, "max\n");
	else
		proc_print(text, "%lu\n", value);
}

/* ---- The group itself ---- */

static int text_type(struct cgroup *group, struct proc_text *text)
{
	(void)group;
	proc_print(text, "domain\n");
	return 0;
}

static int write_type(struct cgroup *group, const char *line)
{
	(void)group;
	return strcmp(line, "threaded") == 0 ? -EOPNOTSUPP : -EINVAL;
}

static int text_procs(struct cgroup *group, struct proc_text *text)
{
	const struct pid_namespace *pids = pid_namespace_current();
	for (struct process *process = process_next(0); process; process = process_next(process))
		if (!process->zombie && process->leader && cgroup_of(process->leader) == group)
			proc_print(text, "%d\n", pid_in(pids, process->pid));
	return 0;
}

static int text_threads(struct cgroup *group, struct proc_text *text)
{
	const struct pid_namespace *pids = pid_namespace_current();
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		const struct task *task;
		list_for_each(task, &process->threads,
		              thread_link) if (!task->exiting && cgroup_of(task) == group)
		    proc_print(text, "%d\n", pid_in(pids, task->tid));
	}
	return 0;
}

/* The task that LINE names: 0 is the caller. */
static struct task *named(const char *line, int *error)
{
	int64_t number;
	*error = whole_number(line, 0, INT32_MAX, &number) ? -EINVAL : 0;
	if (*error)
		return 0;
	struct task *task = number ? task_find((int32_t)number) : current_task();
	if (!task || task->exiting)
		*error = -ESRCH;
	return *error ? 0 : task;
}

static int move_procs(struct cgroup *group, const char *line, const struct cgroup *root)
{
	int error;
	const struct task *task = named(line, &error);
	if (!task)
		return error;
	error = cgroup_may_move(cgroup_of(task), group, root);
	if (!error)
		error = cgroup_may_have_tasks(group);
	if (!error)
		cgroup_move(task->process, group);
	return error;
}

/* Threads of one process are in one group: there are no threaded ones. */
static int move_threads(struct cgroup *group, const char *line, const struct cgroup *root)
{
	int error;
	const struct task *task = named(line, &error);
	if (!task)
		return error;
	error = cgroup_may_move(cgroup_of(task), group, root);
	return error ? error : cgroup_of(task) == group ? 0 : -EOPNOTSUPP;
}

static void print_controllers(struct proc_text *text, uint32_t controllers)
{
	const char *separator = "";
	for (unsigned i = 0; controller_names[i]; i++) {
		if (!(controllers >> i & 1))
			continue;
		proc_print(text, "%s%s", separator, controller_names[i]);
		separator = " ";
	}
	if (controllers)
		proc_print(text, "\n");
}

static int text_controllers(struct cgroup *group, struct proc_text *text)
{
	print_controllers(text, cgroup_controllers(group));
	return 0;
}

static int text_subtree(struct cgroup *group, struct proc_text *text)
{
	print_controllers(text, group->subtree);
	return 0;
}

/* The controller named by the LENGTH bytes at NAME, or 0. */
static uint32_t controller_of(const char *name, size_t length)
{
	for (unsigned i = 0; controller_names[i]; i++)
		if (strlen(controller_names[i]) == length && memcmp(controller_names[i], name, length) == 0)
			return 1u << i;
	return 0;
}

static int write_subtree(struct cgroup *group, const char *line)
{
	uint32_t enable = 0, disable = 0;
	for (const char *at = skip(line); *at; at = skip(at)) {
		char sign = *at++;
		size_t length = 0;
		while (at[length] && !blank(at[length]))
			length++;
		uint32_t controller = controller_of(at, length);
		if (!controller || (sign != '+' && sign != '-'))
			return -EINVAL;
		enable = sign == '+' ? enable | controller : enable & ~controller;
		disable = sign == '-' ? disable | controller : disable & ~controller;
		at += length;
	}
	return cgroup_set_subtree(group, enable, disable);
}

static int text_events(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "populated %u\nfrozen %u\n", group->members ? 1u : 0u, group->frozen ? 1u : 0u);
	return 0;
}

static int write_count(const char *line, uint32_t *value)
{
	uint64_t wide;
	int error = limit(line, INT32_MAX, &wide);
	if (!error)
		*value = (uint32_t)wide; /* of no limit: UINT32_MAX */
	return error;
}

static int text_descendants_max(struct cgroup *group, struct proc_text *text)
{
	print_limit(text, group->descendants_max == UINT32_MAX ? CGROUP_UNLIMITED : group->descendants_max);
	return 0;
}

static int write_descendants_max(struct cgroup *group, const char *line)
{
	return write_count(line, &group->descendants_max);
}

static int text_depth_max(struct cgroup *group, struct proc_text *text)
{
	print_limit(text, group->depth_max == UINT32_MAX ? CGROUP_UNLIMITED : group->depth_max);
	return 0;
}

static int write_depth_max(struct cgroup *group, const char *line)
{
	return write_count(line, &group->depth_max);
}

static int text_stat(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "nr_descendants %u\nnr_dying_descendants %u\n", group->descendants, group->dying);
	return 0;
}

static int text_freeze(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%u\n", group->freeze ? 1u : 0u);
	return 0;
}

static int write_freeze(struct cgroup *group, const char *line)
{
	int64_t value;
	int error = whole_number(line, 0, 1, &value);
	if (!error)
		cgroup_set_freeze(group, value);
	return error;
}

static int write_kill(struct cgroup *group, const char *line)
{
	int64_t value;
	int error = whole_number(line, 1, 1, &value);
	if (!error)
		cgroup_kill(group);
	return error;
}

/* ---- cpu ---- */

static int text_cpu_stat(struct cgroup *group, struct proc_text *text)
{
	struct cpu_times times = cgroup_cpu_times(group);
	uint64_t user = times.user_ns / 1000, system = times.system_ns / 1000;
	proc_print(text, "usage_usec %lu\nuser_usec %lu\nsystem_usec %lu\n", user + system, user, system);
	if (!group->parent || !(cgroup_controllers(group) & CONTROLLER_CPU))
		return 0;
	uint64_t throttled = group->cpu.throttled_ns;
	if (group->cpu.throttled)
		throttled += clock_monotonic() - group->cpu.throttled_since;
	proc_print(text, "nr_periods %lu\nnr_throttled %lu\nthrottled_usec %lu\nnr_bursts 0\nburst_usec 0\n",
	           group->cpu.periods, group->cpu.throttled_periods, throttled / 1000);
	return 0;
}

static uint64_t weight_of(const struct cgroup *group)
{
	return (group->cpu.shares * WEIGHT_DEFAULT + SHARES_DEFAULT / 2) / SHARES_DEFAULT;
}

static int text_weight(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%lu\n", weight_of(group));
	return 0;
}

static int write_weight(struct cgroup *group, const char *line)
{
	int64_t value;
	int error = whole_number(line, 1, 10000, &value);
	if (!error)
		group->cpu.shares = ((uint64_t)value * SHARES_DEFAULT + WEIGHT_DEFAULT / 2) / WEIGHT_DEFAULT;
	turn_look();
	return error;
}

static int text_weight_nice(struct cgroup *group, struct proc_text *text)
{
	int best = 0;
	uint64_t least = UINT64_MAX;
	for (int nice = -20; nice < 20; nice++) {
		uint64_t shares = turn_nice_weight(nice);
		uint64_t distance =
		    shares > group->cpu.shares ? shares - group->cpu.shares : group->cpu.shares - shares;
		if (distance < least) {
			least = distance;
			best = nice;
		}
	}
	proc_print(text, "%d\n", best);
	return 0;
}

static int write_weight_nice(struct cgroup *group, const char *line)
{
	int64_t value;
	int error = whole_number(line, -20, 19, &value);
	if (!error)
		group->cpu.shares = turn_nice_weight((int)value);
	turn_look();
	return error;
}

static int text_cpu_max(struct cgroup *group, struct proc_text *text)
{
	if (group->cpu.quota_us == CGROUP_UNLIMITED)
		proc_print(text, "max %lu\n", group->cpu.period_us);
	else
		proc_print(text, "%lu %lu\n", group->cpu.quota_us, group->cpu.period_us);
	return 0;
}

static int write_cpu_max(struct cgroup *group, const char *line)
{
	uint64_t quota = CGROUP_UNLIMITED, period = group->cpu.period_us;
	const char *at = skip(line);
	if (strncmp(at, "max", 3) == 0)
		at += 3;
	else if (!digits(&at, &quota) || quota > QUOTA_MAX_US)
		return -EINVAL;
	if (*at && !blank(*at))
		return -EINVAL;
	at = skip(at);
	if (*at && (!digits(&at, &period) || *skip(at)))
		return -EINVAL;
	if (period < PERIOD_MIN_US || period > PERIOD_MAX_US || quota < QUOTA_MIN_US)
		return -EINVAL;
	cgroup_cpu_limit(group, quota, period);
	return 0;
}

/* ---- memory ---- */

/* "max", or bytes with a suffix, whole pages of which count. */
static int memory_limit(const char *line, uint64_t *value)
{
	static const char suffixes[] = "kmgtpe";
	const char *at = skip(line);
	if (strcmp(at, "max") == 0) {
		*value = CGROUP_UNLIMITED;
		return 0;
	}
	uint64_t bytes;
	if (!digits(&at, &bytes))
		return -EINVAL;
	const char *suffix = *at ? strchr(suffixes, *at | 32) : 0;
	if (suffix) {
		unsigned shift = 10u * (unsigned)(suffix - suffixes + 1);
		if (bytes >> (64 - shift))
			return -EINVAL;
		bytes <<= shift;
		at++;
	}
	if (*skip(at))
		return -EINVAL;
	*value = bytes & ~(PAGE_SIZE_BYTES - 1);
	return 0;
}

static int text_memory_current(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%lu\n", cgroup_memory(group));
	return 0;
}

static int text_memory_peak(struct cgroup *group, struct proc_text *text)
{
	(void)cgroup_memory(group);
	proc_print(text, "%lu\n", group->memory.peak);
	return 0;
}

#define MEMORY_LIMIT(field)                                                                                  \
	static int text_memory_##field(struct cgroup *group, struct proc_text *text)                         \
	{                                                                                                    \
		print_limit(text, group->memory.field);                                                      \
		return 0;                                                                                    \
	}                                                                                                    \
	static int write_memory_##field(struct cgroup *group, const char *line)                              \
	{                                                                                                    \
		int error = memory_limit(line, &group->memory.field);                                        \
		if (!error)                                                                                  \
			cgroup_memory_watch(group);                                                          \
		return error;                                                                                \
	}
MEMORY_LIMIT(max)
MEMORY_LIMIT(high)
MEMORY_LIMIT(low)
MEMORY_LIMIT(min)
MEMORY_LIMIT(swap_max)
MEMORY_LIMIT(swap_high)

static void print_memory_events(struct proc_text *text, const uint64_t events[MEMORY_EVENTS])
{
	static const char *const names[MEMORY_EVENTS] = {"low", "high",     "max",
	                                                 "oom", "oom_kill", "oom_group_kill"};
	for (unsigned i = 0; i < MEMORY_EVENTS; i++)
		proc_print(text, "%s %lu\n", names[i], events[i]);
}

static int text_memory_events(struct cgroup *group, struct proc_text *text)
{
	print_memory_events(text, group->memory.events);
	return 0;
}

static int text_memory_events_local(struct cgroup *group, struct proc_text *text)
{
	print_memory_events(text, group->memory.events_local);
	return 0;
}

/* Pages of files are the sub-kernel's: nothing of them counts here. */
static int text_memory_stat(struct cgroup *group, struct proc_text *text)
{
	static const char *const nothing[] = {"file",
	                                      "kernel",
	                                      "kernel_stack",
	                                      "pagetables",
	                                      "percpu",
	                                      "sock",
	                                      "shmem",
	                                      "file_mapped",
	                                      "file_dirty",
	                                      "file_writeback",
	                                      "inactive_anon",
	                                      "inactive_file",
	                                      "active_file",
	                                      "unevictable",
	                                      "slab_reclaimable",
	                                      "slab_unreclaimable",
	                                      "slab",
	                                      "swapcached",
	                                      "anon_thp"};
	uint64_t bytes = cgroup_memory(group);
	proc_print(text, "anon %lu\nactive_anon %lu\n", bytes, bytes);
	for (unsigned i = 0; i < sizeof(nothing) / sizeof(*nothing); i++)
		proc_print(text, "%s 0\n", nothing[i]);
	return 0;
}

static int text_oom_group(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%u\n", group->memory.oom_group ? 1u : 0u);
	return 0;
}

static int write_oom_group(struct cgroup *group, const char *line)
{
	int64_t value;
	int error = whole_number(line, 0, 1, &value);
	if (!error)
		group->memory.oom_group = value;
	return error == -ERANGE ? -EINVAL : error;
}

/* Nothing can be taken from processes: there is no swap. */
static int write_reclaim(struct cgroup *group, const char *line)
{
	uint64_t bytes;
	(void)group;
	int error = memory_limit(line, &bytes);
	return error ? error : bytes ? -EAGAIN : 0;
}

static int text_nothing(struct cgroup *group, struct proc_text *text)
{
	(void)group;
	proc_print(text, "0\n");
	return 0;
}

static int text_swap_events(struct cgroup *group, struct proc_text *text)
{
	(void)group;
	proc_print(text, "high 0\nmax 0\nfail 0\n");
	return 0;
}

/* ---- pids ---- */

static int text_pids_max(struct cgroup *group, struct proc_text *text)
{
	print_limit(text, group->pids_max);
	return 0;
}

static int write_pids_max(struct cgroup *group, const char *line)
{
	return limit(line, PIDS_MAX, &group->pids_max) ? -EINVAL : 0;
}

static int text_pids_current(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%lu\n", group->pids);
	return 0;
}

static int text_pids_peak(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "%lu\n", group->pids_peak);
	return 0;
}

static int text_pids_events(struct cgroup *group, struct proc_text *text)
{
	proc_print(text, "max %lu\n", group->pids_refused);
	return 0;
}

/* ---- The table ---- */

#define READ(title, of, function)                                                                            \
	{                                                                                                    \
		.name = title, .mode = 0444, .controller = of, .not_root = true, .event = -1,                \
		.text = text_##function                                                                      \
	}
#define BOTH(title, of, function)                                                                            \
	{                                                                                                    \
		.name = title, .mode = 0644, .controller = of, .not_root = true, .event = -1,                \
		.text = text_##function, .write = write_##function                                           \
	}
#define TELL(title, of, function, what)                                                                      \
	{                                                                                                    \
		.name = title, .mode = 0444, .controller = of, .not_root = true, .event = what,              \
		.text = text_##function                                                                      \
	}
#define WRITE(title, of, function)                                                                           \
	{                                                                                                    \
		.name = title, .mode = 0200, .controller = of, .not_root = true, .event = -1,                \
		.write = write_##function                                                                    \
	}
/* Of the root, too; those marked so can be written to in a namespace's root. */
#define ROOT_READ(title, function)                                                                           \
	{                                                                                                    \
		.name = title, .mode = 0444, .event = -1, .text = text_##function                            \
	}
#define ROOT_BOTH(title, function, how, own)                                                                 \
	{                                                                                                    \
		.name = title, .mode = 0644, .event = -1, .text = text_##function, .how = how##_##function,  \
		.delegated = own                                                                             \
	}
const struct control cgroup_controls[] = {
    {.name = ""}, /* the directory */
    [CONTROL_PROCS] = ROOT_BOTH("cgroup.procs", procs, move, true),
    [CONTROL_THREADS] = ROOT_BOTH("cgroup.threads", threads, move, true),
    ROOT_READ("cgroup.controllers", controllers),
    ROOT_BOTH("cgroup.subtree_control", subtree, write, true),
    ROOT_BOTH("cgroup.max.descendants", descendants_max, write, false),
    ROOT_BOTH("cgroup.max.depth", depth_max, write, false),
    ROOT_READ("cgroup.stat", stat),
    ROOT_READ("cpu.stat", cpu_stat),
    {.name = "memory.stat",
     .mode = 0444,
     .controller = CONTROLLER_MEMORY,
     .event = -1,
     .text = text_memory_stat},
    BOTH("cgroup.type", 0, type),
    TELL("cgroup.events", 0, events, EVENT_GROUP),
    BOTH("cgroup.freeze", 0, freeze),
    WRITE("cgroup.kill", 0, kill),
    BOTH("cpu.weight", CONTROLLER_CPU, weight),
    BOTH("cpu.weight.nice", CONTROLLER_CPU, weight_nice),
    BOTH("cpu.max", CONTROLLER_CPU, cpu_max),
    READ("memory.current", CONTROLLER_MEMORY, memory_current),
    READ("memory.peak", CONTROLLER_MEMORY, memory_peak),
    BOTH("memory.max", CONTROLLER_MEMORY, memory_max),
    BOTH("memory.high", CONTROLLER_MEMORY, memory_high),
    BOTH("memory.low", CONTROLLER_MEMORY, memory_low),
    BOTH("memory.min", CONTROLLER_MEMORY, memory_min),
    TELL("memory.events", CONTROLLER_MEMORY, memory_events, EVENT_MEMORY),
    TELL("memory.events.local", CONTROLLER_MEMORY, memory_events_local, EVENT_MEMORY_LOCAL),
    BOTH("memory.oom.group", CONTROLLER_MEMORY, oom_group),
    WRITE("memory.reclaim", CONTROLLER_MEMORY, reclaim),
    READ("memory.swap.current", CONTROLLER_MEMORY, nothing),
    BOTH("memory.swap.max", CONTROLLER_MEMORY, memory_swap_max),
    BOTH("memory.swap.high", CONTROLLER_MEMORY, memory_swap_high),
    READ("memory.swap.events", CONTROLLER_MEMORY, swap_events),
    BOTH("pids.max", CONTROLLER_PIDS, pids_max),
    READ("pids.current", CONTROLLER_PIDS, pids_current),
    READ("pids.peak", CONTROLLER_PIDS, pids_peak),
    TELL("pids.events", CONTROLLER_PIDS, pids_events, EVENT_PIDS),
    {0},
};
_Static_assert(sizeof(cgroup_controls) / sizeof(*cgroup_controls) - 1 <= CGROUP_CONTROLS, "cgroup.h");
