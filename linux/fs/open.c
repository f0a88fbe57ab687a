/* Opening: open(2), openat(2), openat2(2), creat(2), and opening for exec. */
#include "../internal.h"
#include "errand.h"
#include "name.h"
#include "open.h"
#include "ramfs.h"

struct file *open_path(const struct path *path, uint32_t flags, int *error)
{
	struct vnode *vnode = path->dentry->vnode;
	struct file *file =
	    file_create(0, flags & ~(uint32_t)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC), 0);
	*error = -ENOMEM;
	if (!file)
		return 0;
	file->vnode = vnode_reference(vnode);
	file->path = *path;
	path_reference(path);
	*error = 0;
	if (flags & O_PATH) {
		file->flags &= O_PATH | O_DIRECTORY;
		static const struct file_ops none = {.seekable = false};
		file->ops = &none;
	} else {
		file->ops = vnode->file_ops;
		if (S_ISREG(vnode->mode) && file_writable(file)) {
			if (vnode_write_begin(vnode))
				file_writes(file, 1);
			else
				*error = -ETXTBSY;
		}
		if (!*error)
			*error = vnode->ops->open(vnode, file);
	}
	if (*error == 0)
		return file;
	file->ops = 0; /* nothing was opened: no release */
	file_release(file);
	return 0;
}

static int check_open(const struct path *path, uint32_t flags)
{
	struct vnode *vnode = path->dentry->vnode;
	uint32_t mode = flags & O_ACCMODE;
	uint32_t want = mode == O_RDONLY ? 4 : mode == O_WRONLY ? 2 : 6;
	if ((flags & O_DIRECTORY) && !S_ISDIR(vnode->mode))
		return -ENOTDIR;
	if (S_ISLNK(vnode->mode) && !(flags & O_PATH))
		return -ELOOP;
	if (flags & O_PATH)
		return 0;
	if (S_ISDIR(vnode->mode) && (mode != O_RDONLY || (flags & (O_CREAT | O_TRUNC))))
		return -EISDIR;
	if ((want & 2 || (flags & O_TRUNC)) && path->mount->read_only &&
	    (S_ISREG(vnode->mode) || S_ISDIR(vnode->mode)))
		return -EROFS;
	if ((S_ISCHR(vnode->mode) || S_ISBLK(vnode->mode)) && path->mount && (path->mount->flags & MS_NODEV))
		return -EACCES;
	int error = access_check(vnode, want | (flags & O_TRUNC ? 2 : 0));
	if (!error && (flags & O_NOATIME) && !owns(vnode))
		error = -EPERM;
	if (!error && (flags & O_TRUNC) && S_ISREG(vnode->mode) && vnode->write_count < 0)
		error = -ETXTBSY;
	return error;
}

static int create_through_link(int directory, const char *text, uint32_t mode, struct path *path,
                               bool *created, unsigned links);

/* Finds or makes the file TEXT names, of MODE, which the directory or the file mode mask cuts; *PATH has references. *CREATED:
 * it was made here. */
static int find_or_create(int directory, const char *text, uint32_t flags, uint32_t mode, struct path *path,
                          bool *created, unsigned links)
{
	*created = false;
	for (unsigned tries = 0; tries < 2; tries++) {
		if (!(flags & O_EXCL)) {
			uint32_t walk = flags & O_NOFOLLOW ? 0 : WALK_FOLLOW;
			int error = path_walk(directory, text, walk, path);
			if (error != -ENOENT)
				return error;
		}
		struct parent_walk parent;
		int error = path_parent(directory, text, &parent);
		if (error)
			return error;
		struct vnode *vnode = parent.directory.dentry->vnode;
		if (!parent.length || parent.trailing_slash || strcmp(parent.name, ".") == 0 ||
		    strcmp(parent.name, "..") == 0) {
			path_release(&parent.directory);
			return flags & O_EXCL ? -EEXIST : -EISDIR;
		}
		change_begin(vnode);
		struct dentry *old =
		    dentry_lookup(parent.directory.dentry, parent.name, parent.length, &error);
		if (old) {
			/* A symbolic link that leads nowhere: Linux makes the file it names. */
			bool link = S_ISLNK(old->vnode->mode);
			dentry_release(old);
			change_end(vnode);
			path_release(&parent.directory);
			if (flags & O_EXCL)
				return -EEXIST;
			if (!link)
				continue; /* somebody else made it meanwhile */
			if (flags & O_NOFOLLOW)
				return -ELOOP;
			return create_through_link(directory, text, mode, path, created, links + 1);
		}
		if (error == -ENOENT) {
			error = parent.directory.mount->read_only ? -EROFS : access_check(vnode, 3);
			if (!error && !vnode->ops->create)
				error = -EACCES;
			if (!error) {
				struct vnode *made =
				    vnode->ops->create(vnode, parent.name, parent.length,
				                       S_IFREG | mode_of_new(vnode, mode), 0, &error);
				struct dentry *dentry = made ? dentry_enter(parent.directory.dentry,
				                                            parent.name, parent.length, made)
				                             : 0;
				if (dentry) {
					path->mount = parent.directory.mount;
					path->mount->references++;
					path->dentry = dentry;
					*created = true;
					inotify_name(vnode, IN_CREATE, parent.name, false, 0);
				} else if (made) {
					error = -ENOMEM;
				}
			}
		}
		change_end(vnode);
		path_release(&parent.directory);
		if (*created)
			return 0;
		if (error != -EEXIST)
			return error ? error : -ENOMEM;
	}
	return -EEXIST;
}

static int create_through_link(int directory, const char *text, uint32_t mode, struct path *path,
                               bool *created, unsigned links)
{
	struct path link;
	char *target = heap_allocate(PATH_MAX_BYTES);
	if (!target)
		return -ENOMEM;
	int error = path_walk(directory, text, 0, &link);
	if (!error) {
		struct vnode *vnode = link.dentry->vnode;
		/* It may be another by now. */
		int64_t length =
		    S_ISLNK(vnode->mode) ? vnode->ops->readlink(vnode, target, PATH_MAX_BYTES - 1) : 0;
		error = length <= 0 ? -ENOENT : links > 8 ? -ELOOP : 0;
		if (!error) {
			/* Relative to the directory of the link, which stands for a file of this task alone. */
			struct task *task = current_task();
			struct file start = {.path = {link.mount, link.dentry->parent}};
			struct file *before = task->request_second;
			target[length] = 0;
			task->request_second = &start;
			error =
			    find_or_create(REQUEST_SECOND_FD, target, O_CREAT, mode, path, created, links);
			task->request_second = before;
		}
		path_release(&link);
	}
	heap_free(target);
	return error;
}

/* An unnamed file in directory TEXT (O_TMPFILE). */
static int open_unnamed(int directory, const char *text, uint32_t mode, struct path *path)
{
	int error = path_walk(directory, text, WALK_FOLLOW | WALK_DIRECTORY, path);
	if (error)
		return error;
	if (path->mount->read_only)
		error = -EROFS;
	if (!error)
		error = access_check(path->dentry->vnode, 3);
	if (!error && !path->dentry->vnode->ops->create)
		error = -EOPNOTSUPP;
	if (error) {
		path_release(path);
		return error;
	}
	struct vnode *directory_vnode = path->dentry->vnode;
	struct vnode *vnode = ramfs_file(directory_vnode->filesystem, mode_of_new(directory_vnode, mode));
	error = vnode ? acl_inherit(directory_vnode, vnode) : -ENOMEM;
	struct dentry *dentry = error ? 0 : dentry_unnamed(vnode);
	if (error && vnode)
		vnode_release(vnode);
	if (!dentry) {
		path_release(path);
		return error ? error : -ENOMEM;
	}
	dentry_release(path->dentry);
	path->dentry = dentry;
	return 0;
}

/* O_TRUNC */
static int open_empty(const struct path *path)
{
	struct vnode *vnode = path->dentry->vnode;
	struct attributes none = {.size = 0, .modified = clock_realtime_timespec()};
	change_begin(vnode);
	int error = vnode->ops->setattr(vnode, &none, ATTRIBUTE_SIZE | ATTRIBUTE_MTIME);
	change_end(vnode);
	if (!error)
		inotify_path(path, IN_MODIFY);
	return error;
}

/* Whoever wants to be asked about FILE, just opened, allows it. FILE is released where not. */
static struct file *open_permitted(struct file *file, uint32_t flags, int *error)
{
	if (!file || (flags & O_PATH) || !fanotify_mark_count)
		return file;
	*error = fanotify_permit(FAN_OPEN_PERM, &file->path);
	if (!*error)
		return file;
	file->unwatched = true; /* it was never open */
	file_release(file);
	return 0;
}

/* The end of an open: what is at PATH, which was CREATED just now or may be opened, gets a descriptor. */
static int64_t open_end(const struct path *path, uint32_t flags, bool created)
{
	int error = 0;
	bool empties =
	    !created && (flags & O_TRUNC) && !(flags & O_PATH) && S_ISREG(path->dentry->vnode->mode);
	struct file *file = open_permitted(open_path(path, flags, &error), flags, &error);
	if (file && empties && (error = open_empty(path)) != 0) {
		file_release(file);
		file = 0;
	}
	if (!file)
		return error;
	int64_t fd = file_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0)
		file_release(file);
	else if (!(flags & O_PATH))
		inotify_file(file, IN_OPEN);
	return fd;
}

int64_t open_at(const struct path *path, uint32_t flags)
{
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int error = check_open(path, flags);
	return error ? error : open_end(path, flags, false);
}

int64_t open_file(int directory, const char *text, uint32_t flags, uint32_t mode, uint32_t walk_flags)
{
	struct path path;
	bool created = false;
	int error;
	if (flags & O_PATH)
		flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	mode &= 07777;
	if ((flags & O_TMPFILE) == O_TMPFILE) {
		if (!(flags & O_ACCMODE))
			return -EINVAL;
		error = open_unnamed(directory, text, mode, &path);
		created = true;
		flags &= ~(uint32_t)O_DIRECTORY;
	} else if (flags & O_CREAT) {
		error = flags & O_DIRECTORY
		            ? -EINVAL
		            : find_or_create(directory, text, flags, mode, &path, &created, 0);
	} else {
		error =
		    path_walk(directory, text, walk_flags | (flags & O_NOFOLLOW ? 0 : WALK_FOLLOW), &path);
	}
	if (error)
		return error;
	errand_looked_up(); /* a pipe's other side may be waited for */
	if (!created)
		error = check_open(&path, flags);
	int64_t fd = error ? error : open_end(&path, flags, created);
	path_release(&path);
	return fd;
}

struct file *file_open_core(const char *text, int *error)
{
	const uint32_t flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_LARGEFILE;
	struct path path;
	bool created;
	(void)path_unlink(
	    text); /* nobody's file is written into; where it could not go, no new one can be made */
	*error = find_or_create(AT_FDCWD, text, flags, 0600, &path, &created, 0);
	if (*error)
		return 0;
	struct file *file = open_path(&path, flags, error);
	path_release(&path);
	return file;
}

/* The same while the common lock is shared, for what is common and simple: a regular file that is there and that
 * nobody watches, in a table of descriptors that is the task's own. */
static int64_t open_shared(int directory, const char *text, uint32_t flags)
{
	const uint32_t dropped = O_NOCTTY | O_CLOEXEC;
	const uint32_t plain = O_ACCMODE | O_APPEND | O_NONBLOCK | O_LARGEFILE | dropped;
	struct path path;
	if (current_task()->files->references > 1 || flags & ~plain)
		return -EALONE;
	int error = path_cached(directory, text, WALK_FOLLOW, &path);
	if (error)
		return error;
	struct vnode *vnode = path.dentry->vnode;
	if (!S_ISREG(vnode->mode) || !vnode->file_ops || !vnode->file_ops->parallel || fanotify_mark_count ||
	    !list_empty(&vnode->watches) || !list_empty(&path.dentry->parent->vnode->watches))
		return -EALONE;
	error = check_open(&path, flags);
	if (error)
		return error;
	struct file *file = file_create(vnode->file_ops, flags & ~dropped, 0);
	if (!file)
		return -ENOMEM;
	if (!file_names_take(file, &path)) {
		heap_free(file);
		return -ETXTBSY;
	}
	int64_t fd = file_install(file, 0, flags & O_CLOEXEC);
	if (fd < 0) {
		enum common_mode before = common_alone();
		file_release(file);
		common_back(before);
	}
	return fd;
}

SYSCALL_HANDLER(openat, int directory, uint64_t path, uint32_t flags, uint32_t mode)
{
	char text[PATH_MAX_BYTES];
	int64_t result = path_from_user(text, path, false);
	if (result >= 0)
		result = common_mode() == COMMON_SHARED ? open_shared(directory, text, flags) : -EALONE;
	if (result == -EALONE) {
		enum common_mode before = common_alone();
		result = with_errands(open_file(directory, text, flags, mode, 0));
		common_back(before);
	}
	return result;
}

SYSCALL_HANDLER(open, uint64_t path, uint32_t flags, uint32_t mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}

SYSCALL_HANDLER(creat, uint64_t path, uint32_t mode)
{
	return sys_openat(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define OPEN_FLAGS                                                                                           \
	((uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC |     \
	            O_ASYNC | O_DIRECT | O_LARGEFILE | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH |         \
	            O_TMPFILE))

SYSCALL_HANDLER(openat2, int directory, uint64_t path, uint64_t how_address, uint64_t size)
{
	enum { NO_XDEV = 1, NO_MAGICLINKS = 2, NO_SYMLINKS = 4, BENEATH = 8, IN_ROOT = 16, CACHED = 32 };
	struct {
		uint64_t flags, mode, resolve;
	} how;
	char text[PATH_MAX_BYTES];
	if (size < sizeof(how))
		return -EINVAL;
	if (size > 4096)
		return -E2BIG;
	if (copy_from_user(&how, how_address, sizeof(how)))
		return -EFAULT;
	int error = user_rest_zero(how_address + sizeof(how), how_address + size);
	if (error)
		return error;
	/* Unlike open(2), this call checks. */
	bool creates = (how.flags & O_CREAT) || (how.flags & O_TMPFILE) == O_TMPFILE;
	if ((how.flags & ~OPEN_FLAGS) || (how.mode && !creates) ||
	    ((how.resolve & BENEATH) && (how.resolve & IN_ROOT)))
		return -EINVAL;
	if (how.resolve & ~(uint64_t)(NO_XDEV | NO_MAGICLINKS | NO_SYMLINKS | BENEATH | IN_ROOT | CACHED) ||
	    how.mode & ~07777ull)
		return -EINVAL;
	int64_t length = path_from_user(text, path, false);
	if (length < 0)
		return length;
	uint32_t walk =
	    (how.resolve & NO_XDEV ? WALK_NO_XDEV : 0) | (how.resolve & NO_MAGICLINKS ? WALK_NO_MAGIC : 0) |
	    (how.resolve & NO_SYMLINKS ? WALK_NO_SYMLINKS : 0) | (how.resolve & BENEATH ? WALK_BENEATH : 0) |
	    (how.resolve & IN_ROOT ? WALK_IN_ROOT : 0);
	return with_errands(open_file(directory, text, (uint32_t)how.flags, (uint32_t)how.mode, walk));
}

struct file *file_open_exec(int directory, const char *text, int flags, bool beside, int *error)
{
	struct path path;
	uint32_t walk =
	    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	*error = beside ? (int)with_errands(path_walk(directory, text, walk, &path))
	                : path_walk(directory, text, walk, &path);
	if (*error)
		return 0;
	struct vnode *vnode = path.dentry->vnode;
	struct file *file = 0;
	if (S_ISLNK(vnode->mode))
		*error = -ELOOP;
	else if (!S_ISREG(vnode->mode) || (path.mount && (path.mount->flags & MS_NOEXEC)))
		*error = -EACCES;
	else if ((*error = access_check(vnode, 1)) == 0)
		file = open_path(&path, O_RDONLY, error);
	file = open_permitted(file, 0, error);
	if (file && fanotify_mark_count && (*error = fanotify_permit(FAN_OPEN_EXEC_PERM, &path)) != 0) {
		file_release(file);
		file = 0;
	}
	if (file && inotify_watched(file)) {
		inotify_file(file, IN_OPEN);
		fanotify_event(FAN_OPEN_EXEC, vnode, &path);
	}
	path_release(&path);
	if (file && vnode_run_begin(vnode)) {
		file->write_share = -1;
	} else if (file) {
		file_release(file);
		file = 0;
		*error = -ETXTBSY;
	}
	return file;
}

bool file_may_run(const struct file *file)
{
	return !(file->path.mount && (file->path.mount->flags & MS_NOEXEC));
}

bool file_grants_privileges(const struct file *file)
{
	return !(file->path.mount && (file->path.mount->flags & MS_NOSUID));
}

void file_allow_writing(struct file *file)
{
	file->vnode->write_count -= file->write_share;
	file->write_share = 0;
}

int64_t file_read_kernel(struct file *file, void *to, size_t bytes, uint64_t offset)
{
	struct linux_iovec one;
	struct io io;
	int64_t position = (int64_t)offset;
	io_init_kernel(&io, &one, to, bytes);
	return file->ops->read ? file->ops->read(file, &io, &position) : -EINVAL;
}

void file_path(const struct file *file, char *text, uint32_t size)
{
	char buffer[PATH_MAX_BYTES];
	/* What was opened through /proc/N/fd has an entry without a name. */
	if (file->path.dentry && (file->path.dentry->length || !file->ops || !file->ops->describe))
		text_copy(text, size, path_text(&file->path, buffer, sizeof(buffer)));
	else if (file->ops && file->ops->describe)
		file->ops->describe((struct file *)(uintptr_t)file, text, size);
	else
		text_copy(text, size, "anon_inode:[file]");
}
