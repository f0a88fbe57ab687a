/* Units: making them, charging them, ending them.
 *
 * The tree of units (children, sibling) is guarded by one lock, which is only held for the bounded steps of
 * creation, destruction and freezing, never on a hot path. A walk over a subtree goes down to the first child
 * that it has not finished and moves finished ones to the end of their parent's list; new children come to
 * the front. So it can stop after any step and go on from the top.
 */
#include "bytes.h"
#include "calls.h"
#include "cpu.h"
#include "event.h"
#include "log.h"
#include "memory.h"
#include "pin.h"
#include "thread.h"
#include "unit.h"
#include "table.h"
#include "heap.h"

#define WALK_STEPS      12u /* of a slice: units visited or done with */
#define REVIEW_STEPS    2u  /* a thread is told */
#define LEVELS_A_STEP   12u /* it has come down to where the last one stopped */
#define REVIEWS_AT_ONCE 7u
#define DESTROY_SLICE   6u
#define WALK_DEAD       UINT32_MAX /* unit->walk_finished once all below it is marked dead */

static struct lock tree_lock;
static struct lock
    destroy_lock; /* one destruction works at a time; only ever tried, so it may be held while waiting */

static void unit_init(struct unit *unit, struct unit *parent)
{
	static volatile uint64_t last_id;

	unit->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	unit->parent = parent;
	unit->depth = parent ? parent->depth + 1 : 0;
	list_init(&unit->children);
	list_init(&unit->sibling);
	list_init(&unit->objects);
	for (uint32_t cpu = 0; cpu < CPU_MAX; cpu++)
		list_init(&unit->reapers[cpu].doomed);
	list_init(&unit->torn);
	list_init(&unit->graveyard);
	list_init(&unit->buried[0]);
	list_init(&unit->buried[1]);
	list_init(&unit->threads);
	list_init(&unit->pins);
	for (unsigned class = 0; class < HEAP_CLASSES; class ++)
		list_init(&unit->slabs[class]);
}

void unit_root_init(void)
{
	struct unit *unit = &root_unit;

	unit_init(unit, 0);
	unit->memory_quota = frame_free_bytes();
	unit->object.type = OBJECT_UNIT;
	unit->object.owner = unit;
	unit->object.references = 1;
	list_init(&unit->object.owned);
	unit->caps_quota = CAPS_MAX;
	unit->priority_max = PRIORITY_COUNT - 1;
	unit->best_effort_max = PRIORITY_BEST_EFFORT_MAX;
	unit->cpu_share = 1000000;
	unit->flags = UNIT_WX;
	memcpy(unit->name, "steward", 8);
	if (!table_init(unit))
		panic("no memory for the first unit");
}

/* Gives PARENT back what was carved out for a unit with these quotas. */
static void carve_return(struct unit *parent, uint64_t memory, uint32_t caps, uint32_t share)
{
	unit_uncharge(parent, memory);
	unit_uncharge_caps(parent, caps);
	unit_charge_share(parent, 0, CPU_MAX, -(int64_t)share);
}

/* Takes these quotas out of PARENT's: all of them, or none. */
static int64_t carve(struct unit *parent, uint64_t memory, uint32_t caps, uint32_t share)
{
	int64_t status = E_QUOTA_CAPS;

	if (!unit_charge(parent, memory))
		return E_QUOTA_MEMORY;
	if (unit_charge_caps(parent, caps)) {
		if (unit_charge_share(parent, 0, CPU_MAX, share))
			return E_OK;
		unit_uncharge_caps(parent, caps);
		status = E_QUOTA_CPU;
	}
	unit_uncharge(parent, memory);
	return status;
}

struct unit *unit_create(struct unit *parent, const struct unit_spec *spec, const struct cap_view *event,
                         int64_t *error)
{
	struct unit *unit;

	*error = carve(parent, spec->memory_bytes, (uint32_t)spec->caps, spec->cpu_share);
	if (*error < 0)
		return 0;
	unit = (struct unit *)object_create(parent, OBJECT_UNIT, sizeof(*unit), error);
	if (!unit) {
		carve_return(parent, spec->memory_bytes, (uint32_t)spec->caps, spec->cpu_share);
		return 0;
	}
	unit_init(unit, parent);
	unit->memory_quota = spec->memory_bytes;
	unit->caps_quota = (uint32_t)spec->caps;
	unit->cpu_share = spec->cpu_share;
	unit->priority_max = spec->priority_max;
	unit->best_effort_max = (uint32_t)least(
	    spec->priority_max, spec->best_effort_max ? spec->best_effort_max : parent->best_effort_max);
	unit->flags = spec->flags;
	unit->event_bits = spec->event_bits;
	memcpy(unit->name, spec->name, sizeof(unit->name));
	lock_take(&tree_lock);
	parent->memory_children += spec->memory_bytes;
	parent->caps_children += (uint32_t)spec->caps;
	list_prepend(&parent->children, &unit->sibling);
	unit->frozen = parent->frozen & UNIT_FROZEN;
	lock_release(&tree_lock);
	/* From here on it ends as every unit does. */
	if (parent->object.dead)
		*error = E_HANDLE;
	else if (!table_init(unit))
		*error = E_QUOTA_MEMORY;
	else if (event)
		*error = cap_attach(&unit->event, event, 0, 0);
	if (*error == E_OK)
		return unit;
	object_release(&unit->object);
	return 0;
}

int64_t unit_extend(struct unit *unit, uint64_t bytes, uint32_t caps)
{
	struct unit *parent = unit->parent;
	int64_t status = carve(parent, bytes, caps, 0);

	if (status < 0)
		return status;
	lock_take(&tree_lock);
	if (unit->object.dead) {
		status = E_HANDLE;
	} else {
		__atomic_add_fetch(&unit->memory_quota, bytes, __ATOMIC_RELAXED);
		__atomic_add_fetch(&unit->caps_quota, caps, __ATOMIC_RELAXED);
		parent->memory_children += bytes;
		parent->caps_children += caps;
	}
	lock_release(&tree_lock);
	if (status < 0)
		carve_return(parent, bytes, caps, 0);
	return status;
}

/* ---- Threads ---- */

bool unit_thread_add(struct unit *unit, struct list *unit_node)
{
	bool added;

	lock_take(&unit->lock);
	added = !unit->object.dead && unit->state <= UNIT_RUNNING;
	if (added) {
		unit->state = UNIT_RUNNING;
		list_append(&unit->threads, unit_node);
		unit->live_threads++;
	}
	lock_release(&unit->lock);
	return added;
}

bool unit_thread_remove(struct unit *unit, struct list *unit_node)
{
	bool last;

	lock_take(&unit->lock);
	if (!list_empty(unit_node)) {
		list_remove(unit_node);
		unit->live_threads--;
	}
	last = !unit->live_threads;
	lock_release(&unit->lock);
	return last;
}

/* The first of UNIT's threads, which becomes the last; 0: none, or (REVIEW) all that were to be told were. */
static struct thread *thread_next(struct unit *unit, bool review)
{
	struct thread *thread = 0;

	lock_take(&unit->lock);
	if ((!review || unit->thread_reviews) && !list_empty(&unit->threads)) {
		thread = container_of(unit->threads.next, struct thread, unit_node);
		list_move(&unit->threads, &thread->unit_node);
		unit->thread_reviews -= review;
	}
	lock_release(&unit->lock);
	return thread;
}

/* Tells threads of UNIT what became of it, in at most *LEFT steps, which become so many less. True when all were told. */
static bool review_threads(struct unit *unit, uint32_t *left)
{
	for (; *left >= REVIEW_STEPS; *left -= REVIEW_STEPS) {
		struct thread *thread = thread_next(unit, true);

		if (!thread)
			return true;
		/* Its memory stays while this CPU is in the kernel. */
		thread_review(thread);
	}
	return !unit->thread_reviews;
}

static void notify(struct unit *unit)
{
	struct object *event = cap_target(&unit->event);

	if (event)
		event_signal((struct event *)event, unit->event_bits);
}

void unit_end(struct unit *unit, enum unit_state state, int64_t status, const struct fault_record *fault)
{
	uint32_t reviews = REVIEWS_AT_ONCE * REVIEW_STEPS;
	bool first;

	lock_take(&unit->lock);
	first = unit->state <= UNIT_RUNNING;
	if (first) {
		unit->state = state;
		unit->exit_status = status;
		unit->frozen |= UNIT_HELD;
		if (fault)
			unit->fault = *fault;
		unit->thread_reviews = unit->live_threads;
	}
	lock_release(&unit->lock);
	if (!first)
		return;
	/* Those that run on other CPUs are held back there; of the others a few are told at once. */
	for (uint32_t index = 0; index < cpu_count; index++)
		if (cpus[index] != cpu_self())
			arch_ipi(cpus[index]);
	review_threads(unit, &reviews);
	notify(unit);
}

/* ---- Walks ---- */

_Static_assert(UNIT_DEPTH_MAX / LEVELS_A_STEP + REVIEW_STEPS <= WALK_STEPS, "each slice does something");

/* Goes down from UNIT, which WALK has visited, to the last on its way that it has visited. With few branches, since it may be far. */
static struct unit *walk_resume(struct unit *unit, uint32_t walk, uint32_t *left)
{
	bool alive = walk != WALK_DEAD;
	uint32_t levels = 0;

	for (; !(list_empty(&unit->children) | (alive & unit->object.dead)); levels++) {
		struct unit *child = container_of(unit->children.next, struct unit, sibling);

		if ((child->walk_visited != walk) | (child->walk_finished == walk))
			break;
		unit = child;
	}
	*left -= levels / LEVELS_A_STEP;
	return unit;
}

/* Visits ROOT and all below it, top down, WALK_STEPS at a time: true when finished. VISIT returns false to be
 * called again first; what it does is taken from the steps that are left. Coming back down to where the last
 * slice stopped costs a few instructions a level. That a first child that is finished means all are finished
 * holds for walks that meet, too: a root is not marked finished (it was not moved behind its siblings), and
 * below a dead unit only walks of destruction go. tree_lock held. */
static bool tree_walk(struct unit *root, uint32_t walk, bool (*visit)(struct unit *unit, uint32_t *left))
{
	uint32_t left = WALK_STEPS;
	struct unit *unit = root->walk_visited == walk ? walk_resume(root, walk, &left) : root;

	while (left) {
		struct unit *child;

		if (unit->walk_visited != walk) {
			if (!visit(unit, &left))
				return false;
			unit->walk_visited = walk;
			left -= left > 0;
		}
		if (!list_empty(&unit->children) && (walk == WALK_DEAD || !unit->object.dead)) {
			child = container_of(unit->children.next, struct unit, sibling);
			if (child->walk_finished != walk) {
				unit = child;
				continue;
			}
		}
		if (unit == root)
			return true;
		unit->walk_finished = walk;
		left -= left > 0;
		list_move(&unit->parent->children, &unit->sibling);
		unit = unit->parent;
	}
	return false;
}

static bool visit_freeze(struct unit *unit, uint32_t *left)
{
	bool frozen = unit->frozen_self || (unit->parent && unit->parent->frozen & UNIT_FROZEN);

	lock_take(&unit->lock);
	if (frozen != (unit->frozen & UNIT_FROZEN)) {
		unit->frozen ^= UNIT_FROZEN;
		unit->thread_reviews = unit->live_threads;
	}
	lock_release(&unit->lock);
	return review_threads(unit, left);
}

bool unit_freeze_slice(struct unit *unit, bool freeze, uint64_t *progress)
{
	static uint32_t last_walk;
	bool done;

	lock_take(&tree_lock);
	if (!*progress) {
		unit->frozen_self = freeze;
		last_walk = last_walk % (WALK_DEAD - 1) + 1;
		*progress = last_walk;
	}
	done = unit->object.dead || tree_walk(unit, (uint32_t)*progress, visit_freeze);
	lock_release(&tree_lock);
	return done;
}

/* ---- Destruction ---- */

enum destroy_phase { DESTROY_MARK = 0, DESTROY_MARKED, DESTROY_RECLAIM, DESTROY_DONE };

static bool visit_dead(struct unit *unit, uint32_t *left)
{
	lock_take(&unit->lock);
	if (!unit->object.dead || unit->state != UNIT_GONE) {
		/* Everything that the unit owns or holds is dead from here on. */
		unit->object.dead = 1;
		unit->state = UNIT_GONE;
		unit->thread_reviews = unit->live_threads;
	}
	lock_release(&unit->lock);
	return review_threads(unit, left);
}

/* Dooms up to a slice of UNIT's objects, of its THREADS, which must be gone before what they use; true when none
 * is left. */
static bool doom_slice(struct unit *unit, bool threads)
{
	for (unsigned i = 0; i < DESTROY_SLICE; i++) {
		struct object *object =
		    threads ? (struct object *)thread_next(unit, false) : object_first(unit, &unit->objects);

		if (!object)
			return true;
		object_doom(object);
	}
	return false;
}

/* Deletes the capabilities of the last table page and then the page; true when the table is empty. */
static bool empty_table(struct unit *unit)
{
	uint32_t page = unit->cap_pages;

	if (!page)
		return true;
	page--;
	for (uint32_t slot = 1, left = DESTROY_SLICE; slot < CAP_PAGE_SLOTS; slot++) {
		struct cap *cap = slot_at(unit, page * CAP_PAGE_SLOTS + slot);
		struct cap_view view = {.object = cap->object, .cap = cap, .generation = cap->generation};
		bool passes_on = cap->child != 0; /* up to a slice of others */

		if (!view.object)
			continue;
		if (!left || cap_delete(&view) == CALL_RESTART)
			return false;
		left = passes_on ? 0 : left - 1;
	}
	table_drop_page(unit);
	return false;
}

/* One slice of the reclaim of UNIT, which has no children left; true when nothing is left but the struct. */
static bool reclaim(struct unit *unit)
{
	struct unit *parent = unit->parent;
	uint64_t passed;

	if (!doom_slice(unit, true)) {
		unit_reap(unit);
		return false;
	}
	if (!empty_table(unit))
		return false;
	if (!doom_slice(unit, false) || !unit_reap(unit) || !object_adopt_slice(unit, parent))
		return false;
	if (pins_pass_slice(unit, &passed)) {
		/* What was carved out for the child is now the parent's own use. */
		lock_take(&tree_lock);
		parent->memory_children -= passed;
		lock_release(&tree_lock);
		unit->memory_quota -= passed;
		unit_uncharge(unit, passed);
		return false;
	}
	cap_detach(&unit->event);
	heap_trim(unit);
	table_deinit(unit);
	if (unit->memory_used)
		panic("unit %s (%lu) ends with %lu bytes in use", unit->name, unit->id, unit->memory_used);
	lock_take(&tree_lock);
	list_remove(&unit->sibling);
	parent->memory_children -= unit->memory_quota;
	parent->caps_children -= unit->caps_quota;
	lock_release(&tree_lock);
	carve_return(parent, unit->memory_quota, unit->caps_quota, unit->cpu_share);
	unit->memory_quota = 0;
	unit->destroy_phase = DESTROY_DONE;
	object_doom(&unit->object);
	return true;
}

bool unit_destroy_slice(struct unit *unit)
{
	bool done = false;

	if (unit->destroy_phase == DESTROY_DONE)
		return true;
	if (!lock_try(&destroy_lock))
		return false;
	switch (unit->destroy_phase) {
	case DESTROY_MARK:
		lock_take(&tree_lock);
		done = tree_walk(unit, WALK_DEAD, visit_dead);
		lock_release(&tree_lock);
		if (done) {
			unit->destroy_phase = DESTROY_MARKED;
			notify(unit);
		}
		done = false;
		break;
	case DESTROY_MARKED:
		/* Whoever was about to add something to one of these units has done so or given up. */
		if (cpu_count > 1)
			cpu_await(cpu_ticket());
		unit->destroy_phase = DESTROY_RECLAIM;
		break;
	case DESTROY_RECLAIM: {
		struct unit *leaf = unit;

		while (!list_empty(&leaf->children))
			leaf = container_of(leaf->children.next, struct unit, sibling);
		done = reclaim(leaf) && leaf == unit;
		break;
	}
	default:
		done = true;
	}
	lock_release(&destroy_lock);
	return done;
}

bool unit_teardown(struct object *object)
{
	return unit_destroy_slice(container_of(object, struct unit, object));
}
