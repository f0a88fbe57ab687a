/* /dev/tpm0 where the sub-kernel may use the machine's TPM (abi/subkernel.interface, tpm): a write is a command, the reads after it are
 * its answer, as Linux' drivers have it. One program has it open at a time. */
#include "../internal.h"
#include "name.h"
#include "ramfs.h"
#include "subkernel.interface.h"
#include "tpm.interface.h"
#include <holon/tpm.h>

#define DEVICE  (10u << 8 | 224u)
#define CALL_NS (180 * NS_PER_SECOND) /* longer than the driver waits for the device */
#define OPEN_NS (5 * NS_PER_SECOND)

static handle_t service;
static bool open, busy; /* BUSY: a command is under way */
static uint8_t buffer[TPM_COMMAND_MAX];
static uint32_t answer_at, answer_end;

static int error_of(int64_t error)
{
	return error == E_NOT_FOUND  ? -ENODEV
	       : error == E_ARGUMENT ? -EINVAL
	       : error == E_TIMEOUT  ? -ETIME
	                             : -EIO;
}

static int64_t tpm_write(struct file *file, struct io *io, int64_t *position)
{
	const void *answer;
	uint32_t bytes;
	(void)file;
	(void)position;
	if (busy || answer_at != answer_end)
		return -EBUSY;
	if (io->remaining > sizeof(buffer))
		return -E2BIG;
	int64_t taken = io_take(io, buffer, io->remaining);
	if (taken <= 0)
		return taken;
	busy = true;
	personality_unlock();
	int64_t result = tpm_command(service, current_page(), buffer, (uint32_t)taken, &answer, &bytes,
	                             clock_ns() + CALL_NS);
	if (result >= 0 && bytes <= sizeof(buffer))
		memcpy(buffer, answer, bytes);
	personality_lock();
	busy = false;
	if (result < 0 || bytes > sizeof(buffer))
		return result < 0 ? error_of(result) : -EIO;
	answer_at = 0;
	answer_end = bytes;
	return taken;
}

static int64_t tpm_read(struct file *file, struct io *io, int64_t *position)
{
	(void)file;
	(void)position;
	uint64_t part = answer_end - answer_at;
	if (busy || !part)
		return 0;
	if (part > io->remaining)
		part = io->remaining;
	int64_t done = io_put(io, buffer + answer_at, part);
	if (done > 0)
		answer_at += (uint32_t)done;
	return done;
}

static uint32_t tpm_poll(struct file *file, struct poll_table *table)
{
	(void)file;
	(void)table; /* a write returns when the answer is there */
	return busy ? 0 : answer_at != answer_end ? POLLIN | POLLRDNORM : POLLOUT | POLLWRNORM;
}

static void tpm_release(struct file *file)
{
	(void)file;
	memset(buffer, 0, sizeof(buffer));
	answer_at = answer_end = 0;
	open = false;
}

static const struct file_ops tpm_ops = {
    .read = tpm_read, .write = tpm_write, .poll = tpm_poll, .release = tpm_release};

int tpm_device_open(struct vnode *vnode, struct file *file)
{
	if (vnode->device_number != DEVICE || !service)
		return -ENXIO;
	if (open)
		return -EBUSY;
	open = true;
	file->ops = &tpm_ops;
	return 0;
}

void tpm_device_make(struct vnode *directory)
{
	handle_t control = start_find(linux_start_info(), "control", 0), found = 0;
	if (!control || subkernel_tpm(control, current_page(), &found, clock_ns() + OPEN_NS) < 0)
		return;
	service = found;
	struct vnode *node = ramfs_make(directory, "tpm0", S_IFCHR | 0660, DEVICE);
	if (node)
		vnode_release(node);
}
