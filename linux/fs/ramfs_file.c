/* Reading, writing and mapping regular files of ramfs. */
#include "../internal.h"
#include "ramfs_data.h"

#define PIECE_BYTES  262144u /* that are read with the common lock given up before they are handed on */
#define TRIES_BESIDE 8u

static void file_accessed(struct file *file)
{
	struct ram_node *node = ram_node(file->vnode);
	struct linux_timespec now;
	if (!access_time_due(file, &now))
		return;
	bool alone = common_mode() == COMMON_ALONE;
	if (!alone)
		lock_acquire(&node->lock);
	node->vnode.accessed = now;
	if (!alone)
		lock_release(&node->lock);
}

/* What the current task asked for nobody wants any more. */
static bool task_ends(void)
{
	return current_task()->work & TASK_WORK_EXIT;
}

/* Bytes [AT, AT + *COUNT) of NODE are here; fewer of them, where others need not wait (BESIDE). */
static int contents_here(struct ram_node *node, uint64_t at, uint64_t *count, bool beside)
{
	if (!node->data.pages || backing_readable(node, at, at + *count))
		return 0;
	if (common_mode() != COMMON_ALONE)
		return -EALONE;
	if (!beside)
		return backing_fill(node, at, at + *count);
	*count = *count < PIECE_BYTES ? *count : PIECE_BYTES;
	/* What others do to the file meanwhile may undo it. */
	for (unsigned tries = 0; tries < TRIES_BESIDE && !backing_readable(node, at, at + *count); tries++) {
		int error = task_ends() ? -EINTR : backing_fetch(node, at, at + *count);
		if (error)
			return error;
		if (at >= node->vnode.size)
			*count = 0;
		else if (*count > node->vnode.size - at)
			*count = node->vnode.size - at;
	}
	return *count ? backing_fill(node, at, at + *count) : 0;
}

static int file_fetch(struct file *file)
{
	struct ram_node *node = ram_node(file->vnode);
	struct backing *backing = ram_backing(node);
	bool copies = backing && file_writable(file) && !node->upper && node->parent;
	if (!backing || (!copies && (!node->data.pages || backing_readable(node, 0, node->vnode.size))))
		return 0;
	enum common_mode before = common_alone();
	if (copies) { /* as a change; errors are met by mmap */
		backing_change(backing);
		(void)backing_copy_up(node, true);
		backing_change_end(backing);
	}
	for (uint64_t left = node->data.pages ? node->vnode.size / 4096 + 1 : 0;
	     left && backing->loaded_bytes <= backing->loaded_max && !task_ends(); left--)
		if (backing_readable(node, 0, node->vnode.size) || backing_fetch(node, 0, node->vnode.size))
			break;
	int result = task_ends() ? -EINTR : 0;
	common_back(before);
	return result;
}

static int64_t file_read(struct file *file, struct io *io, int64_t *position)
{
	struct ram_node *node = ram_node(file->vnode);
	uint64_t at = (uint64_t)*position;
	int64_t done = 0;
	if (io->remaining)
		file_accessed(file);
	while (io->remaining && at < node->vnode.size) {
		uint64_t count = node->vnode.size - at;
		count = count < io->remaining ? count : io->remaining;
		int error = contents_here(node, at, &count, io->flags & IO_BESIDE);
		if (!error && !count) /* somebody has cut it */
			break;
		const uint8_t *bytes = error ? 0 : ram_data_read(node, &error);
		/* A sparse object's or heap copy's bytes end where they end: behind them the file is zeroes. */
		int64_t part = error ? error : io_put(io, bytes + at, count);
		if (part <= 0)
			return done ? done : part;
		at += (uint64_t)part;
		done += part;
		*position = (int64_t)at;
		if ((uint64_t)part < count)
			break;
	}
	return done;
}

/* ALONE: the common lock is held so. */
static int64_t write_in(struct ram_node *node, const struct file *file, struct io *io, int64_t *position,
                        bool alone)
{
	if ((file->flags & O_APPEND) || (io->flags & IO_APPEND))
		*position = (int64_t)node->vnode.size;
	uint64_t at = (uint64_t)*position;
	uint64_t end;
	if (__builtin_add_overflow(at, io->remaining, &end))
		return -EFBIG;
	if ((node->data.seals & 0x18) || ((node->data.seals & 4) && end > node->vnode.size))
		return -EPERM; /* F_SEAL_WRITE, F_SEAL_FUTURE_WRITE; F_SEAL_GROW */
	uint64_t limit = current_task()->process->limits[RLIMIT_FSIZE].current;
	if (end > limit) {
		if (at >= limit) {
			if (!alone)
				return -EALONE;
			signal_send_task(current_task(), SIGXFSZ, 0);
			return -EFBIG;
		}
		end = limit;
	}
	uint64_t before = node->vnode.size;
	uint64_t from = at > before ? at : before;
	if (end > from) {
		uint64_t allowed = pressure_allowance(end - from);
		if (!allowed && from == at)
			return -ENOSPC;
		end = from + allowed;
	}
	bool limited = node->vnode.filesystem->bytes_max;
	uint32_t lost = capable_over(&node->vnode, CAP_FSETID) ? 0 : privilege_bits_lost(&node->vnode);
	if (!alone && (limited || lost || !ram_data_writable(node, end) ||
	               (ram_backing(node) && !backing_writable(node, at, end))))
		return -EALONE;
	if (limited) {
		end = ram_charge_limit(node, at, end);
		if (end <= at)
			return -ENOSPC;
	}
	int error = alone && ram_backing(node) ? backing_write_begin(node, at, end) : 0;
	if (!error && lost && ram_backing(node))
		error =
		    backing_set(node, &(struct attributes){.mode = node->vnode.mode & ~lost}, ATTRIBUTE_MODE);
	if (!error)
		node->vnode.mode &= ~lost;
	if (!error && alone)
		error = ram_data_write(node, end);
	if (error)
		return error;
	uint64_t count = end - at;
	if (at > before && !node->vnode.object && node->data.small)
		memset(node->data.small + before, 0, at - before);
	uint8_t *to = ram_data_bytes(node) + at;
	int64_t done = io_take(io, to, count);
	if (done == -EFAULT && probe_write((uint64_t)to))
		return -ENOSPC; /* it was not the program's address that was bad */
	if (done <= 0)
		return done;
	if (ram_backing(node))
		done = (int64_t)(backing_wrote(node, at, at + (uint64_t)done) - at);
	if (!done)
		return -EFAULT;
	*position += done;
	if (at + (uint64_t)done > before)
		node->vnode.size = at + (uint64_t)done;
	if (limited)
		ram_charge(node);
	node->vnode.modified = node->vnode.changed = clock_realtime_timespec();
	return done;
}

/* True: a change has begun, because the write needs something of the service, which is here now, or it would change the mode.
 * Errors are met again in the write. */
static bool write_prepare(struct ram_node *node, const struct file *file, const struct io *io, uint64_t at)
{
	uint64_t end;
	uint64_t limit = current_task()->process->limits[RLIMIT_FSIZE].current;
	bool lost = privilege_bits_lost(&node->vnode);
	if ((file->flags & O_APPEND) || (io->flags & IO_APPEND))
		at = node->vnode.size;
	if (__builtin_add_overflow(at, io->remaining, &end) || end > RAM_SIZE_MAX)
		return false;
	end = end < limit ? end : limit;
	if (end <= at || (!lost && !backing_write_waits(node, at, end)))
		return false;
	/* No more than can be written: what the service promises stays with this mount. */
	uint64_t from = at > node->vnode.size ? at : node->vnode.size;
	if (end > from)
		end = from + pressure_allowance(end - from);
	backing_change(ram_backing(node));
	(void)backing_write_prepare(node, at, end);
	return true;
}

static int64_t file_write(struct file *file, struct io *io, int64_t *position)
{
	struct ram_node *node = ram_node(file->vnode);
	struct backing *backing = ram_backing(node);
	if (!io->remaining)
		return 0;
	bool alone = common_mode() == COMMON_ALONE;
	bool change =
	    backing && alone && (io->flags & IO_BESIDE) && write_prepare(node, file, io, (uint64_t)*position);
	if (change)
		backing_still(backing);
	lock_acquire(&node->lock);
	int64_t result = write_in(node, file, io, position, alone);
	lock_release(&node->lock);
	if (change) {
		backing_still_end(backing);
		backing_change_end(backing);
	}
	return result;
}

static void file_write_fetch(struct file *file, int64_t position, uint64_t bytes)
{
	const struct io io = {.remaining = bytes};
	struct ram_node *node = ram_node(file->vnode);
	if (ram_backing(node) && write_prepare(node, file, &io, (uint64_t)position))
		backing_change_end(ram_backing(node));
}

static int64_t file_seek(struct file *file, int64_t offset, int whence)
{
	int64_t size = (int64_t)file->vnode->size;
	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		offset += file->position;
		break;
	case SEEK_END:
		offset += size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (offset < 0 || offset >= size)
			return -ENXIO;
		if (ram_node(file->vnode)->upper) {
			struct backing *backing = ram_backing(ram_node(file->vnode));
			backing_change(backing);
			offset = backing_seek(ram_node(file->vnode), (uint64_t)offset, whence == SEEK_DATA);
			backing_change_end(backing);
		} else {
			offset = (int64_t)ram_data_seek(ram_node(file->vnode), (uint64_t)offset,
			                                whence == SEEK_DATA);
		}
		if (offset < 0)
			return offset;
		if (offset == size && whence == SEEK_DATA)
			return -ENXIO;
		break;
	default:
		return -EINVAL;
	}
	if (offset < 0)
		return -EINVAL;
	return file->position = offset;
}

static int64_t file_mmap(struct file *file, struct mmap_request *request)
{
	struct ram_node *node = ram_node(file->vnode);
	uint64_t base;
	if (request->shared && request->write && (node->data.seals & 0x18))
		return -EPERM;
	int error = ram_data_object(node, request->shared && (request->write || file_writable(file)),
	                            &request->object, &base);
	if (error)
		return error;
	request->object_offset = base + request->offset;
	file_accessed(file);
	return 0;
}

static int file_page_write(struct file *file, uint64_t offset)
{
	struct ram_node *node = ram_node(file->vnode);
	return ram_backing(node) ? backing_page_write(node, offset) : 1;
}

static int64_t file_sync(struct file *file, bool data_only)
{
	struct ram_node *node = ram_node(file->vnode);
	return ram_backing(node) ? backing_sync(node, data_only) : 0; /* memory is where the data lives */
}

/* Whoever closes a file expects others to find it. Errors come with the next fsync, as on Linux. */
static void file_flush(struct file *file)
{
	struct ram_node *node = ram_node(file->vnode);
	if (!ram_backing(node) || !file_writable(file) || list_empty(&node->dirty))
		return;
	backing_change(ram_backing(node));
	int error = backing_write_back(node);
	if (error)
		node->data.error = error;
	backing_change_end(ram_backing(node));
}

static int64_t file_truncate(struct file *file, int64_t bytes)
{
	struct ram_node *node = ram_node(file->vnode);
	if (((node->data.seals & 2) && (uint64_t)bytes < node->vnode.size) ||
	    ((node->data.seals & 4) && (uint64_t)bytes > node->vnode.size))
		return -EPERM;
	return ramfs_resize(file->vnode, (uint64_t)bytes);
}

/* Bytes [START, END) of NODE become zeroes. */
static int clear(struct ram_node *node, bool zero, uint64_t start, uint64_t end)
{
	if (ram_backing(node))
		return backing_clear(node, zero, start, end);
	int error = ram_data_write(node, end);
	return error ? error : ram_data_clear(node, start, end);
}

/* What is behind OFFSET goes BYTES to the front, over what is there, or to the back. The rules are ext4's. */
static int64_t shift(struct file *file, bool insert, uint64_t offset, uint64_t bytes)
{
	struct ram_node *node = ram_node(file->vnode);
	uint64_t size = node->vnode.size;
	if (node->data.seals & (0x18 | (insert ? 4 : 2)))
		return -EPERM;
	if ((offset | bytes) % PAGE_SIZE_BYTES)
		return -EINVAL;
	if (insert && (size > RAM_SIZE_MAX || bytes > RAM_SIZE_MAX - size))
		return -EFBIG;
	if (insert ? offset >= size : offset + bytes >= size)
		return -EINVAL;
	int error;
	if (ram_backing(node)) {
		error = backing_shift(node, offset, bytes, insert);
	} else {
		error = ram_data_shift_begin(node, offset, bytes, insert);
		if (!error)
			error = ram_data_shift(node, offset, bytes, insert);
	}
	if (!error)
		node->vnode.modified = node->vnode.changed = clock_realtime_timespec();
	return error;
}

static int64_t allocate(struct file *file, int mode, int64_t offset, int64_t bytes)
{
	struct ram_node *node = ram_node(file->vnode);
	uint64_t end = (uint64_t)(offset + bytes);
	if (mode & (FALLOC_COLLAPSE_RANGE | FALLOC_INSERT_RANGE))
		return shift(file, mode & FALLOC_INSERT_RANGE, (uint64_t)offset, (uint64_t)bytes);
	if ((node->data.seals & 0x18) && (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)))
		return -EPERM;
	if ((node->data.seals & 4) && end > node->vnode.size && !(mode & FALLOC_KEEP_SIZE))
		return -EPERM;
	if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (mode & (FALLOC_PUNCH_HOLE | FALLOC_ZERO_RANGE)) {
		uint64_t until = end < node->vnode.size ? end : node->vnode.size;
		if ((uint64_t)offset < until) {
			int error = clear(node, mode & FALLOC_ZERO_RANGE, (uint64_t)offset, until);
			if (error)
				return error;
			node->vnode.modified = node->vnode.changed = clock_realtime_timespec();
			ram_charge(node);
		}
		if (mode & FALLOC_PUNCH_HOLE)
			return 0;
	}
	if (node->vnode.filesystem->bytes_max && ram_charge_limit(node, (uint64_t)offset, end) < end)
		return -ENOSPC;
	if (ram_backing(node) && !(mode & FALLOC_ZERO_RANGE)) {
		int error =
		    backing_allocate(node, mode & FALLOC_KEEP_SIZE, (uint64_t)offset, (uint64_t)bytes);
		if (error)
			return error;
		node->vnode.modified = node->vnode.changed = clock_realtime_timespec();
	}
	if ((mode & FALLOC_KEEP_SIZE) || end <= node->vnode.size)
		return 0;
	if (!(mode & FALLOC_ZERO_RANGE) && ram_backing(node) && node->upper)
		return ram_data_resized(node, end); /* in the service it is so long already */
	return ramfs_resize(file->vnode, end);
}

static int64_t file_fallocate(struct file *file, int mode, int64_t offset, int64_t bytes)
{
	struct backing *backing = ram_backing(ram_node(file->vnode));
	if (!backing)
		return allocate(file, mode, offset, bytes);
	backing_change(backing);
	int64_t result = allocate(file, mode, offset, bytes);
	backing_change_end(backing);
	return result;
}

const struct file_ops ramfs_file_ops = {
    .read = file_read,
    .write = file_write,
    .seek = file_seek,
    .mmap = file_mmap,
    .page_write = file_page_write,
    .fetch = file_fetch,
    .write_fetch = file_write_fetch,
    .sync = file_sync,
    .flush = file_flush,
    .truncate = file_truncate,
    .fallocate = file_fallocate,
    .seekable = true,
    .parallel = true,
};
