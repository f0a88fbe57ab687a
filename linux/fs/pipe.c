/* Pipes and named pipes: pipe(7), fifo(7).
 *
 * A ring of bytes. Writes of up to PIPE_BUF bytes are whole. Both ends are files that share a struct pipe.
 */
#include "../internal.h"
#include "lock.h"
#include "name.h"
#include "ramfs.h"
#include "ring.h"

#define PIPE_BUF     4096u
#define CAPACITY     65536u
#define CAPACITY_MAX 1048576u

struct pipe {
	struct lock lock;    /* LOCK_OBJECT: the ring, and who sleeps */
	uint32_t references; /* files, and the vnode of a named pipe while it has files */
	uint32_t readers, writers;
	struct ring ring;
	uint32_t reader_generation, writer_generation; /* counts opens: named pipes wait for the other side */
	struct wait_queue read_wait, write_wait;
	struct vnode *vnode; /* of a named pipe; the pipe is found through vnode->private */
	uint64_t number;
};

static struct pipe *pipe_create(void)
{
	static uint64_t number = 1000;
	struct pipe *pipe = heap_allocate(sizeof(*pipe));
	if (!pipe)
		return 0;
	lock_init(&pipe->lock, LOCK_OBJECT);
	pipe->ring.capacity = CAPACITY;
	pipe->number = number++;
	wait_queue_init(&pipe->read_wait);
	wait_queue_init(&pipe->write_wait);
	return pipe;
}

static void pipe_release_reference(struct pipe *pipe)
{
	if (--pipe->references)
		return;
	if (pipe->vnode)
		pipe->vnode->private = 0;
	ring_free(&pipe->ring);
	heap_free(pipe);
}

static int64_t read_locked(struct pipe *pipe, const struct file *file, struct io *io)
{
	while (!ring_held(&pipe->ring)) {
		if (!pipe->writers)
			return 0;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event_locked(&pipe->read_wait, &pipe->lock,
		                               ring_held(&pipe->ring) || !pipe->writers, DEADLINE_NEVER);
		if (result)
			return result;
	}
	int64_t total = ring_put(&pipe->ring, io, io->remaining, 0, false);
	wake_all(&pipe->write_wait, POLLOUT | POLLWRNORM);
	return total;
}

static int64_t pipe_read(struct file *file, struct io *io, int64_t *position)
{
	struct pipe *pipe = file->private;
	(void)position;
	if (!io->remaining)
		return 0;
	lock_acquire(&pipe->lock);
	int64_t result = read_locked(pipe, file, io);
	lock_release(&pipe->lock);
	return result;
}

static int64_t write_locked(struct pipe *pipe, const struct file *file, struct io *io)
{
	int64_t total = 0;
	while (io->remaining) {
		if (!pipe->readers)
			return total ? total : -EPIPE;
		uint32_t room = ring_room(&pipe->ring, io->remaining);
		/* A write that fits PIPE_BUF goes in whole or waits. */
		uint64_t need = !total && io->remaining <= PIPE_BUF ? io->remaining : 1;
		if (room < need) {
			if (!ring_held(&pipe->ring))
				return total ? total : -ENOMEM;
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result = wait_event_locked(&pipe->write_wait, &pipe->lock,
			                               !pipe->readers || ring_room(&pipe->ring, need) >= need,
			                               DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		int64_t done = ring_take(&pipe->ring, io, room);
		if (done > 0)
			wake_all(&pipe->read_wait, POLLIN | POLLRDNORM);
		if (done <= 0)
			return total ? total : done;
		total += done;
	}
	return total;
}

static int64_t pipe_write(struct file *file, struct io *io, int64_t *position)
{
	struct pipe *pipe = file->private;
	(void)position;
	lock_acquire(&pipe->lock);
	int64_t result = write_locked(pipe, file, io);
	bool broken = io->remaining && !pipe->readers;
	lock_release(&pipe->lock);
	if (broken) {
		enum common_mode mode = common_alone();
		signal_send_task(current_task(), SIGPIPE, 0);
		common_back(mode);
	}
	return result;
}

static uint32_t pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *pipe = file->private;
	uint32_t events = 0;
	if (file_readable(file)) {
		poll_wait(table, &pipe->read_wait);
		if (ring_held(&pipe->ring))
			events |= POLLIN | POLLRDNORM;
		if (!pipe->writers)
			events |= POLLHUP;
	}
	if (file_writable(file)) {
		poll_wait(table, &pipe->write_wait);
		if (pipe->ring.capacity >= ring_held(&pipe->ring) + PIPE_BUF)
			events |= POLLOUT | POLLWRNORM;
		if (!pipe->readers)
			events |= POLLERR;
	}
	return events;
}

static int64_t pipe_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	const struct pipe *pipe = file->private;
	enum { FIONREAD = 0x541b };
	if (command != FIONREAD)
		return -ENOTTY;
	return put_user_u32(argument, (uint32_t)ring_held(&pipe->ring));
}

static void pipe_release(struct file *file)
{
	struct pipe *pipe = file->private;
	if (file_readable(file))
		pipe->readers--;
	if (file_writable(file))
		pipe->writers--;
	if (!pipe->readers)
		wake_all(&pipe->write_wait, 0);
	if (!pipe->writers)
		wake_all(&pipe->read_wait, 0);
	pipe_release_reference(pipe);
}

static void pipe_describe(struct file *file, char *text, uint32_t size)
{
	const struct pipe *pipe = file->private;
	text_format(text, size, "pipe:[%lu]", pipe->number);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .parallel = true,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
    .describe = pipe_describe,
};

SYSCALL_HANDLER(pipe2, uint64_t address, uint32_t flags)
{
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	struct pipe *pipe = pipe_create();
	uint32_t status = flags & (O_NONBLOCK | O_DIRECT);
	struct file *reader = pipe ? file_create(&pipe_ops, O_RDONLY | status, pipe) : 0;
	struct file *writer = reader ? file_create(&pipe_ops, O_WRONLY | status, pipe) : 0;
	if (!writer) {
		heap_free(reader);
		heap_free(pipe);
		return -ENOMEM;
	}
	pipe->references = 2;
	pipe->readers = pipe->writers = 1;
	int64_t fds[2];
	fds[0] = file_install(reader, 0, flags & O_CLOEXEC);
	if (fds[0] < 0) {
		file_release(reader);
		file_release(writer);
		return fds[0];
	}
	fds[1] = file_install(writer, 0, flags & O_CLOEXEC);
	uint32_t user[2] = {(uint32_t)fds[0], (uint32_t)fds[1]};
	if (fds[1] < 0) {
		file_release(writer);
	} else if (copy_to_user(address, user, sizeof(user)) == 0) {
		return 0;
	} else {
		sys_close((int)fds[1]);
		fds[1] = -EFAULT;
	}
	sys_close((int)fds[0]);
	return fds[1];
}

SYSCALL_HANDLER(pipe, uint64_t address)
{
	return sys_pipe2(address, 0);
}

int fifo_open(struct vnode *vnode, struct file *file)
{
	struct pipe *pipe = vnode->private;
	if (!pipe) {
		pipe = pipe_create();
		if (!pipe)
			return -ENOMEM;
		vnode->private = pipe;
		pipe->vnode = vnode;
	}
	bool reads = file_readable(file);
	bool writes = file_writable(file);
	if (writes && !reads && (file->flags & O_NONBLOCK) && !pipe->readers) {
		if (!pipe->references) {
			vnode->private = 0;
			heap_free(pipe);
		}
		return -ENXIO;
	}
	pipe->references++;
	if (reads) {
		pipe->readers++;
		pipe->reader_generation++;
		wake_all(&pipe->write_wait, 0);
	}
	if (writes) {
		pipe->writers++;
		pipe->writer_generation++;
		wake_all(&pipe->read_wait, 0);
	}
	int result = 0;
	uint32_t readers = pipe->reader_generation;
	uint32_t writers = pipe->writer_generation;
	if (reads && !writes && !pipe->writers && !(file->flags & O_NONBLOCK))
		result = wait_event(&pipe->read_wait, pipe->writer_generation != writers, DEADLINE_NEVER);
	else if (writes && !reads && !pipe->readers)
		result = wait_event(&pipe->write_wait, pipe->reader_generation != readers, DEADLINE_NEVER);
	file->private = pipe;
	if (result) {
		pipe_release(file);
		return result;
	}
	file->ops = &pipe_ops;
	return 0;
}

int64_t pipe_fcntl(struct file *file, int command, uint64_t argument)
{
	struct pipe *pipe = file->private;
	if (file->ops != &pipe_ops)
		return -EBADF;
	if (command == F_GETPIPE_SZ)
		return pipe->ring.capacity;
	uint32_t capacity = 4096;
	if (argument > CAPACITY_MAX)
		return -EPERM;
	while (capacity < argument)
		capacity *= 2;
	if (capacity < ring_held(&pipe->ring))
		return -EBUSY;
	pipe->ring.capacity = capacity;
	return capacity;
}
