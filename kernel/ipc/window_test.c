/* Windows between two CPUs, each brought about step by step: one stops at a marked point of a kernel entry, the other does what
 * must not be able to hurt it there. */
#include <calls.h>
#include <channel.h>
#include <event.h>
#include <sched.h>
#include <table.h>
#include <test.h>

#define PAGES 32u

static struct actor root, other;
static handle_t root_handle, space, pages, budgets[2][2]; /* by CPU; the second is high, on CPU 1 less so */
static unsigned pages_used;
static struct {
	struct actor *actor;
	struct thread *thread;
	enum syscall_number number;
	uint64_t arguments[6];
	int64_t result;
	struct unit *unit; /* with SYSCALL_COUNT: the reaping alone, which goes on with this one's */
} entries[2];              /* what each CPU does */

static void enter(unsigned index)
{
	if (entries[index].number == SYSCALL_COUNT)
		(void)unit_reap(entries[index].unit);
	else if (entries[index].thread)
		kernel_syscall(entries[index].thread, entries[index].number);
	else
		entries[index].result =
		    call_once(entries[index].actor, entries[index].number, entries[index].arguments);
}

static void begin(unsigned index, struct actor *actor, enum syscall_number number, uint64_t a, uint64_t b)
{
	entries[index].actor = actor;
	entries[index].thread = 0;
	entries[index].number = number;
	entries[index].arguments[0] = a;
	entries[index].arguments[1] = b;
	entries[index].result = 1000;
}

/* Goes on with what CPU INDEX does until REACHED or, at most, to its end; true when it was reached inside of it. */
static bool go_to(unsigned index, bool (*reached)(void))
{
	host_stop_every = 1;
	host_stop_at_locks = host_stop_at_unlocks = true;
	while (host_run(index, enter))
		if (reached())
			return true;
	return false;
}

/* As far as it goes without the other CPU; true: to its end. */
static bool go_on(unsigned index)
{
	host_stop_every = 0;
	for (unsigned i = 0; i < 1000; i++) {
		if (!host_run(index, enter))
			return true;
		if (!host_inside(!index)) /* in user mode: it serves whoever waits for it */
			host_cpu(!index);
	}
	return false;
}

static void finish(void)
{
	host_stop_every = 0;
	host_finish(enter);
	host_cpu(0);
}

static handle_t unit_make(void)
{
	struct unit_spec spec = {.memory_bytes = 1 << 20, .caps = 100, .priority_max = 50};

	memcpy(root.page->bytes, &spec, sizeof(spec));
	return NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, root_handle));
}

/* ---- A page of capabilities ---- */

static struct unit *dying;

/* CPU 1 has emptied a slot of the dying unit's table, and is about to leave it. */
static bool gives_back(void)
{
	const struct cap *slot = slot_at(dying, 1);

	return slot && !slot->object && slot->generation == 2 && !lock_idle(&dying->slot_lock);
}

static void test_table_page(void)
{
	handle_t unit = unit_make(), event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));

	dying = (struct unit *)object_at(&root_unit, unit);
	NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, event, RIGHT_ALL, 0));
	begin(0, &root, SYS_UNIT_DESTROY, unit, 0);
	while (dying->destroy_phase < 2) /* reclaim */
		NEED(go_on(0) && entries[0].result < 0);
	begin(1, &other, SYS_CAP_REVOKE, event, 0);
	NEED(go_to(1, gives_back));
	for (unsigned i = 0; i < 10; i++)
		go_on(0);
	TEST("a table's page stays while another CPU gives a slot of it back",
	     dying->directory && dying->directory[0]);
	finish();
	NEED(entries[1].result == E_OK);
	begin(1, &other, SYS_CAP_DELETE, event, 0);
	NEED(go_on(1));
	host_cpu(0);
	while (CALL1(&root, SYS_UNIT_DESTROY, unit))
		;
	machine_check();
}

/* CPU 0 has found no grave of the dying unit, and is about to look for what is referenced still. */
static bool graves_were_found_empty(void)
{
	static uint32_t before;

	if (list_empty(&dying->torn) || dying->doomed_count)
		before = dying->reap_lock.owner;
	return dying->reap_lock.owner != before && lock_idle(&dying->reap_lock);
}

/* Another CPU lets go of the last object of a unit in its last instants: the unit waits for that grave, too. */
static void test_last_grave(void)
{
	handle_t unit = unit_make();
	struct object *object;
	struct actor child;

	dying = (struct unit *)object_at(&root_unit, unit);
	actor_init(&child, dying);
	object = object_at(dying, NEED_HANDLE(CALL1(&child, SYS_EVENT_CREATE, 0)));
	NEED(object_reference(object));
	actor_deinit(&child);
	begin(0, &root, SYS_UNIT_DESTROY, unit, 0);
	while (dying->destroy_phase < 2) /* reclaim */
		NEED(go_on(0) && entries[0].result < 0);
	while (!go_to(0, graves_were_found_empty))
		NEED(entries[0].result < 0);
	host_cpu(1);
	object_release(object);
	NEED(object->life == OBJECT_GRAVE && dying->grave_count == 1);
	go_on(0);
	TEST("what was let go of in a unit's last instants is freed before it ends",
	     dying->destroy_phase < 3);
	finish();
	while (CALL1(&root, SYS_UNIT_DESTROY, unit))
		;
	machine_check();
}

/* CPU 1 has taken the dying unit's last grave out, and is about to free it. */
static bool last_grave_is_freed(void)
{
	return !lock_idle(&dying->reap_lock) && !dying->grave_count && list_empty(&dying->buried[0]) &&
	       list_empty(&dying->buried[1]);
}

/* Who destroyed a child of a unit goes on with what that unit has ended, while the unit itself is destroyed. */
static void test_grave_freed_beside(void)
{
	handle_t unit = unit_make(), event;
	struct actor child;

	dying = (struct unit *)object_at(&root_unit, unit);
	actor_init(&child, dying);
	event = NEED_HANDLE(CALL1(&child, SYS_EVENT_CREATE, 0));
	NEED(CALL1(&child, SYS_CAP_DELETE, event) == E_OK && dying->grave_count == 1);
	actor_deinit(&child);
	begin(0, &root, SYS_UNIT_DESTROY, unit, 0);
	while (dying->destroy_phase < 2) /* reclaim */
		NEED(go_on(0) && entries[0].result < 0);
	begin(1, &other, SYSCALL_COUNT, 0, 0);
	entries[1].unit = dying;
	host_stop_every = 1;
	host_stop_at_locks = true;
	while (host_run(1, enter) && !last_grave_is_freed())
		host_cpu(0);
	NEED(host_inside(1));
	for (unsigned i = 0; i < 10; i++)
		go_on(0);
	TEST("a unit whose last object another CPU is about to free waits for that",
	     dying->destroy_phase < 3);
	finish();
	while (CALL1(&root, SYS_UNIT_DESTROY, unit))
		;
	machine_check();
}

/* CPU 1 has found that CPU 0 has ended nothing more, and still has the lock. */
static bool others_were_found_done(void)
{
	const struct reaper *reaper = &root_unit.reapers[0];
	static uint16_t before;

	if (!list_empty(&reaper->doomed))
		before = root_unit.life_lock.owner;
	/* As it was torn, and as the list was looked at again. */
	return list_empty(&reaper->doomed) && !lock_idle(&reaper->lock) && lock_idle(&root_unit.life_lock) &&
	       root_unit.life_lock.owner == (uint16_t)(before + 2);
}

/* A CPU ends something just as another one is done with what it had left lying. */
static void test_left_to_another(void)
{
	handle_t first = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	handle_t second = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));

	host_cpu(0);
	object_doom(object_at(&root_unit, first));
	begin(1, &other, SYSCALL_COUNT, 0, 0);
	entries[1].unit = &root_unit;
	NEED(go_to(1, others_were_found_done));
	begin(0, &root, SYS_CAP_DELETE, second, 0);
	go_on(0);
	finish();
	TEST_EQUAL("what is left to another CPU that was just done is taken down by it",
	           root_unit.doomed_count, 0);
	machine_check();
}

/* ---- Threads ---- */

static struct thread *thread_on(handle_t budget, handle_t *handle)
{
	struct thread_spec spec = {
	    .entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .budget = budget, .name = "window"};

	NEED(pages_used < PAGES);
	memcpy(root.page->bytes, &spec, sizeof(spec));
	*handle = NEED_HANDLE(
	    CALL4(&root, SYS_THREAD_CREATE, root_handle, space, pages, PAGE_SIZE_BYTES * pages_used++));
	return (struct thread *)object_at(&root_unit, *handle);
}

static void settle(unsigned index)
{
	host_cpu(index);
	cpu_serve(cpus[index]);
	while (cpus[index]->reschedule)
		sched_choose(cpus[index]);
}

static void start(struct thread *thread, unsigned index)
{
	host_cpu(0);
	thread_start(thread);
	settle(index);
	NEED(cpus[index]->current == thread);
}

static void message(struct thread *thread, enum syscall_number number, handle_t channel)
{
	struct arch_registers *r = &thread->registers;

	memset(r->arguments, 0, sizeof(r->arguments));
	r->arguments[0] = channel;
	r->arguments[2] = DEADLINE_NEVER;
	r->restarted = false;
	r->status = 1000;
	entries[thread->cpu->index].thread = thread;
	entries[thread->cpu->index].number = number;
}

static void message_now(struct thread *thread, enum syscall_number number, handle_t channel)
{
	unsigned index = thread->cpu->index;

	message(thread, number, channel);
	NEED(go_on(index));
	settle(index);
}

static void end(struct thread *thread)
{
	host_cpu(0);
	thread_halt(thread, HALT_KILL);
	settle(1);
	settle(0);
	NEED(thread_state(thread) == THREAD_DEAD);
}

static struct thread *server;

static bool server_is_lent(void)
{
	return server->lent;
}

/* A server waits for another one. While a caller passes its priority on to that, it waits for a third. */
static void test_lend_to_who_moves(void)
{
	handle_t serves = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING)), handle;
	handle_t before = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING));
	handle_t after = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING));
	struct channel *left = (struct channel *)object_at(&root_unit, before);
	struct channel *joined = (struct channel *)object_at(&root_unit, after);
	handle_t third = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING));
	struct thread *caller, *donors[2];

	server = thread_on(budgets[0][1], &handle);
	for (unsigned i = 0; i < 2; i++)
		donors[i] = thread_on(budgets[0][0], &handle);
	caller = thread_on(budgets[1][1], &handle);
	start(server, 0);
	message_now(server, SYS_CHANNEL_RECEIVE, serves);
	start(donors[0], 0);
	message_now(donors[0], SYS_CHANNEL_CALL, serves);
	NEED(cpus[0]->current == server);
	message_now(server, SYS_CHANNEL_CALL, before);
	NEED(left->callers == &server->call_node);
	start(caller, 1);
	message(caller, SYS_CHANNEL_CALL, serves);
	NEED(go_to(1, server_is_lent));
	host_cpu(0);
	NEED(thread_end_wait(server, E_CANCELLED));
	settle(0);
	/* It is done with its request by then, and serves another of low priority. */
	message_now(server, SYS_CHANNEL_REPLY_RECEIVE, third);
	thread_halt(donors[0], HALT_STOP);
	start(donors[1], 0);
	message_now(donors[1], SYS_CHANNEL_CALL, third);
	NEED(cpus[0]->current == server && server->caller == donors[1]);
	message_now(server, SYS_CHANNEL_CALL, after);
	NEED(joined->callers == &server->call_node);
	NEED(go_on(1));
	TEST("who has gone to another channel meanwhile stays in the queue there",
	     joined->callers == &server->call_node && !left->callers);
	settle(1);
	end(caller);
	end(server);
	end(donors[0]);
	end(donors[1]);
}

static struct channel *joins;

/* In the queue, at the place that it had when it looked, and not yet seen to wait. */
static bool server_is_queued(void)
{
	return joins->callers == &server->call_node && thread_state(server) != THREAD_CALLING;
}

/* A caller passes its priority on while the server begins to wait for another one. */
static void test_lend_to_who_begins(void)
{
	handle_t serves = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING)), handle;
	handle_t next = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING));
	struct thread *caller, *donor;

	joins = (struct channel *)object_at(&root_unit, next);
	server = thread_on(budgets[0][0], &handle);
	donor = thread_on(budgets[0][0], &handle);
	caller = thread_on(budgets[1][1], &handle);
	start(server, 0);
	message_now(server, SYS_CHANNEL_RECEIVE, serves);
	start(donor, 0);
	message_now(donor, SYS_CHANNEL_CALL, serves);
	NEED(cpus[0]->current == server);
	message(server, SYS_CHANNEL_CALL, next);
	server->registers.arguments[2] = host_time_ns() + 1000000000;
	start(caller, 1);
	message(caller, SYS_CHANNEL_CALL, serves);
	host_cpu(0);
	NEED(go_to(0, server_is_queued));
	NEED(go_on(1) && server->lent);
	NEED(go_on(0) && joins->callers == &server->call_node);
	TEST_EQUAL("who begins to wait has the place of what it was lent meanwhile",
	           PRIORITY_COUNT - (server->call_node.deadline >> 48), 80);
	settle(0);
	settle(1);
	end(caller);
	end(server);
	end(donor);
}

static struct channel *lends_on;
static unsigned releases;

/* The caller has queued itself, looked for who serves there, and left the lock for the second time. */
static bool server_was_found(void)
{
	static bool was_held;
	bool held = !lock_idle(&lends_on->lock);

	releases += lends_on->callers && was_held && !held;
	was_held = held;
	return releases == 2;
}

/* A thread ends while it is lent a budget. */
static void test_lend_to_who_ends(void)
{
	handle_t serves = NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING)), handle, last;
	struct thread *caller;
	struct budget *budget = (struct budget *)object_at(&root_unit, budgets[1][1]);
	uint32_t references;

	server = thread_on(budgets[0][0], &last);
	caller = thread_on(budgets[1][1], &handle);
	references = budget->object.references;
	start(server, 0);
	message_now(server, SYS_CHANNEL_RECEIVE, serves);
	NEED(thread_end_wait(server, E_CANCELLED));
	settle(0);
	lends_on = (struct channel *)object_at(&root_unit, serves);
	start(caller, 1);
	message(caller, SYS_CHANNEL_CALL, serves);
	NEED(go_to(1, server_was_found));
	end(server);
	finish();
	settle(1);
	TEST_EQUAL("nothing is left lent to a thread that has ended", budget->object.references, references);
	end(caller);
}

/* ---- What teardown frees ---- */

static struct memory *labelled;

static bool label_is_stale(void)
{
	return labelled->object.life < OBJECT_GRAVE && labelled->label && labelled->label->owner[0] != 'a';
}

/* Who found the object alive may copy the label, under the lock, until it is gone. */
static void test_label(void)
{
	struct label label = {.owner = "another"};
	handle_t memory = NEED_HANDLE(CALL2(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGE_SIZE_BYTES));

	memcpy(root.page->bytes, &label, sizeof(label));
	NEED(CALL1(&root, SYS_MEMORY_LABEL, memory) == E_OK);
	labelled = (struct memory *)object_at(&root_unit, memory);
	NEED(labelled->label);
	begin(0, &root, SYS_CAP_DELETE, memory, 0);
	TEST("a label is taken off an object before it is freed", !go_to(0, label_is_stale));
	finish();
	NEED(entries[0].result == E_OK);
}

#define NEW_PC (NATIVE_BASE + 0x123000)

static bool state_is_set(void)
{
	return server->registers.pc == NEW_PC;
}

/* A stopped thread is ended while another CPU reads or sets its state. */
static void test_state(void)
{
	struct thread_state state = {.pc = NEW_PC};
	handle_t handle;

	server = thread_on(budgets[0][0], &handle);
	memcpy(other.page->bytes, &state, sizeof(state));
	begin(1, &other, SYS_THREAD_STATE, handle, 1);
	NEED(go_to(1, state_is_set));
	host_cpu(0);
	thread_halt(server, HALT_KILL);
	begin(0, &root, SYS_CAP_DELETE, handle, 0);
	go_on(0);
	TEST("a thread's vector state stays while another CPU sets it", server->vector);
	finish();
	settle(1);
	settle(0);
	NEED(entries[1].result == E_OK && thread_state(server) == THREAD_DEAD);
}

/* ---- Graves ---- */

static struct event *used;

static bool signal_has_begun(void)
{
	return used->bits == 4;
}

/* Ends one object after the other on CPU 0, by COUNT at most; how many until it waits for CPU 1, or one has USED's place. */
static unsigned end_objects(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));

		if (object_at(&root_unit, event) == &used->object)
			return i;
		begin(0, &root, SYS_CAP_DELETE, event, 0);
		if (!go_on(0))
			return i;
		NEED(entries[0].result == E_OK);
	}
	return count;
}

/* An event ends while another CPU signals it. */
static void test_grave(void)
{
	handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	unsigned ended;

	used = (struct event *)object_at(&root_unit, event);
	end_objects(100); /* so that the next batch begins anew, somewhere */
	begin(1, &other, SYS_EVENT_SIGNAL, event, 4);
	NEED(go_to(1, signal_has_begun));
	begin(0, &root, SYS_CAP_DELETE, event, 0);
	NEED(go_on(0));
	ended = end_objects(100);
	TEST("what another CPU uses stays as long as it does",
	     used->object.owner == &root_unit && used->object.life == OBJECT_GRAVE && used->bits == 4);
	TEST("many more objects end meanwhile before anybody waits", ended >= 12);
	TEST("but not without end", ended < 60 && host_inside(0));
	finish();
	NEED(entries[1].result == E_OK);
	ended = end_objects(100);
	TEST("then others can have its place", ended < 60 && !host_inside(0));
	machine_check();
}

/* A thread that is found as it ends, and put into a CPU's mailbox. */
static void test_grave_in_mailbox(void)
{
	handle_t handle;

	server = thread_on(budgets[1][1], &handle);
	end(server);
	NEED(CALL1(&root, SYS_CAP_DELETE, handle) == E_OK);
	NEED(server->object.life == OBJECT_GRAVE);
	thread_nudge(server);
	NEED(server->cpu == cpus[1] && server->requests && cpus[1]->mailbox == server);
	cpus[1]->arch.in_ipi = true; /* it passes, but has not come to its mailbox yet */
	for (unsigned i = 0; i < 100; i++) {
		sched_choose(cpus[1]);
		NEED(end_objects(1) == 1);
	}
	TEST("a thread in a mailbox stays",
	     server->object.owner == &root_unit && server->object.life == OBJECT_GRAVE);
	cpus[1]->arch.in_ipi = false;
	settle(1);
	host_cpu(0);
	NEED(!cpus[1]->mailbox);
	machine_check();
	end_objects(100);
	TEST("until it is taken out", server->object.life != OBJECT_GRAVE);
}

/* A CPU that does no more than take turns is waited for by nobody. */
static void test_passing(void)
{
	uint64_t ticket = cpu_ticket();

	TEST("a ticket has not been noted by who was not asked", cpus[1]->passed < ticket);
	cpus[1]->arch.ipi = false;
	sched_choose(cpus[1]);
	TEST("but by who has chosen what to do next", cpus[1]->passed >= ticket);
	cpu_await(ticket);
	TEST("who is not asked then", !cpus[1]->arch.ipi);
}

int main(void)
{
	setvbuf(stdout, 0, _IOLBF, 0);
	host_boot(32, 2);
	actor_init(&root, &root_unit);
	actor_init(&other, &root_unit);
	root_unit.priority_max = PRIORITY_COUNT - 1;
	root_handle = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	space = NEED_HANDLE(CALL2(&root, SYS_SPACE_CREATE, SPACE_NATIVE, 0));
	pages = NEED_HANDLE(CALL2(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGE_SIZE_BYTES * PAGES));
	for (unsigned i = 0; i < 4; i++) {
		struct budget_spec spec = {
		    .cpu = i / 2, .priority = i % 2 ? 90 - 10 * (i / 2) : 20, .quota_ns = 10000000};

		memcpy(root.page->bytes, &spec, sizeof(spec));
		budgets[i / 2][i % 2] = NEED_HANDLE(CALL1(&root, SYS_BUDGET_CREATE, root_handle));
	}
	test_table_page();
	test_last_grave();
	test_grave_freed_beside();
	test_left_to_another();
	test_lend_to_who_moves();
	test_lend_to_who_begins();
	test_lend_to_who_ends();
	test_label();
	test_state();
	test_grave();
	test_grave_in_mailbox();
	test_passing();
	return test_failures != 0;
}
