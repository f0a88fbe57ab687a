/* Pipes and named pipes: pipe(7), fifo(7).
 *
 * A ring of bytes. Writes of up to PIPE_BUF bytes are whole. Both ends are files that share a struct pipe, which
 * belongs to their vnode.
 */
#include "../internal.h"
#include "lock.h"
#include "name.h"
#include "pipe.h"
#include "ramfs.h"
#include "ring.h"
#include "../proc/proc.h"

#define PIPE_BUF     4096u
#define CAPACITY     65536u
#define CAPACITY_END (1u << 30)
#define PACKETS_MAX  256u

/* A write in packet mode (O_DIRECT), by its place in the stream: it is read by itself. */
struct packet {
	uint64_t start, end;
};

struct pipe {
	struct lock lock;    /* LOCK_OBJECT: the ring, and who sleeps */
	uint32_t references; /* files, and the vnode of a named pipe while it has files */
	uint32_t readers, writers;
	struct ring ring;
	uint32_t reader_generation, writer_generation; /* counts opens: named pipes wait for the other side */
	struct wait_queue read_wait, write_wait;
	struct vnode *vnode;    /* without a reference; the pipe is found through vnode->private */
	struct packet *packets; /* PACKETS_MAX, from packet_first on; made for the first one */
	uint32_t packet_first, packet_count;
};

static struct pipe *pipe_create(void)
{
	struct pipe *pipe = heap_allocate(sizeof(*pipe));
	if (!pipe)
		return 0;
	lock_init(&pipe->lock, LOCK_OBJECT);
	pipe->ring.capacity = CAPACITY;
	wait_queue_init(&pipe->read_wait);
	wait_queue_init(&pipe->write_wait);
	return pipe;
}

static void pipe_release_reference(struct pipe *pipe)
{
	if (--pipe->references)
		return;
	pipe->vnode->private = 0;
	ring_free(&pipe->ring);
	heap_free(pipe->packets);
	heap_free(pipe);
}

static struct packet *packet_next(struct pipe *pipe)
{
	return pipe->packet_count ? &pipe->packets[pipe->packet_first % PACKETS_MAX] : 0;
}

/* How many bytes one read may take; *PACKET: the packet that they are, or 0. */
static uint64_t read_limit(struct pipe *pipe, uint64_t bytes, struct packet **packet)
{
	struct packet *next = packet_next(pipe);
	uint64_t end = !next ? pipe->ring.head : next->start == pipe->ring.tail ? next->end : next->start;
	*packet = next && next->start == pipe->ring.tail ? next : 0;
	return bytes < end - pipe->ring.tail ? bytes : end - pipe->ring.tail;
}

/* What is left of PACKET, which has been read, is dropped. */
static void packet_done(struct pipe *pipe, const struct packet *packet)
{
	pipe->ring.tail = packet->end;
	pipe->packet_first++;
	pipe->packet_count--;
}

static int64_t read_locked(struct pipe *pipe, const struct file *file, struct io *io)
{
	struct packet *packet;
	while (!ring_held(&pipe->ring)) {
		if (!pipe->writers)
			return 0;
		if ((file->flags & O_NONBLOCK) || (io->flags & IO_NO_WAIT))
			return -EAGAIN;
		int result = wait_event_locked(&pipe->read_wait, &pipe->lock,
		                               ring_held(&pipe->ring) || !pipe->writers, DEADLINE_NEVER);
		if (result)
			return result;
	}
	uint64_t limit = read_limit(pipe, io->remaining, &packet);
	int64_t total = ring_put(&pipe->ring, io, limit, 0, false);
	if (packet && total >= 0)
		packet_done(pipe, packet);
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

/* Room for a write of BYTES; PACKETS: in packets, of which each takes a page of the capacity. */
static uint32_t room_for(struct pipe *pipe, uint64_t bytes, bool packets)
{
	uint32_t slots = pipe->ring.capacity / PIPE_BUF;
	if (packets && pipe->packet_count >= (slots < PACKETS_MAX ? slots : PACKETS_MAX))
		return 0;
	return ring_room(&pipe->ring, bytes);
}

static void packet_add(struct pipe *pipe, uint64_t start)
{
	struct packet *at = &pipe->packets[(pipe->packet_first + pipe->packet_count) % PACKETS_MAX];
	*at = (struct packet){start, pipe->ring.head};
	pipe->packet_count++;
}

static int64_t write_locked(struct pipe *pipe, const struct file *file, struct io *io)
{
	int64_t total = 0;
	bool packets = file->flags & O_DIRECT;
	if (packets && !pipe->packets &&
	    !(pipe->packets = heap_allocate(PACKETS_MAX * sizeof(struct packet))))
		return -ENOMEM;
	while (io->remaining) {
		if (!pipe->readers)
			return total ? total : -EPIPE;
		uint64_t want = packets && io->remaining > PIPE_BUF ? PIPE_BUF : io->remaining;
		uint32_t room = room_for(pipe, want, packets);
		/* A write that fits PIPE_BUF goes in whole or waits; so does each packet. */
		uint64_t need = packets || (!total && want <= PIPE_BUF) ? want : 1;
		if (room < need) {
			if (!ring_held(&pipe->ring))
				return total ? total : -ENOMEM;
			if ((file->flags & O_NONBLOCK) || (io->flags & IO_NO_WAIT))
				return total ? total : -EAGAIN;
			int result = wait_event_locked(
			    &pipe->write_wait, &pipe->lock,
			    !pipe->readers || room_for(pipe, need, packets) >= need, DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		uint64_t start = pipe->ring.head;
		int64_t done = ring_take(&pipe->ring, io, room < want ? room : want);
		if (done > 0 && packets)
			packet_add(pipe, start);
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
		if (pipe->ring.capacity >= ring_held(&pipe->ring) + PIPE_BUF &&
		    (!(file->flags & O_DIRECT) || room_for(pipe, 1, true)))
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
	text_format(text, size, "pipe:[%lu]", pipe->vnode->inode);
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

static const struct vnode_ops anonymous_ops = {.open = fifo_open, .setattr = outside_setattr};

/* A file of one end of PIPE, which VNODE has. */
static struct file *end_create(struct pipe *pipe, struct vnode *vnode, uint32_t flags)
{
	struct file *file = file_create(&pipe_ops, flags, pipe);
	if (!file)
		return 0;
	file->vnode = vnode;
	vnode->references++;
	pipe->references++;
	if (file_readable(file))
		pipe->readers++;
	else
		pipe->writers++;
	return file;
}

int pipe_ends(uint32_t flags, struct file **reader, struct file **writer)
{
	static uint64_t number = 1000;
	struct pipe *pipe = pipe_create();
	struct vnode *vnode = pipe ? vnode_outside(S_IFIFO | 0600, number) : 0;
	if (!vnode) {
		heap_free(pipe);
		return -ENOMEM;
	}
	number++;
	vnode->ops = &anonymous_ops;
	vnode->private = pipe;
	pipe->vnode = vnode;
	pipe->references++; /* until both ends are there */
	*reader = end_create(pipe, vnode, O_RDONLY | flags);
	*writer = *reader ? end_create(pipe, vnode, O_WRONLY | flags) : 0;
	int result = *writer ? 0 : -ENOMEM;
	if (!*writer && *reader)
		file_release(*reader);
	pipe_release_reference(pipe);
	vnode_release(vnode);
	return result;
}

void pipe_wait_readers(struct file *writer, const struct process *process)
{
	struct pipe *pipe = writer->private;
	struct wait_entry entry;
	pipe->writers--;
	wake_all(&pipe->read_wait, 0);
	wait_begin(&entry, &pipe->write_wait);
	while (pipe->readers && !process->killed)
		wait_sleep_always();
	wait_end(&entry);
	pipe->writers++; /* until it is released */
}

SYSCALL_HANDLER(pipe2, uint64_t address, uint32_t flags)
{
	struct file *reader = 0, *writer = 0;
	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	if (pipe_ends(flags & (O_NONBLOCK | O_DIRECT), &reader, &writer))
		return -ENOMEM;
	int64_t fds[2] = {file_install(reader, 0, flags & O_CLOEXEC), -EMFILE};
	if (fds[0] >= 0) {
		reader = 0;
		fds[1] = file_install(writer, 0, flags & O_CLOEXEC);
	}
	int64_t result = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
	if (fds[1] >= 0) {
		uint32_t user[2] = {(uint32_t)fds[0], (uint32_t)fds[1]};
		writer = 0;
		result = copy_to_user(address, user, sizeof(user));
	}
	if (reader)
		file_release(reader);
	if (writer)
		file_release(writer);
	for (unsigned i = 0; i < 2 && result; i++)
		if (fds[i] >= 0)
			sys_close((int)fds[i]);
	return result;
}

SYSCALL_HANDLER(pipe, uint64_t address)
{
	return sys_pipe2(address, 0);
}

int fifo_open(struct vnode *vnode, struct file *file)
{
	struct pipe *pipe = vnode->private;
	/* The other end of one without a name, opened through /proc, is not waited for. */
	bool named = vnode->ops != &anonymous_ops;
	if (!pipe) {
		pipe = pipe_create();
		if (!pipe)
			return -ENOMEM;
		vnode->private = pipe;
		pipe->vnode = vnode;
	}
	bool reads = file_readable(file);
	bool writes = file_writable(file);
	if (named && writes && !reads && (file->flags & O_NONBLOCK) && !pipe->readers) {
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
	if (named && reads && !writes && !pipe->writers && !(file->flags & O_NONBLOCK))
		result = wait_event(&pipe->read_wait, pipe->writer_generation != writers, DEADLINE_NEVER);
	else if (named && writes && !reads && !pipe->readers)
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
	uint32_t capacity = PIPE_BUF;
	if (argument > 1ull << 31)
		return -EINVAL;
	if (argument > (uint64_t)sysctl_pipe_max.value && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (argument > CAPACITY_END)
		return -ENOMEM;
	while (capacity < argument)
		capacity *= 2;
	if (capacity < ring_held(&pipe->ring))
		return -EBUSY;
	pipe->ring.capacity = capacity;
	wake_all(&pipe->write_wait, POLLOUT | POLLWRNORM);
	return capacity;
}

/* ---- For splice and its like: see pipe.h ---- */

bool is_pipe(const struct file *file)
{
	return file->ops == &pipe_ops;
}

bool pipe_same(const struct file *a, const struct file *b)
{
	return a->private == b->private;
}

int pipe_wait_data(struct file *file, bool wait, uint64_t *bytes)
{
	struct pipe *pipe = file->private;
	struct packet *packet;
	*bytes = 0;
	while (!ring_held(&pipe->ring)) {
		if (!pipe->writers)
			return 0;
		if (!wait)
			return -EAGAIN;
		int result =
		    wait_event(&pipe->read_wait, ring_held(&pipe->ring) || !pipe->writers, DEADLINE_NEVER);
		if (result)
			return result;
	}
	*bytes = read_limit(pipe, UINT64_MAX, &packet);
	return 0;
}

int pipe_wait_room(struct file *file, bool wait, uint64_t *bytes)
{
	struct pipe *pipe = file->private;
	bool packets = file->flags & O_DIRECT;
	*bytes = 0;
	for (;;) {
		if (!pipe->readers) {
			signal_send_task(current_task(), SIGPIPE, 0);
			return -EPIPE;
		}
		uint32_t room = room_for(pipe, pipe->ring.capacity, packets);
		if (room || !wait) {
			*bytes = packets && room > PIPE_BUF ? PIPE_BUF : room;
			return room ? 0 : -EAGAIN;
		}
		if (!ring_held(&pipe->ring))
			return -ENOMEM;
		int result = wait_event(&pipe->write_wait, !pipe->readers || room_for(pipe, 1, packets) != 0,
		                        DEADLINE_NEVER);
		if (result)
			return result;
	}
}

int64_t pipe_peek(struct file *file, struct io *io)
{
	struct pipe *pipe = file->private;
	struct packet *packet;
	return ring_put(&pipe->ring, io, read_limit(pipe, io->remaining, &packet), 0, true);
}

void pipe_consume(struct file *file, uint64_t bytes)
{
	struct pipe *pipe = file->private;
	struct packet *packet = packet_next(pipe);
	pipe->ring.tail += bytes;
	if (packet && pipe->ring.tail >= packet->end)
		packet_done(pipe, packet);
	else if (packet && pipe->ring.tail > packet->start)
		packet->start = pipe->ring.tail;
	wake_all(&pipe->write_wait, POLLOUT | POLLWRNORM);
}
