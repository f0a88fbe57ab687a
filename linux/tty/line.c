/* The line discipline: termios(3), POSIX chapter 11 (General Terminal Interface), as Linux' n_tty does it.
 * See line.h.
 */
#include "../internal.h"
#include "line.h"
#include "termios.h"

#define RING(index) ((index) % TTY_INPUT_BYTES)

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
bool line_output(struct tty *tty, uint8_t c)
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
	line_output(tty, c);
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

uint32_t line_readable(const struct tty *tty)
{
	return (tty->termios.c_lflag & ICANON ? tty->canonical : tty->head) - tty->tail;
}

static void wake_readers(struct tty *tty)
{
	if (line_readable(tty))
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
	if (signal == SIGTSTP && tty->driver->suspend && tty->driver->suspend(tty))
		return true;
	if (tty->foreground)
		signal_send_keys(tty->foreground, signal, tty->driver->outside);
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
			tty_stop(tty, true);
			return;
		}
		if (tty->stopped && (is_key(tty, VSTART, c) || (input & IXANY))) {
			tty_stop(tty, false);
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

/* ---- For readers ---- */

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

int64_t line_read(struct tty *tty, struct io *io)
{
	return tty->termios.c_lflag & ICANON ? read_line(tty, io) : read_bytes(tty, io);
}

void line_flush(struct tty *tty)
{
	tty->tail = tty->canonical = tty->head;
	tty->driver->unthrottle(tty);
}

void line_set_termios(struct tty *tty, const struct linux_termios *wanted)
{
	bool was = tty->termios.c_lflag & ICANON;
	tty->termios = *wanted;
	if (was && !(wanted->c_lflag & ICANON)) {
		wake_readers(tty);
	} else if (!was && (wanted->c_lflag & ICANON)) {
		/* What is there already can be read as it is. */
		tty->canonical = tty->head;
		if (tty->head != tty->tail)
			line_end_set(tty, tty->head - 1, true);
	}
}
