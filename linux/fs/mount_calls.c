/* mount(2), umount2(2), pivot_root(2): who may change what of the current task's mount namespace. Of another namespace's
 * mounts, to which descriptors may lead, nothing is changed but by the context that made or picked one (fsconfig(2)).
 */
#include <holon/vault.h>
#include "../internal.h"
#include "../native/native.h"
#include "../proc/proc.h"
#include "errand.h"
#include "mount_calls.h"
#include "open.h"
#include "ramfs.h"

void mount_set_flags(struct mount *mount, uint64_t flags)
{
	mount->read_only = flags & MS_RDONLY;
	mount->flags = (uint32_t)flags & MS_KEPT;
}

bool mount_flags_locked(const struct mount *mount, uint64_t flags)
{
	const uint32_t atime = MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME;
	return (mount->flags_kept & ~(uint32_t)flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)) ||
	       (mount->flags_kept && ((mount->flags ^ (uint32_t)flags) & atime));
}

static bool inside(const struct path *path, const struct mount *mount)
{
	for (const struct mount *at = path->mount; at; at = at->covered.mount)
		if (at == mount)
			return true;
	return false;
}

static bool locked_below(struct mount *mount, const struct dentry *root)
{
	struct mount *child;
	list_for_each(child, &mount->children,
	              sibling) if (child->locked && dentry_below(child->covered.dentry, root)) return true;
	return false;
}

/* Does NAMESPACE, if it is one of mounts, hold itself by what is mounted in the current task's? A younger one does not. */
static bool holds_itself(const struct namespace *namespace)
{
	return namespace && namespace->kind == NAMESPACE_MOUNT &&
	       namespace->inode <= mount_namespace_current()->common.inode;
}

bool mount_holds_itself(struct mount *top)
{
	for (struct mount *at = top; at; at = mount_next(at, top))
		if (holds_itself(namespace_of_vnode(at->root->vnode)))
			return true;
	return false;
}

struct mount *mount_copy_bound(const struct path *from, bool recursive, int *error)
{
	const struct namespace *stands_for = namespace_of_vnode(from->dentry->vnode);
	*error = -EINVAL;
	if ((!mount_own(from->mount) && !stands_for) || from->mount->unbindable)
		return 0;
	if (holds_itself(stands_for))
		return 0;
	/* What hides something from another user goes along. */
	if (!recursive && locked_below(from->mount, from->dentry))
		return 0;
	*error = -ENOMEM;
	struct mount *top;
	if (recursive) {
		top = mount_copy_tree(from->mount, from->dentry, true, error);
		mount_copy_end(from->mount);
	} else {
		top = mount_copy(from->mount, from->dentry);
		if (top)
			mount_share_as(top, from->mount);
	}
	if (top)
		top->locked = false;
	return top;
}

/* MS_BIND: what FROM names, on WHERE too; MS_REC: with what is mounted below it. */
static int bind(const struct path *from, const struct path *where, bool recursive)
{
	int error;
	if (S_ISDIR(from->dentry->vnode->mode) != S_ISDIR(where->dentry->vnode->mode))
		return -ENOTDIR;
	if (!mount_own(where->mount))
		return -EINVAL;
	struct mount *top = mount_copy_bound(from, recursive, &error);
	if (!top)
		return error;
	error = mount_attach_tree(top, where);
	if (error)
		mount_drop_tree(top);
	return error;
}

/* MOUNT, in a place, goes to WHERE with all below it, as far as WHERE's mount spreads, too. */
static int move_to(struct mount *mount, const struct path *where)
{
	struct path old = mount->covered;
	int error = 0;
	path_reference(&old);
	mount_displace(mount);
	if (where->mount->group)
		error = mount_propagate(mount, where);
	mount_place(mount, error ? &old : where);
	path_release(&old);
	mounts_changed();
	return error;
}

int mount_move(const struct path *from, const struct path *where)
{
	struct mount *mount = from->mount;
	if (from->dentry != mount->root || !mount->covered.dentry || !mount_own(mount) ||
	    !mount_own(where->mount) || mount->locked || mount->covered.mount->group)
		return -EINVAL;
	if (S_ISDIR(from->dentry->vnode->mode) != S_ISDIR(where->dentry->vnode->mode))
		return -EINVAL;
	if (inside(where, mount))
		return -ELOOP;
	return move_to(mount, where);
}

int mount_remount(const struct path *where, uint64_t flags, char *options)
{
	struct mount *mount = where->mount;
	if (where->dentry != mount->root || !mount_own(mount))
		return -EINVAL;
	return mount_reconfigure(mount, flags, options);
}

int mount_reconfigure(struct mount *mount, uint64_t flags, char *options)
{
	if (!(flags & (MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME | MS_RELATIME)))
		flags |= mount->flags & (MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME); /* they stay */
	if (mount_flags_locked(mount, flags))
		return -EPERM;
	if ((flags & MS_RDONLY) && (flags & MS_BIND ? mount->writers : mount->filesystem->writers))
		return -EBUSY;
	/* The file system itself is changed by those alone who are above all that use it. */
	if (!(flags & MS_BIND) && !capable(CAP_SYS_ADMIN) && !mount->filesystem->of_user)
		return -EPERM;
	if (!(flags & MS_BIND) && mount->filesystem->of_user &&
	    !capable_in(mount->filesystem->of_user, CAP_SYS_ADMIN))
		return -EPERM;
	if (!(flags & MS_BIND) && mount->filesystem->configure) {
		int error = mount->filesystem->configure(mount->filesystem, options, false);
		if (error)
			return error;
	}
	mount_set_flags(mount, flags);
	mounts_changed();
	return 0;
}

/* What SOURCE names: "VAULT[:PATH]", an open vault and a directory in it; over the image where OPTIONS say
 * "image". */
static struct filesystem *vault_filesystem(const char *source, const char *options, bool read_only,
                                           int *error)
{
	char name[VAULT_NAME_MAX + 1];
	const char *path = strchr(source, ':');
	handle_t mount = 0;
	size_t length = path ? (size_t)(path - source) : strlen(source);
	*error = -EINVAL;
	if (length >= sizeof(name) || (*options && strcmp(options, "image") != 0))
		return 0;
	memcpy(name, source, length);
	name[length] = 0;
	*error = vault_mount_of(name, path ? path + 1 : "", read_only ? VAULT_READ_ONLY : VAULT_MAKE, &mount);
	return *error ? 0 : ramfs_create_backed(mount, read_only, *options, error);
}

/* The file system of TYPE on the block device that SOURCE names. */
static struct filesystem *device_filesystem(const char *type, const char *source, const char *options,
                                            bool read_only, int *error)
{
	struct path device;
	*error = path_walk(AT_FDCWD, source, WALK_FOLLOW, &device);
	if (*error)
		return 0;
	struct filesystem *made = 0;
	*error = -ENOTBLK;
	if (S_ISBLK(device.dentry->vnode->mode))
		made = ramfs_create_on_device(device.dentry->vnode, type, options, read_only, error);
	path_release(&device);
	return made;
}

/* Is there a whole one of FILESYSTEM's kind in the namespace that hides no more than this one would? Whoever could not
 * see what others had covered must not by mounting it anew. */
static bool seen_whole(const struct filesystem *filesystem, uint64_t flags)
{
	struct mount *mount;
	list_for_each(mount, &mount_namespace_current()->mounts, link)
	{
		if (strcmp(mount->filesystem->name, filesystem->name) != 0 ||
		    mount->root->parent != mount->root ||
		    (mount->flags_kept & MS_RDONLY & ~(uint32_t)flags) || locked_below(mount, mount->root))
			continue;
		return true;
	}
	return false;
}

/* May the current task mount TYPE: all, or of those that a user namespace has its own of? */
static int type_permitted(const char *type)
{
	static const char *const own[] = {"tmpfs", "ramfs", "devpts", "proc", "sysfs", "cgroup2"};
	const struct user_namespace *owner = mount_namespace_current()->common.owner;
	if (capable(CAP_SYS_ADMIN))
		return 0;
	if (strcmp(type, "proc") == 0)
		owner = pid_namespace_current()->common.owner;
	else if (strcmp(type, "cgroup2") == 0)
		owner = current_task()->namespaces->of[NAMESPACE_CGROUP]->owner;
	else if (strcmp(type, "sysfs") == 0)
		owner = current_task()->namespaces->of[NAMESPACE_NET]->owner;
	for (unsigned i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (strcmp(type, own[i]) == 0)
			return capable_in(owner, CAP_SYS_ADMIN) ? 0 : -EPERM;
	return filesystem_known(type) ? -EPERM : -ENODEV;
}

int mount_filesystem(const char *type, const char *source, uint64_t flags, char *options,
                     struct filesystem **made)
{
	int64_t magic;
	int error = type_permitted(type);
	if (error)
		return error;
	error = -ENODEV;
	struct filesystem *filesystem =
	    strcmp(type, "vault") == 0 ? vault_filesystem(source, options, flags & MS_RDONLY, &error)
	    : files_type(type, &magic) ? device_filesystem(type, source, options, flags & MS_RDONLY, &error)
	                               : filesystem_by_name(type);
	if (!filesystem)
		return error ? error : -ENOMEM;
	filesystem->references++;
	error = 0;
	if (!capable(CAP_SYS_ADMIN)) {
		if (filesystem->references == 1) {
			filesystem->of_user = user_namespace_current();
			(void)namespace_reference(&filesystem->of_user->common);
		}
		bool shows_system = strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0;
		error = shows_system && !seen_whole(filesystem, flags) ? -EPERM : 0;
	}
	if (!error && filesystem->configure)
		error = filesystem->configure(filesystem, options, filesystem->references == 1);
	if (error)
		filesystem_release(filesystem);
	else
		*made = filesystem;
	return error;
}

static int mount_new(const char *type, const char *source, const struct path *where, uint64_t flags,
                     char *options)
{
	struct filesystem *filesystem = 0;
	struct path root;
	int error = type_permitted(type);
	if (!error && !mount_own(where->mount))
		error = -EINVAL;
	if (!error)
		error = mount_filesystem(type, source, flags, options, &filesystem);
	if (error)
		return error;
	if (!S_ISDIR(where->dentry->vnode->mode))
		error = -ENOTDIR;
	else if (where->mount->root == where->dentry && where->mount->filesystem == filesystem &&
	         !filesystem->release)
		error = -EBUSY; /* it is there already */
	if (!error)
		error = mount_add(filesystem, where, source, &root);
	if (!error) {
		mount_set_flags(root.mount, flags);
		path_release(&root);
	}
	filesystem_release(filesystem);
	return error;
}

static int mount_with_source(const char *source, const struct path *where, uint64_t flags)
{
	struct path from;
	if (!source[0])
		return flags & MS_BIND ? -ENOENT : -EINVAL;
	int error = path_walk(AT_FDCWD, source, WALK_FOLLOW, &from);
	if (error)
		return error;
	error = flags & MS_BIND ? bind(&from, where, flags & MS_REC) : mount_move(&from, where);
	path_release(&from);
	return error;
}

/* MS_SHARED and its like. */
static int spread(const struct path *where, uint64_t flags)
{
	uint64_t type = flags & MS_PROPAGATION;
	struct mount *top = where->mount;
	if (type & (type - 1) || (flags & ~(uint64_t)(MS_PROPAGATION | MS_REC | MS_SILENT)) ||
	    where->dentry != top->root || !mount_own(top))
		return -EINVAL;
	for (struct mount *at = top; at; at = flags & MS_REC ? mount_next(at, top) : 0)
		mount_set_propagation(at, type);
	mounts_changed();
	return 0;
}

/* What a look-up of TEXT asks a file service is asked while others go on: the next one finds it here. */
static void look_up_beside(const char *text)
{
	struct path path;
	if (!with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW, &path)))
		path_release(&path);
}

SYSCALL_HANDLER(mount, uint64_t source_address, uint64_t target, uint64_t type_address, uint64_t flags,
                uint64_t data)
{
	char text[PATH_MAX_BYTES], source[PATH_MAX_BYTES] = "", options[MOUNT_OPTIONS_MAX] = "";
	char type[32] = "";
	struct path where;
	if ((flags & 0xffff0000ull) == 0xc0ed0000ull)
		flags &= 0xffff; /* of old, a magic number stood there */
	int64_t length = type_address ? copy_string_from_user(type, type_address, sizeof(type)) : 0;
	if (length == -ENAMETOOLONG)
		length = -ENODEV;
	if (length >= 0 && source_address)
		length = copy_string_from_user(source, source_address, sizeof(source));
	if (length >= 0 && data) {
		length = copy_string_from_user(options, data, sizeof(options));
		if (length == -ENAMETOOLONG) { /* a page of data need not end */
			options[MOUNT_OPTIONS_MAX - 1] = 0;
			length = 0;
		}
	}
	if (length >= 0)
		length = path_from_user(text, target, false);
	if (length < 0)
		return length;
	if (source[0] == '/' || flags & (MS_BIND | MS_MOVE))
		look_up_beside(source);
	int error = (int)with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW, &where));
	if (error)
		return error;
	if (flags & MS_STRICTATIME) /* which is said beside what was there */
		flags &= ~(uint64_t)MS_NOATIME;
	if (!mount_permitted())
		error = -EPERM;
	else if (flags & MS_REMOUNT)
		error = mount_remount(&where, flags, options);
	else if (flags & (MS_BIND | MS_MOVE))
		error = mount_with_source(source, &where, flags);
	else if (flags & MS_PROPAGATION)
		error = spread(&where, flags);
	else if (!type_address)
		error = -EINVAL;
	else
		error = mount_new(type, source[0] ? source : "none", &where, flags, options);
	path_release(&where);
	return error;
}

/* ---- umount(2) ---- */

enum { MNT_FORCE = 1, MNT_DETACH = 2, MNT_EXPIRE = 4, UMOUNT_NOFOLLOW = 8 };

static int unmount(const struct path *root, uint32_t flags)
{
	struct mount *mount = root->mount;
	if (root->dentry != mount->root || !mount_own(mount) || mount->locked)
		return -EINVAL;
	if (!mount->covered.dentry)
		return -EBUSY;
	if (flags & MNT_DETACH) {
		mount_detach_tree(mount);
		return 0;
	}
	if (mount->references > 2 + mount->contexts) /* the mount itself and the caller's path */
		return -EBUSY;
	if ((flags & MNT_EXPIRE) && !mount->expires) {
		mount->expires = true;
		return -EAGAIN;
	}
	mount_detach_tree(mount);
	return 0;
}

SYSCALL_HANDLER(umount2, uint64_t target, uint32_t flags)
{
	char text[PATH_MAX_BYTES];
	struct path root;
	if ((flags & ~15u) || ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH))))
		return -EINVAL;
	if (!mount_permitted())
		return -EPERM;
	int64_t length = path_from_user(text, target, false);
	if (length < 0)
		return length;
	int error =
	    (int)with_errands(path_walk(AT_FDCWD, text, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &root));
	if (error)
		return error;
	struct filesystem *filesystem = root.mount->filesystem;
	filesystem_pass(filesystem);
	error = unmount(&root, flags);
	path_release(&root);
	if (!error)
		filesystem_settle(filesystem);
	filesystem_passed(filesystem);
	return error;
}

/* ---- pivot_root(2) ---- */

static bool same(const struct path *a, const struct path *b)
{
	return a->mount == b->mount && a->dentry == b->dentry;
}

/* Those in the namespace whose root or working directory is FROM go to TO. */
static void move_roots(const struct path *from, const struct path *to)
{
	for (struct process *process = process_next(0); process; process = process_next(process)) {
		struct task *task;
		list_for_each(task, &process->threads, thread_link)
		{
			struct path *paths[] = {task->fs ? &task->fs->root : 0,
			                        task->fs ? &task->fs->working : 0};
			for (unsigned i = 0; i < 2 && task->fs; i++) {
				if (!same(paths[i], from))
					continue;
				path_reference(to);
				path_release(paths[i]);
				*paths[i] = *to;
			}
		}
	}
}

/* NEW's mount comes where the root ROOT is, and that goes on OLD, which is inside it. */
static int pivot(const struct path *new, const struct path *old, const struct path *root)
{
	struct mount *top = root->mount, *mount = new->mount, *above = mount->covered.mount;
	if (!mount_own(top) || !mount_own(mount) || !mount_own(old->mount) || mount->locked ||
	    old->mount->group || (above && above->group) || (top->covered.mount && top->covered.mount->group))
		return -EINVAL;
	if (mount == top || old->mount == top)
		return -EBUSY;
	/* Both are roots of mounts; OLD lies below NEW, and that below the root. */
	if (root->dentry != top->root || new->dentry != mount->root || !above || !inside(old, mount) ||
	    !inside(&mount->covered, top))
		return -EINVAL;
	struct path where = top->covered;
	path_reference(&where);
	mount_displace(mount);
	mount_displace(top);
	mount->locked = top->locked;
	top->locked = false;
	mount_place(top, old);
	if (where.mount)
		mount_place(mount, &where);
	else
		mount_namespace_current()->top = mount;
	path_release(&where);
	mounts_changed();
	move_roots(root, new);
	return 0;
}

SYSCALL_HANDLER(pivot_root, uint64_t new_address, uint64_t old_address)
{
	char text[PATH_MAX_BYTES];
	struct path new, old, root;
	if (!mount_permitted())
		return -EPERM;
	int64_t length = path_from_user(text, new_address, false);
	if (length < 0)
		return length;
	int error = (int)with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW | WALK_DIRECTORY, &new));
	if (error)
		return error;
	length = path_from_user(text, old_address, false);
	error = length < 0 ? (int)length : path_walk(AT_FDCWD, text, WALK_FOLLOW | WALK_DIRECTORY, &old);
	if (!error) {
		root = current_task()->fs->root;
		path_reference(&root);
		error = pivot(&new, &old, &root);
		path_release(&root);
		path_release(&old);
	}
	path_release(&new);
	return error;
}
