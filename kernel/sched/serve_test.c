/* What a server runs on (serve.c): scripted threads on one simulated CPU. Each test brings a request into a state in
 * which its donor alone would not let it end, and says who must run. */
#include <calls.h>
#include <channel.h>
#include <test.h>
#include "sched.h"

#define THREADS_MAX 160u

static struct actor root;
static handle_t unit, space, pages, pages_used;

struct role {
	struct thread *thread;
	struct budget *budget;
	handle_t budget_handle, handle;
};

static handle_t budget_make(const struct budget_spec *spec)
{
	memcpy(root.page->bytes, spec, sizeof(*spec));
	return NEED_HANDLE(CALL1(&root, SYS_BUDGET_CREATE, unit));
}

/* Lets the CPU do what is due. */
static void settle(void)
{
	struct cpu *cpu = cpu_self();

	cpu_serve(cpu);
	if (cpu->programmed <= host_time_ns())
		kernel_interrupt_timer();
	while (cpu->reschedule)
		sched_choose(cpu);
}

static int64_t root_call(enum syscall_number number, uint64_t a, uint64_t b)
{
	bool before = cpu_self()->reschedule;
	int64_t result = CALL2(&root, number, a, b);

	cpu_self()->reschedule |= before;
	return result;
}

/* A stopped thread on BUDGET (0: passive). */
static struct role role_on(handle_t budget)
{
	struct thread_spec spec = {
	    .entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .budget = budget, .name = "role"};
	struct role role = {.budget_handle = budget};

	NEED(pages_used < THREADS_MAX);
	memcpy(root.page->bytes, &spec, sizeof(spec));
	role.handle =
	    NEED_HANDLE(CALL4(&root, SYS_THREAD_CREATE, unit, space, pages, PAGE_SIZE_BYTES * pages_used++));
	role.thread = (struct thread *)object_at(&root_unit, role.handle);
	role.budget = role.thread->budget;
	return role;
}

/* The same on a budget of its own: best effort at PRIORITY. */
static struct role role_make(uint32_t priority)
{
	struct budget_spec spec = {.priority = priority, .quota_ns = 10000000};

	return role_on(budget_make(&spec));
}

static void start(struct role role)
{
	NEED(root_call(SYS_THREAD_START, role.handle, 0) == E_OK);
	settle();
}

static bool runs(struct role role)
{
	settle();
	return cpu_self()->current == role.thread;
}

/* ROLE, which runs, makes a message call. */
static void message_info(struct role role, enum syscall_number number, handle_t channel, uint64_t info)
{
	struct arch_registers *r = &role.thread->registers;

	NEED(runs(role));
	memset(r->arguments, 0, sizeof(r->arguments));
	r->arguments[0] = channel;
	r->arguments[1] = info;
	r->arguments[2] = DEADLINE_NEVER;
	r->restarted = false;
	r->status = 1000;
	kernel_syscall(role.thread, number);
	settle();
}

static void message_call(struct role role, enum syscall_number number, handle_t channel)
{
	message_info(role, number, channel, 0);
}

static handle_t channel_make(void)
{
	return NEED_HANDLE(CALL1(&root, SYS_CHANNEL_CREATE, CHANNEL_DONATING));
}

/* A server that waits on CHANNEL. */
static struct role server_make(uint32_t priority, handle_t channel)
{
	struct role server = role_make(priority);

	start(server);
	message_call(server, SYS_CHANNEL_RECEIVE, channel);
	return server;
}

static void stop(struct role role)
{
	thread_halt(role.thread, HALT_STOP);
	settle();
	NEED(thread_state(role.thread) == THREAD_STOPPED);
}

static void test_starving_donor(void)
{
	handle_t channel = channel_make();
	struct role server = server_make(100, channel), donor = role_make(1), hog = role_make(50);

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	TEST("undisturbed, a server runs on its donor's budget",
	     runs(server) && server.thread->budget_current == donor.budget);
	start(hog);
	TEST("a busy loop above the donor does not hold the server up", runs(server));
	TEST("which goes on with its own budget",
	     server.thread->budget_current == server.budget && donor.thread->budget_current == donor.budget);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	TEST("what the donor does itself has its own priority", runs(hog));
	stop(hog);
	TEST_EQUAL("the donor has its answer", runs(donor) ? donor.thread->registers.status : 1, E_OK);
	stop(donor);
}

static void test_budget_used_up(void)
{
	struct budget_spec spec = {
	    .priority = 150, .quota_ns = 1000000, .period_ns = 100000000, .refills_max = 2};
	handle_t channel = channel_make();
	struct role server = server_make(100, channel), donor = role_on(budget_make(&spec)),
	            hog = role_make(90);

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	start(hog);
	NEED(runs(server) && server.thread->budget_current == donor.budget);
	host_advance(1500000);
	cpu_self()->reschedule = true;
	TEST("a donor's budget that is used up does not hold the server", runs(server));
	TEST("its reserve takes over",
	     server.thread->budget_current == server.budget && donor.budget->throttled);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	TEST("the donor waits for its own replenishment", runs(hog));
	stop(hog);
	stop(donor);
}

/* The donor's budget is used up by its other threads while the server waits in its queue. */
static void test_used_up_by_others(void)
{
	struct budget_spec spec = {
	    .priority = 150, .quota_ns = 1000000, .period_ns = 100000000, .refills_max = 2};
	handle_t channel = channel_make();
	struct role server = server_make(100, channel), donor = role_on(budget_make(&spec)),
	            sibling = role_on(donor.budget_handle), fixed;
	struct budget_spec above = {
	    .priority = 160, .quota_ns = 9000000, .period_ns = 100000000, .refills_max = 2};

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	fixed = role_on(budget_make(&above));
	start(fixed);
	NEED(runs(fixed) && server.thread->budget_current == donor.budget && server.thread->queued);
	start(sibling);
	stop(fixed);
	TEST("a server comes before the donor's own threads", runs(server));
	start(fixed);
	NEED(runs(fixed));
	/* As if the sibling had used it up. */
	refills_charge(&donor.budget->refills, 1000000);
	stop(fixed);
	host_advance(1000);
	cpu_self()->reschedule = true;
	TEST("it leaves a budget that was used up behind its back", runs(server));
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	stop(donor);
	stop(sibling);
}

static void test_reconfigured(void)
{
	handle_t channel = channel_make();
	struct role server = server_make(40, channel), donor = role_make(60), hog = role_make(50),
	            urgent = role_make(70);
	struct budget_spec lower = {.priority = 1, .quota_ns = 10000000};

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	start(urgent);
	NEED(runs(urgent) && server.thread->budget_current == donor.budget);
	memcpy(root.page->bytes, &lower, sizeof(lower));
	NEED(root_call(SYS_BUDGET_CONFIGURE, donor.budget_handle, 0) == E_OK);
	settle();
	TEST("a donor that lowers its budget meanwhile loses the server",
	     server.thread->budget_current == server.budget);
	stop(urgent);
	TEST("which goes on at its floor", runs(server));
	start(hog);
	TEST("no higher than that", runs(hog));
	stop(hog);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	stop(donor);
}

static void test_waiting_callers(void)
{
	handle_t channel = channel_make();
	struct role server = server_make(20, channel), donor = role_make(10), hog = role_make(50),
	            high = role_make(80), middle = role_make(60);

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	start(hog);
	NEED(runs(hog)); /* the floor is below it */
	start(high);
	message_call(high, SYS_CHANNEL_CALL, channel);
	TEST("a caller that waits lends the server its priority", runs(server));
	TEST("on its budget", server.thread->budget_current == high.budget);
	start(middle);
	TEST("against all below it", runs(server));
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	TEST("and is served next", runs(server) && server.thread->caller == high.thread);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	TEST_EQUAL("with its answer", runs(high) ? high.thread->registers.status : 1, E_OK);
	stop(high);
	TEST("then the others go on by priority", runs(middle));
	stop(middle);
	stop(hog);
	TEST("the first donor too", runs(donor) && donor.thread->registers.status == E_OK);
	stop(donor);
}

/* A waiting caller whose budget is of high priority, but soon used up. */
static void test_lent_used_up(void)
{
	struct budget_spec spec = {
	    .priority = 150, .quota_ns = 1000000, .period_ns = 100000000, .refills_max = 2};
	handle_t channel = channel_make();
	struct role server = server_make(100, channel), donor = role_make(60), hog = role_make(50),
	            high = role_on(budget_make(&spec));

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	start(high);
	message_call(high, SYS_CHANNEL_CALL, channel);
	NEED(runs(server) && server.thread->budget_current == high.budget);
	start(hog);
	host_advance(1500000);
	cpu_self()->reschedule = true;
	TEST("a lent budget that is used up does not hold the server", runs(server));
	TEST("which goes on with its own",
	     server.thread->budget_current == server.budget && high.budget->throttled);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	TEST("and serves who lent it", runs(server) && server.thread->caller == high.thread);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	stop(hog);
	stop(donor);
	stop(high);
}

static void test_order(void)
{
	handle_t channel = channel_make();
	struct role server = role_make(5),
	            callers[4] = {role_make(30), role_make(10), role_make(60), role_make(30)};
	static const unsigned order[] = {2, 0, 3, 1};
	bool right = true;

	for (unsigned i = 0; i < 4; i++) {
		start(callers[i]);
		message_call(callers[i], SYS_CHANNEL_CALL, channel);
	}
	start(server);
	message_call(server, SYS_CHANNEL_RECEIVE, channel);
	for (unsigned i = 0; i < 4; i++) {
		right = right && server.thread->caller == callers[order[i]].thread;
		message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
		if (runs(callers[order[i]]))
			stop(callers[order[i]]);
	}
	TEST("callers are served by priority, then by arrival",
	     right && !((struct channel *)object_at(&root_unit, channel))->callers);
}

/* A chain: donor -> first -> second, and a caller of the first waits. */
static void test_chain(void)
{
	handle_t one = channel_make(), two = channel_make();
	struct role second = server_make(20, two), first = server_make(20, one), donor = role_make(10),
	            hog = role_make(50), high = role_make(80);

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, one);
	message_call(first, SYS_CHANNEL_CALL, two);
	NEED(runs(second));
	start(hog);
	NEED(runs(hog));
	start(high);
	message_call(high, SYS_CHANNEL_CALL, one);
	TEST("a waiting caller's priority reaches the server behind the server", runs(second));
	message_call(second, SYS_CHANNEL_REPLY_RECEIVE, two);
	TEST("and then the server itself", runs(first));
	message_call(first, SYS_CHANNEL_REPLY_RECEIVE, one);
	TEST("so that it is served", runs(first) && first.thread->caller == high.thread);
	message_call(first, SYS_CHANNEL_REPLY_RECEIVE, one);
	NEED(runs(high));
	stop(high);
	stop(hog);
	stop(donor);
}

/* A server that waits for another one has its own floor there, not the place of its donor. */
static void test_floor_of_a_caller(void)
{
	handle_t one = channel_make(), two = channel_make();
	struct role second = server_make(20, two), first = server_make(40, one), busy = role_make(5),
	            other = role_make(30), donor = role_make(10), hog = role_make(35);

	start(busy);
	message_call(busy, SYS_CHANNEL_CALL, two);
	NEED(runs(second));
	start(other);
	message_call(other, SYS_CHANNEL_CALL, two);
	start(donor);
	settle();
	NEED(runs(second));
	stop(second);
	NEED(runs(donor));
	message_call(donor, SYS_CHANNEL_CALL, one);
	message_call(first, SYS_CHANNEL_CALL, two);
	start(second);
	start(hog);
	TEST("a server that waits for another one lends it its reserve", runs(second));
	message_call(second, SYS_CHANNEL_REPLY_RECEIVE, two);
	TEST("and comes before callers of less than its floor", second.thread->caller == first.thread);
	stop(hog);
	message_call(second, SYS_CHANNEL_REPLY_RECEIVE, two);
	message_call(first, SYS_CHANNEL_REPLY_RECEIVE, one);
	NEED(runs(second) && second.thread->caller == other.thread);
	message_call(second, SYS_CHANNEL_REPLY_RECEIVE, two);
	stop(other);
	stop(donor);
	stop(busy);
}

/* Whether a server with a floor of PRIORITY leaves its donor's budget, of 20, when others have their turn on it. */
static bool leaves_at_the_end_of_a_turn(uint32_t priority)
{
	handle_t channel = channel_make();
	struct role server = server_make(priority, channel), donor = role_make(20),
	            sibling = role_on(donor.budget_handle);
	bool own;

	start(donor);
	message_call(donor, SYS_CHANNEL_CALL, channel);
	start(sibling);
	NEED(runs(server) && server.thread->budget_current == donor.budget);
	host_advance(11000000);
	cpu_self()->reschedule = true;
	settle();
	own = server.thread->budget_current == server.budget;
	stop(sibling);
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	stop(donor);
	return own;
}

/* Donors with one budget: what they asked for is done before what their other threads do. */
static void test_turns(void)
{
	struct budget_spec spec = {
	    .priority = 150, .quota_ns = 50000000, .period_ns = 100000000, .refills_max = 2};
	handle_t one = channel_make(), two = channel_make(), nobody = channel_make();
	struct role server = server_make(100, one), other = server_make(100, two), first, second, third;

	TEST("at the end of its donor's turn a server goes on with its own budget",
	     leaves_at_the_end_of_a_turn(100) && leaves_at_the_end_of_a_turn(20));
	TEST("but not with one of lower priority", !leaves_at_the_end_of_a_turn(19));
	first = role_on(budget_make(&spec));
	second = role_on(first.budget_handle);
	third = role_on(first.budget_handle);
	start(first);
	message_call(first, SYS_CHANNEL_CALL, two);
	message_call(other, SYS_CHANNEL_CALL, nobody);
	start(second);
	message_call(second, SYS_CHANNEL_CALL, one);
	start(third);
	NEED(runs(server) && server.thread->budget_current == first.budget);
	NEED(thread_end_wait(other.thread, E_CANCELLED));
	TEST("a server goes on where another one of its donor's wakes up", runs(server));
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, one);
	stop(second);
	TEST("which is next, before the donor's own threads", runs(other));
	message_call(other, SYS_CHANNEL_REPLY_RECEIVE, two);
	stop(first);
	stop(third);
}

#define BARE 9u /* more than are looked at at a time */

/* Servers without budgets of their own wait before one that has its own, on a budget that is used up. */
static void test_servers_without_budgets(void)
{
	struct budget_spec spec = {
	    .priority = 150, .quota_ns = 1000000, .period_ns = 100000000, .refills_max = 2};
	handle_t budget = budget_make(&spec), channel = channel_make(), channels[BARE];
	struct role server = server_make(100, channel), bare[BARE], callers[BARE], donor = role_on(budget);
	struct cpu *cpu = cpu_self();
	unsigned periods = 0;

	for (unsigned i = 0; i < BARE; i++) {
		bare[i] = role_on(0);
		start(bare[i]);
		message_call(bare[i], SYS_CHANNEL_RECEIVE, channels[i] = channel_make());
	}
	for (unsigned i = 0; i <= BARE; i++) {
		struct role caller = i < BARE ? (callers[i] = role_on(budget)) : donor;

		start(caller);
		while (!runs(caller)) {
			kernel_syscall(cpu->current, SYS_THREAD_YIELD);
			settle();
		}
		message_call(caller, SYS_CHANNEL_CALL, i < BARE ? channels[i] : channel);
	}
	NEED(runs(server));
	kernel_syscall(server.thread, SYS_THREAD_YIELD);
	NEED(!runs(server) && server.thread->budget_current == donor.budget);
	host_advance(1500000);
	cpu->reschedule = true;
	settle();
	NEED(donor.budget->throttled);
	while (server.thread->budget_current != server.budget && periods++ < 4) {
		host_advance(101000000);
		settle();
		TEST("a budget comes back beside servers without their own", !donor.budget->throttled);
		host_advance(1500000);
		cpu->reschedule = true;
		settle();
		settle();
	}
	TEST("and a server behind them gets its own", server.thread->budget_current == server.budget);
	for (unsigned i = 0; i < BARE; i++) {
		stop(bare[i]);
		stop(callers[i]);
	}
	message_call(server, SYS_CHANNEL_REPLY_RECEIVE, channel);
	stop(donor);
}

/* Callers whose messages cannot be are passed a few at a time. */
static void test_bad_callers(void)
{
	handle_t channel = channel_make();
	struct channel *queue = (struct channel *)object_at(&root_unit, channel);
	struct role server = role_make(90), callers[12];
	unsigned runs_needed = 0, left = 12;

	for (unsigned i = 0; i < 12; i++) {
		callers[i] = role_make(10);
		start(callers[i]);
		NEED(runs(callers[i]));
		callers[i].thread->page->caps[0] = 0;
		message_info(callers[i], SYS_CHANNEL_CALL, channel, 1 << 12);
	}
	start(server);
	do {
		unsigned failed = 0;

		message_call(server, SYS_CHANNEL_RECEIVE, channel);
		for (unsigned i = 0; i < 12; i++)
			failed += callers[i].thread->registers.status == E_HANDLE;
		NEED(failed + left >= 12);
		left = 12 - failed;
		runs_needed++;
	} while (server.thread->registers.restarted && runs_needed < 20);
	TEST("no receive passes more than a few of them at once", runs_needed >= 3);
	TEST("and then it waits",
	     !left && !queue->callers && thread_state(server.thread) == THREAD_RECEIVING);
	for (unsigned i = 0; i < 12; i++)
		stop(callers[i]);
}

/* A round may end with what it had taken, while more has come whose interrupt was merged with the one it serves. */
static void test_mailbox_rounds(void)
{
	struct cpu *cpu = cpu_self();
	struct thread *threads[17];
	unsigned lost = 0;

	for (unsigned i = 0; i < 17; i++)
		threads[i] = role_make(1).thread;
	for (unsigned taken = 1; taken < 17; taken++) {
		for (unsigned i = 0; i < taken; i++)
			thread_nudge(threads[i]);
		cpu->mail = __atomic_exchange_n(&cpu->mailbox, 0, __ATOMIC_SEQ_CST);
		thread_nudge(threads[taken]);
		cpu->arch.ipi = false;
		for (unsigned round = 0; round < 3; round++) {
			cpu_serve(cpu);
			if (!cpu->arch.ipi)
				break;
			cpu->arch.ipi = false;
		}
		lost += cpu->mail || cpu->mailbox;
	}
	TEST_EQUAL("no request is left without an interrupt to come", lost, 0);
}

int main(void)
{
	host_boot(16, 1);
	actor_init(&root, &root_unit);
	root_unit.priority_max = PRIORITY_COUNT - 1;
	root_unit.cpu_share = 1000000;
	unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	space = NEED_HANDLE(CALL2(&root, SYS_SPACE_CREATE, SPACE_NATIVE, 0));
	pages = NEED_HANDLE(CALL2(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGE_SIZE_BYTES * THREADS_MAX));
	test_starving_donor();
	test_budget_used_up();
	test_used_up_by_others();
	test_reconfigured();
	test_waiting_callers();
	test_lent_used_up();
	test_order();
	test_chain();
	test_floor_of_a_caller();
	test_turns();
	test_servers_without_budgets();
	test_bad_callers();
	test_mailbox_rounds();
	return test_failures != 0;
}
