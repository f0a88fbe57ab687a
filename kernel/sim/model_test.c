/* The kernel against the reference model: every sequence of a small alphabet up to a length, then long random
 * walks.
 *
 * After each call: the result is the model's, and every handle ever given is alive or dead as the model says.
 * After each sequence: memory contents, all invariants, and, once everything is deleted, the quotas of the
 * beginning. With HOLON_SOAK set: one call longer, and longer walks. */
#include "model.h"
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)

enum step {
	STEP_EVENT,      /* the root makes an event */
	STEP_COPY,       /* the root copies its youngest, with a badge */
	STEP_COPY_WEAK,  /* the root copies its youngest without the right to copy or revoke */
	STEP_GRANT,      /* the root grants its youngest to the child */
	STEP_CHILD_COPY, /* the child copies its youngest */
	STEP_MOVE_BACK,  /* the child's youngest moves to the root */
	STEP_DELETE,     /* the root deletes its youngest */
	STEP_DELETE_OLD, /* the root deletes its second youngest */
	STEP_CHILD_DELETE,
	STEP_REVOKE, /* the root revokes its third youngest */
	STEP_CHILD_REVOKE,
	STEP_MEMORY,     /* the child makes memory and grants it to the root */
	STEP_WRITE,      /* page 0 of the root's youngest memory, and page 1 of the second youngest */
	STEP_CLONE,      /* the root clones its youngest memory */
	STEP_DISCARD,    /* page 0 of the root's youngest memory */
	STEP_CHILD_LIFE, /* the child is destroyed, or made */
	STEP_COUNT,
};

static struct actor root, child;
static handle_t self_unit, child_unit, child_to_root;
static struct model model;
static enum step history[4096];
static unsigned history_length;

static void differ(const char *what)
{
	printf("not ok the kernel does what the model does - %s after", what);
	for (unsigned i = history_length > 40 ? history_length - 40 : 0; i < history_length; i++)
		printf(" %d", history[i]);
	printf("\n");
	exit(1);
}

static void child_make(void)
{
	struct unit_spec spec = {
	    .memory_bytes = PAGES(200), .caps = 200, .priority_max = 10, .name = "child"};

	memcpy(root.page->bytes, &spec, sizeof(spec));
	child_unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	actor_init(&child, (struct unit *)object_at(&root_unit, child_unit));
	child_to_root = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, self_unit, RIGHT_MANAGE, 0));
	model.child = true;
}

static void child_destroy(void)
{
	actor_deinit(&child);
	if (CALL1(&root, SYS_UNIT_DESTROY, child_unit) != E_OK)
		differ("destroying the child failed");
	model_child_dies(&model);
}

static struct actor *actor_of(unsigned unit)
{
	return unit ? &child : &root;
}

/* A result that should be a new capability derived from PARENT (-1: to a new object), or what the model
 * refuses. */
static void expect_new(int64_t result, int64_t refused, unsigned unit, int object, uint16_t rights,
                       uint64_t badge, int parent)
{
	if (refused != E_OK) {
		if (result != refused)
			differ("another refusal");
		return;
	}
	if (result <= 0)
		differ("refused");
	model_cap_new(&model, unit, object, rights, badge, parent, (handle_t)result);
}

static void copy(unsigned unit, uint16_t drop, uint64_t badge)
{
	int cap = model_find(&model, unit, OBJECT_NONE, 0);
	const struct model_cap *from;
	int64_t refused = E_OK, result;
	uint16_t rights;

	if (cap < 0)
		return;
	from = &model.caps[cap];
	rights = from->rights & (uint16_t)~drop;
	result = CALL3(actor_of(unit), SYS_CAP_COPY, from->handle, rights, badge);
	if (!(from->rights & RIGHT_COPY))
		refused = E_RIGHTS;
	else if (from->badge && badge && badge != from->badge)
		refused = E_ARGUMENT;
	expect_new(result, refused, unit, (int)from->object, rights, from->badge ? from->badge : badge, cap);
}

static void grant(void)
{
	int cap = model_find(&model, 0, OBJECT_NONE, 0);
	const struct model_cap *from;
	bool may;

	if (cap < 0 || !model.child)
		return;
	from = &model.caps[cap];
	may = from->rights & RIGHT_COPY && from->rights & RIGHT_MOVE;
	expect_new(CALL4(&root, SYS_UNIT_GRANT, child_unit, from->handle, from->rights, 0),
	           may ? E_OK : E_RIGHTS, 1, (int)from->object, from->rights, from->badge, cap);
}

static void move_back(void)
{
	int cap = model_find(&model, 1, OBJECT_NONE, 0);
	struct cap_view view;
	handle_t moved;

	if (cap < 0)
		return;
	/* As a message does it. */
	NEED(cap_lookup(child.thread->unit, model.caps[cap].handle, OBJECT_NONE, 0, &view) == E_OK);
	NEED(cap_reserve(&root_unit, 1) == E_OK);
	moved = cap_move_reserved(&root_unit, &view);
	if (!moved)
		differ("not moved");
	if (CALL1(&child, SYS_CAP_INFO, model.caps[cap].handle) != E_HANDLE)
		differ("moved and still there");
	model.caps[cap].unit = 0;
	model.caps[cap].handle = moved;
}

static void delete (unsigned unit, unsigned last)
{
	int cap = model_find(&model, unit, OBJECT_NONE, last);

	if (cap < 0)
		return;
	if (CALL1(actor_of(unit), SYS_CAP_DELETE, model.caps[cap].handle) != E_OK)
		differ("not deleted");
	model_delete(&model, cap);
}

static void revoke(unsigned unit, unsigned last)
{
	int cap = model_find(&model, unit, OBJECT_NONE, last);
	int64_t result;

	if (cap < 0)
		return;
	result = CALL1(actor_of(unit), SYS_CAP_REVOKE, model.caps[cap].handle);
	if (result != (model.caps[cap].rights & RIGHT_REVOKE ? E_OK : E_RIGHTS))
		differ("revocation");
	if (result == E_OK)
		model_revoke(&model, cap);
}

static void memory(void)
{
	int object, cap;
	handle_t handle;

	if (!model.child)
		return;
	object = model_object_new(&model, 1, OBJECT_MEMORY);
	handle = NEED_HANDLE(CALL3(&child, SYS_MEMORY_CREATE, MEMORY_ANONYMOUS, PAGES(MODEL_PAGES), 0));
	cap = model_cap_new(&model, 1, object, RIGHT_ALL, 0, -1, handle);
	handle = NEED_HANDLE(CALL4(&child, SYS_UNIT_GRANT, child_to_root, handle, RIGHT_ALL, 0));
	model_cap_new(&model, 0, object, RIGHT_ALL, 0, cap, handle);
}

static uint64_t *page_word(int cap, unsigned page, bool write)
{
	struct memory *memory = (struct memory *)object_at(&root_unit, model.caps[cap].handle);
	struct unsettled unsettled;
	physical_t frame;
	uint64_t *place;

	unsettled_init(&unsettled);
	lock_take(&memory->lock);
	NEED(memory_frame(memory, page, write, &frame, &place, &unsettled) == E_OK);
	lock_release(&memory->lock);
	memory_settle(&unsettled);
	return frame_map(frame);
}

static void write_one(int cap, unsigned page)
{
	static uint64_t value;

	if (cap < 0)
		return;
	*page_word(cap, page, true) = ++value;
	model.objects[model.caps[cap].object].page[page] = value;
}

static void clone(void)
{
	int cap = model_find(&model, 0, OBJECT_MEMORY, 0), object;
	handle_t handle;

	if (cap < 0)
		return;
	handle = NEED_HANDLE(CALL3(&root, SYS_MEMORY_CLONE, model.caps[cap].handle, 0, PAGES(MODEL_PAGES)));
	object = model_object_new(&model, 0, OBJECT_MEMORY);
	memcpy(model.objects[object].page, model.objects[model.caps[cap].object].page,
	       sizeof(model.objects[object].page));
	model_cap_new(&model, 0, object, RIGHT_ALL, 0, -1, handle);
}

static void discard(void)
{
	int cap = model_find(&model, 0, OBJECT_MEMORY, 0);

	if (cap < 0)
		return;
	if (CALL3(&root, SYS_MEMORY_DISCARD, model.caps[cap].handle, 0, PAGES(1)) != E_OK)
		differ("not discarded");
	model.objects[model.caps[cap].object].page[0] = 0;
}

static void act(enum step step)
{
	switch (step) {
	case STEP_EVENT:
		model_cap_new(&model, 0, model_object_new(&model, 0, OBJECT_EVENT), RIGHT_ALL, 0, -1,
		              NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0)));
		break;
	case STEP_COPY:
		copy(0, 0, 5);
		break;
	case STEP_COPY_WEAK:
		copy(0, RIGHT_COPY | RIGHT_REVOKE, 0);
		break;
	case STEP_GRANT:
		grant();
		break;
	case STEP_CHILD_COPY:
		copy(1, 0, 6);
		break;
	case STEP_MOVE_BACK:
		move_back();
		break;
	case STEP_DELETE:
		delete (0, 0);
		break;
	case STEP_DELETE_OLD:
		delete (0, 1);
		break;
	case STEP_CHILD_DELETE:
		delete (1, 0);
		break;
	case STEP_REVOKE:
		revoke(0, 2);
		break;
	case STEP_CHILD_REVOKE:
		revoke(1, 1);
		break;
	case STEP_MEMORY:
		memory();
		break;
	case STEP_WRITE:
		write_one(model_find(&model, 0, OBJECT_MEMORY, 0), 0);
		write_one(model_find(&model, 0, OBJECT_MEMORY, 1), 1);
		break;
	case STEP_CLONE:
		clone();
		break;
	case STEP_DISCARD:
		discard();
		break;
	default:
		if (model.child)
			child_destroy();
		else
			child_make();
	}
}

static void compare(void)
{
	for (unsigned i = 0; i < model.cap_count; i++) {
		const struct model_cap *cap = &model.caps[i];
		struct actor *actor = actor_of(cap->unit);
		int64_t info;

		if (cap->unit == MODEL_GONE)
			continue;
		info = CALL1(actor, SYS_CAP_INFO, cap->handle);
		if (!cap->alive && info != E_HANDLE)
			differ("a dead capability lives");
		if (cap->alive &&
		    info != (int64_t)(model.objects[cap->object].type | (uint64_t)cap->rights << 16))
			differ("a capability is dead or has other rights");
		if (cap->alive && actor->second != cap->badge)
			differ("another badge");
	}
}

static void compare_contents(void)
{
	for (unsigned i = 0; i < model.cap_count; i++)
		if (model.caps[i].alive && model.caps[i].unit == 0 &&
		    model.objects[model.caps[i].object].type == OBJECT_MEMORY)
			for (unsigned page = 0; page < MODEL_PAGES; page++)
				if (*page_word((int)i, page, false) !=
				    model.objects[model.caps[i].object].page[page])
					differ("other memory contents");
}

static void forget_all(void)
{
	for (int cap; (cap = model_find(&model, 0, OBJECT_NONE, 0)) >= 0;) {
		CALL1(&root, SYS_CAP_DELETE, model.caps[cap].handle);
		model_delete(&model, cap);
	}
	if (model.child)
		child_destroy();
	memset(&model, 0, sizeof(model));
	history_length = 0;
}

static uint64_t base_memory;
static uint32_t base_caps;

static void sequence_end(void)
{
	compare_contents();
	machine_check();
	forget_all();
	CALL1(&root, SYS_CAP_INFO, 0);
	if (root_unit.caps_used != base_caps || root_unit.memory_used != base_memory)
		differ("something is left when all is deleted");
}

static unsigned explore(unsigned length)
{
	enum step steps[8] = {0};
	unsigned count = 0, at;

	for (;;) {
		child_make();
		for (at = 0; at < length; at++) {
			history[history_length++] = steps[at];
			act(steps[at]);
			compare();
		}
		sequence_end();
		count++;
		for (at = length; at && ++steps[at - 1] == STEP_COUNT; at--)
			steps[at - 1] = 0;
		if (!at)
			return count;
	}
}

static unsigned compared; /* steps of random walks after which both were alike */

static void walk(unsigned steps, unsigned seed)
{
	srand(seed);
	child_make();
	for (unsigned i = 0; i < steps; i++) {
		enum step step = (enum step)(rand() % STEP_COUNT);

		if (model.cap_count + 2 >= MODEL_CAPS || model.object_count + 1 >= MODEL_OBJECTS) {
			sequence_end();
			child_make();
		}
		history[history_length++] = step;
		act(step);
		compare();
		compared++;
		if (rand() % 8 == 0)
			machine_check();
	}
	sequence_end();
}

int main(void)
{
	bool soak = getenv("HOLON_SOAK");
	unsigned count = 0;

	host_boot(8, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	/* Once through everything, so that the heap has its empty slabs. */
	child_make();
	for (unsigned i = 0; i < STEP_COUNT; i++)
		act((enum step)i);
	forget_all();
	child_make();
	act(STEP_MEMORY);
	act(STEP_CLONE);
	forget_all();
	CALL1(&root, SYS_CAP_INFO, 0);
	base_caps = root_unit.caps_used;
	base_memory = root_unit.memory_used;
	for (unsigned length = 1; length <= (soak ? 5u : 4u); length++)
		count += explore(length);
	printf("# %u sequences explored\n", count);
	TEST("all short sequences do what the model does", count > 60000);
	host_preempt_every = 2;
	for (unsigned seed = 1; seed <= (soak ? 1000u : 40u); seed++)
		walk(500, seed);
	TEST("random walks do what the model does", compared >= 40 * 500);
	return test_failures != 0;
}
