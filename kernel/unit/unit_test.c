/* Units: quotas carved and returned, death with everything in them, trees, freezing. */
#include "test.h"
#include "event.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)
#define BASE     NATIVE_BASE

static struct actor root;
static handle_t self_unit, root_event;

static int64_t unit_try(struct actor *actor, handle_t parent, uint64_t pages, uint64_t caps, uint32_t share,
                        uint32_t priority, uint32_t flags, handle_t event)
{
	struct unit_spec spec = {.memory_bytes = PAGES(pages),
	                         .caps = caps,
	                         .priority_max = priority,
	                         .cpu_share = share,
	                         .flags = flags,
	                         .event = event,
	                         .event_bits = 4,
	                         .name = "child"};

	memcpy(actor->page->bytes, &spec, sizeof(spec));
	return CALL1(actor, SYS_UNIT_CREATE, parent);
}

/* A child's best effort goes no higher than its parent's, nor than its own ceiling. */
static void test_best_effort(void)
{
	struct unit_spec spec = {
	    .memory_bytes = PAGES(80), .caps = 100, .priority_max = 150, .best_effort_max = 30};
	struct actor actor;
	struct unit *unit;
	handle_t handle, own;

	memcpy(root.page->bytes, &spec, sizeof(spec));
	handle = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	unit = (struct unit *)object_at(&root_unit, handle);
	TEST_EQUAL("a ceiling of best effort is kept", unit->best_effort_max, 30);
	actor_init(&actor, unit);
	own = NEED_HANDLE(cap_insert(unit, &unit->object, RIGHT_ALL, 0, 0));
	spec.memory_bytes = PAGES(8);
	spec.caps = 5;
	spec.best_effort_max = 31;
	memcpy(actor.page->bytes, &spec, sizeof(spec));
	TEST_EQUAL("a child's is not above it", CALL1(&actor, SYS_UNIT_CREATE, own), E_QUOTA_CPU);
	spec.best_effort_max = 0;
	memcpy(actor.page->bytes, &spec, sizeof(spec));
	handle_t child = NEED_HANDLE(CALL1(&actor, SYS_UNIT_CREATE, own));
	TEST_EQUAL("a child that names none has its parent's",
	           ((struct unit *)object_at(unit, child))->best_effort_max, 30);
	spec.priority_max = 10;
	memcpy(actor.page->bytes, &spec, sizeof(spec));
	child = NEED_HANDLE(CALL1(&actor, SYS_UNIT_CREATE, own));
	TEST_EQUAL("or its own ceiling, where that is lower",
	           ((struct unit *)object_at(unit, child))->best_effort_max, 10);
	actor_deinit(&actor);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, handle) == 0);
}

static struct unit *unit_at(struct actor *actor, handle_t handle)
{
	return (struct unit *)object_at(actor->thread->unit, handle);
}

/* What should be as before when all is gone. */
struct levels {
	uint64_t free, memory;
	uint32_t caps;
};

static struct levels levels_now(void)
{
	while (unit_has_doomed(&root_unit) || root_unit.grave_count) {
		if (!unit_has_doomed(&root_unit)) { /* other CPUs' worth of patience: fill the graveyard */
			handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));

			CALL1(&root, SYS_CAP_DELETE, event);
			if (cpu_count > 1)
				break;
		}
		CALL1(&root, SYS_CAP_INFO, 0);
	}
	return (struct levels){frame_free_bytes(), root_unit.memory_used, root_unit.caps_used};
}

static void test_create(void)
{
	struct levels before = levels_now();
	handle_t unit;

	TEST_EQUAL("more memory than there is", unit_try(&root, self_unit, 1 << 20, 10, 0, 1, 0, 0),
	           E_QUOTA_MEMORY);
	TEST("is refused with the amount", root_unit.lacked_memory > 0);
	TEST_EQUAL("more capabilities than a table holds",
	           unit_try(&root, self_unit, 16, CAPS_MAX + 1, 0, 1, 0, 0), E_ARGUMENT);
	TEST_EQUAL("more than there are left", unit_try(&root, self_unit, 16, CAPS_MAX, 0, 1, 0, 0),
	           E_QUOTA_CAPS);
	TEST_EQUAL("so much that two such charges at once would wrap",
	           unit_try(&root, self_unit, 1ull << 50, 10, 0, 1, 0, 0), E_ARGUMENT);
	TEST_EQUAL("no memory at all", unit_try(&root, self_unit, 0, 10, 0, 1, 0, 0), E_ARGUMENT);
	TEST_EQUAL("more CPU than there is", unit_try(&root, self_unit, 16, 10, 1000001, 1, 0, 0),
	           E_QUOTA_CPU);
	TEST_EQUAL("unknown flags", unit_try(&root, self_unit, 16, 10, 0, 1, 8, 0), E_ARGUMENT);
	TEST_EQUAL("a priority that does not exist", unit_try(&root, self_unit, 16, 10, 0, 256, 0, 0),
	           E_ARGUMENT);
	machine_check();
	unit = NEED_HANDLE(unit_try(&root, self_unit, 64, 100, 600000, 50, 0, root_event));
	TEST_EQUAL("a share is carved", unit_try(&root, self_unit, 16, 10, 500000, 1, 0, 0), E_QUOTA_CPU);
	NEED(CALL1(&root, SYS_UNIT_INFO, unit) == 0);
	TEST("a unit is as it was asked for",
	     ((struct unit_info *)root.page->bytes)->memory_quota == PAGES(64) &&
	         ((struct unit_info *)root.page->bytes)->caps_quota == 100 &&
	         ((struct unit_info *)root.page->bytes)->priority_max == 50);
	TEST_EQUAL("a unit cannot destroy itself", CALL1(&root, SYS_UNIT_DESTROY, self_unit), E_STATE);
	((struct event *)object_at(&root_unit, root_event))->bits = 0;
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	TEST_EQUAL("its end is signalled", ((struct event *)object_at(&root_unit, root_event))->bits, 4);
	TEST_EQUAL("and its handle is dead", CALL1(&root, SYS_UNIT_INFO, unit), E_HANDLE);
	machine_check();
	struct levels after = levels_now();

	TEST("everything is back", after.memory <= before.memory + PAGES(8) && after.caps == before.caps);
}

/* Everything a unit can have, in the unit that ACTOR acts for. */
static void furnish(struct actor *actor, unsigned amount)
{
	handle_t event = NEED_HANDLE(CALL1(actor, SYS_EVENT_CREATE, 0));
	handle_t channel = NEED_HANDLE(CALL1(actor, SYS_CHANNEL_CREATE, 0)), memory, clone, space, guest,
	         pager;
	struct space *at;
	enum space_fault fault;

	memory = NEED_HANDLE(CALL3(actor, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(40), 0));
	pager = NEED_HANDLE(CALL6(actor, SYS_MEMORY_CREATE, MEMORY_PAGER, PAGES(40), 0, 0, 0, event));
	space = NEED_HANDLE(CALL1(actor, SYS_SPACE_CREATE, SPACE_NATIVE));
	at = (struct space *)object_at(actor->thread->unit, space);
	NEED(CALL6(actor, SYS_SPACE_MAP, space, BASE, memory, 0, PAGES(40), MAP_READ | MAP_WRITE) == 0);
	NEED(CALL6(actor, SYS_SPACE_MAP, space, BASE + PAGES(600), pager, 0, PAGES(40),
	           MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < amount; i++)
		NEED(user_write(at, BASE + PAGES(i), i, &fault));
	clone = NEED_HANDLE(CALL3(actor, SYS_MEMORY_CLONE, memory, 0, PAGES(40)));
	NEED(CALL6(actor, SYS_SPACE_MAP, space, BASE + PAGES(64), clone, 0, PAGES(40),
	           MAP_READ | MAP_WRITE) == 0);
	NEED(user_write(at, BASE + PAGES(64), 1, &fault));
	actor->thread->space = at;
	guest = NEED_HANDLE(CALL1(actor, SYS_SPACE_CREATE, SPACE_GUEST));
	actor->thread->space = 0;
	NEED(CALL6(actor, SYS_SPACE_MAP, guest, 0x400000, clone, 0, PAGES(40), MAP_READ) == 0);
	for (unsigned i = 0; i < amount; i++)
		NEED_HANDLE(CALL3(actor, SYS_CAP_COPY, channel, RIGHT_ALL, i + 1));
}

/* A thread in the unit UNIT of ACTOR's, with its page in the unit's memory. */
static void furnish_threads(struct actor *actor, handle_t unit, unsigned count)
{
	handle_t space = NEED_HANDLE(CALL2(actor, SYS_SPACE_CREATE, SPACE_NATIVE, unit));
	handle_t memory =
	    NEED_HANDLE(CALL5(actor, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(count), 0, 0, unit));

	for (unsigned i = 0; i < count; i++) {
		struct thread_spec spec = {
		    .entry = BASE, .stack = BASE + 4096, .page_address = BASE, .name = "t"};
		handle_t thread;

		memcpy(actor->page->bytes, &spec, sizeof(spec));
		thread = NEED_HANDLE(CALL4(actor, SYS_THREAD_CREATE, unit, space, memory, PAGES(i)));
		if (i % 2)
			NEED(CALL1(actor, SYS_THREAD_START, thread) == 0);
	}
}

static void test_death_of_many(unsigned rounds, bool threads)
{
	struct levels before = {0}, after;

	for (unsigned round = 0; round < rounds; round++) {
		handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 512, 400, 1000, 50, 0, root_event)),
		         inner, own;
		struct actor child, grandchild;

		actor_init(&child, unit_at(&root, unit));
		own = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, unit, RIGHT_ALL, 0));
		furnish(&child, 10 + round % 20);
		inner = NEED_HANDLE(unit_try(&child, own, 256, 100, 100, 20, 0, 0));
		actor_init(&grandchild, unit_at(&child, inner));
		furnish(&grandchild, round % 20);
		if (threads)
			furnish_threads(&child, inner, 4);
		if (round % 50 == 0)
			machine_check();
		actor_deinit(&child);
		actor_deinit(&grandchild);
		NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
		if (round % 50 == 0)
			machine_check();
		after = levels_now();
		if (round == rounds / 2)
			before = after;
	}
	TEST_EQUAL("every byte is back", after.memory, before.memory);
	TEST_EQUAL("every frame is free again", after.free, before.free);
	TEST_EQUAL("and every capability", after.caps, before.caps);
}

static void test_capabilities_die_at_once(void)
{
	handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 256, 200, 0, 50, 0, 0)), event, back;
	const uint64_t args[6] = {unit};
	struct actor child;

	actor_init(&child, unit_at(&root, unit));
	furnish(&child, 30);
	event = NEED_HANDLE(CALL1(&child, SYS_EVENT_CREATE, 0));
	back = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, self_unit, RIGHT_MANAGE, 0));
	back = NEED_HANDLE(CALL4(&child, SYS_UNIT_GRANT, back, event, RIGHT_ALL, 0));
	NEED(CALL2(&root, SYS_EVENT_SIGNAL, back, 1) == 0);
	host_preempt_every = 1;
	NEED(call_once(&root, SYS_UNIT_DESTROY, args) == CALL_RESTART);
	TEST_EQUAL("after the first slice a dying unit's objects are dead",
	           CALL2(&root, SYS_EVENT_SIGNAL, back, 1), E_HANDLE);
	TEST_EQUAL("and so is the unit", CALL1(&root, SYS_UNIT_INFO, unit), E_HANDLE);
	TEST_EQUAL("it can make nothing more", CALL1(&child, SYS_EVENT_CREATE, 0), E_HANDLE);
	machine_check();
	actor_deinit(&child);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	host_preempt_every = 0;
	machine_check();
}

static void test_freeze(void)
{
	handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 2000, 2000, 0, 50, 0, 0)), own;
	struct actor child;
	handle_t inner[40];
	unsigned frozen = 0;

	actor_init(&child, unit_at(&root, unit));
	own = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, unit, RIGHT_ALL, 0));
	for (unsigned i = 0; i < 40; i++)
		inner[i] = NEED_HANDLE(unit_try(&child, i % 3 ? inner[i - i % 3] : own, i % 3 ? 8 : 64,
		                                i % 3 ? 4 : 20, 0, 1, 0, 0));
	NEED(CALL2(&root, SYS_UNIT_FREEZE, unit, 1) == 0);
	machine_check();
	for (unsigned i = 0; i < 40; i++)
		frozen += unit_at(&child, inner[i])->frozen;
	TEST_EQUAL("a freeze reaches the whole subtree", frozen, 40);
	NEED(CALL2(&child, SYS_UNIT_FREEZE, inner[3], 1) == 0);
	NEED(CALL2(&root, SYS_UNIT_FREEZE, unit, 0) == 0);
	machine_check();
	TEST("a unit frozen by itself stays so",
	     unit_at(&child, inner[3])->frozen && !unit_at(&child, inner[0])->frozen);
	TEST_EQUAL("a unit cannot freeze itself", CALL2(&child, SYS_UNIT_FREEZE, own, 1), E_STATE);
	actor_deinit(&child);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	machine_check();
}

static void test_depth(void)
{
	handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 2048, 1000, 0, 50, 0, 0)), top = unit;
	static struct actor actors[64];
	unsigned depth = 0;

	for (; depth < 60; depth++) {
		handle_t own = NEED_HANDLE(
		    CALL4(depth ? &actors[depth - 1] : &root, SYS_UNIT_GRANT, unit, unit, RIGHT_ALL, 0));

		actor_init(&actors[depth], unit_at(depth ? &actors[depth - 1] : &root, unit));
		unit = NEED_HANDLE(
		    unit_try(&actors[depth], own, 2000 - 30 * depth, 900 - 10 * depth, 0, 10, 0, 0));
	}
	machine_check();
	NEED(CALL1(&root, SYS_UNIT_DESTROY, top) == 0);
	machine_check();
	TEST("sixty units deep, all gone", list_empty(&root_unit.children) && !root_unit.memory_children);
	while (depth--)
		actor_deinit(&actors[depth]);
}

static void test_threads_die(void)
{
	handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 1024, 500, 0, 50, 0, root_event));
	struct unit *at = unit_at(&root, unit);

	furnish_threads(&root, unit, 100);
	TEST_EQUAL("threads are counted", at->live_threads, 100);
	machine_check();
	unit_end(at, UNIT_STOPPED, 7, 0);
	NEED(CALL1(&root, SYS_UNIT_INFO, unit) == 0);
	TEST("a unit that ended tells how", ((struct unit_info *)root.page->bytes)->state == UNIT_STOPPED &&
	                                        ((struct unit_info *)root.page->bytes)->exit_status == 7);
	for (unsigned i = 0; i < 8; i++)
		CALL1(&root, SYS_CAP_INFO, 0);
	TEST("its threads die, or never run again", at->live_threads == 93 && at->frozen);
	machine_check();
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	machine_check();
}

/* Destruction of a unit meets that of the unit above, and a freeze: none may hide what the other has not
 * seen. */
static void test_walks_meet(void)
{
	handle_t unit = NEED_HANDLE(unit_try(&root, self_unit, 2000, 2000, 0, 50, 0, 0)), own, inner, last;
	struct unit *older, *at, *kids[40];
	uint64_t destroy[6] = {0}, freeze[6] = {unit, 1}, above[6] = {unit};
	struct actor child, other;
	unsigned alive = 0;

	actor_init(&child, unit_at(&root, unit));
	actor_init(&other, &root_unit);
	own = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, unit, RIGHT_ALL, 0));
	inner = NEED_HANDLE(unit_try(&child, own, 1000, 400, 0, 1, 0, 0));
	for (unsigned i = 0; i < 40; i++)
		kids[i] = unit_at(&child, NEED_HANDLE(unit_try(&child, inner, 8, 4, 0, 1, 0, 0)));
	host_preempt_every = 1;
	at = unit_at(&child, inner);
	destroy[0] = inner;
	while (!at->destroy_phase) {
		NEED(call_once(&child, SYS_UNIT_DESTROY, destroy) == CALL_RESTART);
		if (!at->destroy_phase)
			call_once(&other, SYS_UNIT_FREEZE, freeze);
	}
	for (unsigned i = 0; i < 40; i++)
		alive += !kids[i]->object.dead;
	TEST_EQUAL("a freeze on the way hides no unit from destruction", alive, 0);
	host_preempt_every = 0;
	NEED(CALL1(&child, SYS_UNIT_DESTROY, inner) == 0);
	older = unit_at(&child, NEED_HANDLE(unit_try(&child, own, 8, 4, 0, 1, 0, 0)));
	last = NEED_HANDLE(unit_try(&child, own, 8, 4, 0, 1, 0, 0));
	at = unit_at(&child, last);
	destroy[0] = last;
	host_preempt_every = 1;
	while (!at->destroy_phase)
		NEED(call_once(&child, SYS_UNIT_DESTROY, destroy) == CALL_RESTART);
	at = unit_at(&root, unit);
	while (!at->destroy_phase)
		NEED(call_once(&root, SYS_UNIT_DESTROY, above) == CALL_RESTART);
	TEST("a unit half destroyed hides no sibling from its parent's destruction", older->object.dead);
	host_preempt_every = 0;
	actor_deinit(&child);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	actor_deinit(&other);
	machine_check();
}

int main(void)
{
	host_boot(64, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	root_event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	for (host_preempt_every = 0; host_preempt_every < 3; host_preempt_every++) {
		test_create();
		test_freeze();
		test_depth();
		test_death_of_many(400, false);
		test_death_of_many(400, true);
		test_threads_die();
	}
	host_preempt_every = 0;
	test_best_effort();
	test_capabilities_die_at_once();
	test_walks_meet();
	return test_failures != 0;
}
