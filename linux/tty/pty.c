/* Pseudo terminals: pty(7). /dev/ptmx opens a new master; its slave is /dev/pts/N.
 *
 * The slave is an ordinary tty whose driver puts output into a ring that the master reads; what the master
 * writes is the tty's input.
 */
#include "../internal.h"
#include "../fs/name.h"
#include "../fs/ramfs.h"
#include "termios.h"
#include "tty.h"

#define PTY_MAX      64u
#define OUTPUT_BYTES 4096u

struct pty {
	uint32_t number;
	struct tty *tty; /* the slave's side; a reference while the master is open */
	bool locked, master_open, slave_was_open, packet;
	uint8_t status; /* of packet mode, not yet read */
	uint8_t output[OUTPUT_BYTES];
	uint32_t head, tail;
	struct wait_queue master_wait;
	struct vnode *node; /* in devpts; a reference */
};

static struct pty *ptys[PTY_MAX];
static struct filesystem *filesystem;

struct filesystem *pty_filesystem(void)
{
	if (!filesystem && (filesystem = ramfs_create("devpts", 0755)) != 0) {
		filesystem->magic = 0x1cd1;
		filesystem->flags = FILESYSTEM_UNCACHED; /* slaves come and go by themselves */
		struct vnode *node = ramfs_make(filesystem->root, "ptmx", S_IFCHR | 0666, 5 << 8 | 2);
		if (node)
			vnode_release(node);
	}
	return filesystem;
}

/* ---- The slave's driver ---- */

static uint32_t slave_room(struct tty *tty)
{
	const struct pty *pty = tty->private;
	return OUTPUT_BYTES - (pty->head - pty->tail);
}

static uint32_t slave_write(struct tty *tty, const uint8_t *bytes, uint32_t count)
{
	struct pty *pty = tty->private;
	uint32_t room = slave_room(tty);
	if (count > room)
		count = room;
	for (uint32_t i = 0; i < count; i++)
		pty->output[pty->head++ % OUTPUT_BYTES] = bytes[i];
	if (count)
		wake_all(&pty->master_wait, POLLIN | POLLRDNORM);
	return count;
}

static void slave_unthrottle(struct tty *tty)
{
	struct pty *pty = tty->private;
	wake_all(&pty->master_wait, POLLOUT | POLLWRNORM);
}

/* A master that waits learns that the slave is closed, whatever it waits for. */
static void slave_close(struct tty *tty)
{
	struct pty *pty = tty->private;
	wake_all(&pty->master_wait, 0);
}

static void slave_packet(struct tty *tty, uint8_t status)
{
	struct pty *pty = tty->private;
	const uint8_t opposite = status == PACKET_STOP      ? PACKET_START
	                         : status == PACKET_START   ? PACKET_STOP
	                         : status == PACKET_NO_STOP ? PACKET_DO_STOP
	                         : status == PACKET_DO_STOP ? PACKET_NO_STOP
	                                                    : 0;
	if (!pty->packet)
		return;
	pty->status = (uint8_t)((pty->status & ~opposite) | status);
	wake_all(&pty->master_wait, POLLPRI | POLLIN | POLLRDNORM);
}

static void slave_gone(struct tty *tty)
{
	struct pty *pty = tty->private;
	ptys[pty->number] = 0;
	heap_free(pty);
}

static const struct tty_driver slave_driver = {
    .write = slave_write,
    .room = slave_room,
    .unthrottle = slave_unthrottle,
    .closed = slave_close,
    .packet = slave_packet,
    .gone = slave_gone,
};

/* The slave is closed by all: the master reads what is left and then gets EIO. */
static bool slave_closed(const struct pty *pty)
{
	return pty->slave_was_open && !pty->tty->opens;
}

/* ---- The master ---- */

static int64_t master_read(struct file *file, struct io *io, int64_t *position)
{
	struct pty *pty = file->private;
	int64_t total = 0;
	(void)position;
	if (!io->remaining)
		return 0;
	if (pty->packet && pty->status) {
		int64_t done = io_put(io, &pty->status, 1);
		if (done > 0)
			pty->status = 0;
		return done;
	}
	if (pty->head == pty->tail) {
		if (slave_closed(pty))
			return -EIO;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int result =
		    wait_event(&pty->master_wait, pty->head != pty->tail || pty->status || slave_closed(pty),
		               DEADLINE_NEVER);
		if (result)
			return result;
		if (pty->status)
			return master_read(file, io, position);
		if (pty->head == pty->tail)
			return -EIO;
	}
	if (pty->packet) {
		uint8_t data = PACKET_DATA;
		total = io_put(io, &data, 1);
		if (total <= 0)
			return total;
	}
	while (io->remaining && pty->head != pty->tail) {
		uint32_t at = pty->tail % OUTPUT_BYTES;
		uint32_t part = pty->head - pty->tail;
		if (part > OUTPUT_BYTES - at)
			part = OUTPUT_BYTES - at;
		int64_t done = io_put(io, pty->output + at, part);
		if (done <= 0) {
			total = total ? total : done;
			break;
		}
		pty->tail += (uint32_t)done;
		total += done;
	}
	wake_all(&pty->tty->write_wait, POLLOUT | POLLWRNORM);
	return total;
}

static uint32_t input_room(const struct pty *pty)
{
	return TTY_INPUT_BYTES - (pty->tty->head - pty->tty->tail);
}

static int64_t master_write(struct file *file, struct io *io, int64_t *position)
{
	struct pty *pty = file->private;
	uint8_t bytes[128];
	int64_t total = 0;
	(void)position;
	while (io->remaining) {
		uint32_t room = input_room(pty);
		if (!room) {
			if (file->flags & O_NONBLOCK)
				return total ? total : -EAGAIN;
			int result = wait_event(&pty->master_wait, input_room(pty) != 0, DEADLINE_NEVER);
			if (result)
				return total ? total : result;
			continue;
		}
		int64_t got = io_take(io, bytes, room < sizeof(bytes) ? room : sizeof(bytes));
		if (got <= 0)
			return total ? total : got;
		tty_input(pty->tty, bytes, (uint32_t)got);
		total += got;
	}
	return total;
}

static uint32_t master_poll(struct file *file, struct poll_table *table)
{
	struct pty *pty = file->private;
	uint32_t events = 0;
	poll_wait(table, &pty->master_wait);
	if (pty->head != pty->tail)
		events |= POLLIN | POLLRDNORM;
	if (pty->status)
		events |= POLLPRI | POLLIN | POLLRDNORM;
	if (slave_closed(pty))
		events |= POLLHUP;
	if (input_room(pty))
		events |= POLLOUT | POLLWRNORM;
	return events;
}

static int64_t open_peer(struct pty *pty, uint32_t flags)
{
	struct file *file = file_create(0, flags & (O_ACCMODE | O_NONBLOCK), 0);
	if (!file)
		return -ENOMEM;
	int64_t result = tty_open(pty->tty, file, !(flags & O_NOCTTY));
	if (!result) {
		pty->slave_was_open = true;
		file->vnode = vnode_reference(pty->node);
		result = file_install(file, 0, flags & O_CLOEXEC);
	}
	if (result < 0)
		file_release(file);
	return result;
}

static int64_t master_ioctl(struct file *file, uint32_t command, uint64_t argument)
{
	struct pty *pty = file->private;
	uint32_t value;
	switch (command) {
	case TIOCGPTN:
		return put_user_u32(argument, pty->number);
	case TIOCSPTLCK:
		if (get_user_u32(&value, argument))
			return -EFAULT;
		pty->locked = value;
		return 0;
	case TIOCGPTLCK:
		return put_user_u32(argument, pty->locked);
	case TIOCGPTPEER:
		return open_peer(pty, (uint32_t)argument);
	case TIOCPKT:
		if (get_user_u32(&value, argument))
			return -EFAULT;
		pty->packet = value;
		pty->status = 0;
		return 0;
	case TIOCGPKT:
		return put_user_u32(argument, pty->packet);
	case TIOCSIG:
		if (argument != SIGINT && argument != SIGQUIT && argument != SIGTSTP)
			return -EINVAL;
		if (pty->tty->foreground)
			signal_send_group(pty->tty->foreground, (int)argument, 0);
		return 0;
	case TIOCGDEV:
		return put_user_u32(argument, 5 << 8 | 2);
	case TCFLSH:
		/* The master's input is what the slave has written; its output has gone to the slave. */
		if (argument > 2)
			return -EINVAL;
		if (argument != 1) {
			pty->tail = pty->head;
			wake_all(&pty->tty->write_wait, POLLOUT | POLLWRNORM);
		}
		return 0;
	case FIONREAD:
		return put_user_u32(argument, pty->head - pty->tail);
	case TIOCSCTTY:
	case TIOCNOTTY:
		return -ENOTTY;
	default:
		return tty_ioctl(pty->tty, command, argument, true);
	}
}

static void master_release(struct file *file)
{
	struct pty *pty = file->private;
	char name[12];
	int length = text_format(name, sizeof(name), "%u", pty->number);
	struct vnode *root = pty_filesystem()->root;
	pty->master_open = false;
	root->ops->unlink(root, name, (uint32_t)length, pty->node);
	vnode_release(pty->node);
	tty_hang_up(pty->tty);
	tty_release(pty->tty);
}

static void master_describe(struct file *file, char *text, uint32_t size)
{
	(void)file;
	text_copy(text, size, "/dev/ptmx");
}

static const struct file_ops master_ops = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .release = master_release,
    .describe = master_describe,
};

int pty_open_master(struct file *file)
{
	uint32_t number = 0;
	char name[12];
	while (number < PTY_MAX && ptys[number])
		number++;
	if (number == PTY_MAX)
		return -ENOSPC;
	struct pty *pty = heap_allocate(sizeof(*pty));
	if (!pty)
		return -ENOMEM;
	pty->number = number;
	pty->locked = pty->master_open = true;
	wait_queue_init(&pty->master_wait);
	pty->tty = tty_create(&slave_driver, pty, 136u << 8 | number);
	text_format(name, sizeof(name), "%u", number);
	pty->node =
	    pty->tty ? ramfs_make(pty_filesystem()->root, name, S_IFCHR | 0620, 136u << 8 | number) : 0;
	if (!pty->node) {
		heap_free(pty->tty);
		heap_free(pty);
		return -ENOMEM;
	}
	ptys[number] = pty;
	file->ops = &master_ops;
	file->private = pty;
	return 0;
}

int pty_show(struct tty *tty)
{
	uint32_t number = 0;
	char name[12];
	while (number < PTY_MAX && ptys[number])
		number++;
	struct pty *pty = number < PTY_MAX ? heap_allocate(sizeof(*pty)) : 0;
	if (!pty)
		return number < PTY_MAX ? -ENOMEM : -ENOSPC;
	text_format(name, sizeof(name), "%u", number);
	pty->node = ramfs_make(pty_filesystem()->root, name, S_IFCHR | 0620, 136u << 8 | number);
	if (!pty->node) {
		heap_free(pty);
		return -ENOMEM;
	}
	pty->number = number;
	pty->master_open = true;
	pty->tty = tty;
	wait_queue_init(&pty->master_wait);
	tty->device_number = 136u << 8 | number;
	ptys[number] = pty;
	return 0;
}

void pty_hide(struct tty *tty)
{
	char name[12];
	struct pty *pty = ptys[tty->device_number & 0xff];
	int length = text_format(name, sizeof(name), "%u", pty->number);
	struct vnode *root = pty_filesystem()->root;
	root->ops->unlink(root, name, (uint32_t)length, pty->node);
	vnode_release(pty->node);
	ptys[pty->number] = 0;
	heap_free(pty);
}

struct tty *pty_slave(uint32_t number)
{
	struct pty *pty = number < PTY_MAX ? ptys[number] : 0;
	if (!pty || !pty->master_open || pty->locked)
		return 0;
	pty->slave_was_open = true;
	return pty->tty;
}
