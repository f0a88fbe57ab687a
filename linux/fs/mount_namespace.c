/* Mount namespaces: mount_namespaces(7). Each is a tree of mounts of its own, which begins as a copy of another. */
#include "../internal.h"
#include "name.h"

struct mount_namespace mount_namespace_first = {
    .common = {.kind = NAMESPACE_MOUNT, .references = 1, .inode = 4026531841, .owner = &user_namespace_first},
    .mounts = LIST_INIT(mount_namespace_first.mounts)};

struct mount_namespace *mount_namespace_current(void)
{
	const struct namespaces *own = current_task()->namespaces;
	return own ? container_of(own->of[NAMESPACE_MOUNT], struct mount_namespace, common)
	           : &mount_namespace_first;
}

bool mount_permitted(void)
{
	return capable_in(mount_namespace_current()->common.owner, CAP_SYS_ADMIN);
}

/* The root of NAMESPACE as programs see it: what is mounted on its top last. */
static struct path root_of(const struct mount_namespace *namespace)
{
	struct path path = {namespace->top, namespace->top->root};
	for (struct mount *on; path.dentry->mounts && (on = mount_on(&path)) != 0;)
		path = (struct path){on, on->root};
	return path;
}

bool mount_is_chrooted(void)
{
	const struct path *own = &current_task()->fs->root;
	struct path root = root_of(mount_namespace_current());
	return own->mount != root.mount || own->dentry != root.dentry;
}

static void path_to_copy(struct path *path)
{
	struct mount *copy = path->mount ? path->mount->copy : 0;
	if (!copy)
		return;
	copy->references++;
	mount_release(path->mount);
	path->mount = copy;
}

struct namespace *mount_namespace_copy(struct namespace *from, struct user_namespace *owner,
                                       struct fs_context *fs, int *error)
{
	struct mount_namespace *old = container_of(from, struct mount_namespace, common);
	struct mount_namespace *made = heap_allocate(sizeof(*made));
	*error = made ? namespace_init(&made->common, NAMESPACE_MOUNT, owner) : -ENOMEM;
	if (*error) {
		heap_free(made);
		return 0;
	}
	list_init(&made->mounts);
	made->top = mount_copy_tree(old->top, old->top->root, false, error);
	if (!made->top) {
		namespace_deinit(&made->common);
		heap_free(made);
		return 0;
	}
	*error = 0;
	if (fs) {
		path_to_copy(&fs->root);
		path_to_copy(&fs->working);
	}
	mount_copy_end(old->top);
	bool foreign = owner != from->owner;
	for (struct mount *at = made->top; at; at = mount_next(at, made->top)) {
		if (foreign && at->group) /* what is done there does not come back */
			mount_set_propagation(at, MS_SLAVE);
		mount_enter(at, made);
	}
	if (foreign)
		mount_lock_tree(made->top);
	return &made->common;
}

void mount_namespace_free(struct namespace *namespace)
{
	struct mount_namespace *gone = container_of(namespace, struct mount_namespace, common);
	mount_drop_tree(gone->top);
	namespace_deinit(namespace);
	heap_free(gone);
}

int mount_namespace_enter(struct namespace *namespace)
{
	struct fs_context *fs = current_task()->fs;
	struct path root = root_of(container_of(namespace, struct mount_namespace, common));
	path_reference(&root);
	path_reference(&root);
	path_release(&fs->root);
	path_release(&fs->working);
	fs->root = fs->working = root;
	return 0;
}
