/* Moving bytes: read(2), write(2), their vector and positioned forms, lseek, sendfile, splice,
 * copy_file_range. */
#include "../internal.h"
#include "lock.h"
#include "name.h"
#include "open.h"

#define IOV_MAX     1024u
#define IO_MAX      0x7ffff000ull /* one call moves at most this */
#define COPY_BUFFER 16384u

static int64_t do_read(struct file *file, struct io *io, int64_t *position)
{
	if (!file_readable(file))
		return -EBADF;
	if (!file->ops->read)
		return -EINVAL;
	int64_t done = file->ops->read(file, io, position);
	if (done > 0 && inotify_watched(file))
		inotify_file(file, 1); /* IN_ACCESS */
	return done;
}

static int64_t do_write(struct file *file, struct io *io, int64_t *position)
{
	if (!file_writable(file))
		return -EBADF;
	if (!file->ops->write)
		return -EINVAL;
	int64_t done = file->ops->write(file, io, position);
	if (done > 0 && inotify_watched(file))
		inotify_file(file, 2); /* IN_MODIFY */
	return done;
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
	int64_t *at = position ? position : &file->position;
	if (common_mode() == COMMON_ALONE)
		return write ? do_write(file, io, at) : do_read(file, io, at);
	return transfer_shared(file, io, write, at);
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

static int64_t transfer_vector(int fd, uint64_t vector, uint64_t count, bool write, int64_t *position)
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
	result = transfer(fd, &io, write, position);
	if (segments != few)
		heap_free(segments);
	return result;
}

SYSCALL_HANDLER(readv, int fd, uint64_t vector, uint64_t count)
{
	return transfer_vector(fd, vector, count, false, 0);
}

SYSCALL_HANDLER(writev, int fd, uint64_t vector, uint64_t count)
{
	return transfer_vector(fd, vector, count, true, 0);
}

SYSCALL_HANDLER(preadv, int fd, uint64_t vector, uint64_t count, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_vector(fd, vector, count, false, &position);
}

SYSCALL_HANDLER(pwritev, int fd, uint64_t vector, uint64_t count, int64_t position)
{
	return position < 0 ? -EINVAL : transfer_vector(fd, vector, count, true, &position);
}

#define RWF_KNOWN 0x1f /* hints of preadv2 and pwritev2 that change nothing in memory */

SYSCALL_HANDLER(preadv2, int fd, uint64_t vector, uint64_t count, int64_t position, uint64_t high,
                uint32_t flags)
{
	(void)high;
	if (flags & ~(uint32_t)RWF_KNOWN)
		return -EOPNOTSUPP;
	return position == -1 ? transfer_vector(fd, vector, count, false, 0)
	                      : sys_preadv(fd, vector, count, position);
}

SYSCALL_HANDLER(pwritev2, int fd, uint64_t vector, uint64_t count, int64_t position, uint64_t high,
                uint32_t flags)
{
	(void)high;
	if (flags & ~(uint32_t)RWF_KNOWN)
		return -EOPNOTSUPP;
	return position == -1 ? transfer_vector(fd, vector, count, true, 0)
	                      : sys_pwritev(fd, vector, count, position);
}

SYSCALL_HANDLER(lseek, int fd, int64_t offset, int whence)
{
	struct file *file = file_of(fd);
	if (!file || file->flags & O_PATH)
		return -EBADF;
	return file->ops->seek ? file->ops->seek(file, offset, whence) : -ESPIPE;
}

/* ---- From file to file ---- */

/* Moves up to BYTES through a buffer. What was read but could not be written is given back where the source
 * has positions. */
static int64_t copy_between(struct file *from, int64_t *from_position, struct file *to, int64_t *to_position,
                            uint64_t bytes)
{
	uint8_t *buffer = pages_allocate(COPY_BUFFER / 4096);
	int64_t total = 0;
	if (!buffer)
		return -ENOMEM;
	while (bytes) {
		struct linux_iovec one;
		struct io io;
		uint64_t part = bytes < COPY_BUFFER ? bytes : COPY_BUFFER;
		io_init_kernel(&io, &one, buffer, part);
		int64_t got = do_read(from, &io, from_position);
		if (got <= 0) {
			if (!total)
				total = got;
			break;
		}
		int64_t put = 0;
		while (put < got) {
			io_init_kernel(&io, &one, buffer + put, (uint64_t)(got - put));
			int64_t done = do_write(to, &io, to_position);
			if (done <= 0) {
				if (!total && !put)
					total = done;
				break;
			}
			put += done;
		}
		if (total >= 0)
			total += put;
		if (put < got) {
			if (from->ops->seekable)
				*from_position -= got - put;
			break;
		}
		bytes -= (uint64_t)got;
		if ((uint64_t)got < part && !from->ops->seekable)
			break;
	}
	pages_free(buffer, COPY_BUFFER / 4096);
	return total;
}

/* Reads a position from the user's OFFSET address (0: use *OWN), and writes it back afterwards. */
static int64_t copy_with_offsets(int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes,
                                 bool need_seekable_in)
{
	struct file *from = file_of(in);
	struct file *to = file_of(out);
	int64_t from_position;
	int64_t to_position;
	if (!from || !to || !file_readable(from) || !file_writable(to))
		return -EBADF;
	if ((need_seekable_in && !from->ops->mmap && !from->ops->seekable) ||
	    (in_offset && !from->ops->seekable) || (out_offset && !to->ops->seekable))
		return in_offset && !from->ops->seekable ? -ESPIPE : -EINVAL;
	if ((in_offset && copy_from_user(&from_position, in_offset, 8)) ||
	    (out_offset && copy_from_user(&to_position, out_offset, 8)))
		return -EFAULT;
	if ((in_offset && from_position < 0) || (out_offset && to_position < 0))
		return -EINVAL;
	int64_t result =
	    copy_between(from, in_offset ? &from_position : &from->position, to,
	                 out_offset ? &to_position : &to->position, bytes < IO_MAX ? bytes : IO_MAX);
	if (result > 0 && ((in_offset && copy_to_user(in_offset, &from_position, 8)) ||
	                   (out_offset && copy_to_user(out_offset, &to_position, 8))))
		return -EFAULT;
	return result;
}

SYSCALL_HANDLER(sendfile, int out, int in, uint64_t offset, uint64_t bytes)
{
	return copy_with_offsets(in, offset, out, 0, bytes, true);
}

SYSCALL_HANDLER(copy_file_range, int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes,
                uint32_t flags)
{
	struct file *from = file_of(in);
	struct file *to = file_of(out);
	if (flags)
		return -EINVAL;
	if (from && to &&
	    (!from->vnode || !to->vnode || !S_ISREG(from->vnode->mode) || !S_ISREG(to->vnode->mode)))
		return from->vnode && S_ISDIR(from->vnode->mode) ? -EISDIR : -EINVAL;
	return copy_with_offsets(in, in_offset, out, out_offset, bytes, true);
}

SYSCALL_HANDLER(splice, int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes,
                uint32_t flags)
{
	enum { SPLICE_F_NONBLOCK = 2, SPLICE_F_ALL = 15 };
	struct file *from = file_of(in);
	struct file *to = file_of(out);
	if (flags & ~(uint32_t)SPLICE_F_ALL)
		return -EINVAL;
	if (!from || !to)
		return -EBADF;
	if (pipe_fcntl(from, F_GETPIPE_SZ, 0) < 0 && pipe_fcntl(to, F_GETPIPE_SZ, 0) < 0)
		return -EINVAL;
	if ((flags & SPLICE_F_NONBLOCK) &&
	    ((from->ops->poll && !(from->ops->poll(from, 0) & (POLLIN | POLLHUP))) ||
	     (to->ops->poll && !(to->ops->poll(to, 0) & (POLLOUT | POLLERR)))))
		return -EAGAIN;
	return copy_with_offsets(in, in_offset, out, out_offset, bytes, false);
}

SYSCALL_HANDLER(vmsplice, int fd, uint64_t vector, uint64_t count, uint32_t flags)
{
	struct file *file = file_of(fd);
	(void)flags;
	if (!file)
		return -EBADF;
	return transfer_vector(fd, vector, count, file_writable(file), 0);
}

/* ---- Writing back, hints ---- */

static int64_t sync_file(int fd, bool data_only)
{
	struct file *file = file_of(fd);
	if (!file || file->flags & O_PATH)
		return -EBADF;
	if (file->ops->sync)
		return file->ops->sync(file, data_only);
	return file->vnode ? 0 : -EINVAL;
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
	return 0;
}

SYSCALL_HANDLER(syncfs, int fd)
{
	return file_of(fd) ? 0 : -EBADF;
}

SYSCALL_HANDLER(sync_file_range, int fd, int64_t offset, int64_t bytes, uint32_t flags)
{
	if (!file_of(fd))
		return -EBADF;
	return offset < 0 || bytes < 0 || flags > 7 ? -EINVAL : 0;
}

SYSCALL_HANDLER(fadvise64, int fd, int64_t offset, int64_t bytes, int advice)
{
	const struct file *file = file_of(fd);
	(void)offset;
	if (!file)
		return -EBADF;
	if (!file->ops->seekable)
		return -ESPIPE;
	return bytes < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
}

SYSCALL_HANDLER(readahead, int fd, int64_t offset, uint64_t bytes)
{
	const struct file *file = file_of(fd);
	(void)offset;
	(void)bytes;
	return !file || !file_readable(file) ? -EBADF : file->ops->seekable ? 0 : -EINVAL;
}

SYSCALL_HANDLER(ioctl, int fd, uint32_t command, uint64_t argument)
{
	enum { FIONBIO = 0x5421, FIOCLEX = 0x5451, FIONCLEX = 0x5450, FIOASYNC = 0x5452 };
	struct file *file = file_of(fd);
	struct files *files = current_task()->files;
	uint64_t bit = 1ull << ((uint32_t)fd % 64);
	uint32_t value;
	if (!file || file->flags & O_PATH)
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
	return file->ops->ioctl ? file->ops->ioctl(file, command, argument) : -ENOTTY;
}
