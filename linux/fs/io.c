/* Moving bytes: read(2), write(2), their vector and positioned forms, lseek; ioctl(2). From file to file: splice.c. */
#include "../internal.h"
#include "../mm/userfault.h"
#include "backing.h"
#include "lock.h"
#include "name.h"
#include "open.h"
#include "io.h"

#define IOV_MAX 1024u

int read_permitted(const struct file *file)
{
	return fanotify_mark_count && file->path.dentry && !file->unwatched && common_mode() == COMMON_ALONE
	           ? fanotify_permit(FAN_ACCESS_PERM, &file->path)
	           : 0;
}

int64_t do_read(struct file *file, struct io *io, int64_t *position)
{
	if (!file_readable(file))
		return -EBADF;
	if (!file->ops->read)
		return -EINVAL;
	int error = read_permitted(file);
	if (error)
		return error;
	int64_t done = file->ops->read(file, io, position);
	if (done > 0 && inotify_watched(file))
		inotify_file(file, IN_ACCESS);
	return done;
}

int64_t do_write(struct file *file, struct io *io, int64_t *position)
{
	if (!file_writable(file))
		return -EBADF;
	if (!file->ops->write)
		return -EINVAL;
	int64_t done = file->ops->write(file, io, position);
	if (done > 0 && inotify_watched(file))
		inotify_file(file, IN_MODIFY);
	return done;
}

int64_t write_through(struct file *file, uint32_t flags, int64_t done)
{
	bool all = (file->flags & O_SYNC) == O_SYNC || (flags & IO_SYNC);
	bool any = all || (file->flags & O_DSYNC) || (flags & IO_DATA_SYNC);
	if (done <= 0 || !any || !file->vnode || !S_ISREG(file->vnode->mode) || !file->ops->sync)
		return done;
	bool shared = common_mode() == COMMON_SHARED;
	enum common_mode before = shared ? common_alone() : COMMON_ALONE;
	int64_t error = file->ops->sync(file, !all);
	if (shared)
		common_back(before);
	return error ? error : done;
}

/* The same while the common lock is shared. What has no locks of its own, or tells watchers, is done alone;
 * so is what lacked a page in the middle, since somebody may have to be killed for it. */
static int64_t transfer_shared(struct file *file, struct io *io, bool write, int64_t *position)
{
	struct task *task = current_task();
	int64_t result = -EALONE;
	task->pressed = false;
	if (file->ops->parallel && !inotify_watched(file)) {
		bool several = position == &file->position && file->ops->seekable &&
		               __atomic_load_n(&file->references, __ATOMIC_RELAXED) > 1;
		if (several)
			lock_acquire(&file->position_lock);
		result = write ? do_write(file, io, position) : do_read(file, io, position);
		if (several)
			lock_release(&file->position_lock);
	}
	if (result == -EALONE || (result == -EFAULT && task->pressed)) {
		enum common_mode mode = common_alone();
		/* Several readers of one position must not come between the parts of a read. */
		if (write || position != &file->position ||
		    __atomic_load_n(&file->references, __ATOMIC_RELAXED) == 1)
			io->flags |= IO_BESIDE;
		result = write ? do_write(file, io, position) : do_read(file, io, position);
		common_back(mode);
	}
	return result;
}

/* Runs one transfer on FD. POSITION 0: the file's own. */
static int64_t transfer(int fd, struct io *io, bool write, int64_t *position)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	if (position && !file->ops->seekable)
		return -ESPIPE;
	if (userfault_meets(io, !write))
		return -EFAULT;
	int64_t *at = position ? position : &file->position;
	int64_t done;
	if (common_mode() == COMMON_ALONE)
		done = write ? do_write(file, io, at) : do_read(file, io, at);
	else
		done = transfer_shared(file, io, write, at);
	return write ? write_through(file, io->flags, done) : done;
}

static int64_t transfer_one(int fd, uint64_t buffer, uint64_t bytes, bool write, int64_t *position)
{
	struct linux_iovec one;
	struct io io;
	if (bytes > IO_MAX)
		bytes = IO_MAX;
	if (!user_range(buffer, bytes))
		return file_of(fd) ? -EFAULT : -EBADF;
	io_init_user(&io, &one, buffer, bytes);
	return transfer(fd, &io, write, position);
}

SYSCALL_HANDLER(read, int fd, uint64_t buffer, uint64_t bytes)
{
	return transfer_one(fd, buffer, bytes, false, 0);
}

SYSCALL_HANDLER(write, int fd, uint64_t buffer, uint64_t bytes)
{
	return transfer_one(fd, buffer, bytes, true, 0);
}

SYSCALL_HANDLER(pread64, int fd, uint64_t buffer, uint64_t bytes, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_one(fd, buffer, bytes, false, &position);
}

SYSCALL_HANDLER(pwrite64, int fd, uint64_t buffer, uint64_t bytes, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_one(fd, buffer, bytes, true, &position);
}

int64_t iovec_from_user(struct linux_iovec **segments, uint64_t address, uint64_t count,
                        struct linux_iovec *few, uint32_t few_count)
{
	if (count > IOV_MAX)
		return -EINVAL;
	*segments = count <= few_count ? few : heap_allocate(count * sizeof(**segments));
	if (!*segments)
		return -ENOMEM;
	int64_t error = count && copy_from_user(*segments, address, count * sizeof(**segments)) ? -EFAULT : 0;
	uint64_t total = 0;
	for (uint64_t i = 0; i < count && !error; i++) {
		struct linux_iovec *segment = &(*segments)[i];
		if ((int64_t)segment->bytes < 0)
			error = -EINVAL;
		else if (!user_range(segment->base, segment->bytes))
			error = -EFAULT;
		if (segment->bytes > IO_MAX - total)
			segment->bytes = IO_MAX - total;
		total += segment->bytes;
	}
	if (error && *segments != few)
		heap_free(*segments);
	return error;
}

static int64_t transfer_vector(int fd, uint64_t vector, uint64_t count, bool write, int64_t *position,
                               uint32_t flags)
{
	struct linux_iovec few[8];
	struct linux_iovec *segments;
	struct io io;
	if (!file_of(fd))
		return -EBADF;
	int64_t result = iovec_from_user(&segments, vector, count, few, 8);
	if (result)
		return result;
	io_init_vector(&io, segments, (uint32_t)count);
	io.flags = flags;
	result = transfer(fd, &io, write, position);
	if (segments != few)
		heap_free(segments);
	return result;
}

SYSCALL_HANDLER(readv, int fd, uint64_t vector, uint64_t count)
{
	return transfer_vector(fd, vector, count, false, 0, 0);
}

SYSCALL_HANDLER(writev, int fd, uint64_t vector, uint64_t count)
{
	return transfer_vector(fd, vector, count, true, 0, 0);
}

SYSCALL_HANDLER(preadv, int fd, uint64_t vector, uint64_t count, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_vector(fd, vector, count, false, &position, 0);
}

SYSCALL_HANDLER(pwritev, int fd, uint64_t vector, uint64_t count, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_vector(fd, vector, count, true, &position, 0);
}

/* preadv2(2). No file here can promise not to wait, as on tmpfs: RWF_NOWAIT is refused. */
static int64_t transfer_vector2(int fd, uint64_t vector, uint64_t count, bool write, int64_t position,
                                uint32_t flags)
{
	if (position < -1)
		return -EINVAL;
	if (flags & ~(uint32_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND))
		return file_of(fd) ? -EOPNOTSUPP : -EBADF;
	return transfer_vector(fd, vector, count, write, position == -1 ? 0 : &position, io_flags_of(flags));
}

SYSCALL_HANDLER(preadv2, int fd, uint64_t vector, uint64_t count, int64_t position, uint64_t high,
                uint32_t flags)
{
	(void)high;
	return transfer_vector2(fd, vector, count, false, position, flags);
}

SYSCALL_HANDLER(pwritev2, int fd, uint64_t vector, uint64_t count, int64_t position, uint64_t high,
                uint32_t flags)
{
	(void)high;
	return transfer_vector2(fd, vector, count, true, position, flags);
}

SYSCALL_HANDLER(lseek, int fd, int64_t offset, int whence)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	if (!file->ops->seek)
		return -ESPIPE;
	if (common_mode() == COMMON_ALONE)
		return file->ops->seek(file, offset, whence);
	int64_t result;
	if (file->ops->parallel && whence <= SEEK_END) {
		lock_acquire(&file->position_lock);
		result = file->ops->seek(file, offset, whence);
		lock_release(&file->position_lock);
	} else {
		enum common_mode before = common_alone();
		result = file->ops->seek(file, offset, whence);
		common_back(before);
	}
	return result;
}

/* ---- Writing back, hints ---- */

static int64_t sync_file(int fd, bool data_only)
{
	struct file *file = file_of(fd);
	if (!file)
		return -EBADF;
	return file->ops->sync ? file->ops->sync(file, data_only) : -EINVAL;
}

SYSCALL_HANDLER(fsync, int fd)
{
	return sync_file(fd, false);
}

SYSCALL_HANDLER(fdatasync, int fd)
{
	return sync_file(fd, true);
}

SYSCALL_HANDLER(sync, void)
{
	(void)backing_sync_all();
	return 0;
}

SYSCALL_HANDLER(syncfs, int fd)
{
	return file_of(fd) ? backing_sync_all() : -EBADF;
}

static bool of_kind(const struct file *file, uint32_t type)
{
	return file->vnode && (file->vnode->mode & S_IFMT) == type;
}

SYSCALL_HANDLER(sync_file_range, int fd, int64_t offset, int64_t bytes, uint32_t flags)
{
	struct file *file = file_of(fd);
	int64_t end;
	if (!file)
		return -EBADF;
	if (offset < 0 || bytes < 0 || flags > 7 || __builtin_add_overflow(offset, bytes, &end))
		return -EINVAL;
	return of_kind(file, S_IFREG) || of_kind(file, S_IFDIR) || of_kind(file, S_IFLNK) ? 0 : -ESPIPE;
}

SYSCALL_HANDLER(fadvise64, int fd, int64_t offset, int64_t bytes, int advice)
{
	const struct file *file = file_of(fd);
	(void)offset;
	if (!file)
		return -EBADF;
	if (of_kind(file, S_IFIFO))
		return -ESPIPE;
	return bytes < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}

SYSCALL_HANDLER(readahead, int fd, int64_t offset, uint64_t bytes)
{
	const struct file *file = file_of(fd);
	(void)offset;
	(void)bytes;
	return !file || !file_readable(file) ? -EBADF : of_kind(file, S_IFREG) ? 0 : -EINVAL;
}

static int64_t owner_ioctl(struct file *file, bool set, uint64_t argument)
{
	int32_t owner;
	if (!set)
		return put_user_u32(argument, (uint32_t)file_owner(file));
	return copy_from_user(&owner, argument, sizeof(owner)) ? -EFAULT : file_set_owner(file, owner);
}

/* FICLONE and FICLONERANGE: no file shares blocks with another. */
static int64_t clone_ioctl(const struct file *file, int64_t source_fd)
{
	const struct file *source = file_of((int)source_fd);
	if (!source)
		return -EBADF;
	if (!source->vnode || source->vnode->filesystem != file->vnode->filesystem)
		return -EXDEV;
	return of_kind(file, S_IFDIR) || of_kind(source, S_IFDIR) ? -EISDIR : -EOPNOTSUPP;
}

/* Attributes of inodes (chattr(1)), by either interface: there are none, and none can be set. ZEROS: bytes of a request that must be
 * zero. */
static int64_t flags_ioctl(const struct file *file, bool set, uint32_t bytes, uint32_t zeros,
                           uint64_t argument)
{
	uint8_t request[28] = {0};
	if (!set)
		return copy_to_user(argument, request, bytes);
	if (copy_from_user(request, argument, bytes))
		return -EFAULT;
	if (!owns(file->vnode))
		return -EPERM;
	for (uint32_t i = 0; i < zeros; i++)
		if (request[i])
			return -EOPNOTSUPP;
	return 0;
}

/* What is asked of regular files and directories. -ENOTTY: nothing of this. */
static int64_t tree_ioctl(const struct file *file, uint32_t command, uint64_t argument)
{
	const struct filesystem *filesystem = file->vnode->filesystem;
	bool in_memory = filesystem && filesystem->magic == TMPFS_MAGIC;
	uint64_t range[4];
	uint32_t value;
	switch (command) {
	case 0x40049409: /* FICLONE */
		return clone_ioctl(file, (int64_t)argument);
	case 0x4020940d: /* FICLONERANGE */
		return copy_from_user(range, argument, sizeof(range)) ? -EFAULT
		                                                      : clone_ioctl(file, (int64_t)range[0]);
	case 0xc0189436: /* FIDEDUPERANGE */
		if (get_user_u32(&value, argument))
			return -EFAULT;
		return of_kind(file, S_IFDIR) ? -EISDIR : -EOPNOTSUPP;
	case 0xc0045877: /* FIFREEZE */
		return capable(CAP_SYS_ADMIN) ? -EOPNOTSUPP : -EPERM;
	case 0xc0045878: /* FITHAW: nothing is frozen */
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	case 0x80086601: /* FS_IOC_GETFLAGS: a word, whatever its number says */
		return in_memory ? flags_ioctl(file, false, 4, 0, argument) : -ENOTTY;
	case 0x40086602: /* FS_IOC_SETFLAGS */
		return in_memory ? flags_ioctl(file, true, 4, 4, argument) : -ENOTTY;
	case 0x801c581f: /* FS_IOC_FSGETXATTR */
		return in_memory ? flags_ioctl(file, false, 28, 0, argument) : -ENOTTY;
	case 0x401c5820: /* FS_IOC_FSSETXATTR */
		return in_memory ? flags_ioctl(file, true, 28, 28, argument) : -ENOTTY;
	default:
		return -ENOTTY;
	}
}

SYSCALL_HANDLER(ioctl, int fd, uint32_t command, uint64_t argument)
{
	enum {
		FIONREAD = 0x541b,
		FIONBIO = 0x5421,
		FIOCLEX = 0x5451,
		FIONCLEX = 0x5450,
		FIOASYNC = 0x5452,
		FIOSETOWN = 0x8901,
		SIOCSPGRP,
		FIOGETOWN,
		SIOCGPGRP,
		FIOQSIZE = 0x5460,
		FIGETBSZ = 2,
		FIBMAP = 1,
	};
	struct file *file = file_of(fd);
	struct files *files = current_task()->files;
	uint64_t bit = 1ull << ((uint32_t)fd % 64);
	uint32_t value;
	if (!file)
		return -EBADF;
	switch (command) {
	case FIOCLEX:
		files->close_on_exec[fd / 64] |= bit;
		return 0;
	case FIONCLEX:
		files->close_on_exec[fd / 64] &= ~bit;
		return 0;
	case FIONBIO:
	case FIOASYNC:
		if (get_user_u32(&value, argument))
			return -EFAULT;
		bit = command == FIONBIO ? O_NONBLOCK : O_ASYNC;
		file->flags = value ? file->flags | (uint32_t)bit : file->flags & ~(uint32_t)bit;
		return 0;
	}
	if (command == FIOSETOWN || command == SIOCSPGRP || command == FIOGETOWN || command == SIOCGPGRP)
		return file->ops->socket
		           ? owner_ioctl(file, command == FIOSETOWN || command == SIOCSPGRP, argument)
		           : -ENOTTY;
	if (of_kind(file, S_IFREG) || of_kind(file, S_IFDIR)) {
		int64_t result = tree_ioctl(file, command, argument);
		if (result != -ENOTTY)
			return result;
	}
	if (of_kind(file, S_IFREG) && command == FIONREAD)
		return put_user_u32(argument, (uint32_t)((int64_t)file->vnode->size - file->position));
	if (of_kind(file, S_IFREG) && command == FIBMAP)
		return !capable(CAP_SYS_RAWIO) ? -EPERM : get_user_u32(&value, argument) ? -EFAULT : -EINVAL;
	if (command == FIGETBSZ && file->vnode)
		return put_user_u32(argument, 4096);
	if (command == FIOQSIZE && file->vnode)
		return of_kind(file, S_IFREG) || of_kind(file, S_IFDIR) || of_kind(file, S_IFLNK)
		           ? put_user_u64(argument, file->vnode->size)
		           : -ENOTTY;
	int64_t result = file->ops->ioctl ? file->ops->ioctl(file, command, argument) : -ENOTTY;
	return result == -ENOTTY && of_kind(file, S_IFREG) ? file_allocate_ioctl(fd, command, argument)
	                                                   : result;
}
