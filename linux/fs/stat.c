/* Attributes: the stat family, access, chmod, chown, times, truncate, statfs. */
#include "../internal.h"
#include "name.h"
#include "open.h"

/* Bytes that are there; holes of files are not. */
static uint64_t bytes_present(const struct vnode *vnode)
{
	struct memory_info info;
	if (vnode->object && memory_info(current_page(), vnode->object->handle, &info) >= 0)
		return info.resident_bytes;
	return (vnode->size + 4095) & ~4095ull;
}

static void vnode_stat(struct vnode *vnode, struct linux_stat *stat)
{
	*stat = (struct linux_stat){
	    .st_dev = vnode->filesystem ? vnode->filesystem->device : 0,
	    .st_ino = vnode->inode,
	    .st_nlink = vnode->links,
	    .st_mode = vnode->mode,
	    .st_uid = vnode->uid,
	    .st_gid = vnode->gid,
	    .st_rdev = vnode->device_number,
	    .st_size = (int64_t)vnode->size,
	    .st_blksize = 4096,
	    .st_blocks = (int64_t)(bytes_present(vnode) / 512),
	    .st_atim = vnode->accessed,
	    .st_mtim = vnode->modified,
	    .st_ctim = vnode->changed,
	};
	if (vnode->ops && vnode->ops->getattr)
		vnode->ops->getattr(vnode, stat);
}

/* Files outside the tree: pipes, sockets, and anonymous inodes look like what they are. */
static void file_stat(struct file *file, struct linux_stat *stat)
{
	char text[64] = "";
	if (file->vnode) {
		vnode_stat(file->vnode, stat);
		return;
	}
	if (file->ops->describe)
		file->ops->describe(file, text, sizeof(text));
	uint32_t mode = strncmp(text, "pipe:", 5) == 0     ? S_IFIFO
	                : strncmp(text, "socket:", 7) == 0 ? S_IFSOCK | 0777
	                                                   : 0;
	*stat = (struct linux_stat){.st_dev = 9,
	                            .st_ino = (uint64_t)file->private >> 4,
	                            .st_nlink = 1,
	                            .st_mode = mode | 0600,
	                            .st_blksize = 4096};
}

static int64_t file_stat_of(int fd, struct linux_stat *stat)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	/* Only ramfs' files are known to need nothing but what they have. */
	bool alone = file->vnode && file->vnode->ops->getattr;
	enum common_mode mode = alone ? common_alone() : common_mode();
	file_stat(file, stat);
	if (alone)
		common_back(mode);
	return 0;
}

/* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT and statx' sync hints. */
#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | 0x6000)

static int64_t stat_at(int directory, uint64_t path_address, uint32_t flags, struct linux_stat *stat)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	if (flags & ~(uint32_t)STAT_FLAGS)
		return -EINVAL;
	if (!path_address && (flags & AT_EMPTY_PATH))
		text[0] = 0;
	else {
		int64_t length = path_from_user(text, path_address, flags & AT_EMPTY_PATH);
		if (length < 0)
			return length;
	}
	if (!text[0] && directory != AT_FDCWD)
		return file_stat_of(directory, stat);
	uint32_t walk =
	    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	int error = path_cached(directory, text, walk, &path);
	if (!error && !path.dentry->vnode->ops->getattr) {
		vnode_stat(path.dentry->vnode, stat);
		return 0;
	}
	if (error && error != -EALONE)
		return error;
	enum common_mode mode = common_alone();
	error = path_walk(directory, text, walk, &path);
	if (!error) {
		vnode_stat(path.dentry->vnode, stat);
		path_release(&path);
	}
	common_back(mode);
	return error;
}

static int64_t stat_out(int64_t error, const struct linux_stat *stat, uint64_t address)
{
	return error ? error : copy_to_user(address, stat, sizeof(*stat));
}

SYSCALL_HANDLER(newfstatat, int directory, uint64_t path, uint64_t out, uint32_t flags)
{
	struct linux_stat stat;
	return stat_out(stat_at(directory, path, flags, &stat), &stat, out);
}

SYSCALL_HANDLER(stat, uint64_t path, uint64_t out)
{
	return sys_newfstatat(AT_FDCWD, path, out, 0);
}

SYSCALL_HANDLER(lstat, uint64_t path, uint64_t out)
{
	return sys_newfstatat(AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW);
}

SYSCALL_HANDLER(fstat, int fd, uint64_t out)
{
	struct linux_stat stat;
	int64_t error = file_stat_of(fd, &stat);
	return error ? error : copy_to_user(out, &stat, sizeof(stat));
}

static struct linux_statx_timestamp statx_time(struct linux_timespec time)
{
	return (struct linux_statx_timestamp){time.tv_sec, (uint32_t)time.tv_nsec, 0};
}

SYSCALL_HANDLER(statx, int directory, uint64_t path, uint32_t flags, uint32_t mask, uint64_t out)
{
	struct linux_stat stat;
	if (mask & 0x80000000u)
		return -EINVAL;
	int64_t error = stat_at(directory, path, flags, &stat);
	if (error)
		return error;
	struct linux_statx statx = {
	    .stx_mask = 0x7ff,
	    .stx_blksize = (uint32_t)stat.st_blksize,
	    .stx_nlink = (uint32_t)stat.st_nlink,
	    .stx_uid = stat.st_uid,
	    .stx_gid = stat.st_gid,
	    .stx_mode = (uint16_t)stat.st_mode,
	    .stx_ino = stat.st_ino,
	    .stx_size = (uint64_t)stat.st_size,
	    .stx_blocks = (uint64_t)stat.st_blocks,
	    .stx_atime = statx_time(stat.st_atim),
	    .stx_ctime = statx_time(stat.st_ctim),
	    .stx_mtime = statx_time(stat.st_mtim),
	    .stx_rdev_major = (uint32_t)(stat.st_rdev >> 8 & 0xfff),
	    .stx_rdev_minor = (uint32_t)(stat.st_rdev & 0xff),
	    .stx_dev_minor = (uint32_t)stat.st_dev,
	};
	return copy_to_user(out, &statx, sizeof(statx));
}

/* ---- Access ---- */

/* The path at the user's PATH_ADDRESS from DIRECTORY on, as AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH in FLAGS
 * say. */
static int64_t path_at(int directory, uint64_t path_address, uint32_t flags, struct path *path)
{
	char text[PATH_MAX_BYTES];
	int64_t length = path_from_user(text, path_address, flags & AT_EMPTY_PATH);
	if (length < 0)
		return length;
	return path_walk(
	    directory, text,
	    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0), path);
}

static int access_of(const struct path *path, uint32_t mode, uint32_t flags)
{
	const struct vnode *vnode = path->dentry->vnode;
	int error = flags & AT_EACCESS ? access_check(vnode, mode) : access_check_real(vnode, mode);
	return !error && (mode & 2) && path->mount->read_only ? -EROFS : error;
}

static int64_t access_at(int directory, uint64_t path_address, uint32_t mode, uint32_t flags)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	if (mode > 7 || flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	int64_t length = path_from_user(text, path_address, flags & AT_EMPTY_PATH);
	if (length < 0)
		return length;
	uint32_t walk =
	    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	int error = path_cached(directory, text, walk, &path);
	if (error != -EALONE)
		return error ? error : access_of(&path, mode, flags);
	enum common_mode common = common_alone();
	error = path_walk(directory, text, walk, &path);
	if (!error) {
		error = access_of(&path, mode, flags);
		path_release(&path);
	}
	common_back(common);
	return error;
}

SYSCALL_HANDLER(access, uint64_t path, uint32_t mode)
{
	return access_at(AT_FDCWD, path, mode, 0);
}

SYSCALL_HANDLER(faccessat, int directory, uint64_t path, uint32_t mode)
{
	return access_at(directory, path, mode, 0);
}

SYSCALL_HANDLER(faccessat2, int directory, uint64_t path, uint32_t mode, uint32_t flags)
{
	return access_at(directory, path, mode, flags);
}

/* ---- Changing attributes ---- */

static int set_attributes(struct vnode *vnode, bool read_only, const struct attributes *attributes,
                          uint32_t mask)
{
	const struct credentials *credentials = &current_task()->credentials;
	bool owner = credentials->fsuid == vnode->uid || capable(CAP_FOWNER);
	struct attributes wanted = *attributes;
	if (read_only)
		return -EROFS;
	if (!vnode->ops->setattr)
		return -EPERM;
	if ((mask & ATTRIBUTE_MODE) && !owner)
		return -EPERM;
	if ((mask & ATTRIBUTE_UID) && attributes->uid != vnode->uid && !capable(CAP_CHOWN))
		return -EPERM;
	if ((mask & ATTRIBUTE_GID) && attributes->gid != vnode->gid && !capable(CAP_CHOWN) &&
	    !(owner && credentials->fsgid == attributes->gid))
		return -EPERM;
	if ((mask & (ATTRIBUTE_UID | ATTRIBUTE_GID)) && S_ISREG(vnode->mode) &&
	    (vnode->mode & (S_ISUID | S_ISGID))) {
		wanted.mode = vnode->mode & ~(uint32_t)(S_ISUID | S_ISGID);
		mask |= ATTRIBUTE_MODE;
	}
	int error = vnode->ops->setattr(vnode, &wanted, mask);
	if (!error && !list_empty(&vnode->watches))
		inotify_vnode(vnode, 4); /* IN_ATTRIB */
	return error;
}

static int64_t set_at(int directory, uint64_t path_address, uint32_t flags,
                      const struct attributes *attributes, uint32_t mask)
{
	struct path path;
	int64_t error = path_at(directory, path_address, flags, &path);
	if (error)
		return error;
	error = S_ISLNK(path.dentry->vnode->mode) && (mask & ATTRIBUTE_MODE)
	            ? -EOPNOTSUPP
	            : set_attributes(path.dentry->vnode, path.mount->read_only, attributes, mask);
	path_release(&path);
	return error;
}

static int64_t set_file(int fd, const struct attributes *attributes, uint32_t mask)
{
	struct file *file = file_of(fd);
	if (!file || file->flags & O_PATH)
		return -EBADF;
	if (!file->vnode)
		return mask & ATTRIBUTE_MODE ? 0 : -EINVAL;
	return set_attributes(file->vnode, file->path.mount && file->path.mount->read_only, attributes, mask);
}

SYSCALL_HANDLER(fchmodat, int directory, uint64_t path, uint32_t mode)
{
	return set_at(directory, path, 0, &(struct attributes){.mode = mode}, ATTRIBUTE_MODE);
}

SYSCALL_HANDLER(chmod, uint64_t path, uint32_t mode)
{
	return sys_fchmodat(AT_FDCWD, path, mode);
}

SYSCALL_HANDLER(fchmod, int fd, uint32_t mode)
{
	return set_file(fd, &(struct attributes){.mode = mode}, ATTRIBUTE_MODE);
}

static uint32_t owner_mask(uint32_t uid, uint32_t gid)
{
	return (uid == UINT32_MAX ? 0u : ATTRIBUTE_UID) | (gid == UINT32_MAX ? 0u : ATTRIBUTE_GID);
}

SYSCALL_HANDLER(fchownat, int directory, uint64_t path, uint32_t uid, uint32_t gid, uint32_t flags)
{
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return set_at(directory, path, flags, &(struct attributes){.uid = uid, .gid = gid},
	              owner_mask(uid, gid));
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
	return set_file(fd, &(struct attributes){.uid = uid, .gid = gid}, owner_mask(uid, gid));
}

/* Fills in a time; false where it is malformed. UTIME_NOW and UTIME_OMIT: utimensat(2). */
static bool choose_time(const struct linux_timespec *from, struct linux_timespec *to, uint32_t bit,
                        uint32_t *mask)
{
	enum { UTIME_NOW = 0x3fffffff, UTIME_OMIT = 0x3ffffffe };
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
	if (!path) {
		const struct file *file = file_of(directory);
		return !file ? -EBADF : set_file(directory, &attributes, mask);
	}
	return set_at(directory, path, flags, &attributes, mask);
}

SYSCALL_HANDLER(utimensat, int directory, uint64_t path, uint64_t times_address, uint32_t flags)
{
	struct linux_timespec times[2] = {{0, 0x3fffffff}, {0, 0x3fffffff}};
	if (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (times_address && copy_from_user(times, times_address, sizeof(times)))
		return -EFAULT;
	return set_times(directory, path, times, flags);
}

SYSCALL_HANDLER(futimesat, int directory, uint64_t path, uint64_t times_address)
{
	struct linux_timespec times[2] = {{0, 0x3fffffff}, {0, 0x3fffffff}};
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
	struct linux_timespec times[2] = {{0, 0x3fffffff}, {0, 0x3fffffff}};
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

SYSCALL_HANDLER(truncate, uint64_t path_address, int64_t bytes)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	if (bytes < 0)
		return -EINVAL;
	int error = path_walk(AT_FDCWD, text, WALK_FOLLOW, &path);
	if (error)
		return error;
	struct vnode *vnode = path.dentry->vnode;
	if (S_ISDIR(vnode->mode))
		error = -EISDIR;
	else if (!S_ISREG(vnode->mode) || !vnode->ops->setattr)
		error = -EINVAL;
	else if (path.mount->read_only)
		error = -EROFS;
	else if ((error = access_check(vnode, 2)) == 0)
		error =
		    vnode->ops->setattr(vnode, &(struct attributes){.size = (uint64_t)bytes}, ATTRIBUTE_SIZE);
	path_release(&path);
	return error;
}

SYSCALL_HANDLER(ftruncate, int fd, int64_t bytes)
{
	struct file *file = file_of(fd);
	if (!file || file->flags & O_PATH)
		return -EBADF;
	if (bytes < 0 || !file_writable(file) || !file->ops->truncate)
		return -EINVAL;
	return file->ops->truncate(file, bytes);
}

SYSCALL_HANDLER(fallocate, int fd, int mode, int64_t offset, int64_t bytes)
{
	struct file *file = file_of(fd);
	int64_t end;
	if (!file || !file_writable(file))
		return -EBADF;
	if (offset < 0 || bytes <= 0)
		return -EINVAL;
	if (__builtin_add_overflow(offset, bytes, &end))
		return -EFBIG;
	return file->ops->fallocate ? file->ops->fallocate(file, mode, offset, bytes) : -ESPIPE;
}

/* ---- File systems ---- */

static int64_t statfs_out(const struct filesystem *filesystem, uint64_t address)
{
	struct unit_info info;
	struct linux_statfs statfs = {
	    .f_type = filesystem ? filesystem->magic : 0,
	    .f_bsize = 4096,
	    .f_namelen = NAME_MAX_BYTES,
	    .f_frsize = 4096,
	    .f_files = 1 << 20,
	    .f_ffree = 1 << 19,
	};
	if (filesystem && filesystem->magic == 0x01021994 &&
	    unit_info(current_page(), machine.unit, &info) >= 0) {
		statfs.f_blocks = (int64_t)(info.memory_quota / 4096);
		statfs.f_bfree = statfs.f_bavail = (int64_t)((info.memory_quota - info.memory_used) / 4096);
	}
	return copy_to_user(address, &statfs, sizeof(statfs));
}

SYSCALL_HANDLER(statfs, uint64_t path_address, uint64_t out)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	int error = path_walk(AT_FDCWD, text, WALK_FOLLOW, &path);
	if (error)
		return error;
	int64_t result = statfs_out(path.mount->filesystem, out);
	path_release(&path);
	return result;
}

SYSCALL_HANDLER(fstatfs, int fd, uint64_t out)
{
	const struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	return statfs_out(file->vnode ? file->vnode->filesystem : 0, out);
}
