/* Random programs on several simulated CPUs in random order: calls, replies, saved replies, capabilities in
 * messages, events, timers, guests, stops, kills, cancels, freezes, moves between budgets and CPUs, whole
 * units destroyed. A CPU may stop in the midst of a kernel entry while others act. Whenever none has, every
 * thread must be in exactly one place and every budget's users must add up; each answer must be the one to
 * its call; in the end everything must come back.
 *
 * The seed is the first argument; HOLON_SOAK runs many seeds.
 */
#include <calls.h>
#include <channel.h>
#include <event.h>
#include <test.h>
#include "sched.h"

#define CPUS     4u
#define UNITS    3u
#define THREADS  14u
#define CHANNELS 4u
#define EVENTS   4u
#define BUDGETS  8u

static struct actor root;
static handle_t root_handle, budgets[BUDGETS], channels[CHANNELS], events[EVENTS], thread_pages;
static uint64_t next_id = 1, answers, received, cancelled, died, guests, stopped;

static struct world {
	struct space *guest;
	handle_t unit, space, channel[CHANNELS], event[EVENTS], budget[BUDGETS], thread[THREADS];
} worlds[UNITS];

static struct program {
	handle_t handle; /* in the root unit */
	struct thread *thread;
	unsigned world;
	bool pending;
	uint64_t number, id, served, saved_id;
	handle_t saved, made;
} programs[THREADS];

static uint64_t pick(uint64_t bound)
{
	return (uint64_t)rand() % bound;
}

static int64_t root_call(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct cpu *cpu = cpu_self();
	bool before = cpu->reschedule;
	int64_t result = CALL4(&root, number, a, b, c, d);

	cpu->reschedule |= before;
	return result;
}

static void world_make(unsigned index)
{
	struct world *world = &worlds[index];
	struct unit_spec spec = {
	    .memory_bytes = 4 << 20, .caps = 400, .priority_max = 250, .cpu_share = 100000};

	int64_t error;

	memcpy(root.page->bytes, &spec, sizeof(spec));
	world->unit = NEED_HANDLE(root_call(SYS_UNIT_CREATE, root_handle, 0, 0, 0));
	world->space = NEED_HANDLE(root_call(SYS_SPACE_CREATE, SPACE_NATIVE, world->unit, 0, 0));
	world->guest = space_create((struct unit *)object_at(&root_unit, world->unit), SPACE_GUEST,
	                            (struct space *)object_at(&root_unit, world->space), &error);
	NEED(world->guest);
	for (unsigned i = 0; i < CHANNELS; i++)
		world->channel[i] =
		    NEED_HANDLE(root_call(SYS_UNIT_GRANT, world->unit, channels[i], RIGHT_ALL, 0));
	for (unsigned i = 0; i < EVENTS; i++)
		world->event[i] =
		    NEED_HANDLE(root_call(SYS_UNIT_GRANT, world->unit, events[i], RIGHT_ALL, 0));
	for (unsigned i = 0; i < BUDGETS; i++)
		world->budget[i] =
		    NEED_HANDLE(root_call(SYS_UNIT_GRANT, world->unit, budgets[i], RIGHT_ALL, 0));
	memset(world->thread, 0, sizeof(world->thread));
	/* A thread that never runs keeps the unit from ending with the others. */
	memset(root.page->bytes, 0, sizeof(struct thread_spec));
	((struct thread_spec *)root.page->bytes)->entry = NATIVE_BASE;
	((struct thread_spec *)root.page->bytes)->stack = NATIVE_BASE + 4096;
	NEED_HANDLE(
	    root_call(SYS_THREAD_CREATE, world->unit, world->space, thread_pages, THREADS * PAGE_SIZE_BYTES));
}

static void program_start(unsigned index)
{
	struct program *program = &programs[index];
	unsigned at = (unsigned)pick(UNITS);
	struct thread_spec spec = {.entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .name = "random"};

	physical_t guest;

	spec.budget = pick(4) ? budgets[pick(BUDGETS)] : 0;
	memcpy(root.page->bytes, &spec, sizeof(spec));
	*program = (struct program){.world = at};
	program->handle = NEED_HANDLE(root_call(SYS_THREAD_CREATE, worlds[at].unit, worlds[at].space,
	                                        thread_pages, index * PAGE_SIZE_BYTES));
	program->thread = (struct thread *)object_at(&root_unit, program->handle);
	NEED(memory_pin((struct memory *)object_at(&root_unit, thread_pages), THREADS + 1 + index,
	                program->thread->unit, &guest) == E_OK);
	program->thread->guest = frame_map(guest);
	NEED(object_reference(&worlds[at].guest->object));
	program->thread->guest_space = worlds[at].guest;
	for (unsigned i = 0; i < UNITS; i++) {
		int64_t granted = root_call(SYS_UNIT_GRANT, worlds[i].unit, program->handle, RIGHT_ALL, 0);

		worlds[i].thread[index] = granted > 0 ? (handle_t)granted : 0;
	}
	NEED(root_call(SYS_THREAD_START, program->handle, 0, 0, 0) == E_OK);
}

static void result_check(struct program *program)
{
	struct arch_registers *r = &program->thread->registers;

	switch (program->number) {
	case SYS_CHANNEL_CALL:
		if (r->status == E_OK) {
			answers++;
			NEED(r->words[0] == program->id + (1ull << 40)); /* the answer to this very call */
		} else {
			cancelled += r->status == E_CANCELLED;
			died += r->status == E_PEER;
			NEED(r->status < 0);
		}
		break;
	case SYS_CHANNEL_RECEIVE:
	case SYS_CHANNEL_REPLY_RECEIVE:
		if (r->status == E_OK && !(r->info & INFO_EVENT)) {
			received++;
			NEED(r->words[0] && r->words[0] < 1ull << 40);
			NEED(program->thread->budget_current);
			program->served = r->words[0];
		}
		break;
	case SYS_EVENT_CREATE:
		if (r->status > 0)
			program->made = (handle_t)r->status;
		break;
	case SYS_REPLY_SAVE:
		if (r->status > 0)
			program->saved = (handle_t)r->status, program->saved_id = program->served;
		break;
	default:
		break;
	}
}

static uint64_t deadline(void)
{
	switch (pick(4)) {
	case 0:
		return DEADLINE_POLL;
	case 1:
		return host_time_ns() + pick(400000);
	default:
		return host_time_ns() + 3000000;
	}
}

static void message(struct program *program, uint64_t *info)
{
	struct thread_page *page = program->thread->page;

	*info = 0;
	if (pick(4))
		return;
	*info = INFO_MAKE(pick(64), pick(3));
	for (unsigned i = 0; i < INFO_CAPS(*info); i++) {
		page->caps[i] = pick(8) ? worlds[program->world].event[pick(EVENTS)] : pick(1000);
		page->cap_modes[i] = CAP_TRANSFER_COPY | (uint64_t)RIGHT_SIGNAL << 16;
	}
}

/* What the message calls received is deleted again, so that tables do not fill. */
static bool drop_received(struct program *program, uint64_t args[3])
{
	for (unsigned i = 0; i < MESSAGE_CAPS_MAX; i++) {
		handle_t *cap = &program->thread->page->caps[i];

		if (*cap && program->number <= SYS_CHANNEL_RECEIVE) {
			args[0] = *cap;
			*cap = 0;
			return true;
		}
	}
	return false;
}

static void choose_call(struct program *program)
{
	struct world *world = &worlds[program->world];
	struct thread *thread = program->thread;
	struct arch_registers *r = &thread->registers;
	uint64_t args[3] = {0, 0, 0};
	uint64_t kind = pick(100);

	if (drop_received(program, args)) {
		program->number = SYS_CAP_DELETE;
	} else if (program->made) {
		program->number = SYS_CAP_DELETE;
		args[0] = program->made;
		program->made = 0;
	} else if (!pick(3)) {
		program->number = pick(2) ? SYS_GUEST_ENTER : SYS_EVENT_CREATE;
	} else if (program->saved && kind < 30) {
		program->number = SYS_CHANNEL_REPLY;
		args[0] = program->saved;
		r->words[0] = program->saved_id + (1ull << 40);
		program->saved = 0;
	} else if (thread->caller && kind < 80) {
		args[0] = world->channel[pick(CHANNELS)];
		args[2] = deadline();
		if (kind < 8 && !program->saved) {
			program->number = SYS_REPLY_SAVE;
		} else {
			program->number = kind < 60 ? SYS_CHANNEL_REPLY_RECEIVE : SYS_CHANNEL_REPLY;
			if (program->number == SYS_CHANNEL_REPLY)
				args[0] = 0;
			message(program, &args[1]);
			r->words[0] = program->served + (1ull << 40);
		}
	} else if (kind < 40) {
		program->number = SYS_CHANNEL_CALL;
		program->id = next_id++;
		args[0] = world->channel[pick(CHANNELS)];
		message(program, &args[1]);
		args[2] = deadline();
		r->words[0] = program->id;
	} else if (kind < 64) {
		program->number = SYS_CHANNEL_RECEIVE;
		args[0] = world->channel[pick(CHANNELS)];
		args[2] = deadline();
	} else if (kind < 72) {
		program->number = SYS_EVENT_WAIT;
		args[0] = world->event[pick(EVENTS)];
		args[1] = deadline();
	} else if (kind < 80) {
		program->number = SYS_EVENT_SIGNAL;
		args[0] = world->event[pick(EVENTS)];
		args[1] = 1 + pick(100);
	} else if (kind < 83) {
		program->number = SYS_EVENT_BIND;
		args[0] = pick(2) ? world->event[pick(EVENTS)] : 0;
	} else if (kind < 86) {
		program->number = SYS_EVENT_TIMER;
		args[0] = world->event[pick(EVENTS)];
		args[1] = deadline();
		args[2] = 4;
	} else if (kind < 89) {
		program->number = SYS_THREAD_SET;
		args[1] = THREAD_SET_BUDGET;
		args[2] = world->budget[pick(BUDGETS)];
	} else if (kind < 96) {
		static const uint64_t on_threads[] = {SYS_THREAD_STOP, SYS_THREAD_CANCEL, SYS_THREAD_START,
		                                      SYS_GUEST_KICK, SYS_THREAD_START};

		program->number = on_threads[pick(5)];
		args[0] = world->thread[pick(THREADS)];
	} else if (kind < 98) {
		program->number = SYS_THREAD_YIELD;
	} else {
		program->number = pick(40) ? SYS_CLOCK : SYS_THREAD_EXIT;
	}
	memcpy(r->arguments, args, sizeof(args));
}

static void step(unsigned index)
{
	struct cpu *cpu = cpus[index];
	struct program *program = 0;

	host_cpu(index);
	if (!pick(3))
		host_advance(pick(100000));
	if (cpu->programmed <= host_time_ns())
		kernel_interrupt_timer();
	if (cpu->reschedule)
		sched_choose(cpu);
	for (unsigned i = 0; cpu->current && i < THREADS; i++)
		if (programs[i].thread == cpu->current)
			program = &programs[i];
	NEED(!cpu->current || program);
	if (!program)
		return;
	if (program->thread->in_guest) { /* the guest makes a system call */
		NEED(!program->thread->registers.restarted);
		program->thread->in_guest = false;
		guests++;
	}
	if (program->thread->registers.restarted) {
		program->thread->registers.restarted = false;
	} else {
		if (program->pending)
			result_check(program);
		choose_call(program);
	}
	program->pending = true;
	kernel_syscall(program->thread, program->number);
	if (cpu->reschedule)
		sched_choose(cpu);
}

/* ---- What must hold between steps ---- */

static unsigned count_in(const struct list *list, const struct list *node)
{
	unsigned count = 0;

	for (const struct list *at = list->next; at != list; at = at->next)
		count += at == node;
	return count;
}

static bool in_heap(const struct timer *root, const struct timer *node)
{
	while (node && node->parent)
		node = node->parent;
	return node && node == root;
}

static bool in_mailbox(const struct thread *thread)
{
	for (unsigned i = 0; i < CPUS; i++)
		for (unsigned taken = 0; taken < 2; taken++)
			for (const struct thread *at = taken ? cpus[i]->mail : cpus[i]->mailbox; at;
			     at = at->mailbox_next)
				if (at == thread)
					return true;
	return false;
}

static void check_thread(const struct thread *thread)
{
	const struct cpu *cpu = thread->cpu;
	unsigned places = 0;

	for (unsigned i = 0; i < CPUS; i++)
		places += cpus[i]->current == thread;
	NEED(thread->on_cpu == places);
	NEED(!thread->requests || in_mailbox(thread));
	switch (thread_state(thread)) {
	case THREAD_READY:
		if (thread->budget_current)
			places += count_in(&thread->budget_current->ready, &thread->queue_node);
		places += count_in(&cpu->parked, &thread->queue_node);
		places += (thread->requests & REQUEST_WAKE) != 0;
		NEED(places == 1);
		/* Parked, it may have lost a budget whose owner died; it gets another one at the thaw. */
		NEED(thread->budget_current ? thread->budget_current->cpu == cpu : thread->parked);
		break;
	case THREAD_RECEIVING:
		NEED(!places && !thread->budget_current && !thread->donated);
		NEED(count_in(&container_of(thread->queue_lock, struct channel, lock)->receivers,
		              &thread->queue_node) == 1);
		break;
	case THREAD_CALLING:
		NEED(!places && in_heap(thread->channel->callers, &thread->call_node));
		NEED(thread->channel->callers->deadline <= thread->call_node.deadline);
		break;
	case THREAD_EVENT:
		NEED(!places && count_in(&container_of(thread->queue_lock, struct event, lock)->waiters,
		                         &thread->queue_node) == 1);
		break;
	case THREAD_REPLY:
		NEED(!places);
		if (thread->reply)
			NEED(*thread->reply == thread &&
			     container_of(thread->reply, struct reply, caller)->caller_wait == thread->wait);
		else
			NEED(thread->server->caller == thread && thread->server->caller_wait == thread->wait);
		break;
	case THREAD_STOPPED:
	case THREAD_DEAD:
		NEED(!places && !thread->budget_current);
		break;
	default:
		NEED(false);
	}
	NEED(thread_state(thread) == THREAD_CALLING || !thread->call_node.rank);
	if (thread->serves)
		NEED(count_in(&thread->serves->servers, &thread->serves_node) == 1);
	if (thread_state(thread) == THREAD_DEAD)
		NEED(!thread->serves && !thread->lent);
	if (thread->budget_current && thread->budget_current != thread->budget &&
	    thread->budget_current != &thread->fallback && thread_state(thread) != THREAD_READY)
		NEED(count_in(&thread->budget_current->holders, &thread->holder_node) == 1);
}

static void check_budget(struct budget *budget)
{
	uint32_t users = 0;

	for (unsigned i = 0; i < THREADS; i++)
		users += programs[i].thread && programs[i].thread->budget_current == budget;
	NEED(users == budget->users);
	if (!list_empty(&budget->ready))
		NEED(budget->queued != budget->throttled);
	if (budget->queued && !budget->edf)
		NEED(count_in(&budget->cpu->run[budget->priority], &budget->run_node) == 1 &&
		     budget->cpu->run_bitmap[budget->priority / 64] >> budget->priority % 64 & 1);
}

static unsigned long long checks;

static void check_all(void)
{
	checks++;
	for (unsigned i = 0; i < THREADS; i++)
		if (programs[i].thread) {
			check_thread(programs[i].thread);
			if (programs[i].thread->fallback.cpu)
				check_budget(&programs[i].thread->fallback);
		}
	for (unsigned i = 0; i < BUDGETS; i++)
		check_budget((struct budget *)object_at(&root_unit, budgets[i]));
	for (unsigned i = 0; i < CPUS; i++) {
		struct thread *current = cpus[i]->current;

		if (current && !cpus[i]->reschedule)
			NEED(thread_state(current) == THREAD_READY &&
			     current->budget_current == cpus[i]->budget);
	}
}

/* ---- The run ---- */

static void settle(void)
{
	for (unsigned i = 0; i < 3 * CPUS; i++) {
		host_cpu(i % CPUS);
		if (cpu_self()->reschedule)
			sched_choose(cpu_self());
	}
}

static void programs_renew(void)
{
	for (unsigned i = 0; i < THREADS; i++) {
		struct program *program = &programs[i];

		if (program->thread && thread_state(program->thread) != THREAD_DEAD)
			continue;
		if (program->thread) {
			NEED(root_call(SYS_CAP_REVOKE, program->handle, 0, 0, 0) == E_OK);
			program->thread = 0;
			NEED(root_call(SYS_CAP_DELETE, program->handle, 0, 0, 0) == E_OK);
		}
		program_start(i);
	}
}

static void unit_renew(unsigned index)
{
	struct unit *unit = (struct unit *)object_at(&root_unit, worlds[index].unit);
	const uint64_t args[6] = {worlds[index].unit};
	int64_t result;

	object_release(&worlds[index].guest->object);
	/* Its threads' structures go with it. */
	for (unsigned i = 0; i < THREADS; i++)
		if (programs[i].thread && programs[i].thread->unit == unit) {
			root_call(SYS_CAP_REVOKE, programs[i].handle, 0, 0, 0);
			root_call(SYS_CAP_DELETE, programs[i].handle, 0, 0, 0);
			programs[i].thread = 0;
		}
	for (unsigned runs = 0;; runs++) {
		bool before = cpu_self()->reschedule;

		result = call_once(&root, SYS_UNIT_DESTROY, args);
		cpu_self()->reschedule |= before;
		if (result != CALL_RESTART)
			break;
		NEED(runs < 100000);
		settle();
	}
	NEED(result == E_OK);
	root_call(SYS_CAP_DELETE, worlds[index].unit, 0, 0, 0);
	root_call(SYS_CAP_DELETE, worlds[index].space, 0, 0, 0);
	world_make(index);
	programs_renew();
}

static void run(unsigned steps)
{
	host_stop_every = 12;
	host_stop_at_locks = true;
	host_preempt_every = 2;
	for (unsigned i = 0; i < UNITS; i++)
		world_make(i);
	for (unsigned i = 0; i < THREADS; i++)
		program_start(i);
	for (unsigned at = 0; at < steps; at++) {
		unsigned inside = 0;

		host_run((unsigned)pick(CPUS), step);
		for (unsigned i = 0; i < CPUS; i++)
			inside += host_inside(i);
		stopped += inside;
		if (inside && pick(8))
			continue;
		host_finish(step);
		check_all();
		if (!pick(50)) {
			host_cpu((unsigned)pick(CPUS));
			programs_renew();
		}
		if (!pick(30)) {
			handle_t handle = programs[pick(THREADS)].handle;

			host_cpu((unsigned)pick(CPUS));
			root_call(pick(3) ? SYS_THREAD_START : SYS_THREAD_CANCEL, handle, 0, 0, 0);
		}
		if (!pick(60)) {
			unsigned unit = (unsigned)pick(UNITS);
			bool frozen = ((struct unit *)object_at(&root_unit, worlds[unit].unit))->frozen;

			host_cpu((unsigned)pick(CPUS));
			root_call(SYS_UNIT_FREEZE, worlds[unit].unit, !frozen, 0, 0);
		}
		if (!pick(1500)) {
			host_cpu((unsigned)pick(CPUS));
			unit_renew((unsigned)pick(UNITS));
		}
	}
	host_finish(step);
	for (unsigned i = 0; i < UNITS; i++) {
		host_cpu(0);
		unit_renew(i);
	}
}

/* A thread comes to CPU 1 while the one it leaves still has it as current: perhaps because that waits for CPU
 * 1 to serve it. So CPU 1 must not wait for it without end. */
static void test_early_arrival(void)
{
	struct thread_spec spec = {
	    .entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .budget = budgets[1], .name = "early"};
	struct thread *thread;
	uint64_t ticket;
	handle_t handle;

	world_make(0);
	memcpy(root.page->bytes, &spec, sizeof(spec));
	handle = NEED_HANDLE(root_call(SYS_THREAD_CREATE, worlds[0].unit, worlds[0].space, thread_pages, 0));
	thread = (struct thread *)object_at(&root_unit, handle);
	thread->on_cpu = 1;
	NEED(root_call(SYS_THREAD_START, handle, 0, 0, 0) == E_OK);
	ticket = cpu_ticket();
	host_cpu(1);
	TEST("a CPU serves others before a thread on its way has arrived",
	     cpus[1]->passed == ticket && thread->requests && list_empty(&thread->queue_node));
	thread->on_cpu = 0;
	host_cpu(0);
	host_cpu(1);
	TEST("the thread arrives later", !thread->requests && !list_empty(&thread->queue_node));
	host_cpu(0);
	NEED(root_call(SYS_UNIT_DESTROY, worlds[0].unit, 0, 0, 0) == E_OK);
}

/* A thread is killed after another CPU claimed it and before that took it out of the queue it waited in: its
 * own CPU must leave it there. */
static void test_kill_after_claim(void)
{
	struct thread_spec spec = {
	    .entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .budget = budgets[1], .name = "claimed"};
	struct thread *thread;
	struct list waiters;
	handle_t handle;

	world_make(0);
	memcpy(root.page->bytes, &spec, sizeof(spec));
	handle = NEED_HANDLE(root_call(SYS_THREAD_CREATE, worlds[0].unit, worlds[0].space, thread_pages, 0));
	thread = (struct thread *)object_at(&root_unit, handle);
	list_init(&waiters);
	list_append(&waiters, &thread->queue_node);
	NEED(wait_claim(thread, thread->wait));
	thread_halt(thread, HALT_KILL);
	host_cpu(1);
	TEST("a thread is not taken from the queue it was claimed in", waiters.next == &thread->queue_node);
	host_cpu(0);
	list_remove(&thread->queue_node);
	sched_wake(thread);
	host_cpu(1);
	TEST("and dies when it is free", thread_state(thread) == THREAD_DEAD);
	host_cpu(0);
	NEED(root_call(SYS_UNIT_DESTROY, worlds[0].unit, 0, 0, 0) == E_OK);
}

/* A thread of world 0 that runs on CPU INDEX. */
static struct thread *running_thread(unsigned index)
{
	struct thread_spec spec = {
	    .entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .budget = budgets[index], .name = "running"};
	handle_t handle;

	host_cpu(0);
	memcpy(root.page->bytes, &spec, sizeof(spec));
	handle = NEED_HANDLE(root_call(SYS_THREAD_CREATE, worlds[0].unit, worlds[0].space, thread_pages, 0));
	NEED(root_call(SYS_THREAD_START, handle, 0, 0, 0) == E_OK);
	host_cpu(index);
	sched_choose(cpus[index]);
	NEED(cpus[index]->current == (struct thread *)object_at(&root_unit, handle));
	return cpus[index]->current;
}

static void world_destroy(void)
{
	host_cpu(0);
	while (root_call(SYS_UNIT_DESTROY, worlds[0].unit, 0, 0, 0) != E_OK)
		settle();
}

/* The last two threads of a unit exit at once. */
static void test_two_exits(void)
{
	struct thread *threads[2];
	struct unit *unit;

	world_make(0);
	unit = (struct unit *)object_at(&root_unit, worlds[0].unit);
	/* The one that keeps the unit is not to be here. */
	thread_halt(container_of(unit->threads.next, struct thread, unit_node), HALT_KILL);
	for (unsigned i = 0; i < 2; i++)
		threads[i] = running_thread(i);
	for (unsigned i = 0; i < 2; i++) {
		host_cpu(i);
		kernel_syscall(threads[i], SYS_THREAD_EXIT);
	}
	for (unsigned i = 0; i < 2; i++) {
		host_cpu(i);
		sched_choose(cpus[i]);
	}
	TEST("a unit whose last two threads exit at once ends",
	     unit->state == UNIT_STOPPED && !unit->live_threads);
	world_destroy();
}

/* However many threads a unit has, none goes on after its exit. */
static void test_exit_of_many(void)
{
	struct thread *runs, *leaves;
	struct unit *unit;

	world_make(0);
	unit = (struct unit *)object_at(&root_unit, worlds[0].unit);
	for (unsigned i = 0; i < 100; i++) {
		struct thread_spec spec = {.entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096};

		memcpy(root.page->bytes, &spec, sizeof(spec));
		NEED_HANDLE(root_call(SYS_THREAD_CREATE, worlds[0].unit, worlds[0].space, thread_pages, 0));
	}
	runs = running_thread(1);
	leaves = running_thread(0);
	kernel_syscall(leaves, SYS_UNIT_EXIT);
	NEED(unit->state == UNIT_STOPPED);
	sched_choose(cpus[0]);
	TEST("who called unit_exit is gone",
	     thread_state(leaves) == THREAD_DEAD && cpus[0]->current != leaves);
	host_cpu(1);
	TEST("a thread on another CPU is told", cpus[1]->reschedule);
	sched_choose(cpus[1]);
	TEST("and is gone", thread_state(runs) == THREAD_DEAD && cpus[1]->current != runs);
	world_destroy();
}

int main(int count, char **arguments)
{
	unsigned seed = count > 1 ? (unsigned)atoi(arguments[1]) : 1,
	         steps = getenv("HOLON_SOAK") ? 4000000 : 600000;

	setvbuf(stdout, 0, _IOLBF, 0);
	srand(seed);
	host_boot(96, CPUS);
	actor_init(&root, &root_unit);
	root_unit.cpu_share = 900000;
	root_handle = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	for (unsigned i = 0; i < BUDGETS; i++) {
		struct budget_spec spec = {.cpu = i % CPUS, .priority = 10 + i, .quota_ns = 300000};

		if (i >= CPUS) {
			spec.priority = i == CPUS ? PRIORITY_EDF : 128 + i;
			spec.deadline_ns = i == CPUS ? 2000000 : 0;
			spec.period_ns = 2000000;
			spec.refills_max = 4;
		}
		memcpy(root.page->bytes, &spec, sizeof(spec));
		budgets[i] = NEED_HANDLE(root_call(SYS_BUDGET_CREATE, root_handle, 0, 0, 0));
	}
	for (unsigned i = 0; i < CHANNELS; i++)
		channels[i] =
		    NEED_HANDLE(root_call(SYS_CHANNEL_CREATE, i % 4 ? CHANNEL_DONATING : 0, 0, 0, 0));
	for (unsigned i = 0; i < EVENTS; i++)
		events[i] = NEED_HANDLE(root_call(SYS_EVENT_CREATE, 0, 0, 0, 0));
	thread_pages = NEED_HANDLE(
	    root_call(SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, (2 * THREADS + 1) * PAGE_SIZE_BYTES, 0, 0));
	test_early_arrival();
	test_kill_after_claim();
	test_two_exits();
	test_exit_of_many();
	run(steps);
	TEST("every thread was in one place, every budget added up, each time", checks > steps / 100);
	TEST("calls were received and answered", received > steps / 100 && answers > steps / 200);
	TEST("calls were cancelled and lost their servers", cancelled > 0 && died > 0);
	TEST("guests were entered, and CPUs stopped inside of the kernel",
	     guests > 0 && stopped > steps / 100);
	printf("# %llu answers, %llu received, %llu cancelled, %llu servers died, %llu guests, %llu stops\n",
	       (unsigned long long)answers, (unsigned long long)received, (unsigned long long)cancelled,
	       (unsigned long long)died, (unsigned long long)guests, (unsigned long long)stopped);
	actor_deinit(&root);
	return test_failures != 0;
}
