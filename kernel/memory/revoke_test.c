/* Mapping, unmapping, accesses and clones against revocation, deletion and the end of units, on four simulated CPUs
 * that stop in the midst of kernel entries. Whenever none has, all invariants must hold; after a revocation with
 * nobody beside it, a space shows of the object what was mapped with the revoked capability itself, and nothing
 * else; in the end everything must come back.
 *
 * The seed is the first argument; HOLON_SOAK runs many seeds.
 */
#include "test.h"

#define CPUS      4u
#define OBJECTS   4u /* the last is a device */
#define DISCARDED 2u /* pages of this one come and go */
#define PAGES     24u
#define CAPS      6u /* derived ones that an actor keeps of each object */
#define SPACES    2u
#define DERIVED   ((uint64_t)RIGHT_ALL & ~(uint64_t)RIGHT_EXECUTE) /* so they are told from the first ones' */
#define AT(page)  (NATIVE_BASE + (uint64_t)(page)*PAGE_SIZE_BYTES)

static struct actor root, actors[CPUS];
static handle_t self_unit, child_unit, whole[OBJECTS], spaces[SPACES];
static handle_t held[CPUS][OBJECTS][CAPS], space_held[CPUS][SPACES];
static uint64_t mapped, revoked, stopped, cloned, misread;

static uint64_t pick(uint64_t bound)
{
	return (uint64_t)rand() % bound;
}

static struct space *space_at(unsigned index)
{
	return (struct space *)object_at(&root_unit, spaces[index]);
}

/* Actors 2 and 3 are a child's, which holds derived capabilities alone. */
static void child_start(void)
{
	struct unit_spec spec = {.memory_bytes = 2 << 20, .caps = 300, .priority_max = 10, .name = "child"};

	memcpy(root.page->bytes, &spec, sizeof(spec));
	child_unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	for (unsigned index = 2; index < CPUS; index++) {
		actor_init(&actors[index], (struct unit *)object_at(&root_unit, child_unit));
		for (unsigned i = 0; i < SPACES; i++)
			space_held[index][i] =
			    NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, spaces[i], RIGHT_ALL, 0));
	}
	memset(held[2], 0, 2 * sizeof(held[2]));
}

static void give_child(struct actor *actor, handle_t from, unsigned object, unsigned at)
{
	int64_t handle = CALL4(actor, SYS_UNIT_GRANT, child_unit, from, DERIVED, 0);

	if (handle > 0)
		held[2 + pick(2)][object][at] = (handle_t)handle;
}

/* Pages of the first objects and all their clones hold one word for ever; what is in those that are discarded is not
 * looked at, but the frame must not be another's by then (the simulated machine looks). */
static void access_page(struct space *space, unsigned object, unsigned page, bool write)
{
	enum space_fault fault;
	uint64_t word = 0x1000 * object + page + 1, value = word;

	if (object > DISCARDED)
		return;
	if (write)
		user_write(space, AT(PAGES * object + page), word, &fault);
	else if (user_read(space, AT(PAGES * object + page), &value, &fault))
		misread += object < DISCARDED && value != word;
}

static void step(unsigned index)
{
	struct actor *actor = &actors[index];
	unsigned object = (unsigned)pick(OBJECTS), at = (unsigned)pick(CAPS), page = (unsigned)pick(PAGES);
	uint64_t pages = 1 + pick(PAGES - page), bytes = pages * PAGE_SIZE_BYTES;
	handle_t *place = &held[index][object][at];
	handle_t from = index < 2 && !pick(3) ? whole[object] : held[index][object][pick(CAPS)];
	handle_t space = space_held[index][pick(SPACES)];
	uint64_t flags = pick(2) ? MAP_READ : MAP_READ | MAP_WRITE;
	int64_t result;

	switch (pick(12)) {
	case 0:
	case 1:
	case 2:
		result =
		    CALL6(actor, SYS_SPACE_MAP, space, AT(PAGES * object + page), from,
		          page * PAGE_SIZE_BYTES, bytes, flags | MAP_REPLACE | (pick(2) ? MAP_POPULATE : 0));
		mapped += result == E_OK;
		break;
	case 3:
		CALL3(actor, SYS_SPACE_UNMAP, space, AT(PAGES * object + page), bytes);
		break;
	case 4:
		CALL4(actor, SYS_SPACE_PROTECT, space, AT(PAGES * object + page), bytes, flags);
		break;
	case 5:
		access_page(space_at((unsigned)pick(SPACES)), object, page, pick(2));
		break;
	case 6:
		if (index < 2)
			give_child(actor, from, object, at);
		/* fall through */
	case 7:
		result = CALL3(actor, SYS_CAP_COPY, from, DERIVED, 0);
		if (*place)
			CALL1(actor, SYS_CAP_DELETE, *place);
		*place = result > 0 ? (handle_t)result : 0;
		break;
	case 8:
		result = CALL3(actor, SYS_MEMORY_CLONE, from, 0, PAGES * PAGE_SIZE_BYTES / 2);
		cloned += result > 0;
		if (*place)
			CALL1(actor, SYS_CAP_DELETE, *place);
		*place = result > 0 ? (handle_t)result : 0;
		break;
	case 9:
		CALL1(actor, SYS_CAP_DELETE, *place);
		*place = 0;
		break;
	case 10:
		if (!pick(4))
			revoked += CALL1(actor, SYS_CAP_REVOKE, from) == E_OK;
		break;
	default:
		if (object == DISCARDED)
			CALL3(actor, SYS_MEMORY_DISCARD, from, page * PAGE_SIZE_BYTES, bytes);
	}
}

/* With nobody beside it, revocation of a root leaves what was mapped with the root itself. */
static unsigned revoke_all(unsigned object)
{
	const struct object *target = object_at(&root_unit, whole[object]);
	unsigned left = 0;

	NEED(CALL1(&root, SYS_CAP_REVOKE, whole[object]) == E_OK);
	for (unsigned i = 0; i < SPACES; i++)
		for (unsigned page = 0; page < PAGES * OBJECTS; page++) {
			const struct mapping *mapping = mapping_find(space_at(i), AT(page));

			left += mapping && mapping->memory == (const struct memory *)target &&
			        !(mapping->cap.rights & RIGHT_EXECUTE);
		}
	return left;
}

/* Returns how many mappings were left over. */
static unsigned run(unsigned steps)
{
	unsigned wrong = 0;
	int64_t error;

	for (unsigned i = 0; i < SPACES; i++)
		spaces[i] = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	for (unsigned i = 0; i < OBJECTS - 1; i++)
		whole[i] = NEED_HANDLE(
		    CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES * PAGE_SIZE_BYTES, 0));
	struct memory *device = memory_create(&root_unit, MEMORY_DEVICE, PAGES, &error);

	device->device_base = 0xfe000000;
	whole[OBJECTS - 1] = NEED_HANDLE(cap_insert(&root_unit, &device->object, RIGHT_ALL, 0, 0));
	object_release(&device->object);
	for (unsigned index = 0; index < 2; index++) {
		actor_init(&actors[index], &root_unit);
		memcpy(space_held[index], spaces, sizeof(spaces));
	}
	for (unsigned i = 0; i < DISCARDED; i++) {
		NEED(CALL6(&root, SYS_SPACE_MAP, spaces[0], AT(PAGES * i), whole[i], 0,
		           PAGES * PAGE_SIZE_BYTES, MAP_READ | MAP_WRITE) == E_OK);
		for (unsigned page = 0; page < PAGES; page++)
			access_page(space_at(0), i, page, true);
	}
	child_start();
	host_stop_every = 12;
	host_stop_at_locks = true;
	host_preempt_every = 2;
	for (unsigned at = 0; at < steps; at++) {
		unsigned inside = 0;

		host_run((unsigned)pick(CPUS), step);
		for (unsigned i = 0; i < CPUS; i++)
			inside += host_inside(i);
		stopped += inside;
		if (inside && pick(6))
			continue;
		host_finish(step);
		host_cpu(0);
		if (!pick(8))
			machine_check();
		if (!pick(40)) {
			wrong += revoke_all((unsigned)pick(OBJECTS));
			machine_check();
		}
		if (!pick(400)) {
			NEED(CALL1(&root, SYS_UNIT_DESTROY, child_unit) == E_OK);
			CALL1(&root, SYS_CAP_DELETE, child_unit);
			machine_check();
			for (unsigned index = 2; index < CPUS; index++)
				actor_deinit(&actors[index]);
			child_start();
		}
	}
	host_finish(step);
	host_cpu(0);
	host_stop_every = host_preempt_every = 0;
	host_stop_at_locks = false;
	NEED(CALL1(&root, SYS_UNIT_DESTROY, child_unit) == E_OK);
	CALL1(&root, SYS_CAP_DELETE, child_unit);
	for (unsigned i = 0; i < OBJECTS; i++) {
		CALL1(&root, SYS_CAP_REVOKE, whole[i]);
		CALL1(&root, SYS_CAP_DELETE, whole[i]);
		for (unsigned index = 0; index < 2; index++)
			for (unsigned at = 0; at < CAPS; at++)
				CALL1(&root, SYS_CAP_DELETE, held[index][i][at]);
	}
	for (unsigned i = 0; i < SPACES; i++)
		CALL1(&root, SYS_CAP_DELETE, spaces[i]);
	for (unsigned index = 0; index < CPUS; index++)
		actor_deinit(&actors[index]);
	memset(held, 0, sizeof(held));
	machine_check();
	return wrong;
}

/* ---- A frame that is freed while its translations are on their way out ---- */

static handle_t pool, window_space;
static unsigned turn; /* what takes the pages out of the space */
static uint64_t reads;

static void window_step(unsigned index)
{
	uint64_t value;
	enum space_fault fault;
	uint32_t pages = 4 * PAGE_SIZE_BYTES;

	if (index == 0 && turn % 4 == 0)
		CALL3(&actors[0], SYS_SPACE_UNMAP, window_space, AT(0), pages);
	else if (index == 0 && turn % 4 == 1)
		CALL3(&actors[0], SYS_SPACE_UNMAP, window_space, AT(2), pages / 2);
	else if (index == 0 && turn % 4 == 2)
		CALL4(&actors[0], SYS_SPACE_PROTECT, window_space, AT(0), pages, 0);
	else if (index == 0)
		CALL6(&actors[0], SYS_SPACE_MAP, window_space, AT(0), whole[1], 0, pages,
		      MAP_READ | MAP_REPLACE);
	else if (index == 1)
		CALL3(&actors[1], SYS_MEMORY_DISCARD, pool, 0, pages);
	else
		reads +=
		    user_read((struct space *)object_at(&root_unit, window_space), AT(3), &value, &fault);
}

/* One CPU takes pages out of a space, one discards them, one reads them as long as it has a translation. The simulated
 * machine looks at each access whether the frame is free. Returns how many reads there were. */
static uint64_t run_window(void)
{
	window_space = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	pool = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, 4 * PAGE_SIZE_BYTES, 0));
	whole[1] = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, 4 * PAGE_SIZE_BYTES, 0));
	for (unsigned index = 0; index < 2; index++)
		actor_init(&actors[index], &root_unit);
	for (turn = 0; turn < 2000; turn++) {
		NEED(CALL6(&root, SYS_SPACE_MAP, window_space, AT(0), pool, 0, 4 * PAGE_SIZE_BYTES,
		           MAP_READ | MAP_WRITE | MAP_REPLACE | MAP_POPULATE) == E_OK);
		host_run(2, window_step);
		host_stop_every = 3;
		host_stop_at_locks = true;
		host_run(0, window_step);
		for (unsigned i = 0; i < 12; i++)
			host_run(1 + (unsigned)pick(2), window_step);
		host_finish(window_step);
		host_stop_every = 0;
		host_stop_at_locks = false;
		host_cpu(0);
	}
	CALL1(&root, SYS_CAP_DELETE, pool);
	CALL1(&root, SYS_CAP_DELETE, whole[1]);
	CALL1(&root, SYS_CAP_DELETE, window_space);
	for (unsigned index = 0; index < 2; index++)
		actor_deinit(&actors[index]);
	return reads;
}

int main(int count, char **arguments)
{
	unsigned seeds = getenv("HOLON_SOAK") ? 1000 : 25,
	         first = count > 1 ? (unsigned)atoi(arguments[1]) : 1;
	unsigned kept = 0, wrong = 0;

	host_boot(64, CPUS);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	for (unsigned seed = first; seed < first + (count > 1 ? 1 : seeds); seed++) {
		srand(seed);
		wrong += run(6000);
		/* Its table, and the slabs that are kept for the next objects. */
		kept += root_unit.memory_used !=
		            (1 + root_unit.cap_pages + root_unit.slab_count) * PAGE_SIZE_BYTES ||
		        root_unit.slab_count > HEAP_CLASSES || root_unit.caps_used != 1;
	}
	TEST("no frame is freed that a CPU still reaches", run_window() > 1000);
	TEST_EQUAL("revocation leaves nothing that was mapped through descendants", wrong, 0);
	TEST_EQUAL("every read sees what was written", misread, 0);
	TEST_EQUAL("all memory comes back", kept, 0);
	TEST("and much was done", mapped > 100 && revoked > 20 && stopped > 100 && cloned > 20);
	printf("# %lu mapped, %lu revoked, %lu cloned, %lu stops\n", mapped, revoked, cloned, stopped);
	return test_failures != 0;
}
