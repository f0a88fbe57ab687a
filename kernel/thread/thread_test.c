/* Threads as their makers see them: what may be done to one in which state, and what is refused. */
#include <calls.h>
#include <test.h>
#include "sched.h"

#define NEW_PC (NATIVE_BASE + 0x5000)

static struct actor root;
static handle_t unit, space, pages, budget;

static int64_t root_call(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	bool before = cpu_self()->reschedule;
	int64_t result = CALL4(&root, number, a, b, c, d);

	cpu_self()->reschedule |= before;
	return result;
}

static void settle(void)
{
	cpu_serve(cpu_self());
	while (cpu_self()->reschedule)
		sched_choose(cpu_self());
}

static int64_t create(uint64_t entry, uint64_t stack, uint64_t offset)
{
	struct thread_spec spec = {.entry = entry, .stack = stack, .budget = budget, .name = "made"};

	memcpy(root.page->bytes, &spec, sizeof(spec));
	return root_call(SYS_THREAD_CREATE, unit, space, pages, offset);
}

static struct thread *make(handle_t *handle)
{
	*handle = NEED_HANDLE(create(NATIVE_BASE, NATIVE_BASE + 4096, 0));
	return (struct thread *)object_at(&root_unit, *handle);
}

static void test_create(void)
{
	uint64_t used = root_unit.memory_used;

	TEST_EQUAL("an entry outside of the native half is refused", create(4096, NATIVE_BASE, 0),
	           E_ARGUMENT);
	TEST_EQUAL("a stack there, too", create(NATIVE_BASE, USER_END, 0), E_ARGUMENT);
	TEST_EQUAL("a page that is none", create(NATIVE_BASE, NATIVE_BASE, 8), E_ARGUMENT);
	TEST("a page behind the object's end", create(NATIVE_BASE, NATIVE_BASE, 4 * PAGE_SIZE_BYTES) < 0);
	settle();
	TEST_EQUAL("what is refused costs nothing", root_unit.memory_used, used);
}

static void test_states(void)
{
	struct thread_state state;
	handle_t handle;
	struct thread *thread = make(&handle);

	TEST_EQUAL("a thread begins stopped", thread_state(thread), THREAD_STOPPED);
	TEST_EQUAL("its registers can be read", root_call(SYS_THREAD_STATE, handle, 0, 0, 0), E_OK);
	memcpy(&state, root.page->bytes, sizeof(state));
	TEST_EQUAL("and are those it was made with", state.pc, NATIVE_BASE);
	TEST_EQUAL("it is stopped still", thread_state(thread), THREAD_STOPPED);
	state.pc = NEW_PC;
	memcpy(root.page->bytes, &state, sizeof(state));
	TEST_EQUAL("they can be set", root_call(SYS_THREAD_STATE, handle, 1, 0, 0), E_OK);
	TEST_EQUAL("to what was said", thread->registers.pc, NEW_PC);
	state.pc = USER_END;
	memcpy(root.page->bytes, &state, sizeof(state));
	TEST_EQUAL("but not to the kernel's half", root_call(SYS_THREAD_STATE, handle, 1, 0, 0), E_ARGUMENT);
	TEST_EQUAL("nor its bases", root_call(SYS_THREAD_SET, handle, THREAD_SET_FS_BASE, USER_END, 0),
	           E_ARGUMENT);
	TEST_EQUAL("it waits for nothing that could be cancelled",
	           root_call(SYS_THREAD_CANCEL, handle, 0, 0, 0), E_STATE);
	TEST_EQUAL("it can be started", root_call(SYS_THREAD_START, handle, 0, 0, 0), E_OK);
	settle();
	TEST("and runs", cpu_self()->current == thread);
	TEST_EQUAL("not twice", root_call(SYS_THREAD_START, handle, 0, 0, 0), E_STATE);
	TEST_EQUAL("its registers are its own then", root_call(SYS_THREAD_STATE, handle, 0, 0, 0), E_STATE);
	TEST_EQUAL("its bases, too", root_call(SYS_THREAD_SET, handle, THREAD_SET_FS_BASE, 0, 0), E_STATE);
	thread_halt(thread, HALT_STOP);
	settle();
	TEST_EQUAL("stopped again, they can be read", root_call(SYS_THREAD_STATE, handle, 0, 0, 0), E_OK);
	NEED(root_call(SYS_THREAD_START, handle, 0, 0, 0) == E_OK);
	settle();
	NEED(cpu_self()->current == thread);
	kernel_syscall(thread, SYS_THREAD_EXIT);
	settle();
	TEST("one that exits is dead", thread_state(thread) == THREAD_DEAD && cpu_self()->current != thread);
	TEST_EQUAL("and nobody starts it", root_call(SYS_THREAD_START, handle, 0, 0, 0), E_STATE);
	TEST_EQUAL("or reads its registers", root_call(SYS_THREAD_STATE, handle, 0, 0, 0), E_STATE);
	NEED(root_call(SYS_CAP_DELETE, handle, 0, 0, 0) == E_OK);
	settle();
	machine_check();
}

int main(void)
{
	handle_t last;

	host_boot(16, 1);
	actor_init(&root, &root_unit);
	root_unit.priority_max = PRIORITY_COUNT - 1;
	unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	space = NEED_HANDLE(CALL2(&root, SYS_SPACE_CREATE, SPACE_NATIVE, 0));
	pages = NEED_HANDLE(CALL2(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, 4 * PAGE_SIZE_BYTES));
	struct budget_spec spec = {.priority = 20, .quota_ns = 10000000};
	memcpy(root.page->bytes, &spec, sizeof(spec));
	budget = NEED_HANDLE(CALL1(&root, SYS_BUDGET_CREATE, unit));
	make(&last); /* keeps the unit from ending with the others */
	test_create();
	test_states();
	return test_failures != 0;
}
