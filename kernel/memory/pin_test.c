/* Pins: frames that devices write to stay, whoever dies, and are paid by somebody alive. */
#include "pin.h"
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)

static struct actor root;
static handle_t self_unit, system_handle;

static handle_t unit_new(struct actor *actor, handle_t parent, uint64_t pages)
{
	struct unit_spec spec = {
	    .memory_bytes = PAGES(pages), .caps = 200, .priority_max = 10, .name = "test"};

	memcpy(actor->page->bytes, &spec, sizeof(spec));
	return NEED_HANDLE(CALL1(actor, SYS_UNIT_CREATE, parent));
}

static struct unit *unit_at(handle_t handle)
{
	return (struct unit *)object_at(&root_unit, handle);
}

/* Anonymous memory that UNIT owns (0: the first). */
static handle_t memory_new(handle_t unit, uint64_t pages)
{
	return NEED_HANDLE(CALL5(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(pages), 0, 0, unit));
}

static int64_t pin(handle_t memory, uint64_t page, uint64_t pages)
{
	return CALL4(&root, SYS_PIN_CREATE, system_handle, memory, PAGES(page), PAGES(pages));
}

static physical_t told(unsigned index)
{
	return ((const physical_t *)root.page->bytes)[index];
}

static void settle(void)
{
	while (unit_has_doomed(&root_unit))
		CALL1(&root, SYS_CAP_INFO, 0);
	machine_check();
}

static void test_addresses(void)
{
	handle_t memory = memory_new(0, 600),
	         view = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	struct space *space = (struct space *)object_at(&root_unit, view);
	enum space_fault fault;
	uint64_t value = 0;

	NEED(CALL6(&root, SYS_SPACE_MAP, view, NATIVE_BASE, memory, 0, PAGES(600), MAP_READ | MAP_WRITE) ==
	     0);
	handle_t pinned = NEED_HANDLE(pin(memory, 100, PIN_PAGES_MAX));
	physical_t first = told(0), last = told(PIN_PAGES_MAX - 1);

	machine_check();
	*(uint64_t *)frame_map(last) = 99; /* as a device does */
	TEST("what a device writes at the address it was told is in the object",
	     user_read(space, NATIVE_BASE + PAGES(100 + PIN_PAGES_MAX - 1), &value, &fault) && value == 99);
	TEST("programs go on writing there",
	     user_write(space, NATIVE_BASE + PAGES(100), 5, &fault) && *(uint64_t *)frame_map(first) == 5);
	handle_t clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, memory, PAGES(100), PAGES(1)));
	handle_t other = NEED_HANDLE(pin(clone, 0, 1));
	TEST("a clone has copies of pinned pages", told(0) != first && *(uint64_t *)frame_map(told(0)) == 5);
	handle_t again = NEED_HANDLE(pin(memory, 100, 1));
	TEST_EQUAL("a page may be pinned twice", told(0), first);
	machine_check();
	for (unsigned i = 0; i < 5; i++)
		CALL1(&root, SYS_CAP_DELETE, ((handle_t[]){view, memory, clone, other, pinned})[i]);
	settle();
	TEST_EQUAL("what is pinned still outlives its object", *(uint64_t *)frame_map(first), 5);
	CALL1(&root, SYS_CAP_DELETE, again);
	settle();
	TEST_EQUAL("and is free with the last pin", frame_of(first)->pins, 0);
}

/* UNIT, with PINNED pages of its own, dies; then the pin ends. */
static void test_owner_dies(void)
{
	uint64_t used = root_unit.memory_used, available = frame_free_bytes();
	handle_t outer = unit_new(&root, self_unit, 900), inner = unit_new(&root, outer, 700);
	uint64_t quota = unit_at(outer)->memory_quota;
	handle_t memory = memory_new(inner, 300), pinned = NEED_HANDLE(pin(memory, 0, 300));
	handle_t second = NEED_HANDLE(pin(memory, 290, 10));
	physical_t frame = told(0);

	TEST("the object's owner pays", unit_at(inner)->memory_used >= PAGES(300));
	machine_check();
	NEED(CALL1(&root, SYS_UNIT_DESTROY, inner) == 0);
	settle();
	TEST("after its end the unit above it pays",
	     unit_at(outer)->memory_used >= PAGES(300) && unit_at(outer)->memory_used < PAGES(310) &&
	         unit_at(outer)->memory_quota == quota && !unit_at(outer)->memory_children);
	*(uint64_t *)frame_map(frame) = 1;
	NEED(CALL1(&root, SYS_UNIT_DESTROY, outer) == 0);
	settle();
	TEST("and after that one's end the next", root_unit.memory_used - used >= PAGES(300));
	TEST("the frames are nobody else's", available - frame_free_bytes() >= PAGES(300));
	CALL1(&root, SYS_CAP_DELETE, pinned);
	settle();
	TEST("what two pins hold stays with one",
	     root_unit.memory_used - used >= PAGES(10) && root_unit.memory_used - used < PAGES(20));
	CALL1(&root, SYS_CAP_DELETE, second);
	settle();
	TEST("all returns with the last",
	     root_unit.memory_used <= used + PAGES(4) && frame_free_bytes() + PAGES(4) >= available);
}

static void test_subtree_dies(void)
{
	uint64_t used = root_unit.memory_used;
	handle_t outer = unit_new(&root, self_unit, 200), inner = unit_new(&root, outer, 100);
	handle_t memory = memory_new(inner, 30), pinned = NEED_HANDLE(pin(memory, 0, 30));

	NEED(CALL1(&root, SYS_UNIT_DESTROY, outer) == 0);
	settle();
	TEST("the charge passes dead units", root_unit.memory_used - used >= PAGES(30));
	CALL1(&root, SYS_CAP_DELETE, pinned);
	settle();
	TEST("and is returned", root_unit.memory_used <= used + PAGES(4));
}

static void test_refusals(void)
{
	handle_t child = unit_new(&root, self_unit, 40), memory = memory_new(child, 100);
	uint64_t used, base = 1ull << 40;
	handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	handle_t paged = NEED_HANDLE(CALL6(&root, SYS_MEMORY_CREATE, MEMORY_PAGER, PAGES(4), 0, 0, 0, event));
	handle_t device =
	    NEED_HANDLE(CALL4(&root, SYS_MEMORY_CREATE, MEMORY_DEVICE, PAGES(4), base, system_handle));
	handle_t reader = NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, memory, RIGHT_READ, 0));
	handle_t weak = NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, system_handle, RIGHT_LOG, 0));
	handle_t own = memory_new(0, 2);
	physical_t frame;

	used = unit_at(child)->memory_used;
	TEST_EQUAL("no more than the owner's quota", pin(memory, 0, 100), E_QUOTA_MEMORY);
	settle();
	TEST("and of that nothing stays pinned", list_empty(&unit_at(child)->pins));
	CALL3(&root, SYS_MEMORY_DISCARD, memory, 0, PAGES(100));
	TEST_EQUAL("so that all can be had back", unit_at(child)->memory_used, used);
	TEST_EQUAL("no page that nobody supplied", pin(paged, 0, 1), E_FAULT);
	TEST_EQUAL("no device's registers", pin(device, 0, 1), E_FAULT);
	TEST_EQUAL("not beyond the end", pin(memory, 99, 2), E_ARGUMENT);
	TEST_EQUAL("not more than there are addresses", pin(memory, 0, PIN_PAGES_MAX + 1), E_ARGUMENT);
	TEST_EQUAL("not nothing", pin(memory, 0, 0), E_ARGUMENT);
	TEST_EQUAL("not without the right to write", pin(reader, 0, 1), E_RIGHTS);
	TEST_EQUAL("nor without that to devices", CALL4(&root, SYS_PIN_CREATE, weak, memory, 0, PAGES(1)),
	           E_RIGHTS);
	NEED(memory_pin((struct memory *)object_at(&root_unit, own), 0, &root_unit, &frame) == E_OK);
	TEST_EQUAL("no thread's page", pin(own, 0, 1), E_FAULT);
	memory_unpin(frame, &root_unit);
	handle_t pinned = NEED_HANDLE(pin(own, 0, 1));
	TEST_EQUAL("and no device's page for a thread",
	           memory_pin((struct memory *)object_at(&root_unit, own), 0, &root_unit, &frame), E_FAULT);
	CALL1(&root, SYS_CAP_DELETE, pinned);
	CALL1(&root, SYS_UNIT_DESTROY, child);
	settle();
}

/* The call is cut into slices, and between them another range or object is put in its place. */
static void test_slices(void)
{
	handle_t child = unit_new(&root, self_unit, 300), memory = memory_new(child, 60),
	         other = memory_new(0, 60);
	uint64_t used = root_unit.memory_used;
	uint64_t args[6] = {system_handle, memory, 0, PAGES(60)};

	host_preempt_every = 1;
	NEED(call_once(&root, SYS_PIN_CREATE, args) == CALL_RESTART);
	machine_check();
	args[1] = other;
	NEED(call_once(&root, SYS_PIN_CREATE, args) == CALL_RESTART);
	settle();
	TEST("what was begun for another object is let go", list_empty(&unit_at(child)->pins));
	args[1] = memory;
	NEED(call_once(&root, SYS_PIN_CREATE, args) == CALL_RESTART);
	NEED(CALL1(&root, SYS_CAP_INFO, 0) < 0);
	settle();
	TEST("and so is what was not gone on with",
	     list_empty(&unit_at(child)->pins) && list_empty(&root_unit.pins));
	host_preempt_every = 2;
	handle_t pinned = NEED_HANDLE(pin(memory, 0, 60));
	CALL1(&root, SYS_UNIT_DESTROY, child);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, pinned);
	host_preempt_every = 0;
	CALL1(&root, SYS_CAP_DELETE, other);
	settle();
	TEST("preempted everywhere, all returns", root_unit.memory_used <= used + PAGES(4));
}

int main(void)
{
	int64_t error;

	host_boot(32, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	struct object *system = object_create(&root_unit, OBJECT_SYSTEM, sizeof(*system), &error);
	NEED(system);
	system_handle = NEED_HANDLE(cap_insert(&root_unit, system, RIGHT_ALL, 0, 0));
	test_addresses();
	test_owner_dies();
	test_subtree_dies();
	test_refusals();
	test_slices();
	return test_failures != 0;
}
