/* Character devices by number: null, zero, full, random, kmsg; terminals are in tty/, disks in block_device.c,
 * keyboards and pointers in input_device.c, a TPM in tpm_device.c, sound in sound_device.c. */
#include "../internal.h"
#include "../mm/userfault.h"
#include "../tty/tty.h"
#include "name.h"
#include "ramfs.h"

static int64_t null_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return 0;
}

static int64_t sink_write(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)position;
	int64_t bytes = (int64_t)io->remaining;
	io->remaining = 0;
	return bytes;
}

static int64_t zero_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)position;
	return io_zero(io, io->remaining);
}

static int64_t full_write(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)io;
	(void)position;
	return -ENOSPC;
}

static int64_t random_read(struct file *file, struct io *io, int64_t *position)
{
	uint8_t bytes[256];
	int64_t total = 0;
	(void)position;
	total = random_wait(!(file->flags & O_NONBLOCK) && !(io->flags & IO_NO_WAIT));
	if (total)
		return total;
	while (io->remaining) {
		uint64_t part = io->remaining < sizeof(bytes) ? io->remaining : sizeof(bytes);
		random_bytes(bytes, part);
		int64_t done = io_put(io, bytes, part);
		if (done <= 0)
			return total ? total : done;
		total += done;
		if ((total & 0xffff) == 0 && signal_pending())
			break;
	}
	return total;
}

static int64_t zero_mmap(struct file *file, struct mmap_request *request)
{
	(void)file;
	request->object = memory_object_create(request->bytes);
	request->object_offset = 0;
	return request->object ? 0 : -ENOMEM;
}

#define KMSG_BYTES_MAX   1024u
#define KMSG_INTERVAL_NS (5 * NS_PER_SECOND)
#define KMSG_BURST       10u /* lines of an interval; as on Linux the rest is dropped without a word */

static int64_t kmsg_write(struct file *file, struct io *io, int64_t *position)
{
	static uint64_t begin;
	static uint32_t count;
	char line[200];
	int64_t total = (int64_t)io->remaining;
	uint64_t now = clock_monotonic();
	(void)file;
	(void)position;
	if (total > KMSG_BYTES_MAX)
		return -EINVAL;
	int64_t got = io_take(io, line, sizeof(line) - 1);
	if (got < 0)
		return got;
	line[got] = 0;
	io->remaining = 0;
	if (now >= begin + KMSG_INTERVAL_NS) {
		begin = now;
		count = 0;
	}
	if (++count <= KMSG_BURST)
		linux_log("linux: kmsg: %s", line);
	return total;
}

static int64_t stay_seek(struct file *file, int64_t offset, int whence)
{
	(void)file;
	(void)offset;
	(void)whence;
	return 0;
}

static const struct file_ops null_ops = {
    .read = null_read, .write = sink_write, .seek = stay_seek, .seekable = true, .parallel = true};
static const struct file_ops zero_ops = {.read = zero_read,
                                         .write = sink_write,
                                         .seek = stay_seek,
                                         .mmap = zero_mmap,
                                         .seekable = true,
                                         .parallel = true};
static const struct file_ops full_ops = {
    .read = zero_read, .write = full_write, .seek = stay_seek, .seekable = true};
static const struct file_ops random_ops = {
    .read = random_read, .write = sink_write, .seek = stay_seek, .seekable = true};
static const struct file_ops kmsg_ops = {.read = null_read, .write = kmsg_write};

#define DEVICE(major, minor) ((uint64_t)(major) << 8 | (minor))

int device_open(struct vnode *vnode, struct file *file)
{
	if (!S_ISCHR(vnode->mode))
		return block_device_open(vnode, file);
	switch (vnode->device_number) {
	case DEVICE(1, 3):
		file->ops = &null_ops;
		return 0;
	case DEVICE(1, 5):
		file->ops = &zero_ops;
		return 0;
	case DEVICE(1, 7):
		file->ops = &full_ops;
		return 0;
	case DEVICE(1, 8):
	case DEVICE(1, 9):
		file->ops = &random_ops;
		return 0;
	case DEVICE(1, 11):
		file->ops = &kmsg_ops;
		return 0;
	case DEVICE(10, 126):
		file->ops = &userfault_device_ops;
		return 0;
	default:
		if (vnode->device_number >> 8 == SOUND_MAJOR)
			return sound_device_open(vnode, file);
		if (vnode->device_number >> 8 == 10)
			return tpm_device_open(vnode, file);
		return vnode->device_number >> 8 == INPUT_MAJOR ? input_device_open(vnode, file)
		                                                : tty_device_open(vnode, file);
	}
}

void devices_make(struct vnode *directory)
{
	static const struct {
		const char *name;
		uint32_t mode;
		uint64_t device;
	} nodes[] = {
	    {"null", 0666, DEVICE(1, 3)},    {"zero", 0666, DEVICE(1, 5)},
	    {"full", 0666, DEVICE(1, 7)},    {"random", 0666, DEVICE(1, 8)},
	    {"urandom", 0666, DEVICE(1, 9)}, {"kmsg", 0644, DEVICE(1, 11)},
	    {"tty", 0666, DEVICE(5, 0)},     {"console", 0600, DEVICE(5, 1)},
	    {"ptmx", 0666, DEVICE(5, 2)},    {"userfaultfd", 0600, DEVICE(10, 126)},
	};
	for (unsigned i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
		struct vnode *node =
		    ramfs_make(directory, nodes[i].name, S_IFCHR | nodes[i].mode, nodes[i].device);
		if (node)
			vnode_release(node);
	}
	block_devices_make(directory);
	input_devices_make(directory);
	tpm_device_make(directory);
	sound_devices_make(directory);
}
