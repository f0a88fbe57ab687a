/* A first unit that does what once broke the kernel, on several CPUs: units whose threads exit at once or that end with
 * more threads than a slice, frames that are pinned past a quota, a stream whose peer shrinks it, questions about memory
 * that is torn down meanwhile. Logs a check's result a line and switches the machine off; tests/native/run boots it.
 */
#include <holon/handoff.h>
#include <holon/syscall.h>
#include "holon.h"
#include "text.h"

#define SLOTS       256u           /* threads at a time */
#define PATIENCE_NS 20000000000ull /* with what ends on a busy machine */

typedef void entry_t(uint64_t first, uint64_t second, struct thread_page *page);

static const struct handoff *boot;
static struct thread_page *page;
static handle_t pause_event, page_memory;
static uint8_t *stacks, *pages;

static void report(bool passed, const char *name, int64_t value)
{
	if (passed)
		log_print(boot->system, page, "ok native: %s\n", name);
	else
		log_print(boot->system, page, "not ok native: %s - got %ld\n", name, (long)value);
}

_Noreturn static void finish(void)
{
	log_print(boot->system, page, "first unit: done\n");
	system_control(boot->system, SYSTEM_POWER_OFF, 0);
	unit_exit(1);
}

static handle_t must(int64_t result, const char *what)
{
	if (result > 0)
		return (handle_t)result;
	log_print(boot->system, page, "not ok native: %s - got %ld\n", what, (long)result);
	finish();
}

static void sleep_ns(uint64_t ns)
{
	(void)event_wait(pause_event, clock_ns() + ns, 0);
}

static handle_t unit_new(uint64_t bytes, const char *name, uint64_t caps)
{
	struct unit_spec spec = {.memory_bytes = bytes, .caps = caps, .priority_max = 100};

	text_copy(spec.name, sizeof spec.name, name);
	return must(unit_create(page, boot->unit, &spec), "a unit");
}

/* A thread of UNIT in this unit's space, started. */
static handle_t run(handle_t unit, unsigned slot, entry_t *entry, uint64_t argument, handle_t budget)
{
	struct thread_spec spec = {
	    .entry = (uint64_t)entry,
	    .stack = (uint64_t)stacks + (slot + 1) * PAGE_SIZE_BYTES - 8,
	    .argument = {argument, 0},
	    .budget = budget,
	    .page_address = (uint64_t)pages + slot * PAGE_SIZE_BYTES,
	};
	handle_t thread = must(
	    thread_create(page, unit, boot->space, page_memory, slot * PAGE_SIZE_BYTES, &spec), "a thread");

	must(thread_start(thread) + 1, "its start");
	return thread;
}

static handle_t budget_of(unsigned cpu)
{
	return boot->machine.cpus[cpu].budget;
}

static handle_t budget_new(unsigned cpu)
{
	struct budget_spec spec = {.cpu = cpu, .priority = 90, .quota_ns = 10000000};

	return must(budget_create(page, boot->unit, &spec), "a budget");
}

/* What UNIT is, when it has ended or after a while. */
static struct unit_info ended(handle_t unit)
{
	struct unit_info info = {0};
	uint64_t end = clock_ns() + PATIENCE_NS;

	do {
		if (unit_info(page, unit, &info) || info.state > UNIT_RUNNING)
			break;
		sleep_ns(200000);
	} while (clock_ns() < end);
	return info;
}

/* What of FREE bytes is missing when all but SLACK_PAGES are back, or after a while; 0: nothing more than these. */
static int64_t missing(uint64_t free, unsigned slack_pages)
{
	struct system_info info = {0};
	uint64_t end = clock_ns() + PATIENCE_NS;

	do {
		system_info(page, &info);
		if (info.memory_free + slack_pages * PAGE_SIZE_BYTES >= free)
			return 0;
		sleep_ns(1000000);
	} while (clock_ns() < end);
	return (int64_t)(free - info.memory_free);
}

/* ---- Threads that exit at once ---- */

static volatile uint64_t go;
static volatile unsigned ready;

static void exiting(uint64_t first, uint64_t second, struct thread_page *own)
{
	(void)first, (void)second, (void)own;
	__atomic_fetch_add(&ready, 1, __ATOMIC_SEQ_CST);
	while (!go)
		;
	thread_exit();
}

static void test_two_exits(void)
{
	int64_t stuck = 0;

	for (unsigned round = 0; round < 150 && !stuck; round++) {
		handle_t unit = unit_new(1 << 20, "exits", 16);

		go = ready = 0;
		handle_t one = run(unit, 0, exiting, 0, budget_of(0)),
		         other = run(unit, 1, exiting, 0, budget_of(1));

		while (ready < 2)
			sleep_ns(100000);
		go = 1;
		stuck += ended(unit).state != UNIT_STOPPED;
		cap_delete(one);
		cap_delete(other);
		unit_destroy(unit);
		cap_delete(unit);
	}
	report(!stuck, "a unit ends when its last two threads exit at once", stuck);
}

/* ---- The end of a unit with many threads ---- */

static volatile uint64_t counted, after_exit;

static void counting(uint64_t first, uint64_t second, struct thread_page *own)
{
	(void)first, (void)second, (void)own;
	for (;;)
		counted++;
}

static void sleeping(uint64_t event, uint64_t second, struct thread_page *own)
{
	(void)second, (void)own;
	(void)event_wait((handle_t)event, DEADLINE_NEVER, 0);
	for (;;)
		;
}

static void leaving(uint64_t first, uint64_t second, struct thread_page *own)
{
	(void)first, (void)second, (void)own;
	(void)syscall6(SYS_UNIT_EXIT, 7, 0, 0, 0, 0, 0, 0);
	for (;;)
		after_exit++;
}

static void test_end_with_many(unsigned sleepers, const char *name)
{
	handle_t unit = unit_new(8 << 20, "many", 32), event = must(event_create(), "an event");
	handle_t given = must(unit_grant(unit, event, RIGHT_ALL, 0), "its grant");
	handle_t first = budget_new(1), second = budget_new(2);

	counted = after_exit = 0;
	for (unsigned i = 0; i < sleepers; i++)
		cap_delete(run(unit, i, sleeping, given, budget_of(1)));
	sleep_ns(20000000);
	handle_t counter = run(unit, sleepers, counting, 0, first);

	while (!counted)
		sleep_ns(1000000);
	handle_t leaver = run(unit, sleepers + 1, leaving, 0, second);
	struct unit_info info = ended(unit);

	/* What is on its way to another CPU arrives, when that one runs: the counter stands still for a while, and soon. */
	uint64_t last, now = counted, limit = clock_ns() + PATIENCE_NS;

	do {
		last = now;
		sleep_ns(200000000);
		now = counted;
	} while (now != last && clock_ns() < limit);
	bool over = info.state == UNIT_STOPPED && info.exit_status == 7 && now == last && !after_exit;
	report(over, name, (int64_t)(now - last + after_exit));
	unit_destroy(unit);
	for (unsigned i = 0; i < 6; i++)
		cap_delete(((handle_t[]){unit, counter, leaver, first, second, event})[i]);
}

/* ---- Pinned frames ---- */

static void test_pinned_are_paid(void)
{
	uint64_t quota = 4 << 20;
	handle_t unit = unit_new(quota, "pins", 2000), memory;
	struct system_info before = {0}, after = {0};
	int64_t result = 0;

	memory = must(memory_create_in(unit, PAGE_SIZE_BYTES), "memory");
	system_info(page, &before);
	/* Each thread's page is pinned; then the object forgets it and gets another one. */
	for (unsigned i = 0; i < 3000 && result >= 0; i++) {
		struct thread_spec spec = {.entry = (uint64_t)counting,
		                           .stack = (uint64_t)stacks + PAGE_SIZE_BYTES - 8,
		                           .page_address = (uint64_t)pages};

		result = thread_create(page, unit, boot->space, memory, 0, &spec);
		if (result > 0)
			cap_delete((handle_t)result);
		memory_discard(memory, 0, PAGE_SIZE_BYTES);
	}
	system_info(page, &after);
	report(result == E_QUOTA_MEMORY || result == E_QUOTA_CAPS, "pins end where the quota does", result);
	report(before.memory_free - after.memory_free <= quota, "and take no more than it",
	       (int64_t)(before.memory_free - after.memory_free));
	unit_destroy(unit);
	cap_delete(unit);
	cap_delete(memory);
	int64_t lost = missing(before.memory_free, 64);
	report(!lost, "all of them come back", lost);
}

/* ---- A peer that shrinks what is shared ---- */

static void writing(uint64_t address, uint64_t second, struct thread_page *own)
{
	(void)second, (void)own;
	for (;;)
		++*(volatile uint64_t *)address;
}

static volatile int64_t resized, discarded;

static void shrinking(uint64_t memory, uint64_t second, struct thread_page *own)
{
	(void)second, (void)own;
	discarded = syscall6(SYS_MEMORY_DISCARD, memory, 0, PAGE_SIZE_BYTES, 0, 0, 0, 0);
	resized = syscall6(SYS_MEMORY_RESIZE, memory, 0, 0, 0, 0, 0, 0);
	unit_exit(0);
}

static void test_peer_shrinks(void)
{
	handle_t victim = unit_new(1 << 20, "victim", 16), peer = unit_new(1 << 20, "peer", 16), memory;
	uint64_t *shared = window_allocate(3 * PAGE_SIZE_BYTES, &memory);
	struct unit_info info = {0};

	handle_t given = must(unit_grant(peer, memory, RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0),
	                      "its grant");

	resized = discarded = 0;
	handle_t writer = run(victim, 0, writing, (uint64_t)shared, budget_of(0));
	while (!*(volatile uint64_t *)shared)
		sleep_ns(1000000);
	handle_t shrinker = run(peer, 1, shrinking, given, budget_of(1));

	(void)ended(peer);
	uint64_t before = *(volatile uint64_t *)shared;
	for (uint64_t end = clock_ns() + PATIENCE_NS;
	     *(volatile uint64_t *)shared == before && clock_ns() < end;)
		sleep_ns(20000000);
	unit_info(page, victim, &info);
	report(resized == E_RIGHTS && discarded == E_RIGHTS, "a stream's peer cannot shrink it", resized);
	report(info.state == UNIT_RUNNING && *(volatile uint64_t *)shared != before, "its other side goes on",
	       info.state);
	unit_destroy(victim);
	unit_destroy(peer);
	for (unsigned i = 0; i < 4; i++)
		cap_delete(((handle_t[]){victim, peer, writer, shrinker})[i]);
}

/* ---- Questions about memory that goes ---- */

#define VAST    (4096 * PAGE_SIZE_BYTES)
#define AREA    (NATIVE_BASE + (1ull << 36))
#define TEAR_NS 2000000000ull

static volatile handle_t going;
static volatile uint64_t questions[2], objects;
static volatile bool enough;
static volatile int64_t refused; /* the maker, why */

static void asking(uint64_t which, uint64_t second, struct thread_page *own)
{
	(void)second, (void)own;
	while (!enough) {
		handle_t handle = going;

		if (!handle)
			continue;
		if (which)
			(void)syscall6(SYS_MEMORY_DIRTY, handle, 0, VAST, 0, 0, 0, 0);
		else
			(void)syscall6(SYS_MEMORY_INFO, handle, 0, 0, 0, 0, 0, 0);
		questions[which]++;
	}
	thread_exit();
}

static void making(uint64_t first, uint64_t second, struct thread_page *own)
{
	(void)first, (void)second, (void)own;
	while (!enough) {
		int64_t memory = memory_create(MEMORY_ANONYMOUS, VAST, 0, 0);

		refused = memory < 0
		              ? memory
		              : space_map(boot->space, AREA, (handle_t)memory, 0, VAST, MAP_READ | MAP_WRITE);
		if (!refused) {
			for (uint64_t at = 0; at < VAST; at += 512 * PAGE_SIZE_BYTES)
				*(volatile uint64_t *)(AREA + at) = 1;
			going = (handle_t)memory;
			for (volatile unsigned i = 0; i < 2000; i++)
				;
			space_unmap(boot->space, AREA, VAST);
			objects++;
		}
		if (memory > 0)
			cap_delete((handle_t)memory);
		going = 0;
	}
	thread_exit();
}

static void test_questions(void)
{
	struct system_info before = {0};
	uint64_t end = clock_ns() + TEAR_NS;

	system_info(page, &before);
	handle_t threads[] = {
	    run(boot->unit, 0, asking, 1, budget_of(0)), run(boot->unit, 1, making, 0, budget_of(1)),
	    run(boot->unit, 2, asking, 0, budget_of(2)), run(boot->unit, 3, asking, 1, budget_of(3))};

	/* For a while, and where the machine is busy until each did something: tests/native/run ends what never comes so far. */
	while (!refused && (clock_ns() < end || !objects || !questions[0] || !questions[1]))
		sleep_ns(20000000);
	enough = true;
	sleep_ns(200000000);
	for (unsigned i = 0; i < 4; i++)
		cap_delete(threads[i]);
	report(!refused && objects, "memory that is torn down can be asked about",
	       refused ? refused : (int64_t)objects);
	int64_t lost = missing(before.memory_free, 256);
	report(!lost, "and leaves nothing behind", lost);
}

void holon_start(const struct handoff *info, struct thread_page *thread_page);
void holon_start(const struct handoff *info, struct thread_page *thread_page)
{
	boot = info;
	page = thread_page;
	window_init(boot->space, NATIVE_BASE + (1ull << 34));
	pause_event = must(event_create(), "an event");
	stacks = window_allocate(SLOTS * PAGE_SIZE_BYTES, 0);
	pages = window_allocate(SLOTS * PAGE_SIZE_BYTES, &page_memory);
	if (!stacks || !pages || boot->machine.cpu_count < 4)
		must(0, "memory and four CPUs");
	test_two_exits();
	test_end_with_many(4, "a unit with few threads ends at once");
	test_end_with_many(100, "a unit with a hundred threads ends as a whole");
	test_pinned_are_paid();
	test_peer_shrinks();
	test_questions();
	finish();
}
