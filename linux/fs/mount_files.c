/* Mounts by descriptors: open_tree(2), move_mount(2), fsopen(2), fsconfig(2), fsmount(2), fspick(2), mount_setattr(2).
 *
 * A tree of mounts that was copied or made anew and is nowhere yet is `loose`: it goes with the open file that made it, unless
 * move_mount puts it somewhere first. In between it is in no namespace, so that nothing else can be done to it. All of them
 * together have at most as many mounts as a namespace may.
 */
#include "../internal.h"
#include "../proc/proc.h"
#include "mount_calls.h"

enum { AT_RECURSIVE = 0x8000 };

/* PATH, or what DIRECTORY stands for where EMPTY allows it. */
static int take_path(int directory, uint64_t address, bool follow, bool empty, struct path *path)
{
	char text[PATH_MAX_BYTES];
	int64_t length = path_from_user(text, address, empty);
	if (length < 0)
		return (int)length;
	return path_walk(directory, text, (follow ? WALK_FOLLOW : 0) | (empty ? WALK_EMPTY : 0), path);
}

/* ---- Loose trees ---- */

static uint64_t loose_mounts;

static void not_loose(struct mount *top)
{
	loose_mounts -= top->loose;
	top->loose = 0;
}

static void tree_release(struct file *file)
{
	struct mount *mount = file->path.mount;
	if (!mount->loose)
		return;
	not_loose(mount);
	mount_drop_tree(mount);
}

static const struct file_ops tree_ops = {.release = tree_release};
static const struct file_ops place_ops = {.seekable = false};

/* A descriptor that names PATH and no more. */
static int64_t give_path(const struct path *path, const struct file_ops *ops, bool close_on_exec)
{
	struct file *file = file_create(ops, O_PATH, 0);
	if (!file)
		return -ENOMEM;
	file->vnode = vnode_reference(path->dentry->vnode);
	file->path = *path;
	path_reference(path);
	return file_give(file, close_on_exec);
}

/* The same for the tree TOP, which goes with it. */
static int64_t give_tree(struct mount *top, bool close_on_exec)
{
	struct path root = {top, top->root};
	path_reference(&root);
	for (struct mount *at = top; at; at = mount_next(at, top))
		top->loose++;
	loose_mounts += top->loose;
	int64_t fd = loose_mounts > (uint64_t)sysctl_mount_max.value
	                 ? -ENOSPC
	                 : give_path(&root, &tree_ops, close_on_exec);
	if (fd < 0 && top->loose) { /* no file has let it go */
		not_loose(top);
		mount_drop_tree(top);
	}
	path_release(&root);
	return fd;
}

SYSCALL_HANDLER(open_tree, int directory, uint64_t address, uint32_t flags)
{
	enum { OPEN_TREE_CLONE = 1 };
	struct path path;
	if ((flags & ~(uint32_t)(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW |
	                         OPEN_TREE_CLONE | O_CLOEXEC)) ||
	    (flags & (AT_RECURSIVE | OPEN_TREE_CLONE)) == AT_RECURSIVE)
		return -EINVAL;
	if ((flags & OPEN_TREE_CLONE) && !mount_permitted())
		return -EPERM;
	int error =
	    take_path(directory, address, !(flags & AT_SYMLINK_NOFOLLOW), flags & AT_EMPTY_PATH, &path);
	if (error)
		return error;
	int64_t result;
	if (flags & OPEN_TREE_CLONE) {
		struct mount *top = mount_copy_bound(&path, flags & AT_RECURSIVE, &error);
		result = top ? give_tree(top, flags & O_CLOEXEC) : error;
	} else {
		result = give_path(&path, &place_ops, flags & O_CLOEXEC);
	}
	path_release(&path);
	return result;
}

static int put(const struct path *from, const struct path *where)
{
	struct mount *top = from->mount;
	if (!top->loose)
		return mount_move(from, where);
	if (from->dentry != top->root || !mount_own(where->mount) ||
	    S_ISDIR(from->dentry->vnode->mode) != S_ISDIR(where->dentry->vnode->mode))
		return -EINVAL;
	for (struct mount *at = top; where->mount->group && at; at = mount_next(at, top))
		if (at->unbindable)
			return -EINVAL;
	if (mount_holds_itself(top))
		return -ELOOP;
	int error = mount_attach_tree(top, where);
	if (!error)
		not_loose(top);
	return error;
}

SYSCALL_HANDLER(move_mount, int from_directory, uint64_t from_address, int to_directory, uint64_t to_address,
                uint32_t flags)
{
	enum {
		F_SYMLINKS = 1,
		F_AUTOMOUNTS = 2,
		F_EMPTY = 4,
		T_SYMLINKS = 0x10,
		T_AUTOMOUNTS = 0x20,
		T_EMPTY = 0x40
	};
	struct path from, where;
	if (!mount_permitted())
		return -EPERM;
	if (flags & ~(uint32_t)(F_SYMLINKS | F_AUTOMOUNTS | F_EMPTY | T_SYMLINKS | T_AUTOMOUNTS | T_EMPTY))
		return -EINVAL;
	int error = take_path(from_directory, from_address, flags & F_SYMLINKS, flags & F_EMPTY, &from);
	if (error)
		return error;
	error = take_path(to_directory, to_address, flags & T_SYMLINKS, flags & T_EMPTY, &where);
	if (!error) {
		error = put(&from, &where);
		path_release(&where);
	}
	path_release(&from);
	return error;
}

/* ---- Attributes ---- */

enum mount_attribute {
	ATTR_RDONLY = 1,
	ATTR_NOSUID = 2,
	ATTR_NODEV = 4,
	ATTR_NOEXEC = 8,
	ATTR_ATIME = 0x70, /* one of three: relatime, and */
	ATTR_NOATIME = 0x10,
	ATTR_STRICTATIME = 0x20,
	ATTR_NODIRATIME = 0x80,
	ATTR_NOSYMFOLLOW = 0x200000,
	ATTR_KNOWN = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC | ATTR_ATIME | ATTR_NODIRATIME |
	             ATTR_NOSYMFOLLOW
};

/* As MS_* has them. */
static uint64_t flags_of(uint64_t attributes)
{
	return (attributes & (ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)) |
	       (attributes & ATTR_NOATIME ? MS_NOATIME : 0) |
	       (attributes & ATTR_STRICTATIME ? MS_STRICTATIME : 0) |
	       (attributes & ATTR_NODIRATIME ? MS_NODIRATIME : 0) |
	       (attributes & ATTR_NOSYMFOLLOW ? MS_NOSYMFOLLOW : 0);
}

static bool atime_known(uint64_t attributes)
{
	uint64_t atime = attributes & ATTR_ATIME;
	return !atime || atime == ATTR_NOATIME || atime == ATTR_STRICTATIME;
}

struct mount_attributes {
	uint64_t set, clear, propagation, user_fd;
};

static int attributes_wrong(const struct mount_attributes *attributes)
{
	uint64_t both = attributes->set | attributes->clear;
	if ((attributes->propagation & ~(uint64_t)MS_PROPAGATION) ||
	    (attributes->propagation & (attributes->propagation - 1)) || (both & ~(uint64_t)ATTR_KNOWN))
		return -EINVAL;
	if (attributes->clear & ATTR_ATIME)
		return (attributes->clear & ATTR_ATIME) == ATTR_ATIME && atime_known(attributes->set)
		           ? 0
		           : -EINVAL;
	return attributes->set & ATTR_ATIME ? -EINVAL : 0;
}

/* All of them, or none. */
static int set_attributes(struct mount *top, const struct mount_attributes *attributes, bool recursive)
{
	const uint64_t atime = MS_NOATIME | MS_STRICTATIME;
	uint64_t set = flags_of(attributes->set), clear = flags_of(attributes->clear & ~(uint64_t)ATTR_ATIME);
	if (attributes->clear & ATTR_ATIME)
		clear |= atime;
	for (int change = 0; change < 2; change++) {
		for (struct mount *at = top; at; at = recursive ? mount_next(at, top) : 0) {
			uint64_t flags = ((at->flags | (at->read_only ? MS_RDONLY : 0)) & ~clear) | set;
			if (!change && mount_flags_locked(at, flags))
				return -EPERM;
			if (!change && (flags & MS_RDONLY) && !at->read_only && at->writers)
				return -EBUSY;
			if (!change)
				continue;
			mount_set_flags(at, flags);
			if (attributes->propagation)
				mount_set_propagation(at, attributes->propagation);
		}
	}
	mounts_changed();
	return 0;
}

SYSCALL_HANDLER(mount_setattr, int directory, uint64_t address, uint32_t flags, uint64_t from, uint64_t bytes)
{
	struct mount_attributes attributes;
	struct path path;
	if (flags & ~(uint32_t)(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return -EINVAL;
	if (bytes > PAGE_SIZE_BYTES)
		return -E2BIG;
	if (bytes < sizeof(attributes))
		return -EINVAL;
	if (!mount_permitted())
		return -EPERM;
	if (copy_from_user(&attributes, from, sizeof(attributes)))
		return -EFAULT;
	int error = user_rest_zero(from + sizeof(attributes), from + bytes);
	if (error)
		return error;
	if (!attributes.set && !attributes.clear && !attributes.propagation)
		return 0;
	error = attributes_wrong(&attributes);
	if (!error)
		error = take_path(directory, address, !(flags & AT_SYMLINK_NOFOLLOW), flags & AT_EMPTY_PATH,
		                  &path);
	if (error)
		return error;
	error = -EINVAL;
	if (path.dentry == path.mount->root && (path.mount->loose || mount_own(path.mount)))
		error = set_attributes(path.mount, &attributes, flags & AT_RECURSIVE);
	path_release(&path);
	return error;
}

/* ---- File systems in the making ---- */

enum phase { PHASE_PARAMETERS, PHASE_MADE, PHASE_MOUNTED, PHASE_CHANGES, PHASE_FAILED };

struct making {
	enum phase phase;
	char type[32];
	char *source;
	uint64_t flags; /* MS_RDONLY */
	uint32_t length;
	char options[MOUNT_OPTIONS_MAX];
	struct filesystem *filesystem; /* a reference, once it is made */
	struct path picked;            /* whose is changed: of fspick, or what fsmount has made */
};

/* What there would be to read of: a line for each mistake. None is written. */
static int64_t making_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return -ENODATA;
}

/* PATH's references go over. They do not keep the mount from being unmounted. */
static void pick(struct making *making, const struct path *path)
{
	making->picked = *path;
	path->mount->contexts++;
}

static void unpick(struct making *making)
{
	if (!making->picked.mount)
		return;
	making->picked.mount->contexts--;
	path_release(&making->picked);
}

static void making_release(struct file *file)
{
	struct making *making = file->private;
	if (making->filesystem)
		filesystem_release(making->filesystem);
	unpick(making);
	heap_free(making->source);
	heap_free(making);
}

static void making_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "anon_inode:[fscontext]");
}

static const struct file_ops making_ops = {
    .read = making_read, .release = making_release, .describe = making_describe};

static struct making *making_of(int fd)
{
	const struct file *file = file_of(fd);
	return file && file->ops == &making_ops ? file->private : 0;
}

static int64_t making_give(struct making *making, bool close_on_exec)
{
	struct file *file = file_create(&making_ops, O_RDWR, making);
	if (file)
		return file_give(file, close_on_exec);
	unpick(making);
	heap_free(making);
	return -ENOMEM;
}

SYSCALL_HANDLER(fsopen, uint64_t type_address, uint32_t flags)
{
	enum { FSOPEN_CLOEXEC = 1 };
	if (!mount_permitted())
		return -EPERM;
	if (flags & ~(uint32_t)FSOPEN_CLOEXEC)
		return -EINVAL;
	struct making *making = heap_allocate(sizeof(*making));
	if (!making)
		return -ENOMEM;
	int64_t length = copy_string_from_user(making->type, type_address, sizeof(making->type));
	if (length < 0 || !filesystem_known(making->type)) {
		heap_free(making);
		return length == -EFAULT ? -EFAULT : -ENODEV;
	}
	return making_give(making, flags & FSOPEN_CLOEXEC);
}

SYSCALL_HANDLER(fspick, int directory, uint64_t address, uint32_t flags)
{
	enum { CLOEXEC = 1, NOFOLLOW = 2, NO_AUTOMOUNT = 4, EMPTY = 8 };
	struct path path;
	if (!mount_permitted())
		return -EPERM;
	if (flags & ~(uint32_t)(CLOEXEC | NOFOLLOW | NO_AUTOMOUNT | EMPTY))
		return -EINVAL;
	int error = take_path(directory, address, !(flags & NOFOLLOW), flags & EMPTY, &path);
	if (error)
		return error;
	struct making *making = path.dentry == path.mount->root ? heap_allocate(sizeof(*making)) : 0;
	if (!making) {
		error = path.dentry == path.mount->root ? -ENOMEM : -EINVAL;
		path_release(&path);
		return error;
	}
	making->phase = PHASE_CHANGES;
	pick(making, &path);
	making->flags = path.mount->read_only ? MS_RDONLY : 0;
	return making_give(making, flags & CLOEXEC);
}

/* "KEY" or "KEY=VALUE" (0: none) among the options. */
static int option_add(struct making *making, const char *key, const char *value)
{
	size_t keys = strlen(key), values = value ? strlen(value) + 1 : 0;
	if (strchr(key, ',') || (value && strchr(value, ',')) ||
	    making->length + keys + values + 2 > sizeof(making->options))
		return -EINVAL;
	char *at = making->options + making->length;
	if (making->length)
		*at++ = ',';
	memcpy(at, key, keys);
	at += keys;
	if (value) {
		*at++ = '=';
		memcpy(at, value, values - 1);
		at += values - 1;
	}
	*at = 0;
	making->length = (uint32_t)(at - making->options);
	return 0;
}

/* After fsmount, and after each change, parameters of the next change may follow: fsconfig(2). */
static void begin_change(struct making *making)
{
	if (making->phase != PHASE_MOUNTED)
		return;
	making->phase = PHASE_CHANGES;
	heap_free(making->source);
	making->source = 0;
	making->length = 0;
	making->options[0] = 0;
	making->flags = making->picked.mount->read_only ? MS_RDONLY : 0;
}

static int parameter_set(struct making *making, const char *key, const char *value)
{
	if (making->phase != PHASE_PARAMETERS && making->phase != PHASE_CHANGES)
		return -EBUSY;
	if (!value && (!strcmp(key, "ro") || !strcmp(key, "rw"))) {
		making->flags = key[1] == 'o' ? MS_RDONLY : 0;
		return 0;
	}
	if (!value || strcmp(key, "source") != 0)
		return option_add(making, key, value);
	if (making->source)
		return -EINVAL;
	making->source = heap_string(value);
	return making->source ? 0 : -ENOMEM;
}

static int make(struct making *making)
{
	if (making->phase != PHASE_PARAMETERS)
		return -EBUSY;
	int error = mount_permitted()
	                ? mount_filesystem(making->type, making->source ? making->source : "none",
	                                   making->flags, making->options, &making->filesystem)
	                : -EPERM;
	making->phase = error ? PHASE_FAILED : PHASE_MADE;
	return error;
}

static int change(struct making *making)
{
	struct mount *mount = making->picked.mount;
	if (making->phase != PHASE_CHANGES)
		return -EBUSY;
	if (!mount_permitted())
		return -EPERM;
	int error = mount_reconfigure(mount, making->flags | mount->flags, making->options);
	making->phase = error ? PHASE_FAILED : PHASE_MOUNTED;
	return error;
}

SYSCALL_HANDLER(fsconfig, int fd, uint32_t command, uint64_t key_address, uint64_t value_address,
                int32_t extra)
{
	enum { SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY, SET_FD, CREATE, RECONFIGURE };
	char key[256], *value = 0;
	if (fd < 0)
		return -EINVAL;
	if (command > RECONFIGURE)
		return -EOPNOTSUPP;
	bool takes_key = command == SET_FLAG || command == SET_STRING, takes_value = command == SET_STRING;
	if ((command >= SET_BINARY && command <= SET_FD) || takes_key != !!key_address ||
	    takes_value != !!value_address || extra)
		return -EINVAL;
	if (!file_of(fd))
		return -EBADF;
	if (!making_of(fd))
		return -EINVAL;
	int64_t length = takes_key ? copy_string_from_user(key, key_address, sizeof(key)) : 0;
	if (length >= 0 && takes_value) {
		value = heap_allocate(256);
		length = value ? copy_string_from_user(value, value_address, 256) : -ENOMEM;
	}
	/* The file stays: file_of holds it until the call ends. */
	struct making *making = making_of(fd);
	int error = length == -ENAMETOOLONG ? -EINVAL : length < 0 ? (int)length : 0;
	if (!error && making)
		begin_change(making);
	if (!error)
		error = !making                  ? -EBADF
		        : command == CREATE      ? make(making)
		        : command == RECONFIGURE ? change(making)
		                                 : parameter_set(making, key, value);
	heap_free(value);
	return error;
}

SYSCALL_HANDLER(fsmount, int fd, uint32_t flags, uint32_t attributes)
{
	enum { FSMOUNT_CLOEXEC = 1 };
	if (!mount_permitted())
		return -EPERM;
	if ((flags & ~(uint32_t)FSMOUNT_CLOEXEC) || (attributes & ~(uint32_t)ATTR_KNOWN) ||
	    !atime_known(attributes))
		return -EINVAL;
	if (!file_of(fd))
		return -EBADF;
	struct making *making = making_of(fd);
	if (!making || !making->filesystem)
		return -EINVAL;
	if (making->phase != PHASE_MADE)
		return -EBUSY;
	struct mount *top = mount_whole(making->filesystem, making->source ? making->source : "none");
	if (!top)
		return -ENOMEM;
	mount_set_flags(top, flags_of(attributes) | making->flags);
	making->phase = PHASE_MOUNTED;
	struct path root = {top, top->root};
	path_reference(&root);
	pick(making, &root);
	return give_tree(top, flags & FSMOUNT_CLOEXEC);
}
