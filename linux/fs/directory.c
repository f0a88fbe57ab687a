/* Names: making, removing, renaming, linking, listing; the working directory. */
#include "../internal.h"
#include "errand.h"
#include "name.h"
#include "open.h"
#include "ramfs.h"

/* The parent of a name that is to be changed. */
static int parent_for_change(int directory, uint64_t path_address, struct parent_walk *parent)
{
	char text[PATH_MAX_BYTES];
	int64_t length = path_from_user(text, path_address, false);
	return length < 0 ? (int)length : path_parent(directory, text, parent);
}

/* May the task write the directory? Asked in the change, since who waited for that may have lost the right meanwhile. */
static int may_change(const struct parent_walk *parent)
{
	if (parent->directory.mount->read_only)
		return -EROFS;
	return access_check(parent->directory.dentry->vnode, 3);
}

static bool is_dot(const struct parent_walk *parent)
{
	return !parent->length || strcmp(parent->name, ".") == 0 || strcmp(parent->name, "..") == 0;
}

/* For a name that must not be there yet: 0, or why not. */
static int must_be_new(struct parent_walk *parent)
{
	int error = may_change(parent);
	if (error)
		return error;
	if (is_dot(parent))
		return -EEXIST;
	struct dentry *old = dentry_lookup(parent->directory.dentry, parent->name, parent->length, &error);
	if (!old)
		return error == -ENOENT ? 0 : error;
	dentry_release(old);
	return -EEXIST;
}

/* Ends the change in PARENT. */
static int finish_new(struct parent_walk *parent, struct vnode *made, int error)
{
	if (made) {
		bool directory = S_ISDIR(made->mode);
		struct dentry *dentry =
		    dentry_enter(parent->directory.dentry, parent->name, parent->length, made);
		inotify_name(parent->directory.dentry->vnode, IN_CREATE, parent->name, directory, 0);
		if (dentry)
			dentry_release(dentry);
		error = 0;
	}
	change_end(parent->directory.dentry->vnode);
	path_release(&parent->directory);
	return error;
}

/* Makes a node in PARENT, whose references go. A reference to it through *MADE where that is not 0. */
static int make_in(struct parent_walk *parent, uint32_t mode, uint64_t device, struct vnode **made)
{
	struct vnode *vnode = parent->directory.dentry->vnode;
	struct vnode *node = 0;
	change_begin(vnode);
	int error = must_be_new(parent);
	if (!error && parent->trailing_slash && !S_ISDIR(mode))
		error = -ENOENT;
	if (!error && !vnode->ops->create)
		error = -EPERM;
	if (!error)
		node = vnode->ops->create(vnode, parent->name, parent->length, mode_of_new(vnode, mode),
		                          device, &error);
	if (node && made)
		*made = vnode_reference(node);
	return finish_new(parent, node, error);
}

static int64_t make_at(int directory, uint64_t path, uint32_t mode, uint64_t device)
{
	struct parent_walk parent;
	int error = parent_for_change(directory, path, &parent);
	return error ? error : make_in(&parent, mode, device, 0);
}

static int64_t make_node(int directory, uint64_t path, uint32_t mode, uint64_t device)
{
	return with_errands(make_at(directory, path, mode, device));
}

int name_make(const char *text, uint32_t mode, struct vnode **made)
{
	struct parent_walk parent;
	int error = path_parent(AT_FDCWD, text, &parent);
	return error ? error : make_in(&parent, mode, 0, made);
}

SYSCALL_HANDLER(mkdirat, int directory, uint64_t path, uint32_t mode)
{
	return make_node(directory, path, S_IFDIR | (mode & 01777), 0);
}

SYSCALL_HANDLER(mkdir, uint64_t path, uint32_t mode)
{
	return sys_mkdirat(AT_FDCWD, path, mode);
}

SYSCALL_HANDLER(mknodat, int directory, uint64_t path, uint32_t mode, uint64_t device)
{
	uint32_t type = mode & S_IFMT;
	if (!type)
		mode |= type = S_IFREG;
	if (type == S_IFDIR)
		return -EPERM;
	if (type != S_IFREG && type != S_IFIFO && type != S_IFSOCK && type != S_IFCHR && type != S_IFBLK)
		return -EINVAL;
	if ((type == S_IFCHR || type == S_IFBLK) && !capable(CAP_MKNOD))
		return -EPERM;
	return make_node(directory, path, mode & (S_IFMT | 07777), device);
}

SYSCALL_HANDLER(mknod, uint64_t path, uint32_t mode, uint64_t device)
{
	return sys_mknodat(AT_FDCWD, path, mode, device);
}

static int64_t symlink_at(const char *target, int directory, uint64_t path)
{
	struct parent_walk parent;
	int error = parent_for_change(directory, path, &parent);
	if (error)
		return error;
	struct vnode *vnode = parent.directory.dentry->vnode;
	struct vnode *made = 0;
	change_begin(vnode);
	error = must_be_new(&parent);
	if (!error && !vnode->ops->symlink)
		error = -EPERM;
	if (!error)
		made = vnode->ops->symlink(vnode, parent.name, parent.length, target, &error);
	return finish_new(&parent, made, error);
}

SYSCALL_HANDLER(symlinkat, uint64_t target_address, int directory, uint64_t path)
{
	char target[PATH_MAX_BYTES];
	int64_t length = path_from_user(target, target_address, false);
	return length < 0 ? length : with_errands(symlink_at(target, directory, path));
}

SYSCALL_HANDLER(symlink, uint64_t target, uint64_t path)
{
	return sys_symlinkat(target, AT_FDCWD, path);
}

static int64_t link_at(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                       uint32_t flags)
{
	char text[PATH_MAX_BYTES];
	struct path from;
	struct parent_walk parent;
	int64_t length = path_from_user(text, from_path, flags & AT_EMPTY_PATH);
	if (length < 0)
		return length;
	int error = path_walk(
	    from_directory, text,
	    (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), &from);
	if (error)
		return error;
	error = parent_for_change(to_directory, to_path, &parent);
	if (!error) {
		struct vnode *vnode = parent.directory.dentry->vnode;
		struct vnode *target = from.dentry->vnode;
		change_begin(vnode);
		error = must_be_new(&parent);
		if (!error && from.mount != parent.directory.mount)
			error = -EXDEV;
		if (!error && (S_ISDIR(target->mode) || !vnode->ops->link))
			error = -EPERM;
		if (!error)
			error = vnode->ops->link(vnode, parent.name, parent.length, target);
		if (!error)
			inotify_vnode(target, IN_ATTRIB);
		error = finish_new(&parent, error ? 0 : vnode_reference(target), error);
	}
	path_release(&from);
	return error;
}

SYSCALL_HANDLER(linkat, int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return with_errands(link_at(from_directory, from_path, to_directory, to_path, flags));
}

SYSCALL_HANDLER(link, uint64_t from, uint64_t to)
{
	return sys_linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* May the current task remove or replace VICTIM in DIRECTORY (sticky bit)? */
static int may_remove(const struct vnode *directory, const struct vnode *victim)
{
	uint32_t uid = current_task()->credentials.fsuid;
	if ((directory->mode & S_ISVTX) && uid != directory->uid && uid != victim->uid &&
	    !capable_over(victim, CAP_FOWNER))
		return -EPERM;
	return 0;
}

/* May VNODE come to another directory? Of a directory that changes what its ".." names: it has to be writable. */
static int may_change_parent(struct vnode *vnode)
{
	return S_ISDIR(vnode->mode) ? access_check(vnode, 2) : 0;
}

/* Removes what PARENT names, and lets PARENT go. */
static int remove_name(struct parent_walk *parent, bool remove_directory)
{
	struct vnode *vnode = parent->directory.dentry->vnode;
	struct dentry *victim = 0;
	change_begin(vnode);
	int error = may_change(parent);
	if (!error && is_dot(parent))
		error = !remove_directory ? -EISDIR
		        : !parent->length ? -EBUSY
		        : parent->name[1] ? -ENOTEMPTY
		                          : -EINVAL;
	else if (!error)
		victim = dentry_lookup(parent->directory.dentry, parent->name, parent->length, &error);
	if (victim) {
		bool is_directory = S_ISDIR(victim->vnode->mode);
		if (remove_directory && !is_directory)
			error = -ENOTDIR;
		else if (!remove_directory && (is_directory || parent->trailing_slash))
			error = is_directory ? -EISDIR : -ENOTDIR;
		else if (victim->mounts && mount_on_own(victim))
			error = -EBUSY;
		else if (!vnode->ops->unlink)
			error = -EPERM;
		else if ((error = may_remove(vnode, victim->vnode)) == 0)
			error = vnode->ops->unlink(vnode, parent->name, parent->length, victim->vnode);
		if (!error) {
			mount_let_name_go(victim);
			dentry_drop(victim);
			if (!is_directory)
				inotify_vnode(victim->vnode, IN_ATTRIB); /* its link count */
			inotify_name(vnode, IN_DELETE, parent->name, is_directory, 0);
		}
		dentry_release(victim);
	}
	change_end(vnode);
	path_release(&parent->directory);
	return error;
}

static int64_t unlink_at(int directory, uint64_t path, bool remove_directory)
{
	struct parent_walk parent;
	int error = parent_for_change(directory, path, &parent);
	return error ? error : remove_name(&parent, remove_directory);
}

SYSCALL_HANDLER(unlinkat, int directory, uint64_t path, uint32_t flags)
{
	if (flags & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return with_errands(unlink_at(directory, path, flags & AT_REMOVEDIR));
}

int path_unlink(const char *text)
{
	struct parent_walk parent;
	int error = path_parent(AT_FDCWD, text, &parent);
	return error ? error : remove_name(&parent, false);
}

SYSCALL_HANDLER(unlink, uint64_t path)
{
	return sys_unlinkat(AT_FDCWD, path, 0);
}

SYSCALL_HANDLER(rmdir, uint64_t path)
{
	return sys_unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

static bool dentry_inside(const struct dentry *dentry, const struct dentry *ancestor)
{
	while (dentry != ancestor && dentry->parent != dentry)
		dentry = dentry->parent;
	return dentry == ancestor;
}

enum { RENAME_NOREPLACE = 1, RENAME_EXCHANGE = 2 };

/* OVER: what the renamed one has taken the place of, or 0. */
static void tell_rename(struct parent_walk *from, struct parent_walk *to, struct vnode *moved,
                        struct vnode *over)
{
	uint32_t cookie = inotify_cookie();
	bool directory = S_ISDIR(moved->mode);
	inotify_name(from->directory.dentry->vnode, IN_MOVED_FROM, from->name, directory, cookie);
	inotify_name(to->directory.dentry->vnode, IN_MOVED_TO, to->name, directory, cookie);
	if (over)
		inotify_vnode(over, IN_ATTRIB);
	inotify_vnode(moved, IN_MOVE_SELF);
}

static int rename_between(struct parent_walk *from, struct parent_walk *to, uint32_t flags)
{
	struct vnode *source = from->directory.dentry->vnode;
	struct vnode *target = to->directory.dentry->vnode;
	int error = may_change(from);
	if (!error)
		error = may_change(to);
	if (error)
		return error;
	if (from->directory.mount != to->directory.mount)
		return -EXDEV;
	if (is_dot(from) || is_dot(to))
		return -EBUSY;
	if (!source->ops->rename)
		return -EPERM;
	struct dentry *moved = dentry_lookup(from->directory.dentry, from->name, from->length, &error);
	if (!moved)
		return error;
	struct dentry *over = dentry_lookup(to->directory.dentry, to->name, to->length, &error);
	bool directory = S_ISDIR(moved->vnode->mode);
	error = over || error == -ENOENT ? 0 : error;
	if (!error && !directory && (from->trailing_slash || to->trailing_slash))
		error = -ENOTDIR;
	if (!error && directory && dentry_inside(to->directory.dentry, moved))
		error = -EINVAL;
	if (!error && over && dentry_inside(from->directory.dentry, over))
		error = flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (!error && (mount_on_own(moved) || (over && mount_on_own(over))))
		error = -EBUSY;
	if (!error)
		error = may_remove(source, moved->vnode);
	if (!error && over)
		error = may_remove(target, over->vnode);
	if (!error && source != target)
		error = may_change_parent(moved->vnode);
	if (!error && source != target && flags & RENAME_EXCHANGE && over)
		error = may_change_parent(over->vnode);
	if (!error)
		error = source->ops->rename(source, from->name, from->length, target, to->name, to->length,
		                            flags);
	if (!error && !(over && over->vnode == moved->vnode)) {
		if (over && !(flags & RENAME_EXCHANGE))
			mount_let_name_go(over);
		if (flags & RENAME_EXCHANGE) {
			dentry_drop(over); /* both are found again by lookup */
			dentry_drop(moved);
		} else {
			if (over)
				dentry_drop(over);
			dentry_move(moved, to->directory.dentry, to->name, to->length);
		}
		tell_rename(from, to, moved->vnode, over && !(flags & RENAME_EXCHANGE) ? over->vnode : 0);
		if (flags & RENAME_EXCHANGE)
			tell_rename(to, from, over->vnode, 0);
	}
	if (over)
		dentry_release(over);
	dentry_release(moved);
	return error;
}

static int64_t rename_at(int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                         uint32_t flags)
{
	struct parent_walk from;
	struct parent_walk to;
	int error = parent_for_change(from_directory, from_path, &from);
	if (error)
		return error;
	error = parent_for_change(to_directory, to_path, &to);
	if (!error) {
		const struct vnode *source = from.directory.dentry->vnode;
		change_begin(source);
		error = rename_between(&from, &to, flags);
		change_end(source);
		path_release(&to.directory);
	}
	path_release(&from.directory);
	return error;
}

SYSCALL_HANDLER(renameat2, int from_directory, uint64_t from_path, int to_directory, uint64_t to_path,
                uint32_t flags)
{
	if (flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	return with_errands(rename_at(from_directory, from_path, to_directory, to_path, flags));
}

SYSCALL_HANDLER(renameat, int from_directory, uint64_t from, int to_directory, uint64_t to)
{
	return sys_renameat2(from_directory, from, to_directory, to, 0);
}

SYSCALL_HANDLER(rename, uint64_t from, uint64_t to)
{
	return sys_renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

SYSCALL_HANDLER(readlinkat, int directory, uint64_t path_address, uint64_t buffer, int64_t size)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	if (size <= 0)
		return -EINVAL;
	int64_t length = path_from_user(text, path_address, true);
	if (length < 0)
		return length;
	int64_t error = with_errands(path_walk(directory, text, WALK_EMPTY, &path));
	if (error)
		return error;
	struct vnode *vnode = path.dentry->vnode;
	int64_t result = text[0] ? -EINVAL : -ENOENT;
	if (S_ISLNK(vnode->mode) && vnode->ops->readlink)
		result = vnode->ops->readlink(vnode, text,
		                              size < PATH_MAX_BYTES ? (uint32_t)size : PATH_MAX_BYTES);
	path_release(&path);
	if (result > 0 && copy_to_user(buffer, text, (size_t)result))
		return -EFAULT;
	return result;
}

SYSCALL_HANDLER(readlink, uint64_t path, uint64_t buffer, int64_t size)
{
	return sys_readlinkat(AT_FDCWD, path, buffer, size);
}

/* ---- Listing ---- */

struct user_sink {
	struct dirent_sink sink;
	uint64_t address, room;
	int64_t error;
	uint64_t done;
	bool old; /* getdents: the type is the record's last byte */
};

static bool user_entry(struct dirent_sink *sink, const char *name, uint32_t length, uint64_t inode,
                       uint8_t type, int64_t offset)
{
	struct user_sink *user = container_of(sink, struct user_sink, sink);
	uint8_t record[280] = {0};
	uint32_t header = user->old ? 18 : 19;
	uint32_t bytes = (header + length + 1 + (user->old ? 1 : 0) + 7) & ~7u;
	if (bytes > user->room) {
		if (!user->done)
			user->error = -EINVAL;
		return false;
	}
	memcpy(record, &inode, 8);
	memcpy(record + 8, &offset, 8);
	record[16] = (uint8_t)bytes;
	record[17] = (uint8_t)(bytes >> 8);
	if (user->old)
		record[bytes - 1] = type;
	else
		record[18] = type;
	memcpy(record + header, name, length);
	if (copy_to_user(user->address, record, bytes)) {
		user->error = -EFAULT;
		return false;
	}
	user->address += bytes;
	user->room -= bytes;
	user->done += bytes;
	return true;
}

static int64_t list_directory(int fd, uint64_t address, uint64_t bytes, bool old)
{
	struct file *file = file_of(fd);
	struct user_sink sink = {.sink.entry = user_entry, .address = address, .room = bytes, .old = old};
	if (!file)
		return -EBADF;
	if (!file->ops->getdents)
		return -ENOTDIR;
	int64_t error = read_permitted(file);
	if (error)
		return error;
	error = with_errands(file->ops->getdents(file, &sink.sink));
	if (error)
		return error;
	if (inotify_watched(file))
		inotify_file(file, IN_ACCESS);
	return sink.done ? (int64_t)sink.done : sink.error;
}

SYSCALL_HANDLER(getdents64, int fd, uint64_t address, uint32_t bytes)
{
	return list_directory(fd, address, bytes, false);
}

SYSCALL_HANDLER(getdents, int fd, uint64_t address, uint32_t bytes)
{
	return list_directory(fd, address, bytes, true);
}

/* ---- Working directory and root ---- */

static int64_t change_to(struct path *path, struct path *which)
{
	int error = access_check(path->dentry->vnode, 1);
	if (!error && which == &current_task()->fs->root && !capable_own(CAP_SYS_CHROOT))
		error = -EPERM;
	if (error) {
		path_release(path);
		return error;
	}
	struct path old = *which;
	*which = *path;
	path_release(&old);
	return 0;
}

static int64_t change_by_name(uint64_t path_address, struct path *which)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	int64_t error = with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW | WALK_DIRECTORY, &path));
	return error ? error : change_to(&path, which);
}

SYSCALL_HANDLER(chdir, uint64_t path)
{
	return change_by_name(path, &current_task()->fs->working);
}

SYSCALL_HANDLER(chroot, uint64_t path)
{
	return change_by_name(path, &current_task()->fs->root);
}

SYSCALL_HANDLER(fchdir, int fd)
{
	struct file *file = file_of_any(fd);
	if (!file)
		return -EBADF;
	if (!file->path.dentry || !S_ISDIR(file->vnode->mode))
		return -ENOTDIR;
	struct path path = file->path;
	path_reference(&path);
	return change_to(&path, &current_task()->fs->working);
}

SYSCALL_HANDLER(getcwd, uint64_t buffer, uint64_t size)
{
	char text[PATH_MAX_BYTES];
	const struct path *working = &current_task()->fs->working;
	if (!working->dentry->hashed && working->dentry->parent != working->dentry &&
	    !(working->mount->filesystem->flags & FILESYSTEM_UNCACHED))
		return -ENOENT;
	const char *start = path_text(working, text, sizeof(text));
	uint64_t bytes = strlen(start) + 1;
	if (bytes > size)
		return -ERANGE;
	return copy_to_user(buffer, start, bytes) ? -EFAULT : (int64_t)bytes;
}
