/* Spaces: mapping, replacing, unmapping and protecting in slices, W^X, guests, devices, what the TLBs still
 * hold. */
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)
#define BASE     NATIVE_BASE

static struct actor root;
static handle_t self_unit;

static handle_t memory_new(uint64_t pages)
{
	return NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(pages), 0));
}

static struct space *space_at(handle_t handle)
{
	return (struct space *)object_at(&root_unit, handle);
}

static bool readable(struct space *space, uint64_t address)
{
	enum space_fault fault;
	uint64_t value;

	return user_read(space, address, &value, &fault);
}

static bool writable(struct space *space, uint64_t address)
{
	enum space_fault fault;

	return user_write(space, address, address, &fault);
}

static bool executable(struct space *space, uint64_t address)
{
	enum space_fault fault;

	return user_execute(space, address, &fault);
}

static int64_t map(handle_t space, uint64_t address, handle_t memory, uint64_t page, uint64_t pages,
                   uint64_t flags)
{
	return CALL6(&root, SYS_SPACE_MAP, space, address, memory, PAGES(page), PAGES(pages), flags);
}

static void test_map_unmap(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)),
	         memory = memory_new(1000);
	struct space *space = space_at(handle);
	unsigned wrong = 0;

	NEED(map(handle, BASE, memory, 0, 1000, MAP_READ | MAP_WRITE) == 0);
	TEST_EQUAL("a taken range is refused", map(handle, BASE + PAGES(999), memory, 0, 2, MAP_READ),
	           E_EXISTS);
	for (unsigned i = 0; i < 1000; i++)
		wrong += !writable(space, BASE + PAGES(i));
	NEED(CALL3(&root, SYS_SPACE_UNMAP, handle, BASE + PAGES(100), PAGES(300)) == 0);
	machine_check();
	for (unsigned i = 0; i < 1000; i++)
		wrong += readable(space, BASE + PAGES(i)) != (i < 100 || i >= 400);
	TEST_EQUAL("a hole is a hole, the rest stays", wrong, 0);
	TEST_EQUAL("unmapping holes is fine", CALL3(&root, SYS_SPACE_UNMAP, handle, BASE, PAGES(2000)), 0);
	machine_check();
	TEST_EQUAL("nothing is mapped any more", space->mapping_count, 0);
	TEST("and nothing readable", !readable(space, BASE) && !readable(space, BASE + PAGES(999)));
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_replace(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	handle_t old = memory_new(600), new = memory_new(600);
	struct space *space = space_at(handle);
	uint64_t value = 0;
	enum space_fault fault;

	for (unsigned i = 0; i < 600; i += 3)
		NEED(map(handle, BASE + PAGES(i), old, i, 2, MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 600; i += 3)
		NEED(writable(space, BASE + PAGES(i)));
	NEED(map(handle, BASE + PAGES(10), new, 10, 500, MAP_READ | MAP_WRITE | MAP_REPLACE) == 0);
	machine_check();
	NEED(user_read(space, BASE + PAGES(300), &value, &fault));
	TEST_EQUAL("the range shows the new object", value, 0);
	NEED(user_read(space, BASE + PAGES(9), &value, &fault));
	TEST_EQUAL("before it, the old one", value, BASE + PAGES(9));
	TEST("the new mapping is one", mapping_find(space, BASE + PAGES(10))->end >= BASE + PAGES(510));
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, old);
	CALL1(&root, SYS_CAP_DELETE, new);
	machine_check();
}

static void test_protect(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), memory = memory_new(300),
	         weak;
	struct space *space = space_at(handle);
	unsigned wrong = 0;

	NEED(map(handle, BASE, memory, 0, 300, MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 300; i++)
		NEED(writable(space, BASE + PAGES(i)));
	NEED(CALL4(&root, SYS_SPACE_PROTECT, handle, BASE + PAGES(50), PAGES(200), MAP_READ) == 0);
	machine_check();
	for (unsigned i = 0; i < 300; i++)
		wrong += writable(space, BASE + PAGES(i)) != (i < 50 || i >= 250);
	TEST_EQUAL("write permission goes at once", wrong, 0);
	NEED(CALL4(&root, SYS_SPACE_PROTECT, handle, BASE + PAGES(60), PAGES(10), 0) == 0);
	TEST("no permission, no access",
	     !readable(space, BASE + PAGES(65)) && readable(space, BASE + PAGES(70)));
	NEED(CALL4(&root, SYS_SPACE_PROTECT, handle, BASE, PAGES(300), MAP_READ | MAP_WRITE) == 0);
	machine_check();
	TEST_EQUAL("equal neighbours become one mapping", space->mapping_count, 1);
	TEST("permission comes back", writable(space, BASE + PAGES(65)));
	TEST_EQUAL("a hole is refused", CALL4(&root, SYS_SPACE_PROTECT, handle, BASE, PAGES(301), MAP_READ),
	           E_NOT_FOUND);
	weak = NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, memory, RIGHT_READ, 0));
	NEED(map(handle, BASE + PAGES(512), weak, 0, 4, MAP_READ) == 0);
	TEST_EQUAL("protect gives no more than the capability did",
	           CALL4(&root, SYS_SPACE_PROTECT, handle, BASE + PAGES(512), PAGES(4), MAP_READ | MAP_WRITE),
	           E_RIGHTS);
	CALL1(&root, SYS_CAP_DELETE, weak);
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_wx(void)
{
	handle_t native = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), guest,
	         memory = memory_new(4);
	struct space *space;

	TEST_EQUAL("no native mapping is writable and executable",
	           map(native, BASE, memory, 0, 4, MAP_READ | MAP_WRITE | MAP_EXECUTE), E_WX);
	NEED(map(native, BASE, memory, 0, 4, MAP_READ | MAP_WRITE) == 0);
	TEST_EQUAL(
	    "nor becomes so",
	    CALL4(&root, SYS_SPACE_PROTECT, native, BASE, PAGES(4), MAP_READ | MAP_WRITE | MAP_EXECUTE),
	    E_WX);
	TEST("data is not executable",
	     writable(space_at(native), BASE) && !executable(space_at(native), BASE));
	NEED(CALL4(&root, SYS_SPACE_PROTECT, native, BASE, PAGES(4), MAP_READ | MAP_EXECUTE) == 0);
	TEST("code is not writable", executable(space_at(native), BASE) && !writable(space_at(native), BASE));
	machine_check();
	root.thread->space = space_at(native);
	guest = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_GUEST));
	root.thread->space = 0;
	space = space_at(guest);
	TEST_EQUAL("a guest has no native window", map(guest, BASE, memory, 0, 1, MAP_READ), E_ARGUMENT);
	TEST_EQUAL("nor page 0", map(guest, 0, memory, 0, 1, MAP_READ), E_ARGUMENT);
	TEST_EQUAL("nor the upper half", map(guest, USER_END, memory, 0, 1, MAP_READ), E_ARGUMENT);
	for (uint64_t wraps = 0; wraps <= 0x10000; wraps += PAGES(1))
		TEST_EQUAL("nor a range that wraps", CALL3(&root, SYS_SPACE_UNMAP, guest, 0x10000, 0 - wraps),
		           E_ARGUMENT);
	TEST_EQUAL("a native space has the window alone", map(native, 0x10000, memory, 0, 1, MAP_READ),
	           E_ARGUMENT);
	TEST_EQUAL("a guest may write and execute where its unit may",
	           map(guest, 0x10000, memory, 0, 4, MAP_READ | MAP_WRITE | MAP_EXECUTE), 0);
	TEST("and then can", executable(space, 0x10000) && writable(space, 0x10000));
	root_unit.flags = 0;
	TEST_EQUAL("and not otherwise", map(guest, 0x20000, memory, 0, 4, MAP_READ | MAP_WRITE | MAP_EXECUTE),
	           E_WX);
	root_unit.flags = UNIT_WX;
	machine_check();
	/* The native space ends only after the guest space that shows it. */
	CALL1(&root, SYS_CAP_DELETE, native);
	machine_check();
	TEST("a guest's native space lives on", readable(space, 0x10000));
	CALL1(&root, SYS_CAP_DELETE, guest);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_other_cpu(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), memory = memory_new(40),
	         clone;
	struct space *space = space_at(handle);

	NEED(map(handle, BASE, memory, 0, 40, MAP_READ | MAP_WRITE) == 0);
	for (unsigned cpu = 0; cpu < 2; cpu++) {
		host_cpu(cpu);
		for (unsigned i = 0; i < 40; i++)
			NEED(writable(space, BASE + PAGES(i)));
	}
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, memory, 0, PAGES(40)));
	machine_check(); /* compares all TLBs with the tables */
	host_cpu(0);
	for (unsigned i = 0; i < 40; i++)
		NEED(writable(space, BASE + PAGES(i)));
	machine_check();
	NEED(CALL3(&root, SYS_MEMORY_DISCARD, memory, 0, PAGES(20)) == 0);
	machine_check();
	NEED(CALL3(&root, SYS_SPACE_UNMAP, handle, BASE + PAGES(20), PAGES(20)) == 0);
	machine_check();
	host_cpu(1);
	NEED(readable(space, BASE));
	host_cpu(0);
	CALL1(&root, SYS_CAP_DELETE, handle);
	machine_check();
	TEST("a dead space is loaded nowhere",
	     cpus[0]->space_loaded != space && cpus[1]->space_loaded != space);
	CALL1(&root, SYS_CAP_DELETE, clone);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_dies_with_its_unit(void)
{
	struct unit_spec spec = {.memory_bytes = PAGES(64), .caps = 200, .priority_max = 10, .name = "child"};
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), unit, memory, granted;
	struct space *space = space_at(handle);
	struct actor child;

	memcpy(root.page->bytes, &spec, sizeof(spec));
	unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	actor_init(&child, (struct unit *)object_at(&root_unit, unit));
	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, unit, self_unit, RIGHT_MANAGE | RIGHT_READ, 0));
	memory = NEED_HANDLE(CALL3(&child, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(16), 0));
	memory = NEED_HANDLE(CALL4(&child, SYS_UNIT_GRANT, granted, memory, RIGHT_READ | RIGHT_WRITE, 0));
	actor_deinit(&child);
	NEED(map(handle, BASE, memory, 0, 16, MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 16; i++)
		NEED(writable(space, BASE + PAGES(i)));
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	machine_check();
	TEST("a dead unit's memory is unmapped everywhere",
	     !readable(space, BASE) && space->mapping_count == 0);
	TEST_EQUAL("and its capabilities are dead", CALL1(&root, SYS_CAP_INFO, memory), E_HANDLE);
	CALL1(&root, SYS_CAP_DELETE, handle);
	machine_check();
}

static void test_quota(void)
{
	struct unit_spec spec = {.memory_bytes = PAGES(24), .caps = 20, .priority_max = 10, .name = "small"};
	handle_t unit, memory, space;
	enum space_fault fault = SPACE_FAULT_RESOLVED;
	struct actor child;
	unsigned pages = 0;

	memcpy(root.page->bytes, &spec, sizeof(spec));
	unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	actor_init(&child, (struct unit *)object_at(&root_unit, unit));
	memory = NEED_HANDLE(CALL3(&child, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(100), 0));
	space = NEED_HANDLE(CALL1(&child, SYS_SPACE_CREATE, SPACE_NATIVE));
	NEED(CALL6(&child, SYS_SPACE_MAP, space, BASE, memory, 0, PAGES(100), MAP_READ | MAP_WRITE) == 0);
	while (
	    user_write((struct space *)object_at(child.thread->unit, space), BASE + PAGES(pages), 1, &fault))
		pages++;
	TEST("a quota bounds what can be touched", pages > 4 && pages < 24 && fault == SPACE_FAULT_MEMORY);
	machine_check();
	memcpy(root.page->bytes, &spec, sizeof(spec));
	NEED(CALL3(&root, SYS_UNIT_EXTEND, unit, PAGES(10), 5) == 0);
	machine_check();
	TEST(
	    "and can be extended when it is used up",
	    user_write((struct space *)object_at(child.thread->unit, space), BASE + PAGES(pages), 1, &fault));
	actor_deinit(&child);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, unit) == 0);
	machine_check();
}

/* Many small mappings in any order, against an array. */
static void test_many(void)
{
	enum { SPAN = 256 };
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)),
	         memory = memory_new(SPAN);
	struct space *space = space_at(handle);
	uint8_t model[SPAN] = {0};
	unsigned wrong = 0;

	srand(1);
	for (unsigned step = 0; step < 3000; step++) {
		unsigned first = (unsigned)rand() % SPAN, count = 1 + (unsigned)rand() % (SPAN - first),
		         flags;
		int64_t status;

		if (count > 20)
			count = 1 + count % 20;
		switch (rand() % 4) {
		case 0:
		case 1:
			flags = rand() % 2 ? MAP_READ : MAP_READ | MAP_WRITE;
			status = map(handle, BASE + PAGES(first), memory, first, count, flags | MAP_REPLACE);
			wrong += status != 0;
			memset(model + first, (int)flags, count);
			break;
		case 2:
			wrong +=
			    CALL3(&root, SYS_SPACE_UNMAP, handle, BASE + PAGES(first), PAGES(count)) != 0;
			memset(model + first, 0, count);
			break;
		default:
			flags = rand() % 2 ? MAP_READ : MAP_READ | MAP_WRITE;
			status =
			    CALL4(&root, SYS_SPACE_PROTECT, handle, BASE + PAGES(first), PAGES(count), flags);
			if (memchr(model + first, 0, count))
				wrong += status != E_NOT_FOUND;
			else
				wrong += status != 0;
			/* As far as there was no hole, a long call may have come. */
			for (unsigned i = first; i < first + count && model[i]; i++) {
				struct mapping *mapping = mapping_find(space, BASE + PAGES(i));

				model[i] = (uint8_t)mapping->flags;
				wrong += status == 0 && mapping->flags != flags;
			}
			break;
		}
		if (step % 50 == 0)
			machine_check();
		for (unsigned i = 0; i < 8; i++) {
			unsigned page = (unsigned)rand() % SPAN;

			wrong += readable(space, BASE + PAGES(page)) != (model[page] != 0);
			wrong += writable(space, BASE + PAGES(page)) != ((model[page] & MAP_WRITE) != 0);
		}
	}
	TEST_EQUAL("3,000 random calls leave what they should", wrong, 0);
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

/* Between two slices of a call its caller makes another one, which must not go on from the first one's place.
 */
/* Before each attempt to write a shared page it is read, as emulators read memory that an instruction changes; the page's
 * object has more mappings than one fault unmaps. */
static void test_read_before_write(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), memory = memory_new(60),
	         clone;
	struct space *space = space_at(handle);
	struct memory *object;
	uint64_t page, value;
	unsigned tries = 0;
	bool written = false;

	for (unsigned i = 0; i < 60; i++)
		NEED(map(handle, BASE + PAGES(2 * i), memory, i, 1, MAP_READ | MAP_WRITE) == 0);
	NEED(writable(space, BASE + PAGES(6)));
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, memory, 0, PAGES(60)));
	while (!written && tries++ < 200) {
		enum space_fault fault = space_resolve(space, BASE + PAGES(6), false, false, &object, &page);

		NEED(fault == SPACE_FAULT_RESOLVED);
		fault = space_resolve(space, BASE + PAGES(6), true, false, &object, &page);
		NEED(fault == SPACE_FAULT_RESOLVED);
		written = arch_space_leaf(space, BASE + PAGES(6), false) &&
		          arch_entry_writable(
		              arch_space_leaf(space, BASE + PAGES(6), false)[(BASE + PAGES(6)) >> 12 & 511]);
	}
	TEST("a page read before each write is written in the end", written);
	TEST("and holds what was written",
	     user_write(space, BASE + PAGES(6), 7, &(enum space_fault){0}) &&
	         user_read(space, BASE + PAGES(6), &value, &(enum space_fault){0}) && value == 7);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, clone);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_another_call_between(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), memory = memory_new(300);
	struct space *space = space_at(handle);
	const uint64_t clone[6] = {memory, 0, PAGES(300)};
	unsigned every = host_preempt_every;
	int64_t copy;

	NEED(map(handle, BASE, memory, 0, 300, MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 300; i++)
		NEED(writable(space, BASE + PAGES(i)));
	host_preempt_every = 1;
	NEED(call_once(&root, SYS_MEMORY_CLONE, clone) == CALL_RESTART && root.thread->building);
	NEED(call_once(&root, SYS_MEMORY_CLONE, clone) == CALL_RESTART && /* a node */
	     call_once(&root, SYS_MEMORY_CLONE, clone) == CALL_RESTART && root.thread->progress);
	NEED(map(handle, BASE + PAGES(1000), memory, 0, 4, MAP_READ) == 0);
	TEST("a cut call's progress is none of the next call's",
	     readable(space, BASE + PAGES(1000)) && !root.thread->building);
	machine_check();
	copy = CALL3(&root, SYS_MEMORY_CLONE, memory, 0, PAGES(300));
	TEST_EQUAL("and the cut call begins anew",
	           copy > 0 ? ((struct memory *)object_at(&root_unit, (handle_t)copy))->resident : 0, 300);
	host_preempt_every = every;
	CALL1(&root, SYS_CAP_DELETE, copy);
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

/* A capability to MEMORY derived from the other one. */
static handle_t derived(handle_t memory)
{
	return NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, memory, RIGHT_ALL, 0));
}

static void test_revoke(void)
{
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), memory = memory_new(400);
	handle_t given = derived(memory), further = derived(given);
	struct space *space = space_at(handle);
	unsigned shown = 0;

	/* Mapped with the capability itself, with one derived from it, with one derived from that. */
	for (unsigned i = 0; i < 30; i++) {
		NEED(map(handle, BASE + PAGES(2 * i), memory, i, 1, MAP_READ | MAP_WRITE) == 0);
		NEED(map(handle, BASE + PAGES(100 + 2 * i), given, i, 1, MAP_READ | MAP_WRITE) == 0);
		NEED(map(handle, BASE + PAGES(200 + 2 * i), further, i, 1, MAP_READ) == 0);
	}
	for (unsigned i = 0; i < 300; i += 2)
		shown += readable(space, BASE + PAGES(i));
	TEST_EQUAL("all is shown", shown, 90);
	NEED(CALL1(&root, SYS_CAP_REVOKE, memory) == 0);
	machine_check();
	for (unsigned i = shown = 0; i < 60; i += 2)
		shown += readable(space, BASE + PAGES(i));
	TEST_EQUAL("what its holder mapped itself, revocation leaves", shown, 30);
	TEST_EQUAL("what was mapped through its descendants is gone", space->mapping_count, 30);
	TEST("and not readable", !readable(space, BASE + PAGES(100)) && !readable(space, BASE + PAGES(258)));

	/* A capability that ended in between hands on what was mapped with it. */
	given = derived(memory);
	NEED(map(handle, BASE + PAGES(512), given, 0, 400, MAP_READ | MAP_WRITE) == 0);
	NEED(CALL4(&root, SYS_SPACE_PROTECT, handle, BASE + PAGES(600), PAGES(7), MAP_READ) == 0);
	NEED(CALL3(&root, SYS_SPACE_UNMAP, handle, BASE + PAGES(700), PAGES(9)) == 0);
	for (unsigned i = 512; i < 912; i++)
		(void)readable(space, BASE + PAGES(i));
	machine_check();
	NEED(CALL1(&root, SYS_CAP_DELETE, given) == 0);
	machine_check();
	TEST("deleting a capability leaves what was mapped with it", readable(space, BASE + PAGES(512)));
	NEED(map(handle, BASE + PAGES(912), memory, 0, 4, MAP_READ | MAP_WRITE) == 0);
	NEED(CALL1(&root, SYS_CAP_REVOKE, memory) == 0);
	machine_check();
	for (unsigned i = shown = 0; i < 1000; i++)
		shown += readable(space, BASE + PAGES(i));
	TEST_EQUAL("revoking the one above it takes it, cut up as it is", shown, 34);

	/* One that stands between two others of another origin does not become part of them. */
	given = derived(memory);
	NEED(map(handle, BASE + PAGES(2000), memory, 0, 2, MAP_READ) == 0);
	NEED(map(handle, BASE + PAGES(2002), given, 2, 2, MAP_READ) == 0);
	NEED(map(handle, BASE + PAGES(2004), memory, 4, 2, MAP_READ) == 0);
	NEED(CALL1(&root, SYS_CAP_REVOKE, memory) == 0);
	TEST("mappings of two origins stay two", readable(space, BASE + PAGES(2001)) &&
	                                             !readable(space, BASE + PAGES(2002)) &&
	                                             readable(space, BASE + PAGES(2004)));
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
	TEST("a mapping keeps its object", readable(space, BASE + PAGES(2001)));
	CALL1(&root, SYS_CAP_DELETE, handle);
	machine_check();
}

static void test_revoke_device(void)
{
	int64_t error, status = 0;
	handle_t handle = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE)), whole, part, chain;
	struct memory *device = memory_create(&root_unit, MEMORY_DEVICE, 16, &error);
	struct space *space = space_at(handle);
	unsigned depth = 0;

	device->device_base = 0xfe000000;
	whole = NEED_HANDLE(cap_insert(&root_unit, &device->object, RIGHT_ALL, 0, 0));
	object_release(&device->object);
	part = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, whole, PAGES(2), PAGES(8)));
	for (chain = part; depth < 20 && status >= 0; depth++) {
		status = CALL3(&root, SYS_MEMORY_CLONE, chain, 0, PAGES(4));
		chain = status > 0 ? (handle_t)status : chain;
	}
	TEST("clones of clones of a device have an end", depth == MEMORY_DEPTH_MAX && status == E_SUPPORT);
	NEED(map(handle, BASE, whole, 0, 1, MAP_READ | MAP_WRITE) == 0);
	NEED(map(handle, BASE + PAGES(1), part, 0, 1, MAP_READ | MAP_WRITE) == 0);
	NEED(map(handle, BASE + PAGES(8), chain, 0, 4, MAP_READ | MAP_WRITE) == 0);
	NEED(space_populate(space, BASE, BASE + PAGES(1)) &&
	     space_populate(space, BASE + PAGES(8), BASE + PAGES(12)));
	machine_check();
	NEED(CALL1(&root, SYS_CAP_REVOKE, whole) == 0);
	machine_check();
	TEST_EQUAL("revoking a device takes what was mapped of its clones", space->mapping_count, 1);
	TEST("and the clones",
	     CALL1(&root, SYS_CAP_INFO, part) == E_HANDLE && CALL1(&root, SYS_CAP_INFO, chain) == E_HANDLE);
	TEST("not the device", CALL1(&root, SYS_CAP_INFO, whole) > 0);
	part = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, whole, 0, PAGES(1)));
	CALL1(&root, SYS_CAP_DELETE, part);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, whole);
	CALL1(&root, SYS_CAP_DELETE, handle);
	machine_check();
}

int main(void)
{
	host_boot(64, 2);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	for (host_preempt_every = 0; host_preempt_every < 3; host_preempt_every++) {
		test_map_unmap();
		test_replace();
		test_protect();
		test_wx();
		test_other_cpu();
		test_dies_with_its_unit();
		test_quota();
		test_many();
		test_read_before_write();
		test_another_call_between();
		test_revoke();
		test_revoke_device();
	}
	TEST("long calls were cut into slices", host_restarts > 10);
	return test_failures != 0;
}
