/* Asking about files: the stat family, access(2), statfs(2). Changing them: setattr.c. */
#include "../internal.h"
#include "errand.h"
#include "name.h"
#include "open.h"
#include "ramfs.h"

/* Bytes that are there; holes of files are not. */
static uint64_t bytes_present(struct vnode *vnode)
{
	struct memory_info info;
	uint64_t kept;
	if (vnode->file_ops == &ramfs_file_ops && ramfs_kept(vnode, &kept))
		return kept;
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
	    .st_uid = uid_seen(vnode->uid),
	    .st_gid = gid_seen(vnode->gid),
	    .st_rdev = vnode->device_number,
	    .st_size = (int64_t)vnode->size,
	    .st_blksize = 4096,
	    .st_blocks = (int64_t)((bytes_present(vnode) + 511) / 512),
	    .st_atim = vnode->accessed,
	    .st_mtim = vnode->modified,
	    .st_ctim = vnode->changed,
	};
	if (vnode->ops && vnode->ops->getattr)
		vnode->ops->getattr(vnode, stat);
}

/* What statx(2) tells besides. */
struct beyond {
	uint64_t mount; /* 0: none */
	bool mount_root;
	struct linux_timespec born; /* all zero: not known */
};

static void tell_beyond(struct beyond *beyond, const struct path *path, const struct vnode *vnode)
{
	if (!beyond)
		return;
	beyond->mount = path->mount ? path->mount->id : 0;
	beyond->mount_root = path->mount && path->dentry == path->mount->root;
	beyond->born = vnode->born;
}

/* BEYOND or 0, here and below. */
static int64_t file_stat_of(int fd, struct linux_stat *stat, struct beyond *beyond)
{
	struct file *file = file_of_any(fd);
	if (!file)
		return -EBADF;
	/* Only ramfs' files are known to need nothing but what they have. */
	bool alone = !file->vnode || file->vnode->ops->getattr;
	enum common_mode mode = alone ? common_alone() : common_mode();
	struct vnode *vnode = alone ? file_vnode(file) : file->vnode;
	if (vnode) {
		vnode_stat(vnode, stat);
		tell_beyond(beyond, &file->path, vnode);
	}
	if (alone)
		common_back(mode);
	return vnode ? 0 : -ENOMEM;
}

/* AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_NO_AUTOMOUNT and statx' sync hints. */
#define STATX_SYNC_TYPE 0x6000u
#define STAT_FLAGS      (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT | STATX_SYNC_TYPE)

static int64_t stat_at(int directory, uint64_t path_address, uint32_t flags, struct linux_stat *stat,
                       struct beyond *beyond)
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
		return file_stat_of(directory, stat, beyond);
	uint32_t walk =
	    (flags & AT_SYMLINK_NOFOLLOW ? 0 : WALK_FOLLOW) | (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0);
	int error = path_cached(directory, text, walk, &path);
	if (!error && !path.dentry->vnode->ops->getattr) {
		vnode_stat(path.dentry->vnode, stat);
		tell_beyond(beyond, &path, path.dentry->vnode);
		return 0;
	}
	if (error && error != -EALONE)
		return error;
	enum common_mode mode = common_alone();
	error = (int)with_errands(path_walk(directory, text, walk, &path));
	if (!error) {
		vnode_stat(path.dentry->vnode, stat);
		tell_beyond(beyond, &path, path.dentry->vnode);
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
	return stat_out(stat_at(directory, path, flags, &stat, 0), &stat, out);
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
	int64_t error = file_stat_of(fd, &stat, 0);
	return error ? error : copy_to_user(out, &stat, sizeof(stat));
}

static struct linux_statx_timestamp statx_time(struct linux_timespec time)
{
	return (struct linux_statx_timestamp){time.tv_sec, (uint32_t)time.tv_nsec, 0};
}

SYSCALL_HANDLER(statx, int directory, uint64_t path, uint32_t flags, uint32_t mask, uint64_t out)
{
	enum {
		STATX_BASIC = 0x7ff,
		STATX_BTIME = 0x800,
		STATX_MNT_ID = 0x1000,
		ATTRIBUTE_MOUNT_ROOT = 0x2000
	};
	struct linux_stat stat;
	struct beyond beyond = {0};
	if ((mask & 0x80000000u) || (flags & STATX_SYNC_TYPE) == STATX_SYNC_TYPE)
		return -EINVAL;
	int64_t error = stat_at(directory, path, flags, &stat, &beyond);
	if (error)
		return error;
	bool born = (mask & STATX_BTIME) && (beyond.born.tv_sec || beyond.born.tv_nsec);
	struct linux_statx statx = {
	    .stx_mask = STATX_BASIC | (born ? STATX_BTIME : 0) | (beyond.mount ? STATX_MNT_ID : 0),
	    .stx_attributes = beyond.mount_root ? ATTRIBUTE_MOUNT_ROOT : 0,
	    .stx_attributes_mask = ATTRIBUTE_MOUNT_ROOT,
	    .stx_mnt_id = beyond.mount,
	    .stx_blksize = (uint32_t)stat.st_blksize,
	    .stx_nlink = (uint32_t)stat.st_nlink,
	    .stx_uid = stat.st_uid,
	    .stx_gid = stat.st_gid,
	    .stx_mode = (uint16_t)stat.st_mode,
	    .stx_ino = stat.st_ino,
	    .stx_size = (uint64_t)stat.st_size,
	    .stx_blocks = (uint64_t)stat.st_blocks,
	    .stx_atime = statx_time(stat.st_atim),
	    .stx_btime = statx_time(born ? beyond.born : (struct linux_timespec){0}),
	    .stx_ctime = statx_time(stat.st_ctim),
	    .stx_mtime = statx_time(stat.st_mtim),
	    .stx_rdev_major = (uint32_t)(stat.st_rdev >> 8 & 0xfff),
	    .stx_rdev_minor = (uint32_t)(stat.st_rdev & 0xff),
	    .stx_dev_minor = (uint32_t)stat.st_dev,
	};
	return copy_to_user(out, &statx, sizeof(statx));
}

/* ---- Access ---- */

int64_t path_at(int directory, uint64_t path_address, uint32_t flags, struct path *path)
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
	struct vnode *vnode = path->dentry->vnode;
	int error = flags & AT_EACCESS ? access_check(vnode, mode) : access_check_real(vnode, mode);
	if ((mode & 1) && S_ISREG(vnode->mode) && path->mount && (path->mount->flags & MS_NOEXEC))
		error = -EACCES;
	return !error && (mode & 2) && path->mount && path->mount->read_only ? -EROFS : error;
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
	if (!error)
		error = access_of(&path, mode, flags);
	if (error != -EALONE)
		return error;
	enum common_mode common = common_alone();
	error = (int)with_errands(path_walk(directory, text, walk, &path));
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

/* ---- File systems ---- */

enum {
	ST_RDONLY = 1,
	ST_NOSUID = 2,
	ST_NODEV = 4,
	ST_NOEXEC = 8,
	ST_VALID = 32,
	ST_NOATIME = 1024,
	ST_NODIRATIME = 2048,
	ST_RELATIME = 4096,
	ST_NOSYMFOLLOW = 8192
};

static uint32_t statfs_flags(const struct mount *mount)
{
	uint32_t flags = ST_VALID;
	if (!mount)
		return flags;
	flags |= mount->read_only ? ST_RDONLY : 0u;
	/* These three have the same values in both. */
	flags |= mount->flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC);
	flags |= (mount->flags & MS_NOATIME ? ST_NOATIME : 0u) |
	         (mount->flags & MS_NODIRATIME ? ST_NODIRATIME : 0u) |
	         (mount->flags & MS_NOSYMFOLLOW ? ST_NOSYMFOLLOW : 0u);
	return mount->flags & (MS_NOATIME | MS_STRICTATIME) ? flags : flags | ST_RELATIME;
}

static int64_t statfs_out(const struct mount *mount, const struct filesystem *filesystem, uint64_t address)
{
	struct unit_info info;
	uint64_t device = filesystem ? filesystem->device : 0;
	struct linux_statfs statfs = {
	    .f_type = filesystem ? filesystem->magic : 0,
	    .f_fsid = {(int32_t)device, (int32_t)(device >> 32)},
	    .f_bsize = 4096,
	    .f_namelen = NAME_MAX_BYTES,
	    .f_frsize = 4096,
	    .f_flags = statfs_flags(mount),
	};
	if (filesystem && filesystem->magic == TMPFS_MAGIC &&
	    unit_info(current_page(), machine.unit, &info) >= 0) {
		uint64_t free = info.memory_quota - info.memory_used, total = info.memory_quota;
		uint64_t nodes = filesystem->nodes_max ? filesystem->nodes_max : 1u << 20;
		if (filesystem->bytes_max) {
			uint64_t left = filesystem->bytes_max > filesystem->bytes_used
			                    ? filesystem->bytes_max - filesystem->bytes_used
			                    : 0;
			total = filesystem->bytes_max;
			free = left < free ? left : free;
		}
		statfs.f_blocks = (int64_t)(total / 4096);
		statfs.f_bfree = statfs.f_bavail = (int64_t)(free / 4096);
		statfs.f_files = (int64_t)nodes;
		statfs.f_ffree =
		    (int64_t)(nodes > filesystem->nodes_used ? nodes - filesystem->nodes_used : 0);
	}
	if (filesystem && filesystem->statistics)
		filesystem->statistics(filesystem, &statfs);
	return copy_to_user(address, &statfs, sizeof(statfs));
}

SYSCALL_HANDLER(statfs, uint64_t path_address, uint64_t out)
{
	char text[PATH_MAX_BYTES];
	struct path path;
	int64_t length = path_from_user(text, path_address, false);
	if (length < 0)
		return length;
	int error = (int)with_errands(path_walk(AT_FDCWD, text, WALK_FOLLOW, &path));
	if (error)
		return error;
	int64_t result = statfs_out(path.mount, path.mount ? path.mount->filesystem : 0, out);
	path_release(&path);
	return result;
}

SYSCALL_HANDLER(fstatfs, int fd, uint64_t out)
{
	struct file *file = file_of_any(fd);
	if (!file)
		return -EBADF;
	const struct vnode *vnode = file_vnode(file);
	return vnode ? statfs_out(file->path.mount, vnode->filesystem, out) : -ENOMEM;
}
