/* Guests from the personality's side: what may be bound and chosen, and that no kick is lost or kept. */
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)

static struct actor root;
static handle_t self_unit, native;

static handle_t memory_new(uint64_t pages)
{
	return NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(pages), 0));
}

static struct space *space_at(handle_t handle)
{
	return (struct space *)object_at(&root_unit, handle);
}

static int64_t enter(void)
{
	return call_once(&root, SYS_GUEST_ENTER, (const uint64_t[6]){0});
}

static void settle(void)
{
	while (unit_has_doomed(&root_unit))
		CALL1(&root, SYS_CAP_INFO, 0);
	machine_check();
}

static void test_bind(void)
{
	handle_t memory = memory_new(4),
	         read_only =
	             NEED_HANDLE(cap_insert(&root_unit, object_at(&root_unit, memory), RIGHT_READ, 0, 0));
	uint64_t used = root_unit.memory_used;

	TEST_EQUAL("a state begins a page", CALL2(&root, SYS_GUEST_BIND, memory, 8), E_ARGUMENT);
	TEST("and lies in its object", CALL2(&root, SYS_GUEST_BIND, memory, PAGES(4)) < 0);
	TEST_EQUAL("which may be written", CALL2(&root, SYS_GUEST_BIND, read_only, 0), E_RIGHTS);
	TEST("refusals bind nothing", !root.thread->guest && root_unit.memory_used == used);
	NEED(CALL2(&root, SYS_GUEST_BIND, memory, PAGES(1)) == E_OK);
	struct guest_state *first = root.thread->guest;
	physical_t frame = frame_unmap(first);
	TEST_EQUAL("the page is held", frame_of(frame)->pins, 1);
	NEED(CALL2(&root, SYS_GUEST_BIND, memory, PAGES(2)) == E_OK);
	TEST("another one takes its place", root.thread->guest != first && !frame_of(frame)->pins);
	frame = frame_unmap(root.thread->guest);
	root.thread->guest->rax = 77;
	NEED(CALL1(&root, SYS_CAP_DELETE, memory) == E_OK && CALL1(&root, SYS_CAP_DELETE, read_only) == E_OK);
	settle();
	TEST("it outlives its object", frame_of(frame)->pins == 1 && root.thread->guest->rax == 77);
}

static void test_space(void)
{
	handle_t other_native = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	handle_t guest = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_GUEST));
	handle_t second = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_GUEST));

	TEST_EQUAL("nobody enters without a space", enter(), E_STATE);
	TEST_EQUAL("a native space is no guest's", CALL1(&root, SYS_GUEST_SPACE, native), E_ARGUMENT);
	root.thread->space = space_at(other_native);
	TEST_EQUAL("nor is a guest of another personality's space", CALL1(&root, SYS_GUEST_SPACE, guest),
	           E_ARGUMENT);
	root.thread->space = space_at(native);
	NEED(CALL1(&root, SYS_GUEST_SPACE, guest) == E_OK);
	uint32_t references = space_at(guest)->object.references;
	TEST("the chosen space is loaded",
	     root.thread->guest_space == space_at(guest) && cpu_self()->space_loaded == space_at(guest));
	NEED(CALL1(&root, SYS_GUEST_SPACE, guest) == E_OK);
	TEST_EQUAL("choosing it again takes no second reference", space_at(guest)->object.references,
	           references);
	NEED(CALL1(&root, SYS_GUEST_SPACE, second) == E_OK);
	TEST_EQUAL("another one lets it go", space_at(guest)->object.references, references - 1);
	NEED(CALL1(&root, SYS_GUEST_SPACE, 0) == E_OK);
	TEST("none is the personality's own",
	     !root.thread->guest_space && cpu_self()->space_loaded == space_at(native));
	NEED(CALL1(&root, SYS_GUEST_SPACE, guest) == E_OK);
	NEED(CALL1(&root, SYS_CAP_DELETE, guest) == E_OK);
	settle();
	TEST("a chosen space lives on without its capability", !root.thread->guest_space->object.dead);
	NEED(CALL1(&root, SYS_GUEST_SPACE, second) == E_OK);
	NEED(CALL1(&root, SYS_CAP_DELETE, other_native) == E_OK);
	settle();
}

static void test_enter_and_kick(void)
{
	handle_t thread = NEED_HANDLE(cap_insert(&root_unit, &root.thread->object, RIGHT_ALL, 0, 0));
	struct guest_state *state = root.thread->guest;

	state->rip = USER_END;
	TEST_EQUAL("a guest begins in user memory", enter(), E_ARGUMENT);
	TEST("and did not begin", !root.thread->in_guest);
	state->rip = 0x1000;
	TEST_EQUAL("then it runs", enter(), CALL_BLOCKED);
	TEST("in its thread", root.thread->in_guest);
	arch_guest_exit(root.thread, GUEST_EXIT_SYSCALL, 0, 0, 0);
	TEST_EQUAL("its exit says why", state->exit, GUEST_EXIT_SYSCALL);
	NEED(CALL1(&root, SYS_GUEST_KICK, thread) == E_OK);
	NEED(CALL1(&root, SYS_GUEST_KICK, thread) == E_OK);
	TEST_EQUAL("a kick before it is kept", enter(), GUEST_EXIT_KICK);
	TEST("told in the state, and no guest ran", state->exit == GUEST_EXIT_KICK && !root.thread->in_guest);
	TEST_EQUAL("and used up: two are one", enter(), CALL_BLOCKED);
	cpu_self()->current = root.thread;
	root.thread->kicked = true;
	thread_kicked(root.thread);
	TEST("a kick while it runs ends its stay", !root.thread->in_guest && state->exit == GUEST_EXIT_KICK);
	TEST("and is used up", !root.thread->kicked);
	root.thread->kicked = true;
	thread_kicked(root.thread);
	TEST("one that finds the personality waits for the guest", root.thread->kicked);
	cpu_self()->current = 0;
	TEST_EQUAL("who is told at once", enter(), GUEST_EXIT_KICK);
	NEED(CALL1(&root, SYS_GUEST_SPACE, 0) == E_OK);
	TEST_EQUAL("without a space nobody enters", enter(), E_STATE);
}

int main(void)
{
	int64_t error;
	physical_t frame;

	host_boot(32, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	native = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	struct thread *real = (struct thread *)object_create(&root_unit, OBJECT_THREAD, sizeof *real, &error);
	NEED(real);
	NEED(!memory_pin((struct memory *)object_at(&root_unit, memory_new(1)), 0, &root_unit, &frame));
	free(root.thread);
	free(root.page);
	root.page = frame_map(frame);
	real->unit = &root_unit;
	real->page = root.page;
	real->space = space_at(native);
	real->wait = THREAD_READY;
	root.thread = real;
	test_bind();
	test_space();
	test_enter_and_kick();
	return test_failures != 0;
}
