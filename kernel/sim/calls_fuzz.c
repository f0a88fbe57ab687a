/* Fuzzing the system calls of capabilities, units, memory and spaces: each input is a sequence of calls by
 * three units of a tree, programs' accesses between them, on two CPUs, cut into slices as the input says. The
 * checkers judge: all of machine_check along the way, and that nothing is left at the end. */
#include <kernel/alphabet.h>
#include "event.h"
#include "test.h"

#define PAGES(n)    ((uint64_t)(n)*PAGE_SIZE_BYTES)
#define HANDLES     24u
#define ACTORS      3u
#define CHECK_EVERY 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_left;
static struct actor root, actors[ACTORS];
static handle_t self_unit;
static struct {
	handle_t handle;
	unsigned actor;
} handles[HANDLES];
static unsigned handle_next;

static unsigned take(unsigned below)
{
	if (!input_left)
		return 0;
	input_left--;
	return *input++ % below;
}

static handle_t some_handle(unsigned actor)
{
	unsigned at = take(HANDLES);

	/* Mostly of the acting unit, sometimes another's, to be refused. */
	for (unsigned i = 0; i < HANDLES; i++, at++)
		if (handles[at % HANDLES].actor == actor)
			break;
	return handles[at % HANDLES].handle;
}

static uint64_t some_address(void)
{
	static const uint64_t bases[] = {NATIVE_BASE,           NATIVE_BASE + PAGES(500), 0x10000,
	                                 NATIVE_END - PAGES(8), USER_END - PAGES(4),      0x7fff00000000};

	return bases[take(6)] + PAGES(take(24));
}

static uint64_t some_number(void)
{
	static const uint64_t odd[] = {0,          1,         PAGES(1) - 1, PAGES(1) + 1,
	                               UINT64_MAX, ~0xfffull, 1ull << 63,   PAGES(1ull << 36)};
	unsigned kind = take(12);

	return kind < 8 ? PAGES(take(24)) : kind < 9 ? odd[take(8)] : take(256);
}

static void keep(unsigned actor, int64_t result)
{
	if (result <= 0 || !(result >> 32))
		return;
	handles[handle_next % HANDLES].handle = (handle_t)result;
	handles[handle_next++ % HANDLES].actor = actor;
}

static void fill_page(struct actor *actor)
{
	struct unit_spec unit = {
	    .memory_bytes = PAGES(8 + take(64)), .caps = take(80), .priority_max = take(20), .name = "f"};
	struct label label = {.name = "n"};

	label.kind[0] = (char)('a' + take(2));
	if (take(2))
		memcpy(actor->page->bytes, &unit, sizeof(unit));
	else
		memcpy(actor->page->bytes, &label, sizeof(label));
}

/* A handle of TYPE that the acting unit holds, mostly; else any, or one of nothing. */
static handle_t handle_of(unsigned actor, enum object_type type, bool optional)
{
	unsigned at = take(HANDLES);

	if (optional && take(2))
		return 0;
	for (unsigned i = 0; type != OBJECT_NONE && i < HANDLES; i++, at++) {
		const struct object *object =
		    handles[at % HANDLES].actor == actor
		        ? object_at(actors[actor].thread->unit, handles[at % HANDLES].handle)
		        : 0;

		if (object && object->type == type)
			return take(8) ? handles[at % HANDLES].handle : some_handle(actor);
	}
	return some_handle(actor);
}

static uint64_t some_argument(unsigned actor, const struct letter *letter, unsigned index)
{
	switch (letter->argument[index].kind) {
	case ARGUMENT_OBJECT:
		return handle_of(actor, letter->argument[index].object, letter->argument[index].optional);
	case ARGUMENT_HANDLE:
		return some_handle(actor);
	case ARGUMENT_RIGHTS:
		return take(2) ? RIGHT_ALL : take(256) | take(256) << 8;
	case ARGUMENT_KIND:
	case ARGUMENT_FLAGS:
		return take(letter->argument[index].limit + 1);
	case ARGUMENT_ADDRESS:
		return some_address();
	case ARGUMENT_INDEX:
		return take(4);
	case ARGUMENT_BADGE:
	case ARGUMENT_BITS:
		return take(4);
	default:
		return some_number();
	}
}

/* One call of the alphabet that acts on no thread: nobody is scheduled here. */
static void system_call(unsigned index)
{
	const struct letter *letter = &alphabet[take(sizeof(alphabet) / sizeof(*alphabet))];
	struct actor *actor = &actors[index];
	uint64_t args[6] = {0};
	int64_t result;

	if (letter->self)
		return;
	if (letter->number == SYS_UNIT_CREATE || letter->number == SYS_MEMORY_LABEL)
		fill_page(actor);
	for (unsigned i = 0; i < letter->arguments; i++)
		args[i] = some_argument(index, letter, i);
	result = call(actor, letter->number, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (letter->number != SYS_UNIT_GRANT) {
		keep(index, result);
		return;
	}
	/* The new capability is in another table: whoever acts in that unit has it. */
	for (unsigned i = 0; i < ACTORS && result > 0; i++)
		if (actors[i].thread->unit == (struct unit *)object_at(actor->thread->unit, args[0]))
			keep(i, result);
}

static void access(unsigned index)
{
	handle_t handle = some_handle(index);
	struct object *object = object_at(actors[index].thread->unit, handle);
	uint64_t address = some_address() + 8 * take(4), value;
	enum space_fault fault;

	if (!object || object->type != OBJECT_SPACE || object->dead || object->owner->object.dead)
		return;
	if (take(2))
		user_write((struct space *)object, address, address, &fault);
	else
		user_read((struct space *)object, address, &value, &fault);
}

static handle_t unit_new(struct actor *actor, handle_t parent, uint64_t pages, uint64_t caps)
{
	struct unit_spec spec = {
	    .memory_bytes = PAGES(pages), .caps = caps, .priority_max = 50, .name = "fuzz"};

	spec.flags = take(2) & actor->thread->unit->flags;
	memcpy(actor->page->bytes, &spec, sizeof(spec));
	return NEED_HANDLE(CALL1(actor, SYS_UNIT_CREATE, parent));
}

/* A unit below PARENT's own, with handles to itself, an event, a space and memory of its own. */
static handle_t actor_new(unsigned index, struct actor *parent, handle_t parent_unit, uint64_t pages,
                          uint64_t caps)
{
	handle_t unit = unit_new(parent, parent_unit, pages, caps);
	struct actor *actor = &actors[index];
	handle_t space;

	actor_init(actor, (struct unit *)object_at(parent->thread->unit, unit));
	keep(index, CALL4(parent, SYS_UNIT_GRANT, unit, unit, RIGHT_ALL, 0));
	keep(index, CALL1(actor, SYS_EVENT_CREATE, 0));
	space = NEED_HANDLE(CALL1(actor, SYS_SPACE_CREATE, SPACE_NATIVE));
	keep(index, (int64_t)space);
	keep(index, CALL3(actor, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(20), 0));
	/* Guest spaces are made by threads of a native space, which must outlive them: here the root's. */
	actor->thread->space = parent->thread->space;
	return unit;
}

static void once(void)
{
	handle_t space;

	host_boot(16, 2);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	space = NEED_HANDLE(CALL1(&root, SYS_SPACE_CREATE, SPACE_NATIVE));
	root.thread->space = (struct space *)object_at(&root_unit, space);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	handle_t top, second;
	uint32_t caps;

	if (!cpu_count)
		once();
	caps = root_unit.caps_used;
	input = data;
	input_left = size;
	handle_next = 0;
	memset(handles, 0, sizeof(handles));
	host_preempt_every = take(4);
	top = actor_new(0, &root, self_unit, 600, 400);
	second = actor_new(1, &root, self_unit, 200, 100);
	actor_new(2, &actors[0], handles[0].handle, 120, 60);
	for (unsigned step = 1; input_left; step++) {
		unsigned index = take(ACTORS);

		if (actors[index].thread->unit->object.dead && actors[index].thread->unit->destroy_phase)
			break; /* an actor destroyed a unit that acts here: its struct may go any time */
		host_cpu(take(2));
		if (take(3))
			system_call(index);
		else
			access(index);
		if (step % CHECK_EVERY == 0)
			machine_check();
	}
	machine_check();
	for (unsigned i = 0; i < ACTORS; i++)
		actor_deinit(&actors[i]);
	CALL1(&root, SYS_UNIT_DESTROY, top);
	CALL1(&root, SYS_UNIT_DESTROY, second);
	for (unsigned i = 0; i < 100 && unit_has_doomed(&root_unit); i++)
		CALL1(&root, SYS_CAP_INFO, 0);
	machine_check();
	if (root_unit.memory_children || root_unit.caps_used != caps) {
		printf("%llu bytes and %u capabilities are left\n",
		       (unsigned long long)root_unit.memory_children, root_unit.caps_used - caps);
		abort();
	}
	return 0;
}
