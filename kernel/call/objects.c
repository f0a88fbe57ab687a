/* How each type of object ends. The reaper (object/) stands below all of them: it is told here. */
#include <space.h>
#include <sched.h>
#include "dispatch.h"

/* Of what holds nothing. */
static bool plain_teardown(struct object *object)
{
	return true;
}

static object_teardown *const teardowns[OBJECT_TYPE_COUNT] = {
    [OBJECT_UNIT] = unit_teardown,     [OBJECT_CHANNEL] = channel_teardown, [OBJECT_REPLY] = reply_teardown,
    [OBJECT_EVENT] = event_teardown,   [OBJECT_MEMORY] = memory_teardown,   [OBJECT_SPACE] = space_teardown,
    [OBJECT_THREAD] = thread_teardown, [OBJECT_BUDGET] = budget_teardown,   [OBJECT_IRQ] = irq_teardown,
    [OBJECT_IOPORT] = plain_teardown,  [OBJECT_PIN] = pin_teardown,         [OBJECT_SYSTEM] = plain_teardown,
};

void objects_init(void)
{
	object_teardowns = teardowns;
	cap_unmap_first = space_unmap_first;
	thread_finish = thread_end;
}
