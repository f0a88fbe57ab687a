/* Terminals as programs see them: their files, ioctls, job control, hang-up. What becomes of bytes is
 * line.c's. */
#include "../internal.h"
#include "line.h"
#include "termios.h"

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
	tty->input_speed = tty->output_speed = 38400;
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

void tty_hang_up(struct tty *tty)
{
	if (tty->hung_up)
		return;
	tty->hung_up = true;
	wake_all(&tty->read_wait, 0);
	wake_all(&tty->write_wait, 0);
	if (tty->session) {
		struct process *leader = process_by_id(tty->session);
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

static int64_t tty_read(struct file *file, struct io *io, int64_t *position)
{
	struct tty *tty = file->private;
	(void)position;
	uint64_t wait_until = DEADLINE_NEVER;
	if (!io->remaining)
		return 0;
	for (;;) {
		if (tty->hung_up)
			return 0;
		int error = job_control(tty, SIGTTIN);
		if (error)
			return error;
		bool canonical = tty->termios.c_lflag & ICANON;
		uint32_t minimum = canonical ? 1 : tty->termios.c_cc[VMIN];
		uint32_t tenths = canonical ? 0 : tty->termios.c_cc[VTIME];
		uint32_t available = line_readable(tty);
		if (!canonical && minimum > io->remaining)
			minimum = (uint32_t)io->remaining;
		if (available && available >= minimum)
			break;
		if (!canonical && !minimum && !tenths)
			return 0;
		if (file->flags & O_NONBLOCK)
			return available ? line_read(tty, io) : -EAGAIN;
		/* VTIME: from the start of the read without VMIN, else from each byte. */
		if (tenths && (minimum == 0 ? wait_until == DEADLINE_NEVER : available))
			wait_until = clock_monotonic() + tenths * 100000000ull;
		struct wait_entry entry;
		wait_begin(&entry, &tty->read_wait);
		int result = wait_sleep(wait_until);
		wait_end(&entry);
		if (result == -ETIMEDOUT)
			return line_readable(tty) ? line_read(tty, io) : 0;
		if (result)
			return result;
	}
	int64_t total = line_read(tty, io);
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
				line_output(tty, buffer[i]);
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
	/* Without a time-out, VMIN bytes make a raw terminal line_readable. */
	uint32_t minimum = 1;
	if (!(tty->termios.c_lflag & ICANON) && !tty->termios.c_cc[VTIME] && tty->termios.c_cc[VMIN])
		minimum = tty->termios.c_cc[VMIN];
	if (line_readable(tty) >= minimum)
		events |= POLLIN | POLLRDNORM;
	if (tty->hung_up)
		events |= POLLHUP | POLLIN;
	if (!tty->stopped && !tty->hung_up && tty->driver->room(tty) >= 8)
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int drain_output(struct tty *tty)
{
	return wait_event(&tty->write_wait,
	                  tty->hung_up || !tty->driver->pending || !tty->driver->pending(tty),
	                  DEADLINE_NEVER);
}

#define TERMIOS_BYTES                                                                                        \
	36u /* four words, the line, 19 control characters; termios2 has two speeds behind them */

/* struct termio, of System V: the low halves of the words, the line, 8 control characters. */
struct termio {
	uint16_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[8];
};

/* Bits per second of the speed numbers B0.. and, from CBAUDEX on, B57600..: termios(3). */
static uint32_t speed_of(uint32_t control, uint32_t other)
{
	static const uint32_t low[] = {0,   50,   75,   110,  134,  150,  200,   300,
	                               600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
	static const uint32_t high[] = {0,       57600,   115200,  230400,  460800,  500000,
	                                576000,  921600,  1000000, 1152000, 1500000, 2000000,
	                                2500000, 3000000, 3500000, 4000000};
	uint32_t number = control & CBAUD;
	if (number == BOTHER)
		return other;
	return number & BOTHER ? high[number & 15] : low[number & 15];
}

static void tell_packet(struct tty *tty, uint8_t status)
{
	if (tty->driver->packet)
		tty->driver->packet(tty, status);
}

/* What is locked of TTY's settings stays in WANTED as it is. */
static void keep_locked(const struct tty *tty, struct linux_termios *wanted)
{
	const struct linux_termios *old = &tty->termios, *locked = &tty->locked;
	wanted->c_iflag = (wanted->c_iflag & ~locked->c_iflag) | (old->c_iflag & locked->c_iflag);
	wanted->c_oflag = (wanted->c_oflag & ~locked->c_oflag) | (old->c_oflag & locked->c_oflag);
	wanted->c_cflag = (wanted->c_cflag & ~locked->c_cflag) | (old->c_cflag & locked->c_cflag);
	wanted->c_lflag = (wanted->c_lflag & ~locked->c_lflag) | (old->c_lflag & locked->c_lflag);
	if (locked->c_line)
		wanted->c_line = old->c_line;
	for (uint32_t i = 0; i < sizeof(wanted->c_cc); i++)
		if (locked->c_cc[i])
			wanted->c_cc[i] = old->c_cc[i];
}

static int64_t set_locked(struct tty *tty, uint64_t argument)
{
	struct linux_termios locked = {0};
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_from_user(&locked, argument, TERMIOS_BYTES))
		return -EFAULT;
	tty->locked = locked;
	return 0;
}

enum { CLOCAL = 04000 };

/* The carrier's part of a line that has none: a bit of the settings. */
static int64_t set_carrier(struct tty *tty, uint64_t argument)
{
	struct linux_termios wanted = tty->termios;
	uint32_t on;
	if (get_user_u32(&on, argument))
		return -EFAULT;
	wanted.c_cflag = on ? wanted.c_cflag | CLOCAL : wanted.c_cflag & ~(uint32_t)CLOCAL;
	line_set_termios(tty, &wanted);
	return 0;
}

/* DRAIN: what has been written goes out first; FLUSH: what has come in goes. */
static int64_t set_termios(struct tty *tty, struct linux_termios *wanted, bool drain, bool flush)
{
	int error = job_control(tty, SIGTTOU);
	if (!error && drain)
		error = drain_output(tty);
	if (error)
		return error;
	if (flush)
		line_flush(tty);
	keep_locked(tty, wanted);
	bool was = (tty->termios.c_iflag & IXON) && tty->termios.c_cc[VSTOP] == 19 &&
	           tty->termios.c_cc[VSTART] == 17;
	bool is = (wanted->c_iflag & IXON) && wanted->c_cc[VSTOP] == 19 && wanted->c_cc[VSTART] == 17;
	line_set_termios(tty, wanted);
	if (was != is)
		tell_packet(tty, is ? PACKET_DO_STOP : PACKET_NO_STOP);
	return 0;
}

static int64_t set_termios_user(struct tty *tty, uint32_t command, uint64_t argument)
{
	struct linux_termios wanted = {0};
	bool two = command == TCSETS2 || command == TCSETSW2 || command == TCSETSF2;
	uint32_t speeds[2] = {tty->input_speed, tty->output_speed};
	if (copy_from_user(&wanted, argument, TERMIOS_BYTES) ||
	    (two && copy_from_user(speeds, argument + TERMIOS_BYTES, sizeof(speeds))))
		return -EFAULT;
	bool flush = command == TCSETSF || command == TCSETSF2;
	int64_t error = set_termios(tty, &wanted, command != TCSETS && command != TCSETS2, flush);
	if (error)
		return error;
	tty->output_speed = speed_of(wanted.c_cflag, speeds[1]);
	/* The input's own number is 16 bits further up; 0: as the output. */
	uint32_t input = wanted.c_cflag >> 16 & CBAUD;
	tty->input_speed = input ? speed_of(input, speeds[0]) : tty->output_speed;
	return 0;
}

static int64_t get_termios2(const struct tty *tty, uint64_t argument)
{
	uint32_t speeds[2] = {tty->input_speed, tty->output_speed};
	return copy_to_user(argument, &tty->termios, TERMIOS_BYTES) ||
	               copy_to_user(argument + TERMIOS_BYTES, speeds, sizeof(speeds))
	           ? -EFAULT
	           : 0;
}

static int64_t termio(struct tty *tty, uint32_t command, uint64_t argument)
{
	struct linux_termios wanted = tty->termios;
	struct termio old = {(uint16_t)wanted.c_iflag,
	                     (uint16_t)wanted.c_oflag,
	                     (uint16_t)wanted.c_cflag,
	                     (uint16_t)wanted.c_lflag,
	                     wanted.c_line,
	                     {0}};
	memcpy(old.c_cc, wanted.c_cc, sizeof(old.c_cc));
	if (command == TCGETA)
		return copy_to_user(argument, &old, sizeof(old));
	if (copy_from_user(&old, argument, sizeof(old)))
		return -EFAULT;
	wanted.c_iflag = (wanted.c_iflag & 0xffff0000u) | old.c_iflag;
	wanted.c_oflag = (wanted.c_oflag & 0xffff0000u) | old.c_oflag;
	wanted.c_cflag = (wanted.c_cflag & 0xffff0000u) | old.c_cflag;
	wanted.c_lflag = (wanted.c_lflag & 0xffff0000u) | old.c_lflag;
	wanted.c_line = old.c_line;
	memcpy(wanted.c_cc, old.c_cc, sizeof(old.c_cc));
	return set_termios(tty, &wanted, command != TCSETA, command == TCSETAF);
}

/* TCFLSH: 0 what came in, 1 what was written and has not gone out, 2 both. */
static int64_t flush(struct tty *tty, uint64_t which)
{
	int error = job_control(tty, SIGTTOU);
	if (error)
		return error;
	if (which > 2)
		return -EINVAL;
	if (which != 1) {
		line_flush(tty);
		tell_packet(tty, PACKET_FLUSH_READ);
	}
	if (which)
		tell_packet(tty, PACKET_FLUSH_WRITE);
	return 0;
}

void tty_stop(struct tty *tty, bool stop)
{
	if (tty->stopped == stop)
		return;
	tty->stopped = stop;
	tell_packet(tty, stop ? PACKET_STOP : PACKET_START);
	if (!stop)
		wake_all(&tty->write_wait, 0);
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
	int32_t id = pid_named((int32_t)group);
	if (!group_in_session(id, process->sid))
		return group_first(id) ? -EPERM : -ESRCH;
	tty->foreground = id;
	return 0;
}

int64_t tty_ioctl(struct tty *tty, uint32_t command, uint64_t argument, bool master)
{
	struct process *process = current_task()->process;
	struct linux_winsize size;
	switch (command) {
	case TCGETS:
		return copy_to_user(argument, &tty->termios, TERMIOS_BYTES);
	case TCGETS2:
		return get_termios2(tty, argument);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return set_termios_user(tty, command, argument);
	case TCGETA:
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return termio(tty, command, argument);
	case TIOCGLCKTRMIOS:
		return copy_to_user(argument, &tty->locked, TERMIOS_BYTES);
	case TIOCSLCKTRMIOS:
		return set_locked(tty, argument);
	case TIOCGSOFTCAR:
		return put_user_u32(argument, !!(tty->termios.c_cflag & CLOCAL));
	case TIOCSSOFTCAR:
		return set_carrier(tty, argument);
	case TIOCSSERIAL: {         /* no line here has such settings */
		uint8_t serial[72]; /* struct serial_struct */
		return copy_from_user(serial, argument, sizeof(serial)) ? -EFAULT : -ENOTTY;
	}
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
		return put_user_u32(argument, (uint32_t)pid_seen(tty->foreground));
	case TIOCSPGRP:
		return set_foreground(tty, argument);
	case TIOCGSID:
		if (!master && process->tty != tty)
			return -ENOTTY;
		if (!tty->session)
			return -ENOTTY;
		return put_user_u32(argument, (uint32_t)pid_seen(tty->session));
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
		return put_user_u32(argument, line_readable(tty));
	case TIOCOUTQ:
		return put_user_u32(argument, tty->driver->pending ? tty->driver->pending(tty) : 0);
	case TCFLSH:
		return flush(tty, argument);
	case TCXONC: {
		int error = job_control(tty, SIGTTOU);
		if (error || argument > 3)
			return error ? error : -EINVAL;
		uint8_t c = tty->termios.c_cc[argument == 2 ? VSTOP : VSTART];
		if (argument <= 1)
			tty_stop(tty, argument == 0);
		else if (c)
			tty->driver->write(tty, &c, 1); /* asks the other side to stop or go on */
		return 0;
	}
	case TCSBRK:
	case TCSBRKP:
	case TIOCSBRK: {
		int error = job_control(tty, SIGTTOU);
		return error ? error : drain_output(tty);
	}
	case TIOCCBRK:
		return job_control(tty, SIGTTOU);
	case TIOCGETD:
		return put_user_u32(argument, 0); /* N_TTY */
	case TIOCSETD: {
		uint32_t discipline;
		return get_user_u32(&discipline, argument) ? -EFAULT : discipline ? -EINVAL : 0;
	}
	case TIOCGDEV:
		return put_user_u32(argument, (uint32_t)tty->device_number);
	case TIOCGEXCL:
		return put_user_u32(argument, tty->exclusive);
	case TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_hang_up(tty);
		return 0;
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
	struct tty *tty = file->private;
	if (tty->hung_up)
		return command == TIOCSPGRP ? -ENOTTY : -EIO;
	return tty_ioctl(tty, command, argument, false);
}

static void tty_file_release(struct file *file)
{
	struct tty *tty = file->private;
	if (!--tty->opens)
		tty->driver->unthrottle(tty);
	if (!tty->opens && tty->driver->closed)
		tty->driver->closed(tty);
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

SYSCALL_HANDLER(vhangup, void)
{
	struct tty *tty = current_task()->process->tty;
	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	if (tty)
		tty_hang_up(tty);
	return 0;
}
