/* Mounts: mount(2), umount(2). A mount shows a file system, from one of its directories on, at a place in the tree of
 * another; the same place seen through two mounts is two places, so that mounts are found by both (mount_on).
 */
#include <holon/vault.h>
#include "../internal.h"
#include "../native/native.h"
#include "name.h"
#include "open.h"
#include "ramfs.h"

#define BUCKETS     64u
#define OPTIONS_MAX 4096u

struct list mounts = LIST_INIT(mounts);
uint64_t mounts_generation;
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

static void changed(void)
{
	mounts_generation++;
	wake_all(&mounts_wait, 0);
}

void mount_release(struct mount *mount)
{
	if (--mount->references)
		return;
	struct filesystem *filesystem = mount->filesystem;
	dentry_release(mount->root);
	if (!--filesystem->references && filesystem->release) {
		dentry_purge(filesystem);
		filesystem->release(filesystem);
	}
	heap_free(mount->source);
	heap_free(mount);
}

/* A mount of FILESYSTEM from ROOT on, which is in no tree yet. */
static struct mount *mount_create(struct filesystem *filesystem, struct dentry *root, const char *source)
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
	list_init(&mount->link);
	list_init(&mount->covering);
	return mount;
}

static void cover(struct mount *mount, const struct path *where)
{
	mount->covered = *where;
	path_reference(where);
	where->dentry->mounts++;
	dentry_keep(where->dentry);
	list_append(bucket_of(where), &mount->covering);
}

static void uncover(struct mount *mount)
{
	struct dentry *dentry = mount->covered.dentry;
	if (!dentry)
		return;
	list_remove(&mount->covering);
	if (!--dentry->mounts && (dentry->vnode->filesystem->flags & FILESYSTEM_UNCACHED))
		dentry_drop(dentry);
	path_release(&mount->covered);
}

static void attach(struct mount *mount, const struct path *where)
{
	list_append(&mounts, &mount->link);
	if (where)
		cover(mount, where);
	changed();
}

int mount_add(struct filesystem *filesystem, const struct path *where, const char *source, struct path *root)
{
	struct dentry *dentry = dentry_create(0, "/", 1, vnode_reference(filesystem->root));
	if (!dentry) {
		vnode_release(filesystem->root);
		return -ENOMEM;
	}
	struct mount *mount = mount_create(filesystem, dentry, source);
	dentry_release(dentry);
	if (!mount)
		return -ENOMEM;
	attach(mount, where);
	if (root) {
		*root = (struct path){mount, mount->root};
		path_reference(root);
	}
	return 0;
}

/* Takes MOUNT out of the tree; it goes with its last user. */
static void detach(struct mount *mount)
{
	list_remove(&mount->link);
	uncover(mount);
	changed();
	mount_release(mount);
}

/* ---- mount(2) ---- */

static void set_flags(struct mount *mount, uint64_t flags)
{
	mount->read_only = flags & MS_RDONLY;
	mount->flags = (uint32_t)flags & MS_KEPT;
}

static bool inside(const struct path *path, const struct mount *mount)
{
	for (const struct mount *at = path->mount; at; at = at->covered.mount)
		if (at == mount)
			return true;
	return false;
}

static bool dentry_below(const struct dentry *dentry, const struct dentry *root)
{
	while (dentry != root && dentry->parent != dentry)
		dentry = dentry->parent;
	return dentry == root;
}

/* MS_BIND: what FROM names, on WHERE too; MS_REC: with what is mounted below it. */
static int bind(const struct path *from, const struct path *where, bool recursive)
{
	if (S_ISDIR(from->dentry->vnode->mode) != S_ISDIR(where->dentry->vnode->mode))
		return -ENOTDIR;
	struct mount *top = mount_create(from->mount->filesystem, from->dentry, from->mount->source);
	if (!top)
		return -ENOMEM;
	top->read_only = from->mount->read_only;
	top->flags = from->mount->flags;
	struct list *last = mounts.previous;
	attach(top, where);
	if (!recursive)
		return 0;
	/* Mounts below come after what they are on in the list; each copy hangs on its parent's copy. */
	for (struct list *at = mounts.next;; at = at->next) {
		struct mount *each = list_entry(at, struct mount, link);
		if (each->covered.mount && each != top) {
			struct mount *parent = 0;
			if (each->covered.mount == from->mount &&
			    dentry_below(each->covered.dentry, from->dentry))
				parent = top;
			else
				parent = each->covered.mount->copy;
			struct mount *copy =
			    parent ? mount_create(each->filesystem, each->root, each->source) : 0;
			if (copy) {
				copy->read_only = each->read_only;
				copy->flags = each->flags;
				attach(copy, &(struct path){parent, each->covered.dentry});
			}
			each->copy = copy;
		}
		if (at == last)
			break;
	}
	struct mount *each;
	list_for_each(each, &mounts, link) each->copy = 0;
	return 0;
}

static int move(struct path *from, const struct path *where)
{
	struct mount *mount = from->mount;
	if (from->dentry != mount->root || !mount->covered.dentry)
		return -EINVAL;
	if (S_ISDIR(from->dentry->vnode->mode) != S_ISDIR(where->dentry->vnode->mode))
		return -ENOTDIR;
	if (inside(where, mount))
		return -ELOOP;
	uncover(mount);
	/* Behind whatever it is on now, in the order of the list. */
	list_remove(&mount->link);
	attach(mount, where);
	return 0;
}

static int remount(const struct path *where, uint64_t flags, char *options)
{
	struct mount *mount = where->mount;
	if (where->dentry != mount->root)
		return -EINVAL;
	if (!(flags & MS_BIND) && mount->filesystem->configure) {
		int error = mount->filesystem->configure(mount->filesystem, options, false);
		if (error)
			return error;
	}
	set_flags(mount, flags);
	changed();
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

static int mount_new(const char *type, const char *source, const struct path *where, uint64_t flags,
                     char *options)
{
	int error = -ENODEV;
	int64_t magic;
	struct filesystem *filesystem =
	    strcmp(type, "vault") == 0 ? vault_filesystem(source, options, flags & MS_RDONLY, &error)
	    : files_type(type, &magic) ? device_filesystem(type, source, options, flags & MS_RDONLY, &error)
	                               : filesystem_by_name(type);
	struct path root;
	if (!filesystem)
		return error;
	filesystem->references++;
	error = 0;
	if (filesystem->configure)
		error = filesystem->configure(filesystem, options, filesystem->references == 1);
	if (!error && !S_ISDIR(where->dentry->vnode->mode))
		error = -ENOTDIR;
	else if (!error && where->mount->root == where->dentry && where->mount->filesystem == filesystem &&
	         !filesystem->release)
		error = -EBUSY; /* it is there already */
	if (!error)
		error = mount_add(filesystem, where, source, &root);
	if (!error) {
		set_flags(root.mount, flags);
		path_release(&root);
	}
	if (!--filesystem->references && filesystem->release)
		filesystem->release(filesystem);
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
	error = flags & MS_BIND ? bind(&from, where, flags & MS_REC) : move(&from, where);
	path_release(&from);
	return error;
}

SYSCALL_HANDLER(mount, uint64_t source_address, uint64_t target, uint64_t type_address, uint64_t flags,
                uint64_t data)
{
	char text[PATH_MAX_BYTES], source[PATH_MAX_BYTES] = "", options[OPTIONS_MAX] = "";
	char type[32] = "";
	struct path where;
	const uint64_t propagation = MS_PRIVATE | MS_SHARED | MS_SLAVE | MS_UNBINDABLE;
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
			options[OPTIONS_MAX - 1] = 0;
			length = 0;
		}
	}
	if (length >= 0)
		length = path_from_user(text, target, false);
	if (length < 0)
		return length;
	int error = path_walk(AT_FDCWD, text, WALK_FOLLOW, &where);
	if (error)
		return error;
	if (!capable(CAP_SYS_ADMIN))
		error = -EPERM;
	else if (flags & MS_REMOUNT)
		error = remount(&where, flags, options);
	else if (flags & (MS_BIND | MS_MOVE))
		error = mount_with_source(source, &where, flags);
	else if (flags & propagation)
		error = where.dentry == where.mount->root ? 0 : -EINVAL; /* one name space: nothing spreads */
	else if (!type_address)
		error = -EINVAL;
	else
		error = mount_new(type, source[0] ? source : "none", &where, flags, options);
	path_release(&where);
	return error;
}

/* ---- umount(2) ---- */

enum { MNT_FORCE = 1, MNT_DETACH = 2, MNT_EXPIRE = 4, UMOUNT_NOFOLLOW = 8 };

/* Everything in the tree below and including TOP. */
static void detach_tree(struct mount *top)
{
	/* From the end: mounts below others come later. */
	for (struct list *at = mounts.previous; at != &mounts;) {
		struct mount *mount = list_entry(at, struct mount, link);
		at = at->previous;
		if (mount != top && inside(&mount->covered, top))
			detach(mount);
	}
	detach(top);
}

static int unmount(const struct path *root, uint32_t flags)
{
	struct mount *mount = root->mount;
	if (root->dentry != mount->root || list_empty(&mount->link))
		return -EINVAL;
	if (!mount->covered.dentry)
		return -EBUSY;
	if (flags & MNT_DETACH) {
		detach_tree(mount);
		return 0;
	}
	if (mount->references > 2) /* the mount itself and the caller's path */
		return -EBUSY;
	if ((flags & MNT_EXPIRE) && !mount->expires) {
		mount->expires = true;
		return -EAGAIN;
	}
	detach(mount);
	return 0;
}

SYSCALL_HANDLER(umount2, uint64_t target, uint32_t flags)
{
	char text[PATH_MAX_BYTES];
	struct path root;
	if ((flags & ~15u) || ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH))))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	int64_t length = path_from_user(text, target, false);
	if (length < 0)
		return length;
	int error = path_walk(AT_FDCWD, text, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &root);
	if (error)
		return error;
	error = unmount(&root, flags);
	path_release(&root);
	return error;
}
