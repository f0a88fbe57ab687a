/* Mounts and their trees. A mount shows a file system, from one of its directories on, at a place in the tree of another;
 * the same place seen through two mounts is two places, so that mounts are found by both (mount_on), and a copy of a tree
 * is another tree: each mount namespace has one. The system calls are in mount_calls.c.
 */
#include "../internal.h"
#include "../proc/proc.h"
#include "name.h"
#include "open.h"

#define BUCKETS 1024u

uint64_t mounts_generation;
uint64_t filesystem_endings;
struct wait_queue mounts_wait = WAIT_QUEUE_INIT(mounts_wait);

static uint64_t next_id = 20;
static struct list covering[BUCKETS];

static struct list *bucket_of(const struct path *path)
{
	uint64_t hash = ((uint64_t)path->mount >> 6) * 31 + ((uint64_t)path->dentry >> 6);
	struct list *bucket = &covering[hash % BUCKETS];
	if (!bucket->next)
		list_init(bucket);
	return bucket;
}

struct mount *mount_on(const struct path *path)
{
	struct mount *mount;
	list_for_each(mount, bucket_of(path), covering)
	{
		if (mount->covered.mount == path->mount && mount->covered.dentry == path->dentry)
			return mount;
	}
	return 0;
}

void cross_mounts(struct path *path)
{
	for (struct mount *on; path->dentry->mounts && (on = mount_on(path)) != 0;) {
		struct path below = {on, on->root};
		path_reference(&below);
		path_release(path);
		*path = below;
	}
}

void mounts_changed(void)
{
	mounts_generation++;
	wake_all(&mounts_wait, 0);
}

bool dentry_below(const struct dentry *dentry, const struct dentry *root)
{
	while (dentry != root && dentry->parent != dentry)
		dentry = dentry->parent;
	return dentry == root;
}

/* ---- Life ---- */

void filesystem_release(struct filesystem *filesystem)
{
	if (--filesystem->references)
		return;
	struct user_namespace *user = filesystem->of_user;
	filesystem->of_user = 0;
	if (filesystem->release) {
		fanotify_filesystem_gone(filesystem);
		inotify_filesystem_gone(filesystem);
		dentry_purge(filesystem);
		filesystem->release(filesystem);
	}
	if (user)
		namespace_release(&user->common);
}

static struct wait_queue passed_wait = WAIT_QUEUE_INIT(passed_wait);

void filesystem_pass(struct filesystem *filesystem)
{
	filesystem->references++;
	filesystem->passing++;
}

void filesystem_passed(struct filesystem *filesystem)
{
	bool ending = filesystem->ending;
	filesystem->passing--;
	filesystem_release(filesystem);
	if (ending)
		wake_all(&passed_wait, 0);
}

void filesystem_passed_wait(void)
{
	struct wait_entry entry;
	wait_begin(&entry, &passed_wait);
	wait_sleep_always(); /* as for the device itself, and where the first process has ended */
	wait_end(&entry);
}

void filesystem_settle(struct filesystem *filesystem)
{
	struct wait_entry entry;
	if (!filesystem->settle || filesystem->ending || filesystem->references > filesystem->passing)
		return;
	filesystem->ending = ++filesystem_endings;
	wait_begin(&entry, &passed_wait);
	while (filesystem->passing > 1 && !wait_sleep_killable(DEADLINE_NEVER))
		;
	wait_end(&entry);
	if (filesystem->passing == 1) /* else who waited was killed, and the last to pass ends it */
		filesystem->settle(filesystem);
}

void mount_release(struct mount *mount)
{
	if (--mount->references)
		return;
	struct filesystem *filesystem = mount->filesystem;
	fanotify_mount_gone(mount);
	dentry_release(mount->root);
	filesystem_release(filesystem);
	heap_free(mount->source);
	heap_free(mount);
}

struct mount *mount_create(struct filesystem *filesystem, struct dentry *root, const char *source)
{
	struct mount *mount = heap_allocate(sizeof(*mount));
	if (mount && (mount->source = heap_string(source)) == 0) {
		heap_free(mount);
		mount = 0;
	}
	if (!mount)
		return 0;
	mount->references = 1;
	mount->id = next_id++;
	mount->filesystem = filesystem;
	filesystem->references++;
	mount->root = dentry_reference(root);
	struct list *lists[] = {&mount->link,  &mount->covering, &mount->children, &mount->sibling,
	                        &mount->peers, &mount->slaves,   &mount->slave};
	for (unsigned i = 0; i < sizeof(lists) / sizeof(struct list *); i++)
		list_init(lists[i]);
	return mount;
}

struct mount *mount_copy(const struct mount *from, struct dentry *root)
{
	struct mount *copy = mount_create(from->filesystem, root, from->source);
	if (!copy)
		return 0;
	copy->read_only = from->read_only;
	copy->flags = from->flags;
	copy->flags_kept = from->flags_kept;
	copy->unbindable = from->unbindable;
	return copy;
}

/* ---- Trees ---- */

void mount_place(struct mount *mount, const struct path *where)
{
	mount->covered = *where;
	path_reference(where);
	where->dentry->mounts++;
	dentry_keep(where->dentry);
	list_append(bucket_of(where), &mount->covering);
	list_append(&where->mount->children, &mount->sibling);
}

void mount_displace(struct mount *mount)
{
	struct dentry *dentry = mount->covered.dentry;
	if (!dentry)
		return;
	list_remove(&mount->covering);
	list_remove(&mount->sibling);
	dentry->mounts--;
	dentry_let_go(dentry);
	path_release(&mount->covered);
}

void mount_enter(struct mount *mount, struct mount_namespace *namespace)
{
	mount->namespace = namespace;
	namespace->count++;
	list_append(&namespace->mounts, &mount->link);
}

void mount_leave(struct mount *mount)
{
	if (!mount->namespace)
		return;
	mount->namespace->count--;
	mount->namespace = 0;
	list_remove(&mount->link);
}

struct mount *mount_next(struct mount *at, const struct mount *top)
{
	if (!list_empty(&at->children))
		return list_first(&at->children, struct mount, sibling);
	while (at != top) {
		struct mount *parent = at->covered.mount;
		if (at->sibling.next != &parent->children)
			return list_entry(at->sibling.next, struct mount, sibling);
		at = parent;
	}
	return 0;
}

static uint32_t tree_count(struct mount *top)
{
	uint32_t count = 0;
	for (struct mount *at = top; at; at = mount_next(at, top))
		count++;
	return count;
}

/* Takes MOUNT, which has no children, out of everything; it goes with its last user. */
static void detach(struct mount *mount)
{
	mount_unshare(mount);
	mount_leave(mount);
	mount_displace(mount);
	mount_release(mount);
}

static struct mount *last_leaf(struct mount *top)
{
	struct mount *at = top;
	while (!list_empty(&at->children))
		at = list_entry(at->children.previous, struct mount, sibling);
	return at;
}

void mount_drop_tree(struct mount *top)
{
	for (struct mount *leaf; (leaf = last_leaf(top)) != top;)
		detach(leaf);
	detach(top);
}

void mount_detach_tree(struct mount *top)
{
	/* Its places elsewhere go from the leaves up, since those with children stay. */
	for (struct mount *leaf; (leaf = last_leaf(top)) != top;) {
		mount_detach_shared(leaf);
		detach(leaf);
	}
	mount_detach_shared(top);
	detach(top);
	mounts_changed();
}

void mount_detach_shared(struct mount *top)
{
	struct mount *parent = top->covered.mount;
	if (!parent || !parent->namespace)
		return;
	for (struct mount *at = parent; (at = mount_propagation_next(at, parent)) != 0;) {
		struct mount *there = mount_on(&(struct path){at, top->covered.dentry});
		if (there && there != top && list_empty(&there->children) && !there->locked)
			detach(there);
	}
}

/* One would hold the other, which holds it. */
static bool stands_for_mounts(const struct mount *mount)
{
	const struct namespace *namespace = namespace_of_vnode(mount->root->vnode);
	return namespace && namespace->kind == NAMESPACE_MOUNT;
}

struct mount *mount_copy_tree(struct mount *top, struct dentry *root, bool bind, int *error)
{
	struct mount *made = 0;
	*error = -ENOMEM;
	for (struct mount *at = top; at; at = mount_next(at, top)) {
		struct mount *parent = at == top ? 0 : at->covered.mount->copy;
		at->copy = 0;
		/* What is below a place that is not copied is not, either. */
		if (at != top && (!parent || (bind ? at->unbindable : stands_for_mounts(at)) ||
		                  (at->covered.mount == top && !dentry_below(at->covered.dentry, root))))
			continue;
		at->copy = mount_copy(at, at == top ? root : at->root);
		if (!at->copy) {
			mount_copy_end(top);
			if (made)
				mount_drop_tree(made);
			return 0;
		}
		mount_share_as(at->copy, at);
		if (at == top)
			made = at->copy;
		else
			mount_place(at->copy, &(struct path){parent, at->covered.dentry});
		at->copy->locked = at != top && at->locked;
	}
	return made;
}

void mount_copy_end(struct mount *top)
{
	for (struct mount *at = top; at; at = mount_next(at, top))
		at->copy = 0;
}

int mount_attach_tree(struct mount *top, const struct path *where)
{
	struct mount_namespace *namespace = where->mount->namespace;
	if (!namespace)
		return -EINVAL;
	if (namespace->count + tree_count(top) > (uint32_t)sysctl_mount_max.value)
		return -ENOSPC;
	int error = where->mount->group ? mount_propagate(top, where) : 0;
	if (error)
		return error;
	mount_place(top, where);
	for (struct mount *at = top; at; at = mount_next(at, top))
		mount_enter(at, namespace);
	mounts_changed();
	return 0;
}

struct mount *mount_whole(struct filesystem *filesystem, const char *source)
{
	struct dentry *dentry = dentry_create(0, "/", 1, vnode_reference(filesystem->root));
	if (!dentry) {
		vnode_release(filesystem->root);
		return 0;
	}
	struct mount *mount = mount_create(filesystem, dentry, source);
	dentry_release(dentry);
	return mount;
}

int mount_add(struct filesystem *filesystem, const struct path *where, const char *source, struct path *root)
{
	struct mount *mount = mount_whole(filesystem, source);
	if (!mount)
		return -ENOMEM;
	struct mount_namespace *namespace = mount_namespace_current();
	int error = 0;
	if (where) {
		error = mount_attach_tree(mount, where);
	} else {
		namespace->top = mount;
		mount_enter(mount, namespace);
		mounts_changed();
	}
	if (error) {
		mount_drop_tree(mount);
	} else if (root) {
		*root = (struct path){mount, mount->root};
		path_reference(root);
	}
	return error;
}

bool mount_on_own(const struct dentry *dentry)
{
	const struct mount_namespace *own = mount_namespace_current();
	struct mount *mount;
	if (dentry->mounts)
		list_for_each(mount, &own->mounts, link) if (mount->covered.dentry == dentry) return true;
	return false;
}

void mount_let_name_go(struct dentry *dentry)
{
	for (uint32_t i = 0; i < BUCKETS && dentry->mounts; i++) {
		struct list *at = covering[i].next;
		while (at && at != &covering[i]) {
			struct mount *mount = list_entry(at, struct mount, covering);
			at = at->next;
			if (mount->covered.dentry == dentry) {
				mount_drop_tree(mount);
				at = covering[i].next; /* others may have gone with it */
			}
		}
	}
}
