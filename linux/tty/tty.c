/* The line discipline: termios(3), POSIX chapter 11 (General Terminal Interface), as Linux' n_tty does it. */
#include "../internal.h"
#include "termios.h"
#include "tty.h"

#define RING(index) ((index) % TTY_INPUT_BYTES)

static const struct linux_termios default_termios = {
    .c_iflag = ICRNL | IXON,
    .c_oflag = OPOST | ONLCR,
    .c_cflag = B38400 | CS8 | CREAD | HUPCL,
    .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .c_cc = {[VINTR] = 3,
             [VQUIT] = 28,
             [VERASE] = 127,
             [VKILL] = 21,
             [VEOF] = 4,
             [VMIN] = 1,
             [VSTART] = 17,
             [VSTOP] = 19,
             [VSUSP] = 26,
             [VREPRINT] = 18,
             [VDISCARD] = 15,
             [VWERASE] = 23,
             [VLNEXT] = 22},
};

struct tty *tty_create(const struct tty_driver *driver, void *private, uint64_t device_number)
{
	struct tty *tty = heap_allocate(sizeof(*tty));
	if (!tty)
		return 0;
	tty->references = 1;
	tty->driver = driver;
	tty->private = private;
	tty->device_number = device_number;
	tty->termios = default_termios;
	wait_queue_init(&tty->read_wait);
	wait_queue_init(&tty->write_wait);
	return tty;
}

void tty_release(struct tty *tty)
{
	if (--tty->references)
		return;
	if (tty->driver->gone)
		tty->driver->gone(tty);
	heap_free(tty);
}

/* ---- Output ---- */

static bool flag(uint32_t word, uint32_t bit)
{
	return word & bit;
}

static void move_column(struct tty *tty, uint8_t c)
{
	if (c == '\n' || c == '\r')
		tty->column = 0;
	else if (c == '\b')
		tty->column -= tty->column > 0;
	else if (c == '\t')
		tty->column = (tty->column | 7) + 1;
	else if (c >= ' ' && (c & 0xc0) != 0x80)
		tty->column++;
}

/* One byte through output processing; false when the driver has no room for what it becomes. */
static bool output_byte(struct tty *tty, uint8_t c)
{
	uint8_t out[8];
	uint32_t count = 1;
	uint32_t flags = tty->termios.c_oflag;
	out[0] = c;
	if (flags & OPOST) {
		if (c == '\n' && (flags & ONLCR)) {
			out[0] = '\r';
			out[1] = '\n';
			count = 2;
		} else if (c == '\r' && (flags & OCRNL)) {
			out[0] = '\n';
		} else if (c == '\r' && (flags & ONOCR) && tty->column == 0) {
			return true;
		} else if (c == '\t' && (flags & TABDLY) == TAB3) {
			count = 8 - (tty->column & 7);
			memset(out, ' ', count);
		} else if ((flags & OLCUC) && c >= 'a' && c <= 'z') {
			out[0] = (uint8_t)(c - 32);
		}
	}
	if (tty->driver->room(tty) < count)
		return false;
	tty->driver->write(tty, out, count);
	for (uint32_t i = 0; i < count; i++)
		move_column(tty, out[i]);
	return true;
}

/* Echo may be lost when the other side does not read; input never waits for it. */
static void echo_raw(struct tty *tty, uint8_t c)
{
	output_byte(tty, c);
}

static bool is_control(uint8_t c)
{
	return c < 32 || c == 127;
}

static void echo(struct tty *tty, uint8_t c)
{
	if (is_control(c) && c != '\n' && c != '\t' && flag(tty->termios.c_lflag, ECHOCTL)) {
		echo_raw(tty, '^');
		echo_raw(tty, c ^ 0x40);
	} else {
		echo_raw(tty, c);
	}
}

/* ---- Input ---- */

static bool line_end_at(const struct tty *tty, uint32_t index)
{
	return tty->line_ends[RING(index) / 64] >> RING(index) % 64 & 1;
}

static void line_end_set(struct tty *tty, uint32_t index, bool on)
{
	uint64_t bit = 1ull << RING(index) % 64;
	if (on)
		tty->line_ends[RING(index) / 64] |= bit;
	else
		tty->line_ends[RING(index) / 64] &= ~bit;
}

static void put_input(struct tty *tty, uint8_t c, bool line_end)
{
	tty->input[RING(tty->head)] = c;
	line_end_set(tty, tty->head, line_end);
	tty->head++;
}

static uint32_t readable(const struct tty *tty)
{
	return (tty->termios.c_lflag & ICANON ? tty->canonical : tty->head) - tty->tail;
}

static void wake_readers(struct tty *tty)
{
	if (readable(tty))
		wake_all(&tty->read_wait, POLLIN | POLLRDNORM);
}

/* Columns that the bytes of the line being edited take up to INDEX: for erasing tabs. */
static uint32_t column_at(const struct tty *tty, uint32_t index)
{
	uint32_t column = tty->canonical_column;
	for (uint32_t i = tty->canonical; i != index; i++) {
		uint8_t c = tty->input[RING(i)];
		if (c == '\t')
			column = (column | 7) + 1;
		else if (is_control(c))
			column += tty->termios.c_lflag & ECHOCTL ? 2 : 0;
		else if ((c & 0xc0) != 0x80)
			column++;
	}
	return column;
}

/* Takes the last character (all bytes of a UTF-8 one) off the line, on the screen too. */
static void erase_one(struct tty *tty)
{
	uint32_t before = column_at(tty, tty->head);
	do
		tty->head--;
	while (flag(tty->termios.c_iflag, IUTF8) && tty->head != tty->canonical &&
	       (tty->input[RING(tty->head)] & 0xc0) == 0x80);
	if (!flag(tty->termios.c_lflag, ECHO))
		return;
	if (!flag(tty->termios.c_lflag, ECHOE)) {
		echo(tty, tty->termios.c_cc[VERASE]);
		return;
	}
	for (uint32_t after = column_at(tty, tty->head); before > after; before--) {
		echo_raw(tty, '\b');
		echo_raw(tty, ' ');
		echo_raw(tty, '\b');
	}
}

static void erase_word(struct tty *tty)
{
	bool seen = false;
	while (tty->head != tty->canonical) {
		uint8_t c = tty->input[RING(tty->head - 1)];
		bool space = c == ' ' || c == '\t';
		if (space && seen)
			break;
		seen = seen || !space;
		erase_one(tty);
	}
}

static void erase_line(struct tty *tty)
{
	if (flag(tty->termios.c_lflag, ECHOKE) || !flag(tty->termios.c_lflag, ECHO)) {
		while (tty->head != tty->canonical)
			erase_one(tty);
		return;
	}
	tty->head = tty->canonical;
	echo(tty, tty->termios.c_cc[VKILL]);
	if (flag(tty->termios.c_lflag, ECHOK))
		echo_raw(tty, '\n');
}

static void reprint(struct tty *tty)
{
	echo(tty, tty->termios.c_cc[VREPRINT]);
	echo_raw(tty, '\n');
	for (uint32_t i = tty->canonical; i != tty->head; i++)
		echo(tty, tty->input[RING(i)]);
}

static bool is_key(const struct tty *tty, unsigned key, uint8_t c)
{
	return tty->termios.c_cc[key] == c && c != 0; /* _POSIX_VDISABLE is 0 */
}

static bool signal_key(struct tty *tty, uint8_t c)
{
	int signal = is_key(tty, VINTR, c)   ? SIGINT
	             : is_key(tty, VQUIT, c) ? SIGQUIT
	             : is_key(tty, VSUSP, c) ? SIGTSTP
	                                     : 0;
	if (!signal)
		return false;
	if (flag(tty->termios.c_lflag, ECHO))
		echo(tty, c);
	if (!flag(tty->termios.c_lflag, NOFLSH)) {
		tty->tail = tty->canonical = tty->head;
		tty->canonical_column = tty->column;
	}
	if (tty->foreground)
		signal_send_group(tty->foreground, signal, 0);
	return true;
}

static void end_line(struct tty *tty, uint8_t c)
{
	put_input(tty, c, true);
	tty->canonical = tty->head;
	tty->canonical_column = tty->column;
	wake_readers(tty);
}

/* Input in canonical mode; the byte has been mapped already. */
static void canonical_byte(struct tty *tty, uint8_t c)
{
	bool extended = flag(tty->termios.c_lflag, IEXTEN);
	if (is_key(tty, VERASE, c)) {
		if (tty->head != tty->canonical)
			erase_one(tty);
	} else if (is_key(tty, VKILL, c)) {
		erase_line(tty);
	} else if (extended && is_key(tty, VWERASE, c)) {
		erase_word(tty);
	} else if (extended && is_key(tty, VREPRINT, c) && flag(tty->termios.c_lflag, ECHO)) {
		reprint(tty);
	} else if (is_key(tty, VEOF, c)) {
		end_line(tty, 0xff); /* readers drop the mark: see read_line */
		tty->input[RING(tty->head - 1)] = tty->termios.c_cc[VEOF];
	} else if (c == '\n') {
		if (flag(tty->termios.c_lflag, ECHO) || flag(tty->termios.c_lflag, ECHONL))
			echo_raw(tty, c);
		end_line(tty, c);
	} else if (is_key(tty, VEOL, c) || (extended && is_key(tty, VEOL2, c))) {
		if (flag(tty->termios.c_lflag, ECHO))
			echo(tty, c);
		end_line(tty, c);
	} else if (tty->head - tty->tail < TTY_INPUT_BYTES - 1) {
		if (flag(tty->termios.c_lflag, ECHO)) {
			if (tty->head == tty->canonical)
				tty->canonical_column = tty->column;
			echo(tty, c);
		}
		put_input(tty, c, false);
	}
}

static void input_byte(struct tty *tty, uint8_t c)
{
	uint32_t input = tty->termios.c_iflag;
	uint32_t local = tty->termios.c_lflag;
	if (tty->literal) {
		tty->literal = false;
		if (flag(local, ECHO))
			echo(tty, c);
		put_input(tty, c, false);
		if (!flag(local, ICANON))
			wake_readers(tty);
		return;
	}
	if (input & ISTRIP)
		c &= 0x7f;
	if ((local & ISIG) && signal_key(tty, c))
		return;
	if (input & IXON) {
		if (is_key(tty, VSTOP, c)) {
			tty->stopped = true;
			return;
		}
		if (tty->stopped && (is_key(tty, VSTART, c) || (input & IXANY))) {
			tty->stopped = false;
			wake_all(&tty->write_wait, 0);
			if (is_key(tty, VSTART, c))
				return;
		}
		if (is_key(tty, VSTART, c))
			return;
	}
	if (c == '\r') {
		if (input & IGNCR)
			return;
		if (input & ICRNL)
			c = '\n';
	} else if (c == '\n' && (input & INLCR)) {
		c = '\r';
	}
	if ((input & IUCLC) && (local & IEXTEN) && c >= 'A' && c <= 'Z')
		c = (uint8_t)(c + 32);
	if ((local & ICANON) && (local & IEXTEN) && is_key(tty, VLNEXT, c)) {
		tty->literal = true;
		if (flag(local, ECHO) && flag(local, ECHOCTL)) {
			echo_raw(tty, '^');
			echo_raw(tty, '\b');
		}
		return;
	}
	if (local & ICANON) {
		canonical_byte(tty, c);
		return;
	}
	if (flag(local, ECHO))
		echo(tty, c);
	put_input(tty, c, false);
	wake_readers(tty);
}

uint32_t tty_input(struct tty *tty, const uint8_t *bytes, uint32_t count)
{
	uint32_t taken = 0;
	while (taken < count && tty->head - tty->tail < TTY_INPUT_BYTES) {
		/* A full line without an end still takes its end, an erase or a signal. */
		input_byte(tty, bytes[taken++]);
	}
	return taken;
}

void tty_hang_up(struct tty *tty)
{
	if (tty->hung_up)
		return;
	tty->hung_up = true;
	wake_all(&tty->read_wait, 0);
	wake_all(&tty->write_wait, 0);
	if (tty->session) {
		struct process *leader = process_find(tty->session);
		if (leader) {
			signal_send_process(leader, SIGHUP, 0);
			signal_send_process(leader, SIGCONT, 0);
		}
		if (tty->foreground) {
			signal_send_group(tty->foreground, SIGHUP, 0);
			signal_send_group(tty->foreground, SIGCONT, 0);
		}
	}
}

void tty_resize(struct tty *tty, const struct linux_winsize *size)
{
	if (memcmp(&tty->size, size, sizeof(*size)) == 0)
		return;
	tty->size = *size;
	if (tty->foreground)
		signal_send_group(tty->foreground, SIGWINCH, 0);
}

/* ---- Job control ---- */

/* Before a read (SIGTTIN) or a change or write (SIGTTOU) by a background process. 0: go on. */
static int job_control(struct tty *tty, int signal)
{
	struct task *task = current_task();
	struct process *process = task->process;
	if (process->tty != tty || !tty->foreground || process->pgid == tty->foreground)
		return 0;
	if (signal_ignored_or_blocked(task, signal))
		return signal == SIGTTIN ? -EIO : 0;
	if (process_group_orphaned(process->pgid))
		return -EIO;
	signal_send_group(process->pgid, signal, 0);
	return -ERESTARTSYS;
}

void tty_session_leader_exit(struct process *process)
{
	struct tty *tty = process->tty;
	if (!tty || tty->session != process->sid)
		return;
	int32_t group = tty->foreground;
	tty->session = tty->foreground = 0;
	for (struct process *other = process_next(0); other; other = process_next(other))
		if (other->sid == process->sid)
			other->tty = 0;
	tty_release(tty);
	if (group) {
		signal_send_group(group, SIGHUP, 0);
		signal_send_group(group, SIGCONT, 0);
	}
}

static int become_controlling(struct tty *tty)
{
	struct process *process = current_task()->process;
	if (process->pid != process->sid || process->tty)
		return -EPERM;
	if (tty->session && tty->session != process->sid)
		return -EPERM;
	tty->session = process->sid;
	tty->foreground = process->pgid;
	process->tty = tty_reference(tty);
	return 0;
}

/* ---- Files ---- */

static int64_t read_line(struct tty *tty, struct io *io)
{
	int64_t total = 0;
	while (io->remaining && tty->tail != tty->canonical) {
		uint8_t c = tty->input[RING(tty->tail)];
		bool end = line_end_at(tty, tty->tail);
		/* An end-of-file mark ends the line and is not read itself. */
		if (end && c == tty->termios.c_cc[VEOF] && c != '\n') {
			tty->tail++;
			break;
		}
		int64_t done = io_put(io, &c, 1);
		if (done <= 0)
			return total ? total : done;
		tty->tail++;
		total++;
		if (end)
			break;
	}
	return total;
}

static int64_t read_bytes(struct tty *tty, struct io *io)
{
	int64_t total = 0;
	while (io->remaining && tty->tail != tty->head) {
		uint32_t at = RING(tty->tail);
		uint32_t part = tty->head - tty->tail;
		if (part > TTY_INPUT_BYTES - at)
			part = TTY_INPUT_BYTES - at;
		int64_t done = io_put(io, tty->input + at, part);
		if (done <= 0)
			return total ? total : done;
		tty->tail += (uint32_t)done;
		total += done;
	}
	return total;
}

static int64_t tty_read(struct file *file, struct io *io, int64_t *position)
{
	struct tty *tty = file->private;
	(void)position;
	uint64_t wait_until = DEADLINE_NEVER;
	if (!io->remaining)
		return 0;
	for (;;) {
		int error = job_control(tty, SIGTTIN);
		if (error)
			return error;
		bool canonical = tty->termios.c_lflag & ICANON;
		uint32_t minimum = canonical ? 1 : tty->termios.c_cc[VMIN];
		uint32_t tenths = canonical ? 0 : tty->termios.c_cc[VTIME];
		uint32_t available = readable(tty);
		if (!canonical && minimum > io->remaining)
			minimum = (uint32_t)io->remaining;
		if (available && available >= minimum)
			break;
		if (!canonical && !minimum && !tenths)
			return 0;
		if (tty->hung_up)
			return 0;
		if (file->flags & O_NONBLOCK)
			return available ? read_bytes(tty, io) : -EAGAIN;
		/* VTIME: from the start of the read without VMIN, else from each byte. */
		if (tenths && (minimum == 0 ? wait_until == DEADLINE_NEVER : available))
			wait_until = clock_monotonic() + tenths * 100000000ull;
		struct wait_entry entry;
		wait_begin(&entry, &tty->read_wait);
		int result = wait_sleep(wait_until);
		wait_end(&entry);
		if (result == -ETIMEDOUT)
			return readable(tty) ? read_bytes(tty, io) : 0;
		if (result)
			return result;
	}
	int64_t total = tty->termios.c_lflag & ICANON ? read_line(tty, io) : read_bytes(tty, io);
	tty->driver->unthrottle(tty);
	return total;
}

static int64_t tty_write(struct file *file, struct io *io, int64_t *position)
{
	struct tty *tty = file->private;
	uint8_t buffer[128];
	int64_t total = 0;
	(void)position;
	if (tty->termios.c_lflag & TOSTOP) {
		int error = job_control(tty, SIGTTOU);
		if (error)
			return error;
	}
	while (io->remaining) {
		if (tty->hung_up)
			return total ? total : -EIO;
		/* Each byte may become up to eight. */
		uint32_t room = tty->stopped ? 0 : tty->driver->room(tty) / 8;
		if (!room) {
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result = wait_event(
			    &tty->write_wait, tty->hung_up || (!tty->stopped && tty->driver->room(tty) >= 8),
			    DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		uint32_t part = room < sizeof(buffer) ? room : (uint32_t)sizeof(buffer);
		int64_t got = io_take(io, buffer, part);
		if (got <= 0)
			return total ? total : got;
		if (tty->termios.c_oflag & OPOST) {
			for (int64_t i = 0; i < got; i++)
				output_byte(tty, buffer[i]);
		} else {
			tty->driver->write(tty, buffer, (uint32_t)got);
		}
		total += got;
	}
	return total;
}

static uint32_t tty_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = file->private;
	uint32_t events = 0;
	poll_wait(table, &tty->read_wait);
	poll_wait(table, &tty->write_wait);
	/* Without a time-out, VMIN bytes make a raw terminal readable. */
	uint32_t minimum = 1;
	if (!(tty->termios.c_lflag & ICANON) && !tty->termios.c_cc[VTIME] && tty->termios.c_cc[VMIN])
		minimum = tty->termios.c_cc[VMIN];
	if (readable(tty) >= minimum)
		events |= POLLIN | POLLRDNORM;
	if (tty->hung_up)
		events |= POLLHUP | POLLIN;
	if (!tty->stopped && !tty->hung_up && tty->driver->room(tty) >= 8)
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static void flush_input(struct tty *tty)
{
	tty->tail = tty->canonical = tty->head;
	tty->driver->unthrottle(tty);
}

static int drain_output(struct tty *tty)
{
	return wait_event(&tty->write_wait,
	                  tty->hung_up || !tty->driver->pending || !tty->driver->pending(tty),
	                  DEADLINE_NEVER);
}

static int64_t set_termios(struct tty *tty, uint32_t command, uint64_t argument)
{
	struct linux_termios wanted = {0};
	/* struct termios of the call: four words, the line, 19 control characters = 36 bytes. */
	if (copy_from_user(&wanted, argument, 36))
		return -EFAULT;
	int error = job_control(tty, SIGTTOU);
	if (!error && command != TCSETS)
		error = drain_output(tty);
	if (error)
		return error;
	if (command == TCSETSF)
		flush_input(tty);
	bool was = tty->termios.c_lflag & ICANON;
	tty->termios = wanted;
	if (was && !(wanted.c_lflag & ICANON)) {
		wake_readers(tty);
	} else if (!was && (wanted.c_lflag & ICANON)) {
		/* What is there already can be read as it is. */
		tty->canonical = tty->head;
		if (tty->head != tty->tail)
			line_end_set(tty, tty->head - 1, true);
	}
	return 0;
}

static int64_t set_foreground(struct tty *tty, uint64_t argument)
{
	uint32_t group;
	struct process *process = current_task()->process;
	if (get_user_u32(&group, argument))
		return -EFAULT;
	if (process->tty != tty || tty->session != process->sid)
		return -ENOTTY;
	int error = job_control(tty, SIGTTOU);
	if (error)
		return error;
	if (!group_in_session((int32_t)group, process->sid))
		return process_group_first((int32_t)group) ? -EPERM : -ESRCH;
	tty->foreground = (int32_t)group;
	return 0;
}

int64_t tty_ioctl(struct tty *tty, uint32_t command, uint64_t argument, bool master)
{
	struct process *process = current_task()->process;
	struct linux_winsize size;
	switch (command) {
	case TCGETS:
		return copy_to_user(argument, &tty->termios, 36);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return set_termios(tty, command, argument);
	case TIOCGWINSZ:
		return copy_to_user(argument, &tty->size, sizeof(tty->size));
	case TIOCSWINSZ:
		if (copy_from_user(&size, argument, sizeof(size)))
			return -EFAULT;
		tty_resize(tty, &size);
		return 0;
	case TIOCGPGRP:
		if (!master && process->tty != tty)
			return -ENOTTY;
		return put_user_u32(argument, (uint32_t)tty->foreground);
	case TIOCSPGRP:
		return set_foreground(tty, argument);
	case TIOCGSID:
		if (!master && process->tty != tty)
			return -ENOTTY;
		return put_user_u32(argument, (uint32_t)tty->session);
	case TIOCSCTTY:
		if (process->tty == tty && process->pid == process->sid)
			return 0;
		return become_controlling(tty);
	case TIOCNOTTY:
		if (process->tty != tty)
			return -ENOTTY;
		if (process->pid == process->sid)
			tty_session_leader_exit(process);
		process->tty = 0;
		return 0;
	case FIONREAD:
		return put_user_u32(argument, readable(tty));
	case TIOCOUTQ:
		return put_user_u32(argument, tty->driver->pending ? tty->driver->pending(tty) : 0);
	case TCFLSH:
		if (argument > 2)
			return -EINVAL;
		if (argument != 1)
			flush_input(tty);
		return 0;
	case TCXONC:
		if (argument > 3)
			return -EINVAL;
		if (argument <= 1) {
			tty->stopped = argument == 0;
			wake_all(&tty->write_wait, 0);
		}
		return 0;
	case TCSBRK:
	case TCSBRKP:
		return drain_output(tty);
	case TIOCSTI: {
		uint8_t c;
		if (copy_from_user(&c, argument, 1))
			return -EFAULT;
		if (process->tty != tty && !capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_input(tty, &c, 1);
		return 0;
	}
	case TIOCEXCL:
	case TIOCNXCL:
		tty->exclusive = command == TIOCEXCL;
		return 0;
	default:
		return -ENOTTY;
	}
}

static int64_t tty_file_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	return tty_ioctl(file->private, command, argument, false);
}

static void tty_file_release(struct file *file)
{
	struct tty *tty = file->private;
	if (!--tty->opens)
		tty->driver->unthrottle(tty); /* a master that waits learns that the slave is closed */
	tty_release(tty);
}

const struct file_ops tty_ops = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_file_ioctl,
    .release = tty_file_release,
};

int tty_open(struct tty *tty, struct file *file, bool may_control)
{
	struct process *process = current_task()->process;
	if (tty->hung_up)
		return -EIO;
	if (tty->exclusive && !capable(CAP_SYS_ADMIN))
		return -EBUSY;
	tty_reference(tty);
	tty->opens++;
	file->ops = &tty_ops;
	file->private = tty;
	if (may_control && process->pid == process->sid && !process->tty && !tty->session)
		return become_controlling(tty);
	return 0;
}
