/* Terminals to the outside: the stream to the console service, or to a parent sub-kernel's terminal; the first process's,
 * and one for each program that a parent starts in here.
 *
 * A worker for each waits on the stream's event, feeds input to the line discipline and wakes writers. Where the other
 * side says that it is a pipe (STREAM_FLAG_RAW), programs get plain byte files instead of a terminal.
 */
#include "../internal.h"
#include "../fs/name.h"
#include "tty.h"

struct console {
	uint32_t references; /* its owner's, its worker's, its terminal's or its open files' */
	struct stream stream;
	handle_t memory, event;
	struct tty *tty;
	struct wait_queue read_wait, write_wait; /* raw mode */
	bool raw, shown, ended;
};

static struct console *first;

static void console_release(struct console *console)
{
	if (--console->references)
		return;
	if (console->stream.header) {
		space_unmap(machine.space, (uint64_t)console->stream.header, STREAM_BYTES);
		window_put((uint64_t)console->stream.header, STREAM_BYTES);
	}
	cap_delete(console->memory);
	cap_delete(console->event);
	cap_delete(console->stream.peer);
	wait_queue_close(&console->read_wait);
	wait_queue_close(&console->write_wait);
	heap_free(console);
}

/* ---- As a terminal ---- */

static uint32_t console_room(struct tty *tty)
{
	struct console *console = tty->private;
	return stream_room(&console->stream);
}

static uint32_t console_write(struct tty *tty, const uint8_t *bytes, uint32_t count)
{
	struct console *console = tty->private;
	return stream_write(&console->stream, bytes, count);
}

static uint32_t console_pending(struct tty *tty)
{
	struct console *console = tty->private;
	return STREAM_RING_BYTES - stream_room(&console->stream);
}

static void pump_input(struct tty *tty)
{
	struct console *console = tty->private;
	uint8_t bytes[64];
	while (tty->head - tty->tail < TTY_INPUT_BYTES - sizeof(bytes)) {
		uint32_t count = stream_read(&console->stream, bytes, sizeof(bytes));
		if (!count)
			break;
		tty_input(tty, bytes, count);
	}
	if (stream_ended(&console->stream))
		tty_hang_up(tty);
}

static void console_gone(struct tty *tty)
{
	console_release(tty->private);
}

/* In a group that nobody here could continue, such as the first process's own, Ctrl-Z is for the other side's job control:
 * it freezes all of this. */
static bool console_suspend(struct tty *tty)
{
	const struct console *console = tty->private;
	struct stream_header *header = console->stream.header;
	bool stops = false;
	if (!(header->flags & STREAM_FLAG_JOBS) || !tty->foreground ||
	    !process_group_orphaned(tty->foreground))
		return false;
	for (struct process *p = group_first(tty->foreground); p; p = process_group_next(p))
		stops |= p->leader && p->thread_count &&
		         p->leader->handlers->actions[SIGTSTP - 1].handler == SIG_DFL;
	if (!stops)
		return false;
	header->suspended = 1;
	event_signal(console->stream.peer, STREAM_SUSPENDED);
	return true;
}

static const struct tty_driver console_driver = {
    .write = console_write,
    .room = console_room,
    .unthrottle = pump_input,
    .pending = console_pending,
    .gone = console_gone,
    .suspend = console_suspend,
    .outside = true,
};

static void take_size(struct console *console)
{
	const struct stream_header *header = console->stream.header;
	struct linux_winsize size = {.ws_row = (uint16_t)header->rows, .ws_col = (uint16_t)header->columns};
	tty_resize(console->tty, &size);
}

/* ---- As a pipe ---- */

static int64_t raw_read(struct file *file, struct io *io, int64_t *position)
{
	struct console *console = file->private;
	uint8_t bytes[512];
	(void)position;
	if (!io->remaining || console->ended)
		return 0;
	uint32_t want = io->remaining < sizeof(bytes) ? (uint32_t)io->remaining : (uint32_t)sizeof(bytes);
	uint32_t count = 0;
	if (!(count = stream_read(&console->stream, bytes, want))) {
		if (stream_ended(&console->stream))
			return 0;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result = wait_event(&console->read_wait,
		                        (count = stream_read(&console->stream, bytes, want)) != 0 ||
		                            stream_ended(&console->stream),
		                        DEADLINE_NEVER);
		if (result || !count)
			return result;
	}
	return io_put(io, bytes, count);
}

static int64_t raw_write(struct file *file, struct io *io, int64_t *position)
{
	struct console *console = file->private;
	uint8_t bytes[2048];
	int64_t total = 0;
	(void)position;
	while (io->remaining) {
		if (console->ended)
			return total ? total : -EPIPE;
		uint32_t room = stream_room(&console->stream);
		if (!room) {
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result =
			    wait_event(&console->write_wait,
			               stream_room(&console->stream) != 0 || console->ended, DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		int64_t got = io_take(io, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
		if (got <= 0)
			return total ? total : got;
		stream_write(&console->stream, bytes, (uint32_t)got);
		total += got;
	}
	return total;
}

static uint32_t raw_poll(struct file *file, struct poll_table *table)
{
	struct console *console = file->private;
	poll_wait(table, &console->read_wait);
	poll_wait(table, &console->write_wait);
	uint32_t events = stream_room(&console->stream) ? POLLOUT | POLLWRNORM : 0;
	if (stream_available(&console->stream))
		events |= POLLIN | POLLRDNORM;
	if (stream_ended(&console->stream))
		events |= POLLIN | POLLHUP;
	return events;
}

static void raw_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "pipe:[1]");
}

static void raw_release(struct file *file)
{
	console_release(file->private);
}

static const struct file_ops raw_ops = {
    .read = raw_read, .write = raw_write, .poll = raw_poll, .release = raw_release, .describe = raw_describe};

/* ---- The worker ---- */

static void console_worker(void *argument)
{
	struct console *console = argument;
	while (!console->ended) {
		if (console->raw) {
			wake_all(&console->read_wait, 0);
			wake_all(&console->write_wait, 0);
		} else {
			take_size(console);
			pump_input(console->tty);
			wake_all(&console->tty->write_wait, POLLOUT | POLLWRNORM);
		}
		worker_wait_for(console->event, DEADLINE_NEVER);
	}
	console_release(console);
	worker_end();
}

struct console *console_create(handle_t memory, handle_t event, handle_t peer, bool shown)
{
	struct console *console = heap_allocate(sizeof(*console));
	uint64_t window = console ? window_take(STREAM_BYTES, 4096) : 0;
	if (!window || space_map(machine.space, window, memory, 0, STREAM_BYTES, MAP_READ | MAP_WRITE) < 0) {
		if (window)
			window_put(window, STREAM_BYTES);
		heap_free(console);
		cap_delete(memory);
		cap_delete(event);
		cap_delete(peer);
		return 0;
	}
	console->references = 1;
	console->memory = memory;
	console->event = event;
	stream_init(&console->stream, (void *)window, 1, peer, false);
	console->raw = console->stream.header->flags & STREAM_FLAG_RAW;
	wait_queue_init(&console->read_wait);
	wait_queue_init(&console->write_wait);
	if (!console->raw) {
		console->tty = tty_create(&console_driver, console, 5 << 8 | 1);
		if (console->tty)
			console->references++;
		console->shown = console->tty && shown && pty_show(console->tty) == 0;
	}
	if ((!console->raw && !console->tty) || !worker_create("console", console_worker, console)) {
		console->ended = true;
		if (console->shown)
			pty_hide(console->tty);
		if (console->tty)
			tty_release(console->tty);
		console_release(console);
		return 0;
	}
	console->references++;
	return console;
}

bool console_init(const struct start_info *info)
{
	uint64_t bytes;
	handle_t memory = start_find(info, "stream", &bytes);
	handle_t event = start_find(info, "stream-event", 0);
	if (!memory || bytes < STREAM_BYTES || !event)
		return false;
	first = console_create(memory, event, start_find(info, "stream-peer", 0), false);
	return first != 0;
}

struct console *console_first(void)
{
	return first;
}

bool console_is_raw(const struct console *console)
{
	return console->raw;
}

void console_name(const struct console *console, char *name, size_t size)
{
	if (console->shown)
		text_format(name, size, "/dev/pts/%lu", console->tty->device_number & 0xff);
	else
		text_copy(name, size, "/dev/console");
}

int console_open(struct console *console, struct file *file)
{
	if (console->ended)
		return -EIO;
	if (!console->raw)
		return tty_open(console->tty, file, !(file->flags & O_NOCTTY));
	console->references++;
	file->ops = &raw_ops;
	file->private = console;
	return 0;
}

void console_end(struct console *console)
{
	console->ended = true;
	stream_close(&console->stream);
	event_signal(console->event, STREAM_CLOSED); /* its worker looks */
	wake_all(&console->read_wait, 0);
	wake_all(&console->write_wait, 0);
	if (console->tty) {
		if (console->shown)
			pty_hide(console->tty);
		tty_hang_up(console->tty);
		tty_release(console->tty);
	}
	console_release(console);
}

int tty_device_open(struct vnode *vnode, struct file *file)
{
	struct tty *tty;
	switch (vnode->device_number) {
	case 5 << 8 | 0:
		tty = current_task()->process->tty;
		return tty ? tty_open(tty, file, false) : -ENXIO;
	case 5 << 8 | 1:
		return console_open(first, file);
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
