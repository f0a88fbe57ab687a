/* From file to file: sendfile(2), copy_file_range(2), splice(2), tee(2), vmsplice(2), through a buffer.
 *
 * None of them waits once it has moved something, files to files apart: what a pipe holds or has room for at that
 * moment is the limit.
 */
#include "../internal.h"
#include "io.h"
#include "name.h"
#include "open.h"
#include "pipe.h"

#define COPY_BUFFER 16384u

enum { SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4, SPLICE_F_GIFT = 8, SPLICE_F_ALL = 15 };

/* One side of a copy: where in the file, and whether it may sleep. */
struct side {
	struct file *file;
	int64_t *position; /* the file's own, or a copy of what the user gave */
	int64_t own;
	uint64_t user; /* address of the position, or 0 */
	bool pipe, wait;
};

static bool is_regular(const struct file *file)
{
	return file->vnode && S_ISREG(file->vnode->mode);
}

/* Others may go on while a file service is asked, where nobody else moves the position. What a pipe holds they may take meanwhile:
 * what a write of that needs is fetched before it is looked at. */
static uint32_t beside(const struct side *from)
{
	bool own = from->user || __atomic_load_n(&from->file->references, __ATOMIC_RELAXED) == 1;
	return !from->pipe && own ? IO_BESIDE : 0;
}

/* Writes all of [buffer, buffer + bytes) unless it must not wait; how much, or why nothing. FLAGS as beside(). */
static int64_t put(const struct side *to, uint8_t *buffer, uint64_t bytes, bool wait, uint32_t flags)
{
	uint64_t total = 0;
	while (total < bytes) {
		struct linux_iovec one;
		struct io io;
		io_init_kernel(&io, &one, buffer + total, bytes - total);
		io.flags = flags | (wait && !to->pipe ? 0 : IO_NO_WAIT);
		int64_t done = do_write(to->file, &io, to->position);
		if (done <= 0)
			return total ? (int64_t)total : done;
		total += (uint64_t)done;
	}
	return (int64_t)total;
}

/* Would a transfer with a socket or the like not sleep? */
static bool ready(const struct side *side, uint32_t events)
{
	struct file *file = side->file;
	return side->pipe || !file->ops->poll || (file->ops->poll(file, 0) & events);
}

/* How much of BYTES there is now, and room for it, where a pipe says that. 0: the source has ended. */
static int64_t piece_wait(const struct side *from, const struct side *to, uint64_t bytes, bool wait)
{
	uint64_t part = bytes < COPY_BUFFER ? bytes : COPY_BUFFER, limit;
	if (from->pipe) {
		int error = pipe_wait_data(from->file, wait && from->wait, &limit);
		if (error || !limit)
			return error;
		part = part < limit ? part : limit;
	}
	if (to->pipe) {
		int error = pipe_wait_room(to->file, wait && to->wait, &limit);
		if (error)
			return error;
		part = part < limit ? part : limit;
	}
	return (int64_t)part;
}

/* One piece of at most BYTES by way of BUFFER. 0: the source has ended. -EAGAIN also where others have been faster. */
static int64_t copy_piece(struct side *from, struct side *to, uint8_t *buffer, uint64_t bytes, bool first)
{
	struct linux_iovec one;
	struct io io;
	int64_t part = piece_wait(from, to, bytes, first);
	if (part > 0 && from->pipe && !to->pipe && to->file->ops->write_fetch) {
		to->file->ops->write_fetch(to->file, *to->position, (uint64_t)part);
		part = piece_wait(from, to, (uint64_t)part, false);
	}
	if (part <= 0)
		return part;
	if (!from->wait && !ready(from, POLLIN | POLLHUP))
		return -EAGAIN;
	if (!to->wait && !ready(to, POLLOUT | POLLERR))
		return -EAGAIN;
	io_init_kernel(&io, &one, buffer, (uint64_t)part);
	io.flags |= beside(from);
	int64_t got = from->pipe ? pipe_peek(from->file, &io) : do_read(from->file, &io, from->position);
	if (got <= 0)
		return got;
	int64_t done = put(to, buffer, (uint64_t)got, to->wait, beside(from));
	if (from->pipe && done > 0)
		pipe_consume(from->file, (uint64_t)done);
	else if (!from->pipe && from->file->ops->seekable)
		*from->position -= got - (done > 0 ? done : 0);
	return done;
}

/* Others took what a pipe held, or its room, while a file service was asked: it is waited for once more. */
static bool outrun(const struct side *from, const struct side *to)
{
	bool file = (from->pipe && to->file->ops->write_fetch) || (to->pipe && from->file->ops->seekable);
	return file && from->wait && to->wait;
}

static int64_t copy(struct side *from, struct side *to, uint64_t bytes)
{
	uint8_t *buffer = pages_allocate(COPY_BUFFER / PAGE_SIZE_BYTES);
	int64_t total = 0;
	if (!buffer)
		return -ENOMEM;
	bytes = bytes < IO_MAX ? bytes : IO_MAX;
	/* What is no file with positions and no pipe may wait at its second read. */
	bool once = !from->pipe && !from->file->ops->seekable;
	while (bytes) {
		int64_t done = copy_piece(from, to, buffer, bytes, !total);
		if (done == -EAGAIN && !total && outrun(from, to))
			continue;
		if (done <= 0) {
			total = total ? total : done;
			break;
		}
		total += done;
		bytes -= (uint64_t)done;
		if (once || signal_pending())
			break;
	}
	pages_free(buffer, COPY_BUFFER / PAGE_SIZE_BYTES);
	return write_through(to->file, 0, total);
}

static int side_open(struct side *side, int fd, uint64_t user)
{
	side->file = file_of(fd);
	if (!side->file)
		return -EBADF;
	side->pipe = is_pipe(side->file);
	side->wait = !(side->file->flags & O_NONBLOCK);
	side->user = user;
	side->position = user ? &side->own : &side->file->position;
	return 0;
}

/* Takes the position the user gave. */
static int side_start(struct side *side)
{
	if (!side->user)
		return 0;
	if (copy_from_user(&side->own, side->user, 8))
		return -EFAULT;
	return side->own < 0 ? -EINVAL : 0;
}

static int side_end(const struct side *side)
{
	return side->user && copy_to_user(side->user, &side->own, 8) ? -EFAULT : 0;
}

SYSCALL_HANDLER(sendfile, int out, int in, uint64_t offset, uint64_t bytes)
{
	struct side from, to;
	int error = side_open(&from, in, offset);
	if (!error)
		error = side_open(&to, out, 0);
	if (!error && (!file_readable(from.file) || !file_writable(to.file)))
		error = -EBADF;
	if (!error && offset && !from.file->ops->seekable)
		error = -ESPIPE;
	if (!error && (!is_regular(from.file) || !to.file->ops->write || (to.file->flags & O_APPEND)))
		error = -EINVAL;
	if (!error)
		error = side_start(&from);
	if (error)
		return error;
	int64_t result = copy(&from, &to, bytes);
	return side_end(&from) ? -EFAULT : result;
}

static bool overlap(int64_t a, int64_t b, uint64_t bytes)
{
	return (uint64_t)a < (uint64_t)b + bytes && (uint64_t)b < (uint64_t)a + bytes;
}

SYSCALL_HANDLER(copy_file_range, int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes,
                uint32_t flags)
{
	struct side from, to;
	int64_t end;
	int error = side_open(&from, in, in_offset);
	if (!error)
		error = side_open(&to, out, out_offset);
	if (!error)
		error = side_start(&from);
	if (!error)
		error = side_start(&to);
	if (error)
		return error;
	if (flags)
		return -EINVAL;
	const struct vnode *source = file_vnode(from.file), *target = file_vnode(to.file);
	if (!source || !target)
		return -ENOMEM;
	if (S_ISDIR(source->mode) || S_ISDIR(target->mode))
		return -EISDIR;
	if (!S_ISREG(source->mode) || !S_ISREG(target->mode))
		return -EINVAL;
	if (!file_readable(from.file) || !file_writable(to.file) || (to.file->flags & O_APPEND))
		return -EBADF;
	if (__builtin_add_overflow(*from.position, (int64_t)(bytes & INT64_MAX), &end) ||
	    __builtin_add_overflow(*to.position, (int64_t)(bytes & INT64_MAX), &end))
		return -EOVERFLOW;
	uint64_t at = (uint64_t)*from.position;
	uint64_t there = at < source->size ? source->size - at : 0;
	bytes = bytes < there ? bytes : there;
	if (source == target && overlap(*from.position, *to.position, bytes))
		return -EINVAL;
	if (!bytes)
		return 0;
	int64_t result = copy(&from, &to, bytes);
	if (result > 0 && (side_end(&from) || side_end(&to)))
		return -EFAULT;
	return result;
}

/* What splice(2) says of its two files; 0 where they may be joined. */
static int splice_check(const struct side *from, const struct side *to)
{
	if (!file_readable(from->file) || !file_writable(to->file))
		return -EBADF;
	if (!from->pipe && !to->pipe)
		return -EINVAL;
	if ((from->pipe && from->user) || (to->pipe && to->user))
		return -ESPIPE;
	if (from->pipe && to->pipe)
		return pipe_same(from->file, to->file) ? -EINVAL : 0;
	if ((from->user && !from->file->ops->seekable) || (to->user && !to->file->ops->seekable))
		return -EINVAL;
	if (from->file->ops->getdents || (!to->pipe && (to->file->flags & O_APPEND)))
		return -EINVAL;
	return from->file->ops->read && to->file->ops->write ? 0 : -EINVAL;
}

SYSCALL_HANDLER(splice, int in, uint64_t in_offset, int out, uint64_t out_offset, uint64_t bytes,
                uint32_t flags)
{
	struct side from, to;
	if (!bytes)
		return 0;
	if (flags & ~(uint32_t)SPLICE_F_ALL)
		return -EINVAL;
	int error = side_open(&from, in, in_offset);
	if (!error)
		error = side_open(&to, out, out_offset);
	if (!error)
		error = splice_check(&from, &to);
	if (!error)
		error = side_start(&from);
	if (!error)
		error = side_start(&to);
	if (error)
		return error;
	bool wait = !(flags & SPLICE_F_NONBLOCK);
	from.wait = from.wait && wait;
	to.wait = to.wait && wait;
	int64_t result = copy(&from, &to, bytes);
	if (result > 0 && (side_end(&from) || side_end(&to)))
		return -EFAULT;
	return result;
}

SYSCALL_HANDLER(tee, int in, int out, uint64_t bytes, uint32_t flags)
{
	struct side from, to;
	uint64_t there, room;
	if (flags & ~(uint32_t)SPLICE_F_ALL)
		return -EINVAL;
	if (!bytes)
		return 0;
	int error = side_open(&from, in, 0);
	if (!error)
		error = side_open(&to, out, 0);
	if (!error && (!file_readable(from.file) || !file_writable(to.file)))
		error = -EBADF;
	if (!error && (!from.pipe || !to.pipe || pipe_same(from.file, to.file)))
		error = -EINVAL;
	bool wait = !(flags & SPLICE_F_NONBLOCK);
	if (!error)
		error = pipe_wait_data(from.file, wait && from.wait, &there);
	if (error || !there)
		return error;
	error = pipe_wait_room(to.file, wait && to.wait, &room);
	if (error)
		return error;
	/* What was there may have been read while it waited for room: then nothing is copied. */
	bytes = bytes < room ? bytes : room;
	bytes = bytes < 65536 ? bytes : 65536;
	uint64_t pages = (bytes + PAGE_SIZE_BYTES - 1) / PAGE_SIZE_BYTES;
	uint8_t *buffer = pages_allocate(pages);
	if (!buffer)
		return -ENOMEM;
	struct linux_iovec one;
	struct io io;
	io_init_kernel(&io, &one, buffer, bytes);
	int64_t got = pipe_peek(from.file, &io);
	if (got > 0)
		got = put(&to, buffer, (uint64_t)got, false, 0);
	pages_free(buffer, pages);
	return got;
}

SYSCALL_HANDLER(vmsplice, int fd, uint64_t vector, uint64_t count, uint32_t flags)
{
	struct linux_iovec few[8];
	struct linux_iovec *segments;
	struct io io;
	struct file *file = file_of(fd);
	if (flags & ~(uint32_t)SPLICE_F_ALL)
		return -EINVAL;
	if (!file)
		return -EBADF;
	int64_t result = iovec_from_user(&segments, vector, count, few, 8);
	if (result)
		return result;
	io_init_vector(&io, segments, (uint32_t)count);
	bool wait = !(flags & SPLICE_F_NONBLOCK) && !(file->flags & O_NONBLOCK);
	uint64_t bytes;
	if (!is_pipe(file))
		result = -EBADF;
	else if (!io.remaining)
		result = 0;
	else if (!file_writable(file)) {
		io.flags = wait ? 0 : IO_NO_WAIT;
		result = do_read(file, &io, &file->position);
	} else if ((result = pipe_wait_room(file, wait, &bytes)) == 0) {
		io.remaining = io.remaining < bytes ? io.remaining : bytes;
		io.flags = IO_NO_WAIT;
		result = do_write(file, &io, &file->position);
	}
	if (segments != few)
		heap_free(segments);
	return result;
}
