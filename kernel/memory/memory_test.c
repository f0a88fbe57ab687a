/* Memory objects: demand zero, clones, who pays, discard, resize, supply, dirty tracking, labels. */
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)
#define BASE     NATIVE_BASE

static struct actor root;

static handle_t memory_new(struct actor *actor, uint64_t pages)
{
	return NEED_HANDLE(CALL3(actor, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(pages), 0));
}

static handle_t space_new(struct actor *actor)
{
	return NEED_HANDLE(CALL1(actor, SYS_SPACE_CREATE, SPACE_NATIVE));
}

static struct space *space_at(struct actor *actor, handle_t handle)
{
	return (struct space *)object_at(actor->thread->unit, handle);
}

static handle_t unit_new(struct actor *actor, handle_t parent, uint64_t pages)
{
	struct unit_spec spec = {
	    .memory_bytes = PAGES(pages), .caps = 200, .priority_max = 10, .name = "test"};

	memcpy(actor->page->bytes, &spec, sizeof(spec));
	return NEED_HANDLE(CALL1(actor, SYS_UNIT_CREATE, parent));
}

static uint64_t peek(struct space *space, uint64_t address)
{
	uint64_t value = ~0ull;
	enum space_fault fault;

	return user_read(space, address, &value, &fault) ? value : ~0ull;
}

static bool poke(struct space *space, uint64_t address, uint64_t value)
{
	enum space_fault fault;

	return user_write(space, address, value, &fault);
}

static void test_demand_zero(void)
{
	uint64_t used = root_unit.memory_used;
	handle_t memory = memory_new(&root, 1000), handle = space_new(&root);
	struct space *space = space_at(&root, handle);
	bool zero = true;

	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, memory, 0, PAGES(1000), MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 1000; i += 7)
		zero &= peek(space, BASE + PAGES(i) + 8) == 0;
	TEST("fresh pages read as zero", zero);
	for (unsigned i = 0; i < 1000; i++)
		poke(space, BASE + PAGES(i), i);
	machine_check();
	zero = true;
	for (unsigned i = 0; i < 1000; i++)
		zero &= peek(space, BASE + PAGES(i)) == i;
	TEST("pages keep what was written", zero);
	NEED(CALL3(&root, SYS_MEMORY_DISCARD, memory, PAGES(100), PAGES(800)) == 0);
	machine_check();
	TEST_EQUAL("a discarded page reads as zero", peek(space, BASE + PAGES(500)), 0);
	TEST_EQUAL("its neighbours stay", peek(space, BASE + PAGES(99)), 99);
	NEED(CALL3(&root, SYS_SPACE_UNMAP, handle, BASE, PAGES(1000)) == 0);
	machine_check();
	NEED(CALL1(&root, SYS_CAP_DELETE, memory) == 0 && CALL1(&root, SYS_CAP_DELETE, handle) == 0);
	machine_check();
	while (unit_has_doomed(&root_unit)) /* what was cut short goes on with the next calls */
		CALL1(&root, SYS_CAP_INFO, 0);
	TEST("all memory returns", root_unit.memory_used <= used + PAGES(4));
}

/* The second one's frames go when the processor has all the clean ones that it keeps for itself. */
static void test_wiping(void)
{
	handle_t memories[2], spaces[2];
	unsigned dirty = 0;

	for (unsigned i = 0; i < 2; i++) {
		memories[i] = memory_new(&root, 300);
		spaces[i] = space_new(&root);
		NEED(CALL6(&root, SYS_SPACE_MAP, spaces[i], BASE, memories[i], 0, PAGES(300),
		           MAP_READ | MAP_WRITE) == 0);
		for (unsigned page = 0; page < 300; page++)
			poke(space_at(&root, spaces[i]), BASE + PAGES(page), 1);
	}
	for (unsigned i = 0; i < 2; i++) {
		CALL1(&root, SYS_CAP_DELETE, spaces[i]);
		CALL1(&root, SYS_CAP_DELETE, memories[i]);
		for (unsigned cpu = 2; cpu--;) {
			host_cpu(cpu);
			while (frame_zero_one())
				;
		}
	}
	for (physical_t frame = 1 << 20; frame < 64ull << 20; frame += PAGE_SIZE_BYTES)
		dirty += frame_is_free(frame);
	TEST_EQUAL("idle processors wipe all that was freed", dirty, 0);
}

static void test_clone(void)
{
	handle_t memory = memory_new(&root, 200), clone, first = space_new(&root), second = space_new(&root);
	struct space *a = space_at(&root, first), *b = space_at(&root, second);
	uint64_t before, bad = 0;

	NEED(CALL6(&root, SYS_SPACE_MAP, first, BASE, memory, 0, PAGES(200), MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 200; i += 2)
		poke(a, BASE + PAGES(i), i + 1);
	before = root_unit.memory_used;
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, memory, PAGES(10), PAGES(190)));
	machine_check();
	TEST("a clone shares its frames", root_unit.memory_used - before <= PAGES(3));
	NEED(CALL6(&root, SYS_SPACE_MAP, second, BASE, clone, 0, PAGES(190), MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 190; i++)
		bad += peek(b, BASE + PAGES(i)) != (i % 2 ? 0 : i + 11);
	TEST_EQUAL("a clone reads as its source", bad, 0);
	machine_check();
	for (unsigned i = 0; i < 200; i += 2)
		poke(a, BASE + PAGES(i), 1000 + i);
	machine_check();
	for (unsigned i = 0; i < 190; i++)
		bad += peek(b, BASE + PAGES(i)) != (i % 2 ? 0 : i + 11);
	TEST_EQUAL("writing to the source leaves the clone", bad, 0);
	for (unsigned i = 0; i < 190; i++)
		poke(b, BASE + PAGES(i), 5000 + i);
	for (unsigned i = 0; i < 200; i += 2)
		bad += peek(a, BASE + PAGES(i)) != 1000 + i;
	TEST_EQUAL("writing to the clone leaves the source", bad, 0);
	machine_check();
	NEED(CALL1(&root, SYS_MEMORY_INFO, clone) == 0);
	TEST_EQUAL("nothing is shared any more", ((struct memory_info *)root.page->bytes)->shared_bytes, 0);
	CALL1(&root, SYS_CAP_DELETE, first);
	CALL1(&root, SYS_CAP_DELETE, second);
	CALL1(&root, SYS_CAP_DELETE, clone);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_two_views_of_one_page(void)
{
	handle_t memory = memory_new(&root, 4), clone, handle = space_new(&root);
	struct space *space = space_at(&root, handle);

	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, memory, 0, PAGES(4), MAP_READ | MAP_WRITE) == 0);
	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE + PAGES(64), memory, 0, PAGES(4), MAP_READ) == 0);
	poke(space, BASE, 1);
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, memory, 0, PAGES(4)));
	TEST_EQUAL("both mappings show the page", peek(space, BASE + PAGES(64)), 1);
	poke(space, BASE, 2);
	TEST_EQUAL("and show what a write after the clone left", peek(space, BASE + PAGES(64)), 2);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	CALL1(&root, SYS_CAP_DELETE, clone);
}

static void test_foreign_clone(handle_t self_unit)
{
	handle_t child = unit_new(&root, self_unit, 64), memory = memory_new(&root, 32), granted, clone, view;
	struct unit *unit = (struct unit *)object_at(&root_unit, child);
	struct actor actor;
	uint64_t before;
	struct space *space;

	actor_init(&actor, unit);
	view = space_new(&root);
	space = space_at(&root, view);
	NEED(CALL6(&root, SYS_SPACE_MAP, view, BASE, memory, 0, PAGES(32), MAP_READ | MAP_WRITE) == 0);
	for (unsigned i = 0; i < 32; i++)
		poke(space, BASE + PAGES(i), i + 1);
	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child, memory, RIGHT_READ, 0));
	before = unit->memory_used;
	clone = NEED_HANDLE(CALL3(&actor, SYS_MEMORY_CLONE, granted, 0, PAGES(32)));
	TEST("a clone of another unit's pages is charged in full", unit->memory_used >= before + PAGES(32));
	machine_check();
	TEST_EQUAL("and refused when the quota lacks them",
	           CALL3(&actor, SYS_MEMORY_CLONE, granted, 0, PAGES(32)), E_QUOTA_MEMORY);
	TEST("the refusal says how much was lacking", unit->lacked_memory > 0);
	machine_check();
	/* The source goes; the clone keeps its pages, and its own charge. */
	CALL1(&root, SYS_CAP_DELETE, view);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
	view = space_new(&actor);
	NEED(CALL6(&actor, SYS_SPACE_MAP, view, BASE, clone, 0, PAGES(32), MAP_READ | MAP_WRITE) == 0);
	TEST_EQUAL("the clone outlives its source", peek(space_at(&actor, view), BASE + PAGES(31)), 32);
	TEST("and takes its pages over on write", poke(space_at(&actor, view), BASE + PAGES(31), 7));
	machine_check();
	actor_deinit(&actor);
	NEED(CALL1(&root, SYS_UNIT_DESTROY, child) == 0);
	machine_check();
}

static void test_resize(void)
{
	handle_t memory = memory_new(&root, 1), handle = space_new(&root);
	struct space *space = space_at(&root, handle);
	enum space_fault fault = SPACE_FAULT_RESOLVED;
	uint64_t value;

	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, memory, 0, PAGES(5000), MAP_READ | MAP_WRITE) == 0);
	NEED(poke(space, BASE, 42));
	TEST("beyond the end faults",
	     !user_read(space, BASE + PAGES(1), &value, &fault) && fault == SPACE_FAULT_ACCESS);
	NEED(CALL2(&root, SYS_MEMORY_RESIZE, memory, PAGES(4000)) == 0);
	machine_check();
	TEST("a grown object has the new pages", poke(space, BASE + PAGES(3999), 43));
	TEST_EQUAL("and the old ones", peek(space, BASE), 42);
	NEED(CALL2(&root, SYS_MEMORY_RESIZE, memory, PAGES(2)) == 0);
	machine_check();
	TEST("a shrunk one has not", !user_read(space, BASE + PAGES(3999), &value, &fault));
	NEED(CALL2(&root, SYS_MEMORY_RESIZE, memory, PAGES(4000)) == 0);
	TEST_EQUAL("what was cut off comes back as zero", peek(space, BASE + PAGES(3999)), 0);
	handle_t peer = NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, memory, RIGHT_READ | RIGHT_WRITE, 0));

	TEST_EQUAL("who may write may not shrink", CALL2(&root, SYS_MEMORY_RESIZE, peer, PAGES(1)), E_RIGHTS);
	TEST_EQUAL("nor discard", CALL3(&root, SYS_MEMORY_DISCARD, peer, 0, PAGES(1)), E_RIGHTS);
	CALL1(&root, SYS_CAP_DELETE, peer);
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_pager(void)
{
	handle_t event = NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
	handle_t pager =
	    NEED_HANDLE(CALL6(&root, SYS_MEMORY_CREATE, MEMORY_PAGER, PAGES(100), 0, 0, 0, event));
	handle_t source = memory_new(&root, 10), handle = space_new(&root);
	struct space *space = space_at(&root, handle);
	enum space_fault fault = SPACE_FAULT_RESOLVED;
	uint64_t value;

	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, pager, 0, PAGES(100), MAP_READ | MAP_WRITE) == 0);
	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE + PAGES(1000), source, 0, PAGES(10),
	           MAP_READ | MAP_WRITE) == 0);
	TEST("an absent page must be asked for",
	     !user_read(space, BASE, &value, &fault) && fault == SPACE_FAULT_PAGER);
	poke(space, BASE + PAGES(1003), 33);
	NEED(CALL5(&root, SYS_MEMORY_SUPPLY, pager, PAGES(20), source, 0, PAGES(10)) == 0);
	machine_check();
	TEST_EQUAL("supplied pages arrive", peek(space, BASE + PAGES(23)), 33);
	TEST_EQUAL("absent ones as zero", peek(space, BASE + PAGES(24)), 0);
	TEST_EQUAL("and are moved", peek(space, BASE + PAGES(1003)), 0);
	poke(space, BASE + PAGES(23), 34);
	NEED(CALL5(&root, SYS_MEMORY_SUPPLY, pager, PAGES(20), source, 0, PAGES(10)) == 0);
	TEST_EQUAL("a page that is there is not overwritten", peek(space, BASE + PAGES(23)), 34);
	NEED(CALL3(&root, SYS_MEMORY_DISCARD, pager, PAGES(23), PAGES(1)) == 0);
	TEST("a discarded page is asked for again",
	     !user_read(space, BASE + PAGES(23), &value, &fault) && fault == SPACE_FAULT_PAGER);
	TEST_EQUAL("nobody waits", CALL1(&root, SYS_MEMORY_WANTED, pager), E_NOT_FOUND);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, event);
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, pager);
	CALL1(&root, SYS_CAP_DELETE, source);
	machine_check();
}

static bool dirty(unsigned page)
{
	return root.page->bytes[page / 8] >> page % 8 & 1;
}

static void test_dirty(void)
{
	handle_t memory = memory_new(&root, 300), handle = space_new(&root);
	struct space *space = space_at(&root, handle);

	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, memory, 0, PAGES(300), MAP_READ | MAP_WRITE) == 0);
	poke(space, BASE + PAGES(3), 1);
	NEED(CALL4(&root, SYS_MEMORY_DIRTY, memory, 0, PAGES(300), DIRTY_MIGRATION) == 0);
	TEST("a written page is dirty", dirty(3) && !dirty(4) && !dirty(299));
	NEED(CALL4(&root, SYS_MEMORY_DIRTY, memory, 0, PAGES(300), DIRTY_MIGRATION) == 0);
	TEST("asking clears it", !dirty(3));
	machine_check();
	poke(space, BASE + PAGES(3), 2);
	poke(space, BASE + PAGES(299), 2);
	peek(space, BASE + PAGES(4));
	NEED(CALL4(&root, SYS_MEMORY_DIRTY, memory, 0, PAGES(300), DIRTY_MIGRATION) == 0);
	TEST("writes through old translations are seen", dirty(3) && dirty(299));
	TEST("reads are not", !dirty(4));
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, memory);
}

static void test_module(void)
{
	int64_t error;
	struct memory *memory = memory_create(&root_unit, MEMORY_PHYSICAL, HOST_MODULE_PAGES, &error);
	handle_t module, clone, handle = space_new(&root);
	struct space *space = space_at(&root, handle);
	struct object *object = &memory->object;

	memory->device_base = host_module_base;
	module = NEED_HANDLE(cap_insert(&root_unit, object, RIGHT_READ | RIGHT_EXECUTE | RIGHT_COPY, 0, 0));
	object_release(object);
	TEST_EQUAL("a module cannot be mapped writable",
	           CALL6(&root, SYS_SPACE_MAP, handle, BASE, module, 0, PAGES(4), MAP_READ | MAP_WRITE),
	           E_RIGHTS);
	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE, module, PAGES(5), PAGES(4), MAP_READ | MAP_EXECUTE) ==
	     0);
	TEST_EQUAL("a part of a module can be mapped", peek(space, BASE + PAGES(2)), 8);
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, module, PAGES(10), PAGES(20)));
	machine_check();
	NEED(CALL6(&root, SYS_SPACE_MAP, handle, BASE + PAGES(64), clone, 0, PAGES(20),
	           MAP_READ | MAP_WRITE) == 0);
	TEST_EQUAL("a clone of a module shows it", peek(space, BASE + PAGES(64)), 11);
	poke(space, BASE + PAGES(64), 99);
	TEST_EQUAL("writing to the clone leaves the module",
	           *(uint64_t *)frame_map(host_module_base + PAGES(10)), 11);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, module);
	CALL1(&root, SYS_CAP_DELETE, clone);
	machine_check();
	TEST_EQUAL("a module's frames are never freed", frame_of(host_module_base)->references, 1);
}

/* A unit pays for what it has pinned, whatever becomes of the object. */
static void test_pins_are_paid(handle_t self_unit)
{
	handle_t child = unit_new(&root, self_unit, 16), handle = memory_new(&root, 4);
	struct unit *unit = (struct unit *)object_at(&root_unit, child);
	struct memory *memory = (struct memory *)object_at(&root_unit, handle);
	uint64_t used = unit->memory_used;
	physical_t frames[3];
	unsigned count = 0;

	unit->memory_quota = used + 2 * PAGE_SIZE_BYTES;
	for (; count < 3 && memory_pin(memory, 1, unit, &frames[count]) == E_OK; count++)
		CALL3(&root, SYS_MEMORY_DISCARD, handle, 0, PAGES(4));
	TEST_EQUAL("a quota of two pages pins two", count, 2);
	TEST_EQUAL("and pays for both", unit->memory_used - used, PAGES(2));
	while (count)
		memory_unpin(frames[--count], unit);
	TEST_EQUAL("until they are unpinned", unit->memory_used, used);
	/* Its own memory it pays for once, and as long as anything holds it. */
	used = root_unit.memory_used;
	NEED(memory_pin(memory, 1, &root_unit, &frames[0]) == E_OK &&
	     memory_pin(memory, 1, &root_unit, &frames[1]) == E_OK);
	TEST("pins of one's own memory cost nothing more", root_unit.memory_used <= used + PAGES(2));
	used = root_unit.memory_used;
	CALL3(&root, SYS_MEMORY_DISCARD, handle, 0, PAGES(4));
	memory_unpin(frames[0], &root_unit);
	TEST("but are paid when the object has gone on", root_unit.memory_used + PAGES(1) >= used);
	memory_unpin(frames[1], &root_unit);
	TEST("until the last is gone", root_unit.memory_used + PAGES(1) <= used);
	unit->memory_quota = PAGES(16);
	CALL1(&root, SYS_UNIT_DESTROY, child);
	CALL1(&root, SYS_CAP_DELETE, handle);
}

static void test_pins(void)
{
	handle_t handle = memory_new(&root, 4), clone;
	struct memory *memory = (struct memory *)object_at(&root_unit, handle);
	physical_t frame, other;
	uint64_t free_bytes;

	NEED(memory_pin(memory, 2, &root_unit, &frame) == E_OK);
	*(uint64_t *)frame_map(frame) = 77;
	clone = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, handle, 0, PAGES(4)));
	machine_check();
	*(uint64_t *)frame_map(frame) = 78;
	NEED(memory_pin((struct memory *)object_at(&root_unit, clone), 2, &root_unit, &other) == E_OK);
	TEST_EQUAL("a pinned page is copied to a clone at once", *(uint64_t *)frame_map(other), 77);
	memory_unpin(other, &root_unit);
	CALL1(&root, SYS_CAP_DELETE, clone);
	CALL1(&root, SYS_CAP_DELETE, handle);
	/* No thread holds the pin, so the check must not find it charged. */
	unit_uncharge(&root_unit, PAGE_SIZE_BYTES);
	machine_check();
	NEED(unit_charge(&root_unit, PAGE_SIZE_BYTES));
	TEST_EQUAL("a pinned page outlives its object", *(uint64_t *)frame_map(frame), 78);
	free_bytes = frame_free_bytes();
	memory_unpin(frame, &root_unit);
	TEST_EQUAL("and is freed by the last unpin", frame_free_bytes() - free_bytes, PAGE_SIZE_BYTES);
}

#define MANY 300u

/* Makes a call on an object that is mapped MANY times slice by slice; between two, another CPU writes to it.
 * Returns how many slices it took. */
static unsigned in_slices(enum syscall_number number, const uint64_t args[6], struct space *space,
                          int64_t *result)
{
	unsigned slices = 0, before = host_preempt_every;
	struct memory *memory;
	uint64_t page;

	host_preempt_every = 1;
	for (;;) {
		slices++;
		*result = call_once(&root, number, args);
		if (*result != CALL_RESTART)
			break;
		machine_check();
		host_cpu(1);
		for (unsigned faults = 0; faults < 3; faults++)
			(void)space_resolve(space, BASE + PAGES(4 * (slices * 7 % MANY) + slices % 4), true,
			                    false, &memory, &page);
		host_cpu(0);
		NEED(slices < 100 * MANY);
		machine_check();
	}
	host_preempt_every = before;
	return slices;
}

/* What takes pages out of many mappings does so in slices, and whoever needs them meanwhile helps. */
static void test_many_mappings(void)
{
	handle_t handle = memory_new(&root, 4), view = space_new(&root), clone;
	struct space *space = space_at(&root, view);
	uint64_t args[6] = {handle, 0, PAGES(4)};
	int64_t result;
	unsigned slices;

	for (unsigned i = 0; i < MANY; i++) {
		NEED(CALL6(&root, SYS_SPACE_MAP, view, BASE + PAGES(4 * i), handle, 0, PAGES(4),
		           MAP_READ | MAP_WRITE) == 0);
		for (unsigned page = 0; page < 4; page++)
			poke(space, BASE + PAGES(4 * i + page), page + 1);
	}
	machine_check();
	slices = in_slices(SYS_MEMORY_CLONE, args, space, &result);
	clone = NEED_HANDLE(result);
	machine_check();
	TEST("a clone passes many mappings in slices", slices > MANY / 50);
	/* Every mapping shows what the last write left, the clone what it was at some moment. */
	poke(space, BASE, 7777);
	for (unsigned i = 0; i < MANY; i++)
		NEED(peek(space, BASE + PAGES(4 * i)) == 7777);
	NEED(CALL6(&root, SYS_SPACE_MAP, view, BASE + PAGES(4 * MANY), clone, 0, PAGES(4), MAP_READ) == 0);
	TEST("and is no longer written to", peek(space, BASE + PAGES(4 * MANY)) != 7777);
	in_slices(SYS_MEMORY_DIRTY, args, space, &result);
	TEST_EQUAL("dirty pages are found through many mappings", result == 0 ? root.page->bytes[0] & 15 : 0,
	           15);
	slices = in_slices(SYS_MEMORY_DISCARD, args, space, &result);
	TEST("a discard passes many mappings in slices", result == 0 && slices > MANY / 50);
	machine_check();
	NEED(CALL3(&root, SYS_MEMORY_DISCARD, handle, 0, PAGES(4)) == 0);
	NEED(peek(space, BASE + PAGES(4)) == 0);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, handle);
	CALL1(&root, SYS_CAP_DELETE, clone);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, view);
	machine_check();
}

/* The index of the first capability that UNIT holds to OBJECT, by asking for one after the other; 0: none. */
static uint64_t held_at(handle_t unit, const struct object *object)
{
	for (uint64_t index = 1;; index++) {
		int64_t found = CALL2(&root, SYS_UNIT_CAP, unit, index);
		bool same;

		if (found == E_NOT_FOUND)
			return 0;
		if (found < 0)
			continue;
		same = object_at(&root_unit, (handle_t)found) == object;
		CALL1(&root, SYS_CAP_DELETE, found);
		if (same)
			return index;
	}
}

static void test_labels(handle_t self_unit)
{
	struct label label = {.owner = "vfs", .kind = "file", .name = "motd"};
	struct memory_info *info = (struct memory_info *)root.page->bytes;
	handle_t memory = memory_new(&root, 1), child = unit_new(&root, self_unit, 16), look, granted;
	const struct object *object = object_at(&root_unit, memory);
	uint64_t index, badge;
	int64_t found, rights;

	memcpy(root.page->bytes, &label, sizeof(label));
	NEED(CALL1(&root, SYS_MEMORY_LABEL, memory) == 0);
	TEST_EQUAL("what a unit holds is found in its table", held_at(self_unit, object),
	           HANDLE_INDEX(memory));
	TEST_EQUAL("and in no other", held_at(child, object), 0);
	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child, memory,
	                            RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE, 0));
	index = held_at(child, object);
	TEST_EQUAL("once it holds it, there", index, HANDLE_INDEX(granted));
	found = CALL2(&root, SYS_UNIT_CAP, child, index);
	NEED(found > 0 && CALL1(&root, SYS_MEMORY_INFO, found) == 0);
	TEST("with its label", !memcmp(&info->label, &label, sizeof(label)));
	rights = call(&root, SYS_CAP_INFO, (uint64_t)found, 0, 0, 0, 0, 0);
	TEST("and the rights it has there",
	     rights >> 16 == (RIGHT_READ | RIGHT_WRITE | RIGHT_COPY | RIGHT_MOVE));
	CALL1(&root, SYS_CAP_DELETE, found);
	look = NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, child, RIGHT_READ, 0));
	found = CALL2(&root, SYS_UNIT_CAP, look, index);
	rights = call(&root, SYS_CAP_INFO, (uint64_t)found, 0, 0, 0, 0, 0);
	TEST("who may not manage the unit may only look",
	     rights >> 16 == (RIGHT_READ | RIGHT_COPY | RIGHT_MOVE));
	CALL1(&root, SYS_CAP_DELETE, found);
	TEST_EQUAL("an empty place holds nothing", CALL2(&root, SYS_UNIT_CAP, look, index + 1), E_HANDLE);
	TEST_EQUAL("nor does the head of a page", CALL2(&root, SYS_UNIT_CAP, look, 0), E_HANDLE);
	found = NEED_HANDLE(CALL2(&root, SYS_EVENT_CREATE, 0, 0));
	badge = (uint64_t)NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child, found, RIGHT_ALL & ~RIGHT_MOVE, 0));
	TEST_EQUAL("what is no memory is shown to managers alone",
	           CALL2(&root, SYS_UNIT_CAP, look, HANDLE_INDEX(badge)), E_TYPE);
	TEST_EQUAL("and what may not be moved to none",
	           CALL2(&root, SYS_UNIT_CAP, child, HANDLE_INDEX(badge)), E_RIGHTS);
	CALL1(&root, SYS_CAP_DELETE, found);
	CALL1(&root, SYS_CAP_DELETE, look);
	CALL1(&root, SYS_UNIT_DESTROY, child);
	CALL1(&root, SYS_CAP_DELETE, memory);
	machine_check();
}

static void test_arguments(void)
{
	handle_t memory = memory_new(&root, 4);

	TEST_EQUAL("no memory of no size", CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, 0, 0),
	           E_ARGUMENT);
	TEST_EQUAL("nor of half a page", CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, 100, 0),
	           E_ARGUMENT);
	TEST_EQUAL("nor of a kind of the kernel's own",
	           CALL3(&root, SYS_MEMORY_CREATE, MEMORY_PHYSICAL, 4096, 0), E_ARGUMENT);
	TEST_EQUAL("nor of a device without the right",
	           CALL4(&root, SYS_MEMORY_CREATE, MEMORY_DEVICE, 4096, 0, 0), E_HANDLE);
	TEST_EQUAL("a clone beyond the end", CALL3(&root, SYS_MEMORY_CLONE, memory, PAGES(3), PAGES(2)),
	           E_ARGUMENT);
	TEST_EQUAL("a clone that wraps", CALL3(&root, SYS_MEMORY_CLONE, memory, ~0xfffull, PAGES(2)),
	           E_ARGUMENT);
	TEST_EQUAL("a discard that wraps", CALL3(&root, SYS_MEMORY_DISCARD, memory, PAGES(1), ~0xfffull),
	           E_ARGUMENT);
	CALL1(&root, SYS_CAP_DELETE, memory);
}

int main(void)
{
	handle_t self_unit;

	host_boot(64, 2);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	for (host_preempt_every = 0; host_preempt_every < 3; host_preempt_every++) {
		test_demand_zero();
		test_wiping();
		test_clone();
		test_two_views_of_one_page();
		test_foreign_clone(self_unit);
		test_resize();
		test_pager();
		test_dirty();
		test_module();
		test_pins();
		test_many_mappings();
		test_pins_are_paid(self_unit);
		test_labels(self_unit);
		test_arguments();
	}
	TEST("long calls were cut into slices", host_restarts > 10);
	return test_failures != 0;
}
