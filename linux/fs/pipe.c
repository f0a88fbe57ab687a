/* Pipes and named pipes: pipe(7), fifo(7).
 *
 * A ring of bytes that starts at one page and grows to its capacity when a writer needs it. Writes of up to
 * PIPE_BUF bytes are whole. Both ends are files that share a struct pipe.
 */
#include "../internal.h"
#include "lock.h"
#include "name.h"
#include "ramfs.h"

#define PIPE_BUF     4096u
#define CAPACITY     65536u
#define CAPACITY_MAX 1048576u

struct pipe {
	uint32_t references; /* files, and the vnode of a named pipe while it has files */
	uint32_t readers, writers;
	uint32_t capacity; /* limit of what is held */
	uint32_t room;     /* bytes of `bytes`: a power of two */
	uint8_t *bytes;
	uint64_t head, tail;                           /* written, read; modulo room */
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
	pipe->capacity = CAPACITY;
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
	if (pipe->bytes)
		pages_free(pipe->bytes, pipe->room / 4096);
	heap_free(pipe);
}

/* Makes room for BYTES more, as far as the capacity and memory allow; the bytes that fit now. */
static uint32_t pipe_room(struct pipe *pipe, uint64_t bytes)
{
	uint64_t held = pipe->head - pipe->tail;
	uint64_t want = held + bytes < pipe->capacity ? held + bytes : pipe->capacity;
	if (want > pipe->room) {
		uint32_t room = pipe->room ? pipe->room : 4096;
		while (room < want)
			room *= 2;
		uint8_t *grown = pages_allocate(room / 4096);
		if (grown) {
			for (uint64_t at = pipe->tail; at < pipe->head; at++)
				grown[at % room] = pipe->bytes[at % pipe->room];
			if (pipe->bytes)
				pages_free(pipe->bytes, pipe->room / 4096);
			pipe->bytes = grown;
			pipe->room = room;
		}
	}
	uint64_t limit = pipe->room < pipe->capacity ? pipe->room : pipe->capacity;
	return limit > held ? (uint32_t)(limit - held) : 0;
}

static int64_t pipe_read(struct file *file, struct io *io, int64_t *position)
{
	struct pipe *pipe = file->private;
	(void)position;
	if (!io->remaining)
		return 0;
	while (pipe->head == pipe->tail) {
		if (!pipe->writers)
			return 0;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result =
		    wait_event(&pipe->read_wait, pipe->head != pipe->tail || !pipe->writers, DEADLINE_NEVER);
		if (result)
			return result;
	}
	int64_t total = 0;
	while (io->remaining && pipe->head != pipe->tail) {
		uint32_t at = (uint32_t)(pipe->tail % pipe->room);
		uint64_t part = pipe->head - pipe->tail;
		if (part > pipe->room - at)
			part = pipe->room - at;
		int64_t done = io_put(io, pipe->bytes + at, part);
		if (done <= 0) {
			if (!total)
				total = done;
			break;
		}
		pipe->tail += (uint64_t)done;
		total += done;
	}
	wake_all(&pipe->write_wait, POLLOUT | POLLWRNORM);
	return total;
}

static int64_t pipe_write(struct file *file, struct io *io, int64_t *position)
{
	struct pipe *pipe = file->private;
	int64_t total = 0;
	(void)position;
	while (io->remaining) {
		if (!pipe->readers) {
			signal_send_task(current_task(), SIGPIPE, 0);
			return total ? total : -EPIPE;
		}
		uint32_t room = pipe_room(pipe, io->remaining);
		/* A write that fits PIPE_BUF goes in whole or waits. */
		uint64_t need = !total && io->remaining <= PIPE_BUF ? io->remaining : 1;
		if (room < need) {
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result =
			    wait_event(&pipe->write_wait, !pipe->readers || pipe_room(pipe, need) >= need,
			               DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		while (room && io->remaining) {
			uint32_t at = (uint32_t)(pipe->head % pipe->room);
			uint32_t part = room < pipe->room - at ? room : pipe->room - at;
			int64_t done = io_take(io, pipe->bytes + at, part);
			if (done <= 0) {
				if (pipe->head != pipe->tail)
					wake_all(&pipe->read_wait, POLLIN | POLLRDNORM);
				return total ? total : done;
			}
			pipe->head += (uint64_t)done;
			total += done;
			room -= (uint32_t)done;
		}
		wake_all(&pipe->read_wait, POLLIN | POLLRDNORM);
	}
	return total;
}

static uint32_t pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *pipe = file->private;
	uint32_t events = 0;
	if (file_readable(file)) {
		poll_wait(table, &pipe->read_wait);
		if (pipe->head != pipe->tail)
			events |= POLLIN | POLLRDNORM;
		if (!pipe->writers)
			events |= POLLHUP;
	}
	if (file_writable(file)) {
		poll_wait(table, &pipe->write_wait);
		if (pipe->capacity - (pipe->head - pipe->tail) >= PIPE_BUF)
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
	return put_user_u32(argument, (uint32_t)(pipe->head - pipe->tail));
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
		return pipe->capacity;
	uint32_t capacity = 4096;
	if (argument > CAPACITY_MAX)
		return -EPERM;
	while (capacity < argument)
		capacity *= 2;
	if (capacity < pipe->head - pipe->tail)
		return -EBUSY;
	pipe->capacity = capacity;
	return capacity;
}
