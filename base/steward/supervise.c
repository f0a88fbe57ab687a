/* See supervise.h. */
#include "supervise.h"
#include <text.h>

#define RESTARTS_MAX     100
#define RESTARTS_AT_ONCE 3
/* After a failure, so that a unit failing at once does not starve the rest. */
#define RESTART_WAIT_NS 100000000ull

struct supervisor supervisor;

#define LOG(...) log_print(supervisor.log, supervisor.page, __VA_ARGS__)

/* The reserve is a budget on each CPU that no thread has: so the kernel admits nothing else in its place. */
static bool reserve_take(void)
{
	for (uint32_t cpu = 0; supervisor.manifest.reserve && cpu < supervisor.cpu_count; cpu++) {
		struct budget_spec spec = {.cpu = cpu,
		                           .priority = MANIFEST_BEST_EFFORT_MAX + 1,
		                           .quota_ns =
		                               BUDGET_PERIOD_MAX_NS / 1000000 * supervisor.manifest.reserve,
		                           .period_ns = BUDGET_PERIOD_MAX_NS,
		                           .refills_max = 2};
		if (budget_create(supervisor.page, supervisor.unit, &spec) < 0)
			return false;
	}
	return true;
}

const char *supervise_prepare(void)
{
	int64_t pause = event_create();
	if (pause < 0)
		return "it has no memory for its events";
	supervisor.pause = (handle_t)pause;
	return reserve_take() ? 0 : "its reserve is more than it has of a CPU";
}

handle_t supervise_channel(const char *name)
{
	unsigned i = 0;
	for (; i < SUPERVISED_CHANNELS_MAX && supervisor.channels[i].name[0]; i++)
		if (strcmp(supervisor.channels[i].name, name) == 0)
			return supervisor.channels[i].channel;
	int64_t channel = i < SUPERVISED_CHANNELS_MAX ? channel_create(CHANNEL_DONATING) : E_QUOTA_CAPS;
	if (channel < 0)
		return 0;
	text_copy(supervisor.channels[i].name, sizeof(supervisor.channels[i].name), name);
	supervisor.channels[i].channel = (handle_t)channel;
	return (handle_t)channel;
}

bool supervise_serves(const char *name)
{
	for (unsigned i = 0; i < supervisor.manifest.unit_count; i++) {
		const struct manifest_unit *unit = &supervisor.manifest.units[i];
		for (unsigned j = 0; j < unit->give_count; j++)
			if (unit->gives[j].kind == GIVE_SERVE && strcmp(unit->gives[j].name, name) == 0)
				return true;
	}
	return false;
}

static bool give_resolve(struct spawn *spawn, const struct manifest_give *give, uint64_t badge,
                         handle_t *made)
{
	if (give->kind == GIVE_SERVE)
		return spawn_give(spawn, give->name, supervise_channel(give->name),
		                  RIGHT_RECEIVE | RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, 0, 0);
	if (give->kind == GIVE_USE && supervise_serves(give->name))
		return spawn_give(spawn, give->name, supervise_channel(give->name),
		                  RIGHT_CALL | RIGHT_COPY | RIGHT_MOVE, badge, 0);
	return supervisor.give(spawn, give, badge, made);
}

/* What UNIT asks for of what is left of USED of QUOTA. */
static uint64_t part_of(uint64_t wanted, uint64_t quota, uint64_t used, uint64_t reserve)
{
	if (wanted != MANIFEST_REST)
		return wanted;
	return quota - used > reserve ? quota - used - reserve : 0;
}

static uint32_t lower(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static int64_t spawn_fill(struct spawn *spawn, const struct manifest_unit *unit, unsigned index)
{
	struct unit_info own;
	int64_t result = unit_info(supervisor.page, supervisor.unit, &own);
	if (result < 0)
		return result;
	text_copy(spawn->unit.name, sizeof(spawn->unit.name), unit->name);
	spawn->unit.memory_bytes =
	    part_of(unit->memory, own.memory_quota, own.memory_used, supervisor.reserve_memory) &
	    ~(PAGE_SIZE_BYTES - 1);
	spawn->unit.caps = part_of(unit->caps, own.caps_quota, own.caps_used, supervisor.reserve_caps);
	/* What has no admitted budgets goes no higher than this unit's own best effort, */
	spawn->unit.priority_max =
	    unit->budget_ns || unit->cpu_share ? unit->ceiling : lower(unit->ceiling, own.best_effort_max);
	/* and what has them not in its best effort: with them comes no right to hold others up. */
	spawn->unit.best_effort_max = lower(
	    unit->ceiling > MANIFEST_BEST_EFFORT_MAX ? unit->priority : unit->ceiling, own.best_effort_max);
	spawn->unit.cpu_share = unit->cpu_share + manifest_budget_share(unit);
	spawn->unit.flags = unit->wx ? UNIT_WX : 0;
	spawn->unit.event = supervisor.event;
	spawn->unit.event_bits = 1ull << index;
	spawn->parent = supervisor.unit;
	spawn->stack_bytes = unit->stack;
	spawn->priority = unit->budget_ns ? unit->priority : lower(unit->priority, own.best_effort_max);
	spawn->cpu_mask = supervisor.cpu_mask;
	spawn->slice_ns = unit->budget_ns ? unit->budget_ns : supervisor.slice_ns;
	spawn->period_ns = unit->budget_period_ns;
	return E_OK;
}

bool supervise_start(unsigned index)
{
	const struct manifest_unit *unit = &supervisor.manifest.units[index];
	static struct spawn spawn;
	static char arguments[START_ARGUMENTS_SIZE];
	handle_t made[MANIFEST_GIVES_MAX] = {0};
	const char *why = "asking for what is left";
	memset(&spawn, 0, sizeof(spawn));
	int64_t result = spawn_fill(&spawn, unit, index);
	if (result >= 0 && supervisor.program(unit, &spawn, &why, &result)) {
		spawn.arguments = arguments;
		spawn.arguments_bytes = supervisor.arguments(unit, arguments, sizeof(arguments));
		why = "a capability it is to be given";
		bool all = true;
		for (unsigned i = 0; i < unit->give_count && all; i++)
			all = give_resolve(&spawn, &unit->gives[i], index + 1, &made[i]);
		result = all ? spawn_unit(supervisor.page, &spawn, supervisor.cpu_count, &why) : E_ARGUMENT;
	}
	for (unsigned i = 0; i < unit->give_count; i++)
		if (made[i])
			cap_delete(made[i]);
	if (result < 0) {
		LOG("%s: cannot start %s: %s: %s\n", supervisor.name, unit->name, why, error_text(result));
		return false;
	}
	supervisor.units[index].unit = (handle_t)result;
	supervisor.units[index].moved = spawn.moved;
	return true;
}

/* A unit that will not be started again: who waits for one of its services must not wait for ever. */
static void channels_end(const struct manifest_unit *unit)
{
	for (unsigned i = 0; i < unit->give_count; i++) {
		if (unit->gives[i].kind != GIVE_SERVE)
			continue;
		handle_t channel = supervise_channel(unit->gives[i].name);
		cap_revoke(channel);
		cap_delete(channel);
	}
}

void supervise_again(unsigned index)
{
	const struct manifest_unit *unit = &supervisor.manifest.units[index];
	struct supervised *supervised = &supervisor.units[index];
	unit_destroy(supervised->unit);
	cap_delete(supervised->unit);
	supervised->unit = 0;
	if (unit->restart && supervised->restarts < RESTARTS_MAX) {
		supervised->restarts++;
		LOG("%s: starting %s again\n", supervisor.name, unit->name);
		if (supervised->restarts > RESTARTS_AT_ONCE)
			event_wait(supervisor.pause, clock_ns() + RESTART_WAIT_NS, 0);
		if (supervise_start(index))
			return;
	}
	LOG("%s: %s is not started again\n", supervisor.name, unit->name);
	channels_end(unit);
}

bool supervise_ended(unsigned index, struct unit_info *info)
{
	const struct manifest_unit *unit = &supervisor.manifest.units[index];
	const struct supervised *supervised = &supervisor.units[index];
	if (!supervised->unit || unit_info(supervisor.page, supervised->unit, info) < 0 ||
	    (info->state != UNIT_STOPPED && info->state != UNIT_FAILED))
		return false;
	if (info->state == UNIT_FAILED)
		LOG("%s: %s failed: exception %lu at %lx, address %lx\n", supervisor.name, unit->name,
		    info->fault.vector, info->fault.pc - supervised->moved, info->fault.address);
	else
		LOG("%s: %s ended with status %ld\n", supervisor.name, unit->name, info->exit_status);
	return true;
}
