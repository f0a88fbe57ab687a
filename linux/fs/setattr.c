/* Changing what files are: chmod, chown, times, sizes. Who may is chmod(2)'s, chown(2)'s, utimensat(2)'s and
 * truncate(2)'s to say, with capabilities(7).
 */
#include "../internal.h"
#include "errand.h"
#include "io.h"
#include "name.h"
#include "open.h"

/* May the owner or group become what ATTRIBUTES say? */
static bool may_chown(const struct vnode *vnode, const struct attributes *attributes, uint32_t mask)
{
	bool owner = current_task()->credentials.fsuid == vnode->uid;
	if (capable_over(vnode, CAP_CHOWN))
		return true;
	if ((mask & ATTRIBUTE_UID) && !(owner && attributes->uid == vnode->uid))
		return false;
	return !(mask & ATTRIBUTE_GID) ||
	       (owner && (attributes->gid == vnode->gid || in_group(attributes->gid)));
}

/* PATH, as far as there is one, leads to VNODE. TOUCH: both times become now, which everybody may do who may write the file. */
static int set_in(struct vnode *vnode, const struct path *path, const struct attributes *attributes,
                  uint32_t mask, bool touch)
{
	struct attributes wanted = *attributes;
	if (path->mount && path->mount->read_only)
		return -EROFS;
	if (!vnode->ops->setattr)
		return -EPERM;
	if ((mask & ATTRIBUTE_MODE) && !owns(vnode))
		return -EPERM;
	if (!may_chown(vnode, attributes, mask))
		return -EPERM;
	if ((mask & (ATTRIBUTE_ATIME | ATTRIBUTE_MTIME)) && !owns(vnode)) {
		int error = touch ? access_check(vnode, 2) : -EPERM;
		if (error)
			return error;
	}
	/* Only a member of the file's group, or who may, keeps the set-group-ID bit. */
	if ((mask & ATTRIBUTE_MODE) && !in_group(vnode->gid) && !capable_over(vnode, CAP_FSETID))
		wanted.mode &= ~(uint32_t)S_ISGID;
	if (!(mask & (ATTRIBUTE_MODE | ATTRIBUTE_ATIME | ATTRIBUTE_MTIME)) && privilege_bits_lost(vnode)) {
		wanted.mode = vnode->mode & ~privilege_bits_lost(vnode);
		mask |= ATTRIBUTE_MODE;
	}
	int error = vnode->ops->setattr(vnode, &wanted, mask);
	if (!error && path->dentry)
		inotify_path(path, IN_ATTRIB);
	return error;
}

static int set_attributes(struct vnode *vnode, const struct path *path, const struct attributes *attributes,
                          uint32_t mask, bool touch)
{
	change_begin(vnode);
	int error = set_in(vnode, path, attributes, mask, touch);
	change_end(vnode);
	return error;
}

static int64_t set_found(int directory, uint64_t path_address, uint32_t flags,
                         const struct attributes *attributes, uint32_t mask, bool touch)
{
	struct path path;
	int64_t error = path_at(directory, path_address, flags, &path);
	if (error)
		return error;
	error = S_ISLNK(path.dentry->vnode->mode) && (mask & ATTRIBUTE_MODE)
	            ? -EOPNOTSUPP
	            : set_attributes(path.dentry->vnode, &path, attributes, mask, touch);
	path_release(&path);
	return error;
}

static int64_t set_at(int directory, uint64_t path, uint32_t flags, const struct attributes *attributes,
                      uint32_t mask, bool touch)
{
	return with_errands(set_found(directory, path, flags, attributes, mask, touch));
}

static int64_t set_file(int fd, const struct attributes *attributes, uint32_t mask, bool touch)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	if (!file_vnode(file))
		return -ENOMEM;
	return set_attributes(file->vnode, &file->path, attributes, mask, touch);
}

SYSCALL_HANDLER(fchmodat, int directory, uint64_t path, uint32_t mode)
{
	return set_at(directory, path, 0, &(struct attributes){.mode = mode}, ATTRIBUTE_MODE, false);
}

SYSCALL_HANDLER(fchmodat2, int directory, uint64_t path, uint32_t mode, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return set_at(directory, path, flags, &(struct attributes){.mode = mode}, ATTRIBUTE_MODE, false);
}

SYSCALL_HANDLER(chmod, uint64_t path, uint32_t mode)
{
	return sys_fchmodat(AT_FDCWD, path, mode);
}

SYSCALL_HANDLER(fchmod, int fd, uint32_t mode)
{
	return set_file(fd, &(struct attributes){.mode = mode}, ATTRIBUTE_MODE, false);
}

static uint32_t owner_mask(uint32_t uid, uint32_t gid)
{
	return (uid == UINT32_MAX ? 0u : ATTRIBUTE_UID) | (gid == UINT32_MAX ? 0u : ATTRIBUTE_GID);
}

/* To what the guest's ids stand for; false: for nothing. */
static bool owners_named(uint32_t *uid, uint32_t *gid)
{
	return (*uid == UINT32_MAX || (*uid = uid_named(*uid)) != ID_NONE) &&
	       (*gid == UINT32_MAX || (*gid = gid_named(*gid)) != ID_NONE);
}

SYSCALL_HANDLER(fchownat, int directory, uint64_t path, uint32_t uid, uint32_t gid, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!owners_named(&uid, &gid))
		return -EINVAL;
	return set_at(directory, path, flags, &(struct attributes){.uid = uid, .gid = gid},
	              owner_mask(uid, gid), false);
}

SYSCALL_HANDLER(chown, uint64_t path, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, 0);
}

SYSCALL_HANDLER(lchown, uint64_t path, uint32_t uid, uint32_t gid)
{
	return sys_fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(fchown, int fd, uint32_t uid, uint32_t gid)
{
	if (!owners_named(&uid, &gid))
		return -EINVAL;
	return set_file(fd, &(struct attributes){.uid = uid, .gid = gid}, owner_mask(uid, gid), false);
}

/* ---- Times ---- */

enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };

/* Fills in a time; false where it is malformed. UTIME_NOW and UTIME_OMIT: utimensat(2). */
static bool choose_time(const struct linux_timespec *from, struct linux_timespec *to, uint32_t bit,
                        uint32_t *mask)
{
	if (from->tv_nsec == UTIME_OMIT)
		return true;
	*mask |= bit;
	*to = from->tv_nsec == UTIME_NOW ? clock_realtime_timespec() : *from;
	return from->tv_nsec == UTIME_NOW || (from->tv_nsec >= 0 && from->tv_nsec < 1000000000);
}

static int64_t set_times(int directory, uint64_t path, const struct linux_timespec times[2], uint32_t flags)
{
	struct attributes attributes = {0};
	uint32_t mask = 0;
	if (!choose_time(&times[0], &attributes.accessed, ATTRIBUTE_ATIME, &mask) ||
	    !choose_time(&times[1], &attributes.modified, ATTRIBUTE_MTIME, &mask))
		return -EINVAL;
	if (!mask)
		return 0;
	bool touch = times[0].tv_nsec == UTIME_NOW && times[1].tv_nsec == UTIME_NOW;
	if (!path && directory == AT_FDCWD)
		return -EFAULT;
	if (!path)
		return flags ? -EINVAL : set_file(directory, &attributes, mask, touch);
	return set_at(directory, path, flags, &attributes, mask, touch);
}

SYSCALL_HANDLER(utimensat, int directory, uint64_t path, uint64_t times_address, uint32_t flags)
{
	struct linux_timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (times_address && copy_from_user(times, times_address, sizeof(times)))
		return -EFAULT;
	return set_times(directory, path, times, flags);
}

SYSCALL_HANDLER(futimesat, int directory, uint64_t path, uint64_t times_address)
{
	struct linux_timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	if (times_address) {
		struct linux_timeval user[2];
		if (copy_from_user(user, times_address, sizeof(user)))
			return -EFAULT;
		for (unsigned i = 0; i < 2; i++) {
			if (user[i].tv_usec < 0 || user[i].tv_usec >= 1000000)
				return -EINVAL;
			times[i] = (struct linux_timespec){user[i].tv_sec, user[i].tv_usec * 1000};
		}
	}
	return set_times(directory, path, times, 0);
}

SYSCALL_HANDLER(utimes, uint64_t path, uint64_t times)
{
	return sys_futimesat(AT_FDCWD, path, times);
}

SYSCALL_HANDLER(utime, uint64_t path, uint64_t times_address)
{
	struct linux_timespec times[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
	if (times_address) {
		int64_t user[2];
		if (copy_from_user(user, times_address, sizeof(user)))
			return -EFAULT;
		times[0] = (struct linux_timespec){user[0], 0};
		times[1] = (struct linux_timespec){user[1], 0};
	}
	return set_times(AT_FDCWD, path, times, 0);
}

SYSCALL_HANDLER(umask, uint32_t mask)
{
	struct fs_context *fs = current_task()->fs;
	uint32_t old = fs->umask;
	fs->umask = mask & 0777;
	return old;
}

/* ---- Sizes ---- */

int size_allowed(uint64_t size, uint64_t end)
{
	if (end <= size || end <= current_task()->process->limits[RLIMIT_FSIZE].current)
		return 0;
	signal_send_task(current_task(), SIGXFSZ, 0);
	return -EFBIG;
}

static int truncate_path(const struct path *path, uint64_t bytes)
{
	struct vnode *vnode = path->dentry->vnode;
	if (S_ISDIR(vnode->mode))
		return -EISDIR;
	if (!S_ISREG(vnode->mode) || !vnode->ops->setattr)
		return -EINVAL;
	if (path->mount && path->mount->read_only)
		return -EROFS;
	int error = access_check(vnode, 2);
	if (!error && vnode->write_count < 0)
		error = -ETXTBSY;
	if (!error)
		error = size_allowed(vnode->size, bytes);
	if (!error)
		error = vnode->ops->setattr(vnode, &(struct attributes){.size = bytes}, ATTRIBUTE_SIZE);
	if (!error)
		inotify_path(path, IN_MODIFY);
	return error;
}

SYSCALL_HANDLER(truncate, uint64_t path_address, int64_t bytes)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	if (bytes < 0)
		return -EINVAL;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	int64_t error = with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW, &path));
	if (error)
		return error;
	const struct vnode *vnode = path.dentry->vnode;
	change_begin(vnode);
	error = truncate_path(&path, (uint64_t)bytes);
	change_end(vnode);
	path_release(&path);
	return error;
}

SYSCALL_HANDLER(ftruncate, int fd, int64_t bytes)
{
	struct file *file = file_of(fd);
	if (bytes < 0)
		return -EINVAL;
	if (!file)
		return -EBADF;
	if (!file_writable(file) || !file->ops->truncate)
		return -EINVAL;
	int64_t error = size_allowed(file->vnode->size, (uint64_t)bytes);
	if (!error)
		error = file->ops->truncate(file, bytes);
	if (!error && inotify_watched(file))
		inotify_file(file, IN_MODIFY);
	return error;
}

/* Which modes go together, whatever the file system has. */
static int allocation_checked(int mode)
{
	if (mode & ~FALLOC_ALL)
		return -EOPNOTSUPP;
	if ((mode & FALLOC_PUNCH_HOLE) && ((mode & FALLOC_ZERO_RANGE) || !(mode & FALLOC_KEEP_SIZE)))
		return -EOPNOTSUPP;
	if (((mode & FALLOC_COLLAPSE_RANGE) && mode != FALLOC_COLLAPSE_RANGE) ||
	    ((mode & FALLOC_INSERT_RANGE) && mode != FALLOC_INSERT_RANGE) ||
	    ((mode & FALLOC_UNSHARE_RANGE) && (mode & ~(FALLOC_UNSHARE_RANGE | FALLOC_KEEP_SIZE))))
		return -EINVAL;
	return 0;
}

SYSCALL_HANDLER(fallocate, int fd, int mode, int64_t offset, int64_t bytes)
{
	struct file *file = file_of(fd);
	int64_t end;
	if (!file)
		return -EBADF;
	if (offset < 0 || bytes <= 0)
		return -EINVAL;
	int64_t error = allocation_checked(mode);
	if (error)
		return error;
	if (!file_writable(file))
		return -EBADF;
	const struct vnode *vnode = file_vnode(file);
	if (!vnode || !S_ISREG(vnode->mode))
		return !vnode ? -ENOMEM : S_ISFIFO(vnode->mode) ? -ESPIPE : -ENODEV;
	if (__builtin_add_overflow(offset, bytes, &end))
		return -EFBIG;
	if (!file->ops->fallocate)
		return -EOPNOTSUPP;
	if (!(mode & (FALLOC_KEEP_SIZE | FALLOC_COLLAPSE_RANGE | FALLOC_INSERT_RANGE)))
		error = size_allowed(file->vnode->size, (uint64_t)end);
	if (!error)
		error = file->ops->fallocate(file, mode, offset, bytes);
	if (!error && inotify_watched(file))
		inotify_file(file, IN_MODIFY);
	return error;
}

int64_t file_allocate_ioctl(int fd, uint32_t command, uint64_t argument)
{
	enum {
		RESVSP = 0x40305828,
		UNRESVSP = 0x40305829,
		RESVSP64 = 0x4030582a,
		UNRESVSP64 = 0x4030582b,
		ZERO_RANGE = 0x40305839,
	};
	struct {
		int16_t type, whence;
		int64_t start, bytes;
		uint32_t rest[6];
	} range;
	_Static_assert(sizeof(range) == 48, "struct space_resv");
	const struct file *file = file_of(fd);
	int64_t from = 0;
	if (command != ZERO_RANGE && (command < RESVSP || command > UNRESVSP64))
		return -ENOTTY;
	if (copy_from_user(&range, argument, sizeof(range)))
		return -EFAULT;
	if (range.whence == SEEK_CUR)
		from = file->position;
	else if (range.whence == SEEK_END)
		from = (int64_t)file->vnode->size;
	else if (range.whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(from, range.start, &from))
		return -EINVAL;
	int mode = command == ZERO_RANGE                          ? FALLOC_ZERO_RANGE
	           : command == UNRESVSP || command == UNRESVSP64 ? FALLOC_PUNCH_HOLE
	                                                          : 0;
	return sys_fallocate(fd, mode | FALLOC_KEEP_SIZE, from, range.bytes);
}
