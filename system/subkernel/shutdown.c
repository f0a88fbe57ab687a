/* The end of all sub-kernels, because the power button was pressed or a program that may do so asked for it: level by
 * level, the deepest first, each is told to end (SUBKERNEL_TASK_END), so that what it has written reaches its parent, its
 * vault or its disk before that goes. A level that has not ended in time is ended by force, and so are native trees,
 * which have no personality to ask. Services end with those whose they are. With the first's end the steward switches off.
 */
#include <text.h>
#include "device.interface.h"
#include "manager.h"
#include "steward.interface.h"

#define LOOK_NS 20000000ull
/* For all below the first together, and for the first: more than a personality waits for its programs, and long enough to
 * write to slow disks. */
#define LEVELS_NS 30000000000ull
#define FIRST_NS  60000000000ull
#define CALL_NS   200000000ull
#define KILLED    9u

static struct {
	bool begun;
	uint32_t what, depth; /* the level that is ending */
	uint64_t end_at, look_at;
} shutdown;

void shutdown_watch(void)
{
	handle_t devices = start_find(manager.info, "device", 0);
	int64_t copy = devices
	                   ? cap_copy(manager.event, RIGHT_SIGNAL | RIGHT_COPY | RIGHT_MOVE, SHUTDOWN_BUTTON)
	                   : E_NOT_FOUND;
	if (copy >= 0 &&
	    device_watch(devices, manager.page, (handle_t)copy, 0, SHUTDOWN_BUTTON, clock_ns() + CALL_NS) < 0)
		cap_delete((handle_t)copy);
}

/* Whether SUBKERNEL is one of the level that still runs. Services are none: those whose they are write to them until they end
 * themselves. */
static bool lives(const struct subkernel *subkernel)
{
	return subkernel->number && !subkernel->ended && !subkernel->channel &&
	       subkernel->depth == shutdown.depth;
}

static void level_tell(void)
{
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *subkernel = &manager.table[i];
		if (!lives(subkernel) || subkernel->native)
			continue;
		if (subkernel->frozen && unit_freeze(subkernel->unit, 0) >= 0)
			subkernel->frozen = false;
		subkernel->to_end = true;
		event_signal(subkernel->control, 1);
	}
}

void shutdown_begin(uint32_t what)
{
	if (shutdown.begun)
		return;
	LOG("subkernel: the machine is to %s: all sub-kernels are asked to end\n",
	    what == SUBKERNEL_REBOOT ? "begin anew" : "be switched off");
	shutdown.begun = true;
	shutdown.what = what;
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++)
		if (manager.table[i].number && !manager.table[i].ended &&
		    manager.table[i].depth > shutdown.depth)
			shutdown.depth = manager.table[i].depth;
	shutdown.look_at = clock_ns();
	shutdown.end_at = shutdown.look_at + (shutdown.depth ? LEVELS_NS : FIRST_NS);
	level_tell();
}

bool shutdown_begun(void)
{
	return shutdown.begun;
}

uint64_t shutdown_due(void)
{
	return shutdown.begun ? shutdown.look_at : DEADLINE_NEVER;
}

/* Whether one of the level is still at its end; where the time is over, all are ended. */
static bool level_waits(void)
{
	bool over = clock_ns() >= shutdown.end_at;
	for (unsigned i = 0; i < SUBKERNELS_MAX; i++) {
		struct subkernel *subkernel = &manager.table[i];
		if (!lives(subkernel))
			continue;
		if (!over && !subkernel->native)
			return true;
		if (!subkernel->native)
			LOG("subkernel: %s did not end in time\n", subkernel->name);
		subkernel_end(subkernel, KILLED);
	}
	return false;
}

void shutdown_look(void)
{
	if (clock_ns() < shutdown_due())
		return;
	while (!level_waits()) {
		if (!shutdown.depth)
			shutdown_finish(0);
		shutdown.depth--;
		if (!shutdown.depth)
			shutdown.end_at = clock_ns() + FIRST_NS;
		level_tell();
	}
	shutdown.look_at = clock_ns() + LOOK_NS;
}

void shutdown_finish(uint64_t status)
{
	bool begun = shutdown.begun;
	int64_t result =
	    steward_finished(start_find(manager.info, "steward", 0), manager.page, begun ? 0 : status,
	                     begun && shutdown.what == SUBKERNEL_REBOOT, DEADLINE_NEVER);
	LOG("subkernel: the steward did not switch off: %s\n", error_text(result));
	unit_exit(1);
}

int64_t serve_power(void *context, uint64_t badge, uint32_t what)
{
	const struct subkernel *caller = subkernel_find(badge);
	(void)context;
	if (!caller || !(caller->flags & BLUEPRINT_POWER))
		return E_RIGHTS;
	if (what > SUBKERNEL_REBOOT)
		return E_ARGUMENT;
	shutdown_begin(what);
	return E_OK;
}
