/* The terminal of the first process: the stream to the console service, or to a parent sub-kernel's terminal.
 *
 * A worker waits on the stream's event, feeds input to the line discipline and wakes writers. Where the other
 * side says that it is a pipe (STREAM_FLAG_RAW), programs get plain byte files instead of a terminal.
 */
#include "../internal.h"
#include "../fs/name.h"
#include "tty.h"

static struct console {
	struct stream stream;
	handle_t event;
	struct tty *tty;
	struct wait_queue read_wait, write_wait; /* raw mode */
	bool raw;
} console;

/* ---- As a terminal ---- */

static uint32_t console_room(struct tty *tty)
{
	(void)tty;
	return stream_room(&console.stream);
}

static uint32_t console_write(struct tty *tty, const uint8_t *bytes, uint32_t count)
{
	(void)tty;
	return stream_write(&console.stream, bytes, count);
}

static uint32_t console_pending(struct tty *tty)
{
	(void)tty;
	return STREAM_RING_BYTES - stream_room(&console.stream);
}

static void pump_input(struct tty *tty)
{
	uint8_t bytes[64];
	while (tty->head - tty->tail < TTY_INPUT_BYTES - sizeof(bytes)) {
		uint32_t count = stream_read(&console.stream, bytes, sizeof(bytes));
		if (!count)
			break;
		tty_input(tty, bytes, count);
	}
	if (stream_ended(&console.stream))
		tty_hang_up(tty);
}

static const struct tty_driver console_driver = {
    .write = console_write,
    .room = console_room,
    .unthrottle = pump_input,
    .pending = console_pending,
};

static void take_size(void)
{
	const struct stream_header *header = console.stream.header;
	struct linux_winsize size = {.ws_row = (uint16_t)header->rows, .ws_col = (uint16_t)header->columns};
	tty_resize(console.tty, &size);
}

/* ---- As a pipe ---- */

static int64_t raw_read(struct file *file, struct io *io, int64_t *position)
{
	uint8_t bytes[512];
	(void)position;
	if (!io->remaining)
		return 0;
	uint32_t want = io->remaining < sizeof(bytes) ? (uint32_t)io->remaining : (uint32_t)sizeof(bytes);
	uint32_t count = 0;
	if (!(count = stream_read(&console.stream, bytes, want))) {
		if (stream_ended(&console.stream))
			return 0;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&console.read_wait,
		                        (count = stream_read(&console.stream, bytes, want)) != 0 ||
		                            stream_ended(&console.stream),
		                        DEADLINE_NEVER);
		if (result || !count)
			return result;
	}
	return io_put(io, bytes, count);
}

static int64_t raw_write(struct file *file, struct io *io, int64_t *position)
{
	uint8_t bytes[2048];
	int64_t total = 0;
	(void)position;
	while (io->remaining) {
		uint32_t room = stream_room(&console.stream);
		if (!room) {
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result = wait_event(&console.write_wait, stream_room(&console.stream) != 0,
			                        DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		int64_t got = io_take(io, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
		if (got <= 0)
			return total ? total : got;
		stream_write(&console.stream, bytes, (uint32_t)got);
		total += got;
	}
	return total;
}

static uint32_t raw_poll(struct file *file, struct poll_table *table)
{
	(void)file;
	poll_wait(table, &console.read_wait);
	poll_wait(table, &console.write_wait);
	uint32_t events = stream_room(&console.stream) ? POLLOUT | POLLWRNORM : 0;
	if (stream_available(&console.stream))
		events |= POLLIN | POLLRDNORM;
	if (stream_ended(&console.stream))
		events |= POLLIN | POLLHUP;
	return events;
}

static void raw_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "pipe:[1]");
}

static const struct file_ops raw_ops = {
    .read = raw_read, .write = raw_write, .poll = raw_poll, .describe = raw_describe};

/* ---- The worker ---- */

static void console_worker(void *argument)
{
	(void)argument;
	for (;;) {
		if (console.raw) {
			wake_all(&console.read_wait, 0);
			wake_all(&console.write_wait, 0);
		} else {
			take_size();
			pump_input(console.tty);
			wake_all(&console.tty->write_wait, POLLOUT | POLLWRNORM);
		}
		personality_unlock();
		(void)event_wait(console.event, DEADLINE_NEVER, 0);
		personality_lock();
	}
}

bool console_init(const struct start_info *info)
{
	uint64_t bytes;
	handle_t memory = start_find(info, "stream", &bytes);
	console.event = start_find(info, "stream-event", 0);
	if (!memory || bytes < STREAM_BYTES || !console.event)
		return false;
	uint64_t window = window_take(STREAM_BYTES, 4096);
	if (!window || space_map(machine.space, window, memory, 0, STREAM_BYTES, MAP_READ | MAP_WRITE) < 0)
		return false;
	stream_init(&console.stream, (void *)window, 1, start_find(info, "stream-peer", 0), false);
	console.raw = console.stream.header->flags & STREAM_FLAG_RAW;
	wait_queue_init(&console.read_wait);
	wait_queue_init(&console.write_wait);
	if (!console.raw) {
		console.tty = tty_create(&console_driver, 0, 5 << 8 | 1);
		if (!console.tty)
			return false;
	}
	return worker_create("console", console_worker, 0) != 0;
}

bool console_is_raw(void)
{
	return console.raw;
}

int console_open(struct file *file)
{
	if (!console.raw)
		return tty_open(console.tty, file, !(file->flags & O_NOCTTY));
	file->ops = &raw_ops;
	return 0;
}

int tty_device_open(struct vnode *vnode, struct file *file)
{
	struct tty *tty;
	switch (vnode->device_number) {
	case 5 << 8 | 0:
		tty = current_task()->process->tty;
		return tty ? tty_open(tty, file, false) : -ENXIO;
	case 5 << 8 | 1:
		return console_open(file);
	case 5 << 8 | 2:
		return pty_open_master(file);
	default:
		if (vnode->device_number >> 8 == 136) {
			tty = pty_slave(vnode->device_number & 0xff);
			return tty ? tty_open(tty, file, !(file->flags & O_NOCTTY)) : -EIO;
		}
		return -ENXIO;
	}
}
