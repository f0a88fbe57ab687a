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
		uint32_t available = line_readable(tty);
		if (!canonical && minimum > io->remaining)
			minimum = (uint32_t)io->remaining;
		if (available && available >= minimum)
			break;
		if (!canonical && !minimum && !tenths)
			return 0;
		if (tty->hung_up)
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
		line_flush(tty);
	line_set_termios(tty, &wanted);
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
		return put_user_u32(argument, line_readable(tty));
	case TIOCOUTQ:
		return put_user_u32(argument, tty->driver->pending ? tty->driver->pending(tty) : 0);
	case TCFLSH:
		if (argument > 2)
			return -EINVAL;
		if (argument != 1)
			line_flush(tty);
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
