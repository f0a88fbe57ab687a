/* Pagers as their clients' threads see them: waiting for pages and for leave to write, failures, a pager that is
 * replaced, and two dirty marks that are harvested apart. */
#include "sched.h"
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)
#define BASE     (NATIVE_BASE + PAGES(16))
#define THREADS  3u
#define READ     0u
#define WRITE    2u /* page-fault error code */

static struct actor root;
static handle_t self_unit, event, pager, source, space_handle, thread_pages, budget;
static struct thread *threads[THREADS];

static void thread_make(unsigned index)
{
	struct thread_spec spec = {.entry = NATIVE_BASE, .stack = NATIVE_BASE + 4096, .name = "client"};
	handle_t handle;

	spec.budget = budget; /* of all, so that a yield goes to the next */
	memcpy(root.page->bytes, &spec, sizeof(spec));
	handle =
	    NEED_HANDLE(CALL4(&root, SYS_THREAD_CREATE, self_unit, space_handle, thread_pages, PAGES(index)));
	threads[index] = (struct thread *)object_at(&root_unit, handle);
	NEED(CALL3(&root, SYS_THREAD_SET, handle, THREAD_SET_FAULT_ENTRY, NATIVE_BASE + 0x100) == 0);
	NEED(CALL1(&root, SYS_THREAD_START, handle) == 0);
}

/* The CPU runs THREAD. */
static void run(struct thread *thread)
{
	for (unsigned tries = 0; tries < 2 * THREADS && cpus[0]->current != thread; tries++) {
		if (cpus[0]->current)
			kernel_syscall(cpus[0]->current, SYS_THREAD_YIELD);
		sched_choose(cpus[0]);
	}
	NEED(cpus[0]->current == thread);
}

enum outcome { WENT_ON, WAITS, FAULTS };

/* THREAD accesses PAGE of the object: what becomes of it. */
static enum outcome access_page(struct thread *thread, unsigned page, uint64_t error)
{
	uint64_t pc = thread->registers.pc;

	run(thread);
	kernel_page_fault(thread, BASE + PAGES(page), error);
	if (cpus[0]->reschedule)
		sched_choose(cpus[0]);
	if (WAIT_STATE(thread->wait) == THREAD_PAGER)
		return WAITS;
	if (thread->registers.pc == pc)
		return WENT_ON;
	thread->registers.pc = pc;
	return FAULTS;
}

static bool told(void)
{
	bool signalled = CALL2(&root, SYS_EVENT_WAIT, event, 1) == E_OK;

	root.thread->wait = 0;
	return signalled && root.second == 1;
}

static int64_t wanted(void)
{
	return CALL1(&root, SYS_MEMORY_WANTED, pager);
}

static int64_t answer(unsigned page, unsigned count, enum pager_answer what)
{
	return CALL4(&root, SYS_MEMORY_ANSWER, pager, PAGES(page), PAGES(count), what);
}

static int64_t supply(unsigned page, unsigned count)
{
	return CALL5(&root, SYS_MEMORY_SUPPLY, pager, PAGES(page), source, 0, PAGES(count));
}

static bool marked(enum dirty_mark mark, unsigned page)
{
	NEED(CALL4(&root, SYS_MEMORY_DIRTY, pager, 0, PAGES(100), mark) == 0);
	return root.page->bytes[page / 8] >> page % 8 & 1;
}

static void test_waiting(void)
{
	TEST_EQUAL("an absent page is waited for", access_page(threads[0], 5, READ), WAITS);
	TEST_EQUAL("its pager learns which", wanted(), PAGES(5));
	TEST_EQUAL("once", wanted(), E_NOT_FOUND);
	TEST_EQUAL("another one's writer waits, too", access_page(threads[1], 6, WRITE), WAITS);
	TEST_EQUAL("and is told from a reader", wanted(), (int64_t)(PAGES(6) | 1));
	NEED(supply(5, 1) == 0);
	machine_check();
	TEST_EQUAL("a supplied page is there", access_page(threads[0], 5, READ), WENT_ON);
	TEST("who waits for another goes on waiting", WAIT_STATE(threads[1]->wait) == THREAD_PAGER);
	NEED(supply(6, 1) == 0);
	TEST_EQUAL("until that comes", access_page(threads[1], 6, WRITE), WENT_ON);
	machine_check();
}

static void test_failed_pages(void)
{
	TEST_EQUAL("a page that cannot be read", access_page(threads[0], 7, READ), WAITS);
	NEED(answer(7, 1, PAGER_FAILED) == 0);
	TEST_EQUAL("is a fault", access_page(threads[0], 7, READ), FAULTS);
	TEST("that says so", threads[0]->page->fault.error == (READ | FAULT_PAGER_FAILED) &&
	                         threads[0]->page->fault.address == BASE + PAGES(7));
	TEST_EQUAL("once: the next access asks again", access_page(threads[0], 7, READ), WAITS);
	NEED(answer(7, 1, PAGER_FULL) == 0);
	TEST("no room is no answer to a reader", WAIT_STATE(threads[0]->wait) == THREAD_PAGER);
	NEED(supply(7, 1) == 0);
	TEST_EQUAL("which goes on when the page comes", access_page(threads[0], 7, READ), WENT_ON);
	TEST_EQUAL("an answer is of an object's pages alone", answer(99, 2, PAGER_FAILED), E_ARGUMENT);
	machine_check();
}

static void test_replaced(void)
{
	handle_t successor = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));

	TEST_EQUAL("a page is waited for", access_page(threads[0], 20, READ), WAITS);
	TEST_EQUAL("and told", wanted(), PAGES(20));
	CALL1(&root, SYS_CAP_DELETE, event); /* the pager dies with what it was told */
	TEST_EQUAL("without a pager one waits, too", access_page(threads[1], 21, READ), WAITS);
	event = successor;
	TEST_EQUAL("a new pager comes", CALL3(&root, SYS_MEMORY_PAGER, pager, event, PAGER_WRITES), 0);
	TEST("and is told that somebody waits", told());
	TEST("of all that is waited for", (uint64_t)(wanted() + wanted()) == PAGES(20) + PAGES(21));
	TEST_EQUAL("once", wanted(), E_NOT_FOUND);
	NEED(supply(20, 2) == 0);
	TEST("so nobody is forgotten",
	     access_page(threads[0], 20, READ) == WENT_ON && access_page(threads[1], 21, READ) == WENT_ON);
	TEST_EQUAL("only a pager object has one", CALL3(&root, SYS_MEMORY_PAGER, source, event, 0), E_TYPE);
	machine_check();
}

static void test_writes(void)
{
	TEST_EQUAL("a clean page's first write waits", access_page(threads[0], 20, WRITE), WAITS);
	TEST("its pager is told", told() && wanted() == (int64_t)(PAGES(20) | 1));
	TEST_EQUAL("reads go on meanwhile", access_page(threads[1], 20, READ), WENT_ON);
	NEED(answer(20, 1, PAGER_FULL) == 0);
	TEST_EQUAL("no room is a fault", access_page(threads[0], 20, WRITE), FAULTS);
	TEST("that says so", threads[0]->page->fault.error == (WRITE | FAULT_PAGER_FULL));
	TEST_EQUAL("it asks again", access_page(threads[0], 20, WRITE), WAITS);
	NEED(answer(0, 100, PAGER_ALLOW) == 0);
	TEST_EQUAL("what is allowed is written", access_page(threads[0], 20, WRITE), WENT_ON);
	TEST_EQUAL("without asking again", access_page(threads[1], 20, WRITE), WENT_ON);
	machine_check();
	TEST("and dirty", marked(DIRTY_WRITEBACK, 20));
	TEST("until it was written back", !marked(DIRTY_WRITEBACK, 20));
	machine_check();
	TEST_EQUAL("then the next write asks", access_page(threads[0], 20, WRITE), WAITS);
	NEED(answer(20, 1, PAGER_ALLOW) == 0);
	NEED(access_page(threads[0], 20, WRITE) == WENT_ON);
	TEST("what one mark's harvest took, the other's still finds",
	     marked(DIRTY_WRITEBACK, 20) && marked(DIRTY_MIGRATION, 20));
	TEST("each once", !marked(DIRTY_WRITEBACK, 20) && !marked(DIRTY_MIGRATION, 20));
	NEED(access_page(threads[0], 20, WRITE) == WAITS && answer(20, 1, PAGER_ALLOW) == 0 &&
	     access_page(threads[0], 20, WRITE) == WENT_ON);
	TEST("a harvest for migration leaves what is to be written back",
	     marked(DIRTY_MIGRATION, 20) && access_page(threads[0], 20, WRITE) == WENT_ON &&
	         marked(DIRTY_WRITEBACK, 20));
	TEST("and a write after it is found by the next", marked(DIRTY_MIGRATION, 20));
	machine_check();
}

int main(void)
{
	struct budget_spec spec = {.priority = 50, .quota_ns = 1000000};

	host_boot(64, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	pager = NEED_HANDLE(CALL6(&root, SYS_MEMORY_CREATE, MEMORY_PAGER, PAGES(100), 0, 0, 0, event));
	source = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(10), 0));
	thread_pages = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(THREADS), 0));
	space_handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	memcpy(root.page->bytes, &spec, sizeof(spec));
	budget = NEED_HANDLE(CALL1(&root, SYS_BUDGET_CREATE, self_unit));
	NEED(CALL6(&root, SYS_SPACE_MAP, space_handle, BASE, pager, 0, PAGES(100), MAP_READ | MAP_WRITE) ==
	     0);
	for (unsigned index = 0; index < THREADS; index++)
		thread_make(index);
	test_waiting();
	test_failed_pages();
	test_replaced();
	test_writes();
	return test_failures != 0;
}
