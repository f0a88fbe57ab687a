/* Capabilities: generations, rights, badges, derivation, moving, revocation whatever the shape of the tree.
 */
#include "test.h"

#define PAGES(n) ((uint64_t)(n)*PAGE_SIZE_BYTES)

static struct actor root, child;
static handle_t self_unit, child_unit;

static handle_t event_new(void)
{
	return NEED_HANDLE(CALL1(&root, SYS_EVENT_CREATE, 0));
}

static handle_t copy(handle_t handle, uint64_t rights, uint64_t badge)
{
	return NEED_HANDLE(CALL3(&root, SYS_CAP_COPY, handle, rights, badge));
}

static bool alive(struct actor *actor, handle_t handle)
{
	return CALL1(actor, SYS_CAP_INFO, handle) > 0;
}

static void test_handles(void)
{
	handle_t event = event_new(), again;

	TEST_EQUAL("handle 0 names nothing", CALL1(&root, SYS_CAP_INFO, 0), E_HANDLE);
	TEST_EQUAL("nor does an index out of range", CALL1(&root, SYS_CAP_INFO, 1ull << 32 | 0xffffffff),
	           E_HANDLE);
	TEST_EQUAL("nor the header of a table page", CALL1(&root, SYS_CAP_INFO, 64), E_HANDLE);
	TEST_EQUAL("nor another generation", CALL1(&root, SYS_CAP_INFO, event + (1ull << 32)), E_HANDLE);
	TEST_EQUAL("a handle names its object", CALL1(&root, SYS_CAP_INFO, event) & 0xffff, OBJECT_EVENT);
	NEED(CALL1(&root, SYS_CAP_DELETE, event) == 0);
	TEST_EQUAL("deleted is deleted", CALL1(&root, SYS_CAP_DELETE, event), E_HANDLE);
	again = event_new();
	TEST("a slot that is used again has another handle",
	     HANDLE_INDEX(again) == HANDLE_INDEX(event) && again != event && !alive(&root, event));
	TEST_EQUAL("a capability of another type is refused", CALL1(&root, SYS_MEMORY_INFO, again), E_TYPE);
	CALL1(&root, SYS_CAP_DELETE, again);
	machine_check();
}

static void test_rights(void)
{
	handle_t event = event_new(), weak = copy(event, RIGHT_SIGNAL | RIGHT_COPY, 0), badged;

	TEST_EQUAL("rights only shrink", CALL3(&root, SYS_CAP_COPY, weak, RIGHT_SIGNAL | RIGHT_WAIT, 0),
	           E_RIGHTS);
	TEST_EQUAL("what lacks a right cannot be used for it", CALL1(&root, SYS_CAP_REVOKE, weak), E_RIGHTS);
	badged = copy(event, RIGHT_ALL, 5);
	CALL1(&root, SYS_CAP_INFO, badged);
	TEST_EQUAL("a badge is set", root.second, 5);
	TEST_EQUAL("once", CALL3(&root, SYS_CAP_COPY, badged, RIGHT_ALL, 6), E_ARGUMENT);
	badged = copy(badged, RIGHT_ALL, 0);
	CALL1(&root, SYS_CAP_INFO, badged);
	TEST_EQUAL("and kept", root.second, 5);
	badged = copy(event, RIGHT_SIGNAL, 0);
	TEST_EQUAL("without the right to copy there is no copy",
	           CALL3(&root, SYS_CAP_COPY, badged, RIGHT_SIGNAL, 0), E_RIGHTS);
	TEST_EQUAL("nor a grant", CALL4(&root, SYS_UNIT_GRANT, child_unit, badged, RIGHT_SIGNAL, 0),
	           E_RIGHTS);
	CALL1(&root, SYS_CAP_REVOKE, event);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, event);
	machine_check();
}

/* A tree of COUNT capabilities, each below the one before (chain), below the first (star), or any. */
static void test_revoke_shape(const char *name, unsigned count, unsigned shape)
{
	static handle_t handles[4096];
	handle_t event = event_new(), sibling;
	unsigned living = 0;

	handles[0] = copy(event, RIGHT_ALL, 0);
	sibling = copy(event, RIGHT_ALL, 0);
	srand(2);
	for (unsigned i = 1; i < count; i++) {
		handle_t from = handles[shape == 0 ? i - 1 : shape == 1 ? 0 : (unsigned)rand() % i];

		handles[i] = copy(from, RIGHT_ALL, 0);
	}
	machine_check();
	NEED(CALL1(&root, SYS_CAP_REVOKE, handles[0]) == 0);
	for (unsigned i = 1; i < count; i++)
		living += alive(&root, handles[i]);
	TEST(name, living == 0 && alive(&root, handles[0]) && alive(&root, sibling) && alive(&root, event));
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, event);
	CALL1(&root, SYS_CAP_DELETE, sibling);
	CALL1(&root, SYS_CAP_DELETE, handles[0]);
	machine_check();
}

static void test_delete_in_the_middle(void)
{
	handle_t event = event_new(), middle = copy(event, RIGHT_ALL, 0), leaves[300];
	unsigned living = 0;

	for (unsigned i = 0; i < 300; i++)
		leaves[i] = copy(middle, RIGHT_ALL, 0);
	NEED(CALL1(&root, SYS_CAP_DELETE, middle) == 0);
	machine_check();
	for (unsigned i = 0; i < 300; i++)
		living += alive(&root, leaves[i]);
	TEST_EQUAL("what was derived from a deleted capability lives", living, 300);
	NEED(CALL1(&root, SYS_CAP_REVOKE, event) == 0);
	living = 0;
	for (unsigned i = 0; i < 300; i++)
		living += alive(&root, leaves[i]);
	TEST_EQUAL("and dies with its grandparent's revocation", living, 0);
	CALL1(&root, SYS_CAP_DELETE, event);
	machine_check();
}

static void test_across_units(void)
{
	handle_t event = event_new(), granted, below, moved;
	struct cap_view view;

	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_ALL, 0));
	below = NEED_HANDLE(CALL3(&child, SYS_CAP_COPY, granted, RIGHT_SIGNAL, 0));
	/* Moved out of the child again, with what hangs below it, as a message does. */
	NEED(cap_lookup(child.thread->unit, granted, OBJECT_EVENT, 0, &view) == E_OK);
	NEED(cap_reserve(&root_unit, 1) == E_OK);
	moved = cap_move_reserved(&root_unit, &view);
	machine_check();
	TEST("a moved capability is where it went", alive(&root, moved) && !alive(&child, granted));
	NEED(CALL1(&root, SYS_CAP_REVOKE, moved) == 0);
	TEST("what was derived from it before the move dies with it", !alive(&child, below));
	NEED(CALL1(&root, SYS_CAP_REVOKE, event) == 0);
	TEST("no capability survives its parent's revocation by moving", !alive(&root, moved));
	machine_check();
	/* One that was looked up, and then revoked before it is used. */
	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_ALL, 0));
	NEED(cap_lookup(child.thread->unit, granted, OBJECT_EVENT, 0, &view) == E_OK);
	NEED(CALL1(&root, SYS_CAP_REVOKE, event) == 0);
	NEED(cap_reserve(&root_unit, 2) == E_OK);
	TEST_EQUAL("nor in flight, moved", cap_move_reserved(&root_unit, &view), 0);
	TEST_EQUAL("nor in flight, copied", cap_insert_reserved(&root_unit, view.object, RIGHT_ALL, 0, &view),
	           0);
	/* Nor when another capability has come into its place meanwhile. */
	granted = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_ALL, 0));
	NEED(cap_lookup(child.thread->unit, granted, OBJECT_EVENT, 0, &view) == E_OK);
	NEED(CALL1(&root, SYS_CAP_REVOKE, event) == 0);
	below = NEED_HANDLE(CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_SIGNAL, 9));
	NEED(HANDLE_INDEX(below) == HANDLE_INDEX(granted));
	NEED(cap_reserve(&root_unit, 2) == E_OK);
	TEST_EQUAL("nor by its slot, moved", cap_move_reserved(&root_unit, &view), 0);
	TEST_EQUAL("nor by its slot, copied",
	           cap_insert_reserved(&root_unit, view.object, RIGHT_ALL, 0, &view), 0);
	machine_check();
	CALL1(&root, SYS_CAP_DELETE, event);
	CALL1(&child, SYS_CAP_DELETE, below);
	machine_check();
}

static void test_quota(void)
{
	handle_t event = event_new();
	unsigned count = 0;

	while (CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_SIGNAL, 0) > 0)
		count++;
	TEST("a capability quota bounds the table", count > 10 && count <= 100);
	TEST_EQUAL("and the refusal says so",
	           CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_SIGNAL, 0), E_QUOTA_CAPS);
	TEST_EQUAL("with the amount", child.thread->unit->lacked_caps, 1);
	CALL1(&root, SYS_CAP_REVOKE, event);
	machine_check();
	TEST("revocation gives the quota back",
	     CALL4(&root, SYS_UNIT_GRANT, child_unit, event, RIGHT_SIGNAL, 0) > 0);
	CALL1(&root, SYS_CAP_DELETE, event);
	machine_check();
}

int main(void)
{
	struct unit_spec spec = {.memory_bytes = PAGES(32), .caps = 100, .priority_max = 10, .name = "child"};

	host_boot(32, 1);
	actor_init(&root, &root_unit);
	self_unit = NEED_HANDLE(cap_insert(&root_unit, &root_unit.object, RIGHT_ALL, 0, 0));
	memcpy(root.page->bytes, &spec, sizeof(spec));
	child_unit = NEED_HANDLE(CALL1(&root, SYS_UNIT_CREATE, self_unit));
	actor_init(&child, (struct unit *)object_at(&root_unit, child_unit));
	for (host_preempt_every = 0; host_preempt_every < 3; host_preempt_every++) {
		test_handles();
		test_rights();
		test_revoke_shape("a chain is revoked", 4000, 0);
		test_revoke_shape("a star is revoked", 4000, 1);
		test_revoke_shape("any tree is revoked", 4000, 2);
		test_delete_in_the_middle();
		test_across_units();
		test_quota();
	}
	TEST("long calls were cut into slices", host_restarts > 10);
	return test_failures != 0;
}
